"""From chosen points to areas, each with its tracking target and room around that.

Targets are distributed on areas, the areas moved apart, and room is made around tracking targets.
Whatever happened on the way, at the end no two targets of the lamella are nearer than they should
be, but for those that a person has fixed and pairs of tracking targets that keep less than the
margin (both are told, see `space.targeting.checks`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from space.targeting.apart import areas_apart
from space.targeting.areas import distances, split
from space.targeting.choice import Area
from space.targeting.packing import TiltFrame
from space.targeting.polygons import inside
from space.targeting.problem import Question
from space.targeting.room import make_room, places_around, without_crowded
from space.targeting.scoring import ScoreMap
from space.targeting.tracking import avoided_in_view, place_extra_tracking, tracking_index

# Once areas are apart, all are moved together to the best of so many by so many places as far
# away as areas went.
SLIDES = 7


def arranged(
    points_map_px: np.ndarray,
    values: np.ndarray,
    is_fixed: np.ndarray,
    asked: Question,
    allowed: ScoreMap,
) -> tuple[list[Area], list[str]]:
    """Areas of targets, the largest first, and what a person should know about them.

    Parameters
    ----------
    points_map_px, values, is_fixed : ndarray (n, 2), (n,), (n,)
        Chosen targets, their scores, and which of them a person has fixed.
    allowed : ScoreMap
        Scores where targets may be.
    """
    warnings: list[str] = []
    areas = _areas_of(points_map_px, values, is_fixed, asked)
    if asked.optics.beam_margin_um and len(areas) > 1 and asked.sites is None:
        areas = _moved_apart(areas, asked, allowed)
    if asked.options.extra_tracking:
        areas = _with_extra_tracking(areas, asked, warnings)
    bereft = True
    while bereft:
        if asked.optics.beam_margin_um:
            areas = _with_room(areas, asked, allowed)
        joint = _Joint.of(areas)
        stays = without_crowded(
            TiltFrame.of(asked.optics).from_map(joint.points),
            joint.scores,
            joint.area,
            joint.tracking,
            joint.fixed,
            asked.optics,
        )
        bereft = not stays[joint.tracking].all()
        areas = _left(areas, stays, asked)
    return sorted(areas, key=lambda area: -len(area.scores)), warnings


@dataclass(frozen=True, eq=False)
class _Joint:
    """The targets of all areas in one."""

    points: np.ndarray
    scores: np.ndarray
    fixed: np.ndarray
    area: np.ndarray
    tracking: np.ndarray

    @classmethod
    def of(cls, areas: list[Area]) -> _Joint:
        counts = [len(area.scores) for area in areas]
        return cls(
            np.concatenate([area.targets_map_px for area in areas]),
            np.concatenate([area.scores for area in areas]),
            np.concatenate([area.fixed for area in areas]),
            np.repeat(np.arange(len(areas)), counts),
            np.concatenate([np.arange(count) == 0 for count in counts]),
        )


def _areas_of(
    points: np.ndarray, values: np.ndarray, is_fixed: np.ndarray, asked: Question
) -> list[Area]:
    """The fewest areas, each with its tracking target first, then the others by score."""
    areas = []
    for group in split(points, asked.optics.image_shift_limit_um / asked.optics.pixel_um):
        tracking = tracking_index(points[group], asked.cover, asked.optics)
        row, column = points[group].T
        order = np.lexsort((column, row, -values[group].round(6)))
        order = group[np.concatenate([[tracking], order[order != tracking]])]
        areas.append(Area(points[order], values[order], fixed=is_fixed[order]))
    return areas


def _left(areas: list[Area], stays: np.ndarray, asked: Question) -> list[Area]:
    """Areas without some of their targets; one that lost its tracking target begins anew."""
    result = []
    for area, stay in zip(areas, np.split(stays, np.cumsum([len(a.scores) for a in areas]))):
        left = _only(area, stay)
        if stay[0]:
            result.append(left)
        elif stay.any():
            result += _areas_of(left.targets_map_px, left.scores, left.fixed, asked)
    return result


def _moved_apart(areas: list[Area], asked: Question, allowed: ScoreMap) -> list[Area]:
    """Areas that keep their distance, without the targets that this took out of their places."""
    joint, optics = _Joint.of(areas), asked.optics
    points = areas_apart(joint.points, joint.area, joint.fixed, optics, joint.tracking)
    if not joint.fixed.any():
        points = _slid(points, joint.points, asked, allowed)
    values = asked.scores_at(points)
    ends = np.cumsum([len(area.scores) for area in areas])[:-1]
    areas = [
        replace(area, targets_map_px=part, scores=scores)
        for area, part, scores in zip(areas, np.split(points, ends), np.split(values, ends))
    ]
    return _left(areas, asked.allows(points, values) | joint.fixed, asked)


def _slid(points: np.ndarray, begun: np.ndarray, asked: Question, allowed: ScoreMap) -> np.ndarray:
    """All points moved together so that they lose least at the rim."""
    frame = TiltFrame.of(asked.optics)
    tilted = frame.from_map(points)
    reach_um = np.abs(tilted - frame.from_map(begun)).max()
    steps = np.linspace(-1, 1, SLIDES) * reach_um
    slides = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    slides = slides[np.argsort(np.hypot(*slides.T), kind="stable")]
    totals = []
    for slide in slides:
        scores = allowed.at(frame.to_map(tilted + slide))
        totals.append(scores[scores >= asked.options.least_threshold].sum())
    best = int(np.argmax(np.round(totals, 6)))
    return frame.to_map(tilted + slides[best]) if best else points


def _with_extra_tracking(areas: list[Area], asked: Question, warnings: list[str]) -> list[Area]:
    blocked = np.concatenate([area.targets_map_px for area in areas])
    result = []
    for number, area in enumerate(areas, 1):
        place = place_extra_tracking(
            area.targets_map_px,
            blocked,
            asked.cover,
            asked.scores,
            asked.optics,
            asked.polygons,
        )
        if place is None:
            where = f" in area {number}" if len(areas) > 1 else ""
            warnings.append(f"No room for an extra tracking target{where}: a usual target is used.")
            result.append(area)
            continue
        blocked = np.concatenate([blocked, [place]])
        result.append(
            Area(
                np.concatenate([[place], area.targets_map_px]),
                np.concatenate([asked.scores_at(place[None]), area.scores]),
                extra_tracking=True,
                fixed=np.concatenate([[False], area.fixed]),
            )
        )
    return result


def _with_room(areas: list[Area], asked: Question, allowed: ScoreMap) -> list[Area]:
    """The areas with the margin around the beams of their tracking targets.

    An area that is worth less than what would have to go for its sake goes itself.
    """
    result = list(areas)
    number = 0
    while number < len(result):
        area, others = result[number], result[:number] + result[number + 1 :]
        place, there = _roomy_place(area, others, asked, allowed)
        ends = np.cumsum([len(area.scores) - 1, *(len(one.scores) for one in others)])
        own, *rest = np.split(there, ends[:-1])
        area = _only(_moved(area, place, asked), np.append(True, own))
        cost = sum(float(one.scores[~stay].sum()) for one, stay in zip(others, rest))
        if cost > area.scores.sum() and not area.fixed.any():
            del result[number]
            continue
        result = [_only(one, stay) for one, stay in zip(others, rest)]
        result.insert(number, area)
        number += 1
    return result


def _roomy_place(
    area: Area, others: list[Area], asked: Question, allowed: ScoreMap
) -> tuple[np.ndarray, np.ndarray]:
    """Where an area's tracking target has room, and which targets (its own, others) stay then."""
    optics, followers = asked.optics, area.targets_map_px[1:]
    movable = not area.fixed[0] and not area.extra_tracking and asked.sites is None
    places = places_around(area.targets_map_px[0], optics)[: None if movable else 1]
    scores = allowed.at(places)
    scores[0] = area.scores[0]
    good = (scores >= asked.options.least_threshold) & (scores > 0)
    if asked.polygons:
        good &= inside(places, asked.polygons)
    limit_px = optics.image_shift_limit_um / optics.pixel_um
    good &= (distances(places, followers) <= limit_px).all(axis=1)
    order, there = make_room(
        places,
        np.where(good, scores, -1),
        np.concatenate([followers, *(one.targets_map_px for one in others)]),
        np.concatenate([area.scores[1:], *(one.scores for one in others)]),
        np.concatenate([area.fixed[1:], *(_stays(one) for one in others)]),
        optics,
    )
    clean = avoided_in_view(places[0], asked.cover, optics)

    def is_well(place: np.ndarray) -> bool:
        passes = bool(asked.passes(place[None], asked.scores_at(place[None])).all())
        return passes and avoided_in_view(place, asked.cover, optics) <= clean

    best = next(k for k, index in enumerate(order) if index == 0 or is_well(places[index]))
    return places[order[best]], there[best]


def _stays(area: Area) -> np.ndarray:
    """Which targets of an area cannot be given up: fixed ones and the one for tracking."""
    return area.fixed | (np.arange(len(area.fixed)) == 0)


def _moved(area: Area, place: np.ndarray, asked: Question) -> Area:
    """An area with its tracking target elsewhere."""
    if (place == area.targets_map_px[0]).all():
        return area
    return replace(
        area,
        targets_map_px=np.concatenate([place[None], area.targets_map_px[1:]]),
        scores=np.concatenate([asked.scores_at(place[None]), area.scores[1:]]),
    )


def _only(area: Area, stay: np.ndarray) -> Area:
    """An area without some of its targets."""
    return replace(
        area,
        targets_map_px=area.targets_map_px[stay],
        scores=area.scores[stay],
        fixed=area.fixed[stay],
    )
