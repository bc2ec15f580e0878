#!Python
#ScriptName PickWithDialogs
# Pick targets in a View image with the help of dialogs and keys; goes on in a file of earlier.
# v: take another View, p: pick what is in the middle, f: finished.

import serialem as sem

sem.SuppressReports()
sem.SaveLogOpenNew("picking")
sem.EnterString("sample", "Name of the sample:")
sample = sem.GetVariable("sample")
if sem.IsVariableDefined("pickedBefore") == 0:
    sem.SetPersistentVar("pickedBefore", "")
earlier = sem.YesNoBox("\n".join(["Go on in a file of earlier?", "", "Its targets stay."]))
if earlier:
    sem.UserOpenOldFile()
else:
    sem.EnterNameOpenFile("Name of the image file:")
name = sem.ReportCurrentFilename(1)[3]
if not sem.ReportIfNavOpen():
    sem.OpenNavigator(f"{sample}.nav")

sem.Pause("Drag the first target into the middle.\nPress v for a View, p to pick and f to end.")
picked = []
finished = False
sem.V()
while not finished:
    if sem.KeyBreak("v"):
        sem.V()
    elif sem.KeyBreak("p"):
        sem.V()
        nx, ny, *_ = sem.ImageProperties("A")
        sem.Copy("A", "O")
        sem.S("A")
        view = int(sem.NewMap(0, f"{sample} view"))
        sem.SnapshotToFile(0, 0, 0, "JPG", "JPG", f"{sample}_{len(picked):02d}.jpg")
        sem.FFT("A")
        sem.SaveToOtherFile("AF", "JPG", "NONE", f"{sample}_{len(picked):02d}_fft.jpg")
        sem.L()
        scaling, extra = sem.AlignBetweenMags("O", -1, -1, -2, 0, -1, 0)
        sem.AddBufToStackWindow("B", 0, 0, 0, 0, "reference")
        sem.ImageShiftByMicrons(0, 0)
        sem.L()
        x, y, z = sem.ReportStageXYZ()
        x, y = sem.AdjustStagePosForNav(x, y, *sem.ReportImageShift()[:2])
        index = int(sem.AddStagePosAsNavPoint(x, y, z, view))
        sem.ChangeItemNote(index, f"{sample}_tgt_{len(picked):03d}")
        sem.ChangeItemColor(index, 3)
        sem.SetItemAcquire(index)
        sem.SetImageShift(0, 0)
        picked.append((index, extra))
        sem.SetStatusLine(1, f"{len(picked)} picked")
    elif sem.KeyBreak("f"):
        finished = True
    else:
        sem.Delay(0.1, "s")

assert sem.IsImageFileOpen(sem.ReportOpenImageFile(1)) == 1
sem.EchoBreakLines(f"{len(picked)} targets in {name}\nturned by {max(abs(e) for _, e in picked):.2f}")
sem.SaveNavigator(f"{sample}.nav")
sem.CloseFile()
sem.ClearStatusLine(0)
sem.SaveLog()
sem.OKBox("Done.")
