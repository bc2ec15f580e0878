"""Sessions that are kept on disk: as if the program went on running between scripts."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from space.simulator import Script
from space.simulator.column import DEATH_EXIT_CODE, Faults
from space.simulator.keeping import (
    SESSION_FOLDER,
    SessionError,
    Setup,
    hardware_state,
    open_session,
    pictures,
    stored_setup,
)
from space.simulator.keeping.freezing import FrozenStateError, freeze, thaw
from tests.simulator.fakes import SpotGrid

HEAD = "#!Python\nimport serialem as sem\n"
ROOT = Path(__file__).resolve().parents[2]
GRIDS = {1: SpotGrid(((3.0, -4.0), (12.0, 9.0)), 2.0), 2: SpotGrid(name="other")}

FIRST = """
sem.OpenNavigator()
sem.SaveNavigator("nav.nav")
sem.GoToImagingState("2")
sem.GoToLowDoseArea("V")
sem.OpenNewFile("stack.mrc")
for x in (2, 11):
    sem.MoveStageTo(x, -x)
    sem.V()
    sem.S()
    sem.NewMap(0, f"at {x}")
sem.R()
sem.Copy("B", "O")
sem.SetPersistentVar("name", "G7")
sem.SetVariable("short", "1")
sem.SetItemAcquire(1, 1)
"""
SECOND = """
assert sem.GetVariable("name") == "G7" and not sem.IsVariableDefined("short")
assert sem.ReportFileNumber() == 1 and sem.ReportNumTableItems() == 2
sem.SetImageShift(0.3, -0.2)
sem.V()
sem.S()
sem.AlignTo("O", 0, 0, 0, 0)
sem.AddStagePosAsNavPoint(5, 6, 0)
sem.R()
sem.TiltTo(20)
sem.V()
sem.SaveNavigator()
"""


class Died(BaseException):
    """Stands in for the end of the process."""


def die():
    raise Died


def opened(folder, **options):
    return open_session(folder, Setup(seed=5), grids=GRIDS, time_scale=0.0, **options)


def truth(session):
    return [
        (e.center_um, e.tilt_deg, e.area, Path(e.file).name, e.section) for e in session.exposures
    ]


def navigator_of(session):
    folder = str(session.directory)
    return [
        (item.label, {k: v.replace(folder, "") for k, v in item.values.items()})
        for item in session.navigator.items
    ]


def test_two_runs_are_as_one(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    with opened(one) as simulation:
        assert simulation.run(HEAD + FIRST).ok
        assert simulation.run(HEAD + SECOND).ok
        whole = simulation.session
    with opened(two) as simulation:
        assert simulation.run(HEAD + FIRST).ok
    with opened(two) as simulation:
        result = simulation.run(HEAD + SECOND)
        assert result.ok, result.error
        parts = simulation.session
    assert parts is not whole
    assert truth(parts) == truth(whole) and len(truth(whole)) == 6
    assert navigator_of(parts) == navigator_of(whole)
    for letter in "ABCDO":
        assert np.array_equal(
            parts.buffers.require(letter).data, whole.buffers.require(letter).data
        )
    assert hardware_state.read(parts) == hardware_state.read(whole)
    assert (one / "stack.mrc").read_bytes() == (two / "stack.mrc").read_bytes()
    assert pictures(two) == parts.exposures
    assert [line for line in parts.log if "Opened" in line] == ["Opened new file stack.mrc"]


def test_what_is_left_when_the_program_died(tmp_path):
    with opened(tmp_path) as simulation:
        assert simulation.run(HEAD + FIRST + "sem.SaveNavigator()\n").ok
        simulation.scripts[4] = Script("four", HEAD)
        simulation.acquire_params(primary=4)
    faults = Faults(["serialem-death@TiltTo"], die=die)
    with pytest.raises(Died), opened(tmp_path, faults=faults) as simulation:
        before = simulation.session
        simulation.run(HEAD + SECOND.replace("sem.TiltTo", "sem.LoadCartridge(2)\nsem.TiltTo"))
    with opened(tmp_path) as simulation:
        after = simulation.session
        assert "The program was started again: its last run had not ended." in simulation.log
        # the microscope is as it was ...
        assert hardware_state.read(after) == hardware_state.read(before)
        assert after.scope.stage.tilt_deg == pytest.approx(20.0, abs=0.1)
        assert after.grid.name == "other" and not after.scope.valve_open
        assert truth(after) == truth(before) and len(truth(after)) == 5
        # ... settings are open_session, and what was only in memory is gone.
        assert after.scripts[4].name == "four" and after.acquire.params["F"].primary == 4
        assert after.buffers.get("A") is None and not after.variables.defined("name")
        assert after.files.current is None and not after.navigator.is_open
        assert simulation.run(HEAD + "sem.ReadNavFile('nav.nav')\nsem.OpenOldFile('stack.mrc')").ok
        assert len(after.navigator.items) == 2
        assert after.files.current.sections == 3


def test_user_settings_outlive_the_program_and_are_in_force(tmp_path):
    with opened(tmp_path) as simulation:
        result = simulation.run(HEAD + "sem.SetUserSetting('ShiftToTiltAxis', 1, 1)\n")
        assert result.ok, result.error
    faults = Faults(["serialem-death@TiltTo"], die=die)
    with pytest.raises(Died), opened(tmp_path, faults=faults) as simulation:
        simulation.run(HEAD + "sem.TiltTo(10)\n")
    with opened(tmp_path) as simulation:
        result = simulation.run(
            HEAD + "assert sem.ReportUserSetting('ShiftToTiltAxis') == 1\n"
            "assert sem.ReportTiltAxisOffset()[5] == 1\n"
        )
        assert result.ok, result.error


def test_stage_errors_go_on_where_they_were_after_a_death(tmp_path):
    moves = "for x in (5, 0):\n    sem.MoveStageTo(x, 0)\n"
    with opened(tmp_path / "one") as simulation:
        simulation.run(HEAD + moves + moves)
        whole = simulation.session.scope.stage.true_um
    faults = Faults(["serialem-death@MoveStageTo:2"], die=die)
    with pytest.raises(Died), opened(tmp_path / "two", faults=faults) as simulation:
        simulation.run(HEAD + moves)
    with opened(tmp_path / "two") as simulation:
        simulation.run(HEAD + moves)
        assert simulation.session.scope.stage.true_um == whole


def test_a_line_that_was_being_written_does_not_count(tmp_path):
    with opened(tmp_path) as simulation:
        simulation.run(HEAD + "sem.T()\nsem.T()\n")
    journal = tmp_path / SESSION_FOLDER / "journal.jsonl"
    with open(journal, "ab") as stream:
        stream.write(b'["picture", {"index": 2, "gr')
    with opened(tmp_path) as simulation:
        assert len(simulation.exposures) == 2
        simulation.run(HEAD + "sem.T()\n")
    assert [one.index for one in pictures(tmp_path)] == [0, 1, 2]


def test_refusals(tmp_path):
    with pytest.raises(SessionError, match="There is no session"), open_session(tmp_path):
        pass
    with opened(tmp_path):
        with pytest.raises(SessionError, match="Another process"), opened(tmp_path):
            pass
    with (
        pytest.raises(SessionError, match="other values of: seed"),
        open_session(tmp_path, Setup(seed=6)),
    ):
        pass


@pytest.mark.parametrize("number", [1, 2, 99])
def test_a_session_of_another_format_is_refused(tmp_path, number):
    """Formats 1 and 2 name modules and classes of the simulator as they were called then."""
    with opened(tmp_path):
        pass
    path = tmp_path / SESSION_FOLDER / "setup.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "format": number}), encoding="utf-8")
    with pytest.raises(SessionError, match=f"format {number}"), opened(tmp_path):
        pass


def test_setups_are_read_as_they_were_written():
    setup = Setup.of(3, 2, 4, ("good", "thick"), 260.0, stage_limit_um=370.0, instrument="x.toml")
    assert Setup.from_dict(json.loads(json.dumps(setup.to_dict()))) == setup


def test_a_frozen_state_can_only_make_harmless_objects(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.getcwd, ()

    path = tmp_path / "state.zip"
    freeze(path, {"a": np.arange(3), "b": Path("x"), "c": np.float32(2)}, {})
    assert thaw(path, {})["a"].tolist() == [0, 1, 2]
    for evil in (Evil(), open_session, sys.exit):
        freeze(path, evil, {})
        with pytest.raises(FrozenStateError, match="not allowed"):
            thaw(path, {})
    path.write_bytes(pickle.dumps(3))
    with pytest.raises(FrozenStateError, match="cannot be read"):
        thaw(path, {})


# Attributes that a program that is started anew does not have as they were.
PROGRAM = {
    "session": """acquire buffers call_depth camera clock darkroom dialogs directory files
        following_areas instrument last_error last_zlp_s log log_file log_start log_styles
        long_operations measured montage navigator noise options random_source reported
        rough_eucentricity_failed scope scripts seed slot_names status_lines updated_areas
        variables workbench""",
    "column": """_applied _seed areas axis_angle_deg axis_rotated brighter_towards clock
        instrument low_dose optics own_astigmatism_um own_coma_tilt_mrad
        properties saved_beam_tilt saved_stigmator shift_to_tilt_axis stage states
        target_defocus_um""",
    "stage": """clock drift error_um faults limits_um model move_delay_s play_um random_source
        tilt_delay_s tilt_error_um""",
    "drift": "clock random_source scale",
    "clock": "_start _zero time_scale",
}


@pytest.mark.parametrize("name", PROGRAM)
def test_every_attribute_was_thought_of(make_session, name):
    """Each belongs to the hardware, which outlives the program, or to the program."""
    part = hardware_state.parts(make_session())[name]
    brought_anew = set(part.OF_ONE_RUN) if name == "session" else set()
    assert set(vars(part)) - brought_anew == set(part.HARDWARE) | set(PROGRAM[name].split())


SCRIPTS = {
    "points.py": HEAD + "sem.OpenNavigator()\nfor x in (5, 15, 25):\n"
    "    sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(x, 0, 0)), 1)\n"
    "sem.SaveNavigator('nav.nav')\nsem.MoveStageTo(7, 8)\n",
    "primary.py": HEAD + "sem.R()\nprint('acquired', sem.ReportNavItem()[0])\n",
    "look.py": HEAD + "print('open', sem.ReportIfNavOpen(), 'at', sem.ReportStageXYZ())\n",
}


def command(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "space.cli", "simulate", "--session", "s", *words],
        cwd=command.folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_scripts_from_the_command_line_one_process_after_another(tmp_path):
    command.folder = tmp_path
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = command("--run", "points.py", "--seed", "3", "--lamellae", "1")
    assert done.returncode == 0, done.stderr
    done = command("--acquire", "--primary", "primary.py", "--fault", "serialem-death@R:2")
    assert done.returncode == DEATH_EXIT_CODE, done.stderr
    assert "acquired 1.0" in done.stdout and "acquired 2.0" not in done.stdout
    done = command("--run", "look.py")
    assert done.returncode == 0 and "open 0.0 at (14.9" in done.stdout.replace("15.0", "14.9")
    assert len(pictures(tmp_path / "s")) == 2
    done = command("--run", "look.py", "--fault", "nonsense")
    assert done.returncode == 2 and "camera-timeout" in done.stderr


def test_a_process_that_was_killed_leaves_a_session_that_can_be_opened(tmp_path):
    slow = "sem.T()\nsem.MoveStageTo(30, 40)\nprint('ready')\nwhile 1: sem.Delay(60, 's')\n"
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\n"
        "from space.simulator.keeping import Setup, open_session\n"
        "show = lambda line: print(line, flush=True)\n"
        "with open_session(sys.argv[2], Setup(), progress=show) as s:\n"
        f"    s.run({HEAD + slow!r})\n"
    )
    program = [sys.executable, "-c", code, str(ROOT), str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        lines = iter(process.stdout.readline, "")
        assert "ready" in (line.strip() for line in lines)
        process.kill()
    with open_session(tmp_path) as simulation:
        assert simulation.session.scope.stage.position_um[:2] == pytest.approx((30, 40), abs=0.1)
        assert len(simulation.exposures) == 1
        assert simulation.run(HEAD + "sem.T()").ok


def test_a_kept_session_goes_on_where_its_folder_was_copied_to(tmp_path):
    first, copy = tmp_path / "first", tmp_path / "elsewhere" / "copy"
    with open_session(first, Setup(noise=False), grids=GRIDS) as simulation:
        assert simulation.run(HEAD + FIRST).ok
    shutil.copytree(first, copy)
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    asked = (
        "sem.EchoBreakLines('DIR ' + sem.ReportDirectory())\n"
        "sem.EchoBreakLines('NAV ' + sem.ReportNavFile())\n"
        "sem.AddStagePosAsNavPoint(3, 4, 0)\nsem.SaveNavigator()\n"
        "sem.V()\nsem.S()\nsem.NewMap(0, 'third')\nsem.CloseFile()\n"
    )
    with open_session(copy, grids=GRIDS) as simulation:
        result = simulation.run(HEAD + asked)
        assert result.ok, result.error
        log = "\n".join(simulation.log)
    assert f"DIR {copy}" in log and f"NAV {copy / 'nav.nav'}" in log
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == before
    files = [{Path(one.file) for one in pictures(where) if one.file} for where in (copy, first)]
    assert files == [{copy / "stack.mrc"}, {first / "stack.mrc"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.json", "{"),
        ("setup.json", '{"format": 1}'),
        ("setup.json", '{"format": 3}'),
        ("setup.json", "[]"),
        ("journal.jsonl", "nonsense\n"),
        ("journal.jsonl", "5\n"),
        ("journal.jsonl", "[]\n"),
        ("journal.jsonl", '["picture", {"index": 0}]\n'),
        ("journal.jsonl", '["picture", 3]\n'),
        ("journal.jsonl", "\udce4\n"),
    ],
)
def test_a_damaged_session_is_told(tmp_path, name, text):
    with opened(tmp_path) as simulation:
        assert simulation.run(HEAD + "sem.V()\n").ok
    path = tmp_path / SESSION_FOLDER / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SessionError) as told:
        stored_setup(tmp_path)
        pictures(tmp_path)
    assert str(path) in str(told.value)
