"""``spacetomo models``: what models there are, which are used, and which may run code."""

from __future__ import annotations

import argparse
import json
import pickle

import pytest

from space import cli, trust
from space.cli.models import checking, trusting
from space.config import load_config
from space.errors import SpaceError
from space.jobs import ModelMarks
from tests.models.nnunet_files import write_model
from tests.models.yolo_files import write_weights
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


# --- a project with models of its own, in a folder as people name them --------------------------

CONFIG = """# Our models.
detection_weights = "models/finder/best.pt"   # by Jürgen
detection_pixel_nm = 400
detection_window_px = 1024
categories = {
    "good": ("#96D682", 1),
}
segmentation_model = "models/yeast"
segmentation_folds = [0]
segmentation_pixel_nm = 2.283  # nm
off_lamella_classes = ["background", "white", "black"]
runs_per_gpu = 1
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "Gruppe Müller" / "SPACE tomo"
    write_model(folder / "models" / "yeast", folds=(0, 1))
    write_weights(folder / "models" / "finder" / "best.pt")
    (folder / "SPACEtomo_config.py").write_bytes(CONFIG.replace("\n", "\r\n").encode())
    return folder


@pytest.fixture
def command(project, capsys):
    """Run the command line in the project; return exit code, and what it says."""

    def run(*words):
        code = cli.main(["models", *map(str, words), "--space-dir", str(project)])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_the_list_tells_what_is_used_and_what_is_not(command, project):
    write_model(project / "models" / "algae")
    (project / "models" / "algae" / "card.json").write_text(
        '{"trained_on": "real", "pixel_nm": 5}', encoding="utf-8"
    )
    (project / "models" / "odd").mkdir()
    code, told = command("list")
    assert code == 0 and "yeast: segmentation  <- in use" in told
    code, told = command("list", "--json")
    found = {one["name"]: one for one in json.loads(told)["models"]}
    assert list(found) == ["algae", "finder", "odd", "yeast"]
    assert [one["active"] for one in found.values()] == [False, True, False, True]
    assert found["odd"]["problems"] and not found["odd"]["task"]
    assert found["algae"]["pixel_nm"] == 5 and found["algae"]["trained_on"] == "real"
    assert found["yeast"]["pixel_nm"] == 2.283 and found["yeast"]["folds"] == [0, 1]
    assert found["yeast"]["folds_used"] == [0] and found["finder"]["classes"] == ["good", "broken"]
    config = load_config(project)
    for name, task in (("yeast", "segment"), ("finder", "detect")):
        assert found[name]["model_hash"] == ModelMarks(lambda: config)(task) != ""
    assert found["algae"]["model_hash"] not in ("", found["yeast"]["model_hash"])


def test_a_model_in_use_that_is_missing_or_elsewhere_is_listed(command, project, tmp_path):
    away = write_weights(tmp_path / "away" / "w.pt")
    text = CONFIG.replace('"models/finder/best.pt"', repr(away.as_posix()))
    text = text.replace("models/yeast", "models/none")
    (project / "SPACEtomo_config.py").write_text(text, encoding="utf-8")
    code, told = command("list", "--json")
    found = {one["name"]: one for one in json.loads(told)["models"]}
    assert code == 1 and found["models/none"]["active"] and found["models/none"]["problems"]
    assert found[away.as_posix()]["active"] and found[away.as_posix()]["task"] == "detect"
    assert not found["finder"]["active"] and not found["yeast"]["active"]


def test_what_is_no_project_is_told(capsys, tmp_path):
    assert cli.main(["models", "list", "--space-dir", str(tmp_path)]) == 2
    assert "Give the project's folder" in capsys.readouterr().err
