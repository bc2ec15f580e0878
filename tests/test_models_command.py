"""``spacetomo models``: what models there are, which are used, and which may run code."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from space import cli, trust
from space.cli.models import checking, config_change, trusting, trying
from space.cli.models.trying import Trial
from space.config import load_config
from space.contrast import judge
from space.errors import SpaceError
from space.images import write_png
from space.jobs import ModelMarks
from tests.jobs.tiny_models import make_segmentation_model
from tests.models.nnunet_files import DATASET, write_checkpoint, write_model
from tests.models.onnx_files import DETECT, write
from tests.models.yolo_files import write_weights
from tests.test_weights import ROOT, SEGMENTATION, asks_for, checkpoint

ACTIONS = {"check": checking, "trust": trusting}


@pytest.fixture
def said():
    return []


@pytest.fixture
def ask(tmp_path, said, project):
    """Run the command as its command line would, with lists of its own."""

    def run(*words):
        where = ["--space-dir", str(project)] if words[0] == "check" else []
        args = cli.command_line().parse_args(["models", *map(str, words), *where])
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
    for module in (checking, trying):
        monkeypatch.setattr(module, "is_installed", lambda name: False)
    path = write_weights(tmp_path / "weights.pt")
    assert ask("check", path) == 0
    assert "weights of another origin" in said[0] and "has no torch" in said[1]
    assert "the model was not run" in said[2]
    trust.trust(path, tmp_path)
    said.clear()
    assert ask("check", path, tmp_path / "none.pt") == 1
    assert "trusted here" in said[0] and "are missing" in said[-1]


@pytest.mark.models
def test_the_check_loads_what_the_configuration_names(said, monkeypatch):
    monkeypatch.setattr(checking, "runtimes", lambda model: [])  # running them takes long
    args = cli.command_line().parse_args(["models", "check", "--space-dir", str(ROOT)])
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
    told = "\n".join(said)
    assert "refused" in said[0] and "neither" in told and "nnU-Net" in said[-1]


@pytest.mark.models
def test_the_check_runs_a_model_by_all_that_is_here(command, project, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from space.segmentation.conversion import convert_segmentation

    folder = make_segmentation_model(project / "models" / "tiny")
    convert_segmentation(folder, (0,))
    image = np.random.default_rng(1).integers(0, 255, (40, 90), np.uint8)
    write_png(tmp_path / "map.png", image, 5.0, "test")
    words = ("check", "tiny", "--map", tmp_path / "map.png", "--device", "cpu")
    code, told = command(*words)
    assert code == 0 and "By ONNX Runtime on cpu" in told and "By PyTorch on cpu" in told
    assert "% of the pixels" in told and "Found: " in told
    code, told = command(*words, "--json")
    (report,) = json.loads(told)["models"]
    assert [run["runtime"] for run in report["runs"]] == ["onnx", "torch"] and report["fit"]
    assert report["agreement"] > 0.99
    assert report["runs"][0]["found"] == pytest.approx(report["runs"][1]["found"], abs=0.01)
    # At the pixel size of the model, which the configuration gives.
    scaled = [round(side * 5 / load_config(project).segmentation_pixel_nm) for side in (40, 90)]
    assert report["runs"][0]["size_px"] == scaled
    assert sum(report["runs"][0]["found"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("trials", "agreement", "code", "told"),
    [
        ([Trial("onnx", "cpu", 1, 2, (3, 4), {"mitos": 1.0})], None, 0, "a map of 3 x 4 px in 2.0"),
        ([Trial("torch", problem="It fell over.")], None, 1, "does not run: It fell over."),
        ([Trial("onnx"), Trial("torch")], 0.9, 1, "agree on 90.00% of the pixels. Make"),
        ([Trial("onnx"), Trial("torch")], 0.99, 0, "agree on 99.00% of the pixels."),
    ],
)
def test_a_model_that_does_not_run_or_runs_otherwise_is_unfit(
    command, monkeypatch, trials, agreement, code, told
):
    monkeypatch.setattr(checking, "_check_weights", lambda *_: None)
    monkeypatch.setattr(checking, "runtimes", lambda model: ["any"])
    monkeypatch.setattr(checking, "tried", lambda *_: (trials, agreement))
    found = command("check", "yeast")
    assert found[0] == code and told in found[1]
    report = json.loads(command("check", "yeast", "--json")[1])["models"][0]
    assert report["fit"] is (code == 0) and bool(report["problems"]) is (code == 1)


def test_what_cannot_be_checked_is_told(command, project, tmp_path):
    code, told = command("check", "nothing")
    assert code == 2 and "There are: finder, yeast" in told
    (tmp_path / "map.png").write_bytes(b"text")
    code, told = command("check", "yeast", "--map", tmp_path / "map.png")
    assert code == 2 and "not whole" in told
    (project / "models" / "yeast" / "plans.json").unlink()
    code, told = command("check", "yeast", "--json")
    report = json.loads(told)["models"][0]
    assert code == 1 and "no plans.json" in report["problems"][0] and report["runs"] == []


def test_runtimes_agree_where_labels_and_boxes_are_the_same():
    labels = np.zeros((2, 5), np.uint8)
    other = labels.copy()
    other[0, 0] = 1
    assert trying._agreement(labels, other) == 0.9
    boxes = np.array([[0.0, 0, 9, 9], [20, 20, 30, 30]])
    assert trying._agreement(boxes, boxes[::-1] + 0.5) == 1
    assert trying._agreement(boxes, boxes[:1]) == 0.5
    assert trying._agreement(boxes, boxes + 5) == 0
    assert trying._agreement(np.zeros((0, 4)), np.zeros((0, 4))) == 1


def test_the_map_made_for_this_shows_something_and_is_always_the_same():
    one, other = trying.small_map(), trying.small_map()
    assert np.array_equal(one.image, other.image) and not judge(one.image).useless
    assert one.image[:, 0].mean() > 220 > 60 > one.image[:, -1].mean()


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


# --- use ----------------------------------------------------------------------------------------


def text_of(project):
    return (project / "SPACEtomo_config.py").read_bytes().decode("utf-8")


def test_a_model_is_put_to_use_and_all_else_in_the_file_stays(command, project):
    write_model(project / "models" / "algae", folds=(1, 2))
    write_weights(project / "models" / "new one.pt", {0: "good", 1: "odd"})
    before = text_of(project)
    code, told = command("use", "algae", "--pixel-nm", "5")
    assert code == 0 and "As it was before" in told
    wanted = before.replace('"models/yeast"', '"models/algae"').replace("[0]", "[1, 2]")
    assert text_of(project) == wanted.replace("2.283", "5")
    assert (project / "SPACEtomo_config.py.bak").read_bytes().decode("utf-8") == before

    code, told = command("use", "new one.pt", "--pixel-nm", "250.5", "--window-px", "640")
    assert code == 0 and "has no odd" in told
    config = load_config(project)
    assert config.detection_weights == project / "models/new one.pt"
    assert (config.detection_pixel_nm, config.detection_window_px) == (250.5, 640)
    assert text_of(project).count("\r\n") == before.count("\r\n")
    assert '"models/new one.pt"   # by Jürgen\r\n' in text_of(project)


def test_folds_and_the_name_of_weights_are_taken_from_the_model(command, project):
    folder = write_model(project / "models" / "best", folds=())
    for fold in (0, 2):
        write_checkpoint(folder / f"fold_{fold}" / "checkpoint_best.pth")
    (folder / "card.json").write_text('{"trained_on": "real", "pixel_nm": 8.5}', encoding="utf-8")
    assert command("use", "BEST")[0] == 0
    config = load_config(project)
    assert config.segmentation_folds == (0, 2) and config.segmentation_pixel_nm == 8.5
    assert config.segmentation_checkpoint == "checkpoint_best.pth"
    lines = text_of(project).splitlines()
    assert lines[lines.index("segmentation_folds = [0, 2]") + 1].startswith("segmentation_checkp")
    # Said again, it is known; and back.
    assert "nothing was changed" in command("use", "best")[1]
    code, told = command("use", "best", "--folds", "2", "--pixel-nm", "9")
    assert code == 0 and "card.json of the model says 8.5 nm" in told
    assert load_config(project).segmentation_folds == (2,)
    assert command("use", "best")[0] == 0 and load_config(project).segmentation_folds == (2,)
    assert command("use", project / "models" / "yeast", "--pixel-nm", "2", "--folds", "1")[0] == 0
    assert load_config(project).segmentation_checkpoint == "checkpoint_final.pth"


def test_onnx_files_can_be_used(command, project):
    write(project / "models" / "mine.onnx")
    code, told = command("use", "mine.onnx")
    assert code == 0
    # A session would stop at classes of its settings that the model does not have.
    assert "avoid_list in SPACEtomo.py" in told and "does not have black" in told
    assert "avoid_list" not in command("use", ROOT / "models" / "lamella_segmentation")[1]
    assert command("use", "mine.onnx")[0] == 0
    config = load_config(project)
    assert config.segmentation_model == project / "models/mine.onnx"
    assert config.segmentation_folds == (0,) and config.segmentation_pixel_nm == 12
    write(project / "models" / "finder.onnx", DETECT)
    assert command("use", "finder.onnx", "--pixel-nm", "350")[0] == 0
    assert load_config(project).detection_window_px == 640
    code, told = command("list", "--json")
    found = {one["name"]: one for one in json.loads(told)["models"]}
    assert code == 0 and found["mine.onnx"]["active"] and found["finder.onnx"]["active"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["none"], 2, "There are: algae, finder, yeast"),
        (["algae"], 2, "--pixel-nm"),
        (["algae", "--pixel-nm", "nan"], 2, "above 0"),
        (["algae", "--pixel-nm", "5", "--folds", "7"], 1, "fold_7 is missing"),
        (["algae", "--pixel-nm", "5", "--folds", "x"], 2, "is no fold"),
        (["algae", "--pixel-nm", "5", "--window-px", "640"], 2, "Only a detector"),
        (["finder", "--folds", "0"], 2, "no folds"),
        (["finder", "--window-px", "100"], 2, "detection_window_px = 100 must be"),
    ],
)
def test_what_cannot_be_used_changes_nothing(command, project, words, code, told):
    write_model(project / "models" / "algae")
    before = text_of(project)
    found = command("use", *words)
    assert found[0] == code and told in found[1]
    assert text_of(project) == before and not list(project.glob("*.bak"))


def test_classes_that_the_configuration_does_not_fit_are_told(command, project):
    labels = {"rest": 0, "white": 1, "a": 2, "b": 3}
    folder = write_model(project / "models" / "algae")
    (folder / "dataset.json").write_text(json.dumps({**DATASET, "labels": labels}), "utf-8")
    code, told = command("use", "algae", "--pixel-nm", "5")
    assert code == 0 and "names background, black, which this model does not have" in told
    (folder / "dataset.json").write_text(
        json.dumps({**DATASET, "labels": {"rest": 0, "x": 1, "a": 2, "b": 3}}), "utf-8"
    )
    assert (
        "What lies beside the lamella is unknown" in command("use", "algae", "--pixel-nm", "5")[1]
    )


def test_a_file_that_cannot_be_written_stays(command, project, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(config_change, "write_bytes_atomic", refused)
    before = text_of(project)
    code, told = command("use", "finder", "--pixel-nm", "3")
    assert code == 2 and "detection_pixel_nm = 3" in told and text_of(project) == before


def test_a_change_by_somebody_else_meanwhile_is_kept(command, project, monkeypatch):
    write = config_change.write_bytes_atomic

    def and_meanwhile(target, data):
        write(target, data)
        if target.suffix == ".bak":
            (project / "SPACEtomo_config.py").write_text(CONFIG + "# mine\n", encoding="utf-8")

    monkeypatch.setattr(config_change, "write_bytes_atomic", and_meanwhile)
    code, told = command("use", "finder", "--pixel-nm", "3")
    assert code == 2 and "somebody else" in told and text_of(project).endswith("# mine\n")


# --- card ---------------------------------------------------------------------------------------


def test_a_card_is_written_and_what_else_stands_in_it_is_kept(command, project):
    path = project / "models" / "yeast" / "card.json"
    code, told = command("card", "yeast")
    assert code == 0 and "There is no card" in told and not path.exists()
    code, told = command("card", "yeast", "--set", "trained_on=real", "--set", "note=2 Gitter, µ")
    assert code == 0 and "was written" in told and "note: 2 Gitter, µ" in told
    values = {**json.loads(path.read_text("utf-8")), "author": {"of": ["us"]}, "scores": {"a": 0.5}}
    path.write_text(json.dumps(values), encoding="utf-8")
    code, told = command("card", "yeast", "--set", "pixel_nm=2.5", "--set", "note=")
    assert code == 0 and "2.5 nm" in told and "a 0.5" in told and '{"of": ["us"]}' in told
    kept = {name: value for name, value in values.items() if name != "note"}
    assert json.loads(path.read_text("utf-8")) == {**kept, "pixel_nm": 2.5}
    code, told = command("card", "yeast", "--json")
    assert (
        json.loads(told)["card"]["author"] == {"of": ["us"]} and json.loads(told)["pixel_nm"] == 2.5
    )
    before = path.stat().st_mtime_ns
    assert "written" not in command("card", "yeast", "--set", "pixel_nm=2.5")[1]
    assert path.stat().st_mtime_ns == before


def test_the_card_of_a_file_among_others_has_its_name(command, project):
    write_weights(project / "models" / "one.pt")
    assert command("card", "one.pt", "--set", "trained_on=real", "--set", "pixel_nm=300")[0] == 0
    assert (project / "models" / "one.card.json").is_file()
    assert command("use", "one.pt")[0] == 0
    assert load_config(project).detection_pixel_nm == 300


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trained_on"], "has no ="),
        (["trained_on=maps"], 'must be "real" or "simulated"'),
        (["trained=real"], "Did you mean trained_on"),
        (["colour=red"], "There are trained_on"),
        (["pixel_nm=5"], "would not say what the model was trained on"),
        (["trained_on=real", "pixel_nm=x"], "must be a length"),
        (["trained_on=real", "pixel_nm=nan"], "must be a length"),
        (["trained_on=real", "pixel_nm=inf"], "must be a length"),
        (["trained_on=real", "window_px=100"], "32 divides"),
        (["trained_on=real", f"note={'x' * 3000}"], "at most 2000"),
    ],
)
def test_an_odd_card_is_not_written(command, project, words, told):
    code, found = command("card", "yeast", *(part for word in words for part in ("--set", word)))
    assert code == 2 and told in found
    assert not (project / "models" / "yeast" / "card.json").exists()


def test_a_card_that_is_damaged_is_told_and_not_overwritten(command, project):
    path = project / "models" / "yeast" / "card.json"
    for text, words in (("{", "cannot be read"), ('{"pixel_nm": "5"}', "pixel_nm is '5'")):
        path.write_text(text, encoding="utf-8")
        for more in ([], ["--set", "trained_on=real"]):
            code, told = command("card", "yeast", *more)
            assert code == 2 and words in told and path.read_text("utf-8") == text


def test_a_card_cannot_steer_the_terminal(command, project):
    path = project / "models" / "yeast" / "card.json"
    values = {"trained_on": "real", "note": "\x1b[2J\x9b2J", "x": "\x9b1m"}
    path.write_text(json.dumps(values), encoding="utf-8")
    code, told = command("card", "yeast")
    assert code == 0 and "\x1b" not in told and "\x9b" not in told
