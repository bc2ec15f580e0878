"""The server: one process that runs until Ctrl-C, bound to this computer alone."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space.errors import SpaceError
from space.page.app import Page, make_app
from space.page.security import App, Key
from space.page.session import Session
from space.page.tiles import CACHE_FOLDER, Tiles

if TYPE_CHECKING:
    from space.page.label_help import Helpers
    from space.page.pairs import PairsView
    from space.volumes import OpenVolume

HOST = "127.0.0.1"
PORT = 8765
_PORTS_TRIED = 20
_PACKAGES = ("starlette", "uvicorn", "xstatic.pkg.leaflet")
_MOST_HEADER_BYTES = 32_768


@dataclass(frozen=True)
class Wish:
    """What is to be served, and how.

    Attributes
    ----------
    directory : Path
        Directory of the session, or folder of the data set.
    space_dir : Path
        Folder of the project.
    map_dir : Path or None
        Where its maps are, seen from this computer.
    port : int
        0: the first free one from `PORT` on.
    read_only : bool
        Whether nothing may be changed, and nothing is written into the session's directory.
    opens : bool
        Whether a browser is opened.
    """

    directory: Path
    space_dir: Path
    map_dir: Path | None = None
    port: int = 0
    read_only: bool = False
    opens: bool = False


@dataclass(frozen=True)
class Help:
    """What proposes labels.

    Attributes
    ----------
    model : str
        A path, or the name of a model of the project; empty: the one that sessions use.
    preset : str
        How it looks at a picture.
    sam : Path or None
        Weights of Segment Anything.
    """

    model: str = ""
    preset: str = "balanced"
    sam: Path | None = None


def missing_packages() -> list[str]:
    """Return which packages the page lacks here."""
    return [name for name in _PACKAGES if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def print_at_once(text: str) -> None:
    """Print a line that is seen at once, also where the output is not a terminal."""
    print(text, flush=True)


def _refuse_without_packages() -> None:
    missing = missing_packages()
    if missing:
        raise SpaceError(
            f"The page needs packages that this Python lacks: {', '.join(missing)}.",
            sys.executable,
            'Install them with pip: pip install -e ".[page]" in the folder of SPACEtomo '
            "(Python 3.11 or newer).",
        )


def serve(wish: Wish, say: Callable[[str], object] = print_at_once) -> None:
    """Serve the page until the program is stopped.

    Raises
    ------
    SpaceError
        If a package is missing, there is no session, or no port is free.
    """
    _refuse_without_packages()
    session = Session(wish.directory, wish.map_dir, wish.space_dir)
    own = Path(tempfile.mkdtemp(prefix="spacetomo_page_")) if wish.read_only else None
    key = Key()
    try:
        page = Page(session, Tiles(own or session.directory / CACHE_FOLDER), wish.read_only)
        _run(wish, make_app(page, key), key, f"Session {session.directory}", say)
    finally:
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)


def serve_labels(
    wish: Wish, help_wanted: Help, say: Callable[[str], object] = print_at_once
) -> None:
    """Serve the labels of a data set, for drawing, until the program is stopped.

    Raises
    ------
    SpaceError
        If a package is missing, there is no data set, what was named for proposals cannot be used,
        or no port is free.
    """
    _refuse_without_packages()
    from space.page.label_set import LabelSet, make_label_app

    helpers = _helpers(wish, help_wanted)
    cache, key = Path(tempfile.mkdtemp(prefix="spacetomo_page_")), Key()
    try:
        page = LabelSet(wish.directory, Tiles(cache), wish.read_only, helpers)
        _run(wish, make_label_app(page, key), key, f"Data set {page.folder}", say)
    finally:
        helpers.close()
        shutil.rmtree(cache, ignore_errors=True)


def serve_volume(
    volume: OpenVolume,
    labels: OpenVolume | None,
    wish: Wish,
    say: Callable[[str], object] = print_at_once,
) -> None:
    """Serve the sections of a volume until the program is stopped.

    Parameters
    ----------
    volume : OpenVolume
    labels : OpenVolume or None
        Labels or probabilities of the same voxels.
    wish : Wish
        Port, and whether a browser is opened.
    say : callable

    Raises
    ------
    SpaceError
        If a package is missing, or no port is free.
    """
    _refuse_without_packages()
    from space.page.volume_view import VolumeView, make_volume_app

    key = Key()
    app = make_volume_app(VolumeView(volume, labels), key)
    _run(wish, app, key, f"Volume {volume.path}", say)


def serve_pairs(page: PairsView, wish: Wish, say: Callable[[str], object] = print_at_once) -> None:
    """Serve two pictures for clicking pairs of points until the program is stopped.

    Raises
    ------
    SpaceError
        If a package is missing, or no port is free.
    """
    _refuse_without_packages()
    from space.page.pairs import make_pairs_app

    key = Key()
    _run(wish, make_pairs_app(page, key), key, f"Pairs of points on {wish.directory}", say)


def _helpers(wish: Wish, wanted: Help) -> Helpers:
    """Return what may be asked for proposals; processes are started when they are asked."""
    from space import learning
    from space.page.label_help import Helpers

    model, model_name, why_no_model = None, "", ""
    try:
        path = learning.model_at(wanted.model, wish.space_dir)
        learning.refuse_model(path)
        model = learning.proposing(wish.directory, path, wanted.preset)
        model_name = learning.name_of(path)
    except SpaceError as error:
        if wanted.model:
            raise
        why_no_model = str(error)
    sam, why_no_sam = None, learning.HOW_TO_HAVE_SAM
    if wanted.sam is not None:
        learning.refuse_sam(wanted.sam)
        sam, why_no_sam = learning.prompting(wish.directory, wanted.sam), ""
    return Helpers(model, model_name, why_no_model, sam, why_no_sam)


def _run(wish: Wish, app: App, key: Key, what: str, say: Callable[[str], object]) -> None:
    import uvicorn

    with _listening(wish.port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/?token={key.token}"
        say(f"{what}{' (read only)' if wish.read_only else ''}")
        say(f"Open {address}")
        say("Whoever has this address can use the page on this computer. Ctrl-C ends it.")
        options: dict[str, Any] = {
            "log_level": "warning",
            "access_log": False,
            "server_header": False,
            "date_header": False,
            "proxy_headers": False,
            "ws": "none",
            "http": "h11",
            "loop": "asyncio",
            "timeout_keep_alive": 20,
            "timeout_graceful_shutdown": 2,
            "h11_max_incomplete_event_size": _MOST_HEADER_BYTES,
        }
        server = uvicorn.Server(uvicorn.Config(app, **options))
        if wish.opens:
            webbrowser.open(address)
        server.run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on this computer alone.

    Raises
    ------
    SpaceError
        If the port that was asked for, or every one that is tried, is in use.
    """
    wanted = [port] if port else [*range(PORT, PORT + _PORTS_TRIED), 0]
    for number in wanted:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, number))
            listener.listen(128)
            return listener
        except OSError:
            listener.close()
    raise SpaceError(
        f"Port {port} is in use, or may not be used.",
        "--port",
        "Name another one, or none.",
    )
