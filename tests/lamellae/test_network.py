"""The network of a detector: what is loaded without running anything, and what is not fit."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest

from space.errors import SpaceError
from space.lamellae.detector import Detector
from space.lamellae.network import load_network, load_yolo, run_network
from space.lamellae.outputs import check_output
from tests.jobs.tiny_models import make_detection_model

MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = MODELS / "lamella_detector" / "weights.pt"
SEGMENTATION = MODELS / "lamella_segmentation" / "fold_0" / "checkpoint_final.pth"

PICTURE = np.random.default_rng(3).integers(0, 256, (128, 128)).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A detector with random weights, as a file."""
    import torch

    torch.set_num_threads(1)
    return make_detection_model(tmp_path_factory.mktemp("detector") / "made.pt")


@pytest.fixture
def changed(made, tmp_path):
    """Write the detector with something changed in its checkpoint."""

    def write(change):
        import torch

        checkpoint = load_yolo(made)
        change(checkpoint)
        torch.save(checkpoint, tmp_path / "weights.pt")
        return tmp_path / "weights.pt"

    return write


def rename(path: Path, *names: tuple[bytes, bytes]) -> None:
    """Have a checkpoint ask for other types, as one from another version does."""
    before = shutil.copy(path, path.with_suffix(".before"))
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            for one, other in names if info.filename.endswith("data.pkl") else ():
                assert one in data
                data = data.replace(one, other)
            new.writestr(info.filename, data)


class Orders:
    """An object whose pickle calls `function` with `args`."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


# --- nothing of the file runs -------------------------------------------------------------------


@pytest.mark.models
def test_code_in_the_weights_of_a_detector_does_not_run(changed, tmp_path):
    mark = tmp_path / "was here"
    order = f"open({str(mark)!r}, 'w').close()"
    path = changed(lambda checkpoint: checkpoint.update(note=Orders(exec, order)))
    with pytest.raises(SpaceError, match=r"ask for .*exec.*spacetomo models trust"):
        Detector(path)
    assert not mark.exists()


@pytest.mark.models
def test_a_call_through_what_torch_rebuilds_is_refused(changed, tmp_path):
    """Torch lets a file have any function called by one of the functions that it allows itself."""
    from torch._tensor import _rebuild_from_type_v2

    mark = tmp_path / "was here"
    order = Orders(_rebuild_from_type_v2, exec, dict, (f"open({str(mark)!r}, 'w').close()",), {})
    path = changed(lambda checkpoint: checkpoint.update(note=order))
    with pytest.raises(SpaceError, match=r"ask for .*_rebuild_from_type_v2"):
        Detector(path)
    assert not mark.exists()


@pytest.mark.models
@pytest.mark.parametrize("name", ["forward", "float", "_forward_hooks"])
def test_a_layer_with_methods_of_its_own_is_refused(changed, name):
    """What is called on a network would be what the file put there."""

    def change(checkpoint):
        layers = checkpoint["model"].model
        layers[0].__dict__[name] = {1: layers[1]} if name.endswith("hooks") else layers[1]

    with pytest.raises(SpaceError, match=f"a layer brings {name} of its own"):
        Detector(changed(change))


@pytest.mark.models
def test_the_constructor_of_a_network_is_not_called(made, changed, tmp_path):
    """It evaluates the activation that it is given as text."""
    from ultralytics.nn.modules import Conv
    from ultralytics.nn.tasks import DetectionModel

    mark = tmp_path / "was here"
    order = f"open({str(mark)!r}, 'w').close() or torch.nn.SiLU()"
    table = {**load_yolo(made)["model"].yaml, "activation": order}
    path = changed(lambda checkpoint: checkpoint.update(note=Orders(DetectionModel, table)))
    with pytest.raises(SpaceError, match="refused"):
        Detector(path)
    assert not mark.exists()
    usual = Conv.default_act
    try:
        DetectionModel(table, verbose=False)
    finally:
        Conv.default_act = usual
    assert mark.exists(), "the test tells nothing if the constructor does nothing"


# --- what loads ---------------------------------------------------------------------------------


@pytest.mark.models
def test_shipped_weights_give_what_ultralytics_gets_from_them():
    from ultralytics import YOLO

    network, names = load_network(SHIPPED)
    other = YOLO(str(SHIPPED)).model.float().fuse(verbose=False).eval()
    (found,), _ = run_network(network, [PICTURE], "cpu")
    (expected,), _ = run_network(other, [PICTURE], "cpu")
    assert np.array_equal(found, expected) and names == other.names
    assert all(type(p) is type(q) for p, q in zip(network.modules(), other.modules()))


@pytest.mark.models
def test_weights_of_an_older_ultralytics_from_another_system_load(made, changed):
    from ultralytics.utils import IterableSimpleNamespace

    def older(checkpoint):
        checkpoint["model"].args = IterableSimpleNamespace(task="detect", data="a.yaml")
        checkpoint["train_args"] = {"project": PureWindowsPath("C:/runs"), "lr": np.float64(0.1)}
        checkpoint["ema"], checkpoint["model"] = checkpoint["model"].half(), None

    path = changed(older)
    rename(
        path,
        (b"ultralytics.nn.modules.conv\nConv\n", b"ultralytics.nn.modules\nConv\n"),
        (b"ultralytics.utils\nIterable", b"ultralytics.yolo.utils\nIterable"),
        (b"PureWindowsPath", b"WindowsPath"),
    )
    network, names = load_network(path)
    assert names == {0: "broken", 1: "good"}
    (found,), _ = run_network(network, [PICTURE], "cpu")
    (expected,), _ = run_network(load_network(made)[0], [PICTURE], "cpu")
    assert np.allclose(found, expected, rtol=0.02, atol=0.02)


@pytest.mark.models
@pytest.mark.parametrize("end_to_end", [False, True])
def test_networks_that_drop_doubles_themselves_are_read(tmp_path, end_to_end):
    from types import SimpleNamespace

    from ultralytics import YOLO

    model = YOLO("yolo26n.yaml")
    model.model.end2end = end_to_end
    model.save(str(tmp_path / "weights.pt"))
    detector = Detector(tmp_path / "weights.pt")
    (output,), told = detector._network.look([PICTURE])
    assert told == end_to_end and (output.shape[1] == 6) == end_to_end
    config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=128)
    boxes = detector.detect(PICTURE, 400.0, 0.0, config)
    assert boxes and all(0 <= box.probability <= 1 for box in boxes)


# --- what does not ------------------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("yolov8n-seg.yaml", "'segment'"),
        ("yolov8n-pose.yaml", "'pose'"),
        ("yolov8n-obb.yaml", "'obb'"),
        ("yolov8n-cls.yaml", "'classify'"),
    ],
)
def test_weights_of_other_tasks_are_refused_by_name(tmp_path, description, told):
    from ultralytics import YOLO

    YOLO(description).save(str(tmp_path / "weights.pt"))
    with pytest.raises(SpaceError, match=told) as caught:
        Detector(tmp_path / "weights.pt")
    assert "detection model" in caught.value.do


@pytest.mark.models
def test_detectors_that_give_something_else_are_refused_by_name(tmp_path):
    import torch
    from ultralytics.nn.tasks import RTDETRDetectionModel, yaml_model_load

    table = {**yaml_model_load("rtdetr-l.yaml"), "scale": "l", "scales": {"l": [0.3, 0.1, 256]}}
    torch.save({"model": RTDETRDetectionModel(table, verbose=False)}, tmp_path / "weights.pt")
    with pytest.raises(SpaceError, match="RT-DETR"):
        Detector(tmp_path / "weights.pt")


def _first_layer_for_four_channels(checkpoint):
    import torch

    network = checkpoint["model"]
    network.model[0].conv = torch.nn.Conv2d(4, 16, 3, 2, 1, bias=False)


def _not_a_number(checkpoint):
    checkpoint["model"].model[3].conv.weight.data[0] = float("nan")


def _no_layer(checkpoint):
    checkpoint["model"].model._modules["3"] = 7


def _other_layer(checkpoint):
    checkpoint["model"].model[3].conv.padding = "twice"


def _other_count(checkpoint):
    checkpoint["model"].model[-1].nc = 3
    checkpoint["model"].names = {0: "a", 1: "b", 2: "c"}


def named(names):
    return lambda checkpoint: setattr(checkpoint["model"], "names", names)


CHANGES = {
    "four channels": (_first_layer_for_four_channels, "4 channels"),
    "not a number": (_not_a_number, "NaN"),
    "no layer": (_no_layer, "does not run"),
    "a layer that fails": (_other_layer, "does not run"),
    "another count of classes": (_other_count, "does not run"),
    "too few names": (named({0: "good"}), "name 1 classes, but the network has 2"),
    "gaps in names": (named({0: "good", 5: "bad"}), "name 2 classes"),
    "no names": (named(None), "name 0 classes"),
    "names of another kind": (named({"a": 1}), "name 0 classes"),
    "a long name": (named(["good", "b" * 61]), "class 1 cannot be used"),
    "a name on two lines": (named(["go\nod", "bad"]), "class 0 cannot be used"),
    "an empty name": (named(["", "bad"]), "class 0 cannot be used"),
    "numbers alone": (lambda c: c.update(model=None, ema=None), "not the network"),
}


@pytest.mark.models
@pytest.mark.parametrize("change", CHANGES)
def test_a_network_that_is_not_fit_is_refused_on_loading(changed, change):
    do, told = CHANGES[change]
    path = changed(do)
    with pytest.raises(SpaceError, match=told) as caught:
        Detector(path)
    assert caught.value.where == str(path) and caught.value.do
    assert "\n" not in str(caught.value)


@pytest.mark.models
def test_weights_of_a_newer_ultralytics_are_named(changed):
    path = changed(lambda checkpoint: None)
    rename(path, (b"ultralytics.nn.modules.block\nC2f\n", b"ultralytics.nn.modules.later\nC9\n"))
    with pytest.raises(SpaceError, match=r"newer ultralytics .*modules\.later\.C9") as caught:
        Detector(path)
    assert "pip install --upgrade ultralytics" in caught.value.do


@pytest.mark.models
def test_the_checkpoint_of_a_segmentation_model_is_named():
    with pytest.raises(SpaceError, match="nnU-Net, not of a detector"):
        Detector(SEGMENTATION)


@pytest.mark.models
def test_numbers_that_go_wrong_later_are_told_too(made):
    from types import SimpleNamespace

    detector = Detector(made)
    detector._network.network.model[-1].cv3[0][-1].bias.data[0] = float("inf")
    detector._network.network.model[-1].cv3[0][-1].weight.data[0] = float("-inf")
    config = SimpleNamespace(detection_pixel_nm=400.0, detection_window_px=128)
    with pytest.raises(SpaceError, match="NaN"):
        detector.detect(PICTURE, 400.0, 0.1, config)


def output(classes: int = 2, end_to_end: bool = False) -> np.ndarray:
    rows = np.full((7, 6) if end_to_end else (4 + classes, 7), 0.5, np.float32)
    if end_to_end:
        rows[:, 5] = 1
    return rows


@pytest.mark.parametrize("end_to_end", [False, True])
@pytest.mark.parametrize(
    ("value", "told"),
    [(1.5, "0.5 to 1.5"), (-0.1, "-0.1 to 0.5"), (np.nan, "NaN"), (np.inf, "NaN"), (1.0, "")],
)
def test_probabilities_are_checked_and_not_clipped(end_to_end, value, told):
    found = output(end_to_end=end_to_end)
    found[(3, 4) if end_to_end else (4, 3)] = value
    if not told:
        return check_output(found, 2, end_to_end)
    with pytest.raises(SpaceError, match=told) as caught:
        check_output(found, 2, end_to_end)
    assert caught.value.do


@pytest.mark.parametrize(
    ("found", "end_to_end", "told"),
    [
        (output(3), False, r"\(7, 7\), where \(6, 7\)"),
        (output(1, True)[:, :5], True, r"where \(7, 6\)"),
        (output()[:, :0], False, "is expected"),
        (output(1, True) + 5, True, "probabilities"),
        (np.tile([[0, 0, 1, 1, 0.5, 2]], (7, 1)), True, "classes beyond its own"),
        (np.tile([[0, 0, 1, 1, 0.5, 0.5]], (7, 1)), True, "classes beyond its own"),
    ],
)
def test_an_output_of_another_kind_is_told(found, end_to_end, told):
    with pytest.raises(SpaceError, match=told):
        check_output(found, 2, end_to_end)
