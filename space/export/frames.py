"""Where the files of frames are, and how large their pixels are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from space.export.series import TiltImage, TiltSeries

_SHAPE = 0.02  # difference of the ratio of sides; binning crops a few pixels


@dataclass(frozen=True)
class SeriesFrames:
    """A series with the places of its frames.

    Attributes
    ----------
    series : TiltSeries
    pixel_nm : float
        Of the frames.
    places : tuple of str
        Path of the frames of each picture, in the order of `series.images`.
    remarks : tuple of str
        What is not certain about them.
    """

    series: TiltSeries
    pixel_nm: float
    places: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def path(self, image: TiltImage) -> str:
        """Return the path of the frames of a picture."""
        return self.places[self.series.images.index(image)]


def find_frames(
    series: TiltSeries, folder: Path | None = None, pixel_nm: float | None = None
) -> SeriesFrames:
    """Look where the frames of a series are, and at the first of them.

    Parameters
    ----------
    series : TiltSeries
    folder : Path, optional
        Where they are now. By default: where the mdoc says, else in ``frames`` beside the series
        or beside the series itself, whichever is there.
    pixel_nm : float, optional
        Their pixel size; by default from the size of the first file, since frames may be saved
        without the binning of the series, or in super-resolution.
    """
    found = [_place(image, series.stack.parent, folder) for image in series.images]
    remarks = []
    lacking = sum(not path.is_file() for path in found if isinstance(path, Path))
    lacking += sum(isinstance(path, str) for path in found)
    if lacking:
        remarks.append(
            f"{lacking} of {len(found)} files of frames are not where they should be, such as "
            f"{found[0]}: give their folder (--frames)"
        )
    if pixel_nm is None:
        pixel_nm, remark = _pixel_nm(series, found)
        remarks += [remark] if remark else []
    if series.turned:
        remarks.append(
            "SerialEM turns or flips the pictures of this camera (RotationAndFlip), and may save "
            "frames without that: check the tilt axis and the gain reference on the first series"
        )
    return SeriesFrames(series, pixel_nm, tuple(map(_text, found)), tuple(remarks))


def _place(image: TiltImage, beside: Path, folder: Path | None) -> Path | str:
    """Return where frames are; as the mdoc says if they are nowhere to be seen."""
    name = image.frames_name
    if folder is not None:
        return folder / name
    for place in (Path(image.picture.frames), beside / "frames" / name, beside / name):
        if place.is_file():
            return place
    return image.picture.frames


def _text(place: Path | str) -> str:
    return place if isinstance(place, str) else place.resolve().as_posix()


def _pixel_nm(series: TiltSeries, found: list[Path | str]) -> tuple[float, str]:
    """Return the pixel size of frames, and what is not certain about it."""
    first = next((path for path in found if isinstance(path, Path) and path.is_file()), None)
    size = _size_px(first) if first is not None else None
    if size is not None and _same_shape(size, series.size_px):
        return series.pixel_nm * max(series.size_px) / max(size), ""
    unbinned_nm = series.pixel_nm / series.binning
    why = "the size of frames is not known"
    if size is not None:
        why = f"frames of {size[0]} x {size[1]} pixels show another part of the camera"
    return unbinned_nm, (
        f"{why}: their pixels are taken to be unbinned, {unbinned_nm * 10:.4g} A (--frame-pixel-nm)"
    )


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two pictures can show the same field, turned or not."""
    ratios = [max(size) / max(min(size), 1) for size in (one, other)]
    return abs(ratios[0] / ratios[1] - 1) < _SHAPE


def _size_px(path: Path) -> tuple[int, int] | None:
    """Return the size of a picture in a file of frames, None if it cannot be read."""
    reader = _size_of_mrc if path.suffix.lower() in (".mrc", ".mrcs") else _size_of_tiff
    try:
        return reader(path)
    except (OSError, ValueError, SyntaxError):
        return None


def _size_of_mrc(path: Path) -> tuple[int, int]:
    import mrcfile

    with mrcfile.open(path, header_only=True, permissive=True) as opened:
        return int(opened.header.nx), int(opened.header.ny)


def _size_of_tiff(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path, formats=["TIFF"]) as opened:  # reads the header only
        return opened.size
