"""Events and progress in words, in the reader's language; and the printer of new events."""

import pytest

from core.i18n import Message
from core.runs.events import EventPrinter, event_message, phase_message, printing_events
from core.runs.failure import FailureCode, RunFailure
from core.runs.folder import Home
from core.spec.presets import PRESETS
from core.spec.spec import RunSpec
from tests.korean import korean

EPOCH = {
    "phase": "train",
    "epoch": 1,
    "epochs": 5,
    "loss": 1.0,
    "train_accuracy": 50.0,
    "test_accuracy": 41.0,
    "images_per_second": 1900.0,
}
FULL = RunFailure(FailureCode.DISK_FULL, Message("The disk is full: free some space, then retry."))


@pytest.fixture
def folder(tmp_path):
    return Home(tmp_path).prepare().create(RunSpec(PRESETS["demo"].recipe, "dense", 1))


@pytest.mark.parametrize(
    ("event", "english", "translated"),
    [
        (
            {"type": "epoch", **EPOCH},
            "training, epoch 1/5: loss 1.000, test accuracy 41.00 %, 1,900 images/s",
            "학습, 에포크 1/5: 손실 1.000, 테스트 정확도 41.00 %, 초당 이미지 1,900장",
        ),
        ({"type": "queued"}, "queued", "대기 중"),
        ({"type": "resumed", "epoch": 3}, "goes on after epoch 3", "에포크 3 다음부터 이어서 진행"),
        ({"type": "checkpoint_damaged", "name": "checkpoint-0001"}, "checkpoint-0001 is damaged and not used", None),
        ({"type": "failed", **FULL.to_json()}, "failed: The disk is full: free some space, then retry", None),
        ({"type": "failed", "reason": "because"}, "failed: because", "실패: because"),  # of version 1
        (
            {"type": "started_over", "reason": "origin_changed"},
            "starts over: the pictures, the dense network or the program are not those it began with",
            "처음부터 다시 시작: 이미지, 밀집 네트워크 또는 프로그램이 시작할 때의 것이 아닙니다",
        ),
        ({"type": "started_over", "reason": "it began with others"}, "starts over: it began with others", None),
        ({"type": "epoch"}, "epoch", None),  # without its fields
        ({"type": "epoch", **EPOCH, "loss": 10**400}, "epoch", None),
        ({"type": "started_over", "reason": ["odd"]}, "started over", None),
        ({"type": "of_a_later_version"}, "of a later version", None),
    ],
)
def test_an_event_is_worded_in_the_language_of_its_reader(event, english, translated):
    message = event_message(event)
    assert str(message) == english
    if translated is not None:
        assert korean(message.localized) == translated


def test_the_phase_is_worded_from_the_progress_record():
    preparing = {"phase": "prepare", "step": Message("Decoding pictures").to_json(), "fraction": 0.35}
    assert [str(phase_message({"phase": phase})) for phase in ("train", "finetune", "measure")] == [
        "Training",
        "Fine-tuning",
        "Measuring",
    ]
    assert str(phase_message(preparing)) == "Decoding pictures (35%)"
    assert korean(phase_message(preparing).localized) == "이미지 디코딩 중 (35%)"
    assert str(phase_message({"phase": "Decoding pictures (35%)"})) == "Decoding pictures (35%)"  # of version 1
    assert str(phase_message({})) == ""
    for odd in ({"step": None}, {"step": preparing["step"], "fraction": "x"}, {"step": {"template": "{"}}):
        assert str(phase_message({"phase": "prepare", **odd})).endswith("(0%)")


def test_a_printer_prints_each_event_once(folder):
    folder.append("queued")
    lines = []
    printer = EventPrinter([folder], lines.append)
    folder.append("epoch", **EPOCH)
    printer.poll()
    printer.poll()
    folder.append("failed", reason="because")
    printer.poll()
    assert len(lines) == 2
    assert "epoch 1/5" in lines[0]
    assert lines[1].endswith("failed: because")
    assert printer.finished()


def test_a_printer_prints_what_is_prepared_but_not_the_phases_that_have_events(folder):
    lines = []
    with printing_events([folder], lines.append):
        folder.report_progress(phase="prepare", step=Message("Reading CIFAR-10").to_json(), fraction=0.0)
    printer = EventPrinter([folder], lines.append)
    printer.poll()
    folder.report_progress(phase="train", fraction=0.5)
    printer.poll()
    assert lines == [f"{folder.run_id}: Reading CIFAR-10 (0%)"] * 2
