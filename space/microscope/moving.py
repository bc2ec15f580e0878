"""Navigator files of a session folder that was moved or copied.

SerialEM writes the image file of each map with its whole path. In a copied folder these paths still
lead to the original, whose maps would then be shown, and in a moved one to nothing. Before a
Navigator file is opened, the paths of what was copied with it are therefore brought to where it
lies now.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from space.files import write_bytes_atomic
from space.microscope.sem import path_translation
from space.microscope.translation import pure
from space.xml_text import escape, unescape

_LINE = re.compile(r"(?P<head>^[ \t]*MapFile[ \t]*=[ \t]*|<MapFile>)(?P<name>[^\r\n<]+)", re.M)
_SAVED_AS = re.compile(
    r"(?:^[ \t]*LastSavedAs[ \t]*=[ \t]*|<LastSavedAs>)(?P<name>[^\r\n<]+)", re.MULTILINE
)


def bring_paths_here(navigator_file: Path) -> int:
    """Let the maps in a Navigator file lead to the image files beside it; return how many did not.

    Only for maps whose file is there, and which belongs to this folder: one that lay beside the
    Navigator file when it was saved, or that is named after it. All else stays as it is, byte
    for byte.
    """
    # Whatever the file is encoded in, what is not changed comes back as it was.
    text = navigator_file.read_bytes().decode("utf-8", "surrogateescape")
    changed, count = brought_here(text, navigator_file)
    if count:
        write_bytes_atomic(navigator_file, changed.encode("utf-8", "surrogateescape"))
    return count


def brought_here(text: str, navigator_file: Path) -> tuple[str, int]:
    """Return the text of a Navigator file with its maps' paths brought to its folder."""
    is_xml = text.lstrip().startswith("<?xml")
    here = navigator_file.parent
    saved = _SAVED_AS.search(text)
    before = _folder(unescape(saved["name"]) if is_xml else saved["name"]) if saved else None
    count = 0

    def moved(found: re.Match[str]) -> str:
        nonlocal count
        name = (unescape(found["name"]) if is_xml else found["name"]).rstrip()
        inside = _inside(name, before) or _named_after(name, navigator_file.stem)
        if not inside or not (here / inside).is_file() or _same_place(name, here / inside):
            return found[0]
        count += 1
        new = path_translation().there(here / inside)
        return found["head"] + (escape(new) if is_xml else new)

    return _LINE.sub(moved, text), count


def _folder(name: str) -> PureWindowsPath | PurePosixPath:
    return pure(name.strip()).parent


def _inside(name: str, folder: PureWindowsPath | PurePosixPath | None) -> str:
    """Return the path relative to a folder; empty when it does not lie in there."""
    path = pure(name)
    if folder is None or type(path) is not type(folder) or not path.is_absolute():
        return ""
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return ""


def _named_after(name: str, stem: str) -> str:
    """Return the bare name when a map's file is named after the Navigator file, as ours are."""
    path = pure(name)
    ours = re.fullmatch(rf"{re.escape(stem)}(_.*)?\.\w+", path.name)
    return path.name if ours and path.is_absolute() else ""


def _same_place(name: str, path: Path) -> bool:
    try:
        return Path(path_translation().here(name)).resolve() == path.resolve()
    except OSError:
        return name == str(path)
