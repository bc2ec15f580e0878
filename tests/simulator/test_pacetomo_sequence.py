"""A script that asks for everything PACEtomo asks for, in its order, on a simulated lamella.

The script is `examples/predicted_tilt_series.py`, after `examples/set_targets.py` has chosen the
targets. Where each Record really looked is known to the simulator; what is measured of it is
defined in `benchmarks/simulator_tracking.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from benchmarks import simulator_tracking as tracking
from space.simulator import Simulation
from tests.simulator.fakes import SpotGrid, textured

STEP_DEG, TARGETS = 15.0, 3
ALIGNED_NM, LAST_ALIGNED_NM = 10.0, 60.0

STARTUP = """IsVersionAtLeast SetProperty ReportProperty SetUserSetting SetUserSetting
SetNewFileType SetFrameBaseName ReportAxisPosition ReportTiltAxisOffset SaveSettings
SaveNavigator SuppressReports ReportComaVsISmatrix ReportNavItem GetVariable GetVariable
ReportDirectory ReportCameraProperty ReportFrameSavingPath
SaveLogOpenNew ProgramTimeStamps ResetClock SetTargetDefocus ReportExposure"""
REALIGN = """SetCameraArea MoveToNavItem Eucentricity UpdateItemZ RestoreCameraSet MoveStageTo
ReadOtherFile V AlignTo ReportAlignShift ReadOtherFile L AlignTo ReportAlignShift"""
START_TILT = """V Copy ReportTiltAngle TiltTo TiltTo V AlignTo GoToLowDoseArea LoadOtherMap
AcquireToMatchBuffer AlignTo ReportImageShift ReportSpecimenShift G ReportDefocus GoToLowDoseArea
StageToSpecimenMatrix ISToSpecimenMatrix SpecimenToISMatrix CameraProperties CameraToSpecimenMatrix
SpecimenToCameraMatrix SetDefocus"""
EACH_TARGET = """ImageShiftByMicrons ReadOtherFile L AlignTo ReportAlignShift GoToLowDoseArea
ReportImageShift ReportSpecimenShift SetImageShift"""
BEFORE_RECORD = """AreaForCumulRecordDose SetDefocus SetImageShift ImageShiftByMicrons
AreDewarsFilling ReportColumnOrGunValve SetFrameNameFormat SetFrameNameFormat SetFrameBaseName
AdjustBeamTiltforIS Delay R S"""
AFTER_RECORD = """AlignTo ReportISforBufferShift ImageShiftByUnits RestoreBeamTilt ReportImageShift
ReportSpecimenShift ImageConditions AccumulateRecordDose NoMessageBoxOnError Ctfplotter
NoMessageBoxOnError ReportFileZsize ReportClock AddToAutodoc AddToAutodoc AddToAutodoc WriteAutodoc
CloseFile"""
OLD_STACK = "SetStatusLine NoMessageBoxOnError OpenOldFile NoMessageBoxOnError ReadFile"
END = "ClearStatusLine TiltTo SetDefocus SetImageShift CloseFile ReportClock SaveLog"


@dataclass(frozen=True)
class Done:
    """A session after its tilt series, the commands it took and the files it left."""

    simulation: Simulation
    folder: Path
    commands: list[str]
    shots: list[tracking.Shot]

    def stacks(self) -> list[Path]:
        return sorted(self.folder.glob(f"{tracking.ROOT}_ts_???.mrc"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    simulation = tracking.set_up(folder, seed=900_001, targets=TARGETS)
    commands = []
    begins = simulation.session.faults.command_begins

    def note(name, *rest):
        commands.append(name)
        return begins(name, *rest)

    simulation.session.faults.command_begins = note
    tracking.acquire(simulation, STEP_DEG)
    return Done(simulation, folder, commands, tracking.judge(simulation, folder))


@pytest.fixture
def run(tmp_path):
    """Run a few commands of `sem` on a small session; the script must come to its end."""

    def run(body, grid=None, policy=None, ok=True, **options):
        simulation = Simulation(
            tmp_path, grids={1: grid or SpotGrid()}, time_scale=0.0, policy=policy, **options
        )
        simulation.session.scope.set_low_dose(True)
        result = simulation.run("#!Python\nimport serialem as sem\n" + body)
        assert result.ok == ok, result.error
        return simulation

    return run


def without_log(commands):
    """Commands without those that write a message to the log."""
    text = " ".join(commands)
    text = text.replace("IsVersionAtLeast SetNextLogOutputStyle EchoBreakLines", "")
    return text.split()


# --- the series as a whole ----------------------------------------------------------------------


def test_commands_come_in_the_order_of_pacetomo(done):
    commands = without_log(done.commands)
    wanted = " ".join([STARTUP, REALIGN, START_TILT, *[EACH_TARGET] * TARGETS]).split()
    assert commands[: len(wanted)] == wanted
    steps = commands[len(wanted) :]
    for count, sign in enumerate((0, 1, 1, -1, -1, 1, 1, -1, -1)):
        move = {0: "", 1: "TiltTo", -1: "TiltTo TiltBy TiltTo"}[sign]
        wanted = f"SetStatusLine {move} Delay ReportTiltAngle".split()
        for number in range(TARGETS):
            opened = OLD_STACK if count else "SetStatusLine OpenNewFile ReadOtherFile"
            limit = "LimitNextAutoAlign" if number else ""
            wanted += f"{opened} {BEFORE_RECORD} {limit} {AFTER_RECORD}".split()
        assert steps[: len(wanted)] == wanted
        steps = steps[len(wanted) :]
    assert steps == END.split()


def test_tracking_target_keeps_its_place_over_the_whole_tilt_range(done):
    shots = [shot for shot in done.shots if shot.target == 1]
    tilts = sorted(round(shot.tilt_deg) for shot in shots)
    assert tilts == [-60, -45, -30, -15, 0, 15, 30, 45, 60]
    assert_aligned(shots)
    # From the start tilt to the next, nothing but a rough height foretells where it goes.
    first = min(shots[1:], key=lambda shot: abs(shot.tilt_deg - STEP_DEG))
    assert all(shot.predicted_nm < (120.0 if shot is first else 50.0) for shot in shots)
    # The stage throws it by 30 nm per axis and move, which nobody can know beforehand.
    assert max(shot.recorded_nm for shot in shots) < 250.0


def assert_aligned(shots):
    """Alignment stretches by the tilt of the stage.

    The lamella itself goes from 55 to 70 degrees with the last step to one side, which stretches
    it by a quarter more than that. A series with usual steps has no such step.
    """
    for shot in shots:
        highest = abs(shot.tilt_deg) > 50.0
        assert shot.aligned_nm < (LAST_ALIGNED_NM if highest else ALIGNED_NM)


def test_records_of_the_other_targets_are_in_their_places(done):
    shots = [shot for shot in done.shots if shot.target > 1]
    assert len(shots) == 9 * (TARGETS - 1)
    assert max(shot.recorded_nm for shot in shots) < 50.0
    assert_aligned(shots)


def test_series_stay_in_focus(done):
    records = [one for one in done.simulation.exposures if "_ts_" in one.file]
    assert all(one.defocus_um == pytest.approx(-4.0, abs=0.5) for one in records)
    errors = [shot.defocus_error_um for shot in done.shots]
    assert np.abs(errors).max() < 0.1


def test_stacks_are_valid_with_one_section_of_the_mdoc_per_image(done):
    assert len(done.stacks()) == TARGETS
    for path in done.stacks():
        assert mrcfile.validate(path)
        sections = tracking.sections(path.with_name(path.name + ".mdoc"))
        with mrcfile.open(path) as stack:
            assert stack.data.shape == (len(sections), 1023, 1440)
            # The script has sorted them; pictures and mdoc must still belong together.
            means = [float(section["MinMaxMean"].split()[2]) for section in sections]
            assert stack.data.mean(axis=(1, 2)) == pytest.approx(means, rel=1e-3)
        tilts = [float(section["TiltAngle"]) for section in sections]
        assert tilts == sorted(tilts) and len(tilts) == 9


def test_what_the_series_leaves_behind(done):
    session = done.simulation.session
    assert not any(item.acquire for item in session.navigator.items)
    assert not session.scope.shift_to_tilt_axis
    assert session.scope.stage.tilt_deg == pytest.approx(0.0, abs=0.05)
    assert session.scope.image_shift == (0.0, 0.0)
    assert (done.folder / "lamella.log").is_file()
    settings = (done.folder / "lamella_tgts_settings.txt").read_text(encoding="utf-8")
    assert "step = 15.0" in settings.splitlines()
    assert (done.folder / "lamella_tgts_run01.txt").read_text(encoding="utf-8").count(
        "_tgt = "
    ) == 3


# --- what a simulator must get right, one by one ------------------------------------------------


def test_01_ctfplotter_gives_six_numbers_or_a_status(run):
    simulation = run(
        "sem.SetDefocus(-4)\nsem.R()\n"
        "values = sem.Ctfplotter('A', -1, -9, 1, 0, 0)\n"
        "assert type(values) is tuple and len(values) == 6, values\n"
        "assert all(type(value) is float for value in values)\n"
        "sem.Echo(f'fit {values[0]}')\n"
        "sem.SetColumnOrGunValve(0)\nsem.R()\n"
        "first, status = sem.Ctfplotter('A', -1, -9, 1, 0, 0)\n"
        "assert first == 1.0 and status != 0.0\n",
        grid=textured(pixel_um=0.01),
        stage_error_um=0.0,
    )
    fit = float(next(line for line in simulation.log if line.startswith("fit")).split()[1])
    assert fit == pytest.approx(simulation.exposures[0].defocus_um, abs=0.1)


def test_02_single_image_files_have_an_mdoc_to_add_to(done):
    for path in done.stacks():
        for section in tracking.sections(path.with_name(path.name + ".mdoc")):
            assert float(section["CtfDefocus"]) < 0.0
            assert len(section["FoundAtShift"].split()) == 2


def test_03_stacks_have_what_is_read_from_their_headers(run, tmp_path):
    run(
        "sem.OpenNewFile('a.mrc')\n"
        "for k in range(3):\n"
        "   sem.R()\n   sem.S()\n   sem.CloseFile()\n"
        "   sem.OpenOldFile('a.mrc')\n"
        "sem.CloseFile()\n"
    )
    path = tmp_path / "a.mrc"
    raw = path.read_bytes()
    per_section = int.from_bytes(raw[128:130], "little")
    assert raw[104:108] == b"SERI" and per_section > 0
    assert 1024 + 3 * per_section <= 4096
    with mrcfile.open(path, mode="r+") as stack:
        assert stack.data.shape[0] == 3
        assert len(stack.extended_header.tobytes()) >= 3 * per_section
    path.rename(tmp_path / "b.mrc")


def test_04_without_an_open_file(run):
    run(
        "assert sem.ReportFileNumber() == -1.0\nsem.CloseFile()\n"
        "sem.OpenNewFile('a.mrc')\nassert sem.ReportFileNumber() == 1.0\n"
        "sem.CloseFile()\nassert sem.ReportFileNumber() == -1.0\n"
    )


def test_05_image_shift_beyond_the_limit(run):
    run(
        "assert sem.SetImageShift(30, 0) == 1.0\n"
        "assert sem.ImageShiftByMicrons(0, 30) == 1.0\n"
        "assert sem.ImageShiftByUnits(30, 0) == 1.0\n"
        "assert sem.ReportImageShift()[:2] == (0.0, 0.0)\n"
        "assert sem.ImageShiftByMicrons(14.8, 0) == 0.0\n"
        "before = sem.ReportImageShift()[:2]\n"
        "sem.V()\nsem.Copy('A', 'O')\nsem.MoveStage(1, 0)\nsem.V()\n"
        "sem.NoMessageBoxOnError(1)\n"
        "try:\n   sem.AlignTo('O')\n   sem.Exit(-1, 'no error')\n"
        "except sem.SEMerror as error:\n   assert 'limit' in str(error)\n"
        "assert sem.ReportImageShift()[:2] == before\n",
        grid=textured(),
        stage_error_um=0.0,
    )


@pytest.mark.parametrize("change", ["sem.MoveStage(0.3, -0.4)", "sem.ImageShiftByMicrons(0.3, 0.4)",
                                    "sem.TiltTo(20)\nsem.MoveStage(0.2, 0.3)"])  # fmt: skip
def test_06_pictures_follow_the_stage_the_tilt_and_the_image_shift(run, change):
    simulation = run(
        "sem.V()\nsem.Copy('A', 'O')\n"
        f"{change}\nsem.V()\nbefore = sem.ReportImageShift()\n"
        "assert sem.ReportISforBufferShift() == (0.0, 0.0)\n"
        "assert sem.AlignTo('O') == 0.0\n"
        "after, made = sem.ReportImageShift(), sem.ReportISforBufferShift()\n"
        "assert all(abs(a - b - m) < 1e-6 for a, b, m in zip(after, before, made))\n"
        "sem.V()\n",
        grid=textured(),
        stage_error_um=0.0,
    )
    first, moved, last = simulation.exposures
    assert np.hypot(*np.subtract(moved.center_um, first.center_um)) > 0.3
    assert last.center_um == pytest.approx(first.center_um, abs=0.02)


def test_07_nothing_waits_for_a_person(done, run):
    asked = [dialog.kind for dialog in done.simulation.session.dialogs]
    assert "pause" not in asked and "yes/no" not in asked
    simulation = run(
        "assert sem.ReportAxisPosition('F')[0] == 0\nassert sem.ReportTiltAxisOffset()[0] != 0\n"
        "sem.Pause('go on?')\nassert sem.YesNoBox('sure?') == 1.0\nsem.SaveLogOpenNew('new')\n"
    )
    assert [dialog.kind for dialog in simulation.session.dialogs[:2]] == ["pause", "yes/no"]


def test_08_the_item_is_known_by_number_and_note(run):
    run(
        "sem.OpenNavigator()\n"
        "sem.AddStagePosAsNavPoint(1, 2, 0)\nsem.ChangeItemNote(1, 'grid_tgts.txt')\n"
        "sem.ReportNavItem()\n"
        "assert type(sem.GetVariable('navIndex')) is float\n"
        "assert int(float(sem.GetVariable('navIndex'))) == 1\n"
        "assert sem.GetVariable('navNote') == 'grid_tgts.txt'\n"
    )


def test_09_dewars_coma_and_beam_tilt(run):
    run(
        "assert len(sem.ReportComaVsISmatrix()) == 4\nassert sem.AreDewarsFilling() == 0.0\n"
        "before = sem.ReportBeamTilt()\nsem.ImageShiftByMicrons(3, 2)\n"
        "sem.AdjustBeamTiltforIS()\nassert sem.ReportBeamTilt() != before\n"
        "sem.RestoreBeamTilt()\nassert sem.ReportBeamTilt() == before\n"
    )


def test_10_exit_ends_the_script_although_it_is_caught(run):
    simulation = run("try:\n   sem.Exit()\nexcept Exception:\n   pass\nsem.Echo('still here')\n")
    assert not any("still here" in line for line in simulation.log)


def test_11_no_change_of_focus_and_two_drifts(run):
    run(
        "sem.NoMessageBoxOnError(1)\n"
        "for call in (lambda: sem.ChangeFocus(0), sem.ReportFocusDrift):\n"
        "   try:\n      call()\n      sem.Exit(-1, 'no error')\n"
        "   except sem.SEMerror:\n      pass\n"
        "sem.SetUserSetting('DriftProtection', 1)\nsem.G(-1)\n"
        "x, y = sem.ReportFocusDrift()\nassert abs(x) < 5 and abs(y) < 5\n"
        "assert sem.ReportAutoFocus()[1] == 0.0\n",
        grid=textured(pixel_um=0.01),
        stage_error_um=0.0,
    )


def test_12_numbers_are_floats_and_several_values_a_tuple(run):
    run(
        "for name in ('ReportTiltAngle', 'ReportClock', 'ReportFileNumber', 'ReportDefocus'):\n"
        "   assert type(getattr(sem, name)()) is float, name\n"
        "assert type(sem.ReportProperty('MaximumTiltAngle')) is float\n"
        "for name in ('ReportStageXYZ', 'ReportImageShift', 'ReportSpecimenShift',\n"
        "             'ReportAutoFocus', 'CameraProperties', 'ReportMag'):\n"
        "   values = getattr(sem, name)()\n"
        "   assert type(values) is tuple, name\n"
        "   assert all(type(value) is float for value in values), name\n"
    )
