"""Writing the compressed model: one safetensors file, lossless in float32. docs/format.md describes it.

A tensor with many zeros is stored as its non-zero values and the gaps between them, Huffman-coded by zlib. That comes within
a few percent of the entropy of the mask, where a bit mask costs a full bit a weight. A physically smaller network is stored
as it is. The reading part is the package ``prunescope``, which works without the rest of the repository.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from core.engine.networks.layers import Network, prunable
from core.runs.atomic_io import atomic_write
from core.spec.errors import InputError
from core.spec.validate import check_choice
from prunescope import model_file
from prunescope.model_file import FORMAT, GAPS, VALUES, ModelFileError, digest, state_of
from prunescope.networks import blueprint_of
from prunescope.residual import ResNet

_DTYPES = {"float32": torch.float32, "float16": torch.float16}


def save_model(
    model: nn.Module, path: str | Path, *, dtype: str = "float32", notes: Mapping[str, str] | None = None
) -> None:
    """Write ``model`` compressed to ``path``: float32 is lossless, float16 half as large. ``notes`` go into the metadata.

    InputError for another dtype, OSError if the file cannot be written; an existing file is replaced atomically.
    """
    content = encode(model, dtype=dtype, notes=notes)
    with atomic_write(Path(path)) as file:
        file.write(content)


def encode(model: nn.Module, *, dtype: str = "float32", notes: Mapping[str, str] | None = None) -> bytes:
    """The content of the file that :func:`save_model` writes."""
    stored_dtype = _DTYPES[check_choice("dtype", dtype, tuple(_DTYPES))]
    tensors: dict[str, Tensor] = {}
    sparse: dict[str, tuple[int, ...]] = {}
    for name, tensor in state_of(model).items():
        value = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)  # no two share memory in the format
        packed = _pack(name, value.to(stored_dtype) if value.is_floating_point() else value)
        tensors.update(packed)
        if name not in packed:
            sparse[name] = tuple(tensor.shape)
    notes_text = json.dumps(dict(notes or {}), sort_keys=True)
    metadata = {"format": FORMAT, **_network(model, sparse), "notes": notes_text}
    metadata["sha256"] = digest(tensors, metadata)
    return serialise(tensors, metadata)


def _network(model: nn.Module, sparse: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """What a file says of the network, whose tensors ``sparse`` are stored without their shapes."""
    if isinstance(model, ResNet):
        shape = model.shape
        return {"shape": json.dumps({"stages": shape.stages, "inner": shape.inner, "classes": shape.classes})}
    shapes = {"shapes": json.dumps(sparse, sort_keys=True)}
    blueprint = blueprint_of(model)
    return shapes if blueprint is None else {"network": json.dumps(asdict(blueprint)), **shapes}


@overload
def load_model(path: str | Path, device: str | torch.device = "cpu") -> nn.Module: ...
@overload
def load_model(path: str | Path, device: str | torch.device = "cpu", *, into: Network) -> Network: ...
def load_model(path: str | Path, device: str | torch.device = "cpu", *, into: nn.Module | None = None) -> nn.Module:
    """The network in the file at ``path``, as :func:`prunescope.load_model` reads it.

    InputError for a file that is missing, truncated, altered or not written by this program.
    """
    with _input_errors():
        return model_file.load_model(path, device) if into is None else model_file.load_model(path, device, into=into)


def notes_of(path: str | Path) -> dict[str, Any]:
    """The notes that were saved with the network at ``path``; InputError as for :func:`load_model`."""
    with _input_errors():
        return model_file.notes_of(path)


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        raise InputError(error.template, **error.fields) from None


def part_sizes(path: Path, model: nn.Module) -> dict[str, int]:
    """Bytes of each part of the compressed file at ``path`` of ``model``: the values of its weights, their positions among
    the zeros, BatchNorm, the biases of other layers, and the header with all names."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    sizes = {"values": 0, "positions": 0, "norm": 0, "bias": 0, "header": 8 + length}
    weights = prunable(model).keys()
    biases = {name.removesuffix("weight") + "bias" for name in weights}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if name.endswith(GAPS):
            part = "positions"
        elif name.removesuffix(VALUES) in weights:
            part = "values"
        else:
            part = "bias" if name.removesuffix(VALUES) in biases else "norm"
        sizes[part] += end - start
    return sizes


def plain_size(model: nn.Module) -> int:
    """Bytes of the plain state_dict as ``torch.save`` writes it: what a file without compression costs."""
    buffer = BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.tell()


def serialise(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with sorted metadata: by itself safetensors writes them in random order, and equal runs would have
    different files."""
    content = save(dict(tensors), dict(metadata))
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[end:]


def _pack(name: str, tensor: Tensor) -> dict[str, Tensor]:
    flat = tensor.flatten()
    positions = flat.nonzero().flatten()
    if len(positions) == len(flat):
        return {name: tensor}
    gaps = torch.from_numpy(_gaps(positions.numpy()))
    values = flat[positions]
    smaller = gaps.nbytes + values.nbytes < tensor.nbytes
    return {name + VALUES: values, name + GAPS: gaps} if smaller else {name: tensor}


def _gaps(positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    gaps = np.diff(positions, prepend=-1) - 1
    skips = gaps // 255
    stream = np.full(len(gaps) + int(skips.sum()), 255, np.uint8)
    stream[np.cumsum(skips + 1) - 1] = gaps % 255
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return np.frombuffer(bytearray(coder.compress(stream.tobytes()) + coder.flush()), np.uint8)
