"""Networks from elsewhere, and weights that were trained elsewhere: what is wrong with them is one sentence."""

import hashlib
import sys

import pytest
import torch
from safetensors.torch import save_file

from core.engine import build_network
from core.engine.networks.imported import load_weights
from core.engine.networks.of_recipe import fresh_network
from core.spec.errors import InputError
from core.spec.presets import build_recipe

NETWORK = """
from torch import nn

def good(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

def no_module(classes):
    return 7

def raises(classes):
    raise RuntimeError("out of luck")

def wrong_classes(classes):
    return good(classes + 1)

def several_outputs(classes):
    class Two(nn.Module):
        def forward(self, x):
            return x, x
    return Two()

def wants_flat(classes):
    return nn.Linear(7, classes)

def large(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 48), good(classes))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(NETWORK)
    return path


def make(file, function):
    return fresh_network(build_recipe("demo", network=f"{file}:{function}"), 3, seed=5)


def test_it_is_made_by_the_seed_and_leaves_the_global_generator_alone(file):
    before = torch.get_rng_state()
    first, second = make(file, "good"), make(file, "good")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())
    assert not first[1].running_mean.any()  # the check of its logits leaves nothing behind


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("missing", "mine.py has no function missing"),
        ("no_module", r"no_module \(mine\.py\) gives no torch\.nn\.Module"),
        ("raises", "cannot be made: out of luck"),
        ("wrong_classes", r"gives \(2, 4\) for two pictures, and not logits of the shape \(2, 3\)"),
        ("several_outputs", "gives tuple for two pictures"),
        ("wants_flat", "does not take pictures of 32x32 pixels"),
        ("large", "does not take pictures of 32x32 pixels"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(file, function, reason):
    with pytest.raises(InputError, match=reason):
        make(file, function)


def test_a_file_that_changed_or_cannot_be_executed_is_named(file):
    recipe = build_recipe("demo", network=f"{file}:good")
    file.write_text(NETWORK + "# changed")
    with pytest.raises(InputError, match="has changed since the run was made"):
        fresh_network(recipe, 3)
    file.unlink()
    with pytest.raises(InputError, match=r"mine\.py cannot be read"):
        fresh_network(recipe, 3)
    file.write_text("import nothing_of_that_name")
    with pytest.raises(InputError, match="cannot be executed: ModuleNotFoundError"):
        make(file, "good")


def test_packages_are_asked_by_name(monkeypatch):
    network = fresh_network(build_recipe("demo", network="torchvision:squeezenet1_1"), 3)
    assert type(network).__module__.startswith("torchvision")
    with pytest.raises(InputError, match="resnet9999 cannot be made"):
        fresh_network(build_recipe("demo", network="torchvision:resnet9999"), 3)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="needs the package timm: pip install timm"):
        fresh_network(build_recipe("demo", network="timm:resnet18"), 3)


def save(path, state, form="safetensors"):
    save_file(state, path) if form == "safetensors" else torch.save(state, path)
    return path


def weights():
    return build_network("resnet20", 4, seed=1).state_dict()


@pytest.mark.parametrize(
    "wrap",
    [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": {f"module.{name}": w for name, w in s.items()}}],
    ids=["plain", "checkpoint", "DataParallel"],
)
def test_a_pickled_state_dict_is_read(tmp_path, wrap):
    model = build_network("resnet20", 4, seed=2)
    load_weights(model, save(tmp_path / "w", wrap(weights()), "pt"))
    assert all(torch.equal(tensor, weights()[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("conv1.weight"), r"has no tensor conv1\.weight"),
        (lambda s: s.update(extra=torch.ones(1)), "that the network lacks: extra"),
        (lambda s: s.update({"fc.weight": torch.ones(9, 16)}), r"fc\.weight \[9, 16\] and not \[10, 16\]"),
        (lambda s: s["fc.bias"].fill_(float("nan")), r"no finite numbers: fc\.bias"),
    ],
    ids=["missing", "left over", "shape", "nan"],
)
def test_tensors_that_do_not_fit_are_named_and_nothing_is_loaded(tmp_path, change, reason):
    state, model = weights(), build_network("resnet20", 4, seed=2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    change(state)
    with pytest.raises(InputError, match=reason):
        load_weights(model, save(tmp_path / "w", state))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_pickle_executes_nothing(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("harmed").touch, ())

    torch.save({"fc.weight": Harmful()}, tmp_path / "w")
    for content in ((tmp_path / "w").read_bytes(), b"", b"text", hashlib.sha256().digest()):
        (tmp_path / "w").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            load_weights(build_network("resnet20", 4), tmp_path / "w")
    assert not (tmp_path / "harmed").exists()
    torch.save({"epoch": 3}, tmp_path / "w")
    with pytest.raises(InputError, match="other things than tensors"):
        load_weights(build_network("resnet20", 4), tmp_path / "w")
