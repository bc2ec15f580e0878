import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import FakeRunner, make_map, write_result, write_worker_script

from space.errors import SpaceError
from space.images import read_png, write_png
from space.jobs import Job, JobFolder, devices
from space.jobs import worker as worker_module
from space.jobs.engine import ClaimLost, Engine, detection_threshold
from space.jobs.heartbeat import Heartbeat
from space.jobs.presence import Patience, beat_path, read_beat
from space.jobs.worker import Place, Timing, run_worker, work
from space.jobs.workers import Worker
from space.lamellae import Box
from space.models import PRESETS
from space.plots import plot_segmentation
from space.threads import thread_count

QUICK = Timing(idle_s=0.0, poll_s=0.01)
CONFIG = SimpleNamespace(
    segmentation_model="models/seg",
    segmentation_folds=(0,),
    segmentation_checkpoint="checkpoint_final.pth",
    segmentation_pixel_nm=16.0,
    tidy_segmentation=False,
    inference_preset="balanced",
    inference_runtime="auto",
    off_lamella_classes=None,
    preset=PRESETS["balanced"],
    detection_weights="models/w.pt",
    detection_pixel_nm=400.0,
    detection_window_px=128,
)


class FakeModels:
    """Stands for both networks and counts how often they are loaded."""

    def __init__(self):
        self.loaded = []
        self.shapes = []
        self.thresholds = []
        self.labels = {"background": 0, "lamella": 1}

    def segmenter(self, folder, folds, device, config):
        self.loaded.append(("segment", device.device))
        return self

    def detector(self, weights, device):
        self.loaded.append(("detect", device.device))
        return self

    def segment(self, image, progress=None):
        self.shapes.append(image.shape)
        return (image > 128).astype(np.uint8)

    def detect(self, image, pixel_nm, threshold, config):
        self.thresholds.append(threshold)
        return [Box(1.0, 2.0, 3.0, 4.0, "good", 0.5)]


@pytest.fixture
def models():
    return FakeModels()


@pytest.fixture
def engine(models, tmp_path, monkeypatch):
    monkeypatch.setattr("space.jobs.engine.place_for", lambda *asked: devices.Place("torch", "cpu"))
    return Engine(tmp_path, "cpu", lambda d: CONFIG, models.segmenter, models.detector, 0.1)


def test_worker_does_all_jobs_and_ends_when_idle(tmp_path):
    folder = JobFolder(tmp_path)
    for i in range(3):
        make_map(tmp_path, f"G_L0{i}.png", seed=i)
        folder.submit(f"G_L0{i}.png")
    runner = FakeRunner()
    assert run_worker([tmp_path], tmp_path, "cpu", QUICK, runner) == 3
    assert runner.done == ["G_L00.png", "G_L01.png", "G_L02.png"]
    assert not list(tmp_path.glob(".SPACE_worker*"))
    assert {s.state for s in folder.statuses().values()} == {"done"}


def test_model_is_loaded_once_for_all_maps(tmp_path, engine, models):
    folder = JobFolder(tmp_path)
    for i in range(3):
        make_map(tmp_path, f"G_L0{i}.png", seed=i)
        folder.submit(f"G_L0{i}.png")
    assert run_worker([tmp_path], tmp_path, "cpu", QUICK, engine) == 3
    assert models.loaded == [("segment", "cpu")]


def test_failing_job_is_tried_three_times_and_told_in_its_log(tmp_path):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    assert run_worker([tmp_path], tmp_path, "cpu", QUICK, FakeRunner(ValueError("odd"))) == 0
    status = folder.status("G_L01.png")
    assert (status.state, status.reason) == ("failed", "ValueError: odd")
    log = folder.log_path("G_L01.png").read_text(encoding="utf-8")
    assert log.count("attempt ") >= 3 and "Traceback" in log


def test_stop_file_ends_the_worker(tmp_path):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    (tmp_path / "SPACE_stop.txt").touch()
    assert run_worker([tmp_path], tmp_path, "cpu", Timing(1e9, 1e9), FakeRunner()) == 0
    assert folder.status("G_L01.png").state == "queued"


def test_stopped_worker_gives_its_job_back(tmp_path):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    switch = worker_module.StopSwitch()

    class Stopped(FakeRunner):
        def run(self, *args):
            switch.ask()
            raise AssertionError("went on")

    assert run_worker([tmp_path], tmp_path, "cpu", Timing(1e9, 1e9), Stopped(), switch) == 0
    assert folder.status("G_L01.png").state == "queued"
    assert folder.claim(Worker("far", "far", 1)).attempt == 1


def test_a_stop_from_another_thread_is_taken_when_the_job_comes_on(tmp_path):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    switch = worker_module.StopSwitch()

    class Asked(FakeRunner):
        def run(self, job, map_dir, say, may_write, progressed):
            progressed()
            switch.asked = True  # what a thread can do: it cannot raise here
            progressed()
            raise AssertionError("went on")

    assert run_worker([tmp_path], tmp_path, "cpu", Timing(1e9, 1e9), Asked(), switch) == 0
    assert folder.status("G_L01.png").state == "queued"
    assert folder.claim(Worker("far", "far", 1)).attempt == 1


def test_stop_does_not_cut_a_claim_in_two(tmp_path):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    switch = worker_module.StopSwitch()
    claim = folder.claim

    def claim_and_ask(worker):
        got = claim(worker)
        switch.ask()  # the signal comes at the worst moment
        return got

    folder.claim = claim_and_ask
    worker = Worker.this_process("cpu")
    with Heartbeat(tmp_path, worker) as heartbeat:
        places = [Place(folder, heartbeat)]
        assert work(places, worker, FakeRunner(), Timing(1e9, 1e9), switch) == 0
    assert not list(tmp_path.glob(".SPACE_claim*"))
    assert folder.status("G_L01.png").state == "queued"


def test_job_lost_to_another_worker_changes_nothing(tmp_path):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    far = Worker("far", "far", 1)
    claim = folder.claim(far)
    outcome = worker_module.work_on(
        Place(folder, Heartbeat(tmp_path, far)),
        claim,
        FakeRunner(ClaimLost()),
        worker_module.StopSwitch(),
    )
    assert outcome.state == "lost"
    assert folder.status("G_L01.png").state == "running"


def test_folder_that_does_not_answer_for_a_while(tmp_path, monkeypatch):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    troubles = iter([OSError("network"), OSError("network")])
    finish = JobFolder.finish

    def shaky(self, claim):
        for error in troubles:
            raise error
        return finish(self, claim)

    monkeypatch.setattr(JobFolder, "finish", shaky)
    worker = Worker.this_process("cpu")
    with Heartbeat(tmp_path, worker) as heartbeat:
        assert work([Place(folder, heartbeat)], worker, FakeRunner(), QUICK) == 1
    assert folder.status("G_L01.png").state == "done"


def test_folder_that_never_answers_ends_the_worker(tmp_path, monkeypatch):
    def gone(self, worker):
        raise OSError("network")

    monkeypatch.setattr(JobFolder, "claim", gone)
    with pytest.raises(OSError, match="network"):
        run_worker([tmp_path], tmp_path, "cpu", Timing(1e9, 0.0, 0.0), FakeRunner())


def test_heartbeat_changes_and_goes(tmp_path):
    worker = Worker.this_process("0")
    path = beat_path(tmp_path, worker.name)
    with Heartbeat(tmp_path, worker, Patience(beat_s=0.02)):
        assert read_beat(path).worker == worker
        first = path.read_bytes()
        for _ in range(200):
            time.sleep(0.02)
            if path.read_bytes() != first:
                break
        else:
            raise AssertionError("no second beat")
    assert not path.exists()
    assert threading.active_count() >= 1


def test_segmentation_keeps_shape_pixel_size_and_origin(tmp_path, engine, models):
    make_map(tmp_path, "G_L01.png")
    target = engine.run(Job("G_L01.png"), tmp_path)
    labels, info = read_png(target)
    image, _ = read_png(tmp_path / "G_L01.png")
    assert np.array_equal(labels, image > 128)
    assert info["pixel_nm"] == 16.0 and info["source"] == "G_L01.png"
    assert json.loads(info["labels"]) == {"background": 0, "lamella": 1}


def test_segmentation_is_tidied_where_the_configuration_says_so(tmp_path, models, monkeypatch):
    monkeypatch.setattr("space.jobs.engine.place_for", lambda *asked: devices.Place("torch", "cpu"))
    array = np.full((60, 80), 200, np.uint8)
    array[10:14, 20:24] = 100  # taken for background, 0.004 um2
    write_png(tmp_path / "G_L01.png", array, 16.0, "test")
    holds = {}
    for tidy in (False, True):
        config = SimpleNamespace(**{**vars(CONFIG), "tidy_segmentation": tidy})
        make = (models.segmenter, models.detector)
        engine = Engine(tmp_path, "cpu", lambda d, c=config: c, *make, 0.1)
        said = []
        labels, info = read_png(engine.run(Job("G_L01.png"), tmp_path, said.append))
        holds[tidy] = set(np.unique(labels))
        assert info["tidied"] == str(tidy)
        assert any("0.3% of the pixels were corrected" in text for text in said) == tidy
    assert holds == {False: {0, 1}, True: {1}}


def test_map_of_another_pixel_size_is_rescaled_and_back(tmp_path, engine, models):
    array = np.zeros((40, 60), np.uint8)
    array[10:30, 20:50] = 255
    write_png(tmp_path / "G_L01.png", array, 8.0, "x")
    labels, info = read_png(engine.run(Job("G_L01.png"), tmp_path))
    assert models.shapes == [(20, 30)]
    assert labels.shape == (40, 60) and info["pixel_nm"] == 8.0
    assert (labels == (array > 0)).mean() > 0.95


@pytest.mark.parametrize("task", ["segment", "detect"])
def test_a_map_without_contrast_fails_before_a_model_sees_it(tmp_path, engine, models, task):
    write_png(tmp_path / "G_L01.png", np.zeros((40, 60), np.uint8), 16.0, "x")
    with pytest.raises(SpaceError) as told:
        engine.run(Job("G_L01.png", task), tmp_path)
    assert "no contrast in the map: 100 % of its pixels have the value 0" in str(told.value)
    assert "[G_L01.png]" in str(told.value) and "beam blanked" in str(told.value)
    assert not models.shapes and sorted(p.name for p in tmp_path.iterdir()) == ["G_L01.png"]


def test_a_map_of_noise_alone_is_done_with_a_warning_in_its_log(tmp_path, engine):
    noise = np.random.default_rng(3).normal(120, 30, (300, 400)).clip(0, 255)
    write_png(tmp_path / "G_L01.png", noise.astype(np.uint8), 16.0, "x")
    told = []
    assert engine.run(Job("G_L01.png"), tmp_path, told.append).exists()
    assert any(
        "Look at the map before you trust" in line and "noise around 1" in line for line in told
    )


@pytest.mark.parametrize("threshold", [0.05, 0.4])
def test_detection_threshold_asked_for_is_used_and_written(tmp_path, engine, models, threshold):
    make_map(tmp_path, "G.png")
    folder = JobFolder(tmp_path)
    folder.submit("G.png", task="detect", threshold=threshold)
    assert run_worker([tmp_path], tmp_path, "cpu", QUICK, engine) == 1
    assert models.thresholds == [threshold]
    content = json.loads((tmp_path / "G_boxes.json").read_text(encoding="utf-8"))
    assert content["threshold"] == threshold and content["pixel_nm"] == 16.0
    assert content["boxes"][0] == Box(1.0, 2.0, 3.0, 4.0, "good", 0.5).to_dict()


def test_threshold_of_the_saved_settings_then_default(tmp_path):
    assert detection_threshold({}, tmp_path) == 0.1
    (tmp_path / "SPACE_settings.json").write_text('{"WG_detection_threshold": 0.25}')
    assert detection_threshold({}, tmp_path) == 0.25
    assert detection_threshold({"threshold": 0.5}, tmp_path) == 0.5
    with pytest.raises(SpaceError, match="threshold"):
        detection_threshold({"threshold": "high"}, tmp_path)


def test_map_that_is_still_copied_is_waited_for(tmp_path, engine):
    path = make_map(tmp_path, "G_L01.png")
    data = path.read_bytes()
    path.write_bytes(data[:100])
    engine._whole_s = 20.0
    timer = threading.Timer(0.3, lambda: path.write_bytes(data))
    timer.start()
    assert engine.run(Job("G_L01.png"), tmp_path).exists()
    timer.join()


def test_map_that_stays_cut_off_is_an_error(tmp_path, engine):
    path = make_map(tmp_path, "G_L01.png")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SpaceError, match="not whole"):
        engine.run(Job("G_L01.png"), tmp_path)
    assert not (tmp_path / "G_L01_seg.png").exists()


def test_result_is_not_written_without_the_claim(tmp_path, engine):
    make_map(tmp_path, "G_L01.png")
    with pytest.raises(ClaimLost):
        engine.run(Job("G_L01.png"), tmp_path, may_write=lambda: False)
    assert not (tmp_path / "G_L01_seg.png").exists()


@pytest.mark.parametrize(("wanted", "usual", "threads"), [("3", 8, 3), ("x", 1, 1), ("0", 1, 1)])
def test_threads(wanted, usual, threads):
    assert thread_count(wanted, usual) == threads
    assert 1 <= thread_count("", 64) <= max(1, (os.cpu_count() or 2) - 1)


def test_command_line_segments_maps_but_not_results(tmp_path, models, monkeypatch, capsys):
    def make_engine(space_dir, device):
        return Engine(space_dir, device, lambda d: CONFIG, models.segmenter, models.detector)

    monkeypatch.setattr(
        "space.jobs.engine.place_for", lambda device, *more: devices.Place("torch", device)
    )
    monkeypatch.setattr(worker_module, "Engine", make_engine)
    monkeypatch.setattr(worker_module, "catch_stop_signals", lambda ask: None)
    monkeypatch.setattr(worker_module, "start_logging", lambda: None)
    maps = [make_map(tmp_path, f"G_L0{i}.png") for i in (1, 2)]
    old = write_result(tmp_path, "X_L01.png")
    drawn = tmp_path / "G_L01_segmentation.png"
    plot_segmentation(drawn, *np.zeros((2, 20, 30), np.uint8), {"white": 0}, 16.0, "for people")
    paths = [*maps, old, drawn]
    assert worker_module.main([*map(str, paths), "--device", "cpu"], tmp_path) == 0
    assert "G_L02_seg.png" in capsys.readouterr().out
    assert not (tmp_path / "X_L01_seg_seg.png").exists()
    assert not (tmp_path / "G_L01_segmentation_seg.png").exists()
    assert models.loaded == [("segment", "cpu")]
    assert worker_module.main([str(tmp_path / "none.png")], tmp_path) == 1


@pytest.mark.parametrize("arguments", [[], ["--worker"], ["a.png", "--worker", "--dir", "x"]])
def test_command_line_needs_maps_or_a_folder(arguments):
    with pytest.raises(SystemExit):
        worker_module.main(arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signal")
def test_terminated_process_gives_its_job_back(tmp_path):
    write_worker_script(tmp_path, action="time.sleep(60)")
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    process = subprocess.Popen(
        [
            sys.executable,
            str(tmp_path / "SPACEtomo_nnUNet.py"),
            "--worker",
            "--dir",
            str(tmp_path),
            "--device",
            "cpu",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 30
        while folder.status("G_L01.png").state != "running" and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert folder.status("G_L01.png").state == "queued"
    assert not list(tmp_path.glob(".SPACE_claim*")) and not list(tmp_path.glob(".SPACE_worker*"))


@pytest.fixture
def quiet_main(monkeypatch):
    monkeypatch.setattr(worker_module, "catch_stop_signals", lambda ask: None)
    monkeypatch.setattr(worker_module, "start_logging", lambda: None)


def test_command_line_of_a_worker_does_what_waits(tmp_path, quiet_main, monkeypatch):
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    monkeypatch.setattr(worker_module, "Engine", lambda *args: FakeRunner())
    arguments = ["--worker", "--dir", str(tmp_path), "--device", "cpu", "--idle", "0"]
    assert worker_module.main(arguments, tmp_path) == 0
    assert folder.status("G_L01.png").state == "done"


def test_a_worker_whose_folder_fails_says_so_by_its_exit_status(
    tmp_path, quiet_main, monkeypatch, caplog
):
    """Its starter must not take that for an installation that does not work."""

    def away(*args, **more):
        raise OSError("the map folder is away")

    monkeypatch.setattr(worker_module, "run_worker", away)
    arguments = ["--worker", "--dir", str(tmp_path)]
    assert worker_module.main(arguments, tmp_path) == worker_module.STATUS_FOLDER
    assert "cannot be used: the map folder is away" in caplog.text
    monkeypatch.undo()
    assert worker_module.main(["--worker", "--dir", str(tmp_path / "none")], tmp_path) == 2


def test_a_stop_during_the_maps_of_the_command_line_ends_it_well(tmp_path, quiet_main, monkeypatch):
    def stopped(*args):
        raise worker_module.StopAsked

    monkeypatch.setattr(worker_module, "run_maps", stopped)
    path = make_map(tmp_path, "G_L01.png")
    assert worker_module.main([str(path)], tmp_path) == 0


def test_a_job_that_meets_an_error_of_the_system_alone_fails(tmp_path):
    """The folder takes files: the error is the job's own."""
    folder = JobFolder(tmp_path)
    make_map(tmp_path, "G_L01.png")
    folder.submit("G_L01.png")
    runner = FakeRunner(PermissionError(13, "weights cannot be read"))
    assert run_worker([tmp_path], tmp_path, "cpu", QUICK, runner) == 0
    assert "weights cannot be read" in folder.status("G_L01.png").reason
    assert folder.status("G_L01.png").state == "failed"
