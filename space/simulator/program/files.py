"""The image files that are open in the program, and how images get into them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.formats import mdoc, mrc
from space.simulator.formats.atomic import keep_backup, whole_file
from space.simulator.formats.autodoc import Section
from space.simulator.formats.mdoc import Mdoc
from space.simulator.montage.layout import Layout, Piece
from space.simulator.montage.settings import MontageParams

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image

TITLE = "Simulated microscope"


class FileTableError(ValueError):
    """A file cannot be opened or an image does not fit; the text says why."""


@dataclass(frozen=True)
class SaveContext:
    """What a file notes besides the image itself.

    Parameters
    ----------
    magnification : float
        Nominal magnification of the image.
    target_defocus_um : float or None
        Target defocus of the session.
    navigator_label : str
        Label of the item that is being acquired.
    extra : mapping, optional
        Further entries of the mdoc.
    now : datetime, optional
        Simulated time.
    voltage_kV : float
        High tension.
    invert_stage_x : bool
        Whether stage X runs the other way, which turns the tilt axis around.
    """

    magnification: float = 0.0
    target_defocus_um: float | None = None
    navigator_label: str = ""
    extra: Mapping[str, str] | None = None
    now: datetime | None = None
    voltage_kV: float = 300.0
    invert_stage_x: bool = False


class ImageFile:
    """One open file. It is open in the program's sense only: no handle is held.

    Parameters
    ----------
    path : Path
        The image file.
    montage : MontageParams, optional
        Set for montage files.
    document : Mdoc or None
        Its mdoc; None when it has none.
    """

    def __init__(
        self, path: Path, montage: MontageParams | None = None, document: Mdoc | None = None
    ) -> None:
        self.path = Path(path)
        self.montage = montage
        self.document = document

    @property
    def empty(self) -> bool:
        """Whether no image has been saved yet."""
        return self.sections == 0

    @property
    def sections(self) -> int:
        """Number of images in the file."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return 0
        return mrc.read_header(self.path).sections

    @property
    def montages(self) -> int:
        """Number of montages in the file."""
        if self.montage is None or self.empty:
            return 0
        return mrc.read_info(self.path, self.sections - 1).piece[2] + 1

    def save(
        self,
        image: Image,
        context: SaveContext,
        piece: Piece | None = None,
        montage_number: int = 0,
    ) -> int:
        """Append an image.

        Parameters
        ----------
        image : Image
            Image to store.
        context : SaveContext
            Further notes for the mdoc.
        piece : tuple of int, optional
            Which piece (ix, iy) of the montage this is.
        montage_number : int
            Montage it belongs to.

        Returns
        -------
        int
            Number of the section, from 0.

        Raises
        ------
        FileTableError
            If the image does not fit the file.
        """
        place = None
        if self.montage is not None and piece is not None:
            place = (*self.montage.layout.coordinates_px(piece), montage_number)
        elif self.montage is not None or piece is not None:
            raise FileTableError(
                "single images cannot be saved in a montage file, nor pieces "
                f"in another one ({self.path.name})"
            )
        info = mrc.SectionInfo(
            image.tilt_deg,
            place or (0, 0, 0),
            image.stage_um or (0.0, 0.0),
            context.magnification,
            image.intensity,
            image.dose_e_A2,
        )
        try:
            if self.empty:
                section = self._save_first(image, info, context)
            else:
                section = mrc.append(self.path, image.data, info)
        except (mrc.MrcError, OSError) as problem:
            raise FileTableError(str(problem)) from problem
        if self.document is not None:
            entries = mdoc.image_entries(
                image,
                context.magnification,
                place,
                context.target_defocus_um,
                context.navigator_label,
                context.extra,
            )
            self.document = self.document.with_section(Section(mdoc.IMAGE, str(section), entries))
            self.write_mdoc()
        return section

    def add_to_mdoc(self, key: str, value: str) -> None:
        """Put an entry in the last image's section of the mdoc; not written yet.

        Raises
        ------
        FileTableError
            If the file has no mdoc.
        """
        self.document = self._require_mdoc().with_added(key, value)

    def image_section(self, number: int) -> Section:
        """Give the section of an image in the mdoc.

        Raises
        ------
        FileTableError
            If the file has no mdoc, or this has no such section.
        """
        section = self._require_mdoc().image(number)
        if section is None:
            raise FileTableError(f"image {number} is not in the mdoc file of {self.path.name}")
        return section

    def set_section(self, section: Section) -> None:
        """Put a section into the mdoc, replacing the one of that name."""
        self.document = self._require_mdoc().with_section(section)

    def write_mdoc(self) -> None:
        """Write the mdoc file.

        Raises
        ------
        FileTableError
            If the file has no mdoc or it cannot be written.
        """
        document = self._require_mdoc()
        try:
            mdoc.write(mdoc.path_for(self.path), document)
        except OSError as problem:
            raise FileTableError(f"cannot write the mdoc of {self.path}: {problem}") from problem

    def _require_mdoc(self) -> Mdoc:
        if self.document is None:
            raise FileTableError(f"there is no mdoc file for {self.path.name}")
        return self.document

    def _save_first(self, image: Image, info: mrc.SectionInfo, context: SaveContext) -> int:
        """Write the file with its first image, which other programs see complete."""
        titles = self._titles(image, context)
        pixel_A = image.pixel_um * 1e4
        pieces = len(self.montage.layout.order) if self.montage else 1
        with whole_file(self.path) as temporary:
            mrc.create(
                temporary,
                image.data.shape,
                image.data.dtype,
                pixel_A,
                titles,
                montage=self.montage is not None,
                max_sections=mrc.DEFAULT_MAX_SECTIONS * pieces,
            )
            section = mrc.append(temporary, image.data, info)
        if self.document is not None:
            fresh = mdoc.new(
                self.path.name,
                image.data.shape,
                pixel_A,
                titles,
                mrc.mode_of(image.data.dtype),
                self.montage is not None,
                context.voltage_kV,
            )
            for key, value in self.document.header.items():
                fresh = fresh.with_added(key, value)
            self.document = fresh
        return section

    def _titles(self, image: Image, context: SaveContext) -> tuple[str, str]:
        moment = mdoc.date_time(context.now or datetime.now())
        axis_deg = image.rotation_deg - 90.0 + (180.0 if context.invert_stage_x else 0.0)
        axis_deg = (axis_deg + 180.0) % 360.0 - 180.0
        return (
            f"SerialEM: {TITLE:<40}{moment}",
            f"    Tilt axis angle = {axis_deg:.1f}, binning = {image.binning:g}  "
            f"spot = {image.spot_size}  camera = {image.camera}",
        )


class FileTable:
    """The open files, one of them current.

    Attributes
    ----------
    overwrite : bool
        Whether a new file may replace an old one; off at the start of each script.
    file_type : int
        0 MRC (the only one that is written).
    single_mdocs, montage_mdocs : bool
        Whether new files get an mdoc.
    """

    def __init__(self) -> None:
        self.overwrite = False
        self.file_type = 0
        self.single_mdocs = True
        self.montage_mdocs = True
        self._files: list[ImageFile] = []
        self._current = -1

    @property
    def current(self) -> ImageFile | None:
        """The file that images are saved in."""
        return self._files[self._current] if self._files else None

    @property
    def number(self) -> int:
        """Number of the current file from 1; -1 when none is open."""
        return self._current + 1 if self._files else -1

    def __len__(self) -> int:
        return len(self._files)

    def get(self, number: int) -> ImageFile:
        """Give the open file of a number from 1.

        Raises
        ------
        FileTableError
            If there is none.
        """
        if not 1 <= number <= len(self._files):
            raise FileTableError(f"there is no open file number {number}")
        return self._files[number - 1]

    def switch_to(self, number: int) -> None:
        """Make the open file of a number from 1 current; errors as `get`."""
        self.get(number)
        self._current = number - 1

    def find(self, path: Path) -> ImageFile | None:
        """Find an open file by its path."""
        wanted = _identity(path)
        for file in self._files:
            if _identity(file.path) == wanted:
                return file
        return None

    def is_current(self, path: str | Path) -> bool:
        """Whether a path is that of the current file."""
        if not path or self.current is None:
            return False
        return _identity(Path(path)) == _identity(self.current.path)

    def check_new(self, path: Path) -> None:
        """Check that a new file may be made there.

        Raises
        ------
        FileTableError
            If it is open, is there and may not be replaced, is a folder, or lies in none.
        """
        if self.find(path) is not None:
            raise FileTableError(f"{path} is already open")
        if path.is_dir():
            raise FileTableError(f"{path} is a folder")
        if path.exists() and not self.overwrite:
            raise FileTableError(f"{path} already exists and overwriting is not allowed")
        if not path.parent.is_dir():
            raise FileTableError(f"there is no folder {path.parent}")

    def open_new(self, path: Path, montage: MontageParams | None = None) -> ImageFile:
        """Make a new file current; an old one of that name becomes a backup (`name~`).

        Raises
        ------
        FileTableError
            As `check_new`.
        """
        path = Path(path)
        self.check_new(path)
        keep_backup(path)
        keep_backup(mdoc.path_for(path))
        path.touch()
        with_mdoc = self.single_mdocs if montage is None else self.montage_mdocs
        return self._add(ImageFile(path, montage, Mdoc() if with_mdoc else None))

    def open_old(self, path: Path) -> ImageFile:
        """Open an existing file for appending and make it current.

        Raises
        ------
        FileTableError
            If it is open already, missing or no MRC file.
        """
        path = Path(path)
        if self.find(path) is not None:
            raise FileTableError(f"{path} is already open")
        try:
            mrc.read_header(path)
        except (OSError, mrc.MrcError) as problem:
            raise FileTableError(f"cannot open {path}: {problem}") from problem
        document = read_mdoc(path)
        montage = montage_of(path, document)
        return self._add(ImageFile(path, montage, document))

    def close(self) -> bool:
        """Close the current file; another open one becomes current. False if none was open."""
        if not self._files:
            return False
        del self._files[self._current]
        self._current = len(self._files) - 1
        return True

    def _add(self, file: ImageFile) -> ImageFile:
        self._files.append(file)
        self._current = len(self._files) - 1
        return file


def read_mdoc(path: Path) -> Mdoc | None:
    """Read the mdoc of an image file; None when there is none."""
    place = mdoc.path_for(path)
    return mdoc.read(place) if place.exists() else None


def montage_of(path: Path, document: Mdoc | None) -> MontageParams | None:
    """Find out from a file's pieces which montage it holds; None when it holds single images.

    The overlap follows from the distance of neighbouring piece coordinates.
    """
    if document is None or document.header.get("Montage", "0") != "1":
        return None
    header = mrc.read_header(path)
    places = [mrc.read_info(path, n).piece for n in range(header.sections)]
    if not places:
        return None
    section = document.montages[0] if document.montages else None
    first = document.image(0)
    return MontageParams(
        _layout_of(places, (header.shape[1], header.shape[0]), section),
        first.number("Binning", 1.0) if first else 1.0,
        section.integer("MoveStage", 1) != 0 if section is not None else True,
    )


def _layout_of(
    places: list[tuple[int, int, int]], frame: tuple[int, int], section: Section | None
) -> Layout:
    """Layout of pieces at these coordinates; what is not there was skipped."""
    axes = [sorted({place[axis] for place in places}) for axis in (0, 1)]
    steps = [
        min(b - a for a, b in zip(values, values[1:])) if len(values) > 1 else size
        for values, size in zip(axes, frame)
    ]
    counts = (axes[0][-1] // steps[0] + 1, axes[1][-1] // steps[1] + 1)
    if section is not None and len(section.floats("FullMontNumFrames")) >= 2:
        nx, ny = section.pair("FullMontNumFrames")
        counts = (int(nx), int(ny))
    present = {(x // steps[0], y // steps[1]) for x, y, z in places if z == 0}
    everything = {(ix, iy) for ix in range(counts[0]) for iy in range(counts[1])}
    overlap = (frame[0] - steps[0], frame[1] - steps[1])
    return Layout(counts, frame, overlap, frozenset(everything - present))


def saved(image: Image, file: ImageFile, section: int, current: bool = True) -> Image:
    """Give the image with a note of where it is stored."""
    return replace(image, file=str(file.path), section=section, from_current_file=current)


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.abspath(path))
