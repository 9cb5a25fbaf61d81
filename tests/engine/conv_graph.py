"""ResNet-18's convolutions, written down by hand: the reference for what is found by following channels."""

from typing import NamedTuple


class Edge(NamedTuple):
    """A convolution with its BatchNorm, and the groups of channels that it reads (None: the picture's) and writes, each by
    the first layer that writes it."""

    conv: str
    norm: str
    source: str | None
    target: str


def conv_graph():
    """Every convolution, in the order of computation."""
    edges, stream = [Edge("conv1", "bn1", None, "conv1")], "conv1"
    for stage in range(1, 5):
        for block in range(2):
            name = f"layer{stage}.{block}"
            first = block == 0 and stage > 1
            target = f"{name}.conv2" if first else stream
            edges.append(Edge(f"{name}.conv1", f"{name}.bn1", stream, f"{name}.conv1"))
            edges.append(Edge(f"{name}.conv2", f"{name}.bn2", f"{name}.conv1", target))
            if first:
                edges.append(Edge(f"{name}.downsample.0", f"{name}.downsample.1", stream, target))
            stream = target
    return edges


def group_sizes(shape):
    """The channels of each group of a network of ``shape``."""
    sizes = {"conv1": shape.stages[0]}
    for stage, blocks in enumerate(shape.inner, 1):
        for block, channels in enumerate(blocks):
            sizes[f"layer{stage}.{block}.conv1"] = channels
            if block == 0 and stage > 1:
                sizes[f"layer{stage}.0.conv2"] = shape.stages[stage - 1]
    return sizes


def sizes_of(model):
    """The channels of each group of a network that has not been pruned, or has."""
    return group_sizes(model.shape)
