"""What a script for parallel tilt series finds in SerialEM when it starts.

PACEtomo sets some of it itself and relies on the rest. Where that is missing it waits for a person,
who has gone home, or stops at its first picture. What can be set is set here; of the rest the log
warns while somebody is still there. docs/pacetomo.md has the whole table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from space.microscope.log import warn_once
from space.microscope.sem import check_space_left, sem_errors, serialem

IMAGE_SHIFT_LIMIT_UM = 20
"""PACEtomo raises SerialEM's limit to this; targets and tracking need the room."""

_MRC = 0
_FIRST_HELD = 14
"""Buffer O, in which PACEtomo keeps what it aligns to, counted from A = 0."""

_TEST_FILE = "SPACE_mdoc_test.mrc"
log = logging.getLogger("space.microscope")


def prepare_for_series() -> None:
    """Set what tilt series need and what does no harm to anything else.

    New image files are MRC, and the image shift reaches all targets with room for tracking. Both
    stay so until SerialEM ends, since a primary action may not set them itself.
    """
    sem = serialem()
    sem.SetNewFileType(_MRC)
    try:
        limit_um = float(sem.ReportProperty("ImageShiftLimit"))
        if limit_um < IMAGE_SHIFT_LIMIT_UM:
            sem.SetProperty("ImageShiftLimit", IMAGE_SHIFT_LIMIT_UM)
            log.info(
                "The limit of image shift is raised from %g to %d um (property ImageShiftLimit), "
                "as PACEtomo does.",
                limit_um,
                IMAGE_SHIFT_LIMIT_UM,
            )
    except sem_errors():
        log.warning("The limit of image shift (property ImageShiftLimit) cannot be set.")


def warn_of_what_is_missing(folder: Path, max_tilt_deg: float) -> None:
    """Warn of all for which PACEtomo would wait for a person or stop.

    Parameters
    ----------
    folder : Path
        Where tilt series will be saved; it gets an empty image file for a moment.
    max_tilt_deg : float
        Highest tilt of the series.
    """
    for message in what_is_missing(folder, max_tilt_deg):
        log.warning("%s", message)


def what_is_missing(folder: Path, max_tilt_deg: float) -> list[str]:
    """Return what `warn_of_what_is_missing` warns of; nothing is moved or exposed."""
    checks = (
        _tilt_axis,
        lambda: _tilt_range(max_tilt_deg),
        _buffers,
        _frames,
        lambda: _mdocs(folder),
    )
    return [message for check in checks if (message := _answer(check))]


def warn_of_focus_area() -> None:
    """Warn if Focus lies beside Record; low dose must be on."""
    if message := focus_beside_record():
        warn_once("focus_area", "%s", message)


def focus_beside_record() -> str:
    """Return a message if Focus lies beside Record; empty without low dose."""
    return _answer(_focus_area)


def _answer(check: Callable[[], str]) -> str:
    try:
        return check()
    except (OSError,) + sem_errors() as error:  # a check that fails ends nothing
        check_space_left(error)
        return ""


def _tilt_axis() -> str:
    if float(serialem().ReportTiltAxisOffset()[0]):
        return ""
    return (
        "SerialEM has no tilt axis offset. PACEtomo waits for a person when it starts, and tilt "
        "series run out of focus unless the tilt axis really is in the middle of the picture. "
        "Measure the offset and set it in SerialEM."
    )


def _tilt_range(max_tilt_deg: float) -> str:
    limit_deg = float(serialem().ReportProperty("MaximumTiltAngle"))
    if limit_deg >= max_tilt_deg:
        return ""
    return (
        f"max_tilt is {max_tilt_deg:g} degrees, and the stage tilts to {limit_deg:g} (property "
        "MaximumTiltAngle): PACEtomo waits for a person when it starts. Lower max_tilt and "
        "PACEtomo's tilt range."
    )


def _buffers() -> str:
    last = int(serialem().ReportUserSetting("BuffersToRollOnAcquire"))
    if last < _FIRST_HELD:
        return ""
    return (
        f"New pictures push the older ones through {last + 1} buffers, also through buffer O, in "
        "which PACEtomo keeps what it aligns to. Lower the number of buffers to roll to 10 in "
        "SerialEM's Buffer Control panel."
    )


def _frames() -> str:
    sem = serialem()
    if not int(sem.ReportCameraProperty(0, "K2Type")) or sem.ReportFrameSavingPath() != "NONE":
        return ""
    return (
        "No folder for frames is set, so that the camera saves none, and PACEtomo may wait for a "
        "person when it starts. Set the folder in SerialEM's Camera Parameters dialog."
    )


def _mdocs(folder: Path) -> str:
    """Ask by an entry for the mdoc of a new file, which SerialEM refuses if it makes none."""
    sem = serialem()
    path = folder / _TEST_FILE
    path.unlink(missing_ok=True)
    sem.OpenNewFile(str(path))
    try:
        sem.AddToAutodoc("Test", "1")
        return ""
    except sem_errors():
        return (
            "SerialEM writes no .mdoc file with files of single images. PACEtomo needs it and "
            "stops after its first picture. Switch the .mdoc metadata file on in SerialEM's "
            "dialog for new files (File Properties)."
        )
    finally:
        sem.CloseFile()
        for left in (path, path.with_name(path.name + ".mdoc")):
            left.unlink(missing_ok=True)


def _focus_area() -> str:
    along_um = float(serialem().ReportAxisPosition("F")[0])
    if not along_um:
        return ""
    return (
        f"The Focus area lies {along_um:g} um beside Record. PACEtomo asks a person whether that "
        "is meant when it starts for the first time, and its autofocus exposes what lies there. "
        "Set the position of Focus to 0 in the Low Dose Control panel."
    )
