"""Sentences by gettext: filled in, counted, worded later; and every sentence is translated, with the same fields."""

import ast
import string
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.frontend import parse_keywords
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from core.i18n import LANGUAGES, LOCALE, Message, t, tn
from core.results.metrics import METRICS
from core.spec.methods import METHODS
from core.spec.presets import PRESETS
from tests.korean import korean
from tests.sentences import KEYWORDS, calls, extract_python, literal

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    ROOT / "app.py",
    *(path for folder in ("pages", "ui", "core", "prunescope") for path in sorted((ROOT / folder).rglob("*.py"))),
]
TRANSLATIONS = sorted(LANGUAGES.keys() - {"en"})


def extracted():
    """Every sentence of the sources; a pair of them where there is one for each number."""
    keywords = parse_keywords(KEYWORDS.split())
    for path in SOURCES:
        with path.open("rb") as file:
            yield from (sentence for _, sentence, _, _ in extract(extract_python, file, keywords=keywords))


def catalogue(language, ending="po"):
    path = LOCALE / language / "LC_MESSAGES" / f"prunescope.{ending}"
    with path.open("rb") as file:
        read = read_po(file, locale=language) if ending == "po" else read_mo(file)
    return {forms(message.id): message for message in read if message.id}


def forms(texts):
    return (texts,) if isinstance(texts, str) else tuple(texts)


def fields(sentence):
    """Each field with its format, such as ``n:,``."""
    return Counter(f"{name}:{form}" for _, name, form, _ in string.Formatter().parse(sentence) if name is not None)


@pytest.fixture(params=TRANSLATIONS, scope="module")
def language(request):
    return request.param


def test_every_sentence_is_translated_and_nothing_else(language):
    sentences, entries = set(map(forms, extracted())), catalogue(language)
    assert not sentences - entries.keys(), "without an entry"
    assert not entries.keys() - sentences, "not used any more"
    assert not [key for key, entry in entries.items() if not all(forms(entry.string))], "without a translation"
    assert not [key for key, entry in entries.items() if entry.fuzzy]


def test_words_of_the_registries_are_marked_for_translation():
    settings = [setting for method in METHODS.values() for setting in method.settings]
    words = {
        *(preset.summary for preset in PRESETS.values()),
        *(text for method in METHODS.values() for text in (method.label, method.summary)),
        *(text for setting in settings for text in (setting.label, setting.short, setting.help)),
        *(text for metric in METRICS.values() for text in (metric.label, metric.title, metric.help) if text),
        *(metric.interval.help for metric in METRICS.values() if metric.interval),
    }
    assert words <= set(extracted())


def test_plurals_have_every_form_of_the_language(language):
    with (LOCALE / language / "LC_MESSAGES" / "prunescope.po").open("rb") as file:
        read = read_po(file, locale=language)
    plurals = [message for message in read if message.pluralizable]
    assert plurals
    assert all(len(message.string) == read.num_plurals for message in plurals)


def test_a_translation_has_the_fields_and_formats_of_its_sentence(language):
    for key, entry in catalogue(language).items():
        for text in forms(entry.string):
            assert fields(text) == fields(key[-1]), key


def test_a_translation_keeps_marks_icons_and_the_full_stop(language):
    """What Markdown draws from a sentence, such as an icon or bold letters, is there in both languages."""
    for key, entry in catalogue(language).items():
        for mark in ("**", "`", ":material/", "\n- "):
            assert all(text.count(mark) == key[-1].count(mark) for text in forms(entry.string)), key
        assert all(text.endswith((".", "?")) == key[-1].endswith((".", "?")) for text in forms(entry.string)), key


def test_the_compiled_catalogue_is_that_of_the_source(language):
    source, compiled = catalogue(language), catalogue(language, "mo")
    assert {key: forms(entry.string) for key, entry in compiled.items()} == {
        key: forms(entry.string) for key, entry in source.items()
    }


def test_the_documented_command_extracts_what_is_tested():
    assert f'-k "{KEYWORDS}"' in (ROOT / "babel.toml").read_text()


DEFINITIONS = ("core/i18n.py", "core/spec/errors.py")


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if not str(path).endswith(DEFINITIONS)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_sentence_is_a_literal_with_exactly_its_fields(path):
    """Or a name for one that is marked elsewhere: never put together here. The report fills in its fields later."""
    for node in calls(path.read_text()):
        where = f"{path.name}:{node.lineno}"
        sentence = literal(node.args[1] if node.func.id == "tn" else node.args[0])
        if sentence is None:
            assert isinstance(node.args[0], ast.Name | ast.Attribute | ast.Subscript | ast.Call), where
            continue
        given = {keyword.arg for keyword in node.keywords} | ({"n"} if node.func.id == "tn" else set())
        if node.func.id == "N_" or (not given and path.parent.name == "report" and node.func.id == "t"):
            continue
        named = {field.partition(":")[0] for field in fields(sentence)}
        assert (given - {None} < named) if None in given else (given == named), where


def test_what_is_not_translated_is_in_english():
    assert korean(lambda: t("Nobody says {x}.", x=1)) == "Nobody says 1." == t("Nobody says {x}.", x=1)


def test_numbers_have_their_forms():
    assert [tn("1 run", "{n} runs", n) for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [korean(lambda n=n: tn("1 run", "{n} runs", n)) for n in (1, 2)] == ["실행 1개", "실행 2개"]


def test_a_message_is_worded_where_it_is_read():
    message = Message("{path} cannot be read ({reason}).", path="a", reason=Message("Permission denied"))
    assert str(message) == "a cannot be read (Permission denied)."
    assert korean(message.localized) == "a을(를) 읽을 수 없습니다(권한이 없습니다)."
    assert Message.from_json(message.to_json()) == message
