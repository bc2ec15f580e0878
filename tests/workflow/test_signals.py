"""Fluorescence of a grid's map comes to the maps of its lamellae by itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from space.fluorescence import Look, keep, kept_path, read_kept, read_signal, register
from space.geometry import MapFrame
from space.images import write_json_beside, write_png
from space.settings import Settings
from space.steps.lamella_list import LamellaList, save
from space.steps.signals import ensure_signals

GRID = MapFrame((300, 400), ((1.25, 0.0), (0.0, -1.25)), (20.0, 5.0))
LAMELLA = MapFrame((200, 240), ((10.0, 0.0), (0.0, -10.0)), (30.0, 15.0))
OFFSET_UM = (1.5, -2.0)


class OneGrid(SimpleNamespace):
    def map_png(self, number):
        return self.folder / f"G1_L{number:02d}.png"

    def map_stem(self, number):
        return f"G1_L{number:02d}"


@pytest.fixture
def grid(tmp_path):
    made = OneGrid(
        folder=tmp_path,
        settings=Settings(target_list=("fm:GFP",)),
        whole_grid_png=tmp_path / "G1_wg.png",
        lamellae_file=tmp_path / "G1_lamellae.json",
    )
    for path, frame in ((made.whole_grid_png, GRID), (made.map_png(1), LAMELLA)):
        write_png(path, np.zeros(frame.shape, np.uint8), 1000 * frame.pixel_um, "test")
        write_json_beside(path, {"frame": frame.to_dict()})
    save(made.lamellae_file, LamellaList((), offset_um=OFFSET_UM))
    flat = np.zeros((600, 800), np.float32)
    # What the lamella's map has in its middle, seen on the grid before the offset was measured.
    ((row, column),) = GRID.to_map(np.array(LAMELLA.center_stage_um) - OFFSET_UM)
    rows, columns = np.indices(flat.shape) + 0.5
    flat[np.hypot(rows - 2 * row, columns - 2 * column) < 6] = 700
    corners = np.array([[50.0, 50], [50, 750], [550, 50], [550, 750], [300, 400]])
    found = register(corners, corners / 2, GRID.pixel_um, flat.shape, GRID.shape, usual_um=0.2)
    keep(
        made.whole_grid_png, "fm.tif", {"GFP": flat}, {"GFP": Look((0, 255, 0), 0, 700, 350)}, found
    )
    return made


def facts():
    return SimpleNamespace(frame=LAMELLA)


def test_signal_lies_where_the_offset_between_magnifications_puts_it(grid):
    ensure_signals(grid, 1, facts())
    likely, _ = read_signal(grid.map_png(1), "GFP", LAMELLA.shape)
    rows, columns = np.indices(likely.shape) + 0.5
    place = [(likely * axis).sum() / likely.sum() for axis in (rows, columns)]
    assert place == pytest.approx([100, 120], abs=3)
    kept = read_kept(grid.map_png(1))
    assert kept.how == "carried from G1_wg.png" and 0.5 < kept.error_um < 0.8
    grid.lamellae_file.unlink()
    kept_path(grid.map_png(1)).unlink()
    ensure_signals(grid, 1, facts())
    assert read_kept(grid.map_png(1)).error_um > 2


def test_a_map_that_was_taken_again_gets_it_again_and_a_persons_own_stays(grid):
    ensure_signals(grid, 1, facts())
    first = kept_path(grid.map_png(1)).read_text(encoding="utf-8")
    ensure_signals(grid, 1, facts())
    assert kept_path(grid.map_png(1)).read_text(encoding="utf-8") == first
    write_png(grid.map_png(1), np.ones(LAMELLA.shape, np.uint8), 100.0, "again")
    ensure_signals(grid, 1, facts())
    read_kept(grid.map_png(1))
    by_hand = first.replace("carried from G1_wg.png", "pairs")
    kept_path(grid.map_png(1)).write_text(by_hand, encoding="utf-8")
    ensure_signals(grid, 1, facts())
    assert kept_path(grid.map_png(1)).read_text(encoding="utf-8") == by_hand


def test_nothing_is_done_where_no_signal_is_asked_for_or_none_is_there(grid):
    grid.settings = Settings(target_list=("mitos",))
    ensure_signals(grid, 1, facts())
    assert not kept_path(grid.map_png(1)).exists()
    grid.settings = Settings(avoid_list=("fm:GFP",))
    far = SimpleNamespace(frame=MapFrame(LAMELLA.shape, LAMELLA.stage_to_px, (900.0, 900.0)))
    ensure_signals(grid, 1, far)
    assert not kept_path(grid.map_png(1)).exists()
