"""Segment Anything is loaded from files that the user has, and from nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from space.errors import SpaceError
from space.learning import refuse_sam
from space.learning.prompting import FILES, Prompter


def test_files_that_cannot_be_of_it_are_refused_with_where_to_get_them(tmp_path):
    with pytest.raises(SpaceError, match="not there") as found:
        refuse_sam(tmp_path / "sam_b.pt")
    assert "docs.ultralytics.com" in found.value.do and "fetches nothing" in found.value.do
    (tmp_path / "my.pt").write_bytes(b"x")
    with pytest.raises(SpaceError, match="name of this file"):
        refuse_sam(tmp_path / "my.pt")
    (tmp_path / "web page.sam2.1_t.pt").write_bytes(b"<html>")
    refuse_sam(tmp_path / "web page.sam2.1_t.pt")
    with pytest.raises(SpaceError, match="web page"):
        Prompter(tmp_path / "web page.sam2.1_t.pt")


@pytest.mark.models
def test_it_says_what_is_under_points_with_weights_of_its_name_alone(tmp_path, monkeypatch):
    import pickle

    import torch
    from ultralytics.models.sam import build
    from ultralytics.utils import downloads

    def fetch(*_, **__):
        raise AssertionError("something is fetched")

    monkeypatch.setattr(downloads, "safe_download", fetch)
    monkeypatch.setattr(build, "attempt_download_asset", fetch)
    assert set(build.sam_model_map) == set(FILES)
    # ultralytics takes the apostrophe out of a path, and fetches what it does not find then.
    place = tmp_path / "O'Neil"
    place.mkdir()
    torch.manual_seed(0)
    torch.save(build.build_mobile_sam().state_dict(), place / "mobile_sam.pt")
    asked = Prompter(place / "mobile_sam.pt")
    picture = np.random.default_rng(0).integers(0, 255, (60, 100)).astype(np.uint8)
    asked.show(picture)
    one = asked.mask([(30, 40)], [True])
    assert one.shape == (60, 100) and one.dtype == bool and 0 < one.mean() < 1
    assert (asked.mask([(30, 40), (5, 90)], [True, False]) != one).any()
    torch.save({"layer": torch.zeros(2)}, place / "mobile_sam.pt")
    with pytest.raises(SpaceError, match="do not fit the network"):
        Prompter(place / "mobile_sam.pt")

    class Harm:
        def __reduce__(self):
            return print, ("harm",)

    torch.save({"model": Harm()}, place / "sam_b.pt", pickle_module=pickle)
    with pytest.raises(SpaceError, match="could run any code"):
        Prompter(place / "sam_b.pt")
