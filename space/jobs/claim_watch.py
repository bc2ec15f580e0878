"""Who still works on a claimed job, judged by signs of life and by how long they stay the same.

Keep one instance while watching: what it has seen shows which workers have died.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from space.images import file_state, png_megapixels
from space.jobs.claims import NOBODY, Claim
from space.jobs.presence import Beat, Patience, Watch, beat_path, is_alive, read_beat
from space.jobs.records import Run
from space.jobs.workers import Worker


class ClaimWatch:
    """Watches the claims and the workers of a map folder.

    Parameters
    ----------
    map_dir : Path
    patience : Patience
        How long others are waited for.
    clock : callable
        Seconds, never going back.
    """

    def __init__(self, map_dir: Path, patience: Patience, clock: Callable[[], float]) -> None:
        self._map_dir = map_dir
        self._patience = patience
        self._watch = Watch(clock, patience.look_s)

    def is_alive(self, worker: Worker) -> bool:
        """Whether a worker lives, as far as can be seen from here."""
        return is_alive(self._map_dir, worker, self._watch, self._patience)

    def loss(self, claim: Claim) -> str:
        """Return why nobody works on a claimed job any more; empty if somebody does."""
        if claim.worker == NOBODY:
            unread_s = self._watch.unchanged_s(f"claim {claim.path.name}", file_state(claim.path))
            return "its claim is incomplete" if unread_s >= self._patience.missing_s else ""
        if not self.is_alive(claim.worker):
            return f"worker {claim.worker.name} died"
        beat = self._beat(claim)
        has_left = beat is not None and beat.job is not None and beat.job != claim.job.key
        # It may have taken the job only now, and its sign of life follows after that.
        left_s = self._watch.unchanged_s(f"left {claim.path.name}", (claim.worker.name, has_left))
        if has_left and left_s >= self._patience.missing_s:
            return f"worker {claim.worker.name} has left it"
        return self.hang(claim)

    def hang(self, claim: Claim) -> str:
        """Return how a job hangs; empty if it does not, or if its worker does not report it."""
        beat = self._beat(claim)
        if beat is None or beat.job != claim.job.key:
            return ""
        doing = (claim.worker.name, claim.attempt)
        stalled_s = self._watch.unchanged_s(f"got {claim.path.name}", (*doing, beat.progress))
        taking_s = self._watch.unchanged_s(f"took {claim.path.name}", doing)
        # The worker ends itself at these limits; others are a little more patient.
        more_s = 2 * self._patience.stale_s
        if stalled_s >= self._patience.stall_s + more_s:
            return f"worker {claim.worker.name} made no progress for {stalled_s / 60:.0f} min"
        megapixels = png_megapixels(self._map_dir / claim.job.map_name)
        if taking_s >= self._patience.longest_job_s(megapixels) + more_s:
            return f"worker {claim.worker.name} was not done after {taking_s / 60:.0f} min"
        return ""

    def has_vanished(self, run: Run) -> bool:
        """Whether a run has had no claim for so long that none will appear.

        On a network folder the claim of another machine may appear late.
        """
        missing_s = self._watch.unchanged_s(f"run {run.key}", (run.worker, run.started))
        return missing_s >= min(self._patience.missing_s, self._patience.stale_s)

    def _beat(self, claim: Claim) -> Beat | None:
        return read_beat(beat_path(self._map_dir, claim.worker.name))
