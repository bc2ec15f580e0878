"""What is inside a lamella: how it projects, where it lies, and the truth about it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from space.simulator.column.instrument_file import load_instrument
from space.simulator.column.optics import tilted_y_um
from space.simulator.column.scope import Microscope
from space.simulator.imaging import camera
from space.simulator.imaging.pictures import intensity, picture_geometry
from space.simulator.recording import phantom, record_series, write_session_truth
from space.simulator.specimen import Grid
from space.simulator.specimen.depth import forget, shapes
from space.simulator.specimen.depth.cloud import SIGMAS_NM, Cloud, random_rotations
from space.simulator.specimen.depth.projecting import project, volume


def some_blobs(seed: int, n: int, within_nm: float) -> Cloud:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-within_nm, within_nm, (n, 3)).astype(np.float32)
    grades = rng.integers(0, len(SIGMAS_NM), n).astype(np.uint8)
    return Cloud(points, rng.uniform(0.5, 2.0, n).astype(np.float32), grades)


def tilted(tilt_deg: float, pixel_nm: float, shape: tuple[int, int]) -> np.ndarray:
    """(2, 4) map of the tomogram's frame: x cos + z sin, y; row 0 on top."""
    a = np.radians(tilt_deg)
    rows = [[np.cos(a), 0.0, np.sin(a), 0.0], [0.0, -1.0, 0.0, 0.0]]
    m = np.array(rows) / pixel_nm
    m[:, 3] = shape[1] / 2, shape[0] / 2
    return m


@pytest.mark.parametrize("tilt_deg", [0.0, -35.0, 60.0])
def test_a_projection_is_the_sum_along_the_rays(tilt_deg):
    shape, pixel_nm = (70, 76), 0.6
    cloud = some_blobs(3, 30, 12.0)
    seen = project(cloud, tilted(tilt_deg, pixel_nm, shape), shape, pixel_nm)
    a = np.radians(tilt_deg)
    # Nine rays for each pixel, which averages over its area.
    across = ((np.arange(3 * shape[1]) + 0.5) / 3 - shape[1] / 2) * pixel_nm
    along = -((np.arange(3 * shape[0]) + 0.5) / 3 - shape[0] / 2) * pixel_nm
    depth = np.arange(-45.0, 45.0, 0.5)
    x = across[:, None] * np.cos(a) - depth * np.sin(a)
    z = across[:, None] * np.sin(a) + depth * np.cos(a)
    expected = np.zeros((3 * shape[0], 3 * shape[1]))
    for point, weight, grade in zip(cloud.points_nm, cloud.weights, cloud.grades):
        s = SIGMAS_NM[grade]
        plane = np.exp(-((x - point[0]) ** 2 + (z - point[2]) ** 2) / (2 * s**2)).sum(axis=1)
        line = np.exp(-((along - point[1]) ** 2) / (2 * s**2))
        expected += weight * 0.5 * np.outer(line, plane) / (2 * np.pi * s**2) ** 1.5
    expected = expected.reshape(shape[0], 3, shape[1], 3).mean(axis=(1, 3))
    assert seen == pytest.approx(expected, abs=float(0.04 * expected.max()))
    assert seen.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_a_volume_holds_what_its_projection_shows():
    cloud, shape = some_blobs(4, 25, 9.0), (30, 32, 34)
    low = -np.array(shape[::-1]) / 2.0
    summed = volume(cloud, low, shape, 1.0).sum(axis=0)
    seen = project(cloud, tilted(0.0, 1.0, shape[1:]), shape[1:], 1.0)
    assert summed[::-1] == pytest.approx(seen, abs=float(0.05 * seen.max()))


@pytest.mark.parametrize("name", ["krios_k3", "talos_ceta"])
@pytest.mark.parametrize("tilt_deg", [-50.0, 0.0, 30.0])
def test_what_lies_higher_moves_as_a_height_error_does(name, tilt_deg):
    optics = Microscope(load_instrument(name), seed=2).optics
    mag_index = next(k for k in range(1, 40) if not optics.entry(k).low_mag) + 8
    view = camera.View(
        mag_index, 2, (400, 500), (20.0, -30.0), tilt_deg=tilt_deg, height_um=0.7,
        slope=(0.02, -0.1), anchor_um=(20.1, -30.2),
    )  # fmt: skip
    to_px = camera.projection(optics, view, stage_z_um=0.3)
    point = np.array([20.3, -29.8, 1.2, 1.0])
    rise_um = 0.15
    moved = to_px @ (point + [0.0, 0.0, rise_um, 0.0]) - to_px @ point
    aside_um = tilted_y_um(0.0, rise_um, tilt_deg)
    expected = optics.specimen_to_camera(mag_index) @ (0.0, aside_um) / view.binning
    assert moved == pytest.approx(expected * [1.0, -1.0], abs=1e-6)
    # A plane that stands higher by a wrong height shows the point there, too.
    higher = camera.px_to_grid(optics, replace(view, height_um=view.height_um + rise_um))
    on_plane = np.array([*higher @ (210.0, 190.0, 1.0), 0.0, 1.0])
    on_plane[2] = view.height_um - 0.3 + rise_um
    on_plane[2] += np.dot(view.slope, on_plane[:2] - view.anchor_um)
    assert to_px @ on_plane == pytest.approx([210.0, 190.0], abs=1e-4)


def test_particles_are_as_large_as_published_and_have_a_hand():
    extents = {
        kind: np.ptp(shape.cloud.points_nm, axis=0) + 2 * SIGMAS_NM[shape.cloud.grades[0]]
        for kind, shape in shapes().items()
    }
    assert 25 < extents["ribosome"].max() < 35
    assert 40 < extents["proteasome"].max() < 50
    assert extents["proteasome"][:2].max() < 24
    body = shapes()["ribosome"].cloud
    turns = random_rotations(np.random.default_rng(1), 400)
    mirrored = replace(body, points_nm=body.points_nm * np.float32([-1, 1, 1]))
    turned_back = body.placed(turns[7:8].transpose(0, 2, 1), np.zeros((1, 3)))
    assert best_match(turned_back, turns, body) > 0.999
    assert best_match(mirrored, turns, body) < 0.98


def best_match(cloud: Cloud, turns: np.ndarray, other: Cloud) -> float:
    """Largest correlation of two clouds, one of them turned in all these ways."""
    low, shape = np.full(3, -20.0), (16, 16, 16)
    ours = volume(other, low, shape, 2.5).ravel()
    turned = (cloud.placed(turn[None], np.zeros((1, 3))) for turn in turns)
    return max(np.corrcoef(volume(one, low, shape, 2.5).ravel(), ours)[0, 1] for one in turned)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A small series without noise, and the truth about it."""
    made = record_series(
        tmp_path_factory.mktemp("series"), seed=2, tilts_deg=(0.0, -60.0, 30.0), shape=(255, 256),
        binning=8, noise=False, tracking_error_nm=20.0,
    )  # fmt: skip
    return made, json.loads(made.truth.read_text(encoding="utf-8"))


def test_pictures_of_a_series_are_no_stretched_plane(series):
    mrcfile = pytest.importorskip("mrcfile")
    made, _ = series
    with mrcfile.open(made.stack) as stack:
        level, steep, _ = (picture.astype(float) for picture in stack.data)
    # The old picture at -60 degrees was the one at 0, pressed together across the tilt axis.
    cosine, columns = np.cos(np.radians(60.0)), level.shape[1]
    within = slice(int(columns * (0.5 - 0.5 * cosine)) + 4, int(columns * (0.5 + 0.5 * cosine)) - 4)
    there = np.arange(columns)[within]
    back = np.clip(np.rint((there - columns / 2) / cosine + columns / 2), 0, columns - 1)
    pressed = level[:, back.astype(int)]
    assert abs(np.corrcoef(pressed.ravel(), steep[:, within].ravel())[0, 1]) < 0.6


def test_the_truth_knows_where_pictures_were_taken(series):
    _, truth = series
    for picture in truth["pictures"]:
        m, tilt = np.array(picture["to_image"]), np.radians(picture["tilt_deg"])
        turn = np.radians(truth["rotation_deg"])
        along = np.array([np.cos(turn), np.sin(turn)])
        across = np.array([np.sin(turn), -np.cos(turn)])
        assert m[:, 1] * truth["pixel_nm"] == pytest.approx(along, abs=1e-6)
        assert m[:, 0] * truth["pixel_nm"] == pytest.approx(across * np.cos(tilt), abs=1e-6)
        assert m[:, 2] * truth["pixel_nm"] == pytest.approx(across * np.sin(tilt), abs=1e-6)
    level, *others = (np.array(picture["to_image"])[:, 3] for picture in truth["pictures"])
    assert level == pytest.approx([128.0, 127.5], abs=1e-6)
    assert all(1.0 < np.linalg.norm(center - level) < 120.0 for center in others)


def test_particles_lie_between_the_faces_without_overlaps(series):
    _, truth = series
    normal = np.array(truth["normal"])
    inner = [p for p in truth["particles"] if p["kind"] not in ("gold", "nuclear_pore")]
    centers = np.array([p["center_nm"] for p in inner])
    assert len(centers) > 20
    assert np.abs(centers @ normal).max() < truth["thickness_nm"] / 2 + 2.0
    radii = np.array([p["radius_nm"] for p in inner])
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=2) + 1e3 * np.eye(len(centers))
    assert (apart > radii[:, None] + radii[None] - 1e-3).all()


def test_the_same_place_holds_the_same_whatever_was_looked_at_before():
    first = phantom(2, shape=(20, 40, 40), voxel_nm=4.0)
    forget()
    phantom(2, shape=(20, 20, 20), voxel_nm=4.0, holds=("mitos",))
    again = phantom(2, shape=(20, 40, 40), voxel_nm=4.0)
    assert np.array_equal(first.density, again.density)
    assert np.array_equal(first.particles, again.particles)
    assert first.labels.any() and first.density.max() > 0


def test_coarse_pictures_know_nothing_of_the_depth(make_session, monkeypatch):
    session = make_session(Grid.make(2, 1, kinds=("good",)))
    asked = []
    monkeypatch.setattr(Grid, "inside", lambda *args: asked.append(args))
    lamella = session.grid.lamellae[0]
    session.scope.stage.move_to(*lamella.center_um, -lamella.height_um)
    session.scope.go_to_area("V")
    intensity(session, picture_geometry(session, 8, (64, 64)))
    assert not asked
    session.scope.go_to_area("R")
    intensity(session, picture_geometry(session, 8, (64, 64)))  # 1.2 nm
    assert len(asked) == 1


SERIES = """#!Python
import serialem as sem
sem.SetLowDoseMode(1)
sem.SetBinning("R", 8)
sem.OpenNewFile("any.mrc")
for tilt in (0, -20, 20):
    sem.TiltTo(tilt)
    sem.R()
    sem.S()
sem.CloseFile()
"""


def test_the_truth_about_the_series_of_a_session(make_simulation, tmp_path):
    grid = Grid.make(2, 1, kinds=("good",))
    simulation, lamella = make_simulation(grid), grid.lamellae[0]
    scope = simulation.session.scope
    scope.stage.move_to(*lamella.center_um, -lamella.height_um)
    result = simulation.run(SERIES)
    assert result.ok, result.error
    (path,) = write_session_truth(simulation.session, tmp_path / "kept")
    truth = json.loads(path.read_text(encoding="utf-8"))
    assert (truth["series"], truth["shape"], truth["pixel_nm"]) == ("any.mrc", [511, 720], 1.2)
    assert truth["center_um"][:2] == pytest.approx(simulation.exposures[0].center_um)
    # Each picture's centre shows what the exposure says, at the height of the lamella there.
    for picture, exposure in zip(truth["pictures"], simulation.exposures):
        assert picture["section"] == exposure.section
        x, y = exposure.center_um
        away_um = np.subtract((x, y, grid.height_um(x, y)), truth["center_um"])
        specimen = scope.optics.stage_to_specimen() @ away_um[:2]
        point = 1e3 * np.array([-specimen[1], specimen[0], away_um[2], 1e-3])
        assert np.array(picture["to_image"]) @ point == pytest.approx([360.0, 255.5], abs=1e-6)
    with np.load(path.with_name(truth["arrays"]), allow_pickle=False) as volumes:
        assert list(volumes["labels"].shape) == truth["volumes"]["shape"]
        assert set(np.unique(volumes["membranes"])) <= {0, 1}
