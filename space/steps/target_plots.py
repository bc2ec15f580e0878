"""Pictures of a lamella for people; one that fails ends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from space import pacetomo
from space.drawing import SHOWS, SegmentationPicture, TargetsPicture
from space.images import fingerprint, is_whole_png, read_png_text
from space.labelling import labels_that_count
from space.steps.drawing import drawn_or_reported, have_drawn
from space.steps.inference import job_folder, read_classes
from space.steps.learned import heat_path, wants_heat
from space.steps.question import Question, names_of, own_classes
from space.steps.session import GridSession
from space.steps.target_facts import find_files
from space.targeting import Choice, TargetArea


def has_target_plot(session: GridSession, number: int) -> bool:
    """Whether there is a whole picture of a lamella's targets, whatever was targeted."""
    pattern = pacetomo.plot_pattern(session.map_stem(number))
    return any(is_whole_png(path) for path in find_files(session.directory, pattern))


def has_segmentation_plot(session: GridSession, number: int, labels_path: Path) -> bool:
    """Whether there is a whole picture of the labels of a lamella that count."""
    shown = read_png_text(session.segmentation_plot(number)).get(SHOWS)
    return shown is not None and shown == fingerprint(labels_that_count(labels_path).path)


def targets_picture(
    session: GridSession,
    number: int,
    question: Question,
    polygons_map_px: tuple[np.ndarray, ...],
    areas: Sequence[TargetArea],
    labels_path: Path,
) -> TargetsPicture:
    """Return the request of a picture of targets on the lamella's map."""
    stem, target_list = session.map_stem(number), session.settings.classes_wanted
    count = sum(len(area.targets_map_px) for area in areas)
    return TargetsPicture(
        session.directory / pacetomo.plot_name(stem, target_list),
        session.map_png(number),
        labels_that_count(labels_path).path,
        own_classes(question.names),
        question.options,
        question.optics,
        polygons_map_px,
        tuple(areas),
        f"{stem}: {count} targets on {', '.join(target_list)}",
        heat_path(labels_path) if wants_heat(session.settings) else None,
    )


def segmentation_pictures(
    session: GridSession,
    number: int,
    labels_path: Path,
) -> tuple[SegmentationPicture, ...]:
    """Return the request of a picture of the labels of a lamella that count.

    There is none if there is a picture of them, or if they cannot be read, which is reported.
    """
    if has_segmentation_plot(session, number, labels_path):
        return ()
    path = session.segmentation_plot(number)
    with drawn_or_reported(path):
        counted = labels_that_count(labels_path)
        seen = "what the model finds" + (", corrected by hand" if counted.corrected else "")
        request = SegmentationPicture(
            path,
            session.map_png(number),
            counted.path,
            names_of(session, read_classes(counted.path)),
            f"{session.map_stem(number)}: {seen} (parts of the map)",
            fingerprint(counted.path),
        )
        return (request,)
    return ()


def draw_segmentations(session: GridSession, numbers: Sequence[int]) -> None:
    """Draw the segmentations that are there and have no picture."""
    folder = job_folder(session)
    requests: list[SegmentationPicture] = []
    for number in numbers:
        with drawn_or_reported(session.segmentation_plot(number)):
            result = folder.status(session.map_png(number).name, "segment").result
            if result is not None:
                requests += segmentation_pictures(session, number, result)
    have_drawn(session.directory, requests)


def draw_score(session: GridSession, number: int, choice: Choice, pixel_nm: float) -> None:
    """Draw the scores of all places of a map with this pixel, if the settings ask for plots."""
    if not session.settings.save_plot or choice.score is None:
        return
    from space import plots

    path = session.directory / f"{session.map_stem(number)}_score.png"
    with drawn_or_reported(path):
        plots.plot_score(path, choice.score.values, pixel_nm * choice.score.factor)
