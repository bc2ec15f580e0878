"""What is under a click: Segment Anything, by ultralytics, with weights that the user has.

Nothing is fetched. The network is made by ultralytics; its weights are loaded as all others are
(`space.weights`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.packages import is_installed
from space.weights import load_checkpoint

SIDE_PX = 1024
"""A picture is shown to the network at this size."""

FILES = (
    "sam_b.pt", "sam_l.pt", "sam_h.pt", "mobile_sam.pt",
    "sam2_t.pt", "sam2_s.pt", "sam2_b.pt", "sam2_l.pt",
    "sam2.1_t.pt", "sam2.1_s.pt", "sam2.1_b.pt", "sam2.1_l.pt",
)  # fmt: skip
"""Names that say which network weights are of."""

WHERE_TO_GET = (
    "Download one of them on a computer with internet, from the pages of ultralytics: "
    "https://docs.ultralytics.com/models/sam and .../sam-2. mobile_sam.pt (40 MB) is quick without "
    "a graphics card; sam_b.pt (360 MB) finds more. Keep the name of the file. SPACEtomo fetches "
    "nothing itself."
)

HOW_TO_HAVE_SAM = f"Start spacetomo label with --sam FILE. {WHERE_TO_GET}"

Point = tuple[float, float]


def refuse_sam(weights: Path) -> None:
    """Refuse weights that cannot be those of Segment Anything; nothing is loaded.

    Raises
    ------
    SpaceError
        If the file is missing, its name tells no network, or ultralytics is not there.
    """
    if not Path(weights).is_file():
        raise SpaceError(
            "The weights of Segment Anything are not there.", str(weights), WHERE_TO_GET
        )
    if not _file_of(weights):
        raise SpaceError(
            "The name of this file does not say which Segment Anything it is.",
            str(weights),
            f"Rename it back: {', '.join(FILES)}.",
        )
    if not is_installed("ultralytics"):
        raise SpaceError(
            "Segment Anything needs the package ultralytics, which this Python lacks.",
            do='Install it with pip: pip install -e ".[predict]" in the folder of SPACEtomo.',
        )


def _file_of(weights: Path) -> str:
    found = [name for name in FILES if Path(weights).name.lower().endswith(name)]
    return max(found, key=len, default="")


class Prompter:
    """Segment Anything, loaded once and kept, with the picture that was looked at last.

    Parameters
    ----------
    weights : Path

    Raises
    ------
    SpaceError
        If the weights cannot be used.
    """

    def __init__(self, weights: Path) -> None:
        refuse_sam(weights)
        state = load_checkpoint(weights)
        self._predictor = _predictor(Path(weights), state)
        self._shape = (0, 0)

    def show(self, picture: np.ndarray) -> None:
        """Look at a picture (uint8, grey); this takes most of the time."""
        self._shape = (picture.shape[0], picture.shape[1])
        self._predictor.set_image(np.repeat(picture[:, :, None], 3, axis=2))

    def mask(self, points: Sequence[Point], inside: Sequence[bool]) -> np.ndarray:
        """Return the mask of what some points lie in.

        Parameters
        ----------
        points : sequence of tuple of float
            Row and column in the picture that is shown.
        inside : sequence of bool
            Whether each lies in it, or outside.

        Returns
        -------
        ndarray of bool
            Of the shape of the picture.
        """
        columns_rows = [[[column, row] for row, column in points]]
        masks, _ = self._predictor.inference_features(
            self._predictor.features,
            self._shape,
            (SIDE_PX, SIDE_PX),
            points=columns_rows,
            labels=[[int(one) for one in inside]],
        )
        if masks is None:
            return np.zeros(self._shape, bool)
        return np.asarray(masks[0].cpu().numpy(), bool)


def _predictor(weights: Path, state: Any) -> Any:
    """Return what ultralytics asks a network with, on the processor or the first GPU."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    import torch
    from ultralytics.models.sam import Predictor, SAM2Predictor, build

    try:
        with _loads(build, state):
            make: Any = build.sam_model_map[_file_of(weights)]
            network = make(str(weights))
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise SpaceError(
            f"These weights do not fit the network that their name tells ({first}).",
            str(weights),
            WHERE_TO_GET,
        ) from error
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    kind: Any = SAM2Predictor if "sam2" in weights.name.lower() else Predictor
    about = {"imgsz": SIDE_PX, "conf": 0.0, "device": device, "save": False, "verbose": False}
    predictor = kind(overrides=about)
    predictor.setup_model(network, verbose=False)
    return predictor


@contextmanager
def _loads(build: Any, state: Any) -> Iterator[None]:
    """Have ultralytics take weights that were loaded here.

    It would open the file itself, without looking at what is in it, and fetch one that it does not
    find.
    """

    def given(network: Any, _: object) -> Any:
        values = state.get("model", state) if isinstance(state, dict) else state
        network.load_state_dict(values)
        return network

    before = build._load_checkpoint  # noqa: SLF001
    build._load_checkpoint = given  # noqa: SLF001
    try:
        yield
    finally:
        build._load_checkpoint = before  # noqa: SLF001
