"""RunSpec: everything that determines a result, checked when built, with an id that follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from core.i18n import N_, Message
from core.spec.errors import invalid_value
from core.spec.method import Scalar
from core.spec.methods import DENSE, METHODS, find_method, legacy_settings, variant_label
from core.spec.validate import check_choice, check_float, check_int, check_keys

PRECISIONS = ("auto", "fp32", "bf16")
FOLDER_PREFIX = "folder:"
MAX_SEED = 2**32 - 1
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """SGD with momentum; the learning rate falls from ``lr`` to 0 as a cosine over all steps."""

    epochs: int
    lr: float
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        check_int("epochs", self.epochs, 1, 10_000)
        check_int("batch_size", self.batch_size, 2, 65_536)
        object.__setattr__(self, "lr", check_float("lr", self.lr, 1e-6, 10))
        object.__setattr__(self, "momentum", check_float("momentum", self.momentum, 0, 1, below_high=True))
        object.__setattr__(self, "weight_decay", check_float("weight_decay", self.weight_decay, 0, 1))


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that runs of one comparison share: data, network and schedules. ``data``: cifar10, synthetic or folder:PATH.
    ``width``: channels of the first stage (64 is ResNet-18). ``precision``: auto is bf16 autocast on CUDA and fp32
    elsewhere. ``finetune`` is None for a dense run alone."""

    preset: str
    data: str
    width: int
    train: Schedule
    finetune: Schedule | None
    precision: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.preset, str) or not _LABEL.fullmatch(self.preset):
            raise invalid_value("preset", self.preset, Message("a name of lower-case letters, digits, - and _"))
        check_data_name(self.data)
        check_int("width", self.width, 4, 256)
        check_choice("precision", self.precision, PRECISIONS)

    @property
    def key(self) -> str:
        """A short id of the recipe: runs with the same key can be compared."""
        return _digest(asdict(self))[:10]

    @property
    def label(self) -> str:
        """The recipe in a few words, in English."""
        return self.describe()

    def describe(self, fill_in: Callable[..., str] = str.format) -> str:
        """The recipe in a few words; ``fill_in`` makes text of a template and its fields, as i18n.t does."""
        data, batch = self.data, self.train.batch_size
        if data.startswith(FOLDER_PREFIX):
            data = fill_in(N_("folder {name}"), name=data.rstrip("/").rsplit("/", 1)[-1])
        elif data == "synthetic":
            data = fill_in(N_("synthetic"))
        epochs = f"{self.train.epochs}" + (f"+{self.finetune.epochs}" if self.finetune else "")
        parts = [self.preset, data, fill_in(N_("width {n}"), n=self.width), fill_in(N_("{n} epochs"), n=epochs)]
        return " · ".join(parts if batch == 128 else [*parts, fill_in(N_("batch {n}"), n=batch)])

    @classmethod
    def from_json(cls, data: Any) -> Recipe:
        """The recipe that ``data`` describes; InputError if any field is missing, unknown or not accepted."""
        recipe = check_keys("recipe", data, [field.name for field in fields(cls)])
        schedules = {name: _schedule(name, recipe[name]) for name in ("train", "finetune")}
        if schedules["train"] is None:
            raise invalid_value("train", None, Message("a schedule"))
        return cls(**{**recipe, **schedules})


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One training with one seed: dense, or pruned by ``method`` from the dense run of its seed and recipe."""

    recipe: Recipe
    method: str
    seed: int
    sparsity: float = 0.0
    settings: tuple[tuple[str, Scalar], ...] = ()

    def __post_init__(self) -> None:
        check_int("seed", self.seed, 0, MAX_SEED)
        object.__setattr__(self, "sparsity", check_float("sparsity", self.sparsity, 0, 1, below_high=True))
        if self.method == DENSE:
            if self.sparsity:
                raise invalid_value(Message("sparsity of a dense run"), self.sparsity, Message("0"))
            if self.settings:
                raise invalid_value(Message("settings of a dense run"), dict(self.settings), Message("none"))
            object.__setattr__(self, "recipe", replace(self.recipe, finetune=None))
            return
        method = find_method(self.method)
        object.__setattr__(self, "settings", method.complete(dict(self.settings)))
        if self.recipe.finetune is None:
            raise invalid_value("finetune", None, Message("a schedule: a pruned run needs one"))
        settings: dict[str, Any] = dict(self.settings)
        rewind, epochs = settings.get("rewind_epoch", 0), self.recipe.train.epochs
        if rewind > epochs:
            accepted = Message("an epoch of the dense run, which has {epochs}", epochs=epochs)
            raise invalid_value("rewind_epoch", rewind, accepted)
        rounds, epochs = settings.get("rounds", 0), self.retrain.epochs
        if settings.get("schedule") == "iterative" and rounds > epochs:
            raise invalid_value("rounds", rounds, Message("at most {epochs}, the epochs of retraining", epochs=epochs))

    @property
    def is_dense(self) -> bool:
        return self.method == DENSE

    @property
    def dense(self) -> RunSpec:
        """The dense run that this run starts from (itself, for a dense run)."""
        return RunSpec(self.recipe, DENSE, self.seed)

    @property
    def retrain(self) -> Schedule:
        """The schedule after pruning: that of fine-tuning, at the dense learning rate if the method restarts or the
        learning rate is rewound, and with the dense epochs on top if the budget is total."""
        train, schedule, settings = self.recipe.train, self.recipe.finetune, dict(self.settings)
        if schedule is None:
            return train
        if METHODS[self.method].restarts or settings.get("retraining") == "lr-rewinding":
            schedule = replace(schedule, lr=train.lr)
        if settings.get("budget") == "total":
            schedule = replace(schedule, epochs=train.epochs + schedule.epochs)
        return schedule

    @property
    def dense_epochs(self) -> int:
        """The epochs of its dense run that a pruned run rests on, for its weights or for its mask alone."""
        return 0 if self.is_dense or not METHODS[self.method].uses_dense_training else self.recipe.train.epochs

    @property
    def variant(self) -> str:
        """The method with its settings, as a label: runs that differ only in sparsity and seed share it."""
        return variant_label(self.method, dict(self.settings))

    @property
    def label(self) -> str:
        """The run in a few words, in English; unique within a recipe."""
        sparsity = "" if self.is_dense else f" {self.sparsity:g}"
        return f"{self.variant}{sparsity}, seed {self.seed}"

    @property
    def run_id(self) -> str:
        """A readable slug and the first 12 hex digits of the SHA-256 of the canonical JSON."""
        sparsity = "" if self.is_dense else f"-{self.sparsity:g}"
        return f"{self.method}{sparsity}-seed{self.seed}-{self.recipe.preset}-{_digest(self.to_json())[:12]}"

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON data, the inverse of :meth:`from_json`."""
        legacy = legacy_settings(self.method)
        settings = {name: value for name, value in self.settings if name not in legacy or value != legacy[name]}
        return {**asdict(self), "settings": settings}

    @classmethod
    def from_json(cls, data: Any) -> RunSpec:
        """The spec that ``data`` describes; InputError if any field is missing, unknown or not accepted."""
        top = check_keys("spec", data, [field.name for field in fields(cls)])
        if not isinstance(top["settings"], dict):
            raise invalid_value("settings", top["settings"], Message("an object"))
        settings = {**legacy_settings(top["method"]), **top["settings"]}
        return cls(**{**top, "recipe": Recipe.from_json(top["recipe"]), "settings": tuple(settings.items())})


def check_data_name(data: Any) -> str:
    """``data`` if it names a data set; whether the data can be read is for the engine to find out."""
    if isinstance(data, str) and (
        data in ("cifar10", "synthetic")
        or (data.startswith(FOLDER_PREFIX) and data[len(FOLDER_PREFIX) :].strip() and data.isprintable())
    ):
        return data
    raise invalid_value("data", data, Message("cifar10, synthetic or folder:PATH"))


def _schedule(field: str, data: Any) -> Schedule | None:
    return None if data is None else Schedule(**check_keys(field, data, [item.name for item in fields(Schedule)]))


def _digest(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
