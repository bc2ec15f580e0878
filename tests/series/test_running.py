"""Tilt series that go wrong while they are taken, by an mdoc that grows."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from space.series import read_series, series_of, troubles_of
from tests.replanning.mdocs import TILTS, write_mdoc


def grown(path, pictures: int):
    """The series of the first pictures of an mdoc, the last of them cut off in the middle."""
    parts = path.read_bytes().split(b"[ZValue")
    begun = b"[ZValue".join(parts[: pictures + 1])
    return series_of(begun + b"[ZValue = 99]\nTiltAngl", "ts.mrc")


def signs(series) -> list[str]:
    return [one.sign for one in troubles_of(series)]


def first_told(path) -> int | None:
    counts = range(len(TILTS) + 1)
    return next((n for n in counts if signs(grown(path, n))), None)


def test_a_good_series_is_never_told_of(tmp_path):
    assert first_told(write_mdoc(tmp_path / "ts.mrc.mdoc")) is None


def test_lost_counts_are_told_while_the_series_runs(tmp_path):
    path = write_mdoc(tmp_path / "ts.mrc.mdoc", lost=True)  # dark from +33 degrees on
    dark = [n for n, tilt in enumerate(TILTS, 1) if tilt > 30]
    told = first_told(path)
    assert dark[1] <= told <= dark[3]
    text = troubles_of(grown(path, told))[0].text
    assert text.startswith("lost from +33°") and "% of the counts of a plate" in text


@pytest.mark.parametrize(
    ("key", "good", "bad", "sign"),
    [
        ("WasOffBy", "0.1 0.05", "1.5 0.4", "tracking"),
        ("CtfFind", "-4.2", "-7.5", "defocus"),
    ],
)
def test_what_is_off_from_a_picture_on_is_told_and_forgotten(tmp_path, key, good, bad, sign):
    off = [good] * 10 + [bad] * 6 + [good] * 25
    entries = {key: off, "TargetDefocus": [-4] * len(TILTS)}
    path = write_mdoc(tmp_path / "ts.mrc.mdoc", entries=entries)
    told = [n for n in range(len(TILTS) + 1) if sign in signs(grown(path, n))]
    assert told == list(range(13, 17))
    single = {**entries, key: [good] * 10 + [bad] * 2 + [good] * 29}
    path = write_mdoc(tmp_path / "single.mrc.mdoc", entries=single)
    assert not any(sign in signs(grown(path, n)) for n in range(len(TILTS) + 1))


def test_a_blanked_picture_is_no_trouble(tmp_path):
    path = write_mdoc(tmp_path / "ts.mrc.mdoc")
    lines = path.read_text(encoding="utf-8").split("[ZValue")
    lines[20] = "\n".join(
        "MinMaxMean = 0 1 0.1" if line.startswith("MinMax") else line
        for line in lines[20].split("\n")
    )
    path.write_text("[ZValue".join(lines), encoding="utf-8")
    assert not troubles_of(read_series(path))
    assert not any(signs(grown(path, n)) for n in range(len(TILTS)))


@given(st.binary(max_size=400), st.integers(0, 20))
def test_any_bytes_will_do(data, pictures):
    head = b"".join(b"[ZValue = %d]\nTiltAngle = %d\nMinMaxMean = 0 9 5\n" % (n, n)
                    for n in range(pictures))  # fmt: skip
    for one in troubles_of(series_of(head + data, "ts.mrc")):
        assert one.text


def test_the_time_of_a_picture_does_not_matter(tmp_path):
    path = write_mdoc(tmp_path / "ts.mrc.mdoc", datetime(2026, 3, 29, 1, 30), each_s=600.0)
    assert not troubles_of(read_series(path))
