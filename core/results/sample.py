"""The sample study: a real one that comes with PruneScope, as records and curves without the networks themselves."""

from __future__ import annotations

from core.runs.folder import REPOSITORY, Home, RunFolder

SAMPLE = Home(REPOSITORY / "samples" / "cifar10-jpeg")


def is_sample(folder: RunFolder) -> bool:
    """Whether ``folder`` belongs to the sample study, whose networks are not shipped."""
    return folder.path.parent == SAMPLE.checkpoints
