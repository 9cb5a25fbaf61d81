"""A GPU that fails, what a record says about it, and the precision that is chosen for it."""

from contextlib import nullcontext

import pytest
import torch

from core.engine import device
from core.engine.device import environment, resolve_precision
from core.engine.execute import execute, failure_of
from core.engine.sensitivity import measure_sensitivity
from core.runs.failure import DeviceUnusableError, FailureCode
from core.runs.result import Environment
from core.spec.spec import RunSpec

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


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`"),
        RuntimeError("CUDA driver error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_whatever_says_that_the_gpus_memory_is_full_a_smaller_batch_is_offered(home, recipe, error):
    failure = failure_of(error, home.create(RunSpec(recipe, "magnitude", 1, 0.5)))
    assert (failure.code, failure.smaller_batch) == (FailureCode.OUT_OF_MEMORY, 8)
    assert "Out of GPU memory at batch size 16" in str(failure.message)


@pytest.mark.parametrize("stays", [True, False])
def test_after_an_error_that_stays_the_process_is_not_used_again_and_the_run_has_failed(
    home, recipe, monkeypatch, stays
):
    def fail(*_, **__):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    folder = home.create(RunSpec(recipe, "magnitude", 1, 0.5))
    monkeypatch.setattr("core.engine.train.train_epoch", fail)
    monkeypatch.setattr("core.engine.sensitivity.prune", fail)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", fail if stays else lambda *_: None)
    with pytest.raises(DeviceUnusableError) if stays else nullcontext():
        execute(folder.path)
    assert "illegal memory access" in str(folder.describe()[1].message)
    assert folder.holder() is None
    with pytest.raises(DeviceUnusableError if stays else RuntimeError) as raised:
        measure_sensitivity(home.run(folder.spec.dense.run_id).path)
    assert isinstance(raised.value, DeviceUnusableError) == stays
