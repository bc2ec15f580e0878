"""Navigator files (.nav): the text form and the XML form of SerialEM's item table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

from space.simulator.formats import autodoc
from space.simulator.formats.atomic import copy_backup
from space.simulator.formats.autodoc import WINDOWS, Autodoc, Section, number_text

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
    ShiftInImage UserValue1 UserValue2 UserValue3 UserValue4 UserValue5 UserValue6 UserValue7
    UserValue8 UserValue9 UserValue10 TSparamIndex ParallelTSIndex MontParamIndex FilePropIndex
    FileToOpen StateIndex PtsX PtsY IStargets TargetMag EDMPercent ObjectiveAperture
    CondenserAperture JeolC1Aperture
    """.split()
)

# What an item cannot be without, and how many numbers these entries have.
REQUIRED = ("StageXYZ", "NumPts", "Regis", "Type", "PtsX", "PtsY")
COUNTS = {
    "StageXYZ": 3,
    "RawStageXY": 2,
    "MapScaleMat": 4,
    "MapWidthHeight": 2,
    "MapFramesXY": 2,
    "XYinPc": 2,
}
REQUIRED_OF_MAPS = ("MapFile", "MapID", "MapScaleMat", "MapWidthHeight", "MapMagInd")

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>\s*")
_XML_NAME = re.compile(r"^[A-Za-z_][\w.-]*$")


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
        x, y, z = (*self.section.floats("StageXYZ"), 0.0, 0.0, 0.0)[:3]
        return x, y, z

    @property
    def points_um(self) -> tuple[tuple[float, float], ...]:
        """Point, vertices or map corners in stage coordinates."""
        return tuple(zip(self.section.floats("PtsX"), self.section.floats("PtsY")))

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
    encoding : str
        Encoding of the text form; XML is written as UTF-8.
    """

    header: Mapping[str, str] = field(default_factory=dict)
    items: tuple[NavItem, ...] = ()
    others: tuple[Section, ...] = ()
    newline: str = WINDOWS
    xml: bool = False
    encoding: str = "utf-8"


def in_order(values: Mapping[str, str]) -> dict[str, str]:
    """Sort entries into SerialEM's order; an unknown key stays behind its predecessor."""
    rank = {key: float(number) for number, key in enumerate(KEY_ORDER)}
    last = -1.0
    places = {}
    for key in values:
        last = rank.get(key, last)
        places[key] = last
    return {key: values[key] for key in sorted(values, key=lambda k: (places[k], k not in rank))}


def parse(text: str, strict: bool = False) -> NavFile:
    """Read the text of a Navigator file of either form.

    Parameters
    ----------
    text : str
        The text with any line ends.
    strict : bool
        Whether to refuse what SerialEM would not write. Otherwise files of other programs, or
        changed by hand, are taken as they are, as long as they hold items at all.

    Raises
    ------
    NavFileError
        If it is something else.
    """
    if _XML_DECLARATION.match(text.lstrip("\ufeff")) or text.lstrip().startswith("<navigator"):
        contents = _from_xml(text)
    else:
        try:
            document = autodoc.parse(text, strict)
        except autodoc.AutodocError as problem:
            raise NavFileError(str(problem)) from problem
        contents = _from_document(document)
    if "AdocVersion" not in contents.header and (strict or not contents.items):
        raise NavFileError("this is not a Navigator file: it has no AdocVersion")
    found = problems(contents) if strict else ()
    if found:
        raise NavFileError("; ".join(found))
    return contents


def problems(contents: NavFile) -> tuple[str, ...]:
    """Tell what is wrong with items: entries that are missing or do not hold their numbers."""
    found = []
    for index, item in enumerate(contents.items, start=1):
        needed = REQUIRED + (REQUIRED_OF_MAPS if item.kind == MAP else ())
        lacking = [key for key in needed if key not in item.values]
        wrong = [k for k, n in COUNTS.items() if k in item.values and len(item.floats(k)) != n]
        points = {len(item.floats(key)) for key in ("PtsX", "PtsY") if key in item.values}
        if "NumPts" in item.values and points - {item.integer("NumPts", -1)}:
            wrong.append("NumPts")
        if lacking:
            found.append(f"item {index} ({item.label}) has no {', '.join(lacking)}")
        if wrong:
            found.append(f"item {index} ({item.label}) has a wrong {', '.join(wrong)}")
    return tuple(found)


def render(contents: NavFile) -> str:
    """Give the text of the file with LF line ends."""
    if contents.xml:
        return _to_xml(contents)
    sections = tuple(item.section for item in contents.items) + contents.others
    return autodoc.render(Autodoc(contents.header, sections))


def read(path: Path, strict: bool = False) -> NavFile:
    """Read a Navigator file; `strict` as for `parse`.

    Raises
    ------
    OSError
        If it cannot be read.
    NavFileError
        If it is not a Navigator file.
    """
    text, encoding = autodoc.decoded(Path(path).read_bytes())
    return replace(parse(text, strict), encoding=encoding)


def write(path: Path, contents: NavFile) -> None:
    """Write the file whole; the one that was there is kept with a `~` after its name.

    Somebody who reads the file meanwhile finds the old or the new one, never none.
    """
    path = Path(path)
    text = render(contents)
    copy_backup(path)
    encoding = "utf-8" if contents.xml else contents.encoding
    autodoc.write_encoded(path, text, contents.newline, encoding)


def _from_document(document: Autodoc, xml: bool = False) -> NavFile:
    items = tuple(NavItem(s.name, s.values) for s in document.of_kind(ITEM))
    others = tuple(s for s in document.sections if s.kind != ITEM)
    return NavFile(document.header, items, others, document.newline, xml)


def _from_xml(text: str) -> NavFile:
    newline = WINDOWS if WINDOWS in text else "\n"
    # The text is decoded already: the encoding in the declaration no longer matters.
    body = _XML_DECLARATION.sub("", text.lstrip("\ufeff"))
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as problem:
        raise NavFileError(f"the XML of this Navigator file is damaged: {problem}") from problem
    if root.tag != "navigator":
        raise NavFileError(f"this is not a Navigator file but '{root.tag}'")
    header: dict[str, str] = {}
    sections = []
    for element in root:
        values = {child.tag: _xml_text(child) for child in element}
        if element.tag == "PreData":
            header.update(values)
        else:
            sections.append(Section(element.tag, element.get("name", ""), values))
    return _from_document(Autodoc(header, tuple(sections), newline), xml=True)


def _xml_text(element: ElementTree.Element) -> str:
    """Give the value; other programs may put it on lines of its own."""
    text = element.text or ""
    return text.strip() if "\n" in text else text


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
        if _XML_NAME.match(key):  # comments and the like have no place in this form
            ElementTree.SubElement(element, key).text = value
