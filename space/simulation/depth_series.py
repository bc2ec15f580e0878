"""Tilt series with depth and the truth about them, for what comes after a session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from space.simulator import Simulation
    from space.simulator.recording import Phantom, RecordedSeries


def simulated_series(
    out: Path, seed: int = 1, tilts: Sequence[float] | None = None, **choices: Any
) -> RecordedSeries:
    """Make one simulated tilt series without a session.

    Parameters
    ----------
    out : Path
        Folder of the files: the stack, its mdoc and the truth.
    seed : int
    tilts : sequence of float, optional
        In the order in which they are taken; by default dose-symmetric, 60 degrees by 3.
    **choices
        As for `space.simulator.recording.record_series`: shape, binning, tracking_error_nm, ...
    """
    from space.simulator.recording import record_series

    return record_series(Path(out), seed, tilts, **choices)


def write_truth_of_series(simulation: Simulation, out: Path) -> list[Path]:
    """Write the truth about the tilt series of a session, where no program of it looks.

    Parameters
    ----------
    simulation : Simulation
    out : Path
        Folder of the session.

    Returns
    -------
    list of Path
        JSON files, one for each series on a lamella.
    """
    from space.simulator.keeping import SESSION_FOLDER
    from space.simulator.recording import write_session_truth

    return write_session_truth(simulation.session, Path(out) / SESSION_FOLDER)


def phantom(seed: int = 1, **choices: Any) -> Phantom:
    """Make a piece of a simulated lamella as a volume; see `space.simulator.recording.phantom`."""
    from space.simulator.recording import phantom as made

    return made(seed, **choices)
