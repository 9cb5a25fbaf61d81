"""Whatever comes from outside: what is meant, or one clear sentence. 1,000 cases each, where a test run takes 200:

PRUNESCOPE_FUZZ=1000 python -m pytest tests/faults/test_fuzz.py
"""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.cli import main as cli
from core.cli import study, train
from core.runs.atomic_io import append_line, parse_object, read_lines, with_checksum
from core.runs.events import event_message
from core.runs.folder import Home, State
from core.runs.status import Statuses, curves
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec

CASES = int(os.environ.get("PRUNESCOPE_FUZZ", "200"))
fuzz = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))

SPEC = RunSpec(PRESETS["demo"].recipe, "magnitude", 1, 0.5)
FIELDS = [*SPEC.to_json(), *SPEC.to_json()["recipe"], *SPEC.to_json()["recipe"]["train"]]
HARSH = st.sampled_from(
    ["", "..", "../..", "/etc/passwd", "a\0b", "\ud800", "=1+1", "e" * 500, "∞", "Ⅷ", "\u202e", "NaN"]
)
HUGE = st.sampled_from([10**30, -(10**400), 1e308, float("inf"), float("nan"), -0.0])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | HARSH | HUGE
KEYS = st.text(max_size=5) | st.sampled_from(FIELDS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp("home")).prepare()


def one_sentence(error):
    return "\n" not in str(error) and len(str(error)) < 1000


@fuzz
@given(JSON)
def test_any_json_as_a_spec(data):
    try:
        RunSpec.from_json(data)
    except InputError as error:
        assert one_sentence(error)


@fuzz
@given(st.sampled_from(FIELDS), JSON)
def test_a_spec_with_any_field_replaced(field, value):
    data = json.loads(json.dumps(SPEC.to_json()))
    for place in (data, data["recipe"], data["recipe"]["train"]):
        if field in place:
            place[field] = value
            break
    try:
        spec = RunSpec.from_json(data)
    except InputError as error:
        assert one_sentence(error)
    else:
        assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))).run_id == spec.run_id


@fuzz
@given(JSON)
def test_what_is_sealed_comes_back_and_any_other_text_is_a_record_or_refused(data):
    try:
        record = with_checksum({"data": data})
    except ValueError:  # NaN and infinity are not JSON
        return
    raw = json.dumps(record).encode()
    try:
        assert parse_object(raw) == json.loads(json.dumps({"data": data}))
    except ValueError as error:
        assert "JSON" in str(error)
        assert "\\ud" in raw.decode()


@fuzz
@given(st.lists(st.binary() | JSON.map(lambda data: json.dumps({"type": "epoch", "epoch": data}).encode()), max_size=5))
def test_any_bytes_as_a_journal(home, lines):
    folder = home.create(SPEC)
    folder.events_path.write_bytes(b"\n".join(lines))
    (status,) = Statuses(home).read()
    assert isinstance(status.state, State)
    curves([folder])
    for event in folder.events():
        str(event_message(event))
    before = read_lines(folder.events_path)
    append_line(folder.events_path, {"type": "queued"})
    assert read_lines(folder.events_path) == [*before, {"type": "queued"}]


@fuzz
@given(st.sampled_from(["spec.json", "result.json", "progress.json", "attempt-0001"]), st.binary() | JSON)
def test_any_bytes_as_a_record(tmp_path_factory, name, content):
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    folder = home.create(SPEC)
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder.path / name).write_bytes(raw)
    (status,) = Statuses(home).read()
    assert status.state != State.DONE
    folder.holder()
    folder.progress()


@fuzz
@given(st.text() | HARSH | st.from_regex(r"[a-z./~-]{1,20}", fullmatch=True))
def test_any_name_as_a_run(home, name):
    try:
        path = home.run(name).path
    except InputError as error:
        assert one_sentence(error)
    else:
        assert path.parent == home.checkpoints
        assert os.path.realpath(path.parent) == os.path.realpath(home.checkpoints)
        assert path.name == name


@fuzz
@given(st.text() | HARSH)
def test_any_name_as_data(name):
    try:
        data = {**SPEC.to_json(), "recipe": {**SPEC.to_json()["recipe"], "data": f"folder:{name}"}}
        assert "/" not in RunSpec.from_json(data).run_id
    except InputError as error:
        assert one_sentence(error)


OPTIONS = (
    "--preset --data --width --epochs --batch-size --finetune-epochs --seed --seeds --method --methods --sparsity "
    "--sparsities --set --home --quick --skip-dense --help --out --language"
)
WORDS = st.sampled_from(
    [*OPTIONS.split(), *METHODS, *PRESETS, "0.5", "42", "-1", "1e999", "nan", "synthetic", "folder:/nowhere"]
)
COMMANDS = st.sampled_from(["train-dense", "train-pruned", "study", "export", "sensitivity", ""])


@fuzz
@given(command=COMMANDS, words=st.lists(WORDS | HARSH | st.text(), max_size=8))
def test_any_arguments_on_the_command_line(tmp_path_factory, command, words):
    """Nothing is trained or written: what would be trained is noted only."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        patch.setattr(train, "_train", lambda options, spec: asked.append(spec) or 0)
        patch.setattr(study, "run_on_cluster", lambda home, specs, weights: asked.extend(specs) or [])
        patch.setattr(Home, "prepare", lambda home: home)
        try:
            status = cli.main([command, *words])
        except SystemExit as end:  # --help
            status = end.code
    assert status in (0, cli.BAD_INPUT, cli.FAILED)
    assert all(isinstance(spec, RunSpec) for spec in asked)
