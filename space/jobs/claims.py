"""Claim files: who works on which job. Creating the file is what gives the right to a job."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from space.jobs.presence import Worker
from space.jobs.records import Job

_PREFIX = ".SPACE_claim_"
#: Stands for the worker of a claim file whose content is not there (yet).
NOBODY = Worker("unknown", "", 0)


@dataclass(frozen=True)
class Claim:
    """The right to do a job; `attempt` counts from 1."""

    job: Job
    worker: Worker
    attempt: int
    path: Path


def claim_path(map_dir: Path, job: Job) -> Path:
    """Return the file whose existence means that a job is taken."""
    return Path(map_dir) / f"{_PREFIX}{job.stem}.{job.task}.json"


def create_claim(claim: Claim) -> bool:
    """Create the claim file; False if someone else has."""
    try:
        handle = os.open(claim.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    job = {
        "map_name": claim.job.map_name,
        "task": claim.job.task,
        "params": dict(claim.job.params),
    }
    content = {"worker": asdict(claim.worker), "attempt": claim.attempt, "job": job}
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
        json.dump(content, stream)
    return True


def read_claim(path: Path) -> Claim | None:
    """Return what a claim file says, or None if it is gone."""
    if not path.exists():
        return None
    content = read_json(path)
    try:
        worker = Worker(**content["worker"])
    except (KeyError, TypeError):
        worker = NOBODY
    try:
        job = Job(**content["job"])
        attempt = int(content["attempt"])
    except (KeyError, TypeError, ValueError):
        stem, _, task = path.stem[len(_PREFIX) :].rpartition(".")
        job, attempt = Job(f"{stem}.png", task), 1
    return Claim(job, worker, attempt, path)


def all_claims(map_dir: Path) -> list[Claim]:
    """Return all claims in a folder."""
    paths = sorted(Path(map_dir).glob(f"{_PREFIX}*.json"))
    return [claim for claim in map(read_claim, paths) if claim is not None]


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object; empty if the file is missing or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def remove(path: Path) -> None:
    """Remove a file that may be gone or in use."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
