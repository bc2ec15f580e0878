"""`spacetomo run`: its settings, and the script that SerialEM runs after an item."""

from __future__ import annotations

import ast
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from space.cli import command_line, main
from space.cli.run import read_order
from space.errors import SpaceError
from space.microscope import external
from space.project import AFTER_EXTERNAL, project_folder
from space.simulator import Script, Simulation
from tests.simulator.fakes import SpotGrid, without_frame_files

SETTINGS = """
automation_level = 5
target_list = {mitos = 1, vesicles = 0.5}
grid_list = [1, 2]

[external]
sem = "10.0.0.5:50000"
paths = {'C:\\data' = "/mnt/data"}
patience = 30
"""


def order(tmp_path: Path, text: str, *options: str):
    path = tmp_path / "night.toml"
    path.write_text(text, encoding="utf-8")
    return read_order(command_line().parse_args(["run", str(path), *options]))


def test_settings_are_those_of_the_script_and_a_table_of_its_own(tmp_path):
    found = order(tmp_path, SETTINGS)
    assert found.settings["automation_level"] == 5
    assert found.settings["target_list"] == {"mitos": 1, "vesicles": 0.5}
    assert found.settings["SPACE_DIR"] == str(project_folder())
    assert found.settings["max_tilt"] == 60
    assert found.address == external.Address("10.0.0.5", 50000)
    assert found.paths.there("/mnt/data/G1.nav") == "C:\\data\\G1.nav"
    assert found.patience_s == 1800.0


def test_options_count_more_than_the_file(tmp_path):
    options = ("--sem", "k2", "--path", "D:\\x=/mnt/x", "--level", "0", "--patience", "1")
    found = order(tmp_path, SETTINGS, *options)
    assert found.settings["automation_level"] == 0
    assert found.address == external.Address("k2", 48888)
    assert found.paths.there("/mnt/x/G1.nav") == "D:\\x\\G1.nav"
    assert found.patience_s == 60.0


def test_without_an_address_it_is_this_computer(tmp_path):
    found = order(tmp_path, "automation_level = 1")
    assert found.address == external.Address("127.0.0.1", 48888)
    assert found.paths == external.PathTranslation()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("automation_lvel = 1", "Did you mean 'automation_level'"),
        ("[external]\npatiense = 1", "Did you mean 'patience'"),
        ("[external]\nsen = 'k2'", "Known are sem, paths"),
        ("external = 1", "no table"),
        ("[external]\nsem = 1", "no address"),
        ("[external]\npaths = 'C:\\data'", "no table of folders"),
        ("[external]\npaths = {'data' = '/mnt'}", "as both computers see it"),
        ("[external]\npatience = true", "no number of minutes"),
        ("[external]\nmodules = 'nowhere'", "no folder"),
        ("level = ", "no TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(tmp_path, text, problem):
    with pytest.raises(SpaceError, match=problem):
        order(tmp_path, text)


def test_without_serialems_module_it_is_said_which_file_to_copy(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "serialem", None)
    path = tmp_path / "night.toml"
    path.write_text("automation_level = 0\n", encoding="utf-8")
    assert main(["run", str(path), "--modules", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "PythonModules" in told and "--modules" in told


# --- the script after an item -------------------------------------------------------------------


def test_the_script_after_an_item_is_python_of_a_computer_that_is_too_old():
    text = (project_folder() / AFTER_EXTERNAL).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    newer = (ast.NamedExpr, ast.AsyncFunctionDef, getattr(ast, "Match", ast.NamedExpr))
    assert not [node for node in ast.walk(tree) if isinstance(node, newer)]
    # `ast` lets the "=" of an f-string and arguments before "/" pass in any version.
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    assert not any(getattr(node, "posonlyargs", []) for node in ast.walk(tree))
    imported = {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported == {"json", "os", "time", "serialem"}
    assert text.isascii() and "\\" not in text and "print(" not in text


@pytest.fixture
def acquiring(tmp_path):
    """A session that acquires one item, with the script after it."""
    simulation = Simulation(
        tmp_path, grids={1: SpotGrid()}, noise=False, stage_error_um=0.0, time_scale=0.0
    )
    without_frame_files(simulation.session)
    text = (project_folder() / AFTER_EXTERNAL).read_text(encoding="utf-8")
    simulation.scripts[1] = Script("view", "#!Python\nimport serialem as sem\nsem.R()\n")
    simulation.scripts[2] = Script("after", text.replace("WAIT_S = 300", "WAIT_S = 1"))
    simulation.acquire_params(primary=1, after=2)
    lines = (
        "#!Python",
        "import serialem as sem",
        "sem.OpenNavigator()",
        "sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(1, 2, 0)), 1)",
        f"sem.SaveNavigator({str(tmp_path / 'G1.nav')!r})",
        "sem.StartNavAcquireAtEnd()",
    )
    return simulation, "\n".join(lines)


def native():
    """A module with the names and exceptions of SerialEM's own, which reaches nothing."""
    from space.simulator.serving import client_module

    return client_module()


def relayed(folder: Path, work) -> list[object]:
    """Wait in a thread for the script after an item, and give commands through it."""
    found: list[object] = []

    def wait() -> None:
        try:
            token = ""
            while not token:
                token = external.waiting_item(folder)
            line = types.SimpleNamespace(
                module=native(), path_translation=external.PathTranslation()
            )
            with external.after_item(line, folder, token) as sem:
                found.append(work(sem))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    found.append(thread)
    return found


def test_commands_go_through_the_script_after_an_item(acquiring, tmp_path):
    simulation, text = acquiring
    folder = external.prepare_relay(tmp_path)

    def work(sem):
        picture = np.asarray(sem.bufferImage("A"))
        with pytest.raises(sem.SEMerror, match="binning"):
            sem.SetBinning("V", 3)
        with pytest.raises(sem.SEMmoduleError):
            sem.bufferImage("Q")
        sem.EchoBreakLines("from afar")
        return sem.ReportIfNavAcquiring()[0], sem.ReportOtherItem(1)[1:3], picture

    found = relayed(folder, work)
    result = simulation.run(text)
    found[0].join(20)
    acquires, place, picture = found[1]
    assert result.ok and acquires == 1.0 and place == (1.0, 2.0)
    kept = simulation.session.buffers.require("A").data
    assert picture.dtype == kept.dtype and np.array_equal(picture, kept)
    assert "from afar" in simulation.log and external.waiting_item(folder) == ""


def test_nobody_answering_does_not_end_the_acquisition(acquiring, tmp_path):
    simulation, text = acquiring
    external.prepare_relay(tmp_path)
    assert simulation.run(text).ok
    assert any("does not answer" in line for line in simulation.log)


def test_no_folder_does_not_end_the_acquisition(acquiring, tmp_path):
    simulation, text = acquiring
    assert simulation.run(text).ok
    assert any("there is no folder" in line for line in simulation.log)
    saved = (tmp_path / "G1.nav").read_text(encoding="utf-8")
    assert "Acquire = 1" not in saved
