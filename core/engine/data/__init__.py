"""Data sets: decoded once, then read from the cache within a second."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from core.engine.data import folder, synthetic
from core.engine.data.images import Dataset, Decoded, Images, Report, Source
from core.engine.disk_cache import cached
from core.i18n import Message
from core.runs.folder import Home
from core.spec.datasets import SIZE, SYNTHETIC, check_data_name, check_size, folder_of, in_folder
from core.spec.errors import InputError

CACHE_VERSION = 2  # raise it when a decoder comes to give other images for the same files
REPORT_STEP = 0.05


class Prepared(NamedTuple):
    """A data set as it is cached."""

    decoded: Decoded
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str


def load_dataset(name: str, home: Home, report: Report | None = None, *, size: int = SIZE) -> Dataset:
    """The data set called ``name`` (one of the registry or folder:PATH), its pictures ``size`` pixels along a side, from the
    cache if it has been decoded before.

    Progress goes to ``report(message, fraction)``, by default to stderr. InputError if the data cannot be loaded: it names
    the file or folder, what is wrong with it and what is accepted.
    """
    check_size(size, check_data_name(name))
    try:
        source = _source(name, home, size)
        throttled = _throttle(report or _to_stderr)
        key = (name, source.version, CACHE_VERSION)
        prepared = cached(home.cache / "data", key, lambda: _prepare(source, throttled))
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            "The pictures cannot be loaded ({reason}): what is read has to be readable, {home} writable.",
            reason=reason,
            home=home.path,
        ) from None
    classes, train_images, train_labels, test_images, test_labels = prepared.decoded
    return Dataset(
        name=name,
        classes=classes,
        train=Images(torch.from_numpy(train_images), torch.from_numpy(train_labels)),
        test=Images(torch.from_numpy(test_images), torch.from_numpy(test_labels)),
        mean=prepared.mean,
        std=prepared.std,
        fingerprint=prepared.fingerprint,
        test_split=source.test_split,
    )


def _source(name: str, home: Home, size: int) -> Source:
    if in_folder(name):
        return folder.source(Path(folder_of(name)), size)
    if name == SYNTHETIC:
        return synthetic.source()
    from core.engine.data import published  # noqa: PLC0415 - imports torchvision, which takes a second

    return published.source(name, home.data, home.cache)


def _prepare(source: Source, report: Report) -> Prepared:
    decoded = source.decode(report)
    return Prepared(decoded, *_channel_statistics(decoded.train_images), _fingerprint(decoded))


def _fingerprint(decoded: Decoded) -> str:
    digest = hashlib.sha256(repr(decoded.classes).encode())
    for array in decoded[1:]:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in units of 0..1, from exact sums."""
    total, squares = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
    for start in range(0, len(images), 1_000):
        part = images[start : start + 1_000].reshape(-1, 3).astype(np.int64)
        total += part.sum(axis=0)
        squares += (part * part).sum(axis=0)
    pixels = images.size // 3
    mean = total / pixels
    # At least one grey level: no division by zero where all images are the same.
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1))
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


def _throttle(report: Report) -> Report:
    """``report``, called only for a new message or a step of progress: it may write to a disk."""
    last: tuple[Message | None, float] = (None, 0.0)

    def throttled(message: Message, fraction: float) -> None:
        nonlocal last
        if message != last[0] or fraction >= last[1] + REPORT_STEP:
            last = (message, fraction)
            report(message, fraction)

    return throttled


def _to_stderr(message: Message, fraction: float) -> None:
    print(f"{message}: {fraction:.0%}", file=sys.stderr, flush=True)
