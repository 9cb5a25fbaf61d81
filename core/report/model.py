"""A report as data: sections of blocks. What is emphasised or code is said by types, so that no text holds Markdown and
a renderer can show all of it letter by letter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import Formatter


@dataclass(frozen=True, slots=True)
class Strong:
    text: str


@dataclass(frozen=True, slots=True)
class Emphasis:
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    text: str


@dataclass(frozen=True, slots=True)
class FileLink:
    """A link to the file ``name`` beside the report."""

    name: str


Span = str | Strong | Emphasis | Code | FileLink
Text = str | tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Text


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph that is set apart: a warning."""

    text: Text


@dataclass(frozen=True, slots=True)
class Bullet:
    text: Text
    children: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class BulletList:
    items: tuple[Bullet, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The first ``text_columns`` columns are aligned left, as text is, the others right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """``name`` is that of its files beside the report, without the ending."""

    name: str
    caption: str


@dataclass(frozen=True, slots=True)
class FileLinks:
    """``template`` is a sentence whose field ``files`` is filled in with ``names``."""

    template: str
    names: tuple[str, ...]

    def text(self, span: Callable[[str], Span]) -> Text:
        """The sentence with ``span(name)`` for each of the names."""
        return fill(self.template, files=join(", ", map(span, self.names)))


Block = Paragraph | Note | BulletList | Table | Figure | FileLinks


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    level: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """``sections`` in reading order, whatever their level."""

    sections: tuple[Section, ...]


def fill(template: str, /, **fields: Span | Text | float) -> Text:
    """``template``, a translated sentence, with its ``{fields}`` filled in; spans stay spans."""
    spans: list[Span | Text] = []
    for literal, name, spec, _ in Formatter().parse(template):
        spans.append(literal)
        if name is not None:
            value = fields[name]
            spans.append(format(value, spec or "") if isinstance(value, int | float) else value)
    return join("", spans)


def join(separator: str, parts: Iterable[Span | Text]) -> Text:
    """``parts`` with ``separator`` between them, as one text."""
    spans: list[Span] = []
    for part in parts:
        spans += [separator] if spans else []
        spans += part if isinstance(part, tuple) else [part]
    merged: list[Span] = []
    for span in spans:
        if merged and isinstance(span, str) and isinstance(merged[-1], str):
            merged[-1] += span
        elif span:
            merged.append(span)
    return tuple(merged)
