"""Diagnose the network of a finished run: what pruning took from every layer, and which images it now gets wrong."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from core.engine.artifact import part_sizes, plain_size
from core.engine.context import RunContext
from core.engine.data.images import Images
from core.engine.evaluate import predict
from core.engine.networks.channels import channels_of
from core.engine.networks.layers import example_of, layer_shapes, prunable
from core.engine.pruning import prune
from core.engine.pruning.shrink import Kept, mask_of
from core.runs.diagnostics import (
    BINS,
    MAX_CLASSES,
    MAX_MISTAKES,
    SIDES,
    Diagnostics,
    Layer,
    Mistake,
    read_diagnostics,
    write_diagnostics,
)
from core.runs.folder import RunFolder
from core.spec.errors import InputError
from core.spec.methods import METHODS

COLORS = 32  # of a stored image: a third of the bytes, and hardly a visible difference


def diagnose_run(path: Path) -> bool:
    """Diagnose the finished run in the folder ``path`` and write the record there; False if it has a current one.

    InputError if its network or its dense run's is missing or altered, or the images are gone or have changed.
    """
    folder = RunFolder(path)
    if _is_diagnosed(folder, folder.check_model()):
        return False
    context = RunContext(folder)
    context.check_origin(folder)
    with context.measurement_lock.training():  # like training, it would disturb a run that is being timed
        write_diagnostics(folder, diagnose(context))
    return True


def diagnose(context: RunContext, kept: Kept | None = None) -> Diagnostics:
    """The diagnostics of the run's network file, whose training knows which channels it ``kept`` of the dense network, if
    it has just ended; InputError if that file or its dense run's cannot be used."""
    folder, spec, data = context.folder, context.spec, context.data
    model = context.load(folder)
    dense = model if spec.is_dense else context.load(context.dense_folder)
    predicted, confidence = _predict(context, model)
    dense_predicted = predicted if spec.is_dense else _predict(context, dense)[0]
    truth, n = data.test.labels.numpy(), len(data.classes)
    right, dense_right = predicted == truth, dense_predicted == truth
    lost = dense_right & ~right
    confusion = np.zeros((n, n), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    return Diagnostics(
        run_id=folder.run_id,
        model=folder.check_model(),
        dense=context.dense_folder.check_model(),
        data=data.fingerprint,
        classes=data.classes,
        pictures=_count(truth, n),
        correct=_count(truth[right], n),
        dense_correct=_count(truth[dense_right], n),
        confusion=tuple(map(tuple, confusion.tolist())) if n <= MAX_CLASSES else (),
        lost=int(lost.sum()),
        gained=int((right & ~dense_right).sum()),
        mistakes=_mistakes(data.test, ~right if spec.is_dense else lost, predicted, confidence),
        layers=_layers(model, dense, kept if kept is not None else _kept_channels(context, model, dense)),
        parts=part_sizes(folder.model_path, model),
        plain_size=plain_size(model),
        dense_size=context.dense_folder.model_path.stat().st_size,
        dense_plain_size=plain_size(dense),
    )


def _is_diagnosed(folder: RunFolder, digest: str) -> bool:
    try:
        record = read_diagnostics(folder)
    except InputError:
        return False
    return record is not None and record.model == digest


def _predict(context: RunContext, model: nn.Module) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The predicted class of each test image, int64 [n], and its confidence in percent, float64 [n]."""
    classes, confidences = [], []
    for logits, _ in predict(model, context.test_images, context.precision):
        best = logits.argmax(1)
        classes.append(best.cpu())
        confidences.append(logits.softmax(1).gather(1, best[:, None])[:, 0].cpu())
    percent = np.nan_to_num(100 * torch.cat(confidences).double().numpy())  # training may have diverged
    return torch.cat(classes).numpy(), percent


def _count(labels: NDArray[np.int64], classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=classes).tolist())


def _mistakes(
    images: Images, wrong: NDArray[np.bool_], predicted: NDArray[np.int64], confidence: NDArray[np.float64]
) -> tuple[Mistake, ...]:
    """Of the images where ``wrong`` those predicted with the most confidence."""
    candidates = np.flatnonzero(wrong)
    worst = candidates[np.argsort(-confidence[candidates], kind="stable")][:MAX_MISTAKES]
    return tuple(
        Mistake(
            index=int(index),
            truth=int(images.labels[index]),
            predicted=int(predicted[index]),
            confidence=round(float(confidence[index]), 1),
            picture=_png(images.images[index].numpy()),
        )
        for index in worst
    )


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    image = Image.fromarray(pixels)
    image.thumbnail((SIDES[-1], SIDES[-1]))
    image.quantize(COLORS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _kept_channels(context: RunContext, model: nn.Module, dense: nn.Module) -> Mapping[str, Tensor] | None:
    """Which of the dense network's channels the network of an earlier run has, by group; None if its filters are none of
    them, or cuts came during or after training. Pruning the dense network in one go with the same settings gives the same
    again."""
    spec = context.spec
    if spec.is_dense or METHODS[spec.method].kind == "unstructured":
        return {} if layer_shapes(model) == layer_shapes(dense) else None
    settings = dict(spec.settings)
    folded = settings.get("removal") == "fold"
    if METHODS[spec.method].restarts or folded or settings.get("schedule", "one-shot") != "one-shot":
        return None
    pruned = prune(spec.method, dense, spec.sparsity, context.pruning_context(settings))
    return pruned.kept if layer_shapes(pruned.model) == layer_shapes(model) else None


def _layers(model: nn.Module, dense: nn.Module, kept: Mapping[str, Tensor] | None) -> tuple[Layer, ...]:
    weights = prunable(model)
    rows = []
    for name, dense_shape in layer_shapes(dense).items():
        weight = weights[f"{name}.weight"].detach().cpu()
        values = weight.double().numpy().ravel()
        values = values[(values != 0) & np.isfinite(values)]
        limit = float(np.abs(values).max(initial=0.0))
        counts = np.histogram(values, BINS, (-limit, limit))[0] if limit else np.zeros(BINS, np.int64)
        filters = None
        if kept is not None and len(dense_shape) > 2:
            percent = np.zeros(dense_shape[0], np.int64)
            nonzero = weight.flatten(1).count_nonzero(1).numpy()
            percent[_filters_left(dense, name, kept)] = -(-100 * nonzero // int(np.prod(dense_shape[1:])))
            filters = tuple(percent.tolist())
        zeros = weight.numel() - int(weight.count_nonzero())
        rows.append(Layer(name, tuple(weight.shape), dense_shape, zeros, limit, tuple(counts.tolist()), filters))
    return tuple(rows)


def _filters_left(dense: nn.Module, layer: str, kept: Mapping[str, Tensor]) -> NDArray[np.int64]:
    """Which filters of ``layer`` of the dense network there still are."""
    channels = channels_of(dense, example_of(dense)) if kept else None
    axis = channels.axis(f"{layer}.weight", 0) if channels else None
    if channels is None or axis is None:
        return np.arange(len(dense.get_parameter(f"{layer}.weight")))
    return axis.positions(mask_of(channels, kept)).numpy()
