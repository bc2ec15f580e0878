"""Pictures for people, as steps have them drawn."""

from __future__ import annotations

import subprocess

import pytest

from space import drawing
from space.images import is_whole_png
from space.plots import Shown
from space.steps.drawing import have_drawn


@pytest.mark.beside
def test_no_process_costs_a_warning(tmp_path, monkeypatch, caplog):
    def none(*args, **more):
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", none)
    shown = (Shown(1.0, 1.0, 5.0, 5.0, "good"),)
    request = drawing.GridPicture(tmp_path / "grid.png", tmp_path / "G.png", shown, {}, "G")
    have_drawn(tmp_path, [request])
    assert "grid.png will not be drawn" in caplog.text and "no more processes" in caplog.text


@pytest.mark.beside
def test_all_pictures_are_there_when_a_run_has_ended(bench):
    """Though no step has waited for one."""
    session = bench()
    assert session.run(4).ok
    folder = session.directory
    names = {path.name for path in folder.glob("*.png") if is_whole_png(path)}
    assert {"G1_lamella_detected.png", "G1_L01_segmentation.png"} <= names
    assert any(name.startswith("G1_L01_") and name.endswith("_targets.png") for name in names), (
        names
    )
    assert drawing.wait(folder, 0.0) == []
