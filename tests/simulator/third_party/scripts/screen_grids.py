#!Python
#ScriptName ScreenAutoloader
# Screen all grids of the autoloader: one low mag image, count squares, look at a few of them,
# measure thickness from the counts, and write a report.

import os
import math
import serialem as sem

slots = range(1, 13)
lm_state, ld_state = "1", "2"
squares_per_grid = 2
mean_free_path_nm = 320
report_name = "screening.csv"
mail = True


def safe(text):
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)


def inventory():
    """Slot -> name for all occupied slots, and that of the grid on the stage, which is out of it."""
    found = {}
    loaded = sem.ReportLoadedSlot()
    for slot in slots:
        try:
            status = sem.ReportSlotStatus(slot)
        except SEMerror:
            break
        name = ""
        if isinstance(status, tuple):
            name = status[-1] if isinstance(status[-1], str) else ""
            status = status[0]
        if status == 1 or slot == loaded:
            found[slot] = safe(name) or f"slot{slot:02d}"
    return found


def load(slot):
    if sem.ReportLoadedSlot() == slot:
        return True
    code, _ = sem.LoadCartridge(slot)
    return code == 0


def counts_of_beam():
    """Counts without a specimen, from the brightest torn square if there is one."""
    mean, sd, low, high = sem.ReportMeanCounts("A", 2)
    return high


def screen(slot, name):
    sem.MakeDirectory(name)
    sem.SetDirectory(name)
    if sem.ReportIfNavOpen():
        sem.CloseNavigator()
    sem.OpenNavigator(f"{name}.nav")
    result = {"slot": slot, "name": name}
    assert sem.GoToImagingState(lm_state) == 0
    sem.SetColumnOrGunValve(1)
    sem.MoveStageTo(0, 0)
    sem.OpenNewFile(f"{name}_lm.mrc")
    sem.R()
    sem.S()
    sem.NewMap(0, f"{name} overview")
    sem.CloseFile()
    result["lm counts"] = round(sem.ReportMeanCounts("A", 1), 1)
    first = int(sem.ReportNumTableItems()) + 1
    sem.AutoContourGridSquares("A", -1, 50, 150)
    count = int(sem.MakePolygonsAtSquares(-1, -1, 50))
    result["squares"] = count
    sem.SaveNavigator()

    assert sem.GoToImagingState(ld_state) == 0
    thickness = []
    for index in range(first, first + min(squares_per_grid, count)):
        sem.MoveToNavItem(index)
        sem.Search()
        brightest = counts_of_beam()
        mean = sem.ReportMeanCounts()
        if mean > 0 and brightest > mean:
            thickness.append(mean_free_path_nm * math.log(brightest / mean))
        sem.OpenNewFile(f"{name}_{index:02d}.mrc")
        sem.S()
        sem.NewMap(1, f"square {index}")
        sem.CloseFile()
        x, y, z = sem.ReportOtherItem(index)[1:4]
        sem.Echo(f"square {index} at {x:.1f}, {y:.1f}")
    result["nm"] = round(sum(thickness) / len(thickness)) if thickness else -1
    sem.SetLowDoseMode(0)
    sem.SaveNavigator()
    sem.CloseNavigator()
    return result


sem.SuppressReports()
sem.NoMessageBoxOnError(1)
home = sem.ReportDirectory()
sem.MailSubject("Screening")
sem.ErrorBoxSendEmail("Screening stopped with an error.")
if sem.AreDewarsFilling():
    sem.Pause("The dewars are filling. Wait and go on?")
sem.LongOperation("RS", "4")
grids = inventory()
sem.Echo(f"{len(grids)} grids: {', '.join(grids.values())}")
rows, failed = [], []
for slot, name in grids.items():
    sem.SetStatusLine(1, f"slot {slot}: {name}")
    try:
        if not load(slot):
            raise RuntimeError(f"slot {slot} could not be loaded")
        rows.append(screen(slot, name))
    except SEMerror as error:
        failed.append(slot)
        sem.EchoBreakLines(f"slot {slot} failed: {error}")
        while sem.ReportFileNumber() > 0:
            sem.CloseFile()
    except RuntimeError as error:
        failed.append(slot)
        sem.Echo(str(error))
    sem.SetDirectory(home)

sem.OpenTextFile("out", "O", 0, report_name)
keys = list(rows[0]) if rows else []
sem.WriteLineToFile("out", ",".join(keys))
for row in sorted(rows, key=lambda r: -r["squares"]):
    sem.WriteLineToFile("out", ",".join(str(row[key]) for key in keys))
sem.CloseTextFile("out")
sem.SetColumnOrGunValve(0)
sem.ClearStatusLine(0)
if mail:
    sem.SendEmail(f"{len(rows)} grids screened, {len(failed)} failed.")
