"""A network, weights and pictures of one's own, by the command line: from import to a pruned network in ONNX Runtime."""

import contextlib
import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from core.cli.main import main
from core.runs.folder import Home
from prunescope import load_model
from tests.own import mine


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a network, trained weights for it, and pictures of 64 pixels in three classes."""
    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    shutil.copy(mine.__file__, folder)
    for channel, name in enumerate(("blue", "green", "red")):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 120, (64, 64, 3), dtype=np.uint8)
            pixels[..., 2 - channel] += 100
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{number}.png")
    save_file(fresh().state_dict(), folder / "weights.safetensors")
    return folder


def fresh():
    torch.manual_seed(3)
    return mine.small(3)


def test_from_import_to_a_pruned_network_in_onnx_runtime(own, tmp_path, capsys):
    home = ["--home", str(tmp_path / "home")]
    study = ["--preset", "demo", "--network", f"{own / 'mine.py'}:small", "--data", f"folder:{own / 'pictures'}"]
    study += ["--size", "64", "--weights", str(own / "weights.safetensors"), *home]

    def run(*arguments):
        assert main([*arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    dense = json.loads(run("import", *study).splitlines()[-1])
    assert dense["schedule"] is None
    assert (dense["train_steps"], dense["test_split"], dense["test_pictures"]) == ("imported", "by name", 12)
    chosen = ["--method", "structured", "--sparsity", "0.5", "--finetune-epochs", "3"]
    pruned = json.loads(run("train-pruned", *study, *chosen).splitlines()[-1])
    assert pruned["reached_sparsity"] == pytest.approx(0.5, abs=0.03)  # a channel is 3 % of so small a network
    assert pruned["test_accuracy"] > max(dense["test_accuracy"], 60)
    run("export", pruned["run_id"], "--format", "onnx", "--output", str(tmp_path / "net.onnx"), *home)
    network = load_model(Home(tmp_path / "home").run(pruned["run_id"]).model_path, into=fresh())
    session, images = onnxruntime.InferenceSession(tmp_path / "net.onnx"), torch.randn(5, 3, 64, 64)
    (logits,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(logits), network(images), rtol=1e-4, atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["classes"] == "blue,green,red"
    for command in ("sensitivity", "examine"):
        run(command, *home)
    run("report", *home, "--out", str(tmp_path / "out"))
    report = (tmp_path / "out" / "report.md").read_text()
    for said in ("small (mine.py)", "Imported with its weights", "brought to 64x64 pixels", "a fifth for testing"):
        assert said in report


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import", "--network", "resnet20"], "--weights FILE"),
        (["import", "--weights", "gone.pt"], "gone.pt is not a file of weights"),
        (["train-dense", "--network", "gone.py:f"], "a Python file that can be read"),
        (["train-dense", "--network", "mine.py"], "FILE.py:FUNCTION"),
        (["train-dense", "--network", "mine.py:small", "--width", "8"], "width"),
        (["train-dense", "--network", "mine.py:large"], "mine.py has no function large"),
        (["train-dense", "--network", "timm:nothing"], "timm"),
        (["import", "--network", "resnet20", "--weights", "weights.safetensors"], "has no tensor bn1.bias"),
        (["train-dense", "--size", "64", "--data", "synthetic"], "which the pictures of synthetic have"),
    ],
)
def test_what_cannot_be_is_one_sentence_before_any_run_is_made(own, tmp_path, capsys, arguments, says):
    command, *chosen = arguments
    with contextlib.chdir(own):
        assert main([command, "--preset", "demo", "--home", str(tmp_path), "--data", "folder:pictures", *chosen]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert says in line
    assert not [*Home(tmp_path).checkpoints.glob("*")]
