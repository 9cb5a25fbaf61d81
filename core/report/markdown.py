"""Reports and tables as Markdown. All text is escaped by the environment itself: no template can forget it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.report.model import Block, Code, Emphasis, FileLink, Report, Strong

_ACTIVE = frozenset("\\`*_[]<>|~$#")  # what Markdown, or Streamlit's dialect of it, may act on wherever it stands


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
    """As :func:`escape_markdown`, but a space at either end stays: the text may stand between others."""
    line, after = " ".join(text.split()), " " * text[-1:].isspace()
    if not line:
        return after
    escaped = "".join(
        # A colon or an ampersand before a space is punctuation; "!" acts before a link only, which would be another span.
        f"\\{char}"
        if char in _ACTIVE or (char in ":&" and following != " ") or (char == "!" and not following)
        else char
        for char, following in zip(line, (*line[1:], after), strict=True)
    )
    first = line.partition(" ")[0]
    if first == "+" or not first.strip("-"):  # would begin a list, or be a rule
        escaped = f"\\{escaped}"
    elif first[:-1].isdecimal() and first[-1] in ".)":  # a numbered list
        escaped = f"{first[:-1]}\\{escaped[len(first) - 1 :]}"
    return " " * text[:1].isspace() + escaped + after


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
    runs = "".join(char if char == "`" else " " for char in text).split()
    fence = "`" * (1 + max(map(len, runs), default=0))
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{text}{space}{fence}"


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
