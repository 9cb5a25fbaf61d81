import pytest
import torch

from core.engine import magnitude_prune_global, resnet18, structured_prune_filters
from core.engine.counts import count, dead_layers, layers, macs_per_layer
from core.engine.networks.layers import prunable


def test_full_width_macs_are_those_of_the_literature():
    assert sum(macs_per_layer(resnet18()).values()) == pytest.approx(0.5554e9, rel=1e-3)


def test_macs_agree_with_counting_by_hand(model):
    seen = {}

    def note(name):
        def hook(module, _, out):
            seen[name] = (module, out.shape)

        return hook

    handles = [
        module.register_forward_hook(note(name))
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    ]
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    by_hand = {name: m.weight.numel() * (out[2] * out[3] if len(out) == 4 else 1) for name, (m, out) in seen.items()}
    assert macs_per_layer(model) == by_hand


def test_masked_weights_count_as_gone_but_their_macs_are_computed_all_the_same(model):
    dense = count(model, model)
    masked = count(magnitude_prune_global(model, 0.9), model)
    assert masked.macs == dense.macs
    assert masked.effective_macs < 0.5 * dense.macs
    assert masked.params_total == dense.params_total
    removed = round(0.9 * sum(w.numel() for w in prunable(model).values()))
    assert masked.params_nonzero == dense.params_nonzero - removed
    assert masked.filter_ratio == 0


def test_a_shrunk_network_really_has_fewer_of_everything(model):
    dense, shrunk = count(model, model), count(structured_prune_filters(model, 0.9), model)
    assert shrunk.params_total == shrunk.params_nonzero < 0.15 * dense.params_total
    assert shrunk.macs == shrunk.effective_macs < 0.3 * dense.macs
    assert 0.5 < shrunk.filter_ratio < 0.8


def test_layer_densities_add_up_to_the_sparsity(model):
    for pruned in (magnitude_prune_global(model, 0.7), structured_prune_filters(model, 0.7)):
        found = layers(pruned, model)
        sizes = [torch.Size(layer.dense_shape).numel() for layer in found]
        left = sum(layer.density * size for layer, size in zip(found, sizes, strict=True)) / sum(sizes)
        assert 1 - left == pytest.approx(count(pruned, model).reached_sparsity, abs=1e-5)
        assert [layer.dense_shape for layer in found] == [tuple(w.shape) for w in _in_order(model, found)]


def _in_order(model, found):
    return [model.get_parameter(f"{layer.name}.weight") for layer in found]


def test_a_dead_layer_is_named():
    model = resnet18(4)
    with torch.no_grad():
        model.get_parameter("layer2.1.conv2.weight").zero_()
    assert dead_layers(layers(model, model)) == ["layer2.1.conv2"]
