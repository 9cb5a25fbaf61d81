"""Published data sets without a network: small files in their formats, with checksums of their own."""

import email.message
import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import CIFAR10, CIFAR100, SVHN, FashionMNIST

from core.engine.data import load_dataset
from core.runs.folder import Home
from core.spec.datasets import DATASETS
from core.spec.errors import InputError

CLASSES = [f"class {number}" for number in range(10)]


def silent(message: str, fraction: float) -> None:
    """A report that nobody listens to."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).prepare()


@pytest.fixture
def archive(home: Home) -> Path:
    return home.data / CIFAR10.filename


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An archive of six batches with four pictures each; torchvision is made to expect its checksums."""
    buffer = io.BytesIO()
    sums = {}
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, name in enumerate([*(name for name, _ in CIFAR10.train_list + CIFAR10.test_list), "batches.meta"]):
            planes = np.full((4, 3, 1024), number, dtype=np.uint8)
            planes[:, 1], planes[:, 2, 33] = 100, 200
            batch = {"label_names": CLASSES, "data": planes.reshape(4, 3072), "labels": [0, 3, 9, number]}
            content = pickle.dumps(batch)
            sums[name] = hashlib.md5(content).hexdigest()
            info = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for attribute in ("train_list", "test_list"):
        monkeypatch.setattr(CIFAR10, attribute, [[name, sums[name]] for name, _ in getattr(CIFAR10, attribute)])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    return buffer.getvalue()


class Response(io.BytesIO):
    """What urlopen gives."""

    def __init__(self, content: bytes, claimed: int) -> None:
        super().__init__(content)
        self.headers = email.message.Message()
        self.headers["Content-Length"] = str(claimed)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes, claimed: int | None = None) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: Response(content, claimed or len(content)))


def test_offline_there_is_one_sentence_with_the_ways_on(home: Home) -> None:
    with pytest.raises(InputError) as caught:
        load_dataset("cifar10", home, silent)
    for part in ("cannot be downloaded (Name or service not known)", CIFAR10.filename, "folder:PATH", "synthetic"):
        assert part in str(caught.value)
    assert str(caught.value).isprintable()
    assert list(home.data.iterdir()) == []


def test_an_archive_put_there_by_hand_is_read(home: Home, archive: Path, packed: bytes) -> None:
    archive.parent.mkdir()
    archive.write_bytes(packed)
    data = load_dataset("cifar10", home, silent)
    assert data.classes == tuple(CLASSES)
    assert data.train.images.shape == (20, 32, 32, 3)
    assert data.train.images[4, 0, 0].tolist() == [1, 100, 1]
    assert data.train.images[4, 1, 1].tolist() == [1, 100, 200]
    assert data.test.labels.tolist() == [0, 3, 9, 5]
    assert [path.name for path in home.data.iterdir()] == [archive.name]
    archive.unlink()
    assert load_dataset("cifar10", home, silent).fingerprint == data.fingerprint  # decoded once is enough


def test_an_unpacked_archive_is_read(home: Home, packed: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(home.data, filter="data")
    assert len(load_dataset("cifar10", home, silent).test) == 4


def test_a_damaged_unpacked_batch_is_never_unpickled(home: Home, packed: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(home.data, filter="data")
    (home.data / CIFAR10.base_folder / "data_batch_3").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(InputError, match="is missing and cannot be downloaded"):
        load_dataset("cifar10", home, silent)


def test_a_download_is_reported_kept_and_read(
    home: Home, archive: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, packed)
    told: list[tuple[str, float]] = []
    data = load_dataset("cifar10", home, lambda message, fraction: told.append((str(message), fraction)))
    assert len(data.train) == 20
    assert ("Downloading CIFAR-10", 1.0) in told
    assert archive.read_bytes() == packed


def test_a_damaged_archive_is_replaced(
    home: Home, archive: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.parent.mkdir()
    archive.write_bytes(packed[:-10])
    with pytest.raises(InputError, match="is damaged and cannot be downloaded"):
        load_dataset("cifar10", home, silent)
    serve(monkeypatch, packed)
    assert len(load_dataset("cifar10", home, silent).train) == 20
    assert archive.read_bytes() == packed


@pytest.mark.parametrize("loss", [1, 100])
def test_a_download_that_ends_early_leaves_nothing(
    home: Home, packed: bytes, monkeypatch: pytest.MonkeyPatch, loss: int
) -> None:
    serve(monkeypatch, packed[:-loss], claimed=len(packed))
    with pytest.raises(InputError, match="the download was damaged"):
        load_dataset("cifar10", home, silent)
    assert list(home.data.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(home: Home, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaking(Response):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise TimeoutError("timed out")
            return super().read(50)

    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kwargs: Breaking(packed, len(packed)))
    with pytest.raises(InputError, match=r"cannot be downloaded \(timed out\)"):
        load_dataset("cifar10", home, silent)
    assert list(home.data.iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_named(home: Home) -> None:
    home.data.touch()
    with pytest.raises(InputError, match="cannot be downloaded"):
        load_dataset("cifar10", home, silent)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def cifar100(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    files = {
        "train": {"data": np.full((3, 3072), 7, np.uint8), "fine_labels": [0, 99, 5]},
        "test": {"data": np.full((2, 3072), 9, np.uint8), "fine_labels": [1, 2]},
        "meta": {"fine_label_names": [f"class {number}" for number in range(100)]},
    }
    contents = {name: pickle.dumps(content) for name, content in files.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"{CIFAR100.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for attribute in ("train", "test"):
        monkeypatch.setattr(CIFAR100, f"{attribute}_list", [[attribute, md5(contents[attribute])]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5(contents["meta"])})
    monkeypatch.setattr(CIFAR100, "tgz_md5", md5(buffer.getvalue()))
    return {CIFAR100.filename: buffer.getvalue()}


def svhn(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    files = {}
    for split, shade, labels in (("train", 7, [10, 9, 5]), ("test", 9, [1, 2])):
        buffer = io.BytesIO()
        pixels = np.full((32, 32, 3, len(labels)), shade, np.uint8)
        savemat(buffer, {"X": pixels, "y": np.array(labels, np.uint8)[:, None]})
        url, name, _ = SVHN.split_list[split]
        monkeypatch.setitem(SVHN.split_list, split, [url, name, md5(buffer.getvalue())])
        files[name] = buffer.getvalue()
    return files


def fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    packed = {}
    for split, shade, labels in (("train", 7, [0, 9, 5]), ("t10k", 9, [1, 2])):
        n = len(labels)
        pictures = struct.pack(">IIII", 0x803, n, 28, 28) + bytes([shade]) * n * 28 * 28
        packed[f"{split}-images-idx3-ubyte.gz"] = gzip.compress(pictures)
        packed[f"{split}-labels-idx1-ubyte.gz"] = gzip.compress(struct.pack(">II", 0x801, n) + bytes(labels))
    monkeypatch.setattr(FashionMNIST, "resources", [(name, md5(content)) for name, content in packed.items()])
    return {f"fashion-mnist-{name}": content for name, content in packed.items()}


@pytest.mark.parametrize("make", [cifar100, svhn, fashion_mnist], ids=lambda make: make.__name__)
def test_every_other_published_data_set_is_downloaded_checked_and_read(
    home: Home, monkeypatch: pytest.MonkeyPatch, make: Callable[[pytest.MonkeyPatch], dict[str, bytes]]
) -> None:
    name, files = make.__name__, make(monkeypatch)
    with pytest.raises(InputError, match="is missing and cannot be downloaded"):
        load_dataset(name, home, silent)
    left = iter(files.values())

    def respond(*args: object, **kwargs: object) -> Response:
        content = next(left)
        return Response(content, len(content))

    monkeypatch.setattr(urllib.request, "urlopen", respond)
    data = load_dataset(name, home, silent)
    assert len(data.classes) == DATASETS[name].classes
    assert data.train.images.shape == (3, 32, 32, 3)
    assert data.train.images[:, 16, 16].eq(7).all()
    assert data.test.images[:, 16, 16].eq(9).all()
    assert data.train.labels.tolist() == [0, 99 if name == "cifar100" else 9, 5]
    assert data.test.labels.tolist() == [1, 2]
    assert {path.name for path in home.data.iterdir()} == {*files}
