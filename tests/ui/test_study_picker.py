"""The first visit: a real study to look at, labelled as what it is, until there is one of the person's own."""

import pytest

from core.results.sample import SAMPLE
from core.spec.methods import DENSE
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import write_result

LABEL = "This is the sample study that comes with PruneScope"


@pytest.fixture
def home(home, monkeypatch):
    """A home of one's own, beside the sample study that is shipped."""
    for module in ("core.results.sample", "ui.shared.study_picker", "ui.model.page"):
        monkeypatch.setattr(f"{module}.SAMPLE", SAMPLE)
    return home


def words(app):
    return " ".join(element.value for element in (*app.markdown, *app.caption))


def test_a_first_visit_shows_the_sample_study_and_says_what_it_is(open_page, go_back):
    app = open_page("compare")
    assert not app.exception
    said = words(app)
    assert LABEL in said
    assert said.count("48 runs") == 1  # where it comes from is said once
    assert "JPEG copy of CIFAR-10" in said
    assert "commit" in said
    assert len(app.dataframe[0].value) == 1 + 3 * 5  # dense, and each method at each sparsity
    (views,) = (control for control in app.segmented_control if control.key == "columns")
    assert views.options == ["Results", "Latency", "Files", "Optimised", "All columns"]
    for view, first in {"latency": "latency_batch1_ms", "optimised": "optimised_latency_batch1_ms"}.items():
        assert first in go_back(app, columns=view).dataframe[0].value


@pytest.mark.parametrize("page", ["report", "model"])
def test_the_other_pages_show_it_too(open_page, page):
    app = open_page(page)
    assert not app.exception
    assert not app.error
    assert "sample study" in words(app).lower()


def test_ones_own_results_come_first_and_the_sample_stays_to_be_chosen(open_page, home):
    recipe = PRESETS["demo"].recipe
    write_result(home, RunSpec(recipe, DENSE, 1))
    write_result(home, RunSpec(recipe, "magnitude", 1, 0.5))
    app = open_page("compare")
    assert LABEL not in words(app)
    [study] = [box for box in app.selectbox if box.key == "study"]
    assert any(option.startswith("Sample study: ") for option in study.options)
    study.select_index(1).run()
    assert LABEL in words(app)


def test_who_has_looked_at_the_sample_sees_the_first_study_of_ones_own_next(open_page, home):
    app = open_page("compare")
    assert LABEL in words(app)
    recipe = PRESETS["demo"].recipe
    write_result(home, RunSpec(recipe, DENSE, 1))
    write_result(home, RunSpec(recipe, "magnitude", 1, 0.5))
    app = app.run()
    assert LABEL not in words(app)
    assert recipe.key in app.query_params["study"]


def test_nothing_is_ever_written_there(open_page):
    before = {path: path.stat().st_mtime_ns for path in SAMPLE.path.rglob("*")}
    for page in ("compare", "model", "report", "runs", "launch"):
        assert not open_page(page).exception
    assert {path: path.stat().st_mtime_ns for path in SAMPLE.path.rglob("*")} == before
