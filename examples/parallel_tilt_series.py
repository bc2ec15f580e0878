#!Python
# A stand-in for PACEtomo, for simulated sessions only: parallel tilt series by image shift.
# On a real microscope use PACEtomo itself; this script knows just enough of its targets file to
# take a dose-symmetric series at every target, tracking on the first one.
import math
import os

import serialem as sem

max_tilt = 60  # degrees
step = 3  # degrees
track_limit = 0.25  # um; a tracking shift beyond this is not believed

# ---------------------------------------------------------------------------------------------


def read_targets(path):
    """Targets and their keys, in file order; geometry points and settings are left out."""
    targets, current = [], None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.strip().partition(" = ")
            if key == "_tgt":
                current = {}
                targets.append(current)
            elif key.startswith("_"):
                current = None
            elif current is not None and value:
                current[key] = value
    return [t for t in targets if t.get("skip", "False") != "True"]


def dose_symmetric(highest, by):
    """0, +1, -1, -2, +2, +3, -3 ... times the step."""
    tilts, sign = [0.0], 1
    for k in range(1, int(highest / by) + 1):
        tilts += [sign * k * by, -sign * k * by]
        sign = -sign
    return tilts


def realign(target):
    """Find the tracking target again by its View picture; the stage takes the shift over."""
    if "viewfile" not in target:
        return
    for attempt in range(2):
        sem.ReadOtherFile(0, "O", target["viewfile"])
        sem.V()
        sem.AlignTo("O", 0, 0, 0, 0)
        if attempt == 0:
            sem.ResetImageShift()


def take(target, first):
    """Record into the target's own stack."""
    sem.R()
    if first:
        sem.OpenNewFile(target["tsfile"])
    else:
        sem.OpenOldFile(target["tsfile"])
    sem.S()
    sem.CloseFile()


def track(reference, tilt):
    """Align the picture in A to the last one of its side; returns the shift found in um."""
    before = sem.ReportSpecimenShift()
    sem.LimitNextAutoAlign(track_limit)
    try:
        sem.AlignTo(reference, 0, 0, 0, 0)
    except sem.SEMerror:
        sem.Echo(f"Tracking failed at {tilt:.1f} deg; going on by prediction")
        return 0.0, 0.0
    after = sem.ReportSpecimenShift()
    return after[0] - before[0], after[1] - before[1]


sem.SuppressReports()
sem.SetProperty("ImageShiftLimit", 20)  # room for tracking beyond the targets' own shifts
sem.AllowFileOverwrite(1)
item = int(sem.ReportNavItem()[0])
targets = read_targets(os.path.join(sem.ReportDirectory(), sem.GetVariable("navNote")))
if not targets:
    sem.Echo("No targets for this item, nothing to acquire")
    sem.Exit()

sem.MoveToNavItem(item)
sem.GoToLowDoseArea("V")
sem.Eucentricity(1)
sem.UpdateItemZ(item)
sem.MoveStageTo(float(targets[0]["stageX"]), float(targets[0]["stageY"]))
realign(targets[0])
sem.GoToLowDoseArea("R")
start_x, start_y, *_ = sem.ReportImageShift()
focus = sem.ReportDefocus()

skipped = set()
tilts = dose_symmetric(max_tilt, step)
# Each side of zero has its own last tracking picture and shift (um), so that no alignment has to
# bridge the jump from one side to the other.
references = {True: "O", False: "N"}
shifts = {True: (0.0, 0.0), False: (0.0, 0.0)}
for count, tilt in enumerate(tilts):
    sem.TiltTo(tilt)
    real_tilt = sem.ReportTiltAngle()
    scale = math.cos(math.radians(real_tilt))
    shift_x, shift_y = shifts[tilt > 0]
    for number, target in enumerate(targets, 1):
        if number in skipped:
            continue
        x, y = float(target["SSX"]), float(target["SSY"]) * scale
        sem.GoToLowDoseArea("R")
        sem.SetImageShift(start_x, start_y)
        if sem.ImageShiftByMicrons(x + shift_x, y + shift_y) != 0:
            sem.Echo(f"Target {number} is beyond the image-shift limit and is skipped")
            skipped.add(number)
            continue
        take(target, count == 0)
        if number == 1:
            if count > 0:
                dx, dy = track(references[tilt > 0], tilt)
                shift_x, shift_y = shift_x + dx, shift_y + dy
                shifts[tilt > 0] = (shift_x, shift_y)
            for positive, buffer in references.items():
                if count == 0 or positive == (tilt > 0):
                    sem.Copy("A", buffer)

sem.TiltTo(0)
sem.SetDefocus(focus)
sem.SetImageShift(0, 0)
sem.Echo(f"Tilt series at {len(targets) - len(skipped)} targets done")
