"""Commands of ``python -m core`` for the app, each in a process of its own: they need torch, which the app never loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.i18n import Message
from core.runs.atomic_io import sha256
from core.runs.folder import REPOSITORY, Home, RunFolder
from core.spec.errors import InputError

MAX_SECONDS = 900.0
ERROR_FILE_VARIABLE = "PRUNESCOPE_ERROR_FILE"  # names the file in which a command leaves its error for the app


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A file format of a network for downloads: the ending of the file's name, and the options of ``export`` for it."""

    ending: str
    options: tuple[str, ...]


EXPORT_FORMATS = {
    "half": ExportFormat("half.safetensors", ("--format", "safetensors", "--half")),
    "plain": ExportFormat("plain.safetensors", ("--format", "plain")),
    "onnx": ExportFormat("onnx", ("--format", "onnx")),
    "onnx-int8": ExportFormat("int8.onnx", ("--format", "onnx-int8")),
}


def export_path(home: Home, folder: RunFolder, kind: str) -> Path:
    """Where the export of the finished run in ``folder`` in one of EXPORT_FORMATS lies once it is made: in the cache of
    ``home``, whichever home the run belongs to. OSError if the network's file cannot be read."""
    result = folder.result()
    digest = (result and result.model_sha256) or sha256(folder.model_path)
    return home.cache / "exports" / f"{folder.run_id}-{digest[:12]}.{EXPORT_FORMATS[kind].ending}"


def make_export(home: Home, folder: RunFolder, kind: str) -> Path:
    """Make that file if it is not there yet; InputError with the reason if it cannot be made."""
    path = export_path(home, folder, kind)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _run("export", folder, *EXPORT_FORMATS[kind].options, "--output", str(path), "--force")
    return path


def examine(folder: RunFolder) -> None:
    """Diagnose the network of the finished run in ``folder``; InputError with the reason if it cannot be done."""
    _run("examine", folder)


def report_error(message: Message) -> None:
    """Write ``message`` for the app, if it started this process."""
    with suppress(KeyError, OSError):
        Path(os.environ[ERROR_FILE_VARIABLE]).write_text(json.dumps(message.to_json()))


def _run(command: str, folder: RunFolder, *options: str) -> None:
    home = folder.path.parent.parent
    with tempfile.NamedTemporaryFile(prefix="prunescope-error-") as error_file:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "core", command, folder.run_id, *options, "--home", str(home)],
                cwd=REPOSITORY,
                env={**os.environ, ERROR_FILE_VARIABLE: error_file.name},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=MAX_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                "The command {command} took longer than {minutes:.0f} minutes.",
                command=command,
                minutes=MAX_SECONDS / 60,
            ) from None
        if done.returncode:
            raise InputError(_error(command, error_file.read(), done.returncode))


def _error(command: str, reported: bytes, status: int) -> Message:
    """Why ``command`` failed: what it reported, or what its exit ``status`` says."""
    with suppress(ValueError):
        return Message.from_json(json.loads(reported))
    if status > 0:
        return Message("The command {command} failed (exit status {status}).", command=command, status=status)
    return Message("The command {command} was killed, perhaps for want of memory.", command=command)
