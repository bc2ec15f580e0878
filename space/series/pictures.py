"""The pictures of a tilt series, as the .mdoc file beside its stack tells of them.

Files of any program are taken as they are: what is missing or no number is not known. SerialEM
writes counts, tilt, dose and time; scripts add where the target was found and the defocus that
was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from space.files import read_bytes_bounded
from space.microscope import autodoc
from space.microscope.autodoc import Section, numbers

MOST_PICTURES = 2000
"""Of a file with more, the first ones are read."""

_PLACE_KEYS = ("SpecimenShift", "FoundAtShift")
_DEFOCUS_KEYS = ("CtfFind", "CtfDefocus", "CtfPlotter")
_OFF_KEY = "WasOffBy"
_HEIGHT_KEY = "EucentricOffset"
_STEEPEST_DEG = 89.0
_LARGEST = 1e9  # of any number here; what is larger, or closer to 0 where it may not be, is none
_MONTHS = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
_WHEN = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{2}|\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})")


@dataclass(frozen=True)
class Picture:
    """One picture; what is not known is None.

    Attributes
    ----------
    tilt_deg : float
    counts : float or None
        Mean of its pixels.
    exposure_s : float or None
    dose_e_A2 : float or None
        As SerialEM has it from its calibrated dose; None if it has none (it writes 0).
    seen_e_A2 : float or None
        What arrived at the camera, by the dose rate there: less than what the specimen had.
    electrons : float or None
        Electrons for each pixel, by the counts.
    defocus_um, target_defocus_um, lens_defocus_um : float or None
        As a script measured it, as it was asked for, and as the lens was set.
    shift_um : (x, y) or None
        Specimen shift at which the target was found.
    off_um : float or None
        How far the target was from where the script expected it.
    height_um : float or None
        Of the target above the tilt axis, as the script last had it.
    when : datetime or None
    section : int or None
        In the image file, from 0; None where the mdoc numbers it in another way.
    prior_e_A2 : float or None
        Dose that the place had before, as SerialEM counted it.
    frames : str
        Its file of frames, as SerialEM saw it; empty without one.
    n_frames : int
    """

    tilt_deg: float
    counts: float | None = None
    exposure_s: float | None = None
    dose_e_A2: float | None = None
    seen_e_A2: float | None = None
    electrons: float | None = None
    defocus_um: float | None = None
    target_defocus_um: float | None = None
    lens_defocus_um: float | None = None
    shift_um: tuple[float, float] | None = None
    off_um: float | None = None
    height_um: float | None = None
    when: datetime | None = None
    section: int | None = None
    prior_e_A2: float | None = None
    frames: str = ""
    n_frames: int = 0


@dataclass(frozen=True)
class TiltSeries:
    """A tilt series, its pictures in the order in which they were taken."""

    name: str
    pictures: tuple[Picture, ...]

    @property
    def start_deg(self) -> float:
        """Tilt of its first picture."""
        return self.pictures[0].tilt_deg

    @property
    def range_deg(self) -> tuple[float, float]:
        """Lowest and highest tilt."""
        tilts = [picture.tilt_deg for picture in self.pictures]
        return min(tilts), max(tilts)

    @property
    def dose_e_A2(self) -> float | None:
        """What all pictures together gave the specimen; None if one of them does not tell."""
        return _sum(picture.dose_e_A2 for picture in self.pictures)

    @property
    def seen_e_A2(self) -> float | None:
        """What of it arrived at the camera; None if a picture does not tell."""
        return _sum(picture.seen_e_A2 for picture in self.pictures)


def read_series(path: Path, name: str = "") -> TiltSeries:
    """Read the .mdoc file of a tilt series.

    Raises
    ------
    OSError
        If there is none, or it is too large to be one.
    """
    return series_of(read_bytes_bounded(path), name or path.name[: -len(".mdoc")])


def series_of(data: bytes, name: str) -> TiltSeries:
    """Return the tilt series of the bytes of an .mdoc file; any bytes will do.

    A section that stands there twice, as after a repeated picture, counts as it stands there last.
    One without a tilt counts not at all. The order is that of their times; without them that of
    the file.
    """
    found: dict[str, Picture] = {}
    for position, section in enumerate(autodoc.parse(data).of_kind("ZValue")):
        picture = _picture(section)
        if picture is not None:
            found[section.name or f"#{position}"] = picture
        if len(found) >= MOST_PICTURES:
            break
    return TiltSeries(name, tuple(_in_order(list(found.values()))))


def _in_order(pictures: list[Picture]) -> list[Picture]:
    if any(picture.when is None for picture in pictures):
        return pictures
    return sorted(pictures, key=lambda picture: picture.when or datetime.min)


class _Values:
    """Entries of a section, read once."""

    def __init__(self, section: Section) -> None:
        self._values = section.values

    def many(self, key: str) -> tuple[float, ...]:
        found = numbers(self._values.get(key, ""))
        return found if all(abs(value) < _LARGEST for value in found) else ()

    def one(self, key: str) -> float | None:
        found = self.many(key)
        return found[0] if found else None

    def above_zero(self, key: str) -> float | None:
        found = self.one(key)
        return found if found is not None and found > 1 / _LARGEST else None

    def first(self, keys: tuple[str, ...]) -> tuple[float, ...]:
        return next((found for found in map(self.many, keys) if found), ())

    def text(self, key: str) -> str:
        return self._values.get(key, "")


def _picture(section: Section) -> Picture | None:
    values = _Values(section)
    tilt = values.one("TiltAngle")
    if tilt is None or abs(tilt) > _STEEPEST_DEG:
        return None
    range_and_mean = values.many("MinMaxMean")
    counts = range_and_mean[2] if len(range_and_mean) == 3 else None
    exposure, gain = values.above_zero("ExposureTime"), values.above_zero("CountsPerElectron")
    place, off = values.first(_PLACE_KEYS), values.many(_OFF_KEY)
    return Picture(
        tilt_deg=tilt,
        counts=counts,
        exposure_s=exposure,
        dose_e_A2=values.above_zero("ExposureDose"),
        seen_e_A2=_seen(values, exposure),
        electrons=counts / gain if counts is not None and gain else None,
        defocus_um=_defocus(values),
        target_defocus_um=values.one("TargetDefocus"),
        lens_defocus_um=values.one("Defocus"),
        shift_um=(place[0], place[1]) if len(place) >= 2 else None,
        off_um=(off[0] ** 2 + off[1] ** 2) ** 0.5 if len(off) >= 2 else None,
        height_um=values.one(_HEIGHT_KEY),
        when=time_of(values.text("DateTime")),
        section=int(section.name) if re.fullmatch(r"[0-9]{1,6}", section.name) else None,
        prior_e_A2=values.one("PriorRecordDose"),
        frames=values.text("SubFramePath"),
        n_frames=int(values.above_zero("NumSubFrames") or 0),
    )


def _seen(values: _Values, exposure: float | None) -> float | None:
    """Return electrons per square Angstrom at the camera; the rate is for an unbinned pixel."""
    rate, pixel = values.above_zero("DoseRate"), values.above_zero("PixelSpacing")
    binning = values.above_zero("Binning")
    if rate is None or pixel is None or exposure is None or binning is None:
        return None
    return rate * exposure / (pixel / binning) ** 2


def _defocus(values: _Values) -> float | None:
    """Return the measured defocus; scripts write a number that is none where a fit failed."""
    found = values.first(_DEFOCUS_KEYS)
    return found[0] if found and found[0] not in (0.0, 1.0) else None


def time_of(text: str) -> datetime | None:
    """Return a time as SerialEM writes it, whatever language Windows has."""
    found = _WHEN.fullmatch(text.strip())
    month = _MONTHS.get(found[2].lower()) if found else None
    if not found or month is None:
        return None
    year = int(found[3]) + (2000 if len(found[3]) == 2 else 0)
    try:
        hour, minute, second = (int(found[k]) for k in (4, 5, 6))
        return datetime(year, month, int(found[1]), hour, minute, second)
    except ValueError:
        return None


def _sum(values: Iterator[float | None]) -> float | None:
    known = list(values)
    numbers_only = [value for value in known if value is not None]
    return sum(numbers_only) if known and len(numbers_only) == len(known) else None
