"""SPACEtomo_config.py with other values: written only when it can be read again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from space.config import CONFIG_FILE, Config, load_config
from space.config_edit import changed_bytes
from space.constants import LARGEST_BYTES
from space.errors import SpaceError
from space.files import read_bytes_bounded, write_bytes_atomic

ORDER = (
    "detection_weights",
    "detection_pixel_nm",
    "detection_window_px",
    "categories",
    "segmentation_model",
    "segmentation_folds",
    "segmentation_checkpoint",
    "segmentation_pixel_nm",
)
"""Which names belong after which."""

_BY_HAND = "Correct it, or make the change there yourself."


def change_config(space_dir: Path, values: Mapping[str, object]) -> Path | None:
    """Change values in SPACEtomo_config.py; return where it is kept as it was.

    Returns
    -------
    Path or None
        None if it says all of it already, and was left alone.

    Raises
    ------
    SpaceError
        If it cannot be read, changed or written; then it is as it was.
    """
    path = Path(os.path.realpath(Path(space_dir) / CONFIG_FILE))  # a link stays one
    before = _read(path)
    try:
        after = changed_bytes(before, values, ORDER)
    except ValueError as error:
        raise SpaceError(
            f"{CONFIG_FILE} cannot be changed: {error}.", str(path), _BY_HAND
        ) from None
    if after == before:
        return None
    _load(after, path)
    backup = path.with_name(f"{path.name}.bak")
    try:
        write_bytes_atomic(backup, before)
        if _read(path) != before:
            raise SpaceError(
                f"{CONFIG_FILE} was changed by somebody else just now.", str(path), "Try again."
            )
        write_bytes_atomic(path, after)
    except OSError as error:
        wanted = "; ".join(f"{name} = {value!r}" for name, value in values.items())
        raise SpaceError(
            f"{CONFIG_FILE} cannot be written ({error}).",
            str(path),
            f"Run this as a user who may write there, or have it changed: {wanted}",
        ) from None
    return backup


def _read(path: Path) -> bytes:
    try:
        return read_bytes_bounded(path, LARGEST_BYTES)
    except OSError as error:
        raise SpaceError(
            f"{CONFIG_FILE} cannot be read: {error.strerror or error}.", str(path)
        ) from None


def _load(data: bytes, path: Path) -> Config:
    """Read a configuration from its content, as it is read from its place."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / CONFIG_FILE).write_bytes(data)
        try:
            return load_config(Path(folder))
        except SpaceError as error:
            raise SpaceError(
                f"{CONFIG_FILE} was not changed, since it could not be used afterwards: "
                f"{error.what}",
                str(path),
                _BY_HAND,
            ) from None
