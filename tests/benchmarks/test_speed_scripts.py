"""The measuring scripts run, say what they measured, and compare what can be compared."""

import json
import sys

import pytest
import torch

from benchmarks import _common, batchnorm, dead_channels, distillation, inference, nm_sparsity, training_gpu
from benchmarks._common import interleaved, our_step, pictures, plain_training, ratio, spread
from core.engine.networks.build import resnet18


def command(monkeypatch, script, *arguments):
    monkeypatch.setattr(sys, "argv", [script.__name__, *arguments])
    return script.main()


def test_calls_take_turns_and_the_first_turn_does_not_count():
    order = []

    def call(name):
        def run():
            order.append(name)
            return float(len(order))

        return run

    found = interleaved({"a": call("a"), "b": call("b")}, 2)
    assert order == ["a", "b"] * 3
    assert found == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_a_ratio_is_that_of_the_turns_so_that_drift_cancels():
    base = [10.0, 20.0, 40.0]
    assert ratio([2 * value for value in base], base) == "2.00"
    assert spread([1.0, 5.0, 3.0]) == "3 (1-5)"


def test_both_loops_train_and_on_the_same_number_of_pictures(monkeypatch):
    seen = []
    real = torch.nn.functional.cross_entropy
    monkeypatch.setattr(
        torch.nn.functional,
        "cross_entropy",
        lambda logits, *rest, **more: (seen.append(len(logits)), real(logits, *rest, **more))[1],
    )
    source = pictures(40)
    assert plain_training(resnet18(4, seed=0), source, 16)() > 0
    assert training_gpu.speed(our_step(resnet18(4, seed=0), source, 16)) > 0
    assert seen == [16] * 4


def test_the_floor_of_inference_is_arithmetic_or_memory_whichever_is_higher():
    model = resnet18(4, seed=0).eval()
    macs = sum(inference.macs_per_layer(model).values())
    assert inference.floor_ms(model, 1, 1e9, 1e30) == pytest.approx(2e3 * macs / 1e9)
    numbers = 2 * inference.activations(model) + sum(p.numel() for p in model.parameters())
    assert inference.floor_ms(model, 1, 1e30, 1e9) == pytest.approx(4e3 * numbers / 1e9)
    assert inference.activations(model) > 32 * 32 * 4 * 5  # the stem and the four convolutions of the first stage


def test_without_a_gpu_it_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command(monkeypatch, training_gpu) == 2
    assert command(monkeypatch, training_gpu, "--device", "cpu") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["No GPU here", "On a CPU give --quick"]


def test_the_script_for_a_gpu_does_all_of_it_on_a_cpu(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setattr(training_gpu, "large_batch", lambda device: 2)
    assert command(monkeypatch, training_gpu, "--device", "cpu", "--quick") == 0
    found = json.loads((tmp_path / "training_gpu.json").read_text())
    assert set(found["training"]) == {"dense", "masked 0.9", "smaller 0.9", "left out"}
    assert found["training"]["dense"]["CUDA graph, bf16"]["how"] == "one by one"  # no graph was there to be had
    assert found["waits"] == "no step waits"
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("**Training**", "**Inference", "**Where the time"))
    assert _common.machine() in printed


def test_a_step_is_timed_with_and_without_a_teacher(monkeypatch, capsys):
    assert command(monkeypatch, distillation, "--quick") == 0
    printed = capsys.readouterr().out
    assert all(f"| {network} |" in printed for network in ("masked", "shrunk 0.9"))


def test_batchnorm_is_timed_both_ways_for_each_number_of_threads(monkeypatch, capsys):
    monkeypatch.setattr(batchnorm, "cores", lambda: 2)
    assert command(monkeypatch, batchnorm, "--quick") == 0
    printed = capsys.readouterr().out
    assert all(f"**{count} threads**" in printed for count in (1, 2))
    assert len([line for line in printed.splitlines() if line.startswith(("| 3 |", "| 8 |"))]) == 4


def test_sparse_networks_are_timed_with_and_without_what_zeros_have_cut_off(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command(monkeypatch, dead_channels, "--quick") == command(monkeypatch, nm_sparsity, "--quick") == 0
    said = capsys.readouterr().out
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| magnitude")]
    removed, differences = [int(row[2]) for row in rows], [float(row[-1]) for row in rows]
    assert removed == sorted(removed)
    assert removed[-1] > 0
    assert max(differences) < 1e-5
    assert "no hardware for 2:4 sparsity here" in said
