"""A script that saves movies: it finds them on disk, and what it wrote about them."""

from __future__ import annotations

import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image as Picture

from space.simulator import Simulation
from space.simulator.formats import autodoc
from space.simulator.formats.mdoc import read as read_mdoc
from space.simulator.specimen import Grid

SCRIPT = (Path(__file__).parent / "scripts" / "record_movies.py").read_text(encoding="utf-8")
CAMERAS = {  # microscope, whether in super-resolution → ending, pixels, whether of electrons
    ("krios_k3", False): (".tif", 256, True),
    ("krios_k3", True): (".tif", 512, True),
    ("glacios_k2", False): (".tif", 256, True),
    ("krios_falcon4", False): (".mrc", 256, False),
}


@pytest.fixture(scope="module", params=list(CAMERAS), ids=lambda case: "-".join(map(str, case)))
def recorded(request, tmp_path_factory):
    name, finer = request.param
    simulation = Simulation(
        tmp_path_factory.mktemp(name),
        seed=4,
        grids={1: Grid.make(21, 1, kinds=("good",), within_um=200.0)},
        instrument=name,
        time_scale=0.0,
    )
    session = simulation.session
    session.scope.stage.move_to(*session.grid.lamellae[0].center_um)
    result = simulation.run(
        SCRIPT.replace("super_resolution = False", f"super_resolution = {finer}"), "movies.py"
    )
    assert result.ok, result.error
    return simulation, CAMERAS[request.param]


def movies(simulation) -> list[Path]:
    lines = (simulation.session.directory / "movies.txt").read_text(encoding="utf-8").split("\n")
    folder = simulation.session.directory / "movies"
    return [folder / line.split()[0] for line in lines if line]


def frames_of(path: Path) -> np.ndarray:
    if path.suffix == ".mrc":
        with mrcfile.open(path) as file:
            return np.array(file.data)
    with Picture.open(path) as file:
        pages = range(file.n_frames)
        return np.array([np.array(file) for page in pages if file.seek(page) is None])


def test_each_movie_is_where_the_script_was_told(recorded):
    simulation, (ending, size, _) = recorded
    found = movies(simulation)
    assert [path.name for path in found] == [f"pos_{n:04d}{ending}" for n in (1, 2, 3)]
    told = [line for line in simulation.log if re.match(r"movie \d: ", line)]
    assert len(told) == 3 and all(str(found[0].parent) in line for line in told)
    for path in found:
        assert frames_of(path).shape == (10, size, size)


def test_each_frame_has_the_dose_wanted(recorded):
    simulation, (_, size, counted) = recorded
    session = simulation.session
    exposures = [e for e in simulation.exposures if e.frames]
    assert [e.dose_e_A2 for e in exposures] == pytest.approx([6.0] * 3, rel=0.02)
    pixel_A = 1e4 * session.scope.pixel_um(exposures[0].mag_index) * 256 / size
    arrived = 0.6 * pixel_A**2  # electrons without specimen
    gain = 1.0 if counted else session.camera.model.counts_per_electron
    for path in movies(simulation):
        mean = frames_of(path).mean() / gain
        assert 0.1 * arrived < mean < arrived


def test_what_is_written_about_them(recorded):
    simulation, (_, size, _) = recorded
    folder = simulation.session.directory
    sums = read_mdoc(folder / "sums.mrc.mdoc").images
    together = autodoc.read(folder / "session_frames.mdoc", strict=True).of_kind("FrameSet")
    assert len(sums) == len(together) == 3
    for number, path in enumerate(movies(simulation), start=1):
        (beside,) = autodoc.read(Path(f"{path}.mdoc"), strict=True).of_kind("FrameSet")
        for section in (sums[number - 1], together[number - 1], beside):
            assert section.values["SubFramePath"] == str(path)
            assert section.integer("NumSubFrames") == 10
            assert section.floats("FrameDosesAndNumber") == pytest.approx((0.6, 10), rel=0.02)
        assert sums[number - 1].values["MovieName"] == path.name
        assert together[number - 1].values["MovieNumber"] == str(number)
        assert beside.values["BeamShiftGroup"] == str(number)
        assert beside.number("Binning") == 256 / size


def test_camera_sets_and_settings_are_as_before(recorded):
    simulation, _ = recorded
    session = simulation.session
    assert session.camera.sets == session.camera.model.sets
    assert session.options.user_settings["SaveFrameStackMdoc"] == 0
    assert session.options.frames.base_name == ""
