"""Coordinates of particles in files of other programs.

All come as voxels of the tomogram, the first one at 0, by the name of the tomogram. IMOD models,
their points as text and tables without names are of the tomogram that the caller names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from space.errors import SpaceError, shown
from space.files import is_name, parse_json, read_bytes_bounded
from space.picking.files.axes import points_zyx
from space.picking.files.models import points_of
from space.picking.files.tables import columns_at, number, rows_of, text_of
from space.picking.files.tomogram import Tomogram
from space.picking.peaks import Picks
from space.predicates import is_number
from space.star import tables

FORMAT = "SPACEtomo picks 1"
_NAMES = ("image_name", "tomo_name", "name")
_AXES = (("x_coord", "x"), ("y_coord", "y"), ("z_coord", "z"))
_SCORES = ("score", "rlnautopickfigureofmerit")
_MOST_POINTS = 5_000_000
_LARGEST_MODEL_BYTES = 200_000_000
_ANGSTROM_PER_NM = 10.0


def read_coordinates(
    path: Path,
    tomograms: Mapping[str, Tomogram],
    order: str = "xyz",
    scale: float = 1.0,
) -> dict[str, Picks]:
    """Return the particles of each tomogram in a file.

    Parameters
    ----------
    path : Path
        ``.mod`` of IMOD, ``.star`` of RELION 5, ``.json`` of this program, or text: a table with
        the columns image_name, x_coord, y_coord and z_coord, or three numbers in a line (also as
        model2point writes them, with object and contour before).
    tomograms : mapping of str to Tomogram
        By name. A file that names none is of the only one, or of that which has its stem.
    order : str
        Axes of the three numbers, in text and in models.
    scale : float
        Voxels of the tomogram for one of the file, for coordinates of other binning.

    Returns
    -------
    dict of str to Picks
        In voxels (z, y, x) of the tomogram's file. Scores are 1 where a file has none.

    Raises
    ------
    SpaceError
        If the file cannot be understood, or a particle lies outside of its tomogram.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".mod":
        found = {_only(path, tomograms): _scored(points_zyx(_model_points(path), order))}
    elif suffix == ".star":
        found = _star(path, tomograms, scale)
        scale = 1.0
    elif suffix == ".json":
        found = _json(path)
    else:
        found = _text(path, tomograms, order)
    return {
        name: _checked(Picks(picks.points_px * scale, picks.scores), name, path, tomograms)
        for name, picks in found.items()
    }


def _checked(picks: Picks, name: str, path: Path, tomograms: Mapping[str, Tomogram]) -> Picks:
    if name not in tomograms:
        have = ", ".join(map(shown, sorted(tomograms)[:6]))
        raise SpaceError(
            f"It has particles in {shown(name)}, which no tomogram is called; there are {have}.",
            str(path),
            "Name the tomograms in the list as the coordinates do.",
        )
    shape = np.array(tomograms[name].whole_shape)
    outside = ((picks.points_px < -0.5) | (picks.points_px > shape - 0.5)).any(1)
    if outside.any():
        z, y, x = picks.points_px[int(outside.argmax())]
        raise SpaceError(
            f"{int(outside.sum())} of {len(picks)} particles lie outside of {shown(name)}, "
            f"one of them at x {x:.1f}, y {y:.1f}, z {z:.1f}.",
            str(path),
            "Give the order of its axes (--coordinate-order), or how many voxels of the tomogram "
            "one of the file is (--scale).",
        )
    return picks


def _only(path: Path, tomograms: Mapping[str, Tomogram]) -> str:
    """Return the name of the tomogram that a file without names is of."""
    if path.stem in tomograms or len(tomograms) != 1:
        return path.stem
    return next(iter(tomograms))


def _scored(points_px: np.ndarray, scores: np.ndarray | None = None) -> Picks:
    if len(points_px) > _MOST_POINTS:
        raise SpaceError(f"{len(points_px)} particles are more than any tomogram has.")
    values = np.ones(len(points_px)) if scores is None else np.asarray(scores, float)
    best = np.argsort(-values, kind="stable")
    return Picks(points_px[best], values[best])


# --- each kind ------------------------------------------------------------------------------------


def _model_points(path: Path) -> np.ndarray:
    """Return the points (n, 3) of an IMOD model as they stand in it."""
    try:
        found = points_of(read_bytes_bounded(path, _LARGEST_MODEL_BYTES, follow_links=True))
    except OSError as error:
        raise SpaceError(
            f"The model cannot be read ({error.strerror or error}).", str(path)
        ) from error
    except ValueError as error:
        raise SpaceError(f"This is no whole model of IMOD: {error}.", str(path)) from error
    if not (np.abs(found) < 1e9).all():
        raise SpaceError("The model has points that are no numbers.", str(path))
    return found


def _text(path: Path, tomograms: Mapping[str, Tomogram], order: str) -> dict[str, Picks]:
    rows = rows_of(text_of(path))
    if rows and _is_numbers(rows[0]):
        wide = min(len(row) for row in rows)
        if wide < 3:
            raise SpaceError("A row has less than three numbers.", str(path))
        # With object and contour in front, as model2point does when it is asked to.
        first = max(0, wide - 3)
        numbers = [
            [number(field, path, at) for field in row[first : first + 3]]
            for at, row in enumerate(rows, 1)
        ]
        return {_only(path, tomograms): _scored(points_zyx(np.array(numbers), order))}
    if len(rows) < 2:
        raise SpaceError(
            "The file has no particles.",
            str(path),
            "Write image_name, x_coord, y_coord and z_coord into its first line, with tabs between "
            "them, and a particle into each other.",
        )
    name_at, *at = columns_at(path, rows[0], (_NAMES, *_AXES))
    lower = [one.lower() for one in rows[0]]
    score_at = next((lower.index(one) for one in _SCORES if one in lower), None)
    points: dict[str, list[list[float]]] = {}
    scores: dict[str, list[float]] = {}
    for line, row in enumerate(rows[1:], 2):
        if len(row) < len(rows[0]) or not is_name(row[name_at]):
            raise SpaceError(f"Row {line} has not all columns.", str(path))
        name = row[name_at]
        points.setdefault(name, []).append([number(row[column], path, line) for column in at])
        score = 1.0 if score_at is None else number(row[score_at], path, line)
        scores.setdefault(name, []).append(score)
    return {
        name: _scored(points_zyx(np.array(found), order), np.array(scores[name]))
        for name, found in points.items()
    }


def _is_numbers(fields: list[str]) -> bool:
    try:
        return all(np.isfinite(float(field)) for field in fields)
    except ValueError:
        return False


def _star(path: Path, tomograms: Mapping[str, Tomogram], scale: float) -> dict[str, Picks]:
    try:
        found = tables(text_of(path))
    except ValueError as error:
        raise SpaceError(f"This is no STAR file: {error}.", str(path)) from error
    block = next((one for one in found.values() if "rlnTomoName" in one), None)
    if block is None:
        raise SpaceError("It has no table with rlnTomoName.", str(path))
    centred = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    plain = [f"rlnCoordinate{axis}" for axis in "XYZ"]
    columns = next((one for one in (centred, plain) if all(c in block for c in one)), None)
    if columns is None:
        raise SpaceError(
            f"It has neither {centred[0]} nor {plain[0]} with those of Y and Z.", str(path)
        )
    names = block["rlnTomoName"]
    xyz = np.array(
        [[number(f, path, at) for f in fields]
         for at, fields in enumerate(zip(*(block[one] for one in columns)), 1)]
    ).reshape(-1, 3)  # fmt: skip
    merit = block.get("rlnAutopickFigureOfMerit")
    values = np.array([number(f, path, at) for at, f in enumerate(merit or ["1"] * len(names), 1)])
    picks = {}
    for name in dict.fromkeys(names):
        of_it = np.array([one == name for one in names])
        points = points_zyx(xyz[of_it], "xyz")
        if columns is centred:
            points = from_centred_angstrom(points, _known(name, path, tomograms))
        else:
            points = points * scale
        picks[name] = _scored(points, values[of_it])
    return picks


def _known(name: str, path: Path, tomograms: Mapping[str, Tomogram]) -> Tomogram:
    if name not in tomograms:
        raise SpaceError(
            f"It has particles in {shown(name)}, which no tomogram is called.",
            str(path),
            "Name the tomograms in the list as rlnTomoName does.",
        )
    return tomograms[name]


def from_centred_angstrom(points: np.ndarray, tomogram: Tomogram) -> np.ndarray:
    """Return voxels (z, y, x) of what is counted from the middle of a tomogram in angstrom.

    The middle is half the number of voxels, the first one being 0, as RELION 5 takes it.
    """
    return points / (_ANGSTROM_PER_NM * tomogram.voxel_nm) + np.array(tomogram.whole_shape) / 2


def to_centred_angstrom(points_px: np.ndarray, tomogram: Tomogram) -> np.ndarray:
    """Return what `from_centred_angstrom` was given."""
    return (points_px - np.array(tomogram.whole_shape) / 2) * _ANGSTROM_PER_NM * tomogram.voxel_nm


def _json(path: Path) -> dict[str, Picks]:
    try:
        values = parse_json(
            read_bytes_bounded(path, _LARGEST_MODEL_BYTES, follow_links=True).decode("utf-8-sig")
        )
    except (OSError, ValueError) as error:
        raise SpaceError(f"The picks cannot be read ({error}).", str(path)) from error
    told = values.get("tomograms") if isinstance(values, dict) else None
    if not isinstance(values, dict) or values.get("format") != FORMAT or not isinstance(told, dict):
        raise SpaceError(f"This is no file of picks: it does not say {FORMAT}.", str(path))
    return {name: _json_picks(name, one, path) for name, one in told.items()}


def _json_picks(name: str, told: object, path: Path) -> Picks:
    rows = told.get("particles") if isinstance(told, dict) else None
    keys = ("x", "y", "z", "score")
    fine = isinstance(rows, list) and all(
        isinstance(row, dict) and all(is_number(row.get(key)) for key in keys) for row in rows
    )
    if not fine or not isinstance(rows, list):
        raise SpaceError(
            f"The particles of {shown(name)} are no list of x, y, z and score.", str(path)
        )
    numbers = np.array([[row[key] for key in keys] for row in rows], float).reshape(-1, 4)
    return _scored(points_zyx(numbers[:, :3], "xyz"), numbers[:, 3])
