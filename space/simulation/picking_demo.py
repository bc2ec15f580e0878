"""Tomograms of simulated cells with their ribosomes, to try and test how particles are picked.

The density is that of the simulated specimen. What a tomogram makes of it is told in a few lines:
contrast transfer at a defocus, the tilts that were not taken, and noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from space.errors import SpaceError
from space.files import write_text_atomic
from space.simulation.depth_series import phantom

VOXEL_NM, DEEP_PX, DIAMETER_NM = 1.6, 64, 25.0
KIND = "ribosome"
_WAVELENGTH_NM, _DEFOCUS_NM, _AMPLITUDE = 0.00197, 4000.0, 0.1
_STEEPEST_DEG = 60.0
_NOISE = 1.5
_LABELLED = 0.1


def seen_in_tomogram(
    density: np.ndarray, voxel_nm: float, rng: np.random.Generator, noise: float = _NOISE
) -> np.ndarray:
    """Return a density as a tomogram shows it, float32: what is dense is dark.

    Parameters
    ----------
    density : ndarray (z, y, x)
        The tilt axis lies along y.
    voxel_nm : float
    rng : numpy.random.Generator
    noise : float
        Deviation of the noise, in that of the density.
    """
    kz = np.fft.fftfreq(density.shape[0])[:, None, None]
    ky = np.fft.fftfreq(density.shape[1])[None, :, None]
    kx = np.fft.rfftfreq(density.shape[2])[None, None, :]
    squared = (kz**2 + ky**2 + kx**2) / voxel_nm**2
    transfer = np.sin(np.pi * _WAVELENGTH_NM * _DEFOCUS_NM * squared + _AMPLITUDE)
    taken = np.abs(kz) <= np.tan(np.radians(_STEEPEST_DEG)) * np.abs(kx) + 1.5 / density.shape[0]
    seen = np.fft.irfftn(np.fft.rfftn(density) * transfer * taken, density.shape)
    falling = taken * np.exp(-squared * (2 * voxel_nm) ** 2 / 2)
    grain = np.fft.irfftn(np.fft.rfftn(rng.normal(size=density.shape)) * falling, density.shape)
    found: np.ndarray = noise * grain / grain.std() - seen / seen.std()
    return found.astype(np.float32)


def write_picking_demo(
    out: Path, tomograms: int = 3, side_px: int = 192, seed: int = 0
) -> dict[str, float]:
    """Write tomograms, their list, all their ribosomes, and a tenth of them as labels.

    Parameters
    ----------
    out : Path
    tomograms, side_px : int
        How many, and of what side.
    seed : int

    Returns
    -------
    dict
        How many particles there are and are labelled, and their diameter.

    Raises
    ------
    SpaceError
        If there are files in the folder already.
    """
    from space.volumes import Frame, write_mrc

    out = Path(out)
    if (out / "tomograms.txt").exists():
        raise SpaceError("There is a demo already.", str(out), "Name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    listed = ["image_name\trec_path"]
    rows: list[str] = []
    first: list[str] = []
    for number in range(tomograms):
        name = f"demo_{number + 1}"
        made = phantom(
            1000 * seed + number,
            shape=(DEEP_PX, side_px, side_px),
            voxel_nm=VOXEL_NM,
            holds=("cell",),
        )
        data = seen_in_tomogram(made.density, VOXEL_NM, np.random.default_rng([seed, number]))
        write_mrc(out / f"{name}.mrc", data, Frame((VOXEL_NM,) * 3, target=name))
        listed.append(f"{name}\t{name}.mrc")
        of_kind = made.particles[made.particles["kind"] == KIND]
        xyz = np.asarray(of_kind["center_nm"], float) / VOXEL_NM - 0.5
        inside = ((xyz >= 0) & (xyz <= np.array(made.density.shape[::-1]) - 1)).all(1)
        told = [f"{name}\t{x:.2f}\t{y:.2f}\t{z:.2f}" for x, y, z in xyz[inside]]
        rows += told
        first = first or [told[at] for at in np.argsort(xyz[inside][:, 0])]
    few = first[: max(6, round(_LABELLED * len(rows)))]
    header = "image_name\tx_coord\ty_coord\tz_coord"
    write_text_atomic(out / "all.txt", "\n".join([header, *rows]) + "\n")
    write_text_atomic(out / "few.txt", "\n".join([header, *few]) + "\n")
    write_text_atomic(out / "tomograms.txt", "\n".join(listed) + "\n")
    return {"particles": len(rows), "labelled": len(few), "diameter_nm": DIAMETER_NM}
