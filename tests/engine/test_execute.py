"""Whole runs on a handful of pictures: dense, every method, resuming, cancelling, failing."""

import json
import math
import shutil
import time
from dataclasses import replace
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch

from core.engine import execute as execute_module
from core.engine import load_model, onnx_file, resnet18, save_model
from core.engine import train as train_module
from core.engine.counts import count
from core.engine.execute import execute
from core.engine.export import export
from core.engine.measurement_lock import MeasurementLock
from core.engine.result import file_sizes
from core.jobs.task import run_task
from core.runs.atomic_io import sha256
from core.runs.folder import Home, RunFolder, State
from core.runs.lease import Lease, LeaseHeldError
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.spec import RunSpec

pytestmark = pytest.mark.usefixtures("impatient")


def test_a_dense_run_leaves_its_record(dense_home, recipe):
    folder = dense_home.run(RunSpec(recipe, "dense", 1).run_id)
    result = folder.result()
    assert result.method == "dense"
    assert result.sparsity == result.reached_sparsity == 0
    assert result.test_accuracy > 80
    assert result.speedup == result.mac_ratio == 1
    assert result.optimised_speedup == result.optimised_batch_speedup == 1
    assert result.train_steps == "eager"
    assert result.environment.threads == torch.get_num_threads()
    assert result.model_size_mb * 1e6 == folder.model_path.stat().st_size
    assert [event["epoch"] for event in folder.events() if event["type"] == "epoch"] == [1, 2, 3]
    assert not list(folder.path.glob("checkpoint-*"))  # the result makes them needless
    assert not list(folder.path.glob(".*.tmp"))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_to_its_record(home, recipe, method):
    spec = RunSpec(recipe, method, 1, 0.7)
    folder = home.create(spec)
    assert execute(folder.path) == State.DONE
    result = folder.result()
    kinds = result.model_dump(include={"method", "sparsity", "seed"})
    assert kinds == {"method": method, "sparsity": 0.7, "seed": 1}
    assert result.reached_sparsity == pytest.approx(0.7, abs=0.01)
    written = count(load_model(folder.model_path), resnet18(4, 2))
    assert written.params_nonzero == result.params_nonzero
    assert written.reached_sparsity == result.reached_sparsity
    assert result.params_millions == result.params_nonzero / 1e6
    optimised = result.latency.optimised
    assert result.optimised_latency_ms == optimised.single.median_ms > 0
    measured = result.speedups["optimised_speedup"]
    assert measured.low <= result.optimised_speedup == measured.ratio <= measured.high
    assert (result.mac_ratio > 1.3) == (METHODS[method].kind == "structured")
    assert (result.filter_ratio > 0) == (METHODS[method].kind == "structured")
    assert (result.train_pictures, result.test_pictures) == (80, 20)
    assert result.schedule.lr == (0.05 if METHODS[method].restarts else 0.01)
    json.dumps(result.to_json(), allow_nan=False)


def test_the_recorded_accuracy_is_that_of_the_file(home, recipe):
    from core.engine.data import load_dataset  # noqa: PLC0415
    from core.engine.data.augment import DeviceImages  # noqa: PLC0415
    from core.engine.evaluate import evaluate  # noqa: PLC0415

    folder = home.create(RunSpec(recipe, "structured", 1, 0.5))
    execute(folder.path)
    data = load_dataset(recipe.data, home)
    found = evaluate(load_model(folder.model_path), DeviceImages(data.test, data.mean, data.std, "cpu"), 2)
    assert found.accuracy == pytest.approx(folder.result().test_accuracy, abs=1e-3)


def test_the_recorded_sizes_are_those_of_the_files_that_are_exported(home, recipe, tmp_path):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.9))
    execute(folder.path)
    result = folder.result().model_dump()
    with ZipFile(tmp_path / "all.zip", "w", ZIP_DEFLATED) as archive:
        archive.write(folder.model_path, "model")
        for form in ("plain", "onnx"):
            export(folder, form, tmp_path / form)
            assert result[f"{form}_file_mb"] == (tmp_path / form).stat().st_size / 1e6
            archive.write(tmp_path / form, form)
        assert {f"{entry.filename}_zip_mb": entry.compress_size / 1e6 for entry in archive.infolist()}.items() <= (
            result.items()
        )
    assert result["onnx_zip_mb"] < result["plain_zip_mb"] < result["plain_file_mb"] / 3  # zeros cost little in a ZIP


def test_a_network_too_large_for_onnx_has_no_onnx_size(model, monkeypatch, tmp_path):
    save_model(model, tmp_path / "m")
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 1000)
    sizes = file_sizes(tmp_path / "m", model)
    assert {name for name, size in sizes.items() if size is None} == {"onnx_file_mb", "onnx_zip_mb"}


def test_executing_a_finished_run_again_changes_nothing(home, recipe):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    execute(folder.path)
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    assert execute(folder.path) == State.DONE
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the engine catches it."""


def test_an_epoch_that_was_cut_off_is_done_again_from_the_last_checkpoint(home, recipe, monkeypatch):
    """Killed inside the third epoch with only the first one saved: the second is done again, and the end is the same."""
    spec = RunSpec(replace(recipe, finetune=replace(recipe.finetune, epochs=4)), "magnitude", 1, 0.7)
    whole, cut = Home(home.path), Home(home.path.parent / "cut")
    shutil.copytree(home.path, cut.path)
    execute(whole.create(spec).path)
    folder = cut.create(spec)
    real = train_module.train_epoch

    def kill(*args, **kwargs):
        monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 1e9 if kwargs["epoch"] else -1.0)
        on_step = kwargs.pop("on_step")

        def fatal(step, steps):
            if kwargs["epoch"] == 2 and step == 2:
                raise Killed
            on_step(step, steps)

        return real(*args, on_step=fatal, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "train_epoch", kill)
        with pytest.raises(Killed):
            execute(folder.path)
    assert execute(folder.path) == State.DONE
    assert [event["epoch"] for event in folder.events() if event["type"] == "epoch"] == [1, 2, 2, 3, 4]
    expected, found = (load_model(h.run(spec.run_id).model_path).state_dict() for h in (whole, cut))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_pauses_for_a_measurement_are_no_training_time(home, recipe, monkeypatch):
    folder = home.create(RunSpec(recipe, "random", 1, 0.5))
    pauses, left = [], []

    def pause(lock, training):
        pauses.append(1000.0)
        lock.paused_seconds += 1000.0

    def report(folder, **progress):
        left.append(progress.get("seconds_left") or 0.0)

    for name in ("monotonic", "perf_counter"):
        real = getattr(time, name)
        monkeypatch.setattr(time, name, lambda real=real: real() + sum(pauses))
    monkeypatch.setitem(train_module.train_epoch.__kwdefaults__, "clock", time.perf_counter)
    monkeypatch.setattr(MeasurementLock, "yield_to_measurement", pause)
    monkeypatch.setattr(RunFolder, "report_progress", report)
    assert execute(folder.path) == State.DONE
    epochs = [event for event in folder.events() if event["type"] == "epoch"]
    assert len(pauses) > len(epochs) > 0
    assert all(0 < event["seconds"] < 1000 for event in epochs)
    assert all(event["images_per_second"] > 0.08 for event in epochs)
    assert 0 < folder.result().train_seconds < 1000
    assert 0 < max(left) < 1000


def test_a_request_to_cancel_stops_it_within_a_step_and_it_can_go_on(home, recipe, monkeypatch):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    real = train_module.train_epoch

    def cancel_in_the_second_epoch(*args, **kwargs):
        if kwargs["epoch"] == 1:
            folder.request_cancel()
        return real(*args, **kwargs)

    monkeypatch.setattr(train_module, "train_epoch", cancel_in_the_second_epoch)
    assert execute(folder.path) == State.CANCELLED
    assert folder.state() == State.CANCELLED
    assert folder.result() is None
    assert [event["epoch"] for event in folder.events() if event["type"] == "epoch"] == [1]
    monkeypatch.setattr(train_module, "train_epoch", real)
    folder.enqueue()
    assert execute(folder.path) == State.DONE


def test_a_run_that_another_process_executes_is_left_to_it(home, recipe):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    with Lease(folder.path), pytest.raises(LeaseHeldError):
        execute(folder.path)
    assert folder.result() is None


def test_an_overtaken_attempt_commits_nothing(home, recipe, monkeypatch):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    real = execute_module.build_result

    def overtaken(*args):
        (folder.path / "attempt-0002").write_text("{}")
        return real(*args)

    monkeypatch.setattr(execute_module, "build_result", overtaken)
    assert execute(folder.path) == State.INTERRUPTED
    assert not folder.result_path.exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "smaller one, such as 8"),
        (MemoryError(), "Out of memory"),
        (OSError(28, "No space left on device"), "disk is full"),
        (
            InputError("The loss became {loss}: choose a larger batch size.", loss=math.nan),
            "The loss became nan: choose",
        ),
        (ValueError("first line\nsecond line"), "Unexpected ValueError: first line (details in log.txt)"),
    ],
    ids=["GPU memory", "memory", "disk", "no number", "unexpected"],
)
def test_a_failure_is_recorded_as_one_sentence_and_retry_mends_it(home, recipe, monkeypatch, error, says):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))

    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("core.engine.train.train_epoch", fail)
        assert execute(folder.path) == State.FAILED
    state, failure = folder.describe()
    assert state == State.FAILED
    reason = str(failure.message)
    assert says in reason
    assert "\n" not in reason
    assert "Traceback" in folder.log_path.read_text()
    expected = recipe.train.batch_size // 2 if isinstance(error, torch.OutOfMemoryError | MemoryError) else None
    assert failure.smaller_batch == expected
    folder.enqueue()
    assert execute(folder.path) == State.DONE


def test_a_pruned_run_without_its_dense_run_fails_with_advice(tmp_path, recipe):
    folder = Home(tmp_path).prepare().create(RunSpec(recipe, "magnitude", 1, 0.5))
    assert execute(folder.path) == State.FAILED
    assert "dense run" in str(folder.describe()[1].message)


def test_a_dense_network_that_was_altered_is_found(home, recipe):
    dense = home.run(RunSpec(recipe, "dense", 1).run_id)
    content = bytearray(dense.model_path.read_bytes())
    content[-5] ^= 1
    dense.model_path.write_bytes(content)
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    assert execute(folder.path) == State.FAILED
    assert "altered" in str(folder.describe()[1].message)


def test_the_network_of_another_run_in_its_place_is_found(home, recipe, tmp_path):
    """Its own checksum is right: only the result knows that it is not the network that was measured."""
    dense = home.run(RunSpec(recipe, "dense", 1).run_id)
    save_model(resnet18(4, 2, seed=77), dense.model_path)
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    assert execute(folder.path) == State.FAILED
    assert "is that of another run" in str(folder.describe()[1].message)
    with pytest.raises(InputError, match="is that of another run"):
        export(dense, "safetensors", tmp_path / "taken.safetensors")
    assert not (tmp_path / "taken.safetensors").exists()


def test_a_folder_without_pictures_is_a_sentence_not_a_traceback(tmp_path, recipe):
    (tmp_path / "nothing").mkdir()
    spec = RunSpec(replace(recipe, data=f"folder:{tmp_path / 'nothing'}"), "dense", 1)
    folder = Home(tmp_path / "home").prepare().create(spec)
    assert execute(folder.path) == State.FAILED
    assert "train/<class>/*" in str(folder.describe()[1].message)


def test_a_task_executes_the_dense_run_first(tmp_path, recipe):
    home = Home(tmp_path).prepare()
    spec = RunSpec(recipe, "lottery_ticket", 3, 0.5, (("rewind_epoch", 1),))
    for needed in (spec.dense, spec):
        home.create(needed)
    assert run_task(str(home.run(spec.run_id).path)) == State.DONE
    assert home.run(spec.dense.run_id).state() == State.DONE
    assert (home.run(spec.dense.run_id).path / "weights-0001.safetensors").exists()


@pytest.fixture
def movable(tmp_path, recipe):
    """A recipe on a copy of the pictures that a test may change, and a home with its dense run."""
    shutil.copytree(recipe.data.removeprefix("folder:"), tmp_path / "pictures")
    own = replace(recipe, data=f"folder:{tmp_path / 'pictures'}")
    home = Home(tmp_path / "home").prepare()
    assert execute(home.create(RunSpec(own, "dense", 1)).path) == State.DONE
    return home, own, tmp_path / "pictures"


def test_pictures_that_changed_since_the_dense_run_are_noticed(movable):
    home, recipe, pictures = movable
    (pictures / "train" / "red" / "0.png").unlink()
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    assert execute(folder.path) == State.FAILED
    assert "pictures have changed" in str(folder.describe()[1].message)


def test_a_checkpoint_from_another_dense_network_is_not_gone_on_from(home, recipe, monkeypatch):
    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    real = train_module.train_epoch

    def kill(*args, **kwargs):
        if kwargs["epoch"] == 1:
            raise Killed
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "train_epoch", kill)
        with pytest.raises(Killed):
            execute(folder.path)
    other, dense = resnet18(4, 2, seed=77), home.run(RunSpec(recipe, "dense", 1).run_id)
    save_model(other, dense.model_path)
    dense.commit(dense.result().model_copy(update={"model_sha256": sha256(dense.model_path)}))
    assert execute(folder.path) == State.DONE
    assert [event["epoch"] for event in folder.events() if event["type"] == "epoch"] == [1, 1, 2]
    assert folder.result().reached_sparsity == pytest.approx(0.5, abs=1e-3)
