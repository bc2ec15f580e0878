"""One function on many pieces, here and in processes of Dask, which takes seconds."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from space.errors import OutOfSpaceError, SpaceError
from space.jobs.spreading import Scheduler, spread
from tests.jobs.cluster_helpers import FakeSlurm
from tests.jobs.pieces import Piece, squared

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def pieces(folder, count):
    return [Piece(folder, number) for number in range(count)]


def test_here_they_come_in_their_order_and_one_that_fails_costs_itself(tmp_path):
    (tmp_path / "1.odd").touch()
    told = list(spread(squared, pieces(tmp_path, 3)))
    assert [one.result for one in told] == [0, None, 4]
    assert [one.problem for one in told] == ["", "1 is odd. -> Leave it out", ""]


def test_a_full_disk_ends_all(tmp_path):
    def full(piece):
        raise OutOfSpaceError("no space")

    with pytest.raises(OutOfSpaceError):
        list(spread(full, pieces(tmp_path, 2)))


def test_a_mistake_in_the_program_is_not_swallowed(tmp_path):
    with pytest.raises(TypeError):
        list(spread(len, [1]))


def test_odd_numbers_of_processes_and_names_are_refused(tmp_path):
    with pytest.raises(SpaceError, match="--processes 0"):
        Scheduler("local", 0)
    pytest.importorskip("distributed")
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(SpaceError, match="--scheduler 'lokal' is not understood"):
        list(spread(squared, pieces(tmp_path, 1), Scheduler("lokal")))


class TestInProcesses:
    @pytest.fixture(autouse=True)
    def packages(self):
        pytest.importorskip("distributed")
        pytest.importorskip("dask_jobqueue")

    def test_the_pieces_of_a_lost_process_are_done_again(self, tmp_path):
        (tmp_path / "3.hang").touch()  # in the first try: without a second one this never ends
        (tmp_path / "5.odd").touch()

        def lose_it():
            tries = tmp_path / "3.tries"
            end_s = time.monotonic() + 60
            while not (tries.exists() and tries.read_text(encoding="utf-8").strip()):
                assert time.monotonic() < end_s
                time.sleep(0.05)
            os.kill(int(tries.read_text(encoding="utf-8")), KILL)

        killer = threading.Thread(target=lose_it)
        killer.start()
        told = list(spread(squared, pieces(tmp_path, 12), Scheduler("local", 2, folder=tmp_path)))
        killer.join()
        assert sorted(one.piece.number for one in told) == list(range(12))
        assert {one.piece.number: one.problem for one in told if one.problem} == {
            5: "5 is odd. -> Leave it out"
        }
        assert all(one.result == one.piece.number**2 for one in told if not one.problem)
        assert len(list(tmp_path.glob("*.result"))) == 11

    def test_a_piece_that_ends_every_process_costs_itself(self, tmp_path):
        import dask

        (tmp_path / "1.fatal").touch()
        with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
            told = list(
                spread(squared, pieces(tmp_path, 3), Scheduler("local", 1, folder=tmp_path))
            )
        by_number = {one.piece.number: one for one in told}
        assert by_number[0].result == 0 and by_number[2].result == 4
        assert "was lost" in by_number[1].problem

    @pytest.mark.skipif(sys.platform == "win32", reason="the stand-in of SLURM needs POSIX")
    def test_jobs_of_slurm(self, tmp_path, monkeypatch):
        slurm = FakeSlurm(tmp_path / "slurm")
        monkeypatch.setenv("PATH", slurm.path)
        space_dir, folder = tmp_path / "project", tmp_path / "volumes"
        space_dir.mkdir()
        folder.mkdir()
        (space_dir / "SPACEtomo_cluster.py").write_text("encrypt = False\ncores = 1\n")
        from tests.jobs.helpers import REPOSITORY

        monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
        told = list(spread(squared, pieces(folder, 5), Scheduler("slurm", 2, space_dir, folder)))
        assert sorted(one.result for one in told) == [0, 1, 4, 9, 16]
        assert len(slurm.scripts()) == 2 and slurm.cancelled() == 2

        (slurm.home / "refuse").touch()
        with pytest.raises(SpaceError, match="has not started: .*invalid partition"):
            list(spread(squared, pieces(folder, 1), Scheduler("slurm", 1, space_dir, folder)))
