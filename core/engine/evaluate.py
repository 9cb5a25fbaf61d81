"""Accuracy on a split of the data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
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
    device = images.labels.device
    hits = torch.zeros(classes, device=device)
    loss = torch.zeros((), device=device)
    for logits, labels in predict(model, images, precision):
        loss += F.cross_entropy(logits, labels, reduction="sum")
        hits.index_add_(0, labels, (logits.argmax(1) == labels).float())
    counts = torch.bincount(images.labels, minlength=classes)
    n = len(images)
    per_class = (100 * hits / counts.clamp_min(1)).tolist()
    return Evaluation(100 * float(hits.sum()) / n, float(loss) / n, tuple(round(value, 2) for value in per_class))


@torch.no_grad()
def predict(model: nn.Module, images: DeviceImages, precision: str = "fp32") -> Iterator[tuple[Tensor, Tensor]]:
    """Batch by batch the logits (float32 [b, classes]) and labels (int64 [b]) of ``images``, in evaluation mode."""
    was_training = model.training
    model.eval()
    for start in range(0, len(images), BATCH):
        batch, labels = images.eval_batch(start, start + BATCH)
        with torch.autocast(labels.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = model(batch)
        yield logits.float(), labels
    model.train(was_training)
