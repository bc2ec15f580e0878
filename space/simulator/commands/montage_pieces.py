"""Takes the pieces of a montage into a file and notes there how they fit together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from space.simulator.column.errors import SEMerror
from space.simulator.column.letters import SET_LETTERS
from space.simulator.column.optics import tilt_cosine
from space.simulator.commands.files import store
from space.simulator.formats import mdoc
from space.simulator.formats.autodoc import Section, number_text
from space.simulator.imaging.images import Image
from space.simulator.montage import piece_alignment
from space.simulator.montage.layout import Layout, Piece, blocks_of
from space.simulator.montage.piece_alignment import Match
from space.simulator.montage.settings import MontageParams
from space.simulator.program.files import ImageFile
from space.simulator.program.stored_images import LoadedMontage, assemble

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter
    from space.simulator.program.session import Session

# What a montage as a whole does not have of its last piece.
OF_PIECES = (
    "PieceCoordinates", "NominalStageXY", "MinMaxMean", "UncroppedSize", "AlignedPiece", "Xedge",
    "Yedge",
)  # fmt: skip


@dataclass(frozen=True)
class Stop:
    """Where one piece is taken.

    Parameters
    ----------
    piece : tuple of int
        The piece (ix, iy).
    stage_px : tuple of float
        What the stage centres: from the centre of the montage, piece pixels, Y up.
    shift_px : tuple of float
        What the image shift adds to that.
    """

    piece: Piece
    stage_px: tuple[float, float]
    shift_px: tuple[float, float]


def plan(params: MontageParams, pixel_um: float) -> Iterator[Stop]:
    """Give the pieces in the order in which they are taken.

    A stage montage moves the stage to each piece, an image shift montage nowhere. With blocks
    the stage moves to the middle of a block, and image shift reaches its pieces.

    Parameters
    ----------
    params : MontageParams
        The montage.
    pixel_um : float
        Size of a piece's pixel on the specimen.
    """
    layout = params.layout
    nowhere = (0.0, 0.0)
    if not params.move_stage:
        yield from (Stop(piece, nowhere, layout.offset_px(piece)) for piece in layout.order)
        return
    if params.block_um <= 0:
        yield from (Stop(piece, layout.offset_px(piece), nowhere) for piece in layout.order)
        return
    for block in blocks_of(layout, params.block_um / pixel_um):
        offsets = np.array([layout.offset_px(piece) for piece in block])
        middle = (offsets.min(axis=0) + offsets.max(axis=0)) / 2
        for piece, offset in zip(block, offsets):
            yield Stop(piece, tuple(middle.tolist()), tuple((offset - middle).tolist()))


def acquire(
    session: Session, file: ImageFile, params: MontageParams, letter: SetLetter, camera_set: int
) -> LoadedMontage:
    """Take all pieces into the file, align them and put them together.

    Parameters
    ----------
    session : Session
        The session, at the magnification of the montage.
    file : ImageFile
        A montage file.
    params : MontageParams
        Its montage.
    letter : str
        Camera set that takes the pieces.
    camera_set : int
        Number of the set to note with them.

    Raises
    ------
    SEMerror
        If a piece cannot be taken; those before it are in the file.
    """
    scope = session.scope
    number = file.montages
    start, shift = scope.stage.position_um[:2], scope.image_shift
    center = params.center_um or start
    pixel_um = params.binning * scope.pixel_um(scope.mag_index)
    pieces: dict[Piece, Image] = {}
    sections: dict[Piece, int] = {}
    try:
        for stop in plan(params, pixel_um):
            nominal = _go_to(session, params, stop, center, shift)
            image = _piece(session, params, letter, camera_set, nominal)
            sections[stop.piece] = file.sections
            image = store(session, image, file, stop.piece, number)
            session.buffers.push(image)
            pieces[stop.piece] = image
    finally:
        scope.set_image_shift(*shift)
        if params.move_stage:
            scope.stage.move_to(*start)
    matches = _matches(session, params, pieces, pixel_um)
    shifts = piece_alignment.solve(sorted(pieces), matches) if matches is not None else {}
    if file.document is not None:
        _note_fit(session, file, params.layout, sections, shifts, matches or [], number)
        _note_whole(session, file, params, sections, number, center, letter)
        file.write_mdoc()
    return assemble(
        pieces,
        params.layout,
        shifts,
        center,
        scope.adjust_stage_for_nav(*center, *shift),
        shift,
        session.montage.overview_binning,
        params.move_stage,
        params.polygon_id,
    )


def _piece(
    session: Session,
    params: MontageParams,
    letter: SetLetter,
    camera_set: int,
    nominal: tuple[float, float],
) -> Image:
    """Take a picture; where the stage was moved, the mdoc gets the nominal position."""
    image = session.acquire_image(
        letter,
        camera_set=camera_set,
        binning=params.binning,
        frame_px=params.layout.frame_px,
    )
    if not params.move_stage:
        return image
    return replace(image, entries={**image.entries, "NominalStageXY": number_text(nominal)})


def _go_to(
    session: Session,
    params: MontageParams,
    stop: Stop,
    center: tuple[float, float],
    shift: tuple[float, float],
) -> tuple[float, float]:
    """Move stage and image shift; the stage position asked for."""
    scope = session.scope
    x, y = params.layout.stage_of_offset_um(
        stop.stage_px,
        center,
        scope.stage_to_camera(scope.mag_index),
        params.binning,
        tilt_cosine(scope.stage.tilt_deg),
    )
    if params.move_stage and math.dist((x, y), scope.stage.position_um[:2]) > 1e-6:
        scope.stage.move_to(x, y)
    unbinned = np.asarray(stop.shift_px) * params.binning
    change = scope.optics.camera_to_is(scope.mag_index) @ unbinned
    wanted = (shift[0] + float(change[0]), shift[1] + float(change[1]))
    if not params.move_stage or params.block_um > 0:
        if not scope.set_image_shift(*wanted):
            raise SEMerror("The montage needs more image shift than the limit allows")
    return x, y


def _matches(
    session: Session, params: MontageParams, pieces: Mapping[Piece, Image], pixel_um: float
) -> list[Match] | None:
    """Compare neighbours, unless pieces are not to be aligned."""
    if not (params.correlate and session.montage.align_pieces) or len(pieces) < 2:
        return None
    trusted_px = piece_alignment.limit_px(session.montage.very_sloppy, pixel_um)
    data = {piece: image.data for piece, image in pieces.items()}
    return piece_alignment.match_neighbours(data, params.layout, trusted_px)


def _note_fit(
    session: Session,
    file: ImageFile,
    layout: Layout,
    sections: Mapping[Piece, int],
    shifts: Mapping[Piece, tuple[float, float]],
    matches: list[Match],
    number: int,
) -> None:
    """Write where pieces were aligned to and how far each was from its neighbours.

    An edge's displacement is that of the further piece against the nearer one, with the sign
    changed and Y up: what has to be taken off to lay the pieces on each other nominally.
    """
    sloppy = session.montage.very_sloppy
    suffix = "VS" if sloppy else ""
    entries: dict[Piece, dict[str, str]] = {}
    for piece, (dx, dy) in shifts.items():
        x, y = layout.coordinates_px(piece)
        text = number_text((x + round(dx), y - round(dy), number))
        entries[piece] = {f"AlignedPieceCoords{suffix}": text}
    for axis, letter in enumerate("XY"):
        for match in matches:
            if match.second[axis] > match.first[axis]:
                dx, dy = match.shift_px
                edge = (-dx, dy, match.correlation) if sloppy else (-dx, dy)
                entries[match.first][f"{letter}edgeDxy{suffix}"] = number_text(edge)
    for piece, values in entries.items():
        file.set_section(file.image_section(sections[piece]).updated(values))


def _note_whole(
    session: Session,
    file: ImageFile,
    params: MontageParams,
    sections: Mapping[Piece, int],
    number: int,
    center: tuple[float, float],
    letter: SetLetter,
) -> None:
    """Write the section about the whole montage."""
    scope = session.scope
    last = file.image_section(max(sections.values())).values
    values = {key: value for key, value in last.items() if not key.startswith(OF_PIECES)}
    camera_set = SET_LETTERS.index(letter)
    backlash = session.instrument.stage.backlash_um
    slit_ev = scope.slit_width_ev if session.instrument.energy_filter else 0.0
    values |= {
        "StagePosition": number_text(center),
        "ImageShift": number_text(scope.image_shift),
        "FullMontSize": number_text(params.layout.size_px),
        "BufISXY": number_text(scope.image_shift),
        "ProbeMode": str(scope.probe_mode),
        "MoveStage": str(int(params.move_stage)),
        "ConSetUsed": f"{camera_set} {int(scope.low_dose)}",
        "MontBacklash": number_text(backlash),
        "ValidBacklash": "0 0",
        "DriftSettling": number_text(session.camera.sets[letter].drift_s),
        "CameraModes": "0 1",
    }
    if scope.low_dose and letter in ("V", "S"):
        values |= {
            "FocusOffset": number_text(scope.stored_area(letter).defocus_offset_um),
            "NetViewShifts": "0 0",
            "ViewBeamShifts": "0 0",
            "ViewBeamTilts": "0 0",
            "ViewDefocus": number_text(scope.stored_area(letter).defocus_offset_um),
        }
    values |= {
        "Alpha": "-999",
        "FilterState": number_text((float(scope.slit_in and slit_ev > 0), slit_ev)),
        "FitToPolyID": str(params.polygon_id),
        "FullMontNumFrames": number_text(params.layout.counts),
    }
    file.set_section(Section(mdoc.MONTAGE, str(number), values))
