"""Maps of lamellae that are taken again, as the setting or a mark in the Navigator asks."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import SimpleNamespace

import pytest

from space.errors import SpaceError
from space.lamellae import Mark
from space.microscope import montage
from space.settings import Settings
from space.steps import retake
from space.steps.session import GridSession


def contents(session, stem: str) -> dict[str, bytes]:
    """What is there of a lamella, without logs."""
    paths = [*session.directory.glob(f"{stem}.*"), *session.directory.glob(f"{stem}_*")]
    return {path.name: path.read_bytes() for path in paths if path.suffix != ".log"}


def items(session) -> Counter:
    return Counter((item.label, item.note, bool(item.acquire)) for item in session.items())


def note_of(session, label: str) -> str:
    (note,) = {item.note for item in session.items() if item.label == label}
    return note


def change_note(session, label: str, note: str) -> None:
    index = 1 + [item.label for item in session.items()].index(label)
    session.do(f"sem.ChangeItemNote({index}, {note!r})", "sem.SaveNavigator()")


def own_name(name: str) -> str:
    return re.sub(r"_earlier(_\d+)?", "", name)


def is_kept(before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    """Whether the content of each file is still there, under its own or an earlier name."""
    there = {(own_name(name), content) for name, content in after.items()}
    return {(own_name(name), content) for name, content in before.items()} <= there


def test_a_map_is_taken_again_once_for_each_word_and_each_mark(bench):
    session = bench(("good", "good"))
    session.place_lamellae()
    assert session.run(4).ok
    first, other, table = contents(session, "G1_L02"), contents(session, "G1_L01"), items(session)
    assert len(first) > 8 and sum(item.acquire for item in session.items()) >= 2
    exposures = session.count_exposures()

    result = session.run(4, reacquire=["g1_l2", "L07"])
    assert result.ok, result.error
    assert "ERROR" not in session.log(), session.log()
    second = contents(session, "G1_L02")
    assert session.count_exposures() > exposures
    assert is_kept(first, second)
    for name in ("", "_seg", "_choice", "_tgts", "_tgt_001_view"):
        ending = next(
            end for end in (".mrc", ".png", ".json", ".txt") if f"G1_L02{name}{end}" in first
        )
        assert second[f"G1_L02{name}_earlier{ending}"] == first[f"G1_L02{name}{ending}"], name
    assert second["G1_L02_earlier.mrc.mdoc"] == first["G1_L02.mrc.mdoc"]
    assert second["G1_L02.mrc"] != first["G1_L02.mrc"]
    assert session.worker.done.count("G1_L02.png") == 2
    assert contents(session, "G1_L01") == other
    assert {note for _, note, _ in items(session)} >= {"G1_L02.mrc", "G1_L02_tgts.txt"}
    assert Counter(
        label for label, note, _ in items(session).elements() if note == "G1_L02.mrc"
    ) == {"L02": 1}
    assert {note for _, note, on in items(session) if on} == {note for _, note, on in table if on}
    assert "no lamella 7 to visit. Its lamellae: 1, 2." in session.log()

    # Done is a fact on disk: the setting may stay.
    exposures = session.count_exposures()
    assert session.run(4, reacquire=["L02"]).ok
    assert session.count_exposures() == exposures and contents(session, "G1_L02") == second
    assert 'write "L02 again"' in session.log()

    # A mark in the Navigator does the same, and is taken away.
    note = note_of(session, "FL2")
    change_note(session, "FL2", f"{note} again")
    assert session.run(2, reacquire=["L02"]).ok
    third = contents(session, "G1_L02")
    assert note_of(session, "FL2") == note
    assert is_kept(second, third) and "G1_L02_earlier_2.mrc" in third
    assert "G1_L02_tgts.txt" not in third and "G1_L02_seg.png" not in third


@pytest.mark.parametrize("evidence", ["G1_L01_tgts_run01.txt", "G1_L01_set2_ts_001.mrc"])
def test_what_was_exposed_is_not_taken_again(bench, evidence):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    (session.directory / "G1_L01_tgts.txt").write_text("_tgt = 001\n", encoding="utf-8")
    (session.directory / evidence).write_bytes(b"")
    before, exposures = contents(session, "G1_L01"), session.count_exposures()
    change_note(session, "FL1", f"{note_of(session, 'FL1')} again")
    assert session.run(2, reacquire=["L01"]).ok
    assert contents(session, "G1_L01") == before and session.count_exposures() == exposures
    assert "not taken again, as asked by reacquire" in session.log()
    assert note_of(session, "FL1").endswith(" again")


@pytest.mark.parametrize("moment", ["half aside", "aside", "noted"])
def test_an_interrupted_retake_is_finished(bench, monkeypatch, moment):
    session = bench()
    session.place_lamellae()
    assert session.run(2).ok
    before = contents(session, "G1_L01")

    def fails(*args, **about):
        raise SpaceError("The power went off.")

    place, name = {
        "half aside": ("space.steps.earlier._move_with_notes", None),
        "aside": ("space.steps.retake._save", None),
        "noted": (None, "collect_here"),
    }[moment]
    with monkeypatch.context() as patch:
        if place:
            patch.setattr(place, fails)
        else:
            patch.setattr(montage, name, fails)
        session.run(2, reacquire=["L01"])
    assert "The power went off" in session.log()
    assert session.run(2, reacquire=["L01"]).ok
    after = contents(session, "G1_L01")
    assert is_kept(before, after) and set(before) <= set(after)
    assert "G1_L01_earlier.mrc" in after and "G1_L01_earlier_2.mrc" not in after
    exposures = session.count_exposures()
    assert session.run(2, reacquire=["L01"]).ok and session.count_exposures() == exposures


def on_disk(tmp_path, **settings) -> GridSession:
    return GridSession(Settings(**settings), SimpleNamespace(), tmp_path, tmp_path, "G1")


def test_what_is_open_is_read_from_files(tmp_path):
    marks = [Mark("FL", 1), Mark("FL", 3, again=True)]
    session = on_disk(tmp_path, reacquire=("L01", "G1_L01 again", "G2_L03", "L09"))
    assert retake.wishes(session, marks) == [
        retake.Wish(1, ("L01", "L01 again")),
        retake.Wish(3, marked=True),
    ]
    session.retaken_file.write_text(json.dumps({"1": ["L01", "L01 again"]}), encoding="utf-8")
    assert retake.is_open(session, marks)
    assert not retake.is_open(session, marks[:1])
    (tmp_path / "G1_L03_area2_ts_001.mrc").write_bytes(b"")
    assert not retake.is_open(session, marks)


@pytest.mark.parametrize("text", ["", "[1]", '{"x": []}', '{"1": 2}'])
def test_a_damaged_record_retakes_nothing(tmp_path, text):
    session = on_disk(tmp_path, reacquire=("L01",))
    session.retaken_file.write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError, match="Delete this file"):
        retake.wishes(session, [Mark("FL", 1)])
