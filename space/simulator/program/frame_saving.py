"""Frames of an exposure: where the specimen is in each, and the file that they are saved in.

Frames are unbinned pictures: real pixels, or half ones in super-resolution. They hold electrons
where the camera counts them, and counts otherwise; their sum is the picture that scripts get, for
the part of the chip that is saved (`CameraModel.frame_size_px`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space.simulator.column.errors import SEMerror, TaskError
from space.simulator.column.instrument import SUPER_RESOLUTION
from space.simulator.formats import mrc, tiff
from space.simulator.formats.atomic import whole_file
from space.simulator.formats.autodoc import number_text
from space.simulator.imaging import camera as camera_model
from space.simulator.imaging import frame_stack
from space.simulator.imaging.electrons import LARGEST_MOTION_PX
from space.simulator.imaging.pictures import PictureGeometry, intensity
from space.simulator.program import frames

if TYPE_CHECKING:
    from space.simulator.column.letters import SetLetter
    from space.simulator.program.session import Session

_MOTION, _COUNTS = 30, 31  # what random numbers are drawn for
_MRC_FILE, _LZW_FILE, _ZIP_FILE = range(3)  # values of the user setting SaveK2FramesAsTiff
_COMPRESSIONS = {_LZW_FILE: tiff.LZW, _ZIP_FILE: tiff.ZIP}


@dataclass(frozen=True, eq=False)
class Fractions:
    """An exposure in parts of equal length.

    Attributes
    ----------
    letter : str
        Camera set.
    seconds : float
        Length of the exposure.
    dose_e_A2 : float
        Of the whole exposure.
    extension : str
        Of the file that they are saved in, "" when they are not saved.
    offsets_um : (n, 2) array
        Where the specimen is in the middle of each frame, relative to where the picture shows
        it; displacement of the stage frame.
    """

    letter: SetLetter
    seconds: float
    dose_e_A2: float
    extension: str
    offsets_um: np.ndarray

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.offsets_um)

    def offsets(self) -> tuple[tuple[float, float], ...]:
        """Offsets as plain numbers, to a tenth of a picometre."""
        return tuple((round(float(x), 7), round(float(y), 7)) for x, y in self.offsets_um)


@dataclass(frozen=True, eq=False)
class FrameStack:
    """Frames that were exposed, and the file for them.

    Attributes
    ----------
    path : Path
        The file.
    data : (n, rows, columns) array
        Electrons or counts.
    pixel_um : float
        Size of a pixel on the specimen.
    binning : float
        1, or 0.5 for half pixels.
    dose_e_A2 : float
        Of all frames together.
    reference : str
        File name of the gain reference that they need, "" when they are normalised.
    """

    path: Path
    data: np.ndarray
    pixel_um: float
    binning: float
    dose_e_A2: float
    reference: str = ""

    def entries(self) -> dict[str, str]:
        """Give what an mdoc says of them in the picture's section."""
        count = len(self.data)
        found = {
            "SubFramePath": str(self.path),
            "NumSubFrames": str(count),
            "FrameDosesAndNumber": f"{number_text(self.dose_e_A2 / count)} {count}",
        }
        return {**found, "GainReference": self.reference} if self.reference else found


def fractions(
    session: Session, letter: SetLetter, geometry: PictureGeometry, begin_s: float, seconds: float
) -> Fractions | None:
    """Divide an exposure into frames if its camera set says so; None if not.

    Raises
    ------
    SEMerror
        If files of the kind that the user settings ask for are not simulated.
    """
    parameters = session.camera.sets[letter]
    if not parameters.fractionate or session.options.frames.folder is None:
        return None
    count = frames.frame_count(seconds, parameters.frame_s)
    scope, view, rng = session.scope, geometry.view, None
    dose = scope.dose_rate_e_A2_s() * seconds if scope.valve_open else 0.0
    if session.noise:
        center = camera_model.center_um(scope.optics, view)
        rng = session.random_source.at(_MOTION, *center, view.tilt_deg, view.mag_index)
    middles = (np.arange(count) + 0.5) / count
    drifts = [scope.stage.drift.displacement_um(begin_s + part * seconds) for part in middles]
    induced = frame_stack.beam_induced_um(dose * middles, rng)
    offsets = np.array(drifts) - geometry.drift_um + induced - induced.mean(axis=0)
    extension = _extension(session) if parameters.save_frames else ""
    return Fractions(letter, seconds, dose, extension, offsets)


def shifts_px(session: Session, offsets_um: np.ndarray, binning: float) -> np.ndarray:
    """Shifts (columns, rows) of what is seen when the specimen moves by (x, y) µm, stage frame."""
    scope = session.scope
    to_px = scope.optics.stage_to_image(scope.mag_index, binning, scope.stage.tilt_deg)
    return -offsets_um @ np.array(to_px).T


def path_px(session: Session, offsets_um: np.ndarray, binning: float) -> np.ndarray:
    """Shifts of what is seen, so close to each other in time that none leaves out a pixel."""
    shifts = shifts_px(session, offsets_um, binning)
    if len(shifts) < 2:
        return np.zeros((1, 2))
    extent = math.hypot(*np.ptp(shifts, axis=0))
    shifts = shifts * min(1.0, LARGEST_MOTION_PX / max(extent, 1.0))
    longest = float(np.abs(np.diff(shifts, axis=0)).max())
    fine = np.linspace(0.0, len(shifts) - 1.0, (len(shifts) - 1) * math.ceil(max(longest, 1.0)) + 1)
    whole = np.arange(len(shifts))
    return np.column_stack([np.interp(fine, whole, part) for part in shifts.T])


def _setting(session: Session, name: str, default: int = 0) -> int:
    return int(session.options.user_settings.get(name, default))


def _extension(session: Session) -> str:
    if session.camera.model.kind.mrc_frames:
        if _setting(session, "SaveInEERformat"):
            raise SEMerror(
                "Frames in EER format are not simulated. Set the user setting SaveInEERformat "
                "to 0 to save them as MRC"
            )
        return ".mrc"
    if _setting(session, "OneK2FramePerFile"):
        raise SEMerror(
            "One file for each frame is not simulated. Set the user setting OneK2FramePerFile to 0"
        )
    if _setting(session, "SaveK2FramesAsTiff", _LZW_FILE) != _MRC_FILE:
        return frames.EXTENSION
    return ".mrcs" if _setting(session, "NameFramesAsMRCS") else ".mrc"


def exposed(
    session: Session, geometry: PictureGeometry, parts: Fractions, tilt_deg: float
) -> FrameStack | None:
    """Expose the frames; None when the camera set does not save them.

    What earlier exposures did to the specimen is in them, so that this one must not be noted yet.
    """
    naming = session.options.frames
    if not parts.extension or naming.folder is None:
        return None
    kind, mode = session.camera.model.kind, session.camera.read_mode(parts.letter)
    halves = mode == SUPER_RESOLUTION and not _setting(session, "TakeK3SuperResBinned")
    binning = 0.5 if halves else 1.0
    view = _saved_view(session, geometry.view, binning)
    rows, columns = view.shape
    raw = bool(_setting(session, "SaveUnnormedFrames")) and kind.k2_type > 0
    pattern = _sensitivity((rows, columns), session.seed) if raw else None
    return FrameStack(
        _unused_path(session, naming.folder, parts.extension, tilt_deg),
        _exposed(session, geometry, view, parts, pattern),
        binning * session.scope.pixel_um(view.mag_index),
        binning,
        parts.dose_e_A2,
        f"CountRef_{columns}x{rows}.mrc" if raw else "",
    )


def save(session: Session, stack: FrameStack) -> None:
    """Write frames to their file.

    Raises
    ------
    TaskError
        If it cannot be written.
    """
    try:
        stack.path.parent.mkdir(parents=True, exist_ok=True)
        if stack.reference:
            _write_reference(session, stack)
        _write(session, stack)
    except OSError as problem:
        raise TaskError(f"Frames could not be saved: {problem}") from problem
    session.options.frames = session.options.frames.saved_as(str(stack.path), len(stack.data))


def _unused_path(session: Session, folder: Path, extension: str, tilt_deg: float) -> Path:
    """Path of the next file; a number is added to a name that is taken."""
    file, state = session.files.current, session.acquire
    context = frames.FrameContext(
        file.path.stem if file is not None else "",
        session.navigator.label_of(state.item_index) if state.acquiring else "",
        tilt_deg,
        session.clock.now,
    )
    wanted = path = folder / frames.file_name(session.options.frames, context, extension)
    number = 2
    while path.exists():
        path = wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}")
        number += 1
    return path


def _saved_view(session: Session, view: camera_model.View, binning: float) -> camera_model.View:
    """View of the part that is saved, in the middle of the picture."""
    limit = session.camera.model.frame_size_px
    rows, columns = (
        int((min(n * view.binning, limit) if limit else n * view.binning) / binning)
        for n in view.shape
    )
    return replace(view, binning=binning, shape=(rows, columns))


def _exposed(
    session: Session,
    geometry: PictureGeometry,
    view: camera_model.View,
    parts: Fractions,
    sensitivity: np.ndarray | None,
) -> np.ndarray:
    """Electrons or counts in the frames of a view."""
    scope, rng = session.scope, None
    if session.noise:
        center = camera_model.center_um(scope.optics, view)
        rng = session.random_source.at(_COUNTS, *center, view.tilt_deg, view.mag_index)
    pixel_A = 1e4 * view.binning * scope.pixel_um(view.mag_index)
    shifts = shifts_px(session, parts.offsets_um, view.binning)
    margin = frame_stack.margin_px(shifts)
    drawn = replace(view, shape=(view.shape[0] + 2 * margin, view.shape[1] + 2 * margin))
    electrons = intensity(session, replace(geometry, view=drawn)) * np.float32(
        parts.dose_e_A2 * pixel_A**2 / parts.count
    )
    stack = np.array(frame_stack.counted(electrons, shifts, rng, margin, sensitivity))
    if session.camera.counts_electrons(parts.letter):
        return _whole(stack)
    model, letter = session.camera.model, parts.letter
    counts = stack * session.camera.counts_per_electron(letter)
    if rng is not None:
        noise = model.readout_noise_counts * session.camera.mode(letter).noise
        counts += rng.normal(0.0, noise / np.sqrt(parts.count), counts.shape)
    return _whole(counts, np.int16)


def _whole(stack: np.ndarray, dtype: type[np.integer[Any]] | None = None) -> np.ndarray:
    """Whole numbers of a type, by default of the smallest one that has no signs and holds them."""
    dtype = dtype or (np.uint8 if stack.max() <= np.iinfo(np.uint8).max else np.uint16)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(stack), limits.min, limits.max).astype(dtype)


@lru_cache(maxsize=4)
def _sensitivity(shape: tuple[int, int], seed: int) -> np.ndarray:
    return frame_stack.sensitivity(shape, seed)


def _write_reference(session: Session, stack: FrameStack) -> None:
    """Write the gain reference of frames of this size unless it is there.

    Frames times the reference are normalised.
    """
    path = stack.path.with_name(stack.reference)
    if not path.exists():
        rows, columns = stack.data.shape[1:]
        reference = 1.0 / _sensitivity((rows, columns), session.seed)
        with whole_file(path) as temporary:
            title, pixel_A = "Gain reference", stack.pixel_um * 1e4
            mrc.create(
                temporary, (rows, columns), reference.dtype, pixel_A, [title], max_sections=1
            )
            mrc.append(temporary, reference)


def _write(session: Session, stack: FrameStack) -> None:
    data, pixel_A = stack.data, stack.pixel_um * 1e4
    count, rows, columns = data.shape
    title = f"SerialEM: {count} frames of {columns} x {rows}, simulated"
    if stack.path.suffix == frames.EXTENSION:
        kind = _setting(session, "SaveK2FramesAsTiff", _LZW_FILE)
        tiff.write_stack(stack.path, data, pixel_A, title, _COMPRESSIONS.get(kind, tiff.LZW))
        return
    # Bytes of MRC files are signed or not, depending on whom one asks: these have 16 bits.
    data = data.astype(np.uint16) if data.dtype == np.uint8 else data
    with whole_file(stack.path) as temporary:
        mrc.create(temporary, (rows, columns), data.dtype, pixel_A, [title], max_sections=count)
        for frame in data:
            mrc.append(temporary, frame)
