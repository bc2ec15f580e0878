"""Each thing that the microscope is asked for is well, and shown not to be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from space.checkup import folders, microscope
from space.errors import SpaceError
from space.microscope.asking import CameraFacts, StateFacts
from space.settings import Settings

STATES = {1: StateFacts(1, "grid"), 2: StateFacts(2, "map", "View")}


def raising(what: str):
    def answer(*asked: object) -> None:
        raise SpaceError(what, "slot", "Do this.")

    return answer


@pytest.fixture
def answers(monkeypatch):
    """A microscope at which all is well; its answers can be changed by name."""
    found = {
        "asking": SimpleNamespace(
            imaging_state=STATES.get,
            camera=lambda: CameraFacts("K3", (5760, 4092)),
            low_dose_is_on=lambda: True,
            tells_illuminated_area=lambda: True,
            tells_objective_aperture=lambda: True,
            image_shift_limit_um=lambda: 20.0,
            frame_folder=lambda: "",
        ),
        "autoloader": SimpleNamespace(is_absent=lambda slot: False, slot_name=lambda slot: "yeast"),
        "column": SimpleNamespace(valve_is_closed=lambda: False),
        "series_needs": SimpleNamespace(
            what_is_missing=lambda folder, tilt: [], focus_beside_record=lambda: ""
        ),
        "check_program": lambda: None,
    }
    for name, value in found.items():
        monkeypatch.setattr(microscope, name, value)
    monkeypatch.setattr(folders, "_PROBE_BYTES", 1000)
    return found


def looked_at(tmp_path, **chosen: object) -> dict[str, tuple[str, str]]:
    found = microscope.of_microscope(Settings(**chosen), tmp_path)
    return {one.subject: (one.verdict, one.seen) for one in found}


def test_all_is_well(answers, tmp_path):
    found = looked_at(tmp_path)
    assert {verdict for verdict, _ in found.values()} == {"ok"} and len(found) == 9
    assert looked_at(tmp_path, grid_list=("stage",))["grids"][0] == "ok"
    assert microscope.expected_size().camera_px == (5760, 4092)


@pytest.mark.parametrize(
    ("room", "name", "answer", "subject", "verdict"),
    [
        ("asking", "camera", lambda: None, "camera", "fail"),
        ("asking", "imaging_state", raising("none"), "WG_image_state = 1", "fail"),
        ("asking", "imaging_state", lambda state: STATES[2], "WG_image_state = 1", "fail"),
        ("asking", "imaging_state", lambda state: STATES[1], "MM_image_state = 2", "fail"),
        ("asking", "imaging_state", lambda state: None, "MM_image_state = 2", "warn"),
        ("autoloader", "is_absent", lambda slot: True, "autoloader", "fail"),
        ("autoloader", "slot_name", raising("The slot is empty."), "slot 1", "fail"),
        ("asking", "tells_objective_aperture", lambda: False, "apertures", "warn"),
        ("column", "valve_is_closed", lambda: True, "column valves", "warn"),
        ("asking", "tells_illuminated_area", lambda: False, "beam", "warn"),
        ("asking", "image_shift_limit_um", lambda: 5.0, "image shift", "warn"),
        ("series_needs", "what_is_missing", lambda *a: ["No mdoc."], "tilt series", "warn"),
        ("series_needs", "focus_beside_record", lambda: "Beside.", "tilt series", "warn"),
        ("asking", "frame_folder", lambda: __file__, "folder of the movies", None),
    ],
)
def test_what_is_not_well_is_told(answers, tmp_path, room, name, answer, subject, verdict):
    setattr(answers[room], name, answer)
    assert looked_at(tmp_path).get(subject, (None,))[0] == verdict


def test_the_folder_of_movies_is_tried_where_it_can_be_reached(answers, tmp_path):
    answers["asking"].frame_folder = lambda: str(tmp_path)
    assert looked_at(tmp_path)["folder of the movies"][0] == "ok"


def test_focus_is_of_no_matter_without_low_dose(answers, tmp_path):
    answers["series_needs"].focus_beside_record = raising("low dose is off")
    answers["asking"].low_dose_is_on = lambda: False
    assert looked_at(tmp_path)["tilt series"][0] == "ok"
