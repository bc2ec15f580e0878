"""Proposals for labels on the page of a data set: by a model, and by clicks of a person.

Both are asked from processes of their own. Pictures that wait for a proposal are taken one after
the other; nothing becomes a label here.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space import labelling, learning
from space.errors import SpaceError
from space.images import FileState, file_state
from space.labelling import Mask, Region
from space.learning import Assistant, DataSet, Sample
from space.page.labels import shown_mask
from space.page.refusal import unknown, wrong
from space.predicates import is_number, is_whole

MOST_POINTS = 100
"""Clicks on one thing."""

_MOST_MASKS = 300
_MOST_REMEMBERED = 4


@dataclass(frozen=True)
class Helpers:
    """What may be asked for proposals.

    Attributes
    ----------
    model : Assistant or None
    model_name : str
    why_no_model : str
        Where there is none.
    sam : Assistant or None
    why_no_sam : str
        Where there is none, with where to get it.
    """

    model: Assistant | None = None
    model_name: str = ""
    why_no_model: str = ""
    sam: Assistant | None = None
    why_no_sam: str = ""

    def close(self) -> None:
        """End their processes."""
        for one in (self.model, self.sam):
            if one is not None:
                one.close()


class LabelHelp:
    """Proposals for the pictures of a data set.

    Parameters
    ----------
    folder : Path
        Of the data set.
    helpers : Helpers
    """

    def __init__(self, folder: Path, helpers: Helpers) -> None:
        self._folder, self._helpers = folder, helpers
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._working = ""
        self._thread: threading.Thread | None = None
        self._failed: dict[str, str] = {}
        self._clicked: OrderedDict[str, Mask] = OrderedDict()
        self._read: OrderedDict[tuple[str, FileState | None], dict[str, Any]] = OrderedDict()
        self._is_closed = False

    def close(self) -> None:
        """End what runs."""
        self._is_closed = True
        with self._lock:
            self._waiting.clear()
        self._helpers.close()

    # --- by a model -----------------------------------------------------------------------------

    def table(self, data: DataSet) -> dict[str, Any]:
        """Return what there is to ask, and how far it is."""
        ready = learning.proposed(self._folder, data)
        with self._lock:
            return {
                "model": self._helpers.model_name,
                "why_no_model": self._helpers.why_no_model,
                "has_sam": self._helpers.sam is not None,
                "why_no_sam": self._helpers.why_no_sam,
                "ready": ready,
                "waiting": list(self._waiting),
                "working": self._working,
                "failed": dict(self._failed),
            }

    def ask(self, data: DataSet, stems: list[str]) -> None:
        """Have labels proposed for some pictures; a single one is the next.

        Raises
        ------
        SpaceError
            If there is no model, or one is no picture of the data set.
        """
        if self._helpers.model is None:
            raise SpaceError(
                "There is no model that proposes labels.", "", self._helpers.why_no_model
            )
        known = {one.stem for one in data.samples}
        if not set(stems) <= known:
            raise unknown("There is no such picture in this data set.")
        with self._lock:
            added = [one for one in stems if one != self._working]
            kept = [one for one in self._waiting if one not in added]
            self._waiting = deque([*added, *kept] if len(stems) == 1 else [*kept, *added])
            for one in added:
                self._failed.pop(one, None)
            if self._thread is None and self._waiting:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Ask for no more than what is being made."""
        with self._lock:
            self._waiting.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._is_closed:
                    self._working, self._thread = "", None
                    return
                self._working = stem = self._waiting.popleft()
            problem = ""
            try:
                if self._helpers.model is not None:
                    self._helpers.model.ask({"stem": stem})
            except SpaceError as error:
                problem = str(error)
            with self._lock:
                if problem:
                    self._failed[stem] = problem

    def proposal(self, data: DataSet, sample: Sample) -> dict[str, Any]:
        """Return what is proposed for a picture: a mask for each class that was found.

        Raises
        ------
        SpaceError
            If nothing is.
        """
        found = learning.read_proposal(self._folder, data, sample)
        if found is None:
            raise unknown("Nothing is proposed for this picture.", do="Ask for a proposal.")
        colors = {one.name: one.color for one in data.classes}
        pixels = sample.shape[0] * sample.shape[1]
        classes = []
        for name, (mask, what) in found.masks(data.values).items():
            covered = int(np.unpackbits(what.region.packed).sum())
            classes.append(
                {
                    "name": name,
                    "color": colors[name],
                    "is_ground": data.values[name] == 0,
                    "share": covered / pixels,
                    "mask": mask,
                    "shown": shown_mask(what.region),
                }
            )
        return {"by": found.by, "remarks": list(found.remarks), "classes": classes}

    def discard(self, sample: Sample) -> None:
        """Remove what is proposed for a picture."""
        learning.discard_proposal(self._folder, sample)

    def masks(self, data: DataSet, sample: Sample) -> Callable[[str], Mask]:
        """Return what gives the masks that were proposed for a picture, or taken before."""
        taken = learning.taken_masks(self._folder, sample)

        def found(name: str) -> Mask:
            if name in self._clicked:
                return self._clicked[name]
            proposed = self._masks_of(data, sample)
            return proposed[name] if name in proposed else taken(name)

        return found

    def _masks_of(self, data: DataSet, sample: Sample) -> dict[str, Mask]:
        """Return the masks in the proposal for a picture by their names."""
        state = file_state(learning.proposal_path(self._folder, sample))
        key = (sample.picture_hash, state)
        if key not in self._read:
            proposal = learning.read_proposal(self._folder, data, sample)
            masks = {} if proposal is None else dict(proposal.masks(data.values).values())
            self._read[key] = masks
            while len(self._read) > _MOST_REMEMBERED:
                self._read.popitem(last=False)
        return self._read[key]

    # --- by clicks ------------------------------------------------------------------------------

    def clicked(self, sample: Sample, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the mask of what some clicks lie in.

        Raises
        ------
        SpaceError
            If there is nothing to ask, or it fails.
        """
        if self._helpers.sam is None:
            raise SpaceError("Segment Anything is not there.", "", self._helpers.why_no_sam)
        points, inside = _clicks(values, sample)
        order = {"stem": sample.stem, "points": points, "inside": inside}
        answer = self._helpers.sam.ask(order)
        region = _region(answer)
        mask = Mask(region, str(answer.get("by", "")))
        name = labelling.mask_name(region)
        with self._lock:
            self._clicked[name] = mask
            while len(self._clicked) > _MOST_MASKS:
                self._clicked.popitem(last=False)
        return {"mask": name, "shown": shown_mask(region)}


def _clicks(values: Mapping[str, Any], sample: Sample) -> tuple[list[list[float]], list[bool]]:
    points, inside = values.get("points"), values.get("inside")
    rows, columns = sample.shape
    if not (
        isinstance(points, list)
        and isinstance(inside, list)
        and 0 < len(points) == len(inside) <= MOST_POINTS
        and all(isinstance(one, bool) for one in inside)
        and any(inside)
    ):
        raise wrong(f"Clicks are at most {MOST_POINTS} points, one of them in what is meant.")
    for one in points:
        if not (isinstance(one, list) and len(one) == 2 and all(map(is_number, one))):
            raise wrong("A click is a row and a column.")
        if not (0 <= one[0] <= rows and 0 <= one[1] <= columns):
            raise wrong("A click lies outside of the picture.")
    return points, inside


def _region(answer: Mapping[str, Any]) -> Region:
    """Return the mask in an answer."""
    box, packed = answer.get("box_px"), answer.get("packed")
    try:
        if not (isinstance(box, list) and len(box) == 4 and all(map(is_whole, box))):
            raise ValueError("no box")
        data = np.frombuffer(base64.b64decode(str(packed), validate=True), np.uint8)
        top, left, rows, columns = (int(one) for one in box)
        return Region(top, left, rows, columns, data.reshape(rows, -(-columns // 8)))
    except (ValueError, binascii.Error) as error:
        raise SpaceError(f"What Segment Anything answered cannot be used ({error}).") from None
