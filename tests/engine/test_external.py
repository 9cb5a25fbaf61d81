"""Networks from elsewhere, and weights that were trained elsewhere: what is wrong with them is one sentence."""

import hashlib
import sys

import pytest
import torch
from safetensors.torch import save_file

from core.engine import build_network, load_model, save_model, structured_prune_filters
from core.engine.networks.imported import load_weights
from core.engine.networks.of_recipe import check_network, fresh_network, imported_network
from core.engine.pruning import prune
from core.engine.pruning.base import Context
from core.runs.folder import Home
from core.runs.imports import hash_weights, keep_weights
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.presets import build_recipe

NETWORK = """
import torch
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

def exits(classes):
    raise SystemExit("over")

class Odd(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = self.stem = nn.Conv2d(3, 8, 3)
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.register_buffer("mean", torch.rand(3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.rand(8, 1, 1), persistent=False)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc((self.stem(x - self.mean).relu() * self.scale + self.shift).mean((2, 3)))

def forgetful(classes):
    model = Odd(classes)
    model.mean = torch.rand(3, 1, 1)
    del model._buffers["mean"]
    model.__dict__["mean"] = torch.rand(3, 1, 1)
    return model

def rigid(classes):
    class Rigid(Odd):
        def forward(self, x):
            return super().forward(x) * len(self.stem.weight)
    return Rigid(classes)
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
        ("exits", "cannot be made: over"),
        ("large", "does not take pictures of 32x32 pixels"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(file, function, reason):
    with pytest.raises(InputError, match=reason):
        make(file, function)


@pytest.mark.parametrize(
    ("function", "reason"), [("forgetful", "does not compute the same after"), ("rigid", "computes something else")]
)
def test_a_network_is_tried_before_a_study_of_it(file, function, reason):
    recipe = build_recipe("demo", network=f"{file}:{function}")
    with pytest.raises(InputError, match=reason):
        check_network(recipe, 3, cut=True)
    check_network(build_recipe("demo", network=f"{file}:Odd"), 3, cut=True)


def test_all_that_belongs_to_a_network_is_saved_shrunk_and_drawn_anew(file, tmp_path):
    """Shared modules, parameters of its own, and buffers that are in no state_dict."""
    model, images = make(file, "Odd").eval(), torch.randn(2, 3, 32, 32)
    smaller = structured_prune_filters(model, 0.5)
    assert smaller.shift.shape == smaller.scale.shape == (len(smaller.stem.weight), 1, 1)
    save_model(smaller, tmp_path / "m")
    loaded = load_model(tmp_path / "m", into=fresh_network(build_recipe("demo", network=f"{file}:Odd"), 3, seed=9))
    assert torch.equal(loaded(images), smaller.eval()(images))
    settings = METHODS["structured"].initial_settings(as_published=False)
    given = Context(1, settings, dict, lambda n: None, lambda seed: make(file, "Odd"))
    fresh = prune("from_scratch", model, 0.5, given).model
    assert fresh.scale.shape == smaller.scale.shape
    assert set(fresh.scale.flatten().tolist()) <= set(make(file, "Odd").scale.flatten().tolist())
    with pytest.raises(InputError, match="cannot be of this network"):  # of another number of classes
        load_model(tmp_path / "m", into=fresh_network(build_recipe("demo", network=f"{file}:Odd"), 2))


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
    with pytest.raises(InputError, match="no classifier resnet9999"):
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
        (lambda s: s.update({"fc.bias": torch.full((10,), 1e300, dtype=torch.float64)}), r"finite numbers: fc\.bias"),
        (lambda s: s.update({"fc.bias": s["fc.bias"].to(torch.float8_e4m3fn)}), r"another kind .*: fc\.bias"),
    ],
    ids=["missing", "left over", "shape", "nan", "too large", "float8"],
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
    for content in ({"epoch": 3}, {1: torch.ones(1)}):
        torch.save(content, tmp_path / "w")
        with pytest.raises(InputError, match="other things than tensors"):
            load_weights(build_network("resnet20", 4), tmp_path / "w")


def test_a_file_of_weights_that_changes_is_not_kept(tmp_path):
    home, file = Home(tmp_path / "home").prepare(), tmp_path / "w"
    file.write_bytes(b"one")
    sha256 = hash_weights(file)
    file.write_bytes(b"another")
    with pytest.raises(InputError, match="has changed while it was read"):
        keep_weights(home, file, sha256)
    assert not home.imported(sha256).exists()
    recipe = build_recipe("demo", network="resnet20", weights_sha256=sha256)
    file.write_bytes(b"one")
    keep_weights(home, file, sha256)
    home.imported(sha256).write_bytes(b"two and more")
    with pytest.raises(InputError, match="was altered after it was imported"):
        imported_network(home, recipe, 10)
