"""Small charts as SVG: what was measured over tilt, and where lamellae lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from space.report.markup import Markup, join, tag

WIDTH, HEIGHT = 250, 104
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 6, 16, 16
_PLAN = 420
_PLAN_EDGE = 26
_SMALLEST_BOX = 9
_LARGEST = 1e12  # what is larger, or no number, is not drawn
_MOST_TILTS = 5

Values = Sequence["float | None"]


@dataclass(frozen=True)
class Line:
    """One kind of thing in a chart.

    Attributes
    ----------
    kind : str
        Class of its style: dots or a line.
    x, y : sequence
        Points; those with a None are left out.
    dots : bool
        Whether it is drawn as dots (else as a line).
    """

    kind: str
    x: Values
    y: Values
    dots: bool = True

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points that are known."""
        pairs = ((x, y) for x, y in zip(self.x, self.y) if x is not None and y is not None)
        return [(x, y) for x, y in pairs if abs(x) < _LARGEST and abs(y) < _LARGEST]


def chart(
    title: str,
    lines: Sequence[Line],
    x_range: tuple[float, float],
    least_range: float = 0.0,
    from_zero: bool = False,
) -> Markup:
    """Return a chart of lines over tilt; empty if nothing is known.

    Parameters
    ----------
    title : str
        What is shown, with its unit.
    lines : sequence of Line
    x_range : (float, float)
        Lowest and highest tilt.
    least_range : float
        What the y axis spans at least: what is small looks so.
    from_zero : bool
        Whether the y axis begins at 0.
    """
    ys = [y for line in lines for _, y in line.points]
    if not any(line.points for line in lines if line.dots):
        return Markup("")
    y_range = _range(ys, least_range, from_zero)
    x0, x1 = x_range if x_range[1] - x_range[0] > 1e-6 else (x_range[0] - 1, x_range[0] + 1)
    wide, high = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + wide * (x - x0) / (x1 - x0)
        return across, _TOP + high * (y_range[1] - y) / (y_range[1] - y_range[0])

    parts = [tag("text", title, x=_LEFT, y=10, class_="t")]
    for value in ticks(*y_range):
        _, y = place(x0, value)
        parts.append(tag("path", d=f"M{_LEFT} {y:.0f}H{WIDTH - _RIGHT}", class_="g"))
        parts.append(tag("text", f"{value:g}", x=_LEFT - 4, y=f"{y + 3:.0f}", class_="y"))
    for value in tilt_ticks(x0, x1):
        x, _ = place(value, y_range[0])
        parts.append(tag("text", f"{value:g}°", x=f"{x:.0f}", y=HEIGHT - 4, class_="x"))
    for line in lines:
        at = [place(x, min(max(y, y_range[0]), y_range[1])) for x, y in line.points]
        if line.dots:
            path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in at)
        else:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in sorted(at)) if at else ""
        if path:
            parts.append(tag("path", d=path, class_=line.kind))
    return tag(
        "svg", *parts, class_="chart", role="img", viewbox=f"0 0 {WIDTH} {HEIGHT}", aria_label=title
    )


def _range(values: Sequence[float], least: float, from_zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if from_zero:
        low = min(0.0, low)
    short = max(least, abs(high) * 1e-6, 1e-9) - (high - low)
    if short > 0:
        low, high = (low, high + short) if from_zero else (low - short / 2, high + short / 2)
    edge = 0.06 * (high - low)
    return (low if from_zero and low == 0 else low - edge), high + edge


def ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round numbers between two values: as many as may be, at least one."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(span))
    best: list[float] = []
    for step in (5 * power, 2 * power, power, power / 2, power / 5):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 > most:
            break
        best = [round(step * k, 12) + 0.0 for k in range(first, last + 1)]
    return best or [round((low + high) / 2, 3 - math.floor(math.log10(span)))]


def tilt_ticks(low: float, high: float) -> list[float]:
    """Return tilts to write at an axis, in steps that people tilt in."""
    for step in (10, 15, 30, 60):
        first, last = math.ceil(low / step - 0.05), math.floor(high / step + 0.05)
        if last - first < _MOST_TILTS:
            return [float(step * k) for k in range(first, last + 1)]
    return []


@dataclass(frozen=True)
class Spot:
    """A lamella in a plan of the grid.

    Attributes
    ----------
    label : str
    place_um, size_um : (x, y)
        Stage position of its middle, and its size.
    kind : str
        Class of its style.
    link : str
        Where a click leads, within the page.
    """

    label: str
    place_um: tuple[float, float]
    size_um: tuple[float, float]
    kind: str
    link: str = ""


def plan(spots: Sequence[Spot]) -> Markup:
    """Return a plan of the lamellae of a grid by stage position (x to the right, y up)."""
    known = [one for one in spots if all(map(math.isfinite, (*one.place_um, *one.size_um)))]
    if not known:
        return Markup("")
    low = [min(one.place_um[axis] - one.size_um[axis] / 2 for one in known) for axis in (0, 1)]
    high = [max(one.place_um[axis] + one.size_um[axis] / 2 for one in known) for axis in (0, 1)]
    span = max(high[0] - low[0], high[1] - low[1], 50.0)
    scale = (_PLAN - 2 * _PLAN_EDGE) / span
    middle = [(a + b) / 2 for a, b in zip(low, high)]
    parts = []
    for one in known:
        x = _PLAN / 2 + (one.place_um[0] - middle[0]) * scale
        y = _PLAN / 2 - (one.place_um[1] - middle[1]) * scale
        wide, tall = (max(_SMALLEST_BOX, size * scale) for size in one.size_um)
        box = tag(
            "rect", x=f"{x - wide / 2:.1f}", y=f"{y - tall / 2:.1f}", width=f"{wide:.1f}",
            height=f"{tall:.1f}", rx=2, class_=one.kind,
        )  # fmt: skip
        name = tag("text", one.label, x=f"{x:.1f}", y=f"{y - tall / 2 - 3:.1f}", class_="n")
        spot = join(box, name)
        parts.append(tag("a", spot, href=f"#{one.link}") if one.link else spot)
    length = _round_length(span / 4)
    parts.append(tag("path", d=f"M12 {_PLAN - 12}h{length * scale:.0f}", class_="bar"))
    parts.append(tag("text", f"{length:g} µm", x=12, y=_PLAN - 18, class_="b"))
    return tag("svg", *parts, class_="plan", role="img", viewbox=f"0 0 {_PLAN} {_PLAN}")


def _round_length(most: float) -> float:
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most)
