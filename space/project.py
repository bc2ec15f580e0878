"""Where the project's scripts, models and examples are."""

from __future__ import annotations

from pathlib import Path

from space.errors import SpaceError

SCRIPT = "SPACEtomo.py"
POST_ACTION = "SPACEtomo_postAction.py"
STAND_IN = "examples/parallel_tilt_series.py"

SHARE = "share/spacetomo"
"""Where pip puts them, below the folder in which it installs (pyproject.toml, data-files)."""


def project_folder(package: Path = Path(__file__).parent) -> Path:
    """Return the folder with SPACEtomo.py, models and examples.

    In a checkout they lie beside the package, which wins. Installed, they are in a folder of
    their own below one that holds the package, too: that of the virtual environment, of the user,
    or the one that `pip install --target` was told.

    Parameters
    ----------
    package : Path
        Folder of the package `space`.

    Raises
    ------
    SpaceError
        If they are in none of these places.
    """
    above = package.resolve().parents
    for folder in (above[0], *(one / SHARE for one in above)):
        if (folder / SCRIPT).is_file():
            return folder
    raise SpaceError(
        "The scripts and models of SPACEtomo did not come with the package.",
        str(package),
        "Install it with pip, from the project's folder or from a whole wheel, or name the "
        "project's folder with --space-dir.",
    )


def models_folder() -> Path:
    """Return the folder of the models; where they did not come along, that of a checkout."""
    try:
        return project_folder() / "models"
    except SpaceError:
        return Path(__file__).resolve().parents[1] / "models"
