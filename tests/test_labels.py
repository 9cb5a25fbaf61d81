"""How states and durations are called."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from core.labels import (
    duration,
    measured_name,
    recipe_name,
    run_name,
    short_variant_name,
    state_name,
    variant_name,
    variant_names,
)
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
def test_a_duration_is_rounded_and_has_a_unit(seconds, text):
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
    variants = [(DENSE, {})]
    for method in METHODS.values():
        variants += [(method.name, {setting.name: c}) for setting in method.settings for c in setting.choices]
        variants.append((method.name, {setting.name: setting.choices[-1] for setting in method.settings}))
        variants.append((method.name, method.initial_settings(as_published=True)))
    told = {}
    for method, settings in variants:
        label = variant_label(method, settings)
        assert variant_name(method, settings.items()) == label
        told[label] = korean(variant_name, method, settings.items())
        changed = label.partition(" (")[2].removesuffix(")")
        citation = METHODS[method].published.name if method != DENSE and METHODS[method].published else ""
        same = citation.split(", ")  # a paper is called the same everywhere
        assert not [part for part in changed.split(", ") if part not in ("", *same) and part in told[label]]
    assert len(set(told.values())) == len(told)


def test_a_short_name_leaves_out_the_english_one_and_nothing_else():
    rewound = [("rewind_epoch", 4), ("schedule", "one-shot")]
    assert korean(short_variant_name, "lottery_ticket", rewound) == "로터리 티켓 · 되감을 에포크 4"
    assert korean(short_variant_name, "magnitude") == "크기 기준"
    assert korean(short_variant_name, DENSE) == "밀집"
    assert korean(short_variant_name, "snip") == "SNIP"
    for method, settings in (("lottery_ticket", rewound), ("snip", ()), (DENSE, ())):
        assert short_variant_name(method, settings) == variant_label(method, dict(settings))


def test_variants_and_runs_are_named_from_their_rows():
    settings = METHODS["magnitude"].complete({"allocation": "lamp"})
    row = {"variant": "x", "method": "magnitude", "settings": settings, "sparsity": 0.9, "seed": 7}
    assert variant_names(pd.DataFrame([row, row])) == {"x": "Magnitude (allocation lamp)"}
    assert measured_name(row) == "Magnitude (allocation lamp) 0.9, seed 7"
    assert measured_name({**row, "method": DENSE, "settings": ()}) == "Dense, seed 7"


@pytest.mark.parametrize("data", ["cifar10", "synthetic", "folder:/data/birds", "folder:/data/width 5 · cats/"])
@pytest.mark.parametrize("finetune", [True, False])
def test_a_recipe_is_called_by_its_label_and_in_korean_by_korean_words(data, finetune):
    demo = build_recipe("standard", width=8, epochs=3, finetune_epochs=1)
    recipe = replace(demo, data=data, finetune=demo.finetune if finetune else None)
    small = replace(recipe, train=replace(recipe.train, batch_size=64))
    assert [recipe_name(recipe), recipe_name(small)] == [recipe.label, small.label]
    epochs = f"{recipe.train.epochs}" + (f"+{recipe.finetune.epochs}" if finetune else "")
    assert korean(recipe_name, small).endswith(f" · 너비 {recipe.width} · {epochs} 에포크 · 배치 64")
    if data == "folder:/data/birds":
        assert " · 폴더 birds · " in korean(recipe_name, small)
