"""The commands of a default PACEtomo run, in its order, with what it needs from each."""

from __future__ import annotations

import numpy as np
import pytest

from space.simulator import Script
from tests.simulator.fakes import textured

PREPARE = """#!Python
import serialem as sem
sem.GoToImagingState("2")
sem.OpenNavigator("s.nav")
for letter in ("V", "R", "P", "F"):
    sem.SetBinning(letter, 8)
sem.GoToLowDoseArea("R")
sem.SetImageShift(0, 0)
sem.MoveStageTo(2, -1)
for n, (x, y) in enumerate(((0, 0), (1.0, -0.5)), 1):
    sem.SetImageShift(0, 0)
    sem.ImageShiftByMicrons(x, y)
    sem.OpenNewFile(f"tgt_{n:03d}.mrc")
    sem.L()
    sem.S()
    if n == 1:
        index = int(sem.NewMap(0, "s_tgts.txt"))
    sem.CloseFile()
sem.SetImageShift(0, 0)
sem.SetItemAcquire(index, 1)
sem.SaveNavigator()
sem.StartNavAcquireAtEnd()
"""

SERIES = """#!Python
import serialem as sem
import glob
targets = [(0.0, 0.0, "tgt_001.mrc"), (1.0, -0.5, "tgt_002.mrc")]
for letter in ("V", "R", "P", "F"):
    sem.SetBinning(letter, 8)
assert sem.IsVersionAtLeast("40200", "20240814")
sem.SetProperty("ImageShiftLimit", 20)
sem.SetUserSetting("DriftProtection", 1)
sem.SetUserSetting("ShiftToTiltAxis", 1)
sem.SetNewFileType(0)
sem.SetFrameBaseName(0, 1, 0, "PACEtomo_setup")
assert sem.ReportAxisPosition("F")[0] == 0
assert sem.ReportTiltAxisOffset()[0] != 0
sem.SaveSettings(); sem.SaveNavigator(); sem.SuppressReports()
sem.ReportComaVsISmatrix()
sem.ReportNavItem()
item = int(sem.GetVariable("navIndex"))
assert sem.GetVariable("navNote") == "s_tgts.txt"
assert sem.ReportCameraProperty(0, "K2Type") == 0
sem.SaveLogOpenNew("s")
sem.ProgramTimeStamps(); sem.ResetClock()
sem.SetTargetDefocus(-4)
sem.MoveToNavItem(item)
sem.Eucentricity(1)
sem.UpdateItemZ()
sem.MoveStageTo(*sem.ReportStageXYZ()[:2])
sem.TiltTo(-6); sem.TiltTo(-3); sem.TiltTo(0)
sem.GoToLowDoseArea("R")
sem.LoadOtherMap(item, "O")
sem.AcquireToMatchBuffer("O")
sem.AlignTo("O", 0, 0, 0, 0)
sem.G()
sem.GoToLowDoseArea("R")
focus0 = sem.ReportDefocus()
base = sem.ReportImageShift()[:2]
for target in targets:
    sem.ImageShiftByMicrons(*target[:2])
    sem.ReadOtherFile(0, "O", target[2])
    sem.L()
    sem.AlignTo("O", 0, 0, 0, 0)
    sem.ReportAlignShift()[4:6]
    sem.GoToLowDoseArea("R")
    sem.SetImageShift(*base)
position = [None, None]
for step, tilt in enumerate((0, 3, -3)):
    if step:
        sem.TiltTo(tilt)
    sem.Delay(0.3, "s")
    for n, target in enumerate(targets):
        stack = f"ts_{n + 1:03d}.mrc"
        if step == 0:
            sem.OpenNewFile(stack)
            sem.ReadOtherFile(0, "O", target[2])
            sem.SetImageShift(*base)
            sem.ImageShiftByMicrons(*target[:2])
        else:
            sem.NoMessageBoxOnError(1)
            sem.OpenOldFile(stack)
            sem.NoMessageBoxOnError(0)
            sem.ReadFile(step - 1, "O")
            sem.SetImageShift(*position[n])
        sem.AreaForCumulRecordDose(n + 1)
        sem.SetDefocus(focus0)
        assert sem.AreDewarsFilling() == 0
        assert sem.ReportColumnOrGunValve() == 1
        sem.SetFrameNameFormat(0, 0, 0x40); sem.SetFrameBaseName(0, 1, 0, "x")
        sem.AdjustBeamTiltforIS()
        sem.R()
        sem.S()
        if n:
            sem.LimitNextAutoAlign(0.5)
        sem.AlignTo("O", 0, 0, 0, 0)
        sem.ReportISforBufferShift()
        sem.ImageShiftByUnits(0.0, 0.0)
        sem.RestoreBeamTilt()
        position[n] = sem.ReportImageShift()[:2]
        sem.ReportSpecimenShift()
        dose = sem.ImageConditions("A")[0]
        if dose > 0:
            sem.AccumulateRecordDose(dose)
        fit = sem.Ctfplotter("A", -1, -9, 1, 0, 0)
        sem.AddToAutodoc("SpacetomoDefocus", str(fit[0]))
        sem.WriteAutodoc()
        sem.Echo(f"defocus {fit[0]:.2f} sections {sem.ReportFileZsize():.0f}")
        sem.CloseFile()
sem.TiltTo(0); sem.SetImageShift(0, 0); sem.CloseFile()
sem.SaveLog()
"""


@pytest.fixture
def done(make_simulation):
    simulation = make_simulation(
        textured(pixel_um=0.02, size=900, height=-3.0), noise=True, stage_error_um=0.3, seed=5
    )
    simulation.scripts[2] = Script("PACEtomo", SERIES)
    simulation.acquire_params(primary=2)
    result = simulation.run(PREPARE)
    assert result.ok, result.error
    return simulation


def test_tilt_series_stay_on_their_targets(done, tmp_path):
    import mrcfile

    previews = [e for e in done.exposures if e.file and "tgt_" in e.file]
    assert len(previews) == 2
    for number, preview in enumerate(previews, start=1):
        series = [e for e in done.exposures if f"ts_{number:03d}" in e.file]
        assert [e.section for e in series] == [0, 1, 2]
        assert [round(e.tilt_deg) for e in series] == [0, 3, -3]
        for exposure in series:
            assert np.hypot(*np.subtract(exposure.center_um, preview.center_um)) < 0.25
        with mrcfile.open(tmp_path / f"ts_{number:03d}.mrc") as stack:
            assert stack.data.shape[0] == 3
    assert sum("defocus -4." in line or "defocus -3.9" in line for line in done.log) >= 2


def test_what_the_series_leaves_behind(done, tmp_path):
    session = done.session
    assert not session.navigator.items[0].acquire
    assert not session.scope.shift_to_tilt_axis
    assert (tmp_path / "ts_001.mrc.mdoc").read_text(encoding="utf-8").count("[ZValue") == 3
    assert session.camera.binning("R") == 4
