"""Which seeds may train a model: training, validation and test never share a specimen."""

from __future__ import annotations

from collections.abc import Iterable

FIRST_VALIDATION_SEED = 100_000
FIRST_TEST_SEED = 900_000
#: From here on in its part, a map has rare classes as rarely as in nature.
FIRST_NATURAL_SEED = {"train": 50_000, "val": 500_000, "test": FIRST_TEST_SEED}


def part_of(seed: int) -> str:
    """``train`` (below 100 000), ``val`` (below 900 000) or ``test``.

    Raises
    ------
    ValueError
        For a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative")
    if seed < FIRST_VALIDATION_SEED:
        return "train"
    return "val" if seed < FIRST_TEST_SEED else "test"


def is_natural(seed: int) -> bool:
    """Whether rare classes are as rare as in nature: all test maps, and half of the other seeds."""
    return seed >= FIRST_NATURAL_SEED[part_of(seed)]


def parts_for_training(seeds: Iterable[int]) -> tuple[list[int], list[int]]:
    """Sort seeds into training and validation.

    Returns
    -------
    training, validation : lists of int, ascending

    Raises
    ------
    ValueError
        If a test seed is among them.
    """
    seeds = sorted(seeds)
    if seeds and part_of(seeds[-1]) == "test":
        raise ValueError(f"seed {seeds[-1]} is a test seed and must never train a model")
    parts = {name: [s for s in seeds if part_of(s) == name] for name in ("train", "val")}
    return parts["train"], parts["val"]
