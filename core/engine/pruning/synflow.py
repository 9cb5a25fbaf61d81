"""SynFlow (Tanaka et al., NeurIPS 2020): before training and without data, by the flow through each weight.

The flow of a weight is the sum over all paths through it of the product of the absolute weights on them. Removing a
little, many times, with the flow recomputed in between, keeps layers alive that one cut would empty.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.engine.networks.layers import Network, example_of, prunable
from core.engine.pruning.base import Context, Masks, Pruned, lowest_masks, masked, rewound

ROUNDS = 100


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The untrained network without the weights of lowest flow."""
    initial = rewound(model, context.weights_at(0))
    network = linearised(initial)
    masks: Masks = {}
    for n in range(1, ROUNDS + 1):
        # Each round keeps the same share of what the one before kept; the last one is exact.
        reached = sparsity if n == ROUNDS else 1 - (1 - sparsity) ** (n / ROUNDS)
        masks = lowest_masks(flow(network), reached, masks)
        network = masked(network, masks)
    return Pruned(masked(initial, masks), masks)


@torch.no_grad()
def linearised(model: Network) -> Network:
    """A copy of ``model`` that sums over paths: absolute weights, and BatchNorm that only scales.

    In float64: the product of the absolute weights of twenty layers exceeds the range of float32.
    """
    network = rewound(model, model.state_dict()).double().eval()
    for parameter in network.parameters():
        parameter.abs_()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
            if module.bias is not None:
                module.bias.zero_()
    return network


def flow(network: nn.Module) -> dict[str, Tensor]:
    """The flow through each weight of a linearised network for an image of ones."""
    weights = prunable(network)
    ones = torch.ones_like(example_of(network), dtype=torch.float64)
    gradients = torch.autograd.grad(network(ones).sum(), list(weights.values()), materialize_grads=True)
    return {
        name: (gradient * weight).detach() for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
