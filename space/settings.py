"""What a user chooses in SPACEtomo.py: defaults, checks, saving."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from space.config import Config, labels, missing_model_files
from space.errors import SpaceError
from space.files import write_text_atomic

SETTINGS_FILE = "SPACE_settings.json"
"""Name of the saved settings beside the maps, for the post action and the monitor."""

WHOLE_LAMELLA = "lamella"
"""First entry of target_list that means everything on the lamella that is not avoided."""

STAGE = "stage"
"""Entry of grid_list for a grid that is already on the stage."""

LARGEST_SHIFT_UM = 19.5
"""PACEtomo leaves out targets that are farther from the tracking target than this."""

_HIGHEST_SLOT = 12
_STEEPEST_DEG = 80


@dataclass(frozen=True)
class Settings:
    """The settings at the top of SPACEtomo.py.

    Names and meaning are those of the script, where they carry no unit: lengths are µm,
    angles degrees, overlaps fractions of the camera frame.
    """

    SPACE_DIR: str = ""
    automation_level: int = 4
    grid_list: tuple[int | str, ...] = (1,)
    grid_default_name: str = ""

    exclude_lamella_classes: tuple[str, ...] = ("broken",)
    target_list: tuple[str, ...] | dict[str, float] = ("mitos",)
    avoid_list: tuple[str, ...] = ("black", "white", "ice", "crack")
    target_score_threshold: float = 0.01
    sparse_targets: bool = True
    target_edge: bool = False
    penalty_weight: float = 0.3
    max_iterations: int = 10
    extra_tracking: bool = False
    max_targets: int = 0
    target_polygons: bool = False
    hole_pattern: bool = False
    max_tilt: float = 60
    pretilt: float = 0
    tolerance: float = 0.1
    save_plot: bool = False

    aperture_control: bool = True
    objective_aperture: int = 70
    WG_image_state: int | str = 1
    MM_image_state: int | str = 2
    WG_offset_via_IM: bool = True
    IM_mag_index: int = 10
    WG_montage_overlap: float = 0.15
    MM_montage_overlap: float = 0.25
    WG_detection_threshold: float = 0.1
    MM_padding_factor: float = 1.2
    MM_mean_threshold: float = 0
    image_shift_limit: float = 15
    beam_diameter: float = 0
    beam_margin: float = 0.2
    external_map_dir: str = ""

    @staticmethod
    def from_script(script_globals: Mapping[str, Any]) -> Settings:
        """Take the settings out of a script's `globals()`; what is missing keeps its default.

        Values are taken as they are: `check` judges them, so that all problems can be
        told at once.
        """
        return Settings.from_dict(
            {name: script_globals[name] for name in _NAMES if name in script_globals}
        )

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Settings:
        """Make settings from plain values (lists become tuples).

        Raises
        ------
        SpaceError
            When a name is not a setting.
        """
        unknown = [name for name in values if name not in _NAMES]
        if unknown:
            raise SpaceError(
                f"Not a setting: {', '.join(unknown)}.",
                do=_suggestion(unknown[0], _NAMES) or "Remove it.",
            )
        return Settings(**{name: _frozen(value) for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


_NAMES = tuple(field.name for field in fields(Settings))


def _frozen(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def misspelt(script_globals: Mapping[str, Any]) -> list[str]:
    """Return a message for each name in a script that looks like a setting that it lacks.

    Without it, the default would silently stand in for a setting whose name has a slip.
    """
    others = [name for name in script_globals if name not in _NAMES and not name.startswith("_")]
    problems = []
    for name in _NAMES:
        near = [] if name in script_globals else get_close_matches(name, others, n=1, cutoff=0.85)
        if near:
            problems.append(f"{near[0]} is not a setting. Did you mean {name!r}?")
    return problems


def save(settings: Settings, folder: Path) -> Path:
    """Write `SPACE_settings.json` into `folder` and return its path."""
    path = Path(folder) / SETTINGS_FILE
    write_text_atomic(path, json.dumps(settings.to_dict(), indent=2) + "\n")
    return path


def load(folder: Path) -> Settings:
    """Read the settings that `save` wrote.

    Raises
    ------
    SpaceError
        When there is no such file or it cannot be understood.
    """
    path = Path(folder) / SETTINGS_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpaceError(
            "There are no saved settings here.",
            str(path),
            "Run SPACEtomo.py in this directory first.",
        ) from None
    except ValueError as error:
        raise SpaceError(
            f"The saved settings cannot be read: {error}.",
            str(path),
            "Run SPACEtomo.py again; it writes them anew.",
        ) from None
    if not isinstance(values, dict):
        raise SpaceError(
            "The saved settings are not a table of names and values.",
            str(path),
            "Run SPACEtomo.py again; it writes them anew.",
        )
    return Settings.from_dict(values)


# --- checks ---------------------------------------------------------------------------------


def check(settings: Settings, config: Config | None) -> list[str]:
    """Return everything that is wrong with the settings, in words.

    Parameters
    ----------
    settings : Settings
        Values as the user wrote them, of any type.
    config : Config or None
        Model configuration; None skips what needs it.

    Returns
    -------
    list of str
        One message per problem with the setting's name, its value, what is allowed and
        what to do; empty when all is well.
    """
    problems = [
        *_check_numbers(settings),
        *_check_flags(settings),
        *_check_folders(settings),
        *_check_grids(settings),
        *_check_states(settings),
        *_check_lists(settings),
    ]
    if config is not None:
        problems += _check_models(settings, config)
    return problems


# name: (whole number?, lowest, lowest allowed itself?, highest, highest allowed itself?)
_NUMBERS: dict[str, tuple[bool, float, bool, float, bool]] = {
    "automation_level": (True, 1, True, 5, True),
    "target_score_threshold": (False, 0, True, 1, False),
    "penalty_weight": (False, 0, True, math.inf, False),
    "max_iterations": (True, 1, True, 1000, True),
    "max_targets": (True, 0, True, math.inf, False),
    "max_tilt": (False, 0, False, _STEEPEST_DEG, True),
    "pretilt": (False, -45, True, 45, True),
    "tolerance": (False, 0, True, 1, False),
    "objective_aperture": (True, 1, True, 1000, True),
    "IM_mag_index": (True, 1, True, math.inf, False),
    "WG_montage_overlap": (False, 0, False, 0.5, False),
    "MM_montage_overlap": (False, 0, False, 0.5, False),
    "WG_detection_threshold": (False, 0, False, 1, False),
    "MM_padding_factor": (False, 1, True, 5, True),
    "MM_mean_threshold": (False, 0, True, math.inf, False),
    "image_shift_limit": (False, 0, False, LARGEST_SHIFT_UM, True),
    "beam_diameter": (False, 0, True, 100, True),
    "beam_margin": (False, 0, True, 100, True),
}

_FLAGS = (
    "sparse_targets",
    "target_edge",
    "extra_tracking",
    "target_polygons",
    "hole_pattern",
    "save_plot",
    "aperture_control",
    "WG_offset_via_IM",
)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return (_is_int(value) or isinstance(value, float)) and math.isfinite(value)  # type: ignore[arg-type]


def _range_words(low: float, low_in: bool, high: float, high_in: bool) -> str:
    lower = f"at least {low:g}" if low_in else f"more than {low:g}"
    if math.isinf(high):
        return lower
    return f"{lower} and {'at most' if high_in else 'less than'} {high:g}"


def _check_numbers(settings: Settings) -> list[str]:
    problems = []
    for name, (whole, low, low_in, high, high_in) in _NUMBERS.items():
        value = getattr(settings, name)
        kind = "a whole number" if whole else "a number"
        allowed = f"{kind}, {_range_words(low, low_in, high, high_in)}"
        right_type = _is_int(value) if whole else _is_number(value)
        if not right_type:
            problems.append(f"{name} = {value!r} is not {kind}. Allowed: {allowed}.")
        elif (
            value < low
            or value > high
            or (value == low and not low_in)
            or (value == high and not high_in)
        ):
            problems.append(f"{name} = {value!r} is out of range. Allowed: {allowed}.")
    both = ("max_tilt", "pretilt")
    well = not any(problem.startswith(both) for problem in problems)
    if well and settings.max_tilt + abs(settings.pretilt) > _STEEPEST_DEG:
        problems.append(
            f"max_tilt = {settings.max_tilt!r} and pretilt = {settings.pretilt!r} together tilt "
            f"the lamella by more than {_STEEPEST_DEG} degrees. Lower max_tilt, or set pretilt = 0 "
            "if the range is counted from the lamella."
        )
    return problems


def _check_flags(settings: Settings) -> list[str]:
    return [
        f"{name} = {getattr(settings, name)!r} is neither True nor False. Write one of these."
        for name in _FLAGS
        if not isinstance(getattr(settings, name), bool)
    ]


def _check_folders(settings: Settings) -> list[str]:
    problems = []
    if not isinstance(settings.SPACE_DIR, str) or not settings.SPACE_DIR:
        problems.append(
            f"SPACE_DIR = {settings.SPACE_DIR!r} is not a folder name. Give the folder "
            "of this project on this computer, in quotes."
        )
    elif not (Path(settings.SPACE_DIR) / "SPACEtomo_config.py").is_file():
        problems.append(
            f"SPACE_DIR = {settings.SPACE_DIR!r} holds no SPACEtomo_config.py. Give "
            "the folder of this project on this computer."
        )
    if not isinstance(settings.external_map_dir, str):
        problems.append(
            f"external_map_dir = {settings.external_map_dir!r} is not a text. Give a "
            'shared folder in quotes, or "" for none.'
        )
    elif settings.external_map_dir and not Path(settings.external_map_dir).is_dir():
        problems.append(
            f"external_map_dir = {settings.external_map_dir!r} is not a folder that "
            'can be reached. Connect or create it, or set it to "" to run the '
            "models on this computer."
        )
    return problems


def _check_grids(settings: Settings) -> list[str]:
    problems = []
    if not isinstance(settings.grid_default_name, str):
        problems.append(
            f"grid_default_name = {settings.grid_default_name!r} is not a text. "
            'Put the name in quotes, or "" for none.'
        )
    grids = settings.grid_list
    if not isinstance(grids, tuple):
        return [
            *problems,
            f"grid_list = {grids!r} is not a list. Give autoloader slots in square "
            f'brackets, such as [1, 2], or ["{STAGE}"].',
        ]
    if not grids:
        return [
            *problems,
            "grid_list = [] is empty. Give at least one autoloader slot, or "
            f'["{STAGE}"] for the grid on the stage.',
        ]
    for slot in grids:
        if slot == STAGE and isinstance(slot, str):
            continue
        if not _is_int(slot) or not 1 <= slot <= _HIGHEST_SLOT:
            problems.append(
                f"grid_list holds {slot!r}. Allowed: slot numbers from 1 to "
                f'{_HIGHEST_SLOT} and "{STAGE}".'
            )
    repeated = sorted({str(slot) for slot in grids if grids.count(slot) > 1})
    if repeated:
        problems.append(
            f"grid_list names {', '.join(repeated)} more than once. Name each grid once."
        )
    if STAGE in grids[1:]:
        problems.append(
            f'grid_list has "{STAGE}" after other grids, when it would no longer be '
            "on the stage. Put it first."
        )
    return problems


def _check_states(settings: Settings) -> list[str]:
    problems = []
    for name in ("WG_image_state", "MM_image_state"):
        value = getattr(settings, name)
        if not ((_is_int(value) and value >= 1) or (isinstance(value, str) and value.strip())):
            problems.append(
                f"{name} = {value!r} is not an imaging state. Give its number from 1 "
                "or its name in quotes."
            )
    return problems


def _check_lists(settings: Settings) -> list[str]:
    problems = []
    for name, needed in (
        ("exclude_lamella_classes", False),
        ("target_list", True),
        ("avoid_list", False),
    ):
        value = getattr(settings, name)
        if isinstance(value, dict) and name == "target_list":
            problems += _check_priorities(value)
        elif not isinstance(value, tuple) or not all(isinstance(entry, str) for entry in value):
            problems.append(
                f"{name} = {_plain(value)!r} is not a list of class names. Give names "
                'in quotes in square brackets, such as ["mitos"].'
            )
        elif needed and not value:
            problems.append(f"{name} = [] is empty. Give at least one class.")
    both = _overlap(settings.target_list, settings.avoid_list)
    if both:
        problems.append(
            f"{', '.join(both)} is in target_list and in avoid_list. Remove it from one of them."
        )
    return problems


def _check_priorities(value: dict) -> list[str]:
    if not value:
        return ["target_list = {} is empty. Give at least one class."]
    return [
        f"target_list gives {name!r} the priority {priority!r}. Allowed: class names in quotes "
        'with a number above 0 and at most 1, such as {"mitos": 1, "vesicles": 0.5}.'
        for name, priority in value.items()
        if not (isinstance(name, str) and _is_number(priority) and 0 < priority <= 1)
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _strings(value: object) -> list[str]:
    names = value if isinstance(value, (tuple, dict)) else ()
    return [entry for entry in names if isinstance(entry, str)]


def _overlap(wanted: object, avoided: object) -> list[str]:
    avoid = _strings(avoided)
    return [name for name in _strings(wanted) if name in avoid]


def _suggestion(word: str, known: tuple[str, ...] | list[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def _check_models(settings: Settings, config: Config) -> list[str]:
    problems = []
    for name in _strings(settings.exclude_lamella_classes):
        if name not in config.categories:
            problems.append(
                " ".join(
                    filter(
                        None,
                        (
                            f"exclude_lamella_classes holds {name!r}, which the detection model "
                            f"does not know. Allowed: {', '.join(config.categories)}.",
                            _suggestion(name, config.categories),
                        ),
                    )
                )
            )
    level = settings.automation_level if _is_int(settings.automation_level) else 5
    own_inference = not settings.external_map_dir
    if own_inference and not config.detection_weights.is_file():
        problems.append(
            f"The lamella detection model {config.detection_weights} is missing. "
            "Install it or correct detection_weights in SPACEtomo_config.py."
        )
    if level < 3:
        return problems
    try:
        known = labels(config)
    except SpaceError as error:
        return [*problems, str(error)]
    missing = missing_model_files(config.segmentation_model, config.segmentation_folds)
    if own_inference and missing:
        problems.append(
            f"The segmentation model {config.segmentation_model} lacks {', '.join(missing)}. "
            "Install it, or correct segmentation_folds in SPACEtomo_config.py."
        )
    for setting in ("target_list", "avoid_list"):
        for position, name in enumerate(_strings(getattr(settings, setting))):
            whole = name == WHOLE_LAMELLA and setting == "target_list" and position == 0
            if name not in known and not whole:
                problems.append(
                    " ".join(
                        filter(
                            None,
                            (
                                f"{setting} holds {name!r}, which the segmentation model does "
                                f"not know. Allowed: {', '.join(known)}.",
                                _suggestion(name, tuple(known)),
                            ),
                        )
                    )
                )
    return problems
