"""Crop, flip and normalisation of a batch, against torchvision's picture by picture."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as reference

from core.engine.data.augment import DeviceImages, draw_epoch
from core.engine.data.images import Images

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


@pytest.fixture
def pictures() -> Images:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (300, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return Images(images, torch.arange(300))


@pytest.fixture
def on_device(pictures: Images) -> DeviceImages:
    return DeviceImages(pictures, MEAN, STD, "cpu")


def expected(image: torch.Tensor, dy: int, dx: int, flip: bool) -> torch.Tensor:
    """What torchvision makes of one picture, starting from a PIL picture as its training recipes do."""
    picture = reference.pad(reference.to_pil_image(image.permute(2, 0, 1)), [4])
    picture = reference.crop(picture, dy, dx, 32, 32)
    picture = reference.hflip(picture) if flip else picture
    return reference.normalize(reference.to_tensor(picture), MEAN, STD)


def test_training_batches_equal_torchvision(pictures: Images, on_device: DeviceImages) -> None:
    plan = draw_epoch(300, seed=1, epoch=2, device="cpu")
    images, labels = on_device.train_batch(plan, 40, 290)
    offsets = zip(plan.order, plan.dy, plan.dx, plan.flip, strict=True)
    wanted = torch.stack([expected(pictures.images[i], int(y), int(x), bool(f)) for i, y, x, f in offsets])
    torch.testing.assert_close(images, wanted[40:290], rtol=1e-5, atol=1e-5, check_stride=False)
    assert torch.equal(labels, pictures.labels[plan.order[40:290]])


def test_evaluation_batches_equal_torchvision(pictures: Images, on_device: DeviceImages) -> None:
    images, labels = on_device.eval_batch(290, 300)
    wanted = torch.stack([expected(image, 4, 4, False) for image in pictures.images[290:300]])
    torch.testing.assert_close(images, wanted, rtol=1e-5, atol=1e-5, check_stride=False)
    assert torch.equal(labels, pictures.labels[290:300])


def test_batches_are_float32_and_channels_last(on_device: DeviceImages) -> None:
    plan = draw_epoch(300, 0, 0, "cpu")
    for images, _ in (on_device.train_batch(plan, 0, 128), on_device.eval_batch(0, 128)):
        assert images.dtype == torch.float32
        assert images.shape == (128, 3, 32, 32)
        assert images.stride() == (3 * 32 * 32, 1, 3 * 32, 3)


def test_the_last_batch_may_be_smaller(on_device: DeviceImages) -> None:
    plan = draw_epoch(300, 0, 0, "cpu")
    for images, labels in (on_device.train_batch(plan, 256, 384), on_device.eval_batch(256, 384)):
        assert len(images) == len(labels) == 44


def test_an_epoch_shows_every_picture_once_with_all_offsets() -> None:
    plan = draw_epoch(2_000, seed=3, epoch=0, device="cpu")
    assert torch.equal(plan.order.sort().values, torch.arange(2_000))
    for offset in (plan.dy, plan.dx):
        assert offset.dtype == torch.int64
        assert set(offset.tolist()) == set(range(9))
    assert plan.flip.dtype == torch.bool
    assert 0.45 < plan.flip.float().mean() < 0.55


def test_a_plan_follows_from_seed_and_epoch_alone() -> None:
    first = draw_epoch(500, seed=7, epoch=3, device="cpu")
    torch.rand(10)
    np.random.default_rng().random(10)
    again = draw_epoch(500, seed=7, epoch=3, device="cpu")
    for name in ("order", "dy", "dx", "flip"):
        assert torch.equal(getattr(first, name), getattr(again, name))


@pytest.mark.parametrize(("seed", "epoch"), [(7, 4), (8, 3), (3, 7), (2**32 - 1, 3)])
def test_other_seeds_and_epochs_have_independent_plans(seed: int, epoch: int) -> None:
    first, other = draw_epoch(5_000, 7, 3, "cpu"), draw_epoch(5_000, seed, epoch, "cpu")
    for name, by_chance in (("order", 1 / 5_000), ("dy", 1 / 9), ("dx", 1 / 9), ("flip", 1 / 2)):
        agreeing = (getattr(first, name) == getattr(other, name)).float().mean().item()
        assert agreeing == pytest.approx(by_chance, abs=0.04)


def test_cutout_blanks_one_square_of_each_picture_and_leaves_all_else_as_it_was(on_device: DeviceImages) -> None:
    plain, cut = (draw_epoch(300, seed=1, epoch=2, device="cpu", cutout=size) for size in (0, 12))
    (before, labels), (after, same) = (on_device.train_batch(epoch, 0, 300) for epoch in (plain, cut))
    assert torch.equal(labels, same)
    changed = (before != after).any(1)
    for picture, y, x, where in zip(after, cut.cut_y, cut.cut_x, changed, strict=True):
        square = torch.zeros(32, 32, dtype=torch.bool)
        square[y : y + 12, x : x + 12] = True
        assert torch.equal(where, square)
        assert not picture[:, square].any()
    assert set(cut.cut_y.tolist()) == set(cut.cut_x.tolist()) == set(range(21))  # inside, up to the border


def test_a_training_batch_never_looks_at_a_value(pictures: Images) -> None:
    """On the meta device nothing has a value: .item() or a shape that depends on data would raise, as it would while a
    CUDA graph is captured."""
    on_meta = DeviceImages(pictures, MEAN, STD, "meta")
    images, labels = on_meta.train_batch(draw_epoch(300, 0, 0, "meta", cutout=8), 0, 128)
    assert images.device.type == labels.device.type == "meta"
    assert images.is_contiguous(memory_format=torch.channels_last)
