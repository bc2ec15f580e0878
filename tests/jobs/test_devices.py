"""Which device the models run on: what was asked for, else the first GPU, else the CPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from space.errors import SpaceError
from space.jobs.devices import torch_device


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
