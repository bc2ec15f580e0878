"""Small folders of sessions in all states, as SPACEtomo, SerialEM and PACEtomo leave them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from space import settings
from space.files import write_text_atomic
from space.images import write_png
from space.jobs import JobFolder
from space.settings import Settings
from space.steps import ensure_session_id

LIST = "lamellae"


class Folder:
    """A session's folder that is filled step by step; each method returns the folder.

    Parameters
    ----------
    directory : Path
    level : int
        Of the last run.
    **chosen
        Further settings of it.
    """

    def __init__(self, directory: Path, level: int = 5, **chosen: object) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        settings.save(Settings(automation_level=level, **chosen), directory)
        ensure_session_id(directory)
        self.items: list[str] = []
        self.known: dict[str, list[dict[str, object]]] = {LIST: [], "others": []}

    def named(self, slot: object = 1, name: str = "G1") -> Folder:
        """What opening a grid leaves."""
        path = self.directory / "SPACE_grids.json"
        names = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(json.dumps({**names, str(slot): name}), encoding="utf-8")
        return self._saved()

    def found(self, number: int, prefix: str = "FL", kind: str = "good") -> Folder:
        """A lamella with its point."""
        self._item(f"{prefix}{number}", 0, f"{kind} (90%)", place=(10.0 * number, 5.0, 0.0))
        self.known[LIST].append(self._known(number, kind))
        return self._saved()

    def left_out(self, kind: str = "broken") -> Folder:
        """A lamella of a class that is not visited."""
        self.known["others"].append(self._known(0, kind))
        return self._saved()

    def mapped(self, number: int) -> Folder:
        """A lamella's map, its item and the picture for the model."""
        stem = f"G1_L{number:02d}"
        (self.directory / f"{stem}.mrc").write_bytes(b"map")
        self._item(f"L{number:02d}", 2, f"{stem}.mrc")
        pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)
        write_png(self.directory / f"{stem}.png", pixels, 16.0, f"{stem}.mrc")
        return self._saved()

    def queued(self, number: int) -> Folder:
        """Its segmentation waits."""
        JobFolder(self.directory).submit(f"G1_L{number:02d}.png")
        return self

    def segmented(self, number: int) -> Folder:
        """Its segmentation is there."""
        labels = np.zeros((20, 30), np.uint8)
        write_png(self.directory / f"G1_L{number:02d}_seg.png", labels, 16.0, "model")
        return self

    def segmentation_failed(self, number: int, reason: str = "out of memory") -> Folder:
        """Its segmentation has failed for good."""
        folder = JobFolder(self.directory)
        folder.submit(f"G1_L{number:02d}.png")
        folder.give_up_waiting(reason)
        return self

    def no_targets(self, number: int) -> Folder:
        """No place of its map was chosen."""
        stem = f"G1_L{number:02d}"
        (self.directory / f"{stem}_tgts.txt").write_text("", encoding="utf-8")
        (self.directory / f"{stem}_choice.json").write_text('{"areas": []}', encoding="utf-8")
        return self

    def ready(self, number: int, targets: int = 2, area: int = 1, acquire: bool = True) -> Folder:
        """Its targets are set up."""
        root = f"G1_L{number:02d}" + (f"_area{area}" if area > 1 else "")
        text = "_bset measureGeo = True\n\n"
        for target in range(1, targets + 1):
            text += (
                f"_tgt = {target:03d}\ntsfile = {root}_ts_{target:03d}.mrc\nSSX = {target}\n"
                "SSY = 0\nstageX = 1\nstageY = 2\nskip = False\nSPACEscore = 0.5\n\n"
            )
        text += "_geo = 1\nSSX = 1\nSSY = 1\n\n SPACEtomo: end of the file\n"
        write_text_atomic(self.directory / f"{root}_tgts.txt", text)
        self._item(f"L{number:02d}_001", 2, f"{root}_tgts.txt", acquire=acquire)
        return self._saved()

    def series(
        self, number: int, targets: int = 2, highest: int = 60, lowest: int = -60, area: int = 1
    ) -> Folder:
        """Tilt series of its targets, and the run file of PACEtomo."""
        root = f"G1_L{number:02d}" + (f"_area{area}" if area > 1 else "")
        for target in range(1, targets + 1):
            path = self.directory / f"{root}_ts_{target:03d}.mrc"
            path.write_bytes(b"series")
            tilts = range(lowest, highest + 1, 3)
            sections = [f"[ZValue = {z}]\nTiltAngle = {tilt}.01" for z, tilt in enumerate(tilts)]
            notes = "\n\n".join(["PixelSpacing = 2", *sections]) + "\n"
            path.with_name(f"{path.name}.mdoc").write_text(notes, encoding="utf-8")
        run = (self.directory / f"{root}_tgts.txt").read_text(encoding="utf-8")
        head = "_set minTilt = -60\n_set maxTilt = 60\n_set step = 3\n"
        (self.directory / f"{root}_tgts_run01.txt").write_text(head + run, encoding="utf-8")
        return self

    def acquire_off(self, number: int, area: int = 1) -> Folder:
        """SerialEM has turned its Acquire off."""
        root = f"G1_L{number:02d}" + (f"_area{area}" if area > 1 else "")
        self.items = [
            text.replace("Acquire = 1", "Acquire = 0") if f"{root}_tgts.txt" in text else text
            for text in self.items
        ]
        return self._saved()

    def _item(
        self,
        label: str,
        kind: int,
        note: str,
        acquire: bool = False,
        place: tuple[float, float, float] = (1.0, 2.0, 0.0),
    ) -> None:
        lines = [
            f"[Item = {label}]",
            "Color = 0",
            "StageXYZ = {} {} {}".format(*place),
            "NumPts = 1",
            f"Acquire = {int(acquire)}",
            f"Type = {kind}",
            f"Note = {note}",
        ]
        self.items.append("\n".join(lines))

    @staticmethod
    def _known(number: int, kind: str) -> dict[str, object]:
        return {
            "number": number,
            "stage_um": [10.0 * number, 5.0],
            "size_um": [12.0, 8.0],
            "category": kind,
            "probability": 0.9,
        }

    def _saved(self) -> Folder:
        body = "\n\n".join(["AdocVersion = 2.00", *self.items]) + "\n"
        (self.directory / "G1.nav").write_text(body, encoding="utf-8")
        if self.known[LIST] or self.known["others"]:
            values = {"offset_um": [0.0, 0.0], "made_with": {}, **self.known}
            (self.directory / "G1_lamellae.json").write_text(json.dumps(values), encoding="utf-8")
        return self


def with_targets(folder: Folder, *numbers: int) -> Folder:
    """Lamellae with their targets set up."""
    for number in numbers:
        folder.found(number).mapped(number).segmented(number).ready(number)
    return folder
