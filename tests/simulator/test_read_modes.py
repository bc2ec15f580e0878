"""Read modes of direct detectors: pixels, counts and noise, and what scripts are told of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from space.simulator.column import CAMERA_KINDS, SEMerror, load_instrument, shipped
from space.simulator.commands import beam, camera, camera_modes, image_measures
from space.simulator.formats import navfile
from space.simulator.formats.mdoc import read as read_mdoc

LINEAR, COUNTING, SUPER_RESOLUTION = range(3)
HALF = {"K2": (SUPER_RESOLUTION,), "K3": (COUNTING, SUPER_RESOLUTION)}


class Blank:
    """A specimen that takes half of the electrons everywhere."""

    name = "blank"
    lamellae = ()

    def transmission(self, px_to_grid, shape, pixel_um):
        return np.full(shape, 0.5, np.float32)

    def height_um(self, x, y):
        return 0.0


@pytest.mark.parametrize("kind", ["K2", "K3"])
@pytest.mark.parametrize("mode", [LINEAR, COUNTING, SUPER_RESOLUTION])
def test_half_pixels_are_there_in_the_modes_that_read_them(make_session, kind, mode):
    usual = load_instrument()
    session = make_session(
        instrument=replace(usual, camera=replace(usual.camera, kind=CAMERA_KINDS[kind]))
    )
    camera_modes.set_k2_read_mode(session, "R", mode)
    if mode not in HALF[kind]:
        with pytest.raises(SEMerror, match=r"0\.5 is not an available binning"):
            camera.set_binning(session, "R", 0.5)
        return
    camera_modes.set_centered_size(session, "R", 0.5, 96, 64)
    assert camera.report_binning(session, "R") == 0.5
    image = session.take("R")
    assert image.data.shape == (64, 96)
    assert image.pixel_um == pytest.approx(0.5 * session.scope.pixel_um(image.mag_index))
    # Whole pixels again where the mode has no half ones.
    camera_modes.set_k2_read_mode(session, "R", LINEAR)
    assert camera.report_binning(session, "R") == 1


@pytest.mark.parametrize("name", shipped())
def test_pixels_as_dialogs_scripts_and_files_tell_them(make_simulation, tmp_path, name):
    """SerialEM counts half pixels of a K2 or K3 inside, and in the Navigator's file."""
    simulation = make_simulation(instrument=name)
    script = f"""#!Python
import serialem as sem
halves = sem.ReportCameraProperty(0, "K2Type") > 0
if halves:
    sem.SetK2ReadMode("R", {SUPER_RESOLUTION})
sem.SetLowDoseMode(1)
width, height = sem.CameraProperties()[:2]
unbinned = sem.CameraProperties()[4]
sem.OpenNavigator()
for binning in (0.5, 1, 2, 4)[0 if halves else 1:]:
    sem.SetCenteredSize("R", binning, 128, 64)
    assert sem.ReportBinning("R") == binning
    sem.R()
    columns, rows, told, exposure, pixel_nm, camera_set = sem.ImageProperties("A")
    assert (columns, rows, told) == (128, 64, binning), (columns, rows, told)
    assert abs(pixel_nm / (sem.CameraProperties()[4] * binning) - 1) < 1e-6, pixel_nm
    sem.OpenNewFile(f"b{{binning}}.mrc")
    sem.S()
    sem.NewMap()
    sem.CloseFile()
sem.SaveNavigator("a.nav")
"""
    result = simulation.run(script)
    assert result.ok, result.error
    counted = load_instrument(name).camera.kind.counted_per_px
    items = navfile.read(tmp_path / "a.nav").items
    for item, binning in zip(items, (0.5, 1, 2, 4) if counted == 2 else (1, 2, 4)):
        assert item.integer("MapBinning") == counted * binning
        notes = read_mdoc(tmp_path / f"b{binning}.mrc.mdoc").image(0)
        assert notes.number("Binning") == binning
        record_um = load_instrument(name).magnifications[notes.integer("MagIndex") - 1].pixel_um
        assert notes.number("PixelSpacing") == pytest.approx(1e4 * binning * record_um, rel=1e-4)
        if counted == 2:
            assert notes.integer("OperatingMode") == SUPER_RESOLUTION
        else:
            assert "OperatingMode" not in notes.values


@pytest.mark.parametrize("name", ["krios_k3", "glacios_k2"])
def test_counts_and_noise_depend_on_the_mode(make_session, name):
    session = make_session(Blank(), instrument=name, noise=True)
    # View pixels are so coarse that no grain adds to the noise.
    usual = session.camera.model.counts_per_electron
    camera_modes.set_centered_size(session, "V", 2, 400, 400)
    measured = {}
    for mode in (LINEAR, COUNTING, SUPER_RESOLUTION):
        camera_modes.set_k2_read_mode(session, "V", mode)
        image = session.take("V")
        gain = float(image.entries["CountsPerElectron"])
        electrons = image.data / gain
        signal = electrons.mean()
        measured[mode] = (signal, gain, electrons.var() / signal)
        assert float(image.entries["DoseRate"]) == pytest.approx(signal / 4, rel=1e-3)
        assert image_measures.electron_stats(session, "A")[2] == pytest.approx(signal / 4, rel=1e-3)
    assert measured[COUNTING][1] == measured[SUPER_RESOLUTION][1] == usual
    assert measured[LINEAR][1] > 2 * usual
    for mode in (LINEAR, SUPER_RESOLUTION):
        assert measured[mode][0] == pytest.approx(measured[COUNTING][0], rel=0.01)
    # Counting leaves little but shot noise; the mean square of a linear signal is about twice it.
    assert measured[COUNTING][2] == pytest.approx(1.0, abs=0.35)
    assert 1.7 < measured[LINEAR][2] / measured[COUNTING][2] < 3.5


def test_a_dose_rate_is_set_by_the_counts_of_the_mode(make_session):
    session = make_session(Blank(), instrument="krios_k3")
    for mode in (LINEAR, COUNTING):
        camera_modes.set_k2_read_mode(session, "V", mode)
        session.take("V")
        beam.set_dose_rate(session, 9.0)
        image = session.take("V")
        assert float(image.entries["DoseRate"]) == pytest.approx(9.0, rel=0.02)


def test_modes_frame_times_and_doses_are_undone_when_the_script_ends(make_simulation):
    simulation = make_simulation()
    before = dict(simulation.session.camera.sets)
    result = simulation.run("""#!Python
import serialem as sem
sem.SetK2ReadMode("R", 2)
sem.SetBinning("R", 0.5)
sem.SetFrameTime("R", 1e-6)
sem.SetDoseFracParams("R", 1, 1, 1)
sem.SetDoseFracParams("V", 1, 1)
sem.ChangeFrameAndExposure("R", 2)
print("EXPOSURE", *sem.ReportExposure("R"))
sem.Exit(1, "end")
""")
    assert result.ok, result.error
    assert "EXPOSURE 2.0 0.3" in simulation.log
    assert simulation.session.camera.sets == before


def test_a_frame_is_as_long_as_the_camera_can_do(make_session):
    session = make_session()
    camera_modes.set_frame_time(session, "R", 1e-6)
    assert session.camera.sets["R"].frame_s == session.camera.model.kind.shortest_frame_s
    camera_modes.change_frame_and_exposure(session, "R", 10)
    assert session.camera.sets["R"].frame_s == 10 * session.camera.model.kind.shortest_frame_s
    assert session.camera.exposure_s("R") == 10.0
    for factor in (0, -1):
        with pytest.raises(SEMerror, match="factor"):
            camera_modes.change_frame_and_exposure(session, "R", factor)


@pytest.mark.parametrize("name", shipped())
def test_the_scaling_of_counts_is_a_property_of_counting_cameras(make_session, name):
    session = make_session(instrument=name)
    counting = session.camera.model.kind.k2_type > 0
    told = camera.report_camera_property(session, 0, "ScalingForK2Counts")
    assert told == (session.camera.model.counts_per_electron if counting else 0.0)
