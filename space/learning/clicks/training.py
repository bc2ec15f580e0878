"""A training from clicks, epoch by epoch; ended at any time, it goes on as if it had not been.

The first third of the epochs only learns to rank pixels: clicked ones above all others. From these
scores the share of wanted pixels is estimated, unless it is given, and the rest of the epochs
learns how high the scores are with this share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.learning.clicks.exporting import write_heat_model
from space.learning.clicks.loss import hot_level, prior_of, risk, separation
from space.learning.clicks.names import REMOVED, WANTED
from space.learning.clicks.network import fit_scale, heat_network
from space.learning.clicks.pictures import (
    IS_UNWANTED,
    IS_WANTED,
    ClickedPicture,
    batch,
    clicked_picture,
)
from space.learning.clicks.preview import write_clicks_preview
from space.learning.dataset import KEYPOINTS, DataSet, read_data_set
from space.learning.keypoints import Keypoint, read_keypoints
from space.learning.training import run_folder
from space.learning.training.config import TrainConfig
from space.learning.training.logs import refuse_missing
from space.learning.training.network import read_weights
from space.learning.training.progress import board_of, ends_about
from space.learning.training.run_folder import BEST, LAST
from space.learning.training.samples import IGNORED, common_pixel_nm
from space.models.heat_file import HEAT_MULTIPLE_PX, HEAT_RIM_PX
from space.models.place import METRICS
from space.segmentation.heat import heat_of

RANKED = 1 / 3
"""Part of the epochs that only learns to rank pixels."""

FEWEST_CLICKS = 5
_FALL, _LEAST_RATE, _DECAY = 0.9, 0.01, 1e-4
_MOST_SCORES = 200_000
_EVERY = 5
Tell = Callable[[str], object]


@dataclass(frozen=True)
class ClicksEpoch:
    """What an epoch came to.

    Attributes
    ----------
    number : int
        From 1.
    loss : float
        Mean over its steps.
    prior : float or None
        Share of pixels taken as wanted; None while pixels are only ranked.
    clicked : float
        Part of the clicked pixels that score above the middle.
    everywhere : float
        Part of all pixels that do.
    rate : float
        Learning rate at its end.
    wall_s, cpu_s : float
    """

    number: int
    loss: float
    prior: float | None
    clicked: float
    everywhere: float
    rate: float
    wall_s: float
    cpu_s: float

    @property
    def scores(self) -> dict[str, float]:
        """What is drawn over the epochs, by name."""
        return {"clicked": self.clicked, "everywhere": self.everywhere}

    @property
    def judged(self) -> float:
        """How good it is: later epochs are better, since nothing here tells it otherwise."""
        return float(self.number)


def train_clicks(
    config: TrainConfig, tell: Tell, start_from: Path | None = None, resume: bool = False
) -> Path:
    """Train a heat map from clicks, and write it as a model that a session can use.

    Parameters and what is raised are as of `space.learning.train`.
    """
    import torch

    refuse_missing(config.log)
    if start_from is not None:
        raise SpaceError(
            "A training from clicks begins with nothing.",
            str(start_from),
            "Leave --start-from out.",
        )
    # So small a network gains nothing from another place, and is the same on every computer.
    config = replace(config, device="cpu", precision="float32")
    data, _ = read_data_set(config.data)
    pictures, pixel_nm = _clicked(config, data)
    names = {one.name for one in pictures}
    run = run_folder.described(config, {}, [one for one in data.samples if one.file in names], "")
    for one in pictures:
        run["pictures"][one.name].append([one.wanted, one.clicks_px.tolist()])
    torch.manual_seed(config.seed)
    network = heat_network()
    fit_scale(network, [one.grey for one in pictures])
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=_DECAY)
    if resume:
        run_folder.go_on(config.out, run)
        done = _restored(config.out, network, optimizer)
        tell(f"Goes on after epoch {len(done)}.")
    else:
        run_folder.begin(config.out, run)
        done = []
    wanted = sum(one.wanted for one in pictures)
    removed = sum(len(one.clicks_px) for one in pictures) - wanted
    tell(
        f"{wanted} places that are wanted and {removed} that are not, on {len(pictures)} pictures."
    )
    write = board_of(config, len(done))
    ranking = max(1, round(config.epochs * RANKED))
    while len(done) < config.epochs:
        prior = config.prior or (done[-1].prior if done else None)
        if prior is None and len(done) >= ranking:
            prior = prior_of(*_scores(network, pictures))
            tell(
                f"About {prior:.2%} of the pixels are taken as wanted; set prior to say otherwise."
            )
        done.append(_epoch(network, optimizer, config, len(done) + 1, pictures, prior))
        _keep(config.out, network, optimizer, done)
        write(done[-1])
        tell(_line(done, config))
    _put_middle(network, pictures)
    write_clicks_preview(config.out, pictures[0], _heat(network, pictures[0].grey))
    return write_heat_model(config, network.eval(), pixel_nm)


def _clicked(config: TrainConfig, data: DataSet) -> tuple[list[ClickedPicture], float | None]:
    """Return the pictures to learn from that were clicked on, and the pixel to show them at."""
    points = _points(config.data)
    wanted = config.classes or (WANTED,)
    samples = [
        one
        for one in data.samples
        if one.split in ("", "train") and any(p.name in wanted for p in points.get(one.file, ()))
    ]
    pixel_nm = common_pixel_nm(samples, config.pixel_nm)
    if config.pixel_nm and any(one.pixel_nm is None for one in samples):
        raise SpaceError(
            "The pixel size of a picture is not known, so it cannot be shown at another one.",
            next(one.file for one in samples if one.pixel_nm is None),
            "Import it with --pixel-nm, or leave pixel_nm out of the configuration.",
        )
    pictures = [
        clicked_picture(
            config.data, one, points[one.file], wanted, pixel_nm, config.click_radius_nm
        )
        for one in samples
    ]
    count = sum(one.wanted for one in pictures)
    if count < FEWEST_CLICKS:
        raise SpaceError(
            f"There are {count} points called {' or '.join(wanted)} on pictures for training; "
            f"at least {FEWEST_CLICKS} are needed, and 30 are better.",
            str(config.data / KEYPOINTS),
            "Add targets on the page and collect them (spacetomo data collect), or points "
            f'called "{WANTED}" and "{REMOVED}" in this file.',
        )
    return pictures, pixel_nm


def _points(folder: Path) -> dict[str, list[Keypoint]]:
    found: dict[str, list[Keypoint]] = {}
    for one in read_keypoints(folder / KEYPOINTS)[0]:
        found.setdefault(one.picture, []).append(one)
    return found


# --- one epoch ------------------------------------------------------------------------------------


def _epoch(
    network: Any,
    optimizer: Any,
    config: TrainConfig,
    number: int,
    pictures: Sequence[ClickedPicture],
    prior: float | None,
) -> ClicksEpoch:
    import torch

    wall_s, cpu_s = time.monotonic(), time.process_time()
    losses, rate = [], config.rate
    network.train()
    high = np.zeros((2, 2))  # clicked and everywhere: how many score high, and how many there are
    for step in range((number - 1) * config.steps, number * config.steps):
        left = 1 - step / (config.steps * config.epochs)
        rate = config.rate * max(_LEAST_RATE, left) ** _FALL
        for group in optimizer.param_groups:
            group["lr"] = rate
        grey, marks = batch(pictures, step, config.seed, config.batch, config.patch_px)
        with torch.no_grad():
            features = network.features(grey).permute(0, 2, 3, 1)
        half = config.batch // 2
        pixels = [
            features[:half][marks[:half] == IS_WANTED],
            # Neighbours are alike: a part of all pixels says as much.
            features[half:][marks[half:] != IGNORED][step % _EVERY :: _EVERY],
            features[:half][marks[:half] == IS_UNWANTED],
        ]
        if not len(pixels[0]) or not len(pixels[1]):
            continue  # by chance, no wanted click lies in these parts
        scores = network.scored(torch.cat(pixels))
        clicked, everywhere, removed = scores.split([len(one) for one in pixels])
        if prior is None:
            loss = separation(clicked, everywhere, removed)
        else:
            loss = risk(clicked, everywhere, removed, prior)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        for at, kind in enumerate((clicked, everywhere)):
            high[at] += int((kind > 0).sum()), len(kind)
    if not losses or not np.isfinite(losses).all():
        raise SpaceError(
            "The loss is no number.", do=f"Use a smaller rate than {config.rate:g}, or more steps."
        )
    return ClicksEpoch(
        number,
        float(np.mean(losses)),
        prior,
        float(high[0, 0] / high[0, 1]),
        float(high[1, 0] / high[1, 1]),
        rate,
        time.monotonic() - wall_s,
        time.process_time() - cpu_s,
    )


def _scores(network: Any, pictures: Sequence[ClickedPicture]) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of all clicked pixels, and of pixels from everywhere."""
    clicked, everywhere = [], []
    for one in pictures:
        heat = _heat(network, one.grey)
        clicked.append(heat[one.marks == IS_WANTED])
        everywhere.append(heat.ravel())
    scores = np.concatenate(everywhere)
    return np.concatenate(clicked), scores[:: len(scores) // _MOST_SCORES + 1]


def _put_middle(network: Any, pictures: Sequence[ClickedPicture]) -> None:
    """Shift all scores so that a pixel is hot from `hot_level` on.

    Both risks have the same weight in the loss, so where its scores are 0 says little.
    """
    import torch

    level = hot_level(*_scores(network, pictures))
    with torch.no_grad():
        network.head[-1].bias -= level


def _heat(network: Any, grey: np.ndarray) -> np.ndarray:
    """Return the scores of a picture, float32."""
    import torch

    def run(tiles: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = network(torch.from_numpy(tiles)).numpy()
        return found

    network.eval()
    return heat_of(run, grey, HEAT_MULTIPLE_PX, HEAT_RIM_PX)


# --- what is kept ---------------------------------------------------------------------------------


def _keep(out: Path, network: Any, optimizer: Any, done: Sequence[ClicksEpoch]) -> None:
    """Keep what a training needs to go on: the last file that is written says that all is there."""
    kept = {"network": network.state_dict(), "classes": [], "epoch": len(done)}
    run_folder.save(out / BEST, kept)
    run_folder.write_metrics(out, [asdict(epoch) for epoch in done])
    run_folder.save(out / LAST, {**kept, "optimizer": optimizer.state_dict()})


def _restored(out: Path, network: Any, optimizer: Any) -> list[ClicksEpoch]:
    """Return the epochs that are done, with network and optimizer as they were after them."""
    if not (out / LAST).exists():
        return []  # it ended in its first epoch
    kept = read_weights(out / LAST)
    try:
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        lines = run_folder.read_metrics(out, int(kept["epoch"]))
        done = [ClicksEpoch(**one) for one in lines]
        if len(done) != kept["epoch"]:
            raise ValueError(METRICS)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SpaceError(
            f"What the training has kept does not fit ({type(error).__name__}).",
            str(out),
            "Start another training in another folder.",
        ) from error
    return done


def _line(done: Sequence[ClicksEpoch], config: TrainConfig) -> str:
    """Return what is told of an epoch, with when all is probably done."""
    epoch = done[-1]
    found = f"{epoch.clicked:.0%} of what was clicked, {epoch.everywhere:.1%} of everything"
    parts = [f"epoch {epoch.number} of {config.epochs}: loss {epoch.loss:.3f}", found]
    return ", ".join([*parts, f"{epoch.wall_s:.0f} s", *ends_about(done, config)])
