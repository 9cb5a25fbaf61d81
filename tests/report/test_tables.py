"""The efficiency table, and the forms in which it is taken away."""

from __future__ import annotations

import csv
import io
import math

import pandas as pd
import pytest

from core.report.statistics import clear_leaders
from core.report.tables import efficiency_table, to_csv, to_latex, to_markdown, with_interval
from core.results.frame import Results, study_frame
from core.runs.folder import Home
from core.runs.result import RunResult
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import plausible_record, write_result

RECIPE = build_recipe("demo")


@pytest.fixture
def table(tmp_path):
    home = Home(tmp_path).prepare()
    for spec in study_runs(RECIPE, ["magnitude", "structured"], [0.0, 0.5, 0.9], [1, 2]):
        write_result(home, spec)
    for spec in study_runs(RECIPE, ["random"], [0.5], [1]):
        write_result(home, spec, filter_ratio=None)
    return efficiency_table(study_frame(Results(home).frame(), RECIPE.key))


def test_one_row_for_each_variant_and_sparsity_dense_first(table):
    assert list(zip(table["method"], table["sparsity"], table["seeds"], strict=True)) == [
        ("Dense", 0.0, 2),
        ("Magnitude", 0.5, 2),
        ("Magnitude", 0.9, 2),
        ("Structured", 0.5, 2),
        ("Structured", 0.9, 2),
        ("Random", 0.5, 1),
    ]
    assert table["accuracy_change_points"].iloc[0] == 0
    assert table["accuracy_ci95"].iloc[:5].notna().all()
    assert math.isnan(table["accuracy_ci95"].iloc[5])


def test_mac_ratio_and_speed_up_are_different_columns(table):
    structured = table[table["method"] == "Structured"].iloc[-1]
    assert structured["mac_ratio"] > structured["speedup_large_batch"] > structured["speedup_batch1"] > 1
    assert structured["macs_millions"] * structured["mac_ratio"] == pytest.approx(table["macs_millions"][0], rel=0.01)


def test_networks_as_they_are_and_optimised_stand_side_by_side_and_records_without_the_latter_are_valid(tmp_path):
    home = Home(tmp_path).prepare()
    write_result(home, RunSpec(RECIPE, "structured", 1, 0.9), inference_latency_ms=2.0, optimised_latency_ms=1.5)
    spec = RunSpec(RECIPE, "structured", 1, 0.5)
    early = {key: value for key, value in plausible_record(spec).items() if not key.startswith("optimised")}
    home.create(spec).commit(RunResult.model_validate(early))
    table = efficiency_table(study_frame(Results(home).frame(), RECIPE.key)).set_index("sparsity")
    assert table["latency_batch1_ms"][0.9] == 2.0
    assert table["optimised_latency_batch1_ms"][0.9] == 1.5
    assert table["latency_batch1_ms"][0.5] > 0
    assert table.filter(like="optimised").loc[0.5].isna().all()


def test_csv_holds_the_same_numbers(table):
    again = pd.read_csv(io.StringIO(to_csv(table)))
    pd.testing.assert_frame_equal(again, table, check_dtype=False, rtol=1e-9)


def test_csv_keeps_large_numbers_whole():
    assert "11173962" in to_csv(pd.DataFrame({"params_total": [11_173_962.0]}))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_text_in_a_csv_is_never_a_formula(start):
    frame = pd.DataFrame({"device": [f"{start}cmd|' /C calc'!A0", 'a=b, "c"'], "change": [-1.5, 2.0]})
    rows = list(csv.reader(io.StringIO(to_csv(frame), newline="")))
    assert rows[1][0] == f"'{start}cmd|' /C calc'!A0"
    assert rows[1][1] == "-1.5"
    assert rows[2] == ['a=b, "c"', "2"]


def test_interval_is_only_shown_where_there_is_one():
    assert with_interval(93.456, 0.123) == "93.46 ± 0.12"
    assert with_interval(93.456, math.nan) == "93.46"
    assert with_interval(math.nan, math.nan) == "—"


def test_markdown_is_a_table_whose_cells_cannot_break_it(table):
    table.loc[1, "method"] = "a|b *c*"
    lines = to_markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    cells = [line.replace("\\|", "").count("|") for line in lines]
    assert len(set(cells)) == 1
    assert r"a\|b \*c\*" in lines[3]
    assert "Random | 0.5 | 1 |" in lines[-1]
    assert "±" not in lines[-1]


def test_latex_escapes_what_latex_would_act_on(table):
    table.loc[1, "method"] = r"50 % of \a_b & {c}"
    text = to_latex(table, "95 % of & _", "tab:x", best=())
    assert r"\caption{95 \% of \& \_" in text
    assert r"50 \% of \textbackslash{}a\_b \& \{c\}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(table)
    assert len({line.replace(r"\&", "").count("&") for line in rows}) == 1
    assert "±" not in text
    assert "%" not in text.replace(r"\%", "").removeprefix("%")


def test_latex_has_booktabs_caption_label_real_minus_and_chosen_columns(table):
    table["accuracy_change_points"] = [0.0, -1.25, 0.5, -1.0, -2.0, -3.0]
    table.loc[1, "method"] = "Magnitude (retraining lr-rewinding)"
    text = to_latex(table, "A study.", "tab:study", best=(), columns=("accuracy_change_points", "mac_ratio"))
    lines = text.splitlines()
    assert lines[0] == r"% \usepackage{booktabs}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"\caption{A study.}" in lines
    assert r"\label{tab:study}" in lines
    assert lines[lines.index(r"\toprule") + 1] == r"Method & Sparsity & Change (points) & MAC ratio \\"
    assert any(line.startswith(r"Magnitude (retraining lr-rewinding) & 0.5 & $-$1.25 $\pm$") for line in lines)
    assert " -1" not in text


def test_latex_is_bold_where_it_is_told_to_be_and_says_so(table):
    text = to_latex(table, "A study.", "tab:study", best={("Structured", 0.9)})
    (bold,) = (line for line in text.splitlines() if r"\textbf" in line)
    assert bold.startswith(r"Structured & 0.9 & 2 & \textbf{")
    assert "Bold: the most accurate" in text
    assert "Bold" not in to_latex(table, "A study.", "tab:study", {("Structured", 0.9)}, columns=("mac_ratio",))


def test_a_leader_is_clear_only_where_its_lead_exceeds_the_paired_interval():
    rows = [
        {"method": m, "variant": m, "sparsity": s, "seed": seed, "test_accuracy": 90 + lead + noise * seed}
        for s, noise in ((0.5, 0.0), (0.9, 5.0))
        for m, lead, noise in (("magnitude", 1.0, noise), ("random", 0.0, 0.0))
        for seed in (-1, 1)
    ]
    study = pd.DataFrame(rows)
    summary = (
        study.groupby(["method", "variant", "sparsity"], as_index=False)["test_accuracy"]
        .mean()
        .assign(n=2, at_chance=0)
    )
    assert clear_leaders(study, summary) == {("magnitude", 0.5)}
    alone = summary["method"] == "magnitude"
    assert clear_leaders(study[study["method"] == "magnitude"], summary[alone]) == set()
