"""Maps of lamellae that are stitched anew from their pieces, without a picture."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from space.errors import SpaceError
from space.images import read_json_beside, write_json_beside
from space.journal import Kind, read
from space.settings import Settings
from space.steps import collect, restitch
from space.steps.session import GridSession

PICTURE, TARGETS = "G1_L01.png", "G1_L01_tgts.txt"


def acquired(session) -> list[str]:
    return [item.note for item in session.items() if item.acquire]


def test_a_map_is_stitched_in_another_way_and_back(bench):
    session = bench()
    session.place_lamellae()
    assert session.run(4).ok
    path = session.directory / PICTURE
    first, exposures = path.read_bytes(), session.count_exposures()
    targets = (session.directory / TARGETS).read_text(encoding="utf-8")

    result = session.run(4, restitch=["l1 Nominal", "L07 close"])
    assert result.ok, result.error
    assert session.count_exposures() == exposures
    nominal, told = path.read_bytes(), read_json_beside(path)
    assert nominal != first and told["stitched"] == "nominal" and told["made_with"]
    assert session.worker.done.count(PICTURE) == 2
    assert acquired(session) == [TARGETS]
    kept = session.directory / "G1_L01_tgts_earlier.txt"
    assert kept.read_text(encoding="utf-8") == targets
    assert "no lamella 7 to visit. Its lamellae: 1." in session.log()
    assert "ERROR" not in session.log(), session.log()

    # The setting may stay: what is so already is not done again, and later loads are the same.
    assert session.run(4, restitch=["L01 nominal"]).ok
    assert session.worker.done.count(PICTURE) == 2 and acquired(session) == [TARGETS]
    path.unlink()
    assert session.run(2).ok
    assert path.read_bytes() == nominal and read_json_beside(path)["stitched"] == "nominal"
    mapped = [event for event in read(session.directory) if event.kind is Kind.LAMELLA_MAPPED]
    assert [event.text[:21] for event in mapped[1:]] == [
        "stitched anew from it",
        "its picture was saved",
    ]

    # The pieces are those of before.
    assert session.run(2, restitch=["L01 aligned"]).ok
    assert path.read_bytes() == first
    panel = session.simulation.session.montage
    assert panel.align_pieces and panel.very_sloppy and not panel.redo_correlations
    assert session.count_exposures() == exposures


def test_an_interrupted_stitching_is_finished_and_what_was_exposed_is_left(bench, monkeypatch):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    path = session.directory / PICTURE
    first = path.read_bytes()

    def fails(*args, **about):
        raise SpaceError("The power went off.")

    with monkeypatch.context() as patch:
        patch.setattr(collect, "save_for_model", fails)
        session.run(2, restitch=["L01 nominal"])
    assert "The power went off" in session.log() and not path.exists()
    assert session.run(2).ok and path.read_bytes() == first
    assert session.run(2, restitch=["L01 nominal"]).ok
    nominal = path.read_bytes()
    assert nominal != first

    (session.directory / "G1_L01_ts_001.mrc").write_bytes(b"")
    assert session.run(2, restitch=["L01 close"]).ok
    assert path.read_bytes() == nominal
    assert "not stitched anew, as asked by restitch: its tilt series were begun" in session.log()


@pytest.fixture
def on_disk(tmp_path):
    for number in (1, 2, 3):
        (tmp_path / f"G1_L{number:02d}.png").write_bytes(b"")
    write_json_beside(tmp_path / "G1_L02.png", {"stitched": "close"})
    write_json_beside(tmp_path / "G1_L03.png", {"stitched": ["odd"]})

    def session(*restitch: str) -> GridSession:
        settings = Settings(restitch=restitch)
        return GridSession(settings, SimpleNamespace(), tmp_path, tmp_path, "G1")

    return session


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        (("L01 nominal", "g1_l02 nominal"), {1: "nominal", 2: "nominal"}),
        (("L01 aligned", "L02 close", "L04 nominal", "G2_L03 nominal"), {}),
        (("L02 close", "L02 aligned", "L03 close"), {2: "aligned", 3: "close"}),
    ],
)
def test_what_is_stitched_so_already_is_left(on_disk, entries, wanted):
    assert restitch.wishes(on_disk(*entries), (1, 2, 3, 4)) == wanted


def test_what_is_open_is_read_from_files(on_disk, tmp_path):
    session = on_disk("L01 nominal")
    assert restitch.is_open(session, (1, 2))
    (tmp_path / "G1_L01_ts_001.mrc").write_bytes(b"")
    assert not restitch.is_open(session, (1, 2))
