"""Pictures that were spoilt are taken once more, and only once."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from fake_serialem import SEMerror, install

from space.errors import OutOfSpaceError, SpaceError
from space.microscope import montage
from space.microscope.attempts import SpoiltError, carefully, dewars_are_filling
from space.microscope.scope import Picture, check_light
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


def picture(data) -> Picture:
    return Picture(np.asarray(data), 1.0, 1.0)


def test_noise_without_light_is_dark_and_any_specimen_is_not():
    noise = np.random.default_rng(1).normal(0.0, 3.0, (200, 200))
    for dark in (np.zeros((50, 50), np.int16), np.rint(noise).astype(np.int16)):
        with pytest.raises(SpoiltError, match="dark"):
            check_light(picture(dark))
    lit_corner = noise.copy()
    lit_corner[:30, :30] += 40.0
    # Bulk beside a window that was milled right through: most of the spread is specimen.
    window = np.where(np.arange(200) < 60, 20.0, 1200.0) + noise
    for light in (noise + 20.0, lit_corner, window, np.full((50, 50), 7)):
        assert check_light(picture(light)) is not None


def mdoc_of(tmp_path, places):
    text = "PixelSpacing = 100\n\n[T = a montage]\n\n"
    for number, ((column, row), (x, y)) in enumerate(places):
        text += f"[ZValue = {number}]\nPieceCoordinates = {column} {row} 0\n"
        text += f"StagePosition = {x} {y}\nStageZ = 3\n\n"
    text += "[MontSection = 0]\nStagePosition = 99 99\n"
    path = tmp_path / "m.mrc.mdoc"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return path


@pytest.mark.parametrize("count", [2, 6])
def test_a_displaced_piece_is_seen_by_its_stage_position(tmp_path, count):
    # 10 nm pixels; stage X runs against columns, stage Y against rows upwards
    matrix = ((-100.0, 0.0), (0.0, 100.0))
    grid = [(800 * (n % 2), 600 * (n // 2)) for n in range(count)]
    places = [((c, r), (5.0 - c / 100, 7.0 - r / 100)) for c, r in grid]
    assert montage.piece_displaced_um(mdoc_of(tmp_path, places), matrix) < 1e-6
    (first, (x, y)), *rest = places
    off = [(first, (x + 3.0, y - 4.0)), *rest]
    found = montage.piece_displaced_um(mdoc_of(tmp_path, off), matrix)
    assert found == pytest.approx(5.0 if count > 2 else 2.5)
    assert montage.piece_displaced_um(tmp_path / "none.mdoc", matrix) == 0.0


def test_no_montage_is_begun_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    montage.check_free_space(tmp_path)
    monkeypatch.setattr(montage, "LEAST_FREE_GB", 1e9)
    with pytest.raises(OutOfSpaceError, match="only .* GB are free"):
        montage.check_free_space(tmp_path)
