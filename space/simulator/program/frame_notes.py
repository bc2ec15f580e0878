"""Mdoc files about frames: one beside each stack, and one of a script's own for all of them.

Sections of frames are named `[FrameSet = 0]` and so on, and hold what an image's section does, with
the pixels of the frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from space.simulator.formats import autodoc, mdoc
from space.simulator.formats.autodoc import Autodoc, Section, number_text

if TYPE_CHECKING:
    from space.simulator.imaging.images import Image
    from space.simulator.program.frame_saving import FrameStack
    from space.simulator.program.session import Session

FRAMES = "FrameSet"
STACK_MDOC = "SaveFrameStackMdoc"  # user setting
_OF_PICTURES = ("MinMaxMean", "UncroppedSize")


@dataclass(frozen=True)
class FrameMdoc:
    """The mdoc file that a script has opened for all frames to come.

    Attributes
    ----------
    path : Path
        The file.
    document : Autodoc
        Its contents.
    deferred : bool
        Whether it is written only when the script says so, or when it is closed.
    """

    path: Path
    document: Autodoc
    deferred: bool = False

    def with_frames(self, entries: Mapping[str, str]) -> FrameMdoc:
        """Give a copy with one more section."""
        number = len(self.document.of_kind(FRAMES))
        section = Section(FRAMES, str(number), dict(entries))
        sections = (*self.document.sections, section)
        return replace(self, document=replace(self.document, sections=sections))

    def with_entry(self, key: str, value: str) -> FrameMdoc:
        """Give a copy with an entry in the last section, or a global one before the first."""
        if not self.document.of_kind(FRAMES):
            header = {**self.document.header, key: value}
            return replace(self, document=replace(self.document, header=header))
        *others, last = self.document.sections
        sections = (*others, last.updated({key: value}))
        return replace(self, document=replace(self.document, sections=sections))


def opened(session: Session, path: Path) -> FrameMdoc:
    """Give the mdoc of a path: what is in the file, or a new one.

    Raises
    ------
    OSError
        If the file is there and cannot be read.
    """
    document = autodoc.read(path) if path.exists() else _new(session)
    return FrameMdoc(path, document)


def note(session: Session, image: Image, stack: FrameStack) -> None:
    """Write what there is to say about a stack that was just saved, where it is asked for.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    bench, entries = session.workbench, _entries(session, image, stack)
    if session.options.user_settings.get(STACK_MDOC, 0.0):
        beside = FrameMdoc(mdoc.path_for(stack.path), _new(session))
        added, bench.next_stack_entries = bench.next_stack_entries, {}
        autodoc.write(beside.path, beside.with_frames({**entries, **added}).document)
    if bench.frame_mdoc is not None:
        bench.frame_mdoc = bench.frame_mdoc.with_frames(entries)
        if not bench.frame_mdoc.deferred:
            autodoc.write(bench.frame_mdoc.path, bench.frame_mdoc.document)


def _new(session: Session) -> Autodoc:
    usual = mdoc.new("", (1, 1), 1.0, [_title(session)], voltage_kV=session.instrument.voltage_kV)
    header = {key: usual.header[key] for key in ("Voltage", "Version")}
    return replace(usual.document, header=header)


def _title(session: Session) -> str:
    return f"SerialEM: Frames {mdoc.date_time(session.clock.now)}"


def _entries(session: Session, image: Image, stack: FrameStack) -> dict[str, str]:
    """Give the entries of a stack's section."""
    state = session.acquire
    found = mdoc.image_entries(
        image,
        image.magnification,
        target_defocus_um=session.scope.target_defocus_um,
        navigator_label=session.navigator.label_of(state.item_index) if state.acquiring else "",
        extra={
            "PixelSpacing": number_text(stack.pixel_um * 1e4),
            "Binning": number_text(stack.binning),
            "CameraPixelSize": number_text(session.camera.model.chip_pixel_um * stack.binning),
            **stack.entries(),
        },
    )
    return {key: value for key, value in found.items() if key not in _OF_PICTURES}
