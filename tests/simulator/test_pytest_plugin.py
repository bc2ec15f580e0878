"""The pytest plugin, used as in a project of somebody else."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

pytest_plugins = ["pytester"]

# Imported here once, so that not each of the inner runs has to.
importlib.import_module("space.simulator.commands").all_commands()
importlib.import_module("space.simulator.external")

PLUGIN = "space.simulator.pytest_plugin"


@pytest.fixture
def outcomes(pytester):
    """Run tests with the plugin; gives how they ended."""

    def run(*arguments, **numbers):
        others = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio")]
        result = pytester.runpytest_inprocess("-p", PLUGIN, *others, "--strict-markers", *arguments)
        result.assert_outcomes(**numbers)
        return result

    return run


def test_sem_is_the_module_that_code_under_test_imports(pytester, outcomes):
    pytester.makepyfile(
        my_tool="""
        import serialem as sem
        from serialem import SEMerror

        def go(x, y):
            sem.MoveStageTo(x, y)

        def refused():
            try:
                sem.SetBinning("V", 3)
            except SEMerror:
                return True
        """
    )
    pytester.makepyfile(
        """
        import my_tool
        import serialem

        def test_moves(sem, sem_session):
            my_tool.go(10, 20)
            assert sem is serialem
            assert abs(sem.ReportStageXYZ()[0] - 10) < 0.1
            assert sem_session.scope.stage.position_um[1] == sem.ReportStageXYZ()[1]

        def test_is_new_each_time(sem, tmp_path):
            assert sem.ReportStageXYZ()[:2] == (0.0, 0.0)
            assert sem.ReportDirectory() == str(tmp_path)
            open("here.txt", "w").close()
            assert sem.DoesFileExist("here.txt") == 1.0
            assert my_tool.refused()

        def test_truth_is_there(sem, simulation):
            sem.V()
            assert len(simulation.exposures) == 1
            assert len(simulation.grids[1].lamellae) == 2
        """
    )
    outcomes(passed=3)


def test_without_the_fixture_commands_say_what_is_missing(pytester, outcomes):
    pytester.makepyfile(
        """
        import pytest, serialem

        def test_no_microscope():
            with pytest.raises(serialem.SEMmoduleError, match="no simulated microscope"):
                serialem.ReportDefocus()
        """
    )
    outcomes(passed=1)


def test_whole_scripts_run(pytester, outcomes):
    pytester.makepyfile(
        test_scripts="""
        from pathlib import Path

        TEXT = "#!Python\\nimport serialem as sem\\nprint('said', sem.YesNoBox('?'))\\n"

        def test_text(run_script, simulation):
            result = run_script(TEXT)
            assert result.ok and simulation.log[-1] == "said 1.0"

        def test_file(run_script, simulation, tmp_path):
            path = tmp_path / "my_script.py"
            path.write_text(TEXT + "1 / 0\\n", encoding="utf-8")
            for script in (path, str(path)):
                result = run_script(script)
                assert not result.ok and 'File "my_script", line 4' in result.error

        def test_in_its_own_language(run_script, simulation, tmp_path):
            path = tmp_path / "my_macro.txt"
            path.write_text("x = 2 * 3\\nEcho six is $x\\n", encoding="utf-8")
            assert run_script(path).ok and simulation.log[-1] == "six is 6"

        def test_after_commands_of_the_test(sem, run_script, sem_session):
            sem.SetVariable("mine", "gone")
            sem.OpenNavigator()
            assert run_script(TEXT + "assert not sem.IsVariableDefined('mine')\\n").ok
            assert sem.ReportIfNavOpen() == 1.0
        """
    )
    outcomes(passed=4)


def test_markers_and_ini_options_choose_the_microscope(pytester, outcomes):
    pytester.makeini("[pytest]\nsem_seed = 5\nsem_lamellae = 3\nsem_answers = answers.toml\n")
    pytester.makefile(
        ".toml",
        answers='yes = false\n[entries]\n"name" = "G7"\n',
        mine='yes = false\n[questions]\n"Sure" = "yes"\n',
    )
    pytester.makepyfile(
        """
        import pytest
        from space.simulator import Policy

        pytestmark = pytest.mark.sem(seed=6, lamellae=1)

        @pytest.mark.sem(instrument="talos_ceta", lamellae=0)
        def test_marked(simulation, sem):
            assert simulation.session.instrument.voltage_kV == 200
            assert simulation.session.seed == 6
            assert len(simulation.grids[1].lamellae) == 0
            assert sem.YesNoBox("?") == 0.0
            sem.EnterString("n", "name")
            assert sem.GetVariable("n") == "G7"

        @pytest.mark.sem(answers="mine.toml")
        def test_answers_beside_the_test(sem):
            assert sem.YesNoBox("Sure?") == 1.0 and sem.YesNoBox("?") == 0.0

        @pytest.mark.sem(answers=Policy(yes=True))
        def test_answers(simulation, sem):
            assert len(simulation.grids[1].lamellae) == 1
            assert sem.YesNoBox("?") == 1.0
        """,
        test_defaults="""
        def test_ini(simulation):
            assert simulation.session.seed == 5
            assert len(simulation.grids[1].lamellae) == 3
        """,
    )
    outcomes(passed=4)


def test_packages_that_are_missing_are_told(pytester, outcomes, monkeypatch):
    monkeypatch.setattr("space.simulator.requirements.find_spec", lambda name: None)
    pytester.makepyfile("def test_one(sem): pass")
    told = outcomes(errors=1).stdout
    told.fnmatch_lines(["*lacks scikit-image*pip install scikit-image*"])


def test_options_that_do_not_exist_are_errors(pytester, outcomes):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.sem(lamella=2)
        def test_wrong(sem):
            pass

        @pytest.mark.sem("talos_ceta")
        def test_not_named(sem):
            pass
        """
    )
    result = outcomes(errors=2)
    result.stdout.fnmatch_lines(["*The marker sem: *lamella*", "*takes named options only*"])


def test_failures_show_the_log(pytester, outcomes):
    pytester.makepyfile("def test_log(sem):\n    sem.Echo('what happened')\n    assert False")
    outcomes(failed=1).stdout.fnmatch_lines(["what happened"])


def test_nothing_is_left_behind(monkeypatch):
    monkeypatch.setitem(sys.modules, "serialem", None)
    monkeypatch.delitem(sys.modules, "serialem")
    others = [finder for finder in sys.meta_path if type(finder).__module__ != PLUGIN]
    monkeypatch.setattr(sys, "meta_path", others)
    finders, cleanups = list(sys.meta_path), []
    config = SimpleNamespace(
        addinivalue_line=lambda *line: None,
        add_cleanup=cleanups.append,
        getoption=lambda *name: None,
    )
    plugin = importlib.import_module(PLUGIN)
    plugin.pytest_configure(config)
    assert importlib.import_module("serialem").SEMerror
    for clean_up in cleanups:
        clean_up()
    assert sys.meta_path == finders and "serialem" not in sys.modules


def test_plugin_costs_nothing_until_it_is_used():
    code = f"import sys, {PLUGIN}; print([m for m in ('numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_plugin_is_an_entry_point():
    from pathlib import Path

    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert f'"{PLUGIN}" = "{PLUGIN}"' in pyproject.read_text(encoding="utf-8")
