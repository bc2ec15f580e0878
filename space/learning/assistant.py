"""A process of its own that proposes labels, so that the page answers meanwhile.

``python -m space.learning.assistant DATA --model MODEL`` (or ``--sam WEIGHTS``) reads orders as
lines of JSON from its standard input, and answers each with a line on its standard output. It ends
when its input does. The model is loaded with the first order, and kept. `space.learning.asking`
starts it.
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from space.errors import SpaceError
from space.labelling import region_of
from space.learning.candidates import load_candidate, said_of
from space.learning.comparing import Candidate
from space.learning.dataset import DataSet, Sample, read_data_set
from space.learning.prompting import Prompter
from space.learning.proposals import propose
from space.learning.relabelling import picture_of
from space.pictures import to_8_bit

WINDOW_PX = 2048
"""Of a larger picture, only so much around the first click is looked at."""

Order = Mapping[str, Any]
Answer = dict[str, Any]
Does = Callable[[Order], Answer]

log = logging.getLogger("space.learning")


class Proposing:
    """Proposes labels for the pictures of a data set.

    Parameters
    ----------
    folder, model : Path
    preset : str
    """

    def __init__(self, folder: Path, model: Path, preset: str) -> None:
        self._folder, self._model, self._preset = folder, model, preset
        self._candidate: Candidate | None = None
        self._by = ""

    def __call__(self, order: Order) -> Answer:
        """Propose labels for the picture ``stem``."""
        if self._candidate is None:
            self._by = said_of(self._model)
            self._candidate = load_candidate(self._model, self._preset)
        data, sample = _sample(self._folder, order)
        propose(self._folder, data, sample, self._candidate, self._by)
        return {"done": sample.stem}


class Prompting:
    """Says what is under clicks on the pictures of a data set.

    Parameters
    ----------
    folder, weights : Path
    load : callable
        Makes what is asked, of the weights.
    """

    def __init__(self, folder: Path, weights: Path, load: Callable[[Path], Any] = Prompter) -> None:
        self._folder, self._weights, self._load = folder, weights, load
        self._prompter: Any = None
        self._shown: tuple[str, int, int] | None = None
        self._by = ""

    def __call__(self, order: Order) -> Answer:
        """Return the mask of what the ``points`` of the picture ``stem`` lie in.

        ``inside`` says for each whether it lies in it, or outside.
        """
        if self._prompter is None:
            self._by = said_of(self._weights)
            self._prompter = self._load(self._weights)
        _, sample = _sample(self._folder, order)
        points = [(float(row), float(column)) for row, column in order["points"]]
        top, left = (
            min(max(0, int(at) - WINDOW_PX // 2), max(0, side - WINDOW_PX))
            for at, side in zip(points[0], sample.shape)
        )
        place = (sample.picture_hash, top, left)
        if self._shown != place:
            self._shown = None
            picture = to_8_bit(picture_of(self._folder, sample))
            self._prompter.show(picture[top : top + WINDOW_PX, left : left + WINDOW_PX])
            self._shown = place
        within = [(row - top, column - left) for row, column in points]
        mask = np.asarray(self._prompter.mask(within, order["inside"]), bool)
        region = region_of(mask, top, left)
        return {
            "box_px": [region.top, region.left, region.rows, region.columns],
            "packed": base64.b64encode(region.packed.tobytes()).decode("ascii"),
            "by": self._by,
        }


def _sample(folder: Path, order: Order) -> tuple[DataSet, Sample]:
    data, _ = read_data_set(folder, strict=False)
    for sample in data.samples:
        if sample.stem == order["stem"]:
            return data, sample
    raise SpaceError("There is no such picture in this data set.", str(order["stem"]))


def answer_all(orders: Iterable[str], does: Does, out: TextIO) -> None:
    """Answer orders, one after the other; what cannot be done is said in words."""
    for line in orders:
        try:
            answer = does(json.loads(line))
        except SpaceError as error:
            answer = {"error": {"what": error.what, "where": error.where, "do": error.do}}
        except (OSError, MemoryError, RuntimeError, ImportError) as error:
            log.exception("A proposal failed.")
            answer = {
                "error": {"what": f"No proposal could be made: {error}.", "where": "", "do": ""}
            }
        out.write(json.dumps(answer) + "\n")
        out.flush()


def main(argv: Sequence[str] | None = None) -> None:
    """Answer orders until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--sam", type=Path)
    args = parser.parse_args(argv)
    # What packages print goes to the terminal, and never among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if args.sam is not None:
        answer_all(sys.stdin, Prompting(args.data, args.sam), answers)
    else:
        answer_all(sys.stdin, Proposing(args.data, args.model, args.preset), answers)


if __name__ == "__main__":
    main()
