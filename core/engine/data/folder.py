"""``folder:PATH``: image files of any size, laid out as train/<class>/* and test/<class>/*, or as <class>/*: then a fifth of
each class is for testing, chosen by a hash of the file's name."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.engine.data.images import Decoded, Report, Source
from core.i18n import Message
from core.spec.datasets import BY_NAME, GIVEN, SIZE
from core.spec.errors import InputError, os_reason

FORMATS = {".bmp": "BMP", ".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
SUFFIXES = tuple(FORMATS)
MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})  # all with 8 bits a channel or fewer
MAX_FILE_BYTES = 32 << 20
MAX_PIXELS = 50_000_000  # of a file
MAX_IMAGES = 300_000
MAX_DECODED_BYTES = 2 << 30  # training needs about three times as much memory
MAX_CLASSES = 1_000
TEST_SHARE = 0.2
SPLITS = ("train", "test")
LAYOUT = Message("lay the pictures out as train/<class>/* and test/<class>/*, or as <class>/*")
_CHUNK = 256  # files a thread decodes at once


class ImageFile(NamedTuple):
    """One file, with size and time to detect changes."""

    path: str
    label: int
    size: int
    modified_ns: int


class Listing(NamedTuple):
    """Every image file of a folder, in order of class and name; ``test_split`` as in :class:`Source`."""

    classes: tuple[str, ...]
    train: list[ImageFile]
    test: list[ImageFile]
    test_split: str = GIVEN

    @property
    def total(self) -> int:
        return len(self.train) + len(self.test)


def source(root: Path, size: int = SIZE) -> Source:
    """The images under ``root``, listed but not decoded, which come out ``size`` pixels along a side; InputError if the
    layout is not accepted."""
    listing = scan(root)
    decoded_bytes = listing.total * 3 * size**2
    if decoded_bytes > MAX_DECODED_BYTES:
        raise InputError(
            "{path}: {n:,} pictures of {size}x{size} pixels take {needed:.1f} GB of memory, and at most {most:.1f} are "
            "used: choose a smaller size, or give fewer.",
            path=_printable(root),
            n=listing.total,
            size=size,
            needed=decoded_bytes / 1e9,
            most=MAX_DECODED_BYTES / 1e9,
        )
    signature = _signature(listing)
    version = signature if size == SIZE else f"{signature} {size}"
    return Source(version, partial(_decode, listing, size), listing.test_split)


def scan(root: Path) -> Listing:
    """What there is under ``root``."""
    if not root.is_dir():
        raise InputError("{path} is not a folder: {layout} and give folder:PATH.", path=_printable(root), layout=LAYOUT)
    if not any(_is_split(root / split) for split in SPLITS):
        classes = _class_names(root)
        return _split_by_name(classes, _image_files_of(root, classes, MAX_IMAGES))
    classes = _class_names(root / "train")
    test_classes = _class_names(root / "test")
    if differing := sorted({*classes} ^ {*test_classes}):
        raise InputError(
            "{path}: train/ and test/ need the same classes, but only one has {classes}.",
            path=_printable(root),
            classes=", ".join(differing[:3]),
        )
    train = _image_files_of(root / "train", classes, MAX_IMAGES)
    return Listing(tuple(classes), train, _image_files_of(root / "test", classes, MAX_IMAGES - len(train)))


def _split_by_name(classes: list[str], files: list[ImageFile]) -> Listing:
    """A fifth of each class for testing, and at least one picture: those whose names have the lowest hashes."""
    test: set[ImageFile] = set()
    for label, name in enumerate(classes):
        own = sorted((file for file in files if file.label == label), key=_hash_of_name)
        if len(own) < 2:
            raise InputError(
                "The class {name} has one picture: give at least two, one to train with and one to test with.",
                name=name,
            )
        test.update(own[: max(1, round(TEST_SHARE * len(own)))])
    train = [file for file in files if file not in test]
    return Listing(tuple(classes), train, [file for file in files if file in test], BY_NAME)


def _hash_of_name(file: ImageFile) -> bytes:
    return hashlib.sha256(os.fsencode(os.path.basename(file.path))).digest()  # noqa: PTH119 - of 300,000 paths


def _image_files_of(split: Path, classes: list[str], limit: int) -> list[ImageFile]:
    files: list[ImageFile] = []
    for label, name in enumerate(classes):
        files += _image_files(split / name, label, limit - len(files))
    return files


def _is_split(path: Path) -> bool:
    """Whether there may be classes in ``path``: a class, too, may be called train."""
    if not path.is_dir():
        return False
    entries = _list_entries(path)
    return not entries or any(entry.is_dir() for entry in entries)


def _class_names(split: Path) -> list[str]:
    if not split.is_dir():
        raise InputError(
            "{path} has no folder {name}/: {layout}.", path=_printable(split.parent), name=split.name, layout=LAYOUT
        )
    names = []
    for entry in _list_entries(split):
        if not entry.is_dir():
            raise InputError("{path} is not a folder: {layout}.", path=_printable(entry.path), layout=LAYOUT)
        if not entry.name.isprintable():
            raise InputError("{path}: the name of a class needs to be printable text.", path=_printable(entry.path))
        names.append(entry.name)
    if not 2 <= len(names) <= MAX_CLASSES:
        raise InputError(
            "{path} has {n} class folders: {layout}, with from 2 to {most:,} classes.",
            layout=LAYOUT,
            path=_printable(split),
            n=len(names),
            most=MAX_CLASSES,
        )
    return names


def _image_files(folder: Path, label: int, limit: int) -> list[ImageFile]:
    files = []
    for entry in _list_entries(folder, limit):
        if not entry.is_file() or not entry.name.lower().endswith(SUFFIXES):
            raise InputError(
                "{path} is not a picture file: give {endings} files only.",
                path=_printable(entry.path),
                endings=", ".join(SUFFIXES),
            )
        stat = entry.stat()
        if stat.st_size > MAX_FILE_BYTES:
            raise InputError(
                "{path} has {size:,} bytes: give pictures of at most {most:,} bytes.",
                path=_printable(entry.path),
                size=stat.st_size,
                most=MAX_FILE_BYTES,
            )
        files.append(ImageFile(entry.path, label, stat.st_size, stat.st_mtime_ns))
    if not files:
        raise InputError("{path} has no pictures: give at least one in every class.", path=_printable(folder))
    return files


def _list_entries(folder: Path, limit: int = MAX_IMAGES) -> list[os.DirEntry[str]]:
    """The entries of ``folder`` by name, without hidden files; InputError as soon as there are more than ``limit``."""
    entries: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as iterator:
            for entry in iterator:
                if entry.name.startswith("."):
                    continue
                if len(entries) == limit:
                    raise InputError(
                        "{path}: there are more than {most:,} pictures: give fewer.",
                        path=_printable(folder),
                        most=MAX_IMAGES,
                    )
                entries.append(entry)
    except OSError as error:
        raise InputError(
            "{path} cannot be read ({reason}): make it readable.", path=_printable(folder), reason=os_reason(error)
        ) from None
    return sorted(entries, key=lambda entry: entry.name)


def _signature(listing: Listing) -> str:
    """A hash of names, sizes and times of all files: it changes when an image does."""
    files = (*listing.train, *listing.test)
    text = "\0".join(f"{file.path}\0{file.size}\0{file.modified_ns}" for file in files)
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def _decode(listing: Listing, size: int, report: Report) -> Decoded:
    """All images, [n, size, size, 3]; InputError that names the first file, in order, that is not accepted."""
    splits = (listing.train, listing.test)
    images = [np.empty((len(files), size, size, 3), dtype=np.uint8) for files in splits]
    chunks = [
        (files[start : start + _CHUNK], pixels[start : start + _CHUNK])
        for files, pixels in zip(splits, images, strict=True)
        for start in range(0, len(files), _CHUNK)
    ]
    threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        for done, _ in enumerate(threads.map(_decode_chunk, *zip(*chunks, strict=True)), start=1):
            report(Message("Decoding pictures"), done / len(chunks))
    finally:
        threads.shutdown(cancel_futures=True)
    labels = [np.array([file.label for file in files], dtype=np.int64) for files in splits]
    return Decoded(listing.classes, images[0], labels[0], images[1], labels[1])


def _decode_chunk(files: list[ImageFile], pixels: NDArray[np.uint8]) -> None:
    for file, target in zip(files, pixels, strict=True):
        target[:] = _decode_image(file.path, len(target))


def _decode_image(path: str, size: int) -> NDArray[np.uint8]:
    """The image at ``path``, upright as EXIF says, resized with antialiasing so that a square of ``size`` pixels is covered,
    and cropped to it: uint8 [size, size, 3]. The header is checked before pixels are decompressed."""
    try:
        with Image.open(io.BytesIO(Path(path).read_bytes()), formats=tuple(set(FORMATS.values()))) as image:
            _check_header(path, image)
            image.draft(None, (4 * size, 4 * size))  # a JPEG is decoded at a fraction of its size, if that is enough
            image.info.pop("transparency", None)  # transparent pixels keep their colour
            pixels: Image.Image = image if image.mode == "RGB" else image.convert("RGB")
            if pixels.size != (size, size):  # before it is turned: of a large picture that is a copy
                pixels = ImageOps.fit(pixels, (size, size), Image.Resampling.BICUBIC)
            return np.asarray(ImageOps.exif_transpose(pixels))
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path) from None
    except Exception as error:  # decoders raise anything from struct.error to IndexError when a file is broken
        reason = os_reason(error) if isinstance(error, OSError) and error.strerror else Message("not a whole picture")
        raise InputError(
            "{path} cannot be read ({reason}): repair or remove it.", path=_printable(path), reason=reason
        ) from None


def _check_header(path: str, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path)
    if image.mode not in MODES:
        raise InputError(
            "{path} has pixels of mode {mode}: give 8 bits a channel.", path=_printable(path), mode=image.mode
        )


def _too_large(path: str) -> InputError:
    most = MAX_PIXELS // 1_000_000
    return InputError("{path} is too large: give at most {most} megapixels.", path=_printable(path), most=most)


def _printable(path: str | Path) -> str:
    """``path`` as one printable line, with escapes for other characters."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(path))
