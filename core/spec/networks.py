"""The registry of networks, as data: what there is to say about each. The code of each: ``prunescope/networks/<name>.py``.
Networks from elsewhere are named by the package or the file that makes them.

How to add one, and how to bring one: docs/networks.md.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.i18n import Message
from core.spec.errors import invalid_value

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

PACKAGES = ("torchvision", "timm")
FILE = "file"
NO_WIDTH = 0  # of a network from elsewhere, which has the channels that it has
_UNKNOWN_WIDTH = 32.0  # of the ResNet-18 that a network from elsewhere is taken to cost as much as
_PACKAGED = re.compile(rf"({'|'.join(PACKAGES)}):[A-Za-z0-9_.]+")
_IN_FILE = re.compile(r"(file:)?(?P<path>.+\.py):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class External:
    """A network from elsewhere: what ``function`` makes that the Python file ``path`` defines, or the network that a
    ``package`` has under the name ``function``."""

    package: str
    function: str
    path: Path | None = None

    @classmethod
    def parse(cls, network: str) -> External | None:
        """The network that torchvision:NAME, timm:NAME or [file:]PATH.py:FUNCTION names; None for any other text."""
        if _PACKAGED.fullmatch(network):
            package, _, name = network.partition(":")
            return cls(package, name)
        if (found := _IN_FILE.fullmatch(network)) and network.isprintable():
            return cls(FILE, found["function"], Path(found["path"]))
        return None

    @property
    def name(self) -> str:
        """The inverse of :meth:`parse`."""
        return f"{self.package}:{self.function}" if self.path is None else f"{FILE}:{self.path}:{self.function}"

    @property
    def is_absolute(self) -> bool:
        """Whether it is the same wherever it is read."""
        return self.path is None or self.path.is_absolute()

    @property
    def label(self) -> str:
        return self.function if self.path is None else f"{self.function} ({self.path.name})"


def check_network(network: Any) -> str:
    """``network`` if it names one of the registry or one from elsewhere, whose file has an absolute path; whether there is
    such a file or package is for the engine to find out."""
    if isinstance(network, str):
        external = External.parse(network)
        if network in NETWORKS or (external and external.name == network and external.is_absolute):
            return network
    accepted = Message("one of {names}, torchvision:NAME, timm:NAME or FILE.py:FUNCTION", names=", ".join(NETWORKS))
    raise invalid_value("network", network, accepted)


def resolve_network(network: str) -> str:
    """``network`` with the path of a file made absolute, so that a spec means the same wherever it is read."""
    external = External.parse(network)
    if external and external.path:
        path = Path(os.path.abspath(os.path.expanduser(external.path)))  # noqa: PTH100, PTH111 - never raises
        network = External(FILE, external.function, path).name
    return check_network(network)


def network_label(network: str) -> str:
    """What to call ``network``."""
    external = External.parse(network)
    return external.label if external else NETWORKS[network].label


def residual_width(network: str, width: int) -> float:
    """The width of the ResNet-18 that takes about as many multiply-accumulates as ``network`` of ``width``."""
    return NETWORKS[network].residual_width(width) if network in NETWORKS else _UNKNOWN_WIDTH
