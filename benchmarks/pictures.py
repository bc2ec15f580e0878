"""The pictures in `docs/`, made from a simulated session with the shipped models.

python -m benchmarks.pictures

Takes about ten minutes on two cores. The pictures are those that a session draws for people, made
smaller.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import mrcfile
import numpy as np
from PIL import Image

from space import learning, pacetomo
from space.errors import SpaceError
from space.pictures import to_8_bit
from space.review import Review, review_path, save_review
from space.simulation import Plan, run_plan
from space.simulator.script_runs import ScriptRun, run_on_session

from .common import PROJECT

SEED = 900_101
KINDS = ("good", "good", "wedge", "gone", "broken")
LAMELLA = "G1_L01"
FEW_UM = 6.0
"""Image-shift limit at which the targets of a lamella need several areas."""

WIDTH_PX, RECORD_PX = 1100, 720


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PROJECT / "docs")
    parser.add_argument("--session", type=Path, help="keep the session in this folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictures") as folder:
        session = args.session or Path(folder) / "session"
        simulate(session)
        small(session / "G1_lamella_detected.png", args.out / "grid_detected.png")
        small(session / f"{LAMELLA}_mitos_targets.png", args.out / "lamella_targets.png")
        small(session / f"{LAMELLA}_segmentation.png", args.out / "lamella_segmentation.png")
        contact_sheet(session, args.out / "data_sheet.png")
        take_record(session, args.out / "record.png")
        with_areas(session)
        small(session / f"{LAMELLA}_mitos_targets.png", args.out / "lamella_areas.png")


def simulate(session: Path, **settings: object) -> None:
    """Run SPACEtomo up to the targets, or continue the session in the folder."""
    plan = Plan(session, PROJECT, SEED, level=4, kinds=KINDS, settings=settings, resume=True)
    summary = run_plan(plan)
    if not summary["ok"]:
        raise SpaceError(f"The session failed: {summary['error']}.", str(session))


def contact_sheet(session: Path, path: Path) -> None:
    """Draw what a session gives as a data set, if a person approves all of it."""
    approval = review_path(session, "G1")
    approval.unlink(missing_ok=True)
    save_review(approval, Review("G1", 0, True, frozenset(range(1, 100))))
    with tempfile.TemporaryDirectory(prefix="set") as folder:
        learning.collect([session], Path(folder) / "my_set", print)
        data, _ = learning.read_data_set(Path(folder) / "my_set")
        learning.show(Path(folder) / "my_set", data, Path(folder) / "sheet.png", print)
        small(Path(folder) / "sheet.png", path)
    approval.unlink()


def with_areas(session: Path) -> None:
    """Choose the targets of one lamella again, with a small image-shift limit."""
    (session / f"{LAMELLA}_tgts.txt").unlink()
    simulate(session, image_shift_limit=FEW_UM)


def take_record(session: Path, path: Path) -> None:
    """Take a picture of the best target at the magnification of tilt series."""
    targets = pacetomo.read(session / f"{LAMELLA}_tgts.txt").targets
    best = max(targets, key=lambda target: target.score or 0.0)
    x_um, y_um = best.stage_um or (0.0, 0.0)
    script = session / "record.py"
    script.write_text(
        "#!Python\n"
        "import serialem as sem\n"
        f"sem.MoveStageTo({x_um}, {y_um})\n"
        "sem.GoToLowDoseArea('V')\n"
        "sem.View()\n"
        f"sem.ReadOtherFile(0, 'O', {best.viewfile!r})\n"
        "sem.AlignTo('O', 0, 0, 0, 0)\n"
        "sem.GoToLowDoseArea('R')\n"
        "sem.Record()\n"
        "sem.SaveToOtherFile('A', 'MRC', 'NONE', 'record.mrc')\n",
        encoding="utf-8",
    )
    (session / "record.mrc").unlink(missing_ok=True)
    result = run_on_session(ScriptRun(session, script=script))
    if not result.ok:
        raise SpaceError(f"No Record picture: {result.error}.", str(session))
    with mrcfile.open(session / "record.mrc") as file:
        data = np.squeeze(file.data)[::-1]  # the first row is at the bottom
    save(resized(Image.fromarray(to_8_bit(data)), RECORD_PX), path)


def small(picture: Path, path: Path) -> None:
    """Save a picture of a session in the size and colours of a page."""
    # This method keeps the colours of thin lines.
    shrunk = resized(Image.open(picture).convert("RGB"), WIDTH_PX)
    save(shrunk.quantize(method=Image.Quantize.FASTOCTREE), path)


def resized(image: Image.Image, width_px: int) -> Image.Image:
    """Return an image with another width."""
    height_px = round(image.height * width_px / image.width)
    return image.resize((width_px, height_px), Image.Resampling.LANCZOS)


def save(image: Image.Image, path: Path) -> None:
    """Write an image and print its size."""
    image.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
