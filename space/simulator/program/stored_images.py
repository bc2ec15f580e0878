"""Makes images of what lies in files: single sections and whole montages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.formats import mdoc, mrc
from space.simulator.formats.autodoc import Section
from space.simulator.formats.mdoc import Mdoc
from space.simulator.imaging.images import Image
from space.simulator.montage import assembly as montage
from space.simulator.montage import piece_alignment
from space.simulator.montage.layout import Layout, Piece, Pieces
from space.simulator.montage.settings import MontageSettings
from space.simulator.program.files import montage_of, read_mdoc

if TYPE_CHECKING:
    from space.simulator.column.scope import Microscope

_BINNING = re.compile(r"\bbinning = ([0-9.]+)")  # in a title that SerialEM writes


class StoredImageError(ValueError):
    """The file has no such image."""


@dataclass(frozen=True)
class LoadedMontage:
    """A montage in memory: composite of the centre and overview, as for buffers A and B."""

    center: Image
    overview: Image


def read_single(path: Path, section: int, scope: Microscope) -> Image:
    """Read one section with all that header and mdoc hold about it.

    Without notes it counts as taken at the present magnification with the current camera.

    Raises
    ------
    StoredImageError
        If it cannot be read.
    """
    try:
        data = mrc.read_section(path, section)
        header = mrc.read_header(path)
        info = mrc.read_info(path, section)
    except (OSError, mrc.MrcError) as problem:
        raise StoredImageError(f"cannot read section {section} of {path}: {problem}") from problem
    data.setflags(write=False)
    document = read_mdoc(path)
    notes = document.image(section) if document is not None else None
    pixel_um = header.pixel_A / 1e4
    if notes is None:
        return _without_notes(data, header, info, scope)
    return describe(data, notes, pixel_um, scope)


def _without_notes(
    data: np.ndarray, header: mrc.Header, info: mrc.SectionInfo, scope: Microscope
) -> Image:
    """Give an image of which only the MRC file tells something, a pixel size at most."""
    mag_index = scope.mag_index
    unbinned_um = scope.pixel_um(mag_index)
    titles = [_BINNING.search(title) for title in header.titles]
    noted = next((float(found[1]) for found in titles if found), 0.0)
    stored_um = header.pixel_A / 1e4
    binning = noted or float(max(1, round(stored_um / unbinned_um)))
    return Image(
        data,
        binning,
        stored_um or unbinned_um * binning,
        mag_index,
        stage_um=None,
        tilt_deg=info.tilt_deg,
        intensity=info.intensity,
        rotation_deg=scope.rotation_deg(mag_index),
        magnification=scope.magnification(mag_index),
    )


def describe(data: np.ndarray, notes: Section, pixel_um: float, scope: Microscope) -> Image:
    """Give an image from its pixels and its section in the mdoc."""
    camera_set, low_dose = mdoc.camera_set_of(notes.integer("LowDoseConSet", 0))
    if "LowDoseConSet" not in notes.values:
        camera_set = -1
    mag_index = notes.integer("MagIndex")
    binning = notes.number("Binning")
    tilt_deg = notes.number("TiltAngle")
    shift = notes.pair("ImageShift")
    stage_um = notes.pair("StagePosition") if notes.floats("StagePosition") else None
    nav_xy_um = (0.0, 0.0)
    if stage_um is not None:
        index = mag_index or scope.mag_index
        nav_xy_um = scope.adjust_stage_for_nav(*stage_um, *shift, tilt_deg, index)
    matrix = ((1.0, 0.0), (0.0, 1.0))
    if mag_index > 0 and binning > 0:
        found = scope.optics.stage_to_image(mag_index, binning, tilt_deg)
        (a, b), (c, d) = found.tolist()
        matrix = ((a, b), (c, d))
    return Image(
        data=data,
        binning=binning,
        pixel_um=notes.number("PixelSpacing", pixel_um * 1e4) / 1e4,
        mag_index=mag_index,
        camera=notes.integer("CameraIndex"),
        camera_set=camera_set,
        low_dose=low_dose,
        exposure_s=notes.number("ExposureTime"),
        stage_um=stage_um,
        stage_z_um=notes.number("StageZ"),
        tilt_deg=tilt_deg,
        image_shift=shift,
        nav_xy_um=nav_xy_um,
        stage_to_px=matrix,
        rotation_deg=notes.number("RotationAngle"),
        defocus_um=notes.number("Defocus"),
        dose_e_A2=notes.number("ExposureDose"),
        intensity=notes.number("Intensity"),
        spot_size=notes.integer("SpotSize"),
        probe_mode=notes.integer("ProbeMode", 1),
        time=notes.values.get("DateTime", ""),
        magnification=notes.number("Magnification"),
        divided_by_2=bool(notes.integer("DividedBy2")),
        entries=mdoc.kept_entries(notes),
    )


def assemble(
    pieces: Mapping[Piece, Image],
    layout: Layout,
    shifts_px: Mapping[Piece, tuple[float, float]],
    center_um: tuple[float, float] | None,
    nav_xy_um: tuple[float, float] = (0.0, 0.0),
    image_shift: tuple[float, float] = (0.0, 0.0),
    overview_binning: int = 0,
    move_stage: bool = True,
    polygon_id: int = 0,
    unbinned: bool = False,
) -> LoadedMontage:
    """Put a montage together.

    Parameters
    ----------
    pieces : mapping (ix, iy) -> Image
        The pieces.
    layout : Layout
        Their nominal places.
    shifts_px : mapping
        Shifts from there, from alignment.
    center_um : tuple of float or None
        Raw stage position of the montage's centre; None when it is not known.
    nav_xy_um : tuple of float
        Its Navigator position.
    image_shift : tuple of float
        Image shift at the centre, scope units.
    overview_binning : int
        Piece pixels per overview pixel; 0 = as few as the size limit allows.
    move_stage : bool
        Whether the stage was moved between pieces.
    polygon_id : int
        Map ID of the item that the montage was fitted to, 0 = none.
    unbinned : bool
        Whether the overview has the pixels of the pieces, whatever its binning and size would be.
    """
    least = montage.overview_binning(layout.size_px)
    binning = 1 if unbinned else max(overview_binning, least)
    data = {piece: image.data for piece, image in pieces.items()}
    whole = montage.stitch(data, layout, shifts_px, binning)
    middle = montage.center_composite(data, layout, shifts_px)
    for array in (whole, middle):
        array.setflags(write=False)
    last = pieces[list(pieces)[-1]]
    (a, b), (c, d) = last.stage_to_px
    overview = replace(
        last,
        data=whole,
        binning=last.binning * binning,
        pixel_um=last.pixel_um * binning,
        stage_um=center_um,
        nav_xy_um=nav_xy_um,
        image_shift=image_shift,
        stage_to_px=((a / binning, b / binning), (c / binning, d / binning)),
        pieces=Pieces(layout, dict(shifts_px), binning, last.binning, move_stage, polygon_id),
        exposure_index=-1,
    )
    return LoadedMontage(replace(last, data=middle, exposure_index=-1), overview)


def read_montage(
    path: Path,
    number: int,
    scope: Microscope,
    settings: MontageSettings,
    unbinned: bool = False,
) -> LoadedMontage:
    """Read the pieces of a montage and put them together.

    They lie as they were aligned when they were taken, or as they are aligned now where the
    settings say so; at their nominal places where pieces are not to be aligned.

    Raises
    ------
    StoredImageError
        If the file holds no such montage.
    """
    try:
        document = read_mdoc(path)
        params = montage_of(path, document)
        if params is None or document is None:
            raise StoredImageError(f"{path} holds no montage")
        sections = {
            _piece(path, section, params.layout): section
            for section in range(mrc.read_header(path).sections)
            if mrc.read_info(path, section).piece[2] == number
        }
    except (OSError, mrc.MrcError) as problem:
        raise StoredImageError(f"cannot read the montage in {path}: {problem}") from problem
    if not sections:
        raise StoredImageError(f"{path} has no montage {number}")
    layout = params.layout
    if set(sections) != set(layout.order):
        everything = set(replace(layout, skipped=frozenset()).order)
        layout = replace(layout, skipped=frozenset(everything - set(sections)))
    pieces = {piece: read_single(path, section, scope) for piece, section in sections.items()}
    shifts = _shifts(settings, document, sections, layout, pieces)
    center_um = _center(document, number, pieces, layout)
    whole = document.montage(number) or Section(mdoc.MONTAGE, str(number))
    shift = whole.pair("ImageShift")
    last = next(reversed(pieces.values()))
    index = last.mag_index or scope.mag_index
    loaded = assemble(
        pieces,
        layout,
        shifts,
        center_um,
        scope.adjust_stage_for_nav(*center_um, *shift, last.tilt_deg, index),
        shift,
        settings.overview_binning,
        bool(whole.integer("MoveStage", int(params.move_stage))),
        whole.integer("FitToPolyID"),
        unbinned,
    )
    return LoadedMontage(
        replace(loaded.center, file=str(path), section=number),
        replace(loaded.overview, file=str(path), section=number),
    )


def _piece(path: Path, section: int, layout: Layout) -> Piece:
    x, y, _ = mrc.read_info(path, section).piece
    return x // layout.spacing_px[0], y // layout.spacing_px[1]


def _shifts(
    settings: MontageSettings,
    document: Mdoc,
    sections: Mapping[Piece, int],
    layout: Layout,
    pieces: Mapping[Piece, Image],
) -> dict[Piece, tuple[float, float]]:
    if not settings.align_pieces:
        return {}
    if not settings.redo_correlations:
        return _stored_shifts(document, sections, layout)
    pixel_um = next(iter(pieces.values())).pixel_um
    limit_px = piece_alignment.limit_px(settings.very_sloppy, pixel_um)
    data = {piece: image.data for piece, image in pieces.items()}
    return piece_alignment.align_pieces(data, layout, limit_px)


def _stored_shifts(
    document: Mdoc, sections: Mapping[Piece, int], layout: Layout
) -> dict[Piece, tuple[float, float]]:
    """Shifts (columns, rows down) from the aligned piece coordinates, which have Y up."""
    shifts = {}
    for piece, section in sections.items():
        notes = document.image(section)
        aligned = notes.floats("AlignedPieceCoords") if notes is not None else ()
        if not aligned and notes is not None:
            aligned = notes.floats("AlignedPieceCoordsVS")
        if len(aligned) >= 2:
            x, y = layout.coordinates_px(piece)
            shifts[piece] = (aligned[0] - x, y - aligned[1])
    return shifts


def _center(
    document: Mdoc, number: int, pieces: Mapping[Piece, Image], layout: Layout
) -> tuple[float, float]:
    """Stage position of the centre: noted in the MontSection, else from the pieces."""
    notes = document.montage(number)
    if notes is not None and len(notes.floats("StagePosition")) >= 2:
        return notes.pair("StagePosition")
    guesses = []
    for piece, image in pieces.items():
        matrix = np.asarray(image.stage_to_px) * ((1.0,), (-1.0,))
        move = np.linalg.solve(matrix, np.asarray(layout.offset_px(piece)))
        guesses.append(np.asarray(image.stage_um or (0.0, 0.0)) - move)
    x, y = np.mean(guesses, axis=0)
    return float(x), float(y)
