"""What a recipe has beside preset and data, for each preset its own: network, epochs, learning rates, regularisation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.spec.method import Scalar
from core.spec.networks import NETWORKS
from core.spec.presets import PRESETS, default_width
from core.spec.spec import COMPUTE, DECAYS, EPOCHS, PRECISIONS, TRIANGULAR, Recipe, Schedule
from ui.shared.url import in_new_address, read_choice, read_number, write

CLASSICAL, NESTEROV = "classical", "nesterov"  # kinds of momentum
# Parameters of the address that the recipe's builder calls otherwise.
_ARGUMENTS = {"finetune": "finetune_epochs", "batch": "batch_size"}


@dataclass(frozen=True)
class Number:
    """A number from ``low`` to ``high``, whole if the default is; ``name`` is its parameter in the address."""

    name: str
    label: str
    help: str
    default: float
    low: float = 1
    high: float = 10_000
    step: float = 1
    format: str | None = None
    disabled: bool = False

    def select(self, place: DeltaGenerator, preset: str) -> float:
        """A link's number holds for the preset that it comes with."""
        key = f"{self.name} {preset}"
        if in_new_address(self.name):
            number = read_number(self.name, self.low, self.high, self.default)
            st.session_state[key] = round(number) if isinstance(self.default, int) else number
        elif key not in st.session_state:
            st.session_state[key] = self.default
        value: float = place.number_input(
            self.label,
            self.low,
            self.high,
            step=self.step,
            format=self.format,
            key=key,
            persist_state="session",
            help=self.help,
            disabled=self.disabled,
        )
        write(**{self.name: None if value == self.default else value})
        return value


@dataclass(frozen=True)
class Choice:
    """One of the keys of ``labels``, otherwise the same."""

    name: str
    label: str
    help: str
    default: str
    labels: Mapping[str, str]

    def select(self, place: DeltaGenerator, preset: str) -> str:
        key = f"{self.name} {preset}"
        if in_new_address(self.name):
            st.session_state[key] = read_choice(self.name, self.labels, self.default)
        elif key not in st.session_state:
            st.session_state[key] = self.default
        value: str = place.selectbox(
            self.label,
            list(self.labels),
            format_func=self.labels.__getitem__,
            key=key,
            persist_state="session",
            help=self.help,
        )
        write(**{self.name: None if value == self.default else value})
        return value


def select_advanced(preset: str, network: str) -> dict[str, Scalar]:
    """Arguments of build_recipe."""
    recipe = PRESETS[preset].recipe
    assert recipe.finetune is not None
    places = st.columns(4)
    selected: dict[str, Scalar] = {}
    if network in NETWORKS:  # others have the channels that they have
        selected["width"] = _width(recipe, network).select(places[0], f"{preset} {network}")
    for control, place in zip(_length(recipe, recipe.finetune), places[1:], strict=True):
        selected[control.name] = control.select(place, preset)
    (place, *_) = st.columns(4)
    selected["precision"] = _precision(recipe).select(place, preset)
    selected |= _rates("", t("Dense training"), recipe.train, preset)
    selected |= _rates("finetune_", t("After pruning"), recipe.finetune, preset)
    selected |= _row(_regularisation(recipe), preset)
    selected["nesterov"] = selected.pop("momentum") == NESTEROV
    return {_ARGUMENTS.get(name, name): value for name, value in selected.items()}


def _row(controls: Iterable[Number | Choice], preset: str) -> dict[str, Scalar]:
    return {
        control.name: control.select(column, preset) for column, control in zip(st.columns(4), controls, strict=True)
    }


def _width(recipe: Recipe, network: str) -> Number:
    published = NETWORKS[network]
    help_text = t(
        "Channels of the first layer; {full} is the full {network}.", full=published.full_width, network=published.label
    )
    return Number("width", t("Width"), help_text, default_width(recipe, network), 4, 256, 4)


def _length(recipe: Recipe, finetune: Schedule) -> tuple[Number, ...]:
    return (
        Number(
            "epochs", t("Dense epochs"), t("Passes over the training pictures before pruning."), recipe.train.epochs
        ),
        Number(
            "finetune",
            t("Fine-tuning epochs"),
            t("The epochs after pruning. Methods that start untrained get the dense epochs as well."),
            finetune.epochs,
        ),
        Number("batch", t("Batch size"), t("Smaller if a GPU runs out of memory."), recipe.train.batch_size, 2, 65_536),
    )


def _precision(recipe: Recipe) -> Choice:
    return Choice(
        "precision",
        t("Precision"),
        t(
            "auto: bf16 on a GPU that computes in it, fp32 elsewhere. bf16 is faster on processors that compute in it, and "
            "slower on others."
        ),
        recipe.precision,
        {name: name for name in PRECISIONS},
    )


def _rates(prefix: str, when: str, schedule: Schedule, preset: str) -> dict[str, Scalar]:
    """The learning rate of one of the recipe's schedules."""
    places = st.columns([1, 1, 1, 1], vertical_alignment="center")
    places[0].markdown(f"**{when}**")
    decays = {name: t(name) for name in DECAYS}
    rate = Number(
        f"{prefix}lr",
        t("Highest learning rate"),
        t("The larger, the more is learned anew, and the more epochs that takes."),
        *(schedule.lr, 1e-6, 10.0, 0.01),
        format="%g",
    )
    decay = Choice(
        f"{prefix}decay",
        t("Learning rate over time"),
        t(
            "cosine, linear: falls to 0 along half a cosine or a straight line. triangular: rises during the first "
            "fifth, then falls; good for few epochs."
        ),
        schedule.decay,
        decays,
    )
    selected: dict[str, Scalar] = {
        rate.name: rate.select(places[1], preset),
        decay.name: decay.select(places[2], preset),
    }
    rises = selected[decay.name] == TRIANGULAR
    warmup = Number(
        f"{prefix}warmup",
        t("Warm-up epochs"),
        t("The learning rate rises during these; at most half of all. A triangular one rises by itself."),
        *(schedule.warmup, 0),
        disabled=rises,
    )
    epochs = warmup.select(places[3], preset)
    return {**selected, warmup.name: 0 if rises else epochs}


def _regularisation(recipe: Recipe) -> tuple[Number | Choice, ...]:
    train = recipe.train
    return (
        Choice(
            "momentum",
            t("Momentum"),
            t("Nesterov's looks one step ahead: often a little better in few epochs."),
            NESTEROV if train.nesterov else CLASSICAL,
            {CLASSICAL: t("classical"), NESTEROV: "Nesterov"},
        ),
        Number(
            "label_smoothing",
            t("Label smoothing"),
            t("The share of each label that all classes get: the network becomes less sure of itself."),
            *(train.label_smoothing, 0.0, 0.9, 0.05),
        ),
        Number(
            "cutout",
            t("Cutout (pixels)"),
            t("The side of a square that is blanked out of each training picture (DeVries & Taylor, 2017); 0: none."),
            *(train.cutout, 0, 31),
        ),
        Choice(
            "budget",
            t("Budget after pruning"),
            t(
                "epochs: the same for every network. compute: a smaller network gets more epochs, as many as cost "
                "what the fine-tuning epochs would cost the dense one, ten times as many at most."
            ),
            recipe.budget,
            {EPOCHS: t("epochs"), COMPUTE: t("compute")},
        ),
    )
