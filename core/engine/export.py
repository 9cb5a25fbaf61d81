"""Export a finished run's network: compressed or plain safetensors, or ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from core.engine.artifact import encode, load_model, notes_of
from core.engine.deploy import folded
from core.engine.networks.resnet18 import INPUT_SHAPE, ResNet
from core.runs.atomic_io import atomic_write
from core.runs.folder import RunFolder
from core.spec.errors import InputError, os_reason

INPUT, OUTPUT = "images", "logits"
_INPUT_FORMAT = "float32 [batch, 3, 32, 32], RGB; of each channel from 0 to 1, less `mean`, divided by `std`"


def export(folder: RunFolder, form: str, path: Path, *, half: bool = False) -> None:
    """Write the network of the finished run in ``folder`` to ``path``, atomically.

    ``form``: safetensors, in float16 with ``half``; plain, the same without compression; or onnx. InputError if the run's
    file is damaged or ``path`` cannot be written.
    """
    folder.check_model()
    model, notes = load_model(folder.model_path), notes_of(folder.model_path)
    if form == "onnx":
        content = encode_onnx(model, notes)
    elif form == "plain":
        content = save(model.state_dict(), {name: str(value) for name, value in notes.items()})
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


def encode_onnx(model: ResNet, notes: Mapping[str, Any]) -> bytes:
    """The content of an ONNX file that computes what ``model`` does, for any number of images: ``images`` to
    ``logits``, with BatchNorm folded into the convolutions. ``notes`` become its metadata."""
    # Two images: the exporter would take a batch of one for a constant.
    example = torch.zeros(2, *INPUT_SHAPE, device=next(model.parameters()).device)
    program = torch.onnx.export(
        folded(model),
        (example,),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update({name: str(value) for name, value in notes.items()} | {INPUT: _INPUT_FORMAT})
    content: bytes = program.model_proto.SerializeToString()
    return content
