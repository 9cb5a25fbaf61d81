import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.spec.errors import InputError
from core.spec.grid import study_runs, with_dense
from core.spec.methods import DENSE, METHODS, find_method, variant_label
from core.spec.presets import PRESETS, SPARSITIES, build_recipe, resolve_data
from core.spec.spec import Recipe, RunSpec, Schedule

RECIPE = Recipe("demo", "synthetic", 8, Schedule(3, 0.1, batch_size=64), Schedule(1, 0.01, batch_size=64))


def test_the_paper_preset_is_what_the_user_asked_for():
    recipe = PRESETS["paper"].recipe
    assert recipe.train == Schedule(epochs=200, lr=0.1, batch_size=128, momentum=0.9, weight_decay=5e-4)
    assert recipe.finetune == Schedule(epochs=100, lr=0.01, batch_size=128, momentum=0.9, weight_decay=5e-4)
    assert (recipe.data, recipe.width) == ("cifar10", 64)


@pytest.mark.parametrize("method", [DENSE, *METHODS])
def test_a_spec_survives_json_and_keeps_its_id(method):
    spec = RunSpec(RECIPE, method, 42, 0.0 if method == DENSE else 0.9)
    again = RunSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.run_id == spec.run_id


def test_what_determines_the_result_is_in_the_id():
    spec = RunSpec(RECIPE, "magnitude", 42, 0.9)
    ids = {
        spec.run_id,
        replace(spec, seed=43).run_id,
        replace(spec, sparsity=0.91).run_id,
        replace(spec, method="random", settings=()).run_id,
        replace(spec, recipe=replace(RECIPE, width=16)).run_id,
        replace(spec, recipe=replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=3))).run_id,
    }
    assert len(ids) == 6
    assert RunSpec(RECIPE, "magnitude", 42, 0.90).run_id == spec.run_id
    assert RunSpec(RECIPE, "magnitude", 42, -0.0).run_id == RunSpec(RECIPE, "magnitude", 42, 0.0).run_id
    explicit = RunSpec(RECIPE, "lottery_ticket", 42, 0.9, (("rewind_epoch", 2),))
    assert explicit == RunSpec(RECIPE, "lottery_ticket", 42, 0.9)  # a default that is spelled out is the default


def test_the_dense_run_does_not_depend_on_what_comes_after_it():
    longer = replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=9))
    one = RunSpec(RECIPE, "magnitude", 42, 0.5).dense
    assert one == RunSpec(longer, "structured", 42, 0.9).dense
    assert one.dense == one


def test_a_ticket_trains_again_at_the_dense_learning_rate():
    ticket, pruned = (RunSpec(RECIPE, name, 42, 0.9).retrain for name in ("lottery_ticket", "magnitude"))
    assert ticket.lr == RECIPE.train.lr
    assert pruned.lr == RECIPE.finetune.lr
    assert ticket.epochs == pruned.epochs  # the same budget


@pytest.mark.parametrize("method", ["snip", "synflow", "from_scratch", "reinitialised_ticket"])
def test_what_starts_untrained_gets_the_dense_epochs_too_unless_its_record_is_older(method):
    now = RunSpec(RECIPE, method, 42, 0.5)
    assert now.retrain == replace(RECIPE.train, epochs=RECIPE.train.epochs + RECIPE.finetune.epochs)
    assert now.dense_epochs == (RECIPE.train.epochs if method == "reinitialised_ticket" else 0)  # its mask was trained
    old = RunSpec.from_json({**now.to_json(), "settings": {}})  # as it was recorded
    assert old.retrain.epochs == RECIPE.finetune.epochs
    assert old.variant.endswith("budget fine-tuning)")
    assert old.to_json()["settings"] == {}
    assert now.to_json()["settings"]["budget"] == "total"
    assert RunSpec(RECIPE, "snip", 42, 0.5, (("budget", "fine-tuning"),)).run_id == "snip-0.5-seed42-demo-a9e730a4388c"
    assert old.run_id != now.run_id
    with pytest.raises(InputError, match="epochs"):
        replace(now, recipe=replace(RECIPE, train=replace(RECIPE.train, epochs=10_000)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sparsity", 1.0),
        ("sparsity", -0.1),
        ("sparsity", float("nan")),
        ("sparsity", "0.5"),
        ("sparsity", 10**400),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 1.5),
        ("seed", True),
        ("method", "magic"),
        ("method", None),
    ],
)
def test_a_bad_field_is_named_with_what_is_accepted(field, value):
    with pytest.raises(InputError) as caught:
        replace(RunSpec(RECIPE, "magnitude", 42, 0.9), **{field: value})
    assert field in str(caught.value)
    assert "give" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("epochs", 0), ("epochs", 2.0), ("batch_size", 1), ("lr", 0.0), ("lr", float("inf")), ("momentum", 1.0)),
        *(("decay", "step"), ("warmup", -1), ("nesterov", 1), ("label_smoothing", 1.0), ("cutout", 32)),
    ],
)
def test_a_bad_schedule_is_refused(field, value):
    with pytest.raises(InputError, match=field):
        replace(RECIPE.train, **{field: value})


@pytest.mark.parametrize(
    ("field", "given"),
    [("warmup", {"decay": "triangular", "warmup": 1}), ("nesterov", {"nesterov": True, "momentum": 0.0})],
)
def test_what_has_no_effect_beside_the_rest_of_a_schedule_is_refused(field, given):
    with pytest.raises(InputError, match=field):
        replace(RECIPE.train, **given)


LATER = {"decay": "linear", "warmup": 2, "nesterov": True, "label_smoothing": 0.1, "cutout": 8}


@pytest.mark.parametrize("field", [*LATER, "budget"])
def test_what_came_later_is_in_the_id_unless_it_is_as_before(field):
    spec = RunSpec(RECIPE, "magnitude", 42, 0.9)
    if field == "budget":
        changed = replace(spec, recipe=replace(RECIPE, budget="compute"))
        assert changed.dense == spec.dense
    else:
        changed = replace(spec, recipe=replace(RECIPE, finetune=replace(RECIPE.finetune, **{field: LATER[field]})))
    assert changed.run_id != spec.run_id
    assert changed.recipe.label != spec.recipe.label
    assert RunSpec.from_json(json.loads(json.dumps(changed.to_json()))) == changed
    assert f'"{field}"' not in json.dumps(spec.to_json())
    spelled_out = spec.to_json()
    place = spelled_out["recipe"] if field == "budget" else spelled_out["recipe"]["finetune"]
    place[field] = getattr(RECIPE if field == "budget" else RECIPE.finetune, field)
    assert RunSpec.from_json(spelled_out).run_id == spec.run_id


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.uses_dense_training])
def test_what_rests_on_the_dense_network_can_learn_from_it_and_is_as_before_without(name):
    without, taught = (RunSpec(RECIPE, name, 42, 0.9, (("teacher", value),)) for value in ("none", "dense"))
    assert "teacher" not in without.to_json()["settings"]
    assert RunSpec(RECIPE, name, 42, 0.9).run_id == without.run_id != taught.run_id


@pytest.mark.parametrize("data", ["mnist", "folder:", "folder:  ", "folder:a\nb", "", None, 3])
def test_an_unknown_data_set_is_refused_with_those_there_are(data):
    with pytest.raises(InputError, match=r"cifar10, .*, synthetic or folder:PATH"):
        replace(RECIPE, data=data)


def test_a_folder_is_made_absolute_and_has_to_exist(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_data("folder:pictures") == f"folder:{tmp_path}/pictures"
    for missing in ("folder:missing", "folder:~nosuchuser/x", "folder:" + "x" * 5000):
        with pytest.raises(InputError, match="folder that exists"):
            resolve_data(missing)


def test_settings_of_other_methods_and_bad_values_are_refused():
    with pytest.raises(InputError, match="give repair, teacher"):
        RunSpec(RECIPE, "random", 42, 0.9, (("rewind_epoch", 0),))
    with pytest.raises(InputError, match="give allocation, schedule, rounds, retraining, repair, teacher"):
        RunSpec(RECIPE, "magnitude", 42, 0.9, (("rewind_epoch", 0),))
    with pytest.raises(InputError, match="criterion"):
        RunSpec(RECIPE, "structured", 42, 0.9, (("criterion", "l7"),))
    recipe = replace(RECIPE, train=replace(RECIPE.train, epochs=1))
    with pytest.raises(InputError, match="which has 1"):
        RunSpec(recipe, "lottery_ticket", 42, 0.9, (("rewind_epoch", 8),))


def test_a_setting_without_effect_has_its_default_so_that_one_run_has_one_id():
    with pytest.raises(InputError, match=r"rounds of magnitude = 5 .* give 3 unless schedule=iterative"):
        RunSpec(RECIPE, "magnitude", 42, 0.9, (("rounds", 5),))


@pytest.mark.parametrize("method", ["magnitude", "lottery_ticket"])
def test_there_are_no_more_rounds_than_epochs(method):
    recipe = replace(RECIPE, finetune=replace(RECIPE.finetune, epochs=3))
    iterative = (("schedule", "iterative"), ("rounds", 3))
    assert RunSpec(recipe, method, 42, 0.9, iterative).retrain.epochs == 3
    with pytest.raises(InputError, match=r"rounds = 5 .* at most 3, the epochs of retraining"):
        RunSpec(recipe, method, 42, 0.9, (("schedule", "iterative"), ("rounds", 5)))


@pytest.mark.parametrize("method", ["magnitude", "structured"])
def test_a_rewound_learning_rate_is_the_dense_one_for_the_same_epochs(method):
    rewound = RunSpec(RECIPE, method, 42, 0.9, (("retraining", "lr-rewinding"),)).retrain
    assert rewound == replace(RECIPE.finetune, lr=RECIPE.train.lr)


@pytest.mark.parametrize(
    ("method", "chosen", "expected"),
    [
        ("structured", {}, "Structured"),
        ("structured", {"teacher": "dense", "criterion": "l2"}, "Structured (criterion l2, teacher dense)"),
        ("magnitude", {"repair": "none"}, "Magnitude (Han et al., 2015)"),
        ("random_filters", {"repair": "none"}, "Random filters (without recovery)"),
        ("structured", {"published": True}, "Structured (Li et al., 2017)"),
        ("structured", {"published": True, "criterion": "l2"}, "Structured (Li et al., 2017, criterion l2)"),
        ("lottery_ticket", {"rewind_epoch": 4}, "Lottery ticket (rewind epoch 4)"),
        ("random", {"published": True}, "Random (without recovery)"),
        ("snip", {"published": True}, "SNIP"),
    ],
)
def test_a_variant_names_the_published_form_and_what_is_not_the_default(method, chosen, expected):
    initial = METHODS[method].initial_settings(as_published="published" in chosen)
    settings = {**initial, **{name: value for name, value in chosen.items() if name != "published"}}
    assert variant_label(method, settings) == expected


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_runs_of_before_there_were_recovery_settings_are_the_published_form(method):
    published = method.initial_settings(as_published=True)
    settings = {name: value for name, value in published.items() if name not in method.legacy_settings}
    old = RunSpec.from_json({**RunSpec(RECIPE, method.name, 42, 0.9).to_json(), "settings": settings})
    assert {**dict(old.settings), "budget": ""} == {**published, "budget": ""}  # but for the budget, which was another


def test_a_setting_is_read_from_text_like_from_a_widget():
    rewind = find_method("lottery_ticket").settings[0]
    assert rewind.parse("2") == 2
    with pytest.raises(InputError, match="rewind_epoch"):
        rewind.parse("two")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_a_spec_or_a_clear_error(data):
    with pytest.raises(InputError) as caught:
        RunSpec.from_json(data)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_spec_with_one_field_replaced_is_a_spec_or_a_clear_error(data):
    """The dangerous inputs are nearly right: everything as it should be but for one value."""
    spec = RunSpec(RECIPE, "structured", 42, 0.9).to_json()
    target = data.draw(st.sampled_from([spec, spec["recipe"], spec["recipe"]["train"], spec["settings"]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON)
    try:
        found = RunSpec.from_json(spec)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert RunSpec.from_json(found.to_json()) == found


def test_a_study_is_every_combination_once_with_dense_first():
    specs = study_runs(RECIPE, ["magnitude", "structured"], SPARSITIES, [1, 2])
    assert len(specs) == 2 + 2 * 5 * 2
    assert [spec.is_dense for spec in specs] == [True] * 2 + [False] * 20
    assert len({spec.run_id for spec in specs}) == len(specs)
    assert study_runs(RECIPE, ["magnitude", "magnitude"], [0.5, 0.5], [1, 1]) == with_dense(
        [RunSpec(RECIPE, "magnitude", 1, 0.5)]
    )


@pytest.mark.parametrize("empty", ["methods", "sparsities", "seeds"])
def test_an_empty_choice_is_refused(empty):
    chosen = {"methods": ["magnitude"], "sparsities": [0.5], "seeds": [1]} | {empty: []}
    with pytest.raises(InputError, match=empty):
        study_runs(RECIPE, **chosen)


def test_a_study_has_a_largest_size():
    with pytest.raises(InputError, match="2,000"):
        study_runs(RECIPE, ["magnitude"], [0.5], range(2001))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_takes_what_is_given_in_its_place(preset):
    recipe = build_recipe(preset, data="synthetic", width=12, epochs=3, finetune_epochs=2, batch_size=64)
    assert (recipe.data, recipe.width, recipe.train.epochs, recipe.finetune.epochs) == ("synthetic", 12, 3, 2)
    assert recipe.train.batch_size == recipe.finetune.batch_size == 64
    assert isinstance(recipe, Recipe)
    both = {"nesterov": True, "label_smoothing": 0.1, "cutout": 8}
    dense, after = {"lr": 0.2, "decay": "linear", "warmup": 1}, {"lr": 0.05, "decay": "cosine", "warmup": 2}
    recipe = build_recipe(
        preset, **both, **dense, **{f"finetune_{name}": x for name, x in after.items()}, budget="compute"
    )
    before = PRESETS[preset].recipe
    assert recipe == replace(
        before,
        train=replace(before.train, **both, **dense),
        finetune=replace(before.finetune, **both, **after),
        budget="compute",
    )
