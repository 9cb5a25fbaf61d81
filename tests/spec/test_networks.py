"""Networks and weights of a recipe: what is accepted, and that the ids of earlier runs stay."""

import hashlib
from dataclasses import replace

import pytest

from core.spec.datasets import DATASETS, SIZES
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.networks import NETWORKS, NO_WIDTH, External, check_network, network_label
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import Recipe, RunSpec

DIGEST = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def small(classes): ...")
    return path


@pytest.mark.parametrize(
    ("network", "label"),
    [
        ("timm:resnet18d", "resnet18d"),
        ("torchvision:vgg11", "vgg11"),
        ("file:/a/b c:d/net.py:make_it", "make_it (net.py)"),
    ],
)
def test_a_network_from_elsewhere_has_one_name(network, label):
    external = External.parse(network)
    assert external.name == network == check_network(network)
    assert network_label(network) == label


@pytest.mark.parametrize(
    "network",
    [
        "resnet19",
        "",
        "torchvision:",
        "timm:a b",
        "file:net.py:make",
        "/a/net.py",
        "/a/net.py:make",
        "file:/a\n/net.py:make",
        7,
        None,
    ],
)
def test_another_name_is_refused_with_what_is_accepted(network):
    with pytest.raises(InputError, match=r"FILE\.py:FUNCTION"):
        check_network(network)


def test_a_file_is_part_of_the_identity_by_its_content(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    first = build_recipe("demo", network="mine.py:small")
    assert first.network == f"file:{file}:small"
    assert first.network_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert first.width == NO_WIDTH
    assert Recipe.from_json(first.to_json()) == first
    file.write_text("def small(classes): return None")
    assert build_recipe("demo", network=str(file) + ":small").key != first.key
    with pytest.raises(InputError, match="a Python file that can be read"):
        build_recipe("demo", network="gone.py:small")
    with pytest.raises(InputError, match="width"):
        build_recipe("demo", network="mine.py:small", width=16)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_the_registry_has_a_width_and_no_file(name):
    recipe = build_recipe("standard", network=name)
    assert recipe.width == NETWORKS[name].full_width
    for wrong in ({"network_sha256": DIGEST}, {"width": NO_WIDTH}, {"weights_sha256": "0"}):
        with pytest.raises(InputError):
            replace(recipe, **wrong)
    assert "network" not in replace(recipe, network="resnet18").to_json()


@pytest.mark.parametrize("method", METHODS)
def test_imported_weights_are_for_methods_that_go_on_from_them(method):
    imported = replace(PRESETS["demo"].recipe, weights_sha256=DIGEST)
    assert RunSpec(imported, "dense", 1).own_epochs == 0
    if METHODS[method].restarts:
        with pytest.raises(InputError, match="goes on from imported weights: magnitude"):
            RunSpec(imported, method, 1, 0.5)
    else:
        spec = RunSpec(imported, method, 1, 0.5)
        assert spec.dense_epochs == 0
        assert spec.dense.recipe.weights_sha256 == DIGEST
        assert spec.own_epochs == imported.finetune.epochs
    with pytest.raises(InputError, match="retraining"):
        RunSpec(imported, "magnitude", 1, 0.5, (("retraining", "lr-rewinding"),))


@pytest.mark.parametrize("data", [*DATASETS, "folder:/pictures"])
def test_the_pictures_of_a_folder_alone_have_other_sizes(data):
    recipe = PRESETS["demo"].recipe
    assert "size" not in replace(recipe, data=data, size=32).to_json()
    for size in SIZES[1:]:
        if data in DATASETS:
            with pytest.raises(InputError, match="size"):
                replace(recipe, data=data, size=size)
        else:
            assert f"{size}x{size}" in replace(recipe, data=data, size=size).label
    with pytest.raises(InputError, match="size"):
        replace(recipe, data=data, size=33)
