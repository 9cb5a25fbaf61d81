"""Which networks are at chance level, from their records and in the means."""

import pytest

from core.engine.data import synthetic
from core.results.frame import Results, study_frame
from core.results.statistics import interpolate, summarise
from core.runs.chance import is_at_chance
from core.runs.folder import Home
from core.spec.datasets import DATASETS
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import plausible_result, write_result

DEMO = build_recipe("demo")
FOLDER = "folder:/pictures"


@pytest.mark.parametrize(
    ("data", "accuracy", "per_class", "pictures", "expected"),
    [
        ("cifar10", 10.0, (), None, True),
        ("cifar10", 10.9, (), None, True),  # 10 % and three standard errors of 0.3 %
        ("cifar10", 11.0, (), None, False),
        ("synthetic", 12.8, (), None, True),  # on a tenth of the pictures
        ("synthetic", 13.0, (), None, False),
        (FOLDER, 33.3, (100.0, 0.0, 0.0), None, True),
        (FOLDER, 39.0, (50.0, 40.0, 27.0), None, True),  # nobody noted how many pictures there were
        (FOLDER, 39.0, (50.0, 40.0, 27.0), 10_000, False),
        (FOLDER, 50.0, (60.0, 50.0, 40.0), 60, True),  # a guess gets that on so few
        (FOLDER, 70.0, (0.0, 100.0, 0.0), 10_000, True),  # one answer for all, in a class that has most of the pictures
        (FOLDER, 5.0, (), None, False),  # of how many classes?
    ],
)
def test_a_network_is_at_chance_level_if_guessing_would_do_as_well(data, accuracy, per_class, pictures, expected):
    values = {"test_accuracy": accuracy, "per_class_accuracy": per_class, "test_pictures": pictures}
    result = plausible_result(RunSpec(DEMO, "magnitude", 1, 0.9)).model_copy(update=values)
    assert is_at_chance(result, data) is expected


def test_what_is_taken_for_granted_of_the_drawn_pictures_is_so():
    classes, entry = len(synthetic.SHAPES), DATASETS["synthetic"]
    assert (entry.classes, entry.test) == (classes, classes * synthetic.BATCH)
    assert entry.train == synthetic.TRAIN_BATCHES * entry.test


def test_means_count_their_runs_at_chance_level(tmp_path):
    home = Home(tmp_path).prepare()
    for sparsity, accuracies in ((0.7, (90.0, 90.0, 91.0)), (0.9, (80.0, 10.0, 10.0))):
        for seed, accuracy in enumerate(accuracies):
            write_result(home, RunSpec(DEMO, "magnitude", seed, sparsity), test_accuracy=accuracy)
    summary = summarise(study_frame(Results(home).frame(), DEMO.key))
    assert [interpolate(summary, sparsity)["at_chance"].item() for sparsity in (0.7, 0.8, 0.9)] == [0, 2, 2]
