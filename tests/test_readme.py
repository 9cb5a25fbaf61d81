"""README and docs/: the same in both languages, commands that are accepted, links and names that lead somewhere."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from core.cli.main import _parser
from core.spec.methods import METHODS
from core.spec.presets import PRESETS

ROOT = Path(__file__).resolve().parent.parent
# Each in English and Korean.
PAIRS = [(f"{name}.md", f"{name}.ko.md") for name in ("README", "docs/reference", "docs/troubleshooting")]
TRANSLATED = [name for pair in PAIRS for name in pair]
DOCUMENTS = sorted({*TRANSLATED, "SECURITY.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))})
REFERENCES = PAIRS[1]
MAX_README_LINES = 130
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)]+)\)")
PATH = re.compile(r"(?<![\w./-])(?:(?:core|prunescope|ui|pages|tests|benchmarks|samples|docs|locale)/[\w./-]*|app\.py)")
DOTTED = re.compile(r"(?<![\w./-])(?:core|prunescope|ui|tests|benchmarks|samples)(?:\.[A-Za-z_]\w*)+")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def prose(name):
    return BLOCK.sub("", text(name))


def code(name):
    """All that stands in code letters."""
    return [*INLINE.findall(prose(name)), *(block for _, block in BLOCK.findall(text(name)))]


def commands(name):
    """Every ``python -m core ...`` in the code blocks, as arguments."""
    lines = [line for _, block in BLOCK.findall(text(name)) for line in block.splitlines()]
    return [shlex.split(line, comments=True)[3:] for line in lines if line.startswith("python -m core ")]


@cache
def options():
    """The options of each command that a person may give."""
    (subparsers,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    return {
        command: {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
        for command, parser in subparsers.choices.items()
    }


@cache
def definitions(path):
    """The names that the module ``path`` defines or imports at its top level."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                names.update(alias.asname or alias.name for alias in imported)
    return names


def leads_to_a_file(path):
    """Whether there is such a file or folder; an output is named without its ending."""
    target = ROOT / path.rstrip("/.")
    return target.exists() or any(target.parent.glob(f"{target.name}.*"))


def leads_to_a_module(dotted):
    """Whether ``dotted`` names a module, a package, or something that one of them defines."""
    place = ROOT / dotted.replace(".", "/")
    if place.is_dir() or place.with_suffix(".py").is_file():
        return True
    module = next(
        (path for path in (place.parent.with_suffix(".py"), place.parent / "__init__.py") if path.is_file()), None
    )
    return module is not None and place.name in definitions(module)


@cache
def identifiers():
    """Every name of a function, class, variable, parameter or field in the sources."""
    names = set()
    for folder in ("core", "prunescope", "ui", "pages", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                        names.add(name)
                    case ast.arg(arg=name):
                        names.add(name)
    return names


def anchors(name):
    """The addresses of the headings in a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_have_the_same_code_in_the_same_order(english, korean):
    assert BLOCK.findall(text(english)) == BLOCK.findall(text(korean))


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_have_the_same_structure(english, korean):
    def structure(name):
        rows = re.findall(r"^\|.*\|$", prose(name), re.MULTILINE)
        levels = re.findall(r"^(#+) ", prose(name), re.MULTILINE)
        return [len(level) for level in levels], [row.count("|") for row in rows], len(LINK.findall(text(name)))

    assert structure(english) == structure(korean)


@pytest.mark.parametrize(("english", "korean"), PAIRS)
def test_both_languages_name_the_same_options_files_and_presets(english, korean):
    """What stands in code letters is not translated."""
    assert set(INLINE.findall(prose(english))) == set(INLINE.findall(prose(korean)))


@pytest.mark.parametrize("name", PAIRS[0])
def test_the_readme_is_what_a_newcomer_reads(name):
    assert len(text(name).splitlines()) <= MAX_README_LINES
    assert "docs/compare.png" in LINK.findall(text(name))
    assert len(BLOCK.findall(text(name))) == 2  # start the app, run the tests


@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_names_every_command_option_and_preset(name):
    named = set(INLINE.findall(prose(name)))
    assert {*options(), *PRESETS} <= named
    assert set.union(*options().values()) <= {word.split()[0] for word in named}


@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_names_every_method_with_its_settings_and_their_values(name):
    rows = {}
    for row in re.findall(r"^\| (`.*) \|$", prose(name), re.MULTILINE):
        first, *others = row.split(" | ")
        rows |= {method: others[-1] for method in INLINE.findall(first) if method in METHODS}
    assert rows.keys() == METHODS.keys()
    for method, described in rows.items():
        found = {
            setting: values.split("; ")[0].split(", ") for setting, values in re.findall(r"`(\w+)`: ([^`]+)", described)
        }
        assert found == {s.name: [str(value) for value in s.choices] for s in METHODS[method].settings}


def test_the_reference_shows_every_command():
    shown = {arguments[0] for arguments in commands(REFERENCES[0])}
    assert shown == set(options())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_is_accepted_by_the_parser(name):
    for arguments in commands(name):
        assert callable(_parser().parse_args(arguments).command), arguments


@pytest.mark.parametrize("name", TRANSLATED)
def test_every_option_that_is_named_exists(name):
    offered = set.union(*options().values())
    assert set(re.findall(r"`(--[a-z-]+)", text(name))) <= offered


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_within_the_repository_leads_somewhere(name):
    for target in LINK.findall(text(name)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (ROOT / name).parent / file if file else ROOT / name
        assert place.exists(), target
        assert not anchor or anchor in anchors(str(place.resolve().relative_to(ROOT))), target


@pytest.mark.parametrize("name", [*DOCUMENTS, "docs/slurm.sh"])
def test_every_file_and_module_that_is_named_exists(name):
    parts = code(name) if name.endswith(".md") else [text(name)]
    paths = {path for part in parts for path in PATH.findall(part)}
    assert not sorted(path for path in paths if not leads_to_a_file(path))
    modules = {dotted for part in parts for dotted in DOTTED.findall(part)}
    assert not sorted(dotted for dotted in modules if not leads_to_a_module(dotted))


def test_every_function_and_class_that_the_architecture_names_exists():
    named = {word.removesuffix("()") for word in INLINE.findall(prose("docs/architecture.md"))}
    assert not sorted(word for word in named if word.isidentifier() and word not in identifiers())
    places = re.findall(r"`(\w+)`\s(?:\(|in )`([\w/]+\.py)`", prose("docs/architecture.md"))
    assert len(places) > 10
    assert not [(word, path) for word, path in places if word not in definitions(ROOT / path)]
