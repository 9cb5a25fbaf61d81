"""Fresh networks: the registry says what they are, and a seed fixes their weights."""

import onnxruntime
import pytest
import torch
from torch import nn

from core.engine import build_network, resnet18
from core.engine.counts import macs
from core.engine.deploy import folded
from core.engine.networks.build import reinitialised
from core.engine.networks.layers import conv_norm_pairs, example_of, with_picture_shape
from core.engine.onnx_file import encode_onnx
from core.spec.errors import InputError
from core.spec.networks import NETWORKS, RESNET18
from prunescope.networks import NAMES
from tests.engine.conv_graph import conv_graph, sizes_of


def test_the_registry_has_an_entry_for_each_file():
    assert set(NETWORKS) == set(NAMES)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_full_network_has_the_published_parameters_and_macs(network):
    model = build_network(network.name, network.full_width)
    assert sum(parameter.numel() for parameter in model.parameters()) == network.parameters
    assert macs(model) == network.macs


@pytest.mark.parametrize("name", NETWORKS)
def test_any_width_and_number_of_classes_computes(name):
    for width, classes in ((1, 2), (5, 3)):
        model = build_network(name, width, classes, seed=0).eval()
        with torch.no_grad():
            logits = model(torch.zeros(2, 3, 32, 32))
        assert logits.shape == (2, classes)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state()
    first, second, other = (build_network(name, 4, seed=seed) for seed in (1, 1, 2))
    again = reinitialised(other, 1)
    assert torch.equal(torch.get_rng_state(), before)
    for key, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[key])
        assert torch.equal(weight, again.state_dict()[key])
    assert not all(map(torch.equal, first.parameters(), other.parameters()))


def test_the_conv_graph_names_every_convolution_with_the_channels_it_has():
    model = resnet18(8)
    groups = sizes_of(model)
    convolutions = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert {edge.conv for edge in conv_graph()} == set(convolutions)
    for edge in conv_graph():
        expected = (groups[edge.target], 3 if edge.source is None else groups[edge.source])
        assert tuple(convolutions[edge.conv].weight.shape[:2]) == expected
        assert model.get_submodule(edge.norm).num_features == groups[edge.target]


def test_the_norm_after_each_convolution_is_found():
    model = resnet18(4)
    found = conv_norm_pairs(model, example_of(model))
    assert sorted(found) == sorted((edge.conv, edge.norm) for edge in conv_graph())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class Unusual(nn.Module):
    """Blocks in which a BatchNorm reads what looks like the output of a convolution and is more or less than that."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(3 if place == 0 else 4, 4, 1) for place in range(4))
        self.after_relu, self.beside, self.plain = (nn.BatchNorm2d(4) for _ in range(3))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.after_relu(self.relu(self.a(x)))
        y = self.b(x)  # read by BatchNorm and by the sum
        return self.plain(self.c(y + self.d(self.beside(y)))).mean((2, 3))


def test_a_norm_that_does_not_read_a_convolution_alone_is_not_folded_into_it():
    torch.manual_seed(0)
    model, images = Unusual(), torch.randn(16, 3, 8, 8)
    for _ in range(20):
        model(images)
    model.eval().relu.train()
    assert conv_norm_pairs(model, images) == [("c", "plain")]
    assert model.relu.training
    with torch.no_grad():
        torch.testing.assert_close(folded(model, images)(images), model(images), rtol=1e-4, atol=1e-5)
    session = onnxruntime.InferenceSession(encode_onnx(with_picture_shape(model, (3, 8, 8)), {}))
    (logits,) = session.run(None, {"images": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), model(images).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [0, -8, 2.5, True, 10_000])
def test_a_bad_width_is_refused(width):
    with pytest.raises(InputError, match="width"):
        build_network(RESNET18, width)


def test_an_unknown_network_is_refused_and_those_that_there_are_are_named():
    with pytest.raises(InputError, match="resnet20"):
        build_network("resnet19", 8)


def test_it_computes_what_strided_projections_would():
    """The projections subsample and then convolve; the textbook's strided 1x1 convolution gives the same."""
    model = resnet18(8, seed=0).eval()
    x = torch.randn(2, 8, 32, 32)
    block = model.get_submodule("layer2.0")
    conv, norm = block.downsample
    strided = torch.nn.functional.conv2d(x, conv.weight, stride=2)
    assert torch.allclose(block.downsample(x[:, :, ::2, ::2]), norm(strided), atol=1e-5)
