"""Virtual View maps are as the camera takes View pictures, whatever pixels SerialEM counts inside.

The truth is the simulated camera's: its View binning, the pixel and the stage matrix that belong to
it. SerialEM keeps the binnings of Navigator items in half pixels for a K3, the camera of the first
instrument, and in whole ones for that of the second.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from space.simulator.formats import navfile
from space.simulator.program import read_mdoc

OVERVIEW_BINNING = 2
BINNING_OF_OVERVIEWS = "space.simulator.montage.assembly.overview_binning"


def test_what_is_noted_beside_a_map_is_the_same_when_it_is_noted_anew(bench, monkeypatch):
    monkeypatch.setattr(BINNING_OF_OVERVIEWS, lambda size, limit=0: OVERVIEW_BINNING)
    session = bench(instrument="krios_k3", stage_error_um=0.0)
    session.place_lamellae()
    assert session.run(2).ok
    noted = session.directory / "G1_L01.json"
    first = json.loads(noted.read_text(encoding="utf-8"))
    assert first["view"]["binning"] == 4 and first["view"]["pixel_nm"] == pytest.approx(7.6)
    noted.unlink()
    assert session.run(2).ok
    again = json.loads(noted.read_text(encoding="utf-8"))
    for key in ("view", "view_shape_px", "pixel_nm"):
        assert again[key] == first[key], key


@pytest.mark.parametrize(
    ("instrument", "counted"),
    [
        ("krios_k3", 2),
        ("krios_falcon4", 1),
        ("talos_ceta", 1),
        ("glacios_k2", 2),
    ],
)
def test_virtual_views_are_what_the_camera_takes(bench, monkeypatch, instrument, counted):
    monkeypatch.setattr(BINNING_OF_OVERVIEWS, lambda size, limit=0: OVERVIEW_BINNING)
    session = bench(instrument=instrument, stage_error_um=0.0)
    session.place_lamellae()
    assert session.run(4, max_targets=3).ok
    errors = [line for line in session.log().splitlines() if "ERROR" in line]
    # What a microscope does not have is asked for once, not at each visit of a state.
    assert errors == ["SCRIPT ERROR: This microscope has no energy filter"][: len(errors)]

    camera, scope = session.simulation.session.camera, session.simulation.session.scope
    binning = camera.binning("V")
    columns, rows = camera.frame_px("V")
    items = navfile.read(session.directory / "G1.nav").items
    whole = next(item for item in items if item.note == "G1_L01.mrc")
    views = [item for item in items if item.values.get("MapFile", "").endswith("_view.mrc")]
    assert views
    # The units of the Navigator file are those of the instrument.
    assert whole.integer("MontBinning") == counted * binning
    assert whole.integer("MapBinning") == counted * binning * OVERVIEW_BINNING

    mag_index = whole.integer("MapMagInd")
    pixel_nm = 1000 * binning * scope.pixel_um(mag_index)
    matrix = scope.optics.stage_to_image(mag_index, binning)
    assert np.reshape(whole.floats("MapScaleMat"), (2, 2)) == pytest.approx(
        matrix / OVERVIEW_BINNING, rel=1e-4
    )
    for view in views:
        assert view.integer("MapBinning") == view.integer("MontBinning") == counted * binning
        assert view.floats("MapWidthHeight") == (columns, rows)
        assert np.reshape(view.floats("MapScaleMat"), (2, 2)) == pytest.approx(matrix, rel=1e-4)
        notes = read_mdoc(session.directory / view.values["MapFile"]).image(0)
        assert notes.number("Binning") == binning
        assert notes.number("PixelSpacing") == pytest.approx(10 * pixel_nm, rel=1e-4)

    # As PACEtomo begins: View by the map of the tracking target, and its place found again.
    index = 1 + next(n for n, item in enumerate(items) if item.acquire)
    session.do(
        f"sem.MoveToNavItem({index})",
        f"sem.LoadOtherMap({index}, 'O')",
        "sem.AcquireToMatchBuffer('O')",
        "print('TAKEN', *sem.ImageProperties('A'))",
        "sem.AlignTo('O', 1)",
        "print('ALIGNED', *sem.ReportAlignShift())",
        f"sem.RealignToOtherItem({index}, 0)",
        "print('REALIGNED', *sem.ReportSpecimenShift())",
    )

    def told(word):
        line = next(line for line in reversed(session.simulation.log) if line.startswith(word))
        return [float(part) for part in line.split()[1:]]

    assert told("TAKEN")[:3] == [columns, rows, binning]
    assert told("TAKEN")[4] == pytest.approx(pixel_nm, rel=1e-3)
    assert np.hypot(*told("ALIGNED")[4:6]) < 150
    assert np.hypot(*told("REALIGNED")) < 0.15
