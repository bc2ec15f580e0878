"""Single things in the labels of a picture: masks of COCO, each kept as it came.

Labels say of each pixel what it is; which of two cells that touch a pixel belongs to stands here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from space.errors import SpaceError
from space.files import is_name, read_json, write_text_atomic
from space.predicates import is_whole

_MOST = 100_000
_LARGEST_BYTES = 200_000_000
_LONGEST_RUNS = 20_000_000
_LONGEST_SIDE_PX = 1_000_000


@dataclass(frozen=True)
class Instance:
    """One thing.

    Attributes
    ----------
    category : str
        Its class.
    rows, columns : int
        Of the picture.
    counts : str
        Its pixels as packed run lengths of COCO.
    is_crowd : int
        1 if these are several, which nobody has told apart.
    """

    category: str
    rows: int
    columns: int
    counts: str
    is_crowd: int = 0


def read_instances(path: Path) -> tuple[Instance, ...]:
    """Read the single things of a picture; none where there is no file.

    Raises
    ------
    SpaceError
        If they cannot be read.
    """
    try:
        values = read_json(path, _LARGEST_BYTES)
        entries = values.get("instances") if isinstance(values, dict) else None
        if not isinstance(entries, list) or len(entries) > _MOST:
            raise ValueError("it has no list of instances")
        return tuple(_instance(one) for one in entries)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"The instances of a picture cannot be read ({error}).", str(path)
        ) from None


def _instance(values: object) -> Instance:
    if not isinstance(values, dict) or set(values) != set(Instance.__dataclass_fields__):
        raise ValueError("an instance is no table of its values")
    sides = values["rows"], values["columns"]
    counts = values["counts"]
    if not isinstance(values["category"], str) or not is_name(values["category"]):
        raise ValueError("an instance has no class")
    if not all(is_whole(side) and 0 < side <= _LONGEST_SIDE_PX for side in sides):
        raise ValueError("an instance has no size")
    if not isinstance(counts, str) or not counts.isascii() or len(counts) > _LONGEST_RUNS:
        raise ValueError("an instance has no pixels")
    if values["is_crowd"] not in (0, 1):
        raise ValueError("is_crowd is neither 0 nor 1")
    return Instance(**values)


def write_instances(path: Path, instances: Sequence[Instance]) -> None:
    """Write the single things of a picture, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"instances": [asdict(one) for one in instances]}
    write_text_atomic(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
