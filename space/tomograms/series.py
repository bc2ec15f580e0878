"""A tilt series on disk: which pictures go into its tomogram, and what is known of them.

SerialEM's notes are read by `space.series`, which judges them as well. Series of other programs
need a file of tilts, tilt axis and pixel size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from space import contrast
from space.errors import SpaceError
from space.files import decode, read_bytes_bounded
from space.mrc_header import Header, read_header
from space.series import Notes, Picture, TiltSeries, doses_e_A2, judge, notes_of, series_of

FEWEST = 5
"""Pictures without which there is no tomogram."""

MOST_PICTURES = 500
STEEPEST_DEG = 80.0
_LARGEST_MDOC_BYTES = 32_000_000
_LARGEST_PX = 20_000
_FAR_DEFOCUS_UM = 1.5
_LARGEST_UM = 100.0


@dataclass(frozen=True)
class Given:
    """What a user says of a series; None where its notes are to be believed.

    Attributes
    ----------
    tilt_file : Path or None
        One tilt for each section, in degrees.
    axis_deg, pixel_nm, dose_e_A2, voltage_kv : float or None
    defocus_um : float or None
        Of the whole series, under focus negative as in SerialEM.
    """

    tilt_file: Path | None = None
    axis_deg: float | None = None
    pixel_nm: float | None = None
    dose_e_A2: float | None = None
    voltage_kv: float | None = None
    defocus_um: float | None = None


@dataclass(frozen=True)
class View:
    """One picture that is used.

    Attributes
    ----------
    section : int
        In the image file, from 0.
    tilt_deg : float
        Of the stage.
    dose_e_A2, prior_e_A2 : float
        Of it, and of all before it; both 0 where they are not known.
    underfocus_um : float or None
    """

    section: int
    tilt_deg: float
    dose_e_A2: float = 0.0
    prior_e_A2: float = 0.0
    underfocus_um: float | None = None


@dataclass(frozen=True)
class Dropped:
    """One picture that is not used, and why."""

    section: int
    tilt_deg: float | None
    why: str


@dataclass(frozen=True)
class Series:
    """What goes into a tomogram.

    Attributes
    ----------
    path : Path
        The image file.
    views : tuple of View
        By tilt.
    dropped : tuple of Dropped
        By section.
    pixel_nm, axis_deg, voltage_kv : float
    stage_um : tuple or None
        (x, y, z) of the first picture.
    target : str
    knows_dose : bool
    """

    path: Path
    views: tuple[View, ...]
    dropped: tuple[Dropped, ...]
    pixel_nm: float
    axis_deg: float
    voltage_kv: float
    stage_um: tuple[float, float, float] | None
    target: str
    knows_dose: bool

    @property
    def tilts_deg(self) -> np.ndarray:
        """Tilts of the stage."""
        return np.array([view.tilt_deg for view in self.views])

    def without(self, why: Mapping[int, str]) -> Series:
        """Return the series without some sections.

        Raises
        ------
        SpaceError
            If too few are left.
        """
        gone = tuple(
            Dropped(view.section, view.tilt_deg, why[view.section])
            for view in self.views
            if view.section in why
        )
        views = tuple(view for view in self.views if view.section not in why)
        dropped = tuple(sorted((*self.dropped, *gone), key=lambda one: one.section))
        found = replace(self, views=views, dropped=dropped)
        found.check()
        return found

    def check(self) -> None:
        """Raise a SpaceError if there are too few pictures for a tomogram."""
        if len(self.views) >= FEWEST:
            return
        reasons = "; ".join(f"section {one.section}: {one.why}" for one in self.dropped[:4])
        more = f"; and {len(self.dropped) - 4} more" if len(self.dropped) > 4 else ""
        raise SpaceError(
            f"A tomogram needs {FEWEST} pictures, and of this series {len(self.views)} can be used"
            + (f" ({reasons}{more})." if reasons else "."),
            str(self.path),
            "See what became of the series: spacetomo report.",
        )


def read(path: Path, given: Given | None = None) -> Series:
    """Read what is said of a series, and drop the pictures that are not of the target.

    Raises
    ------
    SpaceError
        If something that is needed is neither noted nor given; says which option gives it.
    """
    given = given or Given()
    header = read_header(path)
    if max(header.shape) > _LARGEST_PX or header.sections > MOST_PICTURES:
        raise SpaceError(
            f"{header.sections} pictures of {header.shape[1]} x {header.shape[0]} pixels are no "
            "tilt series.",
            str(path),
            "Give the image file of one tilt series.",
        )
    data = _mdoc(path)
    notes = notes_of(data)
    _check_size(path, header, notes, given)
    pictures = _pictures(path, header, data, given)
    found = Series(
        path,
        (),
        (),
        _needed(path, given.pixel_nm or notes.pixel_nm, "pixel size", "--pixel 0.27 (nm)"),
        _needed(
            path,
            notes.axis_deg if given.axis_deg is None else given.axis_deg,
            "tilt axis",
            "--axis 85 (degrees from the vertical, counterclockwise, as IMOD's rotation angle)",
        ),
        given.voltage_kv or notes.voltage_kv or 300.0,
        _stage(pictures, notes),
        path.stem,
        False,
    )
    found = _chosen(found, header, pictures, given)
    found.check()
    return found


def _mdoc(path: Path) -> bytes:
    try:
        return read_bytes_bounded(path.with_name(path.name + ".mdoc"), _LARGEST_MDOC_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SpaceError(
            f"The notes of a tilt series cannot be read ({error}).", f"{path}.mdoc"
        ) from error


def _check_size(path: Path, header: Header, notes: Notes, given: Given) -> None:
    rows, columns = header.shape
    if notes.size_px and notes.size_px != (columns, rows) and given.pixel_nm is None:
        raise SpaceError(
            f"The pictures have {columns} x {rows} pixels, their notes say "
            f"{notes.size_px[0]} x {notes.size_px[1]}.",
            str(path),
            "If they were binned or cut, give the pixel size: --pixel 0.54 (nm).",
        )


def _needed(path: Path, value: float | None, what: str, option: str) -> float:
    if value is None or not math.isfinite(value):
        raise SpaceError(
            f"The {what} of this series is not known: it has no .mdoc file beside it that says it.",
            str(path),
            f"Copy the .mdoc file there, or give {option}.",
        )
    return float(value)


def _pictures(path: Path, header: Header, data: bytes, given: Given) -> tuple[Picture, ...]:
    """Return all pictures that have a tilt, in the order in which they were taken."""
    pictures = [one for one in series_of(data, path.stem).pictures if one.section is not None]
    if given.tilt_file is None:
        if pictures:
            return tuple(pictures)
        raise SpaceError(
            "The tilts of this series are not known: no .mdoc file beside it names them.",
            str(path),
            "Copy the .mdoc file there, or give a file with one tilt for each section: "
            "--tilt-file NAME.rawtlt.",
        )
    tilts = read_tilts(given.tilt_file)
    if len(tilts) != header.sections:
        raise SpaceError(
            f"The file names {len(tilts)} tilts, and the series has {header.sections} pictures.",
            str(given.tilt_file),
            "Give one tilt for each section, a line each.",
        )
    known = {one.section: one for one in pictures}
    return tuple(
        replace(known.get(section, Picture(tilt, section=section)), tilt_deg=tilt)
        for section, tilt in enumerate(tilts)
    )


def read_tilts(path: Path) -> tuple[float, ...]:
    """Read a file with one tilt in degrees on each line (.tlt, .rawtlt).

    Raises
    ------
    SpaceError
        If it cannot be read, or holds anything else.
    """
    try:
        words = decode(read_bytes_bounded(path, 1_000_000, follow_links=True)).split()
        tilts = tuple(float(word) for word in words)
    except (OSError, ValueError) as error:
        raise SpaceError(f"The tilts cannot be read ({error}).", str(path)) from error
    if not tilts or not all(abs(tilt) < 90 for tilt in tilts):
        raise SpaceError("This file holds no tilts between -90 and 90 degrees.", str(path))
    return tilts


def _stage(pictures: tuple[Picture, ...], notes: Notes) -> tuple[float, float, float] | None:
    height = next((one.height_um for one in pictures if one.height_um is not None), 0.0)
    return None if notes.stage_um is None else (*notes.stage_um, height or 0.0)


def _chosen(series: Series, header: Header, pictures: tuple[Picture, ...], given: Given) -> Series:
    """Sort by tilt, and leave out what shows something else or is not there."""
    quality = judge(TiltSeries(series.path.stem, pictures))
    doses = doses_e_A2(pictures, given.dose_e_A2)
    views, dropped, taken = [], [], set()
    for index, (picture, (dose, prior)) in enumerate(zip(pictures, doses)):
        section = picture.section or 0
        why = ""
        if section >= header.sections:
            why = "it is not in the image file"
        elif quality.lost and quality.lost[index]:
            why = f"the target was lost: {quality.text}"
        elif picture.tilt_deg in quality.spoilt_deg:
            why = "its counts are not those of the lamella"
        elif abs(picture.tilt_deg) > STEEPEST_DEG:
            why = f"it is tilted by more than {STEEPEST_DEG:g} degrees"
        taken.add(section)
        if why:
            dropped.append(Dropped(section, picture.tilt_deg, why))
            continue
        focus = _underfocus_um(picture, given)
        views.append(View(section, picture.tilt_deg, dose or 0.0, prior if dose else 0.0, focus))
    dropped += [
        Dropped(section, None, "its tilt is not known")
        for section in range(header.sections)
        if section not in taken
    ]
    return replace(
        series,
        views=tuple(sorted(views, key=lambda one: one.tilt_deg)),
        dropped=tuple(sorted(dropped, key=lambda one: one.section)),
        knows_dose=any(view.dose_e_A2 for view in views),
    )


def _underfocus_um(picture: Picture, given: Given) -> float | None:
    """Return the defocus: as given, as measured if that can be, as asked for, as the lens was."""
    asked = picture.target_defocus_um or picture.lens_defocus_um
    measured = picture.defocus_um
    if given.defocus_um is not None:
        found: float | None = given.defocus_um
    elif measured is not None and (asked is None or abs(measured - asked) <= _FAR_DEFOCUS_UM):
        found = measured
    else:
        found = asked
    return -found if found is not None and 0 < abs(found) < _LARGEST_UM else None


def useless(picture: np.ndarray) -> str:
    """Say why a picture shows nothing; empty if it does."""
    verdict = contrast.judge(picture)
    return verdict.seen if verdict.useless else ""
