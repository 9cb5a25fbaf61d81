"""What a study's runs had, from their records."""

from core.report.provenance import Finished, training_macs
from core.report.study import find_study
from core.results.sample import SAMPLE
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.records import plausible_result


def test_what_a_shrinking_network_was_trained_for_is_not_guessed():
    def macs(method, **settings):
        spec = RunSpec(PRESETS["demo"].recipe, method, 1, 0.9, tuple(settings.items()))
        numbers = {"train_pictures": 5000, "dense_macs": 9_000_000}
        size = {"macs": 9_000_000 if method == "magnitude" else 1_000_000}
        return training_macs(Finished(spec, plausible_result(spec).model_copy(update={**numbers, **size}), None))

    shrunk = 3 * 5000 * (1 * 1_000_000 + 3 * 9_000_000)
    assert macs("structured") == shrunk
    assert macs("structured", teacher="dense") == shrunk + 5000 * 9_000_000  # the teacher's forward passes
    assert macs("structured", schedule="gradual") is None
    assert macs("magnitude", schedule="gradual", teacher="none") == 3 * 5000 * 4 * 9_000_000


def test_latency_is_said_to_be_of_where_all_networks_were_timed():
    source = find_study(SAMPLE).source
    (latency,) = source.latency
    assert latency.sizes == ((1, 1), (64, 2))
    assert latency.hardware not in source.hardware
    assert latency.describe().endswith(f"all networks in one go on {latency.hardware}")
