"""Which pictures are trained on, and which are held out: whole grids, so that the test is one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from space.errors import SpaceError
from space.learning.dataset import SPLITS, DataSet, Sample

USUAL: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}
BY = ("grid", "lamella", "picture")
"""What is not divided: the pictures of a grid, of a lamella, or only copies of one picture."""


def split(
    data: DataSet,
    shares: Mapping[str, float] = USUAL,
    seed: int = 0,
    by: str = "grid",
    anew: bool = False,
    named: Sequence[tuple[str, str]] = (),
) -> DataSet:
    """Assign a split to each picture.

    Parameters
    ----------
    data : DataSet
    shares : mapping
        Split → part of all pictures that it shall have, about.
    seed : int
        The same seed gives the same pictures the same splits.
    by : str
        One of `BY`; copies of a picture always stay together.
    anew : bool
        Whether pictures that have a split may get another one.
    named : sequence of (str, str)
        Split and pattern of names (``*``, ``?``): what somebody decides, whatever belongs together.

    Raises
    ------
    SpaceError
        If the shares are none, or there are fewer groups than splits.
    """
    _check(shares)
    chosen = {one.file: part for one in data.samples if (part := _named(one, named))}
    known = {} if anew else {one.file: one.split for one in data.samples if one.split}
    known |= chosen
    groups = [group for group in _groups(data.samples, by) if group]
    open_groups, counts = [], dict.fromkeys(SPLITS, 0)
    found = dict(known)
    for group in groups:
        given = [known[one.file] for one in group if one.file in known]
        for part in given:
            counts[part] += 1
        rest = [one for one in group if one.file not in known]
        if given and rest:  # what belongs together stays together
            for one in rest:
                found[one.file] = given[0]
                counts[given[0]] += 1
        elif rest:
            open_groups.append(rest)
    wanted = [part for part in SPLITS if shares.get(part, 0) > 0]
    empty = [part for part in wanted if not counts[part]]
    if open_groups and len(open_groups) < len(empty):
        raise SpaceError(
            f"{len(data.samples)} pictures of {len(groups)} {_called(by, len(groups))} cannot be "
            f"divided into {' and '.join(wanted)}.",
            do="Add pictures of other grids, or divide them with --by lamella or --by picture; "
            "scores are then too good.",
        )
    for part, dealt in _dealt(open_groups, shares, counts, empty, seed):
        for one in dealt:
            found[one.file] = part
    return replace(data, samples=tuple(replace(one, split=found[one.file]) for one in data.samples))


def _dealt(
    groups: Sequence[Sequence[Sample]],
    shares: Mapping[str, float],
    counts: Mapping[str, int],
    empty: Sequence[str],
    seed: int,
) -> list[tuple[str, Sequence[Sample]]]:
    """Give each group to the split that lacks most, in an order that the seed decides."""
    counts = dict(counts)
    total = sum(counts.values()) + sum(map(len, groups))
    whole = sum(shares.values())
    in_order = sorted(groups, key=lambda group: _mark(seed, group[0]))
    # Each split gets something: first one small group each, those that need least first.
    small = sorted(range(len(in_order)), key=lambda place: (len(in_order[place]), place))
    first = dict(zip(small, sorted(empty, key=lambda part: shares[part])))
    dealt = []
    for place, part in first.items():
        dealt.append((part, in_order[place]))
        counts[part] += len(in_order[place])
    for place, group in enumerate(in_order):
        if place in first:
            continue
        parts = [part for part in SPLITS if shares.get(part, 0) > 0]
        part = max(parts, key=lambda one: shares[one] / whole * total - counts[one])
        dealt.append((part, group))
        counts[part] += len(group)
    return dealt


def _mark(seed: int, sample: Sample) -> str:
    return hashlib.sha256(f"{seed} {sample.picture_hash}".encode()).hexdigest()


def _groups(samples: Sequence[Sample], by: str) -> list[list[Sample]]:
    """Return pictures that belong together: of one grid or lamella, and copies."""
    group_of: dict[object, int] = {}
    groups: list[list[Sample]] = []
    for sample in samples:
        keys = [("copy", sample.picture_hash), *_key(sample, by)]
        known = sorted({group_of[key] for key in keys if key in group_of})
        place = known[0] if known else len(groups)
        if not known:
            groups.append([])
        for other in known[1:]:
            groups[place] += groups[other]
            groups[other] = []
            group_of = {key: place if at == other else at for key, at in group_of.items()}
        groups[place].append(sample)
        group_of |= dict.fromkeys(keys, place)
    return groups


def _key(sample: Sample, by: str) -> list[object]:
    origin = sample.origin
    if by == "picture" or not origin.grid:
        return []
    if by == "lamella":
        return [(origin.session, origin.grid, origin.lamella)] if origin.lamella else []
    return [(origin.session, origin.grid)]


def _named(sample: Sample, named: Sequence[tuple[str, str]]) -> str:
    """Return the split of the last pattern that fits, also without the suffix of the file."""
    fitting = [
        part
        for part, pattern in named
        if fnmatchcase(sample.file, pattern) or fnmatchcase(sample.stem, pattern)
    ]
    return fitting[-1] if fitting else ""


def _called(by: str, count: int) -> str:
    name = {"grid": "grid", "lamella": "lamella", "picture": "picture"}[by]
    if count == 1:
        return name
    return {"lamella": "lamellae"}.get(name, f"{name}s")


def _check(shares: Mapping[str, float]) -> None:
    if set(shares) - set(SPLITS) or any(not 0 <= share <= 1 for share in shares.values()):
        raise SpaceError(f"The shares {dict(shares)} are not parts of {', '.join(SPLITS)}.")
    if not sum(shares.values()) > 0:
        raise SpaceError("All shares are 0.", do="Name one at least: --train 0.8 --test 0.2")
