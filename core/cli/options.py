"""What the options of ``train-*`` and ``study`` stand for: a recipe, settings of methods, data that can be loaded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from inspect import signature
from pathlib import Path

from core.i18n import Message
from core.runs.folder import Home
from core.runs.imports import hash_weights, keep_weights
from core.spec.datasets import DATASETS, SIZES
from core.spec.errors import InputError, invalid_value
from core.spec.method import Scalar
from core.spec.methods import METHODS
from core.spec.networks import NETWORKS, RESNET18
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import BUDGETS, DECAYS, PRECISIONS, Recipe, RunSpec

_RECIPE = [name for name in signature(build_recipe).parameters if name not in ("preset", "weights_sha256")]


def add_dense_options(command: argparse.ArgumentParser) -> None:
    """The options for a preset and the training of its dense network."""
    command.add_argument("--preset", help=f"{', '.join(PRESETS)} (default: standard; with --quick, quick)")
    command.add_argument("--data", help=f"{', '.join(DATASETS)} or folder:PATH (default: the preset's)")
    command.add_argument(
        "--size", type=int, help=f"pixels along a side of the pictures of a folder: {', '.join(map(str, SIZES))}"
    )
    elsewhere = "FILE.py:FUNCTION, torchvision:NAME or timm:NAME"
    command.add_argument("--network", metavar="N", help=f"{', '.join(NETWORKS)}, {elsewhere} (default: {RESNET18})")
    command.add_argument("--weights", type=Path, metavar="FILE", help="trained weights that the dense run takes")
    command.add_argument("--width", type=int, help="channels of the first layer; ResNet-18 as published has 64")
    command.add_argument(
        "--precision",
        metavar="P",
        help=f"{', '.join(PRECISIONS)} (default: bf16 on a GPU that computes in it, else fp32)",
    )
    command.add_argument("--epochs", type=int, metavar="N", help="epochs of the dense training")
    _add_rates(command, "", "of the dense training")
    command.add_argument("--batch-size", type=int, metavar="N", help="smaller for a GPU with little memory")
    command.add_argument("--nesterov", action=argparse.BooleanOptionalAction, help="Nesterov's momentum")
    command.add_argument("--label-smoothing", type=float, metavar="X", help="share of a label that all classes get")
    command.add_argument(
        "--cutout", type=int, metavar="N", help="side of a square blanked out of each training picture"
    )


def add_retraining_options(command: argparse.ArgumentParser) -> None:
    """The options for the training after pruning."""
    command.add_argument("--finetune-epochs", type=int, metavar="N")
    _add_rates(command, "finetune-", "after pruning")
    help_text = "compute: as many epochs after pruning as cost what the dense network's would"
    command.add_argument("--budget", metavar="B", help=f"{', '.join(BUDGETS)}; {help_text}")


def _add_rates(command: argparse.ArgumentParser, prefix: str, when: str) -> None:
    command.add_argument(f"--{prefix}lr", type=float, metavar="X", help=f"highest learning rate {when}")
    command.add_argument(f"--{prefix}decay", metavar="D", help=f"its course: {', '.join(DECAYS)}")
    command.add_argument(f"--{prefix}warmup", type=int, metavar="N", help="epochs in which it rises first")


def read_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe of the preset with the options that replace parts of it; InputError for a value that is not accepted."""
    weights: Path | None = getattr(options, "weights", None)
    return build_recipe(
        options.preset or ("quick" if getattr(options, "quick", False) else "standard"),
        **{name: getattr(options, name, None) for name in _RECIPE},
        weights_sha256=None if weights is None else hash_weights(weights),
    )


def read_settings(
    pairs: Sequence[str], methods: Sequence[str], *, as_published: bool = False
) -> dict[str, dict[str, Scalar]]:
    """The settings of each of ``methods``, from their defaults or as published. ``name=value`` sets every method that has
    a setting of that name, ``method.name=value`` that method alone; InputError for a pair that sets none."""
    settings: dict[str, dict[str, Scalar]] = {
        method: METHODS[method].initial_settings(as_published=as_published) for method in methods
    }
    for pair in pairs:
        name, separator, text = pair.partition("=")
        prefix, dot, short = name.rpartition(".")
        chosen = [prefix] if dot else methods
        matches = [(m, s) for m in methods if m in chosen for s in METHODS[m].settings if s.name == short]
        if not separator or not matches:
            raise _unknown_setting(pair, methods)
        for method, setting in matches:
            settings[method][short] = setting.parse(text)
    return settings


def _unknown_setting(pair: str, methods: Sequence[str]) -> InputError:
    known = sorted({setting.name for method in methods for setting in METHODS[method].settings})
    names = ", ".join(known) or "none, for this method"
    return invalid_value(
        "--set", pair, Message("NAME=VALUE or METHOD.NAME=VALUE with NAME one of {names}", names=names)
    )


def check_inputs(home: Home, specs: Sequence[RunSpec], weights: Path | None = None) -> None:
    """Load the data set of ``specs``, and try the network from elsewhere and the file of ``weights``, before any run is
    created: InputError if that fails; progress goes to stderr."""
    from core.engine.data import load_dataset  # noqa: PLC0415 - loads torch: not before the rest is checked
    from core.engine.networks.imported import load_weights  # noqa: PLC0415 - the same
    from core.engine.networks.of_recipe import check_network, fresh_network, imported_network  # noqa: PLC0415 - the same

    recipe = specs[0].recipe
    data = load_dataset(recipe.data, home, size=recipe.size)
    if not recipe.imported and recipe.network in NETWORKS:
        return
    classes = len(data.classes)
    if recipe.imported and weights is not None:
        load_weights(fresh_network(recipe, classes), weights)
        keep_weights(home, weights, recipe.weights_sha256)
    elif recipe.imported:
        imported_network(home, recipe, classes)
    if recipe.network not in NETWORKS:
        check_network(
            recipe, classes, cut=any(not spec.is_dense and METHODS[spec.method].kind == "structured" for spec in specs)
        )
