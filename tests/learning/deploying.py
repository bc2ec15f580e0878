"""A model that was trained here, taken into a project as a user does it."""

from __future__ import annotations

from pathlib import Path

from space.cli import main
from space.config import Config, load_config

PROJECT = Path(__file__).resolve().parents[2]


def deployed(run: Path, project: Path, capsys) -> tuple[Config, str]:
    """Add the model of a run to a new project, use and check it there.

    Returns
    -------
    config : Config
        Of the project, with the model in it.
    told : str
        All that was said.
    """
    project.mkdir()
    name = "SPACEtomo_config.py"
    (project / name).write_bytes((PROJECT / name).read_bytes())
    for words in (["add", str(run)], ["use", run.name], ["check", run.name, "--device", "cpu"]):
        code = main(["models", *words, "--space-dir", str(project)])
        told = capsys.readouterr()
        assert code == 0, told.out + told.err
    return load_config(project), told.out
