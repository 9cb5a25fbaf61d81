"""Weights that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.spec.errors import InputError, first_line

_MOST_NAMED = 5
_WRAPPERS = ("state_dict", "model", "model_state_dict")  # under which training scripts keep the weights
_PREFIX = "module."  # of names that DataParallel saved
_DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill ``model`` with the tensors in the file at ``path``: safetensors, or a pickled state_dict without other objects.
    InputError that names what is missing, left over or of another shape, or not a finite number."""
    expected = model.state_dict()
    found = _dense_tensors(_read(path), expected)
    needed = {name for name in expected if not name.endswith("num_batches_tracked")}
    if missing := sorted(needed - found.keys()):
        raise InputError("The file of weights has no tensor {names}.", names=_listed(missing))
    if unknown := sorted(found.keys() - expected.keys()):
        raise InputError("The file of weights has tensors that the network lacks: {names}.", names=_listed(unknown))
    if other := [name for name in sorted(found) if found[name].shape != expected[name].shape]:
        shapes = [f"{name} {list(found[name].shape)} and not {list(expected[name].shape)}" for name in other]
        raise InputError("The file of weights has tensors of another shape: {names}.", names=_listed(shapes))
    converted = {name: tensor.to(expected[name].dtype) for name, tensor in found.items()}
    if broken := [name for name in sorted(found) if not converted[name].isfinite().all()]:
        raise InputError("The file of weights has values that are no finite numbers: {names}.", names=_listed(broken))
    model.load_state_dict({**expected, **converted})


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" (+{more})" if more > 0 else "")


def _read(path: Path) -> Mapping[Any, Any]:
    """What the file says to be a state_dict."""
    try:
        return load_file(path)
    except OSError as error:
        raise InputError("The imported weights cannot be read ({reason}).", reason=first_line(error)) from None
    except SafetensorError:
        return _unpickle(path)


def _dense_tensors(content: Mapping[Any, Any], expected: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of a state_dict by the network's names; InputError for what is no tensor of plain numbers."""
    wrapped = not any(name.startswith(_PREFIX) for name in expected)
    tensors: dict[str, Tensor] = {}
    for name, tensor in content.items():
        if not (isinstance(name, str) and isinstance(tensor, Tensor)):
            raise InputError("The file of weights has other things than tensors: give the state_dict alone.")
        if tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in _DTYPES:
            raise InputError(
                "The file of weights has a tensor of another kind than plain numbers: {name}.", name=name[:100]
            )
        tensors[name.removeprefix(_PREFIX) if wrapped else name] = tensor
    return tensors


def _unpickle(path: Path) -> Mapping[Any, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)  # executes nothing of the file
    except Exception as error:  # a damaged file makes the unpickler raise anything
        raise InputError(
            "The file of weights cannot be read ({reason}): give a safetensors file, or a .pt file of a state_dict.",
            reason=first_line(error)[:100],
        ) from None
    for name in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise InputError("The file of weights has other things than tensors: give the state_dict alone.")
    return content
