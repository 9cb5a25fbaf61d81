"""Launch: choose methods, sparsities and seeds, see what that means, and start it in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.jobs.workers import runs_at_once
from core.study.checks import InputError, number, whole_number
from core.study.estimate import estimate
from core.study.grid import study_runs
from core.study.methods import DEFAULT_METHODS, METHODS, Method, Scalar
from core.study.presets import PRESETS, SEEDS, SPARSITIES, build_recipe
from core.study.record import State
from core.study.spec import FOLDER_PREFIX, LARGEST_SEED, RunSpec
from core.views.wording import duration, state_name
from pages._language import t
from pages._shared import PROBLEMS, complain, describe, home, paces, queue, show

ACTIVE = (State.QUEUED, State.RUNNING, State.CANCELLING)


class RecipeChoice(TypedDict):
    """What build_recipe takes, as chosen on the page and not checked yet."""

    preset: str
    data: str
    width: int
    epochs: int
    finetune_epochs: int
    batch_size: int


class RunsChoice(TypedDict):
    """What study_runs takes, as chosen on the page and not checked yet."""

    methods: list[str]
    sparsities: list[str]
    seeds: list[str]
    settings: Mapping[str, Mapping[str, Scalar]]


def page() -> None:
    st.title(t("Launch a study"), anchor=False)
    st.caption(
        t(
            "Every method starts from the same dense network and gets the same budget to recover. "
            "Runs go on in the background: you may close this page."
        )
    )
    # All widgets before the first check: one that is not drawn because of a mistake further up would be missing.
    recipe, runs = choose_recipe(), choose_runs()
    specs = read_runs(recipe, runs)
    states = {spec.run_id: state_of(spec) for spec in specs}
    say_what_will_happen(specs, states)
    launch_button(specs, states)


def choose_recipe() -> RecipeChoice:
    """Preset, data and advanced settings."""
    left, right = st.columns(2, gap="large")
    preset = left.segmented_control(
        t("Preset"),
        list(PRESETS),
        default="demo",
        required=True,
        format_func=str.capitalize,
        key="preset",
        persist_state="session",
    )
    base = PRESETS[preset].recipe
    assert base.finetune is not None
    left.caption(PRESETS[preset].summary)
    data = choose_data(right, preset)
    with st.expander(t("Advanced settings"), icon=":material/tune:"):
        columns = st.columns(4)
        width = columns[0].number_input(
            t("Width"),
            4,
            256,
            base.width,
            4,
            key=f"width {preset}",
            persist_state="session",
            help=t("Channels of the first stage; 64 is the full ResNet-18."),
        )
        epochs = columns[1].number_input(
            t("Dense epochs"), 1, 10_000, base.train.epochs, key=f"epochs {preset}", persist_state="session"
        )
        finetune = columns[2].number_input(
            t("Fine-tuning epochs"),
            1,
            10_000,
            base.finetune.epochs,
            key=f"finetune {preset}",
            persist_state="session",
            help=t("The budget after pruning, the same for every method."),
        )
        batch = columns[3].number_input(
            t("Batch size"),
            2,
            65_536,
            base.train.batch_size,
            key=f"batch {preset}",
            persist_state="session",
            help=t("Smaller if a GPU runs out of memory."),
        )
    return RecipeChoice(
        preset=preset, data=data, width=width, epochs=epochs, finetune_epochs=finetune, batch_size=batch
    )


def choose_data(column: DeltaGenerator, preset: str) -> str:
    """The preset's data until another is chosen, which then stays when the preset changes."""
    names = {"cifar10": "CIFAR-10", "synthetic": t("Drawn pictures"), FOLDER_PREFIX: t("My own folder")}
    usual = PRESETS[st.session_state.get("preset shown", preset)].recipe.data
    if st.session_state.get("data", usual) == usual:
        st.session_state["data"] = PRESETS[preset].recipe.data
    st.session_state["preset shown"] = preset
    data = column.segmented_control(
        t("Data"),
        list(names),
        required=True,
        format_func=names.__getitem__,
        key="data",
        persist_state="session",
        help=t(
            "CIFAR-10 downloads itself (170 MB). Drawn pictures need nothing. "
            "A folder holds train/CLASS/ and test/CLASS/ with 32x32 pictures."
        ),
    )
    if data != FOLDER_PREFIX:
        return data or PRESETS[preset].recipe.data
    path = column.text_input(
        t("Folder"),
        key="folder",
        persist_state="session",
        placeholder="/home/me/pictures",
        help=t("On the computer that runs the app."),
    )
    return FOLDER_PREFIX + path.strip()


def choose_runs() -> RunsChoice:
    """Methods with their settings, sparsities and seeds."""
    methods = choose_methods(t("Methods"), "methods to launch", [name for name in METHODS if name in DEFAULT_METHODS])
    left, right = st.columns(2, gap="large")
    sparsities = left.multiselect(
        t("Sparsities"),
        [f"{value:g}" for value in SPARSITIES if value],
        default=["0.5", "0.9"],
        accept_new_options=True,
        key="sparsities",
        persist_state="session",
        help=t("The share of the weights to remove. Type any other from 0 to 0.99, with up to two decimals."),
    )
    seeds = right.multiselect(
        t("Seeds"),
        [str(seed) for seed in SEEDS],
        default=[str(SEEDS[0])],
        accept_new_options=True,
        key="seeds",
        persist_state="session",
        help=t("Each seed is a training of its own. Two or more give a 95 % interval."),
    )
    groups = {"baseline": t("Baselines, there to be beaten"), "before training": t("Pruned before training")}
    with st.expander(t("Baselines and pruning before training"), icon=":material/science:"):
        for group, label in groups.items():
            names = [name for name, method in METHODS.items() if method.group == group]
            methods = methods + choose_methods(label, f"{group} to launch", names)
    return RunsChoice(methods=methods, sparsities=sparsities, seeds=seeds, settings=choose_settings(methods))


def choose_methods(label: str, key: str, names: list[str]) -> list[str]:
    """Some of ``names``: at first all that a study compares by default."""
    return st.pills(
        label,
        names,
        default=[name for name in names if name in DEFAULT_METHODS],
        selection_mode="multi",
        format_func=lambda name: METHODS[name].label,
        key=key,
        persist_state="session",
        help="  \n".join(f"**{METHODS[name].label}**: {METHODS[name].summary}" for name in names),
    )


def choose_settings(methods: list[str]) -> Mapping[str, Mapping[str, Scalar]]:
    adjustable = [name for name in methods if METHODS[name].settings]
    chosen: dict[str, dict[str, Scalar]] = {}
    if not adjustable:
        return chosen
    with st.expander(t("Settings of the methods"), icon=":material/settings:"):
        for name in adjustable:
            st.markdown(f"**{METHODS[name].label}**")
            chosen[name] = choose_settings_of(METHODS[name])
    return chosen


def choose_settings_of(method: Method) -> dict[str, Scalar]:
    """A widget for each setting that matters beside those before it."""
    columns = st.columns(4)
    chosen: dict[str, Scalar] = {}
    for setting in method.settings:
        if setting.matters(chosen):
            chosen[setting.name] = columns[len(chosen) % 4].selectbox(
                setting.label,
                setting.choices,
                setting.choices.index(setting.default),
                key=f"{method.name} {setting.name}",
                persist_state="session",
                help=setting.help,
            )
    return chosen


def read_runs(recipe: RecipeChoice, runs: RunsChoice) -> list[RunSpec]:
    """The runs that were chosen; InputError for what is not accepted."""
    if recipe["data"] == FOLDER_PREFIX:
        raise InputError(t("Give the folder that holds train/ and test/."))
    return study_runs(
        build_recipe(**recipe),
        runs["methods"],
        [read_sparsity(text) for text in runs["sparsities"]],
        [read_seed(text) for text in runs["seeds"]],
        runs["settings"],
    )


def read_sparsity(text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise InputError(
            t("Sparsity {text} is not a number: give one from 0 to below 1, such as 0.8.", text=repr(text[:40]))
        ) from None
    value = number("sparsity", value, 0, 1, below_high=True)
    if round(value, 2) != value:  # the slider of the Compare page could not be put there
        raise InputError(
            t("Sparsity {text} has more than two decimals: give one such as 0.87, at most 0.99.", text=text[:40])
        )
    return value


def read_seed(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise InputError(
            t("Seed {text} is not a whole number: give one from 0 up, such as 7.", text=repr(text[:40]))
        ) from None
    return whole_number("seed", value, 0, LARGEST_SEED)


def state_of(spec: RunSpec) -> State | None:
    """The state of the run, None if there is no such run yet."""
    folder = home().run(spec.run_id)
    return folder.state() if folder.path.exists() else None


def say_what_will_happen(specs: list[RunSpec], states: Mapping[str, State | None]) -> None:
    todo = [spec for spec in specs if states[spec.run_id] != State.DONE]
    done, active = len(specs) - len(todo), sum(state in ACTIVE for state in states.values())
    known = estimate(todo, paces(), runs_at_once())
    dense = sum(spec.is_dense for spec in specs)
    dense_runs = t("1 dense run") if dense == 1 else t("{n} dense runs", n=dense)
    n = len(specs) - dense
    pruned_runs = t("1 pruned run") if n == 1 else t("{n} pruned runs", n=n)
    parts = [t("**{dense_runs} and {pruned_runs}**", dense_runs=dense_runs, pruned_runs=pruned_runs)]
    if todo:
        time = duration(known.seconds, t)
        at_once = t("1 run at a time") if runs_at_once() == 1 else t("{n} runs at a time", n=runs_at_once())
        parts.append(
            t("about **{time}** (from runs measured here; {at_once})", time=time, at_once=at_once)
            if known.measured
            else t(
                "about **{time}** (a rough guess for a CPU: nothing like it was measured here yet; {at_once})",
                time=time,
                at_once=at_once,
            )
        )
    if done:
        parts.append(t("1 is done already") if done == 1 else t("{n} are done already", n=done))
    if active:
        parts.append(t("1 is under way") if active == 1 else t("{n} are under way", n=active))
    st.info("; ".join(parts) + ".", icon=":material/schedule:")
    with st.expander(t("All {n} runs", n=len(specs)), icon=":material/list:"):
        rows = []
        for spec in specs:
            state = states[spec.run_id]
            rows.append({"Run": spec.label, "State": state_name(state, t) if state else t("new")})
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"Run": t("Run"), "State": t("State")})


def launch_button(specs: list[RunSpec], states: Mapping[str, State | None]) -> None:
    if all(state == State.DONE for state in states.values()):
        st.success(t("All of these runs are done."), icon=":material/check_circle:")
        st.page_link("pages/compare.py", label=t("Compare them"), icon=":material/stacked_line_chart:")
        return
    waiting = sum(state != State.DONE and state not in ACTIVE for state in states.values())
    if waiting:
        label = t("Launch 1 run") if waiting == 1 else t("Launch {n} runs", n=waiting)
    else:
        label = t("Everything is under way")
    # The key stays when the number changes: a click that was on its way then still counts.
    clicked = st.button(label, key="launch", type="primary", icon=":material/rocket_launch:", disabled=not waiting)
    if clicked:
        launch(specs)
    if not waiting:
        st.page_link("pages/runs.py", label=t("Watch the runs"), icon=":material/arrow_forward:")


def launch(specs: list[RunSpec]) -> None:
    """Submit the runs and go where they can be watched; else say why not, and what is to become of them."""
    try:
        with st.spinner(t("Handing the runs to the background…")):
            queue().submit(specs)
    except PROBLEMS as error:
        complain(describe(error))
        if any(state_of(spec) == State.QUEUED for spec in specs):
            st.info(t("The runs stay queued. The Runs page hands them over as soon as that is possible."))
            st.page_link("pages/runs.py", label=t("Watch the runs"), icon=":material/arrow_forward:")
        return
    st.switch_page("pages/runs.py")


show(page)
