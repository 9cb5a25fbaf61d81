"""Residual networks for small pictures (He et al., CVPR 2016): a 3x3 stem without max-pooling, stages of blocks of two
convolutions, and any number of channels per layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from prunescope.batch_norm import BatchNorm

INPUT_SHAPE = (3, 32, 32)
MAX_CHANNELS, MAX_STAGES, MAX_BLOCKS = 4096, 8, 64  # more can only come from a malicious file


@dataclass(frozen=True, slots=True)
class Shape:
    """The channels of a network. ``stages``: of each stage's residual stream (the stem belongs to the first);
    ``inner``: between the two convolutions of each block, stage by stage."""

    stages: tuple[int, ...]
    inner: tuple[tuple[int, ...], ...]
    classes: int = 10

    def __post_init__(self) -> None:
        if not 1 <= len(self.stages) == len(self.inner) <= MAX_STAGES:
            raise ValueError(f"A shape has the blocks of each of 1 to {MAX_STAGES} stages, not {self.stages!r:.80}.")
        if not all(1 <= len(blocks) <= MAX_BLOCKS for blocks in self.inner):
            raise ValueError(f"A stage has 1 to {MAX_BLOCKS} blocks, not {self.inner!r:.80}.")
        for channels in (*self.stages, *(n for blocks in self.inner for n in blocks), self.classes):
            if type(channels) is not int or not 1 <= channels <= MAX_CHANNELS:
                raise ValueError(f"A layer has 1 to {MAX_CHANNELS} channels, not {channels!r:.40}.")

    @classmethod
    def of_width(cls, width: int, classes: int = 10, *, stages: int = 4, blocks: int = 2) -> Shape:
        """The unpruned network: its stages have width, 2 width, 4 width ... channels, and ``blocks`` each."""
        channels = tuple(width << stage for stage in range(stages))
        return cls(channels, tuple((n,) * blocks for n in channels), classes)


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
    """The network of a :class:`Shape`: float images [N, 3, H, W] to logits [N, classes]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        stem = shape.stages[0]
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = BatchNorm(stem)
        source = stem
        for stage, (channels, inner) in enumerate(zip(shape.stages, shape.inner, strict=True)):
            blocks = []
            for block, between in enumerate(inner):
                first = block == 0 and stage > 0
                blocks.append(Block(source, between, channels, 2 if first else 1, first))
                source = channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(shape.stages)
        self.fc = nn.Linear(source, shape.classes)

    @property
    def shape(self) -> Shape:
        """The channels that its layers have now."""
        stages = [[block for _, block in self._stage(number)] for number in range(self.stages)]
        return Shape(
            tuple(blocks[0].conv2.out_channels for blocks in stages),
            tuple(tuple(block.conv1.out_channels for block in blocks) for blocks in stages),
            self.fc.out_features,
        )

    def blocks(self) -> Iterator[tuple[str, Block]]:
        """Name and module of each block, in the order of computation."""
        for number in range(self.stages):
            yield from self._stage(number)

    def _stage(self, number: int) -> Iterator[tuple[str, Block]]:
        name = f"layer{number + 1}"
        for block, module in self.get_submodule(name).named_children():
            assert isinstance(module, Block)
            yield f"{name}.{block}", module

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=self.training)
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits
