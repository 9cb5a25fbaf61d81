"""The registry of networks, as data: what there is to say about each, and where it is built.

How to add one: docs/architecture.md.
"""

from __future__ import annotations

from dataclasses import dataclass

RESNET18 = "resnet18"


@dataclass(frozen=True, slots=True)
class Network:
    """A network whose layers can be pruned. ``full_width``: channels of the first stage in its published form, which then
    has ``parameters`` with ten classes. ``builder``: what makes a fresh one, as module:name."""

    name: str
    label: str
    citation: str
    full_width: int
    parameters: int
    builder: str


_ENTRIES = (
    Network(
        name=RESNET18,
        label="ResNet-18",
        citation="K. He, X. Zhang, S. Ren, J. Sun. Deep Residual Learning for Image Recognition. CVPR 2016.",
        full_width=64,
        parameters=11_173_962,
        builder="core.engine.networks.resnet18:resnet18",
    ),
)

NETWORKS: dict[str, Network] = {network.name: network for network in _ENTRIES}
