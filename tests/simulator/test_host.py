"""Scripts run as SerialEM runs them."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from space.simulator import Policy, Script
from space.simulator.host import compile_script, is_python_script, transform_line


def run(simulation, body, **options):
    return simulation.run("#!Python\nimport serialem as sem\n" + textwrap.dedent(body), **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("#!Python\n", True), ("\n#\n#!python3.8\nx", True), ("x = 1\n#!Python", False), ("", False)],
)
def test_first_significant_line(text, expected):
    assert is_python_script(text) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r'a = "C:\new"', r'a = "C:\\new"'),
        (r'a = b.split("\n")', r'a = b.split("\n")'),
        (r'a = "x\ny"', r'a = "x\\ny"'),
        (r"a = r'|\d'", r"a = r'\d'"),
        ("print('a')", "SEMprint('a')"),
        ("if a: print(1)", "if a: SEMprint(1)"),
        ("pprint(1)", "pprint(1)"),
    ],
)
def test_substitutions(line, expected):
    assert transform_line(line) == expected


def test_future_imports_fail_as_in_the_wrapper():
    with pytest.raises(SyntaxError):
        compile_script("#!Python\nfrom __future__ import annotations\n", "s")


def test_names_of_the_wrapper_and_no_file(make_simulation):
    result = run(
        make_simulation(),
        """
        names = list(globals())
        assert names.index("SEMflush") < names.index("sem")
        assert "__file__" not in globals()
        assert SEMarrayToFloats(listToSEMarray([1, 2.5])) == [1.0, 2.5]
        assert SEMarrayToInts(3.0) == [3]
        SEMflush()
        """,
    )
    assert result.ok, result.error


def test_print_goes_to_the_log_and_the_folder_is_the_session_s(make_simulation):
    simulation = make_simulation()
    before = os.getcwd()
    result = run(simulation, "import os\nprint('in', os.getcwd())\nopen('made.txt', 'w').close()")
    assert result.ok
    assert f"in {simulation.session.directory}" in simulation.log
    assert (simulation.session.directory / "made.txt").exists()
    assert os.getcwd() == before


def test_module_is_there_only_during_the_run(make_simulation):
    assert run(make_simulation(), "sys.path.insert(0, 'x')").ok
    assert "serialem" not in sys.modules
    assert "x" not in sys.path


def test_imported_modules_get_the_serialem_of_their_run(make_simulation, tmp_path):
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "lower_sim_test.py").write_text("import serialem as sem\n", encoding="utf-8")
    (folder / "upper_sim_test.py").write_text(
        "import lower_sim_test\ndef say(t):\n    lower_sim_test.sem.Echo(t)\n", encoding="utf-8"
    )
    body = f"sys.path.insert(0, {str(folder)!r})\nimport upper_sim_test as u\nu.say('hello')"
    first, second = make_simulation(), make_simulation()
    assert run(first, body).ok and run(second, body).ok
    assert first.log.count("hello") == 1 and second.log.count("hello") == 1
    assert "upper_sim_test" not in sys.modules


def test_exceptions_end_the_script_with_a_traceback_and_the_line(make_simulation):
    result = run(make_simulation(), "x = 1\nx / 0\n")
    assert not result.ok and "ZeroDivisionError" in result.error
    assert 'File "script", line 4' in result.error


def test_semerror_ends_the_script_unless_caught(make_simulation):
    result = run(make_simulation(), "sem.SetBinning('V', 3)\n")
    assert not result.ok and "binning" in result.error
    caught = """
    try:
        sem.SetBinning('V', 3)
    except SEMerror:
        sem.Echo('went on')
    """
    simulation = make_simulation()
    assert run(simulation, caught).ok
    assert "went on" in simulation.log


@pytest.mark.parametrize(
    ("call", "ok"),
    [("sem.Exit()", True), ("sem.Exit(1, 'bye')", True), ("sem.Exit(-1, 'bad')", False),
     ("sys.exit()", True)],
)  # fmt: skip
def test_exit(make_simulation, call, ok):
    simulation = make_simulation()
    result = run(simulation, call)
    assert result.exited and result.ok is ok


def test_swallowed_exit_still_ends_the_script(make_simulation):
    simulation = make_simulation()
    body = """
    try:
        sem.Exit()
    except Exception:
        pass
    sem.Echo('too late')
    """
    result = run(simulation, body)
    assert result.ok and result.exited
    assert "too late" not in simulation.log


def test_syntax_errors_are_results(make_simulation):
    result = run(make_simulation(), "if True\n")
    assert not result.ok and "line 3" in result.error


def test_what_is_undone_at_the_end(make_simulation):
    simulation = make_simulation()
    body = """
    sem.SetUserSetting('ShiftToTiltAxis', 1)
    sem.SetUserSetting('DriftProtection', 1, 1)
    sem.SetProperty('ImageShiftLimit', 20)
    sem.SetExposure('V', 7)
    sem.SetVariable('short', 'a')
    sem.SetPersistentVar('long', 'b')
    sem.NoMessageBoxOnError(1)
    sem.SetDefocus(-3)
    assert sem.ReportTiltAxisOffset()[5] == 1
    """
    assert run(simulation, body).ok
    session = simulation.session
    assert not session.scope.shift_to_tilt_axis
    assert session.options.user_settings["DriftProtection"] == 1.0
    assert session.scope.properties["ImageShiftLimit"] == 20
    assert session.camera.exposure_s("V") == 1.0
    assert not session.options.no_message_box
    assert session.scope.defocus_um == -3
    check = "assert sem.IsVariableDefined('SHORT') == 0\nassert sem.GetVariable('Long') == 'b'"
    assert run(simulation, check).ok


def test_reported_values_and_include(make_simulation):
    simulation = make_simulation()
    simulation.scripts[4] = Script("Helper", "#!Python\ndef twice(x):\n    return 2 * x\n")
    body = """
#include Helper
sem.ReportStageXYZ()
assert sem.GetVariable('reportedValue2') == 0.0
assert twice(2) == 4
"""
    assert run(simulation, body).ok


def test_dialogs_follow_the_policy(make_simulation):
    policy = Policy(
        answers=(("go on", False),), texts=(("Name", "G9"), ("Stop", "Cancel")), keys=("b",)
    )
    simulation = make_simulation(policy=policy)
    body = """
    assert sem.YesNoBox('Really go on?') == 0.0
    assert sem.YesNoBox('Other?') == 1.0
    sem.EnterString('n', 'Name of grid')
    assert sem.GetVariable('n') == 'G9'
    assert sem.EnterDefaultedNumber(3, -1, 'Number') == 3.0
    assert sem.KeyBreak('B') == 1.0
    assert sem.KeyBreak('B') == 0.0
    sem.EnterString('n', 'Stop here')
    """
    result = run(simulation, body)
    assert not result.ok and "cancelled" in result.error
    assert [dialog.kind for dialog in simulation.session.dialogs][:3] == [
        "yes/no", "yes/no", "enter"]  # fmt: skip
