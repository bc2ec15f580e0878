"""The settings: each is declared here, once.

The checks, the saved file, the table in docs/settings.md, the comparison with SPACEtomo.py and with
earlier results follow from the declarations.
"""

from __future__ import annotations

from dataclasses import Field, asdict, dataclass, field, fields, replace
from enum import Enum
from typing import Any

from space.errors import SpaceError
from space.settings.kinds import (
    Flag,
    ForEachClass,
    Kind,
    Number,
    OneOf,
    OneOrTwoStates,
    State,
    String,
    Whole,
)
from space.settings.lists import (
    ClassNames,
    GridOrder,
    Grids,
    MapsAgain,
    ScriptNumbers,
    Stitched,
    WantedClasses,
)
from space.settings.notify import Notification
from space.square_classes import BROKEN, CONTAMINATED, EMPTY, THICK

_ACQUIRE = 5

WHOLE_LAMELLA = "lamella"
"""First entry of target_list that means everything on the lamella that is not avoided."""

LARGEST_SHIFT_UM = 19.5
"""PACEtomo leaves out targets that are farther from the tracking target than this."""

STEEPEST_TILT_DEG = 80
"""Largest angle between the lamella and the plane perpendicular to the beam, pretilt included."""

NO_BROAD = "no"
"""Value of broad_area: no broad series."""

AFTER, BEFORE = "after", "before"
"""Values of broad_order."""

NOT_INSPECTED, IF_THERE, WAIT = "no", "if there", "wait"
"""Values of inspect."""

LAMELLA, SQUARES, POSITIONS = "lamella", "squares", "positions"
"""Values of sample: what the places are that maps are collected of."""

DEFAULT_SCORE_THRESHOLD = 0.03
"""Minimum score of a target, also of a class that a table of thresholds does not name."""


class Result(Enum):
    """What a setting changes; such a result carries the value that it was made with."""

    WHOLE_GRID = "whole-grid map"
    LAMELLAE = "list of lamellae"
    REFINED = "positions of lamellae"
    MAP = "lamella maps"
    TARGETS = "targets"
    NOTHING = "no result"


@dataclass(frozen=True)
class Declaration:
    """What is known about a setting besides its name and default.

    Attributes
    ----------
    kind : Kind
        Type, unit and range.
    changes : Result
        Result that another value would change.
    meaning : str
        The comment in SPACEtomo.py, without the unit.
    """

    kind: Kind
    changes: Result
    meaning: str


_DECLARATION = "declaration"


def setting(default: Any, kind: Kind, changes: Result, meaning: str) -> Any:
    """Declare a field of `Settings`."""
    metadata = {_DECLARATION: Declaration(kind, changes, meaning)}
    if isinstance(default, dict):
        return field(default_factory=default.copy, repr=not kind.secret, metadata=metadata)
    return field(default=default, repr=not kind.secret, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """The settings at the top of SPACEtomo.py, each with a value that is allowed.

    Names are those of the script, without units: lengths are in µm, angles in degrees, overlaps
    are fractions of the camera frame.

    Raises
    ------
    SpaceError
        With all values that are not allowed.
    """

    SPACE_DIR: str = setting(
        "C:/SPACEtomo",
        String("Give the folder of this project on this computer, in quotes.", may_be_empty=False),
        Result.NOTHING,
        "folder of this project on this computer",
    )
    automation_level: int = setting(
        4,
        Whole(at_least=0, at_most=5),
        Result.NOTHING,
        "0 only check, 1 find, 2 montages, 3 segment, 4 targets, 5 acquire",
    )

    sample: str = setting(
        LAMELLA,
        OneOf((LAMELLA, SQUARES, POSITIONS)),
        Result.LAMELLAE,
        'what is mapped: "lamella", "squares" of grids that nobody has milled, or "positions" that '
        "you have marked in the Navigator (docs/squares.md)",
    )
    grid_list: tuple[int | str, ...] = setting(
        (1,), Grids(), Result.NOTHING, 'autoloader slots; "stage" = the loaded grid'
    )
    grid_default_name: str = setting(
        "",
        String('Put the name in quotes, or "" for none.'),
        Result.NOTHING,
        "grid name to use if the autoloader has none",
    )
    screen_first: bool = setting(
        False, Flag(), Result.NOTHING, "True: levels 1 to 3 for all grids, then targets"
    )
    grid_order: tuple[int, ...] | str = setting(
        (),
        GridOrder(),
        Result.NOTHING,
        'order of targets and acquisition; [] = that of grid_list; "best" (with screen_first): '
        "most and best lamellae first",
    )
    night_hours: float = setting(
        0,
        Number(above=0, at_most=200, unit="hours", zero="no plan"),
        Result.NOTHING,
        "until then a level 5 run plans which lamellae are acquired, and in which order, by their "
        "expected value (0 = no plan)",
    )
    planner: bool = setting(
        True,
        Flag(),
        Result.NOTHING,
        "with night_hours: True: the run follows the plan; False: plan.json is only written",
    )
    script_numbers: dict[str, int] = setting(
        {},
        ScriptNumbers(),
        Result.NOTHING,
        "numbers of the scripts in SerialEM, to acquire several grids unattended: "
        '{"SPACEtomo": 1, "PACEtomo": 2, "post action": 3}',
    )
    exclude_lamella_classes: tuple[str, ...] = setting(
        ("broken", "gone"),
        ClassNames("broken"),
        Result.LAMELLAE,
        "lamella classes to skip",
    )
    exclude_square_classes: tuple[str, ...] = setting(
        (BROKEN, THICK, EMPTY, CONTAMINATED),
        ClassNames(BROKEN),
        Result.LAMELLAE,
        'classes of squares to skip, with sample = "squares"',
    )
    square_transmission: float = setting(
        0.2,
        Number(at_least=0, below=1),
        Result.LAMELLAE,
        "squares whose film lets through less of the light are skipped: their ice is too thick",
    )
    max_squares: int = setting(
        10,
        Whole(at_least=0, at_most=100_000),
        Result.LAMELLAE,
        "so many of the best squares are mapped (0 = all)",
    )
    place_size: float = setting(
        30,
        Number(at_least=1, at_most=500, unit="um", zero="the whole square"),
        Result.LAMELLAE,
        "side of the part of a square, or around a position, that is mapped (0 = the whole square)",
    )
    reacquire: tuple[str, ...] = setting(
        (),
        MapsAgain(),
        Result.NOTHING,
        'lamellae whose maps are taken again, once for each entry: ["L03"]; of several grids '
        '["G1_L03"]; once more ["L03 again"]',
    )
    restitch: tuple[str, ...] = setting(
        (),
        Stitched(),
        Result.NOTHING,
        'lamellae whose maps are stitched anew from their pieces: ["L03 nominal"] where the stage '
        'was; "close": aligned near there; "aligned": as at first',
    )
    inspect: str = setting(
        IF_THERE,
        OneOf((NOT_INSPECTED, IF_THERE, WAIT)),
        Result.NOTHING,
        'corrections in a page in the browser: "no", "if there", or "wait" until a person has '
        "approved the lamellae of a grid, and its targets before they are acquired",
    )
    inspect_limit: float = setting(
        120,
        Number(above=0, at_most=10_000, unit="minutes"),
        Result.NOTHING,
        'with inspect = "wait": after this long the run goes on with what there is',
    )

    target_list: tuple[str, ...] | dict[str, float] = setting(
        ("mitos",),
        WantedClasses("mitos"),
        Result.TARGETS,
        'classes to target; "lamella" first: everything that is not avoided; "learned": like what '
        'was clicked on (docs/clicks.md); "fm:mCherry": signal of a fluorescence channel '
        '(docs/clem.md); with priorities: {"mitos": 1, "vesicles": 0.5}',
    )
    avoid_list: tuple[str, ...] = setting(
        ("black", "white", "ice", "crack"), ClassNames("ice"), Result.TARGETS, "classes to avoid"
    )
    on_lamella_only: bool = setting(
        True,
        Flag(),
        Result.TARGETS,
        "no targets beside the lamella or on fragments; False: for samples other than lamellae",
    )
    target_score_threshold: float | dict[str, float] = setting(
        DEFAULT_SCORE_THRESHOLD,
        ForEachClass(Number(at_least=0, below=1)),
        Result.TARGETS,
        "minimum score of a target (1 = the field is filled with the class); suggested: 0.1 for "
        'mitos and nucleus, 0.2 for lamella; per class: {"mitos": 0.1, "lamella": 0.2} '
        f"({DEFAULT_SCORE_THRESHOLD} for all others)",
    )
    sparse_targets: bool = setting(
        True, Flag(), Result.TARGETS, "True: small scattered classes; False: dense pattern"
    )
    target_edge: bool = setting(
        False, Flag(), Result.TARGETS, "aim at the boundary of the class instead of its inside"
    )
    penalty_weight: float = setting(
        0.3,
        Number(at_least=0, at_most=100),
        Result.TARGETS,
        "weight of avoided classes against wanted ones",
    )
    max_iterations: int = setting(
        10,
        Whole(at_least=0, at_most=1000),
        Result.TARGETS,
        "maximum number of rounds of placement refinement (0 = none)",
    )
    extra_tracking: bool = setting(
        False,
        Flag(),
        Result.TARGETS,
        "extra target for tracking, which need not contain the wanted class",
    )
    max_targets: int = setting(
        0,
        Whole(at_least=0, at_most=100_000),
        Result.TARGETS,
        "maximum number of targets per lamella (0 = no limit)",
    )
    broad_area: str = setting(
        NO_BROAD,
        OneOf((NO_BROAD, "View", "Search")),
        Result.TARGETS,
        "low dose area whose magnification and beam further, broad series are taken with, on the "
        "same lamellae",
    )
    broad_targets: tuple[str, ...] | dict[str, float] = setting(
        (WHOLE_LAMELLA,),
        WantedClasses("cell"),
        Result.TARGETS,
        "classes that broad series image",
    )
    max_broad_targets: int = setting(
        0,
        Whole(at_least=0, at_most=100_000),
        Result.TARGETS,
        "maximum number of broad series per lamella (0 = no limit)",
    )
    broad_order: str = setting(
        AFTER,
        OneOf((AFTER, BEFORE)),
        Result.TARGETS,
        "when the broad series of a lamella are taken: after the others or before them",
    )
    broad_dose: float = setting(
        0,
        Number(at_least=0, at_most=10_000, unit="e/A2"),
        Result.TARGETS,
        f'with broad_order = "{BEFORE}": dose of one whole broad series',
    )
    max_prior_dose: float = setting(
        0,
        Number(at_least=0, at_most=10_000, unit="e/A2"),
        Result.TARGETS,
        f'with broad_order = "{BEFORE}": most that a target may have had of broad series before '
        "its own",
    )
    target_polygons: bool = setting(
        False,
        Flag(),
        Result.TARGETS,
        "only inside polygons drawn in the Navigator on the lamella map",
    )
    manual_selection: bool = setting(
        False,
        Flag(),
        Result.TARGETS,
        "True: no segmentation; targets at points of the Navigator, in polygons, in holes, or in a "
        "pattern on all that is not dark (docs/squares.md)",
    )
    hole_pattern: bool = setting(False, Flag(), Result.TARGETS, "only in the holes of a holey film")
    trust_simulated_model: bool = setting(
        False,
        Flag(),
        Result.NOTHING,
        "True: acquire organelles found by a model trained on simulated maps only, as the shipped "
        "one (noise on real maps)",
    )
    max_tilt: float = setting(
        60,
        Number(above=0, at_most=STEEPEST_TILT_DEG, unit="degrees"),
        Result.TARGETS,
        "beams must not overlap up to this tilt",
    )
    pretilt: float = setting(
        0,
        Number(at_least=-45, at_most=45, unit="degrees"),
        Result.TARGETS,
        "pretilt of the lamella, if max_tilt is counted from the stage",
    )
    tolerance: float = setting(
        0.1,
        Number(at_least=0, below=1),
        Result.TARGETS,
        "beam overlap (fraction of the diameter) that is resolved by moving targets",
    )
    save_plot: bool = setting(False, Flag(), Result.NOTHING, "save plots of intermediate steps")

    aperture_control: bool = setting(
        True, Flag(), Result.NOTHING, "SerialEM can drive the apertures"
    )
    objective_aperture: int = setting(
        70,
        Whole(at_least=1, at_most=1000, unit="um"),
        Result.MAP,
        "objective aperture for lamella maps and tilt series",
    )
    WG_image_state: int | str = setting(
        1,
        State(),
        Result.WHOLE_GRID,
        "imaging state of the whole-grid montage (number or name)",
    )
    MM_image_state: int | str | tuple[int | str, ...] = setting(
        2,
        OneOrTwoStates(),
        Result.MAP,
        "low dose imaging state made in View, or a list of two: View, Record",
    )
    WG_offset_via_IM: bool = setting(
        True, Flag(), Result.REFINED, "find lamellae again at an intermediate magnification"
    )
    IM_mag_index: int = setting(
        10,
        Whole(at_least=1, at_most=10_000_000),
        Result.REFINED,
        "intermediate magnification (value < 50: its index)",
    )
    IM_image_state: int | str = setting(
        "",
        State(without="use IM_mag_index"),
        Result.REFINED,
        'imaging state of the intermediate pictures ("" = IM_mag_index)',
    )
    WG_montage_overlap: float = setting(
        0.15,
        Number(above=0, below=0.5),
        Result.WHOLE_GRID,
        "overlap of neighbouring pieces, as a fraction of the frame",
    )
    MM_montage_overlap: float = setting(
        0.25,
        Number(above=0, below=0.5),
        Result.MAP,
        "overlap of neighbouring pieces, as a fraction of the frame",
    )
    WG_detection_threshold: float = setting(
        0.1, Number(above=0, below=1), Result.LAMELLAE, "minimum probability of a lamella"
    )
    MM_padding_factor: float = setting(
        1.2,
        Number(at_least=1, at_most=5),
        Result.MAP,
        "size of a lamella map, relative to the detected box",
    )
    MM_mean_threshold: float = setting(
        0,
        Number(at_least=0, at_most=1e9, unit="counts"),
        Result.NOTHING,
        "mean of a View picture below which you are asked to centre the lamella (0 = never)",
    )
    image_shift_limit: float = setting(
        15,
        Number(above=0, at_most=LARGEST_SHIFT_UM, unit="um"),
        Result.TARGETS,
        "maximum distance of a target from the tracking target",
    )
    beam_diameter: float = setting(
        0,
        Number(at_least=0.05, at_most=100, unit="um", zero="as the microscope reports"),
        Result.TARGETS,
        "at Record (0 = as the microscope reports, else the camera's diagonal)",
    )
    beam_margin: float = setting(
        0.2,
        Number(at_least=0, at_most=100, unit="um"),
        Result.TARGETS,
        "gap around the beam of the tracking target, which drifts during tilting",
    )
    take_previews: bool = setting(
        False,
        Flag(),
        Result.TARGETS,
        "a Preview of each target at level 4 (dose), for PACEtomo's refFromPreview",
    )
    try_focus_and_tilt: bool = setting(
        False,
        Flag(),
        Result.NOTHING,
        "try the tilt range and, beside the targets, autofocus on each lamella before its series "
        "(dose)",
    )
    acquire_begun_items: bool = setting(
        False,
        Flag(),
        Result.TARGETS,
        "True: acquire interrupted items again (exposes their targets twice)",
    )

    notify: dict[str, Any] = setting(
        {},
        Notification(),
        Result.NOTHING,
        "who is told when nobody is there, by mail (to the address in SerialEM) and by a webhook: "
        '{"email": True, "webhook": "https://...", "format": "slack"}, or "teams", "mattermost", '
        '"json"; "on": ["grid done", "grid failed", "series in trouble", "person needed", '
        '"stopped", "finished"] (without it: all of these); {} = nobody',
    )

    external_map_dir: str = setting(
        "",
        String('Give a shared folder in quotes, or "" for none.'),
        Result.NOTHING,
        "shared folder, if another computer runs the models (with SPACEtomo_monitor.py); "
        '"" = this computer runs them',
    )

    def __post_init__(self) -> None:
        problems = [text for name in NAMES for text in problems_of(name, getattr(self, name))]
        if problems:
            raise SpaceError(" ".join(problems))

    @property
    def is_planned(self) -> bool:
        """Whether a plan of the night is made."""
        return self.night_hours > 0 and self.automation_level >= _ACQUIRE

    @property
    def follows_plan(self) -> bool:
        """Whether the run does what the plan says."""
        return self.is_planned and self.planner

    @property
    def classes_wanted(self) -> tuple[str, ...]:
        """Names of what targets are on: `target_list`, or all that is not dark."""
        return (WHOLE_LAMELLA,) if self.manual_selection else tuple(self.target_list)

    @property
    def excluded_classes(self) -> tuple[str, ...]:
        """Classes of places that get no map."""
        if self.sample == POSITIONS:
            return ()
        lamellae = self.sample == LAMELLA
        return self.exclude_lamella_classes if lamellae else self.exclude_square_classes

    @property
    def least_probability(self) -> float:
        """What is less probable gets no map; of squares, what lets through less light."""
        if self.sample == POSITIONS:
            return 0.0
        return self.WG_detection_threshold if self.sample == LAMELLA else self.square_transmission

    @property
    def refines(self) -> bool:
        """Whether places are found again at an intermediate magnification."""
        return self.WG_offset_via_IM and self.sample == LAMELLA

    def to_dict(self, secrets: bool = False) -> dict[str, Any]:
        """Return plain values for JSON.

        Parameters
        ----------
        secrets : bool
            With the values of settings that are secret, in place of their defaults.
        """
        shown = self if secrets else replace(self, **_without_secrets())
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(shown).items()
        }


_FIELDS: dict[str, Field[Any]] = {entry.name: entry for entry in fields(Settings)}

NAMES = tuple(_FIELDS)
"""Names of all settings, in the order of SPACEtomo.py."""


def declaration(name: str) -> Declaration:
    """Return what is known about a setting."""
    declared: Declaration = _FIELDS[name].metadata[_DECLARATION]
    return declared


def _without_secrets() -> dict[str, Any]:
    """Return the defaults of the settings that are secret."""
    defaults = Settings()
    return {name: getattr(defaults, name) for name in NAMES if declaration(name).kind.secret}


def problems_of(name: str, value: object) -> list[str]:
    """Return what is wrong with the value of a setting, in words; empty when it is allowed."""
    return declaration(name).kind.problems(name, value)


def settings_of(*results: Result) -> tuple[str, ...]:
    """Return the names of the settings that change these results."""
    return tuple(name for name in NAMES if declaration(name).changes in results)
