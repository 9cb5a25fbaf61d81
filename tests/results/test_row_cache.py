import json
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest

from core.results import frame as results
from core.results import row_cache
from core.results.frame import Results
from core.runs.folder import Home
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result

RECIPE = build_recipe("demo")


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch):
    monkeypatch.setattr(results, "MANY", 2)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).prepare()
    for spec in study_runs(RECIPE, ["magnitude"], (0.0, 0.5), (1, 2)):
        write_result(home, spec)
    return home


def reads_of(home: Home) -> tuple[pd.DataFrame, int]:
    """The frame that a new process would see, and how many records it would read for it."""
    with patch.object(results, "_row", side_effect=results._row) as read:
        return Results(home).frame(), read.call_count


def test_another_process_reads_no_record_again(home):
    fresh, count = reads_of(home)
    again, none = reads_of(home)
    assert count == len(fresh) > 2
    assert none == 0
    pd.testing.assert_frame_equal(again, fresh)


def test_what_changed_since_is_read(home):
    reads_of(home)
    spec = RunSpec(RECIPE, "dense", 1)
    write_result(home, spec, test_accuracy=12.5)
    frame, count = reads_of(home)
    assert count == 1
    assert frame.set_index("run_id").loc[spec.run_id, "test_accuracy"] == 12.5
    home.run(spec.run_id).result_path.unlink()
    frame, count = reads_of(home)
    assert count == 0
    assert spec.run_id not in set(frame["run_id"])


def test_a_damaged_run_is_remembered_as_such(home):
    home.run(RunSpec(RECIPE, "dense", 1).run_id).result_path.write_text("nothing")
    first, _ = reads_of(home)
    second, count = reads_of(home)
    assert count == 0
    pd.testing.assert_frame_equal(first, second)


def altered(text: str) -> str:
    record = json.loads(text)
    next(iter(record["rows"].values()))[1]["test_accuracy"] = 99.9
    return json.dumps(record)


def without_a_column(text: str) -> str:
    record = json.loads(text)
    del record["record_sha256"], next(iter(record["rows"].values()))[1]["seed"]
    return json.dumps(record)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: '{"rows": 3}',
        altered,
        without_a_column,
    ],
)
def test_a_damaged_copy_is_not_used_and_made_anew(home, damage):
    expected, every = reads_of(home)
    path = home.cache / row_cache.NAME
    path.write_text(damage(path.read_text()))
    frame, count = reads_of(home)
    assert count == every
    pd.testing.assert_frame_equal(frame, expected)
    assert reads_of(home)[1] == 0


def test_rows_made_by_another_version_are_made_anew(home, monkeypatch):
    _, every = reads_of(home)
    monkeypatch.setattr(row_cache, "_version", lambda: "another")
    assert reads_of(home)[1] == every


def test_only_the_code_that_makes_rows_decides_on_the_version(monkeypatch, tmp_path):
    root = Path(row_cache.__file__).parents[1]
    for name in row_cache.MADE_BY:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((root / name).read_bytes())
    monkeypatch.setattr(row_cache, "_CORE", tmp_path)
    before = row_cache._version.__wrapped__()
    assert before == row_cache._version()
    (tmp_path / "runs" / "trash.py").write_text("changed")
    assert row_cache._version.__wrapped__() == before
    (tmp_path / "results" / "frame.py").write_text("changed")
    assert row_cache._version.__wrapped__() != before


def test_a_folder_that_cannot_be_written_only_costs_time(home):
    (home.cache / row_cache.NAME).mkdir()
    frame, count = reads_of(home)
    assert len(frame) == count > 2
    assert reads_of(home)[1] == count
