"""The settings of a session, saved beside its maps."""

from __future__ import annotations

import json
from pathlib import Path

from space.errors import SpaceError
from space.files import parse_json, read_bytes_bounded, write_text_atomic
from space.settings.declared import Settings
from space.settings.parsing import parse, unknown

SETTINGS_FILE = "SPACE_settings.json"
"""Name of the saved settings beside the maps, for the post action and the monitor."""

_WRITE_AGAIN = "Run SPACEtomo.py again: it writes them again."


def save(
    settings: Settings, folder: Path, name: str = SETTINGS_FILE, secrets: bool = False
) -> Path:
    """Write `SPACE_settings.json` into `folder` and return its path.

    Secrets are written only where it is asked for, never into a folder that others share.
    """
    path = Path(folder) / name
    write_text_atomic(path, json.dumps(settings.to_dict(secrets), indent=2) + "\n")
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
        text = read_bytes_bounded(path).decode("utf-8-sig")
        values = parse_json(text, odd_numbers=True)  # the checks report where they are
    except FileNotFoundError:
        raise SpaceError(
            "There are no saved settings here.",
            str(path),
            "Run SPACEtomo.py in this directory first.",
        ) from None
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The saved settings cannot be read: {error}.", str(path), _WRITE_AGAIN
        ) from None
    if not isinstance(values, dict):
        raise SpaceError(
            "The saved settings are not a table of names and values.", str(path), _WRITE_AGAIN
        )
    parsed = parse(values)
    problems = [*unknown(values), *parsed.problems]
    if problems:
        raise SpaceError(
            "The saved settings are wrong: " + " ".join(problems), str(path), _WRITE_AGAIN
        )
    return parsed.settings
