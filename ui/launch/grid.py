"""Methods, sparsities and seeds as chosen on the Launch page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import streamlit as st

from core.i18n import t
from core.labels import value_name
from core.spec.errors import InputError
from core.spec.grid import study_runs
from core.spec.method import Method, Scalar
from core.spec.methods import METHODS, default_methods
from core.spec.presets import SEEDS, SPARSITIES, build_recipe
from core.spec.spec import FOLDER_PREFIX, MAX_SEED, RunSpec
from core.spec.validate import check_float, check_int
from ui.launch.recipe import ANY_TEXT, RecipeChoice
from ui.shared.url import read_choice, read_choices, write, write_if_chosen


class RunsChoice(TypedDict):
    """What study_runs takes, as chosen on the page and not checked yet."""

    methods: list[str]
    sparsities: list[str]
    seeds: list[str]
    settings: Mapping[str, Mapping[str, Scalar]]


def choose_runs() -> RunsChoice:
    """Methods with their settings, sparsities and seeds."""
    methods = choose_methods(t("Methods"), "methods to launch", [name for name in METHODS if name in default_methods()])
    left, right = st.columns(2, gap="medium")
    usual_sparsities, usual_seeds = ["0.5", "0.9"], [str(SEEDS[0])]
    read_choices("sparsities", ANY_TEXT, usual_sparsities)
    read_choices("seeds", ANY_TEXT, usual_seeds)
    sparsities = left.multiselect(
        t("Sparsities"),
        options([f"{value:g}" for value in SPARSITIES if value], "sparsities"),
        accept_new_options=True,
        key="sparsities",
        persist_state="session",
        help=t("The share of the weights to remove. Type any other from 0 to 0.99, with up to two decimals."),
    )
    seeds = right.multiselect(
        t("Seeds"),
        options([str(seed) for seed in SEEDS], "seeds"),
        accept_new_options=True,
        key="seeds",
        persist_state="session",
        help=t("Each seed is a training of its own. Two or more give a 95 % interval."),
    )
    write_if_chosen(sparsities=(sparsities, usual_sparsities), seeds=(seeds, usual_seeds))
    groups = {"baseline": t("Baselines, there to be beaten"), "before training": t("Pruned before training")}
    with st.expander(t("Baselines and pruning before training"), icon=":material/science:"):
        for group, label in groups.items():
            names = [name for name, method in METHODS.items() if method.group == group]
            methods = methods + choose_methods(label, f"{group} to launch", names)
    return RunsChoice(methods=methods, sparsities=sparsities, seeds=seeds, settings=choose_settings(methods))


def choose_methods(label: str, key: str, names: list[str]) -> list[str]:
    """Some of ``names``: at first all that a study compares by default."""
    usual = [name for name in names if name in default_methods()]
    read_choices(key, names, usual)
    chosen: list[str] = st.pills(
        label,
        names,
        selection_mode="multi",
        format_func=lambda name: t(METHODS[name].label),
        key=key,
        persist_state="session",
        help="  \n".join(f"**{t(METHODS[name].label)}**: {t(METHODS[name].summary)}" for name in names),
    )
    write_if_chosen(**{key: (chosen, usual)})
    return chosen


def options(usual: list[str], name: str) -> list[str]:
    """``usual`` and what else was typed into the widget called ``name``, or came with a link."""
    return list(dict.fromkeys([*usual, *st.session_state[name]]))


def choose_settings(methods: list[str]) -> Mapping[str, Mapping[str, Scalar]]:
    adjustable = [name for name in methods if METHODS[name].settings]
    chosen: dict[str, dict[str, Scalar]] = {}
    if not adjustable:
        return chosen
    with st.expander(t("Settings of the methods"), icon=":material/settings:"):
        for name in adjustable:
            st.markdown(f"**{t(METHODS[name].label)}**")
            chosen[name] = choose_settings_of(METHODS[name])
    return chosen


def choose_settings_of(method: Method) -> dict[str, Scalar]:
    """A widget for each setting that matters beside those before it."""
    columns = st.columns(4)
    chosen: dict[str, Scalar] = {}
    for setting in method.settings:
        if setting.matters(chosen):
            key = f"{method.name} {setting.name}"
            if key not in st.session_state:
                texts = {str(choice): choice for choice in setting.choices}
                st.session_state[key] = texts[read_choice(f"{method.name}.{setting.name}", texts, str(setting.default))]
            chosen[setting.name] = columns[len(chosen) % 4].selectbox(
                t(setting.label),
                setting.choices,
                key=key,
                format_func={choice: value_name(choice) for choice in setting.choices}.__getitem__,
                persist_state="session",
                help=t(setting.help),
            )
            usual = chosen[setting.name] == setting.default
            write(**{f"{method.name}.{setting.name}": None if usual else str(chosen[setting.name])})
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
    value = check_float("sparsity", value, 0, 1, below_high=True)
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
    return check_int("seed", value, 0, MAX_SEED)
