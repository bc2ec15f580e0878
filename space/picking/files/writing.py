"""Picked particles for other programs: text, STAR of RELION 5, IMOD models, JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from space.errors import SpaceError, shown
from space.files import atomic_path, write_text_atomic
from space.packages import is_installed
from space.picking.files.axes import in_file_order
from space.picking.files.reading import FORMAT, to_centred_angstrom
from space.picking.files.tomogram import Tomogram
from space.picking.peaks import Picks
from space.star import table

_COLUMNS = ("image_name", "x_coord", "y_coord", "z_coord", "score")


def write_picks(
    folder: Path,
    picks: Mapping[str, Picks],
    tomograms: Mapping[str, Tomogram],
    kinds: Collection[str],
    stem: str = "picks",
) -> list[Path]:
    """Write the picks of all tomograms; return the files.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    picks : mapping of str to Picks
        By name of the tomogram, in voxels (z, y, x) of its file.
    tomograms : mapping of str to Tomogram
    kinds : collection of str
        Of `KINDS`. ``mod`` and ``points`` make a file for each tomogram, the others one for all.
    stem : str
        Name of the files for all, without suffix.

    Raises
    ------
    SpaceError
        If there is no such kind, or a package is missing.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise SpaceError(
            f"{shown(unknown[0])} is no kind of file for picks.",
            do=f"Name some of {', '.join(KINDS)}.",
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for kind in KINDS:
        if kind in kinds:
            made += KINDS[kind](folder, stem, picks, tomograms)
    return made


def _txt(
    folder: Path, stem: str, picks: Mapping[str, Picks], tomograms: Mapping[str, Tomogram]
) -> list[Path]:
    lines = ["\t".join(_COLUMNS)]
    for name, found in picks.items():
        for (z, y, x), score in zip(found.points_px, found.scores):
            lines.append(f"{name}\t{x:.2f}\t{y:.2f}\t{z:.2f}\t{score:.4f}")
    path = folder / f"{stem}.txt"
    write_text_atomic(path, "\n".join(lines) + "\n")
    return [path]


def _star(
    folder: Path, stem: str, picks: Mapping[str, Picks], tomograms: Mapping[str, Tomogram]
) -> list[Path]:
    columns = [
        "rlnTomoName",
        *(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"),
        "rlnAutopickFigureOfMerit",
    ]
    rows = []
    for name, found in picks.items():
        centred = to_centred_angstrom(found.points_px, tomograms[name])
        for (z, y, x), score in zip(centred, found.scores):
            rows.append((name, float(x), float(y), float(z), float(score)))
    path = folder / f"{stem}.star"
    write_text_atomic(path, table("particles", columns, rows))
    return [path]


def _json(
    folder: Path, stem: str, picks: Mapping[str, Picks], tomograms: Mapping[str, Tomogram]
) -> list[Path]:
    told = {
        name: {
            "file": str(tomograms[name].volume.path),
            "voxel_nm": tomograms[name].voxel_nm,
            "shape_zyx": list(tomograms[name].whole_shape),
            "particles": [
                {"x": round(float(x), 3), "y": round(float(y), 3), "z": round(float(z), 3),
                 "score": round(float(score), 6)}
                for (z, y, x), score in zip(found.points_px, found.scores)
            ],
        }
        for name, found in picks.items()
    }  # fmt: skip
    path = folder / f"{stem}.json"
    write_text_atomic(path, json.dumps({"format": FORMAT, "tomograms": told}, indent=1) + "\n")
    return [path]


def _points(
    folder: Path, stem: str, picks: Mapping[str, Picks], tomograms: Mapping[str, Tomogram]
) -> list[Path]:
    """Write the text that IMOD's point2model takes."""
    made = []
    for name, found in picks.items():
        points = in_file_order(found.points_px, tomograms[name].order)
        path = folder / f"{_as_file(name)}.points.txt"
        lines = [f"{a:10.2f}{b:10.2f}{c:10.2f}" for a, b, c in points]
        write_text_atomic(path, "\n".join(lines) + "\n" if lines else "")
        made.append(path)
    return made


def _mod(
    folder: Path, stem: str, picks: Mapping[str, Picks], tomograms: Mapping[str, Tomogram]
) -> list[Path]:
    made = []
    for name, found in picks.items():
        path = folder / f"{_as_file(name)}.mod"
        write_model(path, [in_file_order(found.points_px, tomograms[name].order)])
        made.append(path)
    return made


def write_model(path: Path, objects: list[np.ndarray], open_lines: bool = False) -> None:
    """Write an IMOD model: an object for each array of points (n, 3) in the order of the file.

    Parameters
    ----------
    path : Path
    objects : list of ndarray
    open_lines : bool
        Whether points are joined to lines, as along a filament.

    Raises
    ------
    SpaceError
        If the package for it is missing.
    """
    if not is_installed("imodmodel"):
        raise SpaceError(
            "IMOD models need the package imodmodel, which is missing.",
            str(path),
            'In the folder of the project, run pip install -e ".[tomo]", or write points and '
            "convert them with point2model.",
        )
    from imodmodel import ImodModel
    from imodmodel.models import Contour, Object

    model = ImodModel()
    for points in objects:
        one = Object()
        if len(points):
            one.contours.append(Contour(points=np.asarray(points, float)))
        one.header.flags.scattered = not open_lines
        one.header.flags.open = open_lines
        one.header.pdrawsize = 0 if open_lines else 5
        one.update_sizes()
        model.objects.append(one)
    model.update_sizes()
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # imodmodel calls pydantic by a name that it gives up
        model.to_file(temporary)


def _as_file(name: str) -> str:
    """Return a name of a tomogram as that of a file."""
    return "".join(sign if sign.isalnum() or sign in "._- " else "_" for sign in name).strip(". ")


Writer = Callable[[Path, str, Mapping[str, Picks], Mapping[str, Tomogram]], "list[Path]"]

KINDS: Mapping[str, Writer] = {
    "txt": _txt,
    "star": _star,
    "json": _json,
    "mod": _mod,
    "points": _points,
}
"""How each kind of file is written."""
