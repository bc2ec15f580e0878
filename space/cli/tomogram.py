"""``spacetomo tomogram``: tomograms of tilt series."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from space.cli import given
from space.jobs.spreading import spread


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "tomogram",
        help="make tomograms of tilt series",
        description="Reads tilt series with SerialEM's .mdoc beside them, drops pictures that are "
        "dark or of something else, aligns, corrects and reconstructs, and writes the tomogram as "
        "MRC and OME-Zarr, the alignment as IMOD has it, a picture, and what was measured. What "
        "is there already is not made again. The exit status is 0 when all tomograms were made, "
        "1 when some could not be, 2 when none could.",
        epilog="Example: spacetomo tomogram D:/session/L01_ts_001.mrc --bin 4 --thickness 300",
    )
    parser.set_defaults(do=_tomogram)
    parser.add_argument("series", type=Path, nargs="+", metavar="TS.mrc", help="tilt series")
    parser.add_argument("--out", type=Path, help="folder (`tomograms` beside each series)")
    parser.add_argument("--again", action="store_true", help="make anew what is there already")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    add_options(parser)
    given.add_scheduler(parser, "tomograms")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a tomogram to a command that makes some."""
    _add_tomogram(parser.add_argument_group("tomogram"))
    _add_series(parser.add_argument_group("what the notes of a series do not say"))


def params_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the chosen options, checked, as plain values."""
    from space.tomograms import Given, Options

    return Options(
        args.bin, args.thickness, args.method, args.iterations, args.pretilt,
        not args.keep_axis, not args.keep_tilts, not args.no_ctf, not args.no_dose,
        args.cs, args.amplitude_contrast, args.program or "", args.device,
        Given(args.tilt_file, args.axis, args.pixel, args.dose, args.voltage, args.defocus),
    ).params()  # fmt: skip


def summary(facts: Mapping[str, Any]) -> str:
    """Return one line about a tomogram that was made."""
    residual, quality = facts.get("residual_nm"), facts["quality"]["score"]
    off = "" if residual is None else f", residual {residual:.2f} nm"
    left = len(facts["dropped"])
    out = f", {left} left out" if left else ""
    views = len(facts["views"])
    return f"{facts['files']['mrc']}: {views} pictures{out}{off}, quality {quality:.2f}"


def _add_tomogram(group: Any) -> None:
    from space.tomograms import PROGRAMS, Options

    usual = Options()
    group.add_argument(
        "--bin", type=int, default=0, metavar="N", help="pixels in a voxel (as many as make 1 nm)"
    )
    group.add_argument(
        "--thickness", type=float, default=usual.thickness_nm, metavar="NM",
        help=f"of the tomogram ({usual.thickness_nm:g})",
    )  # fmt: skip
    group.add_argument("--method", choices=("wbp", "sirt"), default="wbp", help="(wbp)")
    group.add_argument(
        "--iterations", type=int, default=usual.iterations, help=f"of SIRT ({usual.iterations})"
    )
    group.add_argument(
        "--pretilt", type=float, default=0.0, metavar="DEG",
        help="tilt of the stage at which the lamella stands level (0)",
    )  # fmt: skip
    group.add_argument("--keep-axis", action="store_true", help="do not refine the tilt axis")
    group.add_argument("--keep-tilts", action="store_true", help="do not make the lamella level")
    group.add_argument("--no-ctf", action="store_true", help="do not flip phases")
    group.add_argument("--no-dose", action="store_true", help="do not weight by the dose")
    group.add_argument("--with", dest="program", choices=PROGRAMS, help="use this program")
    group.add_argument(
        "--device", default="cpu", help="cpu, cuda, or auto: reconstruct on a graphics card (cpu)"
    )


def _add_series(group: Any) -> None:
    group.add_argument("--tilt-file", type=Path, metavar="FILE", help="a tilt for each section")
    group.add_argument("--axis", type=float, metavar="DEG", help="tilt axis, as IMOD's rotation")
    group.add_argument("--pixel", type=float, metavar="NM", help="pixel size")
    group.add_argument("--dose", type=float, metavar="E", help="electrons per Å² in one tilt")
    group.add_argument("--voltage", type=float, metavar="KV", help="of the beam")
    group.add_argument("--defocus", type=float, metavar="UM", help="under focus is negative")
    group.add_argument("--cs", type=float, default=2.7, metavar="MM", help="(2.7)")
    group.add_argument("--amplitude-contrast", type=float, default=0.1, metavar="A", help="(0.1)")


def _tomogram(args: argparse.Namespace) -> int:
    params, made, failed = params_of(args), [], []
    out = None if args.out is None else args.out.absolute()
    make = partial(_one, params, out, args.again, is_told=not args.scheduler)
    series = [path.absolute() for path in args.series]
    for done in spread(make, series, given.scheduler(args, out or series[0].parent)):
        if done.problem:
            print(done.problem, file=sys.stderr)
            failed.append({"series": str(done.piece), "error": done.problem})
        elif done.result is not None:
            made.append(done.result)
            if not args.json:
                _say(done.result)
    if args.json:
        print(json.dumps({"tomograms": made, "failed": failed}, indent=1))
    return 0 if not failed else 1 if made else 2


def _one(
    params: Mapping[str, Any], out: Path | None, again: bool, path: Path, is_told: bool
) -> dict[str, Any] | None:
    """Make the tomogram of a series, on whichever computer."""
    from space.tomograms import Options, tomogram_of

    line = _Line(path.name, is_told)
    try:
        return tomogram_of(path, Options.of_params(params), out, line.tell, again)
    finally:
        line.end()


def _say(facts: dict[str, Any]) -> None:
    z, y, x = facts["shape"]
    print(summary(facts))
    print(f"  {x} x {y} x {z} voxels of {facts['voxel_nm'][0]:.3f} nm")
    print(f"  tilt axis {facts['axis_deg']:.2f}°, tilt offset {facts['offset_deg']:+.2f}°")
    for one in facts["dropped"][:8]:
        tilt = "" if one["tilt_deg"] is None else f" at {one['tilt_deg']:+.0f}°"
        print(f"  left out: section {one['section']}{tilt}: {one['why']}")
    if len(facts["dropped"]) > 8:
        print(f"  and {len(facts['dropped']) - 8} more")


class _Line:
    """One line on a terminal that says what is being done."""

    def __init__(self, name: str, is_told: bool) -> None:
        self._name, self._shown = name, ""
        self._is_terminal = is_told and sys.stderr.isatty()

    def tell(self, what: str, part: float) -> None:
        """Say what is done, and how much of it."""
        text = f"{self._name}: {what}" + (f" {100 * part:.0f} %" if 0 < part < 1 else "")
        if self._is_terminal and text != self._shown:
            print(f"\r{text:78s}", end="", file=sys.stderr, flush=True)
            self._shown = text

    def end(self) -> None:
        """Leave the line free for others."""
        if self._shown:
            print(f"\r{'':78s}\r", end="", file=sys.stderr, flush=True)
