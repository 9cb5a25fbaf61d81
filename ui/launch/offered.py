"""Networks and weights that the server offers by name: files in the folders that its environment names. A page never takes a
path to code."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from core.spec.networks import NETWORKS, External, resolve_network

NETWORKS_VARIABLE, WEIGHTS_VARIABLE = "PRUNESCOPE_NETWORKS", "PRUNESCOPE_WEIGHTS"
_WEIGHTS = (".safetensors", ".pt", ".pth")
_MAX_FILES = 100


def offered_networks() -> dict[str, str]:
    """What to call each network that can be selected, by the name that a recipe has for it: those of the registry, and each
    function of ``classes`` in the Python files of the server's folder."""
    names = {name: network.label for name, network in NETWORKS.items()}
    for path in _files(NETWORKS_VARIABLE, (".py",)):
        for function in _functions(path):
            name = resolve_network(f"{path}:{function}")
            external = External.parse(name)
            assert external is not None
            names[name] = external.label
    return names


def offered_weights() -> dict[str, Path]:
    """The files of trained weights in the server's folder, by name."""
    return {path.name: path for path in _files(WEIGHTS_VARIABLE, _WEIGHTS)}


def _files(variable: str, endings: tuple[str, ...]) -> list[Path]:
    folder = os.environ.get(variable)
    try:
        found = (
            [path for path in Path(folder).expanduser().absolute().iterdir() if path.suffix in endings]
            if folder
            else []
        )
    except OSError:  # a setting of the server, which no user of the page can mend
        return []
    return sorted(path for path in found if path.is_file() and str(path).isprintable())[:_MAX_FILES]


def _functions(path: Path) -> list[str]:
    """The functions in a file whose first parameter is ``classes``. The file is read and not executed."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # also of a file that no parser can take
        return []
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.args.args
        and node.args.args[0].arg == "classes"
        and External.parse(f"{path}:{node.name}")
    ]
