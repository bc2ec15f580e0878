"""Which device the models run on: what was asked for, else the first GPU, else the CPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from space.errors import SpaceError
from space.jobs import devices
from space.jobs.devices import Place, place_for, torch_device


class FakeTorch(SimpleNamespace):
    def __init__(self, gpus: int):
        super().__init__(threads=None)
        self.cuda = SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus)

    def get_num_threads(self) -> int:
        return 64

    def set_num_threads(self, number: int) -> None:
        self.threads = number


@pytest.fixture
def with_gpus(monkeypatch):
    monkeypatch.setenv("SPACETOMO_THREADS", "3")

    def install(gpus: int) -> FakeTorch:
        torch = FakeTorch(gpus)
        monkeypatch.setitem(sys.modules, "torch", torch)
        return torch

    return install


@pytest.mark.parametrize(
    ("asked", "gpus", "device"),
    [
        ("auto", 2, "cuda:0"),
        ("auto", 0, "cpu"),
        ("", 1, "cuda:0"),
        ("1", 2, "cuda:1"),
        ("cuda:1", 2, "cuda:1"),
        (" CUDA ", 1, "cuda:0"),
        ("cpu", 2, "cpu"),
    ],
)
def test_the_device_that_is_used(with_gpus, caplog, asked, gpus, device):
    torch = with_gpus(gpus)
    assert torch_device(asked) == device
    assert torch.threads == (3 if device == "cpu" else None)
    assert not caplog.records


@pytest.mark.parametrize(("asked", "gpus"), [("1", 1), ("0", 0), ("two", 2)])
def test_a_gpu_that_torch_cannot_use_is_replaced_by_the_cpu_with_a_warning(
    with_gpus, caplog, asked, gpus
):
    torch = with_gpus(gpus)
    assert torch_device(asked) == "cpu" and torch.threads == 3
    assert f"cannot use the GPU {asked!r}" in caplog.text


def test_without_torch_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SpaceError, match="torch is missing") as caught:
        torch_device("auto")
    assert "pip install" in str(caught.value)


@pytest.fixture
def computer(monkeypatch, with_gpus):
    """Describe a computer: its GPUs, those torch can use, what ONNX Runtime is built for."""

    def describe(nvidia=0, torch_gpus=None, onnx=(), has_onnx=True, has_torch=True):
        with_gpus(nvidia if torch_gpus is None else torch_gpus)
        monkeypatch.setattr(devices, "nvidia_gpus", lambda: nvidia)
        monkeypatch.setattr(devices, "_has_amd_gpus", lambda: False)
        monkeypatch.setattr(devices, "gpu_kinds", lambda: onnx)
        monkeypatch.setattr(devices, "has_onnxruntime", lambda: has_onnx)
        monkeypatch.setattr(devices, "is_installed", lambda name: has_torch)
        if not has_torch:
            monkeypatch.setitem(sys.modules, "torch", None)

    return describe


CPU_ONNX, CPU_TORCH = Place("onnx", "cpu"), Place("torch", "cpu")


@pytest.mark.parametrize(
    ("has", "asked", "runtime", "place"),
    [
        ({}, "auto", "auto", CPU_ONNX),
        ({"has_torch": False}, "auto", "auto", CPU_ONNX),
        ({}, "cpu", "torch", CPU_TORCH),
        ({"has_onnx": False}, "auto", "auto", CPU_TORCH),
        ({"nvidia": 2}, "1", "auto", Place("torch", "cuda:1")),
        ({"nvidia": 2}, "cpu", "auto", CPU_ONNX),
        ({"nvidia": 2}, "auto", "onnx", CPU_ONNX),
        ({"nvidia": 2, "has_torch": False}, "auto", "auto", CPU_ONNX),
        ({"nvidia": 1, "torch_gpus": 0}, "auto", "auto", CPU_ONNX),
        ({"nvidia": 2, "onnx": ("cuda",)}, "cuda:1", "auto", Place("onnx", "cuda:1")),
        ({"nvidia": 2, "onnx": ("cuda",)}, "auto", "torch", Place("torch", "cuda:0")),
        ({"nvidia": 0, "onnx": ("cuda",)}, "auto", "auto", CPU_ONNX),
        ({"onnx": ("dml",)}, "auto", "onnx", Place("onnx", "dml:0")),
        ({"onnx": ("dml",), "has_torch": False}, "dml:1", "auto", Place("onnx", "dml:1")),
    ],
)
def test_what_runs_a_model_and_where(computer, caplog, has, asked, runtime, place):
    computer(**has)
    assert place_for(asked, runtime, True) == place
    assert not caplog.records


def test_a_model_without_an_onnx_file_is_run_by_torch(computer):
    computer(onnx=("dml",))
    assert place_for("auto", "auto", False) == CPU_TORCH


@pytest.mark.parametrize("asked", ["3", "two"])
def test_a_gpu_that_onnx_runtime_cannot_use_is_replaced_with_a_warning(computer, caplog, asked):
    computer(nvidia=1, onnx=("cuda",))
    assert place_for(asked, "onnx", True) == CPU_ONNX
    assert f"cannot use the GPU {asked!r}" in caplog.text


def test_the_driver_is_asked_without_harm():
    assert devices.nvidia_gpus() >= 0
