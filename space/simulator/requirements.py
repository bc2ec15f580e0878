"""Says which packages the simulator lacks: the program for real microscopes does without them."""

from __future__ import annotations

import sys
from importlib.util import find_spec

LATE_PACKAGES = {"skimage": "scikit-image"}
"""Name to import → name to install, of packages that commands import when scripts call them."""


def packages_missing() -> tuple[str, str] | None:
    """Return what is missing and what to do about it, in sentences; or None."""
    missing = [install for name, install in LATE_PACKAGES.items() if find_spec(name) is None]
    if not missing:
        return None
    names = " ".join(missing)
    what = f"The Python that runs this, {sys.executable}, lacks {names}, which the simulator needs."
    do = f'Run "{sys.executable}" -m pip install {names}'
    return what, f'{do} (in the folder of the project: -e ".[simulator]").'
