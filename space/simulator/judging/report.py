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
        Distance from the first picture's place, as a share of the field's shorter side: this much
        of the field is not in all pictures.
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
_RAMP_PART = 0.5  # of the largest error of defocus, from which on it is called a ramp


def report(truth: ScriptTruth) -> str:
    """Tables and remarks."""
    return "\n\n".join([*tables(truth), *(["\n".join(remarks(truth))] if remarks(truth) else [])])


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


def remarks(truth: ScriptTruth, limits: Limits = USUAL) -> list[str]:
    """Say what is wrong with which series, the same kind of fault in one sentence for each."""
    return [f"{series.name}: {text}" for series in truth.series for text in _faults(series, limits)]


def _faults(series: SeriesTruth, limits: Limits) -> list[str]:
    pictures, shared = series.pictures, series.shared
    dark = sum(picture.dose_e_A2 <= 0.0 for picture in pictures)
    drift_nm_s = max(picture.drift_nm_s for picture in pictures)
    off_nm, most_off_nm = series.worst_off_nm, limits.field_share * 1e3 * min(series.field_um)
    around_e_A2, own_e_A2 = series.most_dose_elsewhere_e_A2, series.dose_e_A2
    touching_um2 = limits.beam_share * series.beam_um2
    told = [
        (dark > 0, f"{dark} of {len(pictures)} pictures got no electrons."),
        (
            off_nm > most_off_nm,
            f"a picture shows a place {off_nm:.0f} nm from that of the first one; "
            f"the field is {1e3 * min(series.field_um):.0f} nm across.",
        ),
        (series.worst_defocus_error_um > limits.defocus_um, _defocus_text(series)),
        (drift_nm_s > limits.blur_nm_s, f"the specimen drifted by up to {drift_nm_s:.1f} nm/s."),
        (
            around_e_A2 > limits.dose_share * own_e_A2,
            f"other pictures put up to {around_e_A2:.1f} e/A2 on the field; "
            f"its own put {own_e_A2:.1f}.",
        ),
        (
            shared.at_one_tilt_um2 > touching_um2,
            f"other series exposed {shared.at_one_tilt_um2:.2f} um2 of it at the same tilts "
            f"(beam: {series.beam_um2:.2f} um2).",
        ),
        (
            shared.at_one_tilt_um2 <= touching_um2 < shared.all_tilts_um2,
            f"other series exposed {shared.all_tilts_um2:.2f} um2 of it, at other tilts only "
            f"(beam: {series.beam_um2:.2f} um2).",
        ),
    ]
    return [text for is_so, text in told if is_so]


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
        return max(series.worst_off_nm / most_nm, series.worst_defocus_error_um / limits.defocus_um)

    return sorted(truth.series, key=badness, reverse=True)


def _plain_series(series: SeriesTruth) -> dict[str, Any]:
    return {
        **asdict(series),
        "order": series.order,
        "dose_e_A2": series.dose_e_A2,
        "worst_off_nm": series.worst_off_nm,
        "worst_defocus_error_um": series.worst_defocus_error_um,
    }


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they have to be, and a line under the first row."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
