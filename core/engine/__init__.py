"""How one run is executed. The only package that imports torch, and only when one of its names is asked for."""

from importlib import import_module
from typing import Any

_HOME_OF = {
    "resnet18": "core.engine.models.resnet",
    "magnitude_prune_global": "core.engine.pruning.magnitude",
    "structured_prune_filters": "core.engine.pruning.structured",
    "lottery_ticket_prune": "core.engine.pruning.lottery_ticket",
    "get_model_info": "core.engine.metrics",
    "save_model": "core.engine.artifact",
    "load_model": "core.engine.artifact",
}
__all__ = list(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
