"""A targets file that was cut off is told from a whole, an edited and an intended empty one."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from space import pacetomo
from space.steps import target_facts
from space.steps.session import GridSession

FILE = pacetomo.TargetsFile(
    tuple(
        pacetomo.Target(f"G1_L01_ts_{n:03d}.mrc", (n - 1.0, 0.0), (n, 2.0), f"v{n}.mrc", score=0.5)
        for n in (1, 2, 3)
    ),
    tuple(pacetomo.GeoPoint((x, 1.0)) for x in (1.0, 2.0, 3.0)),
    (pacetomo.MEASURE_GEOMETRY,),
)
BARE = pacetomo.render(FILE)
TEXT = BARE + pacetomo.END
ADDED = "_tgt = 004\ntsfile = G1_L01_ts_004.mrc\nSSX = 3\nSSY = 0\nskip = False\n\n"


@pytest.fixture
def lamella(tmp_path, monkeypatch):
    """A lamella with a choice of three targets, whose targets file can be given."""
    session = GridSession(None, None, tmp_path, tmp_path, "G1")
    choice = target_facts.choice_path(session, 1)
    items = {"G1_L01_tgts.txt"}
    monkeypatch.setattr(
        target_facts.navigator, "map_with_note", lambda note: note if note in items else None
    )

    def write(content, targets=3):
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        session.targets_file(1).write_bytes(data)
        area = {"targets": [{}] * targets, "geometry_points": [{}] * len(FILE.geo_points)}
        areas = [area] if targets else []
        choice.write_text(json.dumps({"areas": areas}), encoding="utf-8")
        return session

    return SimpleNamespace(write=write, session=session, choice=choice, items=items)


def test_pacetomo_passes_over_the_end_mark():
    assert pacetomo.END.startswith(" ") and pacetomo.parse(TEXT) == FILE


def test_a_targets_file_cut_anywhere_is_not_a_set_up(lamella):
    for length in range(len(TEXT) - 1):  # without the last line feed all is there
        session = lamella.write(TEXT[:length])
        whole = TEXT[:length].rstrip().endswith(pacetomo.END.strip()) or TEXT[:length] == BARE
        assert target_facts.is_set_up(session, 1) is whole, TEXT[:length][-40:]


@pytest.mark.parametrize(
    ("content", "targets", "set_up"),
    [
        (TEXT, 3, True),
        (TEXT.replace("\n", "\r\n"), 3, True),
        (TEXT.rstrip("\n"), 3, True),
        (BARE, 3, True),  # by an earlier version
        (TEXT.replace("_tgt = 003", " a remark\n_tgt = 003"), 3, True),
        (TEXT[: TEXT.index("_tgt = 003")] + pacetomo.END, 3, True),  # a person left one out
        (TEXT.replace("tsfile = G1_L01_ts_003.mrc", "tsfile ="), 3, True),  # theirs to mend
        (TEXT[: TEXT.index("_tgt = 003")], 3, False),
        # PACEtomo's script for targets writes the file anew, or adds to its end.
        (BARE.replace("_geo = 1", f"{ADDED}_geo = 1"), 3, True),
        (BARE[: BARE.index("_tgt = 003")] + BARE[BARE.index("_geo = 1") :], 3, True),
        (TEXT + ADDED, 3, True),
        (TEXT[: TEXT.index("_geo = 1")] + "_geo = 1\nSSX = 1\n", 3, False),
        (b"\0" * len(TEXT), 3, False),
        ("", 3, False),
        ("\n", 3, False),
        ("", 0, True),  # there is no target
    ],
)
def test_whole_edited_empty_and_cut_files(lamella, content, targets, set_up):
    assert target_facts.is_set_up(lamella.write(content, targets), 1) is set_up


def test_an_empty_file_without_a_choice_that_says_so_is_none(lamella):
    session = lamella.write("", 0)
    assert target_facts.has_no_targets(session, 1)
    for damaged in ("", "{", '{"areas": [{"targets": [{}]}]}'):
        lamella.choice.write_text(damaged, encoding="utf-8")
        assert not target_facts.has_no_targets(session, 1)
        assert not target_facts.is_set_up(session, 1)
    lamella.choice.unlink()
    assert not target_facts.is_set_up(session, 1)


def test_a_cut_file_of_a_further_area_is_noticed_and_one_of_another_lamella_is_not(lamella):
    session = lamella.write(TEXT)
    (session.directory / "G1_L011_tgts.txt").write_text("_tgt", encoding="utf-8")
    (session.directory / "G1_L01_area2_tgts_earlier.txt").write_text("_tgt", encoding="utf-8")
    assert target_facts.is_set_up(session, 1)
    (session.directory / "G1_L01_area2_tgts.txt").write_text("_tgt", encoding="utf-8")
    assert not target_facts.is_set_up(session, 1)
    assert [path.name for path in target_facts.cut_files(session, 1)] == ["G1_L01_area2_tgts.txt"]


def test_what_pacetomo_has_begun_is_never_set_up_again_by_itself(lamella):
    session = lamella.write(TEXT[:100])
    lamella.items.clear()
    assert not target_facts.is_set_up(session, 1)
    (session.directory / "G1_L01_ts_001.mrc").write_bytes(b"")
    assert target_facts.is_set_up(session, 1)
    assert target_facts.cut_files(session, 1) == [session.targets_file(1)]
    session.targets_file(1).unlink()  # as a person does who wants targets chosen anew
    assert not target_facts.is_set_up(session, 1)
