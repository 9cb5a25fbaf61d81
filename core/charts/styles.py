"""The visual language of all charts, in the app and in figures:

colour  the method; dense is a grey bar
shape   the variant, a method with its settings; in learning curves the run
size    large: the mean over seeds; small: one seed
dashed  before fine-tuning: short after the cut, long after repair
hollow  a ring around what the slider or an answer picks out
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd

from core.labels import method_name, variant_names
from core.spec.methods import DENSE, METHODS, variant_label

GREY, TEXT = "#808080", "#7A7A7A"  # TEXT is equally far from white and from the dark background
# Okabe and Ito's colours, told apart by colour-blind people, those first that stand out on white and on black alike; then
# three of Paul Tol's.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#AA4499", "#999933", "#CC3311")
# In charts of a single network, which show no methods: none of their colours, and of different lightness.
KEPT, LOST = "#5B7083", "#E0777D"
_STAR = "M0,.5L.6,.8L.5,.1L1,-.3L.3,-.4L0,-1L-.3,-.4L-1,-.3L-.5,.1L-.6,.8L0,.5Z"
_CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_HOURGLASS, _BOW_TIE = "M-.9,-1L.9,-1L-.9,1L.9,1Z", "M-1,-.9L1,.9L1,-.9L-1,.9Z"
_PENTAGON = "M0,-1L.95,-.31L.59,.81L-.59,.81L-.95,-.31Z"
_Mark = tuple[str, str]
# Shapes as charts and as lines of text have them: one for each method's first variant, then those that only others get.
_HOME_MARKS = (
    *(("circle", "●"), ("square", "■"), ("triangle-up", "▲"), ("diamond", "◆"), ("triangle-down", "▼")),
    *(("triangle-right", "▶"), ("triangle-left", "◀"), ("cross", "✚"), (_STAR, "★")),
)
_DENSE_MARK = "M-1,-.4L1,-.4L1,.4L-1,.4Z", "▬"
_MARKS = ((_CROSS, "✕"), (_HOURGLASS, "⧗"), (_BOW_TIE, "⧓"), (_PENTAGON, "⬟"), *_HOME_MARKS)
MEAN_SIZE, SEED_SIZE, RING_SIZE = 90, 24, 260  # areas of points, in square pixels
BEFORE_DASH, REPAIRED_DASH = (3, 3), (9, 3)


@dataclass(frozen=True, slots=True)
class Style:
    """How a method variant is drawn and what it is called; ``glyph`` is its shape within text."""

    color: str
    shape: str
    glyph: str
    name: str = ""


DENSE_STYLE = Style(GREY, *_DENSE_MARK)


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
    pruned = summary[summary["method"] != DENSE].drop_duplicates("variant")
    names = variant_names(pruned)
    styles = distinct_styles(dict(zip(pruned["variant"], pruned["method"], strict=True)))
    in_order = [variant for _, variants in pruned.groupby("method", sort=False)["variant"] for variant in variants]
    return {variant: replace(styles[variant], name=names[variant]) for variant in in_order}


def distinct_styles(methods: Mapping[str, str]) -> dict[str, Style]:
    """A style for each key of ``methods``, in the colour of its method. The first of each method has a shape that is the
    method's own, the others have one that nothing else here has. When all shapes are taken, those come again that are
    used least, last of all by the same method; so no colour has to be told apart alone as long as shapes last."""
    slots = {name: slot for slot, name in enumerate(METHODS)}
    homes = {name: _HOME_MARKS[slots[name] % len(_HOME_MARKS)] for name in methods.values() if name != DENSE}
    homes[DENSE] = _DENSE_MARK
    used: Counter[_Mark] = Counter(homes.values())
    own: dict[str, Counter[_Mark]] = {name: Counter() for name in homes}
    styles = {}
    for key, method in methods.items():
        mark = homes[method]
        if own[method]:
            mark = _least_used(own[method], used)
            used[mark] += 1
        own[method][mark] += 1
        color = GREY if method == DENSE else _COLORS[slots[method] % len(_COLORS)]
        styles[key] = Style(color, *mark)
    return styles


def _least_used(own: Counter[_Mark], used: Counter[_Mark]) -> _Mark:
    return min(_MARKS, key=lambda mark: (own[mark], used[mark]))


def color_scale(styles: Mapping[str, Style]) -> alt.Scale:
    return alt.Scale(domain=list(styles), range=[style.color for style in styles.values()])


def shape_scale(styles: Mapping[str, Style]) -> alt.Scale:
    return alt.Scale(domain=list(styles), range=[style.shape for style in styles.values()])


def color_and_shape(styles: Mapping[str, Style], legend: alt.Legend | None) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of each variant, with one legend for both."""
    return (
        alt.Color("variant:N", scale=color_scale(styles), legend=legend),
        alt.Shape("variant:N", scale=shape_scale(styles), legend=legend),
    )


def mean_or_seed_size() -> Any:
    """The size of a point that stands for ``n`` seeds."""
    return alt.when(alt.datum.n > 1).then(alt.value(MEAN_SIZE)).otherwise(alt.value(SEED_SIZE))


def select_variants(frame: pd.DataFrame, variants: Iterable[str]) -> pd.DataFrame:
    """The rows of ``frame`` that are of ``variants`` or of the dense network."""
    return frame[frame["variant"].isin(list(variants)) | (frame["method"] == DENSE)]
