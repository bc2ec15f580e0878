"""What the presets of inference ask a model to do."""

import pytest

from space.models import PRESETS, used_folds
from space.models.presets import numbered_folds

from .nnunet_files import write_model

COPIES = ("one", "turned", "mirrored")


def test_accurate_is_nnunets_own_way():
    """Mirrored tiles, steps of half a tile, the network everywhere."""
    accurate = PRESETS["accurate"]
    assert (
        accurate.copies == "mirrored"
        and accurate.tile_step == 0.5
        and not accurate.skips_plain_tiles
    )


def test_a_faster_preset_never_does_more():
    ways = list(PRESETS.values())
    for slower, faster in zip(ways, ways[1:]):
        assert faster.tile_step >= slower.tile_step
        assert COPIES.index(faster.copies) <= COPIES.index(slower.copies)
        assert faster.skips_plain_tiles >= slower.skips_plain_tiles


@pytest.mark.parametrize(
    ("preset", "configured", "used"),
    [
        ("accurate", (0,), (0, 1, 3)),
        ("accurate", (3,), (3, 0, 1)),
        ("balanced", (1, 0), (1, 0)),
        ("fast", (1, 0), (1,)),
        ("accurate", ("all",), ("all",)),
        ("fast", ("all",), ("all",)),
        ("accurate", (0, 7), (0, 7, 1, 3)),  # what is missing is told by the checks of the model
    ],
)
def test_folds_of_a_preset(tmp_path, preset, configured, used):
    folder = write_model(tmp_path / "model", (0, 3, "all", 1))
    assert used_folds(preset, folder, configured, "checkpoint_final.pth") == used


def test_folds_are_folders_with_the_weights_that_are_asked_for(tmp_path):
    folder = write_model(tmp_path / "model", (0, 2, "02", "x"))
    (folder / "fold_4").mkdir()
    assert numbered_folds(folder, "checkpoint_final.pth") == (0, 2)
    assert numbered_folds(folder, "checkpoint_best.pth") == ()
    assert numbered_folds(tmp_path / "nowhere", "checkpoint_final.pth") == ()
