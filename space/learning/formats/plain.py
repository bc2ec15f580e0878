"""Folders of pictures with label maps of the same names: PNG, TIFF, MRC; layers; napari."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from space.errors import SpaceError
from space.files import atomic_path
from space.images import DRAWING, read_png_text
from space.learning import picture_files
from space.learning.adding import items, points_of
from space.learning.boxes import read_boxes, write_boxes
from space.learning.dataset import (
    BACKGROUND,
    BOXES,
    IMAGES,
    KEYPOINTS,
    LABELS,
    LAYERS,
    DataSet,
    is_data_set,
    read_data_set,
)
from space.learning.formats.note import read_note
from space.learning.formats.shared import (
    IMAGE_FOLDERS,
    LABEL_ENDINGS,
    LABEL_FOLDERS,
    Pair,
    Wish,
    agreed_classes,
    by_stem,
    empty_folder,
    files_in,
    first_folder,
    loads,
    put_labels,
    put_picture,
    stored_classes,
    with_values,
    write_all,
)
from space.learning.incoming import Incoming, Item, Tell
from space.learning.names import folded
from space.learning.picture_files import KEPT, PICTURES, read_layer

_TIFF = ".tif"


def find_pairs(root: Path, tell: Tell) -> list[Pair]:
    """Return the pictures of a folder with their labels, and tell of labels without a picture.

    Pictures lie in ``images`` or in the folder itself; labels of the same stem (or with ``_seg``,
    ``_label``, ``_mask`` behind it) in ``labels`` or ``masks``, or beside the pictures.
    """
    image_folder = first_folder(root, IMAGE_FOLDERS) or root
    label_folder = first_folder(root, LABEL_FOLDERS)
    pictures = [path for path in files_in(image_folder, PICTURES) if not _is_drawing(path)]
    if label_folder is None:
        stems = {folded(path.stem) for path in pictures}
        labels = [path for path in pictures if _unmarked(path.stem, stems) is not None]
        pictures = [path for path in pictures if path not in labels]
    else:
        labels = files_in(label_folder, picture_files.LABELS)
    stems = {folded(path.stem) for path in pictures}
    of_picture: dict[str, Path] = {}
    for path in labels:
        name = folded(path.stem)
        wanted = name if name in stems else _unmarked(path.stem, stems)
        if wanted is None:
            tell(f"{path.name}: there is no picture of this name.")
        elif wanted in of_picture:
            tell(f"{path.name}: {of_picture[wanted].name} has labels of the same picture.")
        else:
            of_picture[wanted] = path
    for name, first in by_stem(pictures).items():
        others = [path.name for path in pictures if folded(path.stem) == name and path != first]
        if others and name in of_picture:
            tell(f"{first.name} and {others[0]} have the same labels, {of_picture[name].name}.")
    return [Pair(path, of_picture.get(folded(path.stem))) for path in pictures]


def _is_drawing(path: Path) -> bool:
    """Whether SPACEtomo drew a picture for people, which is no map."""
    return path.suffix.lower() in picture_files.PNG and DRAWING in read_png_text(path)


def _unmarked(stem: str, stems: set[str]) -> str | None:
    name = folded(stem)
    for ending in LABEL_ENDINGS:
        if name.endswith(ending) and name[: -len(ending)] in stems:
            return name[: -len(ending)]
    return None


def read_folder(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read pictures with label maps, and boxes and keypoints that lie beside them."""
    note = read_note(root)
    pairs = find_pairs(root, tell)
    named = {} if wish.classes or note.data.classes else _stored(pairs)
    classes, values = agreed_classes(named, wish, note)
    colors = colors_of(classes)
    points = points_of(root)

    def change(item: Item, pair: Pair) -> Item:
        boxes = read_boxes(root / BOXES / f"{item.stem}.json")
        found = points.get(pair.picture.name, ())
        return replace(with_values(item, values), boxes=boxes, points=found)

    found = loads(pairs, wish, note, colors, change)
    return Incoming(found, classes, note.data.box_classes)


def _stored(pairs: Iterable[Pair]) -> dict[str, int]:
    """Return the classes that label maps of SPACEtomo have with them; none if there are none.

    Raises
    ------
    SpaceError
        If they differ: labels of one number would mean different things.
    """
    tables: dict[str, tuple[dict[str, int], Path]] = {}
    for pair in pairs:
        if pair.labels is not None and pair.labels.suffix.lower() in picture_files.PNG:
            table = stored_classes(pair.labels)
            tables.setdefault(str(sorted(table.items())), (table, pair.labels))
    if len(tables) > 1:
        (_, one), (_, other) = list(tables.values())[:2]
        raise SpaceError(
            f"Labels have different classes: {one.name} and {other.name}.",
            str(one.parent),
            "Import them from folders of their own; classes of one name are joined.",
        )
    return next((table for table, _ in tables.values()), {})


def colors_of(classes: Iterable[object]) -> dict[tuple[int, int, int], int]:
    """Return the colours of classes, for label maps that are painted."""
    from space.learning.dataset import LabelClass
    from space.plots import rgb

    return {rgb(one.color): one.value for one in classes if isinstance(one, LabelClass)}


def write_folder(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write pictures as they are, and labels as 8-bit PNG of the same names."""
    return _write(source, data, out, tell, KEPT, ".png")


def write_napari(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write pictures as they are, and label layers as TIFF, which napari opens as such."""
    return _write(source, data, out, tell, KEPT, _TIFF)


def _write(
    source: Path, data: DataSet, out: Path, tell: Tell, endings: Sequence[str], label_ending: str
) -> int:
    empty_folder(out)

    def put(item: Item, stem: str) -> None:
        put_picture(out / IMAGES, stem, item, endings)
        if item.labels is not None:
            put_labels(out / LABELS, stem, item.labels, label_ending)
        put_boxes(out, stem, item)

    count = write_all(source, data, out, put, tell)
    put_keypoints(source, out)
    return count


def put_boxes(out: Path, stem: str, item: Item) -> None:
    """Write the boxes of a picture in our own form, which foreign programs pass over."""
    if item.boxes is not None:
        (out / BOXES).mkdir(exist_ok=True)
        write_boxes(out / BOXES / f"{stem}.json", item.boxes)


def put_keypoints(source: Path, out: Path) -> None:
    """Copy the table of keypoints, if there is one."""
    if (source / KEYPOINTS).exists():
        with atomic_path(out / KEYPOINTS) as temporary:
            shutil.copyfile(source / KEYPOINTS, temporary)


# --- layers ---------------------------------------------------------------------------------------


def read_layers(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read layers of a drawing program: ``layers/<class>/<stem>``, or ``<class>/<stem>`` alone.

    Values do not matter: what is neither black nor transparent is drawn. Classes have the order
    that a person gives, else that of their names; where layers overlap, the last one counts.
    """
    note = read_note(root)
    base = root / LAYERS if (root / LAYERS).is_dir() else root
    image_folder = first_folder(root, IMAGE_FOLDERS) or root
    folders = {
        path.name: path
        for path in sorted(base.iterdir())
        if path.is_dir() and path != image_folder and not path.name.startswith(".")
    }
    folders = {name: path for name, path in folders.items() if files_in(path, PICTURES)}
    if base == root:
        folders = {k: path for k, path in folders.items() if k.casefold() not in LABEL_FOLDERS}
    if not folders and base == root:
        raise SpaceError("There are no folders of layers.", str(root), "See docs/data.md.")
    known = [one.name for one in note.data.classes] or [*wish.classes]
    named = dict(wish.classes) or {BACKGROUND: 0, **{n: i for i, n in enumerate(folders, 1)}}
    missing = [name for name in folders if name not in known] if known else []
    for name in missing:
        tell(f"The folder of layers {name} is of no class that was named.")
    classes, _ = agreed_classes({} if note.data.classes else named, wish, note)
    layers = {name: by_stem(files_in(path, PICTURES)) for name, path in folders.items()}
    points = points_of(root)

    def change(item: Item, pair: Pair) -> Item:
        stem = folded(pair.picture.stem)
        drawn = {name: read_layer(paths[stem]) for name, paths in layers.items() if stem in paths}
        boxes = read_boxes(root / BOXES / f"{item.stem}.json")
        return replace(item, layers=drawn, boxes=boxes, points=points.get(pair.picture.name, ()))

    pairs = [Pair(path) for path in files_in(image_folder, PICTURES)]
    return Incoming(loads(pairs, wish, note, None, change), classes, note.data.box_classes)


def write_layers(source: Path, data: DataSet, out: Path, tell: Tell) -> int:
    """Write a picture of 0 and 255 for each class but the background, as layers are opened."""
    empty_folder(out)
    (out / LAYERS).mkdir()  # also where no picture has labels: by it the format is known

    def put(item: Item, stem: str) -> None:
        put_picture(out / IMAGES, stem, item, KEPT)
        if item.labels is not None:
            for one in data.classes:
                if one.value:
                    layer = (item.labels == one.value).astype("uint8") * 255
                    put_labels(out / LAYERS / one.name, stem, layer)
        put_boxes(out, stem, item)

    count = write_all(source, data, out, put, tell)
    put_keypoints(source, out)
    return count


# --- another data set of ours ---------------------------------------------------------------------


def read_own(root: Path, wish: Wish, tell: Tell) -> Incoming:
    """Read another data set of this kind."""
    data, problems = read_data_set(root, strict=False)
    for problem in problems:
        tell(problem)

    def one_by_one() -> Iterable[Callable[[], Sequence[Item]]]:
        for load in items(root, data):
            yield lambda load=load: [load()]  # type: ignore[misc]

    return Incoming(one_by_one(), data.classes, data.box_classes)


def is_own(root: Path) -> bool:
    """Whether a folder is a data set of this kind."""
    return is_data_set(root)
