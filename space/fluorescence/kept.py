"""What is kept of fluorescence beside a map: `<map>_fm.json`, and a picture or two per channel.

A run at the microscope reads these files and no others: 8-bit PNG on the pixels of the map, one as
it is shown (`<map>_fm/<channel>.png`) and one that says how likely each pixel has signal
(`<map>_fm/<channel>_signal.png`), and one with the channel's own pixels
(`<map>_fm/<channel>_own.png`), from which it is drawn on other maps. The JSON names the map that
they belong to by its fingerprint.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.errors import shown as told
from space.files import is_name, read_json, write_text_atomic
from space.fluorescence.channels import Color
from space.fluorescence.fits import AffineFit
from space.fluorescence.pairs import Registration, field_error_um
from space.fluorescence.signal import SIGNAL, Look, likely_signal, on_map, shown
from space.images import DRAWING, fingerprint, png_shape, read_png, write_png
from space.predicates import is_number

FORMAT = "SPACEtomo fluorescence 1"

_AGAIN = "Register it again: spacetomo clem register."
_ODD_NAME = set('/\\:*?"<>|')
_MOST_PAIRS = 2000


@dataclass(frozen=True)
class KeptFluorescence:
    """What is known of the fluorescence of a map.

    Attributes
    ----------
    source : str
        The file that it came from.
    fit : AffineFit
    error_um : float
        Of the registration over the map, along an axis: what the signal is blurred by.
    looks : dict of str to Look
        By the names of channels.
    map_mark : str
        Fingerprint of the map's picture.
    pairs : tuple of (row, column, row, column)
        In the fluorescence picture, in the map.
    residuals_um : tuple of float
    how : str
    warnings : tuple of str
    """

    source: str
    fit: AffineFit
    error_um: float
    looks: dict[str, Look]
    map_mark: str
    pairs: tuple[tuple[float, float, float, float], ...] = ()
    residuals_um: tuple[float, ...] = ()
    how: str = "pairs"
    warnings: tuple[str, ...] = ()


def kept_path(map_png: Path) -> Path:
    """Return where it stands what is known of the fluorescence of a map."""
    return Path(map_png).with_name(f"{Path(map_png).stem}_fm.json")


def channel_path(map_png: Path, channel: str, signal: bool = False) -> Path:
    """Return where a channel lies that is drawn on the pixels of a map, or its signal."""
    name = f"{channel}_signal.png" if signal else f"{channel}.png"
    return Path(map_png).with_name(f"{Path(map_png).stem}_fm") / name


def own_path(map_png: Path, channel: str) -> Path:
    """Return where a channel lies on its own pixels."""
    return channel_path(map_png, channel).with_name(f"{channel}_own.png")


def map_error_um(
    registration: Registration, fm_shape: tuple[int, int], map_shape: tuple[int, int]
) -> float:
    """Return the error of a registration over a map, along an axis.

    Many pairs leave nothing open of an affine map, but a lens distorts: then what they are off
    themselves is the error.
    """
    spread = field_error_um(registration.fit, fm_shape, map_shape)
    fitted = float(np.sqrt(np.mean(spread**2))) if len(spread) else 0.0
    off = [one for one, kept in zip(registration.residuals_um, registration.kept) if kept]
    distorted = float(np.median(off)) if registration.how == "found" and off else 0.0
    return math.hypot(fitted, distorted)


def keep(
    map_png: Path,
    source: str,
    flats: dict[str, np.ndarray],
    looks: dict[str, Look],
    registration: Registration,
) -> KeptFluorescence:
    """Draw the channels on the map's pixels and keep them beside it; the JSON comes last.

    Parameters
    ----------
    map_png : Path
    source : str
        Name of the fluorescence file.
    flats : dict of str to ndarray (rows, columns)
        The channels, each as one picture.
    looks : dict of str to Look
    registration : Registration

    Raises
    ------
    SpaceError
        If there is no whole picture of the map, or a channel's name cannot be that of a file.
    """
    map_png = Path(map_png)
    mark, shape = fingerprint(map_png), png_shape(map_png)
    if shape is None or not mark:
        raise SpaceError("There is no whole picture of the map.", str(map_png))
    fm_shape = next(iter(flats.values())).shape
    rows, columns = fm_shape
    error_um = map_error_um(registration, (rows, columns), shape)
    pairs = tuple((*fm, *there) for fm, there in zip(registration.fm_px, registration.map_px))[
        :_MOST_PAIRS
    ]
    found = KeptFluorescence(
        source, registration.fit, error_um, looks, mark, pairs,
        registration.residuals_um[:_MOST_PAIRS], registration.how, registration.warnings,
    )  # fmt: skip
    write(map_png, found, flats)
    return found


def write(map_png: Path, kept: KeptFluorescence, flats: dict[str, np.ndarray]) -> None:
    """Write the pictures of channels, and then the JSON."""
    shape = png_shape(map_png)
    assert shape is not None
    fit, pixel_nm = kept.fit, kept.fit.pixel_um * 1000
    about = {DRAWING: "no map", "map": kept.map_mark}
    for name, look in kept.looks.items():
        if not is_name(name) or _ODD_NAME & set(name) or name.startswith("."):
            raise SpaceError(f"{told(name)} cannot be the name of a channel.", kept.source)
        path = channel_path(map_png, name)
        path.parent.mkdir(exist_ok=True)
        drawn = on_map(flats[name], fit, shape)
        write_png(path, shown(drawn, look), pixel_nm, kept.source, **about)
        likely = likely_signal(flats[name], look.threshold, fit, shape, kept.error_um)
        write_png(channel_path(map_png, name, True), likely, pixel_nm, kept.source, **about)
        _write_own(own_path(map_png, name), flats[name], look, kept, about)
    values = {
        "format": FORMAT,
        "source": kept.source,
        "map": kept.map_mark,
        "error_um": kept.error_um,
        "fit": kept.fit.to_dict(),
        "channels": {name: asdict(look) for name, look in kept.looks.items()},
        "pairs": [list(pair) for pair in kept.pairs],
        "residuals_um": list(kept.residuals_um),
        "how": kept.how,
        "warnings": list(kept.warnings),
    }
    write_text_atomic(kept_path(map_png), json.dumps(values, indent=1))


def _write_own(
    path: Path, flat: np.ndarray, look: Look, kept: KeptFluorescence, about: dict[str, str]
) -> None:
    """Write a channel with its own pixels, in 8 bits about the values that matter."""
    black = min(look.low, look.threshold)
    white = max(look.high, look.threshold + 0.1 * (look.threshold - black), black + 1e-6)
    values = shown(flat, Look(look.color, black, white, look.threshold))
    pixel_nm = kept.fit.scale * kept.fit.pixel_um * 1000
    write_png(path, values, pixel_nm, kept.source, black=black, white=white, **about)


def read_own(map_png: Path, kept: KeptFluorescence) -> dict[str, np.ndarray]:
    """Read the channels of a map on their own pixels, float32, to some 0.4 % of what is shown.

    Raises
    ------
    SpaceError
        If one is missing, or of another map.
    """
    found = {}
    for name in kept.looks:
        path = own_path(map_png, name)
        if not path.is_file():
            raise SpaceError("The pixels of this channel are missing.", str(path), _AGAIN)
        values, info = read_png(path)
        try:
            black, white = float(info["black"]), float(info["white"])
        except (KeyError, ValueError):
            black, white = 0.0, 0.0
        if info.get("map") != kept.map_mark or not 0 < white - black < math.inf:
            raise SpaceError("The channel is that of another map.", str(path), _AGAIN)
        found[name] = (black + values * np.float32((white - black) / 255)).astype(np.float32)
    if len({one.shape for one in found.values()}) != 1:
        raise SpaceError("The channels are of several sizes.", str(kept_path(map_png)), _AGAIN)
    return found


def read_kept(map_png: Path) -> KeptFluorescence:
    """Read what is known of the fluorescence of a map.

    Raises
    ------
    SpaceError
        If there is nothing, or it cannot be used, or is of an earlier map.
    """
    path = kept_path(map_png)
    try:
        values = read_json(path)
        found = _from_plain(values)
    except FileNotFoundError:
        raise SpaceError(
            "This map has no registered fluorescence.",
            path.name,
            "spacetomo clem register makes it.",
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SpaceError(f"It cannot be used ({error}).", str(path), _AGAIN) from error
    mark = fingerprint(map_png)
    if mark and mark != found.map_mark:
        raise SpaceError("The fluorescence is that of an earlier map.", str(path), _AGAIN)
    return found


def read_signal(map_png: Path, channel: str, shape: tuple[int, int]) -> tuple[np.ndarray, str]:
    """Read how likely each pixel of a map has signal of a channel, 0 to 255, and its mark.

    Raises
    ------
    SpaceError
        If it is missing, or of another map.
    """
    kept = read_kept(map_png)
    if channel not in kept.looks:
        raise SpaceError(
            f'There is no channel "{channel}".',
            str(kept_path(map_png)),
            f"Choose from {', '.join(SIGNAL + name for name in kept.looks)}.",
        )
    path = channel_path(map_png, channel, True)
    if not path.is_file():
        raise SpaceError("The signal of this channel is missing.", str(path), _AGAIN)
    values, info = read_png(path)
    if values.shape != tuple(shape) or info.get("map") != kept.map_mark:
        raise SpaceError("The signal is that of another map.", str(path), _AGAIN)
    return values, fingerprint(path)


def _from_plain(values: Any) -> KeptFluorescence:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f'its format is not "{FORMAT}"')
    error_um = values.get("error_um")
    if not is_number(error_um) or not 0 <= error_um < 1e3:
        raise ValueError(f"error_um is {told(error_um)}")
    channels = values.get("channels")
    if not isinstance(channels, dict) or not channels:
        raise ValueError("it names no channels")
    looks = {name: _look(name, one) for name, one in channels.items()}
    pairs = values.get("pairs")
    if not isinstance(pairs, list) or len(pairs) > _MOST_PAIRS:
        raise ValueError("pairs are no list")
    residuals = values.get("residuals_um", [])
    if not isinstance(residuals, list) or not all(map(is_number, residuals)):
        raise ValueError("residuals_um are no numbers")
    return KeptFluorescence(
        str(values.get("source", ""))[:500],
        AffineFit.from_dict(values["fit"] if isinstance(values.get("fit"), dict) else {}),
        float(error_um),
        looks,
        str(values.get("map", "")),
        tuple(_pair(one) for one in pairs),
        tuple(float(one) for one in residuals),
        str(values.get("how", ""))[:50],
        tuple(str(one)[:500] for one in values.get("warnings", []))[:50],
    )


def _pair(values: Any) -> tuple[float, float, float, float]:
    if not isinstance(values, list) or len(values) != 4 or not all(map(is_number, values)):
        raise ValueError(f"{told(values)} is no pair of points")
    a, b, c, d = map(float, values)
    return a, b, c, d


def _look(name: str, values: Any) -> Look:
    if not is_name(name) or _ODD_NAME & set(name) or name.startswith("."):
        raise ValueError(f"{told(name)} cannot be the name of a channel")
    if not isinstance(values, dict):
        raise ValueError(f"{name} is not described")
    color = values.get("color")
    numbers = [values.get(key) for key in ("low", "high", "threshold")]
    if not isinstance(color, (list, tuple)) or len(color) != 3:
        raise ValueError(f"{name} has no colour")
    if not all(type(one) is int and 0 <= one <= 255 for one in color):
        raise ValueError(f"the colour of {name} is {told(color)}")
    if not all(map(is_number, numbers)):
        raise ValueError(f"{name} lacks a number")
    low, high, threshold = (float(one) for one in numbers)  # type: ignore[arg-type]
    red, green, blue = color
    fine: Color = (red, green, blue)
    return Look(fine, low, high, threshold)
