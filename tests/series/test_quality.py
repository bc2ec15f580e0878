"""What is said about tilt series of all kinds, made by the physics of a plate in a beam."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from space.series import Picture, TiltSeries, judge, read_series

STEP_DEG, HIGHEST_DEG = 3.0, 60.0
REAL = os.environ.get("SPACETOMO_REAL_DATA", "")


def dose_symmetric(step=STEP_DEG, highest=HIGHEST_DEG) -> list[float]:
    up = list(np.arange(step, highest + 0.1, step))
    tilts = [0.0]
    for k in range(0, len(up), 2):
        tilts += up[k : k + 2] + [-tilt for tilt in up[k : k + 2]]
    return tilts


UPWARDS = list(np.arange(-HIGHEST_DEG, HIGHEST_DEG + 0.1, STEP_DEG))
AWAY_AND_BACK = [0.0, *np.arange(3.0, 60.1, 3.0), *np.arange(-3.0, -60.1, -3.0)]
ORDERS = {
    "dose symmetric": dose_symmetric(),
    "from one end": UPWARDS,
    "one side after the other": AWAY_AND_BACK,
    "coarse": dose_symmetric(6.0),
    "fine": dose_symmetric(2.0),
}


def made(tilts, thickness=0.6, pretilt_deg=9.0, change=None, seed=1, **more) -> TiltSeries:
    """Counts that a plate lets through, with 2 % of noise; `change` does something to them."""
    tilt = np.array(tilts)
    noise = np.random.default_rng(seed).normal(0.0, 0.02, len(tilt))
    counts = 300 * np.exp(noise - thickness / np.cos(np.radians(tilt - pretilt_deg)))
    if change is not None:
        counts = change(tilt, counts)
    pictures = [Picture(float(t), float(c), **more) for t, c in zip(tilt, counts)]
    return TiltSeries("ts.mrc", tuple(pictures))


def with_places(series: TiltSeries, y0_um: float, z0_um: float, run_um=0.0) -> TiltSeries:
    """Add where a point of the specimen is found; `run_um`: by how much it runs away from +30°."""
    found = []
    for picture in series.pictures:
        angle = np.radians(picture.tilt_deg)
        y = y0_um * np.cos(angle) - z0_um * np.sin(angle)
        y += run_um * max(0.0, (picture.tilt_deg - 30) / 30) ** 2
        found.append(replace(picture, shift_um=(0.1, float(y))))
    return replace(series, pictures=tuple(found))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pretilt_deg", [-20.0, 0.0, 12.0])
@pytest.mark.parametrize("thickness", [0.1, 0.6, 1.2, 2.0])
def test_a_plate_is_good_however_thick_it_gets_at_high_tilts(order, pretilt_deg, thickness):
    series = with_places(made(ORDERS[order], thickness, pretilt_deg), 8.0, -2.0)
    quality = judge(series)
    assert quality.verdict == "good", quality.text
    assert quality.plate.thickness == pytest.approx(thickness, abs=0.2)


def wedge(tilt, counts):
    return counts * np.exp(-0.06 * tilt / 60 / np.cos(np.radians(tilt)))


def longer_at_high_tilts(series: TiltSeries) -> TiltSeries:
    longer = [1 / np.cos(np.radians(one.tilt_deg)) for one in series.pictures]
    return replace(
        series,
        pictures=tuple(
            replace(one, counts=one.counts * seconds, exposure_s=seconds)
            for one, seconds in zip(series.pictures, longer)
        ),
    )


def fading(tilt, counts):
    return counts * np.linspace(1, 0.85, len(counts))


GOOD = {
    "a wedge": made(ORDERS["dose symmetric"], change=wedge),
    "longer exposures at high tilts": longer_at_high_tilts(made(ORDERS["dose symmetric"])),
    "stopped half-way": made(ORDERS["dose symmetric"][:20]),
    "stopped on one side": made(AWAY_AND_BACK[:25]),
    "a beam that fades": made(ORDERS["dose symmetric"], change=fading),
    "beyond the edge of the plate": made(UPWARDS, pretilt_deg=25.0),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_no_loss(name):
    quality = judge(GOOD[name])
    assert quality.verdict == "good", quality.text


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("at", [0, 1, -1, 7])
def test_a_beam_that_was_blanked_once_spoils_one_picture(order, at):
    tilts = ORDERS[order]

    def blank(_, counts):
        counts[at] = 0.3
        return counts

    quality = judge(made(tilts, change=blank))
    assert quality.verdict == "spoilt"
    assert quality.spoilt_deg == (pytest.approx(tilts[at]),)
    assert "1 picture spoilt" in quality.text


def behind_a_bar(tilt, counts, begin=33.0):
    return np.where(tilt >= begin, counts * 0.3, counts)


def fades_out(tilt, counts):
    return np.where(tilt >= 33, counts * np.exp(-0.2 * (tilt - 30)), counts)


def to_vacuum(tilt, counts):
    return np.where(tilt >= 33, 300.0, counts)


def dark_then_bright(tilt, counts):
    """As when the target runs away behind a bar and beyond: in between, counts fit by chance."""
    return np.where(tilt >= 33, counts * np.exp((tilt - 50) / 15), counts)


@pytest.mark.parametrize("change", [behind_a_bar, fades_out, to_vacuum, dark_then_bright])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("side", [1, -1])
def test_a_side_that_was_lost_is_seen_from_where_it_was(change, order, side):
    tilts = ORDERS[order]
    series = made(tilts, 0.6, 9.0 * side, lambda t, c: change(side * t, c))
    quality = judge(series)
    (loss,) = quality.losses
    first = min(side * t for t in tilts if side * t >= 33)
    step = abs(tilts[1] - tilts[0])
    assert quality.verdict == "lost"
    assert first - 0.1 <= side * loss.from_deg <= first + step + 0.1
    assert loss.pictures == sum(side * t >= side * loss.from_deg - 0.1 for t in tilts)
    assert f"lost from {loss.from_deg:+.0f}° on" in quality.text


def test_both_sides_may_be_lost():
    def both(tilt, counts):
        return np.where(np.abs(tilt) >= 45, counts * 0.2, counts)

    quality = judge(made(ORDERS["dose symmetric"], change=both))
    assert sorted(loss.from_deg for loss in quality.losses) == [-45.0, 45.0]


def test_a_target_that_runs_away_is_lost_though_counts_are_those_of_the_lamella():
    series = made(ORDERS["dose symmetric"])
    assert judge(with_places(series, 3.0, 1.0)).verdict == "good"
    quality = judge(with_places(series, 3.0, 1.0, run_um=12.0))
    (loss,) = quality.losses
    assert 40 <= loss.from_deg <= 57
    assert "not found where it can be" in loss.why


def test_a_target_far_from_the_axis_may_move_far():
    series = with_places(made(UPWARDS), 15.0, 2.5)
    assert max(abs(one.shift_um[1]) for one in series.pictures) > 15
    assert judge(series).verdict == "good"


@pytest.mark.parametrize(
    "pictures",
    [
        (),
        (Picture(0.0, 300.0),),
        tuple(Picture(3.0 * k) for k in range(20)),
        tuple(Picture(3.0 * k, 0.0) for k in range(20)),
        tuple(Picture(3.0 * k, -5.0) for k in range(20)),
        (Picture(0.0, 300.0),) * 5,
    ],
)
def test_too_little_is_not_judged(pictures):
    assert judge(TiltSeries("ts", pictures)).verdict == "not judged"


def test_a_dark_picture_among_too_few_is_seen():
    pictures = tuple(Picture(3.0 * k, counts) for k, counts in enumerate((300, 290, 4, 280)))
    assert judge(TiltSeries("ts", pictures)).spoilt_deg == (6.0,)


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_the_real_series_was_lost_from_33_degrees_on():
    series = read_series(Path(REAL) / "mdoc/L1_ts_001.mrc.mdoc")
    (loss,) = judge(series).losses
    assert (round(loss.from_deg), loss.pictures) == (33, 10)
    assert len(series.pictures) == 41
    assert series.dose_e_A2 is None  # SerialEM wrote 0: no calibrated dose
    assert series.seen_e_A2 == pytest.approx(54, abs=1)
    # Without what was lost, it is a good one.
    kept = tuple(one for one in series.pictures if one.tilt_deg < 31)
    assert judge(replace(series, pictures=kept)).verdict == "good"
