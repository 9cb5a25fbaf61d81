"""Reading the compressed model file. docs/format.md describes it; core.engine.artifact writes it."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from prunescope.networks import build
from prunescope.residual import ResNet, Shape
from prunescope.resize import resize

FORMAT = "prunescope-1"
VALUES, GAPS = ".nonzero", ".gaps"  # endings of the names of a tensor's two parts
MAX_ELEMENTS = 1 << 28  # of a tensor: more can only come from a malicious file

Network = TypeVar("Network", bound=nn.Module)


class ModelFileError(ValueError):
    """A file that no network can be read from, and why: the sentence ``template`` with its ``fields``."""

    def __init__(self, template: str, /, **fields: object) -> None:
        self.template, self.fields = template, fields
        super().__init__(template.format(**fields))


@overload
def load_model(path: str | Path, device: str | torch.device = "cpu") -> nn.Module: ...
@overload
def load_model(path: str | Path, device: str | torch.device = "cpu", *, into: Network) -> Network: ...
def load_model(path: str | Path, device: str | torch.device = "cpu", *, into: nn.Module | None = None) -> nn.Module:
    """The network in the file at ``path``, in float32 and evaluation mode. ``into``: a fresh network of the class and size
    that was pruned, if that is none of PruneScope's own; it is copied, made as small as the file says, and filled.

    ModelFileError for a file that is missing, truncated, altered or not written by PruneScope, or of another network.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    try:
        with torch.device("meta"):  # shapes without memory, for the tensors of the file
            model = _empty(metadata) if into is None else deepcopy(into).to("meta")
            before = model.state_dict()
            shapes = _shapes(tensors, metadata)
            resize(model, {name: before[name].new_empty(shape) for name, shape in shapes.items()})
        state = {name: _unpack(name, like, tensors) for name, like in model.state_dict().items()}
        model.load_state_dict(state, assign=True)
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, zlib.error) as error:
        raise ModelFileError(
            "{file} does not hold a network that PruneScope knows ({reason}).",
            file=path.name,
            reason=_first_line(error),
        ) from None
    return model.to(device).eval()


def _empty(metadata: Mapping[str, str]) -> nn.Module:
    """The network of the file with ``metadata``, if it is one of PruneScope's own."""
    if "shape" in metadata:
        shape = json.loads(metadata["shape"])
        return ResNet(Shape(tuple(shape["stages"]), tuple(map(tuple, shape["inner"])), shape["classes"]))
    if "network" in metadata:
        return build(**json.loads(metadata["network"]))
    raise LookupError("give a network of its class, load_model(path, into=network)")


def _shapes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of the network."""
    if "shape" in metadata:
        return {name: tuple(tensor.shape) for name, tensor in _empty(metadata).state_dict().items()}
    sparse = {name: tuple(shape) for name, shape in json.loads(metadata.get("shapes", "{}")).items()}
    for name, shape in sparse.items():
        if not all(type(size) is int and size > 0 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise ValueError(f"{name} has no shape")
    whole = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not name.endswith((VALUES, GAPS))}
    return whole | sparse


def notes_of(path: str | Path) -> dict[str, Any]:
    """The notes that were saved with the network at ``path``; ModelFileError as for :func:`load_model`."""
    metadata = _read(Path(path))[1]
    try:
        notes = json.loads(metadata.get("notes", ""))
    except ValueError:
        notes = None
    if not isinstance(notes, dict):
        raise ModelFileError("{file} has no notes that PruneScope can read.", file=Path(path).name)
    return notes


def digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """The SHA-256 of all of a file's ``metadata``, but for the digest itself, and ``tensors``."""
    found = hashlib.sha256()
    for key in sorted(metadata):
        if key != "sha256":
            found.update(f"{key}={metadata[key]}\n".encode())
    for name in sorted(tensors):
        found.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        found.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def decode_positions(coded: NDArray[np.uint8], count: int, size: int) -> NDArray[np.int64]:
    """Where the ``count`` values of a tensor of ``size`` elements are, from their ``coded`` gaps; ValueError or zlib.error
    if they do not fit."""
    # One byte a value and one for each 255 positions is the most there can be: more is not decompressed.
    limit = count + size // 255 + 1
    decoder = zlib.decompressobj(-15)
    stream = np.frombuffer(decoder.decompress(coded.tobytes(), limit), np.uint8)
    ends = np.cumsum(stream.astype(np.int64) + (stream != 255)) - 1
    found: NDArray[np.int64] = ends[stream != 255]
    if not decoder.eof or len(found) != count or (count and found[-1] >= size):
        raise ValueError("the positions of its values do not fit")
    return found


def _unpack(name: str, like: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    if name in tensors:
        return tensors[name].to(like.dtype)
    values, coded = tensors[name + VALUES], tensors[name + GAPS]
    flat = torch.zeros(like.numel(), dtype=like.dtype)
    flat[torch.from_numpy(decode_positions(coded.numpy(), len(values), len(flat)))] = values.to(like.dtype)
    return flat.view_as(like)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of the file at ``path``, checked against its SHA-256."""
    if path.exists() and not path.is_file():  # a pipe would never end
        raise ModelFileError("{file} is not a file: give a model.safetensors of one of the runs.", file=path.name)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ModelFileError(
                    "{file} was not written by PruneScope: give a model.safetensors of one of its runs.", file=path.name
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise ModelFileError("{path} does not exist.", path=path) from None
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            "{file} is truncated or not a safetensors file ({reason}).", file=path.name, reason=_first_line(error)
        ) from None
    if digest(tensors, metadata) != metadata.get("sha256"):
        raise ModelFileError(
            "{file} was altered after it was written: its content does not match its SHA-256.", file=path.name
        )
    return tensors, metadata


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
