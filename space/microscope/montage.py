"""Montages: collecting them, registering them as maps, loading them back."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from space.contrast import judge_pieces, judge_structure
from space.errors import OutOfSpaceError, SpaceError
from space.geometry import MapFrame, montage_pieces
from space.microscope import navigator, pieces, seams
from space.microscope.attempts import DoubtfulError, SpoiltError, carefully
from space.microscope.navfile import SavedItem
from space.microscope.scope import (
    Picture,
    check_contrast,
    read_buffer,
    remedy,
    stage_to_pixels,
)
from space.microscope.sem import path_translation, serialem
from space.microscope.stage import ARRIVED_WITHIN_UM, move_to, stage_position_um

OVERVIEW_BUFFER = "B"
"""Buffer that holds the overview after a montage was acquired or loaded."""

_LOAD_BUFFER = "P"
"""A buffer above the rolling range, so that loading disturbs nothing."""

LEAST_FREE_GB = 0.5
"""With less on the disk no montage is begun."""

_LEAST_OVERLAP_PX = 16
_MORE_OVERLAP, _MOST_OVERLAP = 1.5, 0.5
_LOOK_AT_IT = (
    "Look at the map: where a lamella is cut in two, targets are misplaced. Delete the map item "
    "and run the script again to have it collected again."
)
_MOST_PIECES = 30
_MRC = 0
_AS_COLLECTED = (1, 1)  # very sloppy, and aligned: pieces are laid wherever they fit
_PANEL = {"aligned": _AS_COLLECTED, "close": (0, 1), "nominal": (1, 0)}
log = logging.getLogger("space.microscope")

MapSeams = tuple[seams.Seam, ...]


@dataclass(frozen=True)
class MapImage:
    """A map: its picture, where it lies, and its Navigator item.

    Attributes
    ----------
    picture : Picture
        Its pixels.
    frame : MapFrame
        Where it lies.
    index : int
        Index of its item.
    buffer : str
        The buffer of SerialEM that holds it until something else is loaded or taken.
    saved : SavedItem or None
        Its item as it stands in the Navigator file; None if this file cannot be read.
    by_image_shift : bool
        Whether its pieces were taken by image shift: the stage then finds a place in it elsewhere.
    seams : tuple of Seam
        How its pieces fit, if it was collected just now.
    """

    picture: Picture
    frame: MapFrame
    index: int
    buffer: str
    saved: SavedItem | None = None
    by_image_shift: bool = False
    seams: MapSeams = ()


def close_files() -> None:
    """Close all image files, so that names are free and montages can be set up."""
    sem = serialem()
    open_files = 0
    while int(sem.ReportFileNumber()) > 0 and open_files < 100:
        sem.CloseFile()
        open_files += 1


def collect_whole_grid(path: Path, overlap: float, note: str, label: str) -> MapImage:
    """Collect a montage of the whole grid with the present imaging state.

    Parameters
    ----------
    path : Path
        Image file; replaced if it exists (an unfinished montage).
    overlap : float
        Least overlap as a fraction of the frame.
    note, label : str
        For the Navigator item.
    """
    sem = serialem()

    def work() -> None:
        _prepare_file(path)
        sem.SetupFullMontage(float(overlap), str(path))
        sem.AllowFileOverwrite(0)
        sem.SetMontPanelParams(*_AS_COLLECTED, 1, -1)
        _acquire(path)
        structure = judge_structure(read_buffer(OVERVIEW_BUFFER).data)
        if structure:
            raise SpoiltError(structure.seen, do=remedy(structure))
        _check_pieces(path)

    carefully(work, f"The montage {path.name}")
    return _register(note, label)


def collect_here(
    path: Path,
    size_um: tuple[float, float],
    lamella_um: tuple[float, float],
    overlap: float,
    view: Picture,
    note: str,
    label: str,
) -> MapImage:
    """Collect a View montage by stage moves around the present stage position.

    If pieces do not fit on the lamella, the montage is taken once more, with more overlap.

    Parameters
    ----------
    path : Path
        Image file; replaced when it exists.
    size_um : tuple of float
        Field to be covered, along x and y of the camera.
    lamella_um : tuple of float
        The part of it in the middle where pieces have to fit.
    overlap : float
        Overlap as a fraction of the frame.
    view : Picture
        A View picture; the pieces have its size and binning.
    note, label : str
        For the Navigator item.
    """
    sem = serialem()
    rows, columns = view.data.shape
    x_um, y_um, _ = stage_position_um()
    matrix = stage_to_pixels(view.pixel_nm / 1000)
    overlaps = [overlap]

    def work() -> MapSeams:
        share = overlaps[-1]
        size = pieces_for(size_um, view, share)
        log.info("%s: collecting %d x %d pieces...", label, *size)
        _prepare_file(path)
        _go_back_to(x_um, y_um)
        sem.ParamSetToUseForMontage(2)
        sem.OpenNewMontage(int(size[0]), int(size[1]), str(path))
        sem.AllowFileOverwrite(0)
        sem.SetMontageParams(
            1,
            _overlap_px(columns, share),
            _overlap_px(rows, share),
            columns,
            rows,
            0,
            round(view.binning),
        )
        sem.SetMontPanelParams(*_AS_COLLECTED, 1, -1)
        _acquire(path)
        away_um = pieces.displaced_um(pieces.read(path), matrix)
        if away_um > ARRIVED_WITHIN_UM:
            raise SpoiltError(f"a piece was taken {away_um:.1f} um from its place")
        _check_pieces(path)
        fit = seams.seams_of(path, view.pixel_nm, lamella_um)
        wrong = seams.in_words(fit)
        if wrong:
            overlaps.append(max(overlap, min(_MORE_OVERLAP * overlap, _MOST_OVERLAP)))
            raise DoubtfulError(wrong, do=_LOOK_AT_IT, result=fit)
        return fit

    found = carefully(work, f"The montage {path.name}")
    return replace(_register(note, label), seams=found or ())


def _go_back_to(x_um: float, y_um: float) -> None:
    """Bring the stage back if an unfinished montage left it elsewhere."""
    now_x_um, now_y_um, _ = stage_position_um()
    if math.hypot(now_x_um - x_um, now_y_um - y_um) > ARRIVED_WITHIN_UM:
        move_to(x_um, y_um)


def _prepare_file(path: Path) -> None:
    sem = serialem()
    check_free_space(path.parent)
    close_files()
    sem.SetNewFileType(_MRC, 1)
    sem.AllowFileOverwrite(1)  # a file of this name is an unfinished montage


def check_free_space(folder: Path) -> None:
    """See to it that there is room for a montage.

    Raises
    ------
    OutOfSpaceError
        If there is hardly any.
    """
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < LEAST_FREE_GB:
        raise OutOfSpaceError(f"only {free_gb:.2f} GB are free", str(folder))


def _overlap_px(length_px: int, overlap: float) -> int:
    # An even number, since half of it belongs to either piece.
    return max(_LEAST_OVERLAP_PX, 2 * round(length_px * overlap / 2))


def pieces_for(size_um: tuple[float, float], view: Picture, overlap: float) -> tuple[int, int]:
    """Return how many pieces along x and y cover a field: at least two, within reason.

    Raises
    ------
    SpaceError
        When the field would need more pieces along one side than any lamella does.
    """
    counts = montage_pieces(size_um, view.field_um, overlap)
    if max(counts) > _MOST_PIECES:
        raise SpaceError(
            f"A montage of {size_um[0]:.0f} x {size_um[1]:.0f} um would need "
            f"{counts[0]} x {counts[1]} pieces.",
            "View",
            "Lower MM_padding_factor, or check the View magnification.",
        )
    if counts == (1, 1):  # a single piece would be no montage
        wide = size_um[0] / view.field_um[0] >= size_um[1] / view.field_um[1]
        return (2, 1) if wide else (1, 2)
    return counts


def _acquire(path: Path) -> None:
    serialem().M()
    check_contrast(read_buffer(OVERVIEW_BUFFER), f"The montage {path.name}")


def _check_pieces(path: Path) -> None:
    """See whether the beam was there all the time, by the overview of the montage just taken.

    Raises
    ------
    DoubtfulError
        If most of the pieces are dark.
    """
    overview = read_buffer(OVERVIEW_BUFFER).data
    verdict = judge_pieces(pieces.cut_out(pieces.read(path), overview))
    if verdict:
        raise DoubtfulError(
            verdict.seen,
            do=f"{verdict.causes}. If it is not the specimen, delete the map item and run "
            "the script again.",
        )


def _register(note: str, label: str) -> MapImage:
    sem = serialem()
    index = int(sem.NewMap(0, note))
    navigator.describe(index, label=label, note=note)
    image = _map_image(index, OVERVIEW_BUFFER, _saved_item(index))
    sem.CloseFile()
    return image


def load_map(index: int, stitching: str = "") -> MapImage:
    """Load a map of the Navigator, which is saved for this.

    Parameters
    ----------
    index : int
        Of its item.
    stitching : str
        How the pieces of a montage are put together, one of `space.settings.STITCHINGS`; "" as
        they were when it was collected.

    Raises
    ------
    SpaceError
        When its file is missing (SerialEM would only show a message and continue).
    """
    saved = _saved_item(index)
    if saved is not None and not _file_of(saved.values.get("MapFile", "")).is_file():
        raise SpaceError(
            "The image file of a map is missing.",
            saved.values.get("MapFile", ""),
            "Put it back or delete the map item.",
        )
    with _stitched(stitching):
        serialem().LoadOtherMap(int(index), _LOAD_BUFFER)
    return _map_image(index, _LOAD_BUFFER, saved)


@contextmanager
def _stitched(stitching: str) -> Iterator[None]:
    """Let SerialEM put the pieces of montages together in this way while the block reads them."""
    if not stitching:
        yield
        return
    sem = serialem()
    very_sloppy, align = _PANEL[stitching]
    sem.SetMontPanelParams(very_sloppy, align, -1, -1)
    sem.SetRedoMontageXCorrs(align)
    try:
        yield
    finally:
        sem.SetRedoMontageXCorrs(0)
        sem.SetMontPanelParams(*_AS_COLLECTED, -1, -1)


def _saved_item(index: int) -> SavedItem | None:
    """Save the Navigator and return an item of its file; None if this cannot be read."""
    try:
        saved = navigator.save_and_read()
    except SpaceError as error:
        log.warning("%s", error)
        return None
    return saved[index - 1] if index <= len(saved) else None


def _file_of(name: str) -> Path:
    path = Path(path_translation().here(name))
    if path.is_file():
        return path
    return Path(str(serialem().ReportDirectory())) / name.replace("\\", "/").rsplit("/", 1)[-1]


def _map_image(index: int, buffer: str, saved: SavedItem | None) -> MapImage:
    picture = read_buffer(buffer)
    shape = (picture.data.shape[0], picture.data.shape[1])
    matrix = saved.stage_to_px(shape) if saved is not None else None
    if matrix is None:
        log.warning(
            "The Navigator file does not give the map's scale: it is computed from rotation and "
            "pixel size of the magnification."
        )
        matrix = stage_to_pixels(picture.pixel_nm / 1000)
    frame = MapFrame(shape, matrix, navigator.item(index).stage_um)
    by_image_shift = saved is not None and _by_image_shift(saved)
    return MapImage(picture, frame, index, buffer, saved, by_image_shift)


def _by_image_shift(saved: SavedItem) -> bool:
    if saved.numbers("MontUseStage") == (0.0,):
        return True
    # Pieces within blocks are taken by image shift, too; only the mdoc shows this.
    return pieces.by_image_shift(pieces.read(_file_of(saved.values.get("MapFile", ""))))


def picture_frame(picture: Picture, center_stage_um: tuple[float, float]) -> MapFrame:
    """Return the frame of a picture just taken at a Navigator position."""
    shape = (picture.data.shape[0], picture.data.shape[1])
    return MapFrame(shape, stage_to_pixels(picture.pixel_nm / 1000), center_stage_um)
