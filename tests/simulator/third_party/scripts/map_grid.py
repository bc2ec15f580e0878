#!Python
#ScriptName MapGrid
# Map a whole grid, find its squares and map the best ones at medium magnification.
#
# Before running: load a grid, set up two imaging states (low mag and low dose), close the Navigator.

############ SETTINGS ############
grid_name = "grid"          # root of all file names
lm_state = "1"              # imaging state for the atlas
mm_mag = 580                # magnification of the square maps (not in low dose)
overlap = 0.1               # least overlap of montage pieces
min_square_um = 60          # squares smaller than this are left alone
max_squares = 2             # how many squares to map
largest_um = 270            # squares farther out than this along X or Y are left alone
########## END SETTINGS ##########

import os
import serialem as sem
from datetime import timedelta


def say(text, colour=0):
    sem.SetNextLogOutputStyle(0, colour)
    sem.EchoBreakLines(text)


def new_name(name):
    """Never overwrite an old file."""
    root, extension = os.path.splitext(name)
    number = 1
    while sem.DoesFileExist(name):
        name = f"{root}_{number}{extension}"
        number += 1
    return name


def go_to_state(name):
    code = sem.GoToImagingState(name)
    if code != 0:
        sem.OKBox(f"Imaging state {name} cannot be used (error {int(code)}).")
        sem.Exit()


def atlas():
    go_to_state(lm_state)
    sem.SetColumnOrGunValve(1)
    sem.NormalizeLenses(7)
    name = new_name(f"{grid_name}_atlas.mrc")
    sem.SetupFullMontage(overlap, name)
    sem.Montage()
    index = int(sem.NewMap(0, os.path.basename(name)))
    sem.ChangeItemLabel(index, grid_name[:8])
    sem.ChangeItemColor(index, 5)
    sem.CloseFile()
    sem.SaveNavigator()
    return index


def squares(atlas_index):
    """Polygons around squares, the brightest first."""
    sem.LoadOtherMap(atlas_index, "O")
    letter, filled = sem.ReportCurrentBuffer()
    assert filled
    before = int(sem.ReportNumTableItems())
    sem.AutoContourGridSquares(letter, -1, min_square_um, 200)
    count = int(sem.MakePolygonsAtSquares())
    say(f"{count} squares found.", 4)
    nx, ny, binning, exposure, pixel_nm, camera_set = sem.ImageProperties(letter)
    found = []
    for index in range(before + 1, before + 1 + count):
        n, x, y, z, kind = sem.ReportOtherItem(index)
        if kind != 1 or max(abs(x), abs(y)) > largest_um:
            continue
        corners = int(sem.GetItemPointArray(index, "squareX", "squareY"))
        xs = SEMarrayToFloats(sem.GetVariable("squareX"))
        ys = SEMarrayToFloats(sem.GetVariable("squareY"))
        assert len(xs) == len(ys) == corners
        column, row, inside = sem.ReportItemImageCoords(index, letter)
        if not inside:
            continue
        half = int(10000 / pixel_nm)
        sem.Copy(letter, "A")
        mean = sem.SubareaMean(
            int(max(0, column - half)), int(min(nx - 1, column + half)),
            int(max(0, row - half)), int(min(ny - 1, row + half)),
        )
        found.append((mean, index))
    return [index for mean, index in sorted(found, reverse=True)]


def stage_offset(index):
    """Shift between the atlas and medium magnification, measured at one square."""
    go_to_state(lm_state)
    sem.MoveToNavItem(index)
    sem.R()
    sem.Copy("A", "P")
    x0, y0, z0 = sem.ReportStageXYZ()
    sem.SetMag(mm_mag)
    sem.R()
    scaling, rotation = sem.AlignBetweenMags("P", -1, -1, 30)
    sem.ResetImageShift()
    x1, y1, z1 = sem.ReportStageXYZ()
    return x1 - x0, y1 - y0


def square_map(index, number):
    sem.MoveToNavItem(index)
    sem.Eucentricity(1)
    if sem.ReportRoughEucenFailed():
        say("Eucentric height not found, going on.", 2)
    sem.UpdateGroupZ(index)
    name = new_name(f"{grid_name}_square{number:02d}.mrc")
    sem.SetupPolygonMontage(index, overlap, name)
    sem.M()
    map_index = int(sem.NewMap(1, f"square {number}"))
    sem.SetItemAcquire(map_index, 1)
    sem.CloseFile()
    sem.ChangeItemColor(index, 3)
    return map_index


sem.SuppressReports()
sem.ResetClock()
sem.AllowFileOverwrite(0)
if sem.ReportIfNavOpen() > 0:
    sem.CloseNavigator()
sem.OpenNavigator(f"{grid_name}.nav")
sem.SaveLogOpenNew(grid_name)

atlas_index = atlas()
polygons = squares(atlas_index)
if not polygons:
    sem.OKBox("No squares found.")
    sem.Exit()

shift_x, shift_y = stage_offset(polygons[0])
say(f"Items are shifted by {shift_x:.2f}, {shift_y:.2f} um.")
sem.ShiftItemsByMicrons(shift_x, shift_y, -1, 1)

maps = []
for number, index in enumerate(polygons[:max_squares], start=1):
    sem.SetStatusLine(1, f"Square {number} of {min(max_squares, len(polygons))}")
    maps.append(square_map(index, number))
    sem.SaveNavigator()
sem.ClearStatusLine(0)

acquired, series = sem.ReportNumNavAcquire()
print(f"{len(maps)} maps of {len(polygons)} squares, {int(acquired)} items to acquire.")
print("Elapsed:", timedelta(seconds=round(sem.ReportClock())))
sem.MoveStageTo(0, 0)
sem.SaveLog()
sem.Exit()
