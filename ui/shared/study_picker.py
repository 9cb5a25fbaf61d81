"""The studies to select from: those of the home and, after them, the sample study that comes with PruneScope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.labels import recipe_name
from core.report.markdown import escape_markdown
from core.report.provenance import Provenance
from core.report.study import find_study
from core.results.frame import studies
from core.results.sample import SAMPLE
from core.runs.folder import Home
from ui.shared.services import home, results
from ui.shared.url import link, read_choice, write


@dataclass(frozen=True)
class Studies:
    """The results of the home and of the sample study; ``labels`` of the recipes by key, the newest first."""

    own: pd.DataFrame
    sample: pd.DataFrame
    labels: Mapping[str, str]

    def is_sample(self, key: str) -> bool:
        """Whether only the sample study is of the recipe ``key``: somebody may have done it again."""
        return not (self.own["recipe"] == key).any()

    def frame(self, key: str) -> pd.DataFrame:
        """All finished runs of the home that has the recipe ``key``."""
        return self.sample if self.is_sample(key) else self.own

    def home(self, key: str) -> Home:
        return SAMPLE if self.is_sample(key) else home()


def find_studies() -> Studies:
    """Every study that there is; without one of the home's own, the sample study alone."""
    own, sample = results().frame(), results(SAMPLE).frame()
    labels = studies(own, recipe_name)
    for key, label in studies(sample, recipe_name).items():
        labels.setdefault(key, t("Sample study: {label}", label=label))
    return Studies(own, sample, labels)


def select_study(studies: Studies, place: DeltaGenerator) -> str:
    """The recipe of the study in view: the address's, else the one selected last, else the newest.

    The address always names it, so that it stays there when another study appears. Only the sample study gives way to the
    first one that is not it: nobody has selected it.
    """
    recipes = list(studies.labels)
    selected = read_choice("study", recipes, recipes[0])
    if len(recipes) > 1:
        selected = place.selectbox(
            t("Study"),
            recipes,
            format_func=studies.labels.__getitem__,
            key="study",
            label_visibility="collapsed",
            width=420,
        )
    write(study=None if studies.own.empty else selected)
    return selected


def show_sample_banner(recipe: str, alone: bool) -> None:
    """What the sample study is and where its numbers come from; ``alone``: nothing was trained here yet."""
    source = _provenance(SAMPLE.path, recipe)
    with st.container(border=True):
        st.markdown(
            t(
                "PruneScope trains a network (*dense*), takes weights or whole filters out of it (*pruning*), trains "
                "it on, and measures what is left: accuracy, size and speed. *Sparsity* is the share of weights that "
                "was taken out."
            )
        )
        st.markdown(
            t(
                ":material/inventory_2: **This is the sample study that comes with PruneScope**, not trained by you: "
                "{runs} runs, {seeds} seeds, {pictures} training pictures of a JPEG copy of CIFAR-10 (lossy, not the "
                "original files), a network of width {width}, {epochs} epochs and {finetune} after pruning.",
                runs=source.runs,
                seeds=len(source.seeds),
                pictures=f"{source.train_pictures or 0:,}",
                width=source.recipe.width,
                epochs=source.recipe.train.epochs,
                finetune=source.recipe.finetune.epochs if source.recipe.finetune else 0,
            )
        )
        st.caption(
            t(
                "{hardware} · {minutes} minutes of training in all · finished {date} · commit {commit}",
                hardware=escape_markdown(", ".join(source.hardware)),
                minutes=f"{source.train_minutes:.0f}",
                date=source.dates[-1] if source.dates else "—",
                commit=", ".join(source.commits),
            )
        )
        if alone:
            link("launch", t("**Launch a study of your own**"), icon=":material/rocket_launch:")


@st.cache_data(show_spinner=False)
def _provenance(path: Path, recipe: str) -> Provenance:
    return find_study(Home(path), recipe).source
