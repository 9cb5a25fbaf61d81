"""What holds for the whole architecture: which part may import which, and that linter and type checker are content."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Where a folder's modules may import from, within the project, besides themselves and what lies at the bottom.
BOTTOM = {"core.spec", "core.i18n"}
LAYERS = {
    "prunescope": set(),
    "core/spec": set(),
    "core/runs": set(),
    "core/results": {"core.runs"},
    "core/charts": {"core.labels", "core.results", "core.runs"},
    "core/report": {"core.labels", "core.charts", "core.results", "core.runs"},
    "core/jobs": {"core.runs"},
    "core/engine": {"core.runs", "prunescope"},
    "core/labels.py": {"core.runs"},
    "core/cli": {"core.labels", "core.report", "core.results", "core.jobs", "core.engine", "core.runs"},
    "ui": {"core.labels", "core.charts", "core.report", "core.results", "core.jobs", "core.runs"},
    "pages": {"ui"},
}
# What is never imported there at all. Without re nothing takes a sentence apart that other code wrote.
FOREIGN = {"core": {"streamlit"}, "core/labels.py": {"re"}, "core/charts": {"re"}, "core/report": {"re"}, "ui": {"re"}}
PAGES = ["compare", "launch", "model", "report", "runs"]
ONLY_IN_ENGINE = {"torch", "torchvision", "safetensors", "prunescope"}


def imports(path):
    """Every module that ``path`` imports anywhere, also inside functions, apart from what is only for the type checker."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for part in ast.walk(node):
                part.names = []
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.names:
            found.add(node.module)
    return found


OWN = ("core", "pages", "prunescope", "ui")
SOURCES = [path for folder in OWN for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_go_one_way(path):
    name, imported = str(path.relative_to(ROOT)), imports(path)
    for folder, below in LAYERS.items():
        if name == folder or name.startswith(folder + "/"):
            allowed = {folder.replace("/", ".")} | below | (set() if folder == "prunescope" else BOTTOM)
            own = {module for module in imported if module.split(".")[0] in OWN}
            wrong = {module for module in own if not any(module == a or module.startswith(a + ".") for a in allowed)}
            # What runs on a worker reaches the engine there, by a name, and not here.
            assert not wrong, f"{name} imports {wrong}"
    packages = {module.split(".")[0] for module in imported}
    for folder, foreign in FOREIGN.items():
        assert not (name == folder or name.startswith(folder + "/")) or not packages & foreign, name
    if not name.startswith(("core/engine/", "prunescope/")):
        assert not packages & ONLY_IN_ENGINE


def test_pages_holds_five_thin_files():
    """Streamlit takes every Python file there for a page, until app.py has run."""
    pages = {
        path.stem: len(path.read_text().splitlines()) for path in (ROOT / "pages").iterdir() if path.suffix == ".py"
    }
    assert sorted(pages) == PAGES
    assert max(pages.values()) <= 12


@pytest.mark.parametrize("module", [*(f"ui.{page}.page" for page in PAGES), "core.cli.main", "core.jobs.queue"])
def test_torch_is_not_loaded_through_something_else(module):
    """Importing runs a page once, outside Streamlit, which only warns about that."""
    code = f"import logging; logging.disable(); import {module}, sys; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tool", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join)
def test_linter_and_type_checker_are_content(tool):
    done = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ci_runs_the_test_command_of_the_readme():
    """The expression with which .ci/run finds the command gives the block under the README's heading."""
    (expression,) = re.findall(r"command=\$\(awk '(.+)' README\.md\)", (ROOT / ".ci" / "run").read_text())
    found = subprocess.run(["awk", expression, "README.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    block = re.search(r"## Run the tests\n+```bash\n(.+?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found.stdout.strip() == block[1]
    assert "pytest" in block[1]


def test_no_file_is_too_long_for_one_sitting():
    long = {str(path.relative_to(ROOT)): n for path in SOURCES if (n := len(path.read_text().splitlines())) > 330}
    assert not long
