"""The plan of a training: when what is cut, and the learning rate of every step."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.presets import PRESETS
from core.spec.spec import DECAYS, RunSpec, Schedule
from core.spec.training_plan import (
    GRADUAL_CHANNEL_CUTS,
    GRADUAL_CUTS,
    MAX_EPOCHS,
    PEAK,
    TrainingPlan,
    affordable_plan,
    make_training_plan,
)

RECIPE = PRESETS["standard"].recipe  # 80 epochs at 0.1, then 40 at 0.01


def plan(method="magnitude", sparsity=0.9, epochs=40, **chosen):
    recipe = replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=epochs))
    return make_training_plan(RunSpec(recipe, method, 1, sparsity, tuple(chosen.items())))


def rates(found, steps):
    return [found.learning_rate(epoch, step, steps) for epoch in range(found.epochs) for step in range(steps)]


def test_a_dense_run_is_one_cosine_without_a_cut():
    found = make_training_plan(RunSpec(RECIPE, "dense", 1))
    assert found.cuts(10) == {}
    assert rates(found, 10)[0] == 0.1
    assert rates(found, 10)[400] == pytest.approx(0.05)
    assert 0 < rates(found, 10)[-1] < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_by_default_there_is_one_cut_at_the_start(method):
    found = plan(method)
    assert found.cuts(7) == {0: 0.9}
    untrained = any(setting.name == "budget" for setting in METHODS[method].settings)
    assert found.rounds == (120 if untrained else 40,)
    assert found.learning_rate(0, 0, 7) == (0.1 if METHODS[method].restarts else 0.01)


@pytest.mark.parametrize("method", ["magnitude", "lottery_ticket"])
@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_iterative_rounds_leave_the_same_share_each_and_share_the_epochs(method, rounds):
    found = plan(method, schedule="iterative", rounds=rounds)
    cuts = found.cuts(7)
    assert list(cuts) == [7 * start for start in found.starts]
    left = [1.0, *(1 - sparsity for sparsity in cuts.values())]
    assert [after / before for before, after in pairwise(left)] == pytest.approx([0.1 ** (1 / rounds)] * rounds)
    assert list(cuts.values())[-1] == 0.9  # to the bit
    assert max(found.rounds) - min(found.rounds) <= 1
    assert list(found.rounds) == sorted(found.rounds)
    assert sum(found.rounds) == 40
    for start in found.starts:
        assert found.learning_rate(start, 0, 7) == found.schedule.lr


SHAPES = {"cosine": (0.0, 0.5), "linear": (0.0, 0.5), "triangular": (PEAK, 0.6)}  # where it is highest, where half


@pytest.mark.parametrize("decay", DECAYS)
def test_a_learning_rate_rises_to_its_peak_and_falls_to_nothing(decay):
    peak, half = SHAPES[decay]
    found = rates(TrainingPlan(Schedule(50, 0.3, decay=decay), (50,)), 20)
    top = found.index(max(found))
    assert (max(found), top) == (0.3, pytest.approx(peak * 1000, abs=1))
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:] == sorted(found[top:], reverse=True)
    assert found[round(half * 1000)] == pytest.approx(0.15)
    assert found[0] > 0
    assert 0 < found[-1] < 1e-3


@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_a_warm_up_rises_in_a_straight_line_and_takes_half_of_the_training_at_most(decay):
    found = rates(TrainingPlan(Schedule(10, 0.4, decay=decay, warmup=2), (10,)), 4)
    assert found[:8] == pytest.approx([0.05 * n for n in range(1, 9)])
    assert found[8:] == rates(TrainingPlan(Schedule(8, 0.4, decay=decay), (8,)), 4)
    rounds = rates(TrainingPlan(Schedule(4, 0.4, decay=decay, warmup=9), (2, 2)), 4)
    assert rounds[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rounds[:8] == rounds[8:]


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("warmup", [0, 50])
def test_whatever_its_course_a_rewound_learning_rate_repeats_the_end_of_the_dense_one(decay, warmup):
    train = replace(RECIPE.train, decay=decay, warmup=0 if decay == "triangular" else warmup)
    recipe = replace(RECIPE, train=train, finetune=replace(RECIPE.finetune, decay="linear", epochs=70))
    dense = rates(make_training_plan(RunSpec(recipe, "dense", 1)), 5)
    settings_ = (("retraining", "lr-rewinding"),)
    assert rates(make_training_plan(RunSpec(recipe, "magnitude", 1, 0.9, settings_)), 5) == dense[-70 * 5 :]
    ticket = make_training_plan(RunSpec(recipe, "lottery_ticket", 1, 0.9)).schedule  # starts over like the dense run
    assert (ticket.decay, ticket.warmup) == (train.decay, train.warmup)


def test_equal_computation_is_as_many_epochs_as_the_smaller_networks_save():
    spec = RunSpec(RECIPE, "structured", 1, 0.9, (("teacher", "none"),))  # 40 epochs
    assert affordable_plan(spec, 7, 100.0, lambda sparsity: 25.0).epochs == 160
    assert affordable_plan(spec, 7, 100.0, lambda sparsity: 26.0).epochs == 153  # whole ones that do not cost more
    assert affordable_plan(spec, 7, 100.0, lambda sparsity: 1.0).epochs == 40 * MAX_EPOCHS
    assert affordable_plan(spec, 7, 100.0, lambda sparsity: 100.0) == make_training_plan(spec)
    taught = RunSpec(RECIPE, "structured", 1, 0.9, (("teacher", "dense"),))
    assert affordable_plan(taught, 7, 100.0, lambda sparsity: 25.0).epochs == 68  # 40 * 300 / 175
    assert affordable_plan(taught, 7, 100.0, lambda sparsity: 100.0) == make_training_plan(taught)  # never fewer


def test_equal_computation_counts_each_round_and_half_of_gradual_pruning_as_large_as_it_is():
    untaught = ("teacher", "none")
    iterative = RunSpec(RECIPE, "magnitude", 1, 0.75, (("schedule", "iterative"), ("rounds", 2), untaught))
    found = affordable_plan(iterative, 7, 100.0, lambda sparsity: 100 * (1 - sparsity))
    assert found.rounds == (53, 54)  # half as large, then a quarter
    gradual = RunSpec(RECIPE, "magnitude", 1, 0.75, (("schedule", "gradual"), untaught))
    found = affordable_plan(gradual, 7, 100.0, lambda sparsity: 100 * (1 - sparsity))
    assert 40 / 0.625 < found.epochs < 160  # as large as dense in the first half, or all the time as in the end


def test_each_round_has_a_cosine_of_its_own():
    found = plan(schedule="iterative", rounds=2)
    assert rates(found, 3)[:60] == rates(found, 3)[60:]
    assert found.learning_rate(10, 0, 3) == pytest.approx(0.005)


def test_gradual_pruning_is_cubic_over_the_first_half():
    found = plan(schedule="gradual")
    cuts = found.cuts(7)
    assert found.rounds == (40,)
    assert len(cuts) == GRADUAL_CUTS
    assert max(cuts) == 140
    for step, sparsity in cuts.items():
        assert sparsity == pytest.approx(0.9 * (1 - (1 - step / 140) ** 3))
    assert cuts[140] == 0.9
    assert rates(found, 7) == rates(plan(), 7)  # one cosine, whatever is cut


@pytest.mark.parametrize(
    ("epochs", "starts"), [(1, [0]), (2, [0, 1]), (3, [0, 1]), (5, [0, 1, 2]), (40, [0, 5, 10, 15, 20])]
)
def test_channels_go_gradually_before_epochs_of_the_first_half(epochs, starts):
    found = plan("structured", epochs=epochs, schedule="gradual")
    cuts = found.cuts(7)
    assert list(cuts) == [7 * start for start in starts]
    assert len(cuts) <= GRADUAL_CHANNEL_CUTS
    for n, sparsity in enumerate(cuts.values(), 1):
        assert sparsity == pytest.approx(0.9 * (1 - (1 - n / len(cuts)) ** 3))
    assert found.pruned_after == starts[-1]
    assert rates(found, 7) == rates(plan("structured", epochs=epochs), 7)


@pytest.mark.parametrize("steps", [2, 3, 4, 7, 20, 1000])
def test_gradual_pruning_has_two_cuts_or_more_in_a_single_epoch(steps):
    cuts = plan(schedule="gradual", epochs=1).cuts(steps)
    assert 2 <= len(cuts) <= GRADUAL_CUTS
    assert max(cuts) == steps // 2
    assert list(cuts.values())[-1] == 0.9


def test_a_training_of_one_step_is_cut_before_it():
    assert plan(schedule="gradual", epochs=1).cuts(1) == {0: 0.9}


def test_rewound_learning_rates_are_those_of_the_last_epochs_of_the_dense_run():
    dense = rates(make_training_plan(RunSpec(RECIPE, "dense", 1)), 5)
    assert rates(plan(retraining="lr-rewinding"), 5) == dense[-40 * 5 :]
    assert rates(plan("structured", retraining="lr-rewinding"), 5) == dense[-40 * 5 :]
    assert rates(plan(retraining="lr-rewinding", epochs=80), 5) == dense
    assert rates(plan(retraining="lr-rewinding", schedule="gradual"), 5) == dense[-40 * 5 :]
    rounds = rates(plan(retraining="lr-rewinding", schedule="iterative", rounds=2), 5)
    assert rounds == dense[-20 * 5 :] * 2


def test_a_longer_retraining_than_the_dense_one_has_all_of_its_cosine():
    longer = rates(plan(retraining="lr-rewinding", epochs=160), 5)
    assert longer[0] == 0.1
    assert longer[400] == pytest.approx(0.05)
    assert len(longer) == 800


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_the_settings_the_budget_and_the_final_sparsity_are_the_same(data):
    method = METHODS[data.draw(st.sampled_from(sorted(METHODS)))]
    chosen = {setting.name: data.draw(st.sampled_from(setting.choices)) for setting in method.settings}
    chosen = {s.name: chosen[s.name] if s.matters(chosen) else s.default for s in method.settings}
    sparsity = data.draw(st.floats(0, 1, exclude_max=True))
    epochs, steps = data.draw(st.integers(10, 200)), data.draw(st.integers(1, 500))
    found = plan(method.name, sparsity, epochs, **chosen)
    cuts = found.cuts(steps)
    epochs += RECIPE.train.epochs if chosen.get("budget") == "total" else 0
    assert found.epochs == epochs
    assert all(rounds >= 1 for rounds in found.rounds)
    assert list(cuts) == sorted(cuts)
    assert list(cuts.values()) == sorted(cuts.values())  # sparsity never falls
    assert cuts[max(cuts)] == found.sparsities[-1] == sparsity
    assert min(cuts) >= 0
    assert max(cuts) < epochs * steps  # something is trained after the last cut
    epoch, step = data.draw(st.integers(0, epochs - 1)), data.draw(st.integers(0, steps - 1))
    assert 0 < found.learning_rate(epoch, step, steps) <= found.schedule.lr


def test_more_rounds_than_epochs_are_refused():
    with pytest.raises(InputError, match=r"rounds = 5 .* at most 4, the epochs of retraining"):
        plan(epochs=4, schedule="iterative", rounds=5)
    assert plan(epochs=5, schedule="iterative", rounds=5).rounds == (1,) * 5
    assert plan(epochs=1).rounds == (1,)  # the default number of rounds is no obstacle where there are none
