"""What the judge says of a script: tables and remarks for people, plain values for a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from space.simulator.judging.truth import ScriptTruth, SeriesTruth


@dataclass(frozen=True)
class Limits:
    """What a remark is made of; the table has all numbers.

    Attributes
    ----------
    field_share : float
        Distance from the first picture's place, as a picture shows it, as a share of the field's
        shorter side: this much of the field is not in all pictures.
    defocus_um : float
        Difference from the defocus that was asked for.
    dose_share : float
        Dose of other pictures on the field, as a share of the series' own.
    beam_share : float
        Area that other series exposed as well, as a share of the beam's at the first tilt.
    blur_nm_s : float
        Drift during an exposure.
    """

    field_share: float = 0.25
    defocus_um: float = 0.5
    dose_share: float = 0.1
    beam_share: float = 0.01
    blur_nm_s: float = 5.0


USUAL = Limits()

FEW = 3
"""As many series with a fault are named; of more, the worst is."""

_RAMP_PART = 0.5  # of the largest error of defocus, from which on it is called a ramp


def report(truth: ScriptTruth) -> str:
    """Tables and remarks."""
    return "\n\n".join(part for part in [*tables(truth), "\n".join(summed_up(truth))] if part)


def tables(truth: ScriptTruth) -> list[str]:
    """One table of place and focus, one of specimen and dose, what their words mean, and a sum."""
    series = truth.series
    if not series:
        return [NOTHING.format(truth.pictures)]
    several = len({one.grid for one in series}) > 1
    names = [f"{one.grid}: {one.name}" if several else one.name for one in series]
    others = truth.pictures - sum(len(one.pictures) for one in series)
    return [
        text_table([_PLACE_HEAD, *map(_place_row, names, series)]),
        text_table([_DOSE_HEAD, *map(_dose_row, names, series)]),
        _WORDS,
        f"{title(truth)}; {others} other pictures.",
    ]


def title(truth: ScriptTruth) -> str:
    """How many series there are, and with how many pictures."""
    pictures = sum(len(series.pictures) for series in truth.series)
    return f"{len(truth.series)} tilt series with {pictures} pictures"


def plain(truth: ScriptTruth) -> dict[str, Any]:
    """All of it as plain values, for JSON."""
    return {
        "pictures": truth.pictures,
        "series": [_plain_series(series) for series in truth.series],
        "remarks": remarks(truth),
    }


NOTHING = (
    "There is no tilt series; pictures in all: {}. A series is a file with pictures at three "
    "tilts or more, or as many Record pictures of one place."
)
_PLACE_HEAD = ("series", "pictures", "tilts", "order", "along nm", "across nm", "defocus um",
               "off um", "ramp um")  # fmt: skip
_DOSE_HEAD = ("series", "area", "pretilt", "rotation", "on specimen", "e/A2", "a picture",
              "elsewhere", "shared um2", "drift nm/s")  # fmt: skip
_WORDS = """\
along, across  place against that of the first picture, by the tilt axis (median / largest)
defocus, off   true defocus at the first place (median); less the one asked for (median / largest)
ramp           distance from the tilt axis at which defocus would change with tilt as it does
on specimen    its tilts about the tilt axis; pretilt and rotation as PACEtomo counts them
elsewhere      dose from all other pictures on the field (mean / largest)
shared         what other series have exposed, too (at one tilt / at any tilts)"""


def _place_row(name: str, series: SeriesTruth) -> tuple[str, ...]:
    pictures = series.pictures
    return (
        name,
        str(len(pictures)),
        _span(series.tilts_deg),
        series.order,
        _median_and_largest([p.along_nm for p in pictures], 0),
        _median_and_largest([p.across_nm for p in pictures], 0),
        f"{np.median([p.defocus_um for p in pictures]):.2f}",
        _median_and_largest([p.defocus_error_um for p in pictures], 2),
        "-" if series.ramp_um is None else f"{series.ramp_um:.2f}",
    )


def _dose_row(name: str, series: SeriesTruth) -> tuple[str, ...]:
    pictures = series.pictures
    shared = series.shared
    return (
        name,
        series.area,
        f"{series.pretilt_deg:.1f}",
        f"{series.rotation_deg:.1f}",
        _span([p.lamella_tilt_deg for p in pictures]),
        f"{series.dose_e_A2:.1f}",
        f"{np.median([p.dose_e_A2 for p in pictures]):.2f}",
        f"{series.dose_elsewhere_e_A2:.1f} / {series.most_dose_elsewhere_e_A2:.1f}",
        f"{shared.at_one_tilt_um2:.2f} / {shared.all_tilts_um2:.2f}",
        _median_and_largest([p.drift_nm_s for p in pictures], 1),
    )


def _span(tilts_deg: Iterable[float]) -> str:
    tilts = list(tilts_deg)
    return f"{min(tilts):.0f} to {max(tilts):.0f}"


def _median_and_largest(values: Sequence[float], digits: int) -> str:
    sizes = np.abs(values)
    return f"{np.median(sizes):.{digits}f} / {sizes.max():.{digits}f}"


@dataclass(frozen=True)
class _Fault:
    """Something that is wrong with a series.

    Attributes
    ----------
    kind : str
    size : float
        How much there is of it, to compare series.
    text : str
    """

    kind: str
    size: float
    text: str


def remarks(truth: ScriptTruth, limits: Limits = USUAL) -> list[str]:
    """Say what is wrong with each series, in the order of the series."""
    return [
        f"{series.name}: {fault.text}"
        for series in truth.series
        for fault in _faults(series, limits)
    ]


def summed_up(truth: ScriptTruth, limits: Limits = USUAL) -> list[str]:
    """Say the same by kinds of faults; where many series have one, only of the worst of them."""
    by_kind: dict[str, list[tuple[_Fault, str]]] = {}
    for series in truth.series:
        for fault in _faults(series, limits):
            by_kind.setdefault(fault.kind, []).append((fault, series.name))
    told = []
    for found in by_kind.values():
        if len(found) <= FEW:
            told += [f"{name}: {fault.text}" for fault, name in found]
            continue
        fault, name = max(found, key=lambda each: each[0].size)
        told.append(f"{len(found)} series; the worst is {name}: {fault.text}")
    return told


def _faults(series: SeriesTruth, limits: Limits) -> list[_Fault]:
    pictures, shared = series.pictures, series.shared
    dark = sum(picture.dose_e_A2 <= 0.0 for picture in pictures)
    drift_nm_s = max(picture.drift_nm_s for picture in pictures)
    seen_nm, field_nm = series.worst_seen_nm, 1e3 * min(series.field_um)
    around_e_A2, own_e_A2 = series.most_dose_elsewhere_e_A2, series.dose_e_A2
    touching_um2 = limits.beam_share * series.beam_um2
    told: list[tuple[bool, str, float, str]] = [
        (dark > 0, "dark", dark, f"{dark} of {len(pictures)} pictures got no electrons."),
        (
            seen_nm > limits.field_share * field_nm,
            "place",
            seen_nm,
            f"a picture is centred {seen_nm:.0f} nm away from the place of the first one; "
            f"its field is {field_nm:.0f} nm across.",
        ),
        (
            series.worst_defocus_error_um > limits.defocus_um,
            "defocus",
            series.worst_defocus_error_um,
            _defocus_text(series),
        ),
        (
            drift_nm_s > limits.blur_nm_s,
            "drift",
            drift_nm_s,
            f"the specimen drifted by up to {drift_nm_s:.1f} nm/s.",
        ),
        (
            around_e_A2 > limits.dose_share * own_e_A2,
            "elsewhere",
            around_e_A2,
            f"other pictures put up to {around_e_A2:.1f} e/A2 on the field; "
            f"its own put {own_e_A2:.1f}.",
        ),
        (
            shared.at_one_tilt_um2 > touching_um2,
            "one tilt",
            shared.at_one_tilt_um2,
            f"other series exposed {shared.at_one_tilt_um2:.2f} um2 of it at the same tilts "
            f"(beam: {series.beam_um2:.2f} um2).",
        ),
        (
            shared.at_one_tilt_um2 <= touching_um2 < shared.all_tilts_um2,
            "all tilts",
            shared.all_tilts_um2,
            f"other series exposed {shared.all_tilts_um2:.2f} um2 of it, at other tilts only "
            f"(beam: {series.beam_um2:.2f} um2).",
        ),
    ]
    return [_Fault(kind, size, text) for is_so, kind, size, text in told if is_so]


def _defocus_text(series: SeriesTruth) -> str:
    worst_um, ramp = series.worst_defocus_error_um, series.ramp_um
    if ramp is None or not _explains(ramp, series):
        return f"defocus is up to {worst_um:.2f} um from the one that was asked for."
    return (
        f"defocus changes with tilt and is up to {worst_um:.2f} um off, as that of a place "
        f"{abs(ramp):.1f} um beside the tilt axis. "
        "Correct it for tilt, or take the series on the axis."
    )


def _explains(ramp_um: float, series: SeriesTruth) -> bool:
    """Whether most of the change of defocus over the tilts is the ramp."""
    errors = [picture.defocus_error_um for picture in series.pictures]
    sines = np.sin(np.radians(series.tilts_deg))
    return bool(abs(ramp_um) * np.ptp(sines) > _RAMP_PART * np.ptp(errors))


def worst_first(truth: ScriptTruth, limits: Limits = USUAL) -> list[SeriesTruth]:
    """Series by how far they are off, in place or in focus, against the limits of remarks."""

    def badness(series: SeriesTruth) -> float:
        most_nm = limits.field_share * 1e3 * min(series.field_um)
        return max(
            series.worst_seen_nm / most_nm, series.worst_defocus_error_um / limits.defocus_um
        )

    return sorted(truth.series, key=badness, reverse=True)


def _plain_series(series: SeriesTruth) -> dict[str, Any]:
    return {
        **asdict(series),
        "order": series.order,
        "dose_e_A2": series.dose_e_A2,
        "worst_off_nm": series.worst_off_nm,
        "worst_seen_nm": series.worst_seen_nm,
        "worst_defocus_error_um": series.worst_defocus_error_um,
    }


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they have to be, and a line under the first row."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
