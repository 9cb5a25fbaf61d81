"""The sentences of the report, found in the code that says them."""

import ast
from pathlib import Path

from core.i18n import use_language
from core.report import build, findings, model, provenance, tables

SPANS = {"Strong": model.Strong, "Emphasis": model.Emphasis, "Code": model.Code}


def sentences():
    """Every sentence by its English, with the fields that are spans of their own and what kind of span."""
    found = {}
    for module in (build, findings, provenance, tables):
        tree = ast.parse(Path(module.__file__).read_text())
        found |= {sentence: {} for sentence in _worded(tree)}
        for call in (node for node in ast.walk(tree) if _calls(node, "fill")):
            spans = {word.arg: SPANS[word.value.func.id] for word in call.keywords if _calls(word.value, *SPANS)}
            for sentence in _worded(call.args[0]):
                found[sentence] |= spans
    return found


def fields(sentence):
    """The names of its fields, and what stands after a colon in each."""
    return {name: form for _, name, form, _ in model.Formatter().parse(sentence) if name}


def translated(sentence, language):
    with use_language(language):
        return build.t(sentence)


def _worded(tree):
    for node in ast.walk(tree):
        if _calls(node, "t", "N_") and isinstance(node.args[0], ast.Constant):
            yield node.args[0].value


def _calls(node, *names):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
