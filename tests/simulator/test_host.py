"""Scripts run as SerialEM runs them."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from space.simulator import Policy, Script, Simulation
from space.simulator.column import Installation, ScriptStopped, TaskError
from space.simulator.python.wrapper import compile_script, is_python_script, transform_line
from tests.simulator.fakes import SpotGrid

HEAD = "#!Python\nimport serialem as sem\n"


def run(simulation, body, **options):
    return simulation.run(HEAD + textwrap.dedent(body), **options)


# --- the text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!Python\n", True),
        ("#!Python3.8\n", True),
        ("\n#\n#!python3.8\nx", True),
        ("\ufeff#!Python\n", True),
        ("x = 1\n#!Python", False),
        ("# a comment\n#!Python", False),
        ("", False),
    ],
)
def test_first_significant_line(text, expected):
    assert is_python_script(text) is expected


@pytest.mark.parametrize(
    ("line", "pythons", "ok"),
    [
        ("#!Python", ("3.9",), True),
        ("#!Python3.9", ("3.9",), True),
        ("#!python 3.12", ("3.9", "3.12"), True),
        ("#!Python3.1", ("3.12",), False),
        ("#!Python3.11", ("3.9", "3.12"), False),
        ("#!Python3.11", (), True),
    ],
)
def test_the_first_line_may_name_one_of_the_configured_pythons(tmp_path, line, pythons, ok):
    simulation = Simulation(
        tmp_path, grids={1: SpotGrid()}, serialem=Installation(pythons=pythons), time_scale=0
    )
    result = simulation.run(f"{line}\nprint('it ran')\n")
    assert result.ok is ok and ("it ran" in simulation.log) is ok
    assert ok or "no PathToPython property for version" in result.error


@pytest.mark.parametrize(
    ("installed", "wanted", "ok"),
    [
        ("4.1.25", ("40200", "20240814"), False),
        ("4.1.25", ("40125",), True),
        ("4.2 20240813", ("40200", "20240814"), False),
        ("4.2 20240813", ("40200",), True),
        ("4.2 20240814", ("40200", "20240814"), True),
        ("4.2", ("40200", "20240814"), True),
        ("4.3 20240101", ("40200", "20240814"), True),
    ],
)
def test_version_and_build_are_told(tmp_path, installed, wanted, ok):
    simulation = Simulation(tmp_path, grids={1: SpotGrid()}, serialem=installed, time_scale=0)
    assert run(simulation, f"print(sem.IsVersionAtLeast{wanted!r})").ok
    assert simulation.log == [str(float(ok))]


def test_an_older_program_lacks_what_came_later(tmp_path):
    simulation = Simulation(tmp_path, grids={1: SpotGrid()}, serialem="4.1.25", time_scale=0)
    later = ("ReportLDDefocusOffset", "NavAcqAtEndUseParams", "SetNextLogOutputStyle")
    assert run(simulation, f"print([hasattr(sem, name) for name in {(*later, 'Record')!r}])").ok
    assert simulation.log == ["[False, False, False, True]"]


def test_what_is_no_version_is_refused():
    for text in ("", "new", "4.x", "4.2 today"):
        with pytest.raises(ValueError, match="not a version of SerialEM"):
            Installation.of(text)


def test_scripts_in_the_program_s_own_language_are_refused_with_a_clear_message(make_simulation):
    simulation = make_simulation()
    result = simulation.run("ScriptName Old\nRecord\n", name="old")
    assert not result.ok and result.error.startswith("old: only Python scripts are simulated")
    assert simulation.session.last_error == result.error and not simulation.exposures


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r'a = "C:\new"', r'a = "C:\\new"'),
        (r'a = b.split("\n")', r'a = b.split("\n")'),
        (r"a = '\n' + '\r\n'", r"a = '\n' + '\r\n'"),
        (r'a = "\r\n".join(b)', r'a = "\r\n".join(b)'),
        (r'a = "x\ny"', r'a = "x\\ny"'),
        (r"a = r'|\d'", r"a = r'\d'"),
        ("print('a')", "SEMprint('a')"),
        ("if a: print(1)", "if a: SEMprint(1)"),
        ("    print(1); print(2)", "    SEMprint(1); SEMprint(2)"),
        ("pprint(1)", "pprint(1)"),
        ("x.print(1)", "x.print(1)"),
    ],
)
def test_substitutions(line, expected):
    assert transform_line(line) == expected


def test_future_imports_fail_as_in_the_wrapper():
    with pytest.raises(SyntaxError):
        compile_script("#!Python\nfrom __future__ import annotations\n", "s")


def test_annotations_are_evaluated_as_in_any_script(make_simulation):
    body = "x: int = 3\ndef f(a: int): pass\nassert f.__annotations__ == {'a': int}"
    assert run(make_simulation(), body).ok


def test_lines_within_a_long_text_are_indented_too(make_simulation):
    simulation = make_simulation()
    assert run(simulation, 'text = """a\nb"""\nsem.EchoBreakLines(text)').ok
    assert simulation.log[-2:] == ["a", "   b"]


def test_backslashes_reach_commands_doubled(make_simulation):
    simulation = make_simulation()
    # The command itself breaks lines where a backslash and an n are left.
    assert run(simulation, r'sem.EchoBreakLines("one\ntwo" + "\n" + "three")').ok
    assert simulation.log[-3:] == ["one", "two", "three"]
    assert run(simulation, r'assert len("a\tb") == 4 and len("a|\tb") == 3').ok


# --- names and statements about calls, one script for each -------------------------------------

STATEMENTS = {
    "names of the wrapper come in their order": """
        order = ["sys", "SEMexited", "SEMerror", "ConnectToSEM", "SEMecho", "SEMarrayToFloats",
                 "SEMarrayToInts", "listToSEMarray", "SEMargStrings", "SEMprint", "SEMflush", "sem"]
        names = [name for name in globals() if name in order]
        assert names == order, names
        """,
    "a script has no file": "assert '__file__' not in globals() and __name__ == '__main__'",
    "all runs at module level": "x = 5\nassert globals()['x'] == 5",
    "the script is the main module": """
        import __main__, pickle
        class Own: pass
        assert __main__.Own is Own and type(pickle.loads(pickle.dumps(Own()))) is Own
        """,
    "array helpers": """
        assert listToSEMarray(["a", 1]) == "a" + chr(10) + "1"
        assert SEMarrayToFloats(listToSEMarray([1, 2.5])) == [1.0, 2.5]
        assert SEMarrayToInts(listToSEMarray([1, 2])) == [1, 2]
        assert SEMarrayToInts(3.0) == [3] and SEMarrayToFloats(2) == [2.0]
        assert SEMargStrings == []
        """,
    "echo and connection by the wrapper's names": """
        SEMecho("told")
        assert ConnectToSEM(48888, "127.0.0.1") is None
        assert sem.ScriptIsInitialized() is None
        assert sem.SetBufferImageTimeout(20) is None
        """,
    "the number of functions is an integer": """
        assert type(sem.ReportNumModuleFuncs()) is int
        """,
    "the exceptions are direct children of Exception": """
        for kind in (sem.SEMerror, sem.SEMexited, sem.SEMmoduleError):
            assert kind.__bases__ == (Exception,)
        assert SEMerror is sem.SEMerror and SEMexited is sem.SEMexited
        """,
    "nothing reported is None, one value is bare, several are a tuple of floats": """
        assert sem.ResetClock() is None
        assert type(sem.ReportDefocus()) is float and type(sem.ReportDirectory()) is str
        place = sem.ReportStageXYZ()
        assert type(place) is tuple and all(type(value) is float for value in place)
        """,
    "single numbers as tuples on demand, texts stay bare": """
        sem.ReturnAllValuesAsTuples()
        assert type(sem.ReportDefocus()) is tuple and type(sem.ReportDirectory()) is str
        sem.ReturnAllValuesAsTuples(0)
        assert type(sem.ReportDefocus()) is float
        """,
    "reported values live until the next command": """
        sem.SetVariable("mine", "text")
        sem.MoveStageTo(3, 4)
        sem.ReportStageXYZ()
        assert abs(sem.GetVariable("reportedValue2") - 4) < 0.1
        assert abs(sem.GetVariable("REPORTEDVALUE1") - 4) < 0.1   # that of GetVariable itself
        sem.ResetClock()
        try:
            sem.GetVariable("reportedValue1")
        except SEMerror:
            pass
        else:
            raise AssertionError("reported values were kept")
        """,
    "variables: kinds of values and names": """
        sem.SetVariable("Empty", "")
        assert sem.IsVariableDefined("EMPTY") == 1.0 and sem.GetVariable("empty") == ""
        sem.SetVariable("number", "3")
        assert sem.GetVariable("number") == "3"
        sem.SetFloatVariable("number", 3)
        assert sem.GetVariable("number") == 3.0 and type(sem.GetVariable("number")) is float
        assert sem.IsVariableDefined("never") == 0.0
        """,
    "arrays are lines": """
        sem.SetVariable("array", listToSEMarray([1.5, 2, 3]))
        assert SEMarrayToFloats(sem.GetVariable("array")) == [1.5, 2.0, 3.0]
        """,
    "variables set by commands": """
        sem.OpenNavigator()
        sem.AddStagePosAsNavPoint(1, 2, 3)
        sem.ReportNavItem()
        assert sem.GetVariable("navIndex") == 1.0 and sem.GetVariable("navLabel") == "1"
        assert sem.IsVariableDefined("navAcqIndex") == 0.0
        sem.CameraProperties()
        assert sem.GetVariable("numberOfCameras") == 1.0
        """,
    "persistent variables stay persistent when they are set again": """
        sem.SetPersistentVar("kept", "a")
        sem.SetVariable("kept", "b")
        sem.ClearNonPersistentVars()
        assert sem.GetVariable("kept") == "b"
        sem.MakeVarPersistent("kept", 0)
        sem.ClearPersistentVars()
        assert sem.GetVariable("kept") == "b"
        sem.ClearNonPersistentVars()
        assert not sem.IsVariableDefined("kept")
        """,
    "quantities that the program keeps as 32-bit floats show it": """
        import numpy as np
        matrix = sem.StageToCameraMatrix(0)
        assert all(value == float(np.float32(value)) for value in matrix)
        sem.OpenNavigator()
        sem.AddStagePosAsNavPoint(10.123456789, 0.1, 0)
        assert sem.ReportNavItem()[1:3] == (float(np.float32(10.123456789)), float(np.float32(0.1)))
        sem.SetDefocus(0.1)
        assert sem.ReportDefocus() == 0.1
        """,
    "the text is missing after a message box": """
        try:
            sem.SetBinning("V", 3)
        except SEMerror as error:
            assert str(error) == ""
        sem.NoMessageBoxOnError()
        try:
            sem.SetBinning("V", 3)
        except SEMerror as error:
            lines = str(error).split(chr(10))
            assert lines[0] == "SCRIPT ERROR WITH THIS MESSAGE" and set(lines[1]) == {"*"}
            assert "binning" in lines[2]
        sem.NoMessageBoxOnError(0)
        sem.StartTry()
        try:
            sem.SetBinning("V", 3)
        except SEMerror as error:
            assert "binning" in str(error)
        sem.EndTry()
        try:
            sem.SetBinning("V", 3)
        except SEMerror as error:
            assert str(error) == ""
        """,
    "an empty text is an argument that was not given": """
        sem.OpenNavigator()
        sem.AddStagePosAsNavPoint(1, 2, 3)
        sem.ChangeItemNote(1, "a note")
        sem.ChangeItemNote(1, "")
        sem.ReportNavItem()
        assert sem.GetVariable("navNote") == ""
        try:
            sem.NewMap(0, "")
        except SEMerror:
            pass
        """,
    "a bare except swallows errors of commands": """
        try:
            sem.SetBinning("V", 3)
        except:
            went_on = True
        assert went_on
        """,
    "nothing comes from the keyboard": """
        try:
            input()
        except EOFError:
            pass
        """,
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statements(make_simulation, statement):
    result = run(make_simulation(), STATEMENTS[statement])
    assert result.ok, result.error


@pytest.mark.parametrize(
    "call",
    [
        "sem.ImageShiftByMicrons([1.0, 2.0])",
        "sem.MoveToNavItem(2.0)",
        "sem.YesNoBox(3)",
        "sem.YesNoBox(text='a')",
        "sem.TiltTo('3')",
        "sem.TiltTo()",
        "sem.TiltTo(1, 2, 3, 4, 5)",
        "sem.ReportNumModuleFuncs(1)",
        "sem.ReturnAllValuesAsTuples(1.0)",
        "sem.SetBufferImageTimeout('1')",
        "sem.ConnectToSEM('1')",
        "sem.Exit('a')",
    ],
)
def test_wrong_arguments_are_type_errors_before_anything_is_sent(make_simulation, call):
    simulation = make_simulation()
    assert run(simulation, f"try:\n    {call}\nexcept TypeError:\n    sem.Echo('refused')").ok
    assert simulation.log == ["refused"]


# --- streams -----------------------------------------------------------------------------------


def test_print_goes_to_the_log_and_the_folder_is_the_session_s(make_simulation):
    simulation = make_simulation()
    before = os.getcwd()
    result = run(simulation, "import os\nprint('in', os.getcwd())\nopen('made.txt', 'w').close()")
    assert result.ok
    assert f"in {simulation.session.directory}" in simulation.log
    assert (simulation.session.directory / "made.txt").exists()
    assert os.getcwd() == before


def test_what_is_not_flushed_comes_later(make_simulation):
    simulation = make_simulation()
    body = """
    sys.stdout.write('late')
    sys.stdout.write('r' + chr(10))
    print('flushed')
    sys.stdout.write('last' + chr(10))
    sem.Echo('command')
    """
    assert run(simulation, body).ok
    assert simulation.log == ["later", "flushed", "command", "last"]


# --- how a script ends ---------------------------------------------------------------------------


def test_exceptions_end_the_script_with_a_traceback_and_the_line(make_simulation):
    result = run(make_simulation(), "x = 1\nx / 0\n")
    assert not result.ok and "ZeroDivisionError" in result.error
    assert 'File "script", line 4' in result.error and "x / 0" in result.error
    assert "host.py" not in result.error


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


def test_errors_are_logged_and_shown_in_a_box(make_simulation):
    simulation = make_simulation()
    run(simulation, "sem.SetBinning('V', 3)")
    run(simulation, "sem.NoMessageBoxOnError(1)\nsem.SetBinning('V', 3)")
    assert sum("not an available binning" in line for line in simulation.log) >= 2
    assert [dialog.kind for dialog in simulation.session.dialogs] == ["error"]


def test_a_semerror_that_no_command_raised_is_passed_over(make_simulation):
    simulation = make_simulation()
    result = run(simulation, "sem.ResetClock()\nraise SEMerror('mine')")
    assert result.ok and any("mine" in line for line in simulation.log)


@pytest.mark.parametrize(
    ("call", "ok"),
    [("sem.Exit()", True), ("sem.Exit(0, 'text')", True), ("sem.Exit(1, 'bye')", True),
     ("sem.Exit(-1, 'bad')", False), ("sys.exit()", True), ("sys.exit(3)", True),
     ("sem.Return()", True)],
)  # fmt: skip
def test_exit(make_simulation, call, ok):
    simulation = make_simulation()
    result = run(simulation, call)
    assert result.exited and result.ok is ok


def test_exit_raises_only_for_zero_and_its_text_is_logged(make_simulation):
    simulation = make_simulation()
    body = """
    try:
        sem.Exit(0, 'first')
    except SEMexited as exited:
        assert str(exited) == 'Normal exit'
        print('raised')
    """
    assert run(simulation, body).ok
    assert simulation.log == ["first", "raised"]
    assert run(simulation, "assert sem.Exit(2, 'second') is None\nprint('went on')").ok
    assert simulation.log[2:] == ["second", "went on"]


def test_after_the_exit_nobody_listens(make_simulation):
    simulation = make_simulation()
    body = """
    try:
        sem.Exit()
    except Exception:
        pass
    try:
        sem.Echo('too late')
    except sem.SEMmoduleError:
        print('not connected')
    sem.Echo('too late')
    """
    result = run(simulation, body)
    assert result.ok and result.exited
    assert simulation.log == ["not connected"]


def test_a_module_error_counts_as_any_exception(make_simulation):
    result = run(make_simulation(), "raise sem.SEMmoduleError('gone')")
    assert not result.ok and "SEMmoduleError: gone" in result.error


def test_syntax_errors_are_results(make_simulation):
    result = run(make_simulation(), "if True\n")
    assert not result.ok and "line 3" in result.error


# --- errors of tasks, and STOP -------------------------------------------------------------------

HANDLERS = """
try:
    sem.V()
except SEMerror:
    sem.Echo('handled')
except:
    print('bare')
    sem.Echo('after')
"""


@pytest.fixture
def failing_camera(make_simulation, monkeypatch):
    simulation = make_simulation()

    def fail(*args, **options):
        raise TaskError("Camera time-out")

    monkeypatch.setattr(simulation.session, "take", fail)
    return simulation


def test_errors_of_tasks_reach_a_script_without_message_boxes(failing_camera):
    result = run(failing_camera, "sem.NoMessageBoxOnError(1)\n" + HANDLERS)
    assert result.ok and failing_camera.log[-1] == "handled"


@pytest.mark.parametrize("first", ["", "sem.StartTry(1)\n"])
def test_errors_of_tasks_else_end_the_process(failing_camera, first):
    result = run(failing_camera, first + HANDLERS)
    assert not result.ok and result.stopped and result.error == "Camera time-out"
    assert "handled" not in failing_camera.log and "after" not in failing_camera.log
    assert failing_camera.session.dialogs[-1].text == "Camera time-out"


def test_a_user_who_presses_stop_ends_the_script(make_simulation):
    def press_stop(kind, text):
        raise ScriptStopped("Stopped by the user")

    simulation = make_simulation(policy=Policy(respond=press_stop))
    result = run(simulation, "try:\n    sem.YesNoBox('Go on?')\nexcept Exception:\n    pass\n")
    assert result.stopped and not result.ok and "user" in result.error


def test_stop_in_a_called_script_ends_its_caller(make_simulation):
    def press_stop(kind, text):
        raise ScriptStopped("Stopped by the user")

    simulation = make_simulation(policy=Policy(respond=press_stop))
    simulation.scripts[7] = Script("Callee", HEAD + "sem.YesNoBox('Go on?')")
    result = run(simulation, "try:\n    sem.CallScript(7)\nexcept:\n    sem.Echo('went on')")
    assert result.stopped and "went on" not in simulation.log


def test_failures_of_the_file_system_are_errors_of_the_command(make_simulation, monkeypatch):
    simulation = make_simulation()

    def fail(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(simulation.session, "take", fail)
    result = run(simulation, "sem.V()")
    assert not result.ok and result.error == "No space left on device"


# --- what is undone at the end -------------------------------------------------------------------

# What a script does, what it must see itself, and what the next script must see.
UNDONE = {
    "user settings": (
        "sem.SetUserSetting('DriftProtection', 1)",
        "sem.ReportUserSetting('DriftProtection') == {1}",
        (1, 0),
    ),
    "the setting of the tilt axis": (
        "sem.SetUserSetting('ShiftToTiltAxis', 1)",
        "sem.ReportTiltAxisOffset()[5] == {}",
        (1, 0),
    ),
    "exposure": ("sem.SetExposure('V', 7)", "sem.ReportExposure('V')[0] == {}", (7, 1)),
    "binning": ("sem.SetBinning('R', 8)", "sem.ReportBinning('R') == {}", (8, 4)),
    "regular variables": (
        "sem.SetVariable('v', 'a')", "sem.IsVariableDefined('V') == {}", (1, 0),
    ),
    "variables of reports": (
        "sem.CameraProperties()", "sem.IsVariableDefined('numberOfCameras') == {}", (1, 0),
    ),
}  # fmt: skip
KEPT = {
    "user settings that are kept": (
        "sem.SetUserSetting('DriftProtection', 1, 1)",
        "sem.ReportUserSetting('DriftProtection') == 1",
    ),
    "properties": (
        "sem.SetProperty('ImageShiftLimit', 20)",
        "sem.ReportProperty('ImageShiftLimit') == 20",
    ),
    "persistent variables": (
        "sem.SetPersistentVar('long', 'b')",
        "sem.GetVariable('Long') == 'b'",
    ),
    "image shift": ("sem.SetImageShift(1, 2)", "sem.ReportImageShift()[:2] == (1.0, 2.0)"),
    "defocus": ("sem.SetDefocus(-3)", "sem.ReportDefocus() == -3"),
    "open files": ("sem.OpenNewFile('a.mrc')", "sem.ReportFileNumber() == 1"),
}


@pytest.mark.parametrize("what", UNDONE)
@pytest.mark.parametrize("end", ["", "sem.Exit()", "1 / 0", "sem.Exit(-1)", "sem.SetMag(1)"])
def test_what_is_undone_however_a_script_ends(make_simulation, what, end):
    simulation = make_simulation()
    do, check, (inside, afterwards) = UNDONE[what]
    before = simulation.session.camera.exposure_s("V"), simulation.session.camera.binning("R")
    result = run(simulation, f"{do}\nassert {check.format(inside, 1)}, 'inside'\n{end}")
    assert "inside" not in result.error
    afterwards = {"exposure": before[0], "binning": before[1]}.get(what, afterwards)
    assert run(simulation, f"assert {check.format(afterwards, 0)}").ok


@pytest.mark.parametrize("what", KEPT)
def test_what_is_not_undone(make_simulation, what):
    simulation = make_simulation()
    do, check = KEPT[what]
    assert run(simulation, f"{do}\nassert {check}").ok
    assert run(simulation, f"assert {check}").ok


def test_modes_of_one_script(make_simulation):
    simulation = make_simulation()
    (simulation.session.directory / "old.mrc").write_bytes(b"")
    body = """
    sem.NoMessageBoxOnError(1)
    sem.SuppressReports(1)
    sem.AllowFileOverwrite(1)
    sem.StartTry()
    sem.LimitNextAutoAlign(0.5)
    sem.ReturnAllValuesAsTuples(1)
    """
    assert run(simulation, body).ok
    options = simulation.session.options
    assert not (options.no_message_box or options.suppress_reports or options.try_level)
    assert not options.align_limit_um and not simulation.session.files.overwrite
    assert run(simulation, "assert type(sem.ReportDefocus()) is float").ok
    assert not run(simulation, "sem.OpenNewFile('old.mrc')").ok


def test_frame_names_are_undone_unless_kept(make_simulation):
    simulation = make_simulation()
    assert run(simulation, "sem.SetFrameBaseName(0, 1, 0, 'short')").ok
    assert simulation.session.options.frames.base_name == ""
    assert run(simulation, "sem.SetFrameBaseName(1, 1, 0, 'kept')").ok
    assert simulation.session.options.frames.base_name == "kept"


def test_adjusted_beam_tilt_and_following_areas_are_undone(make_simulation):
    simulation = make_simulation()
    scope = simulation.session.scope
    scope.set_low_dose(True)
    tilt, mag = scope.beam_tilt, scope.area_mag_index("R")
    body = f"""
    sem.ImageShiftByMicrons(3, 0)
    sem.AdjustBeamTiltforIS()
    tilt = sem.ReportBeamTilt()
    sem.GoToLowDoseArea('R')
    sem.UpdateLowDoseParams('R')
    sem.SetMagIndex({mag + 1})
    sem.GoToLowDoseArea('V')
    sem.GoToLowDoseArea('R')
    sem.Echo(f"inside {{tilt != {tilt}}} {{sem.ReportMag()[0]:g}}")
    1 / 0
    """
    assert "ZeroDivisionError" in run(simulation, body).error
    assert f"inside True {scope.magnification(mag + 1):g}" in simulation.log
    assert scope.beam_tilt == tilt and scope.area_mag_index("R") == mag


def test_the_clock_starts_with_the_script(make_simulation):
    simulation = make_simulation()
    assert run(simulation, "sem.Delay(30, 's')\nassert sem.ReportClock() >= 30").ok
    assert run(simulation, "assert sem.ReportClock() < 1").ok


# --- scripts that use other scripts ---------------------------------------------------------------


def test_include_of_scripts_and_files(make_simulation):
    simulation = make_simulation()
    simulation.scripts[4] = Script(
        "slot four", "#!Python\n#ScriptName Helper\ndef twice(x):\n    return 2 * x\n"
    )
    folder = simulation.session.directory / "lib"
    folder.mkdir()
    (folder / "more.py").write_text("def thrice(x):\n    return 3 * x\n", encoding="utf-8")
    simulation.session.options.python_include_path = f"nowhere; {folder}"
    body = "#include HELPER\n#includeFile more.py\nassert (twice(2), thrice(2)) == (4, 6)\n1 / 0\n"
    result = simulation.run(HEAD + body)
    assert "line 6, in <module>\n    1 / 0\n" in result.error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("#include Nothing", "there is no script of this name"),
        ("#includeFile none.py", "not found in PythonIncludePath"),
        ("#include Circle", "too deeply"),
    ],
)
def test_what_cannot_be_included_is_told(make_simulation, line, message):
    simulation = make_simulation()
    simulation.scripts[1] = Script("Circle", "#!Python\n#include Circle\n")
    result = simulation.run(HEAD + line + "\n")
    assert not result.ok and message in result.error


def test_scripts_call_scripts_by_name_and_number(make_simulation):
    simulation = make_simulation()
    called = "#ScriptName Callee\nsem.Echo('callee ' + sem.GetVariable('shared'))\n"
    simulation.scripts[7] = Script("seven", HEAD + called + "own = 1\n")
    body = """
    sem.SetVariable('shared', 'sees it')
    sem.NoMessageBoxOnError(1)
    sem.Call('CALLEE')
    sem.CallScript(7)
    sem.CallMacro(7)
    assert 'own' not in globals()
    lines = ['#!Python', 'import serialem as sem', 'sem.Echo("x")']
    sem.SetVariable('lines', listToSEMarray(lines))
    sem.CallStringArray('lines')
    sem.StringArrayToScript('lines', 9)
    sem.CallScript(9)
    """
    result = run(simulation, body)
    assert result.ok, result.error
    assert simulation.log == ["callee sees it"] * 3 + ["x", "x"]


@pytest.mark.parametrize(
    ("callee", "ok", "error", "went_on"),
    [
        ("sem.Exit()", True, "", False),
        ("sem.Exit(-1, 'bad')", False, "bad", False),
        ("sem.Return()", True, "", True),
        ("1 / 0", False, "ZeroDivisionError", False),
        ("sem.SetBinning('V', 3)", False, "binning", False),
        ("sem.Call('Callee')", False, "too deeply", False),
    ],
)
def test_the_end_of_a_called_script(make_simulation, callee, ok, error, went_on):
    simulation = make_simulation()
    simulation.scripts[7] = Script("Callee", HEAD + callee)
    result = run(simulation, "sem.Call('Callee')\nsem.Echo('went on')")
    assert result.ok is ok and error in result.error
    assert ("went on" in simulation.log) is went_on
    assert simulation.session.call_depth == 0


def test_the_exit_of_a_called_script_ends_its_caller_even_if_caught(make_simulation):
    simulation = make_simulation()
    simulation.scripts[7] = Script("Callee", HEAD + "sem.Exit()")
    body = "try:\n    sem.Call('Callee')\nexcept Exception:\n    pass\nsem.Echo('went on')"
    assert run(simulation, body).ok and "went on" not in simulation.log


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("sem.Call('None')", "no script named None"),
        ("sem.CallScript(3)", "no script number 3"),
        ("sem.CallScript(1)", "only Python scripts are simulated"),
        ("sem.CallFunction('f', '', 1)", "not simulated"),
        ("sem.Return('value')", "not simulated"),
        ("sem.EndTry()", "without a StartTry"),
    ],
)
def test_calls_that_cannot_be_made(make_simulation, call, error):
    simulation = make_simulation()
    simulation.scripts[1] = Script("old", "ScriptName old\nRecord\n")
    result = run(simulation, call)
    assert not result.ok and error in result.error


# --- the log -------------------------------------------------------------------------------------


def test_log_lines(make_simulation):
    simulation = make_simulation()
    body = """
    sem.Echo('one' + chr(10) + 'line')
    sem.Echo('more' + chr(13) + chr(10) + 'lines')
    sem.EchoBreakLines('two' + chr(10) + 'lines')
    sem.Echo('working')
    sem.EchoReplaceLine('done')
    sem.SetPersistentVar('b', '2')
    sem.SetVariable('a', '1')
    sem.ListVars()
    sem.ListPersistentVars()
    """
    assert run(simulation, body).ok
    assert simulation.log[:3] == ["one  line", "more", "lines"]
    assert simulation.log[3:] == ["two", "lines", "done", "A = 1", "B = 2", "B = 2"]


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [("2, 's'", 2), ("2, 'sec'", 2), ("500, 'ms'", 0.5), ("500, 'msec'", 0.5), ("2, 'min'", 120),
     ("60", 60), ("61", 0.061)],
)  # fmt: skip
def test_delays(make_simulation, arguments, seconds):
    simulation = make_simulation()
    body = f"sem.Delay({arguments})\nassert abs(sem.ReportClock() - {seconds}) < 1e-6"
    assert run(simulation, body + "\nsem.Delay(1)\nsem.Delay(2)").ok
    assert sum("without a unit" in line for line in simulation.log) == 1
    assert not run(simulation, "sem.Delay(1, 'hours')").ok


def test_style_of_the_next_output(make_simulation):
    simulation = make_simulation()
    body = """
    sem.Echo('plain')
    sem.SetNextLogOutputStyle(1, 2)
    sem.Echo('bold and red')
    sem.SetNextLogOutputStyle(3, 10, 20, 30)
    sem.Echo('bold, italic and dark')
    sem.SetNextLogOutputStyle(0, 12)
    """
    assert run(simulation, body).ok
    assert simulation.session.log_styles == {1: (1, 2), 2: (3, 10, 20, 30)}
    assert "out of range" in simulation.log[-1]


def test_logs_on_disk(make_simulation):
    simulation = make_simulation()
    folder = simulation.session.directory
    body = """
    sem.Echo('before')
    sem.SaveLogOpenNew('run.1.txt')
    sem.Echo('first')
    sem.SaveLogOpenNew('run.1.txt')
    sem.Echo('second')
    sem.SaveLog()
    sem.CloseLogOpenNew(1)
    sem.SaveLog(1, 'third.log')
    """
    assert run(simulation, body).ok
    first = (folder / "run.1.log").read_text(encoding="utf-8").splitlines()
    second = (folder / "run.1-1.log").read_text(encoding="utf-8").splitlines()
    assert first[0].startswith("Opened new log") and first[-1] == "first"
    assert second[-1] == "second" and "first" not in second
    assert (folder / "third.log").exists() and not (folder / "SerialEM.log").exists()


@pytest.mark.parametrize(
    ("answer", "ok", "saved"), [("old.log", True, True), ("Cancel", False, False)]
)
def test_an_unnamed_log_is_asked_about(make_simulation, answer, ok, saved):
    simulation = make_simulation(policy=Policy(texts=(("Save log", answer),)))
    assert run(simulation, "sem.Echo('a')\nsem.SaveLogOpenNew('new')").ok is ok
    assert (simulation.session.directory / "old.log").exists() is saved


def test_status_lines(make_simulation):
    simulation = make_simulation()
    body = """
    assert sem.SetStatusLine(2, 'two') is None
    assert sem.SetStatusLine(0, 'one') == (1.0, 0.0)
    assert sem.SetStatusLine(0, 'three') == (3.0, 0.0)
    sem.ClearStatusLine(2)
    """
    assert run(simulation, body).ok
    assert simulation.session.status_lines == ["one", "", "three", "", "", ""]
    assert not run(simulation, "sem.SetStatusLine(7, 'x')").ok
    assert run(simulation, "sem.ClearStatusLine(0)").ok
    assert not any(simulation.session.status_lines)


def test_module_is_there_only_during_the_run(make_simulation):
    before = sys.modules.get("serialem")
    assert run(make_simulation(), "sys.path.insert(0, 'x')").ok
    assert sys.modules.get("serialem") is before
    assert "x" not in sys.path
