"""``spacetomo models``: what weights are, and which may run code."""

from __future__ import annotations

import argparse
import pickle

import pytest

from space import cli, trust
from space.cli.models import checking, trusting
from space.errors import SpaceError
from tests.test_weights import ROOT, SEGMENTATION, asks_for, checkpoint

ACTIONS = {"check": checking, "trust": trusting}


@pytest.fixture
def said():
    return []


@pytest.fixture
def ask(tmp_path, said):
    """Run the command as its command line would, with lists of its own."""

    def run(*words):
        args = cli.command_line().parse_args(["models", *map(str, words)])
        return ACTIONS[args.action].run(args, said.append, tmp_path)

    return run


def test_weights_of_a_folder_are_trusted_and_what_they_ask_for_is_told(ask, said, tmp_path):
    fold = tmp_path / "model" / "fold_0"
    fold.mkdir(parents=True)
    for name in ("best", "final"):
        (fold / f"checkpoint_{name}.pth").write_bytes(checkpoint(asks_for(f"{name}.run")))
    assert ask("trust", tmp_path / "model") == 0
    assert all(trust.is_trusted(path, tmp_path) for path in fold.iterdir())
    told = "\n".join(said)
    assert "may run: 'best.run'" in told and "delete its line" in told


def test_what_is_no_checkpoint_is_not_trusted(ask, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SpaceError, match="git-lfs"):
        ask("trust", path)
    assert not (tmp_path / trust.TRUSTED_FILE).exists()


def test_a_folder_without_weights_is_told(capsys, tmp_path):
    assert cli.main(["models", "trust", str(tmp_path)]) == 2
    assert "no weights in this folder" in capsys.readouterr().err


def test_without_torch_the_check_says_what_it_could_not_do(ask, said, tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "find_spec", lambda name: None)
    path = tmp_path / "weights.pt"
    path.write_bytes(checkpoint(pickle.dumps({}, 2)))
    assert ask("check", path) == 0
    assert "weights of another origin" in said[0] and "has no torch" in said[1]
    trust.trust(path, tmp_path)
    said.clear()
    assert ask("check", path, tmp_path / "none.pt") == 1
    assert "trusted here" in said[0] and "are missing" in said[-1]


@pytest.mark.models
def test_the_check_loads_what_the_configuration_names(said):
    args = argparse.Namespace(action="check", weights=[], space_dir=ROOT)
    assert checking.run(args, said.append) == 0
    told = "\n".join(said)
    assert told.count("shipped with SPACEtomo") == 2
    assert (
        "a detector of the categories broken, contaminated, good" in told
        and "a model of nnU-Net" in told
    )


@pytest.mark.models
def test_the_check_refuses_what_a_worker_would(ask, said, tmp_path):
    refused, other = tmp_path / "a.pt", tmp_path / "b.pth"
    refused.write_bytes(checkpoint(asks_for("os.system")))
    other.write_bytes(checkpoint(pickle.dumps({"a": 1}, 2)))
    assert ask("check", refused, other, SEGMENTATION) == 1
    assert "refused" in said[1] and "neither" in said[3] and "nnU-Net" in said[5]
