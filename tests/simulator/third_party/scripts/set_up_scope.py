#!Python
#ScriptName SetUpScope
# Brings the optics into order before a night: gun, energy filter, coma, astigmatism.
# All numbers go to setup_report.txt.
import serialem as sem
from math import hypot

MAX_ASTIG_UM = 0.08      # left after correction, as CTFFIND sees it in a Record
FILTER_EVERY_MIN = 20
NARROW_EV = 8

sem.OpenTextFile("out", "O", 0, "setup_report.txt")


def note(name, *numbers):
    sem.WriteLineToFile("out", name + " " + " ".join("%.4f" % n for n in numbers))


def record_counts():
    sem.R()
    return sem.ReportMeanCounts("A")


def ctf():
    sem.R()
    defocus, astig, angle = sem.CtfFind("A", -0.8, -7)[:3]
    return defocus, astig, angle


sem.SetLowDoseMode(1)
sem.GoToLowDoseArea("R")

# --- gun
for hot in (1, 0):
    if sem.IsFEGFlashingAdvised(hot):
        if hot:
            sem.NextFEGFlashHighTemp(1)
        sem.LongOperation("FF", "0")
        break
note("advised", sem.IsFEGFlashingAdvised(0), sem.IsFEGFlashingAdvised(1))

# --- filter: with a narrow slit, a peak off its middle costs light
width, loss, slit_in = sem.ReportEnergyFilter()
sem.SetSlitWidth(NARROW_EV)
before = record_counts()
sem.RefineZLP(FILTER_EVERY_MIN)
sem.GoToLowDoseArea("R")
after = record_counts()
again = sem.RefineZLP(FILTER_EVERY_MIN)
sem.SetSlitWidth(width)
note("zlp", before, after, 0 if again is None else 1)

# --- coma first, it changes the astigmatism that is seen
tilt = sem.ReportBeamTilt()
sem.FixComaByCTF(0, 1, 1)
note("coma", *tilt, *sem.ReportBeamTilt(), *sem.ReportComaTiltNeeded())

# --- astigmatism
stigmator = sem.ReportObjectiveStigmator()
sem.GoToLowDoseArea("R")
start = ctf()
sem.FixAstigmatismByCTF(1, 1, 0)
if sem.ReportObjectiveStigmator() != stigmator:
    sem.Exit(-1, "the stigmator was to be measured only")
needed = sem.ReportStigmatorNeeded()
sem.FixAstigmatismByCTF()
now = sem.ReportObjectiveStigmator()
note("stigmator", *stigmator, *now, *needed)
sem.GoToLowDoseArea("R")
end = ctf()
note("astigmatism", start[1], end[1], end[0])
if end[1] > MAX_ASTIG_UM:
    sem.Pause("Astigmatism is still %.2f um" % end[1])
sem.CloseTextFile("out")
