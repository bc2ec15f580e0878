"""Saved states of sessions, each as small as it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.overview.folders import Folder, with_targets


def _empty(path: Path) -> None:
    Folder(path)


def _level_1(path: Path) -> None:
    Folder(path, level=1).named().found(1, "PL").found(2, "PL").left_out()


def _half_mapped(path: Path) -> None:
    Folder(path).named().found(1).found(2).mapped(1)


def _segmenting(path: Path) -> None:
    folder = Folder(path).named().found(1).mapped(1).found(2).mapped(2).segmented(1)
    folder.queued(2)


def _failed(path: Path) -> None:
    Folder(path).named().found(1).mapped(1).segmentation_failed(1)


def _ready(path: Path) -> None:
    folder = with_targets(Folder(path, level=4).named(), 1, 2)
    folder.found(3).mapped(3).segmented(3).no_targets(3)


def _acquiring(path: Path) -> None:
    folder = with_targets(Folder(path).named(), 1, 2)
    folder.series(1, targets=2).acquire_off(1)
    folder.series(2, targets=1, highest=12, lowest=-12)


def _interrupted(path: Path) -> None:
    folder = with_targets(Folder(path).named(), 1)
    folder.series(1, highest=12, lowest=-12).acquire_off(1)


def _done(path: Path) -> None:
    folder = with_targets(Folder(path).named(), 1, 2)
    folder.series(1).acquire_off(1)
    folder.series(2, lowest=-60, highest=33).acquire_off(2)  # lost on one side, and over


def _odd(path: Path) -> None:
    """Files that were damaged, and two grids of which one is not there."""
    folder = Folder(path, grid_list=(1, 2)).named().found(1)
    (path / "G1_lamellae.json").write_text("{", encoding="utf-8")
    (path / "G1_L01_tgts.txt").write_text("tsfile = x\n", encoding="utf-8")
    (path / "SPACE_queue.txt").write_bytes(b"\xff\xfe\0\0")
    (path / "SPACE_grids.json").write_text('{"1": "G1", "7": "../up"}', encoding="utf-8")
    assert folder.items


@dataclass(frozen=True)
class Case:
    """A state, and what is to be seen in it: the state of each grid and each lamella."""

    name: str
    make: Callable[[Path], None]
    grids: tuple[str, ...]
    lamellae: tuple[str, ...] = ()


CASES = (
    Case("empty", _empty, ("not begun",)),
    Case("level 1 only", _level_1, ("done",), ("found", "found", "excluded")),
    Case("half mapped", _half_mapped, ("mapping",), ("mapped", "found")),
    Case("segmenting", _segmenting, ("segmenting",), ("mapped", "segmenting")),
    Case("failed", _failed, ("segmenting",), ("failed",)),
    Case("ready", _ready, ("done",), ("ready", "ready", "no targets")),
    Case("acquiring", _acquiring, ("acquiring",), ("acquired", "begun")),
    Case("interrupted", _interrupted, ("acquiring",), ("begun",)),
    Case("done", _done, ("done",), ("acquired", "acquired")),
    Case("odd files", _odd, ("segmenting", "not begun"), ("failed",)),
)
