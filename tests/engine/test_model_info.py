import pytest
import torch
from torch import nn

from core.engine import get_model_info, magnitude_prune_global


def test_get_model_info_gives_the_four_and_leaves_the_model_alone(model, capsys):
    info = get_model_info(magnitude_prune_global(model, 0.9), device="cpu")
    assert info["sparsity"] == pytest.approx(0.9, abs=1e-4)
    assert info["params"] < 40_000
    assert info["size_mb"] < 0.2
    assert info["latency_ms"] > 0
    assert "latency" in capsys.readouterr().out
    get_model_info(model, device="cuda", verbose=False)  # falls back to the CPU where there is no GPU
    assert capsys.readouterr().out == ""


def test_get_model_info_takes_any_network_with_pictures_of_its_own():
    network = nn.Sequential(nn.Conv2d(1, 4, 5), nn.Flatten(), nn.Linear(4 * 8 * 6, 2))
    info = get_model_info(
        magnitude_prune_global(network, 0.5), "cpu", verbose=False, example_input=torch.ones(1, 1, 12, 10)
    )
    assert info["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert info["latency_ms"] > 0
