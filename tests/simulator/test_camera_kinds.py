"""Cameras for which SerialEM counts half pixels, and where it shows whole ones all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from space.simulator.column import CAMERA_KINDS, load_instrument
from space.simulator.formats import navfile
from space.simulator.imaging.images import Image
from space.simulator.montage.layout import Layout, Pieces
from space.simulator.program.files import read_mdoc
from space.simulator.program.nav_items import map_item
from tests.simulator.fakes import SpotGrid

CASES = Path(__file__).parents[1] / "data"
KRIOS = load_instrument("krios_k3")
VIEW = """#!Python
import serialem as sem
sem.SetLowDoseMode(1)
sem.SetBinning("V", 4)
sem.OpenNavigator()
sem.OpenNewFile("view.mrc")
sem.V()
sem.S("A")
sem.NewMap()
sem.CloseFile()
sem.SaveNavigator("a.nav")
"""


@pytest.fixture(params=sorted(CAMERA_KINDS))
def simulation(request, make_simulation):
    """A microscope with each kind of camera, after a map of a View picture at binning 4."""
    kind = CAMERA_KINDS[request.param]
    made = make_simulation(
        SpotGrid(), instrument=replace(KRIOS, camera=replace(KRIOS.camera, kind=kind))
    )
    result = made.run(VIEW)
    assert result.ok, result.error
    return made


def reported(simulation, *commands):
    """What commands report, in the order in which they are given."""
    lines = [f"print('GOT', *flat(sem.{command}))" for command in commands]
    flat = "def flat(value): return value if isinstance(value, tuple) else (value,)"
    text = "\n".join(["#!Python", "import serialem as sem", flat, *lines])
    result = simulation.run(text)
    assert result.ok, result.error
    got = [line for line in simulation.log if line.startswith("GOT")][-len(commands) :]
    return [tuple(map(float, line.split()[1:])) for line in got]


def test_the_standard_microscope_has_a_k3():
    assert KRIOS.camera.kind == CAMERA_KINDS["K3"]
    assert load_instrument("talos_ceta").camera.kind == CAMERA_KINDS["plain"]


def test_scripts_and_mdocs_tell_whole_pixels_and_the_navigator_file_half_ones(simulation):
    counted = simulation.session.camera.counted_per_px
    camera, binning, picture = reported(
        simulation, "CameraProperties()", 'ReportBinning("V")', 'ImageProperties("A")'
    )
    assert camera[:2] == (5760, 4092) and camera[4] == pytest.approx(1.9)
    assert binning == (4.0,)
    assert picture[:3] == (1440, 1023, 4) and picture[4] == pytest.approx(7.6)
    notes = read_mdoc(simulation.session.directory / "view.mrc").image(0)
    assert notes.number("Binning") == 4 and notes.number("PixelSpacing") == pytest.approx(76)
    item = navfile.read(simulation.session.directory / "a.nav").items[0]
    assert item.values["MapBinning"] == item.values["MontBinning"] == f"{4 * counted:g}"


def test_the_scale_of_a_map_is_the_stage_calibration_in_pixels_of_its_binning(simulation):
    to_camera = np.reshape(reported(simulation, "StageToCameraMatrix(17)")[0], (2, 2))
    item = navfile.read(simulation.session.directory / "a.nav").items[0]
    scale = np.reshape(item.floats("MapScaleMat"), (2, 2))
    # Both count the same pixels, so that the scale is that of the stored image for any camera.
    expected = np.diag([1, -1]) @ to_camera / item.integer("MapBinning")
    assert scale == pytest.approx(expected, rel=1e-5)
    assert np.hypot(*scale[:, 0]) == pytest.approx(1000 / 7.6, rel=0.01)


def test_a_loaded_map_and_a_picture_that_matches_it_have_the_binning_shown(simulation):
    result = simulation.run(
        "#!Python\nimport serialem as sem\nsem.ReadNavFile('a.nav')\nsem.SetBinning('V', 8)\n"
        "sem.LoadOtherMap(1, 'O')\nsem.AcquireToMatchBuffer('O')\n"
        "sem.ReadOtherFile(0, 'P', 'view.mrc')\n"
    )
    assert result.ok, result.error
    for letter in "OAP":
        (picture,) = reported(simulation, f'ImageProperties("{letter}")')
        assert picture[:3] == (1440, 1023, 4) and picture[4] == pytest.approx(7.6), letter


def test_a_montage_overview_has_the_entries_of_the_file_that_serialem_wrote():
    written = navfile.read(CASES / "k3.nav").items[0]
    overview = Image(
        data=np.zeros((1500, 2000), np.int16),
        binning=8.0,
        pixel_um=0.0152,
        mag_index=17,
        pieces=Pieces(Layout((2, 2), (1440, 1023), (360, 256)), {}, 2, 4.0),
    )
    item = map_item(overview, 12.0, "G1_L01.mrc", counted_per_px=2.0)
    for key in ("MapBinning", "MontBinning"):
        assert item.values[key] == written.values[key]
