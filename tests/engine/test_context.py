"""What training, diagnosing and sensitivity curves share: the images of a run."""

from types import SimpleNamespace

import torch

from core.engine.context import RunContext
from core.engine.data.augment import sample_indices
from core.runs.folder import Home
from core.spec.spec import RunSpec


def test_on_a_gpu_the_measurement_lock_is_that_gpus(tmp_path, recipe, monkeypatch):
    context = RunContext(Home(tmp_path).prepare().create(RunSpec(recipe, "dense", 1)))
    context.device = torch.device("cuda", 1)
    synchronised = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=f"uuid-of-{device}"))
    monkeypatch.setattr(torch.cuda, "synchronize", synchronised.append)
    lock = context.measurement_lock
    lock._synchronize()
    assert synchronised == [context.device]
    with lock.timing():
        assert all("uuid-of-cuda-1" in path.name for path in context.home.cache.glob("*.lock"))


def test_sampled_training_images_follow_from_the_seed_and_are_not_augmented(tmp_path, recipe):
    context = RunContext(Home(tmp_path).prepare().create(RunSpec(recipe, "dense", 1)))
    images, labels = context.sample(12)
    indices = sample_indices(len(context.data.train), 12, seed=1)
    all_images, all_labels = context.train_images.eval_batch(0, len(context.data.train))
    assert torch.equal(images, all_images[indices])
    assert torch.equal(labels, all_labels[indices])
    assert len(context.sample(10_000)[1]) == len(context.data.train)
