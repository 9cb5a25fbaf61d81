"""Every sentence of the app is there in Korean, with the same fields; and no sentence is translated that nobody says."""

import ast
import string
from pathlib import Path

import pytest

from core.i18n import english, korean, translator
from core.korean import KOREAN
from core.spec.methods import METHODS
from core.spec.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "core" / "views").glob("*.py"))]


def calls(path):
    """Every call of ``t`` in a file, apart from those in the module that defines it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t":
            yield node


def written():
    """Every sentence that stands in a page or a chart."""
    return {
        node.args[0].value
        for path in SOURCES
        for node in calls(path)
        if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }


def registered():
    """Every word of the registries that a page shows."""
    settings = [setting for method in METHODS.values() for setting in method.settings]
    return {
        *(preset.summary for preset in PRESETS.values()),
        *(text for method in METHODS.values() for text in (method.label, method.summary)),
        *(text for setting in settings for text in (setting.label, setting.help)),
    }


def is_registered(argument):
    """Whether ``argument`` is a word of a registry's entry, such as ``method.summary``."""
    return isinstance(argument, ast.Attribute) and argument.attr in ("label", "summary", "help")


def fields(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_is_said_is_a_literal_with_all_its_fields_or_a_word_of_a_registry(path):
    for node in calls(path):
        where = f"{path.name}:{node.lineno}"
        if is_registered(node.args[0]):
            assert not node.keywords, where
            continue
        assert isinstance(node.args[0], ast.Constant), where
        given = {keyword.arg for keyword in node.keywords}
        assert given == fields(node.args[0].value), where


def test_korean_has_what_the_app_says_and_nothing_else():
    said = written() | registered()
    assert not said - set(KOREAN), "without a translation"
    assert not set(KOREAN) - said, "said by nobody"


def test_a_translation_has_the_fields_of_its_sentence():
    assert {key: fields(text) for key, text in KOREAN.items()} == {key: fields(key) for key in KOREAN}


def test_a_translation_keeps_marks_and_icons():
    """What Streamlit draws from a sentence, such as an icon or bold letters, is there in both languages."""
    for key, text in KOREAN.items():
        for mark in ("**", "`", ":material/", "\n- "):
            assert key.count(mark) == text.count(mark), key


def test_what_is_not_translated_is_said_in_english():
    assert korean("Nobody says {x}.", x=1) == "Nobody says 1." == english("Nobody says {x}.", x=1)
    assert translator("fr")("Runs") == "Runs"
