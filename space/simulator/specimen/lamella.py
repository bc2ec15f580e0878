"""What is in a lamella: painted once, then read at any magnification and tilt."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from . import rough
from .canvas import Canvas, Raster
from .cells import paint_cells
from .deposits import paint_beads, paint_crystals, paint_ice, paint_wall_ice
from .labels import LABEL
from .living import paint_living
from .milling import holes, optical_depth, paint_coating, surroundings
from .site import Site


def paint(site: Site, pixel_um: float) -> Raster:
    """Paint the inside of a lamella.

    Objects and textures are fixed by `site.seed` in µm, so that rasters of different pixel
    size show the same lamella.
    """
    canvas = Canvas(site, pixel_um)
    crack, missing, tau = _plain(canvas, site) if site.looks is None else _varied(canvas, site)
    transmission = np.exp(-tau * canvas.density)
    # The torn rim of a hole curls up and looks darker than the film behind it, or is thin.
    gap = crack | missing
    rim = ndimage.binary_dilation(gap, iterations=max(1, round(0.08 / pixel_um))) & ~gap
    transmission[rim] *= np.float32(0.8 if site.looks is None else site.looks.rim)
    around = surroundings(canvas, site)
    transmission[gap] = 1.0
    outside = np.abs(canvas.t) > site.width_um / 2
    outside = np.broadcast_to(outside, canvas.shape) | (missing & (around < 0.5))
    transmission[outside] = around[outside]
    canvas.labels[crack] = LABEL["crack"]
    canvas.labels[missing] = LABEL["white"]
    if site.looks is not None:
        shards = rough.paint_shards(canvas, _rng(21, site), site, transmission)
        canvas.labels[shards] = LABEL["lamella"]
    wall_ice = paint_wall_ice(canvas, _rng(20, site), site, transmission)
    canvas.labels[outside] = np.where(around[outside] > 0.5, LABEL["white"], LABEL["black"])
    canvas.labels[wall_ice] = LABEL["ice"]
    seen = np.clip(transmission, 0.003, 1.0, dtype=np.float32)
    return Raster(seen, canvas.labels, pixel_um, canvas.corner)


def _rng(what: int, site: Site) -> np.random.Generator:
    return np.random.default_rng([what, site.seed])


def _plain(canvas: Canvas, site: Site) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the lamella is cracked, where it is missing, and its optical depth."""
    tau = optical_depth(canvas, _rng(11, site), site)
    paint_cells(canvas, _rng(12, site), site)
    crack, missing = holes(canvas, _rng(13, site), site)
    if site.contrast != 1:
        canvas.density += np.float32(1 - site.contrast) * (1 - canvas.density)
    canvas.density *= 1 + 0.02 * canvas.noise(0.06, site.seed + 51)
    paint_crystals(canvas, _rng(14, site), site, tau)
    paint_beads(canvas, _rng(15, site), site, tau)
    paint_ice(canvas, _rng(16, site), site, tau)
    paint_coating(canvas, _rng(17, site), site, tau, missing)
    return crack, missing, tau


def _varied(canvas: Canvas, site: Site) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with the appearance that was drawn for this site."""
    looks = site.looks
    assert looks is not None
    paint_living(canvas, _rng(12, site), site, looks)
    tau = rough.rough_depth(canvas, _rng(11, site), site, looks)
    crack, missing = holes(canvas, _rng(13, site), site)
    crack |= rough.torn_front(canvas, _rng(22, site), site, looks, missing)
    rough.paint_lumps(canvas, _rng(23, site), site, tau, looks.deposits)
    # Crystals and beads are rare; round black ice must not be taken for them.
    if _rng(24, site).random() < 0.3:
        paint_crystals(canvas, _rng(14, site), site, tau)
    if _rng(25, site).random() < 0.4:
        paint_beads(canvas, _rng(15, site), site, tau)
    rough.paint_frost(canvas, _rng(16, site), site, tau, looks)
    rough.paint_rough_coating(canvas, _rng(17, site), site, tau, missing)
    return crack & ~missing, missing, tau
