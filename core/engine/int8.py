"""A network in int8: quantised after training, and measured beside itself in float32.

Static quantisation by ONNX Runtime in the QDQ format: weights signed and per channel, activations unsigned, in ranges seen
on training pictures (Jacob et al., CVPR 2018; Nagel et al., arXiv 2106.08295). Unsigned activations, since the dot products
of x86 CPUs multiply unsigned by signed numbers: with signed ones ONNX Runtime was three times slower (docs/performance.md).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from core.engine.artifact import notes_of
from core.engine.context import RunContext
from core.engine.data.augment import DeviceImages
from core.engine.device import cpu_name, threads
from core.engine.evaluate import BATCH
from core.engine.latency import (
    OPTIMISED,
    Times,
    deployed_calls,
    large_batch,
    random_images,
    speedup,
    threads_for,
    time_interleaved,
    timing,
)
from core.engine.onnx_file import INPUT, encode_onnx
from core.i18n import Message
from core.runs.atomic_io import atomic_write, sha256
from core.runs.folder import RunFolder
from core.runs.int8 import Int8Result, read_int8, write_int8
from core.runs.result import Speedup, Timing
from core.spec.errors import InputError, first_line

CALIBRATION, CALIBRATION_BATCH = 256, 32  # training pictures that the ranges of activations are taken from
SECONDS = 0.1  # that a network is timed for, on average

# By the form of a network that int8 is compared with: the field for one picture, and that for a large batch.
_RATIOS = {
    "dense": ("int8_speedup", "int8_batch_speedup"),
    f"dense{OPTIMISED}": ("int8_optimised_speedup", "int8_optimised_batch_speedup"),
    "delivered": ("int8_gain", "int8_batch_gain"),
}
_LATENCIES = ("int8_latency_ms", "int8_batch_latency_ms")


def quantise(model: nn.Module, pictures: Tensor, notes: Mapping[str, Any] | None = None) -> bytes:
    """The content of an ONNX file that computes in int8 what ``model`` does; ``pictures``, float32 [n, C, H, W] and
    normalised, show which values there are. ``notes`` become its metadata. InputError, with the reason, if it cannot be
    made."""
    quantization = _import_quantization()
    batches = iter([{INPUT: batch.cpu().contiguous().numpy()} for batch in pictures.split(CALIBRATION_BATCH)])

    class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined] # an untyped package
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory() as folder, _without_warnings():
        whole, small = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        whole.write_bytes(encode_onnx(model, {}))
        try:
            quantization.quantize_static(
                whole,
                small,
                Calibration(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                weight_type=quantization.QuantType.QInt8,
                activation_type=quantization.QuantType.QUInt8,
            )
            file = onnx.load_model(small)
        except Exception as error:  # whatever the quantiser raises on an operation that it does not know
            raise InputError("The network cannot be quantised: {reason}.", reason=first_line(error)) from None
    helper.set_model_props(file, {name: str(value) for name, value in (notes or {}).items()})
    content: bytes = file.SerializeToString()
    return content


class OnnxNetwork:
    """The network of an ONNX file in ONNX Runtime on the CPU, with as many threads as PyTorch has. InputError if it cannot
    be loaded."""

    def __init__(self, content: bytes) -> None:
        onnxruntime = _import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.force_spinning_stop", "1")  # between calls, as others compute then
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of several classes, none of them ONNX Runtime's interface
            raise InputError("ONNX Runtime cannot load the network: {reason}.", reason=first_line(error)) from None

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits [n, classes] of ``images`` [n, C, H, W]."""
        logits: NDArray[np.float32] = self._session.run(None, {INPUT: images})[0]
        return logits


def measure_int8(context: RunContext, model: nn.Module, dense: nn.Module) -> None:
    """Quantise the ``model`` of the run, measure it beside ``dense``, and write both the network and the record into the
    run's folder. Where that fails the record says why."""
    folder = context.folder
    digest = folder.check_model()
    try:
        found = _measure(context, model, dense)
        with atomic_write(folder.int8_network_path) as file:
            file.write(found.content)
        record = Int8Result(
            run_id=folder.run_id,
            model=digest,
            sha256=sha256(folder.int8_network_path),
            int8_accuracy=round(found.accuracy, 3),
            int8_file_mb=len(found.content) / 1e6,
            **found.latency,  # type: ignore[arg-type] # by the names of its fields
            speedups=found.speedups,
            timings=found.timings,
            calibration_pictures=CALIBRATION,
            runtime=f"onnxruntime {version('onnxruntime')}",
            hardware=cpu_name(),
        )
    # Whatever it is: the run is whole without.
    except Exception as error:
        unknown = Message("The network cannot be quantised: {reason}.", reason=first_line(error))
        problem = error.message if isinstance(error, InputError) else unknown
        record = Int8Result(run_id=folder.run_id, model=digest, problem=problem.to_json())
    write_int8(folder, record)


def measure_int8_of(path: Path) -> bool:
    """:func:`measure_int8` for the finished run in the folder ``path``; False if it has a record of its network. InputError
    if that is missing or altered, or the images are gone or have changed."""
    folder = RunFolder(path)
    digest = folder.check_model()
    if _is_measured(folder, digest):
        return False
    context = RunContext(folder)
    context.check_origin(folder)
    dense = context.load(context.dense_folder)
    measure_int8(context, dense if folder.spec.is_dense else context.load(folder), dense)
    return True


def _is_measured(folder: RunFolder, digest: str) -> bool:
    try:
        record = read_int8(folder)
    except InputError:
        return False
    if record is None or record.model != digest:
        return False
    return record.problem is not None or folder.int8_network_path.is_file()


@dataclass(frozen=True, slots=True)
class _Measured:
    content: bytes
    accuracy: float
    latency: Mapping[str, float]
    speedups: Mapping[str, Speedup]
    timings: Mapping[str, Timing]


def _measure(context: RunContext, model: nn.Module, dense: nn.Module) -> _Measured:
    with context.measurement_lock.training():
        pictures = context.sample(CALIBRATION)[0]
        content = quantise(model, pictures, notes_of(context.folder.model_path))
        accuracy = evaluate_onnx(content, context.test_images)
    networks = {"dense": deepcopy(dense).cpu()} | ({} if model is dense else {"this": deepcopy(model).cpu()})
    latency: dict[str, float] = {}
    speedups: dict[str, Speedup] = {}
    timings: dict[str, Timing] = {}
    with context.measurement_lock.timing():
        for place, batch in enumerate((1, large_batch(torch.device("cpu")))):
            times = time_beside_int8(networks, content, batch)
            own = {name: timing(batch, spent) for name, spent in times.items()}
            timings |= {f"{name}, batch {batch}": one for name, one in own.items()}
            latency[_LATENCIES[place]] = own["int8"].median_ms
            for name, fields in _RATIOS.items():
                if name in times:
                    speedups[fields[place]] = speedup(times[name], times["int8"])
    latency |= {name: one.ratio for name, one in speedups.items()}
    return _Measured(content, accuracy, latency, speedups, timings)


@torch.no_grad()
def time_beside_int8(
    networks: Mapping[str, nn.Module], content: bytes, batch: int, seconds: float | None = None
) -> dict[str, Times]:
    """The seconds of calls, in turns, of the int8 network and of each of ``networks``, on the CPU, as they are and
    optimised; and under "delivered" those of the last of them in the faster of both forms."""
    with threads(threads_for(batch)):
        calls, _ = deployed_calls(networks, batch)
        images, session = random_images(networks["dense"], batch).contiguous().numpy(), OnnxNetwork(content)
        calls["int8"] = lambda: session(images)
        times = time_interleaved(calls, _enough(SECONDS if seconds is None else seconds))
    last = list(networks)[-1]
    forms = [times[name] for name in (last, f"{last}{OPTIMISED}") if name in times]
    return times | {"delivered": min(forms, key=lambda spent: float(np.median(spent)))}


def _enough(seconds: float) -> Callable[[Mapping[str, Times]], bool]:
    """Enough is when all calls together took ``seconds`` for each that is timed: in int8 it may be twenty times as fast as
    another, which would be called as often."""
    return lambda times: sum(float(spent.sum()) for spent in times.values()) >= seconds * len(times)


def evaluate_onnx(content: bytes, images: DeviceImages) -> float:
    """Percent of ``images`` that the network of the ONNX file gets right."""
    session, right = OnnxNetwork(content), 0
    for start in range(0, len(images), BATCH):
        batch, labels = images.eval_batch(start, start + BATCH)
        logits = session(batch.cpu().contiguous().numpy())
        right += int((logits.argmax(1) == labels.cpu().numpy()).sum())
    return 100 * right / len(images)


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - takes half a second, and PruneScope works without
    except ImportError:
        raise InputError("int8 needs the package onnxruntime: pip install onnxruntime.") from None
    return onnxruntime


def _import_quantization() -> Any:
    _import_onnxruntime()
    from onnxruntime import quantization  # noqa: PLC0415 - the same

    return quantization


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The quantiser advises in the log, for a network that is prepared already."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
