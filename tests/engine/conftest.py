import pytest
import torch

from core.engine import resnet18
from core.engine.pruning.base import Context
from core.study.methods import METHODS


@pytest.fixture(scope="session")
def model():
    """A thin network whose BatchNorm statistics are no longer the initial ones; not to be changed by a test."""
    network = resnet18(8, seed=0).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(16, 3, 32, 32, generator=generator))
        for name, parameter in network.named_parameters():
            if "bn" in name or "downsample.1" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="session")
def pictures():
    return torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def context(model):
    """What a run of ``method`` would give it: default settings, and other weights to rewind to."""

    def make(method, seed=42, **settings):
        earlier = resnet18(8, seed=99).state_dict()
        return Context(seed, dict(METHODS[method].complete(settings)), lambda epoch: earlier)

    return make
