"""Pictures that were spoilt are taken once more, and only once."""

from __future__ import annotations

import errno
import sys

import numpy as np
import pytest
from fake_serialem import SEMerror, install

from space.errors import OutOfSpaceError, SpaceError
from space.microscope import DoubtfulError, SpoiltError, montage, pieces, scope
from space.microscope.attempts import carefully, dewars_are_filling
from space.microscope.sem import out_of_space


class Fake:
    """A microscope that tells its state."""

    def __init__(self, monkeypatch, valve=1.0, filling=(), dewars=True) -> None:
        self.valve, self.filling, self.dewars = valve, list(filling), dewars
        self.variables: dict[str, str] = {}
        self.asked = self.opened = 0
        install(
            monkeypatch,
            ReportColumnOrGunValve=lambda: self.valve,
            SetColumnOrGunValve=self.set_valve,
            AreDewarsFilling=self.are_filling,
            IsVariableDefined=lambda name: float(name in self.variables),
            SetVariable=self.variables.__setitem__,
            Delay=lambda amount, unit: None,
            KeyBreak=lambda key: 0.0,
        )

    def set_valve(self, is_open: int) -> None:
        self.valve = float(is_open)
        self.opened += 1

    def are_filling(self) -> float:
        self.asked += 1
        if not self.dewars:
            raise SEMerror("not supported")
        return self.filling.pop(0) if self.filling else 0.0


def attempts(*results):
    """Work that gives these results one after another, and counts its calls."""
    left = list(results)

    def work():
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    work.left = left
    return work


def test_what_worked_is_not_done_again(monkeypatch):
    Fake(monkeypatch)
    work = attempts("first", "second")
    assert carefully(work, "A picture") == "first" and work.left == ["second"]


@pytest.mark.parametrize("error", [SEMerror("camera time-out"), SpoiltError("dark")])
def test_a_failure_is_told_and_tried_once_more(monkeypatch, caplog, error):
    Fake(monkeypatch)
    assert carefully(attempts(error, "second"), "A picture") == "second"
    assert f"A picture failed: {error}. It is tried once more." in caplog.text
    with pytest.raises(SpaceError, match="A picture failed twice: "):
        carefully(attempts(error, error, "third"), "A picture")


def test_valves_that_closed_are_opened_and_the_picture_repeated(monkeypatch):
    fake = Fake(monkeypatch, valve=0.0)
    assert carefully(attempts("dark", "light"), "A picture") == "light"
    assert fake.opened == 1


def test_dewars_are_waited_for_before_and_after(monkeypatch, caplog):
    caplog.set_level("INFO")
    fake = Fake(monkeypatch, filling=[1.0, 1.0, 1.0, 0.0])
    assert carefully(attempts("sharp"), "A picture") == "sharp"
    assert "Waiting for the dewars" in caplog.text
    fake.filling = [0.0, 1.0, 1.0, 1.0, 0.0]  # they begin while the picture is taken
    assert carefully(attempts("blurred", "sharp"), "A picture") == "sharp"


def test_a_microscope_that_knows_no_dewars_is_asked_once(monkeypatch):
    fake = Fake(monkeypatch, dewars=False)
    assert not dewars_are_filling() and not dewars_are_filling()
    assert fake.asked == 1


def test_a_full_disk_is_not_tried_again(monkeypatch):
    Fake(monkeypatch)
    work = attempts(SEMerror("Error saving: There is not enough space on the disk."), "second")
    with pytest.raises(OutOfSpaceError, match="The disk is full"):
        carefully(work, "A montage")
    assert work.left == ["second"]


def test_which_errors_tell_a_full_disk(monkeypatch):
    Fake(monkeypatch)
    windows = OSError()
    windows.winerror = 112
    full = (OSError(errno.ENOSPC, "full"), windows, SEMerror("[Errno 28] No space left on device"))
    other = (OSError(errno.EACCES, "denied"), SEMerror("the item is left out"), ValueError("full"))
    assert all(out_of_space(error) for error in full)
    assert not any(out_of_space(error) for error in other)


def test_what_is_doubtful_twice_is_kept_with_a_warning(monkeypatch, caplog):
    Fake(monkeypatch)
    doubt = DoubtfulError("4 of its 5 pieces are dark", do="Look at the beam.")
    assert carefully(attempts(doubt, "all lit"), "The montage") == "all lit"
    assert carefully(attempts(doubt, doubt), "The montage") is None
    assert (
        "The montage: 4 of its 5 pieces are dark. This happened twice: the result is kept."
        in caplog.text
    )
    Fake(monkeypatch, filling=[0.0, 0.0, 0.0, 1.0, 1.0])
    with pytest.raises(SpaceError, match="dewars are being filled"):  # that is no specimen
        carefully(attempts(doubt, doubt), "The montage")


def test_a_picture_of_no_use_is_told_with_its_place_and_what_to_do(monkeypatch):
    Fake(monkeypatch)
    module = sys.modules["serialem"]
    module.ReportStageXYZ = lambda: (12.34, -56.78, 0.0)
    module.V = lambda: None
    module.ImageProperties = lambda letter: (10.0, 10.0, 1.0, 1.0, 2.0)
    module.bufferImage = lambda letter: np.zeros((10, 10), np.int16)
    with pytest.raises(SpaceError) as told:
        scope.take_view()
    assert str(told.value) == (
        "The View picture failed twice: 100 % of its pixels have the value 0. "
        "[stage 12.3, -56.8 um] -> Likely causes: beam blanked, column valve closed, aperture or "
        "grid bar in the way, shutter closed, screen down. Check the beam, correct it, and run the "
        "script again."
    )


def pieces_of(tmp_path, places, shifts_um=()):
    text = "PixelSpacing = 100\nImageSize = 1000 800\n\n[T = a montage]\n\n"
    for number, ((column, row), (x, y)) in enumerate(places):
        text += f"[ZValue = {number}]\nPieceCoordinates = {column} {row} 0\n"
        text += f"StagePosition = {x} {y}\nStageZ = 3\n"
        text += "ImageShift = {} {}\n\n".format(*shifts_um[number]) if shifts_um else "\n"
    text += "[MontSection = 0]\nStagePosition = 99 99\n"
    path = tmp_path / "m.mrc.mdoc"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return pieces.read(tmp_path / "m.mrc")


@pytest.mark.parametrize("count", [2, 6])
def test_a_displaced_piece_is_seen_by_its_stage_position(tmp_path, count):
    # 10 nm pixels; stage X runs against columns, stage Y against rows upwards
    matrix = ((-100.0, 0.0), (0.0, 100.0))
    grid = [(800 * (n % 2), 600 * (n // 2)) for n in range(count)]
    places = [((c, r), (5.0 - c / 100, 7.0 - r / 100)) for c, r in grid]
    assert pieces.displaced_um(pieces_of(tmp_path, places), matrix) < 1e-6
    (first, (x, y)), *rest = places
    off = [(first, (x + 3.0, y - 4.0)), *rest]
    found = pieces.displaced_um(pieces_of(tmp_path, off), matrix)
    assert found == pytest.approx(5.0 if count > 2 else 2.5)
    assert pieces.displaced_um(pieces.read(tmp_path / "none.mrc"), matrix) == 0.0


def test_pieces_by_image_shift_are_told_from_those_by_stage_moves(tmp_path):
    corners = [(0, 0), (800, 0), (0, 600)]
    still, moved = [(5.0, 7.0)] * 3, [(5.0, 7.0), (-3.0, 7.0), (5.0, 1.0)]
    shifts = [(-4.0, 3.0), (4.0, 3.0), (-4.0, -3.0)]
    by_shift = pieces_of(tmp_path, list(zip(corners, still)), shifts)
    assert pieces.by_image_shift(by_shift)
    assert pieces.displaced_um(by_shift, ((-100.0, 0.0), (0.0, 100.0))) == 0.0
    # a shift that was there before, with what SerialEM adds to correct the stage
    by_stage = pieces_of(tmp_path, list(zip(corners, moved)), [(2.0, 1.0), (2.1, 1.0), (2.0, 0.8)])
    assert not pieces.by_image_shift(by_stage)
    assert not pieces.by_image_shift(()) and not pieces.by_image_shift(pieces_of(tmp_path, []))


def test_pieces_are_found_in_the_overview(tmp_path):
    places = [((0, 0), (0, 0)), ((800, 0), (0, 0)), ((800, 600), (0, 0))]
    overview = np.zeros((140, 180))  # 1800 x 1400 pixels, binned by 10
    overview[:70, 90:] = 3.0  # the upper right piece
    overview[70:, :90] = 1.0
    overview[70:, 90:] = 2.0
    found = pieces.cut_out(pieces_of(tmp_path, places), overview)
    assert [(part.min(), part.max()) for part in found] == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert pieces.cut_out((), overview) == []


def test_no_montage_is_begun_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    montage.check_free_space(tmp_path)
    monkeypatch.setattr(montage, "LEAST_FREE_GB", 1e9)
    with pytest.raises(OutOfSpaceError, match="only .* GB are free"):
        montage.check_free_space(tmp_path)
