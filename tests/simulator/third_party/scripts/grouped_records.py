#!Python
#ScriptName GroupedRecords
# At the first point of each group: wait for drift, find the focus. At all points: a Record.

import serialem as sem

slow_enough, longest, interval = 40.0, 60, 4

status, group, members, left = sem.ReportGroupStatus()
if status < 0:
    sem.Exit(-1, "GroupedRecords is for Acquire at Items")
index = sem.ReportNavItem()[0]
label = sem.GetVariable("navLabel")

if status < 2:
    sem.DriftWaitTask(slow_enough, "A", longest, interval, 1, "T", 1)
    drift, failed = sem.GetWaitTaskDrift()
    sem.G()
    measured, trouble = sem.ReportAutoFocus()
    if trouble:
        sem.Exit(-1, f"no focus at {label}")
    x, y = sem.ReportFocusDrift()
    sem.SetPersistentVar("groupFocus", str(sem.ReportDefocus()))
    sem.SuppressReports(1)
    sem.Echo(f"focus for {label}: drift {drift:.2f} nm/s, in autofocus {x:.2f} {y:.2f}")

sem.SuppressReports(1)
sem.GoToLowDoseArea("R")
sem.SetDefocus(float(sem.GetVariable("groupFocus")))
sem.ReportDefocus()
sem.R()
sem.S()
sem.Echo(f"item {index:.0f}: {status:.0f} {members:.0f} {left:.0f}")
