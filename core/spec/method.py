"""What a pruning method is, as data: its settings, their values, and where the functions behind them are.

Functions are named instead of imported, so that a page can offer the methods without loading torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from core.i18n import N_, Message
from core.spec.errors import invalid_value
from core.spec.validate import check_choice

Scalar = str | int | float | bool
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a setting. ``function``: what computes it in the engine, as module:name, for values that stand for an
    algorithm. ``citation``: the paper that it comes from, for the references of a report."""

    value: Scalar
    function: str = ""
    citation: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a method: its ``label`` above a widget, its ``short`` name within a variant's, what it does.

    ``legacy``: what runs did before there was this setting. Their records lack it, and so does every record with this
    value: the ids of those runs stay."""

    name: str
    label: str
    short: str
    help: str
    default: Scalar
    options: tuple[Option, ...]
    only_with: tuple[str, Scalar] | None = None  # another setting and the value it must have for this one to matter
    legacy: Scalar | None = None

    @property
    def choices(self) -> tuple[Scalar, ...]:
        """The values that it can have."""
        return tuple(option.value for option in self.options)

    def check(self, value: Any) -> Scalar:
        """``value`` if accepted, else InputError."""
        return check_choice(self.name, value, self.choices)  # type: ignore[no-any-return]

    def option(self, value: Any) -> Option:
        """The option with this ``value``, else InputError."""
        return self.options[self.choices.index(self.check(value))]

    def matters(self, settings: Mapping[str, Any]) -> bool:
        """Whether this setting has an effect beside ``settings``."""
        return self.only_with is None or settings.get(self.only_with[0]) == self.only_with[1]

    def describe(self, value: Scalar, translate: Callable[[str], str] = str) -> str:
        """``value`` within a variant's name."""
        template = N_("no {setting}") if value == "none" else "{setting} {value}"
        return translate(template).format(setting=translate(self.short), value=translate(str(value)))

    def parse(self, text: str) -> Scalar:
        """The accepted value that ``text``, from a command line, stands for, else InputError."""
        for choice in self.choices:
            if str(choice) == text:
                return choice
        return self.check(text)


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a method that has a name, as a citation or in words, and the settings in which it is not the default."""

    name: str
    settings: Mapping[str, Scalar] = field(hash=False)  # a method is a key of caches


@dataclass(frozen=True, slots=True)
class Method:
    """A pruning method. ``restarts``: training starts over from earlier weights, at the dense learning rate, instead of
    fine-tuning the trained ones at the smaller one. ``uses_dense_training``: the weights or the mask come from the
    trained dense network, so that its training is part of the method's. ``group``: what a study compares by default,
    what prunes before training, and what is only there to be beaten. ``baseline_of``: names of the methods that have to
    beat it, or EVERY for all of its kind. ``source``: its paper in short; ``citations``: all papers in full. Defaults are
    what measured best; ``published``: what the paper did, where that is something else.
    ``function``: where its ``prune`` is, as module:name, if not in the file of its name."""

    name: str
    label: str
    summary: str
    kind: Literal["unstructured", "structured"]
    source: str = ""
    citations: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    restarts: bool = False
    uses_dense_training: bool = True
    group: Literal["main", "before training", "baseline"] = "main"
    baseline_of: tuple[str, ...] = ()
    function: str = ""
    published: Form | None = None

    def complete(self, given: Mapping[str, Any]) -> tuple[tuple[str, Scalar], ...]:
        """Every setting with its checked value, in the registry's order; InputError for one that does not exist."""
        known = {setting.name: setting for setting in self.settings}
        unknown = [name for name in given if name not in known]
        if unknown:
            accepted = Message.literal(", ".join(known)) if known else Message("none: this method has no settings")
            raise invalid_value(Message("setting of {method}", method=self.name), unknown[0], accepted)
        complete = {name: setting.check(given.get(name, setting.default)) for name, setting in known.items()}
        for name, setting in known.items():
            # One run must have one identity: a setting that has no effect cannot have another value.
            if complete[name] != setting.default and not setting.matters(complete):
                assert setting.only_with is not None
                needed = "{}={}".format(*setting.only_with)
                accepted = Message("{default} unless {needed}", default=setting.default, needed=needed)
                field = Message("{setting} of {method}", setting=name, method=self.name)
                raise invalid_value(field, complete[name], accepted)
        return tuple(complete.items())

    @property
    def legacy_settings(self) -> dict[str, Scalar]:
        """What a record means that lacks settings which came after the first runs."""
        return {setting.name: setting.legacy for setting in self.settings if setting.legacy is not None}

    def initial_settings(self, *, as_published: bool) -> dict[str, Scalar]:
        """Every setting at its default, or as published."""
        published = self.published.settings if as_published and self.published else {}
        return {setting.name: published.get(setting.name, setting.default) for setting in self.settings}

    def setting(self, name: str) -> Setting:
        """The setting called ``name``; KeyError if there is none."""
        return {setting.name: setting for setting in self.settings}[name]

    def has_to_beat(self, other: Method) -> bool:
        """Whether ``other`` is a baseline of this method."""
        every = EVERY in other.baseline_of and self.kind == other.kind
        return self.group != "baseline" and (every or self.name in other.baseline_of)


def load_function(reference: str) -> Callable[..., Any]:
    """The function called ``module:name``, whose module is imported for it."""
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
