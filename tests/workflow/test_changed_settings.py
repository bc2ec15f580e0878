"""Settings that were changed between the runs of a session: what is told, what is applied."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from space import settings as settings_module
from space.lamellae import Lamella
from space.settings import Result, Settings, settings_of
from space.steps import lamella_list, made_with
from space.steps.session import GridSession


def test_every_setting_is_held_against_one_kind_of_result():
    groups = [made_with.WHOLE_GRID, made_with.LAMELLAE, made_with.REFINED, made_with.MAP,
              made_with.TARGETS, settings_of(Result.NOTHING)]  # fmt: skip
    named = [name for group in groups for name in group]
    assert sorted(named) == sorted(one.name for one in fields(Settings))


@pytest.fixture
def finished(tmp_path) -> GridSession:
    """A grid with two lamellae, of which all results are there, made with the defaults."""
    session = GridSession(Settings(), None, tmp_path, tmp_path, "G1")
    default = Settings()

    def beside(name: str, group) -> None:
        (tmp_path / name).write_text(
            json.dumps({made_with.KEY: made_with.made_with(default, group)})
        )

    (tmp_path / "G1.mrc").write_bytes(b"map")
    beside("G1_wg.json", made_with.WHOLE_GRID)
    lamellae = [
        Lamella(1, (0, 0), (8, 8), "good", 0.9),
        Lamella(2, (9, 9), (8, 8), "thick", 0.3),
    ]
    lamella_list.save(
        session.lamellae_file,
        lamella_list.LamellaList(
            tuple(lamellae),
            (Lamella(-1, (50, 0), (8, 8), "broken", 0.8),),
            (1.0, 2.0),
            made_with.made_with(default, (*made_with.LAMELLAE, *made_with.REFINED)),
        ),
    )
    for number in (1, 2):
        (tmp_path / f"G1_L0{number}.mrc").write_bytes(b"map")
        beside(f"G1_L0{number}.json", made_with.MAP)
        beside(f"G1_L0{number}_choice.json", made_with.TARGETS)
        (tmp_path / f"G1_L0{number}_tgts.txt").write_text("")
    return session


def told(session: GridSession, level: int = 4, **changed: object) -> list[str]:
    other = replace(session, settings=replace(session.settings, **changed))
    return made_with.remarks_on_changes(other, (1, 2), level)


CASES = [
    # setting, value, from which level it is told, what is told
    ("WG_montage_overlap", 0.2, 1, ["map of grid G1", "0.15 (now 0.2)", "G1.mrc", "PL and FL"]),
    ("WG_image_state", "low", 1, ["map of grid G1", '1 (now "low")']),
    ("WG_detection_threshold", 0.5, 1, ["0.1 (now 0.5)", "lamella 2 would be left out"]),
    ("exclude_lamella_classes", ("thick",), 1,
     ['["broken", "gone"] (now ["thick"])', "lamella 2 would", "1 more would be taken"]),
    ("exclude_lamella_classes", ("broken",), 1, ['(now ["broken"])', "PL and FL"]),
    ("WG_offset_via_IM", False, 1, ["true (now false)", "found"]),
    ("IM_mag_index", 12, 1, ["10 (now 12)", "PL and FL"]),
    ("IM_image_state", 3, 1, ['"" (now 3)']),
    ("MM_montage_overlap", 0.3, 2, ["lamella 1, 2", "0.25 (now 0.3)",
                                   'reacquire = ["G1_L01", "G1_L02"]', "exposed"]),
    ("MM_padding_factor", 1.5, 2, ["lamella 1, 2", "1.2 (now 1.5)"]),
    ("MM_image_state", (2, 3), 2, ["2 (now [2, 3])"]),
    ("objective_aperture", 100, 2, ["70 (now 100)"]),
    ("target_list", ("nucleus",), 4, ['["mitos"] (now ["nucleus"])', "delete G1_L01_tgts.txt"]),
    ("target_list", {"mitos": 1, "ice": 0.5}, 4, ['(now {"mitos": 1, "ice": 0.5})']),
    ("avoid_list", (), 4, ["(now [])"]),
    ("target_score_threshold", 0.2, 4, ["0.03 (now 0.2)"]),
    ("target_score_threshold", {"mitos": 0.2}, 4, ['(now {"mitos": 0.2})']),
    ("sparse_targets", False, 4, ["true (now false)"]),
    ("target_edge", True, 4, ["false (now true)"]),
    ("penalty_weight", 1, 4, ["0.3 (now 1)"]),
    ("max_iterations", 20, 4, ["10 (now 20)"]),
    ("extra_tracking", True, 4, ["chosen with extra_tracking"]),
    ("max_targets", 5, 4, ["0 (now 5)"]),
    ("target_polygons", True, 4, ["target_polygons"]),
    ("hole_pattern", True, 4, ["hole_pattern"]),
    ("max_tilt", 50, 4, ["lamella 1, 2", "60 (now 50)", "G1_L01_tgts.txt and so on"]),
    ("pretilt", 10, 4, ["0 (now 10)"]),
    ("tolerance", 0.2, 4, ["0.1 (now 0.2)"]),
    ("image_shift_limit", 10, 4, ["15 (now 10)"]),
    ("beam_diameter", 1.8, 4, ["0 (now 1.8)"]),
    ("beam_margin", 0.4, 4, ["0.2 (now 0.4)"]),
    ("on_lamella_only", False, 4, ["on_lamella_only"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "level", "words"), CASES)
def test_a_setting_changed_after_its_step_is_told(finished, name, value, level, words):
    (text,) = told(finished, level, **{name: value})
    assert f"{name} = " in text and all(word in text for word in words), text
    if level > 1:
        assert told(finished, level - 1, **{name: value}) == []
    assert told(finished) == []


def test_settings_that_leave_no_trace_are_not_told(finished):
    changed = {"automation_level": 5, "grid_list": (1, 2), "save_plot": True,
               "MM_mean_threshold": 5, "aperture_control": False}  # fmt: skip
    assert told(finished, **changed) == []


def test_what_was_acquired_is_told_without_advice_to_expose_it_again(finished):
    (finished.directory / "G1_L02_tgts_run01.txt").write_text("")
    first, second = told(finished, max_tilt=50)
    assert "lamella 1 of" in first and "delete G1_L01_tgts.txt" in first
    assert "lamella 2 of" in second and "would be exposed again" in second
    assert "delete" not in second


def test_only_what_is_there_is_told(finished):
    (finished.directory / "G1_L01_tgts.txt").unlink()
    assert "lamella 2 of" in told(finished, max_tilt=50)[0]
    (finished.directory / "G1_L02_tgts.txt").unlink()
    assert told(finished, max_tilt=50) == []
    for path in finished.directory.glob("G1_L0?.json"):  # as an older version left them
        path.write_text("{}")
    assert told(finished, MM_padding_factor=2) == []


def test_each_run_tells_what_stays_and_applies_the_rest(bench):
    session = bench(("good", "good"), seed=27)
    session.simulation.session.scope.stage.limits_um = (-200.0, 200.0, -200.0, 200.0)

    def log_of(level: int, **settings: object) -> str:
        before = len(session.log())
        result = session.run(level, **settings)
        assert result.ok, result.error
        return session.log()[before:]

    used: dict[str, object] = {"target_score_threshold": 0.3, "MM_padding_factor": 1.1}
    assert "(now " not in log_of(1, **used)
    exposures = session.count_exposures()
    used["WG_detection_threshold"] = 0.885  # of 0.89 and 0.88
    log = log_of(1, **used)
    assert "WG_detection_threshold = 0.1 (now 0.885)" in log
    assert "lamella 2 would be left out" in log and session.count_exposures() == exposures

    used["MM_padding_factor"] = 1.0  # before its step: applied, not told
    assert "MM_padding_factor" not in log_of(3, **used)
    facts = json.loads((session.directory / "G1_L01.json").read_text())
    assert facts["made_with"]["MM_padding_factor"] == 1.0

    used.update(MM_padding_factor=1.4, max_tilt=50)
    log = log_of(4, **used)
    assert "MM_padding_factor = 1.0 (now 1.4)" in log and "max_tilt" not in log
    choice = json.loads((session.directory / "G1_L01_choice.json").read_text())
    assert choice["made_with"]["max_tilt"] == 50
    assert choice["made_with"]["target_score_threshold"] == 0.3

    used.update(max_tilt=60)
    targets = (session.directory / "G1_L01_tgts.txt").read_text()
    log = log_of(4, **used)
    assert "max_tilt = 50 (now 60)" in log and "lamella 1, 2 of grid G1" in log
    assert (session.directory / "G1_L01_tgts.txt").read_text() == targets
    (session.directory / "G1_L01_tgts.txt").unlink()  # as the log advises
    log = log_of(4, **used)
    assert "lamella 2 of grid G1" in log and "max_tilt = 50 (now 60)" in log
    choice = json.loads((session.directory / "G1_L01_choice.json").read_text())
    assert choice["made_with"]["max_tilt"] == 60
    assert settings_module.load(session.directory).max_tilt == 60
