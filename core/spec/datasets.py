"""The registry of published and drawn data sets, as data; how each is read: ``core/engine/data``. Pictures in a folder of
one's own are ``folder:PATH``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.i18n import N_, Message
from core.spec.errors import invalid_value

FOLDER_PREFIX = "folder:"
SYNTHETIC = "synthetic"
SIZES = (32, 48, 64, 96, 128, 224)  # pixels along a side that the pictures of a folder may be resized to
SIZE = SIZES[0]  # of all others
BORDER = 1 / 8  # of a side, around a picture, that random crops reach into: 4 pixels of 32
GIVEN, BY_NAME = "given", "by name"  # test pictures: those of the data set, or a fifth of them by a hash of the name


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set with the numbers of its ``classes`` and pictures; ``megabytes`` to download, 0 if there is nothing to."""

    name: str
    label: str
    citation: str
    classes: int
    train: int
    test: int
    megabytes: int


_KRIZHEVSKY = "A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009."
_ENTRIES = (
    DataSet("cifar10", "CIFAR-10", _KRIZHEVSKY, 10, 50_000, 10_000, 170),
    DataSet("cifar100", "CIFAR-100", _KRIZHEVSKY, 100, 50_000, 10_000, 169),
    DataSet(
        "svhn",
        "SVHN",
        "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng. Reading Digits in Natural Images with Unsupervised "
        "Feature Learning. NIPS Workshop on Deep Learning and Unsupervised Feature Learning 2011.",
        10,
        73_257,
        26_032,
        246,
    ),
    DataSet(
        "fashion_mnist",
        "Fashion-MNIST",
        "H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms. "
        "arXiv:1708.07747, 2017.",
        10,
        60_000,
        10_000,
        31,
    ),
    DataSet(SYNTHETIC, N_("Drawn pictures"), "", 10, 5_000, 1_000, 0),
)

DATASETS: dict[str, DataSet] = {data.name: data for data in _ENTRIES}


def check_data_name(data: Any) -> str:
    """``data`` if it names a data set; whether the data can be read is for the engine to find out."""
    if isinstance(data, str) and (data in DATASETS or (in_folder(data) and folder_of(data) and data.isprintable())):
        return data
    raise invalid_value("data", data, Message("{names} or folder:PATH", names=", ".join(DATASETS)))


def check_size(size: Any, data: str) -> int:
    """``size`` if pictures of ``data`` can have it."""
    if type(size) is int and size in (SIZES if in_folder(data) else (SIZE,)):
        return size
    if in_folder(data):
        raise invalid_value("size", size, Message("one of {choices}", choices=", ".join(map(str, SIZES))))
    raise invalid_value("size", size, Message("{size}, which the pictures of {data} have", size=SIZE, data=data))


def in_folder(data: str) -> bool:
    return data.startswith(FOLDER_PREFIX)


def folder_of(data: str) -> str:
    """The path in folder:PATH."""
    return data.removeprefix(FOLDER_PREFIX).strip()
