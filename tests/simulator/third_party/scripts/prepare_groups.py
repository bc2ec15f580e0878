#!Python
#ScriptName PrepareGroups
# Settings for a night of Records in groups, the points to visit, and the start of it all.

import json

import serialem as sem

spacing_um = 3.0
rows, columns = 2, 3
defocus = -1.6

# Kept after this script, so that they hold while the points are acquired.
for_the_night = {
    "DriftProtection": 1,
    "AutofocusBeamTilt": 6,
    "RefocusThreshold": 3,
    "TargetDefocus": defocus,
    "BuffersToRollOnAcquire": 5,
    "BufferToReadInto": 14,
    "LowDoseViewDefocus": -80,
    "TiltDelay": 2,
    "autosavenavnew": 1,
}
# Only what this script itself needs, or what the display shows.
for_now = {
    "MoveStageOnBigMouseShift": 0,
    "ShowStateNumbers": 1,
    "CtfBinning": 2.4,
    "CtfDoFullArray": 1,
    "MinCtfBasedDefocus": -0.4,
    "UserMaxCtfFitRes": 0.02,
    "MontageMinOverlapFactor": 0.2,
}

before = {name: sem.ReportUserSetting(name) for name in [*for_the_night, *for_now]}
for name, value in for_the_night.items():
    sem.SetUserSetting(name, value, 1)
for name, value in for_now.items():
    sem.SetUserSetting(name, value)
now = {name: sem.ReportUserSetting(name) for name in before}
with open("settings.json", "w") as out:
    json.dump({"before": before, "now": now}, out)

try:
    sem.SetUserSetting("NavAutosave", 1)
except SEMerror:
    sem.Echo("no such setting")

sem.SetProperty("ImageShiftLimit", 20)
limits = [sem.ReportProperty(name) for name in ("ImageShiftLimit", "MaximumTiltAngle")]
sem.EchoBreakLines("limits %.1f %.1f" % tuple(limits))
if sem.ReportCameraProperty(0, "K2Type") > 0 and not sem.ReportProperty("NoScope"):
    sem.Echo("camera %.0f x %.0f" % (sem.ReportProperty("CameraSizeX"), sem.ReportProperty("CameraSizeY")))

sem.OpenNavigator()
x0, y0, z0 = sem.ReportStageXYZ()
for row in range(rows):
    group = int(sem.GetUniqueNavID())
    for column in range(columns):
        index = sem.AddStagePosAsNavPoint(x0 + column * spacing_um, y0 + row * spacing_um, z0, group)
        sem.SetItemAcquire(int(index))
alone = sem.AddStagePosAsNavPoint(x0 - spacing_um, y0, z0)
sem.SetItemAcquire(int(alone))
status, group, members, left = sem.ReportGroupStatus()
sem.Echo(f"last point: status {status:.0f}, group {group:.0f}, {members:.0f} members")
sem.SaveNavigator("groups.nav")

sem.OpenNewFile("groups.mrc")
sem.StartNavAcquireAtEnd()
