"""Pictures that show nothing cost one lamella or one grid, and are told by their names."""

from __future__ import annotations

import pytest

from space.microscope import montage
from space.simulator.column import INSTRUMENT_FOLDER

NO_VALVES = (INSTRUMENT_FOLDER / "talos_ceta.toml").read_text(encoding="utf-8")


@pytest.fixture
def silent_valves(tmp_path) -> str:
    """An instrument with small pictures that does not tell whether its valves are open."""
    text = NO_VALVES.replace("valves = true", "valves = false", 1)
    text = text.replace("{ binning = 4", "{ binning = 16").replace("4, 8]", "4, 8, 16]")
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_whole_grid_without_beam_ends_its_grid_and_names_the_map(bench, silent_valves):
    session = bench(instrument=silent_valves, faults=["dark-image@1-"])
    result = session.run(1)
    assert not result.ok
    told = (
        "The montage G1.mrc failed twice: 100 % of its pixels have the value 0. -> Likely causes:"
    )
    assert told in session.log()
    assert session.names("G1_wg*") == [] and session.worker.done == []


def test_beam_that_is_lost_in_a_montage_costs_that_lamella(bench, silent_valves, monkeypatch):
    session = bench(("good", "good"), instrument=silent_valves)
    session.place_lamellae(16.0)
    begun, taken = [], []
    prepare = montage._prepare_file

    def begin(path) -> None:
        begun.append(path.name)
        taken.clear()
        prepare(path)

    def screen_down(simulated) -> None:
        """From the fourth piece of the first montage on, until its repetition is over."""
        taken.append(True)
        lost = len(taken) > 3 if len(begun) == 1 else len(begun) == 2 and len(taken) <= 9
        simulated.scope.valve_open = not lost

    monkeypatch.setattr(montage, "_prepare_file", begin)
    monkeypatch.setattr("space.simulator.program.picture_taking.before_picture", screen_down)
    result = session.run(2)
    assert result.ok, result.error
    assert (
        "The montage G1_L01.mrc failed: 6 of its 9 pieces are dark, all from number 4 on. It is "
        "tried once more." in session.log()
    )
    told = "No map of lamella 1 (the next one follows): The montage G1_L01.mrc failed twice: 100 %"
    assert told in session.log()
    assert session.names("G1_L0?.png") == ["G1_L02.png"]


def test_a_map_by_image_shift_is_named_and_not_segmented(bench):
    session = bench()
    session.place_lamellae(6.0)
    x, y = session.grid.lamellae[0].center_um
    session.do(
        "sem.OpenNavigator()",
        f"sem.ReadNavFile({str(session.directory / 'G1.nav')!r})",
        "sem.GoToImagingState('2')",
        "sem.GoToLowDoseArea('V')",
        f"sem.MoveStageTo({x}, {y})",
        "sem.ParamSetToUseForMontage(2)",
        f"sem.OpenNewMontage(2, 2, {str(session.directory / 'G1_L01.mrc')!r})",
        "sem.SetMontageParams(0)",
        "sem.M()",
        "i = int(sem.NewMap(0, 'G1_L01.mrc'))",
        "sem.ChangeItemLabel(i, 'L01')",
        "sem.ChangeItemNote(i, 'G1_L01.mrc')",
        "sem.CloseFile()",
        "sem.SaveNavigator()",
    )
    result = session.run(4)
    assert result.ok, result.error
    assert "G1_L01.mrc cannot be used: The map was taken by image shift" in session.log()
    assert "its targets would be misplaced" in session.log()
    assert session.worker.done == [] and session.names("*_tgts.txt") == []
    assert "  G1_L01: its map cannot be used, see the messages above" in session.log()
