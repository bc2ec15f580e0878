"""Parts of the workers on clusters, without Dask processes."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import REPOSITORY

from space.errors import SpaceError
from space.jobs import cluster, cluster_kinds, cluster_places, monitor_command, serving
from space.jobs.cluster import DaskWorker
from space.jobs.cluster_file import ClusterJob, load_cluster_job
from space.jobs.cluster_kinds import make_executor
from space.jobs.cluster_places import slurm_state
from space.jobs.stopping import StopAsked
from space.jobs.worker import STATUS_TAKEN
from space.jobs.workers import Worker

# --- SPACEtomo_cluster.py -----------------------------------------------------------------------


def write_cluster_file(folder: Path, text: str) -> Path:
    (folder / "SPACEtomo_cluster.py").write_text(text, encoding="utf-8")
    return folder


def test_the_file_of_the_project_says_what_holds_without_it():
    assert load_cluster_job(REPOSITORY) == ClusterJob()


def test_what_a_cluster_needs_is_read(tmp_path):
    job = load_cluster_job(
        write_cluster_file(
            tmp_path,
            'queue = "gpu"\naccount = "em"\nwalltime = "1-00:30:00"\ncores = 8\nmemory_gb = 40\n'
            'gres = "gpu:a100:1"\nextra = ["--qos=short"]\nsetup = ["module load cuda/12"]\n'
            'python = "/apps/em/bin/python"\ninterface = "ib0"\nport = 8786\nencrypt = False\n',
        )
    )
    assert (job.queue, job.gres, job.extra) == ("gpu", "gpu:a100:1", ("--qos=short",))
    assert job.walltime_s == 86400 + 1800 and job.port == 8786 and not job.encrypt


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('queue = "gpu; rm"', "without blanks"),
        ('queue = "--wrap=x"', "without blanks"),
        ('account = "a\\nb"', "without blanks"),
        ('walltime = "2 h"', "hours:minutes:seconds"),
        ('walltime = "00:04:59"', "5 min or more"),
        ('walltime = "00:99:00"', "hours:minutes:seconds"),
        ("cores = 0", "from 1 to 1024"),
        ("cores = True", "from 1 to 1024"),
        ('memory_gb = "16G"', "from 1 to 10000"),
        ('gres = "gpu:1 --wrap"', "resources"),
        ('extra = ["constraint"]', "options of sbatch"),
        ('extra = ["--a\\nrm"]', "options of sbatch"),
        ('extra = "--qos"', "options of sbatch"),
        ('setup = ["a\\nb"]', "lines of shell"),
        ("port = 80", "from 1024"),
        ("encrypt = 0", "True or False"),
        ('partition = "gpu"', "partition is not known"),
        ('queu = "gpu"', "Did you mean queue?"),
        ("import os", "import has no effect"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, line, words):
    with pytest.raises(SpaceError, match="SPACEtomo_cluster") as caught:
        load_cluster_job(write_cluster_file(tmp_path, line + "\n"))
    assert words in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SpaceError, match="cannot be read"):
        load_cluster_job(tmp_path)


# --- the job of SLURM ---------------------------------------------------------------------------


def slurm_place(tmp_path, job=None, tls_path=None, log="a %j b.log"):
    pytest.importorskip("dask_jobqueue")
    return cluster_places.SlurmPlace(
        "tls://10.0.0.1:8786", "dabc", job or ClusterJob(), tmp_path / "my program",
        tmp_path / log, tls_path,
    )  # fmt: skip


def test_the_script_of_a_job_asks_for_what_the_file_says(tmp_path, monkeypatch):
    monkeypatch.delenv("SPACETOMO_PYTHON", raising=False)
    job = ClusterJob("gpu", "em", "01:00:00", 8, 40, "gpu:1", ("--qos=short",), ("module load x",))
    script = slurm_place(tmp_path, job, tmp_path / "my key.pem").script()
    for line in ("-p gpu", "-A em", "-t 01:00:00", "--cpus-per-task=8", "--mem=40G", "-n 1",
                 "--gres=gpu:1", "--qos=short", f'--chdir="{tmp_path}/my program"',
                 f'--output="{tmp_path}/a %%j b.log"', "--open-mode=append"):  # fmt: skip
        assert f"#SBATCH {line}\n" in script
    before, _, command = script.rpartition("module load x\n")
    assert before and command.startswith(f"{sys.executable} -m distributed.cli.dask_worker tls://")
    words = command.split()
    assert words[words.index("--nthreads") + 1] == "1"  # one task at a time
    assert words[words.index("--resources") + 1] == "dabc=1" and "--nanny" in words
    assert "--no-dashboard" in words and "127.0.0.1:0" in words
    assert f"--tls-key '{tmp_path}/my key.pem'" in command  # a blank does not cut the command


@pytest.mark.parametrize("name", ['a"b', "a\nb", "a$(b)", "a`b", "a'b"])
def test_a_path_that_could_leave_its_line_is_refused(tmp_path, name):
    with pytest.raises(SpaceError, match="cannot be written into the script"):
        slurm_place(tmp_path, log=name)


@pytest.mark.parametrize(
    ("output", "error", "code", "state"),
    [
        ("PENDING\n", "", 0, "waits"),
        ("REQUEUED\n", "", 0, "waits"),
        ("RUNNING\n", "", 0, "there"),
        ("COMPLETING\n", "", 0, "there"),
        ("TIMEOUT\n", "", 0, "gone"),
        ("PREEMPTED\n", "", 0, "gone"),
        ("", "", 0, "gone"),
        ("", "slurm_load_jobs error: Invalid job id specified", 1, "gone"),
        ("", "Unable to contact slurm controller", 1, "last"),
    ],
)
def test_what_squeue_says(monkeypatch, output, error, code, state):
    done = subprocess.CompletedProcess([], code, output.encode(), error.encode())
    asked = []
    monkeypatch.setattr(subprocess, "run", lambda command, **more: asked.append(command) or done)
    assert slurm_state("77", "last") == state
    assert asked == [["squeue", "--noheader", "--format=%T", "--jobs=77"]]


def test_a_slurm_that_does_not_answer_takes_no_job_away(monkeypatch):
    def hang(command, **more):
        raise subprocess.TimeoutExpired(command, 30)

    monkeypatch.setattr(subprocess, "run", hang)
    assert slurm_state("77", "there") == "there"


@pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")
def test_only_the_owner_reads_the_certificate_and_it_goes_with_the_scheduler(tmp_path):
    security = SimpleNamespace(tls_client_cert="CERT\n", tls_client_key="KEY\n")
    with cluster_places.certificate_file(security, tmp_path) as path:
        assert path.read_text() == "CERT\nKEY\n" and path.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.iterdir())


# --- what is needed -------------------------------------------------------------------------------


def test_missing_packages_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(SpaceError, match=r"packages for clusters are missing.*\[cluster\]"):
        make_executor("local", 1, tmp_path, tmp_path)


def test_slurm_without_a_means_to_encrypt_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setattr(cluster_kinds, "_temporary_security", lambda: None)
    with pytest.raises(SpaceError, match="package cryptography is missing"):
        make_executor("slurm", 1, write_cluster_file(tmp_path, ""), tmp_path)


@pytest.mark.parametrize("text", ["pbs", "http://host:8786", "host:8786"])
def test_other_executors_are_refused(tmp_path, monkeypatch, text):
    monkeypatch.setattr(cluster_kinds, "_need_packages", lambda: None)
    with pytest.raises(SpaceError, match="is not understood"):
        make_executor(text, 1, tmp_path, tmp_path)


def test_a_scheduler_that_is_not_there_is_told(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setattr(cluster_kinds, "_CONNECT_SECONDS", 0.3)
    with pytest.raises(SpaceError, match="scheduler of Dask does not answer"):
        make_executor("tcp://127.0.0.1:9", 1, tmp_path, tmp_path)


def test_devices_of_a_cluster():
    assert monitor_command.cluster_devices(["auto"], "slurm", 3) == ("auto",) * 3
    assert monitor_command.cluster_devices(["0", "1"], "local", 3) == ("0", "1", "0")
    with pytest.raises(SpaceError, match="assigns GPUs itself"):
        monitor_command.cluster_devices(["0"], "slurm", 1)


# --- a worker that is a task ----------------------------------------------------------------------


class KilledWorker(Exception):
    """As Dask names it."""


class FakeTask:
    key = "SPACEtomo-dabc"

    def __init__(self, status="pending", result=(0, ""), error=None):
        self.status, self._result, self._error, self.cancelled = status, result, error, False

    def result(self, timeout):
        return self._result

    def exception(self, timeout):
        return self._error

    def cancel(self):
        self.cancelled = True


class FakeExecutor:
    def __init__(self, runs=False):
        self.left, self.asked, self.runs = [], [], runs

    def leave(self, number, place):
        self.left.append((number, place))

    def ask(self, mark, key):
        self.asked.append((mark, key))
        return self.runs


def place_in(state):
    return SimpleNamespace(state=lambda: state, title="SLURM job 7")


def make_worker(tmp_path, task=None, state="there", runs=False, opening=None):
    executor = FakeExecutor(runs)
    place = place_in(state) if state else None
    worker = DaskWorker(executor, "dabc", 2, tmp_path / "x.log", task or FakeTask(), place, opening)
    return worker, executor


@pytest.mark.parametrize(
    ("task", "state", "code", "words"),
    [
        (FakeTask(), "waits", None, ""),
        (FakeTask(), "there", None, ""),
        (FakeTask("finished"), "there", 0, ""),
        (FakeTask("finished", (75, "no folder")), "there", 75, "no folder"),
        (FakeTask("error", error=KilledWorker("x")), "there", -9, "KilledWorker"),
        (FakeTask("error", error=ImportError("no torch")), "there", 1, "no torch"),
        (FakeTask("cancelled"), "there", STATUS_TAKEN, "scheduler of Dask is away"),
        (FakeTask("lost"), None, STATUS_TAKEN, "scheduler of Dask is away"),
        (FakeTask(), "gone", 1, "SLURM job 7 has ended"),  # it never was there: a bad start
    ],
)
def test_how_a_task_has_ended(tmp_path, task, state, code, words):
    worker, executor = make_worker(tmp_path, task, state)
    assert worker.poll() == code
    assert executor.left == ([] if code is None else [(2, worker._place)])
    text = (tmp_path / "x.log").read_text() if (tmp_path / "x.log").exists() else ""
    assert words in text and bool(text) == bool(words)
    assert worker.poll() == code and len(executor.left) <= 1  # once, not at each look


def test_a_job_that_was_there_and_is_gone_was_taken_away(tmp_path):
    worker, _ = make_worker(tmp_path)
    assert worker.poll() is None
    worker._place = place_in("gone")  # the walltime, or somebody with more rights
    assert worker.poll() == STATUS_TAKEN


def test_a_process_that_could_not_be_made_is_a_bad_start(tmp_path):
    opening = concurrent.futures.Future()
    worker, _ = make_worker(tmp_path, state="waits", opening=opening)
    assert worker.poll() is None and worker.waits()
    opening.set_exception(OSError("no room"))
    assert worker.poll() == 1 and not worker.waits()
    assert "no room" in (tmp_path / "x.log").read_text()


def test_a_task_in_a_foreign_cluster_waits_as_long_as_dask_wants(tmp_path):
    worker, _ = make_worker(tmp_path, state=None)
    assert worker.waits()


def test_a_task_that_runs_is_asked_and_one_that_waits_is_forgotten(tmp_path):
    task = FakeTask()
    worker, executor = make_worker(tmp_path, task, runs=True)
    worker.terminate()
    assert executor.asked == [("dabc", task.key)] and worker.poll() is None and not task.cancelled
    assert not worker.wait(0.0)
    task.status = "finished"
    assert worker.wait(0.0)
    waiting, executor = make_worker(tmp_path, FakeTask(), runs=False)
    waiting.terminate()
    assert waiting.poll() == 0 and executor.left


def test_a_task_is_known_by_its_mark(tmp_path):
    worker, _ = make_worker(tmp_path)
    mine = Worker.this_process("auto", "dabc")
    assert worker.owns(mine) and worker.is_named(mine.name)
    assert not worker.owns(Worker.this_process("auto", "dabd"))


# --- in the worker process ------------------------------------------------------------------------


def test_a_worker_ends_when_dask_closes_its_process():
    closing = threading.Event()
    switch = serving.ServingSwitch(closing.is_set)
    switch.check()
    with switch.interruptible():
        switch.check()
        closing.set()
        with pytest.raises(StopAsked):
            switch.check()


def test_cores_are_those_of_the_job(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert serving.usable_cores() == 6
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert 1 <= serving.usable_cores() <= (os.cpu_count() or 1)


def test_a_folder_that_the_node_does_not_have_is_told(tmp_path):
    switch = serving.ServingSwitch(lambda: False)
    gone = str(tmp_path / "elsewhere")
    code, words = serving._serve([gone], str(tmp_path), "cpu", "dabc", 1.0, switch)
    assert code == serving.STATUS_NOT_POSSIBLE and "map folder is missing" in words


def test_a_log_of_many_runs_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_LOG_BYTES", 10)
    path = tmp_path / "x.log"
    cluster._ready_log(path)
    path.write_bytes(b"0123456789")
    cluster._ready_log(path)
    assert path.read_bytes() == b"0123456789"
    path.write_bytes(b"0123456789A")
    cluster._ready_log(path)
    assert path.read_bytes() == b""
