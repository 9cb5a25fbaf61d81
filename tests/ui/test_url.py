"""What an address can say, and what it cannot: anything else than what is accepted is passed over with one sentence."""

import os
from pathlib import Path

import pytest
import streamlit as st_app
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result
from ui.shared import url
from ui.shared.url_values import (
    MAX_LENGTH,
    MAX_VALUES,
    InvalidValueError,
    parse_choice,
    parse_choices,
    parse_flag,
    parse_number,
)

APP = Path(__file__).parents[2] / "app.py"
CASES = 1000 if os.environ.get("PRUNESCOPE_LONG") else 50
fuzz = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
HARSH = st.sampled_from(
    [
        "",
        "..",
        "../../etc/passwd",
        "a\0b",
        "\ud800",
        "e" * 500,
        "∞",
        "Ⅷ",
        "1_0",
        "\u202e",
        "NaN",
        "-inf",
        "1e999",
        "0x1",
    ]
)
VALUES = st.text(max_size=20) | HARSH | st.sampled_from(["a", "b", "0.5", "1", "0", "magnitude", "run"])
TEXTS = st.lists(VALUES, min_size=1, max_size=4).map(tuple)
ACCEPTED = ("a", "b", "two words")


def script():
    """A page with one of everything."""
    import streamlit as st  # noqa: PLC0415

    from ui.shared import url  # noqa: PLC0415

    if st.session_state.get("away"):
        url.enter_page("another")
        st.stop()
    url.enter_page("page")
    study = url.read_choice("study", ("a", "b", "two words"), "a")
    st.selectbox("Study", ("a", "b", "two words"), key="study")
    several = url.read_choices("several", ("a", "b", "two words"))
    least = url.read_number("least", 0, 100, 90.0)
    flag = url.read_flag("flag", True)
    st.session_state["read"] = (study, several, least, flag)
    url.write(study=st.session_state["study"], several=several, least=least, flag=flag)


def open_page(**query):
    app = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return run(app)


def run(target):
    app = target.run()
    assert not app.exception
    return app


@pytest.mark.parametrize("parse", [parse_choice, parse_choices])
@fuzz
@given(texts=TEXTS)
def test_a_choice_is_one_that_is_accepted(parse, texts):
    try:
        found = parse(texts, ACCEPTED)
    except InvalidValueError:
        return
    assert set([found] if isinstance(found, str) else found) <= set(ACCEPTED) & set(texts)


@pytest.mark.parametrize("parse", [parse_choice, parse_choices])
def test_more_than_anybody_would_choose_is_refused_whatever_it_says(parse):
    longest = "a" * MAX_LENGTH
    assert parse((longest,), (longest, longest + "a"))
    for texts in ((longest + "a",), (longest,) * (MAX_VALUES + 1)):
        with pytest.raises(InvalidValueError):
            parse(texts, (longest, longest + "a"))


def too_long(texts):
    return any(len(text) > MAX_LENGTH for text in texts)


def within(text, low, high):
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


@fuzz
@given(texts=TEXTS, low=st.floats(-10, 0), high=st.floats(0, 10))
def test_a_number_is_finite_and_within_its_limits(texts, low, high):
    try:
        assert low <= parse_number(texts, low, high) <= high
    except InvalidValueError:
        assert too_long(texts) or not within(texts[-1], low, high)


@fuzz
@given(texts=TEXTS)
def test_a_flag_is_one_or_zero(texts):
    try:
        assert parse_flag(texts) is (texts[-1] == "1")
    except InvalidValueError:
        assert texts[-1] not in ("0", "1") or too_long(texts)


NAMES = st.sampled_from(["study", "several", "least", "flag"])
# What UTF-8 cannot say is never sent.
SENT = TEXTS.map(lambda texts: [text.encode("utf-8", "replace").decode() for text in texts])


def test_any_address_shows_a_page_with_only_clear_sentences(home, go_back):
    app = open_page()

    @fuzz
    @given(query=st.dictionaries(NAMES, SENT))
    def holds(query):
        app.query_params.clear()
        go_back(app, **query)
        study, several, least, flag = app.session_state["read"]
        assert study in ACCEPTED
        assert set(several) <= set(ACCEPTED)
        assert 0 <= least <= 100
        assert flag in (True, False)
        assert not app.error
        assert len(app.info) <= len(query)
        for info in app.info:
            assert info.value.startswith("The link says")
            assert len(info.value) < 200
            assert "\n" not in info.value

    holds()


def test_the_address_wins_and_then_names_what_is_in_view(home):
    app = open_page(study="b", several=["a", "two words"], least="50", flag="0")
    assert app.session_state["read"] == ("b", ["a", "two words"], 50.0, False)
    assert app.selectbox(key="study").value == "b"
    app = run(app.selectbox(key="study").set_value("two words"))
    assert app.session_state["read"][0] == "two words"
    assert app.query_params["study"] == "two words"


def test_the_way_back_is_followed(home, go_back):
    app = open_page()
    assert app.query_params["study"] == "a"
    app = run(app.selectbox(key="study").set_value("b"))
    app = go_back(app, study="a")
    assert app.selectbox(key="study").value == "a"


def test_a_request_that_was_on_its_way_changes_nothing_back(home):
    """A page that refreshes itself asks with the address that it knew before the last click."""
    app = open_page()
    app = run(app.selectbox(key="study").set_value("b"))
    app.query_params["study"] = "a"
    app = run(app)
    assert app.selectbox(key="study").value == "b"
    assert app.query_params["study"] == "b"


def test_a_link_says_at_once_what_its_page_would_say(monkeypatch):
    """Said by the page, it would be an entry of its own in the browser's history."""
    chosen = {"section": "weights", "lang": "ko", "study": "a"}
    parameters = {name: url._Parameter((text,), 1) for name, text in chosen.items()}
    monkeypatch.setattr(url, "_parameters", lambda: parameters)
    assert url._query("model", {"run": "r"}) == {"run": ["r"], "section": ["weights"], "lang": ["ko"]}
    assert url._query("runs", {"run": "r"}) == {"run": ["r"], "lang": ["ko"]}


def test_the_way_back_from_a_link_shows_what_a_bound_widget_showed(monkeypatch):
    """Streamlit takes it out of the address of the page that is left, and the way back leads there."""
    query, state = FakeQuery(), {"sparsity": 0.7}
    monkeypatch.setattr(st_app, "query_params", query)
    monkeypatch.setattr(st_app, "session_state", state)
    arguments = ("sparsity", 0, 0.99, 0.9)
    assert url.read_bound_number(*arguments) == 0.9
    del state["sparsity"]  # with the page
    assert url.read_bound_number(*arguments) == 0.9
    with monkeypatch.context() as patch:
        patch.setattr(url, "is_history_navigation", lambda: True)
        assert url.read_bound_number(*arguments) == 0.7
    assert query == {"was.sparsity": ["0.7"]}
    assert url.read_bound_number(*arguments) == 0.7


class FakeQuery(dict):
    def get_all(self, name):
        return self.get(name, [])


def test_what_was_chosen_is_there_after_a_switch_of_pages(home):
    """Streamlit empties the address, and forgets the widgets of the page that was left."""
    app = open_page(study="b", least="50")
    app.session_state["away"] = True
    run(app)
    app.session_state["away"] = False
    for name in ("study", "several", "least", "flag"):
        del app.query_params[name]
    app = run(app)
    assert app.session_state["read"][:3] == ("b", [], 50.0)
    assert app.query_params["study"] == "b"


def test_a_choice_that_is_gone_falls_back_to_the_default(home):
    app = open_page(study="c")
    assert app.session_state["read"][0] == "a"
    assert [info.value for info in app.info] == [
        "The link says study = “c”, which there is not here; it was passed over."
    ]
    assert not run(app).info  # the address was put right


def test_of_several_those_that_are_here_count_and_one_line_says_so(home):
    app = open_page(several=["a", "nope", "b"])
    assert app.session_state["read"][1] == ["a", "b"]
    assert [info.value.split(",")[0] for info in app.info] == ["The link says several = “nope”"]
    assert not run(app).info  # the address was put right
    assert open_page(several=["nope"]).session_state["read"][1] == []


@pytest.mark.parametrize(
    ("asked", "title", "said"), [("ko", "가지치기 방법 비교", 0), ("tlh", "Compare pruning methods", 1)]
)
def test_the_language_is_that_of_the_address(home, asked, title, said):
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["lang"] = asked
    run(app)
    assert app.title[0].value == title
    assert len([info for info in app.info if "tlh" in info.value]) == said


@pytest.fixture
def compared(home):
    for sparsity in (0.0, 0.5):
        write_result(home, RunSpec(build_recipe("demo"), "magnitude" if sparsity else "dense", 1, sparsity))
    return run(AppTest.from_file(str(APP), default_timeout=60))


def goal(app):
    return next(control for control in app.segmented_control if control.key == "goal")


def test_the_default_is_not_written_and_the_way_back_restores_it(compared, go_back):
    assert "goal" not in compared.query_params
    app = run(goal(compared).set_value("batch"))
    assert app.query_params["goal"] == "batch"
    del app.query_params["goal"]
    assert goal(run(app)).value == "batch"  # a request that was on its way
    del app.query_params["goal"]
    app = go_back(app)
    assert goal(app).value == "small"
    assert "goal" not in app.query_params


def test_another_page_does_not_take_back_what_was_chosen(compared):
    run(goal(compared).set_value("batch"))
    compared.query_params.clear()
    run(compared.switch_page("pages/report.py"))
    compared.query_params.clear()
    run(compared.switch_page("pages/compare.py"))
    assert goal(compared).value == "batch"
    assert compared.query_params["goal"] == "batch"
