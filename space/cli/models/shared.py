"""What several actions of ``spacetomo models`` need."""

from __future__ import annotations

import argparse
import logging
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from space.config import CONFIG_FILE, Config, load_config
from space.errors import SpaceError, shown
from space.jobs import ModelMarks
from space.models.description import DETECT, Model, describe
from space.models.store import ONNX, Folds, Place, find_places, place_of
from space.project import project_folder
from space.trust import MODELS_DIR, SHIPPED_FILE, TRUSTED_FILE, file_hash, read_hashes

# The actions say themselves why an .onnx file is not used.
logging.getLogger("space.models").addHandler(logging.NullHandler())

Say = Callable[[str], None]

MODELS = "models"
"""Folder in the project."""
NOT_KNOWN = "not known"
_WIDTH = 100


def weights_in(paths: Sequence[Path]) -> list[Path]:
    """Replace nnU-Net folders by the checkpoints in them."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted((*path.glob("*.pt"), *path.glob("*.pth"), *path.glob("fold_*/*.pth")))
        if not inside:
            raise SpaceError(
                "There are no weights in this folder (neither *.pt, *.pth nor fold_*/*.pth).",
                str(path),
                "Give the file of weights, or the folder with dataset.json and fold_0.",
            )
        found += inside
    return found


def origin(digest: str, models_dir: Path) -> str:
    """Say where weights come from: ``shipped``, ``trusted`` (by the user), or ``other``."""
    if digest in read_hashes(models_dir / SHIPPED_FILE).names:
        return "shipped"
    return "trusted" if digest in read_hashes(models_dir / TRUSTED_FILE).names else "other"


# --- the models of the project ------------------------------------------------------------------


@dataclass(frozen=True)
class Installed:
    """A model, and how the project uses it.

    Attributes
    ----------
    model : Model
    is_active : bool
        Whether SPACEtomo_config.py names it.
    pixel_nm, pixel_from : float or None, str
        Pixel size that is or would be used, and who says so.
    window_px : int or None
        Window of a detector.
    folds_used : tuple of int or str
        As configured, if it is active.
    mark : str
        Of results (``model_hash``), as they are or would be made; empty if files or the pixel size
        are missing.
    origin : str
        ``shipped``, ``trusted`` or ``other``.
    """

    model: Model
    is_active: bool = False
    pixel_nm: float | None = None
    pixel_from: str = ""
    window_px: int | None = None
    folds_used: Folds = ()
    mark: str = ""
    origin: str = "other"


def add_space_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option for the project's folder."""
    parser.add_argument(
        "--space-dir",
        type=Path,
        metavar="DIR",
        help="folder of the project (default: the one of this program)",
    )


def project(space_dir: Path | None) -> Path:
    """Return the project's folder.

    Raises
    ------
    SpaceError
        If the one that was given is none, or there is none.
    """
    if space_dir is None:
        return project_folder()
    if not (space_dir / CONFIG_FILE).is_file():
        raise SpaceError(
            f"There is no {CONFIG_FILE}.", str(space_dir), "Give the project's folder."
        )
    return space_dir


def installed(space_dir: Path | None, models_dir: Path = MODELS_DIR) -> list[Installed]:
    """Return the models of a project: those in its folder of models, and those configured.

    Parameters
    ----------
    space_dir : Path or None
    models_dir : Path
        Folder of the lists of shipped and trusted weights.
    """
    root = project(space_dir)
    config = load_config(root)
    places = find_places(root / MODELS)
    for path in (config.detection_weights, config.segmentation_model):
        if not any(_is_named(place, path) for place in places):
            places.append(replace(place_of(path), name=_from(path, root)))
    return [_installed(place, config, models_dir) for place in places]


def find(name: str, models: Sequence[Installed], space_dir: Path | None) -> Installed:
    """Return the model that a user names: by its name in the list, its file, or its folder.

    Raises
    ------
    SpaceError
        If there is none.
    """
    wanted = name.replace("\\", "/").rstrip("/")
    for fold in (str, str.casefold):
        same = [one for one in models if fold(one.model.place.name) == fold(wanted)]
        if len(same) == 1:
            return same[0]
    path = Path(name)
    if path.exists():
        return next(
            (one for one in models if _is_same(one.model.place.path, path)), None
        ) or _installed(place_of(path), load_config(project(space_dir)), MODELS_DIR)
    known = ", ".join(one.model.place.name for one in models[:12])
    raise SpaceError(f"There is no model {shown(name)}.", do=f"There are: {known or 'none'}.")


def wrapped(line: str) -> list[str]:
    """Return a line in parts that fit a terminal, and do nothing else there."""
    return textwrap.wrap(
        "".join(one if one.isprintable() else "?" for one in line),
        _WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def megabytes(number: int) -> str:
    """Return a size in words."""
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.2f} GB"


def _installed(place: Place, config: Config, models_dir: Path) -> Installed:
    is_segmentation = _is_named(place, config.segmentation_model)
    is_active = is_segmentation or _is_named(place, config.detection_weights)
    if is_segmentation:
        model = describe(place, config.segmentation_folds, config.segmentation_checkpoint)
    else:
        model = describe(place)
    used = configured(model, config) if not is_active else config
    known = is_active or model.pixel_nm is not None
    pixel_nm = model.pixel_nm
    if is_active:
        own = is_segmentation
        pixel_nm = config.segmentation_pixel_nm if own else config.detection_pixel_nm
    return Installed(
        model,
        is_active,
        pixel_nm,
        CONFIG_FILE if is_active else model.pixel_from,
        used.detection_window_px if model.task == DETECT else None,
        config.segmentation_folds if is_segmentation else (),
        ModelMarks(lambda: used)(model.task) if model.task and known else "",
        _origin_of(model, models_dir),
    )


def configured(model: Model, config: Config) -> Config:
    """Return the configuration with a model in place of the one for its task."""
    if model.task == DETECT:
        return replace(
            config,
            detection_weights=model.place.path,
            detection_pixel_nm=model.pixel_nm or config.detection_pixel_nm,
            detection_window_px=model.window_px or config.detection_window_px,
        )
    return replace(
        config,
        segmentation_model=model.place.path,
        segmentation_folds=model.folds or config.segmentation_folds,
        segmentation_checkpoint=model.checkpoint,
        segmentation_pixel_nm=model.pixel_nm or config.segmentation_pixel_nm,
    )


def _origin_of(model: Model, models_dir: Path) -> str:
    found: set[str] = set()
    for path in model.weights:
        try:
            found.add(origin(file_hash(path), models_dir))
        except OSError:
            found.add("other")
    return next((one for one in ("other", "trusted", "shipped") if one in found), "other")


def _is_named(place: Place, path: Path) -> bool:
    """Whether a configured path means a model; an .onnx file stands for weights that are gone."""
    if _is_same(place.path, path):
        return True
    stands_for = place.form == ONNX and path.suffix == ".pt" and not path.exists()
    return stands_for and _is_same(place.path, path.with_suffix(".onnx"))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except OSError:
        return False


def _from(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError):
        return path.as_posix()
