"""Which Python SerialEM will start for a script, by SerialEMproperties.txt and the script."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from space.checkup.finding import Finding, fail, ok, warn
from space.files import decode, read_bytes_bounded
from space.jobs import ask_python
from space.packages import OWN_PACKAGES

PROPERTIES_FILE = "SerialEMproperties.txt"

MODULE_VERSIONS = ("3.9", "3.11", "3.12")
"""Pythons from 3.9 on for which SerialEM brings a module."""

OLDEST = (3, 9)
_SUBJECT = "Python of SerialEM"
_LARGEST_BYTES = 2_000_000
_LINE = re.compile(r"\s*(\w+)\s+(.*\S)\s*")
_VERSION = re.compile(r"\d+(?:\.\d+)?")
_FIRST_LINE = re.compile(r"#!Python\s*(\d+(?:\.\d+)?)?\s*", re.IGNORECASE)
_PYTHONS = ("python.exe", "python")


@dataclass(frozen=True)
class Properties:
    """What SerialEMproperties.txt says about Python.

    Attributes
    ----------
    path : Path
    pythons : tuple of (version, folder)
        The PathToPython entries in their order; a version may be empty.
    module_path : str
        Where SerialEM's own modules are; empty if it is not said.
    """

    path: Path
    pythons: tuple[tuple[str, str], ...]
    module_path: str = ""


def usual_properties(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return SerialEM's file of properties where it usually is; None if it is not there."""
    folders = [environment.get(name, "") for name in ("ProgramData", "ProgramFiles")]
    paths = (Path(folder) / "SerialEM" / PROPERTIES_FILE for folder in folders if folder)
    return next((path for path in paths if path.is_file()), None)


def read_properties(path: Path) -> Properties:
    """Read what a file of properties says about Python.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    text = decode(read_bytes_bounded(path, _LARGEST_BYTES, follow_links=True))
    pythons = []
    modules = ""
    for name, value in _entries(text):
        if name == "pathtopython":
            version, _, folder = value.partition(" ")
            named = _VERSION.fullmatch(version) is not None
            pythons.append((version, folder.strip().strip('"')) if named else ("", value))
        elif name == "pythonmodulepath":
            modules = value.strip('"')
    return Properties(path, tuple(pythons), modules)


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None and not line.lstrip().startswith("#"):
            yield found[1].lower(), found[2]


def wanted_version(script: str) -> str | None:
    """Return the Python that the first line of a script names; "" for any, None if it is no Python.

    Blank lines and lines of just ``#`` may stand before it.
    """
    for line in script.splitlines():
        if line.strip() in ("", "#"):
            continue
        found = _FIRST_LINE.match(line.strip())
        return (found[1] or "") if found else None
    return None


def python_of_serialem(
    properties: Properties | None, script: str, space_dir: Path
) -> list[Finding]:
    """Return whether SerialEM will start a Python that can run a script.

    Parameters
    ----------
    properties : Properties or None
        None if there is no such file on this computer.
    script : str
        Text of the script.
    space_dir : Path
        Folder of the project.
    """
    version = wanted_version(script)
    if version is None:
        return [
            fail(
                _SUBJECT,
                "The first line of the script does not begin with #!Python, so that SerialEM takes "
                "it for a script in its own language.",
                "Copy the script again, with its first line.",
            )
        ]
    if properties is None:
        return [
            warn(
                _SUBJECT,
                f"There is no {PROPERTIES_FILE} where SerialEM usually has it, so that it is not "
                "known which Python SerialEM will start.",
                "On the computer of SerialEM, name the file with --properties.",
            )
        ]
    program = _program(properties, version)
    if isinstance(program, Finding):
        return [program]
    return [*_answer_of(program, version, space_dir), *_modules(properties)]


def _program(properties: Properties, version: str) -> Path | Finding:
    """Return the program that SerialEM will start, or why there is none."""
    if not properties.pythons:
        found = shutil.which("python")
        if found:
            return Path(found)
        return fail(
            _SUBJECT,
            f"{properties.path} has no PathToPython, and no python.exe is on the search path.",
            "Add a line PathToPython 3.11 FOLDER, the folder that holds python.exe, and restart "
            "SerialEM.",
        )
    fitting = [folder for named, folder in properties.pythons if version in ("", named)]
    if not fitting:
        there = ", ".join(named or "one without a version" for named, _ in properties.pythons)
        return fail(
            _SUBJECT,
            f"The first line of the script asks for Python {version}; the PathToPython entries in "
            f"{properties.path} are for {there}.",
            "Write one of these versions into the first line, or add an entry.",
        )
    folder = Path(fitting[0])
    programs = [folder / name for name in _PYTHONS if (folder / name).is_file()]
    if not programs:
        return fail(
            _SUBJECT,
            f"PathToPython is {folder}, which holds no python.exe.",
            f"Correct it in {properties.path} and restart SerialEM.",
        )
    return programs[0]


def _answer_of(program: Path, wanted: str, space_dir: Path) -> list[Finding]:
    """Ask a Python what it is and has."""
    answer, problem = ask_python(str(program), space_dir, OWN_PACKAGES)
    if problem:
        return [fail(_SUBJECT, f"{program} does not start: {problem}.", "Install Python again.")]
    number = tuple(answer["version"])
    version = ".".join(map(str, number[:2]))
    findings = []
    if number[:2] < OLDEST:
        findings.append(
            fail(
                _SUBJECT,
                f"{program} is version {version}; 3.9 or newer is needed.",
                "Add a PathToPython entry of a newer one and name it in the first line of the "
                "script.",
            )
        )
    elif wanted and wanted != version:
        findings.append(
            fail(
                _SUBJECT,
                f"PathToPython {wanted} leads to a Python {version}: {program}.",
                f"Correct the entry in {PROPERTIES_FILE}.",
            )
        )
    elif version not in MODULE_VERSIONS:
        findings.append(
            warn(
                _SUBJECT,
                f"{program} is version {version}, for which SerialEM may bring no module.",
                f"Use Python {', '.join(MODULE_VERSIONS[:-1])} or {MODULE_VERSIONS[-1]}, unless "
                "SerialEM's folder PythonModules has this one, too.",
            )
        )
    if answer["bits"] != 64:
        findings.append(fail(_SUBJECT, f"{program} is a 32-bit program.", "Install one of 64 bit."))
    missing = [name for name in OWN_PACKAGES if name not in answer["packages"]]
    if missing:
        findings.append(
            fail(
                "packages of SerialEM's Python",
                f"{program} lacks {', '.join(missing)}.",
                f'In the folder {space_dir}, run "{program}" -m pip install -e .',
            )
        )
    return findings or [ok(_SUBJECT, f"{program}, version {version}, has all packages.")]


def _modules(properties: Properties) -> list[Finding]:
    subject = "PythonModulePath"
    if not properties.module_path:
        return [
            warn(
                subject,
                f"{properties.path} does not say where SerialEM's own Python modules are.",
                "Add a line PythonModulePath with SerialEM's folder PythonModules if scripts "
                "cannot import serialem.",
            )
        ]
    if not Path(properties.module_path).is_dir():
        return [
            fail(
                subject,
                f"{properties.module_path} is no folder.",
                f"Correct PythonModulePath in {properties.path} and restart SerialEM.",
            )
        ]
    return [ok(subject, properties.module_path)]


def this_python(space_dir: Path) -> list[Finding]:
    """Return whether the Python that runs this can run a session."""
    return _answer_of(Path(sys.executable), "", space_dir)
