"""Examine the network of a finished run: what pruning took from every layer, and which pictures it now gets wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.engine.artifact import load_model, part_sizes, plain_size
from core.engine.data import load_dataset
from core.engine.data.augment import DeviceImages, sample_indices
from core.engine.data.pictures import Dataset, Images
from core.engine.device import choose_device, place, resolve_precision
from core.engine.evaluate import BATCH
from core.engine.measurement_lock import MeasurementLock
from core.engine.networks.resnet18 import ResNet, conv_graph
from core.engine.pruning import prune
from core.engine.pruning.base import Context, prunable
from core.runs.diagnostics import (
    BINS,
    MAX_CLASSES,
    MAX_MISTAKES,
    Diagnostics,
    Layer,
    Mistake,
    read_diagnostics,
    write_diagnostics,
)
from core.runs.folder import Home, RunFolder
from core.runs.result import Origin
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.spec import RunSpec

COLORS = 32  # of a kept picture: a third of the bytes, and hardly to be told from all


@dataclass(frozen=True)
class Bench:
    """What a network is examined with. ``test``: the test pictures on ``device``; ``sample(n)``: ``n`` training pictures
    with their labels, those that the run's pruning was given."""

    data: Dataset
    test: DeviceImages
    device: torch.device
    precision: str
    sample: Callable[[int], tuple[Tensor, Tensor]]


def diagnose_run(path: Path) -> bool:
    """Examine the finished run in the folder ``path`` and keep what is found there; False if that was done before.

    InputError if its network or its dense run's is missing or altered, or the pictures are gone or have changed.
    """
    folder = RunFolder(path)
    result = folder.result()
    if _is_examined(folder, folder.check_model()):
        return False
    spec, home = folder.spec, Home(path.parent.parent)
    data = load_dataset(spec.recipe.data, home, lambda message, fraction: None)
    origin = result.origin if result else Origin()
    if origin.data not in (None, data.fingerprint):
        raise InputError("The pictures have changed since {run} was trained: put them back.", run=folder.run_id)
    dense_digest = None if spec.is_dense else _dense(folder).check_model()
    if origin.dense not in (None, dense_digest):
        raise InputError(
            "{dense} is not the dense network any more that {run} was pruned from.",
            dense=spec.dense.run_id,
            run=folder.run_id,
        )
    device = choose_device()

    def sample(n: int) -> tuple[Tensor, Tensor]:
        chosen = sample_indices(len(data.train), n, spec.seed)
        part = Images(data.train.images[chosen], data.train.labels[chosen])
        return DeviceImages(part, data.mean, data.std, device).eval_batch(0, n)

    test = DeviceImages(data.test, data.mean, data.std, device)
    bench = Bench(data, test, device, resolve_precision(spec.recipe.precision, device), sample)
    with MeasurementLock(home.cache).training():  # like training, it would disturb a run that is being timed
        write_diagnostics(folder, examine(folder, bench))
    return True


def examine(folder: RunFolder, bench: Bench) -> Diagnostics:
    """What is found out about the network file in ``folder``; InputError if that or its dense run's cannot be used."""
    spec, source = folder.spec, _dense(folder)
    model = place(load_model(folder.model_path), bench.device)
    dense = model if spec.is_dense else place(load_model(source.model_path), bench.device)
    now, confidence = _predict(model, bench)
    before = now if spec.is_dense else _predict(dense, bench)[0]
    truth, n = bench.data.test.labels.numpy(), len(bench.data.classes)
    lost, gained = (before == truth) & (now != truth), (before != truth) & (now == truth)
    wrong = now != truth if spec.is_dense else lost
    confusion = np.zeros((n, n), np.int64)
    np.add.at(confusion, (truth, now), 1)
    return Diagnostics(
        run_id=folder.run_id,
        model=folder.check_model(),
        dense=source.check_model(),
        data=bench.data.fingerprint,
        classes=bench.data.classes,
        pictures=_count(truth, n),
        correct=_count(truth[now == truth], n),
        dense_correct=_count(truth[before == truth], n),
        confusion=tuple(map(tuple, confusion.tolist())) if n <= MAX_CLASSES else (),
        lost=int(lost.sum()),
        gained=int(gained.sum()),
        mistakes=_mistakes(bench.data.test, wrong, now, confidence),
        layers=_layers(model, dense, _channels_kept(spec, model, dense, bench.sample)),
        parts=part_sizes(folder.model_path, model.shape),
        plain_size=plain_size(model),
        dense_size=source.model_path.stat().st_size,
        dense_plain_size=plain_size(dense),
    )


def _dense(folder: RunFolder) -> RunFolder:
    return RunFolder(folder.path.with_name(folder.spec.dense.run_id))


def _is_examined(folder: RunFolder, digest: str) -> bool:
    try:
        found = read_diagnostics(folder)
    except InputError:
        return False
    return found is not None and found.model == digest


@torch.no_grad()
def _predict(model: ResNet, bench: Bench) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The class that ``model`` takes each test picture for, and its confidence in percent."""
    classes, confidences = [], []
    for start in range(0, len(bench.test), BATCH):
        images, _ = bench.test.eval_batch(start, start + BATCH)
        with torch.autocast(bench.device.type, dtype=torch.bfloat16, enabled=bench.precision == "bf16"):
            logits = model(images)
        best = logits.argmax(1)
        classes.append(best.cpu())
        confidences.append(logits.float().softmax(1).gather(1, best[:, None])[:, 0].cpu())
    percent = np.nan_to_num(100 * torch.cat(confidences).double().numpy())  # training may have diverged
    return torch.cat(classes).numpy(), percent


def _count(labels: NDArray[np.int64], classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=classes).tolist())


def _mistakes(
    pictures: Images, wrong: NDArray[np.bool_], now: NDArray[np.int64], confidence: NDArray[np.float64]
) -> tuple[Mistake, ...]:
    found = np.flatnonzero(wrong)
    chosen = found[np.argsort(-confidence[found], kind="stable")][:MAX_MISTAKES]
    return tuple(
        Mistake(
            index=int(index),
            truth=int(pictures.labels[index]),
            predicted=int(now[index]),
            confidence=round(float(confidence[index]), 1),
            picture=_png(pictures.images[index].numpy()),
        )
        for index in chosen
    )


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).quantize(COLORS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _channels_kept(
    spec: RunSpec, model: ResNet, dense: ResNet, sample: Callable[[int], tuple[Tensor, Tensor]]
) -> Mapping[str, Tensor] | None:
    """Which of the dense network's channels the network has, by group; None if its filters are none of them.

    Nothing notes that while a run is executed: pruning the same network with the same settings finds it again.
    """
    if spec.is_dense or METHODS[spec.method].kind == "unstructured":
        return {group: torch.arange(channels) for group, channels in dense.shape.groups.items()}
    if METHODS[spec.method].restarts:
        return None
    context = Context(spec.seed, dict(spec.settings), lambda epoch: {}, sample)
    kept = prune(spec.method, dense, spec.sparsity, context).kept
    if kept is None or {group: len(index) for group, index in kept.items()} != model.shape.groups:
        return None
    return kept


def _layers(model: ResNet, dense: ResNet, kept: Mapping[str, Tensor] | None) -> tuple[Layer, ...]:
    weights = prunable(model)
    group_of = {wire.conv: wire.target for wire in conv_graph()}
    found = []
    for name, full in dense.shape.weights.items():
        weight = weights[f"{name}.weight"].detach().cpu()
        values = weight.double().numpy().ravel()
        values = values[(values != 0) & np.isfinite(values)]
        limit = float(np.abs(values).max(initial=0.0))
        counts = np.histogram(values, BINS, (-limit, limit))[0] if limit else np.zeros(BINS, np.int64)
        filters = None
        if kept is not None and name in group_of:
            left = np.zeros(full[0], np.int64)
            nonzero = weight.flatten(1).count_nonzero(1).numpy()
            left[kept[group_of[name]].cpu().numpy()] = -(-100 * nonzero // int(np.prod(full[1:])))
            filters = tuple(left.tolist())
        zeros = weight.numel() - int(weight.count_nonzero())
        found.append(Layer(name, tuple(weight.shape), full, zeros, limit, tuple(counts.tolist()), filters))
    return tuple(found)
