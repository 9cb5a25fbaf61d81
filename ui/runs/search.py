"""Find runs by the words of their rows in the table, and by nothing that is not to be seen there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from core.i18n import t
from core.labels import recipe_name, state_name, variant_name
from core.runs.status import RunStatus


def phrases(run: RunStatus) -> list[str]:
    """What the table says of ``run``: method, sparsity, seed, state and recipe."""
    state = state_name(run.state)
    if run.spec is None:
        return [run.run_id, state]
    spec = run.spec
    numbers = [f"{t('Sparsity')} {spec.sparsity:g}", f"{t('Seed')} {spec.seed}"]
    return [variant_name(spec.method, spec.settings), *numbers, state, recipe_name(spec.recipe)]


def contains(phrases: Iterable[str], text: str) -> bool:
    """Whether each word of ``text`` is a part of a word in ``phrases``, and each number one that stands there: 7 is neither
    77 nor 0.7. A number beside a word that has a number in ``phrases``, such as seed or width, has to be that word's."""
    found = [_words(phrase) for phrase in phrases]
    named = {pair for words in found for pair in _named_numbers(words)}
    numbers = {number for words in found for word in words for number in _numbers(word)}
    names = {name for name, _ in named}
    words = _words(text)
    for place, word in enumerate(words):
        wanted = _numbers(word)
        beside = names.intersection(words[max(0, place - 1) : place + 2])
        if not wanted:
            if not any(word in other for others in found for other in others):
                return False
        elif not wanted <= numbers or (beside and not any((name, n) in named for name in beside for n in wanted)):
            return False
    return True


def _words(text: str) -> list[str]:
    return [word for part in text.lower().split() if (word := part.strip("()[],;:"))]


def _named_numbers(words: list[str]) -> Iterable[tuple[str, float]]:
    for one, other in pairwise(words):
        for name, number in ((one, other), (other, one)):
            if not _numbers(name):
                yield from ((name, value) for value in _numbers(number))


def _numbers(word: str) -> frozenset[float]:
    """Those that a word such as 77, 0.90 or 3+1 consists of; none for any other."""
    parts = [part for part in word.split("+") if part]
    if not all(part.replace(".", "", 1).isdecimal() for part in parts):
        return frozenset()
    return frozenset(map(float, parts))
