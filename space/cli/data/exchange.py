"""``spacetomo data import`` and ``export``: data sets from and to other programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from space.errors import SpaceError

IN_FORMS = ("folder", "layers", "napari", "coco", "yolo", "nnunet", "openfibsem", "dataset")
OUT_FORMS = ("folder", "layers", "napari", "coco", "yolo", "nnunet", "openfibsem")
_MOST_LINES = 30


def add_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both actions."""
    get = actions.add_parser(
        "import",
        help="add pictures and labels of another program",
        description="Adds pictures with labels, layers, boxes or keypoints to a data set, which is "
        "made if there is none. A picture that is there already, under whatever name, is not added "
        "again; a file that cannot be read is told and does not stop the others.",
        epilog="Example: spacetomo data import my_pictures --to my_set --pixel-nm 2.283",
    )
    get.add_argument("source", type=Path, metavar="SOURCE", help="folder, or a COCO file")
    get.add_argument("--to", type=Path, required=True, metavar="DIR", help="the data set")
    get.add_argument(
        "--from",
        dest="form",
        choices=("auto", *IN_FORMS),
        default="auto",
        help="format (by its looks)",
    )
    get.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a class of the labels, where the source does not name them; for layers, their order",
    )
    get.add_argument("--pixel-nm", type=float, metavar="NM", help="where the files do not say")
    get.add_argument("--session", default="", help="where all of them come from")
    get.add_argument("--grid", default="", help="grid that all of them are of")
    get.add_argument("--flip-mrc", action="store_true", help="turn MRC pictures upside down")
    get.add_argument("--json", action="store_true", help="print what was done as JSON")
    get.set_defaults(do=_import)

    give = actions.add_parser(
        "export",
        help="hand a data set out to another program",
        description="Writes a data set into a new folder in another format. What the format cannot "
        "say stands in spacetomo.json beside it, so that it can be read back whole.",
        epilog="Example: spacetomo data export my_set --to nnunet --out Dataset042_Mine",
    )
    give.add_argument("data", type=Path, metavar="DIR", help="folder of the data set")
    give.add_argument("--to", dest="form", required=True, choices=OUT_FORMS, help="format")
    give.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    give.add_argument("--json", action="store_true", help="print what was done as JSON")
    give.set_defaults(do=_export)


def _import(args: argparse.Namespace) -> int:
    from space.learning import Wish, format_of, import_into

    if args.pixel_nm is not None and not 0 < args.pixel_nm < 1e6:
        raise SpaceError(f"--pixel-nm {args.pixel_nm:g} is no pixel size.")
    if not args.source.exists():
        raise SpaceError("There is no such file or folder.", str(args.source), "Correct the path.")
    form = format_of(args.source) if args.form == "auto" else args.form
    wish = Wish(_classes(args.classes), args.pixel_nm, args.session, args.grid, args.flip_mrc)
    told: list[str] = []
    done = import_into(args.to, args.source, form, wish, told.append)
    if args.json:
        print(
            json.dumps({"format": form, **vars(done), "told": told}, indent=1, ensure_ascii=False)
        )
    else:
        _say(told)
        print(f"Read as {form}: {len(done.added)} added, {len(done.there)} were there: {args.to}")
    return 1 if done.problems else 0


def _export(args: argparse.Namespace) -> int:
    from space.learning import export, read_data_set

    told: list[str] = []
    count = export(args.data, read_data_set(args.data)[0], args.form, args.out, told.append)
    if args.json:
        facts = {"out": str(args.out), "pictures": count, "told": told}
        print(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        _say(told)
        print(f"{count} pictures for {args.form}: {args.out}")
    return 1 if told else 0


def _say(told: Sequence[str]) -> None:
    for text in told[:_MOST_LINES]:
        print(f"Look at this: {text}")
    if len(told) > _MOST_LINES:
        print(f"... and {len(told) - _MOST_LINES} more (--json tells of all).")


def _classes(pairs: Sequence[str]) -> dict[str, int]:
    classes: dict[str, int] = {}
    for pair in pairs:
        name, _, value = pair.rpartition("=")
        if not name or not value.isascii() or not value.isdigit() or int(value) > 255:
            raise SpaceError(
                f"'{pair}' is not NAME=VALUE.", "--class", "Write --class mitos=3 (0 to 255)"
            )
        classes[name] = int(value)
    return classes
