"""The question to the target selection: labels, options, and what beam and camera cover."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import read_json_or_empty
from space.fluorescence import is_signal
from space.geometry import MapFrame, field_rotation_deg
from space.labelling import labels_that_count
from space.microscope import RecordOptics
from space.models import LEARNED, read_labels
from space.predicates import is_number
from space.steps.inference import read_segmentation
from space.steps.learned import with_heat
from space.steps.map_facts import MapFacts
from space.steps.session import GridSession
from space.targeting import (
    AreaChange,
    Choice,
    DoseRule,
    ExposureOptics,
    KnownMap,
    Stated,
    TargetArea,
    TargetingOptions,
    change_areas,
    prepare,
    review_targets,
    select_broad,
    select_targets,
    total_score,
    wanted_mask,
    with_signals_of_map,
)

RECORD = "record"
"""Name of the optics of Record in the file of a choice."""

CREEP_UM = 0.01
"""Beams are taken wider by what the specimen creeps between the pictures of one tilt."""

log = logging.getLogger("space.workflow")


@dataclass(frozen=True)
class Question:
    """The question to the target selection about one lamella.

    Attributes
    ----------
    known : KnownMap
        Segmentation of the lamella's map.
    names : dict of str to int
        Its classes.
    options : TargetingOptions
        The settings that concern target selection.
    optics : ExposureOptics
        What beam and camera cover in the map.
    frame : MapFrame
        Where the map lies.
    record : RecordOptics
        What Record pictures and the beam cover, as the microscope told.
    """

    known: KnownMap
    names: dict[str, int]
    options: TargetingOptions
    optics: ExposureOptics
    frame: MapFrame
    record: RecordOptics

    @property
    def labels(self) -> np.ndarray:
        """Segmentation (uint8) of the lamella's map."""
        return self.known.labels

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return self.labels.shape[0], self.labels.shape[1]

    def judged(
        self, areas: Sequence[TargetArea], polygons_map_px: tuple[np.ndarray, ...] = ()
    ) -> Choice:
        """Return targets as they are, with their scores and what is wrong with them."""
        return review_targets(*self._asked, areas, polygons_map_px=polygons_map_px)

    def rearranged(
        self,
        areas: Sequence[TargetArea],
        change: AreaChange,
        polygons_map_px: tuple[np.ndarray, ...] = (),
    ) -> Choice:
        """Return areas that were split, merged and so on, judged as `judged` does."""
        return change_areas(*self._asked, areas, change, polygons_map_px=polygons_map_px)

    def total_score(
        self, areas: Sequence[TargetArea], polygons_map_px: tuple[np.ndarray, ...] = ()
    ) -> float:
        """Return the total score of targets as they are."""
        return total_score(*self._asked, areas, polygons_map_px=polygons_map_px)

    def prepare(self, polygons_map_px: tuple[np.ndarray, ...] = ()) -> None:
        """Find out what all answers begin with; the map remembers it."""
        prepare(*self._asked, polygons_map_px=polygons_map_px)

    def chosen(
        self,
        polygons_map_px: tuple[np.ndarray, ...] = (),
        fixed_map_px: np.ndarray | None = None,
        sites_map_px: np.ndarray | None = None,
    ) -> Choice:
        """Return the choice of targets; parameters as those of `select_targets`."""
        return select_targets(
            *self._asked,
            polygons_map_px=polygons_map_px,
            fixed_map_px=fixed_map_px,
            sites_map_px=sites_map_px,
        )

    def broad(
        self,
        fine: tuple[np.ndarray, ExposureOptics],
        rule: DoseRule,
        polygons_map_px: tuple[np.ndarray, ...] = (),
        fixed_map_px: np.ndarray | None = None,
        given: Sequence[TargetArea] | None = None,
    ) -> tuple[Choice, Stated]:
        """Return the choice of broad fields; parameters as those of `select_broad`."""
        return select_broad(
            *self._asked,
            fine,
            rule,
            polygons_map_px=polygons_map_px,
            fixed_map_px=fixed_map_px,
            given=given,
        )

    @property
    def _asked(self) -> tuple[KnownMap, dict[str, int], TargetingOptions, ExposureOptics]:
        return self.known, self.names, self.options, self.optics

    def wanted(self, polygons_map_px: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the pixels that are wanted, within polygons if there are any."""
        return wanted_mask(self.labels, self.names, self.options, polygons_map_px)


def question_of(
    session: GridSession,
    known: KnownMap,
    names: dict[str, int],
    facts: MapFacts,
    record: RecordOptics,
) -> Question:
    """Return the question for a lamella's map and the optics of Record."""
    options = TargetingOptions.of_session(session.settings, session.config.off_lamella_classes)
    return Question(known, names, options, optics_of(session, facts, record), facts.frame, record)


def read_record(choice_file: Path) -> RecordOptics | None:
    """Return the optics of Record that are noted in a choice; None if there are none of use."""
    noted = read_json_or_empty(choice_file).get(RECORD)
    if not isinstance(noted, dict):
        return None
    field = noted.get("field_um")
    values = (
        [*field, noted.get("rotation_deg"), noted.get("beam_diameter_um")]
        if (isinstance(field, list) and len(field) == 2)
        else []
    )
    if not values or not all(is_number(value) for value in values):
        return None
    width, height, rotation, beam = map(float, values)
    if not (width > 0 and height > 0 and beam > 0):
        return None
    return RecordOptics((width, height), rotation, beam)


def read_known_map(path: Path) -> tuple[KnownMap, dict[str, int]]:
    """Read a segmentation, of which nothing is known yet, and the classes that it stores."""
    labels, names = read_segmentation(path)
    return KnownMap(labels), names


def labels_of_map(
    session: GridSession,
    labels_path: Path,
    facts: MapFacts,
    read: Callable[[Path], tuple[KnownMap, dict[str, int]]] = read_known_map,
) -> tuple[KnownMap, dict[str, int]]:
    """Read the labels of a map that count, and their classes, learned targets among them.

    Parameters
    ----------
    session : GridSession
    labels_path : Path
        What the model found; what a person has corrected counts in its place.
    facts : MapFacts
    read : callable, optional
        Reads a segmentation; for one who has it already.

    Raises
    ------
    SpaceError
        When they cannot be read, or do not have the size of the map's picture; when learned
        targets are wanted and the heat map is missing or does not fit; when signal of fluorescence
        is asked for that the map does not have.
    """
    counted = labels_that_count(labels_path)
    if counted.why_not:
        log.warning("%s", counted.why_not)
    known, stored_names = read(counted.path)
    labels = known.labels
    if labels.shape != facts.frame.shape:
        raise SpaceError(
            f"The segmentation has {labels.shape} pixels and its map {facts.frame.shape}.",
            str(counted.path),
            "Delete it and run the script again.",
        )
    options = TargetingOptions.of_session(session.settings, session.config.off_lamella_classes)
    known, names = with_heat(known, names_of(session, stored_names), labels_path, options)
    return with_signals_of_map(known, names, map_of(labels_path), options)


def map_of(labels_path: Path) -> Path:
    """Return the picture of the map that was segmented."""
    path = Path(labels_path)
    stem = path.stem
    return path.with_name(f"{stem[:-4] if stem.endswith('_seg') else stem}.png")


def names_of(session: GridSession, stored: dict[str, int]) -> dict[str, int]:
    """Return the classes of a segmentation: those stored with it, else those of the model here.

    A monitor may run another model than the one that is configured here.
    """
    return stored or read_labels(session.config.segmentation_model)


def own_classes(names: dict[str, int]) -> dict[str, int]:
    """Return the classes that a segmentation has itself, without those that were added to it."""
    return {name: label for name, label in names.items() if name != LEARNED and not is_signal(name)}


def tell_of_other_classes(session: GridSession, names: dict[str, int], labels_path: Path) -> None:
    """Say it where a segmentation has other classes than the model here has."""
    if session.settings.manual_selection:
        return
    own = own_classes(names)
    if own != read_labels(session.config.segmentation_model):
        log.warning(
            "%s was made with other classes than those of the model here: its own are used.",
            labels_path.name,
        )


def optics_of(session: GridSession, facts: MapFacts, record: RecordOptics) -> ExposureOptics:
    """Return what beam and camera cover in a lamella's map."""
    return ExposureOptics(
        pixel_nm=facts.pixel_nm,
        field_um=record.field_um,
        beam_diameter_um=record.beam_diameter_um + CREEP_UM,
        tilt_axis_deg=facts.frame.tilt_axis_deg(),
        field_rotation_deg=field_rotation_deg(record.rotation_deg, facts.view.rotation_deg),
        image_shift_limit_um=session.settings.image_shift_limit,
        max_tilt_deg=session.settings.max_tilt,
        pretilt_deg=session.settings.pretilt,
        beam_margin_um=session.settings.beam_margin,
    )
