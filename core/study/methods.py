"""The registry of pruning methods: their names, words and settings, as data.

A new method is one file ``core/engine/pruning/<name>.py`` with a function ``prune`` and one entry here; app, CLI,
tables and tests find it by this registry. It lies below the engine so that a page can offer the methods without
loading torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.study.checks import one_of, refuse

Scalar = str | int | float | bool
DENSE = "dense"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a method: what it is called, what it does, and the values that it can have."""

    name: str
    label: str
    help: str
    default: Scalar
    choices: tuple[Scalar, ...]

    def check(self, value: Any) -> Scalar:
        """``value`` if accepted, else InputError."""
        return one_of(self.name, value, self.choices)  # type: ignore[no-any-return]

    def parse(self, text: str) -> Scalar:
        """The accepted value that ``text``, from a command line, stands for, else InputError."""
        for choice in self.choices:
            if str(choice) == text:
                return choice
        return self.check(text)


@dataclass(frozen=True, slots=True)
class Method:
    """A pruning method as a person sees it. ``restarts``: training starts over from earlier weights, at the dense
    learning rate, instead of fine-tuning the trained ones at the smaller one. ``baseline``: only there to be beaten, and
    so part of a study only if asked for."""

    name: str
    label: str
    summary: str
    source: str
    kind: Literal["unstructured", "structured"]
    settings: tuple[Setting, ...] = ()
    restarts: bool = False
    baseline: bool = False

    def complete(self, given: Mapping[str, Any]) -> tuple[tuple[str, Scalar], ...]:
        """Every setting with its checked value, in the registry's order; InputError for one that does not exist."""
        known = {setting.name: setting for setting in self.settings}
        for name in given:
            if name not in known:
                accepted = ", ".join(known) or "none: this method has no settings"
                raise refuse(f"setting of {self.name}", name, accepted)
        return tuple((name, setting.check(given.get(name, setting.default))) for name, setting in known.items())


# Dense runs keep their weights at the start of these epochs, so that a ticket can be rewound to them.
REWIND_EPOCHS = (0, 1, 2, 4, 8)

_ENTRIES = (
    Method(
        name="magnitude",
        label="Magnitude",
        summary="Removes the weights that are smallest in absolute value over the whole network, then fine-tunes.",
        source="Han et al., NIPS 2015",
        kind="unstructured",
    ),
    Method(
        name="structured",
        label="Structured",
        summary="Removes whole filters of low importance, so that the network really becomes smaller; then fine-tunes.",
        source="Li et al., ICLR 2017",
        kind="structured",
        settings=(
            Setting(
                name="criterion",
                label="Importance of a filter",
                help="How a filter is judged: by the sum of its absolute weights (L1) or by its length (L2).",
                default="l1",
                choices=("l1", "l2"),
            ),
            Setting(
                name="allocation",
                label="Spread over layers",
                help="uniform: every layer loses the same share of filters. global: filters compete over all layers.",
                default="uniform",
                choices=("uniform", "global"),
            ),
        ),
    ),
    Method(
        name="lottery_ticket",
        label="Lottery ticket",
        summary="Finds the large weights of the trained network, puts them back to earlier values and trains again.",
        source="Frankle & Carbin, ICLR 2019; rewinding: Frankle et al., ICML 2020",
        kind="unstructured",
        settings=(
            Setting(
                name="rewind_epoch",
                label="Rewind to epoch",
                help="0: back to the values before training. Later: to those the dense run had after that epoch.",
                default=0,
                choices=REWIND_EPOCHS,
            ),
        ),
        restarts=True,
    ),
    Method(
        name="random",
        label="Random",
        summary="Removes weights at random, then fine-tunes: the baseline that every method has to beat.",
        source="baseline",
        kind="unstructured",
        baseline=True,
    ),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _ENTRIES}


DEFAULT_METHODS = tuple(name for name, method in METHODS.items() if not method.baseline)


def find_method(name: Any) -> Method:
    """The method called ``name``, else InputError with the names there are."""
    if not isinstance(name, str) or name not in METHODS:
        raise refuse("method", name, "one of " + ", ".join(METHODS))
    return METHODS[name]


def variant_label(name: str, settings: Mapping[str, Scalar]) -> str:
    """What to call a method with these settings: its label, and each setting that is not the default."""
    if name == DENSE:
        return "Dense"
    method = METHODS.get(name)
    if method is None:
        return name
    defaults = {setting.name: setting.default for setting in method.settings}
    changed = [f"{key.replace('_', ' ')} {value}" for key, value in settings.items() if defaults.get(key) != value]
    return method.label + (f" ({', '.join(changed)})" if changed else "")
