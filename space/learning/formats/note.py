"""What a foreign format cannot say, in a file of our own beside it: an export is read back whole.

Names, splits, pixel sizes, origins, and values and colours of classes. It is believed for a picture
only as long as its grey values are those that were exported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from space.files import read_json, write_text_atomic
from space.learning.arrays import content_hash
from space.learning.dataset import DataSet, NotASampleError, Sample, from_dict, to_dict
from space.learning.incoming import Item
from space.learning.names import folded

NOTE_FILE = "spacetomo.json"
_FORMAT = "SPACEtomo export 1"
_LARGEST_BYTES = 100_000_000


@dataclass(frozen=True)
class Note:
    """A data set as it was exported, and its pictures by the names that they got."""

    data: DataSet
    samples: Mapping[str, Sample]

    def restored(self, item: Item, exported: str) -> Item:
        """Return a picture with what was noted about it.

        Parameters
        ----------
        item : Item
        exported : str
            Its stem in the foreign format.
        """
        sample = self.samples.get(folded(exported))
        if sample is None or sample.picture_hash != content_hash(item.picture):
            return item
        return replace(
            item,
            stem=sample.stem,
            pixel_nm=sample.pixel_nm,
            split=sample.split,
            origin=sample.origin,
        )


def write_note(folder: Path, data: DataSet, names: Mapping[str, str]) -> None:
    """Write the note of an export.

    Parameters
    ----------
    folder : Path
    data : DataSet
    names : mapping
        File of a picture in the data set → its stem in the export.
    """
    values = {"format": _FORMAT, "data_set": to_dict(data), "names": dict(names)}
    text = json.dumps(values, indent=1, ensure_ascii=False)
    write_text_atomic(Path(folder) / NOTE_FILE, text + "\n")


def read_note(folder: Path) -> Note:
    """Read the note of an export; an empty one where there is none that can be used."""
    try:
        values: Any = read_json(Path(folder) / NOTE_FILE, _LARGEST_BYTES)
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            return Note(DataSet(), {})
        data, _ = from_dict(values.get("data_set"))
    except (OSError, ValueError, NotASampleError):
        return Note(DataSet(), {})
    names = values.get("names")
    by_file = {sample.file: sample for sample in data.samples}
    samples = {
        folded(stem): by_file[file]
        for file, stem in (names.items() if isinstance(names, dict) else ())
        if isinstance(stem, str) and file in by_file
    }
    return Note(data, samples)
