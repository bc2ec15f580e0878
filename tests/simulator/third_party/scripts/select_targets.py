#!Python
#ScriptName SelectTargets
# Select targets for parallel tilt series with the user's help, and write a targets file.
#
# The first target (for tracking) is dragged into the middle of View images; the others are either
# dragged too or picked as a group of points on the View map. A Preview of each is saved.

import os
import glob
import serialem as sem
import numpy as np

######## SETTINGS ########
drag = False            # drag every target instead of picking points on the map
alignment_rounds = 2    # Previews until the shift is small
align_limit_um = 0.05
beam_diameter = 0       # um, 0 = read from the microscope
max_tilt = 60
extra_view_files = True
##########################


def log(text, color=0, style=0):
    if sem.IsVersionAtLeast("40200", "20240205"):
        sem.SetNextLogOutputStyle(style, color)
    sem.EchoBreakLines(text)


def ask_root():
    sem.EnterString("rootName", "Please provide a rootname for the targets file:")
    root = str(sem.GetVariable("rootName")).strip()
    while root == "" or glob.glob(root + "_tgts*.txt"):
        if root and sem.YesNoBox(f"Targets of {root} exist. Start over?"):
            for old in glob.glob(root + "_tgt*"):
                os.remove(old)
            break
        sem.EnterString("rootName", "The name is in use or empty. Please give another one:")
        root = str(sem.GetVariable("rootName")).strip()
    return root


def drag_loop(text):
    """View images until the user says that the target is in the middle."""
    sem.V()
    log(text + "\nPress B when it is in the middle.", 4, 1)
    while not sem.KeyBreak():
        sem.Delay(0.1, "s")
    while True:
        sem.V()
        if sem.YesNoBox("Is the target centred?"):
            break
        while not sem.KeyBreak("b"):
            sem.Delay(100, "ms")


def preview(number):
    """Save a Preview of what is centred; its map becomes the target's reference."""
    name = f"{root}_tgt_{number:03d}.mrc"
    sem.OpenNewFile(name)
    sem.L()
    sem.S()
    index = int(sem.NewMap(0, name))
    sem.ChangeItemLabel(index, f"{number:03d}")
    sem.ChangeItemColor(index, 5 if number > 1 else 4)
    sem.CloseFile()
    return index, name


def centre_on(reference, name):
    """Align Previews to a place seen in the View map."""
    for _ in range(alignment_rounds):
        sem.L()
        sem.AlignBetweenMags(reference, -1, -1, 1.5)
        shift = sem.ReportAlignShift()[4:6]
        if np.hypot(*shift) < 1000 * align_limit_um:
            return


def view_of_target(column, row, name):
    """View image around a target, cut from the View map and padded where it ends."""
    whole = np.asarray(sem.bufferImage("O"))
    height, width = whole.shape
    half_x, half_y = width // 4, height // 4
    cut = np.full((2 * half_y, 2 * half_x), whole.mean(), dtype=whole.dtype)
    left, top = int(round(column)) - half_x, int(round(row)) - half_y
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + 2 * half_x), min(height, top + 2 * half_y)
    cut[y0 - top : y1 - top, x0 - left : x1 - left] = whole[y0:y1, x0:x1]
    sem.PutImageInBuffer(np.ascontiguousarray(cut), "N", 2 * half_x, 2 * half_y, "O")
    sem.OpenNewFile(name)
    sem.S("N")
    sem.CloseFile()


def write_targets(targets):
    lines = ["_set startTilt = 0", ""]
    for number, target in enumerate(targets, start=1):
        lines.append(f"_tgt = {number:03d}")
        lines += [f"{key} = {value}" for key, value in target.items()]
        lines.append("")
    for number, (x, y) in enumerate(geometry, start=1):
        lines += [f"_geo = {number}", f"SSX = {x}", f"SSY = {y}", ""]
    with open(f"{root}_tgts.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


sem.SuppressReports()
sem.NoMessageBoxOnError(1)
try:
    directory = sem.UserSetDirectory("Please choose a directory for the targets.")
except SEMerror:
    directory = sem.ReportDirectory()
sem.NoMessageBoxOnError(0)
if directory == "Cancel":
    sem.Exit()
if sem.ReportIfNavOpen() == 0:
    sem.OpenNavigator()
root = ask_root()
sem.SaveLogOpenNew(root)
sem.SetPersistentVar("lastTargetsRoot", root)
sem.SetUserSetting("ShiftToTiltAxis", 1)
sem.GoToLowDoseArea("R")
if beam_diameter == 0:
    beam_diameter = 100 * sem.ReportIlluminatedArea()
group_points = int(sem.EnterDefaultedNumber(0, -1, "Number of geometry points to pick:"))

# ---- tracking target
targets, geometry = [], []
sem.ResetImageShift()
drag_loop("Please drag the tracking target into the middle of the image.")
sem.ResetImageShift()
sem.V()
view_name = f"{root}_tgt_001_view.mrc"
sem.OpenNewFile(view_name)
sem.S()
view_map = int(sem.NewMap(0, view_name))
sem.SaveNavigator(f"{root}.nav")
sem.CloseFile()
sem.LoadOtherMap(view_map, "O")
x0, y0, z0 = sem.ReportStageXYZ()
index, name = preview(1)
matrix = np.array(sem.StageToSpecimenMatrix(0)).reshape(2, 2)
targets.append(
    {"tgtfile": name, "viewfile": view_name, "tsfile": f"{root}_ts_001.mrc",
     "stageX": x0, "stageY": y0, "SSX": 0.0, "SSY": 0.0, "skip": False}
)
track_item = index
adjusted = np.array(sem.AdjustStagePosForNav(x0, y0, 0, 0))

# ---- other targets
if not drag:
    sem.LoadOtherMap(view_map, "O")
    sem.OKBox("Please add the other targets as one group of points on the View map.")
    group = int(sem.EnterDefaultedNumber(0, -1, "Group ID of the points:"))
    count = int(sem.GetNavGroupStageCoords(group, "ptsX", "ptsY", "ptsZ"))
    xs, ys = SEMarrayToFloats(sem.GetVariable("ptsX")), SEMarrayToFloats(sem.GetVariable("ptsY"))
    inside = int(sem.GetNavGroupImageCoords(group, "O", "imX", "imY"))
    assert inside == count
    ims = list(zip(*(SEMarrayToFloats(sem.GetVariable(v)) for v in ("imX", "imY"))))
    for number, (x, y) in enumerate(zip(xs, ys), start=2):
        sem.GoToLowDoseArea("R")
        sem.SetImageShift(0, 0)
        shift = matrix @ (np.array([x, y]) - adjusted)
        if sem.ImageShiftByMicrons(float(shift[0]), float(shift[1])):
            log(f"Target {number} is beyond the image shift limit.", 2)
            continue
        view = f"{root}_tgt_{number:03d}_view.mrc"
        if extra_view_files:
            view_of_target(*ims[number - 2], view)
            sem.Copy("N", "M")
            centre_on("M", view)
        shift = sem.ReportSpecimenShift()
        index, name = preview(number)
        target = {"tgtfile": name, "tsfile": f"{root}_ts_{number:03d}.mrc"}
        if extra_view_files:
            target["viewfile"] = view
        target.update({"SSX": shift[0], "SSY": shift[1], "skip": False})
        targets.append(target)
    if group_points and len(ims) > 2:
        middle = np.mean(ims, axis=0)
        for k in range(group_points):
            angle = 2 * np.pi * k / group_points
            px = middle + 100 * np.array([np.cos(angle), np.sin(angle)])
            n = int(sem.AddImagePosAsNavPoint("O", float(px[0]), float(px[1]), z0))
            gx, gy = sem.ReportOtherItem(n)[1:3]
            geometry.append(tuple(matrix @ (np.array([gx, gy]) - adjusted)))
            sem.DeleteNavigatorItem(n)
else:
    while sem.YesNoBox("Add another target?"):
        number = len(targets) + 1
        drag_loop(f"Please drag target {number} into the middle.")
        sem.GoToLowDoseArea("R")
        shift = sem.ReportSpecimenShift()
        index, name = preview(number)
        targets.append(
            {"tgtfile": name, "tsfile": f"{root}_ts_{number:03d}.mrc",
             "SSX": shift[0], "SSY": shift[1], "skip": False}
        )

# ---- results
write_targets(targets)
sem.ChangeItemNote(track_item, f"{root}_tgts.txt")
sem.SetItemAcquire(track_item)
sem.SetImageShift(0, 0)
sem.MoveToNavItem(track_item)
sem.LoadOtherMap(view_map)
sem.SnapshotToFile(0, 1, 4, "JPG", "JPG", f"{root}_targets.jpg")
sem.SaveNavigator()
log(f"{len(targets)} targets for {root}, beam {beam_diameter:.2f} um.")
sem.SaveLog()
