"""VGG-16 with BatchNorm for small pictures: thirteen 3x3 convolutions and one linear layer; of width 64 in full.

K. Simonyan, A. Zisserman. Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015. One linear layer
instead of three, as is usual for CIFAR since Li et al., ICLR 2017.
"""

from torch import Tensor, nn

from prunescope.batch_norm import BatchNorm

STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))  # channels of each convolution, in widths


class VGG(nn.Module):
    """Float images [N, 3, H, W], of 32 pixels or more, to logits [N, classes]."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        source = 3
        for stage in STAGES:
            for factor in stage:
                layers += [nn.Conv2d(source, factor * width, 3, padding=1, bias=False), BatchNorm(factor * width)]
                layers.append(nn.ReLU(inplace=True))
                source = factor * width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(source, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def build(width: int, classes: int) -> VGG:
    return VGG(width, classes)
