"""Compare: what each method keeps, costs and saves at the sparsity on the slider, with every measured number below."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from core.charts import tradeoff as charts
from core.i18n import t, tn
from core.labels import state_name
from core.results.sensitivity import accuracy_at
from core.results.statistics import interpolate
from core.runs.folder import State
from ui.compare.cards import show_cards
from ui.compare.notes import show_dead_layers, show_provenance
from ui.compare.recommendation import ask
from ui.compare.study_view import DEFAULT_SPARSITY, MANY_VARIANTS, Study
from ui.compare.study_view import find_study as make_study
from ui.compare.table import show_table
from ui.compare.tradeoff import open_clicked_run, show_charts
from ui.shared.head import page_head
from ui.shared.services import reconcile_in_background, results, show_errors, statuses
from ui.shared.study_picker import choose_study, find_studies, show_sample_banner
from ui.shared.url import (
    check_number,
    default_number,
    link,
    read_choices,
    read_flag,
    write,
    write_if_chosen,
)

MAX_SPARSITY = 0.99
REFRESH_SECONDS = 5
STUDY_BEFORE = "study shown before"


def page() -> None:
    head = page_head(t("Compare pruning methods"))
    found, waiting = find_studies(), states_of_unfinished_runs()
    if waiting:
        follow_runs(len(found.own))
    if not found.labels:
        show_empty_state(bool(waiting))
        return
    chosen = choose_study(found, head)
    reset_accuracy_target(chosen)
    if found.is_sample(chosen):
        show_sample_banner(chosen, alone=found.own.empty)
    study = make_study(found.home(chosen), found.frame(chosen), chosen)
    if not found.is_sample(chosen):
        show_provenance(study.runs)
    check_number("sparsity", 0, MAX_SPARSITY)
    explore(study)


@st.fragment
@show_errors
def explore(study: Study) -> None:
    """All that follows the slider, as a fragment, so that a move of it redraws at once."""
    open_clicked_run()
    shown, sparsity = choose_methods_and_sparsity(study)
    marked = interpolate(study.summary, sparsity)
    show_dead_layers(study.dead[study.dead["variant"].isin(list(shown))])
    show_cards(study.summary, marked, shown, sparsity, accuracy_at(study.before, sparsity))
    show_charts(study, marked, shown, sparsity)
    ask(study, shown)
    show_table(study.table(shown), study.runs)


@st.fragment(run_every=REFRESH_SECONDS)
@show_errors
def follow_runs(finished: int) -> None:
    """How many runs are under way; the whole page runs again when one has finished or none is left."""
    waiting = states_of_unfinished_runs()
    if not waiting or len(results().frame()) != finished:
        st.rerun()
    reconcile_in_background()
    states = ", ".join(f"{waiting[state]} {state_name(state)}" for state in State if waiting[state])
    total = waiting.total()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        under_way = tn("1 run is under way", "{n} runs are under way", total)
        st.markdown(f":material/progress_activity: **{under_way}** ({states})")
        link("runs", t("Watch the runs"), after=True)


def states_of_unfinished_runs() -> Counter[State]:
    return Counter(run.state for run in statuses().unfinished(set(results().frame()["run_id"])))


def show_empty_state(under_way: bool) -> None:
    if under_way:
        st.subheader(t("The first results are on their way"), anchor=False)
        st.markdown(t("This page shows them as soon as the first run has finished."))
        return
    st.subheader(t("No results yet: three steps to the first ones"), anchor=False)
    launch, watch, compare = (column.container(border=True, height="stretch") for column in st.columns(3))
    with launch:
        st.markdown("#### :material/rocket_launch: " + t("Launch"))
        st.markdown(
            t(
                "Choose methods, sparsities and seeds. The preset *demo* draws its own pictures "
                "and takes a few minutes on any computer."
            )
        )
        link("launch", f"**{t('Launch the first study')}**")
    with watch:
        st.markdown("#### :material/checklist: " + t("Watch"))
        st.markdown(t("Runs train in the background and go on when this page is closed."))
        link("runs", t("See the runs"))
    with compare:
        st.markdown("#### :material/stacked_line_chart: " + t("Compare"))
        st.markdown(t("Here: what each method keeps of the accuracy, and what it really saves in size and time."))


def reset_accuracy_target(chosen: str) -> None:
    """When another study is chosen, the accuracy that was asked for goes: it starts from the dense network."""
    if st.session_state.setdefault(STUDY_BEFORE, chosen) != chosen:
        st.session_state[STUDY_BEFORE] = chosen
        write(accuracy=None)


def choose_methods_and_sparsity(study: Study) -> tuple[dict[str, charts.Style], float]:
    left, right = st.columns([3, 4], gap="medium", vertical_alignment="top")
    many = len(study.looks) > MANY_VARIANTS
    names = {variant: look.name for variant, look in study.looks.items()}
    read_choices("methods", names)
    chosen: list[str] = left.pills(
        t("Show only"),
        list(names),
        selection_mode="multi",
        format_func=names.__getitem__,
        key="methods",
        wrap=not many,
        help=t("Choose one method or several. Nothing chosen shows the main ones.")
        if many
        else t("Choose one method or several. Nothing chosen shows all."),
    )
    write_if_chosen(methods=(chosen, []))
    if many and not chosen:
        read_flag("all", False)
        everything = left.toggle(t("All {n} variants", n=len(study.looks)), key="all")
        write_if_chosen(all=(everything, False))
        chosen = list(study.looks) if everything else study.main_variants()
    sparsity = right.slider(
        t("Sparsity"),
        0.0,
        MAX_SPARSITY,
        default_number("sparsity", 0, MAX_SPARSITY, DEFAULT_SPARSITY),
        0.01,
        key="sparsity",
        bind="query-params",
        help=t("The share of the network's weights that is removed. The cards and the vertical line follow it."),
    )
    return {variant: look for variant, look in study.looks.items() if variant in chosen or not chosen}, round(
        sparsity, 2
    )
