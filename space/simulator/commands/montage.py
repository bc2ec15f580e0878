"""Montage commands."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror
from space.simulator.column.letters import SET_LETTERS, SetLetter
from space.simulator.commands import montage_pieces
from space.simulator.montage.layout import Layout, fit_to_polygon, octagon_um
from space.simulator.montage.settings import MontageParams
from space.simulator.program.files import FileTableError, ImageFile, saved

if TYPE_CHECKING:
    import numpy as np

    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands

LEAST_OVERLAP_PX = 16
MONTAGE_SET = 8
# What the stage does in a montage, as SetMontageParams counts.
STAGE_NOT_MOVED, STAGE_TO_PIECES, STAGE_TO_BLOCKS = 0, 1, 2
DEFAULT_BLOCK_UM = 10.0
# A low dose area serves a full montage if its pixels are that much larger than Record's.
MUCH_LARGER_PIXEL = 5.0
SET_CHOICES: dict[int, SetLetter] = {1: "M", 2: "V", 3: "S"}


def open_new_montage(session: Session, nx: int, ny: int, name: str) -> None:
    """Open a montage file; sizes of frames and overlaps are the last used ones."""
    settings = session.montage
    counts = (nx if nx > 0 else settings.counts[0], ny if ny > 0 else settings.counts[1])
    letter = camera_letter(session)
    binning = float(session.camera.binning(letter))
    frame, overlap = settings.frame_px, settings.overlap_px
    if frame is None or overlap is None or binning != settings.binning:
        frame = session.camera.frame_px(letter)
        overlap = _overlap_px(frame, session.scope.properties["MontageOverlapFraction"])
    params = MontageParams(Layout(counts, frame, overlap), binning, settings.move_stage)
    _open(session, name, params)


def setup_full_montage(session: Session, fraction: float, name: str) -> None:
    """Open a stage montage over everything the stage reaches, and go to its centre."""
    open_fitted_montage(session, octagon_um(session.scope.stage.limits_um), fraction, name)


def open_fitted_montage(
    session: Session,
    outline_um: np.ndarray,
    fraction: float,
    name: str,
    polygon_id: int = 0,
) -> None:
    """Open a stage montage over a convex outline (stage µm), and go to its centre.

    `polygon_id` is the map ID of the Navigator item of that outline, 0 for none.
    """
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
    frame = session.camera.frame_px(letter)
    mag_index = _mag_index(session, letter)
    overlap = _overlap_px(
        frame,
        fraction or previous.overlap_fraction,
        session.options.user_settings["MontageMinMicronsOverlap"]
        / (binning * scope.pixel_um(mag_index)),
    )
    matrix = scope.stage_to_camera(mag_index)
    limits_um = scope.stage.limits_um
    layout, center = fit_to_polygon(outline_um, matrix, binning, frame, overlap, limits_um)
    try:
        _open(session, name, MontageParams(layout, binning, True, center, polygon_id=polygon_id))
    except SEMerror:
        session.montage = previous
        raise
    scope.stage.move_to(*center)


def set_montage_params(
    session: Session,
    stage: int,
    overlap_x: int | None = None,
    overlap_y: int | None = None,
    frame_x: int | None = None,
    frame_y: int | None = None,
    skip_correlation: int | None = None,
    binning: float | None = None,
    block_um: float | None = None,
    flexible: int | None = None,
) -> None:
    """Change the montage of the current file; -1 leaves a value as it is."""
    file, params = _montage_file(session)
    overlap = _given(overlap_x), _given(overlap_y)
    frame = _given(frame_x), _given(frame_y)
    blocks_um = _blocks_um(params, stage, block_um)
    sizes = (*overlap, *frame, _given(binning), block_um is not None and block_um > 0)
    if not file.empty and (any(sizes) or blocks_um != params.block_um):
        raise SEMerror("The montage file is not empty: its sizes cannot be changed")
    new_binning = _given(binning) or params.binning
    if new_binning not in session.camera.model.binnings:
        raise SEMerror(f"{new_binning:g} is not an available binning")
    skip = _flag(skip_correlation)
    params = file.montage = replace(
        params,
        layout=_resized(session, params, overlap, frame, new_binning),
        binning=float(new_binning),
        move_stage=params.move_stage if stage is None or stage < 0 else stage > 0,
        correlate=params.correlate if skip is None else not skip,
        block_um=blocks_um,
    )
    _remember(session, params)


def _resized(
    session: Session,
    params: MontageParams,
    overlap: tuple[int, int],
    frame: tuple[int, int],
    binning: float,
) -> Layout:
    """Layout with other sizes; those that are 0 follow from the binning."""
    factor = params.binning / binning
    sizes = []
    for axis in (0, 1):
        size = frame[axis] or int(params.layout.frame_px[axis] * factor)
        old_overlap = int(params.layout.overlap_px[axis] * factor)
        if size < 2 * old_overlap or size * binning > session.camera.size_px[axis]:
            raise SEMerror(f"A frame size of {size} is not possible")
        sizes.append((size, overlap[axis] or old_overlap))
    for size, shared in sizes:
        if not LEAST_OVERLAP_PX <= shared <= size // 2:
            raise SEMerror(f"An overlap of {shared} is not possible")
    (columns, overlap_x), (rows, overlap_y) = sizes
    return replace(params.layout, frame_px=(columns, rows), overlap_px=(overlap_x, overlap_y))


def set_mont_panel_params(
    session: Session,
    very_sloppy: int,
    align: int | None = None,
    overview_binning: int | None = None,
    peaks: int | None = None,
) -> None:
    """Settings of the montage control panel; -1 leaves a value as it is."""
    settings = session.montage
    if very_sloppy >= 0:
        settings = replace(settings, very_sloppy=bool(very_sloppy))
    if (aligned := _flag(align)) is not None:
        settings = replace(settings, align_pieces=aligned)
    if overview_binning is not None and overview_binning >= 0:
        settings = replace(settings, overview_binning=int(overview_binning))
    session.montage = settings


def set_redo_montage_x_corrs(session: Session, redo: int) -> None:
    """Whether pieces are aligned anew when a montage is read (else as noted when it was taken)."""
    session.montage = replace(session.montage, redo_correlations=bool(redo))


def param_set_to_use_for_montage(
    session: Session, choice: int, for_next: int | None = None
) -> None:
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


def report_num_montage_pieces(session: Session) -> float:
    """Pieces of the current file's montage that are taken, skipped ones not counted (inferred)."""
    return float(len(_montage_file(session)[1].layout.order))


def acquire_montage(session: Session) -> None:
    """Acquire a montage into the current file."""
    file, params = _montage_file(session)
    number = file.montages
    letter = camera_letter(session)
    if session.scope.low_dose:
        session.scope.go_to_area(letter)
    made = montage_pieces.acquire(session, file, params, letter, _set_number(session, letter))
    session.buffers.set("A", saved(made.center, file, number))
    session.buffers.set("B", saved(made.overview, file, number))
    overview = session.options.user_settings["MontageShowOverview"]
    session.buffers.displayed = "B" if overview else "A"


def camera_letter(session: Session) -> SetLetter:
    """Letter of the camera set that takes the pieces."""
    chosen = session.montage.camera_set
    if session.scope.low_dose:
        return chosen if chosen in ("V", "S") else "R"
    as_record = session.options.user_settings["UseRecordForMontage"]
    return "M" if chosen == "M" and not as_record else "R"


def _set_number(session: Session, letter: SetLetter) -> int:
    return SET_LETTERS.index(letter) if session.scope.low_dose else MONTAGE_SET


def _mag_index(session: Session, letter: SetLetter) -> int:
    scope = session.scope
    return scope.area_mag_index(letter) if scope.low_dose else scope.mag_index


def _overlap_px(frame: tuple[int, int], fraction: float, least_px: float = 0.0) -> tuple[int, int]:
    """Overlap of pieces: a fraction of them, some pixels at least, and never more than half."""
    least = max(LEAST_OVERLAP_PX, math.ceil(least_px))
    columns, rows = (min(max(least, round(fraction * n)), n // 2) for n in frame)
    return columns, rows


def _given(value: float | None) -> int:
    """A size that was given, 0 for one to leave as it is."""
    return int(value) if value is not None and value > 0 else 0


def _flag(value: int | None) -> bool | None:
    """A choice that was given, None for one to leave as it is."""
    return None if value is None or value < 0 else bool(value)


def _blocks_um(params: MontageParams, stage: int | None, given_um: float | None) -> float:
    """Largest image shift within blocks when SetMontageParams is done; 0 without blocks."""
    if stage in (STAGE_NOT_MOVED, STAGE_TO_PIECES):
        return 0.0
    if stage != STAGE_TO_BLOCKS and params.block_um == 0:
        return 0.0
    given = float(given_um) if given_um is not None and given_um > 0 else 0.0
    return given or params.block_um or DEFAULT_BLOCK_UM


def _montage_file(session: Session) -> tuple[ImageFile, MontageParams]:
    file = session.files.current
    if file is None or file.montage is None:
        raise SEMerror("The current file must be a montage file")
    return file, file.montage


def _open(session: Session, name: str, params: MontageParams) -> None:
    try:
        session.files.open_new(session.resolve(name), params)
    except FileTableError as problem:
        raise SEMerror(str(problem)) from problem
    _remember(session, params)
    counts = params.layout.counts
    session.write_log(f"Opened montage file {name}, {counts[0]} x {counts[1]} pieces")


def _remember(session: Session, params: MontageParams) -> None:
    layout = params.layout
    session.montage = replace(
        session.montage,
        counts=layout.counts,
        frame_px=layout.frame_px,
        overlap_px=layout.overlap_px,
        binning=params.binning,
        move_stage=params.move_stage,
    )


COMMANDS: Commands = {
    "OpenNewMontage": open_new_montage,
    "SetupFullMontage": setup_full_montage,
    "SetMontageParams": set_montage_params,
    "SetMontPanelParams": set_mont_panel_params,
    "SetRedoMontageXCorrs": set_redo_montage_x_corrs,
    "ParamSetToUseForMontage": param_set_to_use_for_montage,
    "ReportNumMontagePieces": report_num_montage_pieces,
    "M": acquire_montage,
}
