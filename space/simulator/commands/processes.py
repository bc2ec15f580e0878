"""Other programs that scripts start through SerialEM."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from space.simulator.column.errors import SEMerror

if TYPE_CHECKING:
    from space.simulator.program.session import Session
    from space.simulator.python.command_types import Commands


def run_in_shell(session: Session, command: str) -> None:
    """Run a line in the computer's command shell, in the current directory, and wait for its end.

    What it prints goes to a window of its own and is not seen here. How it ended does not matter
    to the script (inferred).
    """
    if not command.strip():
        raise SEMerror("There is no command to run in the shell")
    with session.children.noted():
        try:
            process = subprocess.Popen(
                command,
                shell=True,
                cwd=session.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as problem:
            raise SEMerror(f"The command shell could not be run: {problem}") from problem
        status = process.wait()
    session.write_log(f"The shell ended with status {status}")


COMMANDS: Commands = {"RunInShell": run_in_shell}
