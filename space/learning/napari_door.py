"""Pictures and labels of a data set as layers of napari, for those who have it.

What was drawn is saved when the window of a picture is closed, and can be undone on the page, as
what is drawn there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.labelling import Drawing, Mask, Shape, Stroke, mask_name, region_of
from space.learning.arrays import labels_of
from space.learning.dataset import DataSet, Sample, read_data_set
from space.learning.picture_files import write_labels
from space.learning.relabelling import (
    CORRECTIONS,
    drawable,
    picture_of,
    save_drawn,
    taken_masks,
)
from space.packages import is_installed

_KEPT = "{stem}_napari.png"

Tell = Callable[[str], object]


def open_in_napari(folder: Path, tell: Tell, stems: Sequence[str] = ()) -> int:
    """Show pictures one after the other; save what was drawn when each window is closed.

    Parameters
    ----------
    folder : Path
        Of the data set.
    tell : callable
        Takes what was done.
    stems : sequence of str
        Pictures to show; all if there are none.

    Returns
    -------
    int
        How many labels were saved.

    Raises
    ------
    SpaceError
        If napari is not installed, or something cannot be read or written.
    """
    if not is_installed("napari"):
        raise SpaceError(
            "napari is not installed in this Python.",
            do='Install it with pip: pip install "napari[all]", or label on the page: leave '
            "--napari out.",
        )
    import napari

    data, _ = read_data_set(folder)
    samples = [one for one in data.samples if not stems or one.stem in stems]
    if not samples:
        raise SpaceError("The data set has no such picture.", str(folder))
    saved = 0
    for number, sample in enumerate(samples, start=1):
        tell(f"{number} of {len(samples)}: {sample.file}. Close the window to go on.")
        saved += _shown(napari, folder, data, sample, tell)
    return saved


def _shown(napari: Any, folder: Path, data: DataSet, sample: Sample, tell: Tell) -> int:
    """Show a picture until its window is closed; return how many labels were saved: 0 or 1."""
    seen = drawable(folder, sample)
    drawing = Drawing(seen.base, data.values, taken_masks(folder, sample))
    drawing.add(seen.strokes)
    viewer = napari.Viewer(title=f"{sample.file}, {folder.name}")
    viewer.add_image(picture_of(folder, sample), name="picture")
    layer = viewer.add_labels(drawing.labels.copy(), name="labels", **_colors(napari, data))
    tell("Labels: " + ", ".join(f"{one.value} {one.name}" for one in data.classes))
    napari.run()
    drawn = np.asarray(layer.data)
    if drawn.shape == sample.shape and np.array_equal(drawn, drawing.labels):
        return 0
    try:
        now = labels_of(drawn)
        unknown = set(np.unique(now).tolist()) - {0, *data.values.values()}
        if now.shape != sample.shape or unknown:
            raise ValueError(f"labels {sorted(unknown)} are of no class" if unknown else "its size")
    except ValueError as error:
        kept = Path(folder) / CORRECTIONS / _KEPT.format(stem=sample.stem)
        tell(f"{sample.file}: what was drawn cannot be used ({error}).{_kept(kept, drawn)}")
        return 0
    strokes, masks = _changes(drawing.labels, now, data)
    save_drawn(folder, sample.file, (*seen.strokes, *strokes), seen.of, masks.__getitem__)
    tell(f"{sample.file}: saved.")
    return 1


def _changes(
    before: np.ndarray, now: np.ndarray, data: DataSet
) -> tuple[list[Stroke], dict[str, Mask]]:
    """Return what was drawn as masks that strokes name: one for each label that pixels got."""
    names = {value: name for name, value in data.values.items()}
    strokes, masks = [], {}
    for value in np.unique(now[now != before]).tolist():
        region = region_of((now == value) & (now != before))
        masks[mask_name(region)] = Mask(region)
        strokes.append(Stroke(Shape.MASK, names[value], (), mask=mask_name(region)))
    return strokes, masks


def _kept(path: Path, drawn: np.ndarray) -> str:
    """Keep labels of unknown classes, so that nothing is lost; return where, in words."""
    if drawn.ndim != 2 or not 0 <= drawn.min() <= drawn.max() <= 255:
        return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(path, drawn.astype(np.uint8))
    return f" It is in {path}."


def _colors(napari: Any, data: DataSet) -> dict[str, Any]:
    """Return the colours of classes as an option of a layer, where this napari has one."""
    kind = getattr(napari.utils, "DirectLabelColormap", None)
    if kind is None:
        return {}
    table: dict[int | None, str] = {one.value: one.color for one in data.classes if one.value}
    return {"colormap": kind(color_dict={None: "#ffffff", 0: "transparent", **table})}
