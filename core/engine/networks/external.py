"""Networks from elsewhere: made by a function in a file of one's own, by torchvision or by timm."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from core.spec.errors import InputError, first_line, os_reason
from core.spec.networks import External

# Without the auxiliary classifiers, whose logits the training would not know what to do with.
_PLAIN: dict[str, dict[str, Any]] = {
    name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")
}


def build_external(external: External, sha256: str, classes: int, example: Tensor) -> nn.Module:
    """The network with ``classes`` outputs, which takes pictures like ``example`` [1, 3, H, W]; its file has the hash
    ``sha256``. InputError, with the reason, if it cannot be made, its file is another one, or it gives no logits."""
    make = _maker(external, sha256)
    try:
        model = make(classes)
    # Whatever code from elsewhere raises.
    except (Exception, SystemExit) as error:
        reason = first_line(error).rstrip(".")
        raise InputError("{network} cannot be made: {reason}.", network=external.label, reason=reason) from None
    if not isinstance(model, nn.Module):
        raise InputError("{network} gives no torch.nn.Module.", network=external.label)
    _check_logits(external, model, classes, example)
    return model


def _maker(external: External, sha256: str) -> Callable[[int], Any]:
    name = external.function
    if external.path is not None:
        make = getattr(_module(external, sha256), name, None)
        if not callable(make):
            raise InputError("{file} has no function {name}.", file=external.path.name, name=name)
        return make  # type: ignore[no-any-return]
    try:
        package = import_module(external.package)
    except ImportError:
        raise InputError(
            "{network} needs the package {package}: pip install {package}.", network=name, package=external.package
        ) from None
    if external.package == "timm":
        return lambda classes: package.create_model(name, pretrained=False, num_classes=classes)
    if name not in package.models.list_models(package.models):  # others, as for segmentation, give no logits
        raise InputError("torchvision has no classifier {name}.", name=name)
    options = _PLAIN.get(name, {})
    return lambda classes: package.models.get_model(name, weights=None, num_classes=classes, **options)


def _module(external: External, sha256: str) -> ModuleType:
    """The file's module, executed. It is the file whose hash is part of the run's identity, or none."""
    path = external.path
    assert path is not None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError("{path} cannot be read ({reason}).", path=path, reason=os_reason(error)) from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            "{path} has changed since the run was made: put it back, or make new runs with the new file.", path=path
        )
    module = ModuleType(f"prunescope_network_{sha256[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # as dataclasses, for example, expect it
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError("{path} cannot be executed: {reason}.", path=path, reason=reason.rstrip(".")) from None
    return module


@torch.no_grad()
def _check_logits(external: External, model: nn.Module, classes: int, example: Tensor) -> None:
    for training in (True, False):
        try:  # BatchNorm wants more than one picture, and would remember them
            logits = deepcopy(model).train(training)(example.repeat(2, 1, 1, 1))
        except Exception as error:
            raise InputError(
                "{network} does not take pictures of {size} pixels: {reason}.",
                network=external.label,
                size="x".join(map(str, example.shape[-2:])),
                reason=first_line(error).rstrip("."),
            ) from None
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if found != (2, classes):
            raise InputError(
                "{network} gives {found} for two pictures, and not logits of the shape (2, {classes}).",
                network=external.label,
                found=found,
                classes=classes,
            )
