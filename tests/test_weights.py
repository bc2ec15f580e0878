"""Weights from outside: what a file is, and that loading one runs nothing of its own."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from space import trust
from space.errors import SpaceError
from space.weights import load_checkpoint, names_asked_for, without_init

ROOT = Path(__file__).resolve().parent.parent
SEGMENTATION = ROOT / "models/lamella_segmentation/fold_0/checkpoint_final.pth"


def zipped(members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def checkpoint(data: bytes, **others: bytes) -> bytes:
    """A PyTorch checkpoint around a pickle."""
    return zipped({"w/data.pkl": data, "w/byteorder": b"little", "w/version": b"3\n", **others})


HEADER = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
OTHER_FILES = {
    "empty": (b"", "is empty"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "old web page": (b"<HTML>moved</HTML>", "web page"),
    "safetensors": (struct.pack("<Q", len(HEADER)) + HEADER + bytes(4), "safetensors"),
    "ONNX": (b"\x08\x0a\x12\x07pytorch" + bytes(80), "ONNX"),
    "text": (b"no network", "not a PyTorch checkpoint"),
    "bare pickle": (pickle.dumps({"a": 1}), "not a PyTorch checkpoint"),
    "before PyTorch 1.6": (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"more", "before 1.6"),
    "cut": (checkpoint(pickle.dumps({}, 2))[:-40], "cut off or damaged"),
    "cut pickle": (checkpoint(pickle.dumps({"a": "b" * 50}, 2)[:-9]), "cut off or damaged"),
    "odd pickle": (checkpoint(b"\x80\x02F" + b"\x00\r" * 900 + b"\n."), "cut off or damaged"),
    "other zip": (zipped({"readme.txt": b"hello"}), "not a PyTorch checkpoint"),
    "zipped model": (zipped({"m/dataset.json": b"{}", "m/fold_0/a.pth": b""}), "Unpack it"),
    "packed again": (
        zipped({"w/data.pkl": pickle.dumps({}, 2)}, zipfile.ZIP_DEFLATED),
        "packed again",
    ),
    "TorchScript": (
        checkpoint(b"", **{"w/constants.pkl": b"", "w/code/__torch__.py": b""}),
        "TorchScript",
    ),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_what_is_no_checkpoint_is_named_with_a_remedy(tmp_path, kind):
    data, told = OTHER_FILES[kind]
    path = tmp_path / "weights.pt"
    path.write_bytes(data)
    with pytest.raises(SpaceError) as caught:
        names_asked_for(path)
    assert told in str(caught.value) and caught.value.do and caught.value.where == str(path)
    assert len(caught.value.what) < 400 and caught.value.what.isprintable()


@pytest.mark.parametrize("name", ["none.pt", ""])
def test_missing_weights_are_told(tmp_path, name):
    with pytest.raises(SpaceError, match="missing"):
        names_asked_for(tmp_path / name)


def asks_for(name: str, proto: int = 2) -> bytes:
    """A pickle that names something and does no more."""
    module, _, attribute = name.rpartition(".")
    if proto == 2:
        return b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"."
    texts = b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, attribute))
    return b"\x80\x04" + texts + b"\x93."


@pytest.mark.parametrize("proto", [2, 4])
def test_names_are_read_in_old_and_new_pickles(tmp_path, proto):
    path = tmp_path / "weights.pt"
    path.write_bytes(checkpoint(asks_for("some.module.Thing", proto)))
    names = names_asked_for(path)
    assert "some.module.Thing" in names
    assert len(names) == (1 if proto == 2 else 2)  # a newer protocol is named as such


# --- trust, a list of hashes --------------------------------------------------------------------


def test_the_list_of_shipped_weights_is_that_of_the_files():
    """After training anew, docs/models.md tells how they are written."""
    listed = trust.read_hashes(trust.MODELS_DIR / trust.SHIPPED_FILE)
    models = ROOT / "models"
    files = [path for kind in ("*.pt", "*.pth", "*.onnx") for path in models.rglob(kind)]
    assert listed.odd == ()
    assert listed.names == {trust.file_hash(p): p.relative_to(models).as_posix() for p in files}


def test_weights_that_were_allowed_once_are_known_wherever_they_lie(tmp_path):
    first, copy = tmp_path / "a.pt", tmp_path / "b.pt"
    first.write_bytes(b"weights")
    copy.write_bytes(b"weights")
    assert not trust.is_trusted(copy, tmp_path)
    digest = trust.trust(first, tmp_path)
    assert trust.is_trusted(copy, tmp_path)
    trust.trust(copy, tmp_path)
    text = (tmp_path / trust.TRUSTED_FILE).read_text(encoding="utf-8")
    assert text == f"{digest}  {first.resolve().as_posix()}\n"
    first.write_bytes(b"others!")
    assert not trust.is_trusted(first, tmp_path)


def test_odd_lines_allow_nothing_and_are_told(tmp_path, caplog):
    weights, listed = tmp_path / "a.pt", tmp_path / trust.TRUSTED_FILE
    weights.write_bytes(b"weights")
    digest = trust.file_hash(weights)
    listed.write_text(f"# mine\n\n{digest[:-1]}  a.pt\n{digest}\nall\n", encoding="utf-8")
    assert not trust.is_trusted(weights, tmp_path)
    assert caplog.text.count("is not a hash with a name") == 3 and "Line 5" in caplog.text
    with pytest.raises(SpaceError, match="not a hash with a name"):
        trust.trust(weights, tmp_path)
    listed.write_bytes(f"{digest.upper()} *C:\\a b.pt\r\n".encode("utf-16"))  # by Notepad
    assert trust.is_trusted(weights, tmp_path)
    listed.write_bytes(b"0" * 1_100_000)
    assert not trust.is_trusted(weights, tmp_path) and "larger than" in caplog.text


def test_a_list_that_cannot_be_written_says_what_to_add(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    weights = tmp_path / "a.pt"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(trust, "write_text_atomic", refused)
    with pytest.raises(SpaceError) as caught:
        trust.trust(weights, tmp_path)
    assert "cannot be written" in str(caught.value)
    assert trust.file_hash(weights) in caught.value.do


# --- loading ------------------------------------------------------------------------------------


class Orders:
    """An object whose pickle calls `function` with `args`."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def saved(path: Path, content: object) -> Path:
    import torch

    torch.save(content, path)
    return path


@pytest.mark.models
@pytest.mark.parametrize("proto", [2, 4])
def test_code_in_a_checkpoint_does_not_run_unless_it_is_trusted(tmp_path, proto):
    mark = tmp_path / "was here"
    data = pickle.dumps({"a": Orders(exec, f"open({str(mark)!r}, 'w').close()")}, proto)
    path = tmp_path / "weights.pt"
    path.write_bytes(checkpoint(data))
    with pytest.raises(SpaceError, match=r"exec.*spacetomo models trust") as caught:
        load_checkpoint(path, models_dir=tmp_path)
    assert "the machine where the worker runs" in caught.value.do and not mark.exists()
    trust.trust(path, tmp_path)
    load_checkpoint(path, models_dir=tmp_path)
    assert mark.exists(), "the test tells nothing if the pickle does nothing"


class Eager:
    """A type whose constructor runs what it is given, as those of some networks do."""

    def __init__(self, text: str = "") -> None:
        exec(text)


@pytest.mark.models
def test_constructors_of_allowed_types_are_not_called(tmp_path):
    mark = tmp_path / "was here"
    order = f"open({str(mark)!r}, 'w').close()"
    own = {f"{__name__}.Eager": without_init(Eager)}

    called = saved(tmp_path / "called.pt", Orders(Eager, order))
    with pytest.raises(SpaceError, match="refused"):
        load_checkpoint(called, own.get, tmp_path)
    assert not mark.exists()

    filled = Eager()
    filled.value = 3
    found = load_checkpoint(saved(tmp_path / "filled.pt", filled), own.get, tmp_path)
    assert isinstance(found, Eager) and found.value == 3


@pytest.mark.models
def test_what_nnunet_saves_loads_as_plain_data(tmp_path):
    import torch

    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([parameter], 0.1, momentum=0.9, nesterov=True)
    parameter.sum().backward()
    optimizer.step()
    content = {
        "network_weights": {"a": torch.arange(4.0)},
        "optimizer_state": optimizer.state_dict(),
        "grad_scaler_state": torch.amp.GradScaler("cpu").state_dict(),
        "logging": {
            "ema_fg_dice": [np.float64(0.5)],
            "train_losses": [np.float32(-0.25), np.mean([1, 2])],
            "dice_per_class_or_region": [[np.float64(0.1), np.nan]],
            "counts": np.arange(3),
        },
        "_best_ema": np.float64(0.5),
        "init_args": {"fold": 0, "device": torch.device("cpu"), "plans": {"a": [1, None, True]}},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
    }
    found = load_checkpoint(saved(tmp_path / "c.pth", content), models_dir=tmp_path)
    assert found["logging"]["train_losses"] == [np.float32(-0.25), 1.5]
    assert found["init_args"] == content["init_args"]
    assert torch.equal(found["network_weights"]["a"], torch.arange(4.0))
    assert "network_weights" in load_checkpoint(SEGMENTATION, models_dir=tmp_path)


@pytest.mark.models
def test_a_damaged_checkpoint_is_told(tmp_path):
    import torch

    path = saved(tmp_path / "c.pth", {"a": torch.ones(1000)})
    with zipfile.ZipFile(path) as archive:
        kept = {n: archive.read(n) for n in archive.namelist() if not n.endswith("data/0")}
    path.write_bytes(zipped(kept))
    with pytest.raises(SpaceError, match="damaged") as caught:
        load_checkpoint(path, models_dir=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("models.yolo.DetectionModel", "YOLOv5"),
        ("models.common.Conv", "YOLOv5"),
        ("torch.nn.modules.later.Layer", "newer torch"),
        ("os.system", "os.system"),
        ("torch.hub.load", "torch.hub.load"),
    ],
)
def test_weights_of_other_programs_are_named(tmp_path, name, told):
    path = tmp_path / "weights.pt"
    path.write_bytes(checkpoint(asks_for(name)))
    with pytest.raises(SpaceError, match=told):
        load_checkpoint(path, models_dir=tmp_path)
