"""Labels of the elements of activations: to which channel each belongs, and which channels go together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Labels = Tensor  # int64, of the shape of an activation
NO_CHANNEL, FIXED = 0, 1  # labels: of a pixel of the image, say; of a channel that has to stay


class Ties:
    """Labels that go together, as a union-find over them."""

    def __init__(self) -> None:
        self._parents = [NO_CHANNEL, FIXED]
        self.reasons: dict[int, str] = {}  # by label: the operation that keeps it

    def new(self, count: int) -> Tensor:
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def root(self, label: int) -> int:
        parents = self._parents
        while parents[label] != label:
            parents[label] = parents[parents[label]]
            label = parents[label]
        return label

    def roots(self, labels: Tensor) -> NDArray[np.int64]:
        values, places = np.unique(labels.numpy(), return_inverse=True)
        return np.array([self.root(int(value)) for value in values])[places].reshape(labels.shape)

    def tie(self, first: Tensor, second: Tensor, why: str) -> None:
        """Let the labels of equal positions go together. No channel and a channel: the latter has to stay."""
        pairs = torch.stack([first.flatten(), second.flatten()])[:, (first != second).flatten()]
        for a, b in np.unique(pairs.numpy(), axis=1).T.tolist():
            self._tie(a or FIXED, b or FIXED, why)

    def fix(self, labels: Iterable[Tensor], why: str) -> None:
        for label in labels:
            for value in np.unique(label.numpy()).tolist():
                if value != NO_CHANNEL:
                    self._tie(value, FIXED, why)

    def _tie(self, a: int, b: int, why: str) -> None:
        low, high = sorted((self.root(a), self.root(b)))
        if low == high:
            return
        self._parents[high] = low
        if low == FIXED:
            self.reasons[high] = why


@dataclass(frozen=True, slots=True)
class Value:
    """The labels of an activation or parameter; ``zero``: whether a channel without weights is zero in it."""

    labels: Labels
    zero: bool = True


def repeats(side: Labels, other: Labels, shape: torch.Size) -> Tensor:
    """Whether a dimension of ``side`` is repeated along which the channels of ``other`` differ: bool of ``shape``."""
    for dim, size in enumerate(shape):
        if side.shape[dim] == 1 and size > 1 and other.shape[dim] > 1 and differ(other, dim):
            return torch.ones(shape, dtype=torch.bool)
    return torch.zeros(shape, dtype=torch.bool)


def differ(labels: Labels, dim: int) -> bool:
    """Whether channels differ along ``dim``."""
    return bool((labels != labels.narrow(dim, 0, 1)).any())
