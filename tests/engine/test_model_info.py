import pytest

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
