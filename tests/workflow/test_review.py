"""What a person asks in a page is done at the microscope: once, answered, or refused in words."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from space import levels, orders, review
from space.lamellae import Lamella
from space.microscope import navigator
from space.microscope.sem import serialem
from space.review import Edit, Kind, Review, Scene
from space.simulation import Bench
from space.simulator import Policy
from space.steps import (
    FilesOfGrid,
    GridOnDisk,
    GridSession,
    correcting_lamellae,
    earlier,
    lamella_list,
    scene_on_disk,
)
from space.steps import look_at_review as look
from space.steps import review as steps_review
from space.steps.lamella_list import LamellaList
from tests.page.person import Person
from tests.workflow.test_waiting_for_targets import when_told

SHAPE = (400, 500)
FRAME = {"shape": SHAPE, "stage_to_px": [[1.0, 0.0], [0.0, -1.0]], "center_stage_um": [0.0, 0.0]}
OFFSET_UM = (3.0, -2.0)
PLACES_UM = {1: (0.0, 0.0), 2: (60.0, 10.0), 3: (-50.0, 20.0)}
SIZE_UM = (16.0, 12.0)
CLASSES = ("good", "broken", "contaminated")


class Died(BaseException):
    """The script ended here."""


def points() -> dict[str, tuple[str, tuple[float, float]]]:
    """Label: note and place of all points, which all have labels of their own."""
    found = [item for item in navigator.items() if not item.is_map]
    table = {item.label: (item.note, tuple(round(v, 2) for v in item.stage_um)) for item in found}
    assert len(table) == len(found)
    return table


def begin(session: GridSession) -> None:
    """Put the session where refinement has ended: three lamellae, with nothing of them."""
    mapped = session.map_note(2)  # taking it takes long
    navigator.delete([item.index for item in navigator.items() if item.note != mapped])
    for path in session.directory.glob("G1_*"):
        if not path.name.startswith(mapped):
            path.unlink()
    (session.directory / orders.STANDING_FILE).unlink(missing_ok=True)
    lamellae = []
    for number, (x_um, y_um) in PLACES_UM.items():
        index = navigator.add_stage_point(x_um + OFFSET_UM[0], y_um + OFFSET_UM[1], 5.0)
        navigator.describe(index, f"FL{number}", "good (90%)")
        lamellae.append(Lamella(number, (x_um, y_um), SIZE_UM, "good", 0.9))
    others = (Lamella(0, (-80.0, -80.0), SIZE_UM, "broken", 0.8),)
    lamella_list.save(session.lamellae_file, LamellaList(tuple(lamellae), others, OFFSET_UM))
    session.whole_grid_png.with_suffix(".json").write_text(json.dumps({"frame": FRAME}))
    navigator.save()


@pytest.fixture
def within(bench) -> Callable[[Callable[[GridSession], None]], None]:
    """Return what calls a function in a run of the script, at the simulated microscope."""

    def call(function: Callable[[GridSession], None], **settings: object) -> None:
        problems: list[BaseException | None] = []

        def run_grid(session: GridSession, slot: int | str) -> bool:
            begin(session)
            try:
                function(session)
                problems.append(None)
            except BaseException as error:  # the run would go on with the next grid
                problems.append(error)
            return False

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(levels, "run_grid", run_grid)
            result = made.run(2, **settings)
        assert result.ok and len(problems) == 1, made.log()
        if problems[0] is not None:
            raise problems[0]

    made = bench(("good",))
    made.do("sem.OpenNavigator()", f"sem.SaveNavigator({str(made.directory / 'G1.nav')!r})")
    call.session = made  # type: ignore[attr-defined]
    return call


def scene_of(session: GridSession) -> Scene:
    """Return what a page shows."""
    return scene_on_disk(session, CLASSES, session.settings.exclude_lamella_classes)


def ask(session: FilesOfGrid, *edits: Edit) -> None:
    """Save edits as the page does, after those that are there."""
    path = review.review_path(session.directory, session.grid)
    before = review.read_review(path, session.grid) or Review(session.grid)
    review.save_review(path, replace(before, edits=(*before.edits, *edits)))


def answers(session: FilesOfGrid | Bench) -> dict[str, str]:
    found = review.read_answers(review.answers_path(session.directory, "G1"))
    return {id_: f"{answer.answer}: {answer.why}" for id_, answer in found.items()}


def edit(scene: Scene, kind: Kind, number: int = 0, **about: object) -> Edit:
    """Return what a page asks that shows this scene."""
    seen = scene.lamellae.get(number)
    of = scene.stamp if seen is None else seen.choice if kind is Kind.TARGETS else seen.stamp
    return Edit(f"{kind.value}{number}", kind, of, number=number, **about)


def edits_of_all_kinds(scene: Scene) -> dict[str, Edit]:
    add = {"center_um": (-79.0, -80.0), "box_um": (20.0, 10.0), "category": "good"}
    every = [
        edit(scene, Kind.ADD, **add),
        edit(scene, Kind.MOVE, 1, center_um=(5.0, -7.0)),
        edit(scene, Kind.RESIZE, 1, box_um=(30.0, 20.0)),
        edit(scene, Kind.CLASS, 2, category="contaminated"),
        edit(scene, Kind.CLASS, 1, category="broken"),
        edit(scene, Kind.DELETE, 3),
        edit(scene, Kind.VISIT, 2, visit=False),
        edit(scene, Kind.ORDER, numbers=(2, 1)),
        edit(scene, Kind.TARGETS, 2),
    ]
    return {one.id: one for one in every}


def state_of(session: GridSession) -> tuple[object, ...]:
    known = lamella_list.load(session.lamellae_file)
    names = sorted(p.name for p in session.directory.glob("G1_L*"))
    return points(), known, orders.read_standing(session.directory), names


def test_everything_that_is_asked_is_done_once(within):
    def check(session: GridSession) -> None:
        given_targets(session, 2)
        scene = scene_of(session)
        ask(session, *edits_of_all_kinds(scene).values())
        assert look(session)
        told = answers(session)
        assert [one.split(":")[0] for one in told.values()] == ["applied"] * 9, told
        assert told["add_lamella0"] == "applied: It is lamella 4."
        assert points() == {
            "FL1": ("broken (100%)", (8.0, -9.0)),
            "FL2": ("contaminated (100%)", (63.0, 8.0)),
            "FL4": ("good (100%)", (-76.0, -82.0)),
        }
        known = lamella_list.load(session.lamellae_file)
        facts = {one.number: (one.stage_um, one.size_um, one.category) for one in known.lamellae}
        assert facts == {
            1: ((5.0, -7.0), (30.0, 20.0), "good"),  # the note alone leaves it out
            2: ((60.0, 10.0), SIZE_UM, "contaminated"),
            3: ((-50.0, 20.0), SIZE_UM, "good"),
            4: ((-79.0, -80.0), (20.0, 10.0), "good"),
        }
        assert {one.number for one in known.lamellae if one.sized_by_hand} == {1, 4}
        sure = {one.number: one.probability for one in known.lamellae}
        assert sure == {1: 1.0, 2: 1.0, 3: 0.9, 4: 1.0}
        assert known.others == () and known.order == (2, 1) and known.offset_um == OFFSET_UM
        assert known.in_order([1, 2, 3, 4]) == [2, 1, 3, 4]
        after = scene_of(session)
        assert {n for n, one in after.lamellae.items() if one.visited} == {4}
        assert after.removed == {3} and after.lamellae[4].center_um == (-79.0, -80.0)
        assert not (session.directory / "G1_L02_tgts.txt").exists()
        assert navigator.item(navigator.items()[-1].index).z_um == 5.0  # as high as the others

        # The file may stay: nothing is done a second time, and the microscope is not even asked.
        done = state_of(session)
        before = within.session.simulation.session.clock.seconds
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(navigator, "save", None)
            assert not look(session)
        assert state_of(session) == done and answers(session) == told
        assert within.session.simulation.session.clock.seconds == before

    within(check)


def test_what_was_done_is_taken_back_on_any_page(within):
    """By one that has not asked for it: lamellae lie and count as they did before."""

    def facts(scene: Scene) -> list[tuple[object, ...]]:
        seen = scene.lamellae.values()
        return sorted((one.center_um, one.box_um, one.category, one.visited) for one in seen)

    def check(session: GridSession) -> None:
        before = scene_of(session)
        every = edits_of_all_kinds(before)
        for id_ in ("move_lamella1", "class1", "delete_lamella3", "visit2", "order0"):
            ask(session, every[id_])
        add = {"center_um": (-79.0, -80.0), "box_um": (20.0, 10.0), "category": "good"}
        ask(session, edit(before, Kind.ADD, **add))
        assert look(session) and facts(scene_of(session)) != facts(before)
        person = Person(within.session)
        for done in person.sees()["edits"]:
            person.asks(done["opposite"])
        assert look(session)
        now = scene_of(session)
        told = answers(session)
        assert {one.split(":")[0] for one in told.values()} == {"applied"}, told
        assert facts(now) == facts(before) and now.order == (1, 2, 3)
        # What is not as it was left is not offered.
        offered = [one["opposite"] for one in person.sees()["edits"]]
        assert [one is None for one in offered[:6]] == [True] * 6

    within(check)


def given_targets(session: GridSession, number: int, take: str = "all") -> None:
    """Have a lamella be set up, as far as files tell."""
    frame = {"frame": {**FRAME, "shape": (90, 120)}}
    session.map_png(number).with_suffix(".json").write_text(json.dumps(frame))
    lamella_map = session.directory / session.map_note(number)
    if navigator.map_with_note(lamella_map.name) is None or not lamella_map.is_file():
        sem = serialem()
        sem.OpenNewFile(str(lamella_map))
        sem.V()
        sem.S()
        sem.NewMap(0, lamella_map.name)
        sem.CloseFile()
    choice = {
        "format": "SPACEtomo targets 1", "take": take, "map_shape_px": [90, 120],
        "areas": [{"targets": [{"row": 40.5, "column": 50}]}],
    }  # fmt: skip
    path = session.directory / f"{session.map_stem(number)}_choice.json"
    path.write_text(json.dumps(choice))
    session.targets_file(number).write_text("_tgt = 001\n")


def as_saved(session: GridSession) -> None:
    """Have SerialEM be started again: the table is what was saved last."""
    data = session.navigator_file.read_bytes()
    serialem().CloseNavigator()
    session.navigator_file.write_bytes(data)
    serialem().ReadNavFile(str(session.navigator_file))


def edits_of_a_lamella_with_targets_and_of_one_by_hand(scene: Scene) -> dict[str, Edit]:
    every = [
        edit(scene, Kind.MOVE, 2, center_um=(65.0, 10.0)),
        edit(scene, Kind.RESIZE, 2, box_um=(30.0, 20.0)),
        edit(scene, Kind.DELETE, 2),
        edit(scene, Kind.RESIZE, 5, box_um=(9.0, 9.0)),
        edit(scene, Kind.DELETE, 5),
        edit(scene, Kind.CLASS, 5, category="broken"),
    ]
    return {one.id: one for one in every}


COMMANDS = [
    *((navigator, name) for name in ("save", "add_stage_point", "describe", "delete")),
    (lamella_list, "save"), (orders, "write_standing"), (review, "write_answers"),
    (correcting_lamellae, "put_map_aside"), (earlier, "move_aside"),
]  # fmt: skip
"""All by which something may be changed here."""


class Death:
    """Ends the script at one of the commands, when `left` more of them were begun."""

    def __init__(self) -> None:
        self.left = 0

    def comes_at(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **about: object) -> object:
            self.left -= 1
            if self.left == 0:
                raise Died
            return function(*args, **about)

        return call


@pytest.mark.parametrize(
    ("lost", "kinds"),
    [
        (True, edits_of_all_kinds),
        (True, edits_of_a_lamella_with_targets_and_of_one_by_hand),
        (False, edits_of_a_lamella_with_targets_and_of_one_by_hand),
    ],
)
def test_a_run_that_ends_at_any_command_does_it_once_in_the_next(within, monkeypatch, lost, kinds):
    """With SerialEM going on, or ended, too: its table is then what was saved last."""
    death = Death()
    for owner, name in COMMANDS:
        monkeypatch.setattr(owner, name, death.comes_at(getattr(owner, name)))

    def begin_with(session: GridSession) -> dict[str, Edit]:
        death.left = 0
        begin(session)
        navigator.describe(navigator.add_stage_point(90.0, 90.0, 5.0), label="FL5")
        navigator.save()
        given_targets(session, 2)
        return kinds(scene_of(session))

    def outcome(session: GridSession) -> tuple[object, ...]:
        strays = [item for item in navigator.items() if not item.label.startswith("FL")]
        navigator.delete([item.index for item in strays if not item.is_map])  # not named yet
        return state_of(session)

    def dies_at(session: GridSession, asked: Edit, command: int) -> bool:
        ask(session, asked)
        death.left = command
        try:
            look(session)
        except Died:
            death.left = 0
            if lost:
                as_saved(session)
            return True
        return False

    def check(session: GridSession) -> None:
        for id_, asked in begin_with(session).items():
            command = 1
            begin_with(session)
            assert not dies_at(session, asked, 0)
            expected = outcome(session)
            begin_with(session)
            while dies_at(session, asked, command):
                assert look(session), (id_, command, answers(session))
                assert answers(session)[id_].startswith("applied"), (id_, command)
                assert outcome(session) == expected, (id_, command)
                assert not look(session)
                command += 1
                begin_with(session)
            assert command > 3, id_

    within(check)


def test_what_is_refused_says_why_and_changes_nothing(within):
    def check(session: GridSession) -> None:
        given_targets(session, 2)
        (session.directory / "G1_L03_ts_001.mrc").write_bytes(b"a tilt series")
        scene = scene_of(session)
        add = {"center_um": (0.0, 100.0), "box_um": SIZE_UM, "category": "good"}
        asked = {
            "Tilt series of lamella 3 were begun": edit(
                scene, Kind.MOVE, 3, center_um=(-50.0, 90.0)
            ),
            "lies outside the map": edit(scene, Kind.ADD, **{**add, "center_um": (260.0, 0.0)}),
            "There is no class 'gold'": edit(scene, Kind.ADD, **{**add, "category": "gold"}),
            "class broken are left out": edit(scene, Kind.ADD, **{**add, "category": "broken"}),
            "um from lamella 1": edit(scene, Kind.ADD, **{**add, "center_um": (4.0, 0.0)}),
            "has no lamella 9": replace(edit(scene, Kind.DELETE, 1), number=9),
            "not as the page showed it": replace(edit(scene, Kind.DELETE, 1), of="0123"),
            "written anew since": replace(edit(scene, Kind.TARGETS, 2), of="0123"),
        }
        path = session.directory / "G1_L02_choice.json"
        edits = [replace(one, id=str(n)) for n, one in enumerate(asked.values())]
        ask(session, *edits)
        before = state_of(session)
        done = look(session)
        told = answers(session)
        assert not done, told
        for words, answer in zip(asked, told.values()):
            assert answer.startswith("refused: ") and words in answer, (words, answer)
        # A choice that nobody understands puts no targets aside.
        path.write_text(path.read_text().replace('"row": 40.5', '"row": 400'))
        ask(session, replace(edit(scene_of(session), Kind.TARGETS, 2), id="c"))
        assert not look(session)
        assert "row is 400. Allowed: a number from 0 to 90" in answers(session)["c"]
        assert state_of(session) == before

    within(check)


def test_a_file_that_nobody_understands_is_warned_of_once(within):
    def check(session: GridSession) -> None:
        path = review.review_path(session.directory, "G1")
        ask(session, edit(scene_of(session), Kind.DELETE, 1))
        good, before = path.read_bytes(), points()
        newer, others = good.replace(b"review 1", b"review 2"), good.replace(b'"G1"', b'"G2"')
        odd = (good[:-10], b"x" * 1_100_000, b"[]", b"\x00\xff", b"[" * 90_000, newer, others)
        for data in odd:
            path.write_bytes(data)
            for _ in range(3):
                assert not look(session)
        assert points() == before
        path.write_bytes(good)
        answered = review.answers_path(session.directory, "G1")
        answered.write_text("{}")  # what was done is not known: nothing is done twice
        assert not look(session) and points() == before
        answered.unlink()
        assert look(session) and len(points()) == 2

    within(check)
    log = within.session.log()
    assert log.count("Nothing that was asked in the page is taken") == 7
    assert log.count('its format is not "SPACEtomo review 1"') == 2
    assert log.count("it is of grid 'G2', not G1") == 1
    assert log.count("Nothing that is asked there is done") == 1


def test_what_is_odd_costs_only_itself(within):
    """A newer page's edit, a clock that is off by years, a renamed lamella, another grid."""

    def check(session: GridSession) -> None:
        scene, path = scene_of(session), review.review_path(session.directory, "G1")
        other = review.review_path(session.directory, "G2")
        ask(session, *(edit(scene, Kind.CLASS, number, category="broken") for number in (1, 2)))
        values = json.loads(path.read_text("utf-8"))
        other.write_text(json.dumps({**values, "grid": "G2"}), encoding="utf-8")
        values["edits"].insert(0, {**values["edits"][0], "id": "new", "kind": "paint"})
        values["edits"][1]["at"] = "2099-01-01T00:00:00"
        path.write_text(json.dumps(values), encoding="utf-8")
        os.utime(path, (1e9, 1e9))
        renamed = next(item for item in navigator.items() if item.label == "FL2")
        navigator.describe(renamed.index, label="FL9")
        assert look(session)
        told = answers(session)
        assert told["new"].startswith("refused: 'paint' is no kind of edit (add_lamella, move_")
        assert told["class1"] == "applied: Lamella 1 is of this class, and left out."
        assert told["class2"] == "refused: Lamella 2 was removed: there is nothing to change."
        notes = {label: note for label, (note, _) in points().items()}
        assert notes == {"FL1": "broken (100%)", "FL9": "good (90%)", "FL3": "good (90%)"}
        assert not review.answers_path(session.directory, "G2").exists()

    within(check)


def test_what_cannot_be_answered_is_not_done_until_it_can(within):
    """As in a folder in which the run may not write: else it would be done at each look."""

    def check(session: GridSession) -> None:
        ask(session, edit(scene_of(session), Kind.DELETE, 1))
        for may_be_written in (0, 1):  # before it is done, and after that
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(review, "write_answers", writable(may_be_written))
                for _ in range(3):
                    assert not look(session)
            assert len(points()) == 3 - may_be_written
            assert answers(session) == ({"delete_lamella1": BEGUN} if may_be_written else {})
        assert look(session) and answers(session) == {"delete_lamella1": "applied: " + GONE}

    GONE, BEGUN = "Lamella 1 is removed.", "waits: It is being done."
    within(check)
    assert within.session.log().count("cannot be answered, and is not done") == 1


def writable(times: int) -> Callable[..., None]:
    """Return what writes answers so many times, and then finds that it may not."""
    left = [review.write_answers] * times

    def write_answers(*about: Any) -> None:
        if not left:
            raise PermissionError("in use by a scanner")
        left.pop()(*about)

    return write_answers


def test_what_cannot_be_seen_for_a_while_is_done_later(within):
    """A folder in the network that is away, and files that cannot be read, written or renamed."""

    def check(session: GridSession) -> None:
        def away(*about: object, **more: object) -> None:
            raise OSError(errno.ESTALE, "the server does not answer")

        given_targets(session, 2)
        scene = scene_of(session)
        new = {"center_um": (-79.0, 80.0), "box_um": (20.0, 10.0), "category": "good"}
        for owner, name, instead, one in (
            (os.path, "isdir", lambda path: False, edit(scene, Kind.ADD, **new)),
            (lamella_list, "save", away, edit(scene, Kind.RESIZE, 3, box_um=(9.0, 9.0))),
            (steps_review, "scene_on_disk", away, edit(scene, Kind.TARGETS, 2)),
            (
                correcting_lamellae,
                "put_map_aside",
                away,
                edit(scene, Kind.MOVE, 2, center_um=(65.0, 9.0)),
            ),
        ):
            ask(session, one)
            before = points()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(owner, name, instead)
                for _ in range(3):
                    assert not look(session)
            told = answers(session)[one.id]
            assert told.startswith("waits: ") and "answer" in told, told
            assert points() == before
            assert look(session) and answers(session)[one.id].startswith("applied: ")

    within(check)
    assert "is a mistake" not in within.session.log()


def test_a_file_that_cannot_be_read_for_a_while_ends_no_run(within):
    def check(session: GridSession) -> None:
        path = review.review_path(session.directory, "G1")
        ask(session, edit(scene_of(session), Kind.DELETE, 1))
        stat = os.stat

        def away(name: Any, *args: Any, **about: Any) -> os.stat_result:
            if str(name) == str(path):
                raise OSError(errno.ESTALE, "the server does not answer")
            return stat(name, *args, **about)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "stat", away)
            patch.setattr(review.review_file, "read_bytes_bounded", lambda *about: away(path))
            for _ in range(3):
                assert not look(session) and not steps_review.approval(session).lamellae_approved
        assert look(session) and len(points()) == 2

    within(check)
    assert within.session.log().count("cannot be read (the server does not answer)") == 1


def test_lamellae_are_approved_as_they_were_shown(within):
    """What a person asks makes them no others, and refinement does not; what the run finds does."""

    def approve(session: GridSession, scene: Scene, *edits: Edit) -> None:
        ask(session, *edits)
        path = review.review_path(session.directory, session.grid)
        seen = {number: one.stamp for number, one in scene.lamellae.items()}
        review.save_review(path, replace(review.read_review(path, "G1"), lamellae_approved=seen))

    def check(session: GridSession) -> None:
        known = lamella_list.load(session.lamellae_file)
        lamella_list.save(session.lamellae_file, replace(known, offset_um=None))
        scene = scene_of(session)
        assert not scene.is_refined and not steps_review.lamellae_approved(session)
        add = {"center_um": (-79.0, -80.0), "box_um": (20.0, 10.0), "category": "good"}
        resize = edit(scene, Kind.RESIZE, 1, box_um=(30.0, 20.0))
        drop = edit(scene, Kind.DELETE, 3)
        approve(session, scene, edit(scene, Kind.ADD, **add), resize, drop)
        assert steps_review.lamellae_approved(session)
        assert look(session) and len(scene_of(session).lamellae) == 3
        assert steps_review.lamellae_approved(session)
        known = lamella_list.load(session.lamellae_file)
        (second,) = [one for one in known.lamellae if one.number == 2]
        others = known.updated(replace(second, size_um=(9.0, 9.0)))  # as if found anew
        lamella_list.save(session.lamellae_file, others)
        assert not steps_review.lamellae_approved(session)
        lamella_list.save(session.lamellae_file, replace(others, offset_um=(0.0, 0.0)))
        assert steps_review.lamellae_approved(session)
        navigator.describe(navigator.add_stage_point(90.0, 90.0, 5.0), "FL9", "good (90%)")
        assert not steps_review.lamellae_approved(session)

    within(check)
    told = "The lamellae of grid G1 were approved, but L02 not as they are now"
    assert within.session.log().count(told) == 1


def test_a_session_that_is_not_inspected_does_not_look(within):
    def check(session: GridSession) -> None:
        ask(session, edit(scene_of(session), Kind.DELETE, 1))
        assert not look(session) and len(points()) == 3

    within(check, inspect="no")


# --- in a run -------------------------------------------------------------------------------------


def page_acts(session: Bench, words: str, act: Callable[[GridOnDisk, Scene], None]) -> None:
    """Have a person at the page act when these words come into the log, once."""
    acted = []

    def once() -> None:
        if not acted:
            acted.append(True)
            files = GridOnDisk(session.directory, session.directory, "G1")
            act(files, scene_on_disk(files, CLASSES, ("broken", "gone")))

    when_told(session, words, once)


def test_nobody_who_approves_lets_a_run_go_on(bench, maps):
    session = bench(("good",), policy=Policy(key_after_polls=10_000))
    session.place_lamellae(6.0)
    assert session.run(2, inspect="wait", inspect_limit=0.005).ok
    assert "Nobody approved the lamellae of grid G1 in time: the run goes on" in session.log()
    assert maps == [1]


def test_corrections_between_maps_count_at_once(three, maps):
    places = [lamella.center_um for lamella in three.grid.lamellae]

    def correct(files: GridOnDisk, scene: Scene) -> None:
        (three.directory / "G1_L01.mrc").write_bytes(b"")  # as if it had been taken
        ask(
            files,
            edit(scene, Kind.DELETE, 2),
            edit(scene, Kind.MOVE, 1, center_um=(places[0][0] + 30.0, places[0][1])),
        )
        maps.remove(1)

    frame = {"frame": {**FRAME, "shape": (4000, 4000)}}
    (three.directory / "G1_wg.json").write_text(json.dumps(frame))
    page_acts(three, "Saved G1_L01.png", correct)
    assert three.run(2).ok
    assert maps == [3, 1] and "Corrected meanwhile: lamella 1." in three.log()
    assert "G1_L01_earlier.mrc" in three.names("*.mrc")
