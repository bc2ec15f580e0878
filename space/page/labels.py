"""Labels of a lamella's map corrected on the page: strokes come in, files and an edit come out.

The browser draws a preview of strokes by itself. What it cannot know is what a fill covers, since
it has only those pixels that are on the screen: that is asked for here.
"""

from __future__ import annotations

import base64
import contextlib
import io
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from space import labelling, steps
from space.errors import SpaceError
from space.images import fingerprint, png_shape, read_png
from space.labelling import (
    Correction,
    Drawing,
    NotStrokesError,
    OutdatedError,
    Region,
    Shape,
    Stroke,
)
from space.overview import GridFacts, LamellaFacts
from space.page import reviews
from space.page.lamella_facts import OF_MODEL, Classes, classes_of
from space.page.places import tiles_table
from space.page.refusal import RefusedError, stale, wrong
from space.page.session import Session

LONGEST_MASK_PX = 1024
"""A fill is shown with at most so many pixels a side: on the screen it has no more."""

_KEYS = frozenset({"of", "revision", "strokes"})


class Labels:
    """What is corrected on labels; one request after the other, since maps are large."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of = ""
        self._drawing: Drawing | None = None

    def table(self, session: Session, grid: GridFacts, lamella: LamellaFacts) -> dict[str, Any]:
        """Return what a page needs to correct labels.

        Raises
        ------
        SpaceError
            If the map is not segmented, or what was corrected before cannot be read.
        """
        segmentation = _segmentation(lamella)
        place = f"tiles/{quote(grid.name, safe='')}/{lamella.label}{OF_MODEL}"
        address = f"{place}/{{z}}/{{x}}/{{y}}.png?v={fingerprint(segmentation)}"
        shape = png_shape(segmentation)
        if shape is None:
            raise SpaceError("The segmentation cannot be read.", segmentation.name)
        with _told(lamella):
            of, problem = labelling.hash_of(segmentation), ""
        try:
            before = labelling.read_correction(segmentation)
        except SpaceError as error:
            before, problem = None, f"{error} If you save, it is kept under another name."
        fits = before is not None and before.segmentation == of
        classes = classes_of(session.files_of(grid), segmentation)
        return {
            "of": of,
            "revision": before.revision if before is not None else 0,
            "strokes": _plain(before) if fits else [],
            "outdated": _plain(before) if not fits else [],
            "problem": problem,
            "classes": [
                {"name": name, "color": classes.colors[name]}
                for name, _ in sorted(classes.labels.items(), key=lambda one: one[1])
            ],
            "tiles": tiles_table(address, shape),
            "limits": limits_table(),
        }

    def saved(
        self, session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Save corrected labels, and ask the run to choose targets on them.

        Where the run would refuse that, as after an exposure, they are saved all the same: models
        learn from them. The answer says why the run is not asked.

        Parameters
        ----------
        session, grid, lamella :
            What they are of.
        values : mapping
            ``of`` and ``revision`` as the page got them, and ``strokes``: all of them.

        Raises
        ------
        SpaceError
            If the page has seen something else, or something is not understood. Nothing is
            written then.
        """
        segmentation, classes = _segmentation(lamella), self._classes(session, grid, lamella)
        if set(values) != _KEYS or not isinstance(values["of"], str):
            raise wrong(f"Corrected labels have {', '.join(sorted(_KEYS))}.")
        revision = values["revision"]
        if isinstance(revision, bool) or not isinstance(revision, int):
            raise wrong("revision is no number.")
        strokes = _strokes(values, classes)
        files = session.files_of(grid)
        with self._lock, _told(lamella):
            self._drawing = None  # it is large
            about = {"grid": grid.name, "lamella": lamella.number, **_of_map(files, lamella)}
            done = labelling.save_correction(
                segmentation, strokes, classes.labels, values["of"], revision, **about
            )
        asked: dict[str, Any] | None = None
        why_not = ""
        try:
            asked = reviews.use_labels(session, grid, lamella)
        except RefusedError as error:
            why_not = error.what
        session.look(now=True)
        return {"revision": done.revision, "review": asked, "not_asked": why_not}

    def filled(
        self, session: Session, grid: GridFacts, lamella: LamellaFacts, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the last one of some strokes, a fill, covers: its place and a picture.

        Raises
        ------
        SpaceError
            If the strokes are not understood.
        """
        segmentation, classes = _segmentation(lamella), self._classes(session, grid, lamella)
        strokes = _strokes(values, classes)
        if not strokes or strokes[-1].shape is not Shape.FILL:
            raise wrong("The last stroke is no fill.")
        with self._lock, _told(lamella):
            return shown_mask(self._drawn(segmentation, strokes, classes).drawn[-1][1])

    def _classes(self, session: Session, grid: GridFacts, lamella: LamellaFacts) -> Classes:
        return classes_of(session.files_of(grid), _segmentation(lamella))

    def _drawn(self, segmentation: Path, strokes: tuple[Stroke, ...], classes: Classes) -> Drawing:
        """Return strokes as drawn; those that were drawn for the last request are not again."""
        of, drawing = labelling.hash_of(segmentation), self._drawing
        before = tuple(stroke for stroke, _ in drawing.drawn) if drawing is not None else ()
        if drawing is None or self._of != of or before != strokes[: len(before)]:
            base, _ = read_png(segmentation)
            drawing, before = Drawing(base, classes.labels), ()
        drawing.add(strokes[len(before) :])
        self._of, self._drawing = of, drawing
        return drawing


@contextlib.contextmanager
def _told(lamella: LamellaFacts) -> Iterator[None]:
    """Say in words what a file, or another page, is in the way of."""
    try:
        yield
    except OutdatedError as error:
        raise stale(error.what, lamella.label) from None
    except OSError as error:
        raise SpaceError(f"The labels cannot be used: {error}.", lamella.label) from None


def _segmentation(lamella: LamellaFacts) -> Path:
    if lamella.labels is None:
        raise SpaceError(
            "This lamella has no segmented map here.", lamella.label, "Wait for the segmentation."
        )
    return lamella.labels


def _strokes(values: Mapping[str, Any], classes: Classes) -> tuple[Stroke, ...]:
    try:
        return labelling.read_strokes(values.get("strokes"), tuple(classes.labels))
    except NotStrokesError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None


def _plain(correction: Correction | None) -> list[dict[str, Any]]:
    return [] if correction is None else labelling.plain_strokes(correction.strokes)


def _of_map(files: steps.GridSession, lamella: LamellaFacts) -> dict[str, Any]:
    """Return what is known about the map that labels are of."""
    facts = steps.read_map_facts(files.map_png(lamella.number))
    picture = files.map_png(lamella.number)
    return {
        "map": picture.name,
        "map_hash": labelling.hash_of(picture),
        "pixel_nm": facts.pixel_nm,
        "shape_px": list(facts.frame.shape),
    }


def limits_table() -> dict[str, Any]:
    """Return how much can be drawn."""
    return {
        "strokes": labelling.MOST_STROKES,
        "points": labelling.MOST_POINTS,
        "fills": labelling.MOST_FILLS,
        "masks": labelling.MOST_MASKS,
        "radius_px": [labelling.SMALLEST_RADIUS_PX, labelling.LARGEST_RADIUS_PX],
    }


def shown_mask(region: Region) -> dict[str, Any]:
    """Return what a fill covers as the page shows it: its place and a picture."""
    mask = region.mask
    step = max(1, -(-max(mask.shape, default=1) // LONGEST_MASK_PX))
    return {
        "box_px": [region.top, region.left, region.rows, region.columns],
        "step_px": step,
        "png": _as_png(mask[step // 2 :: step, step // 2 :: step]) if mask.size else "",
    }


def _as_png(mask: np.ndarray) -> str:
    """Return a mask as a picture in an address: black where something is, else nothing."""
    from PIL import Image

    picture = Image.fromarray(np.where(mask, np.uint8(1), np.uint8(0)))
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette([0, 0, 0, 0, 0, 0])
    out = io.BytesIO()
    picture.save(out, "PNG", bits=1, transparency=bytes([0, 255]))
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
