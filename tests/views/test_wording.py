"""How states, phases and durations are called."""

from __future__ import annotations

import math

import pytest

from core.study.presets import build_recipe
from core.study.record import State
from core.study.spec import RunSpec
from core.study.watch import PHASES
from core.views.wording import duration, phase_name, run_name, state_name
from core.views.words import korean


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "5 seconds"),
        (62, "60 seconds"),
        (600, "10 minutes"),
        (7200, "2 hours"),
        (9000, "2.5 hours"),
        (2e5, "2.3 days"),
    ],
)
def test_durations_in_duration(seconds, text):
    assert duration(seconds) == text
    assert duration(math.inf) == "an unknown time"


def test_every_state_and_phase_has_a_name():
    assert len({state_name(state) for state in State}) == len(State)
    assert {phase: phase_name(phase) for phase in PHASES} == dict(PHASES)
    assert phase_name("Downloading CIFAR-10 (40 %)") == "Downloading CIFAR-10 (40 %)"


def test_a_run_is_called_by_its_label_and_in_korean_by_the_same_things():
    dense, pruned = RunSpec(build_recipe("demo"), "dense", 7), RunSpec(build_recipe("demo"), "magnitude", 7, 0.5)
    assert [run_name(dense), run_name(pruned)] == [dense.label, pruned.label]
    assert [run_name(dense, korean), run_name(pruned, korean)] == ["Dense, 시드 7", "Magnitude 0.5, 시드 7"]
