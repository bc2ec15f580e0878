"""What an .mdoc file says of a series as a whole: pixel, tilt axis, voltage, doses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from space.microscope import autodoc
from space.series.pictures import Picture

_AXIS = re.compile(r"Tilt axis angle\s*=\s*([-+]?\d+(?:\.\d*)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Notes:
    """What is said of all pictures together; what is not said is None.

    Attributes
    ----------
    pixel_nm : float or None
        Of the image file.
    binning : float or None
        Of the image file, in real pixels of the camera.
    size_px : tuple of int or None
        Columns and rows of a picture.
    axis_deg : float or None
        Tilt axis as SerialEM's titles give it: from the vertical, counterclockwise.
    voltage_kv : float or None
    turned : bool
        Whether SerialEM turns or flips the camera's pictures (RotationAndFlip).
    stage_um : (x, y) or None
        Stage position of the first picture.
    """

    pixel_nm: float | None
    binning: float | None
    size_px: tuple[int, int] | None
    axis_deg: float | None
    voltage_kv: float | None
    turned: bool
    stage_um: tuple[float, float] | None


def notes_of(data: bytes) -> Notes:
    """Return what the bytes of an .mdoc file say; any bytes will do."""
    document = autodoc.parse(data)
    pictures = document.of_kind("ZValue")
    sections = (*pictures, document.header)
    spacing, size = _first(sections, "PixelSpacing"), document.header.numbers("ImageSize")
    stage = next((s.numbers("StagePosition") for s in pictures), ())
    return Notes(
        spacing / 10 if spacing is not None and spacing > 0 else None,
        _positive(_first(sections, "Binning")),
        (int(size[0]), int(size[1])) if len(size) == 2 else None,
        _axis_deg(document, sections),
        _positive(_first(sections, "Voltage")),
        bool(_first(sections, "RotationAndFlip")),
        (stage[0], stage[1]) if len(stage) == 2 else None,
    )


def _first(sections: Sequence[autodoc.Section], key: str) -> float | None:
    """Return a number from the pictures, else from the head of the file."""
    return next((n for n in (section.number(key) for section in sections) if n is not None), None)


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _axis_deg(document: autodoc.Document, sections: Sequence[autodoc.Section]) -> float | None:
    """Return the angle of the tilt axis: of the title, else from the rotation of the picture.

    The title is RotationAngle - 90, within ±180 (SerialEM; plus 180 where its stage is inverted,
    which only the title tells).
    """
    for title in document.of_kind("T"):
        found = _AXIS.search(title.name)
        if found:
            return float(found[1])
    rotation = _first(sections, "RotationAngle")
    return None if rotation is None else (rotation - 90 + 180) % 360 - 180


def doses_e_A2(
    pictures: Sequence[Picture], given: float | None = None
) -> tuple[tuple[float | None, float], ...]:
    """Return the dose of each picture, and of all before it.

    Parameters
    ----------
    pictures : sequence of Picture
        In the order in which they were taken.
    given : float, optional
        Dose of each, if the caller knows better.

    Returns
    -------
    tuple of (dose, prior dose)
        In electrons per square angstrom. The dose is None where the mdoc does not say it; it
        then counts as 0 for those after it.
    """
    rate = _rate_e_A2_s(pictures)
    found, prior = [], 0.0
    for picture in pictures:
        dose = given if given is not None else _dose(picture, rate)
        prior = max(prior, picture.prior_e_A2 or 0.0)
        found.append((dose, prior))
        prior += dose or 0.0
    return tuple(found)


def _rate_e_A2_s(pictures: Sequence[Picture]) -> float | None:
    """Return the dose rate of a series in electrons per square angstrom and second.

    What the specimen and the slit of a filter hold back does not arrive at the camera, more so at
    high tilt. The highest rate of the series is therefore nearest to what the specimen got, and
    still a lower limit.
    """
    rates = [one.seen_e_A2 / one.exposure_s for one in pictures if one.seen_e_A2 and one.exposure_s]
    return max(rates, default=None)


def _dose(picture: Picture, rate_e_A2_s: float | None) -> float | None:
    """Return the dose of a picture, None if it does not say.

    ExposureDose is that of the specimen, where SerialEM's dose is calibrated.
    """
    if picture.dose_e_A2:
        return picture.dose_e_A2
    if rate_e_A2_s is None or picture.exposure_s is None:
        return None
    return rate_e_A2_s * picture.exposure_s
