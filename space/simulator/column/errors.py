"""The three exceptions of the `serialem` module, each a direct child of Exception, and the rest."""

from __future__ import annotations


class SEMerror(Exception):
    """A command was refused or failed."""


class SEMexited(Exception):
    """The script ended by Exit() or by the STOP button."""


class SEMmoduleError(Exception):
    """The module itself failed: no connection, or a bad image object."""


class TaskError(SEMerror):
    """A task that a command had started failed: the camera, the stage, a montage.

    Without NoMessageBoxOnError(1) the program then stops the script as the STOP button does.
    """


class ScriptStopped(BaseException):
    """The script's process was ended: no handler in the script sees this."""
