"""ResNet-20 of He et al.'s experiments with CIFAR: three stages of three blocks; of width 16 in its published form.

The stages are joined by projections (option B), where theirs has zeros in the place of new channels (option A), which could
not be pruned.
"""

from prunescope.residual import ResNet, Shape


def build(width: int, classes: int) -> ResNet:
    return ResNet(Shape.of_width(width, classes, stages=3, blocks=3))
