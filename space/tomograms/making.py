"""A tomogram made from a series on disk: what is done already is not done again.

Files, in one folder:

* NAME_rec.mrc, NAME_rec.zarr: the tomogram
* NAME_rec.png: its middle slice, and the specimen from the side
* NAME.xf, NAME.tlt: the alignment as IMOD has it
* NAME_alignment.json: the same, with what it depends on; a second run takes it from there
* NAME_tomogram.json: everything that was measured; written last, so that it says that all is done
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.files import read_json_or_empty, write_text_atomic
from space.images import fingerprint
from space.series import TOMOGRAM_FACTS, TOMOGRAMS
from space.tomograms import imod_files, kept, programs
from space.tomograms.alignment import Aligned, align
from space.tomograms.geometry import Alignment, Stack
from space.tomograms.options import Options
from space.tomograms.pictures import corrected, load
from space.tomograms.quality import score
from space.tomograms.reconstruction import Plan, Reconstruction
from space.tomograms.series import Series, read
from space.tomograms.tracking import frame_grid
from space.volumes import Block, Frame, create_zarr, open_volume, write_mrc_of

Tell = Callable[[str, float], None]
"""Told what is done, and which part of it (0 to 1)."""

CHUNK = 64
_FORMAT = 1
_SLICE_NM = 10.0
_LONGEST_S = 1800.0


def facts_path(series: Path, out: Path) -> Path:
    """Return where the facts of a tomogram are."""
    return out / f"{series.stem}{TOMOGRAM_FACTS}"


def finished(series: Path, options: Options, out: Path) -> dict[str, Any] | None:
    """Return the facts of a tomogram that was made of this file with these options, else None."""
    facts = read_json_or_empty(facts_path(series, out))
    same = facts.get("marks") == json.loads(json.dumps(_marks(series, options)))
    files = facts.get("files")
    if not same or not isinstance(files, dict):
        return None
    there = all(isinstance(name, str) and (out / name).exists() for name in files.values())
    return facts if there else None


def make_tomogram(
    series: Path,
    folder: Path,
    params: Mapping[str, Any],
    tell: Callable[[str], None] = lambda _: None,
    may_write: Callable[[], bool] = lambda: True,
    notes: Mapping[str, Any] | None = None,
) -> Path | None:
    """Make the tomogram of a series as a job of a queue.

    Parameters
    ----------
    series : Path
        Image file, its .mdoc beside it.
    folder : Path
        Of the results; it is made.
    params : mapping
        What `Options.params` gives: plain values.
    tell : callable, optional
        Told in words what is done.
    may_write : callable, optional
        Asked before the facts are written, which say that the tomogram is there.
    notes : mapping, optional
        Written with the facts.

    Returns
    -------
    Path or None
        The facts; None if they may not be written any more.

    Raises
    ------
    SpaceError
        If the series cannot be used, or the parameters are none.
    """

    def said(what: str, part: float) -> None:
        tell(what + (f" {100 * part:.0f} %" if 0 < part < 1 else ""))

    options = Options.of_params(params)
    found = tomogram_of(series, options, folder, said, may_write=may_write, notes=notes)
    return None if found is None else facts_path(series, folder)


def tomogram_of(
    path: Path,
    options: Options | None = None,
    out: Path | None = None,
    tell: Tell = lambda *_: None,
    again: bool = False,
    may_write: Callable[[], bool] = lambda: True,
    notes: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Make the tomogram of a tilt series; one that is there is not made again.

    Parameters
    ----------
    path : Path
        Image file of the series, its .mdoc beside it.
    options : Options, optional
    out : Path, optional
        Folder of the results; `tomograms` beside the series if not given.
    tell : callable, optional
    again : bool
        Whether a finished tomogram and a kept alignment are put aside.
    may_write, notes
        See `make_tomogram`.

    Returns
    -------
    dict or None
        What was measured, as plain values: the file NAME_tomogram.json. None if it may not be
        written any more.

    Raises
    ------
    SpaceError
        If the series cannot be used, or a program that was asked for fails.
    """
    options = options or Options()
    out = path.parent / TOMOGRAMS if out is None else out
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out / f".{path.stem}.lock", tell):
        done = None if again else finished(path, options, out)
        if done is None:
            return _made(path, options, out, tell, again, may_write, notes or {})
        tell("already there", 1.0)
        noted = {**done, **(notes or {})}
        if noted != done and may_write():
            write_text_atomic(facts_path(path, out), json.dumps(noted, indent=1) + "\n")
        return noted


@contextmanager
def _alone(path: Path, tell: Tell) -> Iterator[None]:
    """Wait until no other process of this computer makes the same tomogram.

    Raises
    ------
    SpaceError
        If that takes too long.
    """
    import filelock

    lock = filelock.FileLock(str(path), mode=0o666)
    try:
        try:
            lock.acquire(timeout=0.2)
        except filelock.Timeout:
            tell("another process makes this tomogram: waiting for it", 0.0)
            lock.acquire(timeout=_LONGEST_S)
    except filelock.Timeout:
        raise SpaceError(
            "Another process has been making this tomogram for half an hour.",
            str(path),
            "End it, or name another folder with --out.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _made(
    path: Path,
    options: Options,
    out: Path,
    tell: Tell,
    again: bool,
    may_write: Callable[[], bool],
    notes: Mapping[str, Any],
) -> dict[str, Any] | None:
    marks = _marks(path, options)
    series = read(path, options.given)
    facts_path(path, out).unlink(missing_ok=True)
    options = replace(options, binning=options.binning_of(series.pixel_nm))
    series, stack = load(series, options.binning, lambda n, of: tell("reading pictures", n / of))
    if options.program == "aretomo":
        aligned = programs.by_aretomo(series, stack, options, out, tell)
    else:
        aligned = _aligned(series, stack, options, out, tell, again)
    imod_files.write(out, path.stem, aligned.alignment, series.pixel_nm)
    if options.program == "imod":
        programs.by_imod(series, stack, options, out, aligned.alignment, tell)
    elif not options.program:
        corrected(
            stack, series, aligned.alignment, options.cs_mm, options.amplitude_contrast,
            options.ctf, options.dose,
        )  # fmt: skip
        _reconstructed(series, stack, aligned.alignment, options, out, tell)
    tell("picture", 1.0)
    facts = {**notes, **_facts(series, stack, aligned, options, out), "marks": marks}
    _draw(out, path.stem, facts)
    if not may_write():
        return None
    write_text_atomic(facts_path(path, out), json.dumps(facts, indent=1) + "\n")
    tell("done", 1.0)
    return facts


def _marks(path: Path, options: Options) -> dict[str, Any]:
    return {"series": fingerprint(path), "options": options.marks}


def _aligned(
    series: Series, stack: Stack, options: Options, out: Path, tell: Tell, again: bool
) -> Aligned:
    file = out / f"{series.path.stem}_alignment.json"
    sections = [view.section for view in series.views]
    marks = {"series": fingerprint(series.path), **options.aligns_alike}
    found = None if again else kept.load(file, sections, marks)
    if found is not None:
        tell("alignment kept", 1.0)
        return found
    pretilt = options.pretilt_deg
    start = Alignment(
        series.axis_deg, series.tilts_deg - pretilt, np.zeros((len(sections), 2)), -pretilt
    )
    found = align(
        stack, start, None, options.refine_axis, options.flatten, lambda what: tell(what, 0.0)
    )
    kept.save(file, found, sections, marks)
    return found


def volume_frame(series: Series, shape: tuple[int, int, int], pixel_nm: float) -> Frame:
    """Return the frame of a tomogram: its origin is the target, on the tilt axis."""
    z, y, x = (-(side - 1) / 2 * pixel_nm for side in shape)
    return Frame((pixel_nm,) * 3, (z, y, x), "right", series.stage_um, series.target)


def _reconstructed(
    series: Series, stack: Stack, alignment: Alignment, options: Options, out: Path, tell: Tell
) -> None:
    """Write the tomogram slab by slab; slabs of an earlier run that was stopped are kept."""
    grid = frame_grid(stack, alignment.axis_deg)
    layers = max(8, round(options.thickness_nm / stack.pixel_nm))
    shape = (layers, grid.rows, grid.columns)
    frame = volume_frame(series, shape, stack.pixel_nm)
    name = series.path.stem
    mark = hashlib.sha256(
        json.dumps(
            [_marks(series.path, options), alignment.axis_deg, alignment.shifts_nm.tolist()]
        ).encode()
    ).hexdigest()[:8]
    part = out / f".{name}_rec.{mark}.part.zarr"
    for old in out.glob(f".{name}_rec.*.part.zarr"):
        if old != part:
            shutil.rmtree(old, ignore_errors=True)
    writer = create_zarr(part, shape, np.float32, frame, CHUNK, f"{name}_rec")
    plan = Plan(shape, options.method, options.iterations)
    work: Reconstruction | None = None
    device = device_of(options.device)
    for first in range(0, grid.rows, CHUNK):
        last = min(first + CHUNK, grid.rows)
        if not writer.is_done(Block((0, first, 0), (layers, last, grid.columns))):
            work = work or Reconstruction(stack, alignment, plan, device, in_place=True)
            writer.write((0, first, 0), work.slab(slice(first, last)))
        tell("reconstruction", last / grid.rows)
    writer.finish()
    _put(part, out / f"{name}_rec.zarr")
    tell("writing MRC", 0.0)
    write_mrc_of(out / f"{name}_rec.mrc", open_volume(out / f"{name}_rec.zarr"))


def _put(part: Path, target: Path) -> None:
    """Put a finished folder where one of an earlier run may be."""
    from space.files import replace_patiently

    if target.exists():
        earlier = target.with_name(f".{target.name}.earlier")
        shutil.rmtree(earlier, ignore_errors=True)
        replace_patiently(target, earlier)
        replace_patiently(part, target)
        shutil.rmtree(earlier, ignore_errors=True)
    else:
        replace_patiently(part, target)


def device_of(wanted: str) -> str:
    """Return where to compute: "auto" is a graphics card if PyTorch finds one."""
    if wanted == "cpu":
        return wanted
    try:
        import torch
    except ImportError as error:
        if wanted == "auto":
            return "cpu"
        raise SpaceError(
            "A graphics card needs PyTorch, which this Python lacks.",
            do="Install the extra predict, or leave out --device.",
        ) from error
    has_card = bool(torch.cuda.is_available())
    if wanted == "auto":
        return "cuda" if has_card else "cpu"
    if not has_card:
        raise SpaceError("PyTorch finds no graphics card here.", do="Leave out --device.")
    return wanted


def _facts(
    series: Series, stack: Stack, aligned: Aligned, options: Options, out: Path
) -> dict[str, Any]:
    name, alignment = series.path.stem, aligned.alignment
    quality = score(series.tilts_deg, aligned.residuals_nm, aligned.likeness, stack.pixel_nm)
    known = aligned.residuals_nm[np.isfinite(aligned.residuals_nm)]
    opened = open_volume(out / f"{name}_rec.mrc")
    files = {
        "mrc": f"{name}_rec.mrc",
        "zarr": f"{name}_rec.zarr",
        "picture": f"{name}_rec.png",
        "xf": f"{name}.xf",
        "tlt": f"{name}.tlt",
    }
    return {
        "format": _FORMAT,
        "series": str(series.path.name),
        "fingerprint": fingerprint(series.path),
        "files": files,
        "shape": list(opened.shape),
        "voxel_nm": list(opened.frame.voxel_nm),
        "origin_nm": list(opened.frame.origin_nm),
        "axes": "zyx",
        "handedness": opened.frame.handedness,
        "stage_um": None if series.stage_um is None else list(series.stage_um),
        "target": series.target,
        "method": options.program or options.method,
        "axis_deg": round(alignment.axis_deg, 3),
        "axis_noted_deg": series.axis_deg,
        "offset_deg": round(alignment.offset_deg, 3),
        "lamella": {name: round(value, 3) for name, value in asdict(aligned.lamella).items()},
        "specimen_nm": round(aligned.extent.thickness_nm, 1),
        "specimen_clearness": round(aligned.extent.clearness, 3),
        "residual_nm": round(float(np.sqrt(np.mean(known**2))), 3) if known.size else None,
        "residual_px": (
            round(float(np.sqrt(np.mean(known**2))) / stack.pixel_nm, 3) if known.size else None
        ),
        "quality": {
            "score": round(quality.total, 3),
            "coverage": round(quality.coverage, 3),
            "alignment": round(quality.alignment, 3),
            "agreement": round(quality.agreement, 3),
        },
        "ctf_corrected": not options.program and options.ctf
        and all(view.underfocus_um is not None for view in series.views),
        "dose_weighted": not options.program and options.dose and series.knows_dose,
        "views": [
            {
                "section": view.section,
                "tilt_deg": view.tilt_deg,
                "dose_e_A2": round(view.dose_e_A2, 3),
                "prior_e_A2": round(view.prior_e_A2, 3),
                "underfocus_um": view.underfocus_um,
                "shift_nm": [round(float(one), 3) for one in alignment.shifts_nm[index]],
                "residual_nm": _rounded(aligned.residuals_nm[index]),
                "likeness": _rounded(aligned.likeness[index]),
            }
            for index, view in enumerate(series.views)
        ],
        "dropped": [asdict(one) for one in series.dropped],
    }  # fmt: skip


def _rounded(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def _draw(out: Path, name: str, facts: dict[str, Any]) -> None:
    """Draw the middle slice, averaged over some nm."""
    from space.plots import plot_tomogram

    opened = open_volume(out / facts["files"]["mrc"])
    layers, rows, _ = opened.shape
    pixel = opened.frame.voxel_nm[0]
    half = max(0, round(_SLICE_NM / pixel / 2))
    middle = opened[max(0, layers // 2 - half) : layers // 2 + half + 1].mean(axis=0)
    side = opened[:, max(0, rows // 2 - half) : rows // 2 + half + 1].mean(axis=1)
    quality = facts["quality"]["score"]
    title = f"{name}: middle slice and side view, {pixel:.2f} nm, quality {quality:.2f}"
    plot_tomogram(out / facts["files"]["picture"], middle, side, pixel, title)
