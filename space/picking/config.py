"""What is asked of a training for particles, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from space.errors import SpaceError, shown
from space.predicates import is_number

PU, PLAIN = "pu", "plain"
LOSSES = (PU, PLAIN)

_RANGES: dict[str, tuple[float, float]] = {
    "diameter_nm": (1, 500),
    "prior": (1e-6, 0.7),
    "exponent": (0, 5),
    "contrast": (0, 10),
    "consistency": (0, 10),
    "self_training": (0, 0.9999),
    "epochs": (1, 10_000),
    "steps": (1, 100_000),
    "batch": (2, 256),
    "patch_px": (16, 160),
    "rate": (1e-6, 1),
    "width": (4, 64),
    "seed": (0, 2**31),
}
_WHOLE = ("epochs", "steps", "batch", "patch_px", "width", "seed")


@dataclass(frozen=True)
class PickConfig:
    """How particles are learnt.

    Attributes
    ----------
    diameter_nm : float
        Of a particle.
    loss : str
        ``pu``: what is not labelled is unknown. ``plain``: it is taken for unwanted.
    prior : float or None
        Share of the voxels near the centre of a particle (see `MARKED`); estimated without.
    exponent : float
        Of the loss of a voxel; 0 is the logistic one.
    balanced : bool
        Whether labelled and unlabelled voxels weigh the same.
    ring : bool
        Whether the flanks of a labelled particle are taken as surely no centre.
    elsewhere : bool
        Whether voxels of tomograms without labels are unlabelled ones, too. They show more that is
        unwanted; but particles there that look unlike the labelled ones are pushed down.
    contrast, consistency : float
        Weights of these terms; 0 leaves them out.
    self_training : float
        Probability from which the network's own picks are taken as labels in the last part of the
        training; 0 leaves that out.
    epochs, steps : int
        Steps are for each epoch.
    batch, patch_px : int
        Parts of tomograms for a step, and their side.
    rate : float
        Learning rate of the first step.
    width : int
        Channels of the network.
    seed : int

    Raises
    ------
    SpaceError
        If a value cannot be.
    """

    diameter_nm: float
    loss: str = PU
    prior: float | None = None
    exponent: float = 0.0
    balanced: bool = True
    ring: bool = True
    elsewhere: bool = False
    contrast: float = 0.0
    consistency: float = 0.0
    self_training: float = 0.0
    epochs: int = 12
    steps: int = 30
    batch: int = 8
    patch_px: int = 48
    rate: float = 3e-3
    width: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise SpaceError(
                f"{shown(self.loss)} is no loss.", do=f"Use one of {', '.join(LOSSES)}."
            )
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is None and name == "prior":
                continue
            whole = name not in _WHOLE or isinstance(value, int)
            if not (is_number(value) and whole and least <= value <= most):
                kind = "a whole number" if name in _WHOLE else "a number"
                raise SpaceError(
                    f"{name} is {shown(value)}.", do=f"Give {kind} from {least:g} to {most:g}."
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @staticmethod
    def of_dict(values: dict[str, Any]) -> PickConfig:
        """Return the configuration in plain values.

        Raises
        ------
        SpaceError, TypeError
            If it is none.
        """
        return PickConfig(**values)
