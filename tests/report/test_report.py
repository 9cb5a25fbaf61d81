"""The report says what the numbers say: every number in it is in the results, and every claim is one that they carry."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from core.i18n import LANGUAGES, use_language
from core.labels import run_name, variant_name
from core.report import statistics
from core.report.build import build_report
from core.report.markdown import escape_markdown, render_markdown
from core.report.references import references
from core.report.study import find_study
from core.report.tables import efficiency_table
from core.results.statistics import summarise
from core.runs.folder import Home
from core.spec.methods import METHODS
from core.spec.networks import network_label
from core.spec.presets import build_recipe
from core.spec.settings import TEACHER_SHARE, TEMPERATURE
from core.spec.spec import DECAYS, RunSpec
from tests.records import write_result
from tests.report.sentences import fields, sentences, translated

DEMO, STANDARD = build_recipe("demo"), build_recipe("standard")
FIGURES = ["tradeoff_curve", "size_latency", "pareto", "layer_density", "training_curves"]
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")


def fabricate(path, cells, recipe=DEMO, **overrides):
    """A study of ``cells``, {(method, sparsity, seed): accuracy}; a dense accuracy is named ("dense", 0.0, seed)."""
    home = Home(path).prepare()
    for (method, sparsity, seed), accuracy in cells.items():
        write_result(home, RunSpec(recipe, method, seed, sparsity), test_accuracy=accuracy, **overrides)
    return find_study(home)


def grid(values, seeds=(1, 2, 3)):
    """Cells from {(method, sparsity): accuracies of the seeds}, dense at 90 plus a tenth of the seed."""
    cells = {("dense", 0.0, seed): 90.0 + seed / 10 for seed in seeds}
    for (method, sparsity), accuracies in values.items():
        cells |= {(method, sparsity, seed): a for seed, a in zip(seeds, accuracies, strict=False)}
    return cells


def tell(study, language="en", dead=()):
    """The report as Markdown; ``dead``: runs that lost every weight of the layer named with them."""
    runs = [
        dataclasses.replace(run, result=run.result.model_copy(update={"dead_layers": dict(dead).get(run.spec)}))
        for run in study.runs
    ]
    with use_language(language):
        report = build_report(dataclasses.replace(study, runs=runs), {name: name for name in FIGURES}, ["a_table.csv"])
    return render_markdown(report)


def section(text, heading):
    """The part of ``text`` below ``heading``, up to the next heading."""
    return re.split(r"^#+ .*\n", text.split(f" {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_most_accurate_is_ahead_only_where_the_interval_allows_it(tmp_path):
    text = tell(
        fabricate(
            tmp_path,
            grid(
                {
                    ("magnitude", 0.5): (89.0, 89.2, 89.1),
                    ("structured", 0.5): (85.0, 85.1, 85.2),
                    ("lottery_ticket", 0.5): (88.0, 89.9, 88.8),
                }
            ),
        )
    )
    (line,) = section(text, "Which method is most accurate").strip().splitlines()[-1:]
    assert "**Magnitude** has the highest mean accuracy, 89.10 %" in line
    ahead, level = re.search(
        r"ahead, by more than the interval, of (.+?)\. It cannot be told apart from (.+?)\.$", line
    ).groups()
    gaps = np.array([4.0, 4.1, 3.9])
    half = stats.t.ppf(0.975, 2) * gaps.std(ddof=1) / math.sqrt(3)
    assert ahead == f"Structured (+{gaps.mean():.2f} ± {half:.2f})"
    assert level.startswith("Lottery ticket (+0.20 ±")


def test_with_one_seed_nothing_is_claimed(tmp_path):
    cells = grid({("magnitude", 0.5): (89.0,), ("structured", 0.5): (70.0,), ("random", 0.5): (60.0,)}, seeds=(1,))
    text = tell(fabricate(tmp_path, cells))
    assert "±" not in text.replace("± is half", "")
    assert "no interval and no claim" in section(text, "Which method is most accurate")
    assert not re.search(r"It is ahead|cannot be told apart|\| better|faster than|slower than", text)
    assert "One seed: no interval, so no claim." in section(text, "Where accuracy breaks down")
    assert "have one seed" in section(text, "Limits")


def test_each_budget_is_said_in_epochs_and_macs_of_training(tmp_path):
    recorded = {"train_pictures": 5000, "test_pictures": 1000, "macs": 9_000_000, "dense_macs": 9_000_000}
    cells = dict.fromkeys([("dense", 0.0, 1), ("magnitude", 0.5, 1), ("snip", 0.5, 1)], 80.0)
    text = tell(fabricate(tmp_path, cells, **recorded))
    assert "5000 training and 1000 test pictures" in text
    assert "| Training in all: Magnitude | epochs: 3 dense + 1 after pruning; 540 GMACs |" in text
    assert "| Training in all: SNIP | epochs: 4, from untrained weights; 540 GMACs |" in text
    assert "Every method had the same number of epochs in all" in section(text, "Limits")
    for spec in (RunSpec(DEMO, "lottery_ticket", 1, 0.5), RunSpec(DEMO, "snip", 1, 0.5, (("budget", "fine-tuning"),))):
        write_result(Home(tmp_path), spec)  # recorded earlier: nothing is known of its pictures
    limits = section(tell(find_study(Home(tmp_path))), "Limits")
    assert "Not every method had the same number of epochs in all" in limits
    assert "Lottery ticket (epochs: 3 dense, for the mask, + 1 after pruning)" in limits
    assert "SNIP (budget fine-tuning) (epochs: 1, from untrained weights)" in limits


def test_equal_results_cannot_be_told_apart(tmp_path):
    text = tell(fabricate(tmp_path, grid({(m, 0.5): (80.0, 80.5, 81.0) for m in ("magnitude", "structured")})))
    assert "It cannot be told apart from Structured (+0.00 ± 0.00)." in text
    assert "It is ahead" not in text


def test_where_a_method_breaks_down_is_the_first_sparsity_that_loses_more_than_two_points(tmp_path):
    values = {
        ("magnitude", 0.3): (90.0, 90.1, 90.2),
        ("magnitude", 0.5): (87.1, 87.2, 87.3),  # 3 points below dense, every seed
        ("magnitude", 0.9): (80.1, 80.2, 80.3),
        ("structured", 0.3): (89.0, 89.1, 89.2),
        ("structured", 0.9): (88.5, 88.6, 88.7),
        ("lottery_ticket", 0.5): (84.1, 90.2, 87.3),
    }
    lines = section(tell(fabricate(tmp_path, grid(values))), "Where accuracy breaks down").splitlines()
    assert lines[1].startswith("- **Magnitude** first loses more than 2 points at sparsity 0.5: -3.00 ± 0.00 points.")
    assert "**Structured** loses more than 2 points at no sparsity" in lines[2]
    assert "at the highest, 0.9, the change is -1.60 ± 0.00 points." in lines[2]
    assert lines[3].endswith("The interval reaches across this limit, so this is not certain.")


def test_a_speed_up_is_only_named_where_it_was_measured(tmp_path):
    cells = grid({("magnitude", 0.9): (89.0, 89.0, 89.0)})
    noisy = fabricate(tmp_path / "noisy", cells, speedup=1.4, batch_speedup=0.7, mac_ratio=1.0)
    assert "1× by construction, no speed-up" in section(tell(noisy), "Size and speed")
    assert "1.4" not in section(tell(noisy), "Size and speed")
    assert "largest measured speed-up" not in tell(noisy)
    smaller = fabricate(tmp_path / "smaller", cells, speedup=0.8, batch_speedup=3.0, mac_ratio=5.0)
    assert "slower than dense by more than the interval" in section(tell(smaller), "Size and speed")
    unknown = fabricate(tmp_path / "unknown", cells, speedup=None, batch_speedup=None, mac_ratio=5.0)
    assert "speed-up" not in section(tell(unknown), "Size and speed")


def test_methods_stand_beside_their_own_baselines(tmp_path):
    values = {
        ("magnitude", 0.9): (89.0, 89.1, 89.2),
        ("structured", 0.9): (80.0, 80.1, 80.2),
        ("random", 0.9): (70.0, 70.1, 70.2),
        ("random_filters", 0.9): (85.0, 85.1, 85.2),
    }
    rows = section(tell(fabricate(tmp_path, grid(values))), "Against the baselines").splitlines()
    assert "| Magnitude | Random | 0.9 | +19.00 ± 0.00 | better |" in rows
    assert "| Structured | Random filters | 0.9 | -5.00 ± 0.00 | worse |" in rows
    assert len([row for row in rows if row.startswith("| ")]) == 2 + 2
    alone = fabricate(tmp_path / "alone", grid({("magnitude", 0.9): (89.0, 89.1, 89.2)}))
    assert "No baseline was run" in tell(alone)


def test_the_pairs_are_those_of_the_sparsity_that_most_variants_share(tmp_path):
    values = {
        ("magnitude", 0.5): (89.0, 89.1, 89.2),
        ("magnitude", 0.95): (70.0, 70.1, 70.2),
        ("structured", 0.5): (88.9, 89.3, 89.1),
        ("random", 0.5): (60.0, 61.0, 59.0),
    }
    rows = section(tell(fabricate(tmp_path, grid(values))), "Every pair at 0.5").splitlines()
    assert any(row.startswith("| Structured |") and "; cannot be told apart |" in row for row in rows)
    assert any(row.startswith("| Random |") and row.count("; worse |") == 3 for row in rows)


def test_what_is_missing_synthetic_or_dead_is_said(tmp_path):
    cells = grid({("magnitude", 0.5): (89.0, 89.1, 89.2), ("structured", 0.5): (88.0, 88.1)})
    study = fabricate(tmp_path, cells)
    text = tell(study, dead={RunSpec(DEMO, "magnitude", 1, 0.5): ["layer4.1.conv2"]})
    assert "Runs of the full grid that are not finished: 1 (Structured 0.5, seed 3)." in section(text, "Limits")
    assert "Magnitude 0.5, seed 1: no weight is left in layer4.1.conv2." in section(text, "Layers that died")
    assert text.count("Synthetic data.") == 2
    assert "합성 데이터" in tell(study, "ko")
    real = tell(fabricate(tmp_path / "real", grid({("magnitude", 0.5): (89.0, 89.1, 89.2)}), STANDARD))
    assert "ynthetic" not in real
    assert "Layers that died" not in real
    assert "full ResNet-18" not in section(real, "Limits")


def test_networks_at_chance_level_are_named_wherever_they_stand(tmp_path):
    values = {
        ("magnitude", 0.5): (89.0, 89.1, 89.2),
        ("magnitude", 0.9): (10.0, 10.0, 9.9),
        ("random", 0.9): (10.0, 80.0),
    }
    text = tell(fabricate(tmp_path, grid(values)))
    named = section(text, "Networks at chance level")
    assert "**Magnitude** at sparsity 0.9: accuracy 9.97 ± 0.14 %; runs at chance level: 3 of 3." in named
    assert "**Random** at sparsity 0.9" in named
    assert "runs at chance level: 1 of 2." in named
    assert re.search(r"The smallest file has .* points\. It is at chance level\.", text)
    assert "† At chance level" in text
    assert sum(" † |" in line for line in text.splitlines()) == 2
    assert "Runs at chance level: 1 of 2." in section(text, "Which method is most accurate")
    assert "chance level" not in tell(fabricate(tmp_path / "alive", grid({("magnitude", 0.5): (89.0, 89.1, 89.2)})))


@pytest.mark.parametrize("language", LANGUAGES)
def test_methods_and_runs_are_called_as_they_are_in_the_app(tmp_path, language):
    cells = grid({("magnitude", 0.5): (89.0, 89.1, 89.2), ("random", 0.5): (88.0, 88.1)})
    text = tell(fabricate(tmp_path, cells), language, dead={RunSpec(DEMO, "random", 1, 0.5): ["fc"]})
    for method in ("magnitude", "random"):
        name = METHODS[method].label
        with use_language(language):
            called = escape_markdown(variant_name(method))
        assert text.count(called) > 5
        assert f"| {called} | 0.5 |" in text
        assert text.count(name) == text.count(called)  # nowhere by another name
    with use_language(language):
        runs = [RunSpec(DEMO, "random", seed, 0.5) for seed in (1, 3)]  # dead, and missing
        assert all(escape_markdown(run_name(run)) in text for run in runs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_dense_runs_alone_make_a_report(tmp_path, language):
    text = tell(fabricate(tmp_path, grid({})), language)
    assert translated("Only dense runs are finished: there is nothing to compare yet.", language) in text
    assert "nan" not in text


def test_every_sentence_is_korean_too_with_the_same_fields():
    hangul = re.compile("[가-힣]")
    worded = {name for name in sentences() if re.search("[a-z]", re.sub(r"{.*?}", "", name))}
    for sentence in worded:
        korean = translated(sentence, "ko")
        assert fields(korean) == fields(sentence)
        assert hangul.search(korean) or sentence in ("{low} to {high}", "MACs (M)"), sentence
    assert all(hangul.search(translated(method.summary, "ko")) for method in METHODS.values())


def test_every_method_with_a_source_has_its_paper():
    always = references([])
    for name, method in METHODS.items():
        papers = references([RunSpec(STANDARD, name, 1, 0.5)])
        years = set(re.findall(r"\d{4}", method.source))
        assert years <= set(re.findall(r"\d{4}", " ".join(papers))), name
        assert len(papers) > len(always) or method.source == "baseline"


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_number_is_one_of_the_results(tmp_path_factory, language, data):
    """Any study: one seed or three, ties, missing methods and cells, a single sparsity."""
    seeds = data.draw(st.sampled_from([(1,), (1, 2), (42, 123, 456)]))
    methods = data.draw(st.lists(st.sampled_from(list(METHODS)), min_size=1, max_size=4, unique=True))
    sparsities = data.draw(st.lists(st.sampled_from([0.3, 0.5, 0.9, 0.95]), min_size=1, max_size=3, unique=True))
    accuracy = st.sampled_from([10.0, 71.37, 88.81, 88.82, 89.9])
    cells = {("dense", 0.0, seed): data.draw(accuracy) for seed in seeds}
    for cell in itertools.product(methods, sparsities, seeds):
        if data.draw(st.integers(0, 5)):
            cells[cell] = data.draw(accuracy)
    study = fabricate(tmp_path_factory.mktemp("home"), cells)
    text = tell(study, language)
    assert "nan" not in text
    assert not unknown_numbers(text, study)


def test_a_number_that_is_not_in_the_results_is_found(tmp_path):
    """The check above can fail: of the accuracies in a report, each changed one is noticed."""
    cells = grid({("magnitude", 0.5): (89.0, 89.2, 89.1), ("structured", 0.9): (85.0, 85.1, 85.2)})
    study = fabricate(tmp_path, cells)
    text = tell(study)
    assert not unknown_numbers(text, study)
    found = re.findall(r"\d\d\.\d\d ± \d\.\d\d", text)
    assert found
    for number in found:
        wrong = f"{float(number[:5]) - 7.31:.2f}{number[5:]}"
        assert unknown_numbers(text.replace(number, wrong), study)


def unknown_numbers(text, study):
    """The numbers of a report that are neither in the results nor follow from them."""
    for known in known_texts(study):
        text = text.replace(known, " ")
    known = np.array(sorted(computed(study)))
    unknown = []
    for token in NUMBER.findall(text):
        digits = len(token.partition(".")[2])
        if not (np.abs(known - abs(float(token))) <= 0.5 * 10**-digits + 1e-9).any():
            unknown.append(token)
    return unknown


def known_texts(study):
    """What has digits in it but is no number of the results: names, papers, and the sentences' own words."""
    fixed = [
        part
        for language in LANGUAGES
        for sentence in sentences()
        for part in re.split(r"\{.+?\}", translated(sentence, language))
    ]
    names = [
        *references(study.source.variants.values()),
        *(m.source for m in METHODS.values()),
        study.source.recipe.label,
        network_label(study.source.recipe.network),
    ]
    options = [f"{key}={value}" for spec in study.source.variants.values() for key, value in spec.settings]
    texts = [*names, *options, *study.source.hardware, *study.source.dates, *(s for s in fixed if NUMBER.search(s))]
    return sorted((s for s in texts if re.search(r"\d", s)), key=len, reverse=True)


def computed(study):
    """Every number that may stand in a report, without the report's own arithmetic."""
    frame, source = study.frame, study.source
    missing = len(statistics.missing_runs(frame))
    found = {statistics.BREAK_POINTS, 64.0, float(source.runs), float(missing), source.train_minutes}
    found |= {TEMPERATURE, TEACHER_SHARE}
    for table in (frame, summarise(frame), efficiency_table(frame)):
        found |= set(table.select_dtypes("number").abs().to_numpy(dtype=float).ravel())
    for spec in source.variants.values():
        schedule = spec.retrain
        found |= {schedule.epochs, schedule.lr, schedule.momentum, schedule.weight_decay, schedule.batch_size}
    found |= {float(source.recipe.width), *map(float, source.seeds)}
    for run in study.runs:
        found |= {run.spec.dense_epochs, run.result.test_pictures or 0}
    found.add(float(max(missing - 10, 0)))
    dense, pruned = frame[frame["method"] == "dense"], frame[frame["method"] != "dense"]
    for _, rows in pruned.groupby("sparsity"):
        here, p_values = pd.concat([dense, rows]), {}
        for one, other in itertools.permutations(here["variant"].unique(), 2):
            a, b = (here[here["variant"] == name].set_index("seed")["test_accuracy"] for name in (one, other))
            gaps = (a - b).dropna().to_numpy()
            if len(gaps):
                found.add(abs(float(gaps.mean())))
            if len(gaps) > 1:
                error = stats.sem(gaps)
                found.add(float(stats.t.ppf(0.975, len(gaps) - 1) * error))
                p_values[frozenset((one, other))] = 2 * stats.t.sf(
                    abs(gaps.mean()) / error if error else (math.inf if gaps.any() else 0), len(gaps) - 1
                )
        found |= {min(p * k, 1.0) for p in p_values.values() for k in range(1, len(p_values) + 1)} | {0.001}
    return {value for value in found if math.isfinite(value)}


def test_a_study_that_was_read_in_one_language_is_reported_in_another(tmp_path):
    """Where the numbers come from is data: no part of it was worded when the study was read."""
    timing = {"batch": 1, "threads": 1, "median_ms": 1.0, "q1_ms": 1.0, "q3_ms": 1.0, "calls": 9}
    with use_language("ko"):
        study = fabricate(tmp_path, {("magnitude", 0.5, 1): 90.0}, latency={"how": "eager", "single": timing})
    assert "eager, batch 1 on 1 thread" in render_markdown(build_report(study, {}))
    with use_language("ko"):
        assert "eager, 배치 1, 스레드 1개" in render_markdown(build_report(study, {}))


def test_settings_that_had_no_effect_are_not_listed(tmp_path):
    home = Home(tmp_path).prepare()
    iterative = (("schedule", "iterative"), ("rounds", 5))
    for settings_ in ((), iterative):
        write_result(home, RunSpec(build_recipe("demo", finetune_epochs=5), "magnitude", 1, 0.5, settings_))
    text = section(tell(find_study(home)), "Methods")
    assert "`schedule=one-shot`" in text
    assert "`rounds=3`" not in text
    assert "`rounds=5`" in text


@pytest.mark.parametrize("decay", DECAYS)
def test_how_it_was_trained_is_in_the_protocol(tmp_path, decay):
    home = Home(tmp_path).prepare()
    more = {"finetune_warmup": 0 if decay == "triangular" else 1, "nesterov": True, "label_smoothing": 0.1, "cutout": 8}
    recipe = build_recipe("demo", finetune_decay=decay, **more)
    write_result(home, RunSpec(recipe, "magnitude", 1, 0.5, (("teacher", "dense"),)))
    text = tell(find_study(home))
    course = {"cosine": "as a cosine", "linear": "to 0 in a straight line", "triangular": "during the first fifth"}
    words = [course[decay], "Nesterov", "label smoothing 0.1", "cutout 8", "distillation from the dense network"]
    assert all(word in text for word in [*words, *(["warm-up 1"] if more["finetune_warmup"] else [])])
    assert "Hinton" in text


def test_a_budget_of_computation_is_said_with_the_epochs_that_came_of_it(tmp_path):
    home = Home(tmp_path).prepare()
    recipe = build_recipe("demo", budget="compute")
    for sparsity, epochs in ((0.5, 2), (0.9, 7)):
        spec = RunSpec(recipe, "structured", 1, sparsity)
        write_result(home, spec, schedule={**spec.retrain.to_json(), "epochs": epochs})
    text = tell(find_study(home))
    assert "as many more as fit into what those cost the dense network" in text
    assert "3 dense + 2 to 7 after pruning" in text
    assert "equal compute" in recipe.label
