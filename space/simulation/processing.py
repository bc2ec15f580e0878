"""Simulated tilt series become tomograms, membranes, surfaces and particles, which are judged.

What a person would do is done with the truth of a part of each tomogram: membranes are labelled and
particles are clicked on in its left part. One network for each learns from all of them, and what
it finds in the right parts is judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from space.files import write_text_atomic
from space.simulation.tomogram_truth import PARTICLE, TomogramTruth, truth_of
from space.tomograms import Options, tomogram_of
from space.volumes import OpenVolume, open_volume, write_zarr

Tell = Callable[[str], object]

PROCESSED = "processed.json"
VOXEL_NM = 3.6
"""About the size of the voxels of the tomograms: a membrane is then one to two wide."""

LEARNT, HELD = 0.4, 0.5
"""Shares of the width: learnt is what lies left of the first, judged what lies beyond the other."""

_EDGE_NM = 60.0
"""So far from the edges nothing is judged: pictures at high tilts do not show it."""

_DIAMETER_NM, _MATCHED_NM = 26.0, 13.0
_SMALLEST_NM3 = 30.0**3
_LEAST_VOXELS, _FEWEST = 500, 10
"""Of membranes and particles, below which nothing is learnt."""

_MEMBRANE = "membrane"


@dataclass(frozen=True)
class Piece:
    """A tomogram and what is true in it.

    Attributes
    ----------
    name : str
    facts : mapping
        What was measured when it was made.
    path : Path
        OME-Zarr.
    volume : OpenVolume
    truth : TomogramTruth
    """

    name: str
    facts: Mapping[str, Any]
    path: Path
    volume: OpenVolume
    truth: TomogramTruth

    @property
    def edge(self) -> int:
        """Voxels along the edges that are left out."""
        return round(_EDGE_NM / self.volume.frame.voxel_nm[0])

    @property
    def learnt(self) -> tuple[int, int]:
        """First column that is learnt from, and the one after the last."""
        return self.edge, round(LEARNT * self.volume.shape[2])

    @property
    def held(self) -> tuple[int, int]:
        """First column that is judged, and the one after the last."""
        width = self.volume.shape[2]
        return round(HELD * width), width - self.edge


def process(
    series: Sequence[Path],
    truths: Sequence[Path],
    out: Path,
    tell: Tell = lambda _: None,
    epochs: int = 12,
) -> dict[str, Any]:
    """Do all of it, and write what it came to; what is done already is not done again.

    Parameters
    ----------
    series : sequence of Path
        Stacks of simulated tilt series.
    truths : sequence of Path
        The truth of each.
    out : Path
        Folder of the results.
    tell : callable, optional
        Takes a line for each step.
    epochs : int
        Of each training.

    Returns
    -------
    dict
        As in the file `PROCESSED`: for each series its tomogram, the scores of membranes and
        particles, and its surfaces. None where the left parts hold too little to learn from.
    """
    out.mkdir(parents=True, exist_ok=True)
    pieces = []
    for stack, truth in zip(series, truths):
        tell(f"tomogram of {stack.name}")
        pieces.append(_piece(stack, truth, out))
    tell("membranes are learnt")
    network = _learn_membranes(pieces, out, epochs)
    tell("particles are learnt")
    picker = _learn_particles(pieces, out, epochs)
    result: dict[str, Any] = {"series": []}
    for one in pieces:
        tell(f"membranes, surfaces and particles of {one.name}")
        folder = out / one.name
        membranes, surfaces = None, None
        if network is not None:
            membranes, labels = _find_membranes(one, network, out, folder)
            surfaces = _surfaces(one, labels, folder)
        result["series"].append(
            {
                "name": one.name,
                "tomogram": {
                    key: one.facts[key] for key in ("shape", "voxel_nm", "residual_nm", "quality")
                },
                "membranes": membranes,
                "surfaces": surfaces,
                "particles": None if picker is None else _find_particles(one, picker, folder),
            }
        )
    write_text_atomic(out / PROCESSED, json.dumps(result, indent=1) + "\n")
    return result


def processed_table(result: Mapping[str, Any]) -> list[str]:
    """Return the table for people."""
    lines = ["tomogram                   quality  membranes Dice  particles F1  surfaces"]
    for one in result["series"]:
        parts = one["surfaces"]["parts"] if one["surfaces"] else "-"
        lines.append(
            f"{one['name']:<26} {one['tomogram']['quality']['score']:>7.2f} "
            f"{_number(one['membranes'], 'dice'):>15} {_number(one['particles'], 'f1'):>13} "
            f"{parts:>9}"
        )
    return lines


def _number(scores: Mapping[str, float | None] | None, name: str) -> str:
    value = None if scores is None else scores[name]
    return "-" if value is None else f"{value:.2f}"


def _piece(stack: Path, truth: Path, out: Path) -> Piece:
    pixel_nm = float(json.loads(truth.read_text(encoding="utf-8"))["pixel_nm"])
    facts = tomogram_of(stack, Options(binning=max(1, round(VOXEL_NM / pixel_nm))), out)
    assert facts is not None  # nobody forbids to write it
    path = out / facts["files"]["zarr"]
    volume = open_volume(path)
    there = truth_of(truth, volume.frame, volume.shape, facts["offset_deg"])
    folder = out / stack.stem
    folder.mkdir(exist_ok=True)
    labels = folder / "truth.zarr"
    if not labels.exists():
        write_zarr(labels, there.membranes.astype(np.uint8), volume.frame)
    return Piece(stack.stem, facts, path, volume, there)


def _regions(pieces: Sequence[Piece], path: Path, columns: str) -> Path:
    """Write a list of regions with labels (`space.organelles.read_entries`)."""
    entries = []
    for one in pieces:
        low, high = one.truth.layers
        first, last = getattr(one, columns)
        entries.append(
            {
                "file": one.path.name,
                "offset": [low, one.edge, first],
                "shape": [high - low, one.volume.shape[1] - 2 * one.edge, last - first],
                "labels": {f"{one.name}/truth.zarr": {_MEMBRANE: 1}},
            }
        )
    write_text_atomic(path, json.dumps(entries, indent=1) + "\n")
    return path


def _learn_membranes(pieces: Sequence[Piece], out: Path, epochs: int) -> Path | None:
    from space.organelles import VolumeConfig, train_volumes

    run = out / "membranes"
    labelled = [one for one in pieces if _has_membranes(one)]
    if not labelled:
        return None
    if not (run / "model.pt").exists():
        config = VolumeConfig(
            _regions(labelled, out / "learnt.json", "learnt"),
            run,
            patch=32,
            epochs=epochs,
            features=(16, 32, 64),
        )
        train_volumes(config, lambda line: None, resume=(run / "last.pt").exists())
    return run


def _has_membranes(one: Piece) -> bool:
    (low, high), (first, last) = one.truth.layers, one.learnt
    rows = slice(one.edge, one.volume.shape[1] - one.edge)
    return bool(one.truth.membranes[low:high, rows, first:last].sum() >= _LEAST_VOXELS)


def _find_membranes(
    one: Piece, network: Path, out: Path, folder: Path
) -> tuple[dict[str, float | None], np.ndarray]:
    """Return the scores in the part that is judged, and the labels of all (z, y, x)."""
    from space.organelles import (
        PredictedLabels,
        begin_prediction,
        do_blocks,
        evaluate_prediction,
        finish,
        read_entries,
    )
    from space.volumes import Block

    prediction = begin_prediction(network, one.path, folder / "found")
    do_blocks(prediction, lambda line: None)
    finish(prediction)
    # Where the threshold is best is told by the part that has labels, as a person would see it.
    known = read_entries(out / "learnt.json")
    known = tuple(entry for entry in known if entry.raw == one.path)
    curve = evaluate_prediction(prediction, known, {}, {}).curves[_MEMBRANE] if known else None
    thresholds = {_MEMBRANE: 0.5 if curve is None else curve.best[0]}
    held = read_entries(_regions([one], out / f"{one.name}_held.json", "held"))
    score = evaluate_prediction(prediction, held, {}, thresholds).scores[_MEMBRANE]
    whole = Block((0, 0, 0), one.volume.shape)
    labels = PredictedLabels(prediction).labels(whole, thresholds)
    low, high = one.truth.layers
    labels[:low], labels[high:] = 0, 0
    return {"dice": score.dice, "iou": score.iou, "threshold": thresholds[_MEMBRANE]}, labels


def _surfaces(one: Piece, labels: np.ndarray, folder: Path) -> dict[str, float]:
    from space import surfaces

    target = folder / "surfaces"
    target.mkdir(exist_ok=True)
    asked = surfaces.SurfaceOptions({1: _MEMBRANE}, smallest_nm3=_SMALLEST_NM3)
    made = list(surfaces.surfaces_of(labels, one.volume.frame, asked))
    for each in made:
        surfaces.write_surface(each, target, asked.formats)
    surfaces.write_tables(made, target, {"labels": _MEMBRANE})
    surfaces.write_picture(made, target)
    return {
        "parts": len(made),
        "watertight": sum(each.form.watertight for each in made),
        "area_nm2": float(sum(each.form.area_nm2 for each in made)),
    }


def _learn_particles(pieces: Sequence[Piece], out: Path, epochs: int) -> Path | None:
    from space import picking

    run = out / "picker"
    labelled = {one.name: _among(one.truth.centres_px(PARTICLE), one.learnt) for one in pieces}
    if sum(map(len, labelled.values())) < _FEWEST:
        return None
    if not (run / picking.MODEL).exists():
        tomograms = [picking.Tomogram(one.name, one.volume) for one in pieces]
        picking.train(
            picking.PickConfig(_DIAMETER_NM, epochs=epochs),
            tomograms,
            labelled,
            run,
            lambda line: None,
            resume=(run / "last.pt").exists(),
        )
    return run / picking.MODEL


def _find_particles(one: Piece, model: Path, folder: Path) -> dict[str, float]:
    from space import picking

    picker, tomogram = picking.load_picker(model), picking.Tomogram(one.name, one.volume)
    mark = picking.hash_of(model)
    found = picking.predict(picker, mark, tomogram, folder, picking.Choice(), lambda line: None)
    picking.write_picks(folder, {one.name: found}, {one.name: tomogram}, ("star", "json"))
    truth = one.truth.centres_px(PARTICLE)
    heat = picking.read_heat(folder, one.name)
    picture = folder / "particles.png"
    picking.draw_sections(picture, tomogram, found, picker.radius_px, heat, truth)
    first, last = one.held
    there = (found.points_px[:, 2] >= first) & (found.points_px[:, 2] < last)
    judged = picking.Picks(found.points_px[there], found.scores[there])
    distance_px = _MATCHED_NM / one.volume.frame.voxel_nm[0]
    labelled = len(_among(truth, one.learnt))
    scores = picking.scores_of([(judged, _among(truth, one.held))], distance_px)
    return {"labelled": labelled, **scores.to_dict()}


def _among(points_px: np.ndarray, columns: tuple[int, int]) -> np.ndarray:
    return points_px[(points_px[:, 2] >= columns[0]) & (points_px[:, 2] < columns[1])]
