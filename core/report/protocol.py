"""The rows of the protocol in words: data, network, schedules, and what each variant was trained for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

import pandas as pd

from core.i18n import N_, t
from core.labels import training_name, variant_name
from core.report.provenance import Provenance
from core.spec.datasets import SIZE
from core.spec.methods import DENSE
from core.spec.networks import network_label
from core.spec.settings import TAUGHT, TEACHER, TEACHER_SHARE, TEMPERATURE
from core.spec.spec import COMPUTE, COSINE, LINEAR, TRIANGULAR, Recipe, RunSpec
from core.spec.training_plan import MAX_EPOCHS

_COURSES = {
    COSINE: N_(
        "epochs: {epochs}; SGD, learning rate {lr:g} falling to 0 as a cosine, momentum {momentum:g}, weight "
        "decay {weight_decay:g}, batch size {batch_size}"
    ),
    LINEAR: N_(
        "epochs: {epochs}; SGD, learning rate {lr:g} falling to 0 in a straight line, momentum {momentum:g}, weight "
        "decay {weight_decay:g}, batch size {batch_size}"
    ),
    TRIANGULAR: N_(
        "epochs: {epochs}; SGD, learning rate rising to {lr:g} during the first fifth and falling to 0, both in a "
        "straight line, momentum {momentum:g}, weight decay {weight_decay:g}, batch size {batch_size}"
    ),
}
_REWOUND = N_(
    "epochs: {epochs}; the learning rates of the dense training's last epochs, momentum {momentum:g}, weight "
    "decay {weight_decay:g}, batch size {batch_size}"
)
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))


def data_name(source: Provenance) -> str:
    data = source.data
    if source.synthetic:
        data = t("{data}, drawn by the program", data=data)
    elif source.folder:
        data = t("pictures in the folder {data}", data=data)
    if source.recipe.size != SIZE:
        data = t("{data}, brought to {size}x{size} pixels", data=data, size=source.recipe.size)
    if source.split_by_name:
        data = t("{data}, of each class a fifth for testing, by a hash of the names", data=data)
    if source.train_pictures is None:
        return data
    if source.test_pictures is not None:
        return t(
            "{data}; {train} training and {test} test pictures",
            data=data,
            train=source.train_pictures,
            test=source.test_pictures,
        )
    return t("{data}; {pictures} training pictures", data=data, pictures=source.train_pictures)


def network_rows(summary: pd.DataFrame, source: Provenance) -> Iterator[tuple[str, str]]:
    for _, dense in summary[summary["method"] == DENSE].iterrows():
        yield (
            t("Network"),
            t(
                "{network}; {params:.3f} M parameters, {macs:.1f} M MACs for a picture",
                network=network_name(source.recipe),
                params=dense["params_millions"],
                macs=dense["macs"] / 1e6,
            ),
        )


def network_name(recipe: Recipe) -> str:
    label = network_label(recipe.network)
    return t("{network} of width {width}", network=label, width=recipe.width) if recipe.width else label


def retraining_rows(source: Provenance) -> Iterator[tuple[str, str]]:
    """How the networks were trained after pruning: variants with the same schedule in one row."""
    rows: dict[str, list[str]] = {}
    for spec in source.variants.values():
        if not spec.is_dense:
            rows.setdefault(schedule_name(spec, source.epochs_of(spec)), []).append(
                variant_name(spec.method, spec.settings)
            )
    for schedule, variants in rows.items():
        yield t("After pruning: {variants}", variants=", ".join(variants)), schedule


def schedule_name(spec: RunSpec, epochs: str) -> str:
    """The training of ``spec``, which had so many ``epochs``."""
    schedule, settings = spec.retrain, dict(spec.settings)
    sentence = _REWOUND if settings.get("retraining") == "lr-rewinding" else _COURSES[schedule.decay]
    parts = [t(sentence, **{**asdict(schedule), "epochs": epochs})]
    if settings.get("schedule") == "iterative":
        rounds = settings["rounds"]
        parts.append(t("the epochs are shared by {rounds} rounds, each with the whole course of it", rounds=rounds))
    parts.extend(schedule.describe(t))
    if settings.get(TEACHER.name) == TAUGHT:
        parts.append(
            t(
                "distillation from the dense network (temperature {temperature:g}, {share:g} of the loss)",
                temperature=TEMPERATURE,
                share=TEACHER_SHARE,
            )
        )
    return "; ".join(parts)


def training_time(source: Provenance) -> str:
    if source.wall_minutes is None:
        return t("{train:.1f} minutes", train=source.train_minutes)
    return t(
        "{train:.1f} minutes; {wall:.1f} minutes with loading and measuring",
        train=source.train_minutes,
        wall=source.wall_minutes,
    )


def training_rows(source: Provenance) -> Iterator[tuple[str, str]]:
    """Rows of the protocol: dense training, then variants that were trained alike in one row."""
    for training, names in _groups(source, source.variants.values()).items():
        yield t("Training in all: {variants}", variants=", ".join(names)), training


def budget_limit(source: Provenance) -> Iterator[str]:
    """Whether all had the same number of epochs in all, and what each had; nothing where only dense runs are."""
    pruned = [spec for spec in source.variants.values() if not spec.is_dense]
    groups = _groups(source, pruned)
    budgets = "; ".join(
        t("{variants} ({training})", variants=", ".join(names), training=training) for training, names in groups.items()
    )
    epochs = {spec.dense_epochs + spec.retrain.epochs for spec in pruned}
    if pruned and source.recipe.budget == COMPUTE:
        yield t(
            "Every method had the epochs of the recipe after pruning, and a smaller network as many more as fit into what "
            "those cost the dense network, at most {most} times as many: {budgets}. The results hold for this budget.",
            most=MAX_EPOCHS,
            budgets=budgets,
        )
    elif len(epochs) == 1:
        yield t(
            "Every method had the same number of epochs in all: {budgets}. The results hold for this budget.",
            budgets=budgets,
        )
    elif epochs:
        yield t(
            "Not every method had the same number of epochs in all: {budgets}. A difference in accuracy may come from that.",
            budgets=budgets,
        )


def _groups(source: Provenance, specs: Iterable[RunSpec]) -> dict[str, list[str]]:
    """The names of those of ``specs`` that were trained alike, by what they were trained for."""
    groups: dict[str, list[str]] = {}
    for spec in specs:
        training = training_name(spec, source.epochs_of(spec))
        if spec.variant in source.training_macs:
            training = f"{training}; {_macs(*source.training_macs[spec.variant])}"
        groups.setdefault(training, []).append(variant_name(spec.method, spec.settings))
    return groups


def _macs(low: float, high: float) -> str:
    """Multiply-accumulates from ``low`` to ``high`` with the prefix that suits the higher."""
    unit, prefix = next(((unit, prefix) for unit, prefix in _PREFIXES if high >= unit), (1.0, ""))
    first, last = f"{low / unit:.4g}", f"{high / unit:.4g}"
    amount = last if first == last else t("{low} to {high}", low=first, high=last)
    return f"{amount} {prefix}MACs"
