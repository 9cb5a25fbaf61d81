"""What recovery did, at the sparsity on the slider."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.charts.recovery import recovery_chart
from core.charts.styles import Style
from core.i18n import t
from core.spec.methods import DENSE
from ui.compare.study_view import StudyView


def show_recovery(view: StudyView, marked: pd.DataFrame, shown: Mapping[str, Style]) -> None:
    """Accuracy after the cut, after repair and after retraining, of the variants shown that have values here."""
    here = marked[marked["variant"].isin(list(shown))]
    if here.empty:
        return
    dense = view.summary.loc[view.summary["method"] == DENSE, "test_accuracy"]
    with st.expander(t("What recovery did"), icon=":material/healing:"):
        chart = recovery_chart(
            here, shown, retraining_epochs(view.runs, here), None if dense.empty else float(dense.iloc[0])
        )
        st.altair_chart(chart, key="recovery", alt=t("Accuracy after the cut, after repair and after retraining"))
        st.caption(
            t(
                "From faint to dark: after the cut, after repair (where the method has one) and after retraining, with "
                "its epochs. The grey line is the dense network."
            )
        )


def retraining_epochs(runs: pd.DataFrame, marked: pd.DataFrame) -> dict[str, int]:
    """The epochs of training after the cut, by variant: of the runs nearest to the sparsity that is ``marked``."""
    pruned = runs[runs["method"] != DENSE].merge(marked[["variant", "sparsity"]], on="variant", suffixes=("", "_shown"))
    nearest = (pruned["sparsity"] - pruned["sparsity_shown"]).abs().sort_values(kind="stable").index
    own = pruned.loc[nearest].drop_duplicates("variant")
    return dict(zip(own["variant"], own["epochs"], strict=True))
