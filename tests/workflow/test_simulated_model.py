"""Targets of a model that was trained on simulated maps only: told, and acquired only on demand."""

from __future__ import annotations

from space.simulation import TRUST

CARD = "models/lamella_segmentation/card.json"


def test_a_model_that_saw_no_real_map_is_told_and_not_acquired_with_unless_it_is_meant(
    bench, request
):
    session = bench(stage_error_um=0.0)
    session.place_lamellae()
    card = session.space_dir / CARD
    card.write_text('{"trained_on": "simulated"}', encoding="utf-8")
    request.addfinalizer(card.unlink)  # other tests have the same project
    items, exposures = len(session.items()), session.count_exposures()

    refused = session.run(5)
    assert not refused.ok
    assert f"{TRUST} = True" in refused.error and "noise" in refused.error
    assert len(session.items()) == items and session.count_exposures() == exposures

    assert session.run(3).ok
    assert "Caution: the segmentation model was trained on simulated maps only" in session.log()
