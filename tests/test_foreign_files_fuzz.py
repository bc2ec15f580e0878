"""Every reader of files from outside, on damaged files and on junk.

What a reader may do with such a file: read it, take it for none, or raise the error of its own
kind, with words. Never another exception, never a hang, never much memory. Files are damaged in the
ways in which real ones are: cut, copied in part, edited by hand, written by other programs, or
made to do harm. `make fuzz` draws new ones, ten times as many.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from space import images, journal, labelling, orders, pacetomo, planning, review
from space import settings as space_settings
from space.checkup import serialem_files
from space.constants import read_constants
from space.drawing import requests as drawing_requests
from space.errors import SpaceError
from space.fluorescence import read_channels, read_kept
from space.jobs import (
    QUEUE_NAME,
    RUNS_NAME,
    JobFolder,
    claims,
    engine,
    launch,
    monitor_sign,
    presence,
    results,
)
from space.lamellae import Box
from space.learning import boxes as learning_boxes
from space.learning import dataset, instances, keypoints, picture_files, proposals
from space.learning.formats import note
from space.learning.training import read_train_config
from space.microscope import mdoc, moving, mrc, navfile, pieces
from space.models import card, class_table, plans, read_onnx_facts
from space.organelles import read_entries, read_prediction, read_volume_config
from space.overview import series as overview_series
from space.picking import files as picking_files
from space.picking.files.tomogram import Tomogram
from space.picking.files.writing import write_model
from space.replanning import wanted
from space.series import judge, read_series
from space.settings import Settings
from space.simulator import Policy
from space.simulator.column import (
    INSTRUMENT_FOLDER,
    InstrumentError,
    SEMerror,
    load_instrument,
)
from space.simulator.commands import text_files
from space.simulator.formats import autodoc as simulated_autodoc
from space.simulator.formats import mdoc as simulated_mdoc
from space.simulator.formats import mrc as simulated_mrc
from space.simulator.formats import navfile as simulated_navfile
from space.simulator.program.policy import PolicyError
from space.steps import (
    grid_names,
    groups,
    identity,
    inference,
    lamella_list,
    map_facts,
    night,
    question,
    retake,
    target_facts,
    tried,
)
from space.targeting import choice_file, read_clicks
from space.tomograms import Options as TomogramOptions
from space.tomograms import imod_files, making
from space.tomograms import kept as tomogram_kept
from space.tomograms import series as tomogram_series
from space.volumes import Frame, OpenVolume, ngff, open_volume
from space.volumes.levels import levels_of
from tests.foreign_files import (
    DATA,
    MRC_FILES,
    NUMBER,
    ODD_BYTES,
    ODD_CHUNKS,
    ODD_NUMBERS,
    as_png,
    damaged,
    odd_json,
    odd_png,
    odd_text,
    png_chunks,
)
from tests.models import onnx_files

LONGEST_S = 5.0
"""For one file of some kilobytes; the usual time is a few milliseconds."""

MOST_MEMORY_MB = 700
"""More than this in the whole file of tests means that somebody believed a size in a header."""

EXAMPLES = 40 if settings.default.derandomize else 400


OPENS = re.compile(
    r"\b(open|read_text|read_bytes|read_bytes_bounded|read_json|read_json_or_empty|parse_json|loads)\("
    r"|Image\.open|PngImageFile\("
)
READ_HERE = """
files images saved claims engine launch presence queue_files lines results mdoc moving mrc navfile
reading identity inference lamella_list grid_names target_facts choice_file clicks class_table card
serialem_files series question constants autodoc instrument_file policy text_files onnx_file
onnx_graph monitor_sign journal control_file standing pictures night retake review_file answers
tried groups corrections config dataset scene boxes keypoints picture_files note proposals
instances requests tables mrc_header n5 blocks zarrs imod_files making
entries prediction plan_file wanted toml_settings
"""
READ_ELSEWHERE = {
    "checkpoint trust weights": "weights: tests of their own",
    "description sources": "folders and archives of models: tests/models",
    "config_change": "SPACEtomo_config.py: tests of its own",
    "moved_items": "Navigator files that SerialEM has just saved: tests/microscope",
    "placement": "a note of ours: tests/workflow",
    "writing": "the table of an earlier run of ours: tests/surfaces",
    "conditions": "what SerialEM remembers for us: tests/microscope",
    "judge map_truth progress plan truth_worker processing tomogram_truth": "files that a "
    "simulated session has just written",
    "end_state": "the same, when it was interrupted: tests/session",
    "scripts options run wrapper pytest_plugin": "scripts of the user, run as they are",
    "layout keeper session_folder setup freezing kept record": "kept by the simulator for itself",
    "argkeys command_docs grammars page parameters": "files of this package",
    "check": "SPACEtomo.py, read as other files of constants",
    "taught": "targets files that were read before, copied: tests/workflow",
    "needs asking assistant": "what another process of ours prints",
    "wire": "what the simulated program and its client send each other: tests/simulator",
    "workers vitals": "what the system says of processes",
    "relay outside": "files between two processes of ours: tests/test_run_command.py",
    "review_scene": "choice files, by their bytes alone: tests/workflow",
    "webhook_post": "the answer of a server: tests/test_webhook.py",
    "shots": "pictures in a page of ours: tests/report",
    "answers app current lamella_facts pyramid static_files": "the page's server: tests/page",
    "nnunet_data": "what nnU-Net has just written",
    "onnx_check": "a run of ours: tests/learning/test_training.py",
    "tomogram loop": "what is said of a tomogram: tests/series, tests/watching",
    "predicting": "a note and a heat map of ours, and weights for their hash",
    "one_file": "weights, by their reader: tests/test_one_file.py",
    "nnunet_given": "plans, by the reader of models: tests/learning/test_nnunet_training.py",
    "run_folder": "what a training kept, held by tests/learning/test_training.py",
    "virtual_map": "whether an mdoc of ours is whole; the rest is written",
    "atomic folder folders navigator made_with onnx_writing adding": "no reading",
    "collecting shared coco yolo nnunet plain openfibsem": "data sets of others: tests/learning",
    "given": "pairs of points: tests/fluorescence/test_clem_command.py",
    "signals": "how a registration of ours was made: tests/workflow/test_signals.py",
    "runs": "what trainings on volumes have kept: tests/organelles",
    "frames": "headers of frames, by mrcfile and Pillow: tests/export",
    "cluster cluster_places serving spreading processes": "logs, certificates: written",
    "beside __main__": "requests, as requests reads them, and a log: tests/drawing",
    "__init__ monitor_command": "the null device, for output that nobody reads",
}
"""Names of modules; a new one that opens files belongs into one of these."""


@dataclass(frozen=True)
class Reader:
    """A reader, a file's name and content that it understands, and how it refuses others."""

    read: Callable[[Path], Any]
    name: str
    content: bytes
    refuses: tuple[type[Exception], ...] = ()


def as_json(values: object) -> bytes:
    return json.dumps(values, indent=1).encode()


def png(array: np.ndarray, **text: str) -> bytes:
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value, zip=key == "zipped")
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", pnginfo=chunks)
    return stream.getvalue()


def tiff(array: np.ndarray) -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, array, photometric="minisblack")
    return stream.getvalue()


def a_model() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder) / "a.mod", [np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])])
        return (Path(folder) / "a.mod").read_bytes()


def mrc_reader(read: Callable[[Path], Any], refuses: type[Exception], name: str) -> Reader:
    return Reader(read, "a.mrc", (DATA / "mrc" / name).read_bytes(), (refuses,))


def transforms(path: Path) -> object:
    tilts = path.with_name("whole.tlt")
    tilts.write_text("-3\n0\n3\n", encoding="utf-8")
    return imod_files.read(path, tilts, 1.0)


KEPT = {
    "format": 1, "marks": {}, "sections": [0], "axis_deg": 4.0, "offset_deg": 0.5,
    "tilts_deg": [3.0], "shifts_nm": [[1.0, 2.0]], "residuals_nm": [None], "likeness": [0.5],
    "lamella": {"lean_deg": 0.1, "along_deg": 0.2, "uneven_nm": 3.0},
    "extent": {"middle_nm": 0.0, "thickness_nm": 150.0, "clearness": 0.5}, "files": {"mrc": "a"},
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
TOMOGRAM = Tomogram(
    "t1",
    OpenVolume(
        Path("t1.mrc"), (9, 9, 9), np.dtype("f4"), Frame((1.0, 1.0, 1.0)), lambda box: np.zeros(0)
    ),
)
PARTICLES = {
    "t1.txt": b"1 1 3.5 2 8\n1 1 4 4 4\n",
    "coords.txt": b"image_name\tx_coord\ty_coord\tz_coord\tscore\nt1\t1\t2\t3\t0.5\n",
    "p.star": b"data_particles\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n"
    b"_rlnCoordinateZ\nt1 1 2 3\n",
    "p.json": as_json(
        {
            "format": "SPACEtomo picks 1",
            "tomograms": {"t1": {"particles": [{"x": 1, "y": 2, "z": 3, "score": 0.5}]}},
        }
    ),
    "t1.mod": a_model(),
}
FRAME = {"shape": [9, 12], "stage_to_px": [[1, 0], [0, 1]], "center_stage_um": [5.0, -3.5]}
VIEW = {
    "pixel_nm": 2.0, "rotation_deg": 3.0, "mag_index": 20, "camera": 1, "binning": 2,
    "defocus_offset_um": -60.0, "spot_size": 5, "intensity": 0.3, "exposure_s": 1.0,
}  # fmt: skip
FACTS = {"frame": FRAME, "pixel_nm": 16.0, "view": VIEW, "view_shape_px": [9, 12], "made_with": {}}
BOX = Box(1.0, 2.0, 3.0, 4.0, "good", 0.5).to_dict()
LAMELLA = {
    "number": 1, "stage_um": [1.0, 2.0], "size_um": [9.0, 9.0], "category": "good",
    "probability": 0.9,
}  # fmt: skip
CHOICE = {
    "format": choice_file.FORMAT, "how to edit": [], "take": "nothing", "map": "a.png",
    "map_shape_px": [90, 120], "report": {},
    "record": {"field_um": [3.1, 2.2], "rotation_deg": 84.5, "beam_diameter_um": 1.5},
    "areas": [
        {
            "targets": [{"row": 5, "column": 6.5, "score": 0.4, "fixed": True}],
            "geometry_points": [{"row": 1, "column": 1}],
        }
    ],
}  # fmt: skip
TARGETS = (
    "_set startTilt = 0\n_tgt = 001\ntsfile = a_ts_001.mrc\nviewfile = a_tgt_001_view.mrc\n"
    "SSX = 0\nSSY = 0\nstageX = 12.5\nstageY = -3\n\n_geo = 1\nSSX = 1.5\nSSY = -2\n"
)
PLAN = planning.make_plan(
    planning.Problem((planning.Job("1", 2, 1, 4, 1.5, 3000.0),), planning.Ways(), 9000.0),
    12.0,
    "now",
)
WORKER = {"name": "host-1-abc123", "machine": "host-ab", "pid": 17, "device": "cpu"}
QUEUE = b'G1_L03.png\tsegment\t{"threshold": 0.5}\n# a comment\nG1_L04.png\n'
RUNS = b'G1_L03.png\tsegment\t{"state": "again", "attempt": 2, "reason": "x", "map": "ab-cd"}\n'
ANSWERS = (
    b'yes = true\nkeys = ["B"]\nkey_after_polls = 3\n[questions]\n"Overwrite" = [true, false]\n'
    b'[entries]\n"name" = "a"\n'
)
NAV = (DATA / "k3.nav").read_bytes()
XML = (DATA / "cp1252_xml.nav").read_bytes()
MDOC = (DATA / "odd_values.mrc.mdoc").read_bytes()
MAP = png(np.arange(108, dtype=np.uint8).reshape(9, 12), pixel_nm="16.0", zipped="a" * 300)
TIFF = tiff(np.arange(108, dtype=np.uint8).reshape(9, 12))
LABELS = png(np.eye(9, 12, dtype=np.uint8), labels='{"background": 0, "mitos": 1}', map="ab-cd")
STREAM = io.BytesIO()
np.save(STREAM, np.eye(9, 12, dtype=np.uint8))
NPY = STREAM.getvalue()
DATA_SET = {
    "format": dataset.FORMAT,
    "classes": [{"value": 0, "name": "background", "color": "#000000"}],
    "box_classes": ["good"],
    "pictures": [
        {
            "file": "a.png", "shape": [9, 12], "pixel_nm": 2.283, "split": "train",
            "picture_hash": "0" * 64, "label_hash": "", "origin": {"grid": "G1", "lamella": 3},
        }
    ],
}  # fmt: skip
FLUORESCENCE = {
    "format": "SPACEtomo fluorescence 1", "source": "a.tif", "map": "", "error_um": 0.2,
    "fit": {
        "matrix": [[1.0, 0.1, 5.0], [-0.1, 1.0, 6.0]],
        "covariance": [[0.5 * (row == column) for column in range(6)] for row in range(6)],
        "origin": [5.0, 5.0], "pixel_um": 0.02,
    },
    "channels": {"GFP": {"color": [0, 230, 90], "low": 1.0, "high": 90.5, "threshold": 50.0}},
    "pairs": [[1.0, 2.0, 3.0, 4.0]], "residuals_um": [0.1], "how": "pairs", "warnings": ["a"],
}  # fmt: skip
MASK = labelling.mask_name(labelling.region_of(np.arange(108).reshape(9, 12) != 0))
PROPOSED_FOR = dataset.Sample("a.png", (9, 12), "0" * 64)
PROPOSAL = png(
    np.zeros((9, 12), np.uint8),
    picture_hash="0" * 64,
    classes='{"background": 0}',
    remarks='["It does not know mitos."]',
    proposed_by="first/model.onnx (SHA-256 00ff)",
)
MDOC_OF_PIECES = (
    b"PixelSpacing = 10\r\nImageSize = 90 60\r\n\r\n"
    b"[ZValue = 0]\r\nPieceCoordinates = 0 0 0\r\nStagePosition = 1 2\r\nImageShift = 0 0\r\n\r\n"
    b"[ZValue = 1]\r\nPieceCoordinates = 80 0 0\r\nStagePosition = 9 2\r\nImageShift = 0 0\r\n"
)


def cut_pieces(path: Path) -> None:
    found = pieces.read(path.with_name("m.mrc"))
    pieces.cut_out(found, np.zeros((40, 60)))
    pieces.by_image_shift(found)
    pieces.displaced_um(found, ((1.0, 0.0), (0.0, 1.0)))


def job_tables(path: Path) -> None:
    folder = JobFolder(path.parent)
    folder.status("G1_L03.png", "segment")
    folder.submit("G1_L05.png", task="segment")


def orders_of(path: Path) -> list[object]:
    """Return the orders in a file, and forget it."""
    found: list[object] = []
    for line in orders.take(path.parent).lines:
        try:
            found.append(orders.read_order(line))
        except orders.NotAnOrderError as error:
            found.append(str(error))
    orders.finish(path.parent, [])
    return found


def session_of(path: Path) -> Any:
    return identity.ensure_session_id(path.parent)


def name_of(path: Path) -> Any:
    return identity.reserve_name(path.parent, "G1", "0123456789ab", r"\.png")


def navigator_items(path: Path) -> None:
    for item in navfile.read_navigator_file(path):
        _ = item.kind, item.acquire, item.stage_to_px((40, 50))


def targets_whole(path: Path) -> Any:
    return target_facts._is_cut(path, (1, 1))


def written_again(read: Callable[[Path], Any], write: Callable[[Path, Any], None]) -> Any:
    return lambda path: write(path, read(path))


EDIT = {"id": "a1", "kind": "add_lamella", "of": "0123", "at": "2026-03-01T22:10:05"}
REVIEW = {
    "format": review.FORMAT, "grid": "G1", "revision": 7,
    "approved": {"lamellae": {"3": "0123"}, "targets": {"3": "0123", "4": ""}},
    "edits": [
        {**EDIT, "center_um": [1.5, -2], "box_um": [16, 12.0], "class": "good"},
        {**EDIT, "id": "a2", "kind": "order", "numbers": [3, 1]},
        {**EDIT, "id": "a3", "kind": "targets", "number": 3, "redo": True},
        {**EDIT, "id": "a4", "kind": "labels", "number": 3},
    ],
}  # fmt: skip
REVIEW_ANSWERS = {
    "format": "SPACEtomo review answers 1", "grid": "G1",
    "answers": {"a1": {"answer": "applied", "why": "It is L04.", "when": "now", "of": "0123"}},
}  # fmt: skip
CORRECTION = {
    "format": "SPACEtomo corrected labels 1", "revision": 3, "at": "2026-03-01T22:10:05",
    "segmentation": "ab" * 32, "labels": "a_corrected_3.png", "labels_hash": "cd" * 32,
    "layers": {"mitos": "a_corrected_3_layer_5.png"}, "replaced": ["a_corrected_2.png"],
    "classes": {"ice": 0, "mitos": 5},
    "strokes": [
        {"kind": "brush", "class": "mitos", "points": [[1, 2.5], [3, 4]], "radius_px": 2.5},
        {"kind": "fill", "class": None, "points": [[10, 20]]},
    ],
}  # fmt: skip
NAVFILE = (OSError, ValueError)
JOURNAL = (
    b'{"when_utc": "2026-03-01T22:10:05.120+00:00", "kind": "level_done", "grid": "G1", '
    b'"lamella": 3, "text": "a", "numbers": {"level": 1, "seconds": 80.5}}\n'
)
DRAWING = {
    "draw": "TargetsPicture", "path": "a.png", "picture": "b.png", "labels": "c.png",
    "names": {"black": 0, "cell": 2}, "title": "a",
    "options": {"target_list": ["cell"], "avoid_list": []},
    "optics": {
        "pixel_nm": 12.0, "field_um": [0.2, 0.3], "beam_diameter_um": 0.4, "tilt_axis_deg": 5.0,
    },
    "polygons_map_px": [[[1.0, 2.0], [1.0, 9.0], [7.0, 9.0]]],
    "areas": [
        {
            "targets_map_px": [[1.0, 2.0]], "scores": [0.5], "geometry_points_map_px": [],
            "extra_tracking": False, "fixed": [False],
        }
    ],
}  # fmt: skip
N5 = {
    "dimensions": [4, 3, 2],
    "blockSize": [4, 3, 2],
    "dataType": "uint8",
    "compression": {"type": "gzip", "level": 6},
    "resolution": [4, 4, 4.5],
}
N5_BLOCK = struct.pack(">HHIII", 0, 3, 4, 3, 2) + gzip.compress(bytes(range(24)), mtime=0)
ZARR = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [2, 3, 4],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3, 4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes"}],
}
NGFF_FRAME = Frame((4.0, 2.0, 2.0), stage_um=(1.0, 2.0, 3.0))
NGFF = {
    "zarr_format": 3,
    "node_type": "group",
    "attributes": ngff.attributes(NGFF_FRAME, "a", levels_of((9, 9, 9), NGFF_FRAME.voxel_nm, True)),
}


VOLUME_ENTRY = {
    "file": "cell.zarr",
    "raw": "volumes/raw",
    "offset": [0, 10, 20],
    "shape": [10, 20, 30],
    "voxel_size": [5, 4.5, 4],
    "labels": {"volumes/er": 1, "mito": {"mito": 2}},
}
PREDICTED = {
    "format": "SPACEtomo volume prediction 1",
    "model": "model.pt",
    "model_hash": "ab",
    "volume": "cell.zarr",
    "voxel_nm": [5, 4, 4],
    "start": [0, 0, 0],
    "stop": [10, 20, 30],
    "block": [32, 32, 32],
    "mean": 120.5,
    "deviation": 20.0,
    "classes": ["er"],
    "features": [8, 16],
}


def block_of_n5(path):
    at = path.parent / "0" / "0" / "0"
    if path.name == "0" and path.is_file():
        data = path.read_bytes()
        path.unlink()
        at.parent.mkdir(parents=True)
        at.write_bytes(data)
    (path.parent / "attributes.json").write_bytes(as_json(N5))
    try:
        return open_volume(path.parent)[:]
    finally:
        shutil.rmtree(path.parent / "0")


def image_of_zarr(path):
    level = path.parent / "0"
    level.mkdir(exist_ok=True)
    (level / "zarr.json").write_bytes(as_json(ZARR))
    try:
        return open_volume(path.parent)
    finally:
        shutil.rmtree(level)


READERS = {
    # SerialEM's files
    "navigator": Reader(navigator_items, "a.nav", NAV, NAVFILE),
    "navigator, XML": Reader(navigator_items, "a.nav", XML, NAVFILE),
    "navigator, moved": Reader(moving.bring_paths_here, "a.nav", NAV),
    "mdoc": Reader(lambda p: mdoc.images(mdoc.read(p)), "a.mdoc", MDOC),
    "mdoc, written again": Reader(written_again(mdoc.read, mdoc.write), "a.mdoc", MDOC),
    "tilt series": Reader(lambda p: judge(read_series(p)), "ts.mrc.mdoc", MDOC),
    "mdoc, counted": Reader(overview_series.pictures_in, "a.mdoc", MDOC),
    "properties of SerialEM": Reader(
        serialem_files.read_properties,
        "SerialEMproperties.txt",
        b'PathToPython 3.11 "C:\\Python 311"\nPythonModulePath C:\\SerialEM\n# end\n',
        (OSError,),
    ),
    "choice, optics": Reader(question.read_record, "c.json", as_json(CHOICE)),
    "pieces": Reader(cut_pieces, "m.mrc.mdoc", MDOC_OF_PIECES),
    **{f"MRC {n}": mrc_reader(mrc.read_header, SpaceError, n) for n in MRC_FILES[:4]},
    # volumes
    "tilts": Reader(tomogram_series.read_tilts, "a.tlt", b"-3.00\n0.00\n3.00\n", (SpaceError,)),
    "transforms of IMOD": Reader(transforms, "a.xf", b"1 0 0 1 2.5 -3\n" * 3, (SpaceError,)),
    "alignment, kept": Reader(lambda p: tomogram_kept.load(p, [0], {}), "a.json", as_json(KEPT)),
    "facts of a tomogram": Reader(
        lambda p: making.finished(p, TomogramOptions(), p.parent), "a_tomogram.json", as_json(KEPT)
    ),
    "N5": Reader(lambda p: open_volume(p.parent), "attributes.json", as_json(N5), (SpaceError,)),
    "block of N5": Reader(block_of_n5, "0", N5_BLOCK, (SpaceError,)),
    "OME-Zarr": Reader(image_of_zarr, "zarr.json", as_json(NGFF), (SpaceError,)),
    "array of Zarr": Reader(
        lambda p: open_volume(p.parent)[:1, :1, :1],
        "zarr.json",
        as_json({**ZARR, "attributes": {"resolution": [4, 4, 4], "offset": [0, 1.5, 0]}}),
        (SpaceError,),
    ),
    "regions to learn from": Reader(
        read_entries, "data.json", as_json([VOLUME_ENTRY]), (SpaceError,)
    ),
    "prediction of a volume": Reader(
        lambda p: read_prediction(p.parent), "prediction.json", as_json(PREDICTED), (SpaceError,)
    ),
    "training on volumes": Reader(
        read_volume_config, "a.toml", b'data = "d.json"\nout = "run"\nepochs = 3\n', (SpaceError,)
    ),
    # files of a session
    "targets": Reader(pacetomo.read, "a_tgts.txt", TARGETS.encode(), (SpaceError,)),
    "targets, whole": Reader(targets_whole, "a_tgts.txt", TARGETS.encode()),
    "targets, begun": Reader(target_facts.begun_files, "a_tgts.txt", TARGETS.encode()),
    "choice": Reader(
        lambda p: choice_file.read_choice(p, (90, 120)), "c.json", as_json(CHOICE), (SpaceError,)
    ),
    "maps taken again": Reader(
        retake.read_taken, "G1_retaken.json", as_json({"1": ["L01"]}), (SpaceError,)
    ),
    "review": Reader(
        lambda p: review.read_review(p, "G1"), "r.json", as_json(REVIEW), (SpaceError,)
    ),
    "review, answers": Reader(
        review.read_answers, "a.json", as_json(REVIEW_ANSWERS), (SpaceError,)
    ),
    "corrected labels": Reader(
        lambda p: labelling.read_correction(p.with_name("a_seg.png")),
        "a_corrected.json",
        as_json(CORRECTION),
        (SpaceError,),
    ),
    "groups": Reader(
        groups.read_groups,
        "G1_groups.json",
        as_json({"held": ["G1_L01_broad_tgts.txt"], "broad_now": False}),
    ),
    "trials": Reader(tried.read, "G1_tried.json", as_json({"1": "", "3": "no focus"})),
    "choice, stamped": Reader(
        lambda p: review.targets_stamp(p.read_bytes(), "a map"), "c.json", as_json(CHOICE)
    ),
    "clicks": Reader(
        lambda p: read_clicks(p, (90, 120)),
        "c.json",
        as_json(
            {
                "format": "SPACEtomo clicks 1",
                "map": "a",
                "map_shape_px": [90, 120],
                "added": [[1.5, 2]],
                "removed": [[80, 7]],
            }
        ),
        (SpaceError,),
    ),
    "pictures to draw": Reader(
        lambda p: drawing_requests.of_text(p.read_text(encoding="utf-8")),
        "a.json",
        as_json(DRAWING),
        (ValueError, KeyError, TypeError, SpaceError),
    ),
    "choice, counted": Reader(choice_file.count_points, "c.json", as_json(CHOICE)),
    "settings": Reader(
        lambda p: space_settings.load(p.parent),
        space_settings.SETTINGS_FILE,
        as_json(Settings(SPACE_DIR="C:/SPACEtomo").to_dict()),
        (SpaceError,),
    ),
    "settings, threshold": Reader(
        lambda p: engine.detection_threshold({}, p.parent),
        space_settings.SETTINGS_FILE,
        as_json({"WG_detection_threshold": 0.3}),
        (SpaceError,),
    ),
    "lamellae": Reader(
        lamella_list.load,
        "l.json",
        as_json({"offset_um": [1, 2], "lamellae": [LAMELLA], "others": [], "made_with": {}}),
        (SpaceError,),
    ),
    "journal": Reader(lambda p: journal.read(p.parent), journal.JOURNAL_FILE, JOURNAL),
    "orders": Reader(
        orders_of, orders.CONTROL_FILE, b"pause\r\nskip L03 # dirty\nstop after L05\n"
    ),
    "orders that hold": Reader(
        lambda p: orders.read_standing(p.parent),
        orders.STANDING_FILE,
        as_json(
            {"pause": True, "stop_after": {"grid": "G1", "lamella": 3}, "skipped": [["G1", 2]]}
        ),
    ),
    "grids of the night": Reader(
        lambda p: night.load_night(p.parent),
        night.NIGHT_FILE,
        as_json({"screened": ["1"], "ended": {"2": "too thick"}}),
    ),
    "what maps show": Reader(
        lambda p: wanted.kept(p.parent), wanted.WANTED_FILE, as_json({"a_seg.png": ["1 2", 300.0]})
    ),
    "plan of the night": Reader(
        lambda p: planning.read_plan(p.parent),
        planning.PLAN_FILE,
        as_json(planning.plan_table(PLAN)),
    ),
    "names of grids": Reader(
        lambda p: grid_names.earlier_names(p.parent), grid_names.NAMES_FILE, as_json({"1": "G1"})
    ),
    "session": Reader(
        session_of,
        identity.SESSION_FILE,
        as_json({"id": "0123456789ab", "directory": "/a", "host": "b"}),
    ),
    "owner": Reader(name_of, "SPACE_owner_G1.json", as_json({"id": "ffff", "host": "b"})),
    # files of a map folder
    "queue": Reader(job_tables, QUEUE_NAME, QUEUE),
    "runs": Reader(job_tables, RUNS_NAME, RUNS),
    "claim": Reader(
        claims.read_claim,
        ".SPACE_claim_G1_L03.segment.json",
        as_json({"worker": WORKER, "attempt": 2, "job": {"map_name": "G1_L03.png"}}),
    ),
    "life": Reader(
        presence.read_beat,
        ".SPACE_worker_host-1-abc123.txt",
        as_json({**WORKER, "beat": 3, "vitals": {"share": 0.5, "device": "GPU", "job_s": 3.5}}),
    ),
    "monitor": Reader(
        monitor_sign.read_monitor,
        ".SPACE_monitor_host-1-abc123.txt",
        as_json({**WORKER, "beat": 3, "folders": ["a"], "broken": {"a": "b"}, "looked_s": 3.5}),
    ),
    "start": Reader(
        launch.read_start_note, "s.json", as_json({"pid": 3, "time": 5.0, "failures": 1})
    ),
    "last message": Reader(
        launch.last_message, "w.log", b"2026-01-01 10:00:00 INFO nothing.\n" * 9
    ),
    "boxes": Reader(inference.read_boxes, "b.json", as_json({"boxes": [BOX]}), (SpaceError,)),
    "boxes, facts": Reader(results._boxes_facts, "b.json", as_json({"boxes": [BOX], "map": "a"})),
    "JSON beside": Reader(lambda p: images.read_json_beside(p), "a.json", as_json(FACTS)),
    "facts": Reader(
        lambda p: map_facts.read_facts(p.with_suffix(".png")),
        "a.json",
        as_json(FACTS),
        (SpaceError,),
    ),
    "map": Reader(images.read_png, "a.png", MAP, (SpaceError,)),
    "map, texts": Reader(images.read_png_text, "a.png", MAP),
    "map, size": Reader(images.png_megapixels, "a.png", MAP),
    "map, mark": Reader(images.fingerprint, "a.png", MAP),
    "labels": Reader(inference.read_segmentation, "a_seg.png", LABELS, (SpaceError,)),
    # data sets
    "data set": Reader(
        lambda p: dataset.read_data_set(p.parent, strict=False),
        "dataset.json",
        as_json(DATA_SET),
        (SpaceError,),
    ),
    "boxes of a data set": Reader(
        learning_boxes.read_boxes, "b.json", as_json({"boxes": [BOX]}), (SpaceError,)
    ),
    "keypoints": Reader(
        lambda p: keypoints.read_keypoints(p, strict=False),
        "k.csv",
        b"picture,name,x_px,y_px\na.png,tip,1.5,2\n",
        (SpaceError,),
    ),
    "note of an export": Reader(
        lambda p: note.read_note(p.parent),
        note.NOTE_FILE,
        as_json({"format": "SPACEtomo export 1", "data_set": DATA_SET, "names": {"a.png": "a"}}),
    ),
    "list of tomograms": Reader(
        picking_files.read_list, "l.txt", b"image_name\trec_path\nt1\tt1.mrc\n", (SpaceError,)
    ),
    **{
        f"particles, {name}": Reader(
            lambda p: picking_files.read_coordinates(p, {"t1": TOMOGRAM}), name, data, (SpaceError,)
        )
        for name, data in PARTICLES.items()
    },
    "proposal": Reader(
        lambda p: proposals.proposal_in(p, dataset.from_dict(DATA_SET)[0], PROPOSED_FOR),
        "a.png",
        PROPOSAL,
    ),
    "instances": Reader(
        instances.read_instances,
        "a.json",
        as_json(
            {
                "instances": [
                    {"category": "a", "rows": 9, "columns": 12, "counts": "0X", "is_crowd": 0}
                ]
            }
        ),
        (SpaceError,),
    ),
    "mask": Reader(
        lambda p: labelling.read_mask(p.with_name("a_seg.png"), MASK),
        f"a_corrected_mask_{MASK}.png",
        MAP,
        (SpaceError,),
    ),
    "picture of a data set": Reader(picture_files.read_pictures, "a.png", MAP, (SpaceError,)),
    "labels of a data set": Reader(picture_files.read_label_maps, "a.png", LABELS, (SpaceError,)),
    "TIFF": Reader(picture_files.read_pictures, "a.tif", TIFF, (SpaceError,)),
    "NumPy": Reader(picture_files.read_pictures, "a.npy", NPY, (SpaceError,)),
    "fluorescence of a map": Reader(
        lambda p: read_kept(p.with_name("a.png")), "a_fm.json", as_json(FLUORESCENCE), (SpaceError,)
    ),
    "fluorescence, PNG": Reader(read_channels, "a.png", MAP, (SpaceError,)),
    "fluorescence, TIFF": Reader(read_channels, "a.tif", TIFF, (SpaceError,)),
    **{
        f"MRC of pictures {n}": mrc_reader(picture_files.read_pictures, SpaceError, n)
        for n in ("one.mrc", "be.mrc")
    },
    # models
    "classes of a model": Reader(
        lambda p: class_table.folder_labels(p.parent),
        "dataset.json",
        as_json({"labels": {"background": 0, "mitos": 1}, "channel_names": {"0": "map"}}),
        (SpaceError,),
    ),
    "channels of a model": Reader(
        lambda p: class_table.channel_problem(class_table.read_dataset(p.parent)),
        "dataset.json",
        as_json({"labels": {"background": 0}, "channel_names": {"0": "map"}}),
        (SpaceError,),
    ),
    "plans of a model": Reader(
        lambda p: plans.plan_problems(class_table.read_table(p), "2d"),
        "plans.json",
        (ROOT / "models/lamella_segmentation/plans.json").read_bytes(),
        (SpaceError,),
    ),
    "card of a model": Reader(
        lambda p: card.is_simulated_only(p.parent),
        "card.json",
        as_json({"trained_on": "simulated"}),
        (SpaceError,),
    ),
    "ONNX": Reader(read_onnx_facts, "a.onnx", onnx_files.model(), (SpaceError,)),
    "ONNX, detector": Reader(
        read_onnx_facts, "a.onnx", onnx_files.model(onnx_files.DETECT), (SpaceError,)
    ),
    "constants": Reader(
        read_constants, "c.py", (ROOT / "SPACEtomo_config.py").read_bytes(), (OSError,)
    ),
    # the simulated microscope
    "training": Reader(
        read_train_config,
        "a.toml",
        b'data = "set"\nout = "run"\nclasses = ["mitos"]\nepochs = 3\nrate = 0.01\nlog = []\n',
        (SpaceError,),
    ),
    "answers": Reader(Policy.from_file, "a.toml", ANSWERS, (PolicyError,)),
    "instrument": Reader(
        load_instrument,
        "i.toml",
        (INSTRUMENT_FOLDER / "talos_ceta.toml").read_bytes(),
        (InstrumentError,),
    ),
    "simulated navigator": Reader(
        written_again(simulated_navfile.read, simulated_navfile.write),
        "a.nav",
        NAV,
        (simulated_navfile.NavFileError,),
    ),
    "simulated navigator, XML": Reader(
        written_again(simulated_navfile.read, simulated_navfile.write),
        "a.nav",
        XML,
        (simulated_navfile.NavFileError,),
    ),
    "simulated autodoc": Reader(
        written_again(simulated_autodoc.read, simulated_autodoc.write), "a.mdoc", MDOC
    ),
    "simulated mdoc": Reader(simulated_mdoc.read, "a.mdoc", MDOC),
    **{
        f"simulated MRC {name}": mrc_reader(read, simulated_mrc.MrcError, name)
        for name in ("one.mrc", "mode0s.mrc")
        for read in (lambda p: (simulated_mrc.read_section(p, 0), simulated_mrc.read_info(p, 0)),)
    },
    "simulated text file": Reader(
        text_files.read_lines, "a.txt", "a line\nµm\n".encode(), (SEMerror,)
    ),
}


# --- tests ----------------------------------------------------------------------------------------


def odd_files(reader: Reader) -> st.SearchStrategy[bytes]:
    """Draw files for a reader: damaged bytes, damage that fits the format, and junk."""
    content = reader.content
    suffix = Path(reader.name).suffix
    ways = [damaged(content), st.binary(max_size=200)]
    if suffix == ".png":
        ways += [odd_png(content)] * 3
    elif suffix == ".mrc":
        ways += [damaged(content, within=230)] * 2
    else:
        ways += [odd_text(content)] * 2
        if content.startswith(b"{"):
            ways += [odd_json(content)] * 3
    return st.one_of(ways)


@pytest.fixture(scope="module", autouse=True)
def bounded_memory():
    """What all readers together take at most."""
    if sys.platform == "win32":
        yield
        return
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * unit < MOST_MEMORY_MB * 1e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("foreign")


def read_odd(reader: Reader, folder: Path, data: bytes) -> None:
    """Let a reader read a file that was damaged, alone in its folder."""
    for path in folder.iterdir():
        path.unlink()
    path = folder / reader.name
    path.write_bytes(data)
    start = time.process_time()
    try:
        reader.read(path)
    except reader.refuses as error:
        assert str(error).strip(), f"{type(error).__name__} without a word"
    assert time.process_time() - start < LONGEST_S


@pytest.mark.parametrize("name", READERS)
def test_what_a_reader_is_shown_first_is_what_it_reads(folder, name):
    reader = READERS[name]
    for path in folder.iterdir():
        path.unlink()
    path = folder / reader.name
    path.write_bytes(reader.content)
    reader.read(path)


@pytest.mark.parametrize("name", READERS)
def test_each_odd_thing_is_met_once(folder, name):
    reader = READERS[name]
    content = reader.content
    middle = len(content) // 2
    for odd in ODD_BYTES:
        for data in (odd, odd + content, content + odd, content[:middle] + odd + content[middle:]):
            read_odd(reader, folder, data)
    for encoding in ("utf-16", "utf-16-be", "utf-8-sig"):
        read_odd(reader, folder, content.decode("latin-1").encode(encoding))
    if reader.name.endswith(".png"):
        chunks = png_chunks(content)
        for odd_chunk in ODD_CHUNKS:
            read_odd(reader, folder, as_png([*chunks[:-1], odd_chunk, chunks[-1]]))
    elif not reader.name.endswith(".mrc"):
        numbers = list(NUMBER.finditer(content))
        for found in numbers[:: 1 + len(numbers) // 8]:
            for number in ODD_NUMBERS:
                data = content[: found.start()] + number.encode() + content[found.end() :]
                read_odd(reader, folder, data)


@pytest.mark.hypothesis  # the plugin marks only tests that it draws for itself
@pytest.mark.parametrize("name", READERS)
def test_readers_of_foreign_files_refuse_in_words_or_read(folder, name):
    reader = READERS[name]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(odd_files(reader))
    def run(data: bytes) -> None:
        read_odd(reader, folder, data)

    run()


def test_no_module_that_reads_files_is_forgotten():
    root = Path(images.__file__).parent
    found = {
        path.stem for path in root.rglob("*.py") if OPENS.search(path.read_text(encoding="utf-8"))
    }
    listed = {*READ_HERE.split(), *" ".join(READ_ELSEWHERE).split()}
    assert not found - listed, "modules that open files and are in none of the lists above"
