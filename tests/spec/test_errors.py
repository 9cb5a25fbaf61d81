"""Errors as templates and fields: worded in the reader's language, with what was given, whatever that is."""

import errno
import os
import pickle
import re

import pytest

from core.i18n import Message
from core.runs.folder import Home
from core.runs.trash import move_to_trash
from core.spec.errors import InputError, OperationError, invalid_value, os_reason
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from core.spec.validate import check_choice, check_float, check_int
from tests.korean import korean

HANGUL = re.compile("[가-힣]")
MISSING = Message("{run}: {file} is missing.", run="dense-1", file="spec.json")


def translated(error):
    return korean(error.message.localized)


def mistakes(tmp_path):
    recipe = build_recipe("demo")
    blocked = tmp_path / "file"
    blocked.touch()
    return {
        "width = 2": lambda: build_recipe("demo", width=2),
        "folder:/nowhere": lambda: build_recipe("demo", data="folder:/nowhere"),
        "elsewhere": lambda: build_recipe("demo", data="elsewhere"),
        "방법": lambda: study_runs(recipe, [], [0.5], [1]),
        "2,001": lambda: study_runs(recipe, ["magnitude"], [0.5], list(range(2001))),
        "rounds = 3": lambda: RunSpec(recipe, "magnitude", 1, 0.5, (("schedule", "iterative"),)),
        "rewind_epoch = 8": lambda: RunSpec(recipe, "lottery_ticket", 1, 0.5, (("rewind_epoch", 8),)),
        "seed = -1": lambda: check_int("seed", -1, 0, 9),
        "sparsity = 2": lambda: check_float("sparsity", 2, 0, 1, below_high=True),
        "fp32, bf16": lambda: check_choice("precision", "fp8", ("fp32", "bf16")),
        str(blocked): lambda: Home(blocked).prepare(),
        "gone": lambda: move_to_trash(Home(tmp_path), ["gone"]),
        "gone: spec.json": lambda: Home(tmp_path).run("gone").spec,
    }


def test_mistakes_are_named_in_korean_with_what_was_given(tmp_path):
    for named, make in mistakes(tmp_path).items():
        with pytest.raises(InputError) as caught:
            make()
        sentence = translated(caught.value)
        assert named in sentence
        assert HANGUL.search(sentence)
        # What is left in Latin letters are names and values.
        words = sentence.replace(str(tmp_path), "")
        assert not re.search(r"\b(is|give|choose|cannot|missing|from|of)\b", words), words


@pytest.mark.parametrize("error", [InputError("{path} is missing.", path="a"), InputError(MISSING)])
def test_an_error_survives_pickling_as_between_a_worker_and_the_app(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError
    assert (str(again), again.message) == (str(error), error.message)
    assert translated(again) == translated(error)


def test_a_message_within_a_message_is_worded_too_and_loses_its_full_stop():
    error = InputError("Its dense run {run} failed: {reason}. Retry runs both.", run="dense-1", reason=MISSING)
    assert str(error) == "Its dense run dense-1 failed: dense-1: spec.json is missing. Retry runs both."
    assert translated(error) == (
        "밀집 실행 dense-1이(가) 실패했습니다: dense-1: spec.json이(가) 없습니다. 다시 시도하면 둘 다 실행됩니다."
    )
    assert Message.from_json(error.message.to_json()) == error.message


def test_an_error_as_a_field_is_its_message():
    outer = InputError("{run}: spec.json is damaged. {reason}", run="r", reason=InputError(MISSING))
    assert outer.message.fields["reason"] == MISSING
    assert translated(outer) == "r: spec.json이 손상되었습니다. dense-1: spec.json이(가) 없습니다"


@pytest.mark.parametrize("value", ["{", "}", "{x}", "{0}", "{{}}", "%s", "%(x)s", "{x.__class__}", "한글", "\n", ""])
def test_what_a_field_holds_is_never_a_template(value):
    message = Message("{path} is missing.", path=value)
    assert str(message) == f"{value} is missing."
    assert Message.from_json(message.to_json()) == message
    assert str(Message.literal(value)) == korean(Message.literal(value).localized) == value


@pytest.mark.parametrize(
    "template", ["{", "{}", "{missing}", "{x:d}", "{x:>999999999}", "{x:{x}}", "{x.__class__}", "{x[0]}", "{x!z}"]
)
def test_a_template_from_a_record_that_cannot_be_filled_in_is_shown_as_it_is(template):
    assert str(Message.from_json({"template": template, "fields": {"x": "text"}})) == template


@pytest.mark.parametrize(
    "data", [None, 1, "text", [], {}, {"template": 1, "fields": {}}, {"template": "x", "fields": []}]
)
def test_what_is_no_message_is_no_message(data):
    with pytest.raises(ValueError, match="not a message"):
        Message.from_json(data)


def test_messages_nested_without_end_are_no_message():
    data = MISSING.to_json()
    for _ in range(2_000):
        data = {"template": "{x}", "fields": {"x": data}}
    with pytest.raises(ValueError, match="not a message"):
        Message.from_json(data)


KNOWN = (
    *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.ENOSPC),
    *(errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENAMETOOLONG, errno.ENOMEM, errno.ECONNREFUSED, errno.ETIMEDOUT),
)


@pytest.mark.parametrize("code", KNOWN, ids=errno.errorcode.get)
def test_the_reasons_of_the_system_are_translated(code):
    reason = os_reason(OSError(code, os.strerror(code), "/secret"))
    assert str(reason) == os.strerror(code)
    assert HANGUL.search(korean(reason.localized))


def test_other_reasons_of_the_system_are_shown_as_they_are():
    assert korean(os_reason(OSError(errno.EXDEV, os.strerror(errno.EXDEV))).localized) == os.strerror(errno.EXDEV)
    assert str(os_reason(TimeoutError())) == "TimeoutError"
    assert str(os_reason(OperationError("{path} is missing.", path="a"))) == "a is missing."


def test_a_hostile_value_cannot_flood_a_page():
    for value in ("x" * 10**6, "a\n" * 1000, 10**5000):
        assert len(str(invalid_value("seed", value, Message("a text")))) < 150
