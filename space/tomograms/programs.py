"""IMOD and AreTomo, where they are installed: called with lists of arguments, never by a shell.

Both get the used pictures sorted by tilt, in a file of their own, in a folder that is removed
afterwards. IMOD's `newstack` and `tilt` work with our alignment; AreTomo aligns by itself.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

from space.errors import SpaceError
from space.files import write_text_atomic
from space.tomograms import imod_files
from space.tomograms.alignment import Aligned
from space.tomograms.extent import Extent
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.options import Options
from space.tomograms.series import Series
from space.tomograms.tracking import Lamella, frame_grid
from space.volumes import Frame, open_volume, write_mrc, write_zarr

_IMOD = ("newstack", "tilt")
_ARETOMO = ("AreTomo3", "AreTomo2", "AreTomo")
_LONGEST_SHOWN = 400

Tell = Callable[[str, float], None]


def found(program: str) -> dict[str, str]:
    """Return the programs of a package that are on the PATH.

    Raises
    ------
    SpaceError
        If one that is needed is missing.
    """
    if program == "imod":
        there = {name: shutil.which(name) for name in _IMOD}
        missing = [name for name, path in there.items() if path is None]
        if not missing:
            return {name: path for name, path in there.items() if path is not None}
        what = f"IMOD's {' and '.join(missing)} cannot be found."
    else:
        for name in _ARETOMO:
            path = shutil.which(name)
            if path:
                return {"aretomo": path}
        what = f"AreTomo cannot be found (neither {', '.join(_ARETOMO)})."
    raise SpaceError(what, "PATH", "Install it, or leave out --with.")


def call(arguments: Sequence[str], folder: Path, what: str) -> None:
    """Run a program and wait for it.

    Raises
    ------
    SpaceError
        If it cannot be started or fails; with the last lines that it printed.
    """
    try:
        ended = subprocess.run(
            list(arguments),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise SpaceError(f"{what} cannot be started ({error}).", arguments[0]) from error
    if ended.returncode:
        said = " ".join(ended.stdout.decode("utf-8", "replace").split())[-_LONGEST_SHOWN:]
        raise SpaceError(
            f"{what} ended with status {ended.returncode}" + (f": {said}" if said else "."),
            " ".join(arguments),
        )


@contextmanager
def _workplace(out: Path, name: str) -> Iterator[Path]:
    folder = out / f".{name}.{uuid4().hex[:8]}.part"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _frame(series: Series, shape: tuple[int, ...], pixel_nm: float) -> Frame:
    z, y, x = (-(side - 1) / 2 * pixel_nm for side in shape)
    return Frame((pixel_nm,) * 3, (z, y, x), "right", series.stage_um, series.target)


def _sorted_stack(series: Series, folder: Path) -> Path:
    """Write the used pictures by tilt, as they are on disk."""
    opened = open_volume(series.path, voxel_nm=(series.pixel_nm,) * 3)
    pictures = np.concatenate([opened[v.section : v.section + 1] for v in series.views])
    path = folder / f"{series.path.stem}.st"
    write_mrc(path, pictures, Frame((series.pixel_nm,) * 3))
    return path


def by_imod(
    series: Series, stack: Stack, options: Options, out: Path, alignment: Alignment, tell: Tell
) -> None:
    """Reconstruct with IMOD's newstack and tilt, and our alignment."""
    there = found("imod")
    name = series.path.stem
    grid = frame_grid(stack, alignment.axis_deg)
    layers = max(8, round(options.thickness_nm / stack.pixel_nm))
    with _workplace(out, name) as folder:
        tell("IMOD", 0.0)
        source = _sorted_stack(series, folder)
        xf, tlt = imod_files.write(folder, name, alignment, series.pixel_nm)
        aligned, volume = folder / f"{name}.ali", folder / f"{name}.rec"
        call(
            [
                there["newstack"], "-input", str(source), "-output", str(aligned),
                "-xform", str(xf), "-bin", str(options.binning), "-float", "2", "-antialias", "5",
                "-size", f"{grid.columns},{grid.rows}",
            ],
            folder,
            "IMOD's newstack",
        )  # fmt: skip
        tell("IMOD", 0.3)
        method = (
            ["-FakeSIRTiterations", str(options.iterations)] if options.method == "sirt" else []
        )
        call(
            [
                there["tilt"], "-input", str(aligned), "-output", str(volume),
                "-TILTFILE", str(tlt), "-THICKNESS", str(layers), "-MODE", "2",
                "-RADIAL", "0.35,0.05", "-FULLIMAGE", f"{grid.columns},{grid.rows}", *method,
            ],
            folder,
            "IMOD's tilt",
        )  # fmt: skip
        _taken(series, volume, stack.pixel_nm, out, "IMOD's tilt")


def _taken(series: Series, volume: Path, pixel_nm: float, out: Path, who: str) -> None:
    """Take over a tomogram whose sections are planes across the tilt axis.

    Its rows count z the other way round: turned by 90 degrees about x, as `trimvol -rx` does, it
    keeps its hand.
    """
    if not volume.is_file():
        raise SpaceError(f"{who} wrote no tomogram.", str(volume))
    opened = open_volume(volume, voxel_nm=(pixel_nm,) * 3)
    data = np.ascontiguousarray(opened[:].transpose(1, 0, 2)[::-1].astype(np.float32))
    frame = _frame(series, data.shape, pixel_nm)
    name = series.path.stem
    write_zarr(out / f"{name}_rec.zarr", data, frame, replace=True)
    write_mrc(out / f"{name}_rec.mrc", data, frame)


def by_aretomo(series: Series, stack: Stack, options: Options, out: Path, tell: Tell) -> Aligned:
    """Align and reconstruct with AreTomo; its residuals are not known to us."""
    there = found("aretomo")
    name = series.path.stem
    n = len(series.views)
    with _workplace(out, name) as folder:
        tell("AreTomo", 0.0)
        source = _sorted_stack(series, folder)
        angles, volume = folder / f"{name}.rawtlt", folder / f"{name}_rec.mrc"
        write_text_atomic(angles, "".join(f"{tilt:.2f}\n" for tilt in series.tilts_deg))
        depth = math.ceil(options.thickness_nm / series.pixel_nm)
        dose = [
            *("-Kv", f"{series.voltage_kv:g}"),
            *("-ImgDose", f"{float(np.mean([v.dose_e_A2 for v in series.views])):.4g}"),
        ]  # fmt: skip
        call(
            [
                there["aretomo"], "-InMrc", str(source), "-OutMrc", str(volume),
                "-AngFile", str(angles), "-TiltAxis", f"{series.axis_deg:.2f}", "1",
                "-TiltCor", "1", "-VolZ", str(depth), "-OutBin", str(options.binning),
                "-PixSize", f"{series.pixel_nm * 10:.5g}", "-FlipVol", "1",
                "-OutImod", "1", "-Wbp", "1" if options.method == "wbp" else "0",
                *(dose if options.dose and series.knows_dose else []),
            ],
            folder,
            "AreTomo",
        )  # fmt: skip
        if not volume.is_file():
            raise SpaceError("AreTomo wrote no tomogram.", str(volume))
        opened = open_volume(volume, voxel_nm=(stack.pixel_nm,) * 3)
        data = opened[:].astype(np.float32)
        frame = _frame(series, data.shape, stack.pixel_nm)
        write_zarr(out / f"{name}_rec.zarr", data, frame, replace=True)
        write_mrc(out / f"{name}_rec.mrc", data, frame)
        alignment = _of_aretomo(folder, name, series)
    unknown = np.full(n, np.nan)
    return Aligned(alignment, Lamella(0.0, 0.0, 0.0), Extent(0.0, 0.0, 0.0), unknown, np.zeros(n))


def _of_aretomo(folder: Path, name: str, series: Series) -> Alignment:
    """Return AreTomo's alignment from the files for IMOD that it wrote, if it did."""
    for xf in sorted(folder.rglob("*.xf")):
        tlt = next(iter(sorted(xf.parent.glob("*.tlt"))), None)
        if tlt is not None:
            return imod_files.read(xf, tlt, series.pixel_nm)
    return Alignment(series.axis_deg, series.tilts_deg, np.zeros((len(series.views), 2)))
