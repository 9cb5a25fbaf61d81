"""The package prunescope by itself, and what is taken away: read without the repository, by whoever has the file."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import prunescope
from core.engine import magnitude_prune_global, resnet18, save_model, structured_prune_filters
from core.engine.export import encode_plain
from core.engine.onnx_file import encode_onnx
from ui.model import snippets

ROOT = Path(__file__).parents[1]
NOTES = {"run_id": "r", "classes": "red,green,blue", "mean": "0.5,0.4,0.3", "std": "0.2,0.3,0.25"}
MODULES = {"pillow": "PIL", "vl-convert-python": "vl_convert"}  # where a distribution is not named as what it holds
(READER,) = (
    block
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/format.md").read_text(), re.DOTALL)
    if "def" in block
)
# Runs the code after it; only what is installed for it can be imported, as if nothing else were there.
ALONE = "import sys; sys.path.insert(0, {path!r}); sys.modules.update(dict.fromkeys({absent}))\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder into which `pip install .` installs the package, from a copy: building leaves files behind."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    shutil.copytree(ROOT / "prunescope", source / "prunescope", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", target, source], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pruned network in each form, and a picture; and the picture's class."""
    folder = tmp_path_factory.mktemp("taken away")
    model = magnitude_prune_global(structured_prune_filters(resnet18(8, 3, seed=3), 0.3), 0.9).eval()
    save_model(model, folder / "net.safetensors", notes=NOTES)
    (folder / "net.plain.safetensors").write_bytes(encode_plain(model, NOTES))
    (folder / "net.onnx").write_bytes(encode_onnx(model, NOTES))
    picture = Image.effect_noise((48, 40), 90).convert("RGB")
    picture.save(folder / "picture.png")
    pixels = torch.tensor(np.array(picture.resize((32, 32)))) / 255
    images = (pixels - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.2, 0.3, 0.25])
    with torch.no_grad():
        best = int(model(images.permute(2, 0, 1)[None]).argmax())
    return folder, NOTES["classes"].split(",")[best]


def requirements():
    """The distributions that the app and its tests need."""
    lines = [
        line for name in ("requirements.txt", "requirements-dev.txt") for line in (ROOT / name).read_text().split("\n")
    ]
    return {match[0] for line in lines if (match := re.match(r"[\w-]+", line)) and not line.startswith("-")}


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        (
            snippets.load_with_prunescope("net.safetensors", 32),
            {"prunescope", "torch", "safetensors", "numpy", "pillow"},
        ),
        (snippets.load_with_safetensors("net.plain.safetensors", 32), {"torch", "safetensors", "numpy", "pillow"}),
        (snippets.load_with_onnx_runtime("net.onnx", 32), {"onnxruntime", "numpy", "pillow"}),
    ],
    ids=["PruneScope", "plain", "ONNX Runtime"],
)
def test_the_code_beside_the_file_names_the_class_where_nothing_else_is_installed(package, files, code, needed):
    folder, expected = files
    absent = {
        MODULES.get(name, name.replace("-", "_")) for name in {*requirements(), "core", "ui", "prunescope"} - needed
    }
    start = ALONE.format(path=str(package), absent=sorted(absent))
    command = [sys.executable, "-I", "-c", start + code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [expected]


def test_the_package_asks_for_three_others(package):
    (distribution,) = Distribution.discover(path=[str(package)])
    assert {re.match(r"\w+", name)[0] for name in distribution.requires} == {"torch", "safetensors", "numpy"}


def test_the_package_says_what_is_wrong_with_a_file(files):
    folder, _ = files
    (folder / "broken").write_bytes((folder / "net.safetensors").read_bytes()[:-1])
    for name, wrong in {"broken": "is truncated", "net.onnx": "is truncated", "missing": "does not exist"}.items():
        with pytest.raises(prunescope.ModelFileError, match=f"{name} {wrong}"):
            prunescope.load_model(folder / name)
    with pytest.raises(prunescope.ModelFileError, match="was not written by PruneScope"):
        prunescope.notes_of(folder / "net.plain.safetensors")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_reader_in_the_description_of_the_format_reads_every_tensor(tmp_path, dtype):
    model = magnitude_prune_global(structured_prune_filters(resnet18(16, 3, seed=3), 0.3), 0.97)
    save_model(model, tmp_path / "net", dtype=dtype, notes=NOTES)
    reader = {}
    exec(READER, reader)
    shape, notes, tensors = reader["read"](tmp_path / "net")
    assert notes == NOTES
    assert shape == json.loads(json.dumps({"stages": model.shape.stages, "inner": model.shape.inner, "classes": 3}))
    state = model.state_dict()
    assert tensors.keys() == state.keys()
    for name, tensor in state.items():
        expected = tensor.half().float() if dtype == "float16" and tensor.is_floating_point() else tensor
        assert tensors[name].shape == expected.shape
        assert np.array_equal(tensors[name], expected.numpy()), name
    content = (tmp_path / "net").read_bytes()
    (tmp_path / "net").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="altered"):
        reader["read"](tmp_path / "net")
