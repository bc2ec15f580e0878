"""What is asked and approved in the page decides what is exposed, by the simulator's truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from space import levels, pacetomo, plots, review
from space.errors import SpaceError
from space.geometry import MapFrame
from space.jobs import JobFolder
from space.review import Edit, Kind
from space.simulation import Bench, script_text
from space.simulator import Exposure, Policy, Script
from space.simulator.measuring import eucentricity
from space.steps import GridOnDisk, lamella_list, scene_on_disk
from tests.page.person import Person
from tests.workflow.bench import cached_grid
from tests.workflow.test_review import answers
from tests.workflow.test_set_up_again import STAND_IN
from tests.workflow.test_waiting_for_targets import when_told

if TYPE_CHECKING:
    from tests.page.test_server import Server

REACH_UM = 280.0
SMALL_UM = (4.0, 4.0)
"""Box of lamellae, of which small maps are taken."""


@pytest.fixture(autouse=True)
def only_what_matters_here(monkeypatch) -> None:
    """Find heights at once, and draw no picture for people: both take long."""

    def at_once(session: Any, limit_um: float | None = None) -> eucentricity.Outcome:
        x_um, y_um, z_um = session.scope.stage.position_um
        session.scope.stage.move_to(x_um, y_um, z_um - session.height_um())
        return eucentricity.Outcome(session.scope.stage.position_um[2])

    monkeypatch.setattr(eucentricity, "rough", at_once)
    monkeypatch.setattr(plots, "plot_detection", lambda *args, **about: None)


def quick(stand_in: str) -> str:
    """Return the stand-in for PACEtomo without what takes long: it goes and takes a picture."""
    head, tail = stand_in.split("# What PACEtomo sets when it starts", 1)
    without = "come_to_rest = focus = lambda: None\nmeasure_geometry = lambda points: (0.0, 0.0)\n"
    return head + without + tail


def ready_to_acquire(session: Bench) -> None:
    """Choose the scripts of Acquire at Items."""
    post_action = script_text("SPACEtomo_postAction.py", SPACE_DIR=str(session.space_dir))
    session.simulation.scripts[2] = Script("stand-in", quick(STAND_IN))
    session.simulation.scripts[3] = Script("post", post_action)
    session.simulation.acquire_params(primary=2, after=3)


@pytest.fixture
def four(bench) -> Bench:
    """A session with four lamellae, ready to acquire, whose stage keeps near the middle."""
    session = bench(
        ("good", "good", "good", "broken"),
        seed=27,
        policy=Policy(key_after_polls=10_000),
        stage_error_um=0.0,
    )
    limits = (-REACH_UM, REACH_UM, -REACH_UM, REACH_UM)
    session.simulation.session.scope.stage.limits_um = limits
    ready_to_acquire(session)
    return session


def series(session: Bench) -> dict[str, Exposure]:
    """Return the first picture of each tilt series by its file, as it was really taken."""
    taken = session.simulation.exposures
    return {Path(e.file).name: e for e in reversed(taken) if "_ts_" in Path(e.file).name}


def exposed(session: Bench) -> list[int]:
    """Return the true lamellae on which tilt series lie, in the order in which they came."""
    found = []
    for exposure in sorted(series(session).values(), key=lambda one: one.index):
        away_um = {
            one.number: np.hypot(*np.subtract(one.center_um, exposure.center_um))
            for one in session.grid.lamellae
        }
        nearest = min(away_um, key=away_um.__getitem__)
        assert away_um[nearest] < 8.0  # on it: lamellae lie much farther from each other
        found.append(nearest)
    return list(dict.fromkeys(found))


def drag_target(session: Bench, number: int, by_um: float) -> np.ndarray:
    """Move the last target of a lamella on the page; return where its targets really lie then."""
    stem = session.directory / f"G1_L{number:02d}"
    choice = json.loads(stem.with_name(f"{stem.name}_choice.json").read_text("utf-8"))
    frame = MapFrame.from_dict(json.loads(stem.with_suffix(".json").read_text("utf-8"))["frame"])
    targets = choice["areas"][0]["targets"]
    targets[-1]["row"] += by_um / frame.pixel_um
    Person(session).saves_targets(number, choice["areas"])
    shown_um = frame.to_stage(np.array([(one["row"], one["column"]) for one in targets]))
    # Where the pieces of the map were taken, View lies beside Record as everywhere.
    pieces = [e.center_um for e in session.simulation.exposures if Path(e.file).stem == stem.name]
    return shown_um - frame.center_stage_um + np.mean(pieces, axis=0)


def assert_imaged_there(session: Bench, number: int, places_um: np.ndarray) -> None:
    taken = series(session)
    targets = pacetomo.read(session.directory / f"G1_L{number:02d}_tgts.txt").targets
    assert len(targets) == len(places_um)
    for target, place_um in zip(targets, places_um):
        assert np.hypot(*(place_um - taken[target.tsfile].center_um)) <= 0.1, target.tsfile


def when_next_told(session: Bench, words: str, *acts: Callable[[], object]) -> None:
    """Have a person do one thing after the other, each when these words come into the log."""
    left = list(acts)
    when_told(session, words, lambda: left.pop(0)() if left else None)


@pytest.mark.parametrize("inspect", ["wait", "if there"])
def test_series_are_taken_only_where_a_person_wanted_them(four, inspect, monkeypatch):
    """Lamella 1 is deleted, 2 given a class that is left out, 4 added, which was not found.

    A person who waits for targets moves one of lamella 3 as well. What was approved before is no
    approval of that; what is approved then counts, although the run sets it up only afterwards.
    """
    session, places_um = four, {}
    low_mag_um = session.simulation.session.scope.optics.low_mag_offset_um
    added_um = np.subtract(session.grid.lamellae[3].center_um, low_mag_um).tolist()
    wait_for_lamellae = levels.steps.wait_for_lamellae

    def corrected(*about: Any) -> None:
        Person(session).asks(
            {"kind": "delete_lamella", "number": 1},
            {"kind": "class", "number": 2, "class": "broken"},
            {"kind": "resize_lamella", "number": 3, "box_um": list(SMALL_UM)},
            {
                "kind": "add_lamella",
                "center_um": added_um,
                "box_um": list(SMALL_UM),
                "class": "good",
            },
            lamellae=inspect == "wait",
        )
        wait_for_lamellae(*about)

    def move_one() -> None:
        Person(session).asks(targets=[3, 4])
        places_um[3] = drag_target(session, 3, by_um=1.0)

    def move_and_approve() -> None:
        places_um[3] = drag_target(session, 3, by_um=-0.5)
        Person(session).asks(targets=[3, 4])

    monkeypatch.setattr(levels.steps, "wait_for_lamellae", corrected)
    when_next_told(session, "targets of grid G1 wait", move_one, move_and_approve)
    # Also before what was chosen is set up, and while another choice is being made.
    when_next_told(
        session,
        {
            "if there": "G1_L03_tgt_001_view.mrc",
            "wait": "taking the targets in G1_L03_choice.json",
        }[inspect],
        lambda: places_um.update({3: drag_target(session, 3, by_um=0.5)}),
    )
    result = session.run(5, inspect=inspect, max_targets=2, trust_simulated_model=True)
    assert result.ok, result.error
    told = answers(session)
    assert {one.split(":")[0] for one in told.values()} == {"applied"}, told
    assert session.names("G1_L??.mrc") == ["G1_L03.mrc", "G1_L04.mrc"]
    known = {
        one.number: one
        for one in lamella_list.load(session.directory / "G1_lamellae.json").lamellae
    }
    assert known[3].size_um == known[4].size_um == SMALL_UM  # refinement had seen other sizes
    assert sorted(exposed(session)) == [3, 4]
    assert len(series(session)) == 4
    assert session.log().count("wait for approval") == (2 if inspect == "wait" else 0)
    others = "lamella 3 of grid G1 were approved, but they or their map are others since"
    assert session.log().count(others) == (inspect == "wait")
    assert_imaged_there(session, 3, places_um[3])
    # Nothing is left to wait for: the next run goes through.
    exposures = session.count_exposures()
    assert session.run(5, inspect=inspect, max_targets=2, trust_simulated_model=True).ok
    assert session.count_exposures() == exposures
    assert session.log().count("wait for approval") == (2 if inspect == "wait" else 0)


def test_what_is_asked_while_a_series_runs_is_done_before_the_next_lamella(four):
    """By the post action: targets moved, a lamella left out, another first; not what is exposed."""
    session, places_um, said = four, {}, []
    session.place_lamellae(SMALL_UM[0])
    session.worker.held_back.add("G1_L04.png")

    def while_lamella_1_is_exposed() -> None:
        person = Person(session)
        said.append(person.sees_doing())
        assert person.sees()["lamellae"]["1"]["state"] == "being acquired"
        with pytest.raises(SpaceError, match="Lamella 1 is being acquired now"):
            person.asks({"kind": "class", "number": 1, "class": "broken"})
        places_um[2] = drag_target(session, 2, by_um=1.0)
        person.asks(
            {"kind": "visit", "number": 3, "visit": False},
            {"kind": "order", "numbers": [4, 2]},
        )
        not_looked_at(session, Kind.DELETE, 1)
        session.worker.held_back.clear()
        session.worker(JobFolder(session.directory), session.space_dir)

    def while_lamella_4_is_exposed() -> None:
        said.append(Person(session).sees_doing())
        with pytest.raises(SpaceError, match="Tilt series of lamella 1 were begun"):
            drag_target(session, 1, by_um=1.0)

    when_next_told(session, "G1_L01_ts_002.mrc", while_lamella_1_is_exposed)
    when_next_told(session, "G1_L04_ts_002.mrc", while_lamella_4_is_exposed)
    result = session.run(5, max_targets=2, trust_simulated_model=True)
    assert result.ok, result.error
    assert exposed(session) == [1, 4, 2]
    # SPACEtomo.py has ended before SerialEM begins to acquire.
    assert [(one["run"], one["grid"], one["series"]["lamella"]) for one in said] == [
        ("acquiring", "G1", 1),
        ("acquiring", "G1", 4),
    ]
    assert Person(session).sees_doing()["run"] == "ended"
    assert_imaged_there(session, 2, places_um[2])
    assert session.names("G1_L??_ts_*.mrc") == [
        f"G1_L{number:02d}_ts_00{target}.mrc" for number in (1, 2, 4) for target in (1, 2)
    ]
    told = answers(session)
    assert [one.split(":")[0] for one in told.values()] == ["applied"] * 3 + ["refused"], told
    assert told["not looked at"].endswith("Lamella 1 is being acquired now: it stays as it is.")
    assert (
        f"WARNING: Asked in the page (delete_lamella): {told['not looked at'].replace(':', '.', 1)}"
        in session.log()
    )


def not_looked_at(session: Bench, kind: Kind, number: int) -> None:
    """Ask for something as who does not look at what the run does."""
    files = GridOnDisk(session.directory, session.directory, "G1")
    seen = scene_on_disk(files).lamellae[number]
    path = review.review_path(session.directory, "G1")
    asked = review.read_review(path, "G1")
    edit = Edit("not looked at", kind, seen.stamp, number=number)
    review.save_review(path, replace(asked, edits=(*asked.edits, edit)))


def outcome(session: Bench) -> dict[str, str]:
    """Return what a run has made: the names of its files, and what is in those that count."""
    found = {}
    for path in sorted(session.directory.iterdir()):
        if path.match("G1_review.*"):
            continue  # the page's own
        data = path.read_bytes() if path.match("G1*") and path.suffix in _COUNT else b""
        if path.suffix == ".nav":
            data = data.replace(str(session.directory).encode(), b"")
        if path.suffix == ".mrc":
            data = data[_MRC_HEADER:]  # which has the time
        found[path.name] = hashlib.sha256(data).hexdigest()
    return found


_COUNT = (".nav", ".mrc", ".txt", ".png")
_MRC_HEADER = 1024

PAGES: dict[str, tuple[str, dict[str, object]]] = {
    "no page": ("", {}),
    "idle": ("idle", {}),
    "killed": ("killed", {}),
    "not looked at": ("idle", {"inspect": "no"}),
    "nobody approves": ("idle", {"inspect": "wait", "inspect_limit": 0.005}),
}


def test_a_page_that_asks_for_nothing_changes_nothing(tmp_path, space_dir, small_pictures):
    """In no page, an idle one, or one that is killed: the same is exposed, in the same time."""
    pytest.importorskip("starlette", reason="the page's packages are missing")
    runs = {
        name: run_beside(page, tmp_path / name, space_dir, small_pictures, **about)
        for name, (page, about) in PAGES.items()
    }
    reference = runs["no page"]
    assert len(series(reference)) == 2
    for name, session in runs.items():
        assert outcome(session) == outcome(reference), name
        waited = session.log().count("wait for approval")
        assert waited == session.log().count("in time: the run goes on with what there is")
        assert waited == (2 if name == "nobody approves" else 0)
        seconds = session.simulation.session.clock.seconds
        assert waited or abs(seconds - reference.simulation.session.clock.seconds) < 1e-6


def run_beside(
    page: str, folder: Path, space_dir: Path, instrument: Path, **settings: object
) -> Bench:
    """Run a session to level 5 beside a page that asks for nothing."""
    session = Bench(
        folder / "session",
        space_dir,
        cached_grid(("good",), 11),
        instrument=instrument,
        policy=Policy(key_after_polls=10_000),
    )
    ready_to_acquire(session)
    session.place_lamellae(SMALL_UM[0])
    servers: list[Server] = []
    if page:
        when_next_told(session, "Grid G1 in", lambda: servers.append(looked_at(session)))
    if page == "killed":  # when it had written a file in which nothing is asked
        when_next_told(session, "collecting", lambda: Person(session).asks(lamellae=False))
        when_next_told(session, "Saved G1_L01.png", lambda: servers[0].process.kill())
    try:
        with session.worker.instead_of_models():
            result = session.run(5, max_targets=2, trust_simulated_model=True, **settings)
        assert result.ok, result.error
        assert len(servers) == bool(page)
        if page == "idle":
            assert servers[0].ask("GET", "/api/lamella/G1/1")[0] == 200
    finally:
        for server in servers:
            server.kill()
    return session


def looked_at(session: Bench) -> Server:
    """Return a server whose page was opened and is told what changes."""
    from tests.page.test_server import Server

    server = Server(session.directory, session.space_dir)
    head = f"GET /api/events HTTP/1.1\r\nHost: localhost:{server.port}\r\nCookie: "
    server.raw(f"{head}{server.cookie}\r\n\r\n".encode())
    assert server.ask("GET", "/api/state")[0] == 200
    return server
