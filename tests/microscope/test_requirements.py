"""The SerialEM that is needed: its version and its commands."""

import ast
from pathlib import Path

import pytest

from space.microscope.requirements import COMMANDS, LOWEST_VERSION
from space.simulator import Simulation
from space.simulator.column import Installation
from space.simulator.python import command_table
from tests.simulator.fakes import SpotGrid

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("SPACEtomo.py", "SPACEtomo_postAction.py")
EXCEPTIONS = {"SEMerror", "SEMmoduleError", "SEMexited"}


def is_module(node: ast.AST, names: set[str]) -> bool:
    called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "serialem"
    return called or (isinstance(node, ast.Name) and node.id in names)


def used_names(path: Path) -> set[str]:
    """Attributes of the module `serialem` in a file; looking one up by a computed name is no
    way to write them, since nobody could tell which they are."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and is_module(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in nodes:
        if isinstance(node, ast.Attribute) and is_module(node.value, modules):
            found.add(node.attr)
        called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr"
        if called and is_module(node.args[0], modules) and path.name not in HOLDERS:
            # With a name and something to fall back on, it is asked for, not relied on.
            optional = len(node.args) == 3 and isinstance(node.args[1], ast.Constant)
            assert optional, f"{path}:{node.lineno}: name the command: serialem().Name()"
    return found


HOLDERS = {"sem.py"}  # looks up the exceptions of the module


def test_the_declared_commands_are_those_that_the_code_uses():
    files = [p for p in (ROOT / "space").rglob("*.py") if "simulator" not in p.parts]
    used = set().union(*(used_names(path) for path in files)) - EXCEPTIONS
    assert set(COMMANDS) == used, "correct COMMANDS in space/microscope/requirements.py"
    assert list(COMMANDS) == sorted(used, key=str.lower)


def test_the_lowest_version_has_every_command_that_is_used():
    table = command_table()
    lowest = Installation(*LOWEST_VERSION)
    for name in COMMANDS:
        if name != "bufferImage":  # a type of the module, in every version
            assert lowest.is_at_least(*table[name].since), name


def run(tmp_path, script: str, serialem: str):
    simulation = Simulation(tmp_path, grids={1: SpotGrid()}, serialem=serialem, time_scale=0)
    text = (ROOT / script).read_text(encoding="utf-8").replace("C:/SPACEtomo", ROOT.as_posix())
    text = text.replace("automation_level = 4", "automation_level = 9")  # a wrong setting
    return simulation, simulation.run(text, script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_old_serialem_is_refused_in_one_message_before_anything_moves(tmp_path, script):
    simulation, result = run(tmp_path, script, "4.1.25")
    told = simulation.log[0]
    assert "older than 4.2" in told
    assert "lacks what SPACEtomo uses: NavAcqAtEndUseParams, ReportLDDefocusOffset." in told
    assert "Nothing was moved. Install SerialEM 4.2" in told
    # The post action goes on without its work: a script that fails would end the acquisition.
    assert result.ok == (script == "SPACEtomo_postAction.py")
    assert not simulation.session.clock.seconds and not simulation.exposures
    assert list(tmp_path.iterdir()) == []


def test_an_early_build_of_the_right_version_is_refused_as_well(tmp_path):
    simulation, result = run(tmp_path, "SPACEtomo.py", "4.2 20240501")
    assert not result.ok
    assert "older than 4.2" in result.error
    assert "uses: ReportLDDefocusOffset." in result.error


@pytest.mark.parametrize("serialem", ["4.2 20240814", "4.2", "4.3"])
def test_later_ones_get_as_far_as_the_settings(tmp_path, serialem):
    _, result = run(tmp_path, "SPACEtomo.py", serialem)
    assert "nothing was moved" in result.error and "automation_level" in result.error
