"""Export a finished run's network: compressed or plain safetensors, or ONNX in float32 or int8."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from core.engine.artifact import encode, notes_of, serialise
from core.engine.int8 import measure_int8_of
from core.engine.networks.of_recipe import load_network
from core.engine.onnx_file import encode_onnx
from core.runs.atomic_io import atomic_write
from core.runs.folder import RunFolder
from core.runs.int8 import read_int8
from core.spec.errors import InputError, os_reason


def export(folder: RunFolder, form: str, path: Path, *, half: bool = False) -> None:
    """Write the network of the finished run in ``folder`` to ``path``, atomically.

    ``form``: safetensors, in float16 with ``half``; plain, the same without compression; onnx; or onnx-int8, the network
    that was measured. InputError if the run's file is damaged, there is no int8 network, or ``path`` cannot be written.
    """
    folder.check_model()
    content = _int8_network(folder) if form == "onnx-int8" else _encode(folder, form, half)
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise InputError(
            "{path} cannot be written ({reason}): choose another place with --output.",
            path=path,
            reason=os_reason(error),
        ) from None


def _encode(folder: RunFolder, form: str, half: bool) -> bytes:
    result = folder.result()
    classes = len(result.per_class_accuracy) if result else 0
    model, notes = load_network(folder.model_path, folder.spec.recipe, classes), notes_of(folder.model_path)
    if form == "onnx":
        return encode_onnx(model, notes)
    if form == "plain":
        return encode_plain(model, notes)
    return encode(model, dtype="float16" if half else "float32", notes=notes)


def _int8_network(folder: RunFolder) -> bytes:
    """The file as it was measured; it is made first, and measured, where there is none."""
    measure_int8_of(folder.path)
    record = read_int8(folder)
    assert record is not None
    if record.reason is not None:
        raise InputError("{run} has no int8 network: {reason}", run=folder.run_id, reason=record.reason)
    try:
        content = folder.int8_network_path.read_bytes()
    except OSError as error:
        raise InputError(
            "{file} cannot be read ({reason}).", file=folder.int8_network_path, reason=os_reason(error)
        ) from None
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise InputError(
            "{file} was altered after it was measured: delete it, then {command}.",
            file=folder.int8_network_path,
            command=f"python -m core examine {folder.run_id}",
        )
    return content


def encode_plain(model: nn.Module, notes: Mapping[str, Any]) -> bytes:
    """The content of a safetensors file of the ``state_dict`` of ``model`` as it is, zeros included, with ``notes``."""
    state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    return serialise(state, {name: str(value) for name, value in notes.items()})
