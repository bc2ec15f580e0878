"""Pictures of a lamella's targets, for people; one that fails is no reason to stop."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from space import pacetomo, plots
from space.errors import SpaceError
from space.images import is_whole_png, read_png
from space.steps.session import GridSession
from space.steps.target_facts import find_files
from space.targeting import Area, Choice, Optics

_log = logging.getLogger("space.workflow")


def has_target_plot(session: GridSession, number: int) -> bool:
    """Whether there is a whole picture of a lamella's targets, whatever was targeted."""
    pattern = pacetomo.plot_pattern(session.map_stem(number))
    return any(is_whole_png(path) for path in find_files(session.directory, pattern))


def draw_targets(
    session: GridSession, number: int, wanted: np.ndarray, areas: Sequence[Area], optics: Optics
) -> None:
    """Draw targets on the lamella's map."""
    stem, target_list = session.map_stem(number), tuple(session.settings.target_list)
    count = sum(len(area.targets_map_px) for area in areas)
    try:
        picture, _ = read_png(session.map_png(number))
        plots.plot_targets(
            session.directory / pacetomo.plot_name(stem, target_list),
            picture,
            wanted,
            areas,
            optics,
            f"{stem}: {count} targets on {', '.join(target_list)}",
        )
    except (SpaceError, OSError) as error:
        _log.warning("The picture of the targets was not drawn: %s", error)


def draw_score(session: GridSession, number: int, choice: Choice, optics: Optics) -> None:
    """Draw the scores of all places, where pictures of steps are wanted."""
    if not session.settings.save_plot or choice.score is None:
        return
    try:
        plots.plot_score(
            session.directory / f"{session.map_stem(number)}_score.png",
            choice.score.values,
            optics.pixel_nm * choice.score.factor,
        )
    except (SpaceError, OSError) as error:
        _log.warning("The picture of the scores was not drawn: %s", error)
