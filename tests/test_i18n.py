"""Sentences by gettext: filled in, counted, worded later; and every sentence is translated, with the same fields."""

from core.i18n import Message, t, tn
from tests.korean import korean


def test_what_is_not_translated_is_said_in_english():
    assert korean(lambda: t("Nobody says {x}.", x=1)) == "Nobody says 1." == t("Nobody says {x}.", x=1)


def test_numbers_have_their_forms():
    assert [tn("1 run", "{n} runs", n) for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [korean(lambda n=n: tn("1 run", "{n} runs", n)) for n in (1, 2)] == ["실행 1개", "실행 2개"]


def test_a_message_is_worded_where_it_is_read():
    message = Message("{path} cannot be read ({reason}).", path="a", reason=Message("Permission denied"))
    assert str(message) == "a cannot be read (Permission denied)."
    assert korean(message.localized) == "a을(를) 읽을 수 없습니다(권한이 없습니다)."
    assert Message.from_json(message.to_json()) == message
