"""ResNet-56 of He et al.'s experiments with CIFAR: as ResNet-20, with nine blocks in a stage."""

from prunescope.residual import ResNet, Shape


def build(width: int, classes: int) -> ResNet:
    return ResNet(Shape.of_width(width, classes, stages=3, blocks=9))
