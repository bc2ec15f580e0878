"""Labels that a model proposes for a picture. They are none until a person takes them.

A proposal lies in ``proposals/`` of a data set, beside the labels and never among them. A person
takes the masks of some of its classes (`space.labelling.Mask`), and who proposed them is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import parse_json, remove_if_possible
from space.images import DRAWING, read_png, write_png
from space.labelling import Mask, mask_name, region_of
from space.learning.comparing import Candidate, found_in, remarks_on, shared_classes
from space.learning.dataset import DataSet, Sample
from space.learning.relabelling import picture_of

PROPOSALS = "proposals"
_UNKNOWN_NM = 1.0
_LONGEST_TEXT = 20_000
_LONGEST_LINE = 300
_MOST_REMARKS = 10


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a model has found in a picture.

    Attributes
    ----------
    labels : ndarray of uint8
        By the labels of the data set.
    classes : tuple of str
        Those that the model can find, of the data set.
    by : str
        Who proposes it: a line for people, with the hash of the model.
    remarks : tuple of str
        What should be known of it.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    by: str
    remarks: tuple[str, ...] = ()

    def masks(self, values: Mapping[str, int]) -> dict[str, tuple[str, Mask]]:
        """Return for each class that was found the name of its mask, and the mask.

        Parameters
        ----------
        values : mapping of str to int
            Labels of the classes.
        """
        found = {}
        for name in self.classes:
            region = region_of(self.labels == values[name])
            if region.rows:
                found[name] = (mask_name(region), Mask(region, self.by))
        return found


def proposal_path(folder: Path, sample: Sample) -> Path:
    """Return where the proposal for a picture is, if there is one."""
    return Path(folder) / PROPOSALS / f"{sample.stem}.png"


def propose(folder: Path, data: DataSet, sample: Sample, candidate: Candidate, by: str) -> None:
    """Have a model propose labels for a picture; they replace what was proposed before.

    Parameters
    ----------
    folder : Path
        Of the data set.
    data : DataSet
    sample : Sample
    candidate : Candidate
    by : str
        Who proposes: a line for people.

    Raises
    ------
    SpaceError
        If the picture cannot be read, or model and data set have no class in common.
    OSError
        If the proposal cannot be written.
    """
    known = data.values
    labels = found_in(candidate, known, picture_of(folder, sample), sample.pixel_nm)
    shared = shared_classes(candidate, known)
    path = proposal_path(folder, sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {
        "picture_hash": sample.picture_hash,
        "classes": json.dumps({name: known[name] for name in shared}),
        "remarks": json.dumps(remarks_on(candidate, known, [sample])[:_MOST_REMARKS]),
        "proposed_by": by,
        DRAWING: "no map",
    }
    write_png(path, labels, sample.pixel_nm or _UNKNOWN_NM, sample.file, **texts)


def read_proposal(folder: Path, data: DataSet, sample: Sample) -> Proposal | None:
    """Return what was proposed for a picture; None if there is nothing that fits it now.

    A proposal for another picture of this name, or by other classes, fits no longer.
    """
    return proposal_in(proposal_path(folder, sample), data, sample)


def proposal_in(path: Path, data: DataSet, sample: Sample) -> Proposal | None:
    """Return the proposal in a file; None if it is none, or does not fit the picture."""
    try:
        if not path.is_file():
            return None
        labels, texts = read_png(path)
    except (SpaceError, OSError):
        return None
    classes, remarks = _plain(texts.get("classes")), _plain(texts.get("remarks"))
    by = str(texts.get("proposed_by", ""))
    known = data.values
    fits = (
        labels.shape == sample.shape
        and texts.get("picture_hash") == sample.picture_hash
        and isinstance(classes, dict)
        and all(name in known and known[name] == value for name, value in classes.items())
        and isinstance(remarks, list)
    )
    if not fits:
        return None
    told = tuple(filter(_is_line, remarks[:_MOST_REMARKS]))
    return Proposal(labels, tuple(classes), by if _is_line(by) else "", told)


def discard_proposal(folder: Path, sample: Sample) -> None:
    """Remove what was proposed for a picture."""
    remove_if_possible(proposal_path(folder, sample))


def proposed(folder: Path, data: DataSet) -> list[str]:
    """Return the stems of the pictures for which something was proposed."""
    return [one.stem for one in data.samples if proposal_path(folder, one).is_file()]


def _plain(text: object) -> Any:
    """Return the value in a JSON text of a file; None if there is none."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        return None
    try:
        return parse_json(text)
    except ValueError:
        return None


def _is_line(text: object) -> bool:
    return isinstance(text, str) and len(text) <= _LONGEST_LINE and text.isprintable()
