"""Settings that several methods share, with their options."""

from __future__ import annotations

from dataclasses import replace

from core.i18n import N_
from core.spec.method import Option, Setting

_LR_REWINDING = (
    "A. Renda, J. Frankle, M. Carbin. Comparing Rewinding and Fine-tuning in Neural Network Pruning. ICLR 2020."
)
_FOLDING = (
    "O. Saukh, D. Wang, H. Šikić, Y. Cheng, L. Thiele. Cut Less, Fold More: Model Compression through the Lens of "
    "Projection Geometry. ICLR 2026."
)
_THINET = (
    "J.-H. Luo, J. Wu, W. Lin. ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression. ICCV 2017."
)
ONE_SHOT, ITERATIVE = Option(N_("one-shot")), Option(N_("iterative"))
GRADUAL = Option(N_("gradual"), citation="M. Zhu, S. Gupta. To prune, or not to prune. 2017.")
ROUNDS = Setting(
    name="rounds",
    label=N_("Rounds"),
    short=N_("rounds"),
    help=N_("Each round removes the same share of what is left, then trains for its share of the epochs."),
    default=3,
    options=tuple(map(Option, (2, 3, 5, 10))),
    only_with=("schedule", "iterative"),
)
RETRAINING = Setting(
    name="retraining",
    label=N_("Training afterwards"),
    short=N_("retraining"),
    help=N_(
        "fine-tuning: a small learning rate. lr-rewinding: the learning rates of the dense run's last epochs over "
        "again (Renda et al., ICLR 2020)."
    ),
    default="fine-tuning",
    options=(Option(N_("fine-tuning")), Option(N_("lr-rewinding"), citation=_LR_REWINDING)),
)

TEMPERATURE, TEACHER_SHARE = 4.0, 0.9  # of distillation: how much predictions are softened, its share of the loss
TAUGHT = N_("dense")
TEACHER = Setting(
    name="teacher",
    label=N_("Teacher"),
    short=N_("teacher"),
    help=N_(
        "dense: the pruned network also learns from what the dense one answers (distillation, Hinton et al., 2015: "
        "temperature 4, 0.9 of the loss). Each step takes longer by a forward pass of that."
    ),
    default="none",
    options=(
        Option(N_("none")),
        Option(
            TAUGHT,
            citation="G. Hinton, O. Vinyals, J. Dean. Distilling the Knowledge in a Neural Network. NIPS workshop, 2015.",
        ),
    ),
    legacy="none",
)
REMOVAL = Setting(
    name="removal",
    label=N_("Removal of filters"),
    short=N_("removal"),
    help=N_(
        "cut: the filters of low importance are dropped. fold: as many are saved by merging filters that are "
        "alike (Saukh et al., 2026)."
    ),
    default="cut",
    options=(
        Option(N_("cut"), "core.engine.pruning.shrink:cut"),
        Option(N_("fold"), "core.engine.pruning.fold:fold", _FOLDING),
    ),
    legacy="cut",
)

RECONSTRUCTION = Setting(
    name="reconstruction",
    label=N_("Reconstruction"),
    short=N_("reconstruction"),
    help=N_(
        "least-squares: the weights that are left are solved, layer by layer, for the outputs that the network had "
        "before the cut, on 256 training pictures (Luo et al., 2017). none: they stay as they are."
    ),
    default="none",
    options=(
        Option(N_("none"), "core.engine.recovery.reconstruction:none"),
        Option(N_("least-squares"), "core.engine.recovery.reconstruction:least_squares", _THINET),
    ),
    legacy="none",
)

BUDGET = Setting(
    name="budget",
    label=N_("Training epochs"),
    short=N_("budget"),
    help=N_(
        "total: as many as dense training and fine-tuning have together, because it starts from untrained weights. "
        "fine-tuning: only as many as fine-tuning has."
    ),
    default="total",
    options=(Option(N_("total")), Option(N_("fine-tuning"))),
    legacy="fine-tuning",
)


def schedule(help_text: str, *options: Option) -> Setting:
    return Setting("schedule", N_("Pruning schedule"), N_("schedule"), help_text, "one-shot", options)


def allocation(help_text: str, *options: Option) -> Setting:
    default = options[0].value
    return Setting("allocation", N_("Spread over layers"), N_("allocation"), help_text, default, options)


CHANNEL_SCHEDULE = (
    replace(
        schedule(
            N_(
                "one-shot: all at once. iterative: in rounds of pruning and training that share the epochs. gradual: before "
                "up to 5 epochs of the first half of the training."
            ),
            ONE_SHOT,
            ITERATIVE,
            GRADUAL,
        ),
        legacy=ONE_SHOT.value,
    ),
    replace(ROUNDS, legacy=ROUNDS.default),
)
