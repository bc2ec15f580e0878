"""What a user chooses in SPACEtomo.py: defaults, checks, saving."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from space.config import Config
from space.errors import SpaceError, shown
from space.files import read_json, write_text_atomic
from space.models.card import is_simulated_only
from space.models.class_table import read_labels
from space.models.place import DATASET
from space.spelling import ALIKE_IF_MISSING, meant, slip

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

SETTINGS_FILE = "SPACE_settings.json"
"""Name of the saved settings beside the maps, for the post action and the monitor."""

WHOLE_LAMELLA = "lamella"
"""First entry of target_list that means everything on the lamella that is not avoided."""

STAGE = "stage"
"""Entry of grid_list for a grid that is already on the stage."""

LARGEST_SHIFT_UM = 19.5
"""PACEtomo leaves out targets that are farther from the tracking target than this."""

STEEPEST_TILT_DEG = 80
"""Largest angle between the lamella and the plane perpendicular to the beam, pretilt included."""

ITERATIONS = (0, 1000)
"""Fewest and most rounds of placement refinement; 0 takes the first placement."""

_HIGHEST_SLOT = 12
_VIEW_AND_RECORD = 2
_NARROWEST_BEAM_UM = 0.05


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

    exclude_lamella_classes: tuple[str, ...] = ("broken", "gone")
    target_list: tuple[str, ...] | dict[str, float] = ("mitos",)
    avoid_list: tuple[str, ...] = ("black", "white", "ice", "crack")
    on_lamella_only: bool = True
    target_score_threshold: float | dict[str, float] = 0.03
    sparse_targets: bool = True
    target_edge: bool = False
    penalty_weight: float = 0.3
    max_iterations: int = 10
    extra_tracking: bool = False
    max_targets: int = 0
    target_polygons: bool = False
    hole_pattern: bool = False
    trust_simulated_model: bool = False
    max_tilt: float = 60
    pretilt: float = 0
    tolerance: float = 0.1
    save_plot: bool = False

    aperture_control: bool = True
    objective_aperture: int = 70
    WG_image_state: int | str = 1
    MM_image_state: int | str | tuple[int | str, ...] = 2
    WG_offset_via_IM: bool = True
    IM_image_state: int | str = ""
    IM_mag_index: int = 10
    WG_montage_overlap: float = 0.15
    MM_montage_overlap: float = 0.25
    WG_detection_threshold: float = 0.1
    MM_padding_factor: float = 1.2
    MM_mean_threshold: float = 0
    image_shift_limit: float = 15
    beam_diameter: float = 0
    beam_margin: float = 0.2
    acquire_begun_items: bool = False
    take_previews: bool = False
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
        unknown = _unknown(values)
        if unknown:
            raise SpaceError(" ".join(unknown))
        return Settings(**{name: _frozen(value) for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


_NAMES = tuple(field.name for field in fields(Settings))


def _frozen(value: Any) -> Any:
    """Return a value as the checks know it: plain numbers, lists as tuples, paths as text."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's numbers and arrays
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return tuple(_frozen(entry) for entry in value)
    if isinstance(value, dict):
        return {name: _frozen(entry) for name, entry in value.items()}
    return value


def misspelt(script_globals: Mapping[str, Any]) -> list[str]:
    """Return a message for each name in a script that looks like a setting and is none.

    Without it, the default would silently stand in for a setting whose name has a slip, or a
    second, misspelt line would be taken for nothing. Names of modules and functions do not count.
    """
    others = [
        name
        for name, value in script_globals.items()
        if name not in _NAMES
        and not name.startswith("_")
        and not isinstance(value, ModuleType)
        and not callable(value)
    ]
    problems = []
    for name in others:
        known = slip(name, _NAMES, script_globals)
        if known:
            beside = " (which is there, too)" if known in script_globals else ""
            problems.append(
                f"{name} is not a setting. Did you mean {known!r}{beside}? "
                "Correct or remove this line."
            )
    return problems


def left_out(script_globals: Mapping[str, Any]) -> str:
    """Say which settings a script lacks and what counts for them; empty when it has all."""
    defaults = Settings().to_dict()
    missing = [name for name in _NAMES if name not in script_globals]
    if not missing:
        return ""
    told = ", ".join(f"{name} = {defaults[name]!r}" for name in missing)
    return f"The script does not have all settings; for those missing the default counts: {told}."


def _unknown(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each name that is not a setting."""
    problems = []
    for name in values:
        if name not in _NAMES:
            known = meant(str(name), _NAMES, ALIKE_IF_MISSING)
            hint = f"Did you mean {known!r}?" if known else "Remove it."
            problems.append(f"{_shown(name)} is not a setting. {hint}")
    return problems


def save(settings: Settings, folder: Path, name: str = SETTINGS_FILE) -> Path:
    """Write `SPACE_settings.json` into `folder` and return its path."""
    path = Path(folder) / name
    write_text_atomic(path, json.dumps(settings.to_dict(), indent=2) + "\n")
    return path


def load(folder: Path) -> Settings:
    """Read the settings that `save` wrote, checked as strictly as those of the script.

    Whether folders and models can be reached is not looked at: that may change at any time.

    Raises
    ------
    SpaceError
        When there is no such file or it cannot be understood, and with everything that is wrong
        with what it holds.
    """
    path = Path(folder) / SETTINGS_FILE
    try:
        values = read_json(path)
    except FileNotFoundError:
        raise SpaceError(
            "There are no saved settings here.",
            str(path),
            "Run SPACEtomo.py in this directory first.",
        ) from None
    except (OSError, ValueError) as error:
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
    problems = _unknown(values)
    known = Settings.from_dict({name: values[name] for name in _NAMES if name in values})
    problems += _check_values(known)
    if problems:
        raise SpaceError(
            "The saved settings are wrong: " + " ".join(problems),
            str(path),
            "Run SPACEtomo.py again; it writes them anew.",
        )
    return known


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
    problems = [*_check_values(settings), *_check_folders(settings)]
    if config is not None:
        problems += _check_models(settings, config)
    return problems


def _check_values(settings: Settings) -> list[str]:
    """Return what is wrong with the values as such: types, ranges, contradictions."""
    return [
        *_check_numbers(settings),
        *_check_flags(settings),
        *_check_texts(settings),
        *_check_grids(settings),
        *_check_states(settings),
        *_check_lists(settings),
    ]


# name: (whole number?, lowest, lowest allowed itself?, highest, highest allowed itself?)
_NUMBERS: dict[str, tuple[bool, float, bool, float, bool]] = {
    "automation_level": (True, 1, True, 5, True),
    "target_score_threshold": (False, 0, True, 1, False),
    "penalty_weight": (False, 0, True, 100, True),
    "max_iterations": (True, ITERATIONS[0], True, ITERATIONS[1], True),
    "max_targets": (True, 0, True, 100_000, True),
    "max_tilt": (False, 0, False, STEEPEST_TILT_DEG, True),
    "pretilt": (False, -45, True, 45, True),
    "tolerance": (False, 0, True, 1, False),
    "objective_aperture": (True, 1, True, 1000, True),
    "IM_mag_index": (True, 1, True, 10_000_000, True),
    "WG_montage_overlap": (False, 0, False, 0.5, False),
    "MM_montage_overlap": (False, 0, False, 0.5, False),
    "WG_detection_threshold": (False, 0, False, 1, False),
    "MM_padding_factor": (False, 1, True, 5, True),
    "MM_mean_threshold": (False, 0, True, 1e9, True),
    "image_shift_limit": (False, 0, False, LARGEST_SHIFT_UM, True),
    "beam_diameter": (False, 0, True, 100, True),
    "beam_margin": (False, 0, True, 100, True),
}

_FOR_EACH_CLASS = ("target_score_threshold",)
"""Numbers that may be given for each class."""

_FLAGS = (
    "trust_simulated_model",
    "on_lamella_only",
    "sparse_targets",
    "target_edge",
    "extra_tracking",
    "target_polygons",
    "hole_pattern",
    "save_plot",
    "aperture_control",
    "WG_offset_via_IM",
    "acquire_begun_items",
    "take_previews",
)


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[float]:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _shown(value: object) -> str:
    return shown(_plain(value))


def _range_words(low: float, low_in: bool, high: float, high_in: bool) -> str:
    lower = f"at least {low:g}" if low_in else f"more than {low:g}"
    return f"{lower} and {'at most' if high_in else 'less than'} {high:g}"


def _check_numbers(settings: Settings) -> list[str]:
    problems = []
    for name, (whole, low, low_in, high, high_in) in _NUMBERS.items():
        given = getattr(settings, name)
        kind = "a whole number" if whole else "a number"
        allowed = f"{kind}, {_range_words(low, low_in, high, high_in)}"
        values = {f"{name} =": given}
        if isinstance(given, dict) and name in _FOR_EACH_CLASS:
            allowed = f'class names in quotes, each with {allowed}, such as {{"mitos": 0.1}}'
            values = {f"{name} for {_shown(key)} =": given[key] for key in given}
            if not given or not all(isinstance(key, str) for key in given):
                problems.append(f"{name} = {_shown(given)} names no classes. Allowed: {allowed}.")
        for what, value in values.items():
            right_type = _is_int(value) if whole else _is_number(value)
            if not right_type:
                problems.append(f"{what} {_shown(value)} is not {kind}. Allowed: {allowed}.")
            elif (
                value < low
                or value > high
                or (value == low and not low_in)
                or (value == high and not high_in)
            ):
                problems.append(f"{what} {_shown(value)} is out of range. Allowed: {allowed}.")
    if _is_number(settings.beam_diameter) and 0 < settings.beam_diameter < _NARROWEST_BEAM_UM:
        problems.append(
            f"beam_diameter = {settings.beam_diameter!r} is out of range: it is given in um, and "
            f"no beam at Record is narrower than {_NARROWEST_BEAM_UM:g} um. Allowed: 0 (as the "
            f"microscope tells), or at least {_NARROWEST_BEAM_UM:g} and at most 100."
        )
    both = ("max_tilt", "pretilt")
    well = not any(problem.startswith(both) for problem in problems)
    if well and settings.max_tilt + abs(settings.pretilt) > STEEPEST_TILT_DEG:
        problems.append(
            f"max_tilt = {settings.max_tilt!r} and pretilt = {settings.pretilt!r} together tilt "
            f"the lamella by more than {STEEPEST_TILT_DEG} degrees. Lower max_tilt, or set "
            "pretilt = 0 if the range is counted from the lamella."
        )
    return problems


def _check_flags(settings: Settings) -> list[str]:
    return [
        f"{name} = {_shown(getattr(settings, name))} is neither True nor False. Write one of these."
        for name in _FLAGS
        if not isinstance(getattr(settings, name), bool)
    ]


def _check_texts(settings: Settings) -> list[str]:
    problems = []
    if not isinstance(settings.SPACE_DIR, str) or not settings.SPACE_DIR:
        problems.append(
            f"SPACE_DIR = {_shown(settings.SPACE_DIR)} is not a folder name. Give the folder "
            "of this project on this computer, in quotes."
        )
    if not isinstance(settings.external_map_dir, str):
        problems.append(
            f"external_map_dir = {_shown(settings.external_map_dir)} is not a text. Give a "
            'shared folder in quotes, or "" for none.'
        )
    if not isinstance(settings.grid_default_name, str):
        problems.append(
            f"grid_default_name = {_shown(settings.grid_default_name)} is not a text. "
            'Put the name in quotes, or "" for none.'
        )
    return problems


def _check_folders(settings: Settings) -> list[str]:
    """Return what folders cannot be reached or are others than they should be."""
    problems = []
    project, shared = settings.SPACE_DIR, settings.external_map_dir
    if isinstance(project, str) and project:
        if not _is_there(project, "SPACEtomo_config.py"):
            problems.append(
                f"SPACE_DIR = {_shown(project)} holds no SPACEtomo_config.py. Give "
                "the folder of this project on this computer."
            )
    if isinstance(shared, str) and shared and not _is_there(shared):
        problems.append(
            f"external_map_dir = {_shown(shared)} is not a folder that "
            'can be reached. Connect or create it, or set it to "" to run the '
            "models on this computer."
        )
    return problems


def _is_there(folder: str, file: str = "") -> bool:
    try:
        return (Path(folder) / file).is_file() if file else Path(folder).is_dir()
    except (OSError, ValueError):  # what no file system can have as a name
        return False


def _check_grids(settings: Settings) -> list[str]:
    grids = settings.grid_list
    if not isinstance(grids, tuple):
        return [
            f"grid_list = {_shown(grids)} is not a list. Give autoloader slots in square "
            f'brackets, such as {_slots_meant(grids)}, or ["{STAGE}"].'
        ]
    if not grids:
        return [
            "grid_list = [] is empty. Give at least one autoloader slot, or "
            f'["{STAGE}"] for the grid on the stage.',
        ]
    problems = []
    for slot in grids:
        if isinstance(slot, str) and slot == STAGE:
            continue
        if not _is_int(slot) or not 1 <= slot <= _HIGHEST_SLOT:
            problems.append(
                f"grid_list holds {_shown(slot)}. Allowed: slot numbers from 1 to "
                f'{_HIGHEST_SLOT} and "{STAGE}".'
            )
    repeated = sorted({_shown(slot) for slot in grids if grids.count(slot) > 1})
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


def _slots_meant(value: object) -> str:
    """Return the list of slots that somebody meant who wrote no list."""
    if isinstance(value, str) and value.strip().lower() == STAGE:
        return f'["{STAGE}"]'
    words = str(value).replace(",", " ").split() if isinstance(value, (str, int, float)) else []
    slots = [word for word in words if word.isdigit() and 1 <= int(word) <= _HIGHEST_SLOT]
    return f"[{', '.join(slots)}]" if slots and len(slots) == len(words) else "[1, 2]"


def _check_states(settings: Settings) -> list[str]:
    problems = []
    for name, more in (
        ("WG_image_state", ""),
        ("MM_image_state", ", or a list of two such: a state made in View and one in Record"),
        ("IM_image_state", ', or "" to use IM_mag_index'),
    ):
        value = getattr(settings, name)
        none = name == "IM_image_state" and (value == "" or (_is_int(value) and value == 0))
        two = name == "MM_image_state" and _are_two_states(value)
        if not (_is_state(value) or two or none):
            problems.append(
                f"{name} = {_shown(value)} is not an imaging state. Give its number from 1, or "
                f"its name in quotes{more}."
            )
    return problems


def _is_state(value: object) -> bool:
    return (_is_int(value) and value >= 1) or (isinstance(value, str) and bool(value.strip()))


def _are_two_states(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != _VIEW_AND_RECORD:
        return False
    return all(_is_state(state) for state in value) and value[0] != value[1]


_CLASS_LISTS = {"exclude_lamella_classes": "broken", "target_list": "mitos", "avoid_list": "ice"}
"""Settings that list classes, each with one that may stand in it."""


def _check_lists(settings: Settings) -> list[str]:
    problems = []
    for name in _CLASS_LISTS:
        value = getattr(settings, name)
        if isinstance(value, dict) and name == "target_list":
            problems += _check_priorities(value)
        elif not isinstance(value, tuple) or not all(isinstance(entry, str) for entry in value):
            problems.append(
                f"{name} = {_shown(value)} is not a list of class names. Give names "
                f"in quotes in square brackets, such as {_list_meant(name, value)}."
            )
        elif not value and name == "target_list":
            problems.append(f"{name} = [] is empty. Give at least one class.")
        elif name == "target_list" and len(set(value)) < len(value):
            repeated = sorted({entry for entry in value if value.count(entry) > 1})
            problems.append(
                f"{name} names {_shown(repeated)} more than once. Name each class once."
            )
    both = _overlap(settings.target_list, settings.avoid_list)
    if both:
        problems.append(
            f"{', '.join(both)} is in target_list and in avoid_list. Remove it from one of them."
        )
    return problems


def _list_meant(name: str, value: object) -> str:
    """Return the list of classes that somebody meant who wrote something else."""
    if isinstance(value, str):
        entries = [word.strip(" \"'[]") for word in value.split(",")]
    elif isinstance(value, (tuple, dict, set, frozenset)):
        entries = [entry for entry in value if isinstance(entry, str)]
    else:
        entries = []
    entries = [entry for entry in entries if entry] or [_CLASS_LISTS[name]]
    return _shown(entries).replace("'", '"')


def _check_priorities(value: Mapping[object, object]) -> list[str]:
    if not value:
        return ["target_list = {} is empty. Give at least one class."]
    return [
        f"target_list gives {_shown(name)} the priority {_shown(priority)}. Allowed: class names "
        'in quotes with a number above 0 and at most 1, such as {"mitos": 1, "vesicles": 0.5}.'
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


def _suggestion(word: str, known: Sequence[str]) -> str:
    plain = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), list(plain), n=1)
    return f" Did you mean {plain[near[0]]!r}?" if near else ""


def doubted_targets(settings: Settings, config: Config) -> str:
    """Say why targets will be noise on a real map; empty when there is no reason to think so."""
    names = _strings(settings.target_list)
    if names[:1] == [WHOLE_LAMELLA]:
        names = names[1:]
    if not names or not is_simulated_only(config.segmentation_model):
        return ""
    return (
        f"the segmentation model was trained on simulated maps only: on real maps the targets on "
        f"{', '.join(names)} are noise."
    )


def _check_models(settings: Settings, config: Config) -> list[str]:
    problems = [
        f"exclude_lamella_classes holds {_shown(name)}, which the detection model does not know. "
        f"Allowed: {', '.join(config.categories)}.{_suggestion(name, list(config.categories))}"
        for name in _strings(settings.exclude_lamella_classes)
        if name not in config.categories
    ]
    level = settings.automation_level if _is_int(settings.automation_level) else 5
    if level < 3:
        return problems
    table = config.segmentation_model / DATASET
    if settings.external_map_dir and not table.is_file():
        return [
            *problems,
            f"{table} is missing. Since the models run on another computer (external_map_dir), "
            f"this is the only file of the segmentation model that is needed here. Copy {DATASET} "
            "of the model on that computer to this place.",
        ]
    try:
        known = read_labels(config.segmentation_model)
    except SpaceError as error:
        return [*problems, str(error)]
    try:
        doubt = doubted_targets(settings, config)
    except SpaceError as error:
        return [*problems, str(error)]
    if doubt and level >= 5 and settings.trust_simulated_model is not True:
        problems.append(
            f"trust_simulated_model is not set, and {doubt} Use a model that was trained on real "
            'maps (README, Models), target_list = ["lamella"], or automation_level = 4 and look '
            "at the targets before you acquire. If it is meant, as on the simulated microscope, "
            "set trust_simulated_model = True."
        )
    for setting in ("target_list", "avoid_list", *_FOR_EACH_CLASS):
        for position, name in enumerate(_strings(getattr(settings, setting))):
            first = position == 0 and setting == "target_list" or setting in _FOR_EACH_CLASS
            whole = name == WHOLE_LAMELLA and first
            if name not in known and not whole:
                problems.append(
                    f"{setting} holds {_shown(name)}, which the segmentation model does not know. "
                    f"Allowed: {', '.join(known)}.{_suggestion(name, list(known))}"
                )
    return problems
