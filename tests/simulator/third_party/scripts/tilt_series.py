#!Python
#ScriptName DoseSymmetric
# A plain dose-symmetric tilt series on the item being acquired, or where the stage stands.
# Tracking with Trial images before each Record, autofocus every few tilts, frames named by tilt.

import os
import serialem as sem

# ---------------- settings
step = 10
max_tilt = 40
group_size = 2               # tilts on one side before turning
defocus = -3.0               # um
focus_every = 15             # degrees between autofocus runs
tilt_wait = 2                # s
folder_name = "tilts"


def angles():
    """0, then groups of alternating sign."""
    plus, minus = [0], [-step]
    while plus[-1] + step <= max_tilt:
        plus.append(plus[-1] + step)
    while minus[-1] - step >= -max_tilt:
        minus.append(minus[-1] - step)
    order = []
    take_plus = True
    while plus or minus:
        side = plus if take_plus else minus
        for _ in range(group_size):
            if side:
                order.append(side.pop(0))
        take_plus = not take_plus
    return order


def track(buffer):
    """Trial image against the last one of the same side of the series."""
    sem.T()
    sem.AlignTo(buffer)
    shift_x, shift_y = sem.ReportAlignShift()[4:6]
    if abs(shift_x) + abs(shift_y) > 300:
        sem.T()
        sem.AlignTo(buffer)
    sem.Copy("A", buffer)
    return shift_x, shift_y


sem.SuppressReports()
sem.SetUserSetting("DriftProtection", 1)
if sem.ReportIfNavAcquiring()[0]:
    index, x, y, z, kind = sem.ReportNavItem()
    label = sem.GetVariable("navLabel")
else:
    index, label = 0, "ts"
if not sem.DoesFileExist(folder_name):
    sem.MakeDirectory(folder_name)
stack = os.path.join(folder_name, f"{label}.mrc")
sem.OpenNewFile(stack)

camera = sem.CameraProperties()
if sem.ReportCameraProperty(0, "K2Type") > 0:
    sem.Echo("frames in " + sem.ReportFrameSavingPath())

if sem.ReportColumnOrGunValve() == 0:
    sem.SetColumnOrGunValve(1)
sem.Eucentricity(3)
sem.GoToLowDoseArea("R")
sem.SetTargetDefocus(defocus)
sem.AreaForCumulRecordDose(int(index) + 1)
sem.AccumulateRecordDose(0)

order = angles()
last = {+1: None, -1: None}      # image shift and focus at the end of each side
focused = {+1: 0, -1: 0}
side_buffer = {+1: "P", -1: "Q"}
sem.ResetClock()
for number, angle in enumerate(order):
    side = 1 if angle >= 0 else -1
    sem.SetStatusLine(1, f"tilt {number + 1} of {len(order)}: {angle}")
    if angle < 0:
        sem.TiltTo(angle - step if abs(angle - step) < 60 else angle)
    sem.TiltTo(angle)
    sem.Delay(tilt_wait, "s")
    if number == 0:
        sem.G()
        sem.GoToLowDoseArea("R")
        start = (*sem.ReportImageShift()[:2], sem.ReportDefocus())
        sem.T()
        sem.Copy("A", "P")
        sem.Copy("A", "Q")
        last = {+1: start, -1: start}
    else:
        sem.GoToLowDoseArea("R")
        sem.SetImageShift(last[side][0], last[side][1])
        sem.SetDefocus(last[side][2])
        shift = track(side_buffer[side])
        if abs(angle - focused[side]) >= focus_every:
            sem.G()
            measured, status = sem.ReportAutoFocus()
            if status != 0:
                sem.Echo(f"autofocus failed at {angle}")
            focused[side] = angle
            sem.GoToLowDoseArea("R")
    sem.SetFrameBaseName(0, 1, 0, label)
    sem.SetFrameNameFormat(0, 1, 0x400)
    sem.R()
    sem.S()
    try:
        path, directory, name = sem.ReportLastFrameFile()
        sem.Echo(f"frames {name}")
    except SEMerror:
        pass
    last[side] = (*sem.ReportImageShift()[:2], sem.ReportDefocus())
    dose = sem.ImageConditions("A")[0]
    sem.AddToAutodoc("TrackedSide", "plus" if side > 0 else "minus")
    sem.WriteAutodoc()

sem.ClearStatusLine(0)
sem.TiltTo(0)
sem.SetImageShift(*start[:2])
sem.SetDefocus(start[2])
sem.Echo(f"{int(sem.ReportFileZsize())} images in {sem.ReportClock() / 60:.1f} min")
sem.CloseFile()
