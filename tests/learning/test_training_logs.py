"""Curves of a training in programs that somebody asks for."""

from __future__ import annotations

import pytest

from space.errors import SpaceError
from space.learning import TrainConfig, train
from space.learning.training import loop, progress

WANDB = """
calls = []

class Run:
    def log(self, values, step):
        calls.append((step, values))

    def finish(self):
        calls.append("finished")

def init(**given):
    calls.append(given)
    return Run()
"""


def test_weights_and_biases_takes_the_curves_and_stays_offline(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "__init__.py").write_text(WANDB, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    config = TrainConfig(tmp_path / "set", tmp_path / "run", epochs=2, log=("wandb",))
    write = progress.board_of(config)
    for number in (1, 2):
        write(loop.Epoch(number, 0.5, {"a": 0.7, "b": None}, 0.1, 1.0, 1.0))
    import wandb

    begun, *told = wandb.calls
    assert begun["mode"] == "offline" and begun["dir"] == str(tmp_path / "run")
    assert begun["config"]["epochs"] == 2
    values = {"loss": 0.5, "dice/a": 0.7}
    assert told == [(1, values), (2, values), "finished"]


def test_a_missing_program_is_told_before_there_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("space.learning.training.logs.is_installed", lambda name: False)
    config = TrainConfig(tmp_path / "set", tmp_path / "run", log=("wandb",))
    with pytest.raises(SpaceError, match=r"Biases is missing .* pip install wandb"):
        train(config, lambda line: None)
    assert not (tmp_path / "run").exists()
