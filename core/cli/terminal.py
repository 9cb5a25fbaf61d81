"""What a command writes beside its results: lines on stderr, and the exit statuses."""

from __future__ import annotations

import sys

from core.i18n import Message
from core.jobs.command import report_error

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def print_status(line: str) -> None:
    """``line`` on stderr, at once: stdout is for results."""
    print(line, file=sys.stderr, flush=True)


def print_error(message: Message) -> None:
    """``message`` on stderr, in English, and as data to the app if it started this command."""
    print_status(str(message))
    report_error(message)
