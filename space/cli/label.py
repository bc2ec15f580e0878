"""``spacetomo label``: labels of a data set drawn in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from space import page
from space.cli import given
from space.models import PRESETS
from space.project import project_folder


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    label = commands.add_parser(
        "label",
        help="draw labels on the pictures of a data set, in the browser",
        description="Opens the pictures of a data set one after the other: brush, polygon, fill "
        "and eraser, by class. What is drawn is saved as the labels of the picture; what was there "
        "before is kept in the folder corrections of the data set, and every stroke can be undone "
        "later. A model proposes labels when it is asked; a person takes or discards them. The "
        "page is served to this computer alone. Ctrl-C ends it.",
        epilog="Example: spacetomo label D:/data/yeast --model runs/first --open",
    )
    label.add_argument("folder", type=Path, metavar="DIR", help="folder of the data set")
    given.add_port(label)
    label.add_argument(
        "--model",
        default="",
        metavar="MODEL",
        help="what proposes labels: an .onnx file, a folder of nnU-Net, the folder of a training, "
        "or the name of a model of the project (default: the one that sessions use)",
    )
    label.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        default="balanced",
        help="how the model looks at a picture (balanced)",
    )
    label.add_argument(
        "--sam",
        type=Path,
        metavar="FILE",
        help="weights of Segment Anything (sam_b.pt, mobile_sam.pt, sam2.1_b.pt ...): a click "
        "finds what lies under it",
    )
    label.add_argument(
        "--napari",
        action="store_true",
        help="draw in napari, where it is installed, in place of the page",
    )
    label.add_argument("--read-only", action="store_true", help="only show: nothing is changed")
    label.add_argument("--open", action="store_true", help="open the browser")
    label.set_defaults(do=_label)


def _label(args: argparse.Namespace) -> int:
    if args.napari:
        from space.learning import open_in_napari

        saved = open_in_napari(args.folder, page.print_at_once)
        print(f"Labels of {saved} picture(s) were saved.")
        return 0
    port = given.port(args)
    page.serve_labels(
        page.Wish(args.folder, project_folder(), None, port, args.read_only, args.open),
        page.Help(args.model, args.preset, args.sam),
    )
    return 0
