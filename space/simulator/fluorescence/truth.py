"""A fluorescence picture in files, and the truth about it in one that a program never reads."""

from __future__ import annotations

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from space.simulator.fluorescence.taking import Taken
from space.simulator.formats.atomic import whole_file, write_text_atomic

TRUTH_FILE = "fluorescence.truth.json"


def write_taken(folder: Path, taken: Taken) -> None:
    """Write each channel as a 16-bit PNG (the brightest of all planes), and the truth.

    Parameters
    ----------
    folder : Path
        Is made if it is not there.
    taken : Taken
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, planes in taken.channels.items():
        stream = BytesIO()
        Image.fromarray(np.ascontiguousarray(planes.max(axis=0))).save(stream, "PNG")
        with whole_file(folder / f"{name}.png") as temporary:
            temporary.write_bytes(stream.getvalue())
    values = {
        "format": 1,
        "in words": "field: (column, row) p, pixel centres at +0.5, shows A (p - D(p)) of the grid",
        "field": asdict(taken.field),
        "beads_um": taken.beads.places_um,
        "bead_diameter_um": taken.beads.diameter_um,
        "stain": asdict(taken.stain),
        "light": asdict(taken.light),
    }
    write_text_atomic(folder / TRUTH_FILE, json.dumps(values, indent=1))
