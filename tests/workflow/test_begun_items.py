"""What PACEtomo has begun is not acquired again by itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from space.settings import Settings
from space.steps import begun
from space.steps.target_facts import begun_files

TARGETS = (
    "_tgt = 001\ntsfile = G1_L01_ts_001.mrc\nSSX = 0\nSSY = 0\nstageX = 1\nstageY = 2\n"
    "_tgt = 002\ntsfile = G1_L01_set2_ts_002.mrc\nSSX = 1\nSSY = 0\n"
)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ((), []),
        (("G1_L01_ts_001.mrc",), ["G1_L01_ts_001.mrc"]),
        (("G1_L01_set2_ts_002.mrc",), ["G1_L01_set2_ts_002.mrc"]),
        (("G1_L01_tgts_run01.txt",), ["G1_L01_tgts_run01.txt"]),
        # of an earlier set-up, of another area, of another lamella, of PACEtomo's renaming
        (("G1_L01_ts_002.mrc", "G1_L01_tgts_run01_earlier.txt", "G1_L01_ts_001.mrc~"), []),
        (("G1_L01_area2_ts_001.mrc", "G1_L01_area2_tgts_run01.txt"), []),
        (("G1_L011_ts_001.mrc", "G1_L02_tgts_run01.txt"), []),
    ],
)
def test_tilt_series_and_run_files_tell_that_pacetomo_has_begun(tmp_path, files, told):
    folder = tmp_path / "session [1]"
    folder.mkdir()
    path = folder / "G1_L01_tgts.txt"
    path.write_text(TARGETS, encoding="utf-8")
    for name in files:
        (folder / name).write_bytes(b"")
    assert [found.name for found in begun_files(path)] == told


def test_a_targets_file_that_cannot_be_read_counts_all_series_of_its_name(tmp_path):
    path = tmp_path / "G1_L01_tgts.txt"
    path.write_text("_tgt = 001\ntsfi", encoding="utf-8")
    assert begun_files(path) == []
    (tmp_path / "G1_L01_ts_003.mrc").write_bytes(b"")
    assert [found.name for found in begun_files(path)] == ["G1_L01_ts_003.mrc"]


@pytest.fixture
def navigator(monkeypatch):
    """A Navigator of three items with Acquire on."""
    notes = ["G1_L01_tgts.txt", "G1_L02_tgts.txt", "by hand"]
    state = SimpleNamespace(on={1, 2, 3}, acquiring=False, saved=0)
    items = [SimpleNamespace(index=n, note=note) for n, note in enumerate(notes, 1)]

    def set_acquire(index, on=True):
        (state.on.add if on else state.on.discard)(index)
        return True

    def save():
        state.saved += 1

    for name, value in {
        "items": lambda: items,
        "item": lambda index: items[index - 1],
        "acquire_is_on": lambda index: index in state.on,
        "is_acquiring": lambda: state.acquiring,
        "set_acquire": set_acquire,
        "save": save,
    }.items():
        monkeypatch.setattr(begun.navigator, name, value)
    return state


@pytest.fixture
def session(tmp_path):
    for name in ("G1_L01", "G1_L02"):
        text = TARGETS.replace("G1_L01", name)
        (tmp_path / f"{name}_tgts.txt").write_text(text, encoding="utf-8")
    (tmp_path / "G1_L02_ts_001.mrc").write_bytes(b"")
    return SimpleNamespace(directory=tmp_path, settings=Settings())


def test_acquire_goes_off_for_begun_items_alone(session, navigator, caplog):
    begun.keep_begun_off(session)
    assert navigator.on == {1, 3} and navigator.saved == 1
    assert "G1_L02_tgts.txt was begun before" in caplog.text
    assert "G1_L02_ts_001.mrc" in caplog.text and "acquire_begun_items = True" in caplog.text
    begun.keep_begun_off(session)
    assert navigator.saved == 1


def test_nothing_is_touched_while_items_are_being_acquired(session, navigator, caplog):
    navigator.acquiring = True
    begun.keep_begun_off(session)
    assert navigator.on == {1, 2, 3} and not navigator.saved and not caplog.text


def test_who_wants_begun_items_acquired_gets_them_and_is_told(session, navigator, caplog):
    session.settings = Settings(acquire_begun_items=True)
    begun.keep_begun_off(session)
    assert navigator.on == {1, 2, 3}
    assert "it is acquired again" in caplog.text
