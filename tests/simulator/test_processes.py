"""Other programs that scripts start through SerialEM."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from space.simulator.column import SEMerror
from space.simulator.commands import processes


def shell_line(*words: str) -> str:
    if sys.platform == "win32":
        return subprocess.list2cmdline(words)
    return shlex.join(words)


def python_line(code: str) -> str:
    return shell_line(sys.executable, "-c", code)


def test_a_line_runs_in_the_current_directory_and_is_waited_for(make_session, tmp_path):
    session = make_session()
    code = "import time, pathlib; time.sleep(0.3); pathlib.Path('done.txt').write_text('yes')"
    processes.run_in_shell(session, python_line(code))
    assert (session.directory / "done.txt").read_text() == "yes"


def test_the_shell_does_what_shells_do_and_its_end_does_not_matter(make_session):
    session = make_session()
    processes.run_in_shell(session, "echo one> said.txt && exit 3")
    assert (session.directory / "said.txt").read_text().strip() == "one"
    assert session.log[-1] == "The shell ended with status 3"
    processes.run_in_shell(session, "no_such_program_anywhere --help")
    for line in ("", "   "):
        with pytest.raises(SEMerror, match="no command"):
            processes.run_in_shell(session, line)


def test_what_a_script_starts_in_the_shell_prints_nowhere(make_simulation, capfd):
    simulation = make_simulation()
    script = '#!Python\nimport serialem as sem\nsem.RunInShell("echo quite loud")\n'
    result = simulation.run(script)
    assert result.ok, result.error
    assert "quite loud" not in capfd.readouterr().out
