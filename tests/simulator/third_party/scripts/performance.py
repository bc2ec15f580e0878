#!Python
#ScriptName PerformanceTests
# Times what the microscope does again and again, and checks how well it does it.
# Start over a part of the grid with holes, low dose on.

import math
import numpy as np
import serialem as sem

repeats = 3
shifts_um = (0.3, 0.8)  # less than half the distance of holes, which all look the same
moves_um = (0.3, 1.0)
report = "performance.txt"
lines = []


def tell(name, *numbers):
    text = name + " " + " ".join(f"{number:.4f}" for number in numbers)
    sem.Echo(text)
    lines.append(text)


def timed(action, *arguments):
    sem.ResetClock()
    for _ in range(repeats):
        action(*arguments)
    return sem.ReportClock() / repeats


def image_shift():
    sem.GoToLowDoseArea("R")
    for distance in shifts_um:
        took = timed(lambda: (sem.ImageShiftByMicrons(distance, 0), sem.ImageShiftByMicrons(-distance, 0)))
        tell(f"shift_{distance}", took)
    for distance in shifts_um:
        sem.SetImageShift(0, 0)
        sem.V()
        sem.Copy("A", "M")
        sem.ImageShiftByMicrons(distance, 0)
        sem.V()
        sem.AlignTo("M", 1)
        tell(f"shift_error_{distance}", math.hypot(*sem.ReportAlignShift()[4:6]) / 1000 - distance)
    sem.SetImageShift(0, 0)


def stage():
    x, y, z = sem.ReportStageXYZ()
    for distance in moves_um:
        sem.V()
        sem.Copy("A", "M")
        sem.ResetClock()
        sem.MoveStageTo(x + distance, y)
        while sem.ReportStageBusy():
            sem.Delay(0.1, "s")
        took = sem.ReportClock()
        sem.V()
        sem.AlignTo("M", 1)
        tell(f"stage_{distance}", took, math.hypot(*sem.ReportAlignShift()[4:6]) / 1000 - distance)
        sem.MoveStageTo(x, y, z)


def camera():
    left, right, top, bottom = sem.ReportCameraSetArea("T")
    tell("area", right - left, bottom - top)
    sem.T()
    for seconds in (0.5, 2):
        sem.SetExposure("T", seconds)
        tell(f"exposure_{seconds}", timed(sem.T))
    sem.RestoreCameraSet("T")
    sem.T()
    whole = sem.ReportMeanCounts("A")
    divided, scaling = sem.ReportCountScaling()
    sem.SetDivideBy2(0 if divided else 1)
    sem.T()
    tell("halves", sem.ReportMeanCounts("A") / whole, divided, scaling)
    sem.SetDivideBy2(int(divided))
    tell("electrons", *sem.ElectronStats("A"))


def beam():
    sem.GoToLowDoseArea("R")
    sem.R()
    try:
        tell("beam", *sem.MeasureBeamPosition("A"))
    except SEMerror:
        tell("beam_wide")


def lattice():
    sem.GoToLowDoseArea("Search")
    sem.Search()
    nm = sem.ImageProperties("A")[4]
    vectors = np.array(sem.AutoCorrPeakVectors("A", 0, 0, 0)).reshape(2, 2)
    lengths = np.hypot(*vectors.T) * nm / 1000
    angle = math.degrees(math.atan2(-vectors[0][1], vectors[0][0]))
    to_stage = np.array(sem.BufImageToStageMatrix("A", 1))[:4].reshape(2, 2)
    on_stage = to_stage @ vectors[0]
    tell("lattice", *lengths, angle)
    tell("lattice_on_stage", *on_stage)


def magnifications():
    sem.GoToLowDoseArea("Search")
    sem.Search()
    sem.Copy("A", "O")
    sem.V()
    scaling, rotation = sem.AlignBetweenMags("O", -1, -1, -1, -1, -1, 1)
    tell("search_to_view", scaling, rotation)
    sem.V()
    sem.Copy("A", "M")
    sem.V()
    tell("turned", sem.AlignWithRotation("M", 0, 10))


def focus():
    sem.GoToLowDoseArea("R")
    zero = sem.ReportAbsoluteFocus()
    sem.SetAbsoluteFocus(0)
    tell("focus_before", zero)
    tell("autofocus", timed(sem.G, -1), sem.ReportAutoFocus()[0])
    sem.SetAutofocusOffset(-2)
    sem.G(-1)
    tell("with_offset", sem.ReportAutoFocus()[0])
    sem.SetAutofocusOffset(0)
    sem.SaveFocus()
    sem.ChangeFocus(-5)
    sem.RestoreFocus()


def shell():
    sem.RunInShell("echo performance> shell.txt")
    tell("shell", sem.DoesFileExist("shell.txt"))


sem.SuppressReports()
tests = {"image shift": image_shift, "stage": stage, "camera": camera, "beam": beam,
         "lattice": lattice, "magnifications": magnifications, "focus": focus, "shell": shell}
chosen = sem.YesNoBox("Run all tests?")
for name, test in tests.items():
    if chosen or sem.YesNoBox(f"Run the test of {name}?"):
        sem.SetStatusLine(1, name)
        test()
sem.ClearStatusLine(0)
with open(report, "w") as out:
    out.write("\n".join(lines))
sem.Exit()
