"""What readers and writers of several formats need."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import OutOfSpaceError, SpaceError
from space.files import atomic_path, parse_json, read_bytes_bounded, read_json
from space.images import read_png_text
from space.learning import picture_files
from space.learning.adding import disk_in_words, items
from space.learning.arrays import mapped
from space.learning.dataset import DataSet, LabelClass, NotASampleError, Origin
from space.learning.formats.note import Note, write_note
from space.learning.incoming import Item, Tell, classes_of, merged
from space.learning.names import folded, grid_and_lamella
from space.packages import is_installed
from space.predicates import is_whole

IMAGE_FOLDERS = ("images", "image", "imgs", "raw", "pictures")
LABEL_FOLDERS = ("labels", "label", "masks", "mask", "segmentations")
LABEL_ENDINGS = ("_labels", "_label", "_masks", "_mask", "_seg")
MOST_FILES = 100_000


@dataclass(frozen=True)
class Wish:
    """What a person says about pictures that are imported.

    Attributes
    ----------
    classes : mapping
        Class → value, where the source does not say.
    pixel_nm : float or None
        Of pictures whose files do not say.
    session, grid : str
        Where all of them come from, if it is known.
    flip_mrc : bool
        Turn MRC pictures upside down: labels were drawn with row 0 of the file at the bottom.
    """

    classes: Mapping[str, int] = field(default_factory=dict)
    pixel_nm: float | None = None
    session: str = ""
    grid: str = ""
    flip_mrc: bool = False


@dataclass(frozen=True)
class Pair:
    """A file of pictures with its file of labels."""

    picture: Path
    labels: Path | None = None


def files_in(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Return the files with one of these endings, small or capital, by name.

    Hidden ones are passed over, and what is no file, as a pipe, which would be read for ever.
    """
    if not folder.is_dir():
        return []
    found = []
    for number, path in enumerate(sorted(folder.iterdir())):
        if number >= MOST_FILES:
            raise SpaceError(f"There are more than {MOST_FILES} files.", str(folder), "Divide it.")
        if path.name.startswith(".") or path.suffix.lower() not in endings:
            continue
        if path.is_dir() if path.suffix.lower() == picture_files.ZARR else path.is_file():
            found.append(path)
    return found


def stored_classes(labels: Path) -> dict[str, int]:
    """Return the classes that a label map of SPACEtomo has in its PNG texts; none if it has none.

    Raises
    ------
    SpaceError
        If they cannot be used.
    """
    try:
        table = parse_json(read_png_text(labels).get("labels", "{}"))
    except ValueError:
        table = None
    if not isinstance(table, dict) or not all(is_whole(value) for value in table.values()):
        raise SpaceError("The classes that are stored with labels cannot be read.", str(labels))
    return table


def first_folder(root: Path, names: Iterable[str]) -> Path | None:
    """Return the first of some folders that is there, with small or capital letters."""
    there = {path.name.casefold(): path for path in root.iterdir() if path.is_dir()}
    return next((there[name] for name in names if name in there), None)


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by their stems as `folded` gives them; of one stem, the first file."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(folded(path.stem), path)
    return found


def loads(
    pairs: Iterable[Pair],
    wish: Wish,
    note: Note,
    colors: picture_files.Colors | None = None,
    change: Callable[[Item, Pair], Item] = lambda item, pair: item,
    exported: Callable[[str], str] = lambda stem: stem,
) -> Iterable[Callable[[], Sequence[Item]]]:
    """Give a function for each pair of files that reads what is in it.

    Parameters
    ----------
    pairs, wish, note, colors :
        What is to be read, and how.
    change : callable
        Adds to a picture what else is known, as boxes.
    exported : callable
        Makes the name of a picture of the stem of its file.
    """
    for pair in pairs:

        def load(pair: Pair = pair) -> list[Item]:
            found = read_pair(pair, wish, exported(pair.picture.stem), colors)
            return [note.restored(change(one, pair), one.stem) for one in found]

        yield load


def read_pair(
    pair: Pair, wish: Wish, stem: str, colors: picture_files.Colors | None = None
) -> list[Item]:
    """Read a file of pictures with its labels; each section of a stack is a picture.

    Raises
    ------
    SpaceError
        If one cannot be read, or they do not fit.
    """
    sections = picture_files.read_pictures(pair.picture)
    arrays, is_mrc = sections.arrays, pair.picture.suffix.lower() in picture_files.MRC
    turned = wish.flip_mrc and is_mrc
    if turned:
        arrays = arrays[:, ::-1]
    labels = None
    if pair.labels is not None:
        labels = picture_files.read_label_maps(pair.labels, colors)
        if len(labels) != len(arrays):
            raise SpaceError(
                f"{pair.picture.name} holds {len(arrays)} pictures, its labels "
                f"{pair.labels.name} {len(labels)}.",
                str(pair.labels),
            )
    pixel_nm = sections.pixel_nm or wish.pixel_nm
    if len(arrays) == 1:
        grid, lamella = grid_and_lamella(stem)
        own = None if labels is None else labels[0]
        origin = _origin(wish, wish.grid or grid, lamella, pair)
        as_it_is = None if turned or not sections.is_grey else pair.picture
        return [Item(stem, arrays[0], as_it_is, own, pixel_nm=pixel_nm, origin=origin)]
    origin = _origin(wish, wish.grid or stem, 0, pair)  # neighbouring sections look alike
    return [
        Item(
            f"{stem}_z{number:03d}",
            array,
            labels=None if labels is None else labels[number],
            pixel_nm=pixel_nm,
            origin=origin,
        )
        for number, array in enumerate(arrays)
    ]


def _origin(wish: Wish, grid: str, lamella: int, pair: Pair) -> Origin:
    name = "".join(letter for letter in pair.picture.name if letter.isprintable())
    return Origin(wish.session[:200], grid[:200], lamella, "imported", name)


def agreed_classes(
    named: Mapping[str, int], wish: Wish, note: Note, colors: Mapping[str, str] | None = None
) -> tuple[tuple[LabelClass, ...], dict[int, int]]:
    """Return the classes of an import, and which values of its labels become which others.

    The names are those of the source, else what a person says; values and colours are those that
    the classes had before they were exported.

    Raises
    ------
    SpaceError
        If they cannot be used.
    """
    try:
        coming = classes_of(named or wish.classes, colors)
        if not note.data.classes:
            return coming, {}
        names = {one.name for one in coming}
        before = tuple(one for one in note.data.classes if one.name in names or not coming)
        return merged(before, coming)
    except NotASampleError as error:
        raise SpaceError(f"The classes cannot be used: {error}") from None


def with_values(item: Item, values: Mapping[int, int]) -> Item:
    """Return a picture whose labels have other values."""
    if item.labels is None or not values:
        return item
    return replace(item, labels=mapped(item.labels, values))


# --- writing --------------------------------------------------------------------------------------


def empty_folder(folder: Path) -> None:
    """Make a folder for an export.

    Raises
    ------
    SpaceError
        If something is in it: nothing is overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise SpaceError(f"The folder cannot be made ({error.strerror}).", str(folder)) from None
    if taken:
        raise SpaceError("This folder is not empty.", str(folder), "Name a new one with --out.")


def put_picture(folder: Path, stem: str, item: Item, endings: Sequence[str]) -> Path:
    """Write a picture, or copy its file where the format takes that; return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    if item.file is not None and item.file.suffix.lower() in endings:
        path = folder / f"{stem}{item.file.suffix}"
        with atomic_path(path) as temporary:
            shutil.copyfile(item.file, temporary)
        return path
    fits_png = picture_files.is_png_type(item.picture) and ".png" in endings
    path = folder / f"{stem}{'.png' if fits_png else '.tif'}"
    picture_files.write_picture(path, item.picture, item.pixel_nm)
    return path


def put_labels(folder: Path, stem: str, labels: np.ndarray, ending: str = ".png") -> None:
    """Write labels into an export."""
    folder.mkdir(parents=True, exist_ok=True)
    if ending == ".png":
        picture_files.write_labels(folder / f"{stem}.png", labels)
    else:
        picture_files.write_picture(folder / f"{stem}{ending}", labels)


def write_all(
    source: Path,
    data: DataSet,
    out: Path,
    put: Callable[[Item, str], None],
    tell: Tell,
    name: Callable[[str], str] = lambda stem: stem,
) -> int:
    """Hand out each picture of a data set; return how many.

    A picture that cannot be read is told, and the others follow. The note is written last.
    """
    names: dict[str, str] = {}
    for sample, load in zip(data.samples, items(source, data)):
        try:
            with disk_in_words():
                item = load()
                put(item, name(item.stem))
        except OutOfSpaceError:
            raise
        except SpaceError as error:
            tell(str(error))
            continue
        names[sample.file] = name(item.stem)
    write_note(out, data, names)
    return len(names)


def read_table(path: Path, limit: int = 16_000_000) -> dict[str, Any]:
    """Read a JSON file of another program that holds one table.

    Raises
    ------
    SpaceError
        If it cannot be read or holds something else.
    """
    try:
        values = read_json(path, limit, follow_links=True)
    except (OSError, ValueError) as error:
        raise SpaceError(f"{path.name} cannot be read ({error}).", str(path)) from None
    if not isinstance(values, dict):
        raise SpaceError(f"{path.name} holds no table.", str(path))
    return values


# --- YAML -----------------------------------------------------------------------------------------


def read_yaml(path: Path) -> Any:
    """Read plain values of a YAML file; nothing in it is run.

    Raises
    ------
    SpaceError
        If it cannot be read.
    """
    yaml = _yaml(path)
    try:
        data = read_bytes_bounded(path, 1_000_000, follow_links=True)
        if data.count(b"&") * data.count(b"*") > 100:  # aliases of aliases fill any memory
            raise ValueError("it has many aliases")
        return yaml.safe_load(data)
    except RecursionError:
        raise SpaceError("The file is nested too deeply.", str(path)) from None
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpaceError(f"The file cannot be read ({reason}).", str(path)) from None


def yaml_text(values: Any, path: Path) -> str:
    """Return values as YAML."""
    text: str = _yaml(path).safe_dump(values, allow_unicode=True, sort_keys=False)
    return text


def _yaml(path: Path) -> Any:
    if not is_installed("yaml"):
        raise SpaceError(
            "YAML needs the package PyYAML, which this Python lacks.",
            str(path),
            "Install the extra learn: see docs/data.md.",
        )
    import yaml

    return yaml
