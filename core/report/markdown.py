"""Reports and tables as Markdown. All text is escaped by the environment itself: no template can forget it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.report.model import Block, Code, Emphasis, FileLink, Report, Strong

# What Markdown and Streamlit's dialect of it act on: a colon or ampersand not before a space, "!" only before a link.
_ACTIVE = re.compile(r"[\\`*_\[\]<>|~$#]|[:&](?!\s)|!$")
_LIST_MARKER = re.compile(r"^( ?)(?=[-+\d])(\d{0,9})([-+.)])(?=[\s-]|$)")


class _Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escape_markdown(text: str) -> str:
    """``text`` that Markdown, Streamlit's included, shows letter by letter, on one line."""
    return _escape(text).strip()


def render_markdown(report: Report) -> str:
    """The whole report."""
    return _ENVIRONMENT.get_template("report.md.j2").render(report=report)


def render_block(block: Block) -> str:
    """One block of a report, with a newline at its end."""
    return _ENVIRONMENT.get_template("block.md.j2").render(block=block)


def _escape(text: str) -> str:
    line = re.sub(r"\s+", " ", text)
    return _LIST_MARKER.sub(r"\1\2\\\3", _ACTIVE.sub(lambda found: f"\\{found[0]}", line))


def _finalize(value: object) -> str:
    """What an expression in a template writes."""
    if isinstance(value, _Markdown):
        return value
    spans = value if isinstance(value, tuple) else (value,)
    return "".join(map(_render_span, spans)).strip()


def _render_span(span: object) -> str:
    match span:
        case Strong(text) | Emphasis(text) | Code(text) if not text.strip():
            return ""
        case Strong(text):
            return f"**{escape_markdown(text)}**"
        case Emphasis(text):
            return f"*{escape_markdown(text)}*"
        case Code(text):
            return _render_code(" ".join(text.split()))
        case FileLink(name):
            return f"[{escape_markdown(name)}]({quote(name)})"
        case _:
            return _escape(str(span))


def _render_code(text: str) -> str:
    """``text`` between more backticks than it has in a row."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{room}{text}{room}{fence}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["url"] = lambda name: _Markdown(quote(name))
    environment.globals |= {"Emphasis": Emphasis, "FileLink": FileLink}
    return environment


_ENVIRONMENT = _environment()
