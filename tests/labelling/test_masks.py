"""Masks that were proposed: exact, kept by what they hold, and refused when they are not."""

from __future__ import annotations

import numpy as np
import pytest

from space import labelling
from space.errors import SpaceError
from space.images import read_png, write_png
from space.labelling import Drawing, Mask, NotStrokesError, Shape, Stroke, mask_name, region_of

NAMES = {"ice": 0, "mitos": 5}
BASE = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40).astype(np.uint8) % 3


def mask() -> np.ndarray:
    found = np.zeros(BASE.shape, bool)
    found[4:9, 7:21] = True
    found[5, 8] = False
    return found


def stroke(region, category: str = "mitos") -> Stroke:
    return Stroke(Shape.MASK, category, (), mask=mask_name(region))


def test_a_mask_is_drawn_pixel_by_pixel_and_undone_by_the_eraser():
    region = region_of(mask())
    drawing = Drawing(BASE, NAMES, lambda name: {mask_name(region): Mask(region)}[name])
    drawing.add([stroke(region)])
    assert (drawing.labels == np.where(mask(), 5, BASE)).all()
    assert dict(drawing.layers())["mitos"].tolist() == mask().tolist()
    drawing.add([stroke(region, "")])
    assert (drawing.labels == BASE).all()
    far = region_of(mask(), 25, 0)
    with pytest.raises(SpaceError, match="larger than this picture"):
        Drawing(BASE, NAMES, lambda name: Mask(far)).add([stroke(far)])
    with pytest.raises(SpaceError, match="is not there"):
        Drawing(BASE, NAMES).add([stroke(region)])


@pytest.mark.parametrize("what", [mask(), np.zeros_like(mask()), np.ones_like(mask())])
def test_a_mask_that_was_taken_is_kept_with_who_proposed_it(tmp_path, what):
    path = tmp_path / "a_seg.png"
    write_png(path, BASE, 1.0, "a")
    region = region_of(what)
    given, of = lambda name: Mask(region, "my model"), labelling.hash_of(path)
    strokes = (stroke(region), Stroke(Shape.BRUSH, "ice", ((1.0, 1.0),), 2.0))
    labelling.save_correction(path, strokes, NAMES, of, 0, given)
    saved = labelling.read_correction(path)
    assert saved.strokes == strokes
    assert labelling.read_strokes(labelling.plain_strokes(strokes), NAMES) == strokes
    assert (read_png(path.with_name(saved.labels))[0] == 5)[10:].tolist() == what[10:].tolist()
    kept = labelling.read_mask(path, mask_name(region))
    assert kept.by == "my model" and kept.region.place == region.place
    assert (kept.region.packed == region.packed).all()


def test_a_mask_that_is_gone_or_was_changed_is_refused(tmp_path):
    path, region = tmp_path / "a_seg.png", region_of(mask())
    write_png(path, BASE, 1.0, "a")
    name = mask_name(region)
    labelling.save_correction(path, (stroke(region),), NAMES, labelling.hash_of(path), 0,
                              lambda one: Mask(region))  # fmt: skip
    (kept,) = tmp_path.glob("*_mask_*")
    pixels, _ = read_png(kept)
    write_png(kept, 255 - pixels, 1.0, "a", top=4, left=7)
    with pytest.raises(SpaceError, match="not as it was saved"):
        labelling.read_mask(path, name)
    write_png(kept, pixels, 1.0, "a", top="-4", left="7e3")
    with pytest.raises(SpaceError, match="not as it was saved"):
        labelling.read_mask(path, name)
    kept.unlink()
    with pytest.raises(SpaceError, match="is not there"):
        labelling.read_mask(path, name)


@pytest.mark.parametrize("change", [
    {"mask": "../../x"}, {"mask": 7}, {"mask": "A" * 32}, {"points": [[1, 1]]}, {"radius_px": 2},
    {"mask": None},
])  # fmt: skip
def test_odd_masks_are_no_strokes(change):
    good = {"kind": "mask", "class": "mitos", "points": [], "mask": "0" * 32}
    assert labelling.read_strokes([good], NAMES)[0].mask == "0" * 32
    with pytest.raises(NotStrokesError):
        labelling.read_strokes([{**good, **change}], NAMES)
    with pytest.raises(NotStrokesError, match="masks"):
        labelling.read_strokes([good] * 301, NAMES)
