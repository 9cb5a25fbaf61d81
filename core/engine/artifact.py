"""The compressed model: one safetensors file, lossless in float32.

A tensor with many zeros is stored as its non-zero values and the gaps between them: one byte a gap (255 means "skip 255
positions, no value yet"), Huffman-coded by zlib. That comes within a few percent of the entropy of the mask, where a bit
mask costs a full bit a weight. A physically smaller network is stored as it is, with its channel counts in the metadata. A
SHA-256 over all tensors detects changed bytes, which safetensors does not.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from core.engine.networks.resnet18 import ResNet, Shape
from core.runs.atomic_io import atomic_write
from core.spec.errors import InputError, first_line
from core.spec.validate import check_choice

FORMAT = "prunescope-1"
_VALUES, _GAPS = ".nonzero", ".gaps"
_DTYPES = {"float32": torch.float32, "float16": torch.float16}


def save_model(
    model: ResNet, path: str | Path, *, dtype: str = "float32", notes: Mapping[str, str] | None = None
) -> None:
    """Write ``model`` compressed to ``path``: float32 is lossless, float16 half as large. ``notes`` go into the metadata.

    InputError for another dtype, OSError if the file cannot be written; an existing file is replaced atomically.
    """
    content = encode(model, dtype=dtype, notes=notes)
    with atomic_write(Path(path)) as file:
        file.write(content)


def encode(model: ResNet, *, dtype: str = "float32", notes: Mapping[str, str] | None = None) -> bytes:
    """The content of the file that :func:`save_model` writes."""
    stored_dtype = _DTYPES[check_choice("dtype", dtype, tuple(_DTYPES))]
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        value = tensor.detach().cpu().contiguous()
        tensors.update(_pack(name, value.to(stored_dtype) if value.is_floating_point() else value))
    shape = {"stages": model.shape.stages, "inner": model.shape.inner, "classes": model.shape.classes}
    notes_text = json.dumps(dict(notes or {}), sort_keys=True)
    metadata = {"format": FORMAT, "shape": json.dumps(shape), "notes": notes_text}
    metadata["sha256"] = _digest(tensors, metadata)
    return _sort_metadata(save(tensors, metadata))


def load_model(path: str | Path, device: str | torch.device = "cpu") -> ResNet:
    """The network in the file at ``path``, in float32 and evaluation mode.

    InputError for a file that is missing, truncated, altered or not written by this program.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    try:
        shape = json.loads(metadata["shape"])
        with torch.device("meta"):  # shapes without memory, for the tensors of the file
            model = ResNet(Shape(tuple(shape["stages"]), tuple(map(tuple, shape["inner"])), shape["classes"]))
        state = {name: _unpack(name, like, tensors) for name, like in model.state_dict().items()}
        model.load_state_dict(state, assign=True)
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, zlib.error) as error:
        raise InputError(
            "{file} does not hold a network that PruneScope knows ({reason}).",
            file=path.name,
            reason=first_line(error),
        ) from None
    return model.to(device).eval()


def notes_of(path: str | Path) -> dict[str, Any]:
    """The notes that were saved with the network at ``path``; InputError as for :func:`load_model`."""
    metadata = _read(Path(path))[1]
    try:
        notes = json.loads(metadata.get("notes", ""))
    except ValueError:
        notes = None
    if not isinstance(notes, dict):
        raise InputError("{file} has no notes that PruneScope can read.", file=Path(path).name)
    return notes


def part_sizes(path: Path, shape: Shape) -> dict[str, int]:
    """Bytes of each part of the compressed file at ``path`` of a network of ``shape``: the values of its weights, their
    positions among the zeros, BatchNorm, the last layer's bias, and the header with all names."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    sizes = {"values": 0, "positions": 0, "norm": 0, "bias": 0, "header": 8 + length}
    weights = {f"{name}.weight" for name in shape.weights}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if name.endswith(_GAPS):
            part = "positions"
        elif name.removesuffix(_VALUES) in weights:
            part = "values"
        else:
            part = "bias" if name.removesuffix(_VALUES) == "fc.bias" else "norm"
        sizes[part] += end - start
    return sizes


def plain_size(model: ResNet) -> int:
    """Bytes of the plain state_dict as ``torch.save`` writes it: what a file without compression costs."""
    buffer = BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.tell()


def _sort_metadata(content: bytes) -> bytes:
    """The same file with sorted metadata: safetensors writes them in random order, and equal runs would have different
    files."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
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
    return {name + _VALUES: values, name + _GAPS: gaps} if smaller else {name: tensor}


def _gaps(positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    gaps = np.diff(positions, prepend=-1) - 1
    skips = gaps // 255
    stream = np.full(len(gaps) + int(skips.sum()), 255, np.uint8)
    stream[np.cumsum(skips + 1) - 1] = gaps % 255
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return np.frombuffer(bytearray(coder.compress(stream.tobytes()) + coder.flush()), np.uint8)


def _positions(coded: NDArray[np.uint8], count: int, size: int) -> NDArray[np.int64]:
    # One byte a value and one for each 255 positions is the most there can be: more is not decompressed.
    limit = count + size // 255 + 1
    decoder = zlib.decompressobj(-15)
    stream = np.frombuffer(decoder.decompress(coded.tobytes(), limit), np.uint8)
    ends = np.cumsum(stream.astype(np.int64) + (stream != 255)) - 1
    positions: NDArray[np.int64] = ends[stream != 255]
    if not decoder.eof or len(positions) != count or (count and positions[-1] >= size):
        raise ValueError("the positions of its values do not fit")
    return positions


def _unpack(name: str, like: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    if name in tensors:
        return tensors[name].to(like.dtype)
    values, coded = tensors[name + _VALUES], tensors[name + _GAPS]
    flat = torch.zeros(like.numel(), dtype=like.dtype)
    flat[torch.from_numpy(_positions(coded.numpy(), len(values), len(flat)))] = values.to(like.dtype)
    return flat.view_as(like)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of the file at ``path``, checked against its SHA-256."""
    if path.exists() and not path.is_file():  # a pipe would never end
        raise InputError("{file} is not a file: give a model.safetensors of one of the runs.", file=path.name)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(
                    "{file} was not written by PruneScope: give a model.safetensors of one of its runs.", file=path.name
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError:
        raise InputError("{path} does not exist.", path=path) from None
    except (SafetensorError, OSError) as error:
        raise InputError(
            "{file} is truncated or not a safetensors file ({reason}).", file=path.name, reason=first_line(error)
        ) from None
    if _digest(tensors, metadata) != metadata.get("sha256"):
        raise InputError(
            "{file} was altered after it was written: its content does not match its SHA-256.", file=path.name
        )
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for key in sorted(metadata):
        if key != "sha256":
            digest.update(f"{key}={metadata[key]}\n".encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
