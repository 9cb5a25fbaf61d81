"""The question that a study is made for: which is the smallest, or the fastest, network that is accurate enough?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.charts import tradeoff as charts
from core.charts.pareto import ANSWER, BAR
from core.i18n import t
from core.labels import measured_name, variant_name
from core.report import tables
from core.results.pareto import Candidate, Recommendation
from core.spec.methods import DENSE
from ui.compare.cards import seeds, swatch, times, times_smaller
from ui.compare.study_view import BOUND, Study
from ui.compare.tradeoff import draw, open_clicked_run
from ui.shared.services import show_errors
from ui.shared.url import link, read_choice, read_number, write_if_chosen

PANELS = {"small": charts.SIZE, "batch": charts.BATCH_LATENCY, "one": charts.LATENCY}


@st.fragment
@show_errors
def ask(study: Study, shown: Mapping[str, charts.Style]) -> None:
    """The question, its answer, and the chart that shows both, among the variants shown and dense."""
    open_clicked_run()
    st.subheader(t("Which network to take?"), anchor=False)
    left, right = st.columns([2, 3], gap="large")
    with left:
        goal, lowest = choose(study)
        looks = charts.with_dense(shown)
        found = study.recommend(PANELS[goal].metric, lowest, shown)
        if found is None:
            st.info(t("No run has been measured for this."))
            return
        say(found, goal, lowest, looks)
    with right:
        panel = PANELS[goal]
        ringed = found.taken.mean if found.mean_met else found.taken.run
        data = {
            BAR: [{"test_accuracy": lowest}],
            ANSWER: [{name: float(ringed[name]) for name in ("test_accuracy", panel.metric)}],
        }
        alt = t("Test accuracy against {metric}, with the Pareto front", metric=t(panel.title))
        draw(st.container(), study.pareto(panel, shown), data, f"pareto {goal}", alt)
        st.caption(
            t(
                "Dashed: the Pareto front, the means that no other beats in both; numbers on it are sparsities. "
                "Large points are means, small ones seeds; the ring is the answer."
            )
        )


def choose(study: Study) -> tuple[str, float]:
    """What is to be as low as possible, and the accuracy in percent that it takes."""
    dense = study.summary.loc[study.summary["method"] == DENSE, "test_accuracy"]
    start = float(dense.iloc[0]) if len(dense) else float(study.summary["test_accuracy"].max())
    usual = round(max(0.0, start - 1), 1)
    read_choice("goal", list(PANELS), "small")
    read_number("accuracy", 0, 100, usual)
    names = {
        "small": t("The smallest network"),
        "batch": t("The fastest in a large batch"),
        "one": t("The fastest for one image"),
    }
    goal = st.segmented_control(
        t("I look for"), list(PANELS), format_func=names.__getitem__, required=True, key="goal", wrap=True
    )
    lowest = st.number_input(
        t("with a test accuracy (%) of at least"),
        0.0,
        100.0,
        step=0.1,
        format="%.1f",
        key="accuracy",
        width=260,
        help=t("The mean over the seeds has to reach it. At first one point less than the mean of the dense runs."),
    )
    if len(dense) and lowest == usual:
        st.caption(t("{accuracy:g} % is one point less than the dense network has.", accuracy=usual))
    write_if_chosen(goal=(goal, "small"), accuracy=(lowest, usual))
    return goal or "small", lowest


def say(found: Recommendation, goal: str, lowest: float, looks: Mapping[str, charts.Style]) -> None:
    """The answer in words, with what there is to doubt about it."""
    run, mean = found.taken.run, found.taken.mean
    with st.container(border=True):
        if not found.met:
            st.markdown(
                t(
                    "**No run here has {lowest:g} % or more.** The most accurate one is {run}, with {accuracy:.2f} %.",
                    lowest=lowest,
                    run=measured_name(run),
                    accuracy=run["test_accuracy"],
                )
            )
            link("model", t("Open this run"), bound=BOUND, run=run["run_id"])
            return
        several = found.mean_met and mean["n"] > 1
        st.markdown(f"{swatch(looks[run['variant']])} **{setting_name(mean) if several else measured_name(run)}**")
        st.markdown("  \n".join(facts(mean if several else run)))
        st.markdown(doubt(found, lowest))
        if found.lucky:
            st.markdown(luck(found.lucky, goal))
        link("model", t("Open this run and download it"), bound=BOUND, run=run["run_id"])


def facts(row: Mapping[str, Any]) -> list[str]:
    """What there is to say about a run, or about the mean of several."""
    value = tables.with_interval(row["test_accuracy"], row.get("test_accuracy_ci", math.nan))
    return [
        t("accuracy {accuracy} %", accuracy=value) + (f" ({seeds(row['n'])})" if "n" in row else ""),
        f"{row['model_size_mb']:.3g} MB" + ratio_of(row["size_ratio"]),
        t(
            "speed-up {batch} in a large batch, {one} for one image",
            batch=times(row["batch_speedup"]),
            one=times(row["speedup"]),
        ),
    ]


def doubt(found: Recommendation, lowest: float) -> str:
    """How much the answer rests on a single seed."""
    run, mean = found.taken.run, found.taken.mean
    if mean["n"] < 2:
        return t(":material/help: One seed only: another one may do worse.")
    if found.mean_met:
        return t(
            ":material/check: The mean of its seeds meets it. The run to take has seed {seed}, with {accuracy:.2f} %.",
            seed=run["seed"],
            accuracy=run["test_accuracy"],
        )
    return t(
        ":material/warning: A lucky seed: the mean of its {n} is {value} %, and no mean here reaches {lowest:g} %.",
        n=mean["n"],
        value=tables.with_interval(mean["test_accuracy"], mean["test_accuracy_ci"]),
        lowest=lowest,
    )


def luck(found: Candidate, goal: str) -> str:
    return t(
        ":material/casino: {better}, but by luck: {run} has {accuracy:.2f} %; the mean of its {n} "
        "seeds is {mean:.2f} %.",
        better=t("Smaller") if goal == "small" else t("Faster"),
        run=measured_name(found.run),
        accuracy=found.run["test_accuracy"],
        n=found.mean["n"],
        mean=found.mean["test_accuracy"],
    )


def setting_name(row: Mapping[str, Any]) -> str:
    variant = variant_name(row["method"], row["settings"])
    return variant if row["method"] == DENSE else t("{variant} {sparsity:g}", variant=variant, sparsity=row["sparsity"])


def ratio_of(ratio: float) -> str:
    return "" if math.isnan(ratio) or ratio == 1 else f" ({times_smaller(ratio)})"
