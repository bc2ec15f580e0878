"""What is seen in map folders (`status`) as plain lines, and the words that the view uses, too."""

from __future__ import annotations

from pathlib import PurePath

from space.jobs.status import MapSeen, Status, WorkerSeen, verdict

_MOST_LINES = 20


def plain(text: str) -> str:
    """Return a text from a shared folder as one printable line: file names may hold anything."""
    return "".join(c if c.isprintable() else "?" for c in text)


def span(seconds: float | None) -> str:
    """Return a span of time as people say it; empty if it is not known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{round(minutes / 60 / 24)} d"


def memory(worker: WorkerSeen) -> str:
    """Return the memory of a worker, with that of its GPU where it is known."""
    parts = []
    if worker.vitals.memory_mb:
        parts.append(f"{worker.vitals.memory_mb / 1000:.1f} GB")
    if worker.vitals.gpu_memory_mb:
        parts.append(f"GPU {worker.vitals.gpu_memory_mb / 1000:.1f} GB")
    return ", ".join(parts)


def pace(mpx_per_s: float) -> str:
    """Return a pace in million pixels per second; empty if it is not known."""
    return f"{mpx_per_s:.2g} Mpx/s" if mpx_per_s > 0 else ""


def device(worker: WorkerSeen) -> str:
    """Return the device of a worker in words: as asked for, and as it is."""
    asked = f"GPU {worker.device}" if worker.device.isdigit() else worker.device
    told = plain(worker.vitals.device)
    if not told or told == asked:
        return plain(asked)
    return f"{plain(asked)}: {told}" if worker.device.isdigit() else told


def doing(worker: WorkerSeen) -> str:
    """Return what a worker does now."""
    if worker.life in ("dead", "silent"):
        return {"dead": "has died", "silent": "no sign of life"}[worker.life]
    if worker.vitals.waits_for:
        return f"waits for its {plain(worker.vitals.waits_for)}"
    if not worker.map_name:
        return "no work"
    text = f"{plain(worker.map_name)}"
    if worker.vitals.share is not None:
        text += f", {worker.vitals.share:.0%}"
    if worker.life == "hanging":
        text += f", no progress for {span(worker.vitals.stalled_s)}"
    return text


def totals(status: Status) -> str:
    """Return how many maps are in which state, on one line."""
    words = {"new": "not queued", "copying": "being copied"}
    parts = [
        f"{count} {words.get(state, state)}"
        for state, count in status.counts.items()
        if count or state in ("waiting", "running", "done", "failed")
    ]
    end = span(status.end_s)
    open_maps = status.of("new", "waiting", "running")
    return ", ".join(parts) + (f"; all done in {end}" if end and open_maps else "")


def shown_name(seen: MapSeen, status: Status) -> str:
    """Return the name of a map, with its folder where there are several."""
    name = plain(seen.name)
    return f"{plain(PurePath(seen.folder).name)}/{name}" if len(status.folders) > 1 else name


def lines(status: Status) -> list[str]:
    """Return everything as plain lines: the verdict first, then what it is drawn from."""
    judged = verdict(status)
    found = [f"{judged.word.upper()}: {plain(judged.text)}", totals(status)]
    for problem in judged.problems:
        found.append(f"! {plain(problem.what)}" + (f" {plain(problem.do)}." if problem.do else ""))
    for monitor in status.monitors:
        devices = ", ".join(monitor.devices)
        looked = f"looked {span(monitor.looked_s)} ago" if monitor.looked else "has not looked yet"
        found.append(plain(f"monitor {monitor.name}: {monitor.life}, {devices}, {looked}"))
    for worker in status.workers:
        facts = [
            device(worker), doing(worker), pace(worker.vitals.mpx_per_s), memory(worker),
            plain(worker.vitals.runtime),
        ]  # fmt: skip
        found.append(plain(f"worker {worker.name}: ") + ", ".join(fact for fact in facts if fact))
    named = [
        f"{seen.state:8}{shown_name(seen, status)}" + (f": {plain(why)}" if why else "")
        for seen in status.of("running", "failed", "broken", "copying", "waiting", "new")
        for why in [seen.reason]
    ]
    if len(named) > _MOST_LINES:
        named = [*named[:_MOST_LINES], f"and {len(named) - _MOST_LINES} more"]
    return found + named
