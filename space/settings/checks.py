"""Whether the settings fit this computer and its models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path

from space.config import CONFIG_FILE, Config
from space.errors import SpaceError
from space.fluorescence import is_signal
from space.models import DATASET, LEARNED, heat_problems, is_onnx, is_simulated_only, read_labels
from space.settings.declared import NO_BROAD, WHOLE_LAMELLA, Settings
from space.settings.kinds import quoted
from space.settings.parsing import ParsedSettings
from space.square_classes import SQUARE_CLASSES

_SEGMENT, _ACQUIRE = 3, 5


def check(parsed: ParsedSettings, config: Config | None) -> list[str]:
    """Return everything that is wrong with the settings, in words.

    Parameters
    ----------
    parsed : ParsedSettings
        The settings as the user wrote them.
    config : Config or None
        Model configuration; None skips what needs it.

    Returns
    -------
    list of str
        One message per problem with the setting's name, its value, what is allowed and
        what to do; empty when all is well.
    """
    problems = [*parsed.problems, *_check_folders(parsed)]
    if config is not None:
        problems += _check_categories(parsed, config)
        settings = parsed.settings
        if settings.automation_level >= _SEGMENT and not settings.manual_selection:
            problems += _check_segmentation(parsed, config)
    return problems


def project_folder(parsed: ParsedSettings) -> Path | None:
    """Return the folder of this project; None if SPACE_DIR is another one or cannot be reached."""
    folder = Path(parsed.settings.SPACE_DIR)
    return folder if "SPACE_DIR" not in parsed.invalid and _has_config(folder) else None


def doubted_targets(settings: Settings, config: Config) -> str:
    """Say why targets will be noise on a real map; empty when there is no reason to think so."""
    return _doubt(list(settings.target_list), config)


def _check_folders(parsed: ParsedSettings) -> list[str]:
    """Return what folders cannot be reached or are others than they should be."""
    problems = []
    settings = parsed.settings
    if "SPACE_DIR" not in parsed.invalid and project_folder(parsed) is None:
        problems.append(
            f"SPACE_DIR = {quoted(settings.SPACE_DIR)} holds no {CONFIG_FILE}. Give "
            "the folder of this project on this computer."
        )
    shared = settings.external_map_dir
    if shared and not _is_folder(Path(shared)):
        problems.append(
            f"external_map_dir = {quoted(shared)} is not a folder that "
            'can be reached. Connect or create it, or set it to "" to run the '
            "models on this computer."
        )
    return problems


def _has_config(folder: Path) -> bool:
    try:
        return (folder / CONFIG_FILE).is_file()
    except (OSError, ValueError):  # what no file system can have as a name
        return False


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except (OSError, ValueError):
        return False


def _check_categories(parsed: ParsedSettings, config: Config) -> list[str]:
    name = "exclude_lamella_classes"
    problems = _not_known(name, parsed.class_names(name), config.categories, "detection model")
    name = "exclude_square_classes"
    return problems + _not_known(
        name, parsed.class_names(name), SQUARE_CLASSES, "search for squares"
    )


def _check_segmentation(parsed: ParsedSettings, config: Config) -> list[str]:
    model = config.segmentation_model
    table = model if is_onnx(model) else model / DATASET
    if parsed.settings.external_map_dir and not table.is_file():
        return [
            f"{table} is missing. Since the models run on another computer (external_map_dir), "
            "this is the only file of the segmentation model that is needed here. Copy "
            f"{table.name} of the model on that computer to this place."
        ]
    try:
        known = read_labels(config.segmentation_model)
        doubt = _doubt(parsed.class_names("target_list"), config)
    except SpaceError as error:
        return [str(error)]
    problems = _check_learned(parsed, config, known)
    settings = parsed.settings
    if doubt and settings.automation_level >= _ACQUIRE and not settings.trust_simulated_model:
        problems.append(
            f"trust_simulated_model is not set, and {doubt} Use a model that was trained on real "
            'maps (README, Models), target_list = ["lamella"], or automation_level = 4 and look '
            "at the targets before you acquire. If this is intended, as on the simulated "
            "microscope, set trust_simulated_model = True."
        )
    thresholds = parsed.class_names("target_score_threshold")
    broad = parsed.class_names("broad_targets") if settings.broad_area != NO_BROAD else []
    for name, names in (
        ("broad_targets", [n for n in broad if n != WHOLE_LAMELLA]),
        ("target_list", _of_segmentation(parsed.class_names("target_list"))),
        ("avoid_list", [n for n in parsed.class_names("avoid_list") if not is_signal(n)]),
        ("target_score_threshold", _of_a_model(thresholds, (WHOLE_LAMELLA, LEARNED))),
    ):
        problems += _not_known(name, names, known, "segmentation model")
    return problems


def _check_learned(parsed: ParsedSettings, config: Config, known: Collection[str]) -> list[str]:
    """Return why there can be no learned targets, if they are wanted."""
    if LEARNED not in parsed.class_names("target_list"):
        return []
    if LEARNED in known:
        return [
            f'target_list holds "{LEARNED}", which stands for learned targets, but the '
            "segmentation model has a class of this name. Rename the class."
        ]
    # Else the other computer, which has the model, says what is wrong with it.
    here = not parsed.settings.external_map_dir
    return heat_problems(config.learned_targets_model) if here else []


def _of_segmentation(names: Sequence[str]) -> list[str]:
    """Return those of some wanted classes that the segmentation model must know."""
    others = (WHOLE_LAMELLA, LEARNED) if names[:1] == [WHOLE_LAMELLA] else (LEARNED,)
    return _of_a_model(names, others)


def _of_a_model(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name not in others and not is_signal(name)]


def _doubt(target_names: Sequence[str], config: Config) -> str:
    names = _of_segmentation(target_names)
    if not names or not is_simulated_only(config.segmentation_model):
        return ""
    return (
        f"the segmentation model was trained on simulated maps only: on real maps the targets on "
        f"{', '.join(names)} are noise."
    )


def _not_known(setting: str, names: Sequence[str], known: Collection[str], model: str) -> list[str]:
    return [
        f"{setting} holds {quoted(name)}, which the {model} does not know. "
        f"Allowed: {', '.join(known)}.{_suggestion(name, known)}"
        for name in names
        if name not in known
    ]


def _suggestion(word: str, known: Collection[str]) -> str:
    plain = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), list(plain), n=1)
    return f" Did you mean {plain[near[0]]!r}?" if near else ""
