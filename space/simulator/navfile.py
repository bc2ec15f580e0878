"""Navigator files (.nav): the text form and the XML form of SerialEM's item table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

from space.simulator import autodoc
from space.simulator.atomic import keep_backup, write_text_atomic
from space.simulator.autodoc import Autodoc, Section, number_text

ITEM = "Item"
POINT, POLYGON, MAP = 0, 1, 2

# Order in which SerialEM writes the entries of an item.
KEY_ORDER = tuple(
    """
    Color StageXYZ NumPts Corner Draw RegPt Regis Type Note GroupID PolyID Imported SuperMontXY
    OrigReg Flags DrawnID BklshXY SamePosId AcquiredAtID RawStageXY Acquire PieceOn XYinPc MapFile
    MapID FitToPolygonID MapMontage MapSection MapBinning MapMagInd MapCamera MapScaleMat
    GridMapXform MapWidthHeight MapMinMaxScale MapFramesXY MontBinning MapExposure MapSettling
    ShutterMode MapSpotSize MapIntensity MapSlitIn MapSlitWidth RotOnLoad RealignedID
    RegisteredToID RealignErrXY LocalErrXY RealignReg ImageType MontUseStage DefocusOffset
    K2ReadMode NetViewShiftXY MapAlpha ViewBeamShiftXY ViewBeamTiltXY MapProbeMode MapLDConSet
    MapTiltAngle FocusAxisPos LDAxisAngle FocusOffsets TSstartEndAngles TSbidirAngle TargetDefocus
    HoleArray SkipHoles HoleISXspacing HoleISYspacing HoleSizeSpacing MarkerShift ShiftCohortID
    ShiftInImage PtsX PtsY IStargets TargetMag EDMPercent ObjectiveAperture CondenserAperture
    JeolC1Aperture
    """.split()
)


class NavFileError(ValueError):
    """The file is not a Navigator file."""


@dataclass(frozen=True)
class NavItem:
    """One row of the table: its label and the entries as they stand in the file."""

    label: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def section(self) -> Section:
        """The item as a section of the file."""
        return Section(ITEM, self.label, self.values)

    @property
    def stage_um(self) -> tuple[float, float, float]:
        """Position x, y, z in the Navigator's (adjusted) stage coordinates."""
        numbers = self.section.floats("StageXYZ")
        return (numbers + (0.0, 0.0, 0.0))[:3] if numbers else (0.0, 0.0, 0.0)

    @property
    def points_um(self) -> tuple[tuple[float, float], ...]:
        """Point, vertices or map corners in stage coordinates."""
        return tuple(zip(self.section.floats("PtsX"), self.section.floats("PtsY"), strict=False))

    @property
    def kind(self) -> int:
        """POINT, POLYGON or MAP."""
        return self.integer("Type")

    @property
    def note(self) -> str:
        """The note, empty when there is none."""
        return self.values.get("Note", "")

    @property
    def map_id(self) -> int:
        """Unique number of the item, 0 when it has none."""
        return self.integer("MapID")

    @property
    def acquire(self) -> bool:
        """Whether the item is set to be acquired."""
        return self.integer("Acquire") != 0

    @property
    def registration(self) -> int:
        """Registration number, from 1."""
        return self.integer("Regis", 1)

    def integer(self, key: str, default: int = 0) -> int:
        """Give the first number of an entry as an integer."""
        return self.section.integer(key, default)

    def floats(self, key: str) -> tuple[float, ...]:
        """Give the numbers of an entry, empty when absent."""
        return self.section.floats(key)

    def updated(self, values: Mapping[str, str | None]) -> NavItem:
        """Give a copy with entries replaced, added in SerialEM's order, or removed (None)."""
        merged = {k: v for k, v in {**self.values, **values}.items() if v is not None}
        if any(key not in self.values for key in values):
            merged = in_order(merged)
        return replace(self, values=merged)

    def moved_to(
        self, stage_um: tuple[float, float, float], points_um: tuple[tuple[float, float], ...]
    ) -> NavItem:
        """Give a copy at another position, with as many digits as 32-bit floats have."""
        return self.updated(
            {
                "StageXYZ": number_text(stage_um, 9),
                "NumPts": str(len(points_um)),
                "PtsX": number_text((p[0] for p in points_um), 9),
                "PtsY": number_text((p[1] for p in points_um), 9),
            }
        )


@dataclass(frozen=True)
class NavFile:
    """Contents of a Navigator file.

    Parameters
    ----------
    header : mapping
        Entries before the first item.
    items : tuple of NavItem
        In table order.
    others : tuple of Section
        Sections after the items (parameters and states), kept as they are.
    newline : str
        Line ending of the file.
    xml : bool
        Whether it is the XML form.
    """

    header: Mapping[str, str] = field(default_factory=dict)
    items: tuple[NavItem, ...] = ()
    others: tuple[Section, ...] = ()
    newline: str = "\n"
    xml: bool = False


def in_order(values: Mapping[str, str]) -> dict[str, str]:
    """Sort entries into SerialEM's order; an unknown key stays behind its predecessor."""
    rank = {key: float(number) for number, key in enumerate(KEY_ORDER)}
    last = -1.0
    places = {}
    for key in values:
        last = rank.get(key, last)
        places[key] = last
    return {key: values[key] for key in sorted(values, key=lambda k: (places[k], k not in rank))}


def parse(text: str) -> NavFile:
    """Read the text of a Navigator file of either form.

    Raises
    ------
    NavFileError
        If it is something else.
    """
    if text.lstrip("\ufeff \r\n").startswith("<?xml"):
        return _from_xml(text)
    document = autodoc.parse(text)
    if "AdocVersion" not in document.header:
        raise NavFileError("this is not a Navigator file: it has no AdocVersion")
    return _from_document(document)


def render(contents: NavFile) -> str:
    """Give the text of the file with LF line ends."""
    if contents.xml:
        return _to_xml(contents)
    sections = tuple(item.section for item in contents.items) + contents.others
    return autodoc.render(Autodoc(contents.header, sections))


def read(path: Path) -> NavFile:
    """Read a Navigator file.

    Raises
    ------
    OSError
        If it cannot be read.
    NavFileError
        If it is not a Navigator file.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return parse(text)


def write(path: Path, contents: NavFile) -> None:
    """Write the file whole; the one that was there is kept with a `~` after its name."""
    path = Path(path)
    text = render(contents)
    keep_backup(path)
    write_text_atomic(path, text, contents.newline)


def _from_document(document: Autodoc, xml: bool = False) -> NavFile:
    items = tuple(NavItem(s.name, s.values) for s in document.of_kind(ITEM))
    others = tuple(s for s in document.sections if s.kind != ITEM)
    return NavFile(document.header, items, others, document.newline, xml)


def _from_xml(text: str) -> NavFile:
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff \r\n").encode("utf-8"))
    except ElementTree.ParseError as problem:
        raise NavFileError(f"the XML of this Navigator file is damaged: {problem}") from problem
    if root.tag != "navigator":
        raise NavFileError(f"this is not a Navigator file but '{root.tag}'")
    header: dict[str, str] = {}
    sections = []
    for element in root:
        values = {child.tag: (child.text or "").strip("\r\n") for child in element}
        if element.tag == "PreData":
            header.update(values)
        else:
            sections.append(Section(element.tag, element.get("name", ""), values))
    return _from_document(Autodoc(header, tuple(sections), newline), xml=True)


def _to_xml(contents: NavFile) -> str:
    root = ElementTree.Element("navigator")
    _add_entries(ElementTree.SubElement(root, "PreData"), contents.header)
    for section in (*(item.section for item in contents.items), *contents.others):
        _add_entries(ElementTree.SubElement(root, section.kind, name=section.name), section.values)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _add_entries(element: ElementTree.Element, values: Mapping[str, str]) -> None:
    for key, value in values.items():
        ElementTree.SubElement(element, key).text = value
