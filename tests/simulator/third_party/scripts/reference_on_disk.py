#!Python
#ScriptName ReferenceOnDisk
# Keep a picture as a plain MRC file, which any program reads, and come back to it later.

import json

import mrcfile
import numpy as np
import serialem as sem

away_um = (1.5, -0.8)
name = "reference.mrc"


sem.SetUserSetting("BuffersToRollOnAcquire", 4)
sem.SetUserSetting("TrimBordersInAutoalign", 1)
sem.SetLowDoseMode(1)
sem.V()
columns, rows, binning, exposure, pixel_nm, camera_set = sem.ImageProperties("A")
picture = np.asarray(sem.bufferImage("A"))
with mrcfile.new(name, overwrite=True) as out:
    out.set_data(np.flipud(picture).astype(np.float32))
    out.voxel_size = 10 * pixel_nm

sem.MoveStage(*away_um)
sem.V()

# A picture of another program: what it is of, nobody knows; where it belongs, the scope does.
sem.ReadOtherFile(0, "P", name)
found = sem.ImageProperties("P")
assert found[:2] == (columns, rows) and found[5] == -1, found
assert abs(found[4] - pixel_nm) < 1e-3 * pixel_nm, found
assert np.array_equal(np.asarray(sem.bufferImage("P")), picture)
assert sem.ImageConditions("P")[1] == sem.ReportMag()[0]

# How far is it? Nothing moves yet.
start = sem.ReportImageShift()[:2]
sem.AlignTo("P", 1, 0)
x, y, *_ = sem.ReportAlignShift()
needed = sem.ReportISforBufferShift()
assert sem.ReportImageShift()[:2] == start

# The correlation as a picture, for people who want to see the peak; the picture is in B now.
sem.AlignTo("P", 1, 0, 0, 1)
surface = np.asarray(sem.bufferImage("A"))
row, column = np.unravel_index(np.argmax(surface), surface.shape)
peak = sem.ImageProperties("A")[2] * np.array([column - surface.shape[1] // 2, surface.shape[0] // 2 - row])
assert sem.ReportAlignShift()[:2] == (0, 0)
assert sem.ReportImageShift()[:2] == start
assert np.array_equal(np.asarray(sem.bufferImage("B")).shape, picture.shape)

# Go there, and look whether it is true.
assert sem.ImageShiftByUnits(*needed) == 0
sem.V()
sem.AlignTo("P", 1, 0)
rest = sem.ReportAlignShift()

with open("reference.json", "w") as out:
    json.dump({"shift": [x, y], "peak": peak.tolist(), "rest_nm": rest[4:6], "binning": binning}, out)
