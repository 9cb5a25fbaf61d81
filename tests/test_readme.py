"""The READMEs: the same commands in both languages, every one of which exists, and links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.cli.main import _parser, main
from core.spec.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README.ko.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def commands(name):
    """Every ``python -m core ...`` in the code blocks, as arguments."""
    lines = [line for _, block in BLOCK.findall(text(name)) for line in block.splitlines()]
    return [shlex.split(line)[3:] for line in lines if line.startswith("python -m core")]


def test_both_have_the_same_code_in_the_same_order():
    english, korean = (BLOCK.findall(text(name)) for name in READMES)
    assert len(english) >= 6
    assert english == korean


def test_both_have_the_same_structure():
    def structure(name):
        prose = BLOCK.sub("", text(name))
        rows = re.findall(r"^\|.*\|$", prose, re.MULTILINE)
        return [len(level) for level in re.findall(r"^(#+) ", prose, re.MULTILINE)], [row.count("|") for row in rows]

    assert structure("README.md") == structure("README.ko.md")


def test_both_name_the_same_options_files_and_presets():
    """What stands in code letters is not translated."""
    english, korean = (set(re.findall(r"`([^`\n]+)`", BLOCK.sub("", text(name)))) for name in READMES)
    assert english == korean
    assert {*PRESETS} <= english


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_accepted_by_the_parser(name):
    found = commands(name)
    assert {arguments[0] for arguments in found} >= {
        "train-dense",
        "train-pruned",
        "study",
        "evaluate",
        "plot",
        "report",
    }
    for arguments in found:
        assert callable(_parser().parse_args(arguments).command), arguments


@pytest.mark.parametrize("name", READMES)
def test_every_option_that_is_named_exists(name, capsys):
    offered = ""
    for command in {arguments[0] for arguments in commands(name)}:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        offered += capsys.readouterr().out
    for option in re.findall(r"`(--[a-z-]+)", text(name)):
        assert option in offered, option


@pytest.mark.parametrize("name", READMES)
def test_every_link_within_the_repository_leads_somewhere(name):
    targets = re.findall(r"\]\(([^)]+)\)", text(name))
    assert len(targets) >= 5
    for target in targets:
        if not target.startswith("https://"):
            assert (ROOT / target.split("#")[0]).exists(), target
