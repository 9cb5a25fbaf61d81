"""Compare: what each method keeps, costs and saves at the sparsity on the slider, with every measured number below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import streamlit as st

from core.charts.styles import Style
from core.i18n import t, tn
from core.labels import state_name
from core.results.speed import FLOAT32, INT8
from core.results.statistics import interpolate
from core.runs.folder import State
from ui.compare.cards import show_cards
from ui.compare.notes import show_dead_layers, show_int8_losses, show_provenance, show_timing
from ui.compare.pairwise import show_pairwise
from ui.compare.recommendation import show_recommendation
from ui.compare.recovery import show_recovery
from ui.compare.study_view import MANY_VARIANTS, StudyView, load_study_view
from ui.compare.table import show_table
from ui.compare.tradeoff import open_clicked_run, show_charts
from ui.shared.components import page_head, pills, select, toggle
from ui.shared.errors import show_errors
from ui.shared.services import reconcile_in_background, results, statuses
from ui.shared.study_picker import find_studies, select_study, show_sample_banner
from ui.shared.url import link, read_bound_number, write

DEFAULT_SPARSITY, MAX_SPARSITY = 0.9, 0.99
REFRESH_SECONDS = 5
LAST_STUDY = "study shown last"


def page() -> None:
    head = page_head(t("Compare pruning methods"))
    studies, waiting = find_studies(), count_unfinished()
    if waiting:
        follow_runs(len(studies.own))
    if not studies.labels:
        show_first_steps(bool(waiting))
        return
    recipe = select_study(studies, head)
    reset_accuracy_target(recipe)
    place, frame = studies.home(recipe), studies.frame(recipe)
    views = {FLOAT32: load_study_view(place, frame, recipe)}
    if views[FLOAT32].runs["int8_accuracy"].notna().any():
        views[INT8] = load_study_view(place, frame, recipe, INT8)
    if studies.is_sample(recipe):
        show_sample_banner(recipe, alone=studies.own.empty)
    else:
        show_provenance(views[FLOAT32].runs)
    show_comparison(views, own=not studies.is_sample(recipe))


@st.fragment
@show_errors
def show_comparison(views: Mapping[str, StudyView], *, own: bool) -> None:
    """All that follows the choice of methods and of the precision of the networks in view. What is in a fragment of its own
    is redrawn without the rest."""
    view = views[select_precision(views)]
    shown = select_methods(view)
    show_dead_layers(view.dead[view.dead["variant"].isin(list(shown))])
    show_at_sparsity(view, shown)
    show_recommendation(views, shown)
    show_timing(view.runs, can_measure=own)
    st.fragment(show_errors(show_table))(view.table(list(shown)), view.runs)


@st.fragment
@show_errors
def show_at_sparsity(view: StudyView, shown: Mapping[str, Style]) -> None:
    """The slider, and all that follows it."""
    open_clicked_run()
    sparsity = select_sparsity()
    marked = interpolate(view.summary, sparsity)
    show_cards(view, marked, shown, sparsity)
    show_charts(view, marked, shown, sparsity)
    show_recovery(view, marked, shown)
    show_pairwise(view, shown, sparsity)


@st.fragment(run_every=REFRESH_SECONDS)
@show_errors
def follow_runs(finished: int) -> None:
    """How many runs are under way; the whole page runs again when one has finished or none is left."""
    waiting = count_unfinished()
    if not waiting or len(results().frame()) != finished:
        st.rerun()
    reconcile_in_background()
    states = ", ".join(f"{waiting[state]} {state_name(state)}" for state in State if waiting[state])
    total = waiting.total()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        under_way = tn("1 run is under way", "{n} runs are under way", total)
        st.markdown(f":material/progress_activity: **{under_way}** ({states})")
        link("runs", t("Watch the runs"), after=True)


def count_unfinished() -> Counter[State]:
    return Counter(run.state for run in statuses().unfinished(set(results().frame()["run_id"])))


def show_first_steps(under_way: bool) -> None:
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
                "Choose methods, sparsities and seeds. The preset *demo* draws its own pictures and takes a few "
                "minutes on any computer."
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


def reset_accuracy_target(recipe: str) -> None:
    """When another study is selected, the accuracy target starts again from its dense network."""
    if st.session_state.setdefault(LAST_STUDY, recipe) != recipe:
        st.session_state[LAST_STUDY] = recipe
        write(accuracy=None)


def select_precision(views: Mapping[str, StudyView]) -> str:
    """The networks in view; nothing to select where none was measured in int8."""
    if len(views) == 1:
        return FLOAT32
    selected = select(
        st.segmented_control,
        t("Networks in"),
        "precision",
        {precision: precision for precision in views},
        FLOAT32,
        help=t(
            "float32: as they were trained. int8: quantised after training to whole numbers of 8 bits; accuracy, file "
            "(ONNX) and latency are theirs, and speed-ups are over the dense network in float32."
        ),
    )
    if selected == INT8:
        show_int8_losses(views[INT8].runs)
    return selected


def select_methods(view: StudyView) -> dict[str, Style]:
    """The styles of the variants to show; nothing selected shows all, or the main ones of many."""
    many = len(view.styles) > MANY_VARIANTS
    names = {variant: style.name for variant, style in view.styles.items()}
    explanation = (
        t("Choose one method or several. Nothing chosen shows the main ones.")
        if many
        else t("Choose one method or several. Nothing chosen shows all.")
    )
    selected = pills(t("Show only"), "methods", names, wrap=not many, help=explanation)
    if not selected:
        show_all = not many or toggle(st.container(), t("All {n} variants", n=len(view.styles)), "all", False)
        selected = list(view.styles) if show_all else view.main_variants()
    return {variant: style for variant, style in view.styles.items() if variant in selected}


def select_sparsity() -> float:
    sparsity = st.slider(
        t("Sparsity"),
        0.0,
        MAX_SPARSITY,
        read_bound_number("sparsity", 0, MAX_SPARSITY, DEFAULT_SPARSITY),
        0.01,
        key="sparsity",
        bind="query-params",
        help=t("The share of the network's weights that is removed. The cards and the vertical line follow it."),
    )
    return round(sparsity, 2)
