"""What a person wants to image, and what the microscope allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from space.errors import SpaceError
from space.predicates import is_number
from space.settings import (
    DEFAULT_SCORE_THRESHOLD,
    STEEPEST_TILT_DEG,
    WHOLE_LAMELLA,
    ClassNames,
    Settings,
    declaration,
    is_priority,
    plain,
)

_USUAL = Settings()

MANUAL_WANTED, MANUAL_DARK = WHOLE_LAMELLA, "black"
MANUAL_CLASSES = {"background": 0, MANUAL_DARK: 1, MANUAL_WANTED: 2}
"""Classes of a map that no model has segmented."""

_SETTINGS = {
    "sparse": "sparse_targets",
    **{
        name: name
        for name in (
            "target_list", "avoid_list", "target_edge", "penalty_weight", "max_iterations",
            "extra_tracking", "tolerance", "max_targets", "on_lamella_only",
        )
    },
}  # fmt: skip
"""Options that may be what the settings of these names may be."""


@dataclass(frozen=True)
class TargetingOptions:
    """The settings of a run that decide where targets are placed.

    Defaults are those of SPACEtomo.py; `of_session` takes the values of a session.

    Parameters
    ----------
    target_list : tuple of str, or mapping of str to float
        Names of the wanted segmentation classes, or names with priorities above 0 up to 1
        (``{"mitos": 1, "vesicles": 0.5}``: a field full of vesicles scores 0.5). ``"lamella"``
        as the FIRST entry means everything on the lamella that is not avoided (see
        `space.targeting.scoring.masks`). Kept as a tuple of names.
    avoid_list : tuple of str
        Names of the avoided classes.
    target_score_threshold : float, or mapping of str to float
        Least score of a target; in a mapping, one for each entry of `target_list` that it names,
        `DEFAULT_SCORE_THRESHOLD` for the others. Where a field holds several, that of the entry
        which contributes most to the score counts. A position must also score above 0.
    sparse : bool
        Free placement for small, scattered classes; False: dense pattern for large areas
        (setting ``sparse_targets``).
    target_edge : bool
        Aim at the boundary of the wanted classes instead of their inside.
    penalty_weight : float
        Weight of the avoided classes against the wanted ones.
    max_iterations : int
        Maximum number of rounds of placement refinement; 0 takes the first placement.
    extra_tracking : bool
        Place one more target per area for tracking alone.
    tolerance : float
        Overlap, as a fraction of the beam diameter, that is resolved by moving the two
        targets apart; with more overlap the target of lower score is dropped.
    max_targets : int
        Maximum number of targets of a lamella (fixed ones count, extra tracking targets do not);
        0: no limit.
    on_lamella_only : bool
        Wanted pixels count only on the lamella's own pieces (see `space.targeting.scoring.pieces`).
        False for samples that are no lamellae.
    off_lamella : tuple of str
        Classes that are vacuum or bulk, as far as the model has them.
    target_weights : tuple of float
        Priorities in the order of `target_list`; filled in from a mapping, 1 for plain names.
    """

    target_list: tuple[str, ...] = tuple(_USUAL.target_list)
    avoid_list: tuple[str, ...] = _USUAL.avoid_list
    target_score_threshold: float | Mapping[str, float] = DEFAULT_SCORE_THRESHOLD
    sparse: bool = _USUAL.sparse_targets
    target_edge: bool = _USUAL.target_edge
    penalty_weight: float = _USUAL.penalty_weight
    max_iterations: int = _USUAL.max_iterations
    extra_tracking: bool = _USUAL.extra_tracking
    tolerance: float = _USUAL.tolerance
    max_targets: int = _USUAL.max_targets
    on_lamella_only: bool = _USUAL.on_lamella_only
    off_lamella: tuple[str, ...] = ("background", "white", "black")
    target_weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        problems = [
            text
            for own, setting in _SETTINGS.items()
            for text in declaration(setting).kind.problems(own, plain(getattr(self, own)))
        ]
        problems += ClassNames("white").problems("off_lamella", plain(self.off_lamella))
        if problems:
            raise SpaceError(" ".join(problems), "target selection")
        weights = tuple(self.target_weights)
        if isinstance(self.target_list, Mapping):
            weights = tuple(self.target_list.values())
        # Lists are accepted, but a frozen value must not hold one.
        for name in ("target_list", "avoid_list", "off_lamella"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        threshold = plain(self.target_score_threshold)
        object.__setattr__(self, "target_score_threshold", threshold)
        scores = threshold.values() if isinstance(threshold, dict) else (threshold,)
        _need(all(map(is_number, scores)), "target_score_threshold", "a number")
        object.__setattr__(self, "target_weights", weights or (1.0,) * len(self.target_list))
        _need(
            len(self.target_weights) == len(self.target_list)
            and all(is_priority(plain(weight)) for weight in self.target_weights),
            "Each priority in target_list",
            "a number above 0 and at most 1",
        )

    @classmethod
    def of_session(
        cls, settings: Settings, off_lamella_classes: tuple[str, ...] | None = None
    ) -> TargetingOptions:
        """The options that a session's settings ask for.

        Parameters
        ----------
        settings : Settings
            Checked settings.
        off_lamella_classes : tuple of str, optional
            As SPACEtomo_config.py has them; None: the usual classes.
        """
        if settings.manual_selection:
            return cls._by_grey(settings)
        wanted = settings.target_list
        return cls(
            target_list=tuple(wanted),
            target_weights=tuple(wanted.values()) if isinstance(wanted, dict) else (),
            avoid_list=settings.avoid_list,
            target_score_threshold=settings.target_score_threshold,
            sparse=settings.sparse_targets,
            target_edge=settings.target_edge,
            penalty_weight=settings.penalty_weight,
            max_iterations=settings.max_iterations,
            extra_tracking=settings.extra_tracking,
            tolerance=settings.tolerance,
            max_targets=settings.max_targets,
            # The holes of a film are no pieces of a lamella.
            on_lamella_only=settings.on_lamella_only and not settings.hole_pattern,
            off_lamella=cls.off_lamella if off_lamella_classes is None else off_lamella_classes,
        )

    @classmethod
    def _by_grey(cls, settings: Settings) -> TargetingOptions:
        """The options where nothing is segmented: all that is not dark is wanted."""
        threshold = settings.target_score_threshold
        return cls(
            target_list=(MANUAL_WANTED,),
            avoid_list=(MANUAL_DARK,),
            target_score_threshold=(
                DEFAULT_SCORE_THRESHOLD if isinstance(threshold, dict) else threshold
            ),
            sparse=settings.sparse_targets,
            penalty_weight=settings.penalty_weight,
            max_iterations=settings.max_iterations,
            extra_tracking=settings.extra_tracking,
            tolerance=settings.tolerance,
            max_targets=settings.max_targets,
            on_lamella_only=False,
            off_lamella=("background", MANUAL_DARK),
        )

    @property
    def whole_lamella(self) -> bool:
        """Whether everything on the lamella that is not avoided is wanted."""
        return self.target_list[:1] == (WHOLE_LAMELLA,)

    @property
    def named_targets(self) -> tuple[str, ...]:
        """The entries of `target_list` that name a class."""
        return self.target_list[1:] if self.whole_lamella else self.target_list

    @property
    def priorities(self) -> dict[str, float]:
        """Wanted classes with their priorities."""
        return dict(zip(self.target_list, self.target_weights))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Least scores in the order of `target_list`."""
        threshold = self.target_score_threshold
        if isinstance(threshold, Mapping):
            return tuple(threshold.get(name, DEFAULT_SCORE_THRESHOLD) for name in self.target_list)
        return (threshold,) * len(self.target_list)

    @property
    def least_threshold(self) -> float:
        """The lowest of `thresholds`: no target scores less, whatever class it is on."""
        return min(self.thresholds)


@dataclass(frozen=True)
class ExposureOptics:
    """What the beam and the camera cover in the map.

    Directions are angles in the map from the +column axis towards the +row axis.

    Parameters
    ----------
    pixel_nm : float
        Pixel size of the label map.
    field_um : (float, float)
        Width and height of the Record camera field.
    beam_diameter_um : float
        Illuminated diameter at Record.
    tilt_axis_deg : float
        Direction of the tilt axis.
    field_rotation_deg : float
        Direction of the field's width axis; 0 or 90 when camera and map are parallel.
    image_shift_limit_um : float
        Largest distance of a target (and a geometry point) from its tracking target.
    max_tilt_deg : float
        Beams must not overlap up to this tilt.
    pretilt_deg : float
        Inclination of the lamella against the stage across the tilt axis, if the tilt
        range is counted from the stage: on one side the lamella is then tilted by
        max_tilt + pretilt. 0 when the range is counted from the lamella.
    beam_margin_um : float
        Distance kept between the beam of a tracking target and all others (see
        `space.targeting.room`); others may touch.
    """

    pixel_nm: float
    field_um: tuple[float, float]
    beam_diameter_um: float
    tilt_axis_deg: float
    field_rotation_deg: float = 0.0
    image_shift_limit_um: float = _USUAL.image_shift_limit
    max_tilt_deg: float = _USUAL.max_tilt
    pretilt_deg: float = _USUAL.pretilt
    beam_margin_um: float = _USUAL.beam_margin

    def __post_init__(self) -> None:
        width_um, height_um = self.field_um
        object.__setattr__(self, "field_um", (float(width_um), float(height_um)))
        positive = "a number above 0"
        _need(0 < self.pixel_nm < math.inf, "pixel size of the map", positive)
        _need(0 < width_um < math.inf and 0 < height_um < math.inf, "Record field", positive)
        _need(0 < self.beam_diameter_um < math.inf, "beam diameter", positive)
        _need(0 <= self.beam_margin_um < math.inf, "beam_margin", "a distance from 0 um up")
        _need(math.isfinite(self.tilt_axis_deg), "tilt axis", "an angle in degrees")
        _need(math.isfinite(self.field_rotation_deg), "camera rotation", "an angle in degrees")
        _need(self.image_shift_limit_um >= 0, "image_shift_limit", "a distance from 0 um up")
        _need(
            0 <= abs(self.max_tilt_deg) <= STEEPEST_TILT_DEG,
            "max_tilt",
            f"an angle up to {STEEPEST_TILT_DEG:g} degrees",
        )
        _need(
            self.steepest_tilt_deg <= STEEPEST_TILT_DEG,
            f"max_tilt and pretilt together ({self.steepest_tilt_deg:g})",
            f"an angle up to {STEEPEST_TILT_DEG:g} degrees",
        )

    @property
    def pixel_um(self) -> float:
        """Pixel size of the label map in µm."""
        return self.pixel_nm / 1000

    @property
    def steepest_tilt_deg(self) -> float:
        """The larger of the two angles that the lamella reaches, -max_tilt and +max_tilt."""
        return abs(self.max_tilt_deg) + abs(self.pretilt_deg)

    @property
    def stretch(self) -> float:
        """How much longer a footprint is perpendicular to the tilt axis at the steepest tilt.

        Measured on the lamella; a map of a lamella inclined by the pretilt shows it shorter
        by cos(pretilt), which is left as a margin.
        """
        return 1 / math.cos(math.radians(self.steepest_tilt_deg))

    @property
    def field_reach_um(self) -> tuple[float, float]:
        """Half extent (along rows, along columns) of the box around the rotated field."""
        width_um, height_um = self.field_um
        cos = abs(math.cos(math.radians(self.field_rotation_deg)))
        sin = abs(math.sin(math.radians(self.field_rotation_deg)))
        return (width_um * sin + height_um * cos) / 2, (width_um * cos + height_um * sin) / 2


def _need(holds: bool, what: str, wanted: str) -> None:
    if not holds:
        raise SpaceError(f"{what} must be {wanted}.", "target selection")
