"""A report on a page: the same words as in its file, and all data letter by letter in Streamlit's Markdown too."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from core.i18n import LANGUAGES
from core.report.model import (
    Bullet,
    BulletList,
    Code,
    Figure,
    FileLinks,
    Note,
    Paragraph,
    Report,
    Section,
    Strong,
    Table,
    fill,
)
from tests.report.sentences import fields, sentences, translated
from tests.report.shown import shown

AWKWARD = "~~a~~ 0.9~1.0 *b* _c_ `d` [e](x) ![f](x) <b> | $g$ & &lt; \\ # :red[h] :i:"


def script(report):
    from ui.report.render import render_report  # noqa: PLC0415 - runs in Streamlit's place

    places = render_report(report)
    for place, figure in places:
        place.caption(figure.name)


def render(*sections):
    app = AppTest.from_function(script, kwargs={"report": Report(sections)}).run()
    assert not app.exception
    return app


def harmless(markdown):
    """Whether nothing of Streamlit's own is in it: no formula, directive, icon or emoji."""
    plain = re.sub(r"`+.*?`+", "", re.sub(r"\\.", "", markdown))
    return "$" not in plain and not re.search(r":\S", plain)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_shows_its_data_letter_by_letter(language):
    blocks, expected = [], []
    for sentence, kinds in sentences().items():
        data = {
            name: 1.5 if form else kinds[name](AWKWARD) if name in kinds else AWKWARD
            for name, form in fields(sentence).items()
        }
        text = fill(translated(sentence, language), **data)
        blocks.append(Paragraph(text))
        expected.append("".join(span if isinstance(span, str) else span.text for span in text))
    app = render(Section("x", 2, tuple(blocks)))
    assert all(harmless(element.value) for element in app.markdown)
    assert [shown(element.value) for element in app.markdown] == [[text] for text in expected]


def test_every_kind_of_block():
    bullets = BulletList((Bullet((Strong(AWKWARD),), ((Code("a=`|"),),)),))
    table = Table((AWKWARD, "n"), ((AWKWARD, "0.9~1.0"),))
    app = render(
        Section(AWKWARD, 1, (Note(AWKWARD), bullets, Figure("pareto", "x"))),
        Section("Table", 2, (table, FileLinks("See {files}.", ("a.csv", "b_c.md")))),
        Section("Below", 3, ()),
    )
    headings = (*app.title, *app.header, *app.subheader)
    assert [shown(heading.value) for heading in headings] == [[AWKWARD], ["Table"], ["Below"]]
    texts = [shown(element.value) for element in app.markdown]
    assert texts == [[AWKWARD], [AWKWARD, "a=`|"], ["See a.csv, b_c.md."]]  # no link: no files lie beside a page
    assert app.markdown[-1].value == "See `a.csv`, `b_c.md`."
    (frame,) = (element.value for element in app.table)
    cells = [*frame.columns, *frame.iloc[0]]
    assert [shown(cell) for cell in cells] == [[AWKWARD], ["n"], [AWKWARD], ["0.9~1.0"]]
    assert all(map(harmless, cells))
    assert [place.value for place in app.caption] == ["pareto"]
