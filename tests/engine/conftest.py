import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from core.engine import resnet18
from core.engine.execute import execute
from core.engine.layer_times import LayerTimes
from core.engine.networks.layers import filter_count
from core.engine.pruning.base import Context
from core.runs.folder import Home, State
from core.spec.methods import METHODS
from core.spec.spec import Recipe, RunSpec, Schedule


@pytest.fixture(scope="session")
def model():
    """A thin network whose BatchNorm statistics are no longer the initial ones; not to be changed by a test."""
    network = resnet18(8, seed=0).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(16, 3, 32, 32, generator=generator))
        for name, parameter in network.named_parameters():
            if "bn" in name or "downsample.1" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="session")
def pictures():
    return torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def context(model):
    """What a run of ``method`` would give it: default settings, other weights to rewind to, noise for pictures."""

    def sample(n):
        generator = torch.Generator().manual_seed(2)
        return torch.randn(n, 3, 32, 32, generator=generator), torch.arange(n) % 10

    def make(method, seed=42, **settings):
        earlier = resnet18(8, seed=99).state_dict()
        return Context(
            seed,
            dict(METHODS[method].complete(settings)),
            lambda epoch: earlier,
            sample,
            lambda seed: resnet18(8, seed=seed),
        )

    return make


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Two classes that can be told apart by their colour."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for split, size in (("train", 40), ("test", 10)):
        for place, name in enumerate(("red", "blue")):
            (folder / split / name).mkdir(parents=True)
            for index in range(size):
                pixels = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
                pixels[..., 2 * place] += 120
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")
    train, finetune = Schedule(epochs=3, lr=0.05, batch_size=16), Schedule(epochs=2, lr=0.01, batch_size=16)
    return Recipe("tiny", f"folder:{folder}", 4, train, finetune)


@pytest.fixture(scope="session")
def dense_home(tmp_path_factory, recipe):
    """A home with a finished dense run, not to be changed."""
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    assert execute(home.create(RunSpec(recipe, "dense", 1)).path) == State.DONE
    return home


@pytest.fixture
def home(tmp_path, dense_home):
    """A home of its own in which the dense run is done."""
    shutil.copytree(dense_home.path, tmp_path / "home")
    return Home(tmp_path / "home")


def arithmetic(self, shape):
    """Seconds of a layer at a multiply-accumulate a nanosecond."""
    pixels = math.prod(shape.size) / math.prod(shape.stride)
    return 1e-7 + 1e-9 * shape.inputs * shape.outputs / shape.groups * math.prod(shape.kernel or (1,)) * pixels


@pytest.fixture(autouse=True)
def layer_times(request, monkeypatch):
    """Layers take as long as their arithmetic would, but where they "really" are timed."""
    if "really" not in request.node.nodeid:
        monkeypatch.setattr(LayerTimes, "_measure", arithmetic)
        monkeypatch.setattr("core.engine.layer_times.measure_network", lambda model, batch: 1e-3 * filter_count(model))


@pytest.fixture(autouse=True)
def without_int8(request, monkeypatch):
    """Runs leave no network in int8, which takes a second or two, but in the tests that are about them."""
    if "int8" not in request.node.nodeid:
        monkeypatch.setattr("core.engine.execute.measure_int8", lambda *arguments: None)


@pytest.fixture
def impatient(monkeypatch):
    """Poll and save at every step and epoch, where a real run does so once in a while; prune and time less thoroughly."""
    monkeypatch.setattr("core.engine.pruning.synflow.ROUNDS", 5)
    monkeypatch.setattr("core.engine.context.POLL_SECONDS", 0.0)
    monkeypatch.setattr("core.engine.train.CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr("core.engine.result.FULL_SECONDS", 0.01)
    monkeypatch.setattr("core.engine.result.QUICK_SECONDS", 0.01)
    monkeypatch.setattr("core.engine.int8.SECONDS", 0.01)
    monkeypatch.setattr("core.engine.latency.FIRST_CHECK", 1)
    monkeypatch.setattr("core.engine.latency.WARM_UP", 1)
    monkeypatch.setattr("core.engine.deploy.PROBES", 1)
