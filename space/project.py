"""Where the project's scripts, models and examples are."""

from __future__ import annotations

from pathlib import Path

from space.errors import SpaceError

SCRIPT = "SPACEtomo.py"
POST_ACTION = "SPACEtomo_postAction.py"
AFTER_EXTERNAL = "SPACEtomo_after.py"
STAND_IN = "examples/parallel_tilt_series.py"

SHARE = "share/spacetomo"
"""Where pip puts them, below its installation folder (pyproject.toml, data-files)."""


def project_folder(package: Path = Path(__file__).parent) -> Path:
    """Return the folder that holds SPACEtomo.py, models and examples.

    In a checkout they are beside the package; this place comes first. Installed, they are in
    `SHARE` below one of the folders that hold the package: that of the virtual environment, of the
    user, or of `pip install --target`.

    Parameters
    ----------
    package : Path
        Folder of the package `space`.

    Raises
    ------
    SpaceError
        If they are in neither place.
    """
    above = package.resolve().parents
    for folder in (above[0], *(one / SHARE for one in above)):
        if (folder / SCRIPT).is_file():
            return folder
    raise SpaceError(
        "The package was installed without the scripts and models of SPACEtomo.",
        str(package),
        "Install it with pip from the project's folder or from a complete wheel, or give the "
        "project's folder with --space-dir.",
    )


def models_folder() -> Path:
    """Return the folder of the models; if they are not installed, where a checkout has them."""
    try:
        return project_folder() / "models"
    except SpaceError:
        return Path(__file__).resolve().parents[1] / "models"
