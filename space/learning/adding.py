"""Pictures added to a data set on disk, and the data set read back as pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from space.errors import OutOfSpaceError, SpaceError
from space.files import atomic_path, remove_if_possible, says_full
from space.learning import arrays
from space.learning.boxes import read_boxes, write_boxes
from space.learning.dataset import (
    IMAGES,
    KEYPOINTS,
    LABELS,
    LAYERS,
    DataSet,
    LabelClass,
    NotASampleError,
    Sample,
    boxes_path,
    instances_path,
    is_class_name,
    is_data_set,
    label_path,
    layer_path,
    picture_path,
    read_data_set,
    write_data_set,
)
from space.learning.incoming import Incoming, Item, Point, Tell, class_of_value, merged, named_now
from space.learning.instances import read_instances, write_instances
from space.learning.keypoints import Keypoint, read_keypoints, write_keypoints
from space.learning.names import clean_stem, folded, free_stem
from space.learning.picture_files import (
    KEPT,
    is_png_type,
    read_label_map,
    read_layer,
    read_picture,
    write_labels,
    write_picture,
)
from space.plots import class_colors


@dataclass
class Added:
    """What became of the pictures that were handed in, by their names in the data set."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def open_or_new(folder: Path) -> DataSet:
    """Return the data set in a folder; an empty one if the folder is empty or not there.

    Raises
    ------
    SpaceError
        If the folder holds other things, or a data set that cannot be used.
    """
    folder = Path(folder)
    if is_data_set(folder):
        return read_data_set(folder)[0]
    try:
        taken = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise SpaceError(f"The folder cannot be used ({error.strerror}).", str(folder)) from None
    if taken:
        raise SpaceError(
            "This folder holds other things than a data set.", str(folder), "Name a new one."
        )
    return DataSet()


def add(folder: Path, incoming: Incoming, tell: Tell, renew: bool = False) -> Added:
    """Add pictures to a data set, which is made if there is none.

    A picture that is there already is not added again, whatever its name. A file that cannot be
    read is told, and the others follow.

    Parameters
    ----------
    folder : Path
    incoming : Incoming
    tell : callable
    renew : bool
        Whether labels and boxes of pictures that are there already replace those there.
    """
    folder = Path(folder)
    data = open_or_new(folder)
    with disk_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
        writer = _Writer(folder, data, tell, renew)
        try:
            writer.take_classes(incoming)
            for load in incoming.loads:
                _add_one(writer, load, tell)
        finally:  # what was added stays added, however this ends
            writer.close()
    return writer.done


def _add_one(writer: _Writer, load: Callable[[], Sequence[Item]], tell: Tell) -> None:
    try:
        with disk_in_words():
            for item in load():
                writer.take(item)
    except OutOfSpaceError:
        raise
    except (SpaceError, NotASampleError) as error:
        writer.done.problems.append(str(error))
        tell(str(error))


@contextmanager
def disk_in_words(where: Path | str = "") -> Iterator[None]:
    """Turn what the system says of files into words.

    Raises
    ------
    OutOfSpaceError
        If the disk is full: what follows cannot be written either.
    SpaceError
        If a file cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        place = str(error.filename or where)
        if says_full(error):
            raise OutOfSpaceError(error.strerror or "no room is left", place) from error
        raise SpaceError(
            f"A file cannot be read or written ({error.strerror or error}).", place
        ) from error


_MASK = 255


class _Writer:
    """A data set that grows."""

    def __init__(self, folder: Path, data: DataSet, tell: Tell, renew: bool) -> None:
        self.done = Added()
        self._folder, self._data, self._tell, self._renew = folder, data, tell, renew
        self._values: dict[int, int] = {}
        self._coming: list[LabelClass] = []
        self._are_named = False
        self._by_hash = {one.picture_hash: one for one in data.samples}
        self._stems = {folded(one.stem) for one in data.samples}
        self._points = {one: list(points) for one, points in points_of(folder).items()}

    def take_classes(self, incoming: Incoming) -> None:
        named = named_now(self._data.classes, incoming.classes)
        for before, now in zip(self._data.classes, named):
            if before.name != now.name:
                self._tell(f"The class {before.name} is {now.name} now.")
        classes, self._values = merged(named, incoming.classes)
        for coming in incoming.classes:
            value = self._values.get(coming.value, coming.value)
            if value != coming.value:
                other = next(one.name for one in classes if one.value == coming.value)
                self._tell(f"{coming.name} has the value {value} here: {coming.value} is {other}.")
        self._coming = list(incoming.classes)
        self._are_named = bool(incoming.classes)
        names = dict.fromkeys((*self._data.box_classes, *incoming.box_classes))
        self._data = replace(self._data, classes=classes, box_classes=tuple(names))

    def take(self, item: Item) -> None:
        """Add one picture."""
        self._check(item)
        mark = arrays.content_hash(item.picture)
        known = self._by_hash.get(mark)
        if known is None:
            sample = self._add_picture(item, mark)
        elif self._renew:
            sample = known
        else:
            self.done.there.append(known.file)
            if item.stem != known.stem:
                self._tell(f"{item.stem} is {known.file}, which is there already.")
            if known.pixel_nm is None and item.pixel_nm is not None:  # forgotten the first time
                known = self._by_hash[mark] = replace(known, pixel_nm=item.pixel_nm)
                self._data = self._data.with_samples([known])
                self._tell(f"{known.file}: its pixel size is known now.")
            return
        if known is not None and item.labels is not None:
            self._drop_layers(item, sample)
        renewed = self._add_what_is_known(item, sample)
        if known is not None and renewed == known:
            self.done.there.append(known.file)
        else:
            (self.done.added if known is None else self.done.updated).append(renewed.file)
        self._by_hash[mark] = renewed
        self._data = self._data.with_samples([renewed])

    def _drop_layers(self, item: Item, sample: Sample) -> None:
        """Remove layers that the labels which replace those of a picture no longer have."""
        for name, path in layers_of(self._folder, self._data, sample).items():
            if name not in item.layers:
                remove_if_possible(path)

    def close(self) -> None:
        """Write what the data set says about itself."""
        write_data_set(self._folder, self._data)
        if any(self._points.values()):
            write_keypoints(
                self._folder / KEYPOINTS,
                (Keypoint(name, *point) for name, found in self._points.items() for point in found),
            )

    @staticmethod
    def _check(item: Item) -> None:
        shapes = {"labels": item.labels, **{f"the layer {k}": v for k, v in item.layers.items()}}
        for what, array in shapes.items():
            if array is not None and array.shape != item.picture.shape:
                rows, columns = array.shape
                raise SpaceError(
                    f"{item.stem} has {item.picture.shape[1]} x {item.picture.shape[0]} pixels, "
                    f"{what} {columns} x {rows}.",
                    item.stem,
                    "Save both with the same size, without resampling labels smoothly.",
                )

    def _add_picture(self, item: Item, mark: str) -> Sample:
        stem = self._free_stem(item.stem)
        as_it_is = item.file is not None and item.file.suffix.lower() in KEPT
        suffix = ".png" if is_png_type(item.picture) else ".tif"
        if as_it_is and item.file is not None:
            suffix = item.file.suffix
        rows, columns = item.picture.shape
        sample = Sample(f"{stem}{suffix}", (rows, columns), mark)
        path = picture_path(self._folder, sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        if as_it_is and item.file is not None:
            with atomic_path(path) as temporary:
                shutil.copyfile(item.file, temporary)
        else:
            write_picture(path, item.picture, item.pixel_nm)
        self._stems.add(folded(stem))
        return sample

    def _free_stem(self, wanted: str) -> str:
        """Return a name that no picture of the data set has, and no file that was put there."""
        taken = set(self._stems)
        for name in (IMAGES, LABELS):
            folder = self._folder / name
            if folder.is_dir():
                taken |= {folded(path.stem) for path in folder.iterdir()}
        return free_stem(clean_stem(wanted), taken)

    def _add_what_is_known(self, item: Item, sample: Sample) -> Sample:
        stem = sample.stem
        labels = item.labels
        if item.layers:
            layers = self._layers(item.layers)
            for name, layer in layers.items():
                _write(layer_path(self._folder, name, stem), layer)
            if labels is None:
                labels, overlap = self._joined(layers, item.picture.shape)
                if overlap:
                    self._tell(
                        f"{item.stem}: {overlap} pixels are in several layers; the last class in "
                        "the table of classes counts there."
                    )
                return self._known(item, replace(sample, label_hash=self._label(stem, labels)))
        if labels is not None:
            own = self._own_values(item.stem, labels)
            sample = replace(sample, label_hash=self._label(stem, own))
        return self._known(item, sample)

    def _known(self, item: Item, sample: Sample) -> Sample:
        if item.boxes is not None:
            path = boxes_path(self._folder, sample.stem)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_boxes(path, item.boxes)
            names = dict.fromkeys((*self._data.box_classes, *(box.category for box in item.boxes)))
            self._data = replace(self._data, box_classes=tuple(names))
        if item.labels is not None:  # those of labels that were there before are theirs alone
            remove_if_possible(instances_path(self._folder, sample.stem))
        if item.instances:
            write_instances(instances_path(self._folder, sample.stem), item.instances)
        if item.points:
            self._points[sample.file] = list(item.points)
        return replace(
            sample,
            pixel_nm=item.pixel_nm or sample.pixel_nm,
            split=item.split or sample.split,
            origin=item.origin if item.origin != type(item.origin)() else sample.origin,
        )

    def _label(self, stem: str, labels: np.ndarray) -> str:
        _write(label_path(self._folder, stem), labels)
        return arrays.content_hash(labels)

    def _own_values(self, stem: str, labels: np.ndarray) -> np.ndarray:
        """Return labels by the values of the data set's classes."""
        labels = self._of_one_class(labels)
        known = {one.value for one in self._coming}
        new = [int(value) for value in np.unique(labels) if int(value) not in known]
        for value in new:
            if self._are_named:
                self._tell(f"{stem}: the label {value} is of no class that was named.")
            self._add_class(class_of_value(value, (*self._coming, *self._data.classes)))
        return arrays.mapped(labels, self._values)

    def _of_one_class(self, labels: np.ndarray) -> np.ndarray:
        """Return a mask of 0 and 255, as drawing programs save it, as the only class named."""
        named = [one.value for one in self._coming if one.value]
        if not self._are_named or len(named) != 1 or named[0] == _MASK:
            return labels
        if not set(np.unique(labels).tolist()) <= {0, _MASK}:
            return labels
        return arrays.mapped(labels, {_MASK: named[0]})

    def _add_class(self, one: LabelClass) -> None:
        self._coming.append(one)
        classes, changed = merged(self._data.classes, [one])
        self._values |= changed
        self._data = replace(self._data, classes=classes)

    def _layers(self, layers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return layers as 0 and 255; their classes are there afterwards."""
        for name in layers:
            if not is_class_name(name):
                raise SpaceError(f"{name[:40]!r} is not a valid class name.", "layers")
            if name not in self._data.values:
                taken = self._data.classes or (class_of_value(0, ()),)
                value = max((one.value for one in taken), default=0) + 1
                color = class_colors([*(one.name for one in taken), name])[name]
                new = LabelClass(value, name, color)
                self._data = replace(self._data, classes=merged(taken, [new])[0])
        return {
            name: (layer != 0).astype(np.uint8) * np.uint8(255) for name, layer in layers.items()
        }

    def _joined(
        self, layers: Mapping[str, np.ndarray], shape: tuple[int, ...]
    ) -> tuple[np.ndarray, int]:
        values = self._data.values
        in_order = {values[name]: layers[name] for name in sorted(layers, key=values.__getitem__)}
        if not in_order:
            return np.zeros(shape, np.uint8), 0
        return arrays.joined(in_order)


def _write(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(path, labels)


# --- reading back ---------------------------------------------------------------------------------


def points_of(folder: Path) -> dict[str, tuple[Point, ...]]:
    """Return the keypoints of each picture, by its file."""
    found: dict[str, list[Point]] = {}
    for one in read_keypoints(Path(folder) / KEYPOINTS)[0]:
        found.setdefault(one.picture, []).append((one.name, one.x_px, one.y_px))
    return {name: tuple(points) for name, points in found.items()}


def read_labels(folder: Path, sample: Sample) -> np.ndarray | None:
    """Return the labels of a picture; None if it has none."""
    return read_label_map(label_path(folder, sample.stem)) if sample.label_hash else None


def layers_of(folder: Path, data: DataSet, sample: Sample) -> dict[str, Path]:
    """Return the layers of a picture that are there, by class."""
    if not (Path(folder) / LAYERS).is_dir():
        return {}
    paths = {one.name: layer_path(folder, one.name, sample.stem) for one in data.classes}
    return {name: path for name, path in paths.items() if path.exists()}


def read_item(
    folder: Path, data: DataSet, sample: Sample, points: Mapping[str, tuple[Point, ...]]
) -> Item:
    """Return a picture of a data set with all that is known of it.

    Raises
    ------
    SpaceError
        If one of its files cannot be read.
    """
    path = picture_path(folder, sample)
    return Item(
        stem=sample.stem,
        picture=read_picture(path),
        file=path,
        labels=read_labels(folder, sample),
        layers={n: read_layer(file) for n, file in layers_of(folder, data, sample).items()},
        boxes=read_boxes(boxes_path(folder, sample.stem)),
        points=points.get(sample.file, ()),
        instances=read_instances(instances_path(folder, sample.stem)),
        pixel_nm=sample.pixel_nm,
        split=sample.split,
        origin=sample.origin,
    )


def items(folder: Path, data: DataSet) -> Iterator[Callable[[], Item]]:
    """Give a function for each picture that reads it, so that one at a time is in memory."""
    points = points_of(folder)
    for sample in data.samples:
        yield lambda sample=sample: read_item(folder, data, sample, points)  # type: ignore[misc]
