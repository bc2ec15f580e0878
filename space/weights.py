"""Weights as files: what a file is, and loading it without running code that it brings.

``.pt`` and ``.pth`` are pickles: a list of orders which, obeyed, may do anything on the machine
that opens them. Here only orders that build plain data and types named by the caller are
obeyed. A worker loads an nnU-Net checkpoint by

>>> checkpoint = load_checkpoint(folder / "fold_0" / "checkpoint_final.pth")

and names what else a file may ask for by a function (see `load_checkpoint`).
"""

from __future__ import annotations

import logging
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from space.errors import SpaceError
from space.pickles import LARGEST_BYTES, is_plain, read_orders
from space.trust import MODELS_DIR, ON_WORKER, is_trusted

log = logging.getLogger("space.weights")

Allow = Callable[[str], Any]
"""Full name of a type or function -> what stands for it, or None."""

_HEAD_BYTES = 512
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_YOLOV5 = ("models.yolo.", "models.common.", "models.experimental.")
_LAYERS = ("numpy.", "torch.nn.modules.", "ultralytics.nn.")
_VERSIONED = {"ultralytics.nn.": "ultralytics", "torch.nn.modules.": "torch"}
_DOWNLOAD = "Download the file again, and compare its size with the one that is listed there."


# --- what a file is -----------------------------------------------------------------------------


def names_asked_for(path: Path) -> frozenset[str]:
    """Return the full names of types and functions that a PyTorch checkpoint asks for.

    Among them, in words, what no writer of plain weights would do (see `space.pickles`). Nothing of
    the file is run, and torch is not needed.

    Raises
    ------
    SpaceError
        If it is no PyTorch checkpoint, with what it is instead and what to do.
    """
    path = Path(path)
    try:
        _refuse_other_formats(path)
        with zipfile.ZipFile(path) as archive:
            _refuse_other_archives(archive, path)
            (member,) = _pickles(archive)
            orders = read_orders(archive.read(member))
    except (SpaceError, MemoryError):
        raise
    except OSError as error:
        raise SpaceError(f"The weights cannot be read ({error}).", str(path)) from error
    except Exception as error:  # whatever a damaged file may raise
        raise _damaged(error, path) from error
    _refuse_yolov5(orders.names, path)
    return orders.names | orders.odd


def beyond_plain(names: Iterable[str]) -> list[str]:
    """Return the names that neither numbers nor layers of a network need, in order."""
    return sorted(n for n in names if not (is_plain(n) or n.startswith(_LAYERS)))


def _refuse_other_formats(path: Path) -> None:
    """Tell from the first bytes what a file is; a zip archive passes."""
    if not path.is_file():
        raise SpaceError(
            "The weights are missing.",
            str(path),
            "Put the file there, or correct its name in SPACEtomo_config.py.",
        )
    size = path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(_HEAD_BYTES)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    where = str(path)
    if not size:
        raise SpaceError("The file of weights is empty.", where, "Download or copy it again.")
    if head.startswith(b"version https://git-lfs"):
        raise SpaceError(
            "This is a pointer of git-lfs, not the weights themselves.",
            where,
            'Run "git lfs pull" in its folder, or download the file itself.',
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise SpaceError(
            "This is a web page, not weights: the download went wrong.",
            where,
            "Open the link in a browser and use its download button.",
        )
    if head.startswith(b"PK\x03\x04"):
        return
    if _is_safetensors(head, size):
        raise SpaceError(
            "This is a safetensors file: it holds numbers only, not the network.",
            where,
            "Use the checkpoint (.pt or .pth) of the same model.",
        )
    if _is_onnx(head):
        raise SpaceError(
            "This is a model in ONNX format, not PyTorch weights.",
            where,
            "Use the .pt or .pth file that it was exported from.",
        )
    if head.startswith(_OLD_TORCH):
        raise SpaceError(
            "These weights were saved in the format of PyTorch before 1.6.",
            where,
            "Load them where they were made and save them again with a newer PyTorch.",
        )
    raise SpaceError(
        "This is not a PyTorch checkpoint, or its start is damaged.",
        where,
        "Use the .pt file of an ultralytics detector or the .pth file of an nnU-Net v2 model.",
    )


def _is_safetensors(head: bytes, size: int) -> bool:
    """Its size of the table in 8 bytes, then the table in JSON."""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size


def _is_onnx(head: bytes) -> bool:
    """Field 1 of a protobuf with a small version number, then a field that ONNX has there."""
    return (
        len(head) > 3 and head[0] == 0x08 and 0 < head[1] < 0x40 and head[2] in b"\x12\x1a\x3a\x42"
    )


def _refuse_other_archives(archive: zipfile.ZipFile, path: Path) -> None:
    names = archive.namelist()
    where = str(path)
    if any(name.endswith(("/constants.pkl", "/code/")) or "/code/" in name for name in names):
        raise SpaceError(
            "This is a TorchScript export, not a checkpoint.",
            where,
            "Use the .pt file that it was exported from.",
        )
    if any(name.endswith(("dataset.json", ".pth", ".pt")) for name in names):
        raise SpaceError(
            "This is a zip archive with a model in it.", where, "Unpack it and use what is inside."
        )
    found = _pickles(archive)
    if len(found) != 1:
        raise SpaceError(
            "This is a zip archive, but not a PyTorch checkpoint.",
            where,
            "Use the .pt file of an ultralytics detector or the .pth file of an nnU-Net v2 model.",
        )
    if archive.getinfo(found[0]).file_size > LARGEST_BYTES:
        raise SpaceError("The table of this checkpoint is too large to be weights.", where)
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise SpaceError(
            "This checkpoint was packed again by another program.", where, "Use the original file."
        )


def _pickles(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"]]


# --- loading ------------------------------------------------------------------------------------


def load_checkpoint(path: Path, allow: Allow | None = None, models_dir: Path = MODELS_DIR) -> Any:
    """Load a PyTorch checkpoint on the CPU, running nothing that it brings along (needs torch).

    Parameters
    ----------
    path : Path
        A ``.pt`` or ``.pth`` file.
    allow : callable, optional
        Gives what stands for a name that the file asks for, None if that is not allowed; by
        default `numpy_types`. Whatever it gives can be called with arguments of the file's
        choice, so it gives only what is harmless with any (see `without_init`).
    models_dir : Path
        Folder of the lists of trusted weights.

    Returns
    -------
    object
        As it was saved, tensors on the CPU.

    Raises
    ------
    SpaceError
        If the file is something else, is damaged, was made by a newer package, or asks for
        anything that is not allowed and is not trusted.
    """
    path, allow = Path(path), allow or numpy_types
    asked = names_asked_for(path)
    import torch

    stand_ins = [(found, name) for name in asked if (found := allow(name)) is not None]
    known = {name for _, name in stand_ins}
    # Torch's own list is longer: it holds what calls functions that a file gives it.
    unknown = {name for name in asked if name not in known and not is_plain(name)}
    try:
        if not unknown:
            allowed: list[Any] = [*stand_ins, *_dtype_classes()]
            with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        log.debug("%s is not loaded as plain data: %s", path, error)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file may raise
        raise _damaged(error, path) from error
    _refuse_newer(unknown, path)
    refuse_untrusted(path, unknown or beyond_plain(asked), models_dir)
    log.info("%s may run code while it is loaded, since it is trusted.", path)
    return _load_trusted(path, allow)


def refuse_untrusted(path: Path, strange: Iterable[str], models_dir: Path = MODELS_DIR) -> None:
    """Refuse weights that ask for more than plain data, unless they are trusted.

    Parameters
    ----------
    path : Path
    strange : iterable of str
        What they ask for, for the message.
    models_dir : Path
        Folder of the lists of trusted weights.

    Raises
    ------
    SpaceError
        If they are not trusted.
    """
    if _trusted(path, models_dir):
        return
    listed = _listed(strange)
    raise SpaceError(
        "These weights are refused: loading them could run any code on this machine. "
        + (f"They ask for {listed}." if listed else "They are not plain data."),
        str(path),
        f"If you trust who made them: {ON_WORKER.lower()}, run "
        f'spacetomo models trust "{path}". Else use other weights.',
    )


def numpy_types(name: str) -> Any:
    """Allow numbers and arrays of NumPy (what nnU-Net logs), under their old names, too."""
    import numpy as np

    scalar, array = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]
    return {
        "numpy.dtype": np.dtype,
        "numpy.ndarray": np.ndarray,
        "numpy.core.multiarray.scalar": scalar,
        "numpy._core.multiarray.scalar": scalar,
        "numpy.core.multiarray._reconstruct": array,
        "numpy._core.multiarray._reconstruct": array,
    }.get(name)


class _WithoutInit(type):
    """Classes whose objects are filled from a file, but never made by a call."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise pickle.UnpicklingError(f"{cls.__name__} is not called for a file")


def without_init(kind: type[Any]) -> type[Any]:
    """Return a subclass that a file may fill, but not call.

    The constructor of a network may run text that it is given as code; objects that were saved
    are restored without it. `restored_type` gives the class back.
    """
    return _WithoutInit(kind.__name__, (kind,), {"__module__": kind.__module__})


def restored_type(kind: type[Any]) -> type[Any]:
    """Return the class behind one of `without_init`; any other class as it is."""
    return kind.__bases__[0] if isinstance(kind, _WithoutInit) else kind


def _dtype_classes() -> list[tuple[type, str]]:
    """Number types of NumPy: objects, not names in the file, so they are found by class."""
    import numpy as np

    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefdgFD"}
    return [(kind, f"{kind.__module__}.{kind.__qualname__}") for kind in kinds]


def _load_trusted(path: Path, allow: Allow) -> Any:
    import torch

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found = allow(f"{module}.{name}")
            return super().find_class(module, name) if found is None else found

    reader = SimpleNamespace(Unpickler=Unpickler, load=pickle.load, __name__="pickle")
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
    except MemoryError:
        raise
    except ModuleNotFoundError as error:
        raise SpaceError(
            f"The weights need a package that is missing here ({error}).",
            str(path),
            f"{ON_WORKER}, install it, or use other weights.",
        ) from error
    except Exception as error:  # whatever unpickling a foreign file may raise
        raise _damaged(error, path) from error


def _trusted(path: Path, models_dir: Path) -> bool:
    try:
        return is_trusted(path, models_dir)
    except OSError as error:
        raise SpaceError(f"The weights cannot be read ({error}).", str(path)) from error


def _damaged(error: Exception, path: Path) -> SpaceError:
    return SpaceError(
        f"The weights are cut off or damaged ({type(error).__name__}: {first_line(error)}).",
        str(path),
        _DOWNLOAD,
    )


def first_line(error: BaseException) -> str:
    """What an error says, fit for a message: it may quote the file."""
    line = (str(error).splitlines() or [""])[0][:200]
    return "".join(c if c.isprintable() else "?" for c in line)


def _refuse_yolov5(names: Iterable[str], path: Path) -> None:
    if any(name.startswith(_YOLOV5) for name in names):
        raise SpaceError(
            "These weights are of the YOLOv5 or YOLOv7 repository, which ultralytics cannot load.",
            str(path),
            "Train with the package ultralytics (yolov5nu, yolov8n or newer), or use its weights.",
        )


def _refuse_newer(unknown: Iterable[str], path: Path) -> None:
    for name in sorted(unknown):
        module, _, attribute = name.rpartition(".")
        for prefix, package in _VERSIONED.items():
            installed = sys.modules.get(package)  # imported by who asked for the weights
            if (
                installed
                and name.startswith(prefix)
                and not hasattr(sys.modules.get(module), attribute)
            ):
                raise SpaceError(
                    f"These weights were made with a newer {package} than the one here "
                    f"({installed.__version__}): it has no {_listed([name])}.",
                    str(path),
                    f"{ON_WORKER}, run: pip install --upgrade {package}",
                )


def _listed(names: Iterable[str], most: int = 4) -> str:
    """Names from a file, made fit for a message."""
    found = sorted("".join(c if c.isprintable() else "?" for c in name[:100]) for name in names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
