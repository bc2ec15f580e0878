"""A training for particles, epoch by epoch; ended at any time, it goes on as if it had not been."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning import run_folder
from space.picking.config import PickConfig
from space.picking.files import Tomogram
from space.picking.grey import HELD_BYTES, grey_of, held
from space.picking.learner import Learner, Step
from space.picking.model import MODEL, Picker, save_picker
from space.picking.samples import Scene, fitting_side, prior_of_count
from space.threads import threads_here
from space.weights import load_checkpoint

FORMAT = "SPACEtomo picking 1"
LAST = "last.pt"
FEWEST = 5
_HELD_VOXEL_BYTES = 2

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes
    ----------
    number : int
        From 1.
    loss, contrast, consistency : float
        Means over its steps; the terms without their weights.
    labelled, everywhere : float
        Share of the voxels with scores above 0.
    prior : float or None
    rate, wall_s, cpu_s : float
    """

    number: int
    loss: float
    contrast: float
    consistency: float
    labelled: float
    everywhere: float
    prior: float | None
    rate: float
    wall_s: float
    cpu_s: float


def train(
    config: PickConfig,
    tomograms: Sequence[Tomogram],
    labelled_px: Mapping[str, np.ndarray],
    out: Path,
    tell: Tell,
    resume: bool = False,
) -> Path:
    """Train a picker, and return its file.

    Parameters
    ----------
    config : PickConfig
    tomograms : sequence of Tomogram
        With and without labelled particles; what is not labelled in them is unknown. Those without
        any tell only how scores are spread, unless they are asked to be learnt from.
    labelled_px : mapping of str to ndarray (n, 3)
        By name, in voxels (z, y, x) of the file.
    out : Path
        Folder of the training.
    tell : callable
        Takes a line after each epoch.
    resume : bool
        Whether to go on with the training in `out`.

    Raises
    ------
    SpaceError
        If there are too few labels, a tomogram is too small, or the folder does not fit.
    """
    import torch

    torch.set_num_threads(threads_here())
    voxel_nm = common_voxel_nm(tomograms)
    run = _described(config, tomograms, labelled_px, voxel_nm)
    learner = Learner(
        config, _scenes(config, tomograms, labelled_px), config.diameter_nm / 2 / voxel_nm
    )
    if resume:
        run_folder.go_on(out, run)
        done = _restored(out, learner)
        tell(f"Goes on after epoch {len(done)}.")
    else:
        run_folder.begin(out, run)
        done = []
    tell(f"{sum(map(len, labelled_px.values()))} particles in {len(tomograms)} tomograms.")
    while len(done) < config.epochs:
        done.append(_epoch(learner, len(done)))
        _keep(out, learner, done)
        tell(_line(done[-1], config))
    prior = learner.prior or learner.estimated_prior()
    picker = Picker(learner.network, config, voxel_nm, prior, within=learner.within)
    save_picker(out / MODEL, replace(picker, calibration=learner.calibration(picker.level)))
    return out / MODEL


def common_voxel_nm(tomograms: Sequence[Tomogram]) -> float:
    """Return the size of the voxels of all tomograms, as they are shown.

    Raises
    ------
    SpaceError
        If they differ.
    """
    sizes = {one.name: one.voxel_nm for one in tomograms}
    least, most = min(sizes, key=lambda n: sizes[n]), max(sizes, key=lambda n: sizes[n])
    if sizes[most] > 1.1 * sizes[least]:
        raise SpaceError(
            f"The voxels of {least} are {sizes[least]:.3g} nm, those of {most} {sizes[most]:.3g}.",
            do="Bin all tomograms alike.",
        )
    return float(np.mean(list(sizes.values())))


def prior_from_share(labelled_px: np.ndarray, share: float, radius_px: float) -> float:
    """Return the prior of a region of which a person knows what share of the particles is labelled.

    The region is the box around the labels and a diameter beyond.

    Parameters
    ----------
    labelled_px : ndarray (n, 3)
    share : float
        From 0 to 1.
    radius_px : float
        Of a particle.
    """
    box = np.ptp(labelled_px, axis=0) + 2 * radius_px
    return prior_of_count(len(labelled_px) / share, radius_px, float(np.prod(box)))


def _scenes(
    config: PickConfig, tomograms: Sequence[Tomogram], labelled_px: Mapping[str, np.ndarray]
) -> list[Scene]:
    count = sum(map(len, labelled_px.values()))
    if count < FEWEST:
        raise SpaceError(
            f"There are {count} labelled particles; at least {FEWEST} are needed, and 20 are "
            "better.",
            do="Label more, or begin with spacetomo pick explore.",
        )
    side = fitting_side(config.patch_px)
    fits = sum(one.size for one in tomograms) * _HELD_VOXEL_BYTES <= HELD_BYTES
    scenes = []
    for one in tomograms:
        if min(one.shape) < side // 2:
            raise SpaceError(
                f"It has {' x '.join(map(str, one.shape))} voxels, less than half a part "
                f"of {side}.",
                one.name,
                "Give a smaller patch_px, or leave this tomogram out.",
            )
        grey = grey_of(one)
        points = one.to_shown(labelled_px.get(one.name, np.zeros((0, 3))))
        scenes.append(Scene(one.name, held(grey) if fits else grey, points))
    return scenes


def _described(
    config: PickConfig,
    tomograms: Sequence[Tomogram],
    labelled_px: Mapping[str, np.ndarray],
    voxel_nm: float,
) -> dict[str, Any]:
    pictures = {}
    for one in tomograms:
        points = np.ascontiguousarray(labelled_px.get(one.name, np.zeros((0, 3))), "<f8")
        pictures[one.name] = [one.mark(), len(points), hashlib.sha256(points.tobytes()).hexdigest()]
    return {
        "format": FORMAT,
        "config": config.to_dict(),
        "voxel_nm": voxel_nm,
        "pictures": pictures,
    }


def _epoch(learner: Learner, number: int) -> Epoch:
    wall_s, cpu_s = time.monotonic(), time.process_time()
    steps, rate = learner.learn(number)

    def mean(name: str) -> float:
        return float(np.mean([getattr(one, name) for one in steps]))

    names = tuple(Step.__dataclass_fields__)
    return Epoch(
        number + 1,
        **{name: mean(name) for name in names},
        prior=learner.prior,
        rate=rate,
        wall_s=time.monotonic() - wall_s,
        cpu_s=time.process_time() - cpu_s,
    )


def _keep(out: Path, learner: Learner, done: Sequence[Epoch]) -> None:
    """Keep what a training needs to go on: the last file that is written says that all is there."""
    run_folder.write_metrics(out, [asdict(one) for one in done])
    run_folder.save(out / LAST, {**learner.state(), "epoch": len(done)})


def _restored(out: Path, learner: Learner) -> list[Epoch]:
    """Return the epochs that are done, with the learner as it was after them."""
    if not (out / LAST).exists():
        return []  # it ended in its first epoch
    kept = load_checkpoint(out / LAST)
    try:
        learner.restore(kept)
        done = [Epoch(**one) for one in run_folder.read_metrics(out, int(kept["epoch"]))]
        if len(done) != kept["epoch"]:
            raise ValueError("epochs")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpaceError(
            f"What the training has kept does not fit ({type(error).__name__}).",
            str(out),
            "Start another training in another folder.",
        ) from error
    return done


def _line(epoch: Epoch, config: PickConfig) -> str:
    parts = [f"epoch {epoch.number} of {config.epochs}: loss {epoch.loss:.3f}"]
    if config.contrast:
        parts.append(f"contrast {epoch.contrast:.3f}")
    if config.consistency:
        parts.append(f"consistency {epoch.consistency:.4f}")
    parts.append(f"{epoch.labelled:.0%} of what is labelled, {epoch.everywhere:.2%} of everything")
    if epoch.prior is not None:
        parts.append(f"prior {epoch.prior:.3%}")
    return ", ".join([*parts, f"{epoch.wall_s:.0f} s"])
