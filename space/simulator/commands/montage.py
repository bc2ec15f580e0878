"""Montage commands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from space.simulator import mdoc, montage
from space.simulator.autodoc import Section, number_text
from space.simulator.commands.files import store
from space.simulator.errors import SEMerror
from space.simulator.files import FileTableError, ImageFile
from space.simulator.images import Image
from space.simulator.montage_layout import Layout, Piece, fit_to_polygon, octagon_um
from space.simulator.montage_settings import MontageParams
from space.simulator.stored_images import assemble

LEAST_OVERLAP_PX = 16
MONTAGE_SET = 8
BINNINGS = (1, 2, 4, 8)
# How far pieces may be from where they should be, against their neighbours.
TRUSTED_SHIFT_UM = 2.0
SLOPPY_SHIFT_UM = 4.0
# A low dose area serves a full montage if its pixels are that much larger than Record's.
MUCH_LARGER_PIXEL = 5.0
SET_CHOICES = {1: "M", 2: "V", 3: "S"}
SET_NUMBERS = {"V": 0, "F": 1, "T": 2, "R": 3, "P": 4, "S": 5, "M": 6}


def open_new_montage(session, nx, ny, name):
    """Open a montage file; sizes of frames and overlaps are the last used ones."""
    settings = session.montage
    counts = tuple(
        int(given) if int(given) > 0 else last
        for given, last in zip((nx, ny), settings.counts, strict=True)
    )
    letter = camera_letter(session)
    binning = float(session.camera.binning(letter))
    frame, overlap = settings.frame_px, settings.overlap_px
    if frame is None or overlap is None or binning != settings.binning:
        frame = tuple(session.camera.frame_px(letter))
        overlap = _overlap_px(frame, settings.overlap_fraction)
    params = MontageParams(Layout(counts, frame, overlap), binning, settings.move_stage)
    _open(session, name, params)


def setup_full_montage(session, fraction, name):
    """Open a stage montage over everything the stage reaches, and go to its centre."""
    if not 0 <= fraction < 0.5:
        raise SEMerror(f"The overlap fraction {fraction:g} is not between 0 and 0.5")
    scope = session.scope
    previous = session.montage
    if scope.low_dose:
        area = scope.area if scope.area in ("V", "S") else ""
        record_um = scope.pixel_um(scope.area_mag_index("R"))
        if area and scope.pixel_um(scope.area_mag_index(area)) > MUCH_LARGER_PIXEL * record_um:
            session.montage = replace(previous, camera_set=area)
    letter = camera_letter(session)
    binning = float(session.camera.binning(letter))
    frame = tuple(session.camera.frame_px(letter))
    overlap = _overlap_px(frame, fraction or previous.overlap_fraction)
    matrix = scope.stage_to_camera(_mag_index(session, letter))
    layout, center = fit_to_polygon(
        octagon_um(scope.stage_limits_um), matrix, binning, frame, overlap
    )
    try:
        _open(session, name, MontageParams(layout, binning, True, center))
    except SEMerror:
        session.montage = previous
        raise
    scope.move_stage(*center)


def set_montage_params(
    session,
    stage,
    overlap_x=None,
    overlap_y=None,
    frame_x=None,
    frame_y=None,
    skip_correlation=None,
    binning=None,
    block_um=None,
    flexible=None,
):
    """Change the montage of the current file; -1 leaves a value as it is."""
    file = _montage_file(session)
    params = file.montage
    layout = params.layout
    wanted = [_given(v) for v in (overlap_x, overlap_y, frame_x, frame_y)]
    if not file.empty and (any(wanted) or _given(binning) or _given(block_um)):
        raise SEMerror("The montage file is not empty: its sizes cannot be changed")
    new_binning = _given(binning) or params.binning
    if new_binning not in BINNINGS:
        raise SEMerror(f"{new_binning:g} is not an available binning")
    factor = params.binning / new_binning
    frame = [wanted[2 + i] or int(layout.frame_px[i] * factor) for i in (0, 1)]
    old_overlap = [int(layout.overlap_px[i] * factor) for i in (0, 1)]
    for i in (0, 1):
        if frame[i] < 2 * old_overlap[i] or frame[i] * new_binning > session.camera.size_px[i]:
            raise SEMerror(f"A frame size of {frame[i]} is not possible")
    overlap = [wanted[i] or old_overlap[i] for i in (0, 1)]
    for i in (0, 1):
        if not LEAST_OVERLAP_PX <= overlap[i] <= frame[i] // 2:
            raise SEMerror(f"An overlap of {overlap[i]} is not possible")
    changed = replace(layout, frame_px=tuple(frame), overlap_px=tuple(overlap))
    move_stage = params.move_stage if stage is None or stage < 0 else stage > 0
    correlate = params.correlate
    if skip_correlation is not None and skip_correlation >= 0:
        correlate = not skip_correlation
    file.montage = replace(
        params,
        layout=changed,
        binning=float(new_binning),
        move_stage=move_stage,
        correlate=correlate,
    )
    _remember(session, file.montage)


def set_mont_panel_params(session, very_sloppy, align=None, overview_binning=None, peaks=None):
    """Settings of the montage control panel; -1 leaves a value as it is."""
    settings = session.montage
    if very_sloppy >= 0:
        settings = replace(settings, very_sloppy=bool(very_sloppy))
    if align is not None and align >= 0:
        settings = replace(settings, align_pieces=bool(align))
    if overview_binning is not None and overview_binning >= 0:
        settings = replace(settings, overview_binning=int(overview_binning))
    session.montage = settings


def param_set_to_use_for_montage(session, choice, for_next=None):
    """Choose the camera set for montages: 1 mont-map, 2 View, 3 Search; negative turns off."""
    letter = SET_CHOICES.get(abs(int(choice)))
    if letter is None:
        raise SEMerror(f"{choice} does not choose a parameter set for montages")
    file = session.files.current
    is_montage = file is not None and file.montage is not None
    if letter in "VS" and session.scope.low_dose and is_montage and not for_next:
        raise SEMerror("The parameter set cannot be changed while a montage is open")
    current = session.montage.camera_set
    if choice > 0:
        current = letter
    elif current == letter:
        current = ""
    session.montage = replace(session.montage, camera_set=current)


def acquire_montage(session):
    """Acquire a montage into the current file."""
    file = _montage_file(session)
    params, layout = file.montage, file.montage.layout
    number = file.montages
    letter = camera_letter(session)
    scope = session.scope
    if scope.low_dose:
        scope.go_to_area(letter)
    start = scope.stage_um[:2]
    shift = scope.image_shift
    center = params.center_um or start
    pieces: dict[Piece, Image] = {}
    sections: dict[Piece, int] = {}
    try:
        for piece in layout.order:
            _go_to_piece(session, params, piece, center, shift)
            image = session.acquire_image(
                letter,
                camera_set=_set_number(session, letter),
                binning=params.binning,
                frame_px=layout.frame_px,
            )
            if not params.move_stage:
                image = replace(
                    image, image_shift=shift, nav_xy_um=scope.adjust_stage_for_nav(*start, *shift)
                )
            sections[piece] = file.sections
            image = store(session, image, file, piece, number)
            session.buffers.push(image)
            pieces[piece] = image
    finally:
        scope.set_image_shift(*shift)
        if params.move_stage:
            scope.move_stage(*start)
    shifts = _shifts(session, params, pieces)
    _note_montage(session, file, pieces, sections, shifts, number, center, letter)
    made = assemble(
        pieces, layout, shifts, center, session.montage.overview_binning, params.move_stage
    )
    note = {"file": str(file.path), "section": number, "from_current_file": True}
    session.buffers.set("A", replace(made.center, **note))
    session.buffers.set("B", replace(made.overview, **note))
    session.buffers.displayed = "B"


def _go_to_piece(session, params: MontageParams, piece: Piece, center, shift) -> None:
    scope = session.scope
    matrix = scope.stage_to_camera(scope.mag_index)
    x, y = params.layout.stage_um(piece, center, matrix, params.binning)
    if params.move_stage:
        scope.move_stage(x, y)
        return
    change = scope.optics.stage_to_is(scope.mag_index) @ (np.array([x, y]) - center)
    if not scope.set_image_shift(shift[0] + float(change[0]), shift[1] + float(change[1])):
        raise SEMerror("The montage needs more image shift than the limit allows")


def _shifts(session, params: MontageParams, pieces) -> dict[Piece, tuple[float, float]]:
    """Shifts of the pieces from what they show, or none when they are not to be aligned."""
    if not (params.correlate and session.montage.align_pieces) or len(pieces) < 2:
        return {}
    pixel_um = next(iter(pieces.values())).pixel_um
    trusted_um = SLOPPY_SHIFT_UM if session.montage.very_sloppy else TRUSTED_SHIFT_UM
    data = {piece: image.data for piece, image in pieces.items()}
    return montage.align_pieces(data, params.layout, trusted_um / pixel_um)


def _note_montage(
    session, file: ImageFile, pieces, sections, shifts, number, center, letter
) -> None:
    """Write aligned piece coordinates and the section about the whole montage."""
    if file.document is None:
        return
    layout = file.montage.layout
    suffix = "VS" if session.montage.very_sloppy else ""
    for piece, (dx, dy) in shifts.items():
        x, y = layout.coordinates_px(piece)
        notes = file.document.image(sections[piece])
        text = number_text((x + round(dx), y - round(dy), number))
        file.set_section(notes.updated({f"AlignedPieceCoords{suffix}": text}))
    last = layout.order[-1]
    values = dict(file.document.image(sections[last]).values)
    for key in (
        "PieceCoordinates",
        "NominalStageXY",
        "MinMaxMean",
        "UncroppedSize",
        "AlignedPieceCoords",
        "AlignedPieceCoordsVS",
    ):
        values.pop(key, None)
    values |= {
        "StagePosition": number_text(center),
        "FullMontSize": number_text(layout.size_px),
        "BufISXY": "0 0",
        "ProbeMode": "1",
        "MoveStage": str(int(file.montage.move_stage)),
        "ConSetUsed": f"{SET_NUMBERS[letter]} {int(session.scope.low_dose)}",
        "MontBacklash": "10 -10",
        "ValidBacklash": "0 0",
        "DriftSettling": "0",
        "CameraModes": "0 1",
        "Alpha": "-999",
        "FilterState": "0 0",
        "FitToPolyID": "0",
        "FullMontNumFrames": number_text(layout.counts),
    }
    file.set_section(Section(mdoc.MONTAGE, str(number), values))
    file.write_mdoc()


def camera_letter(session) -> str:
    """Letter of the camera set that takes the pieces."""
    chosen = session.montage.camera_set
    if session.scope.low_dose:
        return chosen if chosen in ("V", "S") else "R"
    return "M" if chosen == "M" else "R"


def _set_number(session, letter: str) -> int:
    return SET_NUMBERS[letter] if session.scope.low_dose else MONTAGE_SET


def _mag_index(session, letter: str) -> int:
    scope = session.scope
    return scope.area_mag_index(letter) if scope.low_dose else scope.mag_index


def _overlap_px(frame: tuple[int, int], fraction: float) -> tuple[int, int]:
    return tuple(max(LEAST_OVERLAP_PX, round(fraction * n)) for n in frame)


def _given(value) -> int:
    """A size that was given, 0 for one to leave as it is."""
    return int(value) if value is not None and value > 0 else 0


def _montage_file(session) -> ImageFile:
    file = session.files.current
    if file is None or file.montage is None:
        raise SEMerror("The current file must be a montage file")
    return file


def _open(session, name: str, params: MontageParams) -> None:
    try:
        session.files.open_new(session.resolve(name), params)
    except FileTableError as problem:
        raise SEMerror(str(problem)) from problem
    _remember(session, params)
    counts = params.layout.counts
    session.write_log(f"Opened montage file {name}, {counts[0]} x {counts[1]} pieces")


def _remember(session, params: MontageParams) -> None:
    layout = params.layout
    session.montage = replace(
        session.montage,
        counts=layout.counts,
        frame_px=layout.frame_px,
        overlap_px=layout.overlap_px,
        binning=params.binning,
        move_stage=params.move_stage,
    )


COMMANDS = {
    "OpenNewMontage": open_new_montage,
    "SetupFullMontage": setup_full_montage,
    "SetMontageParams": set_montage_params,
    "SetMontPanelParams": set_mont_panel_params,
    "ParamSetToUseForMontage": param_set_to_use_for_montage,
    "M": acquire_montage,
}
