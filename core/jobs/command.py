"""Commands of ``python -m core`` for the app, each in a process of its own: they need torch, which the app never loads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from core.runs.atomic_io import sha256
from core.runs.folder import Home, RunFolder
from core.spec.errors import InputError

MAX_SECONDS = 900.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Form:
    """A form in which a network is taken away: the ending of its file, and what the export command is told."""

    ending: str
    options: tuple[str, ...]


FORMS = {
    "half": Form("half.safetensors", ("--format", "safetensors", "--half")),
    "plain": Form("plain.safetensors", ("--format", "plain")),
    "onnx": Form("onnx", ("--format", "onnx")),
}


def export_path(home: Home, folder: RunFolder, form: str) -> Path:
    """Where the network of the finished run in ``folder`` is kept in one of FORMS once it was made; under the cache of
    ``home``, whichever home the run belongs to. OSError if the network's file cannot be read."""
    result = folder.result()
    digest = (result and result.model_sha256) or sha256(folder.model_path)
    return home.cache / "exports" / f"{folder.run_id}-{digest[:12]}.{FORMS[form].ending}"


def make_export(home: Home, folder: RunFolder, form: str) -> Path:
    """Make that file if it is not there yet; InputError with the reason if it cannot be made."""
    path = export_path(home, folder, form)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _run("export", folder, *FORMS[form].options, "--output", str(path), "--force")
    return path


def examine(folder: RunFolder) -> None:
    """Examine the network of the finished run in ``folder``; InputError with the reason if it cannot be examined."""
    _run("examine", folder)


def _run(command: str, folder: RunFolder, *options: str) -> None:
    home = folder.path.parent.parent
    arguments = [sys.executable, "-m", "core", command, folder.run_id, *options, "--home", str(home)]
    try:
        done = subprocess.run(
            arguments,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            "The command {command} took longer than {minutes:.0f} minutes.", command=command, minutes=MAX_SECONDS / 60
        ) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise InputError(lines[-1][:300] if lines else f"The command {command} was killed, perhaps for want of memory.")
