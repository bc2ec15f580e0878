"""Claim files: who works on which job. Whoever creates the file has the right to the job."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from space.files import parse_json, read_bytes_bounded, remove_if_possible, share_as_folder
from space.jobs.records import Job, ending_of, name_problem
from space.jobs.workers import Worker
from space.predicates import is_whole

_PREFIX = ".SPACE_claim_"
_LARGEST_BYTES = 100_000
_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.5)

NOBODY = Worker("unknown", "", 0)
"""The worker of a claim file whose content is not there (yet)."""


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
    """Create the claim file; False if another worker has done so.

    Raises
    ------
    OSError
        If it cannot be written; the file is removed again, as far as the folder allows it.
    """
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
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            json.dump(content, stream)
        share_as_folder(claim.path)
    except OSError:
        remove_if_possible(claim.path)
        raise
    return True


def read_claim(path: Path) -> Claim | None:
    """Return the claim in a file, or None if the file is gone.

    A claim that is incomplete or not valid belongs to `NOBODY`.

    Raises
    ------
    OSError
        If the file is there and cannot be read: the claim may still be valid.
    """
    for pause_s in (*_PAUSES_S, None):
        try:
            data = read_bytes_bounded(path, _LARGEST_BYTES)
            break
        except FileNotFoundError:
            return None
        except PermissionError:  # in use for a moment (Windows, network folders)
            if pause_s is None:
                raise
            time.sleep(pause_s)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EFBIG):
                raise
            data = b""  # no file that a worker wrote
            break
    stem, _, task = path.stem[len(_PREFIX) :].rpartition(".")
    job, attempt, worker = Job(f"{stem}{ending_of(task)}", task), 1, NOBODY
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        content = parse_json(data.decode("utf-8-sig"))
        worker = Worker.from_dict(content["worker"])
        named = Job(**content["job"])
        # The name of the file gives the right; a file that names another job is a copy.
        if not name_problem(named.map_name) and claim_path(path.parent, named) == path:
            job = named if isinstance(named.params, dict) else Job(named.map_name, named.task)
        number = content["attempt"]
        if is_whole(number):
            attempt = max(1, min(number, 1000))
    return Claim(job, worker, attempt, path)


def all_claims(map_dir: Path) -> list[Claim]:
    """Return all claims in a folder, except those that cannot be read at this moment."""
    claims = []
    for path in sorted(Path(map_dir).glob(f"{_PREFIX}*.json")):
        with contextlib.suppress(OSError):
            claim = read_claim(path)
            if claim is not None:
                claims.append(claim)
    return claims
