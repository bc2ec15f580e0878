"""A map for picking by hand: a point on it is where it is on the original, in SerialEM's hands."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from space.images import read_png
from space.microscope import picking_map, read_navigator_file
from space.page import picking
from space.simulator import Simulation
from tests.page import maps
from tests.page.maps import MITOS, SHAPE

# The map as SerialEM has it: twice as many pixels as the picture, turned, in registration 2.
WIDTH, HEIGHT = 2 * SHAPE[1], 2 * SHAPE[0]
PX_PER_UM = 125.0
TURN = math.radians(23.0)
MATRIX = [PX_PER_UM * value for value in
          (math.cos(TURN), math.sin(TURN), math.sin(TURN), -math.cos(TURN))]  # fmt: skip
ITEM = f"""[Item = L02]
Color = 2
StageXYZ = 12.345 -6.789 3.25
NumPts = 5
Regis = 2
Type = 2
Note = G1_L02.mrc
BklshXY = 10 -10
RawStageXY = 12.3 -6.7
MapFile = G1_L02.mrc
MapID = 1291353952
MapMontage = 0
MapSection = 0
MapBinning = 2
MapMagInd = 18
MapCamera = 0
MapScaleMat = {" ".join(f"{value:.6g}" for value in MATRIX)}
MapWidthHeight = {WIDTH} {HEIGHT}
MapMinMaxScale = 0 255
MapFramesXY = 0 0
MontBinning = 1
MapExposure = 0.5
MapSpotSize = 4
MapLDConSet = 0
MapProbeMode = 1
ImageType = 0
MontUseStage = 1
PtsX = 0 1 1 0 0
PtsY = 0 0 1 1 0

"""
AREAS = [{"targets": [{"row": row, "column": column} for row, column in MITOS[:2]]}]


@pytest.fixture
def mapped(folder, page):
    """Lamella 2 with a map that SerialEM can load."""
    maps.draw(folder.directory, 2)
    maps.choose(folder.directory, 2, [MITOS[0], MITOS[1]])
    nav = folder.directory / "G1.nav"
    parts = nav.read_text(encoding="utf-8").split("\n\n")
    others = [part for part in parts if "Note = G1_L02.mrc" not in part]
    nav.write_text("\n\n".join(others).rstrip() + "\n\n" + ITEM, encoding="utf-8")
    picking_map.write_picture(folder.directory / "G1_L02.mrc", np.zeros((HEIGHT, WIDTH)), 8.0)
    page.page.session.look(now=True)
    return page


def in_serialem(directory: Path, merged: str, clicks: dict[int, list]) -> tuple[int, np.ndarray]:
    """Merge a Navigator file twice, load maps and click on them.

    How many items there are then, and the stage positions.
    """
    lines = ["sem.OpenNavigator()", "sem.ReadNavFile('own.nav')"]
    lines += [f"sem.MergeNavFile('{merged}')"] * 2
    for index, places in clicks.items():
        lines.append(f"sem.LoadOtherMap({index}, 'O')")
        for column, row in places:
            lines.append(
                f"print('AT', *map(repr, sem.BufImagePosToStagePos('O', 0, {column}, {row})))"
            )
    lines.append("print('ITEMS', sem.ReportNumTableItems())")
    simulation = Simulation(directory, lamellae=1, time_scale=0.0)
    result = simulation.run("\n".join(["#!Python", "import serialem as sem", *lines]))
    assert result.ok, result.error
    told = [line.split() for line in simulation.log]
    places = [tuple(map(float, words[1:3])) for words in told if words[:1] == ["AT"]]
    items = next(int(float(words[1])) for words in told if words[:1] == ["ITEMS"])
    return items, np.array(places)


@pytest.mark.parametrize("largest", [8192, 300])
def test_a_point_on_it_has_the_stage_position_of_the_original_in_serialem(
    mapped, folder, monkeypatch, largest
):
    monkeypatch.setattr(picking, "LARGEST_PX", largest)
    said = mapped.post("/api/picking/G1/2", {"areas": AREAS, "classes": ["mitos"]})
    assert said["files"] == ["G1_L02_picking.mrc", "G1_L02_picking.nav"]
    factor = 1 if largest > 1000 else 3
    (item,) = read_navigator_file(folder.directory / said["files"][1])
    (original,) = [one for one in read_navigator_file(folder.directory / "G1.nav")
                   if one.note == "G1_L02.mrc"]  # fmt: skip
    columns, rows = (int(side) for side in item.numbers("MapWidthHeight"))
    assert (rows, columns) == tuple(-(-side // factor) for side in SHAPE)
    assert (item.values["Regis"], item.values["MapBinning"]) == ("2", str(4 * factor))
    assert item.numbers("MapID") != original.numbers("MapID") and " " not in item.label

    # By SerialEM's rule alone: what is at the middle of a map's image is at its StageXYZ.
    clicks = np.array([(0, 0), (columns, rows), (columns, 0), (31.5, 77.25)])
    pixel_um = 2 / PX_PER_UM  # of the picture
    ours = np.array(item.numbers("MapScaleMat")).reshape(2, 2)
    by_rule = (clicks - (columns / 2, rows / 2)) @ np.linalg.inv(ours).T
    by_rule += item.numbers("StageXYZ")[:2]
    on_original = clicks * factor * 2
    true = (on_original - (WIDTH / 2, HEIGHT / 2)) @ np.linalg.inv(np.reshape(MATRIX, (2, 2))).T
    true += (12.345, -6.789)
    assert np.hypot(*(by_rule - true).T).max() < 0.05 * pixel_um
    outline = np.column_stack([item.numbers("PtsX"), item.numbers("PtsY")])
    assert outline[[0, 2, 1]] == pytest.approx(by_rule[:3], abs=1e-4)

    # By the program: the file is merged, both maps are loaded and clicked on.
    plain = ITEM.replace("MontUseStage = 1", "MontUseStage = -1")
    own = "AdocVersion = 2.00\n\n" + plain
    (folder.directory / "own.nav").write_text(own, encoding="utf-8")
    asked = {1: on_original.tolist(), 2: clicks.tolist()}
    items, places = in_serialem(folder.directory, said["files"][1], asked)
    assert items == 2  # what is there is not added again
    original_um, ours_um = np.split(places, 2)
    assert np.hypot(*(original_um - true).T).max() < 0.05 * pixel_um
    assert np.hypot(*(ours_um - original_um).T).max() < 0.05 * pixel_um


def test_what_is_on_the_page_is_drawn_and_the_rest_is_the_map(mapped, folder):
    mapped.post("/api/picking/G1/2", {"areas": AREAS, "classes": []})
    without = mrcfile.read(folder.directory / "G1_L02_picking.mrc").squeeze()[::-1]
    mapped.post("/api/picking/G1/2", {"areas": AREAS, "classes": ["mitos"]})
    drawn = mrcfile.read(folder.directory / "G1_L02_picking.mrc").squeeze()[::-1]
    mapped.post("/api/picking/G1/2", {"areas": [], "classes": []})
    bare = mrcfile.read(folder.directory / "G1_L02_picking.mrc").squeeze()[::-1]
    (row, column), beam = MITOS[0], 1.21 / 2 / 0.016
    assert (bare == read_png(folder.directory / "G1_L02.png")[0]).all()
    around = without != bare
    assert around[row, column - round(beam) - 2 : column - round(beam) + 3].any()
    assert not around[row, column], "the middle of a target is free"
    assert not around[:, 600:].any() and not around[250:].any()
    (third_row, third_column) = MITOS[2]
    assert (drawn[third_row - 30 : third_row + 30, third_column - 29] == 255).any()
    assert (without == bare)[third_row - 40 : third_row + 40].all()


def test_read_only_it_is_handed_out_and_nothing_is_written(mapped, folder, open_page):
    before = sorted(path.name for path in folder.directory.iterdir())
    reader = open_page(read_only=True)
    reader.post("/api/picking/G1/2", {"areas": AREAS, "classes": []}, 403)
    answer = reader.client.post(
        "/api/picking_files/G1/2",
        json={"areas": AREAS, "classes": ["mitos"]},
        headers={"origin": "http://127.0.0.1:8765"},
    )
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert sorted(archive.namelist()) == ["G1_L02_picking.mrc", "G1_L02_picking.nav"]
    assert sorted(path.name for path in folder.directory.iterdir()) == before


def test_without_its_map_in_the_navigator_it_is_refused_in_words(mapped, folder):
    mapped.post("/api/picking/G1/2", {"areas": [], "classes": "mitos"}, 400)
    nav = folder.directory / "G1.nav"
    nav.write_text(nav.read_text(encoding="utf-8").replace("G1_L02.mrc", "x.mrc"), encoding="utf-8")
    told = mapped.post("/api/picking/G1/2", {"areas": [], "classes": []}, 422)["error"]
    assert "no map of this lamella" in told["what"]
    assert not list(folder.directory.glob("*picking*"))
