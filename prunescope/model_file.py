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
        model = _empty(metadata) if into is None else deepcopy(into)
        before = {name: tensor.detach() for name, tensor in state_of(model).items()}
        shapes = {name: tuple(tensor.shape) for name, tensor in before.items()} | _shapes(tensors, metadata, before)
        resize(model, {name: _unpack(name, before[name], shape, tensors) for name, shape in shapes.items()})
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, zlib.error) as error:
        raise ModelFileError(
            "{file} does not hold a network that PruneScope knows ({reason}).",
            file=path.name,
            reason=_first_line(error),
        ) from None
    return model.to(device).eval()


def _empty(metadata: Mapping[str, str]) -> nn.Module:
    """The network of the file with ``metadata``, if it is one of PruneScope's own: shapes without memory."""
    with torch.device("meta"):
        if "shape" in metadata:
            shape = json.loads(metadata["shape"])
            return ResNet(Shape(tuple(shape["stages"]), tuple(map(tuple, shape["inner"])), shape["classes"]))
        if "network" in metadata:
            return build(**json.loads(metadata["network"]))
    raise LookupError("give a network of its class, load_model(path, into=network)")


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers of ``model`` by name, also what it leaves out of its state_dict; what two names share is
    under both."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }


def _shapes(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], before: Mapping[str, Tensor]
) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in the file, which is no larger than in the network ``before`` pruning; ValueError if one
    cannot be of that network."""
    if "shape" in metadata:
        return {name: tuple(tensor.shape) for name, tensor in state_of(_empty(metadata)).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not name.endswith((VALUES, GAPS))}
    shapes |= {name: tuple(shape) for name, shape in json.loads(metadata.get("shapes", "{}")).items()}
    for name, shape in shapes.items():
        if name not in before:
            raise ValueError(f"it has a tensor {name}")
        largest = before[name].shape
        fits = len(shape) == len(largest) and all(
            type(size) is int and 0 <= size <= most for size, most in zip(shape, largest, strict=True)
        )
        if not fits:
            raise ValueError(f"{name} of the shape {list(shape)} cannot be of this network")
    return shapes


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


def _unpack(name: str, before: Tensor, shape: tuple[int, ...], tensors: Mapping[str, Tensor]) -> Tensor:
    """The tensor ``name`` of ``shape``, of the type that it has ``before``."""
    if name in tensors:
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} has another shape")
        return tensors[name].to(before.dtype)
    if name + VALUES not in tensors:
        raise LookupError(f"it has no tensor {name}")
    values, coded = tensors[name + VALUES], tensors[name + GAPS]
    flat = torch.zeros(math.prod(shape), dtype=before.dtype)
    flat[torch.from_numpy(decode_positions(coded.numpy(), len(values), len(flat)))] = values.to(before.dtype)
    return flat.view(shape)


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
