#!Python
# Sets up tilt series at places on a lamella, the first of which tracks: pictures to find them
# again, a Navigator map to start from, and the targets file. Low dose must be on and the lamella
# near the centre of the stage's height range; then run predicted_tilt_series.py (or PACEtomo)
# with Acquire at Items.
import serialem as sem

root = "lamella"
places = [(0.0, 0.0), (2.0, 1.0)]  # Navigator coordinates in um, tracking target first
target_defocus = -4  # um

# ---------------------------------------------------------------------------------------------


def picture(name, take):
    """Take a picture into a file of its own, which stays the current one."""
    sem.OpenNewFile(name)
    take()
    sem.S()


sem.SuppressReports()
sem.SetUserSetting("ShiftToTiltAxis", 1)
sem.SetProperty("ImageShiftLimit", 20)
sem.SetNewFileType(0)
if sem.ReportIfNavOpen() == 0:
    sem.OpenNavigator(root + ".nav")
point = int(sem.AddStagePosAsNavPoint(*places[0], sem.ReportStageXYZ()[2]))
sem.MoveToNavItem(point)
sem.GoToLowDoseArea("V")
sem.Eucentricity(3)
sem.UpdateItemZ(point)
sem.MoveToNavItem(point)
stage_x, stage_y, _ = sem.ReportStageXYZ()

# The pictures are taken a micrometre further under focus than the series, for contrast.
sem.SetTargetDefocus(target_defocus - 1)
sem.G()
sem.GoToLowDoseArea("R")
picture(f"{root}_tgt_001_view.mrc", sem.V)
sem.CloseFile()

sem.GoToLowDoseArea("R")
a, b, c, d = sem.StageToSpecimenMatrix(0)
entries = []
for number, (x, y) in enumerate(places, start=1):
    dx, dy = x - places[0][0], y - places[0][1]
    ssx, ssy = a * dx + b * dy, c * dx + d * dy
    sem.SetImageShift(0, 0)
    if sem.ImageShiftByMicrons(ssx, ssy) != 0:
        sem.Echo(f"Target {number} is beyond the image-shift limit and is left out")
        continue
    picture(f"{root}_tgt_{number:03d}.mrc", sem.L)
    if number == 1:
        item = int(sem.NewMap(0, f"{root}_tgts.txt"))
    sem.CloseFile()
    entry = [
        f"_tgt = {number:03d}",
        f"tsfile = {root}_ts_{number:03d}.mrc",
        f"tgtfile = {root}_tgt_{number:03d}.mrc",
        f"SSX = {ssx:.4f}",
        f"SSY = {ssy:.4f}",
    ]
    if number == 1:
        entry += [
            f"viewfile = {root}_tgt_001_view.mrc",
            f"stageX = {stage_x:.4f}",
            f"stageY = {stage_y:.4f}",
        ]
    entries.append(entry + ["skip = False", ""])

sem.SetImageShift(0, 0)
with open(f"{root}_tgts.txt", "w", encoding="utf-8") as file:
    for entry in entries:
        for line in entry:
            print(line, file=file)
sem.SetItemAcquire(item, 1)
sem.SaveNavigator()
sem.Echo(f"{len(entries)} targets set up for {root}")
