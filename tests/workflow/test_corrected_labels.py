"""Labels that a person has corrected: targets are chosen on them, once, unless it is too late."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from space import labelling, review
from space.cli import main
from space.images import read_png, write_png
from space.labelling import Shape, Stroke
from space.review import Edit, Kind
from space.simulator.specimen import LABEL
from space.steps import GridOnDisk, GridSession, correcting, scene_on_disk
from space.steps import look_at_review as look
from space.steps.review_scene import labels_stamp
from tests.workflow import test_review as asking
from tests.workflow.bench import cached_grid, make_bench, without_lamella_pictures
from tests.workflow.test_review import Died, answers, ask, within

__all__ = ["within"]

NAME = "G1_L01"
LABELS = 2


@pytest.fixture(scope="module")
def set_up(tmp_path_factory, space_dir):
    """A session at level 4 with one lamella, and how to go on with it."""
    with pytest.MonkeyPatch.context() as patch:
        without_lamella_pictures(patch)
        folder = tmp_path_factory.mktemp("labels") / "session"
        made = make_bench(folder, space_dir, patch, cached_grid(("good",), 11))
        made.place_lamellae()
        result = made.run(4)
        assert result.ok, result.error
        yield made


def chosen(folder: Path) -> list[tuple[float, float]]:
    values = json.loads((folder / f"{NAME}_choice.json").read_text("utf-8"))
    return [(one["row"], one["column"]) for area in values["areas"] for one in area["targets"]]


def correct(folder: Path, *strokes: Stroke, name: str = NAME) -> labelling.Correction:
    """Save strokes, after those that are there, as the page does."""
    segmentation = folder / f"{name}_seg.png"
    before = labelling.read_correction(segmentation)
    earlier, revision = (before.strokes, before.revision) if before else ((), 0)
    of = labelling.hash_of(segmentation)
    return labelling.save_correction(segmentation, (*earlier, *strokes), LABEL, of, revision)


def use_labels(folder: Path, number: int = 1, id_: str = "labels") -> Edit:
    scene = scene_on_disk(GridOnDisk(folder, folder, "G1"))
    return Edit(id_, Kind.LABELS, scene.lamellae[number].labels, number=number)


def away_px(point, places) -> float:
    return float(min(np.hypot(*(np.array(place) - point)) for place in places))


def test_targets_move_away_from_what_a_person_says_is_none(set_up, space_dir, capsys, tmp_path):
    """The run sets the lamella up anew; what was chosen by hand, too, since this is asked later."""
    folder = set_up.directory
    path = folder / f"{NAME}_choice.json"
    path.write_text(path.read_text("utf-8").replace('"take": "nothing"', '"take": "all"'))
    before = chosen(folder)
    first, model = before[0], (folder / f"{NAME}_seg.png").read_bytes()
    labels, _ = read_png(folder / f"{NAME}_seg.png")
    assert labels[int(first[0]), int(first[1])] == LABEL["mitos"]
    correct(folder, Stroke(Shape.FILL, "lamella", (first,)),
            Stroke(Shape.BRUSH, "lamella", (first,), 80.0))  # fmt: skip

    # Chosen again without a microscope, at once, and nothing is written.
    copy = Path(shutil.copytree(folder, tmp_path / "session"))
    fixed = ["--space-dir", str(space_dir), "--out", str(tmp_path / "out"), "--json", "--write"]
    assert main(["targets", str(copy), *fixed, "--ignore-edits"]) == 0
    capsys.readouterr()
    assert away_px(first, chosen(copy)) > 60

    ask(GridOnDisk(folder, folder, "G1"), use_labels(folder))
    result = set_up.run(4)
    assert result.ok, result.error
    told = answers(set_up)["labels"]
    assert told == ("applied: The targets of lamella 1 are chosen anew on its labels as a person "
                    "has corrected them.")  # fmt: skip
    assert chosen(folder) == chosen(copy) and away_px(first, chosen(folder)) > 60
    assert json.loads(path.read_text("utf-8"))["take"] == "nothing"
    targets = (folder / f"{NAME}_tgts.txt").read_text("utf-8")
    assert targets.count("_tgt = ") >= len(chosen(folder))
    assert [item.note for item in set_up.items() if item.acquire] == [f"{NAME}_tgts.txt"]
    assert (folder / f"{NAME}_seg.png").read_bytes() == model

    # Of a segmentation that was made again nothing is taken, in words.
    info = read_png(folder / f"{NAME}_seg.png")[1]
    about = {key: info[key] for key in ("labels", "map", "model_hash") if key in info}
    asked = use_labels(folder, id_="stale")
    labels[:3, :3] = LABEL["ice"]
    write_png(folder / f"{NAME}_seg.png", labels, info["pixel_nm"], info["source"], **about)
    ask(GridOnDisk(folder, folder, "G1"), asked)
    (folder / f"{NAME}_tgts.txt").unlink()
    assert set_up.run(4).ok
    assert "labels of lamella 1 are not as the page showed them" in answers(set_up)["stale"]
    assert "is of another segmentation" in set_up.log()
    assert away_px(first, chosen(folder)) < 5


def test_a_run_that_ends_at_any_command_does_it_in_the_next(within, monkeypatch):
    death = asking.Death()
    for owner, name in (*asking.COMMANDS, (correcting, "take_no_more_than_fixed")):
        monkeypatch.setattr(owner, name, death.comes_at(getattr(owner, name)))

    def begin(session: GridSession) -> Edit:
        death.left = 0
        asking.begin(session)
        asking.given_targets(session, LABELS)
        write_png(session.directory / "G1_L02_seg.png", np.zeros((90, 120), np.uint8), 16.0, "m")
        correct(session.directory, Stroke(Shape.BRUSH, "mitos", ((9.0, 9.0),), 3.0), name="G1_L02")
        return use_labels(session.directory, LABELS)

    def outcome(session: GridSession) -> tuple[object, ...]:
        choice = json.loads((session.directory / "G1_L02_choice.json").read_text("utf-8"))
        return (choice["take"], *asking.state_of(session))

    def dies_at(session: GridSession, command: int) -> bool:
        ask(session, begin(session))
        death.left = command
        try:
            look(session)
        except Died:
            death.left = 0
            return True
        return False

    def check(session: GridSession) -> None:
        assert not dies_at(session, 0)
        expected, command = outcome(session), 1
        assert expected[0] == "nothing" and not session.targets_file(LABELS).exists()
        while dies_at(session, command):
            assert look(session), (command, answers(session))
            assert answers(session)["labels"].startswith("applied"), command
            assert outcome(session) == expected, command
            assert not look(session)
            command += 1
        assert command > 4

    within(check)


def test_what_is_fixed_stays_and_what_was_exposed_is_refused(within):
    def check(session: GridSession) -> None:
        folder = session.directory
        asking.given_targets(session, LABELS)
        path = folder / "G1_L02_choice.json"
        values = json.loads(path.read_text("utf-8"))
        values["areas"][0]["targets"].append({"row": 10, "column": 20, "fixed": True})
        path.write_text(json.dumps(values), encoding="utf-8")
        ask(session, replace(use_labels(folder, LABELS), of="", id="none"))
        assert not look(session)
        assert "is not segmented" in answers(session)["none"]
        write_png(folder / "G1_L02_seg.png", np.zeros((90, 120), np.uint8), 16.0, "m")
        ask(session, use_labels(folder, LABELS))
        assert look(session)
        assert answers(session)["labels"] == (
            "applied: The targets of lamella 2 are chosen anew on its labels as the model found "
            "them; the fixed targets stay."
        )
        assert json.loads(path.read_text("utf-8"))["take"] == "fixed"
        asking.given_targets(session, LABELS)
        (folder / "G1_L02_ts_001.mrc").write_bytes(b"a tilt series")
        before = asking.state_of(session), path.read_bytes()
        ask(session, use_labels(folder, LABELS, "late"))
        assert not look(session)
        assert "would be exposed again" in answers(session)["late"]
        path.write_text("{", encoding="utf-8")
        assert (asking.state_of(session), b"{") == (before[0], path.read_bytes())
        # A choice that nobody understands is left to the person.
        (folder / "G1_L02_ts_001.mrc").unlink()
        ask(session, use_labels(folder, LABELS, "broken"))
        assert not look(session)
        assert "choice of targets cannot be changed" in answers(session)["broken"]
        assert session.targets_file(LABELS).is_file()

    within(check)


def test_a_lamella_without_a_map_has_no_labels_yet(within):
    def check(session: GridSession) -> None:
        ask(session, replace(use_labels(session.directory, 1), of="x"))
        assert not look(session)
        assert "has no map yet" in answers(session)["labels"]

    within(check)


def test_stamps_of_labels_are_those_of_what_counts(tmp_path):
    files = GridOnDisk(tmp_path, tmp_path, "G1")
    assert labels_stamp(files, 1) == ""
    write_png(tmp_path / f"{NAME}_seg.png", np.zeros((90, 120), np.uint8), 16.0, "m")
    model = labels_stamp(files, 1)
    correct(tmp_path, Stroke(Shape.BRUSH, "mitos", ((9.0, 9.0),), 3.0))
    corrected = labels_stamp(files, 1)
    assert len({model, corrected, ""}) == 3 and review.choice_stamp(b"") not in (model, corrected)
    write_png(tmp_path / f"{NAME}_seg.png", np.ones((90, 120), np.uint8), 16.0, "m")
    assert labels_stamp(files, 1) not in (model, corrected)
