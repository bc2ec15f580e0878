"""What one area of a lamella has taught is used for the next ones."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from space import journal, pacetomo
from space.journal import Kind
from space.pacetomo import GeoPoint, Target, TargetsFile
from space.settings import Settings
from space.steps.session import GridSession
from space.steps.taught import teach_next_areas

POINTS = tuple(GeoPoint((float(x), 0.5)) for x in range(3))
HEAD = (pacetomo.MEASURE_GEOMETRY,)
GIVEN = (("_set", "pretilt", "9.41"), ("_set", "rotation", "-3.2"))


def write(path, name: str, points=(), head=(), end="\n") -> bytes:
    target = Target(f"{name[:-9]}_ts_001.mrc", (0.0, 0.0), (1.0, 2.0))
    text = pacetomo.render(TargetsFile((target,), points, head)) + pacetomo.END
    (path / name).write_bytes(text.replace("\n", end).encode())
    return (path / name).read_bytes()


@pytest.fixture
def session(tmp_path) -> GridSession:
    """A lamella of two areas; the first one has measured and was begun."""
    write(tmp_path, "G1_L01_tgts.txt", POINTS, HEAD)
    write(tmp_path, "G1_L01_tgts_run01.txt", POINTS, (*HEAD, *GIVEN))
    return GridSession(Settings(), SimpleNamespace(), tmp_path, tmp_path, "G1")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("points", "head"), [((), ()), (POINTS[:2], HEAD), (POINTS, ())])
def test_the_next_area_gets_what_was_measured(session, tmp_path, points, head, end):
    before = write(tmp_path, "G1_L01_area2_tgts.txt", points, head, end)
    first = (tmp_path / "G1_L01_tgts.txt").read_bytes()
    teach_next_areas(session, 1)
    path = tmp_path / "G1_L01_area2_tgts.txt"
    assert path.read_bytes().endswith(before)
    assert pacetomo.read(path).head == (*GIVEN, *head)
    assert (tmp_path / "G1_L01_tgts.txt").read_bytes() == first
    (event,) = journal.read(tmp_path)
    assert (event.kind, event.lamella, event.text) == (Kind.GEOMETRY_TAKEN_OVER, 1, path.name)
    assert event.numbers == {"pretilt_deg": 9.41, "rotation_deg": -3.2}
    once = path.read_bytes()
    teach_next_areas(session, 1)
    assert path.read_bytes() == once


@pytest.mark.parametrize(
    ("points", "head", "begun"),
    [
        (POINTS, HEAD, ""),  # it measures itself
        ((), (("_set", "pretilt", "8"),), ""),  # a person said so
        ((), (), "G1_L01_area2_tgts_run01.txt"),
        ((), (), "G1_L01_area2_ts_001.mrc"),
    ],
)
def test_others_stay_as_they_are(session, tmp_path, points, head, begun):
    before = write(tmp_path, "G1_L01_area2_tgts.txt", points, head)
    if begun:
        (tmp_path / begun).write_bytes(b"")
    teach_next_areas(session, 1)
    assert (tmp_path / "G1_L01_area2_tgts.txt").read_bytes() == before


@pytest.mark.parametrize(
    ("points", "given"),
    [
        ((), GIVEN),  # not measured: what PACEtomo was set to
        (POINTS, GIVEN[:1]),
        (POINTS, (("_set", "pretilt", "71"), GIVEN[1])),
        (POINTS, (("_set", "pretilt", "nan"), GIVEN[1])),
    ],
)
def test_what_was_not_measured_teaches_nothing(session, tmp_path, points, given):
    write(tmp_path, "G1_L01_tgts.txt", points, HEAD)
    write(tmp_path, "G1_L01_tgts_run01.txt", points, (*HEAD, *given))
    before = write(tmp_path, "G1_L01_area2_tgts.txt")
    teach_next_areas(session, 1)
    assert (tmp_path / "G1_L01_area2_tgts.txt").read_bytes() == before
