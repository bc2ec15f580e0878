#!Python
#ScriptName SingleParticle
# Prepare and run a small single-particle session on one square:
#   1. the user centres a square,
#   2. holes are found in a Search image and become Navigator points,
#   3. at the hole nearest to the middle: eucentric height, autofocus, drift,
#   4. exposure from the dose rate on the camera,
#   5. Records at a pattern of holes by image shift, once by hand and once as multi-shot.

import serialem as sem
import numpy as np

# -------- settings
hole_um = 2.0
spacing_um = 4.25
total_dose = 30.0             # e/A2 wanted in each Record
defocus_range = (-0.8, -2.4, 3)
pattern = (2, 2)              # holes by image shift
root = "spa"


def buffer(letter):
    return np.asarray(sem.bufferImage(letter))


def save_average(count):
    """Mean of several Search images, by image arithmetic, to judge the illumination."""
    sem.Search()
    sem.ScaleImage("A", 1.0 / count, 0.0, "Q")
    for number in range(count - 1):
        sem.Search()
        sem.ScaleImage("A", 1.0 / count, 0.0, "R")
        sem.AddImages("Q", "R", "Q")
    sem.DivideImages("A", "Q", "R")
    ratio = buffer("R")
    mean, sd, low, high = sem.ReportMeanCounts("R", 2)
    assert abs(mean - ratio.mean()) < 1e-3
    sem.FilterImage("Q", 0.0, 0.05, 0.0, 0.1, "R")
    sem.EchoBreakLines(f"mean of {count}: ratio {mean:.3f} sd {sd:.3f}")
    return mean


def find_holes():
    sem.Search()
    sem.SetHoleFinderParams(hole_um, spacing_um, 0)
    sem.FindHoles("A")
    count = int(sem.MakeNavPointsAtHoles(0, -1, -1, -1, -1, 0.5 * hole_um))
    sem.UseHoleVectorsForMulti()
    return count


def nearest_to_middle(count):
    nx, ny = sem.ImageProperties("A")[:2]
    items = int(sem.ReportNumTableItems())
    best = None
    for index in range(items - count + 1, items + 1):
        x, y, inside = sem.ReportItemImageCoords(index, "A")
        away = np.hypot(x - nx / 2, y - ny / 2)
        if best is None or away < best[0]:
            best = (away, index)
    return best[1]


def centre_hole(reference):
    """Stage errors are larger than a hole allows: align to the reference in buffer P."""
    sem.V()
    sem.AlignTo(reference)
    sem.ResetImageShift()
    sem.V()
    sem.AlignTo(reference)


# -------- start
sem.SuppressReports()
sem.SetProperty("ImageShiftLimit", 18)
if not sem.ReportIfNavOpen():
    sem.OpenNavigator()
if not sem.ReportLowDose()[0]:
    sem.SetLowDoseMode(1)
sem.GoToLowDoseArea("S")
if not sem.YesNoBox("Is a good square in the middle of the Search image?"):
    sem.Exit()

sem.Eucentricity(1)
save_average(3)
count = find_holes()
sem.Echo(f"{count} holes")
hole = nearest_to_middle(count)
sem.ChangeItemColor(hole, 1)
sem.ChangeItemNote(hole, "start")
sem.SaveNavigator(f"{root}.nav")

# the user centres this hole in View once; that image is the reference from now on
sem.MoveToNavItem(hole)
sem.V()
sem.OKBox("Drag the hole into the middle of the View image.")
sem.V()
sem.Copy("A", "P")
sem.ResetImageShift()
centre_hole("P")

# -------- focus
sem.UpdateItemZ(hole)
low, high, steps = defocus_range
targets = np.linspace(low, high, steps)
sem.SetTargetDefocus(float(targets[0]))
sem.DriftWaitTask(1.0, "nm", 60, 5)
drift, failed = sem.GetWaitTaskDrift()
sem.Echo(f"drift {drift:.2f} nm/s{' (still)' if failed else ''}")
sem.G()
sem.GoToLowDoseArea("R")
focus = sem.ReportDefocus()

# -------- dose: electrons per unbinned pixel and second in vacuum would be better; a hole will do
sem.SetExposure("R", 1.0)
sem.R()
low_e, high_e, mean_e, sd_e, rate = sem.ElectronStats("A")
pixel_A = sem.CameraProperties()[4] * 10
dose_rate = rate / pixel_A**2
exposure = round(min(20.0, total_dose / dose_rate), 2)
sem.RestoreCameraSet("R")
sem.SetExposure("R", exposure)
sem.Echo(f"dose rate {dose_rate:.3f} e/A2/s, exposure {exposure:.2f} s")
sem.FFT("A", 2)
rings = buffer("AF")
assert rings.ndim == 2 and rings.dtype == np.uint8

# -------- Records at holes, by hand
sem.AllowFileOverwrite(1)
sem.OpenNewFile(f"{root}_manual.mrc")
matrix = np.array(sem.StageToSpecimenMatrix(0)).reshape(2, 2)
items = int(sem.ReportNumTableItems())
x0, y0 = sem.ReportOtherItem(hole)[1:3]
shifts = []
for index in range(items - count + 1, items + 1):
    x, y = sem.ReportOtherItem(index)[1:3]
    shifts.append(matrix @ (x - x0, y - y0))
shifts.sort(key=lambda s: np.hypot(*s))
base = sem.ReportImageShift()[:2]
sem.SetDefocus(focus)
done = 0
for number, (dx, dy) in enumerate(shifts[: pattern[0] * pattern[1]]):
    sem.SetImageShift(*base)
    if sem.ImageShiftByMicrons(float(dx), float(dy)):
        sem.Echo(f"hole {number + 1} is too far")
        continue
    sem.AdjustBeamTiltforIS()
    change = float(targets[number % len(targets)] - targets[0])
    sem.SetDefocus(focus + change)
    sem.R()
    sem.S("A")
    sem.AddToAutodoc("Hole", f"{dx:.3f} {dy:.3f}")
    sem.WriteAutodoc()
    sem.RestoreBeamTilt()
    done += 1
sem.SetImageShift(*base)
sem.SetDefocus(focus)
sem.CloseFile()

# -------- the same as multi-shot
sem.OpenNewFile(f"{root}_multishot.mrc")
sem.MultipleRecords()
shots = sem.ReportFileZsize()
sem.CloseFile("error")
sem.Echo(f"{done} Records by hand, {int(shots)} by multi-shot")
sem.ClearHoleFinder()
sem.SaveNavigator()
