"""One tilt series as its mdoc describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TypeVar

from space.errors import SpaceError
from space.files import read_bytes_bounded
from space.microscope import mdoc
from space.series import Picture, doses_e_A2, judge, notes_of, series_of

_LARGEST_MDOC_BYTES = 32_000_000
_Value = TypeVar("_Value")
_DO = "Export the others, or have the .mdoc corrected."


@dataclass(frozen=True)
class Optics:
    """What no mdoc tells, and processing needs.

    Attributes
    ----------
    cs_mm : float
        Spherical aberration.
    amplitude_contrast : float
    hand : int
        1 or -1: on which side the defocus grows with the tilt (rlnTomoHand of RELION).
    dose_e_per_a2 : float or None
        Dose of one tilt; None to take it from the mdoc.
    """

    cs_mm: float = 2.7
    amplitude_contrast: float = 0.1
    hand: int = -1
    dose_e_per_a2: float | None = None


@dataclass(frozen=True)
class TiltImage:
    """One picture of a series.

    Attributes
    ----------
    picture : Picture
        What its mdoc says.
    dose_e_per_a2, prior_dose_e_per_a2 : float
        Of this picture, and of all before it.
    """

    picture: Picture
    dose_e_per_a2: float
    prior_dose_e_per_a2: float

    @property
    def section(self) -> int:
        """Where it is in the image file, from 0."""
        return self.picture.section or 0

    @property
    def tilt_deg(self) -> float:
        """Its tilt."""
        return self.picture.tilt_deg

    @property
    def frames_name(self) -> str:
        """Name of its file of frames without the folder, which may be one of Windows."""
        return PureWindowsPath(self.picture.frames).name


@dataclass(frozen=True)
class TiltSeries:
    """One tilt series.

    Attributes
    ----------
    name : str
        Of its image file, without extension.
    stack, mdoc : Path
        Image file, and SerialEM's notes beside it.
    pixel_nm : float
        Of the image file.
    binning : float
        Of the image file, in real pixels of the camera.
    size_px : tuple of int
        Columns and rows of a picture.
    axis_deg : float
        Tilt axis as SerialEM's titles give it: from the vertical, counterclockwise.
    voltage_kv : float
    turned : bool
        Whether SerialEM turns or flips the camera's pictures (RotationAndFlip).
    images : tuple of TiltImage
        In the order of acquisition.
    lost : str
        From which tilt on its pictures show something else, in words; empty if they do not.
    """

    name: str
    stack: Path
    mdoc: Path
    pixel_nm: float
    binning: float
    size_px: tuple[int, int]
    axis_deg: float
    voltage_kv: float
    turned: bool
    images: tuple[TiltImage, ...]
    lost: str = ""

    @property
    def by_tilt(self) -> tuple[TiltImage, ...]:
        """Its pictures by tilt, the most negative first."""
        return tuple(sorted(self.images, key=lambda image: image.tilt_deg))

    @property
    def dose_e_per_a2(self) -> float:
        """Dose of one tilt, the median of all."""
        doses = sorted(image.dose_e_per_a2 for image in self.images)
        return doses[len(doses) // 2]

    @property
    def defocus_um(self) -> float | None:
        """Defocus that was asked for; None where the mdoc does not say."""
        return next(
            (i.picture.target_defocus_um for i in self.images if i.picture.target_defocus_um), None
        )

    @property
    def has_frames(self) -> bool:
        """Whether every picture has a file of frames."""
        return all(image.picture.frames for image in self.images)


def read_series(stack: Path, optics: Optics | None = None) -> TiltSeries:
    """Read a series from the mdoc of its image file.

    Parameters
    ----------
    stack : Path
        The image file.
    optics : Optics, optional
        Gives the dose where the mdoc has none.

    Raises
    ------
    SpaceError
        When there is no mdoc, or it lacks what every program needs: tilts, pixel size, tilt axis,
        voltage, dose.
    """
    path = mdoc.path_of(stack)
    try:
        data = read_bytes_bounded(path, _LARGEST_MDOC_BYTES)
    except OSError as error:
        raise SpaceError(
            f"The notes of a tilt series cannot be read ({error}).",
            str(path),
            "Copy the .mdoc file to where the tilt series is.",
        ) from error
    whole, notes = series_of(data, stack.stem), notes_of(data)
    pictures = [one for one in whole.pictures if one.section is not None]
    if not pictures:
        raise SpaceError("The notes of a tilt series name no picture with a tilt.", str(path), _DO)
    quality = judge(whole)
    return TiltSeries(
        stack.stem,
        stack,
        path,
        _told(notes.pixel_nm, "PixelSpacing", path),
        notes.binning or 1.0,
        _told(notes.size_px, "ImageSize", path),
        _told(notes.axis_deg, "tilt axis", path),
        _told(notes.voltage_kv, "Voltage", path),
        notes.turned,
        _images(pictures, optics.dose_e_per_a2 if optics else None, path),
        quality.text if quality.verdict == "lost" else "",
    )


def _told(value: _Value | None, key: str, path: Path) -> _Value:
    if value is None:
        raise SpaceError(f"The notes of a tilt series tell no {key}.", str(path), _DO)
    return value


def _images(pictures: list[Picture], given_dose: float | None, path: Path) -> tuple[TiltImage, ...]:
    images: list[TiltImage] = []
    for picture, (dose, prior) in zip(pictures, doses_e_A2(pictures, given_dose)):
        if dose is None:
            raise SpaceError(
                "The notes of a tilt series tell no dose (neither ExposureDose nor DoseRate).",
                f"{path}, picture {picture.section}",
                "Give the dose of one tilt: --dose 3.1 (electrons per square angstrom).",
            )
        images.append(TiltImage(picture, dose, prior))
    return tuple(images)
