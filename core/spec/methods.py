"""The registry of pruning methods: their names, words and settings, as data.

A new method is one file ``core/engine/pruning/<name>.py`` with a function ``prune`` and one entry here; app, CLI,
tables and tests find it by this registry. It lies below the engine so that a page can offer the methods without
loading torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.i18n import N_, Message
from core.spec.errors import invalid_value
from core.spec.validate import check_choice

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
    only_with: tuple[str, Scalar] | None = None  # another setting and the value it must have for this one to matter

    def check(self, value: Any) -> Scalar:
        """``value`` if accepted, else InputError."""
        return check_choice(self.name, value, self.choices)  # type: ignore[no-any-return]

    def matters(self, settings: Mapping[str, Any]) -> bool:
        """Whether this setting has an effect beside ``settings``."""
        return self.only_with is None or settings.get(self.only_with[0]) == self.only_with[1]

    def parse(self, text: str) -> Scalar:
        """The accepted value that ``text``, from a command line, stands for, else InputError."""
        for choice in self.choices:
            if str(choice) == text:
                return choice
        return self.check(text)


@dataclass(frozen=True, slots=True)
class Method:
    """A pruning method as a person sees it. ``restarts``: training starts over from earlier weights, at the dense
    learning rate, instead of fine-tuning the trained ones at the smaller one. ``group``: what a study compares by default,
    what prunes before training, and what is only there to be beaten."""

    name: str
    label: str
    summary: str
    source: str
    kind: Literal["unstructured", "structured"]
    settings: tuple[Setting, ...] = ()
    restarts: bool = False
    group: Literal["main", "before training", "baseline"] = "main"

    def complete(self, given: Mapping[str, Any]) -> tuple[tuple[str, Scalar], ...]:
        """Every setting with its checked value, in the registry's order; InputError for one that does not exist."""
        known = {setting.name: setting for setting in self.settings}
        for name in given:
            if name not in known:
                accepted = Message.literal(", ".join(known)) if known else Message("none: this method has no settings")
                raise invalid_value(f"setting of {self.name}", name, accepted)
        complete = {name: setting.check(given.get(name, setting.default)) for name, setting in known.items()}
        for name, setting in known.items():
            # One run must have one identity: a setting that has no effect cannot have another value.
            if complete[name] != setting.default and not setting.matters(complete):
                assert setting.only_with is not None
                needed = "{}={}".format(*setting.only_with)
                raise invalid_value(
                    f"{name} of {self.name}",
                    complete[name],
                    Message("{default} unless {needed}", default=setting.default, needed=needed),
                )
        return tuple(complete.items())


# Dense runs keep their weights at the start of these epochs, so that a ticket can be rewound to them.
REWIND_EPOCHS = (0, 1, 2, 4, 8)

_SCHEDULE_HELP = N_(
    "one-shot: all at once. iterative: in rounds of pruning and training that share the epochs. "
    "gradual: a little every few steps during the first half of the training."
)
_ROUNDS = Setting(
    name="rounds",
    label=N_("Rounds"),
    help=N_("Each round removes the same share of what is left, then trains for its share of the epochs."),
    default=3,
    choices=(2, 3, 5, 10),
    only_with=("schedule", "iterative"),
)
_RETRAINING = Setting(
    name="retraining",
    label=N_("Training afterwards"),
    help=N_(
        "fine-tuning: a small learning rate. lr-rewinding: the learning rates of the dense run's "
        "last epochs over again (Renda et al., ICLR 2020)."
    ),
    default="fine-tuning",
    choices=("fine-tuning", "lr-rewinding"),
)

_ENTRIES = (
    Method(
        name="magnitude",
        label=N_("Magnitude"),
        summary=N_("Removes the weights that are smallest in absolute value, then fine-tunes."),
        source="Han et al., NIPS 2015",
        kind="unstructured",
        settings=(
            Setting(
                name="allocation",
                label=N_("Spread over layers"),
                help=N_(
                    "global: all weights compete. uniform: every layer loses the same share. erk: "
                    "layers with few weights keep more of them (Evci et al., 2020). lamp: weights "
                    "compete after scaling by what is larger in their layer (Lee et al., 2021)."
                ),
                default="global",
                choices=("global", "uniform", "erk", "lamp"),
            ),
            Setting(
                name="schedule",
                label=N_("Pruning schedule"),
                help=_SCHEDULE_HELP,
                default="one-shot",
                choices=("one-shot", "iterative", "gradual"),
            ),
            _ROUNDS,
            _RETRAINING,
        ),
    ),
    Method(
        name="structured",
        label=N_("Structured"),
        summary=N_(
            "Removes whole filters of low importance, so that the network really becomes smaller; then fine-tunes."
        ),
        source="Li et al., ICLR 2017",
        kind="structured",
        settings=(
            Setting(
                name="criterion",
                label=N_("Importance of a filter"),
                help=N_(
                    "l1, l2: the size of its weights. bn_scale: the factor that BatchNorm gives "
                    "its output (Liu et al., 2017). taylor: what the loss would change without it "
                    "(Molchanov et al., 2019)."
                ),
                default="l1",
                choices=("l1", "l2", "bn_scale", "taylor"),
            ),
            Setting(
                name="allocation",
                label=N_("Spread over layers"),
                help=N_(
                    "uniform: every layer loses the same share of filters. global: filters compete "
                    "over all layers. cost: they compete by importance for what they cost in "
                    "computation and weights."
                ),
                default="uniform",
                choices=("uniform", "global", "cost"),
            ),
            Setting(
                name="round_to",
                label=N_("Channels a multiple of"),
                help=N_("8 suits the vector units of processors; the sparsity is then met less exactly."),
                default=1,
                choices=(1, 8),
            ),
            Setting(
                name="floor",
                label=N_("Least share of a layer kept"),
                help=N_("No layer loses more of its filters than this leaves, whatever their importance."),
                default=0.0,
                choices=(0.0, 0.05, 0.1, 0.2),
            ),
            _RETRAINING,
        ),
    ),
    Method(
        name="lottery_ticket",
        label=N_("Lottery ticket"),
        summary=N_(
            "Finds the large weights of the trained network, puts them back to earlier values and trains again."
        ),
        source="Frankle & Carbin, ICLR 2019; rewinding: Frankle et al., ICML 2020",
        kind="unstructured",
        settings=(
            Setting(
                name="rewind_epoch",
                label=N_("Rewind to epoch"),
                help=N_("0: back to the values before training. Later: to those the dense run had after that epoch."),
                default=0,
                choices=REWIND_EPOCHS,
            ),
            Setting(
                name="schedule",
                label=N_("Pruning schedule"),
                help=N_(
                    "one-shot: all at once. iterative: in rounds of pruning, rewinding and training "
                    "that share the epochs."
                ),
                default="one-shot",
                choices=("one-shot", "iterative"),
            ),
            _ROUNDS,
        ),
        restarts=True,
    ),
    Method(
        name="snip",
        label=N_("SNIP"),
        summary=N_(
            "Before training: keeps the weights whose removal would change the loss of the untrained network most."
        ),
        source="Lee et al., ICLR 2019",
        kind="unstructured",
        restarts=True,
        group="before training",
    ),
    Method(
        name="synflow",
        label=N_("SynFlow"),
        summary=N_(
            "Before training and without pictures: keeps the weights that carry most of the flow through the network."
        ),
        source="Tanaka et al., NeurIPS 2020",
        kind="unstructured",
        restarts=True,
        group="before training",
    ),
    Method(
        name="random",
        label=N_("Random"),
        summary=N_("Removes weights at random, then fine-tunes: the baseline that every method has to beat."),
        source="baseline",
        kind="unstructured",
        group="baseline",
    ),
    Method(
        name="random_filters",
        label=N_("Random filters"),
        summary=N_("Removes filters at random, then fine-tunes: the baseline of structured pruning."),
        source="baseline",
        kind="structured",
        group="baseline",
    ),
    Method(
        name="from_scratch",
        label=N_("From scratch"),
        summary=N_(
            "The shape that structured pruning finds, trained from new random weights: are the old ones worth anything?"
        ),
        source="Liu et al., ICLR 2019",
        kind="structured",
        restarts=True,
        group="baseline",
    ),
    Method(
        name="reinitialised_ticket",
        label=N_("Re-initialised ticket"),
        summary=N_("The lottery ticket's mask on new random weights: does the ticket need its own?"),
        source="Frankle & Carbin, ICLR 2019",
        kind="unstructured",
        restarts=True,
        group="baseline",
    ),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _ENTRIES}


DEFAULT_METHODS = tuple(name for name, method in METHODS.items() if method.group == "main")


def find_method(name: Any) -> Method:
    """The method called ``name``, else InputError with the names there are."""
    if not isinstance(name, str) or name not in METHODS:
        raise invalid_value("method", name, Message("one of {choices}", choices=", ".join(METHODS)))
    return METHODS[name]


def variant_label(name: str, settings: Mapping[str, Scalar]) -> str:
    """What to call a method with these settings: its label, and each setting that is not the default."""
    if name == DENSE:
        return "Dense"
    if name not in METHODS:
        return name
    changed = [f"{key.replace('_', ' ')} {value}" for key, value in changed_settings(name, settings).items()]
    return METHODS[name].label + (f" ({', '.join(changed)})" if changed else "")


def changed_settings(name: str, settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Those of ``settings`` of the method called ``name`` that are not the default."""
    defaults = {setting.name: setting.default for setting in METHODS[name].settings} if name != DENSE else {}
    return {key: value for key, value in settings.items() if defaults.get(key) != value}
