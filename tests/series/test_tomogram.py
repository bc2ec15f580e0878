"""What is said of a tomogram beside its series, whoever wrote it."""

from __future__ import annotations

import json

import pytest

from space.series import tomogram_beside

FACTS = {
    "quality": {"score": 0.62},
    "residual_nm": 1.23,
    "views": [{}] * 39,
    "dropped": [{}, {}],
    "specimen_nm": 142.0,
    "files": {"picture": "a_ts_001_rec.png"},
}


def write(folder, content):
    (folder / "tomograms").mkdir()
    path = folder / "tomograms" / "a_ts_001_tomogram.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder / "a_ts_001.mrc"


def test_it_is_told_in_a_sentence_and_a_picture(tmp_path):
    stack = write(tmp_path, FACTS)
    assert tomogram_beside(stack).picture is None  # it is not there
    picture = tmp_path / "tomograms" / "a_ts_001_rec.png"
    picture.touch()
    found = tomogram_beside(stack)
    assert found.picture == picture
    assert found.words == (
        "tomogram of 39 pictures (2 left out), quality 0.62, residual 1.2 nm, specimen 142 nm"
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"text"', "null", "NaN"])
def test_what_is_no_such_file_says_nothing(tmp_path, content):
    assert tomogram_beside(write(tmp_path, content)) is None
    assert tomogram_beside(tmp_path / "other.mrc") is None


@pytest.mark.parametrize(
    "odd",
    [
        {"quality": 3, "files": [], "views": "many", "residual_nm": "NaN", "specimen_nm": True},
        {"quality": {"score": [1]}, "files": {"picture": 5}, "residual_nm": 1e300},
        {"quality": {"score": 1e9}, "files": {"picture": ""}},
    ],
)
def test_odd_values_count_as_not_known(tmp_path, odd):
    found = tomogram_beside(write(tmp_path, odd))
    assert found.quality is found.residual_nm is found.picture is None


def test_a_picture_elsewhere_is_not_shown(tmp_path):
    (tmp_path / "secret.png").touch()
    stack = write(tmp_path, {**FACTS, "files": {"picture": "../secret.png"}})
    assert tomogram_beside(stack).picture is None
