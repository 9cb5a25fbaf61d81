"""Structured pruning of networks of many families: is the sparsity reached, and does the smaller network do what the one
with zeros in the place of its channels does?

    python -m benchmarks.any_network [--quick] [NETWORK ...]

Each network is pruned, compared, trained for a step, saved, loaded and exported. The table is that of docs/networks.md.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks._common import machine, options
from core.engine import build_network, load_model, save_model
from core.engine.device import choose_device
from core.engine.networks.channels import channels_of
from core.engine.networks.cut import cut_channels, zero_channels
from core.engine.networks.layers import prunable_count, with_picture_shape
from core.engine.onnx_file import INPUT, encode_onnx
from core.engine.pruning.shrink import mask_of
from core.engine.pruning.structured import choose_channels
from core.spec.errors import InputError
from core.spec.networks import NETWORKS

CLASSES, SPARSITIES = 10, (0.3, 0.5, 0.7)
PACKAGED = ("resnet50", "densenet121", "googlenet", "regnet_y_400mf", "convnext_tiny", "efficientnet_b0")
PACKAGED_SIZE = 64  # pixels

Build = Callable[[], nn.Module]


@dataclass(frozen=True, slots=True)
class Checked:
    """A network that was pruned: its sparsity, and the largest differences of logits, as shares of the largest logit, from
    the network with zeros and from ONNX Runtime."""

    sparsity: float
    difference: float
    onnx_difference: float


def check_pruned(
    model: nn.Module, fresh: Build, example: Tensor, sparsity: float, allocation: str = "uniform"
) -> Checked:
    """Prune a copy of ``model`` and do all that is done with a pruned network. AssertionError where it cannot be trained or
    is not read back as it was; ``fresh`` makes the module that its file is loaded into."""
    channels = channels_of(model, example)
    keep = mask_of(channels, choose_channels(model, sparsity, example, allocation=allocation))
    smaller = cut_channels(model, channels, keep).eval()
    with torch.no_grad():
        logits = smaller(example)
        zeroed = zero_channels(model, channels, keep).eval()(example)
    with tempfile.TemporaryDirectory() as folder:
        save_model(smaller, Path(folder) / "net")
        again = load_model(Path(folder) / "net", into=fresh())
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in smaller.state_dict().items())
    session = onnxruntime.InferenceSession(encode_onnx(smaller, {}))
    (exported,) = session.run(None, {INPUT: example.numpy()})
    _train_a_step(smaller, example)
    return Checked(
        1 - prunable_count(smaller) / prunable_count(model),
        _difference(logits, zeroed),
        _difference(torch.from_numpy(exported), logits),
    )


def _difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def _train_a_step(model: nn.Module, example: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    F.cross_entropy(model.train()(example), torch.arange(len(example)) % 2).backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.parameters())
    optimizer.step()


def randomise(model: nn.Module) -> nn.Module:
    """``model`` with BatchNorm as after a training: a channel that is missing somewhere is noticed."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.data.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    return model.eval()


def packaged(name: str, size: int = PACKAGED_SIZE) -> nn.Module:
    """The network that torchvision has under ``name``, for pictures of ``size`` pixels."""
    from torchvision import models  # noqa: PLC0415 - takes a second

    auxiliary = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return with_picture_shape(models.get_model(name, weights=None, num_classes=CLASSES, **auxiliary), (3, size, size))


def registered(name: str, share: float = 1.0) -> nn.Module:
    """The network ``name`` of the registry, of that ``share`` of its full width."""
    return build_network(name, max(1, round(share * NETWORKS[name].full_width)), CLASSES)


def _rows(names: list[str], sparsities: tuple[float, ...]) -> Iterator[str]:
    for name in names:
        fresh = partial(registered, name) if name in NETWORKS else partial(packaged, name)
        torch.manual_seed(0)
        model = randomise(fresh())
        size = 32 if name in NETWORKS else PACKAGED_SIZE
        example = torch.randn(2, 3, size, size)
        began = time.perf_counter()
        try:
            channels = channels_of(model, example)
            seconds = time.perf_counter() - began
            found = [check_pruned(model, fresh, example, sparsity) for sparsity in sparsities]
        except InputError as error:
            yield f"| {name} | {size} | | | | {error} |"
            continue
        reached = ", ".join(f"{one.sparsity:.3f}" for one in found)
        off, onnx = (max(getattr(one, field) for one in found) for field in ("difference", "onnx_difference"))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        yield (
            f"| {name} | {size} | {parameters / 1e6:.2f} M | {len(channels.groups)} | {seconds:.1f} s | {reached} | "
            f"{off:.1e} | {onnx:.1e} |"
        )


def main() -> int:
    chosen = options(__doc__, ("networks", {"nargs": "*", "metavar": "NETWORK"}))
    names = chosen.networks or (["resnet20"] if chosen.quick else [*NETWORKS, *PACKAGED])
    print(f"{machine(choose_device())}\n")
    print(
        "| Network | Pixels | Parameters | Groups | Found in | Reached at 0.3, 0.5, 0.7 | Off from zeros | Off in ONNX |"
    )
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in _rows(names, SPARSITIES):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
