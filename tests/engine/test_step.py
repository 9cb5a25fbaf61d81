"""The steps that a GPU replays as one graph, executed on a CPU: what stands in for a graph checks what a graph needs."""

import weakref
from contextlib import nullcontext
from dataclasses import replace
from threading import Event

import pytest
import torch

from core.engine import cuda_graph, resnet18
from core.engine import train as train_module
from core.engine.data.augment import DeviceImages
from core.engine.data.images import Images
from core.engine.execute import execute
from core.engine.masks import WeightMasks
from core.engine.networks.layers import prunable
from core.engine.pruning import prune
from core.engine.pruning.base import lowest_masks
from core.engine.recovery.distillation import Teacher
from core.engine.step import EAGER, GRAPH, WARM_UP, Step, make_optimizer
from core.engine.train import train_epoch
from core.engine.training_state import TrainingState
from core.runs.failure import DeviceUnusableError
from core.runs.folder import State
from core.spec.spec import RunSpec, Schedule
from core.spec.training_plan import TrainingPlan, make_training_plan

SCHEDULE = Schedule(epochs=2, lr=0.05, batch_size=16)
PLAN = TrainingPlan(SCHEDULE, (2,))


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (100, 32, 32, 3), generator=generator, dtype=torch.uint8)
    return DeviceImages(Images(images, torch.arange(100) % 10), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), "cpu")


class Graph:
    """A capture that does the work at each replay, and sees to it that the work still reads the memory that it was
    captured with: a CUDA graph would go on reading that."""

    def __init__(self):
        self.step, self.captures, self.replays = None, 0, 0

    def __call__(self, work):
        self.captures += 1
        captured = self._memory()

        def replay():
            self.replays += 1
            assert self._memory() == captured
            work()

        return replay

    def _memory(self):
        step = self.step
        read = [*step.model.state_dict().values(), *step._augmentation._parts()]
        read += [step._device_rates, step._rate, step._number]
        read += [state["momentum_buffer"] for state in step.optimizer.state.values()]
        read += [step._loss, step._hits, *step.weight_masks._factors, *(g["lr"] for g in step.optimizer.param_groups)]
        return [tensor.data_ptr() for tensor in read]


def steps_of(pictures, graph=None, *, masks=None, precision="fp32", model=None, **more):
    model = (model or resnet18(4, seed=3)).to(memory_format=torch.channels_last)
    optimizer, weight_masks = make_optimizer(model, SCHEDULE), WeightMasks(model, masks or {})
    more = {"precision": precision, "capture": graph, **more}
    step = Step(model, optimizer, weight_masks, pictures, SCHEDULE.batch_size, **more)
    if isinstance(graph, Graph):
        graph.step = step
    return step


def train(step, on_step=lambda number, steps: None):
    return [train_epoch(step, plan=PLAN, seed=1, epoch=epoch, on_step=on_step) for epoch in range(2)]


def equal(first, second):
    # The learning rate is a float32 tensor in a graph and a Python float elsewhere.
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    return all(torch.allclose(a.float(), b.float(), atol=1e-4) for (_, a), b in pairs)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("taught", [False, True])
def test_replayed_steps_train_what_steps_one_by_one_do(pictures, precision, taught):
    graph = Graph()
    more = {"precision": precision, "teacher": Teacher(resnet18(4, seed=9)) if taught else None}
    plain, replayed = steps_of(pictures, **more), steps_of(pictures, graph, **more)
    expected, found = train(plain), train(replayed)
    assert (graph.captures, graph.replays) == (1, 2 * plain.per_epoch - WARM_UP)
    assert (plain.mode, replayed.mode) == (EAGER, GRAPH)
    assert equal(plain.model, replayed.model)
    for one, other in zip(expected, found, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-4)
        assert other.accuracy == one.accuracy


def test_masks_that_come_in_the_middle_of_training_are_captured_and_later_ones_change_in_place(pictures):
    def cuts(step):
        def on_step(number, steps):
            if number in (4, 5) and not on_step.asked.get(number):
                on_step.asked[number] = True
                masks = lowest_masks({n: w.abs() for n, w in prunable(step.model).items()}, number / 10)
                step.weight_masks.set_masks(masks)
                step.weight_masks.apply()

        on_step.asked = {}
        return on_step

    graph = Graph()
    plain, replayed = steps_of(pictures), steps_of(pictures, graph)
    for step in (plain, replayed):
        train(step, cuts(step))
    assert graph.captures == 2  # without masks and with them
    assert equal(plain.model, replayed.model)
    weights = prunable(replayed.model)
    gone = {name: ~mask for name, mask in replayed.weight_masks.masks.items()}
    assert sum(int(mask.sum()) for mask in gone.values()) == round(0.5 * sum(mask.numel() for mask in gone.values()))
    assert not any(weights[name][mask].any() for name, mask in gone.items())


def test_a_captured_step_is_freed_at_once_with_its_graph(pictures):
    """A cycle would keep the memory of the round before until Python's garbage collector comes by."""
    step = steps_of(pictures, lambda work: work)
    train_epoch(step, plan=PLAN, seed=1, epoch=0)
    assert step.mode == GRAPH
    reference = weakref.ref(step)
    del step
    assert reference() is None


def test_if_capturing_fails_it_says_so_and_trains_all_the_same(pictures):
    def broken(work):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    plain, step = steps_of(pictures), steps_of(pictures, broken)
    train(plain)
    train(step)
    assert step.mode == "eager, because capturing failed: operation not permitted"
    assert equal(plain.model, step.model)


class BrokenCapture:
    """In the place of torch.cuda.graph: it stays on its stream, where it can begin no capture, or end none."""

    stream, breaks = "the usual", "at the end"

    def __init__(self, graph):
        pass

    def __enter__(self):
        BrokenCapture.stream = "the capture's"
        if self.breaks == "at the beginning":
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

    def __exit__(self, *_):
        raise RuntimeError("operation failed due to a previous error during capture")


@pytest.fixture
def broken_capture(monkeypatch):
    monkeypatch.setattr(cuda_graph, "_failed", Event())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", BrokenCapture)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: BrokenCapture.stream)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: setattr(BrokenCapture, "stream", stream))


@pytest.mark.usefixtures("broken_capture")
def test_a_broken_capture_leaves_its_stream_and_names_what_broke_it():
    def work():
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert not cuda_graph.capture_failed()
    with pytest.raises(torch.OutOfMemoryError):
        cuda_graph.capture(work)
    assert BrokenCapture.stream == "the usual"
    assert cuda_graph.capture_failed()


@pytest.mark.usefixtures("impatient", "broken_capture")
def test_after_a_run_whose_capture_broke_the_process_is_not_used_again(home, recipe, monkeypatch):
    folder = home.create(RunSpec(recipe, "random", 1, 0.5))
    real = train_module.train_epoch

    def captured(step, **kwargs):
        if step.mode == EAGER:
            step.capture = cuda_graph.capture
        return real(step, **kwargs)

    monkeypatch.setattr(BrokenCapture, "breaks", "at the beginning")
    monkeypatch.setattr(train_module, "train_epoch", captured)
    with pytest.raises(DeviceUnusableError):
        execute(folder.path)
    assert folder.state() == State.DONE
    assert folder.result().train_steps == "eager, because capturing failed: operation not permitted"
    assert execute(folder.path) == State.DONE  # in the next process: nothing is left to do


def test_all_warming_up_is_on_one_side_stream(monkeypatch):
    class Stream:
        made = 0

        def __init__(self, device=None):
            Stream.made += 1

        def wait_stream(self, other):
            pass

    now = Stream()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: now)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    calls = []
    for _ in range(WARM_UP):
        cuda_graph.warm_up(lambda: calls.append(1), torch.device("cuda", 7))
    assert (len(calls), Stream.made) == (WARM_UP, 2)  # with the current one


def test_a_new_round_gets_steps_of_its_own_and_a_cut_within_an_epoch_does_not(pictures, recipe):
    schedule = replace(recipe.finetune, epochs=4)
    for chosen, same in (({"schedule": "iterative", "rounds": 2}, False), ({"schedule": "gradual"}, True)):
        spec = RunSpec(replace(recipe, finetune=schedule), "magnitude", 1, 0.7, tuple(chosen.items()))
        magnitude = _pruner(spec)
        state = TrainingState(resnet18(4, seed=0), make_training_plan(spec), 6, torch.device("cpu"), magnitude)
        state.start_epoch(0)
        before = state.make_step(pictures, "fp32")
        assert state.make_step(pictures, "fp32") is before
        for epoch in (1, 2):
            state.start_epoch(epoch)
            state.start_step(epoch, 0)
        after = state.make_step(pictures, "fp32")
        assert (after is before) == same
        assert (after.model, after.optimizer, after.weight_masks) == (state.model, state.optimizer, state.weight_masks)


def _pruner(spec):
    class Context:
        seed, settings, masks = 1, dict(spec.settings), {}

    return lambda model, sparsity, masks: prune("magnitude", model, sparsity, Context)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("method", "chosen"), [("magnitude", {"schedule": "gradual"}), ("structured", {})], ids=str)
def test_a_whole_run_of_replayed_steps_is_the_run_of_plain_ones(home, recipe, monkeypatch, method, chosen):
    """Cuts, rounds and shrunk networks included; each network that is shrunk or begun anew is captured afresh."""
    spec = RunSpec(replace(recipe, finetune=replace(recipe.finetune, epochs=4)), method, 1, 0.6, tuple(chosen.items()))
    folder, graphs = home.create(spec), {}
    real = train_module.train_epoch

    def replayed(step, **kwargs):
        if step not in graphs:
            graphs[step] = step.capture = Graph()
            graphs[step].step = step
        return real(step, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "train_epoch", replayed)
        assert execute(folder.path) == State.DONE
    assert folder.result().train_steps == GRAPH
    assert all(graph.replays for graph in graphs.values())
    assert folder.result().reached_sparsity == pytest.approx(0.6, abs=0.01)
    losses = _losses(folder)
    folder.result_path.unlink()
    for path in (folder.model_path, folder.events_path):
        path.unlink()
    assert execute(folder.path) == State.DONE
    assert folder.result().train_steps == EAGER
    assert losses == pytest.approx(_losses(folder), rel=1e-2)


def _losses(folder):
    return [event["loss"] for event in folder.events() if event["type"] == "epoch"]
