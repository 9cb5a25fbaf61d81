"""Whatever is in the data, a report shows it letter by letter, and nothing in it acts as Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from core.i18n import LANGUAGES
from core.report import markdown
from core.report.markdown import escape_markdown, render_block, render_markdown
from core.report.model import (
    Bullet,
    BulletList,
    Code,
    Emphasis,
    Figure,
    FileLink,
    FileLinks,
    Note,
    Paragraph,
    Report,
    Section,
    Strong,
    Table,
    fill,
    join,
)
from tests.report.sentences import fields, sentences, translated
from tests.report.shown import shown

AWKWARD = (
    *"~*_`[]<>|$:&\\#!-+=",
    *(
        "~~",
        "~~a~~",
        "0.98~1.03",
        "**",
        "*a*",
        "__a__",
        "a_b",
        "``",
        "`a`",
        "`",
        "```",
        "---",
        "- a",
        "+ a",
        "1. a",
        "1)",
    ),
    *(
        "](x)",
        "![",
        "![a](b)",
        "[a]: b",
        "[ ] a",
        "<b>",
        "<!--",
        "&lt;",
        "&#35;",
        "a|b",
        "\\|",
        "\\\\",
        "$a$",
        "$$",
        ":a:",
    ),
    *(
        ":red[a]",
        ":material/a:",
        "::a",
        "# a",
        "a #",
        "> a",
        "a\nb",
        "a\n\n# b",
        "\ta",
        " a ",
        "http://a.b",
        "(a)",
        "a\\",
    ),
)
letters = st.text(alphabet="~*_`[]<>|$:&\\#!()-+.=1a가 \n", max_size=12).filter(str.strip)
spans = st.one_of(letters, *(st.builds(kind, letters) for kind in (Strong, Emphasis, Code)))


def plain(text):
    """The text without what its spans are, on one line."""
    parts = text if isinstance(text, tuple) else (text,)
    return on_a_line("".join(part if isinstance(part, str) else on_a_line(part.text) for part in parts))


def on_a_line(text):
    return " ".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("value", AWKWARD)
def test_every_sentence_shows_its_data_letter_by_letter(language, value):
    for sentence, kinds in sentences().items():
        data = {
            name: 1.5 if form else kinds[name](value) if name in kinds else value
            for name, form in fields(sentence).items()
        }
        text = fill(translated(sentence, language), **data)
        for block in (Paragraph(text), Note(text), BulletList((Bullet(text),)), Table((plain(text),), ())):
            assert shown(render_block(block)) == [plain(text)]


def test_a_range_is_not_struck_through():
    text = fill("배치 1에서 {single}, 큰 배치에서 {batch}", single="0.98~1.03", batch="0.90~1.19")
    assert shown(render_block(Paragraph(text))) == ["배치 1에서 0.98~1.03, 큰 배치에서 0.90~1.19"]


@given(letters)
def test_every_block_shows_any_text(text):
    line = on_a_line(text)
    nested = BulletList((Bullet((Strong(text), " and ", text), (text, (Code(text),))), Bullet(text)))
    assert shown(render_block(nested)) == [f"{line} and {line}", line, line, line]
    table = Table((text, "x"), ((text, text), ("x", text)), text_columns=2)
    assert shown(render_block(table)) == [line, "x", line, line, "x", line]
    report = Report((Section(text, 1, (Note(text),)), Section("x", 3, (Figure("a b)", text),))))
    assert shown(render_markdown(report), marks=("image",)) == [line, line, "x", line, line]


@given(st.lists(spans, min_size=1, max_size=5))
def test_spans_stay_what_they_are(parts):
    text = join(" ", parts)
    assert shown(render_block(Paragraph(text))) == [plain(text)]


@given(letters)
def test_links_lead_to_the_file_whatever_it_is_called(name):
    block = FileLinks("See {files}.", (name, "b.csv"))
    rendered = render_block(Paragraph(block.text(FileLink)))
    assert render_block(block) == rendered
    assert shown(rendered, marks=("link_open", "link_close")) == [f"See {on_a_line(name)}, b.csv."]
    assert rendered.endswith("[b.csv](b.csv).\n")
    assert shown(render_block(Paragraph(("a!", FileLink(name)))), marks=("link_open", "link_close")) == [
        f"a!{on_a_line(name)}"
    ]


def test_what_a_template_forgets_is_escaped_and_what_it_invents_is_an_error():
    template = markdown._ENVIRONMENT.from_string("{{ value }}{{ value | upper }}{{ 'a' ~ value }}")
    assert template.render(value="*") == r"\*\*a\*"
    with pytest.raises(UndefinedError):
        template.render()


def test_text_for_a_page_is_shown_letter_by_letter():
    assert escape_markdown("a *b* [c](d) $e$\n:red[f]&lt;") == r"a \*b\* \[c\](d) \$e\$ \:red\[f\]\&lt;"
    assert escape_markdown("Study: a & b") == "Study: a & b"


def test_a_sentence_keeps_its_spans_and_formats():
    text = fill("{a}: {b:.1f} of {c}", a=Strong("x"), b=1.25, c=("y ", Code("z")))
    assert text == (Strong("x"), ": 1.2 of y ", Code("z"))
    assert fill("alone") == ("alone",)
