"""The way in: imports the program, and says in words which packages are missing for that.

Only the standard library is needed here, so this can be imported in any Python since 3.9.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

OWN_PACKAGES = ("numpy", "scipy", "skimage", "matplotlib", "mrcfile", "PIL", "filelock")
"""What the program imports beside the models, some of it only late in a session."""


def load(name: str) -> ModuleType:
    """Import a module of this program.

    Raises
    ------
    RuntimeError
        If it needs a package that is missing or cannot be loaded, in words.
    """
    try:
        return import_module(name)
    except ImportError as error:
        if (error.name or "").split(".")[0] == "space":
            raise
        told = " ".join(own_packages_missing()) or (
            f"The Python that runs this, {sys.executable}, cannot load {error.name}: {error}. "
            "Install this package again."
        )
        raise RuntimeError(told) from None


def own_packages_missing() -> list[str]:
    """Return what this Python lacks for the program without the models, in words."""
    missing = [name for name in OWN_PACKAGES if find_spec(name) is None]
    if not missing:
        return []
    return [
        f"The Python that runs this, {sys.executable}, lacks {', '.join(missing)}. Install the "
        f'packages: in the folder of the project, run "{sys.executable}" -m pip install -e . '
        "(see README)."
    ]
