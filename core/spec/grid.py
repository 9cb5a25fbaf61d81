"""A study: methods x sparsities x seeds of one recipe, as the list of runs that it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.i18n import Message
from core.spec.errors import InputError
from core.spec.method import Scalar
from core.spec.methods import DENSE
from core.spec.spec import Recipe, RunSpec

MAX_STUDY_RUNS = 2_000


def study_runs(
    recipe: Recipe,
    methods: Sequence[str],
    sparsities: Sequence[float],
    seeds: Sequence[int],
    settings: Mapping[str, Mapping[str, Scalar]] | None = None,
) -> list[RunSpec]:
    """Every run of the study, dense runs first, each once. Sparsity 0.0 stands for the dense run, whatever the method.
    ``settings`` are given per method. InputError for a value that is not accepted, for an empty choice and for more
    than 2,000 runs."""
    choices = ((Message("methods"), methods), (Message("sparsities"), sparsities), (Message("seeds"), seeds))
    for name, chosen in choices:
        if not chosen:
            raise InputError("{choice} is empty: choose at least one.", choice=name)
    size = len(methods) * len(sparsities) * len(seeds)
    if size > MAX_STUDY_RUNS:
        raise InputError("This study has {runs:,} runs: choose at most {most:,}.", runs=size, most=MAX_STUDY_RUNS)
    dense = [RunSpec(recipe, DENSE, seed) for seed in seeds]
    pruned = [
        RunSpec(recipe, method, seed, sparsity, tuple((settings or {}).get(method, {}).items()))
        for method in methods
        if method != DENSE
        for sparsity in sparsities
        for seed in seeds
        if sparsity != 0
    ]
    return with_dense([*dense, *pruned])


def with_batch_size(specs: Iterable[RunSpec], batch_size: int) -> list[RunSpec]:
    """``specs``, as runs of a recipe of their own, with another batch size for all training."""

    def change(recipe: Recipe) -> Recipe:
        finetune = recipe.finetune and replace(recipe.finetune, batch_size=batch_size)
        return replace(recipe, train=replace(recipe.train, batch_size=batch_size), finetune=finetune)

    return [replace(spec, recipe=change(spec.recipe)) for spec in specs]


def with_dense(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """``specs`` and every dense run that one of them starts from: dense ones first, each run once."""
    specs = list(specs)
    return list(dict.fromkeys((*(spec.dense for spec in specs), *specs)))
