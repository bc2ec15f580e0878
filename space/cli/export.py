"""``spacetomo export``: the tilt series of a session, handed over to processing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from space.errors import SpaceError


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    from space.export import FORMATS, Optics

    usual = Optics()
    export = commands.add_parser(
        "export",
        help="hand the tilt series of a session over to RELION, Warp, AreTomo or IMOD",
        description="Writes what a program imports for all tilt series of a session: tilts, doses, "
        "defocus, pixel size and tilt axis, and where the data are. No data are copied, and "
        "no file of the session is changed.",
        epilog="Example: spacetomo export D:/session --to relion5 --frames D:/frames --out relion",
    )
    export.set_defaults(do=_export)
    export.add_argument("session", type=Path, metavar="DIR", help="SerialEM's directory")
    export.add_argument("--to", required=True, choices=FORMATS, help="program")
    export.add_argument("--out", type=Path, help="new folder (DIR/export_PROGRAM)")
    export.add_argument("--frames", type=Path, metavar="FOLDER", help="where the frames are now")
    export.add_argument("--frame-pixel-nm", type=float, metavar="NM", help="their pixel size")
    export.add_argument(
        "--dose", type=float, metavar="E", help="electrons per square angstrom in one tilt"
    )
    export.add_argument("--cs-mm", type=float, default=usual.cs_mm, help=f"({usual.cs_mm})")
    export.add_argument(
        "--amplitude-contrast",
        type=float,
        default=usual.amplitude_contrast,
        help=f"({usual.amplitude_contrast})",
    )
    export.add_argument(
        "--hand", type=int, choices=(-1, 1), default=usual.hand, help=f"of RELION ({usual.hand})"
    )
    export.add_argument("--json", action="store_true", help="print what was done as JSON")


def _export(args: argparse.Namespace) -> int:
    from space.export import FramesAt, Optics, export_session
    from space.overview import read_session

    _check(args)
    out = args.out or args.session / f"export_{args.to}"
    done = export_session(
        read_session(args.session),
        args.to,
        out,
        Optics(args.cs_mm, args.amplitude_contrast, args.hand, args.dose),
        FramesAt(args.frames, args.frame_pixel_nm),
    )
    if args.json:
        facts = {
            "out": str(done.out),
            "series": done.series,
            "left_out": done.left_out,
            "remarks": done.remarks,
        }
        print(json.dumps(facts, indent=1))
        return 0
    print(f"{len(done.series)} tilt series for {args.to}: {done.out}")
    for name, reason in done.left_out.items():
        print(f"  left out: {name}: {reason}")
    for remark in done.remarks:
        print(f"  Look at this: {remark}.")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse values that cannot be right, before anything is read."""
    for option, value, least, most in (
        ("--frame-pixel-nm", args.frame_pixel_nm, 0.01, 10.0),
        ("--dose", args.dose, 0.01, 100.0),
        ("--cs-mm", args.cs_mm, 0.0, 10.0),
        ("--amplitude-contrast", args.amplitude_contrast, 0.0, 1.0),
    ):
        if value is not None and not least <= value <= most:
            raise SpaceError(f"{option} {value:g} must be from {least:g} to {most:g}.")
    if args.frames is not None and not args.frames.is_dir():
        raise SpaceError("There is no such folder.", f"--frames {args.frames}", "Correct the path.")
