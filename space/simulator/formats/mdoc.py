"""The .mdoc text file beside an image file: what was set when each image was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.formats import autodoc
from space.simulator.formats.autodoc import Autodoc, Section, number_text

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TITLE, IMAGE, MONTAGE = "T", "ZValue", "MontSection"

# Order in which entries of an image are written.
KEY_ORDER = (
    "PieceCoordinates",
    "SuperMontCoords",
    "MinMaxMean",
    "TiltAngle",
    "StagePosition",
    "StageZ",
    "Magnification",
    "CameraLength",
    "Intensity",
    "ExposureDose",
    "DoseRate",
    "PixelSpacing",
    "RefinedPixelSpacing",
    "SpotSize",
    "ProbeMode",
    "Defocus",
    "ImageShift",
    "NominalStageXY",
    "RotationAngle",
    "ExposureTime",
    "Binning",
    "CameraIndex",
    "DividedBy2",
    "OperatingMode",
    "UsingCDS",
    "MagIndex",
    "LowDoseConSet",
    "CountsPerElectron",
    "TargetDefocus",
    "PriorRecordDose",
    "SubFramePath",
    "NumSubFrames",
    "FrameDosesAndNumber",
    "DateTime",
    "NavigatorLabel",
    "FilterSlitAndLoss",
    "ChannelName",
    "MultishotHoleAndPosition",
    "CameraPixelSize",
    "Voltage",
    "UncroppedSize",
    "CenteredCrop",
    "RotationAndFlip",
    "TimeStamp",
    "FlashCounter",
    "FEGCurrent",
    "EDMPercent",
    "ConvergenceAngle",
    "ScanRotation",
)

# Entries that follow from an image, or from its place in a file; they are not kept as such.
NOT_KEPT = frozenset(
    """
    PieceCoordinates SuperMontCoords NominalStageXY MinMaxMean TiltAngle StagePosition StageZ
    Magnification Intensity ExposureDose PixelSpacing SpotSize ProbeMode Defocus ImageShift
    RotationAngle ExposureTime Binning CameraIndex DividedBy2 MagIndex LowDoseConSet TargetDefocus
    DateTime NavigatorLabel UncroppedSize
    """.split()
)


@dataclass(frozen=True)
class Mdoc:
    """Contents of an mdoc file; the titles are sections of kind `T`."""

    document: Autodoc = field(default_factory=Autodoc)

    @property
    def header(self) -> Mapping[str, str]:
        """Global entries."""
        return self.document.header

    @property
    def titles(self) -> tuple[str, ...]:
        """Title lines."""
        return tuple(s.name for s in self.document.of_kind(TITLE))

    @property
    def images(self) -> tuple[Section, ...]:
        """Sections of the images, in file order."""
        return self.document.of_kind(IMAGE)

    @property
    def montages(self) -> tuple[Section, ...]:
        """Sections that describe whole montages."""
        return self.document.of_kind(MONTAGE)

    def image(self, number: int) -> Section | None:
        """Give the section of image `number`, or None."""
        return self._named(IMAGE, number)

    def montage(self, number: int) -> Section | None:
        """Give the section of montage `number`, or None."""
        return self._named(MONTAGE, number)

    def with_section(self, section: Section) -> Mdoc:
        """Give a copy with `section` in place of the one of that name, or at the end."""
        sections = list(self.document.sections)
        for index, old in enumerate(sections):
            if (old.kind, old.name) == (section.kind, section.name):
                sections[index] = section
                break
        else:
            sections.append(section)
        return Mdoc(replace(self.document, sections=tuple(sections)))

    def with_added(self, key: str, value: str) -> Mdoc:
        """Give a copy with an entry in the last image's section (global before any image)."""
        if not self.images:
            header = {**self.document.header, key: value}
            return Mdoc(replace(self.document, header=header))
        return self.with_section(self.images[-1].updated({key: value}))

    def _named(self, kind: str, number: int) -> Section | None:
        for section in self.document.sections:
            if section.kind == kind and section.name.strip() == str(number):
                return section
        return None


def path_for(image_path: Path) -> Path:
    """Give the mdoc's path for an image file."""
    image_path = Path(image_path)
    return image_path.with_name(image_path.name + ".mdoc")


def read(path: Path) -> Mdoc:
    """Read an mdoc file."""
    return Mdoc(autodoc.read(path))


def write(path: Path, mdoc: Mdoc) -> None:
    """Write an mdoc file whole."""
    autodoc.write(path, mdoc.document)


def parse(text: str) -> Mdoc:
    """Read mdoc text."""
    return Mdoc(autodoc.parse(text))


def render(mdoc: Mdoc) -> str:
    """Give the text of the file with LF line ends."""
    return autodoc.render(mdoc.document)


def date_time(moment: datetime) -> str:
    """Give a time as SerialEM writes it: `05-Feb-20  14:41:21`, whatever the locale."""
    return (
        f"{moment.day:02d}-{MONTHS[moment.month - 1]}-{moment.year % 100:02d}  "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    )


def new(
    image_name: str,
    shape: tuple[int, int],
    pixel_A: float,
    titles: Iterable[str],
    mode: int = 1,
    montage: bool = False,
    voltage_kV: float = 300.0,
) -> Mdoc:
    """Give the mdoc of a file without images yet."""
    header = {
        "PixelSpacing": number_text(pixel_A),
        "Voltage": number_text(voltage_kV),
        "Version": "SerialEM Version 4.2.0 64-bit,  simulated",
        "ImageFile": image_name,
        "ImageSize": f"{shape[1]} {shape[0]}",
    }
    if montage:
        header["Montage"] = "1"
    header["DataMode"] = str(mode)
    sections = tuple(Section(TITLE, title) for title in titles)
    return Mdoc(Autodoc(header, sections))


def low_dose_code(camera_set: int, low_dose: bool) -> int:
    """Give the value of LowDoseConSet: set + 1 in low dose, else minus the set."""
    return camera_set + 1 if low_dose else -camera_set


def camera_set_of(code: int) -> tuple[int, bool]:
    """Give camera set and whether low dose was on, from LowDoseConSet."""
    return (code - 1, True) if code > 0 else (-code, False)


def image_entries(
    image: Image,
    magnification: float,
    piece: tuple[int, int, int] | None = None,
    target_defocus_um: float | None = None,
    navigator_label: str = "",
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Give the entries of an image's section, in SerialEM's order.

    What is not known of the image, such as the magnification of one that another program
    made, is left out.

    Parameters
    ----------
    image : Image
        The image with the state of the microscope when it was taken.
    magnification : float
        Nominal magnification.
    piece : tuple of int, optional
        Piece coordinates in a montage file.
    target_defocus_um : float, optional
        Target defocus of the session.
    navigator_label : str, optional
        Label of the item that is being acquired.
    extra : mapping, optional
        Further entries; they take their place in the order, unknown keys go last.
    """
    data = image.data
    rows, columns = data.shape
    low, high, mean = data.min(), data.max(), data.mean(dtype="f8")
    values = {
        "MinMaxMean": number_text((float(low), float(high), float(mean))),
        "TiltAngle": number_text(image.tilt_deg),
        **_stage_entries(image),
        **_optics_entries(image, magnification),
        "UncroppedSize": f"-{columns} -{rows}",
        **image.entries,
    }
    if piece is not None:
        values["PieceCoordinates"] = number_text(piece)
    if target_defocus_um is not None:
        values["TargetDefocus"] = number_text(target_defocus_um)
    if navigator_label:
        values["NavigatorLabel"] = navigator_label
    values.update(extra or {})
    return in_order(values)


def _optics_entries(image: Image, magnification: float) -> dict[str, str]:
    values = {"PixelSpacing": number_text(image.pixel_um * 1e4)} if image.pixel_um > 0 else {}
    if image.time:
        values["DateTime"] = image.time
    if image.binning > 0:
        values["Binning"] = number_text(image.binning)
    if image.camera_set >= 0:
        values["LowDoseConSet"] = str(low_dose_code(image.camera_set, image.low_dose))
    if image.mag_index <= 0:
        return values
    return values | {
        "Magnification": number_text(float(magnification)),
        "Intensity": number_text(image.intensity),
        "ExposureDose": number_text(image.dose_e_A2),
        "SpotSize": str(int(image.spot_size)),
        "ProbeMode": str(image.probe_mode),
        "Defocus": number_text(image.defocus_um),
        "ImageShift": number_text(image.image_shift),
        "RotationAngle": number_text(image.rotation_deg),
        "ExposureTime": number_text(image.exposure_s),
        "CameraIndex": str(image.camera),
        "DividedBy2": str(int(image.divided_by_2)),
        "MagIndex": str(image.mag_index),
    }


def _stage_entries(image: Image) -> dict[str, str]:
    if image.stage_um is None:
        return {}
    return {
        "StagePosition": number_text(image.stage_um),
        "StageZ": number_text(image.stage_z_um),
    }


def kept_entries(notes: Section) -> dict[str, str]:
    """Give the entries of an image read from a file that go with it into another one."""
    kept = {k: v for k, v in notes.values.items() if k in KEY_ORDER and k not in NOT_KEPT}
    if notes.number("UncroppedSize") > 0:  # it was cropped: the size cannot be seen any more
        kept["UncroppedSize"] = notes.values["UncroppedSize"]
    return kept


def in_order(values: Mapping[str, str]) -> dict[str, str]:
    """Sort entries into SerialEM's order; unknown keys keep theirs at the end."""
    known = {key: values[key] for key in KEY_ORDER if key in values}
    return known | {key: value for key, value in values.items() if key not in known}
