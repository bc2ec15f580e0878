"""From the setting `hole_pattern` to a targets file, on a simulated holey film."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from space import pacetomo
from space.simulation import Bench, make_project
from space.simulator.specimen import Grid
from space.simulator.specimen.film import NORMAL
from tests.workflow.bench import make_bench

MAP_UM = 12.0
CLASSES = {"target_list": ["white"], "avoid_list": ["black"]}  # what the truth calls thin film


def holey_grid() -> Grid:
    """A grid of holes that nobody has milled."""
    return Grid.make(11, 0, name="G1", milled=False)


def begun_session(grid: Grid, tmp_path, monkeypatch) -> Bench:
    """A session with one place on clean film to be mapped."""
    project = make_project(tmp_path / "project", segmentation_pixel_nm=32)
    bench = make_bench(tmp_path / "session", project, monkeypatch, grid, stage_error_um=0.0)
    x, y = clean_place_um(grid)
    bench.do(
        "sem.OpenNavigator()",
        f"i = int(sem.AddStagePosAsNavPoint({x}, {y}, 0))",
        "sem.ChangeItemLabel(i, 'FL1')",
        "sem.ChangeItemNote(i, 'good (90%)')",
        f"sem.SaveNavigator({str(bench.directory / 'G1.nav')!r})",
    )
    place = {
        "number": 1,
        "stage_um": [x, y],
        "size_um": [MAP_UM, MAP_UM],
        "category": "good",
        "probability": 0.9,
    }
    (bench.directory / "G1_lamellae.json").write_text(
        json.dumps({"offset_um": [0, 0], "lamellae": [place], "others": []}), encoding="utf-8"
    )
    return bench


def clean_place_um(grid: Grid) -> tuple[float, float]:
    """Centre of the square with least on it, of those in the middle."""
    half, film = grid.film.half, grid.film
    places = [(i, j) for i in range(-3, 4) for j in range(-3, 4)]
    whole = [p for p in places if film.states[p[0] + half, p[1] + half] == NORMAL]
    best = min(whole, key=lambda p: film.coverage[p[0] + half, p[1] + half])
    return film.square_center_um(*best)


def from_holes_um(points_um: np.ndarray, film) -> np.ndarray:
    """Distance of points (n, 2) from the middle of the nearest hole."""
    angle = np.radians(film.hole_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    steps = points_um @ turn.T / film.hole_pitch_um
    return np.hypot(*((steps - np.rint(steps)) * film.hole_pitch_um).T)


def test_targets_of_a_holey_film_sit_in_its_holes(tmp_path, monkeypatch):
    grid = holey_grid()
    session = begun_session(grid, tmp_path, monkeypatch)
    result = session.run(4, hole_pattern=True, **CLASSES)
    assert result.ok, result.error
    text = (session.directory / "G1_L01_tgts.txt").read_text(encoding="utf-8")
    targets = pacetomo.parse(text).targets
    displaced = session.worker.displaced_um["G1_L01.png"]
    away = from_holes_um(
        np.array([session.place_um(target) for target in targets]) + displaced, grid.film
    )
    assert len(targets) >= 6
    assert away.max() < 0.15
    assert "holes," in session.log()


def test_a_film_without_holes_is_told_and_gets_no_targets(tmp_path, monkeypatch):
    film = replace(holey_grid().film, hole_radius_um=0.0)
    session = begun_session(Grid.make(11, 0, name="G1", film=film), tmp_path, monkeypatch)
    assert session.run(4, hole_pattern=True, **CLASSES).ok
    assert "No hole pattern was found on the map" in session.log()
    assert not (session.directory / "G1_L01_tgts.txt").exists()
