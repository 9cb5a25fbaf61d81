"""How each method is drawn, the same everywhere: its colour, point shape and dash, and its name in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import altair as alt
import pandas as pd

from core.labels import method_name, variant_names
from core.spec.methods import DENSE, METHODS, variant_label

# Okabe and Ito's colours, told apart by colour-blind people, those first that stand out on white and on black alike; then
# three of Paul Tol's. No two methods share a colour or a shape.
_STAR = "M0,.5L.6,.8L.5,.1L1,-.3L.3,-.4L0,-1L-.3,-.4L-1,-.3L-.5,.1L-.6,.8L0,.5Z"
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#AA4499", "#999933", "#CC3311")
_TRIANGLES = ("triangle-down", "triangle-right", "triangle-left")
_SHAPES = ("circle", "square", "triangle-up", "diamond", *_TRIANGLES, "cross", _STAR)
_GLYPHS = ("●○", "■□", "▲△", "◆◇", "▼▽", "▶▷", "◀◁", "✚✛", "★☆")
_DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))


@dataclass(frozen=True, slots=True)
class Style:
    """How a method variant is drawn and what it is called: colour and shape are its method's, dash and filling tell its
    variants apart."""

    color: str
    shape: str
    glyph: str
    dash: tuple[int, ...] = (1, 0)
    filled: bool = True
    name: str = ""


DENSE_STYLE = Style("#808080", "circle", "●", (4, 4))


def with_dense(styles: Mapping[str, Style]) -> dict[str, Style]:
    """``styles`` and the dense run's, in the order of a legend."""
    return {**styles, variant_label(DENSE, {}): replace(DENSE_STYLE, name=method_name(DENSE))}


def localized_styles(styles: Mapping[str, Style]) -> dict[str, Style]:
    """``styles`` by the names that a legend shows."""
    return {style.name: style for style in styles.values()}


def localized_variants(frame: pd.DataFrame, styles: Mapping[str, Style]) -> pd.DataFrame:
    """``frame`` with its column ``variant`` by the same names, as far as there are any."""
    names = {variant: style.name for variant, style in with_dense(styles).items()}
    return frame.assign(variant=frame["variant"].replace(names))


def assign_styles(summary: pd.DataFrame) -> dict[str, Style]:
    """The style of every pruned variant in ``summary``, in its order. Give it all that a study has, not what is shown,
    so that hiding one variant never changes another."""
    assigned: dict[str, Style] = {}
    pruned = summary[summary["method"] != DENSE].drop_duplicates("variant")
    names = variant_names(pruned)
    slots = {name: slot for slot, name in enumerate(METHODS)}
    for method, variants in pruned.groupby("method", sort=False)["variant"]:
        slot = slots[str(method)] % len(_COLORS)
        for rank, variant in enumerate(variants):
            glyph, dash = _GLYPHS[slot][rank % 2], _DASHES[rank % len(_DASHES)]
            assigned[variant] = Style(_COLORS[slot], _SHAPES[slot], glyph, dash, rank % 2 == 0, names[variant])
    return assigned


def color_and_shape(styles: Mapping[str, Style], legend: alt.Legend | None) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of each variant, with one legend for both."""
    colors = alt.Scale(domain=list(styles), range=[style.color for style in styles.values()])
    shapes = alt.Scale(domain=list(styles), range=[style.shape for style in styles.values()])
    return alt.Color("variant:N", scale=colors, legend=legend), alt.Shape("variant:N", scale=shapes, legend=legend)


def select_variants(frame: pd.DataFrame, variants: Iterable[str]) -> pd.DataFrame:
    """The rows of ``frame`` that are of ``variants`` or of the dense network."""
    return frame[frame["variant"].isin(list(variants)) | (frame["method"] == DENSE)]
