"""Other tensors for a network, of whatever sizes; what its modules know of their sizes follows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def resize(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put ``tensors``, by their names in the state_dict, in the place of those of ``model``. LookupError or AttributeError
    for a name that it does not have."""
    for name, tensor in tensors.items():
        path, _, attribute = name.rpartition(".")
        module = model.get_submodule(path)
        old = getattr(module, attribute)
        fresh = tensor.clone(memory_format=torch.contiguous_format)
        if isinstance(old, nn.Parameter):
            setattr(module, attribute, nn.Parameter(fresh, requires_grad=old.requires_grad))
        else:
            setattr(module, attribute, fresh)
    for module in model.modules():
        _follow_sizes(module)


def _follow_sizes(module: nn.Module) -> None:
    """Let ``module`` know the sizes of its tensors."""
    if isinstance(module, _CONVOLUTIONS):
        per_group = module.out_channels // module.groups
        module.out_channels = module.weight.shape[0]
        module.groups = module.out_channels // per_group if module.groups > 1 else 1
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, _NORMS) and module.weight is not None:
        module.num_features = module.weight.shape[0]
