"""The record of a run's diagnostics: what its network looks like inside, where it errs, and what its file consists of."""

from __future__ import annotations

import base64
import binascii
import math
import operator
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    model_validator,
)
from pydantic.dataclasses import dataclass

from core.runs.atomic_io import with_checksum, write_json
from core.runs.folder import RunFolder
from core.runs.record import EXACT, AtLeastOne, Count, Percent, read_record
from core.spec.errors import InputError

BINS = 41  # of a histogram of weights; odd, so that one lies around zero
MAX_MISTAKES = 18  # pictures in the record
MAX_CLASSES = 100  # of a confusion matrix: more would make a file of megabytes
SIDES = (32, 48, 64)  # pixels of a picture; larger ones are made smaller
# Parts of a compressed file: the weights, where among the zeros they belong, BatchNorm, the last layer's bias, and names.
PARTS = ("values", "positions", "norm", "bias", "header")
_MAX_FILE_BYTES = 4 << 20
_MAX_PICTURE_BYTES = 16 << 10
_MAX_CHANNELS = 4096
_MAX_DIGITS = 14
_PNG = b"\x89PNG\r\n\x1a\n"


def _parse_line(value: Any) -> Any:
    """The numbers of a line of them; of a list in a file it says that it is none."""
    if isinstance(value, tuple):
        return value
    words = value.split(" ") if isinstance(value, str) else [""]
    if not all(word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS for word in words):
        raise ValueError("not a line of whole numbers")
    return tuple(map(int, words))


def _parse_png(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value
    except (binascii.Error, UnicodeError):
        return b""


def _check_png(picture: bytes) -> bytes:
    # The size stands in the header: a picture that unfolds to gigabytes never reaches a browser.
    width, height = int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])
    if not picture.startswith(_PNG) or width != height or width not in SIDES:
        raise InputError("a picture is not a square PNG file of {sides} pixels", sides=", ".join(map(str, SIDES)))
    return picture


def _check_parts(parts: Mapping[str, int]) -> Mapping[str, int]:
    if set(parts) != set(PARTS):
        raise InputError("parts are not {parts}", parts=", ".join(PARTS))
    return parts


# Many small numbers are one line each in the file: a tenth of the size, and still to be read by a person.
Line = Annotated[
    tuple[Count, ...], BeforeValidator(_parse_line), PlainSerializer(lambda numbers: " ".join(map(str, numbers)))
]
Png = Annotated[
    bytes,
    BeforeValidator(_parse_png),
    Field(max_length=_MAX_PICTURE_BYTES),
    AfterValidator(_check_png),
    PlainSerializer(lambda picture: base64.b64encode(picture).decode()),
]
Text = Annotated[str, StringConstraints(max_length=300)]
Channels = Annotated[AtLeastOne, Field(le=_MAX_CHANNELS)]
Shape = Annotated[tuple[Channels, ...], Field(min_length=2, max_length=4)]


@dataclass(frozen=True, slots=True, config=EXACT)
class Layer:
    """One convolution or the linear layer. ``zeros`` of its weights are zero; ``counts``: the others in BINS equal bins
    from -``limit`` to ``limit``. ``filters``: of each filter of the dense network the percentage of its weights that is
    left, rounded up; None for the linear layer, and where the filters are none of the dense network's."""

    name: Text
    shape: Shape
    dense_shape: Shape
    zeros: Count
    limit: Annotated[float, Field(strict=True, ge=0, le=1e30)]
    counts: Line
    filters: Line | None

    @model_validator(mode="after")
    def _check(self) -> Layer:
        grew = any(map(operator.gt, self.shape, self.dense_shape))
        if len(self.shape) != len(self.dense_shape) or len(self.shape) == 3 or grew:
            raise InputError("the shape of {layer} is not within that of the dense network", layer=self.name)
        if len(self.counts) != BINS or self.zeros + sum(self.counts) > math.prod(self.shape):
            raise InputError("the histogram of {layer} does not fit its weights", layer=self.name)
        if self.filters is not None and (len(self.filters) != self.dense_shape[0] or max(self.filters) > 100):
            raise InputError("the filters of {layer} are not a percentage each", layer=self.name)
        return self

    @property
    def density(self) -> float:
        """The share of the dense network's weights that is left."""
        return (math.prod(self.shape) - self.zeros) / math.prod(self.dense_shape)

    @property
    def filters_left(self) -> int:
        """How many filters still have a weight; of a physically smaller layer those that there are."""
        return self.shape[0] if self.filters is None else sum(left > 0 for left in self.filters)


@dataclass(frozen=True, slots=True, config=EXACT)
class Mistake:
    """A test picture, its class and the one it was taken for, with what confidence (percent). ``picture``: a PNG file."""

    index: Count
    truth: Count
    predicted: Count
    confidence: Percent
    picture: Png


@dataclass(frozen=True, slots=True, config=EXACT)
class Diagnostics:
    """What there is to say about one run's network. ``model`` and ``dense``: the SHA-256 of the file of this network and of
    the dense one, ``data``: the fingerprint of the data set. By class: how many test ``pictures`` there are, and how
    many of them this network and the dense one get right; ``confusion``: of the pictures of a class (row) how many were
    taken for which (column), empty beyond MAX_CLASSES. ``lost`` and ``gained``: pictures that only the dense network gets
    right, and only this one; ``mistakes``: those lost, of a dense run those it gets wrong, the most confident first.
    ``parts``: bytes of the file by PARTS; the sizes are in bytes, too."""

    run_id: Text
    model: Text
    dense: Text
    data: Text
    classes: Annotated[tuple[Text, ...], Field(max_length=_MAX_CHANNELS)]
    pictures: Line
    correct: Line
    dense_correct: Line
    confusion: Annotated[tuple[Line, ...], Field(max_length=MAX_CLASSES)]
    lost: Count
    gained: Count
    mistakes: Annotated[tuple[Mistake, ...], Field(max_length=MAX_MISTAKES)]
    layers: Annotated[tuple[Layer, ...], Field(max_length=1000)]
    parts: Annotated[Mapping[str, Count], AfterValidator(_check_parts)]
    plain_size: AtLeastOne
    dense_size: AtLeastOne
    dense_plain_size: AtLeastOne

    @model_validator(mode="after")
    def _check(self) -> Diagnostics:
        n, total = len(self.classes), sum(self.pictures)
        for right in (self.correct, self.dense_correct):
            if not len(right) == len(self.pictures) == n or any(map(operator.gt, right, self.pictures)):
                raise InputError("its counts do not fit its classes")
        if not total or max(self.lost, self.gained) > total:
            raise InputError("its counts do not fit its pictures")
        if self.confusion:
            rows = [(len(row), sum(row)) for row in self.confusion]
            if rows != [(n, count) for count in self.pictures] or self._diagonal != self.correct:
                raise InputError("its confusion matrix does not fit its other counts")
        if any(max(mistake.truth, mistake.predicted) >= n for mistake in self.mistakes):
            raise InputError("a mistake is of no class")
        return self

    @property
    def _diagonal(self) -> tuple[int, ...]:
        return tuple(row[place] for place, row in enumerate(self.confusion))

    @property
    def accuracy(self) -> float:
        """Percent of all test pictures."""
        return 100 * sum(self.correct) / sum(self.pictures)

    @property
    def size(self) -> int:
        """Bytes of the compressed file."""
        return sum(self.parts.values())

    def is_of(self, model_sha256: str | None) -> bool:
        """Whether this was made of the very network that a result was measured on, as far as the result says."""
        return model_sha256 in (None, self.model)


_DIAGNOSTICS = TypeAdapter(Diagnostics)


def write_diagnostics(folder: RunFolder, diagnostics: Diagnostics) -> None:
    """Write ``diagnostics`` into the run's folder; OSError if the disk refuses."""
    write_json(folder.diagnostics_path, with_checksum(_DIAGNOSTICS.dump_python(diagnostics, mode="json")))


def read_diagnostics(folder: RunFolder) -> Diagnostics | None:
    """Those in the run's folder, None if there are none; InputError if it is damaged or another run's."""
    try:
        return read_record(folder.diagnostics_path, _DIAGNOSTICS, _MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
