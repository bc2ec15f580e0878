"""``spacetomo check``: what could stop a session, looked at before one begins."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from space import checkup
from space import settings as settings_module
from space.checkup import Expected, Finding, Places
from space.constants import parse_constants
from space.errors import SpaceError
from space.files import decode, read_bytes_bounded
from space.project import SCRIPT, project_folder
from space.settings import Settings

FORMAT = 1
"""Of the JSON; a new number means that something was renamed or left out."""

_LARGEST_SCRIPT_BYTES = 200_000


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    check = commands.add_parser(
        "check",
        help="what could stop a session: Python, packages, models, GPU, folders, disk",
        description="Looks at what a session needs on this computer; each line is ok, warn or "
        "fail, with what to do. A file of 16 MB is written to the folders that are looked at, and "
        "removed again. The microscope is asked by SPACEtomo.py with automation_level = 0, inside "
        "SerialEM. The exit status is 0 if all is well, 1 with warnings, 2 with failures.",
        epilog="Example: spacetomo check --script D:/scripts/SPACEtomo.py --session D:/sessions",
    )
    check.add_argument(
        "--script",
        type=Path,
        metavar="FILE",
        help="SPACEtomo.py with your settings (default: those of the session, else the defaults)",
    )
    check.add_argument(
        "--session", type=Path, metavar="DIR", help="directory of a session, or where one will be"
    )
    check.add_argument(
        "--properties",
        type=Path,
        metavar="FILE",
        help="SerialEMproperties.txt, where it is not in its usual place",
    )
    check.add_argument(
        "--space-dir", type=Path, metavar="DIR", help="folder of the project (default: this one)"
    )
    check.add_argument("--lamellae", type=_count, default=8, help="expected on a grid (default 8)")
    check.add_argument("--targets", type=_count, default=8, help="on a lamella (default 8)")
    check.add_argument(
        "--camera-px",
        type=_count,
        nargs=2,
        default=(5760, 4092),
        metavar=("WIDTH", "HEIGHT"),
        help="size of its pictures (default: 5760 4092)",
    )
    check.add_argument("--json", action="store_true", help="print all of it as JSON")
    check.set_defaults(do=_check)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 100000")
    return number


def _check(args: argparse.Namespace) -> int:
    expected = Expected(
        lamellae=args.lamellae, targets=args.targets, camera_px=tuple(args.camera_px)
    )
    findings = checkup.of_computer(_places(args), expected)
    code = checkup.exit_code(findings)
    if args.json:
        print(json.dumps(_table(findings, code), indent=1))
    else:
        print("\n".join(checkup.in_lines(findings)))
    return code


def _table(findings: tuple[Finding, ...], code: int) -> dict[str, Any]:
    return {"format": FORMAT, "exit_code": code, "findings": [asdict(one) for one in findings]}


def _places(args: argparse.Namespace) -> Places:
    space_dir = args.space_dir or project_folder()
    script = _text(args.script or space_dir / SCRIPT)
    return Places(
        script, _settings(args, script, space_dir), space_dir, args.properties, args.session
    )


def _settings(args: argparse.Namespace, script: str, space_dir: Path) -> dict[str, Any]:
    """Return the settings that are looked at: of a script, else of a session, else the defaults."""
    if args.script is not None:
        values, problems = parse_constants(script)
        if not values:
            raise SpaceError(
                f"There are no settings in it: {' '.join(problems[:1])}",
                str(args.script),
                "Name a copy of SPACEtomo.py.",
            )
        return values
    if args.session is not None and (args.session / settings_module.SETTINGS_FILE).is_file():
        return settings_module.load(args.session).to_dict()
    return Settings(SPACE_DIR=str(space_dir)).to_dict()


def _text(path: Path) -> str:
    try:
        return decode(read_bytes_bounded(path, _LARGEST_SCRIPT_BYTES, follow_links=True))
    except OSError as error:
        raise SpaceError(
            f"The script cannot be read ({error.strerror or error}).",
            str(path),
            "Correct the path.",
        ) from None
