"""Scripts in SerialEM's own language: what they do, how they end, and what is refused."""

from __future__ import annotations

import os
import re
import textwrap
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from space.simulator import Policy, Script, command_docs
from space.simulator.language.parse import LanguageError, parse
from space.simulator.language.supported import (
    ASSIGNMENTS,
    BLOCKS,
    OWN_COMMANDS,
    PYTHON_ONLY,
    SUBSTITUTIONS,
    TEXT_COMMANDS,
)
from space.simulator.python.argkeys import command_table

# --- statements: script and the lines that it writes into the log --------------------------------

CASES = {
    "comments and blank lines": ("# one\n\n   # two\nEcho a   # stays\n", ["a   # stays"]),
    "comments behind statements": (
        "a = 3 # $ three\nLoop $a i # rounds\nEndLoop # end\nMoveStageTo $a 1 # + 2 (\n"
        "If $a == 3 # yes\nReportStageXYZ x # y\nEcho $x\nEndIf # no", ["3"],
    ),
    "a number sign within a word": ("a = b#c\nEcho $a", ["b#c"]),
    "commands in any case": ("eCHO a\nECHO b", ["a", "b"]),
    "a line continued": ("Echo one \\\n   two", ["one two"]),
    "a condition continued": ("If 1 == 1 AND \\\n 2 == 2\nEcho yes\nEndIf", ["yes"]),
    "a value": ("a = 3\nEcho $a and ${a}b", ["3 and 3b"]),
    "names in any case": ("Tilt = 3\nEcho $tILT", ["3"]),
    "the longest name that is defined": (
        "tilt = 3\ntilt_max = 60\nEcho $tilt_max $tilt_min $tilts", ["60 3_min 3s"],
    ),
    "values within a name": ("n = 7\nname = stack$n.mrc\nEcho $name", ["stack7.mrc"]),
    "zeros in front": ("n = 007\nEcho $n", ["007"]),
    "a value that is itself arithmetic": ("a = 2\nb = $a * 3 + 1\nEcho $b", ["7"]),
    "parentheses without blanks": ("a = 2 * (3 + (4 - 1))\nEcho $a", ["12"]),
    "functions": ("a = sqrt (16) + max 2 5 + ABS(-1)\nEcho $a", ["10"]),
    "trigonometry in degrees": ("a = cos(60)\nb = atan2 1 1\nEcho $a $b", ["0.5 45"]),
    "six decimals": ("a = 10 / 3\nEcho $a", ["3.333333"]),
    "small numbers": ("a = 1 / 30000\nEcho $a", ["3.33333e-05"]),
    "a truth value": ("a = 3 > 2\nEcho $a", ["1"]),
    "an operator in a variable": (
        "s = >\nIf 3 $s 2\nEcho yes\nEndIf\na = 5\nb = 1 $a 2\nEcho $b", ["yes", "1 5 2"],
    ),
    "text": ("t @= a ( b ) * 2  # c\nEcho $t", ["a ( b ) * 2  # c"]),
    "several words": ("t = one two\nEcho $t", ["one two"]),
    "changes": ("a = 2\na += 3 * 2\na -= 1\na *= 2\na /= 7\nEcho $a", ["2"]),
    "an array": (
        "a = { 1 2 30 }\nEcho $a[3] $#a $a", ["30 3 1  2  30"],
    ),
    "an index that is arithmetic": ("a = {5 6 7}\ni = 1\nEcho $a[$i + 1] $a[$a[1] - 2]", ["6 7"]),
    "an element that changes": ("a = {5 6}\na[2] = 9\na[3] = 4\nEcho $a[2] $a[3]", ["9 4"]),
    "an index on the left that is arithmetic": (
        "a = {5 6}\ni = 1\na[$i + 1] += 4\na[$#a + 1] = 3\nEcho $a", ["5  10  3"],
    ),
    "arrays put together": ("a = {1 2}\nb = { $a 3 }\nEcho $#b $b[3]", ["3 3"]),
    "arithmetic in an array": ("a = { 1 + 1 3 * 2 }\nEcho $#a $a[2]", ["2 6"]),
    "rows": (
        "a = { {1 2} {3 4 5} }\na[1][2] = 7\nr = $a[2]\nEcho $#a $#a[2] $a[2][3] $a[1][2] $r[1]",
        ["2 3 5 7 3"],
    ),
    "a new row": ("a = { {1 2} {3 4} }\na[3] = {5 6}\nEcho $#a $a[3][2]", ["3 6"]),
    "branches": (
        "Loop 4 i\nIf $i == 1\nEcho one\nElseIf $i == 2\nEcho two\nElseIf $i == 2\nEcho never\n"
        "Else\nEcho more\nEndIf\nEndLoop",
        ["one", "two", "more", "more"],
    ),
    "and, or, not": (
        "If NOT 0 AND (0 OR 2 > 1)\nEcho yes\nEndIf\nIf 1 AND NOT 1\nEcho no\nEndIf", ["yes"],
    ),
    "loops in loops": (
        "Loop 2 i\nLoop 2 j\nEcho $i$j\nEndLoop\nEndLoop", ["11", "12", "21", "22"],
    ),
    "a count that is arithmetic": ("n = 1\nLoop $n + 1 i\nEcho $i\nEndLoop", ["1", "2"]),
    "a loop that is not run": ("Loop 0\nEcho no\nEndLoop\nEcho end", ["end"]),
    "the variable of a loop again": (
        "Loop 1 i\nEcho $i\nEndLoop\nLoop 1 i\nEcho $i\nEndLoop", ["1", "1"],
    ),
    "Break and Continue": (
        "Loop 9 i\nIf $i == 2\nContinue\nEndIf\nIf $i == 4\nBreak\nEndIf\nEcho $i\nEndLoop",
        ["1", "3"],
    ),
    "Break leaves the inner loop only": (
        "Loop 2 i\nLoop 5\nBreak\nEndLoop\nEcho $i\nEndLoop", ["1", "2"],
    ),
    "SkipTo out of a loop": (
        "Loop 3 i\nIf $i == 2\nSkipTo end\nEndIf\nEcho $i\nEndLoop\nEcho no\nend:\nEcho yes",
        ["1", "yes"],
    ),
    "Repeat": (
        "IsVariableDefined n\nIf $reportedValue1 == 0\nn = 0\nEndIf\nn += 1\nEcho $n\n"
        "If $n < 3\nRepeat\nEndIf",
        ["1", "2", "3"],
    ),
    "an error that is caught": (
        "NoMessageBoxOnError 0\nTry\nTiltTo 300\nEcho no\nCatch\nEcho caught\nEndTry\nEcho end",
        ["SCRIPT ERROR: Attempt to tilt to 300.0, beyond the limit of 69.9", "caught", "end"],
    ),
    "Throw": ("Try 1\nThrow too thick\nCatch\nEcho caught\nEndTry", [
        "SCRIPT ERROR: too thick", "caught",
    ]),
    "what a command reports": (
        "MoveStageTo 3 -4\nReportStageXYZ x y\nEcho $x $y $reportedValue2 $repVal1",
        ["3 -4 -4 3"],
    ),
    "a report behind an argument": (
        "SetProperty ImageShiftLimit 17\nReportProperty ImageShiftLimit most\nEcho $most", ["17"],
    ),
    "reported values stay until something else is reported": (
        "ReportStageXYZ\nSetDefocus 2\nEcho $repVal3\nReportDefocus\nEcho $repVal1\n"
        "IsVariableDefined repVal2 no\nEcho $no",
        ["0", "2", "0"],
    ),
    "arithmetic for a command": (
        "a = 2\nMoveStageTo $a * 3 ($a - 5)\nReportStageXYZ x y\nEcho $x $y", ["6 -3"],
    ),
    "a minus sign belongs to its number": (
        "MoveStageTo 1 -3\nReportStageXYZ x y\nEcho $x $y", ["1 -3"],
    ),
    "integers are cut off": ("SetColumnOrGunValve 0.9\nReportColumnOrGunValve v\nEcho $v", ["0"]),
    "text behind numbers": ("SetStatusLine 1 tilt ( a ) # 1\nEcho done", ["done"]),
    "texts are compared by commands": (
        "a @= Big Hole\nCompareStrings a Big Hole\nEcho $repVal1\nCompareStrings a big hole\n"
        "Echo $repVal1\nCompareNoCase a bIG hole\nEcho $repVal1\nb = 5\nCompareStrings b 5\n"
        "Echo $repVal1\nCompareStrings b 6\nEcho $repVal1",
        ["0", "-1", "0", "0", "-1"],
    ),
    "digits at the end of a name": (
        "n = grid2_007\nStripEndingDigits n root\nEcho $root $repVal1\nStripEndingDigits root r\n"
        "Echo $r $repVal1",
        ["grid2_ 7", "grid2_ 0"],
    ),
    "EchoEval": ("a = 2\nEchoEval value $a + 1 um", ["value 3 um"]),
    "Exit with a text": ("Echo a\nExit 0 the end\nEcho b", ["a", "the end"]),
    "Exit with a number": ("Echo a\nExit 1 the end\nEcho b", ["a", "the end"]),
    "Return ends the script": ("Echo a\nReturn\nEcho b", ["a"]),
    "declarations": ("ScriptName a b\nLongName c d\nReadOnlyUnlessAdmin\nEcho a", ["a"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_statements(make_simulation, case):
    text, lines = CASES[case]
    simulation = make_simulation()
    result = simulation.run(f"SuppressReports\n{text}")
    assert result.ok, result.error
    assert simulation.log == lines


# --- functions and other scripts -----------------------------------------------------------------

FUNCTIONS = {
    "values and what is returned": (
        "CallFunction add 2 3\nEcho $reportedValue1\n"
        "Function add 2 0 a b\nsum = $a + $b + $argVal1\nReturn $sum\nEndFunction",
        ["7"],
    ),
    "text to the end of the line": (
        "n = 4\nCallFunction say 1 all of $n here\nFunction say 1 1 k text\nEcho $k: $text\n"
        "EndFunction",
        ["1: all of 4 here"],
    ),
    "arithmetic for a function": (
        "CallFunction say 1 + 2 (3 * 2)\nFunction say 2 0 a b\nEcho $a $b\nEndFunction", ["3 6"],
    ),
    "a function calls itself": (
        "CallFunction fac 5\nEcho $repVal1\nFunction fac 1 0 n\nIf $n <= 1\nReturn 1\nEndIf\n"
        "CallFunction fac $n - 1\nr = $n * $repVal1\nReturn $r\nEndFunction",
        ["120"],
    ),
    "local variables": (
        "x = 1\nCallFunction f\nEcho $x $y\nFunction f\nLocalVar x\nx = 5\ny = 6\nCallFunction g\n"
        "Echo $x\nEndFunction\nFunction g\nEcho $x\nEndFunction",
        ["1", "5", "1 6"],
    ),
    "variables of loops that are local": (
        "Loop 2 i\nCallFunction f\nEndLoop\nFunction f\nLocalLoopIndexes\nLoop 2 i\nEcho $i\n"
        "EndLoop\nEndFunction",
        ["1", "2", "1", "2"],
    ),
    "Return out of a loop": (
        "CallFunction f\nEcho end\nFunction f\nLoop 3 i\nReturn $i\nEndLoop\nEndFunction", ["end"],
    ),
    "an error in a function that is caught outside": (
        "Try\nCallFunction f\nCatch\nEcho caught $x\nEndTry\nx = 0\nEcho $x\n"
        "Function f\nx = 2\nThrow no\nEndFunction",
        ["SCRIPT ERROR: no", "caught 2", "0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions(make_simulation, case):
    text, lines = FUNCTIONS[case]
    simulation = make_simulation()
    result = simulation.run(f"SuppressReports\n{text}")
    assert result.ok, result.error
    assert simulation.log == lines


LIBRARY = """
ScriptName My Library
# Nothing of this runs when the library is loaded.
Echo the library itself
Function double 1 0 value
  answer = 2 * $value
  Return $answer
EndFunction
Function greet 0 1 whom
  Echo hello $whom
EndFunction
"""


def test_a_library_is_called_from_both_languages(make_simulation):
    simulation = make_simulation()
    simulation.scripts[4] = Script("list entry", LIBRARY)
    own = "CallFunction double 4\nEcho $repVal1\n"
    assert simulation.run(own + "CallFunction greet you there").ok
    python = textwrap.dedent(
        """\
        #!Python
        import serialem as sem
        print(sem.CallFunction("My Library::double", "", 21), sem.GetVariable("answer"))
        sem.CallFunction("greet", "from Python")
        sem.Call("my library")
        """
    )
    result = simulation.run(python)
    assert result.ok, result.error
    assert simulation.log == [
        "8", "hello you there", "42.0 42.0", "hello from Python", "the library itself",
    ]  # fmt: skip


@pytest.mark.parametrize("called", ["itself", "entry"])
def test_a_script_that_is_not_numbered_calls_its_functions_by_its_own_name(make_simulation, called):
    simulation = make_simulation()
    simulation.scripts[1] = Script("other", "ScriptName Other\nFunction f\nEcho wrong\nEndFunction")
    text = f"ScriptName Itself\nCallFunction {called}::f\nFunction f\nEcho right\nEndFunction"
    result = simulation.run(text, "entry")
    assert result.ok, result.error
    assert simulation.log == ["right"]


def test_after_an_error_in_a_library_that_is_caught_the_script_is_itself_again(make_simulation):
    simulation = make_simulation()
    simulation.scripts[4] = Script("lib", "Function f\nTiltTo 300\nEndFunction\n")
    text = "Try\nCallFunction lib::f\nCatch\nEndTry\nCallFunction own\nTiltTo 301\n"
    result = simulation.run(text + "Function own\nEcho mine\nEndFunction", "main")
    assert "mine" in simulation.log
    assert result.error.startswith("main: line 6: TiltTo 301: ")


def test_scripts_of_both_languages_share_their_variables(make_simulation):
    simulation = make_simulation()
    head = "#!Python\nimport serialem as sem\n"
    simulation.scripts[1] = Script("own", "b = $a + 1\nname = 007\nlist = {1 2}\nCallScript 2")
    simulation.scripts[2] = Script(
        "python", head + "print([sem.GetVariable(v) for v in ('b', 'name', 'list')])\n"
    )
    result = simulation.run(head + "sem.SetVariable('a', '4')\nsem.CallScript(1)\n")
    assert result.ok, result.error
    assert simulation.log == ["[5.0, '007', '1\\n2']"]


def test_local_variables_and_errors_between_the_languages(make_simulation):
    simulation = make_simulation()
    head = "#!Python\nimport serialem as sem\n"
    simulation.scripts[2] = Script("python", head + "print(sem.IsVariableDefined('mine'))\n")
    simulation.scripts[3] = Script("lib", "Function f\nTiltTo 300\nEndFunction")
    assert simulation.run("LocalVar mine\nmine = 3\nCallScript 2").ok
    assert simulation.log == ["0.0"]
    result = simulation.run(head + "sem.CallFunction('f')\nprint('no')\n")
    assert not result.ok and "lib: line 2: TiltTo 300: " in result.error


def test_exit_of_a_called_script_ends_its_caller_and_return_does_not(make_simulation):
    simulation = make_simulation()
    simulation.scripts[1] = Script("returns", "Return 5")
    simulation.scripts[2] = Script("exits", "ScriptName the other\nExit 0 over")
    text = "CallScript 1\nEcho $reportedValue1\nCall the other\nEcho no"
    assert simulation.run(text).exited
    assert simulation.log == ["5", "over"]


def test_do_script_does_not_come_back(make_simulation):
    simulation = make_simulation()
    simulation.scripts[3] = Script("other", "Echo there")
    assert simulation.run("n = 2\nDoScript $n + 1\nEcho no").ok
    assert simulation.log == ["there"]


def test_persistent_variables_outlive_the_script_and_others_do_not(make_simulation):
    simulation = make_simulation()
    assert simulation.run("stays := 4\nalso :@= some text\ngoes = 5\nLocalVar own").ok
    assert simulation.run("Echo $stays $also").ok
    assert simulation.log == ["4 some text"]
    assert "goes is not defined" in simulation.run("Echo $goes").error
    assert "own is not defined" in simulation.run("Echo $own").error


def test_a_key_leaves_the_loop(make_simulation):
    simulation = make_simulation(policy=Policy(keys=("b",)))
    assert simulation.run("Loop 5 i\nEcho $i\nKeyBreak\nEndLoop\nEcho end").ok
    assert simulation.log[-2:] == ["1", "end"]


# --- what is refused before anything moves -------------------------------------------------------

REFUSED = {
    "unknown commands": ("Frobnicate 3", "line 2: Frobnicate: unknown command"),
    "statements that are not supported": (
        "Require arrays", "line 2: Require: unknown command, or one of the language that is not",
    ),
    "commands of Python only": ("GetVariable a", "line 2: GetVariable: only scripts in Python"),
    "no blanks around the sign": ("a=3", "line 2: 'a=3': there must be blanks"),
    "a blank on one side": ("a =3", "line 2: 'a =3': there must be blanks"),
    "too few values": ("SetProperty a", "line 2: SetProperty must be followed by 2 or more"),
    "no condition": ("If\nEndIf", "line 2: If must be followed by a value"),
    "no value": ("a =", "line 2: a gets no value"),
    "no text": ("SkipTo", "line 2: write SkipTo label"),
    "an open If": ("If 1\nLoop 2\nEndLoop", "line 2: If has no EndIf"),
    "an open Loop": ("Loop 2", "line 2: Loop has no EndLoop"),
    "an end without beginning": ("EndLoop", "line 2: EndLoop without Loop"),
    "blocks that cross": (
        "Loop 2\nIf 1\nEndLoop\nEndIf", "line 4: EndLoop cannot stand in the If of line 3",
    ),
    "Else twice": ("If 1\nElse\nElse\nEndIf", "line 4: Else cannot stand in the If of line 2"),
    "a function in a block": (
        "If 1\nFunction f\nEndFunction\nEndIf", "line 3: Function cannot stand in the If of line 2",
    ),
    "a function twice": (
        "Function f\nEndFunction\nFunction F\nEndFunction", "line 4: there is a function F already",
    ),
    "a function without name": ("Function 2 0\nEndFunction", "line 2: write Function name"),
    "no such function": ("CallFunction f 1", "line 2: there is no function f"),
    "Break outside": ("Break", "line 2: Break stands in no Loop"),
    "a label further up": ("a:\nSkipTo a", "line 3: there is no line a: further down"),
    "a label in another block": (
        "SkipTo a\nIf 1\na:\nEndIf", "line 2: there is no line a: further down",
    ),
    "arithmetic that breaks off": ("a = 3 + * 4", "line 2: the arithmetic breaks off at '*'"),
    "signs of other languages": (
        "a = 1\nIf $a > 0 && $a < 3\nEndIf", "line 3: '$a > 0 && $a < 3' is not one value",
    ),
    "a value too few": ("a = 1\nb = $a +", "line 3: the arithmetic breaks off at '+'"),
    "a value of an array too few": ("a = {1}\nb = 2 * * $a[1]", "line 3: the arithmetic breaks"),
    "an open parenthesis": ("b = 1\na = ( 3 + $b", "line 3: the parentheses are not in pairs"),
    "an unknown function": ("b = 1\na = asin($b)", "line 3: asin is no function"),
    "no name behind the sign": ("Echo 5 $", "line 2: at '$': write a variable as $name"),
    "commands that are not simulated": ("RetractCamera", "line 2: RetractCamera: not simulated"),
    "the same in a loop": ("Loop 2\nRetractCamera\nEndLoop", "line 3: RetractCamera: not"),
    "the same behind a loop that may be left": (
        "Loop 2\nIf 1\nBreak\nEndIf\nEndLoop\nRetractCamera", "line 7: RetractCamera: not",
    ),
    "the same in a function": (
        "CallFunction f\nFunction f\nRetractCamera\nEndFunction",
        "line 4: RetractCamera: not simulated",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_whole_script_is_looked_through_before_it_runs(make_simulation, case):
    text, message = REFUSED[case]
    simulation = make_simulation()
    result = simulation.run("MoveStageTo 5 5\n" + text, "my series")
    assert not result.ok
    assert result.error.startswith(f"my series: {message}")
    assert tuple(simulation.session.scope.stage.position_um[:2]) == (0.0, 0.0)


@pytest.mark.parametrize("more", ["sem.V()\n", "if True:\n    sem.V()\n"])
def test_python_without_its_first_line_is_recognized(make_simulation, more):
    result = make_simulation().run("import serialem as sem\n" + more)
    assert result.error.endswith("only blank lines may stand above it.")


def test_all_problems_are_told_at_once_also_those_of_scripts_that_are_called(make_simulation):
    simulation = make_simulation()
    simulation.scripts[2] = Script("other", "ScriptName tools\nFrob")
    simulation.scripts[3] = Script("third", "Loop 3")
    simulation.scripts[4] = Script("lib", "ScriptName lib\nFunction f\nFoo\nEndFunction")
    result = simulation.run("Bar\nCallScript 2\nCall third\nCallFunction lib::f\nBaz")
    assert [line.partition(": unknown")[0] for line in result.error.splitlines()] == [
        "script: line 1: Bar",
        "script: tools: line 2: Frob",
        "script: third: line 1: Loop has no EndLoop",
        "script: lib: line 3: Foo",
        "script: line 5: Baz",
    ]


def test_what_may_never_be_reached_is_refused_when_it_is(make_simulation):
    simulation = make_simulation()
    text = "Echo a\nIf {}\nRetractCamera\nEndIf\nEcho b"
    note = "script: line 3: RetractCamera: not simulated; the script ends there if it gets so far"
    assert simulation.run(text.format(0)).ok
    assert simulation.log == [note, "a", "b"]
    result = simulation.run(text.format(1))
    assert result.error == "script: line 3: RetractCamera: RetractCamera: not simulated"


@pytest.mark.parametrize("leaves", ["Exit", "Return", "SkipTo end", "DoScript 2"])
def test_behind_what_may_leave_the_script_nothing_is_certain(make_simulation, leaves):
    simulation = make_simulation()
    simulation.scripts[2] = Script("other", "Echo there")
    for text in (leaves, f"If 1\n{leaves}\nEndIf"):
        result = simulation.run(f"{text}\nRetractCamera\nend:\nEcho end")
        assert result.ok, result.error
    text = "Loop 2\nIf 1\nBreak\nEndIf\nRetractCamera\nEndLoop"
    assert simulation.run(text).ok


def test_commands_that_came_later_are_refused(make_simulation):
    simulation = make_simulation(serialem="4.1.25")
    result = simulation.run("Echo a\nReportLDDefocusOffset V")
    assert "line 2: ReportLDDefocusOffset came with a later version" in result.error


# --- errors while it runs ------------------------------------------------------------------------

ERRORS = {
    "an undefined variable": ("Echo $nothing", "line 2: Echo $nothing: variable nothing is not"),
    "in braces the whole name counts": ("a = 1\nEcho ${ab}", "line 3: Echo ${ab}: variable ab is"),
    "no number": ("TiltTo abc", "line 2: TiltTo abc: argument 1 of TiltTo: 'abc' is not a number"),
    "two signs": ("a = -3\nTiltTo -$a", "line 3: TiltTo -$a: argument 1 of TiltTo: '--3' is not"),
    "an integer that is too large": (
        "SetColumnOrGunValve 1e10", "line 2: SetColumnOrGunValve 1e10: argument 1 of SetColumn",
    ),
    "a number that is too large": ("Loop 1e999\nEndLoop", "line 2: Loop 1e999: 1e999 is too large"),
    "a result that is too large": (
        "a = 1e300 * 1e300", "line 2: a = 1e300 * 1e300: 1e+300 * 1e+300 is not a number",
    ),
    "no blanks in arithmetic": ("a = 3*4\nTiltTo $a + 1", "line 3: TiltTo $a + 1: '3*4' is not"),
    "texts are not compared": ("If a == a\nEndIf", "line 2: If a == a: 'a' is not a number"),
    "an index too high": ("a = {1 2}\nEcho $a[3]", "line 3: Echo $a[3]: $a: index 3 is not among"),
    "an element far behind": ("a = {1 2}\na[9] = 1", "line 3: a[9] = 1: index 9 is not among 1"),
    "a division by 0": ("a = 1 / 0", "line 2: a = 1 / 0: 1 / 0 is not a number"),
    "a command that is refused": ("TiltTo 300", "line 2: TiltTo 300: Attempt to tilt to 300"),
    "the variable of a loop is not new": (
        "i = 1\nLoop 2 i\nEndLoop", "line 3: Loop 2 i: i is a variable already",
    ),
    "the variable of a loop is gone": ("Loop 2 i\nEndLoop\nEcho $i", "line 4: Echo $i: variable i"),
    "Throw": ("Throw too thick", "line 2: Throw too thick: too thick"),
    "too few values for a function": (
        "CallFunction f 1\nFunction f 2 0 a b\nEndFunction",
        "line 2: CallFunction f 1: f needs 2 values, 1 are given",
    ),
    "an error in a function": (
        "CallFunction f\nFunction f\nTiltTo 300\nEndFunction", "line 4: TiltTo 300: Attempt",
    ),
    "functions without end": (
        "CallFunction f\nFunction f\nCallFunction f\nEndFunction",
        "line 4: CallFunction f: f: functions call one another too deeply",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors_tell_script_line_and_text(make_simulation, case):
    text, message = ERRORS[case]
    result = make_simulation().run("Echo begin\n" + text, "series")
    assert not result.ok and not result.stopped
    assert result.error.startswith(f"series: {message}")


def test_an_error_in_a_called_script_tells_both_places(make_simulation):
    simulation = make_simulation()
    simulation.scripts[2] = Script("other", "Echo a\nTiltTo 300")
    result = simulation.run("CallScript 2")
    assert result.error.startswith("script: line 1: CallScript 2: other: line 2: TiltTo 300: ")


WORDS = (
    "If", "ElseIf", "Else", "EndIf", "Loop", "EndLoop", "Try", "Catch", "EndTry", "Function",
    "EndFunction", "CallFunction", "f", "g", "i", "a", "=", "+=", ":=", "@=", ":@=", "1", "2", "-3",
    "$a", "${a}", "$a[1]", "$#a", "a[$i]", "$i", "{", "}", "(", ")", "+", "-", "*", "/", "<", "==",
    "AND", "NOT", "sqrt", "max", "#", "\\", "$", "[", "]", "Echo", "EchoEval", "Break", "Continue",
    "SkipTo", "end:", "end", "Return", "LocalVar", "LocalLoopIndexes", "Throw", "SetDefocus",
    "ReportDefocus", "ReportMeanCounts", "Exit", "\n", "\r\n", "\t", "µ",
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(words=st.lists(st.sampled_from([*WORDS, *["\n"] * 15]), max_size=60))
def test_no_text_breaks_the_simulator(make_simulation, words):
    simulation = make_simulation(faults=["user-stop@2000"])  # loops may be long
    result = simulation.run(" ".join(words))
    assert result.ok or result.stopped or result.error.startswith("script: ")
    assert not simulation.session.options.no_message_box


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_characters_are_read_or_refused(text):
    try:
        parse(text)
    except LanguageError as error:
        assert re.match(r"line \d+: ", str(error))


# --- faults, stops and sessions ------------------------------------------------------------------


@pytest.mark.parametrize("body", ["a = 1", "Echo a", "If 1\nEndIf", "SetDefocus 1"])
def test_stop_ends_a_script_that_never_ends(make_simulation, body):
    simulation = make_simulation(faults=["user-stop@40"])
    result = simulation.run(f"Try\nLoop 1000000000 i\n{body}\nEndLoop\nCatch\nEcho no\nEndTry")
    assert result.stopped and "Stopped by the user" in result.error
    assert "no" not in simulation.log


def test_an_error_of_a_task_stops_the_script_but_in_a_try_block_it_is_caught(make_simulation):
    simulation = make_simulation(faults=["camera-timeout@1-2"])
    assert simulation.run("V\nEcho no").stopped
    simulation.log.clear()
    result = simulation.run("Try\nV\nEcho no\nCatch\nEcho caught\nEndTry")
    assert result.ok and simulation.log[-1] == "caught"
    assert not simulation.session.options.no_message_box


def test_message_boxes_come_up_again_after_a_try_block(make_simulation):
    simulation = make_simulation()
    assert not simulation.run("Try\nTiltTo 300\nCatch\nEndTry\nTiltTo 301").ok
    (box,) = simulation.session.dialogs
    assert box.kind == "error" and "301" in box.text


def test_acquire_at_items_runs_scripts_of_either_language(make_simulation):
    simulation = make_simulation()
    head = "#!Python\nimport serialem as sem\n"
    simulation.scripts[1] = Script("primary", "ReportNavItem\nEcho at $navLabel\nseen := $navIndex")
    simulation.scripts[2] = Script("after", head + "print('seen', sem.GetVariable('seen'))\n")
    simulation.scripts[3] = Script("before", "Echo before")
    setup = "OpenNavigator\nAddStagePosAsNavPoint 10 10 0\nSetItemAcquire 1 1\nStartNavAcquireAtEnd"
    simulation.acquire_params(primary=1, after=2, before=3)
    result = simulation.run(setup)
    assert result.ok, result.error
    assert [line for line in simulation.log if "cquire" not in line] == [
        "before", "Navigator item 1: stage 10 10 0", "at 1", "seen 1.0",
    ]  # fmt: skip


def test_names_of_files_are_in_the_folder_of_the_session(make_simulation):
    simulation = make_simulation()
    before = os.getcwd()
    text = "MakeDirectory sub\nSetDirectory sub\nOpenTextFile out W 0 notes of today.txt\n"
    assert simulation.run(text + "a = 3\nWriteLineToFile out a is $a\nCloseTextFile out").ok
    written = simulation.session.directory / "notes of today.txt"
    assert written.parent.name == "sub" and os.getcwd() == before
    assert written.read_text(encoding="utf-8") == "a is 3\n"


def test_a_kept_session_is_written_between_commands(make_simulation):
    simulation = make_simulation()
    notes = []

    class Keeper:
        def note(self, session):
            notes.append(float(session.scope.stage.position_um[0]))

    simulation.session.keeper = Keeper()
    assert simulation.run("MoveStageTo 3 0\na = 1\nMoveStageTo 4 0").ok
    assert notes == [3.0, 4.0]


def test_ten_thousand_rounds_take_seconds(make_simulation):
    simulation = make_simulation()
    body = "k = ( $k + $i * 2 ) / 2\nIf $k > 5 AND $i < 20\nm = $k\nEndIf"
    text = f"k = 0\nLoop 10000 i\n{body}\nEndLoop"
    begin = time.monotonic()
    assert simulation.run(text).ok
    assert time.monotonic() - begin < 20  # 0.8 s on one core of a small machine


# --- the page about it ---------------------------------------------------------------------------

PAGE = command_docs.LANGUAGE_PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_present_tables():
    """If not: python -m space.simulator.command_docs."""
    assert command_docs.renewed(PAGE, command_docs.LANGUAGE_PARTS) == PAGE
    for form in (*BLOCKS, *ASSIGNMENTS, *SUBSTITUTIONS, *OWN_COMMANDS.values()):
        assert f"| `{form.form}` |" in PAGE


def test_the_script_on_the_page_runs(make_simulation):
    (script,) = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
    simulation = make_simulation()
    result = simulation.run(script)
    assert result.ok, result.error
    assert [round(e.tilt_deg) for e in simulation.exposures] == [0, 10, -10]
    assert {e.section for e in simulation.exposures} == {0, 1, 2}


def test_what_the_page_calls_not_supported_is_refused(make_simulation):
    (listed,) = re.findall(r"Not supported are (.*?)the plugin calls", PAGE, re.DOTALL)
    names = re.findall(r"`(\w+)`", listed)
    assert len(names) > 10
    for name in (*names, *PYTHON_ONLY - {"EndTry"}):
        error = make_simulation().run(f"\n{name} a b c d").error
        assert error.startswith(f"script: line 2: {name}: "), name


def test_commands_that_take_text_have_it_as_their_last_argument():
    for name in TEXT_COMMANDS:
        assert command_table()[name].keys[-1] in "Ss", name
