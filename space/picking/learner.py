"""The steps of a training: what a batch says of the network, and how that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from space.errors import SpaceError
from space.picking.calibration import (
    LOWEST,
    MOST_ODDS,
    Calibration,
    calibrated,
    particles_among,
)
from space.picking.config import PU, PickConfig
from space.picking.heat import heat_of
from space.picking.loss import MOST_SAMPLED, contrast, plain_loss, pu_risk
from space.picking.network import heat_network
from space.picking.outliers import range_of
from space.picking.peaks import Picks, tops_of
from space.picking.samples import (
    IS_LABELLED,
    IS_UNWANTED,
    Batch,
    Scene,
    batch,
    fitting_side,
    prior_of_count,
)

RANKED = 1 / 3
"""Part of the epochs that only learns to rank voxels, before the prior is estimated.

After as many again it is estimated anew: look-alikes rank lower by then."""

OWN = 0.5
"""Part of the epochs before the network's own picks are taken as labels."""

_FALL, _LEAST_RATE, _DECAY = 0.9, 0.01, 1e-4
_MOST_LABELLED = 192
_SLOW = 12.0


@dataclass(frozen=True)
class Step:
    """What a step came to: the terms, and the share of voxels with scores above 0."""

    loss: float
    contrast: float
    consistency: float
    labelled: float
    everywhere: float


class Learner:
    """A network that learns particles.

    Parameters
    ----------
    config : PickConfig
    scenes : sequence of Scene
        At least one with labelled particles.
    radius_px : float
        Of a particle.
    """

    def __init__(self, config: PickConfig, scenes: Sequence[Scene], radius_px: float) -> None:
        import torch

        self.config, self.scenes, self.radius_px = config, scenes, radius_px
        self.prior = config.prior
        self.own: list[np.ndarray] | None = None
        self.within = range_of(scenes, radius_px)
        torch.manual_seed(config.seed)
        self.network = heat_network(config.width)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.rate, weight_decay=_DECAY
        )

    def learn(self, epoch: int) -> tuple[list[Step], float]:
        """Take the steps of an epoch (from 0); return what they came to, and the last rate."""
        config = self.config
        ranked = max(1, round(config.epochs * RANKED))
        if config.prior is None and epoch in (ranked, 2 * ranked):
            self.prior = self.estimated_prior()
        if config.self_training and epoch >= round(config.epochs * OWN) and self.own is None:
            self.own = self.own_picks(config.self_training)
        scenes = self._learnt_from(self._with_own())
        total, rate = config.steps * config.epochs, config.rate
        self.network.train()
        steps = []
        for step in range(epoch * config.steps, (epoch + 1) * config.steps):
            rate = config.rate * max(_LEAST_RATE, 1 - step / total) ** _FALL
            # Full steps at once would throw away what the first batches said.
            warm = min(1.0, (step + 1) / (0.05 * total))
            for group in self.optimizer.param_groups:
                group["lr"] = rate * warm
            side = fitting_side(config.patch_px)
            steps.append(
                self._step(
                    batch(scenes, step, config.seed, config.batch, side, self.radius_px), step
                )
            )
        if not np.isfinite([one.loss for one in steps]).all():
            raise SpaceError(
                "The loss is no number.", do=f"Use a smaller rate than {config.rate:g}."
            )
        return steps, rate

    def _step(self, shown: Batch, step: int) -> Step:
        import torch

        config = self.config
        marks = torch.from_numpy(shown.marks.copy())
        grey = torch.from_numpy(shown.grey)[:, None]
        features = self.network.features(grey)
        scores = self.network.score(features)[:, 0]
        first = torch.zeros_like(marks, dtype=torch.bool)
        first[: shown.first] = True
        at_labelled = (marks == IS_LABELLED) & first
        labelled = scores[at_labelled]
        everywhere = scores[~first]
        unwanted = scores[(marks == IS_UNWANTED) & first] if config.ring else scores[:0].ravel()
        if config.loss != PU or self.prior is None:
            loss = plain_loss(labelled, everywhere, unwanted, config.exponent)
        else:
            loss = pu_risk(
                labelled, everywhere, unwanted, self.prior, config.exponent, config.balanced
            )
        total, apart, differing = loss, loss.detach() * 0, loss.detach() * 0
        if config.contrast:
            apart = self._contrast(features, at_labelled, ~first, step)
            total = total + config.contrast * apart
        if config.consistency:
            differing = self._consistency(grey, scores, step)
            total = total + config.consistency * differing
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _SLOW)
        self.optimizer.step()
        return Step(
            float(loss.detach()),
            float(apart.detach()),
            float(differing.detach()),
            float((labelled > 0).float().mean()),
            float((everywhere > 0).float().mean()),
        )

    def _contrast(self, features: Any, labelled: Any, everywhere: Any, step: int) -> Any:
        import torch

        rng = np.random.default_rng([self.config.seed, step, 1])
        voxels = features.permute(0, 2, 3, 4, 1)

        def some(mask: Any, most: int) -> Any:
            at = torch.nonzero(mask.flatten())[:, 0]
            chosen = rng.permutation(len(at))[:most]
            return voxels.flatten(0, 3)[at[torch.from_numpy(chosen)]]

        near = some(labelled, _MOST_LABELLED)
        others = some(everywhere, MOST_SAMPLED - _MOST_LABELLED)
        found = self.network.embedded(torch.cat([near, others]))
        return contrast(found[: len(near)], found[len(near) :], self.prior or 0.0)

    def _consistency(self, grey: Any, scores: Any, step: int) -> Any:
        import torch

        axes = [2, 3, 4]
        drawn = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        noise = 0.3 * torch.randn(grey.shape, generator=drawn)
        seen = self.network(torch.flip(grey, axes) + noise)
        back = torch.flip(seen, [axis - 1 for axis in axes])
        return ((back.sigmoid() - scores.detach().sigmoid()) ** 2).mean() * 10

    def _heat(self, scene: Scene) -> np.ndarray:
        return heat_of(self.network, scene.grey, self.radius_px, self.within)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "prior": self.prior,
            "own": self.own and [one.tolist() for one in self.own],
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `state` has given."""
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.prior = kept["prior"]
        own = kept["own"]
        self.own = own and [np.array(one, float).reshape(-1, 3) for one in own]

    def own_picks(self, least: float) -> list[np.ndarray]:
        """Return where the network is sure of a particle that has no label, for each scene."""
        prior = self.prior or self.estimated_prior()
        # The level of one half, and how far above it a probability lies (see `Picker`).
        level = np.log((1 - prior) / prior) if self.config.balanced else 0.0
        level += np.log(least / (1 - least))
        found = []
        for one in self.scenes:
            heat = self._heat(one)
            at = tops_of(heat, self.radius_px, level).points_px
            far = np.linalg.norm(at[:, None] - one.labelled_px, axis=2)
            found.append(at[(far > self.radius_px).all(1)])
        return found

    def calibration(self, level: float) -> Calibration | None:
        """Return how the peaks of the network are spread, beside the score of one half."""
        labelled, others = [], []
        for one in self.scenes:
            odds = np.clip(self._heat(one) - level, -MOST_ODDS, MOST_ODDS)
            found, known = self._known(tops_of(odds, self.radius_px, LOWEST), one)
            labelled.append(known[np.isfinite(known)])
            others.append(found.scores)
        return calibrated(labelled, others)

    def _known(self, found: Picks, scene: Scene) -> tuple[Picks, np.ndarray]:
        """Return the peaks at no labelled particle, and the best score at each labelled one.

        That is minus infinity where there is no peak.
        """
        far = np.linalg.norm(found.points_px[:, None] - scene.labelled_px, axis=2)
        near = far <= self.radius_px
        best = np.where(near, found.scores[:, None], -np.inf).max(0, initial=-np.inf)
        return found.where(~near.any(1)), best

    def _with_own(self) -> Sequence[Scene]:
        if self.own is None:
            return self.scenes
        return [
            replace(one, labelled_px=np.concatenate([one.labelled_px, own]))
            for one, own in zip(self.scenes, self.own)
        ]

    def _learnt_from(self, scenes: Sequence[Scene]) -> Sequence[Scene]:
        """Return those whose voxels are labelled or unlabelled ones, not only looked at."""
        return scenes if self.config.elsewhere else [one for one in scenes if len(one.labelled_px)]

    def estimated_prior(self) -> float:
        """Estimate the share of voxels at particles, from the scores of the network as it is.

        The particles are counted in the tomograms with labels, as peaks: voxels beside the
        centre of a particle score nearly as it does, and would be counted, too.
        """
        labelled, others, voxels = [], [], 0
        for one in self.scenes:
            if not len(one.labelled_px):
                continue
            found, known = self._known(tops_of(self._heat(one), self.radius_px), one)
            labelled.append(known)
            others.append(found.scores)
            voxels += int(np.prod(one.grey.shape))
        count = particles_among(np.concatenate(labelled), np.concatenate(others))
        return prior_of_count(count, self.radius_px, voxels)
