import pytest
import torch

from core.engine import resnet18
from core.engine.networks.resnet18 import Shape, conv_graph
from core.spec.errors import InputError


def test_width_64_is_the_resnet18_of_the_literature():
    assert sum(p.numel() for p in resnet18().parameters()) == 11_173_962


def test_the_conv_graph_names_every_convolution_with_the_channels_it_has():
    model = resnet18(8)
    groups = model.shape.groups
    convolutions = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert {edge.conv for edge in conv_graph()} == set(convolutions)
    for edge in conv_graph():
        expected = (groups[edge.target], 3 if edge.source is None else groups[edge.source], edge.kernel, edge.kernel)
        assert tuple(convolutions[edge.conv].weight.shape) == expected
        assert model.get_submodule(edge.norm).num_features == groups[edge.target]


def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second, other = resnet18(8, seed=1), resnet18(8, seed=1), resnet18(8, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.conv1.weight, second.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_channel_groups_are_the_inverse_of_the_shape():
    shape = Shape.of_width(12, classes=7)
    assert Shape.of_groups(shape.groups, 7) == shape


@pytest.mark.parametrize("width", [0, -8, 2.5, True])
def test_a_bad_width_is_refused(width):
    with pytest.raises(InputError, match="width"):
        resnet18(width)


def test_it_computes_what_strided_projections_would():
    """The projections subsample and then convolve; the textbook's strided 1x1 convolution gives the same."""
    model = resnet18(8, seed=0).eval()
    x = torch.randn(2, 8, 32, 32)
    block = model.get_submodule("layer2.0")
    conv, norm = block.downsample
    strided = torch.nn.functional.conv2d(x, conv.weight, stride=2)
    assert torch.allclose(block.downsample(x[:, :, ::2, ::2]), norm(strided), atol=1e-5)
