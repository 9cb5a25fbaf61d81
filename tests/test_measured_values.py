"""Nothing shows a value at a sparsity where there is no measurement and no pair of close neighbours: for any set of runs."""

from unittest.mock import MagicMock, patch

import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.charts.pareto import pareto_chart
from core.charts.slider import slider_data
from core.charts.styles import assign_styles
from core.charts.tradeoff import ACCURACY, RATIO, SIZE, SPARSITY, tradeoff_chart
from core.report.figures import figures
from core.report.tables import efficiency_table
from core.results.frame import Results, study_frame
from core.results.statistics import interpolate, summarise
from core.runs.folder import Home
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from tests.records import write_result
from ui.compare import cards
from ui.compare.study_view import StudyView

RECIPE = build_recipe("demo")
NO_CURVES = pd.DataFrame(columns=["variant", "sparsity", "accuracy"])
STEP = 100  # sparsities are hundredths here, so that no rounding hides a difference


def allowed(measured, sparsity):
    """The rule, said another way than in the code: ``measured`` are a variant's own sparsities, all in hundredths."""
    if sparsity == 0 or sparsity in measured:
        return True
    below, above = (
        max((x for x in measured if x < sparsity), default=0),
        min((x for x in measured if x > sparsity), default=None),
    )
    return above is not None and above - below <= (25 if below in measured else 30)


def layers(spec, outer=None):
    """Each layer of a chart that has a mark, with the data and the facets that it inherits."""
    spec = {**{name: value for name, value in (outer or {}).items() if name in ("datasets", "data", "facet")}, **spec}
    for part in (*spec.get("layer", ()), *spec.get("hconcat", ()), *([spec["spec"]] if "spec" in spec else ())):
        yield from layers(part, spec)
    if "mark" in spec:
        yield spec, pd.DataFrame(spec["datasets"][spec["data"]["name"]])


def check_chart(spec, measured, styles):
    """``spec`` has points where there are runs only, and lines that cross allowed sparsities only."""
    names = {styles[variant].name: sparsities for variant, sparsities in measured.items()}
    for layer, rows in layers(spec):
        if rows.empty or not {"variant", "sparsity"} <= {*rows}:
            continue
        assert all(round(STEP * row.sparsity) in {0, *names.get(row.variant, ())} for row in rows.itertuples())
        is_front = str(layer["mark"].get("interpolate")).startswith("step")
        if layer["mark"]["type"] in ("line", "area") and not is_front:
            channels = [layer["encoding"].get(name, {}).get("field") for name in ("color", "strokeDash", "detail")]
            channels.append(layer.get("facet", {}).get("field"))
            for (variant, *_), line in rows.groupby([*dict.fromkeys(filter(None, channels))], sort=False):
                places = [round(STEP * x) for x in line["sparsity"]]
                crossed = range(min(places), max(places) + 1)
                assert all(allowed(names.get(variant, ()), x) for x in crossed), (layer["mark"], variant, places)


def check_cards(view, marked, measured, sparsity):
    """A card with values is there for a variant only where there may be any."""
    shown = set()
    with (
        patch.object(cards, "show_card", lambda style, at: shown.add(style.name)),
        patch.object(cards, "show_not_measured"),
        patch.object(cards, "show_dense"),
        patch.object(cards, "st") as streamlit,
    ):
        streamlit.columns.side_effect = lambda n: [MagicMock() for _ in range(n)]
        cards.show_cards(view, marked, view.styles, sparsity / STEP)
    assert shown == {view.styles[variant].name for variant, own in measured.items() if allowed(own, sparsity)}


NO_SHRINKING = [Phase.generate]  # it would take minutes
PLACES = (5, 10, 29, 30, 31, 50, 55, 56, 70, 75, 90, 95, 98)


@settings(
    max_examples=5,
    deadline=None,
    phases=NO_SHRINKING,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_value_is_invented(tmp_path_factory, data):
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    grids = st.sets(st.sampled_from(PLACES), min_size=1, max_size=5)
    measured, untimed = {}, data.draw(grids)
    for method, label in (("magnitude", "Magnitude"), ("structured", "Structured"), ("random", "Random")):
        measured[label] = data.draw(grids, label)
        for spec in study_runs(RECIPE, [method], [x / STEP for x in measured[label]], (1, 2)):
            write_result(home, spec, **({"speedup": None} if round(STEP * spec.sparsity) in untimed else {}))
    study = study_frame(Results(home).frame(), RECIPE.key)
    summary = summarise(study)
    styles = assign_styles(summary)
    view = StudyView((), study, summary, styles, NO_CURVES, study.iloc[:0])
    for sparsity in (0, 1, 15, 20, 40, 60, 65, 80, 85, 92, 99, *PLACES):
        marked = interpolate(summary, sparsity / STEP)
        assert set(marked["variant"]) == {variant for variant, own in measured.items() if allowed(own, sparsity)}
        assert all(marked["measured"] == [sparsity == 0 or sparsity in measured[name] for name in marked["variant"]])
        rings = slider_data(ACCURACY, marked, styles, sparsity / STEP)["rings"]
        assert {ring["variant"] for ring in rings} == set(marked["variant"])
        check_cards(view, marked, measured, sparsity)
    for panel, axis in ((ACCURACY, SPARSITY), (SIZE, RATIO)):
        check_chart(tradeoff_chart(panel, study, summary, styles, axis=axis).to_dict(validate=False), measured, styles)
    check_chart(pareto_chart(summary, styles, runs=study).to_dict(validate=False), measured, styles)
    densities = pd.DataFrame({"run_id": study["run_id"], "layer": "conv1", "density": 0.5})
    epochs = pd.DataFrame({"run_id": study["run_id"], "epoch": 1, "test_accuracy": 90.0})
    for spec in figures(study, densities, epochs, []).values():
        check_chart(spec, measured, styles)
    table = efficiency_table(study)
    assert {(row.method, round(STEP * row.sparsity)) for row in table.itertuples()} == {
        ("Dense", 0),
        *((variant, x) for variant, own in measured.items() for x in own),
    }
