"""What several actions of ``spacetomo models`` need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from space.errors import SpaceError
from space.trust import SHIPPED_FILE, TRUSTED_FILE, read_hashes

Say = Callable[[str], None]


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
