"""Pictures that show nothing are told apart from specimens that look odd."""

from __future__ import annotations

import re

import numpy as np
import pytest

from space import contrast
from space.contrast import judge, judge_pieces, judge_structure

RANDOM = np.random.default_rng(5)


def counts(mean, shape=(300, 400)) -> np.ndarray:
    """Electrons of an evenly lit picture."""
    return RANDOM.poisson(mean, shape).astype(np.int16)


def lamella_map(vacuum=400.0, lamella=150.0, bulk=8.0) -> np.ndarray:
    """A band with bulk on both sides and vacuum at its end."""
    mean = np.full((300, 400), bulk)
    mean[90:210, 60:340] = lamella
    mean[90:210, 340:] = vacuum
    return counts(mean)


def milled_grid() -> np.ndarray:
    """Nine tenths of it black, on a counting camera without any electron there."""
    mean = np.zeros((300, 400))
    mean[100:130, ::8] = 90.0
    mean[40:60, 50:90] = 200.0
    return counts(mean)


SPECIMENS = {
    "a lamella": lamella_map(),
    "bulk without an electron": lamella_map(bulk=0.0),
    "vacuum that saturates": np.minimum(lamella_map(), 255).astype(np.uint8),
    "a milled grid": milled_grid(),
    "half dark, half bright": counts(
        np.where(np.arange(400) < 200, 0.0, 900.0)[None].repeat(300, 0)
    ),
    "few electrons": counts(0.05),
    "evenly lit": counts(20.0),
    "signed counts": (lamella_map() - 30).astype(np.int16),
    "more than 32767": (lamella_map().astype(np.uint16) * 90),
    "some dead pixels": np.where(RANDOM.random((300, 400)) < 0.001, np.nan, lamella_map()),
}


@pytest.mark.parametrize("name", SPECIMENS)
def test_specimens_are_good_pictures(name):
    assert not judge(SPECIMENS[name])
    assert not judge_structure(SPECIMENS[name]) or name in ("few electrons", "evenly lit")


HALF_NAN = np.where(np.arange(400) < 300, np.nan, 5.0)[None].repeat(300, 0)
MOSTLY_ZERO = np.where(RANDOM.random((300, 400)) < 0.004, 9, 0)


@pytest.mark.parametrize(
    ("data", "seen", "cause"),
    [
        (np.zeros((50, 50), np.uint16), "100 % of its pixels have the value 0", "beam blanked"),
        (np.full((50, 50), 65535, np.uint16), "100 % .* the value 65535", "too bright"),
        (np.full((50, 50), 7.5, np.float32), "100 % .* the value 7.5", "frozen camera"),
        (MOSTLY_ZERO, "99.6 % of its pixels have the value 0", "valve closed"),
        (np.rint(RANDOM.normal(0, 3, (200, 200))).astype(np.int16), "dark: no beam", "screen down"),
        (np.full((9, 9), np.nan), "100 % of its pixels are not numbers", "gain reference"),
        (np.full((9, 9), np.inf, np.float32), "are not numbers", "broken file"),
        (HALF_NAN, "75 % of its pixels are not numbers", "gain reference"),
        (np.zeros((0, 5)), "no pixels", "broken file"),
    ],
)
def test_what_shows_nothing_is_of_no_use(data, seen, cause):
    verdict = judge(data)
    assert verdict.useless
    assert cause in verdict.causes
    assert re.search(seen, verdict.seen)


def test_what_is_spoilt_in_part_is_told_and_kept():
    wide = np.concatenate([lamella_map(lamella=500.0)[90:210], lamella_map()[:60]])
    saturated = judge(np.minimum(wide, 255))
    assert "it is saturated: 57 % of its pixels are at its highest value, 255" in saturated.seen
    some = judge(np.where(np.arange(400) < 40, np.nan, lamella_map()))
    assert "10 % of its pixels are not numbers" in some.seen
    assert not saturated.useless and not some.useless


@pytest.mark.parametrize("level", [0.5, 20.0, 3000.0])
def test_noise_around_any_level_is_no_map(level):
    verdict = judge_structure(counts(level))
    assert verdict.useless and re.search(r"only noise around [\d.]+ counts", verdict.seen)


def test_noise_that_binning_and_drift_smeared_is_no_map_either():
    noise = counts(200.0, (1200, 1600)).astype(float)
    smeared = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1))[::2, ::2]
    assert judge_structure(smeared)


def test_pieces_without_light_are_counted_and_the_moment_is_told():
    light, dark = counts(20.0), np.zeros((300, 400), np.int16)
    assert not judge_pieces([])
    assert not judge_pieces([light] * 24 + [dark])  # a corner outside of the grid
    assert not judge_pieces([light, dark])  # bulk beside a lamella
    assert not judge_pieces([dark] * 3 + [light] * 3 + [dark] * 3)  # on both sides of it
    lost = judge_pieces([light] * 3 + [dark] * 7)
    assert lost.seen == "7 of its 10 pieces are dark, all from number 4 on"
    assert not lost.useless
    assert judge_pieces([dark, light] + [dark] * 3).seen == "4 of its 5 pieces are dark"
    assert judge_pieces([dark] * 3).useless


def test_unsigned_counts_that_were_shifted_are_judged_by_their_light():
    """SerialEM can keep unsigned pictures as signed ones, less half the range."""
    rng = np.random.default_rng(5)
    picture = (rng.poisson(900, (400, 400)) - 32768).astype(np.int16)
    assert not judge(picture)
    assert judge(np.full((400, 400), -32768, np.int16)).useless


def test_a_few_windows_in_a_black_grid_are_something():
    picture = np.zeros((2000, 2000), np.int16)
    for row in range(100, 2000, 400):
        picture[row : row + 70, 900:960] = 180
    verdict = judge(picture)
    assert verdict and not verdict.useless
    scattered = (np.random.default_rng(6).random((2000, 2000)) < 0.005).astype(np.int16)
    assert judge(scattered).useless


@pytest.mark.parametrize("seed", range(8))
def test_percentiles_of_counted_values_are_those_of_numpy(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(2, 256), rng.integers(1, 500)).astype(np.uint8)
    found, counts = contrast._counted(values)
    wanted = np.unique(values, return_counts=True)
    assert np.array_equal(found, wanted[0]) and np.array_equal(counts, wanted[1])
    got = contrast._percentiles(found, counts)
    assert got == pytest.approx(np.percentile(values, (16, 50, 99)), abs=1e-9)
    shifted = np.unique(values - 1e4, return_counts=True)  # floats of an unprocessed picture
    assert contrast._percentiles(*shifted) == pytest.approx(got - 1e4, abs=1e-6)
