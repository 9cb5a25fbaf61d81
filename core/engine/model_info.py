"""``get_model_info``: what a network costs, at a glance."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from core.engine.artifact import encode
from core.engine.counts import count
from core.engine.device import place
from core.engine.latency import time_latency
from core.engine.networks.layers import with_picture_shape


def get_model_info(
    model: nn.Module, device: str = "cuda", verbose: bool = True, *, example_input: Tensor | None = None
) -> dict[str, Any]:
    """Parameters (non-zero), sparsity, size of the compressed file (MB) and latency (ms per image, batch 1) of ``model``.

    Sparsity is the share of zeros among its prunable weights. ``device`` cuda falls back to the CPU where there is none.
    ``example_input``: pictures [n, C, H, W] of the shape that it is timed with, 3x32x32 by default.
    """
    available = not device.startswith("cuda") or torch.cuda.is_available()
    placed = place(deepcopy(model), torch.device(device if available else "cpu"))
    if example_input is not None:
        placed = with_picture_shape(placed, tuple(example_input.shape[1:]))
    counts = count(placed, model)
    info = {
        "params": counts.params_nonzero,
        "sparsity": counts.reached_sparsity,
        "size_mb": len(encode(model)) / 1e6,
        "latency_ms": time_latency({"model": placed}, 1)["model"].median_ms,
        "device": next(placed.parameters()).device.type,
    }
    if verbose:
        print(
            f"parameters {info['params']:,} (non-zero)   sparsity {info['sparsity']:.4f}   "
            f"size {info['size_mb']:.2f} MB   latency {info['latency_ms']:.3f} ms per image on {info['device']}"
        )
    return info
