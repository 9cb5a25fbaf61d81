"""Anything that words something, in Korean."""

from core.i18n import t, use_language


def korean(words=t, *arguments):
    """What the function ``words`` says in Korean; a sentence alone is translated."""
    with use_language("ko"):
        return t(words) if isinstance(words, str) else words(*arguments)
