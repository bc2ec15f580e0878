import numpy as np
import pytest
from PIL import Image

from benchmarks import realism
from benchmarks.realism import Outlined, Seen


def crops_of(rng, shift, n=40):
    noise = rng.normal(120, 20, (n, 40, 40)) + shift * np.linspace(-1, 1, 40)
    return [realism.features(np.clip(crop, 0, 255).astype(np.uint8)) for crop in noise]


def test_what_is_alike_is_not_told_apart_and_what_is_not_is():
    rng = np.random.default_rng(1)
    real = [crops_of(rng, 0) for _ in range(3)]
    alike = realism.compare(real, [crops_of(rng, 0) for _ in range(3)])
    other = realism.compare(real, [crops_of(rng, 60) for _ in range(3)])
    assert 0.35 < alike["accuracy"] < 0.65
    assert other["accuracy"] > 0.95
    assert other["accuracy_by_kind"]["stripes"] > 0.9
    assert alike["crops"] == [120, 120]


def test_separation_is_the_share_of_pairs_in_order():
    assert realism.separation(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert realism.separation(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.5
    assert realism.separation(np.array([0.0]), np.array([1.0, 2.0])) == 0.0


def test_spectrum_peaks_where_a_wave_is():
    wave = np.sin(2 * np.pi * np.arange(128) / 4)[None] * np.ones((128, 1))
    assert realism.radial_spectrum(wave).argmax() == 6


def test_measures_find_what_was_drawn():
    grey = np.full((400, 500), 100, np.uint8)
    grey[:, :100] = 200
    rows, cols = np.indices(grey.shape)
    for center in ((100, 200), (300, 400), (200, 300)):
        grey[np.hypot(rows - center[0], cols - center[1]) < 10] = 20
    vacuum = cols < 100
    shown = Seen(
        grey,
        20.0,
        np.zeros(grey.shape, bool),
        ~vacuum,
        vacuum,
        {"vacuum": vacuum, "medium": ~vacuum},
    )
    found = realism.measures(shown)
    assert found["medium_level"] == pytest.approx(0.5, abs=0.01)
    assert found["blob_um_median"] == pytest.approx(0.4, abs=0.06)
    assert found["blobs_per_100_um2"] == pytest.approx(3 / 0.64, rel=0.01)
    assert realism.edge_profile(shown)[3:15] == pytest.approx(0.5, abs=0.01)


def test_what_is_drawn_on_a_picture_is_hidden(tmp_path):
    picture = np.full((200, 300, 3), 100, np.uint8)
    picture[:, :60] = 200
    picture[:, 240:] = 5
    picture[100, 70:200] = (255, 0, 0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    box = realism._box
    regions = {"vacuum": box(5, 5, 50, 50), "bulk": box(250, 5, 290, 50)}
    outlined = Outlined(50.0, regions | {"medium": box(80, 5, 200, 50)}, (box(0, 150, 30, 199),))
    seen = realism.real(tmp_path / "a.png", outlined)
    assert seen.hidden[100, 70:200].all() and seen.hidden[160, 10] and not seen.hidden[20, 100]
    assert seen.vacuum[20, 20] and seen.on_lamella[20, 150] and not seen.on_lamella[20, 290]
