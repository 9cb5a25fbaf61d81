"""How one run is executed. With ``prunescope``, which it uses, the only package that imports torch; the functions below are
imported on first use."""

import os
from importlib import import_module
from typing import Any

# Must be set before torch loads OpenMP. A waiting thread spins for a moment and then sleeps. Spinning for ever takes
# the core from the very thread it waits for as soon as anything else runs on the machine (a browser showing this app, say):
# two threads on two cores beside one busy process trained 16 images a second at width 16, sleeping at once 380. But sleeping
# at once halves the speed of thin networks, whose operations are short: at width 8 it is 900 against 1,600 on an idle
# machine, and 700 against 450 beside that busy process.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_MODULE_OF = {
    "build_network": "core.engine.networks.build",
    "resnet18": "core.engine.networks.build",
    "magnitude_prune_global": "core.engine.pruning.magnitude",
    "structured_prune_filters": "core.engine.pruning.structured",
    "lottery_ticket_prune": "core.engine.pruning.lottery_ticket",
    "get_model_info": "core.engine.model_info",
    "save_model": "core.engine.artifact",
    "load_model": "core.engine.artifact",
}
__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
