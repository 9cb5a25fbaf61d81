"""Pictures as files: what is read, and how each mistake in a folder is named."""

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.engine.data import folder
from core.engine.data.images import Decoded
from core.spec.errors import InputError


def colour(shade: int) -> Image.Image:
    return Image.new("RGB", (32, 32), (shade, 2 * shade, 255 - shade))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with two pictures each to train on and one to test on."""
    for split, shades in (("train", (10, 20)), ("test", (30,))):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / split / name).mkdir(parents=True)
            for shade in shades:
                colour(shade + label).save(tmp_path / split / name / f"{shade}.png")
    return tmp_path


def decode(root: Path, size: int = 32) -> Decoded:
    return folder.source(root, size).decode(lambda message, fraction: None)


def test_pictures_and_labels_are_in_order_of_class_and_name(root: Path) -> None:
    decoded = decode(root)
    assert decoded.classes == ("cat", "dog")
    assert decoded.train_images[:, 0, 0, 0].tolist() == [10, 20, 11, 21]
    assert decoded.train_labels.tolist() == [0, 0, 1, 1]
    assert decoded.test_images[:, 0, 0, 0].tolist() == [30, 31]
    assert decoded.test_labels.tolist() == [0, 1]
    assert decoded.train_images.dtype == np.uint8


def test_more_pictures_than_one_thread_takes_at_once_keep_their_order(root: Path) -> None:
    for number in range(600):
        colour(number % 100).save(root / "train/cat" / f"a{number:03}.bmp")
    assert decode(root).train_images[2:602, 5, 7, 0].tolist() == [number % 100 for number in range(600)]


@pytest.mark.parametrize("name", ["p.jpg", "p.JPEG", "p.webp", "p.bmp", "p.PNG"])
def test_all_named_formats_are_read(root: Path, name: str) -> None:
    (root / "test/cat/30.png").unlink()
    colour(70).save(root / "test/cat" / name)
    assert np.abs(decode(root).test_images[0].astype(int) - np.array([70, 140, 185])).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_become_rgb(root: Path, mode: str) -> None:
    Image.new("RGB", (32, 32), "white").convert(mode).save(root / "test/cat/30.png")
    assert (decode(root).test_images[0] == 255).all()


def test_a_palette_with_transparency_is_read_without_a_warning(root: Path) -> None:
    picture = colour(90)
    picture.paste("white", (0, 0, 3, 3))
    picture.convert("P", palette=Image.Palette.ADAPTIVE).save(root / "test/cat/30.png", transparency=b"\x40\x80")
    assert decode(root).test_images[0, 3, 3].tolist() == [90, 180, 165]


@pytest.mark.parametrize("size", [32, 64])
def test_pictures_of_any_size_are_cropped_in_the_middle_and_smoothed(root: Path, size: int) -> None:
    picture = Image.new("RGB", (400, 160), "red")
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::2] = 255
    picture.paste(Image.fromarray(stripes), (120, 0))
    picture.save(root / "test/cat/30.png")
    picture.resize((20, 8)).save(root / "train/cat/10.png")
    decoded = decode(root, size)
    assert decoded.test_images.shape == (2, size, size, 3)
    # Stripes of one pixel become grey: every second pixel alone would be black or white.
    assert np.abs(decoded.test_images[0, :, 2:-2].astype(int) - 127).max() < 30
    assert decoded.train_images.shape == (4, size, size, 3)


def test_a_class_may_be_called_train(root: Path) -> None:
    class_folders(root)
    (root / "cat").rename(root / "train")
    assert decode(root).classes == ("dog", "train")


def test_a_photograph_is_turned_as_exif_says(root: Path) -> None:
    picture = Image.new("RGB", (64, 64), "black")
    picture.paste("white", (0, 0, 64, 32))  # bright above
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by a quarter: what is above comes to the right
    picture.save(root / "test/cat/30.jpg", exif=exif)
    (root / "test/cat/30.png").unlink()
    turned = decode(root).test_images[0]
    assert turned[16, 28].min() > 200
    assert turned[16, 3].max() < 50


def test_class_folders_alone_are_split_by_the_names_of_the_files(root: Path) -> None:
    assert folder.source(root).test_split == "given"
    class_folders(root)
    for label, name in enumerate(("cat", "dog")):
        for shade in range(30, 38):
            colour(shade + label).save(root / name / f"{shade}.png")
    source = folder.source(root)
    assert source.test_split == "by name"
    decoded = decode(root)
    assert decoded.classes == ("cat", "dog")
    assert decoded.train_labels.tolist() == [0] * 8 + [1] * 8
    assert decoded.test_labels.tolist() == [0] * 2 + [1] * 2
    tested = decoded.test_images[:, 0, 0, 0].tolist()
    assert not {*tested} & {*decoded.train_images[decoded.train_labels == 0, 0, 0, 0].tolist()} - {*tested[2:]}
    assert tested[0] + 1 == tested[2]  # the same names in each class
    moved = root.with_name("moved")
    root.rename(moved)
    assert (decode(moved).test_images == decoded.test_images).all()


def test_more_memory_than_there_may_be_is_refused_before_anything_is_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_DECODED_BYTES", 6 * 3 * 32**2)
    folder.source(root)
    with pytest.raises(InputError, match="choose a smaller size"):
        folder.source(root, 48)


def test_hidden_files_are_passed_over(root: Path) -> None:
    (root / "train/.DS_Store").touch()
    (root / "train/cat/.thumbs.txt").touch()
    (root / "test/.cache").mkdir()
    assert len(decode(root).train_labels) == 4


def test_the_version_changes_with_any_file(root: Path) -> None:
    versions = {folder.source(root).version}
    picture = root / "train/cat/10.png"
    os.utime(picture, (1_000, 1_000))
    versions.add(folder.source(root).version)
    picture.write_bytes(picture.read_bytes() + b"x")
    os.utime(picture, (1_000, 1_000))
    versions.add(folder.source(root).version)
    picture.rename(picture.with_name("11.png"))
    versions.add(folder.source(root).version)
    assert len(versions) == 4
    assert folder.source(root).version in versions


def png(width: int, height: int) -> bytes:
    """A PNG file that claims a size and has next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(4096))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def replace_first(data: bytes) -> Callable[[Path], None]:
    return lambda root: (root / "train/cat/10.png").write_bytes(data) and None


def sixteen_bit(root: Path) -> None:
    Image.new("I;16", (32, 32)).save(root / "train/cat/10.png")


def half_a_jpeg(root: Path) -> None:
    path = root / "train/cat/15.jpg"
    colour(3).save(path)
    path.write_bytes(path.read_bytes()[:-200])


def newline_in_a_name(root: Path) -> None:
    (root / "train/cat/a\nb.png").touch()


def undecodable_name(root: Path) -> None:
    (root / "train/cat" / os.fsdecode(b"a\xff.png")).touch()


def undecodable_class(root: Path) -> None:
    for split in ("train", "test"):
        (root / split / os.fsdecode(b"c\xff")).mkdir()


def one_class(root: Path) -> None:
    for split in ("train", "test"):
        (root / split / "dog").rename(root / f"{split}-dog")


def no_classes(root: Path) -> None:
    for split in ("train", "test"):
        (root / split).rename(root / f"{split}-before")
        (root / split).mkdir()


def class_folders(root: Path) -> None:
    """One folder for each class, and nothing else."""
    for name in ("cat", "dog"):
        (root / "train" / name).rename(root / name)
    shutil.rmtree(root / "train")
    shutil.rmtree(root / "test")


def one_picture_to_split(root: Path) -> None:
    class_folders(root)
    (root / "cat/10.png").unlink()


def one_class_to_split(root: Path) -> None:
    class_folders(root)
    shutil.rmtree(root / "dog")


def pictures_without_classes(root: Path) -> None:
    class_folders(root)
    (root / "cat/10.png").rename(root / "10.png")


def emptied(root: Path) -> None:
    (root / "test/dog/30.png").unlink()


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no train": (lambda root: (root / "train").rename(root / "training"), "no folder train/"),
    "no test": (lambda root: (root / "test").rename(root / "val"), "no folder test/"),
    "no class folders": (no_classes, "train has 0 class folders"),
    "one class": (one_class, "train has 1 class folders"),
    "empty class": (emptied, "test/dog has no pictures"),
    "class only in test": (lambda root: (root / "test/fox").mkdir(), "only one has fox"),
    "class only in train": (lambda root: (root / "train/owl").mkdir(), "only one has owl"),
    "file beside the classes": (lambda root: (root / "train/readme.txt").touch(), "train/readme.txt is not a folder"),
    "not a picture": (lambda root: (root / "test/cat/notes.txt").touch(), "test/cat/notes.txt is not a picture file"),
    "folder in a class": (lambda root: (root / "test/cat/x.png").mkdir(), "test/cat/x.png is not a picture file"),
    "pipe": (lambda root: os.mkfifo(root / "test/cat/x.png"), "test/cat/x.png is not a picture file"),
    "dangling link": (lambda root: (root / "test/cat/x.png").symlink_to("gone"), "x.png is not a picture file"),
    "16 bit": (sixteen_bit, "train/cat/10.png has pixels of mode I;16"),
    "empty file": (replace_first(b""), "train/cat/10.png cannot be read"),
    "text": (replace_first(b"not a picture"), "train/cat/10.png cannot be read"),
    "only a signature": (replace_first(b"\x89PNG\r\n\x1a\n"), "train/cat/10.png cannot be read"),
    "half a picture": (half_a_jpeg, "train/cat/15.jpg cannot be read"),
    "large claim": (replace_first(png(10_000, 10_000)), "train/cat/10.png is too large"),
    "bomb": (replace_first(png(2_000_000, 2_000_000)), "train/cat/10.png is too large"),
    "large file": (replace_first(bytes(33 << 20)), "train/cat/10.png has 34,603,008 bytes"),
    "one picture to split": (one_picture_to_split, "class cat has one picture"),
    "one class to split": (one_class_to_split, "has 1 class folders"),
    "pictures without classes": (pictures_without_classes, "10.png is not a folder"),
    "another format inside": (replace_first(b"GIF89a" + bytes(64)), "train/cat/10.png cannot be read"),
    "line break in a name": (newline_in_a_name, "a\\nb.png cannot be read"),
    "name that is no text": (undecodable_name, "a\\udcff.png cannot be read"),
    "class name that is no text": (undecodable_class, "c\\udcff: the name of a class"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_in_one_printable_line(root: Path, mistake: str) -> None:
    make, named = MISTAKES[mistake]
    make(root)
    with pytest.raises(InputError) as caught:
        decode(root)
    assert named in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is not a folder"):
        folder.source(tmp_path / "nowhere")


def test_a_file_that_vanishes_before_it_is_decoded_is_named(root: Path) -> None:
    source = folder.source(root)
    (root / "test/cat/30.png").unlink()
    with pytest.raises(InputError, match=r"test/cat/30\.png cannot be read \(No such file"):
        source.decode(lambda message, fraction: None)


def test_too_many_pictures_are_refused_before_any_is_decoded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAX_IMAGES", 5)
    with pytest.raises(InputError, match="more than 5 pictures"):
        folder.source(root)


def test_progress_ends_at_one(root: Path) -> None:
    told: list[tuple[str, float]] = []
    folder.source(root).decode(lambda message, fraction: told.append((str(message), fraction)))
    assert told[-1] == ("Decoding pictures", 1.0)
