#!Python
#ScriptName SessionReport
# A main script that uses other scripts of the list, keeps notes between runs in persistent
# variables, and survives commands that fail.

import serialem as sem

#include SharedFunctions

runs = 1
if sem.IsVariableDefined("reportRuns"):
    runs = int(float(sem.GetVariable("reportRuns"))) + 1
sem.SetPersistentVar("reportRuns", str(runs))

# ---- arrays pass through variables as lines of text
angles = list(range(-60, 61, 20))
sem.SetVariable("angles", listToSEMarray(angles))
back = SEMarrayToInts(sem.GetVariable("angles"))
assert back == angles, (back, angles)
sem.SetFloatVariable("middle", sum(angles) / len(angles), 0)
assert sem.GetVariable("MIDDLE") == 0.0

# ---- what a failing command leaves behind
problems = []
sem.NoMessageBoxOnError(1)
for attempt, action in enumerate(
    (
        lambda: sem.SetMag(12345),
        lambda: sem.MoveStageTo(5000, 0),
        lambda: sem.ReadOtherFile(0, "P", "no_such_file.mrc"),
        lambda: sem.ReportNavItem(),
        lambda: sem.ZemlinTableau(5.0),
    )
):
    try:
        action()
    except SEMerror as error:
        problems.append(str(error).strip().splitlines()[-1])
sem.NoMessageBoxOnError(0)
try:
    sem.SetBinning("R", 3)
except SEMerror as error:
    problems.append(f"[{error}]")
try:
    sem.MoveStageTo("10", "20")
except TypeError:
    problems.append("TypeError")

# ---- values come back as numbers, pairs and texts
assert isinstance(sem.ReportTiltAngle(), float)
assert isinstance(sem.ReportStageXYZ(), tuple)
sem.ReturnAllValuesAsTuples(1)
(angle,) = sem.ReportTiltAngle()
sem.ReturnAllValuesAsTuples(0)
sem.ReportStageXYZ()
x = sem.GetVariable("reportedValue1")

# ---- other scripts, by name and number
sem.SetVariable("position", "7.5")
sem.Call("Helper")
note = sem.GetVariable("noteOfHelper")
sem.CallMacro(3)
third = sem.GetVariable("third")

sem.SetUserSetting("DriftProtection", 1)
sem.SetExposure("R", 2.5)
print(shared_heading(runs))
for line in problems:
    print(" -", line)
print(f"helper: {note}, third: {int(third)}, x = {x:.2f}, angle = {angle:.1f}")
sem.EchoBreakLines("two\nlines")
sem.Exit(1, "report done")
sem.Echo("nobody hears this")
