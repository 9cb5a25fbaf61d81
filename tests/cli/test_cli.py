"""The command line, run in this process except where its process is the point."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.main import _parser, main
from core.cli.options import read_recipe
from core.cli.study import describe_progress, run_on_cluster
from core.engine import load_model, resnet18, save_model
from core.i18n import Message
from core.jobs.command import ERROR_FILE_VARIABLE
from core.runs.folder import Home, RunFolder
from core.spec.errors import InputError
from core.spec.methods import METHODS
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result

ROOT = Path(__file__).resolve().parents[2]
PRUNED = ["train-pruned", "--preset", "demo", "--method", "magnitude", "--sparsity", "0.9"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "COMMAND"),
        (["dance"], "train-dense"),
        (["train-dense", "--preset", "huge"], "one of demo, quick, short, standard, paper"),
        (["train-dense", "--preset", "demo", "--decay", "step"], "cosine, linear, triangular"),
        ([*PRUNED, "--finetune-decay", "triangular", "--finetune-warmup", "1"], "warmup"),
        ([*PRUNED, "--budget", "time"], "epochs, compute"),
        (["train-dense", "--preset", "demo", "--data", "mnist"], "synthetic or folder:PATH"),
        (["train-dense", "--preset", "demo", "--data", "folder:/does/not/exist"], "a folder that exists"),
        (["train-dense", "--preset", "demo", "--seed", "-1"], "seed"),
        (["train-dense", "--preset", "demo", "--seed", "many"], "--seed"),
        (["train-dense", "--preset", "demo", "--epochs", "0"], "epochs"),
        (["train-dense", "--preset", "demo", "--width", "1"], "width"),
        (["train-dense", "--preset", "demo", "--batch-size", "1"], "batch_size"),
        ([*PRUNED[:-1], "1.0"], "sparsity"),
        ([*PRUNED[:-1], "-0.1"], "sparsity"),
        ([*PRUNED[:-1], "nan"], "sparsity"),
        ([*PRUNED[:-1], "much"], "--sparsity"),
        ([*PRUNED, "--finetune-epochs", "0"], "epochs"),
        ([*PRUNED, "--set", "rewind_epoch=1"], "--set"),
        ([*PRUNED, "--set", "structured.allocation=cost"], "METHOD.NAME=VALUE"),
        ([*PRUNED, "--set", ".allocation=erk"], "METHOD.NAME=VALUE"),
        (["train-pruned", "--preset", "demo", "--method", "magic", "--sparsity", "0.9"], "magnitude, structured"),
        (
            ["train-pruned", "--preset", "demo", "--method", "structured", "--sparsity", ".9", "--set", "criterion=l7"],
            "l1, l2",
        ),
        (["study", "--preset", "demo", "--methods", "magic"], "magnitude, structured"),
        (["study", "--preset", "demo", "--sparsities", "2"], "sparsity"),
        (["study", "--preset", "demo", "--skip-dense"], "missing: dense-seed42"),
        (["export", "dense-seed42", "--format", "onnx"], "the id of a run in"),
        (["export", "../../etc", "--format", "onnx"], "the id of a run in"),
        (["export", "dense-seed42"], "--format"),
        (["export", "dense-seed42", "--format", "pickle"], "safetensors"),
        (["sensitivity"], "a finished dense run"),
        (["sensitivity", "dense-seed42"], "the id of a run in"),
    ],
    ids=lambda value: " ".join(value)[-60:] if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_status_2_and_leaves_nothing(tmp_path, capsys, arguments, says):
    home = ["--home", str(tmp_path / "home")] if arguments and arguments[0] != "dance" else []
    assert main([*arguments, *home]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_a_home_that_is_no_folder_is_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train-dense", "--preset", "demo", "--home", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_home_is_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "home").mkdir(mode=0o500)
    assert main(["train-dense", "--preset", "demo", "--home", str(tmp_path / "home")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_help_names_every_command_and_method(capsys):
    with pytest.raises(SystemExit) as done:
        main(["study", "--help"])
    assert done.value.code == 0
    said = capsys.readouterr().out
    assert all(method in said for method in METHODS)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes of random pictures."""
    from PIL import Image  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("pictures")
    for split in ("train", "test"):
        for shade, name in ((40, "dark"), (200, "light")):
            (folder / split / name).mkdir(parents=True)
            for index in range(8):
                Image.new("RGB", (32, 32), (shade + index, shade, shade)).save(folder / split / name / f"{index}.png")
    return folder


def run(arguments, **options):
    command = [sys.executable, "-m", "core", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False, **options)


def test_train_pruned_trains_its_dense_run_first_and_ends_with_the_record(tmp_path, pictures):
    arguments = [*PRUNED, "--data", f"folder:{pictures}", "--width", "4", "--epochs", "1", "--finetune-epochs", "1"]
    done = run([*arguments, "--home", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["method"] == "magnitude"
    wanted = ("sparsity", "seed", "test_accuracy", "params_millions", "model_size_mb", "inference_latency_ms")
    assert all(key in record for key in wanted)
    assert len(Home(tmp_path).runs()) == 2
    again = run([*arguments, "--home", str(tmp_path)])
    assert json.loads(again.stdout.splitlines()[-1]) == record  # done already: the same record, no second training
    assert "started" not in again.stderr


def test_a_folder_without_pictures_is_one_line_and_leaves_no_run(tmp_path, capsys):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
    data = ["--data", f"folder:{tmp_path / 'data'}", "--home", str(tmp_path / "home")]
    for command in (PRUNED, ["train-dense", "--preset", "demo"], ["study", "--preset", "demo"]):
        assert main([*command, *data]) == 2
        assert "cat" in capsys.readouterr().err.splitlines()[-1]
    assert not Home(tmp_path / "home").runs()


@pytest.fixture
def finished(tmp_path):
    """A home with two finished runs of drawn pictures, dense and pruned, and one that waits."""
    home = Home(tmp_path / "home").prepare()
    recipe = PRESETS["demo"].recipe
    for spec in (RunSpec(recipe, "dense", 42), RunSpec(recipe, "magnitude", 42, 0.9)):
        save_model(resnet18(8, seed=1), write_result(home, spec).model_path, notes={"run_id": spec.run_id})
    home.create(RunSpec(recipe, "magnitude", 42, 0.5)).enqueue()
    return home


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_export_writes_here_by_default_and_never_over_a_file_unless_told(finished, here, capsys):
    command = ["export", "magnitude-0.9", "--format", "safetensors", "--home", str(finished.path)]
    assert main(command) == 0
    name = RunSpec(PRESETS["demo"].recipe, "magnitude", 42, 0.9).run_id + ".safetensors"
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"{name} ({(here / name).stat().st_size / 1e6:.3f} MB)"
    load_model(here / name)
    (here / name).write_text("mine")
    assert main(command) == 2
    assert "--force" in capsys.readouterr().err
    assert (here / name).read_text() == "mine"
    assert main([*command, "--force", "--half"]) == 0
    load_model(here / name)


@pytest.mark.parametrize(
    "case",
    [
        ("magnitude-0.5", [], "is queued"),
        ("magnitude", [], "2 runs begin so"),
        ("", [], "3 runs begin so"),
        ("dense", ["--format", "onnx", "--half"], "--format safetensors only"),
        ("dense", ["--output", "/does/not/exist/file"], "cannot be written"),
        ("dense", ["--output", ".", "--force"], "a file, not a folder"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_no_file(finished, here, capsys, case):
    run, options, says = case
    assert main(["export", run, "--format", "safetensors", *options, "--home", str(finished.path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert not list(here.iterdir())


def test_a_damaged_network_is_not_exported(finished, tmp_path, capsys):
    target = tmp_path / "network.onnx"
    folder = next(folder for folder in finished.runs() if folder.spec.is_dense)
    folder.model_path.write_bytes(folder.model_path.read_bytes()[:-100])
    command = ["export", "dense", "--format", "onnx", "--output", str(target), "--home", str(finished.path)]
    assert main(command) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not target.exists()


def test_sensitivity_computes_all_finished_dense_runs_or_the_one_named(finished, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("core.engine.sensitivity.measure_sensitivity", lambda path, report: asked.append(path.name))
    write_result(finished, RunSpec(PRESETS["demo"].recipe, "dense", 123))
    for run, count in (([], 2), (["all"], 2), (["dense-seed123"], 1)):
        asked.clear()
        assert main(["sensitivity", *run, "--home", str(finished.path)]) == 0
        assert len(asked) == len(capsys.readouterr().out.splitlines()) == count
    assert asked[0].startswith("dense-seed123")
    for run, says in (("magnitude-0.9", "a finished dense run"), ("magnitude-0.5", "is queued")):
        assert main(["sensitivity", run, "--home", str(finished.path)]) == 2
        assert says in capsys.readouterr().err


def test_a_run_that_fails_is_one_line_with_the_reason_and_status_1(tmp_path, capsys, monkeypatch):
    def fail(path):
        RunFolder(path).append("failed", reason="The disk is full.")

    monkeypatch.setattr("core.engine.execute.execute", fail)
    monkeypatch.setattr("core.engine.data.load_dataset", lambda name, home, size: None)
    assert main([*PRUNED, "--home", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("failed: The disk is full.")


def test_a_scheduler_that_does_not_answer_is_one_line_and_nothing_is_queued(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("core.engine.data.load_dataset", lambda name, home, size: None)
    for address, says in (("nonsense", "tcp://host:8786"), ("tcp://127.0.0.1:9", "No scheduler answers")):
        monkeypatch.setenv("PRUNESCOPE_SCHEDULER", address)
        for command in (PRUNED, ["study", "--preset", "demo"]):
            assert main([*command, "--home", str(tmp_path)]) == 2
            assert says in capsys.readouterr().err
    assert not Home(tmp_path).runs()


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("core.engine.data.load_dataset", lambda name, home, size: None)
    spec = RunSpec(PRESETS["demo"].recipe, "dense", 42)
    (Home(tmp_path).prepare().checkpoints / spec.run_id).write_text("")
    assert main(["train-dense", "--preset", "demo", "--home", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_skip_dense_takes_dense_runs_that_are_there(tmp_path, capsys, monkeypatch):
    submitted = []

    class FakeQueue:
        def __init__(self, home):
            self.home = home

        def submit(self, specs):
            submitted.extend(specs)
            for spec in specs:
                write_result(self.home, spec)

    monkeypatch.setattr("core.cli.study.Queue", FakeQueue)
    monkeypatch.setattr("core.engine.data.load_dataset", lambda name, home, size: None)
    home = Home(tmp_path).prepare()
    write_result(home, RunSpec(PRESETS["demo"].recipe, "dense", 42))
    arguments = ["study", "--preset", "demo", "--quick", "--skip-dense", "--home", str(tmp_path)]
    assert main(arguments) == 0
    assert len(submitted) == 1 + 3 * 3
    said = capsys.readouterr().err
    assert "10 of 10 runs are done" in said
    [out] = (tmp_path / "outputs").iterdir()
    assert str(out) in said
    assert {"all_results.json", "efficiency_table.tex", "tradeoff_curve.png", "report.md", "report.ko.md"} <= {
        path.name for path in out.iterdir()
    }


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """The settings of each method that a study with some arguments would run."""
    submitted = []
    monkeypatch.setattr("core.cli.study.run_on_cluster", lambda home, specs, weights: submitted.extend(specs) or [])

    def launch(*given):
        main(["study", "--preset", "demo", "--sparsities", "0.5", "--seeds", "1", *given, "--home", str(tmp_path)])
        return {spec.method: dict(spec.settings) for spec in submitted if not spec.is_dense}

    return launch


def test_a_setting_can_be_given_to_one_method_alone(launched):
    """Magnitude pruning has an allocation, too, which knows no cost."""
    settings = launched("--set", "structured.allocation=uniform", "--set", "retraining=lr-rewinding")
    assert settings["structured"]["allocation"] == "uniform"
    assert settings["magnitude"]["allocation"] == "global"
    assert settings["magnitude"]["retraining"] == settings["structured"]["retraining"] == "lr-rewinding"


def test_methods_can_be_as_their_papers_had_them_but_for_what_is_set(launched):
    settings = launched("--published", "--set", "magnitude.repair=batchnorm")
    assert settings["magnitude"]["repair"] == "batchnorm"
    assert settings["structured"]["repair"] == "none"
    assert settings["structured"]["allocation"] == "uniform"
    assert settings["lottery_ticket"]["rewind_epoch"] == 0


def test_options_say_how_it_is_trained():
    given = "--lr 0.2 --decay linear --warmup 1 --nesterov --label-smoothing 0.1 --cutout 8 --budget compute"
    given += " --finetune-lr 0.05 --finetune-decay triangular --precision bf16"
    found = read_recipe(_parser().parse_args(["study", "--preset", "demo", *given.split()]))
    both = {"nesterov": True, "label_smoothing": 0.1, "cutout": 8, "budget": "compute"}
    rates = {"lr": 0.2, "decay": "linear", "warmup": 1, "finetune_lr": 0.05, "finetune_decay": "triangular"}
    assert found == build_recipe("demo", **both, **rates, precision="bf16")
    assert found.label.endswith("bf16")
    plain = _parser().parse_args(["train-dense", "--preset", "short", "--no-nesterov"])
    assert not read_recipe(plain).train.nesterov


def test_a_study_says_how_far_it_is(tmp_path):
    home = Home(tmp_path).prepare()
    recipe = PRESETS["demo"].recipe
    specs = [RunSpec(recipe, "dense", 1), RunSpec(recipe, "magnitude", 1, 0.5), RunSpec(recipe, "magnitude", 1, 0.9)]
    write_result(home, specs[0])
    for spec in specs[1:]:
        home.create(spec).enqueue()
    write_result(home, RunSpec(recipe, "dense", 2))  # not of this study
    said = describe_progress(home, frozenset(spec.run_id for spec in specs))
    assert re.fullmatch(r"1 of 3 runs are done, about \d+ (seconds|minutes) left( \(a rough guess\))?\.", said)


def test_a_study_outlives_a_scheduler_that_is_started_again(tmp_path, capsys, monkeypatch):
    """Handing over what waits fails while it is away; the runs come to their end all the same."""
    home = Home(tmp_path).prepare()
    spec = RunSpec(PRESETS["demo"].recipe, "dense", 1)

    class AwayQueue:
        def __init__(self, home):
            pass

        def submit(self, specs):
            pass

        def reconcile(self):
            write_result(home, spec)
            raise InputError("No scheduler answers.")

    monkeypatch.setattr("core.engine.data.load_dataset", lambda name, home, size: None)
    monkeypatch.setattr("core.cli.study.POLL_SECONDS", 0.01)
    monkeypatch.setattr("core.cli.study.RECONCILE_SECONDS", 0)
    monkeypatch.setattr("core.jobs.queue.Queue", AwayQueue)
    monkeypatch.setattr("core.cli.study.Queue", AwayQueue, raising=False)
    assert [folder.run_id for folder in run_on_cluster(home, [spec])] == [spec.run_id]
    assert "No scheduler answers." in capsys.readouterr().err


def test_a_mistake_of_ours_reaches_the_app_as_one_line(monkeypatch, tmp_path):
    """The app started the command; in a terminal there is a traceback, to report it."""
    monkeypatch.setenv(ERROR_FILE_VARIABLE, str(tmp_path / "error"))
    monkeypatch.setattr(Home, "default", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["evaluate"])
    message = Message.from_json(json.loads((tmp_path / "error").read_text()))
    assert str(message) == "Unexpected ZeroDivisionError: division by zero"
