from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from core.engine import resnet18
from core.engine.data.augment import DeviceImages, draw_epoch
from core.engine.data.images import Images
from core.engine.evaluate import evaluate
from core.engine.masks import WeightMasks
from core.engine.networks.layers import prunable
from core.engine.pruning import prune
from core.engine.step import Step, make_optimizer
from core.engine.train import train_epoch
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.spec import DECAYS, Schedule
from core.spec.training_plan import TrainingPlan

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
SCHEDULE = Schedule(epochs=2, lr=0.05, batch_size=16)


@pytest.fixture(scope="module")
def pictures():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (70, 32, 32, 3), generator=generator, dtype=torch.uint8)
    return DeviceImages(Images(images, torch.arange(70) % 10), MEAN, STD, "cpu")


def train(model, pictures, masks, schedule=SCHEDULE, seed=1):
    model = model.to(memory_format=torch.channels_last)
    plan = TrainingPlan(schedule, (schedule.epochs,))
    optimizer, smoothing = make_optimizer(model, schedule), schedule.label_smoothing
    masked = WeightMasks(model, masks)
    step = Step(model, optimizer, masked, pictures, schedule.batch_size, label_smoothing=smoothing)
    stats = [train_epoch(step, plan=plan, seed=seed, epoch=epoch) for epoch in range(schedule.epochs)]
    return model, stats


@pytest.mark.parametrize("method", METHODS)
def test_masked_weights_stay_zero_through_training(model, pictures, context, method, monkeypatch):
    monkeypatch.setattr("core.engine.pruning.synflow.ROUNDS", 3)
    assert SCHEDULE.momentum
    assert SCHEDULE.weight_decay
    pruned = prune(method, model, 0.8, context(method))
    trained, _ = train(pruned.model, pictures, pruned.masks)
    weights = prunable(trained)
    for name, mask in pruned.masks.items():
        assert not weights[name][~mask].any(), name
    assert any(weights[name].any() for name in weights)
    assert METHODS[method].kind == "structured" or pruned.masks


def test_training_repeats_to_the_bit(pictures):
    first, second = (train(resnet18(4, seed=3), pictures, {})[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_trains_another_network(pictures):
    first, second = (train(resnet18(4, seed=3), pictures, {}, seed=seed)[0] for seed in (1, 2))
    assert not torch.equal(first.conv1.weight, second.conv1.weight)


def test_it_is_the_plain_loop_of_the_textbook(pictures):
    """Plain torch: SGD with momentum and weight decay, its scheduler, no fused operations, no masks."""
    ours, stats = train(resnet18(4, seed=3), pictures, {})
    model = resnet18(4, seed=3).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2 * 4)
    losses = []
    for epoch in range(2):
        plan = draw_epoch(70, 1, epoch, "cpu")
        for step in range(4):  # 70 pictures are four batches of 16; the rest is left out
            images, labels = pictures.train_batch(plan, 16 * step, 16 * (step + 1))
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    for name, tensor in model.state_dict().items():
        assert torch.allclose(ours.state_dict()[name].float(), tensor.float(), atol=2e-4), name
    assert stats[1].loss == pytest.approx(sum(losses[4:]) / 4, abs=1e-3)


@pytest.mark.parametrize(
    "changed",
    [
        *({"decay": decay} for decay in DECAYS),
        {"warmup": 1},
        {"nesterov": True},
        {"label_smoothing": 0.1},
        {"cutout": 8},
    ],
    ids=str,
)
def test_every_choice_of_a_schedule_trains_and_what_is_not_the_default_trains_another_network(pictures, changed):
    plain, _ = train(resnet18(4, seed=3), pictures, {})
    found, _ = train(resnet18(4, seed=3), pictures, {}, replace(SCHEDULE, **changed))
    assert torch.equal(plain.conv1.weight, found.conv1.weight) == (changed == {"decay": "cosine"})


def test_a_loss_that_is_no_number_stops_with_advice(pictures):
    model = resnet18(4, seed=0)
    with torch.no_grad():
        model.fc.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="larger batch size"):
        train(model, pictures, {})


def test_a_data_set_smaller_than_a_batch_is_one_batch(pictures):
    _, stats = train(resnet18(4, seed=0), pictures, {}, Schedule(epochs=1, lr=0.01, batch_size=512))
    assert len(stats) == 1


def test_evaluation_counts_right_and_leaves_the_mode_alone(pictures):
    model = resnet18(4, seed=0).train()
    with torch.no_grad():
        model.fc.weight.zero_()
        model.fc.bias.zero_()
        model.fc.bias[3] = 1  # always says class 3
    found = evaluate(model, pictures, 10)
    assert found.accuracy == pytest.approx(10)
    assert found.per_class == tuple(100.0 if c == 3 else 0.0 for c in range(10))
    assert model.training
