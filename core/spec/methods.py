"""The registry of pruning methods: everything there is to say about each.

A new method is one file ``core/engine/pruning/<name>.py`` with a function ``prune`` and one entry here; app, command line,
tables, report and tests find it by this registry. A new choice of a setting is one function and one Option.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.i18n import N_
from core.spec.method import EVERY, Form, Method, Option, Scalar, Setting, load_function
from core.spec.settings import (
    BUDGET,
    CHANNEL_SCHEDULE,
    FLOOR,
    GRADUAL,
    ITERATIVE,
    ONE_SHOT,
    REMOVAL,
    REPAIR,
    REPAIR_OF_NEW_WEIGHTS,
    RETRAINING,
    ROUND_TO,
    ROUNDS,
    TARGET,
    TEACHER,
    allocation,
    schedule,
)
from core.spec.validate import check_choice

DENSE = "dense"
# Dense runs keep their weights at the start of these epochs, so that a ticket can be rewound to them.
REWIND_EPOCHS = (0, 1, 2, 4, 8, 10)

WITHOUT_RECOVERY: Mapping[str, Scalar] = {"repair": "none"}
_PLAIN = Form(N_("without recovery"), WITHOUT_RECOVERY)

# Citations that several entries share.
_LOTTERY_TICKET = (
    "J. Frankle, M. Carbin. The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks. ICLR 2019."
)
_ERK = "U. Evci et al. Rigging the Lottery: Making All Tickets Winners. ICML 2020."
_LAMP = "J. Lee et al. Layer-adaptive Sparsity for the Magnitude-based Pruning. ICLR 2021."
_LATENCY = "M. Shen et al. Structural Pruning via Latency-Saliency Knapsack. NeurIPS 2022."
_NM = "A. Mishra et al. Accelerating Sparse Deep Neural Networks. arXiv 2104.08378, 2021."
_FILTERS = "H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf. Pruning Filters for Efficient ConvNets. ICLR 2017."
_RETHINKING = "Z. Liu, M. Sun, T. Zhou, G. Huang, T. Darrell. Rethinking the Value of Network Pruning. ICLR 2019."
_SLIMMING = "Z. Liu et al. Learning Efficient Convolutional Networks through Network Slimming. ICCV 2017."
_TAYLOR = "P. Molchanov et al. Importance Estimation for Neural Network Pruning. CVPR 2019."

_ENTRIES = (
    Method(
        name="magnitude",
        label=N_("Magnitude"),
        summary=N_("Removes the weights that are smallest in absolute value, then fine-tunes."),
        kind="unstructured",
        source="Han et al., NIPS 2015",
        citations=(
            "S. Han, J. Pool, J. Tran, W. J. Dally. Learning both Weights and Connections for Efficient Neural Networks. "
            "NIPS 2015.",
        ),
        settings=(
            allocation(
                N_(
                    "global: all weights compete. uniform: every layer loses the same share. erk: layers with few "
                    "weights keep more of them (Evci et al., 2020). lamp: weights compete after scaling by what is "
                    "larger in their layer (Lee et al., 2021). nm: of every 4 (or 8) weights in a row 2 (or 4) go first, "
                    "which some GPUs compute faster; complete from sparsity 0.5 on (Mishra et al., 2021)."
                ),
                Option(N_("global"), "core.engine.pruning.allocation:global_masks"),
                Option(N_("uniform"), "core.engine.pruning.allocation:uniform_masks"),
                Option("erk", "core.engine.pruning.allocation:erk_masks", _ERK),
                Option("lamp", "core.engine.pruning.allocation:lamp_masks", _LAMP),
                Option("nm-2:4", "core.engine.pruning.allocation:nm_2_4_masks", _NM),
                Option("nm-4:8", "core.engine.pruning.allocation:nm_4_8_masks", _NM),
            ),
            schedule(
                N_(
                    "one-shot: all at once. iterative: in rounds of pruning and training that share the epochs. gradual: a "
                    "little every few steps during the first half of the training."
                ),
                ONE_SHOT,
                ITERATIVE,
                GRADUAL,
            ),
            ROUNDS,
            RETRAINING,
            REPAIR,
            TEACHER,
        ),
        published=Form("Han et al., 2015", WITHOUT_RECOVERY),
    ),
    Method(
        name="structured",
        label=N_("Structured"),
        summary=N_(
            "Removes whole filters of low importance, so that the network really becomes smaller; then fine-tunes."
        ),
        kind="structured",
        source="Li et al., ICLR 2017",
        citations=(_FILTERS,),
        settings=(
            Setting(
                name="criterion",
                label=N_("Importance of a filter"),
                short=N_("criterion"),
                help=N_(
                    "l1, l2: the size of its weights. bn_scale: the factor that BatchNorm gives its output (Liu et "
                    "al., 2017). taylor: what the loss would change without it (Molchanov et al., 2019)."
                ),
                default="l1",
                options=(
                    Option("l1", "core.engine.pruning.channel_importance:l1"),
                    Option("l2", "core.engine.pruning.channel_importance:l2"),
                    Option("bn_scale", "core.engine.pruning.channel_importance:bn_scale", _SLIMMING),
                    Option("taylor", "core.engine.pruning.channel_importance:taylor", _TAYLOR),
                ),
            ),
            allocation(
                N_(
                    "uniform: every layer loses the same share of filters. global: filters compete over all layers. "
                    "cost: they compete by importance for what they cost in computation and weights. latency: for what "
                    "they cost in time on this machine (as Shen et al., 2022)."
                ),
                Option(N_("uniform"), "core.engine.pruning.channel_allocation:uniform_rank"),
                Option(N_("global"), "core.engine.pruning.channel_allocation:global_rank"),
                Option(N_("cost"), "core.engine.pruning.channel_allocation:cost_rank"),
                Option(N_("latency"), "core.engine.pruning.channel_allocation:latency_rank", _LATENCY),
                default="cost",
            ),
            TARGET,
            ROUND_TO,
            FLOOR,
            RETRAINING,
            REMOVAL,
            *CHANNEL_SCHEDULE,
            REPAIR,
            TEACHER,
        ),
        published=Form("Li et al., 2017", {**WITHOUT_RECOVERY, "allocation": "uniform"}),
    ),
    Method(
        name="lottery_ticket",
        label=N_("Lottery ticket"),
        summary=N_(
            "Finds the large weights of the trained network, puts them back to earlier values and trains again."
        ),
        kind="unstructured",
        source="Frankle & Carbin, ICLR 2019; rewinding: Frankle et al., ICML 2020",
        citations=(
            _LOTTERY_TICKET,
            "J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin. Linear Mode Connectivity and the Lottery Ticket Hypothesis. "
            "ICML 2020.",
        ),
        settings=(
            Setting(
                name="rewind_epoch",
                label=N_("Rewind to epoch"),
                short=N_("rewind epoch"),
                help=N_("0: back to the values before training. Later: to those the dense run had after that epoch."),
                default=2,
                options=tuple(map(Option, REWIND_EPOCHS)),
            ),
            schedule(
                N_(
                    "one-shot: all at once. iterative: in rounds of pruning, rewinding and training that share the epochs."
                ),
                ONE_SHOT,
                ITERATIVE,
            ),
            ROUNDS,
            REPAIR_OF_NEW_WEIGHTS,
            TEACHER,
        ),
        restarts=True,
        published=Form("Frankle & Carbin, 2019", {"rewind_epoch": 0}),
    ),
    Method(
        name="snip",
        label=N_("SNIP"),
        summary=N_(
            "Before training: keeps the weights whose removal would change the loss of the untrained network most."
        ),
        kind="unstructured",
        source="Lee et al., ICLR 2019",
        citations=(
            "N. Lee, T. Ajanthan, P. H. S. Torr. SNIP: Single-shot Network Pruning based on Connection Sensitivity. "
            "ICLR 2019.",
        ),
        settings=(BUDGET, REPAIR_OF_NEW_WEIGHTS),
        restarts=True,
        uses_dense_training=False,
        group="before training",
    ),
    Method(
        name="synflow",
        label=N_("SynFlow"),
        summary=N_(
            "Before training and without pictures: keeps the weights that carry most of the flow through the network."
        ),
        kind="unstructured",
        source="Tanaka et al., NeurIPS 2020",
        citations=(
            "H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli. Pruning neural networks without any data by iteratively "
            "conserving synaptic flow. NeurIPS 2020.",
        ),
        settings=(BUDGET, REPAIR_OF_NEW_WEIGHTS),
        restarts=True,
        uses_dense_training=False,
        group="before training",
    ),
    Method(
        name="random",
        label=N_("Random"),
        summary=N_("Removes weights at random, then fine-tunes: the baseline that every method has to beat."),
        kind="unstructured",
        settings=(REPAIR, TEACHER),
        group="baseline",
        baseline_of=(EVERY,),
        published=_PLAIN,
    ),
    Method(
        name="random_filters",
        label=N_("Random filters"),
        summary=N_("Removes filters at random, then fine-tunes: the baseline of structured pruning."),
        kind="structured",
        settings=(REPAIR, TEACHER),
        group="baseline",
        baseline_of=(EVERY,),
        published=_PLAIN,
    ),
    Method(
        name="from_scratch",
        label=N_("From scratch"),
        summary=N_(
            "The shape that uniform structured pruning finds, trained from new random weights: are the old ones worth "
            "anything?"
        ),
        kind="structured",
        source="Liu et al., ICLR 2019",
        citations=(_RETHINKING,),
        settings=(BUDGET, REPAIR_OF_NEW_WEIGHTS),
        restarts=True,
        uses_dense_training=False,
        group="baseline",
        baseline_of=("structured",),
    ),
    Method(
        name="reinitialised_ticket",
        label=N_("Re-initialised ticket"),
        summary=N_("The lottery ticket's mask on new random weights: does the ticket need its own?"),
        kind="unstructured",
        source="Frankle & Carbin, ICLR 2019",
        citations=(_LOTTERY_TICKET,),
        settings=(BUDGET, REPAIR_OF_NEW_WEIGHTS, TEACHER),
        restarts=True,
        group="baseline",
        baseline_of=("lottery_ticket",),
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _ENTRIES}


def default_methods() -> tuple[str, ...]:
    """The names of the methods that a study compares unless others are chosen."""
    return tuple(name for name, method in METHODS.items() if method.group == "main")


def find_method(name: Any) -> Method:
    """The method called ``name``, else InputError with the names there are."""
    return METHODS[check_choice("method", name, METHODS)]


def prune_function(name: Any) -> Callable[..., Any]:
    """What prunes by the method called ``name``, else InputError."""
    method = find_method(name)
    return load_function(method.function or f"core.engine.pruning.{method.name}:prune")


def legacy_settings(name: Any) -> dict[str, Scalar]:
    """What a record of the method called ``name`` means that lacks settings which came after the first runs."""
    return {} if name == DENSE else find_method(name).legacy_settings


def setting_function(method: str, setting: str, value: Any) -> Callable[..., Any]:
    """What computes ``value`` of a setting of ``method``, else InputError."""
    return load_function(METHODS[method].setting(setting).option(value).function)


def effective_settings(name: str, settings: Mapping[str, Scalar]) -> list[tuple[Setting, Scalar]]:
    """Those of ``settings`` of the method called ``name`` that have an effect beside the others."""
    known = {setting.name: setting for setting in METHODS[name].settings} if name in METHODS else {}
    return [(known[key], value) for key, value in settings.items() if key in known and known[key].matters(settings)]


def describe_settings(name: str, settings: Mapping[str, Scalar]) -> tuple[str, list[tuple[Setting, Scalar]]]:
    """The name of the form that the settings begin with, as published or without recovery (else ""); and those settings that
    differ from it, or from the default."""
    pairs = effective_settings(name, settings)
    special = {(setting.name, value) for setting, value in pairs if value != setting.default}
    forms = (METHODS[name].published, _PLAIN) if name in METHODS else ()
    form = next((form for form in forms if form and special.issuperset(form.settings.items())), Form("", {}))
    return form.name, [(s, value) for s, value in pairs if value != form.settings.get(s.name, s.default)]


def method_label(name: str) -> str:
    """The English label of a method, also of DENSE; the name itself of an unknown one."""
    if name == DENSE:
        return N_("Dense")
    return METHODS[name].label if name in METHODS else name


def variant_label(name: str, settings: Mapping[str, Scalar]) -> str:
    """The English label of a method with these settings: its own, the published form's, and each setting that differs."""
    published, changed = describe_settings(name, settings)
    parts = [*filter(None, [published]), *(setting.describe(value) for setting, value in changed)]
    return method_label(name) + (f" ({', '.join(parts)})" if parts else "")
