"""Images on the training device: cropping and flipping are one gather a batch, whose offsets follow from the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.engine.data.images import Images
from core.spec.datasets import BORDER, SIZE


@dataclass(frozen=True)
class EpochAugmentation:
    """One epoch's order of the images, and for each position in it the crop's corner (for 32 pixels from 0 to 8), whether to
    flip, and the corner of a square of ``cutout`` pixels that is blanked out."""

    order: Tensor
    dy: Tensor
    dx: Tensor
    flip: Tensor
    cut_y: Tensor
    cut_x: Tensor
    cutout: int = field(default=0, kw_only=True)

    def select(self, positions: Tensor) -> EpochAugmentation:
        """Only ``positions`` (int64 [b]) of the epoch."""
        return EpochAugmentation(*(part.index_select(0, positions) for part in self._parts()), cutout=self.cutout)

    def copy_(self, other: EpochAugmentation) -> None:
        """Copy ``other`` into the memory of this one."""
        for part, new in zip(self._parts(), other._parts(), strict=True):
            part.copy_(new)

    def _parts(self) -> tuple[Tensor, ...]:
        return self.order, self.dy, self.dx, self.flip, self.cut_y, self.cut_x


def draw_epoch(
    n: int, seed: int, epoch: int, device: torch.device | str, cutout: int = 0, *, side: int = SIZE
) -> EpochAugmentation:
    """The augmentation of ``n`` images of ``side`` pixels, with squares of ``cutout`` pixels blanked out. It follows from
    (seed, epoch) alone and is the same on every device."""
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(n)
    dy, dx = rng.integers(0, 2 * border(side) + 1, size=(2, n))
    flip = rng.integers(0, 2, size=n).astype(np.bool_)
    cut_y, cut_x = rng.integers(0, side - cutout + 1, size=(2, n))  # last: the rest is the same with and without it
    parts = (torch.from_numpy(part).to(device) for part in (order, dy, dx, flip, cut_y, cut_x))
    return EpochAugmentation(*parts, cutout=cutout)


def border(side: int) -> int:
    """The pixels around pictures of ``side`` pixels that crops reach into."""
    return round(BORDER * side)


def sample_indices(of: int, n: int, seed: int) -> Tensor:
    """The sorted indices of ``n`` of ``of`` images, drawn by ``seed`` (int64 [n], fewer if there are fewer images)."""
    return torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(of)[:n]))


class DeviceImages:
    """The images of one split on ``device``, as uint8 with a zero border, and their labels."""

    def __init__(self, images: Images, mean: Sequence[float], std: Sequence[float], device: torch.device | str) -> None:
        self.side = images.images.shape[1]
        self._border = border(self.side)
        # Channels are last, and the border is black before normalisation, as if the image itself had it.
        self.padded = F.pad(images.images.to(device), (0, 0, *4 * (self._border,)))
        self.labels = images.labels.to(device)
        self._pixels = self.padded.view(-1, 3)
        self._range = torch.arange(self.side, device=device)
        # (x / 255 - mean) / std as one multiplication and one addition over a whole row of pixels: on a CPU a row
        # of 96 numbers is several times faster than 32 pixels of 3.
        spread = torch.tensor(std, dtype=torch.float64)
        shift = -torch.tensor(mean, dtype=torch.float64) / spread
        self._scale = (1 / (255 * spread)).float().repeat(self.side).to(device)
        self._shift = shift.float().repeat(self.side).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def train_batch(self, augmentation: EpochAugmentation, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Positions ``start`` to ``stop`` of the epoch, cropped, flipped and with squares cut out: normalised float32
        [b, 3, side, side] in the channels_last memory format, and labels int64 [b]."""
        order, dy, dx, flip, cut_y, cut_x = (part[start:stop] for part in augmentation._parts())
        images = self._gather(order, dy, dx, flip)
        if augmentation.cutout:  # 0 is the mean colour
            rows, columns = (self._covered(corner, augmentation.cutout) for corner in (cut_y, cut_x))
            images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)
        return images, self.labels[order]

    def eval_batch(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Images ``start`` to ``stop`` as they are, in the form of :meth:`train_batch`."""
        inside = slice(self._border, self._border + self.side)
        pixels = self.padded[start:stop, inside, inside]
        return self._normalise(pixels), self.labels[start:stop]

    def _covered(self, corner: Tensor, size: int) -> Tensor:
        """Which of the rows, or columns, the squares with these corners ([b]) cover: bool [b, side]."""
        distance = self._range - corner[:, None]
        return (distance >= 0) & (distance < size)

    def _gather(self, indices: Tensor, dy: Tensor, dx: Tensor, flip: Tensor) -> Tensor:
        columns = torch.where(flip[:, None], self._range.flip(0), self._range) + dx[:, None]
        padded = self.padded.shape[1]
        rows = (indices * padded + dy)[:, None] + self._range
        index = rows[:, :, None] * padded + columns[:, None, :]
        return self._normalise(self._pixels.index_select(0, index.view(-1)))

    def _normalise(self, pixels: Tensor) -> Tensor:
        rows = pixels.reshape(-1, self.side * 3).float().mul_(self._scale).add_(self._shift)
        return rows.view(-1, self.side, self.side, 3).permute(0, 3, 1, 2)
