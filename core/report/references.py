"""The papers behind methods, settings and the way of comparing."""

from __future__ import annotations

from collections.abc import Iterable

from core.spec.methods import METHODS
from core.spec.spec import RunSpec

_FRANKLE = (
    "J. Frankle, M. Carbin. The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks. ICLR 2019.",
    "J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin. Linear Mode Connectivity and the Lottery Ticket Hypothesis. "
    "ICML 2020.",
)
_BY_METHOD: dict[str, tuple[str, ...]] = {
    "magnitude": (
        "S. Han, J. Pool, J. Tran, W. J. Dally. Learning both Weights and Connections for Efficient Neural Networks. "
        "NIPS 2015.",
    ),
    "structured": (
        "H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf. Pruning Filters for Efficient ConvNets. ICLR 2017.",
    ),
    "lottery_ticket": _FRANKLE,
    "reinitialised_ticket": _FRANKLE[:1],
    "snip": (
        "N. Lee, T. Ajanthan, P. H. S. Torr. SNIP: Single-shot Network Pruning based on Connection Sensitivity. ICLR 2019.",
    ),
    "synflow": (
        "H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli. Pruning neural networks without any data by iteratively "
        "conserving synaptic flow. NeurIPS 2020.",
    ),
    "from_scratch": (
        "Z. Liu, M. Sun, T. Zhou, G. Huang, T. Darrell. Rethinking the Value of Network Pruning. ICLR 2019.",
    ),
}
_BY_SETTING = {
    ("allocation", "erk"): "U. Evci et al. Rigging the Lottery: Making All Tickets Winners. ICML 2020.",
    ("allocation", "lamp"): "J. Lee et al. Layer-adaptive Sparsity for the Magnitude-based Pruning. ICLR 2021.",
    ("schedule", "gradual"): "M. Zhu, S. Gupta. To prune, or not to prune. 2017.",
    ("retraining", "lr-rewinding"): (
        "A. Renda, J. Frankle, M. Carbin. Comparing Rewinding and Fine-tuning in Neural Network Pruning. ICLR 2020."
    ),
    ("criterion", "bn_scale"): (
        "Z. Liu et al. Learning Efficient Convolutional Networks through Network Slimming. ICCV 2017."
    ),
    ("criterion", "taylor"): "P. Molchanov et al. Importance Estimation for Neural Network Pruning. CVPR 2019.",
}
_ALWAYS = (
    "K. He, X. Zhang, S. Ren, J. Sun. Deep Residual Learning for Image Recognition. CVPR 2016.",
    "D. Blalock, J. J. Gonzalez Ortiz, J. Frankle, J. Guttag. What is the State of Neural Network Pruning? MLSys 2020.",
)
_CIFAR10 = "A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009."


def references(specs: Iterable[RunSpec]) -> list[str]:
    """The papers that a report on ``specs`` rests on, each once. A method without an entry here is named by the registry's
    source."""
    found: dict[str, None] = {}
    for spec in specs:
        if spec.is_dense:
            continue
        source = METHODS[spec.method].source
        found |= dict.fromkeys(_BY_METHOD.get(spec.method, () if source == "baseline" else (source,)))
        found |= {_BY_SETTING[item]: None for item in spec.settings if item in _BY_SETTING}
        if spec.recipe.data == "cifar10":
            found[_CIFAR10] = None
    return [*found, *_ALWAYS]
