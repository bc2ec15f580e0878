"""A large session for the page, made of a simulated one, to look at with one's own eyes.

    spacetomo simulate --out small --level 5 --lamellae 4
    python -m tests.browser.demo small large --grids 12
    python -m tests.browser.demo small crowded --lamellae 60
    spacetomo inspect large --open

Grids are copies of the first grid as it was at each step of the work. Lamellae are copies of those
of the first grid at other places; their maps are as real, and repeat.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

GRID = "G1"
STEPS = ("series", "begun", "targets", "labels", "maps", "boxes", "grid", "nothing")
"""What a grid has got to; each has less than the one before."""
_LEAVES = {  # names of files that a grid lacks from a step on, without its name
    "targets": r"_L\d+_ts_.*|.*_run\d+\.txt",
    "labels": r".*_tgts.*|.*_choice.*",
    "maps": r"_L\d+_seg.*|.*_queue.*",
    "boxes": r"_L\d+.*",
    "grid": r"_lamellae\.json|_lamella_detected.*|_wg_boxes.*",
}
_LACKS = {"targets": "", "labels": "_tgts.txt", "maps": "_tgts.txt", "boxes": ".mrc", "grid": ".*"}
"""Items of the Navigator that it lacks, by what their note ends in."""
_STEP_UM = (125.0, 170.0)


def _reads(path: Path) -> bool:
    return path.suffix in (".json", ".nav", ".txt", ".mdoc", ".log")


def _copies(source: Path, target: Path, grid: str, number: tuple[int, int] | None = None) -> None:
    """Copy a file; texts tell of the other grid, and lamella, then."""
    target.parent.mkdir(exist_ok=True)
    if _reads(source):
        text = source.read_text(encoding="utf-8").replace(str(source.parent), str(target.parent))
        text = re.sub(rf"\b{GRID}(?=[._]|\b)", grid, text)
        if number is not None:
            text = text.replace(f"{grid}_L{number[0]:02d}", f"{grid}_L{number[1]:02d}")
        target.write_text(text, encoding="utf-8")
    elif source.suffix == ".mrc":
        target.write_bytes(b"picture")
    else:
        shutil.copyfile(source, target)


def _files(small: Path) -> Iterator[Path]:
    for path in sorted(small.glob(f"{GRID}[._]*")):
        if path.is_file() and not path.name.endswith("~"):
            yield path


def _of_session(small: Path, large: Path, names: dict[str, str]) -> None:
    large.mkdir()
    for name in ("SPACE_settings.json", "SPACE_session.json"):
        shutil.copyfile(small / name, large / name)
    (large / "SPACE_grids.json").write_text(json.dumps(names), encoding="utf-8")


def _journal(small: Path, large: Path, shifts_min: dict[str, float]) -> None:
    """Tell what happened on each grid, as if they had been worked on in turn until now."""
    lines = [json.loads(line) for line in
             (small / "SPACE_journal.jsonl").read_text(encoding="utf-8").splitlines()]  # fmt: skip
    last = datetime.fromisoformat(lines[-1]["when_utc"])
    shift = datetime.now(timezone.utc) - last
    told = []
    for grid, back_min in shifts_min.items():
        for line in lines:
            when = datetime.fromisoformat(line["when_utc"]) + shift - timedelta(minutes=back_min)
            told.append({**line, "when_utc": when.isoformat(timespec="milliseconds"),
                         "grid": line["grid"] and grid})  # fmt: skip
    told = [line for line in told if line["kind"] != "run_ended"]
    told.sort(key=lambda line: line["when_utc"])
    text = "".join(json.dumps(line) + "\n" for line in told)
    (large / "SPACE_journal.jsonl").write_text(text, encoding="utf-8")


def grids(small: Path, large: Path, count: int) -> None:
    """Make a session of so many grids: those in front are done, the last ones have not begun."""
    names = {str(slot): f"G{slot}" for slot in range(1, count + 1)}
    _of_session(small, large, names)
    steps = [STEPS[min(k * len(STEPS) // count, len(STEPS) - 1)] for k in range(count)]
    for grid, step in zip(names.values(), steps):
        if step == "nothing":
            continue
        reached = STEPS[: STEPS.index(step) + 1]
        leaves = [_LEAVES[one] for one in reached if one in _LEAVES]
        for path in _files(small):
            rest = path.name[len(GRID) :]
            if not any(re.fullmatch(leaves_out, rest) for leaves_out in leaves):
                _copies(path, large / f"{grid}{rest}", grid)
        _forget(large / f"{grid}.nav", [_LACKS[one] for one in reached if _LACKS.get(one)])
    _journal(small, large, {grid: 40.0 * (count - k) for k, grid in enumerate(names.values())
                            if steps[k] in ("series", "begun")})  # fmt: skip


def _forget(navigator: Path, notes: list[str]) -> None:
    head, *items = re.split(r"\n(?=\[Item = )", navigator.read_text(encoding="utf-8"))
    kept = [
        item
        for item in items
        if f"Note = {navigator.stem}.mrc" in item
        or not any(re.search(rf"^Note = .*{note}$", item, re.MULTILINE) for note in notes)
    ]
    navigator.write_text("\n".join([head, *kept]), encoding="utf-8")


def lamellae(small: Path, large: Path, count: int) -> None:
    """Make a session of one grid with so many lamellae, in rows as on a busy grid."""
    _of_session(small, large, {"1": GRID})
    known = json.loads((small / f"{GRID}_lamellae.json").read_text(encoding="utf-8"))
    there = known["lamellae"]
    known["lamellae"] = []
    head, *items = re.split(r"\n(?=\[Item = )", (small / f"{GRID}.nav").read_text(encoding="utf-8"))
    items = [item.replace(str(small), str(large)) for item in items]
    kept = [items[0]]
    for path in _files(small):
        if not re.match(rf"{GRID}_L\d+|{GRID}\.nav|{GRID}_lamellae\.json", path.name):
            _copies(path, large / path.name, GRID)
    for number in range(1, count + 1):
        source = there[(number - 1) % len(there)]
        old, columns = source["number"], 10
        row, column = divmod(number - 1, columns)
        # Every second row lies as close as lamellae of one square do.
        place = [(column - columns / 2) * _STEP_UM[0] * (1.0 if row % 2 else 0.4),
                 (row - 3) * _STEP_UM[1]]  # fmt: skip
        known["lamellae"].append({**source, "number": number, "stage_um": place})
        stage = [a + b for a, b in zip(place, known["offset_um"])]
        for item in items:
            found = re.match(rf"\[Item = (?:(FL{old})|L{old:02d}(_\d+)?)\]", item)
            if found:
                name = f"FL{number}" if found[1] else f"L{number:02d}{found[2] or ''}"
                item = f"[Item = {name}]" + item[found.end() :]
                item = item.replace(f"{GRID}_L{old:02d}", f"{GRID}_L{number:02d}")
                item = re.sub(r"(?<=StageXYZ = )\S+ \S+", "{:.4f} {:.4f}".format(*stage), item)
                kept.append(item)
        for path in small.glob(f"{GRID}_L{old:02d}[._]*"):
            if not path.name.endswith("~"):
                name = path.name.replace(f"_L{old:02d}", f"_L{number:02d}", 1)
                _copies(path, large / name, GRID, (old, number))
    (large / f"{GRID}_lamellae.json").write_text(json.dumps(known), encoding="utf-8")
    (large / f"{GRID}.nav").write_text("\n".join([head, *kept]), encoding="utf-8")
    _journal(small, large, {GRID: 0.0})


def main() -> None:
    """Make one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path, help="folder of a simulated session")
    parser.add_argument("large", type=Path, help="folder to make")
    parser.add_argument("--grids", type=int, default=12)
    parser.add_argument("--lamellae", type=int, default=0, help="on one grid, instead")
    asked = parser.parse_args()
    if asked.lamellae:
        lamellae(asked.small, asked.large, asked.lamellae)
    else:
        grids(asked.small, asked.large, asked.grids)


if __name__ == "__main__":
    main()
