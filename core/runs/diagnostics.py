"""An examination: what the network of a finished run looks like inside, where it errs, and what its file consists of."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.i18n import Message
from core.runs.atomic_io import parse_object, read_regular_file, with_checksum, write_json
from core.runs.folder import RunFolder
from core.spec.errors import InputError, invalid_value, os_reason
from core.spec.validate import check_float, check_int, check_keys

BINS = 41  # of a histogram of weights; odd, so that one lies around zero
MAX_MISTAKES = 18  # pictures kept
MAX_CLASSES = 100  # of a confusion matrix that is kept: more would make a file of megabytes
SIDE = 32  # pixels of a picture
# Parts of a compressed file: the weights, where among the zeros they belong, BatchNorm, the last layer's bias, and names.
PARTS = ("values", "positions", "norm", "bias", "header")
_MAX_FILE_BYTES = 4 << 20
_MAX_PICTURE_BYTES = 16 << 10
_MANY = 10**12
_CHANNELS = 4096
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution or the linear layer. ``zeros`` of its weights are zero; ``counts``: the others in BINS equal bins
    from -``limit`` to ``limit``. ``filters``: of each filter of the dense network the percentage of its weights that is
    left, rounded up; None for the linear layer, and where the filters are none of the dense network's."""

    name: str
    shape: tuple[int, ...]
    dense_shape: tuple[int, ...]
    zeros: int
    limit: float
    counts: tuple[int, ...]
    filters: tuple[int, ...] | None

    @property
    def density(self) -> float:
        """The share of the dense network's weights that is left."""
        return (math.prod(self.shape) - self.zeros) / math.prod(self.dense_shape)

    @property
    def filters_left(self) -> int:
        """How many filters still have a weight; of a physically smaller layer those that there are."""
        return self.shape[0] if self.filters is None else sum(left > 0 for left in self.filters)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A test picture, its class and the one it was taken for, with what confidence (percent). ``picture``: a PNG file."""

    index: int
    truth: int
    predicted: int
    confidence: float
    picture: bytes


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What was found out about the network of one run. ``model`` and ``dense``: the SHA-256 of the file of this network and
    of the dense one, ``data``: the fingerprint of the data set. By class: how many test ``pictures`` there are, and how
    many of them this network and the dense one get right; ``confusion``: of the pictures of a class (row) how many were
    taken for which (column), empty beyond MAX_CLASSES. ``lost`` and ``gained``: pictures that only the dense network gets
    right, and only this one; ``mistakes``: those lost, of a dense run those it gets wrong, the most confident first.
    ``parts``: bytes of the file by PARTS; the sizes are in bytes, too."""

    run_id: str
    model: str
    dense: str
    data: str
    classes: tuple[str, ...]
    pictures: tuple[int, ...]
    correct: tuple[int, ...]
    dense_correct: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    lost: int
    gained: int
    mistakes: tuple[Mistake, ...]
    layers: tuple[Layer, ...]
    parts: Mapping[str, int]
    plain_size: int
    dense_size: int
    dense_plain_size: int

    @property
    def accuracy(self) -> float:
        """Percent of all test pictures."""
        return 100 * sum(self.correct) / sum(self.pictures)

    @property
    def size(self) -> int:
        """Bytes of the compressed file."""
        return sum(self.parts.values())


def diagnostics_path(folder: RunFolder) -> Path:
    """Where the examination of the run in ``folder`` is kept."""
    return folder.path / "examination.json"


def write_diagnostics(folder: RunFolder, found: Diagnostics) -> None:
    """Keep ``found`` in the run's folder; OSError if the disk refuses."""
    data = asdict(found)
    # Many small numbers as one line each: a tenth of the size, and still to be read by a person.
    for name in ("pictures", "correct", "dense_correct"):
        data[name] = _line(data[name])
    data["confusion"] = [_line(row) for row in found.confusion]
    for layer in data["layers"]:
        layer["counts"] = _line(layer["counts"])
        layer["filters"] = layer["filters"] and _line(layer["filters"])
    for mistake in data["mistakes"]:
        mistake["picture"] = base64.b64encode(mistake["picture"]).decode()
    write_json(diagnostics_path(folder), with_checksum(data))


def read_diagnostics(folder: RunFolder) -> Diagnostics | None:
    """What is kept in the run's folder, None if there is nothing; InputError if it is damaged or another run's."""
    try:
        raw = read_regular_file(diagnostics_path(folder))
        if len(raw) > _MAX_FILE_BYTES:
            raise InputError("it is too large")
        found = _checked(parse_object(raw))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            "{run}: examination.json cannot be read ({reason}).", run=folder.run_id, reason=os_reason(error)
        ) from None
    except ValueError as error:  # InputError is one
        raise InputError("{run}: examination.json is damaged: {reason}", run=folder.run_id, reason=error) from None
    if found.run_id != folder.run_id:
        raise InputError("{run}: examination.json is that of another run.", run=folder.run_id)
    return found


def is_of(found: Diagnostics, result: Mapping[str, Any]) -> bool:
    """Whether ``found`` was made of the very network that ``result`` was measured on, as far as the result says."""
    return result.get("model_sha256") in (None, found.model)


def _line(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _checked(data: dict[str, Any]) -> Diagnostics:
    top = check_keys("the examination", data, [field.name for field in fields(Diagnostics)])
    for name in ("run_id", "model", "dense", "data"):
        _text(name, top[name])
    classes = tuple(_text("class", name) for name in _list("classes", top["classes"], _CHANNELS))
    n = len(classes)
    pictures = _numbers("pictures", top["pictures"], n)
    confusion = tuple(_numbers("confusion", row, n) for row in _list("confusion", top["confusion"], MAX_CLASSES))
    by_class = {name: _numbers(name, top[name], n) for name in ("correct", "dense_correct")}
    for name, counts in by_class.items():
        if any(count > of for count, of in zip(counts, pictures, strict=True)):
            raise invalid_value(name, top[name], Message("no more than there are pictures of each class"))
    if confusion and ([sum(row) for row in confusion], _diagonal(confusion)) != (list(pictures), by_class["correct"]):
        raise InputError("its confusion matrix does not fit its other counts.")
    if not sum(pictures):
        raise InputError("it has no pictures.")
    for name in ("lost", "gained"):
        check_int(name, top[name], 0, sum(pictures))
    for name in ("plain_size", "dense_size", "dense_plain_size"):
        check_int(name, top[name], 1, _MANY)
    parts = check_keys("parts", top["parts"], PARTS)
    for name, size in parts.items():
        check_int(name, size, 0, _MANY)
    rest = {
        "classes": classes,
        "pictures": pictures,
        "confusion": confusion,
        "mistakes": tuple(_mistake(item, n) for item in _list("mistakes", top["mistakes"], MAX_MISTAKES)),
        "layers": tuple(map(_layer, _list("layers", top["layers"], 1000))),
        "parts": parts,
    }
    return Diagnostics(**{**top, **by_class, **rest})


def _diagonal(confusion: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(row[place] for place, row in enumerate(confusion))


def _layer(data: Any) -> Layer:
    part = check_keys("a layer", data, [field.name for field in fields(Layer)])
    shapes = [_shape(part[name]) for name in ("shape", "dense_shape")]
    shape, dense = shapes
    if len(shape) != len(dense) or any(here > there for here, there in zip(shape, dense, strict=True)):
        raise invalid_value("shape", part["shape"], Message("one within that of the dense network"))
    counts = _numbers("counts", part["counts"], BINS)
    zeros = check_int("zeros", part["zeros"], 0, math.prod(shape))
    if zeros + sum(counts) > math.prod(shape):
        raise invalid_value("counts", part["counts"], Message("no more than there are weights"))
    filters = None if part["filters"] is None else _numbers("filters", part["filters"], dense[0], 100)
    return Layer(
        _text("layer", part["name"]), shape, dense, zeros, check_float("limit", part["limit"], 0, 1e30), counts, filters
    )


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(check_int("shape", size, 1, _CHANNELS) for size in _list("shape", value, 4))
    if len(shape) not in (2, 4):
        raise invalid_value("shape", value, Message("two or four numbers"))
    return shape


def _mistake(data: Any, classes: int) -> Mistake:
    part = check_keys("a mistake", data, [field.name for field in fields(Mistake)])
    try:
        picture = base64.b64decode(_text("picture", part["picture"], 2 * _MAX_PICTURE_BYTES), validate=True)
    except (binascii.Error, UnicodeError):
        picture = b""
    # The size stands in the header: a picture that unfolds to gigabytes never reaches a browser.
    size = (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24]))
    if not picture.startswith(_PNG) or size != (SIDE, SIDE):
        raise invalid_value("picture", part["picture"], Message("a PNG file of {side} x {side} pixels", side=SIDE))
    return Mistake(
        check_int("index", part["index"], 0, _MANY),
        check_int("truth", part["truth"], 0, classes - 1),
        check_int("predicted", part["predicted"], 0, classes - 1),
        check_float("confidence", part["confidence"], 0, 100),
        picture,
    )


def _text(field: str, value: Any, longest: int = 300) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise invalid_value(field, value, Message("a text of at most {longest} letters", longest=longest))
    return value


def _list(field: str, value: Any, longest: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > longest:
        raise invalid_value(field, value, Message("a list of at most {longest} entries", longest=longest))
    return value


def _numbers(field: str, value: Any, count: int, high: int = _MANY) -> tuple[int, ...]:
    """The ``count`` whole numbers up to ``high`` in a line of them."""
    accepted = Message("{count} whole numbers up to {high}, with a space between them", count=count, high=high)
    words = value.split(" ") if isinstance(value, str) else []
    if len(words) != count or not all(word.isascii() and word.isdigit() and len(word) < 15 for word in words):
        raise invalid_value(field, value, accepted)
    numbers = tuple(map(int, words))
    if max(numbers, default=0) > high:
        raise invalid_value(field, value, accepted)
    return numbers
