"""Export a finished run's network: compressed or plain safetensors, or ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from core.engine.artifact import encode, notes_of, serialise
from core.engine.networks.of_recipe import load_network
from core.engine.onnx_file import encode_onnx
from core.runs.atomic_io import atomic_write
from core.runs.folder import RunFolder
from core.spec.errors import InputError, os_reason


def export(folder: RunFolder, form: str, path: Path, *, half: bool = False) -> None:
    """Write the network of the finished run in ``folder`` to ``path``, atomically.

    ``form``: safetensors, in float16 with ``half``; plain, the same without compression; or onnx. InputError if the run's
    file is damaged or ``path`` cannot be written.
    """
    folder.check_model()
    result = folder.result()
    classes = len(result.per_class_accuracy) if result else 0
    model, notes = load_network(folder.model_path, folder.spec.recipe, classes), notes_of(folder.model_path)
    if form == "onnx":
        content = encode_onnx(model, notes)
    elif form == "plain":
        content = encode_plain(model, notes)
    else:
        content = encode(model, dtype="float16" if half else "float32", notes=notes)
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise InputError(
            "{path} cannot be written ({reason}): choose another place with --output.",
            path=path,
            reason=os_reason(error),
        ) from None


def encode_plain(model: nn.Module, notes: Mapping[str, Any]) -> bytes:
    """The content of a safetensors file of the ``state_dict`` of ``model`` as it is, zeros included, with ``notes``."""
    state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    return serialise(state, {name: str(value) for name, value in notes.items()})
