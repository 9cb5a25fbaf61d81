"""What a data set is: on its way out of a source, and ready for training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.i18n import Message

SIDE = 32  # pictures are 32x32
Report = Callable[[Message, float], None]  # what is being done, and how much of it is done, from 0 to 1


class Decoded(NamedTuple):
    """A data set as its source hands it over: images uint8 [n, 32, 32, 3], labels int64 [n] that index ``classes``."""

    classes: tuple[str, ...]
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


class Source(NamedTuple):
    """Where a data set comes from: ``version`` changes whenever what ``decode`` returns may change."""

    version: str
    decode: Callable[[Report], Decoded]


@dataclass(frozen=True)
class Images:
    """One split, on the CPU: ``images`` uint8 [n, 32, 32, 3], ``labels`` int64 [n]."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """``mean`` and ``std`` are per channel, of the training pictures, in units of 0..1; ``fingerprint`` identifies the
    content: the pictures, labels and class names of both splits."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
