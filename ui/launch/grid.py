"""Methods, sparsities and seeds as selected on the Launch page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.labels import method_name, value_name
from core.spec.errors import InputError
from core.spec.grid import study_runs
from core.spec.method import Method, Scalar
from core.spec.methods import METHODS, default_methods
from core.spec.presets import PROPOSED_SPARSITIES, SEEDS
from core.spec.spec import MAX_SEED, Recipe, RunSpec
from core.spec.validate import check_float, check_int
from ui.shared.components import pills
from ui.shared.url import in_new_address, read_choice, read_list, write, write_if_chosen
from ui.shared.url_values import MAX_LENGTH

RECOMMENDED, PUBLISHED = "recommended", "published"  # forms of the methods


@dataclass(frozen=True)
class RunsChoice:
    """What is selected and not checked yet; ``settings`` by method."""

    methods: list[str]
    sparsities: str
    seeds: str
    settings: Mapping[str, Mapping[str, Scalar]]

    def build(self, recipe: Recipe) -> list[RunSpec]:
        """InputError for what is not accepted."""
        sparsities = [parse_sparsity(text) for text in split_list(self.sparsities)]
        seeds = [parse_seed(text) for text in split_list(self.seeds)]
        return study_runs(recipe, self.methods, sparsities, seeds, self.settings)


def select_runs() -> RunsChoice:
    main = [name for name in METHODS if name in default_methods()]
    methods = select_methods(t("Methods"), pills_name("main"), main)
    left, right = st.columns(2, gap="medium")
    explanation = t(
        "The shares of the weights to remove, with commas between them: numbers from 0 to 0.99, with up to two decimals."
    )
    proposed = ", ".join(f"{value:g}" for value in PROPOSED_SPARSITIES)
    sparsities = type_list(left, t("Sparsities"), "sparsities", proposed, help=explanation)
    explanation = t(
        "Whole numbers with commas between them. Each seed is a training of its own. Two or more give a 95 % interval."
    )
    seeds = type_list(right, t("Seeds"), "seeds", str(SEEDS[0]), help=explanation)
    groups = {"baseline": t("Baselines, there to be beaten"), "before training": t("Pruned before training")}
    with st.expander(t("Baselines and pruning before training"), icon=":material/science:"):
        for group, label in groups.items():
            names = [name for name, method in METHODS.items() if method.group == group]
            methods = methods + select_methods(label, pills_name(group), names)
    return RunsChoice(methods, sparsities, seeds, select_settings(methods))


def pills_name(group: str) -> str:
    """The parameter of the pills for the methods of ``group``."""
    return "methods to launch" if group == "main" else f"{group} to launch"


def select_methods(label: str, key: str, names: list[str]) -> list[str]:
    """Some of ``names``: at first all that a study compares by default."""
    labels = {name: method_name(name) for name in names}
    default = [name for name in names if name in default_methods()]
    explanation = "  \n".join(f"**{labels[name]}**: {t(METHODS[name].summary)}" for name in names)
    return pills(label, key, labels, default, persist_state="session", help=explanation)


def type_list(place: DeltaGenerator, label: str, name: str, default: str, *, help: str) -> str:
    """A list as it is typed. Not a list to select from: there, Enter takes the first entry that holds what was typed."""
    read_list(name, default)
    typed: str = place.text_input(label, key=name, max_chars=MAX_LENGTH, persist_state="session", help=help)
    write_if_chosen(**{name: (typed, default)})
    return typed


def split_list(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()


def select_settings(methods: list[str]) -> Mapping[str, Mapping[str, Scalar]]:
    adjustable = [METHODS[name] for name in methods if METHODS[name].settings]
    selected: dict[str, Mapping[str, Scalar]] = {}
    if adjustable:
        with st.expander(t("Settings of the methods"), icon=":material/settings:"):
            form = select_form()
            for method in adjustable:
                published = method.published if form == PUBLISHED else None
                note = f" · {t(published.name)}" if published else ""
                st.markdown(f"**{method_name(method.name)}**{note}")
                selected[method.name] = select_settings_of(method, form)
    return selected


def select_form() -> str:
    """What the settings start from: what measured best, or what the papers did."""
    labels = {RECOMMENDED: t("recommended"), PUBLISHED: t("as published")}
    key = "form of the methods"
    if key not in st.session_state or in_new_address("form"):
        st.session_state[key] = read_choice("form", labels, RECOMMENDED)
    form: str = st.radio(
        t("Start from"),
        list(labels),
        format_func=labels.__getitem__,
        key=key,
        persist_state="session",
        horizontal=True,
        help=t(
            "recommended: what measured best, with a repair after the cut. as published: what the papers did, without it."
        ),
    )
    write(form=None if form == RECOMMENDED else form)
    return form


def select_settings_of(method: Method, form: str) -> dict[str, Scalar]:
    """A widget for each setting that matters beside those before it."""
    columns = st.columns(4)
    initial = method.initial_settings(as_published=form == PUBLISHED)
    selected: dict[str, Scalar] = {}
    for setting in method.settings:
        if setting.matters(selected):
            parameter, key = f"{method.name}.{setting.name}", f"{method.name} {setting.name} {form}"
            default = initial[setting.name]
            if key not in st.session_state or in_new_address(parameter):
                texts = {str(choice): choice for choice in setting.choices}
                st.session_state[key] = texts[read_choice(parameter, texts, str(default))]
            value = columns[len(selected) % 4].selectbox(
                t(setting.label),
                setting.choices,
                key=key,
                format_func={choice: value_name(choice) for choice in setting.choices}.__getitem__,
                persist_state="session",
                help=t(setting.help),
            )
            selected[setting.name] = value
            write(**{parameter: None if value == default else str(value)})
    return selected


def parse_sparsity(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(
            "Sparsity {text} is not a number: give one from 0 to below 1, such as 0.8.", text=repr(text[:40])
        ) from None
    value = check_float("sparsity", value, 0, 1, below_high=True)
    if round(value, 2) != value:  # the slider of the Compare page could not be put there
        raise InputError(
            "Sparsity {text} has more than two decimals: give one such as 0.87, at most 0.99.", text=text[:40]
        )
    return value


def parse_seed(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise InputError(
            "Seed {text} is not a whole number: give one from 0 up, such as 7.", text=repr(text[:40])
        ) from None
    return check_int("seed", value, 0, MAX_SEED)
