"""Models from folders and archives: what is needed of them arrives, and nothing else."""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from space import cli
from space.errors import SpaceError
from space.models.adding import copied, find_model, fit_name, refuse_name
from space.models.description import describe
from space.models.sources import Entry, FolderSource, copy, open_source
from space.models.store import place_of
from space.trust import file_hash
from tests.models.nnunet_files import DATASET, PLANS, write_checkpoint, write_model
from tests.models.onnx_files import DETECT, SEGMENT, write
from tests.models.yolo_files import write_weights
from tests.test_weights import asks_for, checkpoint

CONFIG = Path(__file__).resolve().parents[2] / "SPACEtomo_config.py"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "Gruppe Müller" / "SPACE tomo"
    folder.mkdir(parents=True)
    (folder / CONFIG.name).write_bytes(CONFIG.read_bytes())
    return folder


@pytest.fixture
def add(project, capsys):
    """Run the command; return exit code, what it says, and the files in the project's models."""

    def run(source, *words):
        code = cli.main(
            ["models", "add", str(source), *map(str, words), "--space-dir", str(project)]
        )
        told = capsys.readouterr()
        return code, told.out + told.err, files_in(project / "models")

    return run


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def export(folder: Path, target: Path, above: str = "") -> Path:
    """Pack a folder as nnU-Net's export does."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"{above}{path.relative_to(folder).as_posix()}")
    return target


def trained(folder: Path) -> Path:
    """A model as nnU-Net leaves it, with what only training needs."""
    write_model(folder, folds=(0, 1))
    for fold in (0, 1):
        write_checkpoint(folder / f"fold_{fold}" / "checkpoint_best.pth")
        (folder / f"fold_{fold}" / "training_log_1.txt").write_text("log", encoding="utf-8")
    (folder / "fold_2").mkdir()  # not begun
    (folder / "dataset_fingerprint.json").write_text("{}", encoding="utf-8")
    return folder


NEEDED = [
    "dataset.json",
    "fold_0/checkpoint_final.pth",
    "fold_1/checkpoint_final.pth",
    "plans.json",
]


def test_a_folder_of_training_is_added_without_what_only_training_needs(add, project, tmp_path):
    source = trained(tmp_path / "yeast")
    code, told, files = add(source)
    assert code == 0 and files == [f"yeast/{name}" for name in NEEDED]
    assert "folds 0, 1" in told and "use yeast --pixel-nm NM" in told
    for name in NEEDED:
        assert (project / "models/yeast" / name).read_bytes() == (source / name).read_bytes()
    # Nothing is replaced, under no spelling of the name.
    code, told, files = add(source, "--name", "YEAST")
    assert code == 2 and "already" in told and len(files) == len(NEEDED)
    assert not [p for p in (project / "models").iterdir() if p.name.startswith(".")]


def test_an_export_of_nnunet_is_added_under_the_name_of_its_data_set(add, tmp_path):
    source = trained(tmp_path / "m")
    (source / "card.json").write_text('{"trained_on": "real", "pixel_nm": 5}', encoding="utf-8")
    above = "Dataset007_yeast/nnUNetTrainer__nnUNetPlans__2d/"
    packed = export(source, tmp_path / "export 1.zip", above)
    code, told, files = add(packed)
    assert code == 0 and "trained at 5 nm (card.json)" in told
    assert files == sorted(f"Dataset007_yeast/{name}" for name in [*NEEDED, "card.json"])
    # Of several configurations, the one for pictures.
    with zipfile.ZipFile(packed, "a") as archive:
        for name in ("dataset.json", "plans.json"):
            archive.writestr(f"Dataset007_yeast/nnUNetTrainer__nnUNetPlans__3d/{name}", "{}")
    assert add(packed, "--name", "again")[0] == 0


def test_detectors_are_added_from_files_and_from_a_folder_of_training(add, project, tmp_path):
    one = write_weights(tmp_path / "finder v2.pt")
    assert add(one)[::2] == (0, ["finder v2/finder v2.pt"])
    run = tmp_path / "lamellae run"
    write_weights(run / "weights" / "best.pt")
    write_weights(run / "weights" / "last.pt")
    code, _, files = add(run)
    assert code == 0 and files[-1] == "lamellae run/best.pt"
    code, told, _ = add(export(run, tmp_path / "zipped.zip"))
    assert code == 0 and "zipped" in told and "good, broken" in told
    assert (project / "models/zipped/best.pt").is_file()


def test_the_folder_of_a_training_is_added_without_what_is_for_going_on(add, tmp_path):
    run = tmp_path / "runs" / "first"
    for name in ("best.pt", "last.pt"):
        write_weights(run / name)
    for name in ("run.json", "metrics.jsonl"):
        (run / name).write_text("{}", encoding="utf-8")
    code, said, _ = add(run)
    assert code == 2 and "--resume" in said
    write_weights(run / "model.pt")
    (run / "card.json").write_text('{"pixel_nm": 300}', encoding="utf-8")
    code, said, files = add(run)
    assert code == 0 and "trained at 300 nm" in said
    assert files == ["first/card.json", "first/model.pt"]
    code, said, files = add(run / "model.pt", "--name", "second")
    assert code == 0 and files[2:] == ["second/card.json", "second/model.pt"]


def test_a_training_of_nnunet_is_added_without_what_it_worked_with(add, tmp_path):
    run = tmp_path / "runs" / "first"
    for folder in (run / "nnunet" / "results", run / "model"):
        write_model(folder)
    for name in ("run.json", "metrics.jsonl", "plans.json", "best.pt"):
        (run / name).write_text("{}", encoding="utf-8")
    code, _, files = add(run)
    assert code == 0 and "first/dataset.json" in files
    assert all(name.count("/") <= 2 and "results" not in name for name in files)


def test_onnx_files_come_alone_or_beside_what_they_were_made_from(add, tmp_path):
    write(tmp_path / "mine.onnx", DETECT)
    assert add(tmp_path / "mine.onnx")[::2] == (0, ["mine/mine.onnx"])
    weights = write_weights(tmp_path / "both.pt", ["a"])
    write(tmp_path / "both.onnx", replace(DETECT, source={"both.pt": file_hash(weights)}))
    code, told, files = add(weights)
    assert code == 0 and "not used" not in told and files[:2] == ["both/both.onnx", "both/both.pt"]
    write(tmp_path / "both.onnx", DETECT)
    assert "made without both.pt" in add(weights, "--name", "other")[1]
    folder = write_model(tmp_path / "segmentation", folds=())
    write(folder / "model.onnx")
    code, told, _ = add(folder)
    assert code == 1 and "made without fold_all" in told and "not added" in told
    names = ("dataset.json", "plans.json")
    own = {name: file_hash(folder / name) for name in names}
    own["fold_all/checkpoint_final.pth"] = "0" * 64
    write(folder / "model.onnx", replace(SEGMENT, source={**SEGMENT.source, **own}))
    code, told, files = add(folder)
    assert code == 0 and "trained at 12 nm (the .onnx file)" in told and "folds 0, all" in told
    assert [f for f in files if f.startswith("seg")] == [
        f"segmentation/{name}" for name in ("dataset.json", "model.onnx", "plans.json")
    ]


def test_a_folder_without_weights_keeps_their_name(add, tmp_path, project):
    folder = write_model(tmp_path / "lite", folds=())
    own = {name: file_hash(folder / name) for name in ("dataset.json", "plans.json")}
    own |= {f"fold_{fold}/checkpoint_best.pth": "0" * 64 for fold in SEGMENT.folds}
    write(folder / "model.onnx", replace(SEGMENT, source=own))
    code, told, _ = add(folder)
    assert code == 0 and "folds 0, all" in told and "not used" not in told
    added = describe(place_of(project / "models/lite"))
    assert added.checkpoint == "checkpoint_best.pth" and added.onnx and not added.problems


def test_weights_that_ask_to_run_code_are_copied_and_named(add, tmp_path, project, monkeypatch):
    source = write_model(tmp_path / "m")
    weights = source / "fold_0" / "checkpoint_final.pth"
    with zipfile.ZipFile(weights) as archive:
        data = archive.read("checkpoint_final/data.pkl")
    # The same table, after a name that is dropped again.
    named = b"\x80\x02" + asks_for("os.system")[2:-1] + b"0" + data[2:]
    weights.write_bytes(checkpoint(named))
    code, told, _ = add(source, "--name", "odd")
    assert code == 0 and "os.system" in told and "spacetomo models trust" in told
    code = cli.main(["models", "use", "odd", "--pixel-nm", "5", "--space-dir", str(project)])
    assert code == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: (m / "plans.json").write_text("{}", "utf-8"), "holds no configurations"),
        (lambda m: (m / "dataset.json").write_text("[", "utf-8"), "cut off or damaged"),
        (lambda m: (m / "fold_0/checkpoint_final.pth").write_bytes(b"PK\x03\x04"), "damaged"),
        (lambda m: (m / "card.json").write_text("[]", "utf-8"), "not a table"),
        (lambda m: (m / "fold_0/checkpoint_final.pth").unlink(), "no weights in its folds"),
        (lambda m: (m / "plans.json").unlink(), "no plans.json"),
        (
            lambda m: (m / "plans.json").write_text(
                json.dumps({**PLANS, "configurations": {"2d": {"patch_size": [8, 8, 8]}}}), "utf-8"
            ),
            "3 dimensions",
        ),
    ],
)
def test_a_model_that_cannot_be_used_is_not_added(add, tmp_path, change, told):
    source = write_model(tmp_path / "m")
    change(source)
    for given in (source, export(source, tmp_path / "m.zip")):
        code, found, files = add(given)
        assert code in (1, 2) and told in found and not files
        assert ".part" not in found and str(given) in found


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("none.zip", None, "nothing here"),
        ("a.zip", b"", "no zip archive"),
        ("a.zip", b"PK\x03\x04 and more", "no zip archive"),
        ("a.zip", checkpoint(b"\x80\x02}."), "name it .pt"),
        ("a.tar.gz", b"\x1f\x8b", "unpack other archives"),
        ("a.pt", b"", "is empty"),
        ("a.pt", b"<html>", "web page"),
        ("a.pth", b"PK\x03\x04", "holds these and fold_0"),
        ("a.onnx", b"text", "onnx"),
    ],
)
def test_files_that_are_no_model_are_told(add, tmp_path, name, data, told):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    code, found, files = add(path)
    assert code in (1, 2) and told in found and not files


def test_several_models_or_a_packed_one_within_are_told(add, tmp_path):
    write_weights(tmp_path / "two" / "a.pt")
    write_weights(tmp_path / "two" / "b.pt")
    assert "several models in it: a.pt, b.pt" in add(tmp_path / "two")[1]
    outer = tmp_path / "outer"
    (outer / "x").mkdir(parents=True)
    export(write_model(tmp_path / "m"), outer / "x" / "inner.zip")
    for given in (outer, export(outer, tmp_path / "outer.zip")):
        assert "archive (x/inner.zip)" in add(given)[1]
    write_checkpoint(tmp_path / "alone" / "checkpoint_final.pth")
    assert "no dataset.json nor plans.json" in add(tmp_path / "alone")[1]
    (tmp_path / "empty").mkdir()
    assert "There is no model in it" in add(tmp_path / "empty")[1]


# --- archives that are made to do harm ----------------------------------------------------------


def info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo("x")
    found.filename = found.orig_filename = name
    found.external_attr = mode << 16
    found.compress_type = zipfile.ZIP_DEFLATED
    return found


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (info("../dataset.json"), "leads out"),
        (info("/etc/dataset.json"), "leads out"),
        (info("m//dataset.json"), "leads out"),
        (info("C:/dataset.json"), "not one for every system"),
        (info("m\\dataset.json"), "not one for every system"),
        (info("m/a\nb"), "not one for every system"),
        (info("m/link", stat.S_IFLNK | 0o777), "a link"),
        (info("m/pipe", stat.S_IFIFO | 0o777), "a link or no file"),
        (info("M/Dataset.json"), "two files have one name"),
    ],
)
def test_an_archive_with_names_that_do_harm_is_refused(add, tmp_path, extra, told):
    packed = export(write_model(tmp_path / "m"), tmp_path / "m.zip", "m/")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(extra, b"{}")
    code, found, files = add(packed)
    assert code == 2 and told in found and not files


def test_a_bomb_is_refused_before_it_is_unpacked(add, tmp_path):
    packed = export(write_model(tmp_path / "m"), tmp_path / "m.zip")
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fold_1/checkpoint_final.pth", bytes(3_000_000))
    code, found, files = add(packed)
    assert code == 2 and "would become 3 MB" in found and not files


def test_an_encrypted_archive_is_refused(add, tmp_path):
    packed = export(write_model(tmp_path / "m"), tmp_path / "m.zip")
    data = bytearray(packed.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    packed.write_bytes(data)
    assert "it is encrypted" in add(packed)[1]


@pytest.mark.parametrize("is_64", [False, True])
def test_an_archive_with_a_huge_table_is_refused_before_it_is_read(add, tmp_path, is_64):
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 300_000_000, 0, 0)
    if is_64:
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 2**32 - 1, 0, 0)
        big = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 9, 9, 3 * 10**8, 0)
        end = big + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1) + end
    (tmp_path / "m.zip").write_bytes(bytes(100) + end)
    assert "too many files" in add(tmp_path / "m.zip")[1]


def test_damage_within_an_archive_leaves_nothing_behind(add, tmp_path, project):
    packed = export(write_model(tmp_path / "m"), tmp_path / "m.zip")
    data = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        start = archive.getinfo("fold_0/checkpoint_final.pth").header_offset
    data[start + 200] ^= 0xFF
    packed.write_bytes(data)
    code, told, files = add(packed)
    assert code == 2 and "damaged" in told and not files
    assert list((project / "models").iterdir()) == []


def test_no_damage_leads_to_anything_but_a_message(tmp_path):
    whole = export(write_model(tmp_path / "m"), tmp_path / "m.zip", "m/").read_bytes()
    random, target = Random(3), tmp_path / "models"
    outcomes = set()
    for number in range(150):
        data = bytearray(whole)
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data[: random.choice([len(data), random.randrange(len(data))])])
        try:
            with open_source(path) as source, copied(source, find_model(source), target) as folder:
                outcomes.add(bool(files_in(folder)))
        except SpaceError:
            outcomes.add("refused")
        assert not list(target.iterdir() if target.is_dir() else [])
    assert outcomes == {True, "refused"}


def test_what_says_another_size_than_it_has_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b"123456")
    source = FolderSource(tmp_path, ["a.json"])
    for size, told in ((5, "larger than it says"), (7, "shorter"), (10**9, "larger than 16 MB")):
        with pytest.raises(SpaceError, match=told):
            copy(source, Entry(("a.json",), size), tmp_path / f"to {size}")
    with pytest.raises(SpaceError, match="link"):
        copy(source, Entry(("a.json",), 6, is_link=True), tmp_path / "to")


def test_a_full_disk_is_seen_before_copying(tmp_path, monkeypatch):
    source = FolderSource(write_model(tmp_path / "m"))
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("space.models.adding.shutil.disk_usage", lambda _: usage)
    found = find_model(source)
    with pytest.raises(SpaceError, match="no room"), copied(source, found, tmp_path / "models"):
        pass
    assert not list((tmp_path / "models").iterdir())


def test_what_a_killed_run_left_is_removed_after_a_day(tmp_path):
    source = FolderSource(write_model(tmp_path / "m"))
    old, new, other = (
        tmp_path / "models" / n for n in (".m.01234567.part", ".m.89abcdef.part", ".mine")
    )
    for path in (old, new, other):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    with copied(source, find_model(source), tmp_path / "models") as folder:
        assert folder.is_dir()
    assert sorted((tmp_path / "models").iterdir()) == sorted([new, other])


@pytest.mark.parametrize(
    "name",
    ["", ".x", "a/b", "a\\b", "con", "NUL.x", "a.", "a ", "a:b", "a\n", "x" * 90, "-a", ".."],
)
def test_odd_names_are_refused(tmp_path, name):
    assert not fit_name(name)
    with pytest.raises(SpaceError, match="cannot be the name"):
        refuse_name(name, tmp_path)


@pytest.mark.parametrize("name", ["yeast", "Hefe äöü 2", "a.b-c_(d)+1"])
def test_usual_names_are_let_through_once(tmp_path, name):
    refuse_name(name, tmp_path / "none")
    refuse_name(name, tmp_path)
    (tmp_path / name.upper()).mkdir()
    with pytest.raises(SpaceError, match="already"):
        refuse_name(name, tmp_path)


def test_a_link_in_a_folder_is_not_followed(add, tmp_path):
    source = write_model(tmp_path / "m")
    (tmp_path / "secret.json").write_text(json.dumps(DATASET), encoding="utf-8")
    (source / "dataset.json").unlink()
    try:
        (source / "dataset.json").symlink_to(tmp_path / "secret.json")
    except OSError:
        pytest.skip("no links here")
    code, told, files = add(source)
    assert code == 2 and "A link is not followed" in told and not files


def test_a_source_is_closed_again(tmp_path):
    packed = export(write_model(tmp_path / "m"), tmp_path / "m.zip")
    with open_source(packed) as source:
        assert find_model(source).name == "m"
    packed.unlink()  # Windows refuses while it is open
