"""The text of a script: what SerialEM replaces in it, and what it makes of calls."""

from __future__ import annotations

import textwrap

import pytest

from space.simulator import Simulation
from space.simulator.column import Installation
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


def test_scripts_in_the_program_s_own_language_run_too(make_simulation):
    simulation = make_simulation()
    assert simulation.run("ScriptName Old\nRecord\n", name="old").ok
    assert len(simulation.exposures) == 1


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
