"""What is asked of a training for particles, checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PU, PLAIN = "pu", "plain"
LOSSES = (PU, PLAIN)


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
        Share of the voxels near the centre of a particle; estimated without.
    exponent : float
        Of the loss of a voxel; 0 is the logistic one.
    balanced : bool
        Whether labelled and unlabelled voxels weigh the same.
    ring : bool
        Whether the flanks of a labelled particle are taken as surely no centre.
    contrast, consistency : float
        Weights of these terms; 0 leaves them out.
    epochs, steps : int
        Steps are for each epoch.
    batch, patch_px : int
        Parts of tomograms for a step, and their side.
    rate : float
        Learning rate of the first step.
    width : int
        Channels of the network.
    seed : int
    """

    diameter_nm: float
    loss: str = PU
    prior: float | None = None
    exponent: float = 0.0
    balanced: bool = True
    ring: bool = True
    contrast: float = 0.0
    consistency: float = 0.0
    epochs: int = 12
    steps: int = 30
    batch: int = 8
    patch_px: int = 48
    rate: float = 3e-3
    width: int = 16
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
