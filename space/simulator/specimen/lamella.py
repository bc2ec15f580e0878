"""What is in a lamella: painted once, then read at any magnification and tilt."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .canvas import Canvas, Raster
from .cells import paint_cells
from .deposits import paint_beads, paint_crystals, paint_ice, paint_wall_ice
from .labels import LABEL
from .milling import holes, optical_depth, paint_coating, surroundings
from .site import Site


def paint(site: Site, pixel_um: float) -> Raster:
    """Paint the inside of a lamella.

    Objects and textures are fixed by `site.seed` in µm, so that rasters of different pixel
    size show the same lamella.
    """
    canvas = Canvas(site, pixel_um)
    rng = np.random.default_rng([11, site.seed])
    tau = optical_depth(canvas, rng, site)
    paint_cells(canvas, np.random.default_rng([12, site.seed]), site)
    crack, missing = holes(canvas, np.random.default_rng([13, site.seed]), site)
    if site.contrast != 1:
        canvas.density += np.float32(1 - site.contrast) * (1 - canvas.density)
    canvas.density *= 1 + 0.02 * canvas.noise(0.06, site.seed + 51)
    paint_crystals(canvas, np.random.default_rng([14, site.seed]), site, tau)
    paint_beads(canvas, np.random.default_rng([15, site.seed]), site, tau)
    paint_ice(canvas, np.random.default_rng([16, site.seed]), site, tau)
    paint_coating(canvas, np.random.default_rng([17, site.seed]), site, tau, missing)

    transmission = np.exp(-tau * canvas.density)
    # The torn rim of a hole curls up and looks darker than the film behind it.
    gap = crack | missing
    rim = ndimage.binary_dilation(gap, iterations=max(1, round(0.08 / pixel_um))) & ~gap
    transmission[rim] *= 0.8
    around = surroundings(canvas, site)
    transmission[gap] = 1.0
    outside = np.abs(canvas.t) > site.width_um / 2
    outside = np.broadcast_to(outside, canvas.shape) | (missing & (around < 0.5))
    transmission[outside] = around[outside]
    wall_ice = paint_wall_ice(canvas, np.random.default_rng([20, site.seed]), site, transmission)
    canvas.labels[crack] = LABEL["crack"]
    canvas.labels[missing] = LABEL["white"]
    canvas.labels[outside] = np.where(around[outside] > 0.5, LABEL["white"], LABEL["black"])
    canvas.labels[wall_ice] = LABEL["ice"]
    seen = np.clip(transmission, 0.003, 1.0, dtype=np.float32)
    return Raster(seen, canvas.labels, pixel_um, canvas.corner)
