"""How states and durations are called."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from core.labels import duration, recipe_name, run_name, short_variant_name, state_name, variant_name
from core.runs.folder import State
from core.spec.methods import DENSE, METHODS, variant_label
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.korean import korean


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


def test_every_state_has_a_name():
    assert len({state_name(state) for state in State}) == len(State)


def test_a_run_is_called_by_its_label_and_in_korean_by_the_same_things():
    dense, pruned = RunSpec(build_recipe("demo"), "dense", 7), RunSpec(build_recipe("demo"), "magnitude", 7, 0.5)
    assert [run_name(dense), run_name(pruned)] == [dense.label, pruned.label]
    assert [korean(run_name, dense), korean(run_name, pruned)] == [
        "밀집 (Dense), 시드 7",
        "크기 기준 (Magnitude), 희소도 0.5, 시드 7",
    ]


def test_every_variant_that_can_be_set_is_called_as_in_the_results_and_in_korean_by_korean_words():
    names = {DENSE: variant_label(DENSE, {})}
    for method in METHODS.values():
        for setting in method.settings:
            for choice in setting.choices:
                names[f"{method.name} {setting.name} {choice}"] = variant_label(method.name, {setting.name: choice})
        names[f"{method.name}, all"] = variant_label(method.name, {s.name: s.choices[-1] for s in method.settings})
    assert all(variant_name(label) == label for label in names.values())
    told = {key: korean(variant_name, label) for key, label in names.items()}
    for key, label in names.items():
        settings = label.partition(" (")[2].removesuffix(")")
        untold = [part for part in settings.split(", ") if part and part in told[key]]
        assert not untold, (label, told[key])
    assert len(set(told.values())) == len(set(names.values()))
    assert korean(variant_name, "of a later version") == "of a later version"


def test_a_short_name_leaves_out_the_english_one_and_nothing_else():
    assert korean(short_variant_name, "Lottery ticket (rewind epoch 4)") == "로터리 티켓 · 되감을 에포크 4"
    assert korean(short_variant_name, "Magnitude") == "크기 기준"
    assert korean(short_variant_name, "Dense") == "밀집"
    for name in ("Lottery ticket (rewind epoch 4)", "SNIP", "Dense", "of a later version (x)"):
        assert short_variant_name(name) == name
    assert korean(short_variant_name, "SNIP") == "SNIP"


def test_a_recipe_is_called_by_its_label_and_in_korean_by_korean_words():
    batch = replace(build_recipe("demo").train, batch_size=64)
    recipe = replace(build_recipe("demo"), data="folder:/data/birds", train=batch)
    assert recipe_name(recipe.label) == recipe.label
    told = korean(recipe_name, recipe.label)
    epochs = f"{recipe.train.epochs}+{recipe.finetune.epochs}"
    assert told == f"demo · 폴더 birds · 너비 {recipe.width} · {epochs} 에포크 · 배치 64"
