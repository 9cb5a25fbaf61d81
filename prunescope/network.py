"""ResNet-18 for 32x32 images (He et al., CVPR 2016): 3x3 stem, no max-pooling, any number of channels per layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from prunescope.batch_norm import BatchNorm

BLOCKS = 2  # residual blocks in a stage
STAGES = 4
INPUT_SHAPE = (3, 32, 32)
MAX_CHANNELS = 4096  # of a layer: more can only come from a malicious file


@dataclass(frozen=True, slots=True)
class Shape:
    """The channels of a network. ``stages``: of each stage's residual stream (the stem belongs to the first);
    ``inner``: between the two convolutions of each block, stage by stage."""

    stages: tuple[int, ...]
    inner: tuple[tuple[int, ...], ...]
    classes: int = 10

    def __post_init__(self) -> None:
        if len(self.stages) != STAGES or [len(blocks) for blocks in self.inner] != [BLOCKS] * STAGES:
            raise ValueError(f"A shape has {STAGES} stages of {BLOCKS} blocks, not {self.stages} and {self.inner}.")
        for channels in (*self.stages, *(n for blocks in self.inner for n in blocks), self.classes):
            if type(channels) is not int or not 1 <= channels <= MAX_CHANNELS:
                raise ValueError(f"A layer has 1 to {MAX_CHANNELS} channels, not {channels!r:.40}.")

    @classmethod
    def of_width(cls, width: int, classes: int = 10) -> Shape:
        """The unpruned network: its stages have width, 2 width, 4 width and 8 width channels."""
        stages = tuple(width << stage for stage in range(STAGES))
        return cls(stages, tuple((channels,) * BLOCKS for channels in stages), classes)

    @property
    def groups(self) -> dict[str, int]:
        """The size of each group of coupled channels: they are added up or passed on, and can only be removed together."""
        groups = {f"stage{stage + 1}": channels for stage, channels in enumerate(self.stages)}
        for stage, blocks in enumerate(self.inner):
            groups.update({f"layer{stage + 1}.{block}": channels for block, channels in enumerate(blocks)})
        return groups

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The weight shape of each convolution and of the linear layer, in the order of computation."""
        groups = self.groups
        shapes: dict[str, tuple[int, ...]] = {}
        for edge in conv_graph():
            inputs = INPUT_SHAPE[0] if edge.source is None else groups[edge.source]
            shapes[edge.conv] = (groups[edge.target], inputs, edge.kernel, edge.kernel)
        return shapes | {"fc": (self.classes, groups["stage4"])}

    @property
    def prunable(self) -> int:
        """The number of prunable weights, which sparsity refers to."""
        return sum(math.prod(shape) for shape in self.weights.values())

    @property
    def filters(self) -> int:
        """The number of filters of all convolutions."""
        return sum(shape[0] for name, shape in self.weights.items() if name != "fc")

    @classmethod
    def of_groups(cls, groups: Mapping[str, int], classes: int) -> Shape:
        """The inverse of :attr:`groups`."""
        stages = tuple(groups[f"stage{stage + 1}"] for stage in range(STAGES))
        inner = tuple(tuple(groups[f"layer{stage + 1}.{block}"] for block in range(BLOCKS)) for stage in range(STAGES))
        return cls(stages, inner, classes)

    @classmethod
    def of_weights(cls, weights: Mapping[str, tuple[int, ...]]) -> Shape:
        """The inverse of :attr:`weights`."""
        return cls.of_groups({edge.target: weights[edge.conv][0] for edge in conv_graph()}, weights["fc"][0])


@dataclass(frozen=True, slots=True)
class ConvEdge:
    """A convolution with its BatchNorm, and the channel groups that it reads and writes (None: the image)."""

    conv: str
    norm: str
    source: str | None
    target: str
    kernel: int


def conv_graph() -> tuple[ConvEdge, ...]:
    """Every convolution of the network, in the order of computation."""
    edges = [ConvEdge("conv1", "bn1", None, "stage1", 3)]
    for stage in range(1, STAGES + 1):
        for block in range(BLOCKS):
            name = f"layer{stage}.{block}"
            first = block == 0 and stage > 1
            source = f"stage{stage - 1}" if first else f"stage{stage}"
            edges.append(ConvEdge(f"{name}.conv1", f"{name}.bn1", source, name, 3))
            edges.append(ConvEdge(f"{name}.conv2", f"{name}.bn2", name, f"stage{stage}", 3))
            if first:
                edges.append(ConvEdge(f"{name}.downsample.0", f"{name}.downsample.1", source, f"stage{stage}", 1))
    return tuple(edges)


class Block(nn.Module):
    """Two 3x3 convolutions and the residual connection around them."""

    def __init__(self, source: int, inner: int, target: int, stride: int, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(source, inner, 3, stride, 1, bias=False)
        self.bn1 = BatchNorm(inner)
        self.conv2 = nn.Conv2d(inner, target, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm(target)
        # The projection takes every second pixel itself and convolves with stride 1, which is the same thing: the backward
        # pass of a strided 1x1 convolution of fewer than 8 channels (16 with AVX-512) in channels_last writes beyond its
        # buffer on x86 CPUs (oneDNN issue 6035), and a thin or pruned network has such channel counts.
        self.step = stride
        self.downsample = (
            nn.Sequential(nn.Conv2d(source, target, 1, bias=False), BatchNorm(target)) if project else None
        )

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x[:, :, :: self.step, :: self.step])
        # In place in training, where moving memory takes much of the time; in evaluation a hook may read the values.
        x = F.relu(self.bn1(self.conv1(x)), inplace=self.training)
        x = self.bn2(self.conv2(x))
        return F.relu(x.add_(residual), inplace=True) if self.training else F.relu(x + residual)


class ResNet(nn.Module):
    """The network of a :class:`Shape`: float images [N, 3, 32, 32] to logits [N, classes]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        stem = shape.stages[0]
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = BatchNorm(stem)
        source = stem
        for stage, (channels, inner) in enumerate(zip(shape.stages, shape.inner, strict=True)):
            blocks = []
            for block in range(BLOCKS):
                first = block == 0 and stage > 0
                blocks.append(Block(source, inner[block], channels, 2 if first else 1, first))
                source = channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(source, shape.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=self.training)
        for stage in range(1, STAGES + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits
