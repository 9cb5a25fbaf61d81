"""``cifar10``: the archive in the data folder, downloaded when it is not there, checked by MD5 before it is opened."""

from __future__ import annotations

import http.client
import tarfile
import tempfile
import urllib.request
from functools import partial
from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10
from torchvision.datasets.utils import check_integrity

from core.engine.data.images import Decoded, Report, Source
from core.i18n import Message
from core.runs.atomic_io import atomic_write
from core.spec.errors import InputError

TIMEOUT_SECONDS = 30
_CHUNK = 1 << 18


def source(data_folder: Path, cache: Path) -> Source:
    """CIFAR-10 in ``data_folder``, unpacked temporarily in ``cache``. Downloaded only when it is decoded."""
    return Source(CIFAR10.tgz_md5, partial(_decode, data_folder, cache))


def _decode(data_folder: Path, cache: Path, report: Report) -> Decoded:
    if (data_folder / CIFAR10.base_folder).is_dir():
        try:
            return _read(data_folder, report)
        except RuntimeError:  # a file is missing or has another MD5
            report(
                Message("{folder} is incomplete or damaged and not used", folder=data_folder / CIFAR10.base_folder), 0
            )
    archive = data_folder / CIFAR10.filename
    if not check_integrity(archive, CIFAR10.tgz_md5):
        _download(archive, report)
    # In a temporary folder: two processes never overwrite what the other one reads.
    with tempfile.TemporaryDirectory(prefix=".cifar10-", dir=cache) as folder, tarfile.open(archive) as packed:
        report(Message("Unpacking CIFAR-10"), 0)
        packed.extractall(folder, filter="data")
        return _read(Path(folder), report)


def _read(root: Path, report: Report) -> Decoded:
    """The batches under ``root``, each checked by its MD5; RuntimeError if one is not right."""
    report(Message("Reading CIFAR-10"), 0)
    train, test = CIFAR10(root, train=True), CIFAR10(root, train=False)
    arrays = [array for part in (train, test) for array in (np.ascontiguousarray(part.data), np.array(part.targets))]
    return Decoded(tuple(train.classes), *arrays)


def _download(archive: Path, report: Report) -> None:
    """Download the archive, check it and write it atomically."""
    state = Message("is damaged") if archive.exists() else Message("is missing")
    remedy = Message(
        "put {name} into {folder} yourself, or use folder:PATH or synthetic", name=archive.name, folder=archive.parent
    )
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(archive) as file, urllib.request.urlopen(CIFAR10.url, timeout=TIMEOUT_SECONDS) as response:
            size = int(response.headers.get("Content-Length") or 0)
            received = 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                report(Message("Downloading CIFAR-10"), min(1.0, received / size) if size else 0)
            file.flush()
            if not check_integrity(file.name, CIFAR10.tgz_md5):
                raise InputError(
                    "{archive} {state} and the download was damaged as well: try again, or {remedy}.",
                    archive=archive,
                    state=state,
                    remedy=remedy,
                )
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise InputError(
            "{archive} {state} and cannot be downloaded ({reason}): {remedy}.",
            archive=archive,
            state=state,
            reason=reason,
            remedy=remedy,
        ) from None
