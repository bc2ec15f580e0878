"""Readers of the shared files never see a part, however often these change."""

from __future__ import annotations

import json
import subprocess
import sys

from helpers import REPOSITORY, make_map

from space.jobs import QUEUE_NAME, RUNS_NAME, JobFolder

WRITER = """
import sys
sys.path[:0] = [{repository!r}, {tests!r}]
from pathlib import Path
from helpers import make_map, write_result
from space.jobs import Worker
from space.jobs import JobFolder
here = Path({folder!r})
folder, worker = JobFolder(here), Worker.this_process()
for number in range(60):
    name = f"G_L{{number:02d}}.png"
    (here / name).write_bytes((here / "G_L99.png").read_bytes())
    folder.submit(name)
    if number % 3 == 0:
        claim = folder.claim(worker)
        folder.fail(claim, "ink " * 40) if number % 2 else folder.release(claim)
print("done")
"""


def test_queue_and_runs_are_whole_at_every_moment(tmp_path):
    make_map(tmp_path, "G_L99.png")
    kept = {"always": "there"}
    JobFolder(tmp_path).submit("G_L99.png", **kept)
    code = WRITER.format(
        repository=str(REPOSITORY), tests=str(REPOSITORY / "tests/jobs"), folder=str(tmp_path)
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    paths = [tmp_path / QUEUE_NAME, tmp_path / RUNS_NAME]
    looks, seen = 0, set()
    while process.poll() is None:
        # What waits first, then what was started: a job moves in that direction last.
        texts = [path.read_text(encoding="utf-8") if path.exists() else "" for path in paths]
        for text in texts:
            assert text == "" or text.endswith("\n")
            for line in text.splitlines():
                name, task, values = line.split("\t")
                assert name.endswith(".png") and task == "segment"
                assert isinstance(json.loads(values), dict)
        assert "G_L99.png" in texts[0] + texts[1]
        looks += 1
        seen.update(texts)
    assert process.communicate()[0].strip() == "done"
    assert looks > 50 and len(seen) > 20, "the reader was not quick enough to prove anything"
