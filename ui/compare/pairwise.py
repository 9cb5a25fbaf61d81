"""Every variant beside every other at the slider's sparsity, dense included: which differences are more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import pandas as pd
import streamlit as st

from core.charts.styles import Style, with_dense
from core.i18n import t
from core.labels import short_variant_name, variant_names
from core.report.pairs import EXPLANATION, describe, pairwise_matrix
from core.results.paired import Pair, Verdict
from ui.compare.cards import swatch
from ui.compare.study_view import MANY_VARIANTS, StudyView

KEY = "pairs"
MAX_HEIGHT = 640  # pixels; a larger matrix scrolls by itself
STYLES: Final[Mapping[Verdict, str]] = {"ahead": ":green[{}]", "behind": ":red[{}]", "level": "**{}**", "unknown": "{}"}


def show_pairwise(view: StudyView, shown: Mapping[str, Style], sparsity: float) -> None:
    """Only what was measured at ``sparsity``: nothing here is interpolated."""
    if not shown:
        return
    st.subheader(t("Every pair at {sparsity:g}", sparsity=sparsity), anchor=False)
    pairs = view.pairs(list(shown), sparsity)
    if not pairs:
        measured = view.runs.loc[view.runs["variant"].isin(list(shown)), "sparsity"]
        places = ", ".join(f"{place:g}" for place in sorted(measured.unique()))
        st.markdown(t("Only measured values are compared: the runs are at sparsity {places}.", places=places))
        return
    matrix, styles = pairwise_matrix(pairs), with_dense(shown)
    names = variant_names(view.runs, short_variant_name)
    heads = [f"{swatch(styles[variant])}\u00a0{names[variant]}" for variant in matrix]
    cells = [[_cell(row[column]) if column in row else "" for column in matrix] for row in matrix.values()]
    height: Literal["content"] | int = MAX_HEIGHT if len(matrix) > MANY_VARIANTS + 1 else "content"
    with st.container(key=KEY):
        st.html(_css())
        st.table(pd.DataFrame(cells, index=heads, columns=heads), border="horizontal", height=height)
    known = any(pair.verdict != "unknown" for pair in pairs)
    notes = [t(EXPLANATION) if known else t("Fewer than two common seeds, so no interval and no claim.")]
    if missing := [names[variant] for variant in shown if variant not in matrix]:
        notes.append(t("Not run at this sparsity: {variants}.", variants=", ".join(missing)))
    st.caption(" ".join(notes))


def _css() -> str:
    """The heads of the rows stay at the left while a narrow window scrolls; Korean breaks between words."""
    light, dark = (st.get_option(f"theme.{theme}.backgroundColor") for theme in ("light", "dark"))
    return (
        f"<style>.st-key-{KEY} .stTable p {{word-break: keep-all}}"
        f".st-key-{KEY} tbody th {{position: sticky; left: 0; background: light-dark({light}, {dark})}}</style>"
    )


def _cell(pair: Pair) -> str:
    *numbers, verdict = describe(pair)
    return "  \n".join([*map(_unbroken, numbers), STYLES[pair.verdict].format(verdict)])


def _unbroken(text: str) -> str:
    return text.replace(" ", "\u00a0")
