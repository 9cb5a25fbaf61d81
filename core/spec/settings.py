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
_NO_TEACHER, TAUGHT = N_("none"), N_("dense")
TEACHER = Setting(
    name="teacher",
    label=N_("Teacher"),
    short=N_("teacher"),
    help=N_(
        "dense: the pruned network also learns from what the dense one answers (distillation, Hinton et al., 2015: "
        "temperature 4, 0.9 of the loss). Each step takes longer by a forward pass of that."
    ),
    default=_NO_TEACHER,  # a shrunk network does better with more epochs in the time that it takes (docs/methods.md)
    options=(
        Option(_NO_TEACHER),
        Option(
            TAUGHT,
            citation="G. Hinton, O. Vinyals, J. Dean. Distilling the Knowledge in a Neural Network. NIPS workshop, 2015.",
        ),
    ),
    legacy=_NO_TEACHER,
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
        Option(N_("cut")),
        Option(N_("fold"), citation=_FOLDING),
    ),
    legacy="cut",
)

SPARSITY, LATENCY_1, LATENCY_BATCH = N_("sparsity"), N_("latency-1"), N_("latency-batch")
TARGET = Setting(
    name="target",
    label=N_("What the sparsity stands for"),
    short=N_("target"),
    help=N_(
        "sparsity: the share of the weights that goes. latency-1, latency-batch: the share of the dense network's time on "
        "this machine that goes, for one picture or for a large batch: at 0.6 the network takes at most 0.4 of it."
    ),
    default=SPARSITY,
    options=(Option(SPARSITY), Option(LATENCY_1), Option(LATENCY_BATCH)),
    legacy=SPARSITY,
)

ROUND_TO = Setting(
    name="round_to",
    label=N_("Channels a multiple of"),
    short=N_("round to"),
    help=N_("8 suits the vector units of processors; the sparsity is then met less exactly."),
    default=1,
    options=(Option(1), Option(8)),
)

FLOOR = Setting(
    name="floor",
    label=N_("Least share of a layer kept"),
    short=N_("floor"),
    help=N_("No layer loses more of its filters than this leaves, whatever their importance."),
    default=0.0,
    options=tuple(map(Option, (0.0, 0.05, 0.1, 0.2))),
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

NO_REPAIR, BEST_REPAIR = N_("none"), N_("best")
_NO_REPAIR, _BATCHNORM, _BEST = Option(NO_REPAIR), Option("batchnorm"), Option(BEST_REPAIR)
_VARIANCE = Option(
    N_("variance"),
    citation="Q. Zhan, Z. Chen, M. Hu. Adaptive Signal Resuscitation: Channel-wise Post-Pruning Repair for Sparse Vision "
    "Networks. 2026. arXiv 2605.21426.",
)
_LEAST_SQUARES = Option(
    "least-squares",
    citation="I. Hubara, B. Chmiel, M. Island, R. Banner, J. Naor, D. Soudry. Accelerated Sparse Neural Training: A "
    "Provable and Efficient Method to Find N:M Transposable Masks. NeurIPS 2021.",
)
REPAIR = Setting(
    name="repair",
    label=N_("Repair after the cut"),
    short=N_("repair"),
    help=N_(
        "Without training, by 500 training pictures. batchnorm: its statistics are estimated anew. variance: each "
        "channel gets back its mean and variance. least-squares: the weights that are left reproduce each layer's "
        "outputs. best: whichever is most accurate on 500 other training pictures, perhaps none."
    ),
    default=BEST_REPAIR,
    options=(_NO_REPAIR, _BATCHNORM, _VARIANCE, _LEAST_SQUARES, _BEST),
    legacy=NO_REPAIR,
)
# For weights that are not the trained ones there is no earlier output to come back to.
REPAIR_OF_NEW_WEIGHTS = replace(REPAIR, default=NO_REPAIR, options=(_NO_REPAIR, _BATCHNORM, _BEST))


def schedule(help_text: str, *options: Option) -> Setting:
    return Setting("schedule", N_("Pruning schedule"), N_("schedule"), help_text, "one-shot", options)


def allocation(help_text: str, *options: Option, default: str = "global") -> Setting:
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
