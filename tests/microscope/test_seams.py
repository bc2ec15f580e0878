"""How the pieces of montages fit: seen where they overlap, whatever the specimen looks like."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from space.microscope import seams

FRAME = (300, 400)  # rows, columns
STEP = (240, 320)  # 20 % overlap
PIXEL_NM = 20.0


def scene(kind: str, seed: int = 1) -> np.ndarray:
    """A specimen, larger than a montage of 3 x 2 pieces with room for displaced ones."""
    random = np.random.default_rng(seed)
    shape = (900, 1300)
    if kind == "vacuum":
        return np.full(shape, 200.0)
    if kind == "film":
        y, x = np.mgrid[: shape[0], : shape[1]]
        return 100 + 40.0 * ((x % 60 < 30) & (y % 60 < 30))
    return 100 + 300 * gaussian_filter(random.normal(size=shape), 4)


def montage(tmp_path, picture, displaced=(), aligned=(), noise=4.0, name="m.mrc", key=""):
    """Write six pieces and their mdoc; `displaced` and `aligned` are (dx, dy up) by piece."""
    random = np.random.default_rng(7)
    data, text = [], "PixelSpacing = 200\nImageSize = 400 300\n\n"
    for number in range(6):
        ix, iy = number // 2, number % 2
        left, bottom = ix * STEP[1], iy * STEP[0]
        dx, dy = dict(displaced).get(number, (0, 0))
        rows = slice(100 + bottom + dy, 100 + bottom + dy + FRAME[0])
        columns = slice(100 + left + dx, 100 + left + dx + FRAME[1])
        piece = picture[rows, columns] * (1 + 0.1 * ix) + random.normal(0, noise, FRAME)
        data.append(piece.round().astype(np.int16))
        text += f"[ZValue = {number}]\nPieceCoordinates = {left} {bottom} 0\n"
        if aligned or key:
            mx, my = dict(aligned).get(number, (0, 0))
            text += f"{key or 'AlignedPieceCoordsVS'} = {left + mx} {bottom + my} 0\n"
        text += "\n"
    path = tmp_path / name
    with mrcfile.new(path) as opened:
        opened.set_data(np.stack(data))
    path.with_name(f"{name}.mdoc").write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", range(3))
def test_pieces_that_fit(tmp_path, seed):
    found = seams.seams_of(montage(tmp_path, scene("lamella", seed)), PIXEL_NM)
    assert len(found) == 7  # 3 x 2 pieces; no corners
    assert all(seam.clear and seam.step_um < 0.05 for seam in found)
    assert seams.in_words(found) == ""


@pytest.mark.parametrize("shift", [(40, 0), (0, -35), (-30, 25)])
def test_a_piece_at_a_wrong_place(tmp_path, shift):
    """The piece in the middle of the lower row, which has three neighbours."""
    found = seams.seams_of(montage(tmp_path, scene("lamella"), {2: shift}), PIXEL_NM)
    off = seams.misfits(found)
    assert {seam.pieces for seam in off} == {(0, 2), (2, 3), (2, 4)}
    assert off[0].step_um == pytest.approx(np.hypot(*shift) * PIXEL_NM / 1000, abs=0.1)
    assert seams.in_words(found) == (
        f"pieces do not fit at 3 of 7 seams, by up to {off[0].step_um:.1f} um"
    )


@pytest.mark.parametrize(
    ("within_um", "wrong"),
    [
        ((0.5, 0.5), {0: 0, 2: 1}),  # a corner may lie anywhere, what meets on the lamella may not
        ((6.0, 0.5), {0: 2, 2: 3}),  # a long lamella reaches to the outer pieces
        (None, {0: 2, 2: 3}),
    ],
)
def test_pieces_must_fit_where_the_lamella_is(tmp_path, within_um, wrong):
    """The montage has 20.8 x 10.8 um; pieces overlap by 1.6 and 1.2 um."""
    for piece, count in wrong.items():
        path = montage(tmp_path, scene("lamella"), {piece: (-35, -30)}, name=f"{piece}.mrc")
        found = seams.seams_of(path, PIXEL_NM, within_um)
        assert len(seams.misfits(found)) == count, f"piece {piece}"


def test_places_as_aligned_count(tmp_path):
    """SerialEM has moved the piece to where it fits; for the stage's place it would not."""
    path = montage(tmp_path, scene("lamella"), {2: (40, -12)}, {2: (40, -12)})
    assert seams.in_words(seams.seams_of(path, PIXEL_NM)) == ""
    path = montage(tmp_path, scene("lamella"), (), {2: (40, -12)}, name="wrong.mrc")
    # Of a piece that was moved away from its neighbour nothing common is left to compare.
    assert {s.pieces for s in seams.misfits(seams.seams_of(path, PIXEL_NM))} == {(2, 3), (2, 4)}


@pytest.mark.parametrize("kind", ["vacuum", "film"])
def test_what_cannot_be_told_is_no_misfit(tmp_path, kind):
    """Noise alone; a regular film that fits at every hole."""
    found = seams.seams_of(montage(tmp_path, scene(kind), {2: (60, 0)}), PIXEL_NM)
    assert seams.in_words(found) == ""
    assert not any(seam.clear for seam in found) or kind == "film"


def test_small_steps_do_not_count(tmp_path):
    found = seams.seams_of(montage(tmp_path, scene("lamella"), {2: (10, 0)}), PIXEL_NM)
    assert max(seam.step_um for seam in found) == pytest.approx(0.2, abs=0.05)
    assert seams.in_words(found) == ""


@pytest.mark.parametrize("shift", [(0, 0), (2, -3), (-5, 0)])
def test_pieces_that_fit_are_compared_nearby_alone(tmp_path, monkeypatch, shift):
    """It is much quicker, and says the same."""
    path = montage(tmp_path, scene("lamella"), {2: shift})
    with monkeypatch.context() as patch:
        patch.setattr(seams, "_correlations", None)
        quick = seams.seams_of(path, PIXEL_NM)
    monkeypatch.setattr(seams, "_nearby", lambda *strips: None)
    thorough = seams.seams_of(path, PIXEL_NM)
    assert len(quick) == len(thorough) == 7
    for one, other in zip(quick, thorough):
        assert (one.pieces, one.step_um) == (other.pieces, pytest.approx(other.step_um))
        assert one.correlation == pytest.approx(other.correlation, abs=1e-4)
        assert one.here == pytest.approx(other.here, abs=1e-4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.with_name("m.mrc.mdoc").unlink(),
        lambda path: path.with_name("m.mrc.mdoc").write_text("[ZValue = 900]\n", encoding="utf-8"),
        lambda path: path.with_name("m.mrc.mdoc").write_bytes(b"\xff\0[ZValue = 0\x1a"),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_odd_files_tell_nothing(tmp_path, spoil):
    path = montage(tmp_path, scene("lamella"))
    spoil(path)
    assert seams.seams_of(path, PIXEL_NM) == ()
