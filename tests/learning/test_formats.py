"""Data sets handed out in each format and read back whole, and such folders of other programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from space.errors import OutOfSpaceError, SpaceError
from space.images import write_png
from space.labelling import Shape, Stroke
from space.learning import (
    IN,
    OUT,
    DataSet,
    LabelClass,
    Origin,
    Wish,
    check,
    drawable,
    export,
    format_of,
    import_into,
    read_data_set,
    save_drawn,
)
from space.learning.formats.nnunet import consecutive
from space.learning.formats.note import NOTE_FILE
from space.learning.names import clean_stem, folded
from space.learning.picture_files import read_pictures
from tests.learning.sets import (
    BOX_CLASSES,
    CLASSES,
    all_items,
    box,
    item,
    labels,
    made,
    odd_set,
    picture,
)

tifffile = pytest.importorskip("tifffile")
yaml = pytest.importorskip("yaml")
mask = pytest.importorskip("pycocotools.mask")


def round_trip(folder: Path, form: str) -> list[str]:
    """Hand a data set out and read it back into ``again``; return what was told."""
    told: list[str] = []
    export(folder / "set", read_data_set(folder / "set")[0], form, folder / "out", told.append)
    import_into(folder / "again", folder / "out", form, Wish(), told.append)
    return told


def same(one: Path, other: Path) -> None:
    """Compare two data sets: all that is known of their pictures, and their classes."""
    before, after = read_data_set(one)[0], read_data_set(other)[0]
    assert after.classes == before.classes and after.box_classes == before.box_classes
    pictures, found = all_items(one), all_items(other)
    assert list(found) == list(pictures)
    for known, sample in zip(before.samples, after.samples):
        first, second = pictures[known.stem], found[known.stem]
        assert np.array_equal(first.picture, second.picture)
        assert sample.picture_hash == known.picture_hash and sample.label_hash == known.label_hash
        assert (sample.pixel_nm, sample.split, sample.origin) == (
            known.pixel_nm, known.split, known.origin,
        )  # fmt: skip
        assert (first.labels is None) == (second.labels is None)
        if first.labels is not None:
            assert np.array_equal(first.labels, second.labels)
        assert (first.boxes is None) == (second.boxes is None)
        for left, right in zip(first.boxes or (), second.boxes or ()):
            assert left.category == right.category
            corners = [
                [getattr(b, f"{k}_px") for k in ("x0", "y0", "x1", "y1")] for b in (left, right)
            ]
            assert corners[0] == pytest.approx(corners[1], abs=1e-6)
        assert len(first.boxes or ()) == len(second.boxes or ())


@pytest.mark.parametrize("form", OUT)
def test_odd_pictures_come_back_from_each_format(tmp_path, form):
    odd_set(tmp_path / "set")
    assert round_trip(tmp_path, form) == []
    same(tmp_path / "set", tmp_path / "again")
    if form in ("folder", "napari", "openfibsem", "layers"):
        assert all_items(tmp_path / "again")["b.c"].points[1] == ("tip", 1.0, 0.125)


NAMES = st.text(min_size=1, max_size=9).map(clean_stem)
SETS = st.lists(
    st.tuples(
        NAMES,
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
        st.sampled_from(["u1", "u2", "i2", "f4"]),
        st.sampled_from([None, (0,), (0, 3), (0, 3, 7, 200), (7,)]),
        st.lists(
            st.tuples(st.floats(0, 5), st.sampled_from(BOX_CLASSES)), max_size=3
        ).map(lambda found: tuple(box(x, name) for x, name in found)) | st.none(),
        st.sampled_from(["", "train", "val", "test"]),
        st.sampled_from([None, 2.283]),
    ),
    max_size=4,
    unique_by=lambda one: folded(one[0]),
)  # fmt: skip


@pytest.mark.parametrize("form", OUT)
def test_all_data_sets_come_back_from_each_format(tmp_path_factory, form):
    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    @given(SETS)
    def run(those):
        folder = tmp_path_factory.mktemp("r")
        pictures = [
            item(
                seed, stem, picture=picture(seed, shape, dtype), split=split,
                boxes=boxes and tuple(one.clipped(shape) for one in boxes),
                labels=None if values is None else labels(seed, shape, values), pixel_nm=pixel_nm,
                origin=Origin(grid="G", lamella=seed),
            )
            for seed, (stem, shape, dtype, values, boxes, split, pixel_nm) in enumerate(those)
        ]  # fmt: skip
        made(folder / "set", *pictures)
        if not those:
            with_nothing(folder, form)
            return
        round_trip(folder, form)
        same(folder / "set", folder / "again")

    run()


def with_nothing(folder: Path, form: str) -> None:
    """An empty data set is handed out; where nothing is found in it, this is said."""
    try:
        round_trip(folder, form)
    except SpaceError:
        return
    assert not read_data_set(folder / "again")[0].samples


@pytest.mark.parametrize("form", OUT)
def test_pictures_without_labels_come_back_from_each_format(tmp_path, form):
    made(tmp_path / "set", item(1, "a", labels=None))
    assert round_trip(tmp_path, form) == []
    same(tmp_path / "set", tmp_path / "again")


@pytest.mark.parametrize("form", OUT)
def test_nothing_is_written_into_a_folder_that_is_not_empty(tmp_path, form):
    data = odd_set(tmp_path / "set")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(SpaceError, match="not empty"):
        export(tmp_path / "set", data, form, tmp_path / "out", print)


@pytest.mark.parametrize("form", [form for form in OUT if form != "napari"])
def test_what_is_handed_out_is_known_by_its_looks(tmp_path, form):
    export(tmp_path / "set", odd_set(tmp_path / "set"), form, tmp_path / "out", print)
    assert format_of(tmp_path / "out") == {"openfibsem": "folder"}.get(form, form)
    assert format_of(tmp_path / "set") == "dataset"


def test_a_picture_that_was_edited_since_is_taken_as_it_is_now(tmp_path):
    made(tmp_path / "set", item(1, "a", pixel_nm=5.0), item(2, "b", pixel_nm=5.0))
    told: list[str] = []
    data = read_data_set(tmp_path / "set")[0]
    export(tmp_path / "set", data, "nnunet", tmp_path / "out", told.append)
    Image.fromarray(picture(9)).save(tmp_path / "out" / "imagesTr" / "a_0000.png")
    import_into(tmp_path / "again", tmp_path / "out", "nnunet", Wish(), told.append)
    assert [one.pixel_nm for one in read_data_set(tmp_path / "again")[0].samples] == [None, 5.0]


def test_one_damaged_picture_does_not_stop_an_export(tmp_path):
    data = made(tmp_path / "set", item(1, "a"), item(2, "b"))
    (tmp_path / "set" / "images" / "a.png").write_bytes(b"")
    told: list[str] = []
    assert export(tmp_path / "set", data, "folder", tmp_path / "out", told.append) == 1
    assert "a.png" in told[0]


def test_a_full_disk_ends_an_export(tmp_path, monkeypatch):
    data = made(tmp_path / "set", item(1, "a"), item(2, "b"))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OutOfSpaceError):
        export(tmp_path / "set", data, "folder", tmp_path / "out", print)


# --- folders of other programs --------------------------------------------------------------------


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".tif", ".TIFF"):
        tifffile.imwrite(path, array, photometric="minisblack")
    elif path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def taken(tmp_path: Path, form: str = "", **wish) -> tuple[DataSet, list[str]]:
    told: list[str] = []
    source = tmp_path / "in"
    import_into(tmp_path / "set", source, form or format_of(source), Wish(**wish), told.append)
    return read_data_set(tmp_path / "set")[0], told


LAYOUTS = {
    "images and labels": ("images/Süd 1.PNG", "labels/Süd 1.png"),
    "masks of TIFF": ("Images/a_0000.tif", "Masks/a_0000.TIFF"),
    "labels beside": ("a.tif", "a_seg.png"),
    "marked labels": ("images/a.png", "masks/A_mask.png"),
    "labels of NumPy": ("raw/a.png", "labels/a.npy"),
}


@pytest.mark.parametrize("what", LAYOUTS)
def test_labels_are_found_beside_their_pictures(tmp_path, what):
    name, label_name = LAYOUTS[what]
    save(tmp_path / "in" / name, picture(1))
    save(tmp_path / "in" / label_name, labels(1))
    data, told = taken(tmp_path, pixel_nm=4.0)
    assert told == [] and data.samples[0].pixel_nm == 4.0
    assert data.values == {"background": 0, "class_3": 3, "class_7": 7, "class_200": 200}
    found = all_items(tmp_path / "set")[clean_stem(Path(name).stem)]
    assert np.array_equal(found.labels, labels(1))


def test_what_has_no_partner_is_told(tmp_path):
    save(tmp_path / "in/images/a.png", picture(1))
    save(tmp_path / "in/labels/b.png", labels(1))
    data, told = taken(tmp_path)
    assert "b.png: there is no picture" in told[0] and not data.samples[0].label_hash


def test_stacks_of_the_same_length_become_pictures_of_one_grid(tmp_path):
    save(tmp_path / "in/images/cell.tif", picture(1, (3, 9, 12)))
    save(tmp_path / "in/labels/cell.tif", labels(1, (3, 9, 12)))
    data, _ = taken(tmp_path)
    assert [one.file for one in data.samples] == [f"cell_z00{number}.png" for number in range(3)]
    assert {one.origin.grid for one in data.samples} == {"cell"}
    assert np.array_equal(all_items(tmp_path / "set")["cell_z001"].labels, labels(1, (3, 9, 12))[1])
    save(tmp_path / "in/labels/cell.tif", labels(1, (2, 9, 12)))
    told: list[str] = []
    done = import_into(tmp_path / "other", tmp_path / "in", "folder", Wish(), told.append)
    assert "holds 3 pictures, its labels cell.tif 2." in done.problems[0]


def test_one_file_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    save(tmp_path / "in/images/a.png", picture(1))
    (tmp_path / "in/images/b.png").write_bytes(b"\x89PNG")
    data, told = taken(tmp_path)
    assert [one.stem for one in data.samples] == ["a"] and "b.png" in told[0]


def test_mrc_upside_down(tmp_path):
    import mrcfile

    (tmp_path / "in").mkdir()
    with mrcfile.new(tmp_path / "in/a.mrc") as opened:
        opened.set_data(picture(1, dtype=np.int16))
    taken(tmp_path, flip_mrc=True)
    read = all_items(tmp_path / "set")["a"].picture
    assert np.array_equal(read, picture(1, dtype=np.int16)[::-1])


def png(path: Path, array: np.ndarray, **text: str) -> None:
    write_png(path, array, 2.0, "map", **text)


def test_maps_of_a_session_bring_their_classes_and_drawings_are_no_maps(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    table = json.dumps({"background": 0, "mitos": 3, "nucleus": 7, "ignore": 200})
    for number in (1, 2):
        png(source / f"G1_L0{number}.png", picture(number))
        png(source / f"G1_L0{number}_seg.png", labels(number), labels=table)
    png(source / "G1_L01_mitos_targets.png", picture(9), drawing="yes")
    data, told = taken(tmp_path)
    assert told == [] and data.values == json.loads(table)
    assert [(one.stem, one.origin.lamella) for one in data.samples] == [
        ("G1_L01", 1),
        ("G1_L02", 2),
    ]
    png(source / "G1_L02_seg.png", labels(2), labels='{"background": 0, "mitos": 7}')
    with pytest.raises(SpaceError, match="different classes"):
        import_into(tmp_path / "other", source, "folder", Wish(), print)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_read_for_ever(tmp_path):
    save(tmp_path / "in/images/a.png", picture(1))
    for name in ("b.png", "c.tif", "d.mrc"):
        os.mkfifo(tmp_path / "in/images" / name)
        with pytest.raises(SpaceError, match="no file"):
            read_pictures(tmp_path / "in/images" / name)
    assert [one.stem for one in taken(tmp_path)[0].samples] == ["a"]


REAL = os.environ.get("SPACETOMO_REAL_DATA", "")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="SPACETOMO_REAL_DATA is not set")
def test_real_sections_with_membranes(tmp_path):
    for name, file in (("images", "raw"), ("labels", "membrane")):
        (tmp_path / "in" / name).mkdir(parents=True)
        path = Path(REAL) / "sections" / f"sections_{file}.tif"
        (tmp_path / "in" / name / "cell.tif").write_bytes(path.read_bytes())
    data, told = taken(tmp_path, classes={"background": 0, "membrane": 1}, pixel_nm=4.0)
    assert told == [] and len(data.samples) == 24
    report = check(tmp_path / "set")
    assert report.problems == () and 0.15 < report.classes[1].pixels / (24 * 512**2) < 0.3


def test_layers_have_the_order_that_was_named(tmp_path):
    save(tmp_path / "in/images/a.png", picture(1))
    for name, rows in (("mitos", slice(0, 4)), ("crack", slice(3, 6))):
        layer = np.zeros((9, 12), np.uint8)
        layer[rows] = 77
        save(tmp_path / "in/layers" / name / "a.png", layer)
    data, told = taken(tmp_path, classes={"background": 0, "mitos": 9, "crack": 5})
    assert data.values == {"background": 0, "crack": 5, "mitos": 9} and "12 pixels" in told[0]
    assert all_items(tmp_path / "set")["a"].labels[:, 0].tolist() == [9, 9, 9, 9, 5, 5, 0, 0, 0]


def test_a_folder_for_each_class_is_layers_as_well(tmp_path):
    save(tmp_path / "in/images/a.png", picture(1))
    save(tmp_path / "in/ice/a.png", np.eye(9, 12, dtype=np.uint8))
    data, _ = taken(tmp_path, "layers")
    assert data.values == {"background": 0, "ice": 1}
    with pytest.raises(SpaceError, match="no folders of layers"):
        import_into(tmp_path / "other", tmp_path / "in/images", "layers", Wish(), print)


COCO = {
    "images": [{"id": 7, "file_name": "sub\\a.png", "width": 12, "height": 9}],
    "categories": [{"id": 1, "name": "mitos"}, {"id": 90, "name": "ice"}],
    "annotations": [
        {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4],
         "segmentation": [[1, 1, 6, 1, 6, 5, 1, 5]]},
        {"image_id": 7, "category_id": 90, "bbox": [0, 0, 2, 9],
         "segmentation": {"size": [9, 12], "counts": [0, 18, 90]}},
    ],
}  # fmt: skip


def coco(tmp_path: Path, **changed) -> Path:
    save(tmp_path / "in/images/a.png", picture(1))
    path = tmp_path / "in/annotations.json"
    path.write_text(json.dumps({**COCO, **changed}), encoding="utf-8")
    return path


def test_coco_of_others_has_polygons_run_lengths_and_boxes(tmp_path):
    coco(tmp_path)
    data, told = taken(tmp_path)
    assert data.values == {"background": 0, "mitos": 1, "ice": 90}
    found = all_items(tmp_path / "set")["a"]
    assert found.labels[:, :2].tolist() == [[90, 90]] * 9
    assert (found.labels[1:5, 2:6] == 1).all() and (found.labels[:, 6:] == 0).all()
    assert "overlap in 4 pixels" in told[0]
    assert [(one.category, one.x1_px, one.y1_px) for one in found.boxes] == [
        ("mitos", 4.0, 6.0), ("ice", 2.0, 9.0),
    ]  # fmt: skip


ODD_MASKS = {
    "another size": {"size": [9, 13], "counts": "0"},
    "too long": {"size": [9, 12], "counts": [0, 109]},
    "too short": {"size": [9, 12], "counts": [0, 18]},
    "negative": {"size": [9, 12], "counts": [-1, 109]},
    "packed, too short": {"size": [9, 12], "counts": "0"},
    "packed, junk": {"size": [9, 12], "counts": "zzzzzzzzzz"},
    "packed, umlaut": {"size": [9, 12], "counts": "ü"},
    "no runs": {"size": [9, 12]},
    "no numbers": [[1, 1, "a", 1, 6, 5]],
    "a number": 5,
}


@pytest.mark.parametrize("what", ODD_MASKS)
def test_masks_that_cannot_be_used_cost_their_picture(tmp_path, what):
    odd = {**COCO["annotations"][0], "segmentation": ODD_MASKS[what]}
    coco(tmp_path, annotations=[odd])
    data, told = taken(tmp_path)
    assert not data.samples and "cannot be used" in told[0]


def test_a_path_in_coco_leads_nowhere(tmp_path):
    save(tmp_path / "secret.png", picture(5))
    coco(tmp_path, images=[{"id": 7, "file_name": "../../secret.png"}])
    data, told = taken(tmp_path)
    assert not data.samples and "is not there" in told[0]


def test_yolo_of_others(tmp_path):
    save(tmp_path / "in/train/images/a.png", picture(1))
    lines = "1 0.5 0.5 0.25 0.5\n0 0 0 0.5 0 0.5 1 0 1\n0 0.5\nx 1 1 1 1\n\n0 5 5 1 1\n"
    (tmp_path / "in/train/labels").mkdir()
    (tmp_path / "in/train/labels/a.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "in/data.yaml").write_text("names: [good, broken]\nnc: 2\n", encoding="utf-8")
    data, told = taken(tmp_path)
    assert data.box_classes == ("good", "broken") and data.samples[0].split == "train"
    found = all_items(tmp_path / "set")["a"].boxes
    assert [(one.category, one.x0_px, one.y0_px, one.x1_px, one.y1_px) for one in found] == [
        ("broken", 4.5, 2.25, 7.5, 6.75), ("good", 0.0, 0.0, 6.0, 9.0),
    ]  # fmt: skip
    assert [text.split(" of ")[0] for text in told] == ["Line 2", "Line 3", "Line 4", "Line 6"]


def test_nnunet_of_others(tmp_path):
    for name in ("a_0000_0000.png", "b_0000.png", "b_0001.png"):
        save(tmp_path / "in/imagesTr" / name, picture(len(name)))
    save(tmp_path / "in/labelsTr/a_0000.png", labels(1, values=(0, 1, 2)))
    save(tmp_path / "in/imagesTs/c_0000.png", picture(9))
    table = {"labels": {"background": 0, "mitos": 1, "ignore": 2}, "channel_names": {"0": "TEM"}}
    (tmp_path / "in/dataset.json").write_text(json.dumps(table), encoding="utf-8")
    data, told = taken(tmp_path)
    assert [(one.stem, bool(one.label_hash), one.split) for one in data.samples] == [
        ("a_0000", True, ""), ("b", False, ""), ("c", False, "test"),
    ]  # fmt: skip
    assert data.values == {"background": 0, "mitos": 1, "ignore": 2} and "b_0001" in told[0]


def test_nnunet_gets_consecutive_labels_and_one_kind_of_file(tmp_path):
    data = odd_set(tmp_path / "set")
    export(tmp_path / "set", data, "nnunet", tmp_path / "out", print)
    table = json.loads((tmp_path / "out/dataset.json").read_text(encoding="utf-8"))
    assert table["labels"] == {"background": 0, "mitos": 1, "Zellwand äußere": 2, "ignore": 3}
    assert table["file_ending"] == ".tif" and table["numTraining"] == 3
    names = sorted(path.name for path in (tmp_path / "out").rglob("*.tif"))
    assert len(names) == 8 and "a_0000_0000.tif" in names and "a_0000.tif" in names
    without = DataSet((LabelClass(4, "mitos", "#000000"),))
    assert consecutive(without) == {"background": 0, "mitos": 1}


YAML = {
    "by value": "labels: {0: background, 1: lamella}\ncolors: {1: red}\n",
    "by name": "background: 0\nlamella: 1\n",
    "tables": "classes: [{name: background}, {name: lamella, value: 1, color: [255, 0, 0]}]",
    "list": "class_labels: [background, lamella]\ncolors: ['#000000', '#FF0000']\n",
    "texts": "labels: {'1': lamella}\n",
}


@pytest.mark.parametrize("what", YAML)
def test_openfibsem_of_others(tmp_path, what):
    save(tmp_path / "in/a.tif", picture(1))
    save(tmp_path / "in/labels/a.tif", labels(1, values=(0, 1)))
    (tmp_path / "in/classes.yaml").write_text(YAML[what], encoding="utf-8")
    data, told = taken(tmp_path, "openfibsem")
    assert data.values == {"background": 0, "lamella": 1} and told == []
    if "red" in YAML[what] or "255" in YAML[what] or "FF" in YAML[what]:
        assert data.classes[1].color == "#ff0000"


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system ['touch x']", "a: [", "5", "labels: {300: a}", "&a [*a, *a]"],
)
def test_yaml_of_others_runs_nothing_and_is_refused_in_words(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in/a.tif", picture(1))
    (tmp_path / "in/classes.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpaceError):
        taken(tmp_path, "openfibsem")
    assert not (tmp_path / "x").exists()


def test_another_data_set_is_taken_as_it_is(tmp_path):
    odd_set(tmp_path / "in")
    data, told = taken(tmp_path)
    assert told == [] and data == read_data_set(tmp_path / "in")[0]


@pytest.mark.parametrize("form", [form for form in IN if form != "coco"])
def test_a_folder_is_asked_for(tmp_path, form):
    path = save(tmp_path / "a.png", picture(1))
    with pytest.raises(SpaceError, match="folder"):
        import_into(tmp_path / "set", path, form, Wish(), print)
    with pytest.raises(SpaceError, match="no such file"):
        import_into(tmp_path / "set", tmp_path / "missing", form, Wish(), print)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": "SPACEtomo export 1"}', b"\xff"])
def test_a_note_that_is_none_is_passed_over(tmp_path, content):
    made(tmp_path / "set", item(1, "a"), classes=CLASSES)
    export(tmp_path / "set", read_data_set(tmp_path / "set")[0], "folder", tmp_path / "out", print)
    (tmp_path / "out" / NOTE_FILE).write_bytes(content)
    import_into(tmp_path / "again", tmp_path / "out", "folder", Wish(), print)
    assert read_data_set(tmp_path / "again")[0].values["class_7"] == 7


def test_things_of_coco_are_told_apart_until_their_labels_are_changed(tmp_path):
    one, two, over = (np.zeros((9, 12), np.uint8) for _ in range(3))
    one[2:5, 1:5], two[2:5, 5:9], over[3:7, 4:6] = 1, 1, 1  # two that touch, and one over both

    def runs(pixels):
        packed = mask.encode(np.asfortranarray(pixels))
        return {"size": [9, 12], "counts": packed["counts"].decode("ascii")}

    categories = [{"id": 3, "name": "mito"}, {"id": 5, "name": "cell"}]
    annotations = [
        {"id": n, "image_id": 7, "category_id": c, "segmentation": runs(m), "iscrowd": crowd}
        for n, (c, m, crowd) in enumerate(((3, one, 0), (3, two, 0), (5, over, 1)))
    ]
    coco(tmp_path, annotations=annotations, categories=categories)
    taken(tmp_path, "coco")

    def handed_on(source, out, into="", form="coco"):
        export(source, read_data_set(source)[0], form, out, print)
        if into:
            import_into(into, out, form, Wish(), print)
        return out

    def things(folder):
        values = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
        names = {one["id"]: one["name"] for one in values["categories"]}
        return [(names[one["category_id"]], one["segmentation"]["counts"], one["iscrowd"])
                for one in values["annotations"] if "segmentation" in one]  # fmt: skip

    wanted = [("mito", runs(one)["counts"], 0), ("mito", runs(two)["counts"], 0),
              ("cell", runs(over)["counts"], 1)]  # fmt: skip
    again, third = tmp_path / "again", tmp_path / "third"
    assert things(handed_on(tmp_path / "set", tmp_path / "out", again)) == wanted
    import_into(third, again, "dataset", Wish(), print)
    for number, source in enumerate((again, third)):
        assert things(handed_on(source, tmp_path / f"out {number}")) == wanted
    # Drawn on: what there is now counts, by classes.
    (sample,) = read_data_set(again)[0].samples
    dot = Stroke(Shape.BRUSH, "mito", ((7.5, 10.5),), 1.0)
    save_drawn(again, sample.file, (dot,), drawable(again, sample).of)
    changed = things(handed_on(again, tmp_path / "changed"))
    assert [name for name, _, _ in changed] == ["mito", "cell"]


@pytest.mark.parametrize(
    ("classes", "value"),
    [({"mitos": 1}, 1), ({"background": 0, "mitos": 4}, 4), ({"mitos": 1, "ice": 2}, 255)],
)
def test_a_mask_is_of_the_only_class_that_is_named(tmp_path, classes, value):
    inside = np.zeros((9, 12), np.uint8)
    inside[2:5, 3:7] = 255
    save(tmp_path / "in/images/a.png", picture(1))
    save(tmp_path / "in/labels/a.png", inside)
    data, told = taken(tmp_path, classes=classes)
    (found,) = all_items(tmp_path / "set").values()
    assert (found.labels == np.where(inside, value, 0)).all()
    assert (255 in data.values.values()) == (value == 255) == any("255" in one for one in told)
