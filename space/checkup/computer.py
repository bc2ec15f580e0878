"""Everything that can be looked at without SerialEM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from space import jobs, steps
from space import settings as settings_module
from space.checkup import folders, serialem_files
from space.checkup.finding import Finding, fail, failed, of_problems, ok, warn
from space.checkup.size import Expected
from space.config import Config, load_config
from space.errors import SpaceError
from space.models.fitness import class_doubt
from space.settings import ParsedSettings

_NO_TARGETS = (1, 2, 3)


@dataclass(frozen=True)
class Places:
    """Where things are.

    Attributes
    ----------
    script : str
        Text of SPACEtomo.py.
    script_globals : mapping
        Its settings as they were written.
    space_dir : Path
        Folder of the project.
    properties : Path or None
        SerialEMproperties.txt; None looks where SerialEM usually has it.
    directory : Path or None
        Where a session will be; None leaves its disk out.
    in_serialem : bool
        Whether SerialEM runs this: its Python is then the one that runs.
    """

    script: str
    script_globals: Mapping[str, Any]
    space_dir: Path
    properties: Path | None = None
    directory: Path | None = None
    in_serialem: bool = False


def of_computer(places: Places, expected: Expected | None = None) -> tuple[Finding, ...]:
    """Return what was found on this computer.

    Parameters
    ----------
    places : Places
    expected : Expected, optional
        What a session takes; grids and tilts are those of the settings.
    """
    return tuple(_all(places, expected or Expected()))


def _all(places: Places, expected: Expected) -> Iterator[Finding]:
    parsed = settings_module.parse(places.script_globals)
    config, config_finding = _config(places.space_dir)
    yield from _python(places)
    yield config_finding
    yield from _settings(places, parsed, config)
    yield from _scripts(parsed)
    yield from _models(places, parsed, config)
    yield from _shared_folder(parsed)
    if places.directory is not None:
        yield from _disk(places.directory, parsed, expected)


def _python(places: Places) -> list[Finding]:
    if places.in_serialem:
        return serialem_files.this_python(places.space_dir)
    path = places.properties or serialem_files.usual_properties()
    properties = None
    if path is not None:
        try:
            properties = serialem_files.read_properties(path)
        except OSError as error:
            reason = error.strerror or error
            return [
                fail(
                    "Python of SerialEM", f"{path} cannot be read ({reason}).", "Correct the path."
                )
            ]
    return serialem_files.python_of_serialem(properties, places.script, places.space_dir)


def _config(space_dir: Path) -> tuple[Config | None, Finding]:
    try:
        return load_config(space_dir), ok("SPACEtomo_config.py", f"{space_dir}")
    except SpaceError as error:
        return None, failed("SPACEtomo_config.py", error)


def _settings(places: Places, parsed: ParsedSettings, config: Config | None) -> list[Finding]:
    problems = settings_module.misspelt(places.script_globals)
    problems += settings_module.check(parsed, config)
    findings = of_problems("settings", list(dict.fromkeys(problems)), "all values are allowed.")
    missing = settings_module.left_out(places.script_globals)
    if missing and places.script_globals:
        findings.append(
            warn(
                "settings", missing, "Copy the newest SPACEtomo.py into SerialEM, with your values."
            )
        )
    return findings


def _scripts(parsed: ParsedSettings) -> Iterator[Finding]:
    """Return what is to be compared by a person: no command tells which script has which number."""
    settings = parsed.settings
    if settings.script_numbers:
        told = ", ".join(f"{number} = {name}" for name, number in settings.script_numbers.items())
        yield warn(
            "script_numbers",
            f"{told}; SerialEM does not tell whether this is so.",
            "Compare them with SerialEM's Script menu.",
        )
    elif len(settings.grid_list) > 1:
        yield warn(
            "script_numbers",
            f"they are not set, and grid_list has {len(settings.grid_list)} grids: somebody has to "
            "run the script again after the acquisition of each.",
            "Set them to have all grids acquired unattended.",
        )


def _models(places: Places, parsed: ParsedSettings, config: Config | None) -> Iterator[Finding]:
    settings = parsed.settings
    if settings.external_map_dir:
        yield ok("models", "another computer runs them (external_map_dir); check it there.")
        return
    tasks = steps.tasks_of_session(settings)
    problems = jobs.missing_here(config, places.space_dir, tasks)
    yield from of_problems("models", problems, "they and the Python that runs them are complete.")
    if config is None or "segment" not in tasks:
        return
    doubts = [
        settings_module.doubted_targets(settings, config),
        class_doubt(
            config.segmentation_model, config.segmentation_folds, config.segmentation_checkpoint
        ),
    ]
    for doubt in doubts:
        if doubt:
            yield warn("models", doubt)
    yield _gpu()


def _gpu() -> Finding:
    count = jobs.nvidia_gpus()
    if count:
        return ok("GPU", f"the driver of NVIDIA knows {count}.")
    return warn(
        "GPU",
        "the driver of NVIDIA knows none: unless another kind is used, maps are segmented by the "
        "processor, which takes minutes each.",
        "Use a computer with a GPU (external_map_dir, SPACEtomo_monitor.py), or inference_preset = "
        '"fast".',
    )


def _shared_folder(parsed: ParsedSettings) -> list[Finding]:
    shared = parsed.settings.external_map_dir
    return folders.of_folder("shared folder", Path(shared)) if shared else []


def _disk(directory: Path, parsed: ParsedSettings, expected: Expected) -> list[Finding]:
    settings = parsed.settings
    level = settings.automation_level if settings.automation_level in _NO_TARGETS else 5
    expected = replace(
        expected, grids=len(settings.grid_list), max_tilt_deg=settings.max_tilt, level=level
    )
    found = folders.of_folder("folder of the session", directory)
    return [*found, *folders.of_space("disk", directory, expected)]
