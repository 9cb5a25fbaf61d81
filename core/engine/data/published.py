"""Published data sets: their files in the data folder, downloaded where they are not there, checked by MD5 before they are
opened, and read by torchvision."""

from __future__ import annotations

import gzip
import http.client
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torchvision.datasets import CIFAR10, CIFAR100, SVHN, FashionMNIST
from torchvision.datasets.utils import check_integrity

from core.engine.data.images import Decoded, Report, Source
from core.i18n import Message
from core.runs.atomic_io import atomic_write
from core.spec.datasets import DATASETS, SIZE
from core.spec.errors import InputError

TIMEOUT_SECONDS = 30
_CHUNK = 1 << 18


class File(NamedTuple):
    """A file to download."""

    url: str
    name: str
    md5: str


@dataclass(frozen=True, slots=True)
class _Published:
    """``unpack`` puts what is in ``files``, which lie in the first folder, into the second one, from which ``read`` reads
    the data set, or RuntimeError where a file is missing or has another MD5. ``unpacked``: the folder in which others may
    have unpacked it already."""

    files: tuple[File, ...]
    unpack: Callable[[Path, Path], None]
    read: Callable[[Path], Decoded]
    unpacked: str | None = None


def source(name: str, data_folder: Path, cache: Path) -> Source:
    """The data set ``name`` in ``data_folder``, unpacked temporarily in ``cache``. Downloaded only when it is decoded."""
    published = _PUBLISHED[name]()
    version = " ".join(file.md5 for file in published.files)
    return Source(version, partial(_decode, name, published, data_folder, cache))


def _decode(name: str, published: _Published, data_folder: Path, cache: Path, report: Report) -> Decoded:
    label = DATASETS[name].label
    if published.unpacked and (data_folder / published.unpacked).is_dir():
        try:
            report(Message("Reading {name}", name=label), 0)
            return published.read(data_folder)
        except RuntimeError:  # a file is missing or has another MD5
            folder = data_folder / published.unpacked
            report(Message("{folder} is incomplete or damaged and not used", folder=folder), 0)
    for file in published.files:
        if not check_integrity(data_folder / file.name, file.md5):
            _download(file, data_folder / file.name, label, report)
    # In a temporary folder: two processes never overwrite what the other one reads.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache) as temporary:
        report(Message("Unpacking {name}", name=label), 0)
        published.unpack(data_folder, Path(temporary))
        report(Message("Reading {name}", name=label), 0)
        return published.read(Path(temporary))


def _cifar(data_set: type[CIFAR10]) -> _Published:
    def unpack(source: Path, target: Path) -> None:
        with tarfile.open(source / data_set.filename) as packed:
            packed.extractall(target, filter="data")

    def read(root: Path) -> Decoded:
        train, test = data_set(root, train=True), data_set(root, train=False)
        arrays = [
            array for part in (train, test) for array in (np.ascontiguousarray(part.data), np.array(part.targets))
        ]
        return Decoded(tuple(train.classes), *arrays)

    archive = File(data_set.url, data_set.filename, data_set.tgz_md5)
    return _Published((archive,), unpack, read, unpacked=data_set.base_folder)


def _svhn() -> _Published:
    files = tuple(File(*SVHN.split_list[split]) for split in ("train", "test"))

    def unpack(source: Path, target: Path) -> None:
        for file in files:
            (target / file.name).symlink_to((source / file.name).resolve())

    def read(root: Path) -> Decoded:
        parts = [SVHN(root, split=split) for split in ("train", "test")]
        arrays = [
            array for part in parts for array in (np.ascontiguousarray(part.data.transpose(0, 2, 3, 1)), part.labels)
        ]
        return Decoded(tuple(map(str, range(10))), *arrays)

    return _Published(files, unpack, read)


def _fashion_mnist() -> _Published:
    files = tuple(
        File(f"{FashionMNIST.mirrors[0]}{name}", f"fashion-mnist-{name}", md5) for name, md5 in FashionMNIST.resources
    )

    def unpack(source: Path, target: Path) -> None:
        raw = target / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for file, (name, _) in zip(files, FashionMNIST.resources, strict=True):
            with gzip.open(source / file.name) as packed, (raw / name.removesuffix(".gz")).open("wb") as plain:
                shutil.copyfileobj(packed, plain)

    def read(root: Path) -> Decoded:
        """Grey pictures of 28 pixels as coloured ones of 32, with a black border."""
        parts = [FashionMNIST(root, train=train) for train in (True, False)]
        border = (SIZE - 28) // 2
        arrays = []
        for part in parts:
            grey = np.pad(part.data.numpy(), ((0, 0), (border, border), (border, border)))
            arrays += [np.repeat(grey[..., None], 3, axis=3), part.targets.numpy()]
        return Decoded(tuple(FashionMNIST.classes), *arrays)

    return _Published(files, unpack, read)


_PUBLISHED: dict[str, Callable[[], _Published]] = {
    "cifar10": partial(_cifar, CIFAR10),
    "cifar100": partial(_cifar, CIFAR100),
    "svhn": _svhn,
    "fashion_mnist": _fashion_mnist,
}


def _download(file: File, path: Path, label: str, report: Report) -> None:
    """Download ``file``, check it and write it atomically to ``path``."""
    state = Message("is damaged") if path.exists() else Message("is missing")
    remedy = Message(
        "put {name} into {folder} yourself, or use folder:PATH or synthetic", name=path.name, folder=path.parent
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial_file, urllib.request.urlopen(file.url, timeout=TIMEOUT_SECONDS) as response:
            size = int(response.headers.get("Content-Length") or 0)
            received = 0
            while chunk := response.read(_CHUNK):
                partial_file.write(chunk)
                received += len(chunk)
                report(Message("Downloading {name}", name=label), min(1.0, received / size) if size else 0)
            partial_file.flush()
            if not check_integrity(partial_file.name, file.md5):
                raise InputError(
                    "{archive} {state} and the download was damaged as well: try again, or {remedy}.",
                    archive=path,
                    state=state,
                    remedy=remedy,
                )
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise InputError(
            "{archive} {state} and cannot be downloaded ({reason}): {remedy}.",
            archive=path,
            state=state,
            reason=reason,
            remedy=remedy,
        ) from None
