"""RunSpec: everything that determines a result, checked when built, with an id that follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from core.i18n import N_, Message
from core.spec.datasets import SIZE, SYNTHETIC, check_data_name, check_size, folder_of, in_folder
from core.spec.errors import invalid_value
from core.spec.method import Method, Scalar
from core.spec.methods import DENSE, METHODS, find_method, legacy_settings, variant_label
from core.spec.networks import FILE, NETWORKS, NO_WIDTH, RESNET18, check_network, network_label
from core.spec.validate import check_choice, check_float, check_int, check_keys

PRECISIONS = ("auto", "fp32", "bf16")
MAX_SEED = 2**32 - 1
COSINE, LINEAR, TRIANGULAR = DECAYS = (N_("cosine"), N_("linear"), N_("triangular"))
EPOCHS, COMPUTE = BUDGETS = ("epochs", "compute")
# Fields that came after the first runs: at their defaults they are not in the JSON, so that the ids of those runs stay.
_LATER_OF_SCHEDULES = ("decay", "warmup", "nesterov", "label_smoothing", "cutout")
_LATER = ("budget", "network", "size", "network_sha256", "weights_sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """SGD with momentum. The learning rate rises to ``lr`` during ``warmup`` epochs (at most half of them), and falls from
    there to 0 as ``decay`` says: along half a cosine, a straight line, or as a triangle that first rises by itself.
    ``nesterov``: Nesterov's momentum. ``label_smoothing``: the share of a label that all classes get. ``cutout``: the side,
    in pixels, of a square that is blanked out of each picture (DeVries & Taylor, 2017)."""

    epochs: int
    lr: float
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay: str = "cosine"
    warmup: int = 0
    nesterov: bool = False
    label_smoothing: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        check_int("epochs", self.epochs, 1, 10_000)
        check_int("batch_size", self.batch_size, 2, 65_536)
        object.__setattr__(self, "lr", check_float("lr", self.lr, 1e-6, 10))
        object.__setattr__(self, "momentum", check_float("momentum", self.momentum, 0, 1, below_high=True))
        object.__setattr__(self, "weight_decay", check_float("weight_decay", self.weight_decay, 0, 1))
        check_choice("decay", self.decay, DECAYS)
        check_int("warmup", self.warmup, 0, 10_000)
        if self.warmup and self.decay == TRIANGULAR:
            raise invalid_value("warmup", self.warmup, Message("0: a triangular learning rate rises by itself"))
        check_choice("nesterov", self.nesterov, (False, True))
        if self.nesterov and not self.momentum:
            raise invalid_value("nesterov", self.nesterov, Message("False where the momentum is 0"))
        smoothing = check_float("label_smoothing", self.label_smoothing, 0, 1, below_high=True)
        object.__setattr__(self, "label_smoothing", smoothing)
        check_int("cutout", self.cutout, 0, 31)

    def describe(self, fill_in: Callable[..., str]) -> Iterator[str]:
        """In a few words what it has beside learning rate, momentum, weight decay and batch size; ``fill_in`` as in
        :meth:`Recipe.describe`."""
        if self.warmup:
            yield fill_in(N_("warm-up {n}"), n=self.warmup)
        if self.nesterov:
            yield "Nesterov"
        if self.label_smoothing:
            yield fill_in(N_("label smoothing {x:g}"), x=self.label_smoothing)
        if self.cutout:
            yield fill_in(N_("cutout {n}"), n=self.cutout)

    def to_json(self) -> dict[str, Any]:
        """The schedule as plain JSON data."""
        return _without_defaults(self, _LATER_OF_SCHEDULES)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that runs of one comparison share: data, network and schedules. ``data``: a data set of the registry or
    folder:PATH. ``size``: pixels along a side, which the pictures of a folder are brought to. ``network``: one of the
    registry, or from elsewhere, as :class:`External` names it; if that is a file, it has the SHA-256 ``network_sha256``.
    ``width``: the channels of its first layer (ResNet-18 as published has 64; NO_WIDTH of one from elsewhere).
    ``weights_sha256``: that of the imported file with the trained weights that the dense run takes, instead of training by
    ``train``. ``precision``: auto is bf16
    autocast on CUDA and fp32 elsewhere. ``finetune`` is None for a dense run alone. ``budget``: a pruned run gets the epochs
    of its schedule, or as many as cost what those would cost the dense network in training compute."""

    preset: str
    data: str
    width: int
    train: Schedule
    finetune: Schedule | None
    precision: str = "auto"
    budget: str = EPOCHS
    network: str = RESNET18
    size: int = SIZE
    network_sha256: str = ""
    weights_sha256: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.preset, str) or not _LABEL.fullmatch(self.preset):
            raise invalid_value("preset", self.preset, Message("a name of lower-case letters, digits, - and _"))
        check_data_name(self.data)
        check_size(self.size, self.data)
        external = check_network(self.network) not in NETWORKS
        check_int("width", self.width, *((NO_WIDTH, NO_WIDTH) if external else (4, 256)))
        in_file = self.network.startswith(f"{FILE}:")
        _check_digest("network_sha256", self.network_sha256, needed=in_file, allowed=in_file)
        _check_digest("weights_sha256", self.weights_sha256)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("budget", self.budget, BUDGETS)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Those of dense training and, where there is one, of fine-tuning."""
        return (self.train,) if self.finetune is None else (self.train, self.finetune)

    @property
    def imported(self) -> bool:
        """Whether the dense network was trained elsewhere."""
        return bool(self.weights_sha256)

    @property
    def key(self) -> str:
        """A short id of the recipe: runs with the same key can be compared."""
        return _digest(self.to_json())[:10]

    @property
    def label(self) -> str:
        """The recipe in a few words, in English."""
        return self.describe()

    def describe(self, fill_in: Callable[..., str] = str.format) -> str:
        """The recipe in a few words; ``fill_in`` makes text of a template and its fields, as i18n.t does."""
        data, batch = self.data, self.train.batch_size
        if in_folder(data):
            data = fill_in(N_("folder {name}"), name=folder_of(data).rstrip("/").rsplit("/", 1)[-1])
        elif data == SYNTHETIC:
            data = fill_in(N_("synthetic"))
        own = fill_in(N_("imported")) if self.imported else f"{self.train.epochs}"
        epochs = own + (f"+{self.finetune.epochs}" if self.finetune else "")
        network = [] if self.network == RESNET18 else [network_label(self.network)]
        if self.width:
            network.append(fill_in(N_("width {n}"), n=self.width))
        size = [] if self.size == SIZE else [f"{self.size}x{self.size}"]
        parts = [
            self.preset,
            data,
            *size,
            *network,
            fill_in(N_("{n} epochs"), n=epochs),
        ]
        if batch != 128:
            parts.append(fill_in(N_("batch {n}"), n=batch))
        return " · ".join([*parts, *self._describe_later(fill_in)])

    def _describe_later(self, fill_in: Callable[..., str]) -> Iterator[str]:
        """What this recipe has that those of the first runs had not, each thing once."""
        if any(schedule.decay != COSINE for schedule in self.schedules):
            yield "+".join(dict.fromkeys(fill_in(schedule.decay) for schedule in self.schedules))
        yield from dict.fromkeys(part for schedule in self.schedules for part in schedule.describe(fill_in))
        if self.budget == COMPUTE:
            yield fill_in(N_("equal compute"))
        if self.precision != "auto":
            yield self.precision

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON data, the inverse of :meth:`from_json`."""
        schedules = {"train": self.train.to_json(), "finetune": self.finetune and self.finetune.to_json()}
        return {**_without_defaults(self, _LATER), **schedules}

    @classmethod
    def from_json(cls, data: Any) -> Recipe:
        """The recipe that ``data`` describes; InputError if any field is missing, unknown or not accepted."""
        recipe = check_keys("recipe", data, [field.name for field in fields(cls)], optional=_LATER)
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
            object.__setattr__(self, "recipe", replace(self.recipe, finetune=None, budget=EPOCHS))
            return
        method = find_method(self.method)
        object.__setattr__(self, "settings", method.complete(dict(self.settings)))
        if self.recipe.finetune is None:
            raise invalid_value("finetune", None, Message("a schedule: a pruned run needs one"))
        self._check_imported(method)
        settings: dict[str, Any] = dict(self.settings)
        rewind, epochs = settings.get("rewind_epoch", 0), self.recipe.train.epochs
        if rewind > epochs:
            accepted = Message("an epoch of the dense run, which has {epochs}", epochs=epochs)
            raise invalid_value("rewind_epoch", rewind, accepted)
        rounds, epochs = settings.get("rounds", 0), self.retrain.epochs
        if settings.get("schedule") == "iterative" and rounds > epochs:
            raise invalid_value("rounds", rounds, Message("at most {epochs}, the epochs of retraining", epochs=epochs))

    def _check_imported(self, method: Method) -> None:
        """What needs the training of the dense network cannot be done where that was elsewhere."""
        if not self.recipe.imported:
            return
        if method.restarts:
            names = ", ".join(name for name, other in METHODS.items() if not other.restarts)
            accepted = Message("one that goes on from imported weights: {names}", names=names)
            raise invalid_value("method", self.method, accepted)
        if dict(self.settings).get("retraining") == "lr-rewinding":
            accepted = Message("fine-tuning: the learning rates of imported weights are not known")
            raise invalid_value("retraining", "lr-rewinding", accepted)

    @property
    def is_dense(self) -> bool:
        return self.method == DENSE

    @property
    def dense(self) -> RunSpec:
        """The dense run that this run starts from (itself, for a dense run)."""
        return RunSpec(self.recipe, DENSE, self.seed)

    @property
    def retrain(self) -> Schedule:
        """The schedule after pruning: that of fine-tuning, with the course of the dense learning rate if the method restarts
        or the learning rate is rewound, and with the dense epochs on top if the budget is total."""
        train, schedule, settings = self.recipe.train, self.recipe.finetune, dict(self.settings)
        if schedule is None:
            return train
        if METHODS[self.method].restarts or settings.get("retraining") == "lr-rewinding":
            schedule = replace(schedule, lr=train.lr, decay=train.decay, warmup=train.warmup)
        if settings.get("budget") == "total":
            schedule = replace(schedule, epochs=train.epochs + schedule.epochs)
        return schedule

    @property
    def own_epochs(self) -> int:
        """The epochs of its own training that its recipe gives it: none to an imported network."""
        return 0 if self.is_dense and self.recipe.imported else self.retrain.epochs

    @property
    def dense_epochs(self) -> int:
        """The epochs of its dense run that a pruned run rests on, for its weights or for its mask alone."""
        if self.is_dense or self.recipe.imported or not METHODS[self.method].uses_dense_training:
            return 0
        return self.recipe.train.epochs

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
        return {**asdict(self), "recipe": self.recipe.to_json(), "settings": settings}

    @classmethod
    def from_json(cls, data: Any) -> RunSpec:
        """The spec that ``data`` describes; InputError if any field is missing, unknown or not accepted."""
        top = check_keys("spec", data, [field.name for field in fields(cls)])
        if not isinstance(top["settings"], dict):
            raise invalid_value("settings", top["settings"], Message("an object"))
        settings = {**legacy_settings(top["method"]), **top["settings"]}
        return cls(**{**top, "recipe": Recipe.from_json(top["recipe"]), "settings": tuple(settings.items())})


def _schedule(field: str, data: Any) -> Schedule | None:
    names = [item.name for item in fields(Schedule)]
    return None if data is None else Schedule(**check_keys(field, data, names, optional=_LATER_OF_SCHEDULES))


def _check_digest(field: str, value: Any, *, needed: bool = False, allowed: bool = True) -> None:
    """``value`` is the SHA-256 of a file in hex, or empty."""
    if isinstance(value, str) and (allowed if _SHA256.fullmatch(value) else not (value or needed)):
        return
    raise invalid_value(field, value, Message("a SHA-256 in hex") if needed else Message("none"))


def _without_defaults(record: Schedule | Recipe, names: Collection[str]) -> dict[str, Any]:
    """``record`` as a dict, without those fields called one of ``names`` that are at their defaults."""
    defaults = {field.name: field.default for field in fields(record) if field.name in names}
    return {name: value for name, value in asdict(record).items() if name not in defaults or value != defaults[name]}


def _digest(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
