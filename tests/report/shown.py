"""What a reader sees of Markdown, by a parser that is not ours."""

from markdown_it import MarkdownIt

_PARSER = MarkdownIt("commonmark").enable(["strikethrough", "table"])
_MARKS = {"text", "softbreak", "code_inline", "strong_open", "strong_close", "em_open", "em_close"}


def shown(markdown, marks=()):
    """The text of each heading, paragraph, item and cell. AssertionError if there is anything but plain, strong,
    emphasised and code in it, or in ``marks``."""
    texts = []
    for token in _PARSER.parse(markdown):
        assert token.type not in ("fence", "code_block", "html_block", "hr"), token
        if token.type == "inline":
            assert {child.type for child in token.children} <= _MARKS | set(marks), token.children
            texts.append(" ".join("".join(map(_text, token.children)).split()))
    return texts


def _text(token):
    if token.type == "image":
        return "".join(map(_text, token.children or ()))
    return " " if token.type == "softbreak" else token.content
