"""Records on disk: read once, into types that everything behind can trust."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from core.i18n import Message
from core.runs.atomic_io import MAX_RECORD_BYTES, parse_object, read_regular_file
from core.spec.errors import InputError


class OfRun(Protocol):
    """A record that names its run."""

    @property
    def run_id(self) -> str: ...


T = TypeVar("T", bound=OfRun)

EXACT = ConfigDict(extra="forbid")  # of a record that has one version

MAX_NUMBER = 1e15  # beyond it a number is garbled: the square of a much larger one is infinite
MAX_TEXT = 120
# Numbers are strict: a boolean or a text is none, and there is no infinity.
Amount = Annotated[float, Strict(), Field(ge=0, le=MAX_NUMBER)]
Positive = Annotated[float, Strict(), Field(gt=0, le=MAX_NUMBER)]
Percent = Annotated[float, Strict(), Field(ge=0, le=100)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Sparsity = Annotated[float, Strict(), Field(ge=0, lt=1)]
Count = Annotated[int, Strict(), Field(ge=0, le=int(MAX_NUMBER))]
AtLeastOne = Annotated[int, Strict(), Field(ge=1, le=int(MAX_NUMBER))]
Flag = Annotated[bool, Strict()]
Note = Annotated[str, AfterValidator(lambda text: " ".join(text.split())[:MAX_TEXT])]  # one line, cut short
Name = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=MAX_TEXT)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$", min_length=12, max_length=64)]


class Record(BaseModel):
    """A part of a record; keys that a later version adds are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def to_json(self) -> dict[str, Any]:
        """What stands in the file: the keys that were given, in the order of the fields."""
        return self.model_dump(mode="json", exclude_unset=True)


def read_object(path: Path, max_bytes: int = MAX_RECORD_BYTES) -> dict[str, Any]:
    """The JSON object at ``path``. FileNotFoundError if there is none; InputError, one line that names run and file, if it
    cannot be read or is damaged."""
    run, file = path.parent.name, path.name
    try:
        raw = read_regular_file(path)
        if len(raw) > max_bytes:
            raise InputError("it is too large")
        return parse_object(raw)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError("{run}: {file} cannot be read ({reason}).", run=run, file=file, reason=error) from None
    except ValueError as error:  # InputError is one
        raise _damaged(path, error) from None


def read_record(path: Path, kind: TypeAdapter[T], max_bytes: int = MAX_RECORD_BYTES) -> T:
    """The record at ``path``, checked; it raises what :func:`read_object` does, for a damaged one with the field's name."""
    data = read_object(path, max_bytes)
    try:
        record = kind.validate_python(data)
    except ValidationError as error:
        raise _damaged(path, _reason(error)) from None
    if record.run_id != path.parent.name:
        raise InputError("{run}: {file} is that of another run.", run=path.parent.name, file=path.name)
    return record


def _damaged(path: Path, reason: Message | Exception) -> InputError:
    return InputError("{run}: {file} is damaged: {reason}.", run=path.parent.name, file=path.name, reason=reason)


def _reason(error: ValidationError) -> Message:
    """What is wrong with the first field that is."""
    first = error.errors(include_url=False, include_input=False)[0]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, InputError):
        return own.message
    field = " ".join(".".join(map(str, first["loc"])).split())[:MAX_TEXT]
    return Message("{field} is missing or has an impossible value", field=field)
