"""Images and data sets: as a source decodes them, and ready for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.i18n import Message
from core.spec.datasets import GIVEN

Report = Callable[[Message, float], None]  # of progress: a message, and the fraction of it that is done


class Decoded(NamedTuple):
    """A data set as its source decodes it: images uint8 [n, size, size, 3], labels int64 [n] that index ``classes``."""

    classes: tuple[str, ...]
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


class Source(NamedTuple):
    """Where a data set comes from: ``version`` changes whenever what ``decode`` returns may change. ``test_split``: whose
    choice the test pictures are, GIVEN or BY_NAME."""

    version: str
    decode: Callable[[Report], Decoded]
    test_split: str = GIVEN


@dataclass(frozen=True)
class Images:
    """One split, on the CPU: ``images`` uint8 [n, size, size, 3], ``labels`` int64 [n]."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: torch.Tensor) -> Images:
        """The images at ``indices`` (int64 [m])."""
        return Images(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """``mean`` and ``std`` are per channel, of the training images, in units of 0..1; ``fingerprint`` is a hash of the
    images, labels and class names of both splits; ``test_split`` as in :class:`Source`."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    test_split: str
