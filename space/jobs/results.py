"""Whether a job is done: a fact on disk, read from the result itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from space.files import read_json_or_empty
from space.images import FileState, file_state, fingerprint, whole_png_texts
from space.jobs.records import RESULT_ENDINGS, TOMOGRAM, Job, clean_map_name


def result_path(map_dir: Path, map_name: str, task: str) -> Path:
    """Return where the result of a job is written."""
    return Path(map_dir) / _result_name(map_name, task)


@lru_cache(maxsize=4096)
def _result_name(map_name: str, task: str) -> str:
    ending = RESULT_ENDINGS.get(task, f"_{task}.txt")
    return f"{Job(clean_map_name(map_name)).stem}{ending}"


class Results:
    """The results in a folder; a file that has not changed is not read again.

    Parameters
    ----------
    map_dir : Path
    models : callable, optional
        ``models(task)`` is the mark of the model that is to be used; empty where none is there.
    sources : Path, optional
        Where the maps are, if not in `map_dir`.
    """

    def __init__(
        self,
        map_dir: Path,
        models: Callable[[str], str] | None = None,
        sources: Path | None = None,
    ) -> None:
        self._map_dir = Path(map_dir)
        self._sources = Path(sources or map_dir)
        self._models = models
        self._known: dict[Path, tuple[FileState, Mapping[str, Any] | None]] = {}
        self._marks: dict[str, str] | None = None

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """Ask for the mark of each model only once while the block runs.

        It is read from the configuration, which a person may change between two looks.
        """
        before, self._marks = self._marks, {} if self._marks is None else self._marks
        try:
            yield
        finally:
            self._marks = before

    def fits(self, job: Job) -> bool:
        """Whether a whole result of this map is there, by this model, with these parameters.

        A result without the mark of its map or of its model counts (other programs).

        Raises
        ------
        OSError
            If the folder is away: the result may still be there.
        """
        path = result_path(self._map_dir, job.map_name, job.task)
        facts = self._facts(path)
        if facts is None:
            # The folder may have been away for a moment only: a map whose result is taken for
            # missing is processed twice.
            os.stat(self._map_dir)
            facts = self._facts(path)
            os.stat(self._map_dir)
        if facts is None:
            return False
        now = fingerprint(self._sources / job.map_name)
        if now and facts.get("map") and facts["map"] != now:
            return False
        made_by = facts.get("model_hash")
        if made_by and self._mark(job.task) not in ("", made_by):
            return False
        if job.task == TOMOGRAM:
            return bool(facts.get("asked", job.params) == dict(job.params))
        wanted = job.params.get("threshold")
        if job.task == "detect" and wanted is not None:
            try:
                return abs(float(facts["threshold"]) - float(wanted)) < 1e-9
            except (KeyError, TypeError, ValueError):
                return False
        return True

    def _mark(self, task: str) -> str:
        if self._models is None:
            return ""
        if self._marks is None:
            return self._models(task)
        if task not in self._marks:
            self._marks[task] = self._models(task)
        return self._marks[task]

    def _facts(self, path: Path) -> Mapping[str, Any] | None:
        state = file_state(path)
        if state is None:
            return None
        known = self._known.get(path)
        if known is not None and known[0] == state:
            return known[1]
        facts: Mapping[str, Any] | None
        if path.suffix == ".png":
            facts = whole_png_texts(path)
        elif path.name.endswith(RESULT_ENDINGS[TOMOGRAM]):
            facts = read_json_or_empty(path) or None
        else:
            facts = _boxes_facts(path)
        if file_state(path) == state:
            self._known[path] = (state, facts)
        return facts


def _boxes_facts(path: Path) -> dict[str, Any] | None:
    content = read_json_or_empty(path)
    return content if isinstance(content.get("boxes"), list) else None
