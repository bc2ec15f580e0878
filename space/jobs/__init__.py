"""Work for the models: the queue in the shared folder, the workers, and the monitor's loop.

The names below are for the rest of the program. `engine`, `worker` and `monitor_command`, which run
in processes of their own, are imported by those, and `spreading` by the commands that use Dask.
"""

from space.jobs.claims import Claim
from space.jobs.devices import nvidia_gpus, place_for
from space.jobs.folder import JobFolder
from space.jobs.launch import ensure_worker, last_message
from space.jobs.looking import Observer
from space.jobs.machine import JobStatus
from space.jobs.map_watch import MAP_PATTERN
from space.jobs.marks import ModelMarks, model_files
from space.jobs.needs import ask_python, missing_here
from space.jobs.presence import Patience
from space.jobs.queue_files import QUEUE_NAME, RUNS_NAME, FolderAwayError, QueueLockedError
from space.jobs.records import HEAT, TASKS, TOMOGRAM, Job, JobState
from space.jobs.results import result_path
from space.jobs.status import to_dict as status_table
from space.jobs.workers import Worker, pid_alive, this_machine

__all__ = [
    "HEAT",
    "MAP_PATTERN",
    "QUEUE_NAME",
    "RUNS_NAME",
    "TASKS",
    "TOMOGRAM",
    "Claim",
    "FolderAwayError",
    "Job",
    "JobFolder",
    "JobState",
    "JobStatus",
    "ModelMarks",
    "Observer",
    "Patience",
    "QueueLockedError",
    "Worker",
    "ask_python",
    "ensure_worker",
    "last_message",
    "missing_here",
    "model_files",
    "nvidia_gpus",
    "pid_alive",
    "place_for",
    "result_path",
    "status_table",
    "this_machine",
]
