"""One lamella in the page: pictures, numbers, and each of its tilt series."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from pathlib import Path

from space.overview import LAMELLA_STATES, GridFacts, LamellaFacts
from space.report.charts import Line, chart
from space.report.facts import LamellaReport, SeriesReport
from space.report.markup import Markup, Part, join, tag
from space.report.shots import Shots
from space.series import Picture, Quality, TiltSeries, astray_um

_LEAST_PLACE_UM = 0.2
_LEAST_DEFOCUS_UM = 2.0


def anchor(grid: GridFacts, lamella: LamellaFacts | None = None) -> str:
    """Return a name within the page; that of a grid may hold anything."""
    name = hashlib.sha256(grid.title.encode("utf-8", "replace")).hexdigest()[:8]
    return name if lamella is None else f"{name}-{lamella.number}"


def figure(path: Path | None, shots: Shots, caption: str, class_: str = "") -> Markup:
    """Return a picture with a caption; without room for it, its name."""
    if path is None:
        return Markup("")
    shot = shots.made.get(path)
    if shot is None:
        return tag("p", f"{caption}: see {path.name}", class_="soft path")
    # `shots.shots_of_page` finds them by these two attributes in this order.
    image = tag("img", alt=caption, loading="lazy", data_of=shot.mark, src=Markup(shot.source))
    return tag(
        "figure", image, tag("figcaption", f"{caption} ({path.name})"), class_=class_ or None
    )


def lamella_card(grid: GridFacts, lamella: LamellaReport, shots: Shots, charts: bool) -> Markup:
    """Return what there is to say about a lamella."""
    facts = lamella.facts
    badge = tag("span", facts.state, class_="state " + facts.state.split()[0])
    meaning = facts.reason or LAMELLA_STATES[facts.state]
    shown = "Targets" if facts.areas else "Map"
    pictures = tag(
        "div",
        figure(lamella.targets_picture, shots, shown),
        figure(lamella.segmentation_picture, shots, "Segmentation"),
        class_="pictures",
    )
    return tag(
        "article",
        tag("h3", f"{grid.title} {facts.label} ", badge),
        tag("p", meaning, class_="soft path"),
        pictures,
        _numbers(lamella),
        _series_part(lamella, charts, shots),
        class_="card lamella",
        id=anchor(grid, facts),
    )


def _numbers(lamella: LamellaReport) -> Markup:
    facts = lamella.facts
    known: list[tuple[str, Part]] = [("Class", facts.category)]
    if not facts.by_hand:
        known.append(("Probability", f"{100 * facts.probability:.0f} %"))
    x, y = facts.position_um
    known.append(("Stage position", f"{x:.1f}, {y:.1f} µm"))
    if any(facts.size_um):
        known.append(("Box", f"{facts.size_um[0]:.1f} × {facts.size_um[1]:.1f} µm"))
    if facts.areas:
        points = sum(area.geometry_points for area in facts.areas)
        known += [
            ("Targets", facts.targets),
            ("Areas", len(facts.areas)),
            ("Geometry points", points),
        ]
    if lamella.scores:
        low, high = min(lamella.scores), max(lamella.scores)
        known.append(("Scores", f"{low:.2f} to {high:.2f}, together {sum(lamella.scores):.1f}"))
    for one in lamella.geometry:
        area = f", area {one.area}" if len(facts.areas) > 1 else ""
        known.append((f"By PACEtomo{area}", f"pretilt {one.pretilt_deg:.1f}°, rotation "
                                            f"{one.rotation_deg:.1f}°"))  # fmt: skip
    known += _of_plates([one.quality for one in lamella.series if one.quality])
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in known))


def _of_plates(qualities: Sequence[Quality]) -> list[tuple[str, Part]]:
    """Return thickness and pretilt as the counts of the series tell them."""
    plates = [one.plate for one in qualities if one.plate is not None]
    if not plates:
        return []
    thick = statistics.median(plate.thickness for plate in plates)
    tilted = statistics.median(plate.pretilt_deg for plate in plates)
    return [
        ("Thickness by counts", f"{thick:.2f} mean free paths"),
        ("Pretilt by counts", f"{tilted:+.0f}° of the stage"),
    ]


def _series_part(lamella: LamellaReport, charts: bool, shots: Shots) -> Markup:
    if not lamella.series:
        return Markup("")
    several = len(lamella.facts.areas) > 1
    key = tag(
        "p", "Each dot is a picture, over the tilt of the stage:",
        tag("i"), "as expected", tag("i", class_="odd"), "spoilt", tag("i", class_="bad"), "lost",
        class_="key",
    )  # fmt: skip
    more = f"{lamella.series_left_out} more are not shown." if lamella.series_left_out else ""
    return join(
        tag("h4", "Tilt series"),
        key,
        *(_series(one, several, charts, shots) for one in lamella.series),
        tag("p", more, class_="soft") if more else "",
    )


def _series(one: SeriesReport, several: bool, charts: bool, shots: Shots) -> Markup:
    verdict = one.quality.verdict if one.quality else "not judged"
    area = f"area {one.area}, " if several else ""
    about = [
        tag("b", one.facts.name),
        tag("br"),
        tag("span", verdict, class_="state " + verdict.split()[0]),
        f" {area}target {one.facts.target}",
    ]
    words = one.problem or (one.quality.text if one.quality else "")
    if words not in ("", verdict):
        about += [tag("br"), tag("b", words)]
    tomogram, drawn = one.facts.tomogram, Markup("")
    if tomogram is not None:
        about += [tag("br"), tomogram.words.capitalize()]
    if one.series is not None and one.series.pictures and one.quality is not None:
        about += [tag("br"), _in_numbers(one.series, one.quality)]
        if charts or verdict != "good":
            drawn = _charts(one.series, one.quality)
    picture = tomogram.picture if tomogram is not None else None
    return tag(
        "div",
        tag("div", *about, figure(picture, shots, "Tomogram"), class_="about"),
        tag("div", drawn, class_="charts"),
        class_="series",
    )


def _in_numbers(series: TiltSeries, quality: Quality) -> str:
    low, high = series.range_deg
    parts = [f"{len(series.pictures)} pictures from {low:.0f}° to {high:.0f}°"]
    if series.dose_e_A2 is not None:
        parts.append(f"dose {series.dose_e_A2:.0f} e⁻/Å²")
    elif series.seen_e_A2 is not None:
        parts.append(f"{series.seen_e_A2:.0f} e⁻/Å² at the camera (no dose was calibrated)")
    if quality.plate is not None:
        parts.append(f"thickness {quality.plate.thickness:.2f} mean free paths")
    electrons = [one.electrons for one in series.pictures if one.electrons is not None]
    if electrons:
        parts.append(f"{statistics.median(electrons):.1f} e⁻/pixel")
    off = [one.off_um for one in series.pictures if one.off_um is not None]
    if off:
        parts.append(f"tracking off by {1000 * statistics.median(off):.0f} nm (median)")
    measured = [one.defocus_um for one in series.pictures if one.defocus_um is not None]
    if measured:
        parts.append(f"defocus {statistics.median(measured):.1f} µm (median)")
    return "; ".join(parts)


def _charts(series: TiltSeries, quality: Quality) -> Markup:
    pictures = series.pictures
    tilt = [one.tilt_deg for one in pictures]
    kinds = _kinds(pictures, quality)
    span = series.range_deg
    places = [one.off_um for one in pictures]
    title = "Tracking error (µm)"
    if all(place is None for place in places):
        places = list(astray_um(series, quality))
        title = "Off the way of a fixed point (µm)"
    aims = [one.target_defocus_um for one in pictures]
    return join(
        chart(
            "Mean counts",
            [Line("fit", tilt, quality.expected, dots=False),
             *_dots(tilt, [one.counts for one in pictures], kinds)],
            span, from_zero=True,
        ),
        chart(title, _dots(tilt, places, kinds), span, _LEAST_PLACE_UM, from_zero=True),
        chart(
            "Measured defocus (µm)",
            [Line("aim", tilt, aims, dots=False),
             *_dots(tilt, [one.defocus_um for one in pictures], kinds)],
            span, _LEAST_DEFOCUS_UM,
        ),
    )  # fmt: skip


def _kinds(pictures: Sequence[Picture], quality: Quality) -> list[str]:
    """Return how each picture is drawn."""
    return [
        "bad" if lost else "odd" if one.tilt_deg in quality.spoilt_deg else "ok"
        for one, lost in zip(pictures, quality.lost or [False] * len(pictures))
    ]


def _dots(
    tilt: Sequence[float], values: Sequence[float | None], kinds: Sequence[str]
) -> list[Line]:
    return [
        Line(kind, tilt, [v if k == kind else None for v, k in zip(values, kinds)])
        for kind in ("ok", "odd", "bad")
    ]
