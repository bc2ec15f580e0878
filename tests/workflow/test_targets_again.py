"""``spacetomo targets``: targets chosen again on the maps of a session, and handed back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from space import journal, plots
from space.cli import main
from space.journal import Kind
from space.overview import read_session
from space.steps import read_record
from tests.workflow.bench import cached_grid, make_bench

NAME = "G1_L01"


@pytest.fixture(scope="module")
def set_up(tmp_path_factory, space_dir):
    """A session at level 4 with one lamella, and how to go on with it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("plot_targets", "plot_segmentation"):
            patch.setattr(plots, name, lambda *args, **about: None)
        folder = tmp_path_factory.mktemp("again") / "session"
        made = make_bench(folder, space_dir, patch, cached_grid(("good",), 11))
        made.place_lamellae()
        result = made.run(4)
        assert result.ok, result.error
        yield made


@pytest.fixture
def copy(set_up, tmp_path) -> Path:
    """A copy of that session, for what changes it."""
    return Path(shutil.copytree(set_up.directory, tmp_path / "session"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def again(folder: Path, space_dir: Path, capsys, *options: str, code: int = 0) -> dict:
    """Run the command; return what it says of the only lamella."""
    fixed = ["--space-dir", str(space_dir), "--out", str(folder.parent / "out"), "--json"]
    assert main(["targets", str(folder), *fixed, *options]) == code
    (row,) = json.loads(capsys.readouterr().out)["lamellae"]
    return row


def test_the_overview_of_a_session_as_it_was_made(set_up):
    (grid,) = read_session(set_up.directory).grids
    (lamella,) = grid.lamellae
    assert (grid.name, grid.slot, grid.state, grid.problems) == ("G1", "1", "done", ())
    assert (lamella.state, lamella.segmentation, lamella.reason) == ("ready", "done", "")
    assert lamella.left_to_acquire == len(lamella.areas) > 0 and not lamella.series
    assert lamella.map_file == set_up.directory / f"{NAME}.mrc"
    assert lamella.position_um == pytest.approx(set_up.grid.lamellae[0].center_um, abs=3)


def test_the_same_settings_choose_the_same_targets(set_up, space_dir, capsys, tmp_path):
    before = contents(set_up.directory)
    fixed = ["--space-dir", str(space_dir), "--out", str(tmp_path)]
    assert main(["targets", str(set_up.directory), *fixed]) == 0
    said = capsys.readouterr().out
    assert "G1 L01" in said and f"Pictures: {tmp_path}" in said
    assert main(["targets", str(set_up.directory), *fixed, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["lamellae"]
    assert row["targets"] == row["targets_before"] > 0
    assert row["score"] == pytest.approx(row["score_before"], abs=0.01)
    assert row["score_before_by_new_settings"] == pytest.approx(row["score"], abs=0.05)
    assert contents(set_up.directory) == before


def test_other_settings_are_held_against_what_was(copy, space_dir, capsys):
    row = again(copy, space_dir, capsys, "--set", "max_targets=1", "--lamella", "l01")
    assert (row["targets"], row["failed"]) == (1, False) and row["targets_before"] > 1
    assert row["score"] < row["score_before"]
    assert Path(row["picture"]).name == f"{NAME}_mitos_targets.png"
    row = again(copy, space_dir, capsys, "--set", "target_list=['nucleus']")
    # By the new settings the old targets, chosen on mitochondria, are worth less than the new ones.
    assert row["score_before_by_new_settings"] <= row["score"] + 0.01


def test_what_is_handed_back_is_set_up_by_the_next_run(set_up, space_dir, capsys, tmp_path):
    kept = contents(set_up.directory)
    targets = set_up.directory / f"{NAME}_tgts.txt"
    row = again(set_up.directory, space_dir, capsys, "--set", "max_targets=2", "--write")
    assert "handed back" in row["remark"] and not targets.exists()
    assert (set_up.directory / f"{NAME}_tgts_earlier.txt").read_bytes() == kept[targets.name]
    choice = json.loads((set_up.directory / f"{NAME}_choice.json").read_text("utf-8"))
    points = [(one["row"], one["column"]) for area in choice["areas"] for one in area["targets"]]
    assert choice["take"] == "all" and len(points) == 2
    result = set_up.run(4, max_targets=2)
    assert result.ok, result.error
    now = json.loads((set_up.directory / f"{NAME}_choice.json").read_text("utf-8"))
    assert points == [
        (one["row"], one["column"]) for area in now["areas"] for one in area["targets"]
    ]
    assert targets.read_text("utf-8").count("_tgt = ") == 2
    # What was handed back counts as given by a person from then on.
    row = again(set_up.directory, space_dir, capsys, "--set", "max_targets=1")
    assert row["targets"] == 2 and "--ignore-edits" in row["remark"]
    options = ("--set", "max_targets=1", "--ignore-edits")
    assert again(set_up.directory, space_dir, capsys, *options)["targets"] == 1


@pytest.mark.parametrize("evidence", [f"{NAME}_tgts_run01.txt", f"{NAME}_ts_001.mrc"])
def test_a_lamella_that_was_begun_stays_as_it_is(copy, space_dir, capsys, evidence):
    (copy / evidence).write_bytes((copy / f"{NAME}_tgts.txt").read_bytes())
    before = contents(copy)
    options = ("--set", "max_targets=1", "--write", "--acquisition-ended")
    row = again(copy, space_dir, capsys, *options)
    assert row["remark"] == "begun: its targets stay as they are"
    assert contents(copy) == before


def test_pacetomo_that_begins_in_that_moment_keeps_its_targets_file(
    copy, space_dir, capsys, monkeypatch
):
    from space.steps import rechoose

    real = rechoose.move_aside

    def begun_meanwhile(path):
        (copy / f"{NAME}_tgts_run01.txt").write_text("_spos = 0,0\n", encoding="utf-8")
        return real(path)

    monkeypatch.setattr(rechoose, "move_aside", begun_meanwhile)
    before = contents(copy)
    row = again(copy, space_dir, capsys, "--set", "max_targets=1", "--write", code=2)
    assert row["failed"] and "PACEtomo has begun" in row["remark"]
    (copy / f"{NAME}_tgts_run01.txt").unlink()
    assert contents(copy) == before


def test_nothing_is_written_while_items_are_acquired(copy, space_dir, capsys):
    journal.note(copy, Kind.ACQUISITION_STARTED, "G1", items=1)
    before = contents(copy)
    options = ["--space-dir", str(space_dir), "--out", str(copy.parent / "out"), "--write"]
    assert main(["targets", str(copy), *options]) == 2
    assert "--acquisition-ended" in capsys.readouterr().err and contents(copy) == before
    assert main(["targets", str(copy), *options, "--acquisition-ended"]) == 0
    assert not (copy / f"{NAME}_tgts.txt").exists()


def test_the_optics_of_record_are_noted_or_asked_for(copy, space_dir, capsys):
    path = copy / f"{NAME}_choice.json"
    record = read_record(path)
    assert record is not None and record.beam_diameter_um > 0
    values = json.loads(path.read_text("utf-8"))
    for odd in (None, {}, {**values["record"], "field_um": [1, "x"]}, [1]):
        path.write_text(json.dumps({**values, "record": odd}), encoding="utf-8")
        assert read_record(path) is None
    del values["record"]
    path.write_text(json.dumps(values), encoding="utf-8")
    row = again(copy, space_dir, capsys, code=2)
    assert "--record-field-um" in row["remark"]
    field = [str(side) for side in record.field_um]
    given = ("--record-field-um", *field, "--record-rotation", str(record.rotation_deg))
    beam = ("--set", f"beam_diameter={record.beam_diameter_um}")
    row = again(copy, space_dir, capsys, *given, *beam)
    assert row["targets"] == row["targets_before"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "grid_list=[2]"), "changes no targets"),
        (("--set", "max_targets"), "is not NAME=VALUE"),
        (("--set", "target_list=['gold']"), "does not know"),
        (("--set", "tolerance=7"), "out of range"),
        (("--lamella", "L07"), "There is no L07 in this session"),
        (("--grid", "G9"), "There is no lamella to visit on grid G9"),
        (("--out", "INSIDE"), "into the session"),
    ],
)
def test_what_makes_no_sense_is_refused(copy, space_dir, capsys, options, words):
    options = [str(copy / "x") if option == "INSIDE" else option for option in options]
    before = contents(copy)
    assert main(["targets", str(copy), "--space-dir", str(space_dir), *options]) == 2
    assert words in capsys.readouterr().err and contents(copy) == before
