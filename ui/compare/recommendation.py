"""Which network to take: the smallest, or the fastest, that is accurate enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.charts import tradeoff as charts
from core.charts.pareto import CHOICE, TARGET
from core.charts.styles import Style, with_dense
from core.i18n import t
from core.labels import measured_name, variant_name
from core.report import tables
from core.results.pareto import Candidate, Recommendation
from core.results.speed import FLOAT32, INT8, SPEED_OF, half_width_of, same_operations
from core.spec.methods import DENSE
from ui.compare.cards import describe_chance, seeds, swatch, times_smaller
from ui.compare.study_view import StudyView
from ui.compare.tradeoff import open_clicked_run, show_chart
from ui.shared.components import select, times
from ui.shared.errors import show_errors
from ui.shared.url import link, read_number, write_if_chosen

PANELS = {"batch": charts.BATCH_LATENCY, "one": charts.LATENCY}
# The files that a network can be deployed as.
FILES = {
    "prunescope": charts.SIZE,
    "plain": charts.Panel("plain_file_mb"),
    "onnx": charts.Panel("onnx_file_mb"),
    "plain-zip": charts.Panel("plain_zip_mb"),
    "onnx-zip": charts.Panel("onnx_zip_mb"),
}


@st.fragment
@show_errors
def show_recommendation(views: Mapping[str, StudyView], shown: Mapping[str, Style]) -> None:
    """The goal and the accuracy target, and the network for them, among the variants shown and dense in each precision."""
    open_clicked_run()
    st.subheader(t("Which network to take?"), anchor=False)
    left, right = st.columns([2, 3], gap="large")
    with left:
        panel, target = select_target(views[FLOAT32])
        found = recommend_of(views, panel, target, shown)
        if found is None:
            st.info(t("No run has been measured for this."))
            return
        view, recommendation = found
        show_choice(recommendation, panel, target, with_dense(shown))
    with right:
        show_pareto(view, shown, panel, target, recommendation)


def recommend_of(
    views: Mapping[str, StudyView], panel: charts.Panel, target: float, shown: Mapping[str, Style]
) -> tuple[StudyView, Recommendation] | None:
    """The best recommendation of all ``views``, and the one that it is of."""
    found = []
    for precision, view in views.items():
        if precision == INT8 and panel == charts.SIZE:  # a network in int8 is no PruneScope file
            continue
        recommendation = view.recommend(panel.metric, target, shown)
        if recommendation is not None:
            found.append((view, recommendation))
    return min(found, key=lambda each: _rank(each[1], panel.metric), default=None)


def _rank(recommendation: Recommendation, cost: str) -> tuple[bool, bool, float]:
    choice = recommendation.choice
    if not recommendation.met:
        return True, True, -float(choice.run["test_accuracy"])
    row = choice.mean if recommendation.mean_met else choice.run
    return False, not recommendation.mean_met, float(row[cost])


def show_pareto(
    view: StudyView,
    shown: Mapping[str, Style],
    panel: charts.Panel,
    target: float,
    recommendation: Recommendation,
) -> None:
    choice = recommendation.choice
    ringed = choice.mean if recommendation.mean_met else choice.run
    data = {
        TARGET: [{"test_accuracy": target}],
        CHOICE: [{name: float(ringed[name]) for name in ("test_accuracy", panel.metric)}],
    }
    alt = t("Test accuracy against {metric}, with the Pareto front", metric=t(panel.title))
    show_chart(st.container(), view.pareto(panel, shown), data, f"pareto {panel.metric}", alt)
    st.caption(
        t(
            "The wide grey line is the Pareto front, the means that no other beats in both; numbers on it are "
            "sparsities. Large points are means, small ones seeds; the ring is the answer."
        )
    )


def select_target(view: StudyView) -> tuple[charts.Panel, float]:
    """What is to be as low as possible, and the lowest accuracy (percent)."""
    dense = view.summary.loc[view.summary["method"] == DENSE, "test_accuracy"]
    start = float(dense.iloc[0]) if len(dense) else float(view.summary["test_accuracy"].max())
    default = round(min(max(0.0, start - 1), 100.0), 1)  # an unsealed record may say anything
    read_number("accuracy", 0, 100, default)
    names = {
        "small": t("The smallest network"),
        "batch": t("The fastest in a large batch"),
        "one": t("The fastest for one image"),
    }
    goal = select(st.segmented_control, t("I look for"), "goal", names, "small", wrap=True)
    panel = PANELS.get(goal) or select_file(view)
    target = st.number_input(
        t("with a test accuracy (%) of at least"),
        0.0,
        100.0,
        step=0.1,
        format="%.1f",
        key="accuracy",
        width=260,
        help=t("The mean over the seeds has to reach it. At first one point less than the mean of the dense runs."),
    )
    if len(dense) and target == default:
        st.caption(t("{accuracy:g} % is one point less than the dense network has.", accuracy=default))
    write_if_chosen(accuracy=(target, default))
    return panel, target


def select_file(view: StudyView) -> charts.Panel:
    """The file that is deployed, of those that the runs have sizes of."""
    names = {
        "prunescope": t("PruneScope file"),
        "plain": t("Plain safetensors"),
        "onnx": "ONNX",
        "plain-zip": t("Plain safetensors, zipped"),
        "onnx-zip": t("ONNX, zipped"),
    }
    known = {key: name for key, name in names.items() if view.runs[FILES[key].metric].notna().any()}
    return FILES[select(st.selectbox, t("Which file do you deploy?"), "file", known, "prunescope", width=260)]


def show_choice(
    recommendation: Recommendation, panel: charts.Panel, target: float, styles: Mapping[str, Style]
) -> None:
    """The recommended network, with what there is to doubt about it."""
    run, mean = recommendation.choice.run, recommendation.choice.mean
    with st.container(border=True):
        if not recommendation.met:
            st.markdown(
                t(
                    "**No run here has {lowest:g} % or more.** The most accurate one is {run}, with {accuracy:.2f} %.",
                    lowest=target,
                    run=measured_name(run),
                    accuracy=run["test_accuracy"],
                )
            )
            show_chance(recommendation.choice.mean)
            link("model", t("Open this run"), run=run["run_id"])
            return
        if panel.metric in SPEED_OF and run[panel.metric] == 1:
            st.markdown(
                t(
                    "**None of these is measurably faster than the dense network.** The most accurate one, as fast as it:"
                )
            )
        several = recommendation.mean_met and mean["n"] > 1
        badge = " :gray-badge[int8]" if run["precision"] == INT8 else ""
        name = setting_name(mean) if several else measured_name(run)
        st.markdown(f"{swatch(styles[run['variant']])} **{name}**{badge}")
        st.markdown("  \n".join(facts(mean if several else run)))
        st.markdown(describe_certainty(recommendation, target))
        show_chance(mean)
        if recommendation.lucky:
            st.markdown(describe_lucky(recommendation.lucky, panel))
            show_chance(recommendation.lucky.mean)
        link("model", t("Open this run and download it"), run=run["run_id"])


def show_chance(mean: Mapping[str, Any]) -> None:
    """A warning if there is a run at chance level among those of ``mean``."""
    if mean["at_chance"]:
        sentence = t("**{dead}**: no better than guessing on the test pictures.", dead=describe_chance(mean))
        st.markdown(f":material/warning: {sentence}")


def facts(row: Mapping[str, Any]) -> list[str]:
    """What there is to say about a run, or about the mean of several."""
    value = tables.with_interval(row["test_accuracy"], row.get("test_accuracy_ci", math.nan))
    return [
        t("accuracy {accuracy} %", accuracy=value) + (f" ({seeds(row['n'])})" if "n" in row else ""),
        f"{t('PruneScope file') if row['precision'] == FLOAT32 else t('ONNX, int8')} {row['model_size_mb']:.3g} MB"
        + ratio_of(row["size_ratio"]),
        *(
            f"{name} {row[metric]:.3g} MB"
            for metric, name in (("plain_file_mb", t("Plain safetensors")), ("onnx_file_mb", "ONNX"))
            if not math.isnan(row[metric]) and row["precision"] == FLOAT32
        ),
        t(
            "speed-up {batch} in a large batch, {one} for one image",
            batch=speedup(row, "batch_speedup"),
            one=speedup(row, "speedup"),
        ),
    ]


def speedup(row: Mapping[str, Any], name: str) -> str:
    """The speed-up ``name`` of a run or of the mean of several, with its interval."""
    if same_operations(row):
        return t("1×, same operations")
    half_width = row.get(f"{name}_ci", row.get(half_width_of(name), math.nan))
    return times(row[name]) if math.isnan(half_width) else f"{row[name]:.2f} ± {half_width:.2f}×"


def describe_certainty(recommendation: Recommendation, target: float) -> str:
    """How much the choice rests on a single seed."""
    run, mean = recommendation.choice.run, recommendation.choice.mean
    if mean["n"] < 2:
        return t(":material/help: One seed only: another one may do worse.")
    if recommendation.mean_met:
        return t(
            ":material/check: The mean of its seeds meets it. The run to take has seed {seed}, with {accuracy:.2f} %.",
            seed=run["seed"],
            accuracy=run["test_accuracy"],
        )
    return t(
        ":material/warning: A lucky seed: the mean of its {seeds} is {value} %, and no mean here reaches {lowest:g} %.",
        seeds=seeds(mean["n"]),
        value=tables.with_interval(mean["test_accuracy"], mean["test_accuracy_ci"]),
        lowest=target,
    )


def describe_lucky(candidate: Candidate, panel: charts.Panel) -> str:
    return t(
        ":material/casino: {better}, but by luck: {run} has {accuracy:.2f} %; the mean of its {seeds} is {mean:.2f} %.",
        better=t("Faster") if panel.metric in SPEED_OF else t("Smaller"),
        run=measured_name(candidate.run),
        accuracy=candidate.run["test_accuracy"],
        seeds=seeds(candidate.mean["n"]),
        mean=candidate.mean["test_accuracy"],
    )


def setting_name(row: Mapping[str, Any]) -> str:
    variant = variant_name(row["method"], row["settings"])
    return variant if row["method"] == DENSE else t("{variant} {sparsity:g}", variant=variant, sparsity=row["sparsity"])


def ratio_of(ratio: float) -> str:
    return "" if math.isnan(ratio) or ratio == 1 else f" ({times_smaller(ratio)})"
