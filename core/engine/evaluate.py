"""Accuracy on a split of the data set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from core.engine.data.augment import DeviceImages

BATCH = 500


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Top-1 accuracy in percent, mean cross-entropy, and accuracy of each class in percent."""

    accuracy: float
    loss: float
    per_class: tuple[float, ...]


@torch.no_grad()
def evaluate(model: nn.Module, images: DeviceImages, classes: int, precision: str = "fp32") -> Evaluation:
    """``model`` on all of ``images``, in evaluation mode; the mode it had is restored afterwards."""
    was_training = model.training
    model.eval()
    device = images.labels.device
    hits = torch.zeros(classes, device=device)
    loss = torch.zeros((), device=device)
    for start in range(0, len(images), BATCH):
        batch, labels = images.eval_batch(start, min(start + BATCH, len(images)))
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = model(batch)
        loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        hits.index_add_(0, labels, (logits.argmax(1) == labels).float())
    model.train(was_training)
    counts = torch.bincount(images.labels, minlength=classes)
    n = len(images)
    per_class = (100 * hits / counts.clamp_min(1)).tolist()
    return Evaluation(100 * float(hits.sum()) / n, float(loss) / n, tuple(round(value, 2) for value in per_class))
