"""What goes wrong is said in Korean too: each sentence of the core is known by its words, and keeps what it names."""

import ast
import errno
import os
import re
import string
from pathlib import Path

import pytest

from core.korean.problems import SENTENCES, SYSTEM
from core.problems import SENTENCE_FIELDS, translate_problem
from core.runs.folder import Home
from core.runs.trash import move_to_trash
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from core.spec.validate import InputError, check_choice, check_float, check_int

CORE = Path(__file__).resolve().parents[1] / "core"
# Said in a terminal, or to who writes a program: never on a page.
ELSEWHERE = ("cli.py", "finished.py", "outputs.py", "jobs/serve.py", "engine/pruning/channel_importance.py")
HANGUL = re.compile("[가-힣]")


def template(node):
    """A string as it is written, with {} for each value that is filled in; None for what is no string."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(template(part) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add()):
            return text + "{}"
    return None


def nodes():
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path.relative_to(CORE).as_posix(), node


def raised():
    """Every sentence of an InputError that a page may show."""
    for path, node in nodes():
        is_error = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InputError"
        if is_error and path not in ELSEWHERE:
            argument = node.args[0]
            choices = (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,)
            yield from filter(None, map(template, choices))


def unnamed(sentence):
    return re.sub(r"\{[^{}]*\}", "{}", sentence)


def fields(sentence):
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)


def in_korean(problem):
    return translate_problem(problem, "ko")


def test_every_problem_that_a_page_can_show_is_there_in_korean():
    assert not set(raised()) - set(map(unnamed, SENTENCES))


def test_nothing_is_translated_that_the_core_does_not_say():
    said = {template(node) for path, node in nodes() if not path.startswith("views/korean")}
    assert not {key for key in SENTENCES if unnamed(key) not in said}


def test_a_translation_has_each_field_once_as_its_sentence_does():
    assert {key: fields(text) for key, text in SENTENCES.items()} == {key: fields(key) for key in SENTENCES}
    assert all(len(set(fields(key))) == len(fields(key)) for key in SENTENCES)
    assert all(key.endswith(".") == text.endswith(".") for key, text in SENTENCES.items())


@pytest.mark.parametrize("sentence", SENTENCES)
def test_no_other_sentence_takes_its_place(sentence):
    """Filled in with anything, each is known for what it is."""
    filled = {name: f"<{name}>" for name in fields(sentence)}
    assert in_korean(sentence.format(**filled)) == SENTENCES[sentence].format(**filled)


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


def test_what_people_do_wrong_is_said_in_korean_with_what_they_gave(tmp_path):
    for named, make in mistakes(tmp_path).items():
        with pytest.raises(InputError) as caught:
            make()
        said = in_korean(str(caught.value))
        assert named in said
        assert HANGUL.search(said)
        # What is left in Latin letters are names and values.
        words = said.replace(str(tmp_path), "")
        assert not re.search(r"\b(is|give|choose|cannot|missing|from|of)\b", words), words


def test_a_reason_within_a_reason_is_said_in_korean():
    reason = "/data/cifar.tar.gz is missing and cannot be downloaded (Connection refused): put cifar.tar.gz into /data "
    reason += "yourself, or use folder:PATH or synthetic"
    said = in_korean(f"Its dense run dense-1 failed: {reason}. Retry runs both.")
    assert said == (
        "밀집 실행 dense-1이(가) 실패했습니다: /data/cifar.tar.gz: 파일이 없으며, 내려받을 수도 없습니다(연결이 "
        "거부되었습니다). cifar.tar.gz을(를) /data에 직접 넣거나, folder:PATH 또는 synthetic을 쓰세요. "
        "다시 시도하면 둘 다 실행됩니다."
    )


def test_what_the_system_says_is_said_in_korean():
    full = os.strerror(errno.ENOSPC)
    assert in_korean(f"/runs cannot be written ({full}).") == f"/runs에 쓸 수 없습니다({SYSTEM[full]})."


def test_what_nobody_knows_stays_as_it_is():
    for problem in ("RuntimeError: mat1 and mat2 differ.", "", ".", "{x} is {", "시드 7은(는) 정수가 아닙니다."):
        assert in_korean(problem) == problem


def test_english_stays_as_it_is():
    assert all(translate_problem(key, "en") == key for key in SENTENCES)


def test_what_is_looked_up_within_a_sentence_is_a_field_of_one():
    assert {name for key in SENTENCES for name in fields(key)} >= SENTENCE_FIELDS
