"""Names of what squares of a grid without lamellae are."""

from __future__ import annotations

INTACT, BROKEN, THICK, EMPTY, CONTAMINATED = (
    "intact", "broken", "thick ice", "empty", "contaminated",
)  # fmt: skip
SQUARE_CLASSES = (INTACT, BROKEN, THICK, EMPTY, CONTAMINATED)
