"""The registry of networks, as data: what there is to say about each. The code of each: ``prunescope/networks/<name>.py``.

How to add one: docs/networks.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

RESNET18 = "resnet18"
_RESNET = "K. He, X. Zhang, S. Ren, J. Sun. Deep Residual Learning for Image Recognition. CVPR 2016."


@dataclass(frozen=True, slots=True)
class Network:
    """A network whose layers can be pruned. ``full_width``: channels of its first layer in its published form, which then
    has ``parameters`` with ten classes and takes so many ``macs`` for a picture of 32x32."""

    name: str
    label: str
    citation: str
    full_width: int
    parameters: int
    macs: int

    def residual_width(self, width: int) -> float:
        """The width of the ResNet-18 that takes as many multiply-accumulates as this network of ``width``."""
        residual = NETWORKS[RESNET18]
        return residual.full_width * width / self.full_width * math.sqrt(self.macs / residual.macs)


_ENTRIES = (
    Network(RESNET18, "ResNet-18", _RESNET, full_width=64, parameters=11_173_962, macs=555_422_720),
    Network("resnet20", "ResNet-20", _RESNET, full_width=16, parameters=272_474, macs=40_813_184),
    Network("resnet56", "ResNet-56", _RESNET, full_width=16, parameters=855_770, macs=125_747_840),
    Network(
        "vgg16_bn",
        "VGG-16",
        "K. Simonyan, A. Zisserman. Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015.",
        full_width=64,
        parameters=14_724_042,
        macs=313_201_664,
    ),
    Network(
        "mobilenet_v2",
        "MobileNetV2",
        "M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen. MobileNetV2: Inverted Residuals and Linear Bottlenecks. "
        "CVPR 2018.",
        full_width=32,
        parameters=2_236_682,
        macs=87_976_448,
    ),
)

NETWORKS: dict[str, Network] = {network.name: network for network in _ENTRIES}
