"""Works off a list of jobs from outside of SerialEM: one grid after another, atlas to exposures."""

import json
import sys
import time

import numpy as np
import serialem as sem

JOBS, REPORT = "jobs.json", "jobs_done.json"
MINUTE = 60


class Scope:
    """All that the server asks of the microscope, one method for each kind of job."""

    def __init__(self, port=48888, host="127.0.0.1"):
        sem.ConnectToSEM(port, host)
        sem.ErrorsToLog()
        sem.NoMessageBoxOnError(1)
        sem.SuppressReports()
        sem.AllowFileOverwrite(1)
        self.home = sem.ReportDirectory()

    def quiet(self):
        """Wait until nothing fills or pumps."""
        waited = 0
        while sem.AreDewarsFilling() or sem.IsPVPRunning():
            sem.Delay(1, "min")
            waited += 1
        if 0 <= sem.DewarsRemainingTime() < 10 * MINUTE:
            sem.ManageDewarsAndPumps(-1)
        return waited

    def cassette(self):
        names = {}
        for slot in range(1, 13):
            status = sem.ReportSlotStatus(slot)
            status, *name = status if isinstance(status, tuple) else (status,)
            if status == 1:
                names[slot] = str(name[-1]) if name else ""
        return names

    def load(self, slot):
        if sem.ReportLoadedSlot() > 0 and sem.ReportLoadedSlot() != slot:
            sem.UnloadCartridge()
        code = sem.LoadCartridge(slot)[0]
        if code:
            raise RuntimeError(f"slot {slot}: code {code:.0f}")
        waited = self.quiet()
        sem.SetColumnOrGunValve(1)
        if sem.ReportIfNavOpen():
            sem.CloseNavigator()
        sem.OpenNavigator(f"slot{slot}.nav")
        return {"waited": waited, "valve": sem.ReportColumnOrGunValve()}

    def atlas(self, name, tiles):
        sem.SetLowDoseMode(0)
        assert sem.GoToImagingState("1") == 0
        sem.SetSlitIn(0)
        sem.ResetImageShift()
        sem.MoveStageTo(0, 0)
        sem.OpenNewMontage(tiles, tiles, name)
        sem.SetMontageParams(1)
        pieces = sem.ReportNumMontagePieces()
        sem.Montage()
        index = sem.NewMap(0, "atlas")
        sem.CloseFile()
        sem.SaveNavigator()
        nx, ny, *_ = sem.ImageProperties("B")
        to_stage = np.array(sem.BufImageToStageMatrix("B", 1))
        corner = to_stage[:4].reshape(2, 2) @ (nx / 2, ny / 2) + to_stage[4:]
        return {"map": index, "pieces": pieces, "middle": corner.tolist()}

    def again(self, index):
        """Find the grid again that the map of an index shows."""
        sem.RealignReloadedGrid(int(index), 0, 0, 0, 1)
        return {"at": sem.ReportOtherItem(int(index))[1:3]}

    def square(self, x, y, name):
        sem.SetLowDoseMode(1)
        sem.GoToLowDoseArea("Search")
        sem.MoveStageTo(x, y)
        sem.Eucentricity(1, -1)
        sem.Search()
        self.keep(name)
        return {"mean": sem.ReportMeanCounts("A"), "z": sem.ReportStageXYZ()[2]}

    def keep(self, name, buffer="A"):
        """Append to a file of this name, whatever is open now."""
        if sem.IsImageFileOpen(name):
            for number in range(1, int(sem.ReportNumOpenFiles()) + 1):
                if sem.ReportOpenImageFile(number).endswith(name):
                    sem.SwitchToFile(number)
        elif sem.DoesFileExist(name):
            sem.OpenOldFile(name)
        else:
            sem.OpenNewFile(name)
        sem.Save()

    def hole(self, name):
        sem.GoToLowDoseArea("V")
        sem.View()
        sem.CropCenterToSize("A", 400, 400)
        sem.Copy("A", "H")
        sem.View()
        code = sem.AlignTo("H")
        self.keep(name)
        return {"code": code, "shift": sem.ReportAlignShift()[4:6]}

    def exposure(self, defocus, dx, dy):
        sem.SetTargetDefocus(defocus)
        sem.AutoFocus(-1)
        measured = sem.ReportAutoFocus()[0]
        sem.ImageShiftByMicrons(dx, dy, 0)
        sem.SetBeamBlank(0)
        sem.SetFolderForFrames("frames")
        sem.SetDoseFracParams("P", 1, 1, 0, 1)
        sem.UpdateHWDarkRef(8)
        sem.RefineZLP(30)
        sem.EarlyReturnNextShot(-1)
        sem.Preview()
        frames = sem.ReportLastFrameFile()[0]
        sem.ImageShiftByMicrons(-dx, -dy, 0)
        sem.RestoreCameraSet("P")
        return {"defocus": measured, "frames": frames, "counts": sem.ReportMeanCounts()}

    def optics(self):
        area = {}
        for letter in "VR":
            sem.GetLowDoseAreaParams(letter, "ld_params")
            area[letter] = [float(line) for line in str(sem.GetVariable("ld_params")).split("\n")]
        return {"areas": area, "filter": sem.ReportEnergyFilter(), "mag": sem.ReportMagIndex()[0]}

    def close(self):
        while sem.ReportFileNumber() > 0:
            sem.CloseFile()
        sem.SetLowDoseMode(0)
        sem.SetColumnOrGunValve(0)
        sem.SetDirectory(self.home)


def work(jobs):
    scope, done = Scope(), []
    try:
        for job in jobs:
            began = time.time()
            entry = {"job": job}
            try:
                entry["result"] = getattr(scope, job["do"])(*job.get("with", []))
            except (sem.SEMerror, RuntimeError) as problem:
                entry["problem"] = str(problem).strip().splitlines()[-1]
            entry["seconds"] = time.time() - began
            done.append(entry)
    finally:
        scope.close()
        try:
            sem.Exit(0)
        except sem.SEMexited:
            pass
    return done


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else JOBS, encoding="utf-8") as file:
        jobs = json.load(file)
    finished = work(jobs)
    with open(REPORT, "w", encoding="utf-8") as file:
        json.dump(finished, file)
