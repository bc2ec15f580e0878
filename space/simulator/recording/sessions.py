"""The truth about all tilt series of a session, in a folder that its programs never read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.formats import mrc
from space.simulator.judging import by_series
from space.simulator.recording.truth import Camera, series_truth, write_truth
from space.simulator.specimen import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from space.simulator.imaging.pictures import Exposure
    from space.simulator.program.session import Session

FOLDER = "truth"


def write_session_truth(session: Session, folder: Path) -> list[Path]:
    """Write the truth about each tilt series of a session that shows the inside of a lamella.

    Parameters
    ----------
    session : Session
    folder : Path
        Of the session; the files are in `FOLDER` there.

    Returns
    -------
    list of Path
        JSON files, one for each series.
    """
    written = []
    for grid in session.grids.values():
        if not isinstance(grid, Grid):
            continue
        mine = [exposure for exposure in session.exposures if exposure.grid == grid.name]
        for pictures in by_series(mine).values():
            path = _written(session, grid, pictures, Path(folder) / FOLDER)
            if path is not None:
                written.append(path)
    return written


def _written(
    session: Session, grid: Grid, pictures: Sequence[Exposure], folder: Path
) -> Path | None:
    stack = Path(pictures[0].file)
    if not stack.is_file():
        return None  # somebody moved or deleted it
    header = mrc.read_header(stack)
    # A picture that was taken again at a tilt may have replaced another in its section.
    kept = {exposure.section: exposure for exposure in pictures if exposure.section >= 0}
    scope, mag_index = session.scope, pictures[0].mag_index
    pixel_um = scope.pixel_um(mag_index)
    binning = round(1e-4 * header.pixel_A / pixel_um, 3)
    camera = Camera(
        binning,
        header.shape,
        1e3 * pixel_um * binning,
        scope.rotation_deg(mag_index),
    )
    found = series_truth([kept[key] for key in sorted(kept)], camera, scope.optics, grid)
    return None if found is None else write_truth(stack, *found, folder)
