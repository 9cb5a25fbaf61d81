"""What a record says about the GPU, and the precision that is chosen for it."""

import pytest
import torch

from core.engine import device
from core.engine.device import environment, resolve_precision
from core.runs.result import Environment

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_where_the_gpu_computes_in_it_and_not_where_it_emulates(monkeypatch, native, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    assert resolve_precision("auto", GPU) == expected
    assert resolve_precision("bf16", GPU) == "bf16"
    assert resolve_precision("auto", CPU) == "fp32"


def test_versions_of_cudnn_and_driver_are_recorded_on_a_gpu(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 570.86.15; echo 570.86.15\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    device._driver_version.cache_clear()
    found = Environment.model_validate(environment(GPU, "fp32"))
    device._driver_version.cache_clear()
    assert (found.hardware, found.cudnn, found.driver) == ("NVIDIA H100", "91002", "570.86.15")
    found = Environment.model_validate(environment(CPU, "fp32"))
    assert (found.cudnn, found.driver) == (None, None)
