"""A method that no file of the project knows: what a registry's entry alone does."""

from core.engine.networks.layers import prunable
from core.engine.pruning.base import Pruned, lowest_masks, masked
from core.spec.method import Method, Option, Setting

LARGEST = Setting(
    name="remove",
    label="What goes",
    short="remove",
    help="largest: the weights that matter most.",
    default="smallest",
    options=(
        Option("smallest", "tests.made_up:smallest"),
        Option("largest", "tests.made_up:largest", "N. Body. The Largest Go First. 2026."),
    ),
)
MADE_UP = Method(
    name="made_up",
    label="Made up",
    summary="Removes what a test wants.",
    kind="unstructured",
    source="Body, 2026",
    citations=("N. Body. A Method Nobody Knows. 2026.",),
    settings=(LARGEST,),
    function="tests.made_up:prune",
)


def smallest(weight):
    return weight.abs()


def largest(weight):
    return -weight.abs()


def prune(model, sparsity, context):
    """The method as a run executes it."""
    from core.spec.methods import setting_function  # noqa: PLC0415 - the registry is a test's own by now

    score = setting_function("made_up", "remove", context.settings["remove"])
    masks = lowest_masks({name: score(weight) for name, weight in prunable(model).items()}, sparsity)
    return Pruned(masked(model, masks), masks)
