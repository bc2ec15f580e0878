#!Python
#
# Bring the specimen to eucentric height and focus, and check focus, astigmatism and coma with
# fits of the contrast transfer function. The results go to a text file.
#ScriptName CheckFocus

import serialem as sem
import math

target = -3.0            # defocus in um
tolerance = 0.1          # allowed difference of measured defocus, um
tilts = (4.0, -4.0)      # beam tilts to compare, mrad
max_astig = 0.15         # um
report = "focus_check.txt"


def log(*values):
    print(*values)
    sem.WriteLineToFile("report", " ".join(str(v) for v in values))


def fit(kind):
    """Record and fit with both programs."""
    sem.R()
    if kind == "ctffind":
        values = sem.CtfFind("A", -0.5, -8.0)
    else:
        values = sem.Ctfplotter("A", -0.5, -8.0, 1, 0, 0)
    defocus, astigmatism = values[:2]
    return defocus, astigmatism


sem.OpenTextFile("report", "O", 0, report)
if not sem.ReportLowDose()[0]:
    sem.SetLowDoseMode(1)
sem.GoToLowDoseArea("R")
sem.ResetImageShift()

# ---- height
z_before = sem.ReportStageXYZ()[2]
sem.Eucentricity(3)
z = sem.ReportStageXYZ()[2]
log(f"height {z_before:.2f} -> {z:.2f}")
if sem.ReportRoughEucenFailed():
    sem.Exit(-1, "no eucentric height")
sem.TiltTo(0)

# ---- focus
sem.SetTargetDefocus(target)
sem.SetUserSetting("DriftProtection", 1)
for attempt in range(4):
    sem.G()
    measured, status = sem.ReportAutoFocus()
    log(f"attempt {attempt + 1} defocus {measured:.3f} status {int(status)}")
    sem.G(-1)
    measured, status = sem.ReportAutoFocus()
    if status == 0 and abs(measured - target) <= tolerance:
        break
else:
    sem.Exit(-1, "autofocus did not converge")
drift = math.hypot(*sem.ReportFocusDrift())
log(f"focus {measured:.3f} drift {drift:.2f}")

# ---- fits
sem.GoToLowDoseArea("R")
for kind in ("ctfplotter", "ctffind"):
    defocus, astigmatism = fit(kind)
    log(f"{kind} {defocus:.3f} {astigmatism:.3f}")
    if astigmatism > max_astig:
        sem.Pause(f"Astigmatism is {astigmatism:.2f} um. Go on?")

sem.FixAstigmatismByCTF()
log("stigmator %.3f %.3f" % sem.ReportStigmatorNeeded())
sem.FixComaByCTF()
log("tilt needed %.3f %.3f" % sem.ReportComaTiltNeeded())
sem.GoToLowDoseArea("R")

# ---- coma: with the beam tilted either way, defocus must be the same
x0, y0 = sem.ReportBeamTilt()
for axis in (0, 1):
    found = []
    for tilt in tilts:
        change = (tilt, 0) if axis == 0 else (0, tilt)
        sem.SetBeamTilt(x0 + change[0], y0 + change[1])
        found.append(fit("ctffind")[0])
    sem.SetBeamTilt(x0, y0)
    log(f"coma {'xy'[axis]} {found[0] - found[1]:.3f}")

# ---- series: the fits follow what is set
step = 0.5
start = sem.ReportDefocus()
series = []
for number in range(3):
    if number:
        sem.ChangeFocus(-step)
    series.append(fit("ctffind")[0])
sem.SetDefocus(start)
slope = (series[-1] - series[0]) / (2 * step)
log(f"slope {-slope:.3f}")
sem.CloseTextFile("report")
sem.GoToLowDoseArea("V")
sem.V()
sem.SnapshotToFile(0, 0, 0, "JPG", "JPG", "last_view.jpg")
