"""Launch: choose methods, sparsities and seeds, see what that means, and start it in the background."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.study.checks import InputError, number, whole_number
from core.study.estimate import Pace, estimate, read_paces, words
from core.study.grid import study_runs
from core.study.methods import DEFAULT_METHODS, METHODS, Scalar, Setting
from core.study.presets import PRESETS, SEEDS, SPARSITIES, build_recipe
from core.study.record import State
from core.study.spec import FOLDER_PREFIX, LARGEST_SEED, Recipe, RunSpec
from pages._shared import home, queue, show

DATA = {"cifar10": "CIFAR-10", "synthetic": "Drawn pictures", FOLDER_PREFIX: "My own folder"}
ACTIVE = (State.QUEUED, State.RUNNING, State.CANCELLING)


def page() -> None:
    st.title("Launch a study", anchor=False)
    st.caption(
        "Every method starts from the same dense network and gets the same budget to recover. "
        "Runs go on in the background: you may close this page."
    )
    try:
        recipe = choose_recipe()
        specs = choose_runs(recipe)
        states = {spec.run_id: state_of(spec) for spec in specs}
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return
    say_what_will_happen(specs, states)
    launch_button(specs, states)


def choose_recipe() -> Recipe:
    """Preset, data and advanced settings as a recipe; InputError for what is not accepted."""
    left, right = st.columns(2, gap="large")
    preset = left.segmented_control(
        "Preset", list(PRESETS), default="demo", required=True, format_func=str.capitalize, key="preset"
    )
    base = PRESETS[preset].recipe
    left.caption(PRESETS[preset].summary)
    kinds = list(DATA)
    chosen = right.segmented_control(
        "Data",
        kinds,
        default=base.data,
        required=True,
        format_func=DATA.__getitem__,
        key=f"data {preset}",
        help="CIFAR-10 downloads itself (170 MB). Drawn pictures need nothing. "
        "A folder holds train/CLASS/ and test/CLASS/ with 32x32 pictures.",
    )
    data = chosen
    if chosen == FOLDER_PREFIX:
        path = right.text_input(
            "Folder", key="folder", placeholder="/home/me/pictures", help="On the computer that runs the app."
        )
        if not path.strip():
            raise InputError("Give the folder that holds train/ and test/.")
        data = FOLDER_PREFIX + path.strip()
    assert base.finetune is not None
    with st.expander("Advanced settings", icon=":material/tune:"):
        columns = st.columns(4)
        width = columns[0].number_input(
            "Width",
            4,
            256,
            base.width,
            4,
            key=f"width {preset}",
            help="Channels of the first stage; 64 is the full ResNet-18.",
        )
        epochs = columns[1].number_input("Dense epochs", 1, 10_000, base.train.epochs, key=f"epochs {preset}")
        finetune = columns[2].number_input(
            "Fine-tuning epochs",
            1,
            10_000,
            base.finetune.epochs,
            key=f"finetune {preset}",
            help="The budget after pruning, the same for every method.",
        )
        batch = columns[3].number_input(
            "Batch size",
            2,
            65_536,
            base.train.batch_size,
            key=f"batch {preset}",
            help="Smaller if a GPU runs out of memory.",
        )
    return build_recipe(preset, data=data, width=width, epochs=epochs, finetune_epochs=finetune, batch_size=batch)


def choose_runs(recipe: Recipe) -> list[RunSpec]:
    """The runs of the chosen methods, sparsities and seeds; InputError for what is not accepted."""
    methods = st.pills(
        "Methods",
        list(METHODS),
        default=list(DEFAULT_METHODS),
        selection_mode="multi",
        format_func=lambda name: METHODS[name].label,
        key="methods to launch",
        help="  \n".join(f"**{method.label}**: {method.summary}" for method in METHODS.values()),
    )
    left, right = st.columns(2, gap="large")
    sparsities = left.multiselect(
        "Sparsities",
        [f"{value:g}" for value in SPARSITIES if value],
        default=["0.5", "0.9"],
        accept_new_options=True,
        key="sparsities",
        help="The share of the weights to remove. Type any other number from 0 to below 1.",
    )
    seeds = right.multiselect(
        "Seeds",
        [str(seed) for seed in SEEDS],
        default=[str(SEEDS[0])],
        accept_new_options=True,
        key="seeds",
        help="Each seed is a training of its own. Two or more give a 95 % interval.",
    )
    settings = choose_settings(methods)
    return study_runs(
        recipe, methods, [read_sparsity(text) for text in sparsities], [read_seed(text) for text in seeds], settings
    )


def choose_settings(methods: list[str]) -> Mapping[str, Mapping[str, Scalar]]:
    adjustable = [name for name in methods if METHODS[name].settings]
    chosen: dict[str, dict[str, Scalar]] = {}
    if not adjustable:
        return chosen
    with st.expander("Settings of the methods", icon=":material/settings:"):
        for name in adjustable:
            st.markdown(f"**{METHODS[name].label}**")
            columns = st.columns(4)
            chosen[name] = {
                setting.name: ask(columns[place % 4], name, setting)
                for place, setting in enumerate(METHODS[name].settings)
            }
    return chosen


def ask(column: st.delta_generator.DeltaGenerator, method: str, setting: Setting) -> Scalar:
    """The widget that fits a setting."""
    key = f"{method} {setting.name}"
    if setting.choices:
        place = setting.choices.index(setting.default)
        picked: Scalar = column.selectbox(setting.label, setting.choices, place, key=key, help=setting.help)
        return picked
    # A whole number keeps its type: the widget gives back what it was given.
    kind = int if isinstance(setting.default, int) else float
    typed: Scalar = column.number_input(
        setting.label, kind(setting.low), kind(setting.high), kind(setting.default), key=key, help=setting.help
    )
    return typed


def read_sparsity(text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise InputError(f"Sparsity {text[:40]!r} is not a number: give one from 0 to below 1, such as 0.8.") from None
    return number("sparsity", value, 0, 1, below_high=True)


def read_seed(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise InputError(f"Seed {text[:40]!r} is not a whole number: give one from 0 up, such as 7.") from None
    return whole_number("seed", value, 0, LARGEST_SEED)


def state_of(spec: RunSpec) -> State | None:
    """The state of the run, None if there is no such run yet."""
    folder = home().run(spec.run_id)
    return folder.state() if folder.path.exists() else None


def say_what_will_happen(specs: list[RunSpec], states: Mapping[str, State | None]) -> None:
    todo = [spec for spec in specs if states[spec.run_id] != State.DONE]
    done, active = len(specs) - len(todo), sum(state in ACTIVE for state in states.values())
    known = estimate(todo, paces())
    dense = sum(spec.is_dense for spec in specs)
    sentence = f"**{counted(dense, 'dense run')} and {counted(len(specs) - dense, 'pruned run')}**"
    if todo:
        basis = "from runs measured here" if known.measured else "a rough guess, nothing like it was measured here yet"
        sentence += f", about **{words(known.seconds)}** on one worker ({basis})"
    if done:
        sentence += f"; {done} {'is' if done == 1 else 'are'} done already"
    if active:
        sentence += f"; {active} {'is' if active == 1 else 'are'} under way"
    st.info(sentence + ".", icon=":material/schedule:")
    with st.expander(f"All {len(specs)} runs", icon=":material/list:"):
        rows = [
            {
                "Run": spec.variant if spec.is_dense else f"{spec.variant} {spec.sparsity:g}",
                "Seed": spec.seed,
                "State": (states[spec.run_id] or "new").capitalize(),
            }
            for spec in specs
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True)


def launch_button(specs: list[RunSpec], states: Mapping[str, State | None]) -> None:
    if all(state == State.DONE for state in states.values()):
        st.success("All of these runs are done.", icon=":material/check_circle:")
        st.page_link("pages/compare.py", label="Compare them", icon=":material/stacked_line_chart:")
        return
    waiting = sum(state != State.DONE and state not in ACTIVE for state in states.values())
    label = f"Launch {counted(waiting, 'run')}" if waiting else "Everything is under way"
    if st.button(label, type="primary", icon=":material/rocket_launch:", disabled=not waiting):
        try:
            with st.spinner("Handing the runs to the background…"):
                queue().submit(specs)
        except InputError as error:
            st.error(str(error), icon=":material/error:")
            return
        st.switch_page("pages/runs.py")
    if not waiting:
        st.page_link("pages/runs.py", label="Watch the runs", icon=":material/arrow_forward:")


@st.cache_data(ttl=10, show_spinner=False)
def paces() -> list[Pace]:
    """What runs took here; read anew every ten seconds, not at every click."""
    return read_paces(home())


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


show(page)
