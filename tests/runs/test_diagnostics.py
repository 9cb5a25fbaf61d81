"""Reading an examination: what was written comes back, and what was damaged or is too large is refused in a sentence."""

from __future__ import annotations

import base64
import json

import pytest

from core.runs.diagnostics import MAX_MISTAKES, read_diagnostics
from core.runs.folder import Home
from core.spec.errors import InputError
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.diagnostics import keep_examination, picture


@pytest.fixture
def folder(tmp_path):
    return Home(tmp_path).prepare().create(RunSpec(build_recipe("demo"), "magnitude", 1, 0.9))


def change(folder, damage):
    """Apply ``damage`` to the data on disk, unsealed: as one who knows what is checked would do it."""
    data = json.loads(folder.diagnostics_path.read_text())
    del data["record_sha256"]
    damage(data)
    folder.diagnostics_path.write_text(json.dumps(data))


def test_what_is_written_is_read(folder):
    kept = keep_examination(folder)
    found = read_diagnostics(folder)
    assert found == kept
    assert found.accuracy == pytest.approx(100 * 22 / 30)
    assert found.size == 1200
    assert [layer.filters_left for layer in found.layers] == [3, 4, 3]
    assert found.layers[0].density == pytest.approx(8 / 108)
    assert not list(folder.path.glob(".*.tmp"))


def test_without_one_there_is_none(folder):
    assert read_diagnostics(folder) is None


def test_it_is_of_the_network_that_the_result_names(folder):
    found = keep_examination(folder)
    assert found.is_of(found.model)
    assert found.is_of(None)  # results of before did not name it
    assert not found.is_of("another")


def test_another_runs_is_refused(folder):
    keep_examination(folder)
    change(folder, lambda data: data.update(run_id="another"))
    with pytest.raises(InputError, match="that of another run"):
        read_diagnostics(folder)


def test_a_changed_byte_is_found_by_the_seal(folder):
    keep_examination(folder)
    text = folder.diagnostics_path.read_text()
    folder.diagnostics_path.write_text(text.replace('"lost": 6', '"lost": 5'))
    with pytest.raises(InputError, match="altered"):
        read_diagnostics(folder)


DAMAGES = {
    "a key too few": lambda data: data.pop("layers"),
    "a key too many": lambda data: data.update(more=1),
    "a long text": lambda data: data.update(model="a" * 301),
    "no text": lambda data: data.update(data=7),
    "a class too many": lambda data: data["classes"].append("bus"),
    "no classes": lambda data: data.update(classes=[], pictures="", correct="", dense_correct="", confusion=[]),
    "endless classes": lambda data: data.update(classes=["cat"] * 5000),
    "too many right": lambda data: data.update(correct="11 8 9"),
    "letters for numbers": lambda data: data.update(pictures="10 ten 10"),
    "other digits": lambda data: data.update(pictures="10 ١٠ 10"),
    "a number of thousands of digits": lambda data: data.update(pictures=f"10 {'9' * 5000} 10"),
    "a matrix that does not fit": lambda data: data["confusion"].__setitem__(0, "6 3 1"),
    "a matrix without a row": lambda data: data["confusion"].pop(),
    "more lost than there are": lambda data: data.update(lost=31),
    "a size of nothing": lambda data: data.update(plain_size=0),
    "a part too few": lambda data: data["parts"].pop("norm"),
    "a negative part": lambda data: data["parts"].update(norm=-1),
    "too many mistakes": lambda data: data["mistakes"].extend(data["mistakes"] * MAX_MISTAKES),
    "no such class": lambda data: data["mistakes"][0].update(predicted=3),
    "a confidence beyond all": lambda data: data["mistakes"][0].update(confidence=101),
    "a picture of another kind": lambda data: data["mistakes"][0].update(picture=base64.b64encode(b"GIF89a").decode()),
    "a picture in no base64": lambda data: data["mistakes"][0].update(picture="*é*"),
    "a gigantic picture": lambda data: data["mistakes"][0].update(
        picture=base64.b64encode(picture()[:16] + (1 << 30).to_bytes(4) * 2 + picture()[24:]).decode()
    ),
    "a picture that is too long": lambda data: data["mistakes"][0].update(picture="A" * 40_000),
    "a layer without a name": lambda data: data["layers"][0].pop("name"),
    "layers that are none": lambda data: data.update(layers=[1]),
    "a shape that grew": lambda data: data["layers"][0].update(shape=[5, 3, 3, 3]),
    "a shape of three": lambda data: data["layers"][0].update(shape=[3, 3, 3], dense_shape=[4, 3, 3]),
    "a gigantic shape": lambda data: data["layers"][0].update(dense_shape=[5000, 3, 3, 3]),
    "a bin too few": lambda data: data["layers"][0].update(counts="1 2 3"),
    "more weights than there are": lambda data: data["layers"][0].update(zeros=80),
    "a limit that is none": lambda data: data["layers"][0].update(limit=float("inf")),
    "a filter too few": lambda data: data["layers"][0].update(filters="40 0 12"),
    "more than all of a filter": lambda data: data["layers"][0].update(filters="40 0 12 101"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_is_refused_in_a_sentence(folder, damage):
    keep_examination(folder)
    change(folder, DAMAGES[damage])
    with pytest.raises(InputError, match=r"examination\.json is damaged") as caught:
        read_diagnostics(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b" " * (5 << 20) + b"{}"])
def test_a_garbled_file_is_refused_in_a_sentence(folder, content):
    folder.diagnostics_path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_diagnostics(folder)


def test_a_link_is_not_followed(folder, tmp_path):
    (tmp_path / "elsewhere").write_text("{}")
    folder.diagnostics_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be read"):
        read_diagnostics(folder)
