"""The state of the program as bytes, and back.

Most of it is a graph of small objects of this package, for which pickle is the natural form.
Loading a pickle can run anything, so this one may only make objects of this package and of a few
harmless kinds; arrays are kept beside it as .npy, in one zip archive.
"""

from __future__ import annotations

import importlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

_PACKAGE = "space.simulator"
_HARMLESS = {
    ("collections", "Counter"),
    ("collections", "OrderedDict"),
    ("collections", "deque"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("random", "Random"),
}
_OBJECTS = "objects.pickle"


class FrozenStateError(ValueError):
    """What was read is not a state that this module wrote."""


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, known: Mapping[str, object], home: str) -> None:
        super().__init__(stream, protocol=5)
        self._home = home
        self.arrays: list[np.ndarray] = []
        self._held: dict[int, int] = {}
        self._known = {id(value): name for name, value in known.items()}

    def persistent_id(self, value: object) -> tuple[object, ...] | None:
        if id(value) in self._known:
            return ("known", self._known[id(value)])
        if isinstance(value, np.ndarray):
            number = self._held.get(id(value))
            if number is None:
                number = self._held[id(value)] = len(self.arrays)
                self.arrays.append(value)
            return ("array", number, bool(value.flags.writeable))
        if isinstance(value, np.generic):
            return ("number", value.dtype.str, value.item())
        if isinstance(value, PurePath):
            inside = _inside(str(value), self._home)
            return ("path", str(value)) if inside is None else ("home path", inside)
        if isinstance(value, str):
            inside = _inside(value, self._home)
            return None if inside is None else ("home", inside)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, stream: io.BytesIO, arrays: list[np.ndarray], known: Mapping[str, object], home: str
    ) -> None:
        super().__init__(stream)
        self._home = home
        self._arrays = arrays
        self._known = known

    def persistent_load(self, pid: Any) -> Any:
        kind, *rest = pid
        if kind == "known":
            return self._known[rest[0]]
        if kind == "array":
            array = self._arrays[rest[0]]
            array.setflags(write=rest[1])
            return array
        if kind == "number":
            return np.dtype(rest[0]).type(rest[1])
        if kind == "path":
            return Path(rest[0])
        if kind == "home":
            return self._home + rest[0]
        if kind == "home path":
            return Path(self._home + rest[0])
        raise FrozenStateError(f"an entry of the kind {kind!r} is not allowed")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _HARMLESS:
            return getattr(importlib.import_module(module), name)
        if module == _PACKAGE or module.startswith(f"{_PACKAGE}."):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise FrozenStateError(f"an object of the kind {module}.{name} is not allowed")


def _inside(name: str, home: str) -> str | None:
    """Return what follows `home` in a path that is it or lies in it; None for any other text."""
    if not home or not name.startswith(home):
        return None
    rest = name[len(home) :]
    return rest if not rest or rest[0] in "/\\" else None


def freeze(path: Path, state: object, known: Mapping[str, object], home: str = "") -> None:
    """Write a state.

    Parameters
    ----------
    path : Path
        The zip archive to write.
    state :
        What to keep.
    known : mapping
        Name → object that is not kept but put in its place again when thawing.
    home : str
        A folder: paths in it are kept relative to it, since it may be moved or copied.
    """
    stream = io.BytesIO()
    pickler = _Pickler(stream, known, home)
    pickler.dump(state)
    with zipfile.ZipFile(path, "w") as archive:  # stored, not compressed: pictures are noise
        archive.writestr(_OBJECTS, stream.getvalue())
        for number, array in enumerate(pickler.arrays):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)


def thaw(path: Path, known: Mapping[str, object], home: str = "") -> Any:
    """Read a state; `home` is where the folder is now that was named when it was written.

    Its type is that of what was frozen.

    Raises
    ------
    FrozenStateError
        If it is not one, or holds what it may not.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            count = len(archive.namelist()) - 1
            arrays = []
            for number in range(count):
                with archive.open(f"{number}.npy") as part:
                    arrays.append(np.lib.format.read_array(part, allow_pickle=False))
            return _Unpickler(io.BytesIO(archive.read(_OBJECTS)), arrays, known, home).load()
    except FrozenStateError:
        raise
    except Exception as problem:  # a damaged pickle fails in any way
        raise FrozenStateError(f"{path} cannot be read: {problem!r}") from problem
