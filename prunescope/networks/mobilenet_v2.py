"""MobileNetV2 for small pictures: inverted residuals with depthwise convolutions; of width 32 in full.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen. MobileNetV2: Inverted Residuals and Linear Bottlenecks. CVPR 2018.
The stem and the first two stages that halve the picture there do not do so here, as is usual for CIFAR.
"""

from torch import Tensor, nn

from prunescope.batch_norm import BatchNorm

FULL_WIDTH, HEAD = 32, 1280
# Expansion, channels, blocks, stride of the first block.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _convolution(source: int, target: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(source, target, size, stride, size // 2, groups=groups, bias=False)
    return [conv, BatchNorm(target), nn.ReLU6(inplace=True)]


class InvertedResidual(nn.Module):
    """A wide depthwise convolution between two narrow 1x1 convolutions, the second one without an activation."""

    def __init__(self, source: int, target: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = source * expansion
        expand = _convolution(source, wide, 1) if expansion > 1 else []
        project = _convolution(wide, target, 1)[:-1]
        self.layers = nn.Sequential(*expand, *_convolution(wide, wide, 3, stride, groups=wide), *project)
        self.adds = stride == 1 and source == target

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + out if self.adds else out


class MobileNetV2(nn.Module):
    """Float images [N, 3, H, W] to logits [N, classes]."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(1, round(channels * width / FULL_WIDTH))

        layers = _convolution(3, scaled(FULL_WIDTH), 3)
        source = scaled(FULL_WIDTH)
        for expansion, channels, blocks, first_stride in STAGES:
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                layers.append(InvertedResidual(source, scaled(channels), stride, expansion))
                source = scaled(channels)
        self.features = nn.Sequential(*layers, *_convolution(source, scaled(HEAD), 1))
        self.classifier = nn.Linear(scaled(HEAD), classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def build(width: int, classes: int) -> MobileNetV2:
    return MobileNetV2(width, classes)
