"""Loading: decoded once, read back whole, made again when the cache is damaged."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.engine.data import load_dataset
from core.engine.data.images import Dataset
from core.i18n import Message
from core.runs.folder import Home
from core.spec.errors import InputError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A folder with pictures of noise."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "pictures" / split / label
            folder.mkdir(parents=True)
            for number in range(3):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return f"folder:{tmp_path / 'pictures'}"


class Listener:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, message: Message, fraction: float) -> None:
        assert 0 <= fraction <= 1
        self.messages.append(str(message))


def load(name: str, home: Home) -> tuple[Dataset, list[str]]:
    """The data set, and what was reported."""
    listener = Listener()
    return load_dataset(name, home, listener), listener.messages


def assert_same(one: Dataset, other: Dataset) -> None:
    for split in ("train", "test"):
        assert torch.equal(getattr(one, split).images, getattr(other, split).images)
        assert torch.equal(getattr(one, split).labels, getattr(other, split).labels)
    assert (one.classes, one.mean, one.std, one.fingerprint) == (
        other.classes,
        other.mean,
        other.std,
        other.fingerprint,
    )


def entry(home: Home) -> Path:
    """The only file of cached pictures."""
    (path,) = (home.cache / "data").iterdir()
    return path


def test_a_second_load_decodes_nothing(name: str, home: Home) -> None:
    first, told = load(name, home)
    assert told
    second, told = load(name, home)
    assert told == []
    assert_same(first, second)


def test_a_data_set_says_what_it_is(name: str, home: Home) -> None:
    data = load_dataset(name, home, Listener())
    assert data.name == name
    assert data.classes == ("cat", "dog")
    assert data.train.images.shape == (6, 32, 32, 3)
    assert data.train.images.dtype == torch.uint8
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    pixels = data.train.images.numpy().reshape(-1, 3) / 255
    assert data.mean == pytest.approx(pixels.mean(0))
    assert data.std == pytest.approx(pixels.std(0))


def test_pictures_without_any_contrast_can_still_be_normalised(name: str, home: Home) -> None:
    for path in Path(name.removeprefix("folder:")).rglob("*.png"):
        Image.new("RGB", (32, 32), "red").save(path)
    assert min(load_dataset(name, home, Listener()).std) > 0


def test_a_changed_picture_is_seen(name: str, home: Home) -> None:
    before = load_dataset(name, home, Listener())
    Image.new("RGB", (32, 32), "red").save(Path(name.removeprefix("folder:")) / "train/cat/0.png")
    after, told = load(name, home)
    assert told
    assert after.train.images[0, 0, 0].tolist() == [255, 0, 0]
    assert after.fingerprint != before.fingerprint


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit_of_a_picture(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\x80garbage" * 100),
    "another object": lambda path: path.write_bytes(b"\x80\x04N."),
    "one bit": flip_a_bit_of_a_picture,
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_again(
    name: str, home: Home, damage: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = load_dataset(name, home, Listener())
    DAMAGE[damage](entry(home))
    again, told = load(name, home)
    assert "Decoding pictures" in told
    assert_same(first, again)
    assert load(name, home)[1] == []
    assert "Traceback" not in capfd.readouterr().err + caplog.text


def test_no_bit_of_an_entry_can_flip_unseen(name: str, home: Home) -> None:
    first = load_dataset(name, home, Listener())
    good = entry(home).read_bytes()
    for position in np.random.default_rng(0).integers(0, len(good), 40).tolist() + list(
        range(len(good) - 40, len(good))
    ):
        entry(home).write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        assert_same(first, load_dataset(name, home, Listener()))


def test_progress_goes_to_stderr_if_nobody_listens(name: str, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    load_dataset(name, home)
    captured = capsys.readouterr()
    assert "Decoding pictures: 100%" in captured.err
    assert captured.out == ""


LOAD_AND_DAMAGE = """
import os, pathlib, sys
from core.engine.data import load_dataset
from core.runs.folder import Home
home = Home(pathlib.Path(sys.argv[2]))
for _ in range(20):
    print(load_dataset(sys.argv[1], home, lambda message, fraction: None).fingerprint)
    for path in home.cache.rglob("*.pkl"):
        os.truncate(path, 100)
"""


def test_two_processes_at_once_get_the_same(name: str, home: Home) -> None:
    """Even while each spoils the entry that the other one is reading or making again."""
    fingerprint = load_dataset(name, home, Listener()).fingerprint
    command = [sys.executable, "-c", LOAD_AND_DAMAGE, name, str(home.path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert [out.split() for out, _ in answers] == [[fingerprint] * 20] * 2


def test_a_cache_that_cannot_be_written_is_named(name: str, home: Home) -> None:
    home.path.mkdir()
    home.cache.touch()
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_dataset(name, home, Listener())
    assert str(home.cache) in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "folder:", "", "folder:/nowhere/at/all"])
def test_data_that_do_not_exist_leave_no_trace(name: str, home: Home) -> None:
    with pytest.raises(InputError):
        load_dataset(name, home, Listener())
    assert not home.path.exists()
