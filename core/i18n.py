"""What the app says, in each of its languages: sentences are written in English where they are used, and translated here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.korean import KOREAN

LANGUAGES: Mapping[str, str] = {"en": "English", "ko": "한국어"}
# A sentence in English, with ``{fields}`` for what is computed; it comes back in the language asked for, filled in.
Translate = Callable[..., str]


def english(sentence: str, **fields: object) -> str:
    """``sentence`` as it is, with its fields filled in."""
    return sentence.format(**fields) if fields else sentence


def korean(sentence: str, **fields: object) -> str:
    """``sentence`` in Korean; in English if nobody has translated it yet."""
    return english(KOREAN.get(sentence, sentence), **fields)


def translator(language: str) -> Translate:
    """The translation into ``language``, a key of LANGUAGES; English for any other."""
    return korean if language == "ko" else english
