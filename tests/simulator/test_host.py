"""Scripts run as SerialEM runs them: streams, how they end, errors of tasks, the log."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from space.simulator import Policy, Script
from space.simulator.column import ScriptStopped, TaskError

HEAD = "#!Python\nimport serialem as sem\n"


def run(simulation, body, **options):
    return simulation.run(HEAD + textwrap.dedent(body), **options)


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
