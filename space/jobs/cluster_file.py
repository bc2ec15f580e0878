"""What a job on a cluster may use: the constants of SPACEtomo_cluster.py as a checked value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from space.constants import read_constants
from space.errors import SpaceError, shown
from space.predicates import is_number, is_whole
from space.spelling import slip

CLUSTER_FILE = "SPACEtomo_cluster.py"
_WORD = re.compile(r"[A-Za-z0-9_][\w.,:=+@/-]{0,200}", re.ASCII)
_WALLTIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,3}):([0-5]\d):([0-5]\d)")
_SHORTEST_WALLTIME_S = 300.0
_DAY_S = 86400.0


@dataclass(frozen=True)
class ClusterJob:
    """What one job on a cluster asks for, and where it runs.

    Attributes
    ----------
    queue, account : str
        Partition and account of SLURM; empty for the usual ones of the cluster.
    walltime : str
        Longest time of a job, as ``hours:minutes:seconds`` or ``days-hours:minutes:seconds``.
    cores : int
    memory_gb : float
    gres : str
        Generic resources such as ``gpu:1``; empty for none.
    extra : tuple of str
        Further options of ``sbatch``.
    setup : tuple of str
        Lines of shell that the job runs before Python.
    python : str
        Python on the nodes; empty for the one that runs the monitor.
    interface : str
        Network interface between nodes and monitor; empty for the usual one.
    port : int
        Port of the scheduler; 0 for any that is free.
    encrypt : bool
        Whether connections are encrypted, and those of strangers refused.
    """

    queue: str = ""
    account: str = ""
    walltime: str = "02:00:00"
    cores: int = 4
    memory_gb: float = 16.0
    gres: str = ""
    extra: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    python: str = ""
    interface: str = ""
    port: int = 0
    encrypt: bool = True

    @property
    def walltime_s(self) -> float:
        """The walltime in seconds."""
        return _seconds(self.walltime)


def load_cluster_job(space_dir: Path) -> ClusterJob:
    """Read SPACEtomo_cluster.py in `space_dir`; what it does not name is as in `ClusterJob`.

    Raises
    ------
    SpaceError
        If it is missing, or with every problem that was found in it.
    """
    path = Path(space_dir) / CLUSTER_FILE
    try:
        values, problems = read_constants(path)
    except OSError as error:
        raise SpaceError(
            f"{CLUSTER_FILE} cannot be read: {error.strerror or error}.",
            str(path),
            "Copy it from the project, and enter what your cluster needs.",
        ) from None
    for name, value in values.items():
        if name not in _RULES:
            known = slip(name, _RULES, values)
            problems.append(f"{name} is not known." + (f" Did you mean {known}?" if known else ""))
        elif not _RULES[name][0](value):
            problems.append(f"{name} = {shown(value)} must be {_RULES[name][1]}.")
    if problems:
        raise SpaceError(" ".join(problems), str(path), "Correct it.")
    return ClusterJob(**{name: _plain(value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_word(value: object) -> bool:
    return isinstance(value, str) and (not value or bool(_WORD.fullmatch(value)))


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= 500


def _is_lines(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) <= 50 and all(map(_is_line, value))


def _is_options(value: object) -> bool:
    return _is_lines(value) and all(line.startswith("-") for line in value)  # type: ignore[attr-defined]


def _is_walltime(value: object) -> bool:
    if not isinstance(value, str) or not _WALLTIME.fullmatch(value):
        return False
    return _seconds(value) >= _SHORTEST_WALLTIME_S


def _seconds(walltime: str) -> float:
    found = _WALLTIME.fullmatch(walltime)
    if found is None:
        return 0.0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * _DAY_S + hours * 3600.0 + minutes * 60.0 + seconds


_NAME = "a name in quotes without blanks"
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "queue": (_is_word, _NAME),
    "account": (_is_word, _NAME),
    "walltime": (
        _is_walltime,
        'a time such as "02:00:00" or "1-00:00:00" (days-hours:minutes:seconds), 5 min or more',
    ),
    "cores": (lambda v: is_whole(v) and 1 <= v <= 1024, "a whole number from 1 to 1024"),
    "memory_gb": (lambda v: is_number(v) and 1 <= v <= 10_000, "a number from 1 to 10000"),
    "gres": (_is_word, 'resources as SLURM names them, such as "gpu:1"'),
    "extra": (_is_options, 'a list of options of sbatch, such as ["--constraint=a100"]'),
    "setup": (_is_lines, 'a list of lines of shell, such as ["module load cuda"]'),
    "python": (
        lambda v: isinstance(v, str) and v.isprintable() and len(v) <= 500,
        "the full path of a Python in quotes",
    ),
    "interface": (_is_word, 'the name of a network interface, such as "ib0"'),
    "port": (lambda v: is_whole(v) and (v == 0 or 1024 <= v <= 65535), "0 or from 1024 to 65535"),
    "encrypt": (lambda v: isinstance(v, bool), "True or False"),
}
"""For each name a test of its value, and what is allowed in words."""

assert set(_RULES) == {field.name for field in fields(ClusterJob)}
