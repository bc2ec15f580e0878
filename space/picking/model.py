"""A trained picker on disk: weights, and what they were trained for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning import run_folder
from space.picking.calibration import Calibration
from space.picking.config import PickConfig
from space.picking.network import heat_network
from space.picking.outliers import Range
from space.predicates import is_number
from space.weights import load_checkpoint

MODEL = "picker.pt"
FORMAT = "SPACEtomo picker 1"
_LIKE = 0.2


@dataclass(frozen=True)
class Picker:
    """A network and what it was trained for.

    Attributes
    ----------
    network : torch.nn.Module
    config : PickConfig
    voxel_nm : float
        Of the tomograms that it was shown.
    prior : float
        Share of the voxels that lie near the centre of a particle.
    calibration : Calibration or None
        How its peaks are spread; None where too few labels tell it, or an older file does not.
    within : tuple of float or None
        Least and greatest grey value of what may be a particle.
    """

    network: Any
    config: PickConfig
    voxel_nm: float
    prior: float
    calibration: Calibration | None = None
    within: Range = None

    @property
    def radius_px(self) -> float:
        """Of a particle, in voxels."""
        return self.config.diameter_nm / 2 / self.voxel_nm

    @property
    def level(self) -> float:
        """Score that stands for a probability of one half.

        A balanced risk gives the logarithm of how much more frequent a voxel is at particles than
        elsewhere; the prior makes a probability of it (Bayes).
        """
        return float(np.log((1 - self.prior) / self.prior)) if self.config.balanced else 0.0

    def refuse_other_voxels(self, voxel_nm: float, name: str) -> None:
        """Refuse a tomogram whose particles are of another size in voxels.

        Raises
        ------
        SpaceError
        """
        if abs(np.log(voxel_nm / self.voxel_nm)) > np.log(1 + _LIKE):
            raise SpaceError(
                f"Its voxels are {voxel_nm:.3g} nm, and the picker was trained with "
                f"{self.voxel_nm:.3g} nm.",
                name,
                "Bin it alike, train with such tomograms, or give its voxels if the file is "
                "wrong (--voxel-nm).",
            )


def save_picker(path: Path, picker: Picker) -> None:
    """Write a picker, whole or not at all."""
    kept = {
        "format": FORMAT,
        "network": picker.network.state_dict(),
        "config": picker.config.to_dict(),
        "voxel_nm": picker.voxel_nm,
        "prior": picker.prior,
        "within": picker.within and list(picker.within),
        "calibration": picker.calibration and picker.calibration.to_dict(),
    }
    run_folder.save(path, kept)


def load_picker(path: Path) -> Picker:
    """Read a picker, or that in the folder of a training; nothing of the file is run.

    Raises
    ------
    SpaceError
        If it is missing, damaged, or something else.
    """
    path = Path(path)
    path = path / MODEL if path.is_dir() else path
    kept = load_checkpoint(path)
    wrong = SpaceError(
        "This is no picker.", str(path), f"Name {MODEL} of a training: spacetomo pick train"
    )
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise wrong
    try:
        voxel_nm, prior = kept["voxel_nm"], kept["prior"]
        if not (is_number(voxel_nm) and is_number(prior)):
            raise ValueError("no sizes")
        voxel_nm, prior = float(voxel_nm), float(prior)
        if not (voxel_nm > 0 and 0 < prior < 1):
            raise ValueError("odd sizes")
        config = PickConfig.of_dict(kept["config"])
        network = heat_network(config.width)
        network.load_state_dict(kept["network"])
        told = kept.get("calibration")
        calibration = None if told is None else Calibration(**told)
        within = _range(kept.get("within"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise wrong from error
    return Picker(network.eval(), config, voxel_nm, prior, calibration, within)


def _range(told: Any) -> Range:
    if told is None:
        return None
    if not (isinstance(told, list) and len(told) == 2 and all(map(is_number, told))):
        raise ValueError("an odd range")
    return float(told[0]), float(told[1])
