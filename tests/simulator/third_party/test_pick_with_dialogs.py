"""A script that asks for everything: texts, files, keys. Its targets are what was in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from space.simulator.commands import files
from space.simulator.formats.navfile import MAP, POINT
from space.simulator.formats.navfile import read as read_nav
from space.simulator.program.policy import Policy
from tests.simulator.fakes import textured

SCRIPT = (Path(__file__).parent / "scripts" / "pick_with_dialogs.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("earlier", ["yes", "no"])
def test_targets_are_picked_where_the_user_pressed_the_key(make_simulation, tmp_path, earlier):
    simulation = make_simulation(
        textured(pixel_um=0.012),
        noise=True,
        policy=Policy(
            answers=(("file of earlier", earlier),),
            texts=(
                ("name of the sample", "yeast"),
                ("existing image file", "before.mrc"),
                ("name of the image file", "fresh.mrc"),
            ),
            keys=("v", "p", "v", "p", "f"),
        ),
    )
    session = simulation.session
    session.scope.set_low_dose(True)
    session.scope.stage.move_to(2.0, -1.0)
    files.open_new_file(session, "before.mrc")
    session.take("V")
    files.save_to_file(session)
    files.close_file(session)
    result = simulation.run(SCRIPT, "pick_with_dialogs.py")
    assert result.ok, result.error
    name = "before" if earlier == "yes" else "fresh"
    assert f"2 targets in {name}" in simulation.log
    items = read_nav(tmp_path / "yeast.nav").items
    points = [item for item in items if item.kind == POINT]
    assert sum(item.kind == MAP for item in items) == len(points) == 2
    for number, item in enumerate(points):
        assert item.acquire and item.note == f"yeast_tgt_{number:03d}"
        assert item.stage_um[:2] == pytest.approx((2.0, -1.0), abs=0.05)
        for ending in ("", "_fft"):
            with Picture.open(tmp_path / f"yeast_{number:02d}{ending}.jpg") as picture:
                assert np.asarray(picture).std() > 5
    kinds = [dialog.kind for dialog in session.dialogs]
    assert kinds.count("file") >= 1 and {"enter", "yes/no", "pause", "ok"} <= set(kinds)
    assert session.navigator.is_open and not session.files.current
