"""Pictures of a lamella, for people; one that fails is no reason to stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from space import pacetomo, plots
from space.images import is_whole_png, read_png
from space.steps.drawing import drawn_or_told
from space.steps.session import GridSession
from space.steps.target_facts import find_files
from space.targeting import Area, Choice, Optics


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
    path = session.directory / pacetomo.plot_name(stem, target_list)
    with drawn_or_told(path):
        picture, _ = read_png(session.map_png(number))
        plots.plot_targets(
            path,
            picture,
            wanted,
            areas,
            optics,
            f"{stem}: {count} targets on {', '.join(target_list)}",
        )


def draw_score(session: GridSession, number: int, choice: Choice, optics: Optics) -> None:
    """Draw the scores of all places, where pictures of steps are wanted."""
    if not session.settings.save_plot or choice.score is None:
        return
    path = session.directory / f"{session.map_stem(number)}_score.png"
    with drawn_or_told(path):
        pixel_nm = optics.pixel_nm * choice.score.factor
        plots.plot_score(path, choice.score.values, pixel_nm)
