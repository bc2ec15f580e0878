"""What a packed model may hold: anything else is refused before there is a folder."""

from __future__ import annotations

import pytest

from space.errors import SpaceError

pytestmark = pytest.mark.models
GOOD = {
    "format": "SPACEtomo nnU-Net 1",
    "tables": {"dataset.json": "{}", "plans.json": "{}"},
    "checkpoint": "checkpoint_final.pth",
    "folds": {"fold_0": {"network_weights": {}}},
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": "other"}, "not a model of nnU-Net that was packed"),
        ({"tables": {"dataset.json": "{}"}}, "something else"),
        ({"tables": {**GOOD["tables"], "../a.json": "{}"}}, "something else"),
        ({"tables": {**GOOD["tables"], "plans.json": "[1]"}}, "something else"),
        ({"tables": {**GOOD["tables"], "plans.json": 1}}, "something else"),
        ({"checkpoint": "../checkpoint_final.pth"}, "something else"),
        ({"folds": {"../fold_0": {}}}, "something else"),
        ({"folds": {}}, "something else"),
        ({}, "has no classes"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, changed, said):
    import torch

    from space.segmentation.one_file import unpack

    torch.save({**GOOD, **changed}, tmp_path / "a.pth")
    with pytest.raises(SpaceError, match=said):
        unpack(tmp_path / "a.pth", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_a_file_that_would_run_code_is_refused(tmp_path):
    import torch

    from space.segmentation.one_file import unpack

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({**GOOD, "folds": {"fold_0": Evil()}}, tmp_path / "a.pth")
    with pytest.raises(SpaceError, match="print"):
        unpack(tmp_path / "a.pth", tmp_path / "out")
