"""A picture of the monitor's view as a terminal shows it (docs/monitor.png), from made-up maps.

python -m benchmarks.terminal_pictures

Takes seconds; what it shows are examples, drawn by the program as everything that it sees.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from space.jobs.status import FolderSeen, MapSeen, Status, WorkerSeen
from space.jobs.view import picture
from space.jobs.vitals import Vitals

from .common import PROJECT

if TYPE_CHECKING:
    from rich.style import Style

NOW = datetime(2026, 5, 12, 14, 21, 7)
COLUMNS, ROWS = 112, 30
FONT_PX, LINE_PX, MARGIN_PX = 16, 21, 14
BACK, FRONT = (24, 26, 31), (215, 218, 224)
LOG = (
    "2026-05-12 14:03:11,402 INFO Watching /data/session_12 with 0, 1. Press Ctrl-C to end.",
    "2026-05-12 14:16:40,118 INFO Started a worker on 0 (process 4711).",
    "2026-05-12 14:20:58,730 ERROR G2_L04.png is not processed: it is empty, cut off or damaged: "
    "copy it again.",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A character of the terminal."""

    text: str
    colour: tuple[int, int, int]
    is_bold: bool


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PROJECT / "docs")
    args = parser.parse_args()
    draw(cells(example())).quantize(64).save(args.out / "monitor.png", optimize=True)


def example() -> Status:
    """Return a folder in which everything that is shown happens."""
    folder = "/data/session_12"

    def seen(state: str, name: str, **more: object) -> MapSeen:
        return MapSeen(folder, f"{name}.png", state, **more)  # type: ignore[arg-type]

    def worker(number: int, name: str, share: float, mpx: float, seconds: float) -> WorkerSeen:
        vitals = Vitals(
            share, 38.2, device="NVIDIA RTX A5000", memory_mb=2900, gpu_memory_mb=3400,
            done_mpx=mpx, done_s=seconds,
        )  # fmt: skip
        return WorkerSeen(
            f"w{number}", "gpu1", 4711 + 52 * number, f"{number}", "alive", vitals, f"{name}.png",
            "segment",
        )  # fmt: skip

    maps = [
        seen("running", "G2_L02", megapixels=38.2, worker="w0", attempt=1),
        seen("running", "G2_L03", megapixels=35.0, worker="w1", attempt=2),
        seen("failed", "G1_L06", reason="There is no contrast in the map: nearly all pixels are 0"),
        seen("broken", "G2_L04", reason="it is empty, cut off or damaged: copy it again"),
        *[seen("waiting", f"G2_L{i:02d}", megapixels=30 + i) for i in range(5, 12)],
        seen("waiting", "G3", task="detect", megapixels=3.1),
        *[seen("done", f"G1_L{i:02d}") for i in (1, 2, 3, 4, 5, 7, 8)],
        seen("done", "G2_L01"),
    ]
    workers = (worker(0, "G2_L02", 0.62, 250, 96), worker(1, "G2_L03", 0.17, 170, 66))
    return Status((FolderSeen(folder),), tuple(maps), workers)


def cells(status: Status) -> list[list[Cell]]:
    """Return what a terminal shows, character by character."""
    from rich.console import Console

    console = Console(
        width=COLUMNS, height=ROWS, file=io.StringIO(), force_terminal=True,
        color_system="truecolor",
    )  # fmt: skip
    options = console.options
    lines = console.render_lines(picture(status, COLUMNS, ROWS, NOW, NOW), options)
    log = [[Cell(c, FRONT, False) for c in line] for line in LOG]
    return log + [
        [cell for segment in line for cell in _cells_of(segment.text, segment.style)]
        for line in lines
    ]


def _cells_of(text: str, style: Style | None) -> list[Cell]:
    from rich.terminal_theme import SVG_EXPORT_THEME

    colour = FRONT
    if style is not None and style.color is not None and not style.color.is_default:
        colour = tuple(style.color.get_truecolor(SVG_EXPORT_THEME))
    if style is not None and style.dim:
        colour = tuple((a + b) // 2 for a, b in zip(colour, BACK))
    return [Cell(c, colour, bool(style and style.bold)) for c in text]


def draw(lines: list[list[Cell]]) -> Image.Image:
    """Draw characters on the grid of a terminal."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"
    usual = ImageFont.truetype(fonts / "DejaVuSansMono.ttf", FONT_PX)
    bold = ImageFont.truetype(fonts / "DejaVuSansMono-Bold.ttf", FONT_PX)
    step = usual.getlength("M")
    size = (round(COLUMNS * step) + 2 * MARGIN_PX, len(lines) * LINE_PX + 2 * MARGIN_PX)
    image = Image.new("RGB", size, BACK)
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        for column, cell in enumerate(line):
            place = (MARGIN_PX + column * step, MARGIN_PX + row * LINE_PX)
            pen.text(place, cell.text, cell.colour, font=bold if cell.is_bold else usual)
    return image


if __name__ == "__main__":
    main()
