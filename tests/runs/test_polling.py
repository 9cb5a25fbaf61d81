"""Reading again: often enough to be right, seldom enough to cost nothing."""

from __future__ import annotations

import os
import threading

import pytest

from core.runs.polling import MANY, ThrottledReader, signature


def counting(count):
    reads = []

    def read():
        reads.append(None)
        return len(reads), count

    return read


def test_few_folders_are_read_every_time():
    reader = ThrottledReader(counting(MANY - 1))
    assert [reader.get() for _ in range(3)] == [1, 2, 3]


def test_many_folders_are_read_again_after_a_pause_or_when_something_was_changed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("core.runs.polling.time.monotonic", lambda: now[0])

    def slow():
        now[0] += 0.1
        return now[0], MANY

    reader = ThrottledReader(slow)
    first = reader.get()
    now[0] += 0.9
    assert reader.get() == first
    now[0] += 0.2
    second = reader.get()
    assert second > first
    reader.invalidate()
    assert reader.get() > second


def test_while_one_reads_the_others_go_on_with_what_they_have():
    entered, finish = threading.Event(), threading.Event()
    answers = iter(["old", "new"])

    def read():
        answer = next(answers)
        if answer == "new":
            entered.set()
            assert finish.wait(10)
        return answer, 1

    shared = ThrottledReader(read)
    assert shared.get() == "old"
    thread = threading.Thread(target=shared.get)
    thread.start()
    assert entered.wait(10)
    assert shared.get() == "old"
    finish.set()
    thread.join()


def test_who_has_nothing_yet_waits_and_all_get_the_same():
    shared, found = ThrottledReader(counting(MANY)), []
    threads = [threading.Thread(target=lambda: found.append(shared.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8


def test_an_error_reaches_the_caller_and_does_not_stay():
    broken = [True]

    def read():
        if broken[0]:
            raise OSError("no such home")
        return "home", 1

    shared = ThrottledReader(read)
    with pytest.raises(OSError, match="no such home"):
        shared.get()
    broken[0] = False
    assert shared.get() == "home"


def test_a_signature_changes_with_any_of_the_files_and_with_the_folder(tmp_path):
    names = ("", "a", "b")
    seen = {signature(tmp_path, names)}
    (tmp_path / "a").write_text("1")
    seen.add(signature(tmp_path, names))
    (tmp_path / "a").write_text("22")
    seen.add(signature(tmp_path, names))
    (tmp_path / "b").write_text("1")
    (tmp_path / "b").replace(tmp_path / "a")
    seen.add(signature(tmp_path, names))
    os.utime(tmp_path / "a", ns=(1, 1))
    seen.add(signature(tmp_path, names))
    assert len(seen) == 5
    assert signature(tmp_path, names) in seen
