"""ResNet-18 for small pictures: four stages of two blocks; of width 64 in its published form."""

from prunescope.residual import ResNet, Shape


def build(width: int, classes: int) -> ResNet:
    return ResNet(Shape.of_width(width, classes))
