"""The launch whose runs the Runs page marks and lists first."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from core.runs.status import RunStatus
from ui.shared.url import read_choice, write, write_if_chosen


def new_launch() -> str:
    """The id of a launch that is about to be made. What was looked for before is not to hide its runs."""
    write(find=None, state=None, method=None)
    return secrets.token_hex(4)


def read_launch(runs: Sequence[RunStatus]) -> str:
    """The id of the last launch of this browser session, or the address's; empty if there is none."""
    launched = read_choice("launched", {"", *(launch for run in runs for launch in run.launches)}, "")
    write_if_chosen(launched=(launched, ""))
    return launched
