"""How busy the machine is, as far as it tells."""

from __future__ import annotations

import subprocess

import pytest

from core.jobs import system_load as load


def test_the_numbers_of_this_machine_are_possible():
    found = load.measure_load()
    assert 0 <= found.cpu_percent <= 100
    assert 0 < found.used <= found.total
    assert found.cores >= 1


def test_a_line_of_nvidia_smi_is_read_also_with_a_comma_in_the_name():
    found = load.parse_gpu("NVIDIA H200, 141GB, 87, 2048, 143771")
    assert found is not None
    assert (found.name, found.percent) == ("NVIDIA H200, 141GB", 87.0)
    assert found.used == pytest.approx(2.147, abs=0.001)
    assert load.parse_gpu("NVIDIA H200, [N/A], 2048, 143771") is None
    assert load.parse_gpu("") is None


@pytest.mark.parametrize(
    "error",
    [OSError("gone"), subprocess.TimeoutExpired("nvidia-smi", 3), subprocess.CalledProcessError(9, "nvidia-smi")],
)
def test_a_tool_that_fails_is_as_if_there_were_no_gpu(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(load.subprocess, "run", fail)
    assert load.measure_load().gpus == ()
