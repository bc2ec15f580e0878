"""Labels drawn in napari, for which a module stands in here: saved, undone later, never lost."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from space import learning
from space.cli import main
from space.learning import read_data_set, read_labels
from tests.learning.sets import item, made, picture


class Napari(ModuleType):
    """As much of napari as is used; `draws` is what a person does before closing the window."""

    def __init__(self, draws) -> None:
        super().__init__("napari")
        self.__spec__ = ModuleSpec("napari", None, origin="stand-in")
        self.draws, self.pictures, self.windows = draws, [], []
        self.utils = SimpleNamespace(DirectLabelColormap=lambda color_dict: color_dict)

    def Viewer(self, title):
        self.windows.append(title)
        return self

    def add_image(self, data, name):
        self.pictures.append(data)

    def add_labels(self, data, name, colormap):
        assert colormap[3] == "#ed1b00" and colormap[0] == "transparent"
        self.layer = SimpleNamespace(data=data)
        return self.layer

    def run(self):
        self.layer.data = self.draws(len(self.windows), self.layer.data)


@pytest.fixture
def folder(tmp_path):
    made(tmp_path / "set", item(0, "Süd 1", labels=None), item(1, "b.c"))
    return tmp_path / "set"


def draws(monkeypatch, what) -> Napari:
    module = Napari(what)
    monkeypatch.setitem(sys.modules, "napari", module)
    return module


def sample_of(folder, stem):
    return next(one for one in read_data_set(folder)[0].samples if one.stem == stem)


def test_without_napari_words_say_what_to_do(folder, capsys):
    assert main(["label", str(folder), "--napari"]) == 2
    told = capsys.readouterr().err
    assert "napari is not installed" in told and "leave --napari out" in told


def test_what_is_drawn_is_saved_when_the_window_is_closed(folder, monkeypatch, capsys):
    def person(number, labels):
        if number == 1:
            labels[2:5, 3:6] = 3
            labels[0] = 200
        return labels

    before = read_labels(folder, sample_of(folder, "b.c"))
    napari = draws(monkeypatch, person)
    assert main(["label", str(folder), "--napari"]) == 0
    assert "Labels of 1 picture(s)" in capsys.readouterr().out
    assert len(napari.windows) == 2 and (napari.pictures[0] == picture(0)).all()
    expected = np.zeros((9, 12), np.uint8)
    expected[2:5, 3:6], expected[0] = 3, 200
    done = sample_of(folder, "Süd 1")
    assert (read_labels(folder, done) == expected).all()
    assert (done.origin.kind, done.origin.proposed_by) == ("corrected", "")
    assert (read_labels(folder, sample_of(folder, "b.c")) == before).all()
    # On the page it is undone stroke by stroke.
    seen = learning.drawable(folder, done)
    assert len(seen.strokes) == 2
    learning.save_drawn(folder, done.file, seen.strokes[:1], seen.of)
    assert (read_labels(folder, done) == 200).sum() == 0

    # Drawn on again: what was there is the beginning.
    def more(number, labels):
        labels[2:3][labels[2:3] == 3] = 7
        return labels

    draws(monkeypatch, more)
    assert main(["label", str(folder), "--napari"]) == 0
    now = read_labels(folder, done)
    assert (now[2, 3:6] == 7).all() and (now[3:5, 3:6] == 3).all() and (now[5:] == 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_labels_of_no_class_are_told_and_kept_aside(folder, monkeypatch, capsys, dtype):
    draws(monkeypatch, lambda number, labels: np.full((9, 12), 44, dtype))
    before = (folder / "dataset.json").read_bytes()
    assert main(["label", str(folder), "--napari"]) == 0
    told = capsys.readouterr().out
    assert "labels [44] are of no class" in told and "Süd 1_napari.png" in told
    assert (folder / "corrections" / "b.c_napari.png").is_file()
    assert (folder / "dataset.json").read_bytes() == before
