"""Presets: how accurate or how fast a map is segmented.

A preset says the same on every device, so that a result does not depend on the computer that
made it, and it is part of the mark of a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from space.errors import SpaceError
from space.models.onnx_file import segmentation_onnx
from space.models.store import folds_in

Copies = Literal["one", "turned", "mirrored"]


@dataclass(frozen=True)
class Preset:
    """What the network is asked to do for a map.

    Attributes
    ----------
    folds : str
        ``every`` that the model has, those ``configured``, or the ``first`` of these.
    copies : str
        Of a tile, whose scores are averaged: ``one``, also the one ``turned`` by 180 degrees, or
        all ``mirrored`` ones, along the axes that the model allows.
    tile_step : float
        Largest step between tiles, as a fraction of a tile.
    skips_plain_tiles : bool
        Whether tiles that show nothing but vacuum or bulk are decided without the network.
    """

    folds: Literal["every", "configured", "first"]
    copies: Copies
    tile_step: float
    skips_plain_tiles: bool

    def chosen_folds(
        self, configured: Sequence[int | str], present: Sequence[int]
    ) -> tuple[int | str, ...]:
        """Return the folds whose scores are averaged.

        Parameters
        ----------
        configured : sequence of int or str
            ``segmentation_folds`` of the configuration.
        present : sequence of int
            Numbered folds that the model has.
        """
        if self.folds == "first":
            return tuple(configured[:1])
        if self.folds == "configured" or any(isinstance(fold, str) for fold in configured):
            return tuple(configured)  # a fold that was trained on everything stands alone
        more = [fold for fold in present if fold not in configured]
        return (*configured, *sorted(more))


DEFAULT_PRESET = "balanced"
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "accurate": Preset("every", copies="mirrored", tile_step=0.5, skips_plain_tiles=False),
        "balanced": Preset("configured", copies="one", tile_step=0.6, skips_plain_tiles=True),
        "fast": Preset("first", copies="one", tile_step=0.9, skips_plain_tiles=True),
    }
)
"""The choice in SPACEtomo_config.py; ``accurate`` does what nnU-Net's own predictor does."""


def numbered_folds(folder: Path, checkpoint: str) -> tuple[int, ...]:
    """Return the numbered folds of an nnU-Net model that have weights of this name."""
    names = [path.parent.name for path in Path(folder).glob(f"fold_*/{checkpoint}")]
    return tuple(fold for fold in folds_in(names) if isinstance(fold, int))


def used_folds(
    preset: str, folder: Path, configured: Sequence[int | str], checkpoint: str
) -> tuple[int | str, ...]:
    """Return the folds of a model that a preset uses.

    Those in its .onnx file count where there are no weights at all. Where weights of some folds
    are there, these count, also if the .onnx file has more.
    """
    present = numbered_folds(folder, checkpoint) or _folds_of_onnx(folder, configured, checkpoint)
    return PRESETS[preset].chosen_folds(configured, present)


def _folds_of_onnx(
    model: Path, configured: Sequence[int | str], checkpoint: str
) -> tuple[int, ...]:
    try:
        found = segmentation_onnx(model, configured, checkpoint)
    except SpaceError:  # told by whoever wants to use it
        return ()
    return tuple(fold for fold in found[1].folds if isinstance(fold, int)) if found else ()
