"""The record of a run's int8 network: ``int8.json``, beside the network itself, ``int8.onnx``."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue, TypeAdapter

from core.i18n import Message
from core.runs.atomic_io import with_checksum, write_json
from core.runs.folder import RunFolder
from core.runs.record import AtLeastOne, Digest, Note, Percent, Positive, Record, read_record
from core.runs.result import Speedup, Timing

LOSS = 1.0  # percentage points: an int8 network that loses more is said to be broken


class Int8Result(Record):
    """What was measured of the network in int8, on a CPU. ``model``: the SHA-256 of the file that it was made from;
    ``problem``: why there is none, and then nothing else. A speed-up is over the latency of the dense network in float32, as
    it is or (``optimised``) as it is delivered; a gain over this network as it is delivered in float32."""

    run_id: str
    model: Digest
    problem: Mapping[str, JsonValue] | None = None
    sha256: Digest | None = None
    int8_accuracy: Percent | None = None
    int8_file_mb: Positive | None = None
    int8_latency_ms: Positive | None = None
    int8_batch_latency_ms: Positive | None = None
    int8_speedup: Positive | None = None
    int8_batch_speedup: Positive | None = None
    int8_optimised_speedup: Positive | None = None
    int8_optimised_batch_speedup: Positive | None = None
    int8_gain: Positive | None = None
    int8_batch_gain: Positive | None = None
    speedups: Mapping[str, Speedup] = {}  # with their intervals, by the name of the field above
    timings: Mapping[str, Timing] = {}
    calibration_pictures: AtLeastOne | None = None
    runtime: Note | None = None
    hardware: Note | None = None

    @property
    def reason(self) -> Message | None:
        """Why there is no int8 network."""
        return None if self.problem is None else Message.from_json(dict(self.problem))

    def is_of(self, model_sha256: str | None) -> bool:
        """Whether this was made of the very network that a result was measured on, as far as the result says."""
        return model_sha256 in (None, self.model)


_INT8 = TypeAdapter(Int8Result)


def write_int8(folder: RunFolder, result: Int8Result) -> None:
    """Write ``result`` into the run's folder; OSError if the disk refuses."""
    write_json(folder.int8_path, with_checksum(result.to_json()))


def read_int8(folder: RunFolder) -> Int8Result | None:
    """That in the run's folder, None if there is none; InputError if it is damaged or another run's."""
    try:
        return read_record(folder.int8_path, _INT8)
    except FileNotFoundError:
        return None
