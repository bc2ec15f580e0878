"""A session from outside of SerialEM ends as one inside, also when its line is cut."""

from __future__ import annotations

import pytest

from space.simulation import (
    WINDOWS_FOLDER,
    EndState,
    Night,
    Outside,
    grids_of_seeds,
    make_project,
)
from space.simulator.serving import AFTER, BEFORE, Cut

SEEDS = {1: (21, 1, 90.0)}
NIGHT = {
    "limit_um": 160.0,
    "settings": {"max_targets": 1, "MM_padding_factor": 1.0, "WG_offset_via_IM": False},
}


def plain(state: EndState) -> dict:
    """Return how a session has ended, without the folder through which commands went."""
    values = dict(vars(state))
    values["files"] = {name for name in state.files if not name.startswith("SPACE_line")}
    return values


@pytest.mark.session
def test_the_same_targets_and_series_over_a_line_that_is_cut(tmp_path):
    grids = grids_of_seeds(SEEDS)
    project = make_project(tmp_path / "project", segmentation_pixel_nm=48)
    inside = Night(tmp_path / "in" / "session", project, grids, **NIGHT)
    assert inside.run().ended
    # Among them are a montage, a picture, a new file, and the end that starts the acquisition.
    cuts = [Cut(41, BEFORE), Cut(120, AFTER), Cut(301, BEFORE, 0.5), Cut(450, AFTER)]
    outside = Outside(
        tmp_path / "out" / "session",
        project,
        grids,
        grid_seeds=SEEDS,
        named=WINDOWS_FOLDER,
        cuts=cuts,
        **NIGHT,
    )
    found = outside.run_outside()
    assert found.done and found.losses >= len(cuts) and not found.new_runs, found.said
    assert [one.state for one in found.night.lamellae] == ["done"]
    assert not found.night.repeated and not found.night.double_exposed_px
    names = [grid.name for grid in grids.values()]
    ended = [EndState.of(night.directory, names) for night in (inside, outside)]
    assert plain(ended[0]) == plain(ended[1])
    for path in inside.directory.glob("*_tgts.txt"):
        assert (outside.directory / path.name).read_bytes() == path.read_bytes()
    navigator = (outside.directory / "G1.nav").read_text(encoding="utf-8")
    assert "MapFile = C:\\data\\G1.mrc" in navigator
