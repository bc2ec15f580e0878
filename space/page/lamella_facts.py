"""One lamella for the page: its map, its classes, and its targets as they lie on it.

What is the same for all targets (the corners of a Record field, a beam and its ellipse at the
steepest tilt, how far image shift reaches) is told once, from the middle of a target: the page
draws it around each one, also while it is dragged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from space import overview, pacetomo, plots, steps
from space.errors import SpaceError
from space.files import parse_json, read_bytes_bounded
from space.geometry import MapFrame
from space.images import fingerprint, read_png_text
from space.labelling import labels_that_count
from space.microscope import SavedItem, read_navigator_file
from space.overview import AreaFacts, GridFacts, LamellaFacts
from space.page.fluorescence import fluorescence_table
from space.page.places import frame_table, tiles_table
from space.page.session import Session
from space.plots import class_colors
from space.review import choice_stamp
from space.steps import GridSession
from space.targeting import (
    SERIES,
    SERIES_SETTINGS,
    Choice,
    ExposureOptics,
    TargetArea,
    TargetingOptions,
    read_choice,
)
from space.targeting.packing import TiltFrame, conflicts

SLACK_UM = 0.002
"""Beams that overlap by less than this touch: a person's numbers are rounded."""

LABELS, OF_MODEL = "_seg", "_model"
"""What the addresses of tiles end in: of the labels that count, and of what the model found."""

_MOST_CLASSES = 256


@dataclass(frozen=True)
class Classes:
    """The classes of a segmentation.

    Attributes
    ----------
    labels : mapping of str to int
    colors : mapping of str to str
    """

    labels: Mapping[str, int]
    colors: Mapping[str, str]

    def shown(self, name: str = "") -> dict[int, str]:
        """Return the colours of one class, or of all, by label."""
        return {label: self.colors[one] for one, label in self.labels.items() if name in ("", one)}


def classes_of(files: GridSession, labels_path: Path) -> Classes:
    """Return the classes of a segmentation: those stored with it, else those of the model here.

    Raises
    ------
    SpaceError
        If neither can be read.
    """
    try:
        stored = parse_json(read_png_text(labels_path).get("labels", "{}"))
    except ValueError:
        stored = {}
    is_table = isinstance(stored, dict) and all(
        isinstance(label, int) and 0 <= label < _MOST_CLASSES for label in stored.values()
    )
    names = steps.names_of(files, stored if is_table else {})
    return Classes(names, class_colors(names))


def lamella_facts(session: Session, grid: GridFacts, lamella: LamellaFacts) -> dict[str, Any]:
    """Return what the page shows of a lamella; what cannot be read is told and left out."""
    problems: list[str] = []
    values: dict[str, Any] = {
        "grid": grid.name,
        "number": lamella.number,
        "label": lamella.label,
        "class": lamella.category,
        "probability": lamella.probability,
        "state": lamella.state,
        "reason": lamella.reason,
        "stage_um": list(lamella.position_um),
        "begun": any(area.begun for area in lamella.areas),
        "exposed": bool(lamella.series),
        "segmentation": lamella.segmentation,
        "map": None,
        "labels": None,
        "fluorescence": None,
        "optics": None,
        "choice": None,
        "polygons": [],
        "areas": [_area_on_disk(area) for area in lamella.areas],
        "series_settings": series_settings_table(),
        "problems": problems,
    }
    if lamella.picture is None:
        return values
    try:
        files = session.files_of(grid)
        facts = steps.read_map_facts(files.map_png(lamella.number))
    except SpaceError as error:
        problems.append(str(error))
        return values
    place = f"tiles/{quote(grid.name, safe='')}/{lamella.label}"
    address = f"{place}/{{z}}/{{x}}/{{y}}.jpg?v={fingerprint(lamella.picture)}"
    values["map"] = {
        **frame_table(facts.frame),
        "pixel_nm": facts.pixel_nm,
        "tiles": tiles_table(address, facts.frame.shape),
    }
    shape = facts.frame.shape
    values["labels"] = _or_told(problems, lambda: _labels(files, lamella, place, shape, problems))
    values["fluorescence"] = fluorescence_table(lamella.picture, place, shape)
    optics = _or_told(problems, lambda: optics_of(session, files, lamella, facts))
    values["optics"] = None if optics is None else optics_table(optics)
    values["choice"] = _or_told(problems, lambda: _choice(lamella, facts.frame, optics))
    values["polygons"] = _or_told(problems, lambda: _polygons(grid, facts.frame)) or []
    return values


def _or_told(problems: list[str], make: Any) -> Any:
    try:
        return make()
    except (SpaceError, OSError, ValueError) as error:
        problems.append(str(error))
        return None


# --- segmentation ---------------------------------------------------------------------------------


def _labels(
    files: GridSession,
    lamella: LamellaFacts,
    place: str,
    shape: tuple[int, int],
    problems: list[str],
) -> dict[str, Any] | None:
    if lamella.labels is None:
        return None
    counted = labels_that_count(lamella.labels)
    if counted.why_not:
        problems.append(counted.why_not)
    classes = classes_of(files, counted.path)
    options = TargetingOptions.of_session(files.settings, files.config.off_lamella_classes)
    address = f"{place}{LABELS}/{{z}}/{{x}}/{{y}}.png?v={fingerprint(counted.path)}"
    return {
        "corrected": counted.corrected,
        "tiles": tiles_table(address, shape),
        "classes": [
            {
                "name": name,
                "label": label,
                "color": classes.colors[name],
                "wanted": name in options.target_list,
                "avoided": name in options.avoid_list,
            }
            for name, label in classes.labels.items()
        ],
    }


# --- optics ---------------------------------------------------------------------------------------


def optics_of(
    session: Session, files: GridSession, lamella: LamellaFacts, facts: steps.MapFacts
) -> ExposureOptics:
    """Return what beam and camera cover in a lamella's map.

    Raises
    ------
    SpaceError
        If the optics of Record are noted nowhere in the session.
    """
    record = overview.noted_record(session.look().facts, lamella, files.settings)
    if record is None:
        raise SpaceError(
            "What a Record picture covers is not noted in this session yet.",
            lamella.label,
            "It is known as soon as targets of one lamella were chosen.",
        )
    return steps.optics_of(files, facts, record)


def optics_table(optics: ExposureOptics) -> dict[str, Any]:
    """Return what is drawn around each target, in pixels of the map, and what tells conflicts."""
    pixel_um = optics.pixel_um
    corners = plots.field_corners_px(optics)
    beam_px = optics.beam_diameter_um / pixel_um
    axes = TiltFrame.of(optics).from_map(np.eye(2))
    return {
        "field_um": list(optics.field_um),
        "field_corners_px": [[float(row), float(column)] for column, row in corners],
        "beam_diameter_um": optics.beam_diameter_um,
        "beam_diameter_px": beam_px,
        "tilt_axis_deg": optics.tilt_axis_deg,
        "steepest_tilt_deg": optics.steepest_tilt_deg,
        "ellipse_px": {
            "along": beam_px,
            "across": beam_px * optics.stretch,
            "angle_deg": optics.tilt_axis_deg,
        },
        "image_shift_limit_um": optics.image_shift_limit_um,
        "image_shift_limit_px": optics.image_shift_limit_um / pixel_um,
        "beam_margin_um": optics.beam_margin_um,
        "pixel_um": pixel_um,
        # (row, column) times this gives um in the frame in which beams are discs at the tilt.
        "to_tilt_um": axes.T.tolist(),
        "conflict_um": optics.beam_diameter_um - SLACK_UM,
    }


# --- targets --------------------------------------------------------------------------------------


def series_settings_table() -> list[dict[str, Any]]:
    """Return PACEtomo's settings that an area may have of its own, with what they may be."""
    return [
        {
            "name": one.name,
            "range": [one.lowest_deg, one.highest_deg],
            "unit": "degrees",
            "meaning": one.meaning,
        }
        for one in SERIES_SETTINGS
    ]


def areas_table(areas: Sequence[TargetArea]) -> list[dict[str, Any]]:
    """Return areas as a choice file has them, so that they can be sent back."""
    return [
        {
            "targets": [
                {
                    "row": float(row),
                    "column": float(column),
                    "score": float(score) if np.isfinite(score) else 0.0,
                    "fixed": bool(fixed),
                    **({"for_tracking_alone": True} if area.extra_tracking and number == 0 else {}),
                }
                for number, ((row, column), score, fixed) in enumerate(
                    zip(area.targets_map_px, area.scores, area.fixed)
                )
            ],
            "geometry_points": [
                {"row": float(row), "column": float(column)}
                for row, column in area.geometry_points_map_px
            ],
            **({SERIES: dict(area.series)} if area.series else {}),
        }
        for area in areas
    ]


def conflicts_of(areas: Sequence[TargetArea], optics: ExposureOptics) -> list[dict[str, Any]]:
    """Return the pairs of targets whose beams overlap: area and target from 1, and by how much."""
    names = [
        (number, index)
        for number, area in enumerate(areas, 1)
        for index in range(1, len(area.targets_map_px) + 1)
    ]
    if len(names) < 2:
        return []
    tilted = TiltFrame.of(optics).from_map(np.concatenate([one.targets_map_px for one in areas]))
    found = []
    for first, second in conflicts(tilted, optics.beam_diameter_um - SLACK_UM):
        gap_um = float(np.hypot(*(tilted[first] - tilted[second])))
        found.append(
            {
                "targets": [list(names[first]), list(names[second])],
                "overlap_um": optics.beam_diameter_um - gap_um,
            }
        )
    return found


def choice_table(
    areas: Sequence[TargetArea], optics: ExposureOptics | None, choice: Choice | None = None
) -> dict[str, Any]:
    """Return targets with their conflicts; with a choice also what is said of it."""
    values: dict[str, Any] = {
        "areas": areas_table(areas),
        "conflicts": conflicts_of(areas, optics) if optics is not None and len(areas) else [],
    }
    if choice is not None:
        values["warnings"] = list(choice.warnings)
        values["total_score"] = float(choice.counts.total_score)
        values["targets"] = choice.n_targets
        values["rejected"] = dict(choice.rejected)
        values["wanted_in_fields"] = float(choice.counts.wanted_in_fields)
    return values


def _choice(
    lamella: LamellaFacts, frame: MapFrame, optics: ExposureOptics | None
) -> dict[str, Any] | None:
    if lamella.choice_file is not None:
        data = read_bytes_bounded(lamella.choice_file)
        read = read_choice(lamella.choice_file, frame.shape)
        if read is not None:
            table = {**choice_table(read.areas, optics), "take": read.take, "from": "choice file"}
            # Of what was there before: if it is written anew meanwhile, it counts as not seen.
            table["stamp"] = choice_stamp(data)
            _note_series(table["areas"], lamella.areas)
            return table
    areas = [area for one in lamella.areas for area in _of_targets_file(one, frame)]
    if not areas:
        return None
    table = {**choice_table(areas, optics), "take": "nothing", "from": "targets files", "stamp": ""}
    _note_series(table["areas"], lamella.areas)
    return table


def _note_series(table: list[dict[str, Any]], areas: Sequence[AreaFacts]) -> None:
    """Note at each target its tilt series, where the files have as many targets as the choice."""
    by_number = {area.number: area for area in areas}
    for number, entry in enumerate(table, 1):
        area = by_number.get(number)
        fits = area is not None and len(area.series) == len(entry["targets"])
        for index, target in enumerate(entry["targets"]):
            series = area.series[index] if area is not None and fits else None
            is_there = series is not None and series.path is not None
            target["exposed"] = is_there
            target["series"] = (
                overview.series_table(series) if series is not None and is_there else None
            )


def _of_targets_file(area: AreaFacts, frame: MapFrame) -> list[TargetArea]:
    """Return an area by the stage positions in its targets file, where there is no choice."""
    try:
        read = pacetomo.read(area.targets_file)
    except SpaceError:
        return []
    places = [target.stage_um for target in read.targets]
    if not places or any(place is None for place in places):
        return []
    points = frame.to_map(np.array(places, float))
    scores = np.array([target.score or 0.0 for target in read.targets])
    return [TargetArea(points, scores)]


def _area_on_disk(area: AreaFacts) -> dict[str, Any]:
    return {
        "number": area.number,
        "targets": area.targets,
        "geometry_points": area.geometry_points,
        "in_navigator": area.in_navigator,
        "acquire": area.acquire,
        "begun": area.begun,
        "acquired": area.acquired,
        "problem": area.problem,
        "series": [overview.series_table(one) for one in area.series if one.path is not None],
    }


def navigator_items(grid: GridFacts) -> tuple[SavedItem, ...]:
    """Return the items of a grid's Navigator file; none if there is none.

    Raises
    ------
    OSError, ValueError
        If it cannot be read.
    """
    return read_navigator_file(grid.navigator_file) if grid.navigator_file else ()


def _polygons(grid: GridFacts, frame: MapFrame) -> list[list[list[float]]]:
    found = steps.polygons_on_map(navigator_items(grid), frame)
    return [[[float(row), float(column)] for row, column in corners] for corners in found]
