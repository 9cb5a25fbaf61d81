"""A report on a page: words as Markdown, tables that scroll by themselves, places for figures."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.report.markdown import escape_markdown, render_block
from core.report.model import Code, Figure, FileLinks, Paragraph, Report, Table

_HEADINGS = {1: st.title, 2: st.header, 3: st.subheader}


def render_report(report: Report) -> list[tuple[DeltaGenerator, Figure]]:
    """Show ``report``; its figures, each with the empty place that it belongs to."""
    places = []
    for section in report.sections:
        _HEADINGS[section.level](escape_markdown(section.heading))
        for block in section.blocks:
            match block:
                case Figure():
                    places.append((st.empty(), block))
                case Table():
                    render_table(block)
                case FileLinks():  # on a page no files lie beside it
                    st.markdown(render_block(Paragraph(block.text(Code))))
                case _:
                    st.markdown(render_block(block))
    return places


def render_table(table: Table) -> None:
    rows = [[escape_markdown(cell) for cell in row] for row in table.rows]
    frame = pd.DataFrame(rows, columns=[escape_markdown(name) for name in table.head])
    st.table(frame, hide_index=True, border="horizontal")
