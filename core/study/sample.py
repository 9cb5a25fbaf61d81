"""The sample study: a real one that comes with PruneScope, as records and curves without the networks themselves."""

from __future__ import annotations

from pathlib import Path

from core.study.record import Home, RunFolder

SAMPLE = Home(Path(__file__).resolve().parents[2] / "samples" / "cifar10-jpeg")


def find_run(home: Home, run_id: str) -> RunFolder:
    """The folder of the run called ``run_id``: the one under ``home`` or, if only the sample study has such a run, that
    one. It need not exist; InputError for what cannot be a run's name."""
    own, shipped = home.run(run_id), SAMPLE.run(run_id)
    return shipped if shipped.path.is_dir() and not own.path.is_dir() else own


def is_sample(folder: RunFolder) -> bool:
    """Whether ``folder`` belongs to the sample study, whose networks are not shipped."""
    return folder.path.parent == SAMPLE.checkpoints
