"""The three exceptions of the `serialem` module, each a direct child of Exception."""

from __future__ import annotations


class SEMerror(Exception):
    """A command was refused or failed."""


class SEMexited(Exception):
    """The script ended by Exit() or by the STOP button."""


class SEMmoduleError(Exception):
    """The module itself failed: no connection, or a bad image object."""
