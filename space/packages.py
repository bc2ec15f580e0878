"""Imports the program for the scripts, and says which packages are missing if that fails.

This module needs only the standard library, so any Python from 3.9 on can import it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

OWN_PACKAGES = ("numpy", "scipy", "matplotlib", "mrcfile", "PIL", "filelock")
"""The packages of the program without the models; some are imported late in a session."""


def is_installed(name: str) -> bool:
    """Tell whether this Python has a package, without importing it."""
    found = find_spec(name)
    # What an uninstallation leaves is an empty folder.
    return found is not None and found.origin is not None


def load(name: str) -> ModuleType:
    """Import a module of this program.

    Raises
    ------
    RuntimeError
        If it needs a package that is missing or cannot be loaded; the text says which.
    """
    try:
        return import_module(name)
    except ImportError as error:
        if (error.name or "").split(".")[0] == "space":
            raise
        message = " ".join(own_packages_missing()) or (
            f"The Python that runs this, {sys.executable}, cannot load {error.name}: {error}. "
            "Reinstall this package."
        )
        raise RuntimeError(message) from None


def own_packages_missing() -> list[str]:
    """Return a message about the packages that this Python lacks (models excluded); or none."""
    missing = [name for name in OWN_PACKAGES if find_spec(name) is None]
    if not missing:
        return []
    return [
        f"The Python that runs this, {sys.executable}, lacks {', '.join(missing)}. Install the "
        f'packages: in the folder of the project, run "{sys.executable}" -m pip install -e . '
        "(see README)."
    ]
