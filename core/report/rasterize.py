"""Vega-Lite as PNG, SVG or PDF: here, or in a process of its own, as drawing blocks every other thread of this one."""

from __future__ import annotations

import base64
import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from core.runs.folder import REPOSITORY
from core.spec.errors import OperationError

FORMATS = ("png", "svg", "pdf")
_PNG_PPI = 300
_PNG_SCALE = 72 / 96  # in points on paper, of a figure's pixel, of which 96 are an inch
_MAX_SECONDS = 120  # for a figure
_LETTER = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
    '<text y="30" font-size="24" font-family="sans-serif">{}</text></svg>'
)


@functools.cache
def has_korean_font() -> bool:
    """Whether a font is here that has Korean letters: without one, all of them come out as the same empty box."""
    import vl_convert  # noqa: PLC0415 - starts a JavaScript engine

    first, second = (vl_convert.svg_to_png(_LETTER.format(letter)) for letter in ("가", "힣"))
    return bool(first != second)


def rasterize(spec: Mapping[str, Any], kind: str) -> bytes:
    """The figure as a file of ``kind``, one of FORMATS."""
    import vl_convert  # noqa: PLC0415 - starts a JavaScript engine

    if kind == "png":
        return bytes(vl_convert.vegalite_to_png(dict(spec), scale=_PNG_SCALE, ppi=_PNG_PPI))
    if kind == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(dict(spec)))
    return str(vl_convert.vegalite_to_svg(dict(spec))).encode()


def rasterize_in_subprocess(figures: Sequence[tuple[str, str]]) -> list[bytes]:
    """As :func:`rasterize`, for several figures, each as JSON with its format, in one other process, so that the other
    threads of this one go on. OSError if one of them cannot be drawn."""
    command = [sys.executable, "-m", "core.report.rasterize"]
    timeout = _MAX_SECONDS * len(figures)
    try:
        done = subprocess.run(
            command,
            input=json.dumps(figures).encode(),
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
            timeout=timeout,
        )
    except subprocess.SubprocessError:
        raise OperationError("the figure could not be drawn") from None
    return [base64.b64decode(line) for line in done.stdout.splitlines()]


def main() -> None:
    """Read figures as JSON from standard input; write each as a line in base64."""
    for spec, kind in json.load(sys.stdin):
        sys.stdout.buffer.write(base64.b64encode(rasterize(json.loads(spec), kind)) + b"\n")


if __name__ == "__main__":
    main()
