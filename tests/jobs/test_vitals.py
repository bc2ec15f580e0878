import sys
import types

import pytest
from helpers import Clock

from space.jobs import vitals
from space.jobs.heartbeat import Heartbeat
from space.jobs.presence import beat_path, read_beat
from space.jobs.vitals import Pulse, Vitals
from space.jobs.workers import Worker

FAR = Worker("far-1-abc123", "far", 1)


@pytest.fixture
def clock():
    return Clock()


def worked(pulse, clock, mpx=10.0, seconds=4.0):
    pulse.begin(mpx)
    clock.now += 100  # the model is being loaded
    pulse.progressed(0.0)
    clock.now += seconds / 2
    pulse.progressed(0.5)
    clock.now += seconds / 2
    pulse.progressed(1.0)


def test_a_job_tells_how_far_it_is_and_how_fast(clock):
    pulse = Pulse(lambda: ("torch 9", "a GPU"), clock)
    pulse.begin(10.0)
    pulse.progressed(0.0)
    clock.now += 2
    pulse.progressed(0.25)
    clock.now += 1
    now = pulse.vitals()
    assert (now.share, now.megapixels, now.job_s, now.stalled_s) == (0.25, 10.0, 3.0, 1.0)
    assert (now.runtime, now.device) == ("torch 9", "a GPU")
    assert now.mpx_per_s == pytest.approx(2.5 / 2)
    assert now.since[4] == "-"


def test_the_pace_holds_all_jobs_but_not_the_loading_of_models(clock):
    pulse = Pulse(clock=clock)
    worked(pulse, clock, 10.0, 4.0)
    pulse.end()
    worked(pulse, clock, 20.0, 2.0)
    pulse.end()
    now = pulse.vitals()
    assert (now.done_mpx, now.done_s) == (30.0, 6.0)
    assert (now.share, now.job_s, now.since, now.megapixels) == (None, 0.0, "", 0.0)


def test_a_job_that_tells_no_share_adds_nothing_to_the_pace(clock):
    pulse = Pulse(clock=clock)
    pulse.begin(5.0)
    pulse.progressed()
    clock.now += 9
    pulse.end()
    assert pulse.vitals().mpx_per_s == 0


def test_a_job_that_failed_early_counts_for_what_it_did(clock):
    pulse = Pulse(clock=clock)
    pulse.begin(10.0)
    pulse.progressed(0.0)
    clock.now += 1
    pulse.progressed(0.1)
    pulse.end()
    assert pulse.vitals().mpx_per_s == pytest.approx(1.0)


def test_the_gpu_is_not_asked_by_the_thread_that_gives_signs_of_life(clock, monkeypatch):
    asked = []
    monkeypatch.setattr(vitals, "gpu_memory_mb", lambda: asked.append(1) or 7.0)
    pulse = Pulse(clock=clock)
    pulse.begin(1.0)
    pulse.progressed()
    pulse.progressed()  # at once: not asked again
    for _ in range(5):
        assert pulse.vitals().gpu_memory_mb == 7.0
    assert len(asked) == 1


def test_the_memory_of_this_process_is_known():
    assert 5 < vitals.process_memory_mb() < 1e6


def test_the_memory_of_a_gpu_is_what_torch_holds(monkeypatch):
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        memory_reserved=lambda i: (i + 1) * 1e6,
        get_device_name=lambda i: f"GPU {i}",
    )
    torch = types.SimpleNamespace(cuda=cuda, __version__="9.0", get_num_threads=lambda: 3)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert vitals.gpu_memory_mb() == 3.0
    assert vitals.words_of_torch("1") == ("torch 9.0", "GPU 1")
    cuda.is_initialized = lambda: False
    torch.get_num_threads = lambda: 1
    assert vitals.words_of_torch("auto") == ("torch 9.0", "CPU, 1 thread")
    torch.get_num_threads = lambda: 3
    assert vitals.words_of_torch("auto") == ("torch 9.0", "CPU, 3 threads")


def test_the_memory_of_a_gpu_without_torch_is_what_its_driver_tells(monkeypatch):
    import os

    class NVMLError(Exception):
        pass

    def broken():
        raise NVMLError

    processes = [
        types.SimpleNamespace(pid=os.getpid(), usedGpuMemory=5_000_000),
        types.SimpleNamespace(pid=1, usedGpuMemory=9_000_000),
    ]
    nvml = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetComputeRunningProcesses=lambda handle: processes,
    )
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    assert vitals.gpu_memory_mb() == 5.0
    nvml.nvmlInit = broken
    assert vitals.gpu_memory_mb() == 0.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (None, Vitals()),
        ([1], Vitals()),
        ({"share": 2, "job_s": -1, "memory_mb": "9", "device": 3, "other": 1}, Vitals()),
        ({"share": True, "done_mpx": 1e13}, Vitals()),
        ({"share": 0.5, "device": "a\nb" + "x" * 500}, Vitals(0.5, device="a?b" + "x" * 97)),
    ],
)
def test_odd_vitals_are_left_out(values, expected):
    assert Vitals.from_dict(values) == expected


def test_a_sign_of_life_carries_them_and_only_where_the_job_is(tmp_path, clock):
    here, other = tmp_path / "here", tmp_path / "other"
    here.mkdir()
    other.mkdir()
    pulse = Pulse(lambda: ("torch 9", "a GPU"), clock)
    with Heartbeat(here, FAR, pulse=pulse) as beating, Heartbeat(other, FAR, pulse=pulse) as idle:
        beating.begin("a_L01.png", "segment", 10.0)
        beating.progressed(0.0)
        clock.now += 5
        beating.progressed(0.5)
        beating._beat()
        idle._beat()
        found = [read_beat(beat_path(folder, FAR.name)).vitals for folder in (here, other)]
    assert [v.share for v in found] == [0.5, None]
    assert [v.megapixels for v in found] == [10.0, 0.0]
    assert [v.done_mpx for v in found] == [5.0, 5.0]
    assert [v.device for v in found] == ["a GPU"] * 2


def test_no_pace_is_endless():
    assert Vitals.from_dict({"done_mpx": 1e11, "done_s": 1e-300}).mpx_per_s == 0.0
    assert Vitals.from_dict({"done_mpx": 20.0, "done_s": 10.0}).mpx_per_s == 2.0
