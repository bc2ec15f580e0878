"""All tilt series of a session, handed over to one program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from space.errors import SpaceError
from space.export import aretomo, imod, relion5, warp
from space.export.frames import SeriesFrames, find_frames
from space.export.series import Optics, TiltSeries, read_series
from space.files import write_text_atomic
from space.overview import AreaFacts, GridFacts, LamellaFacts, SeriesFacts, SessionFacts

MARK = "SPACE_export.json"
"""File that says that a folder is an export, and what is in it."""

_BY_FRAMES: dict[str, Callable[[Sequence[SeriesFrames], Optics], dict[str, str]]] = {
    "relion5": relion5.files,
    "warp": warp.files,
}
_BY_STACK: dict[str, Callable[[Sequence[TiltSeries], Optics], dict[str, str]]] = {
    "aretomo": aretomo.files,
    "imod": imod.files,
}
FORMATS = (*_BY_FRAMES, *_BY_STACK)
"""Programs to which a session can be handed over."""

_COLUMNS = (
    "grid", "lamella", "class", "area", "target", "score", "series", "pictures", "lowest_deg",
    "highest_deg", "tilt_axis_deg", "pixel_nm", "dose_per_tilt_e_per_a2", "dose_e_per_a2",
    "target_defocus_um", "measured_defocus_um", "lost", "stack", "mdoc",
)  # fmt: skip


@dataclass(frozen=True)
class _Found:
    """A series and where it belongs."""

    grid: GridFacts
    lamella: LamellaFacts
    area: int
    facts: SeriesFacts
    series: TiltSeries


@dataclass(frozen=True)
class Exported:
    """What was handed over.

    Attributes
    ----------
    out : Path
        The folder.
    series : tuple of str
        Names of the tilt series in it.
    left_out : dict of str to str
        Names of series that are not, and why.
    remarks : tuple of str
        What should be looked at before it is used.
    """

    out: Path
    series: tuple[str, ...]
    left_out: dict[str, str]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class FramesAt:
    """Where frames are, if not where the mdoc says, and their pixel size.

    Attributes
    ----------
    folder : Path or None
    pixel_nm : float or None
    """

    folder: Path | None = None
    pixel_nm: float | None = None


def export_session(
    session: SessionFacts,
    to: str,
    out: Path,
    optics: Optics | None = None,
    frames: FramesAt | None = None,
) -> Exported:
    """Write what a program imports for all tilt series of a session; data are not copied.

    Parameters
    ----------
    session : SessionFacts
    to : str
        One of `FORMATS`.
    out : Path
        A new or empty folder, or one of an earlier export, which is written anew.
    optics, frames : optional

    Raises
    ------
    SpaceError
        When the folder holds anything else, or no series can be handed over. Nothing is written
        then.
    """
    optics, frames = optics or Optics(), frames or FramesAt()
    _check_folder(out)
    found, left_out = _readable(session, optics)
    if to in _BY_FRAMES:
        without = {
            one.series.name: "no frames were saved" for one in found if not one.series.has_frames
        }
        left_out.update(without)
        found = [one for one in found if one.series.name not in without]
    if not found:
        raise SpaceError(
            "No tilt series can be handed over" + _reasons(left_out),
            str(session.directory),
            "For series without frames choose --to aretomo or --to imod."
            if to in _BY_FRAMES
            else "",
        )
    series = [one.series for one in found]
    remarks = [
        f"{one.name} was {one.lost}. All of it was handed over" for one in series if one.lost
    ]
    if to in _BY_FRAMES:
        placed = [find_frames(one, frames.folder, frames.pixel_nm) for one in series]
        texts = _BY_FRAMES[to](placed, optics)
        remarks += dict.fromkeys(remark for one in placed for remark in one.remarks)
    else:
        texts = _BY_STACK[to](series, optics)
    texts["series.csv"] = _csv(found)
    try:
        _write(out, to, texts)
    except OSError as error:
        do = "Name a folder on a disk with room, where files may be created: --out."
        raise SpaceError(f"The files cannot be written ({error}).", str(out), do) from error
    return Exported(out, tuple(one.name for one in series), left_out, tuple(remarks))


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise SpaceError("This is not a folder.", str(out), "Name a new one.")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise SpaceError(
            "This folder holds other files, which could be overwritten.",
            str(out),
            "Name a new or empty folder.",
        )


def _readable(session: SessionFacts, optics: Optics) -> tuple[list[_Found], dict[str, str]]:
    """Return the series that can be read, and why others cannot."""
    found: list[_Found] = []
    left_out: dict[str, str] = {}
    for grid, lamella, area, facts in _all_series(session):
        name = Path(facts.name).stem
        if facts.mdoc is None and facts.path is None:
            if not facts.skip:
                left_out[name] = "it was not acquired"
            continue
        try:
            stack = facts.path or area.targets_file.with_name(facts.name)
            found.append(_Found(grid, lamella, area.number, facts, read_series(stack, optics)))
        except SpaceError as error:
            left_out[name] = str(error)
    return found, left_out


def _all_series(
    session: SessionFacts,
) -> Iterator[tuple[GridFacts, LamellaFacts, AreaFacts, SeriesFacts]]:
    for grid in session.grids:
        for lamella in grid.lamellae:
            for area in lamella.areas:
                for facts in area.series:
                    yield grid, lamella, area, facts


def _reasons(left_out: dict[str, str]) -> str:
    if not left_out:
        return ": there is none."
    shown = "\n".join(f"  {name}: {reason}" for name, reason in list(left_out.items())[:10])
    return f":\n{shown}\n"


def _csv(found: Sequence[_Found]) -> str:
    """Return a table of all series, for people and for scripts of their own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in found:
        series = one.series
        measured = [d for i in series.images if (d := i.picture.defocus_um)]
        tilts = [image.tilt_deg for image in series.images]
        writer.writerow([
            one.grid.name, one.lamella.label, one.lamella.category, one.area, one.facts.target,
            _shown(one.facts.score), series.name, len(series.images), _shown(min(tilts)),
            _shown(max(tilts)), _shown(series.axis_deg), _shown(series.pixel_nm),
            _shown(series.dose_e_per_a2), _shown(sum(i.dose_e_per_a2 for i in series.images)),
            _shown(series.defocus_um), _shown(median(measured) if measured else None),
            series.lost, series.stack.resolve(), series.mdoc.resolve(),
        ])  # fmt: skip
    return text.getvalue()


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _write(out: Path, to: str, texts: dict[str, str]) -> None:
    """Write all files, the mark first: what follows may then be written anew."""
    out.mkdir(parents=True, exist_ok=True)
    mark = {"format": 1, "to": to, "files": sorted(texts)}
    write_text_atomic(out / MARK, json.dumps(mark, indent=1) + "\n")
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, text)
