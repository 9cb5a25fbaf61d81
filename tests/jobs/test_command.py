"""Commands in a process of their own: exports that are kept, errors that come back as data."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs import command
from core.runs.folder import Home
from core.spec.errors import InputError
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.korean import korean
from tests.records import write_result


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


@pytest.fixture
def folder(home):
    folder = write_result(home, RunSpec(PRESETS["demo"].recipe, "structured", 1, 0.9))
    folder.model_path.write_bytes(b"weights")
    return folder


@pytest.fixture
def child(monkeypatch):
    """Let another program be the command: its code, with the path for its error in ``path``."""

    def replace(code):
        head = f"import os, sys, time; path = os.environ[{command.ERROR_FILE_VARIABLE!r}]; "
        inner = subprocess.run
        monkeypatch.setattr(
            "core.jobs.command.subprocess.run",
            lambda arguments, **options: inner([sys.executable, "-c", head + code], **options),
        )

    return replace


def error_of(folder):
    with pytest.raises(InputError) as caught:
        command.examine(folder)
    return caught.value.message


def test_an_export_is_made_once_and_again_for_another_network(folder, home, monkeypatch):
    made = []

    def make(name, folder, *options):
        made.append(folder.run_id)
        Path(options[options.index("--output") + 1]).write_bytes(b"file")

    monkeypatch.setattr(command, "_run", make)
    first = command.make_export(home, folder, "onnx")
    assert command.make_export(home, folder, "onnx") == first
    assert len(made) == 1
    folder.model_path.write_bytes(b"other weights")
    assert command.make_export(home, folder, "onnx") != first
    assert len(made) == 2
    assert first.parent == home.cache / "exports"


def test_the_error_of_a_command_comes_back_as_data(folder):
    message = error_of(folder)
    assert "model.safetensors" in str(message)
    assert message.fields["file"] == "model.safetensors"
    assert "잘렸거나" in korean(message.localized)


@pytest.mark.parametrize(
    ("code", "english"),
    [
        ("os.kill(os.getpid(), 9)", "The command examine was killed, perhaps for want of memory."),
        ("print('noise', file=sys.stderr); os.kill(os.getpid(), 9)", "The command examine was killed"),
        ("raise RuntimeError('a bug {')", "The command examine failed (exit status 1)."),
        ("open(path, 'w').write('{'); sys.exit(3)", "The command examine failed (exit status 3)."),
        ("time.sleep(60)", "The command examine took longer than 0 minutes."),
    ],
)
def test_a_command_that_hands_no_error_over_is_described(folder, child, monkeypatch, code, english):
    monkeypatch.setattr(command, "MAX_SECONDS", 1.0 if "sleep" in code else 60.0)
    child(code)
    message = error_of(folder)
    assert str(message).startswith(english)
    assert "명령 examine이(가)" in korean(message.localized)
