"""Frames that are saved: read back by other programs, and compared with picture and truth."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image as Picture

from space.simulator.column import SEMerror, load_instrument
from space.simulator.commands import all_commands, camera, camera_modes, files, frame_files
from space.simulator.formats import autodoc
from space.simulator.formats.mdoc import read as read_mdoc
from space.simulator.imaging import frame_stack
from space.simulator.keeping import Setup, open_session, pictures
from tests.simulator.fakes import SpotGrid, TextureGrid, textured

SAVES_FRAMES = True

FRAME_PX = 256
LINEAR, COUNTING, SUPER_RESOLUTION = range(3)


def pages(path) -> np.ndarray:
    """All pages of a TIFF file, as Pillow reads them."""
    with Picture.open(path) as stack:
        found = []
        for page in range(stack.n_frames):
            stack.seek(page)
            found.append(np.array(stack))
    return np.array(found)


def read_stack(path) -> np.ndarray:
    """Frames (n, rows, columns) with row 0 on top."""
    if Path(path).suffix == ".tif":
        return pages(path)
    with mrcfile.open(path, permissive=False) as file:
        return np.array(file.data)[:, ::-1]


def fine_texture() -> TextureGrid:
    """A specimen with strong contrast in pixels of Record."""
    return textured(pixel_um=0.0006, size=1500)


@pytest.fixture
def session(make_session):
    """A microscope with noise, a fine specimen, and a Record of unbinned pixels."""

    def make(name="krios_k3", grid=None, **options):
        made = make_session(
            fine_texture() if grid is None else grid, noise=True, instrument=name, **options
        )
        camera_modes.set_centered_size(made, "R", 1, FRAME_PX, FRAME_PX)
        return made

    return make


def binned(picture: np.ndarray, by: int) -> np.ndarray:
    rows, columns = (n // by for n in picture.shape)
    return picture.reshape(rows, by, columns, by).sum(axis=(1, 3))


@pytest.mark.parametrize(
    ("name", "mode", "dtype", "finer"),
    [
        ("krios_k3", COUNTING, np.uint8, 1),
        ("krios_k3", SUPER_RESOLUTION, np.uint8, 2),
        ("krios_k3", LINEAR, np.int32, 1),  # as Pillow gives signed numbers of 16 bits
        ("glacios_k2", COUNTING, np.uint8, 1),
        ("glacios_k2", SUPER_RESOLUTION, np.uint8, 2),
        ("jeol_cryoarm_k3", COUNTING, np.uint8, 1),
        ("krios_falcon4", None, np.int16, 1),
    ],
)
def test_the_sum_of_the_frames_is_the_picture(session, name, mode, dtype, finer):
    made = session(name)
    if mode is not None:
        camera_modes.set_k2_read_mode(made, "R", mode)
    image = made.take("R")
    stack = read_stack(camera.report_last_frame_file(made)[0])
    assert stack.dtype == dtype
    assert stack.shape == (10, finer * FRAME_PX, finer * FRAME_PX)
    gain = float(image.entries["CountsPerElectron"])
    counted = made.camera.counts_electrons("R")
    electrons = binned(stack.sum(axis=0, dtype=float), finer) / (1.0 if counted else gain)
    picture = image.data / gain
    assert electrons.mean() == pytest.approx(picture.mean(), rel=0.01)
    # Both show the same specimen, each with shot noise of its own; and nothing else differs.
    mode = made.camera.mode("R")
    noise = made.camera.model.readout_noise_counts * mode.noise / gain
    arrived = np.maximum(electrons, 0.0)
    of_picture = np.mean((mode.spread * np.sqrt(arrived) + noise) ** 2)
    of_frames = arrived.mean() + (0.0 if counted else noise**2)
    expected = of_picture + of_frames
    inside = np.s_[24:-24, 24:-24]
    assert np.var((electrons - picture)[inside]) == pytest.approx(expected, rel=0.1)
    seen, summed = (binned(part[inside], 16).ravel() for part in (picture, electrons))
    assert np.corrcoef(seen, summed)[0, 1] > 0.8, "the specimen is to be seen"


def test_frames_of_a_binned_picture_show_its_middle_in_unbinned_pixels(session):
    made = session(grid=SpotGrid(((0.0, 0.0), (0.012, 0.008)), 0.005))
    camera_modes.set_centered_size(made, "R", 4, 400, 300)
    image = made.take("R")
    stack = read_stack(camera.report_last_frame_file(made)[0])
    rows, columns = image.data.shape
    half = FRAME_PX // 8
    middle = image.data[
        rows // 2 - half : rows // 2 + half, columns // 2 - half : columns // 2 + half
    ]
    # Means of squares of 8 pixels of the picture: each has some thousand electrons.
    gain = made.camera.model.counts_per_electron
    seen = binned(middle / gain, 8)
    summed = binned(stack.sum(axis=0, dtype=float), 32)
    inside = np.s_[1:-1, 1:-1]
    assert np.ptp(seen[inside]) > 0.3 * seen.mean(), "the spot is to be seen"
    difference = (summed - seen)[inside] / np.sqrt(2.0 * seen[inside])
    assert np.abs(difference).max() < 6.0 and np.abs(difference.mean()) < 1.0


def shift_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Shift (columns, rows) of the second picture, by its correlation with the first."""
    rows, columns = first.shape
    window = np.hanning(rows)[:, None] * np.hanning(columns)[None, :]
    before, after = (np.fft.fft2(window * (part - part.mean())) for part in (first, second))
    y, x = np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None, :]
    passed = np.exp(-(x**2 + y**2) / (2 * 0.1**2)) - np.exp(-(x**2 + y**2) / (2 * 0.02**2))
    peak = np.fft.ifft2(after * np.conj(before) * passed).real
    row, column = np.unravel_index(peak.argmax(), peak.shape)
    top, bottom = peak[row - 1, column], peak[(row + 1) % rows, column]
    left, right = peak[row, column - 1], peak[row, (column + 1) % columns]
    highest = peak[row, column]
    row = row + 0.5 * (top - bottom) / (top + bottom - 2 * highest)
    column = column + 0.5 * (left - right) / (left + right - 2 * highest)
    return np.array(
        [(column + columns / 2) % columns - columns / 2, (row + rows / 2) % rows - rows / 2]
    )


@pytest.mark.parametrize("name", ["krios_k3", "krios_falcon4", "glacios_k2"])
def test_frames_move_as_the_truth_says(session, name):
    made = session(name)
    # Ten frames of a second have enough electrons for their shifts to be measured.
    camera.set_exposure(made, "R", 10.0)
    camera_modes.set_frame_time(made, "R", 1.0)
    measured, true = [], []
    for _ in range(3):
        made.take("R")
        exposure = made.exposures[-1]
        assert exposure.frames == camera.report_last_frame_file(made)[0]
        stack = read_stack(exposure.frames).astype(float)
        # A stage that moves by d moves what is seen by -A d.
        to_px = made.scope.optics.stage_to_image(exposure.mag_index, 1.0, exposure.tilt_deg)
        offsets = -np.array(exposure.frame_offsets_um) @ np.array(to_px).T
        assert offsets.shape == (len(stack), 2)
        for number in (0, 1, 9):
            measured.append(shift_between(stack[5], stack[number]))
            true.append(offsets[number] - offsets[5])
    measured, true = np.array(measured), np.array(true)
    assert np.abs(true).max() > 2.0, "something moves"
    # Shot noise leaves a quarter of a pixel.
    assert np.sqrt(np.mean((measured - true) ** 2)) < 0.5


def test_the_first_frames_move_most():
    doses = np.linspace(0.5, 30.0, 60)
    for seed in range(20):
        path = frame_stack.beam_induced_um(doses, np.random.default_rng(seed))
        steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
        assert steps[0] > 2.0 * steps[-1]
        assert 1e-4 < np.linalg.norm(path[-1] - path[0]) < 1e-2
    assert not frame_stack.beam_induced_um(doses, None).any()


def test_parts_of_pixels_are_shifted():
    y, x = np.mgrid[:80, :96]

    def spot(column, row):
        return np.exp(-((x - column) ** 2 + (y - row) ** 2) / 18.0)

    margin = frame_stack.margin_px(np.array([[3.4, -1.7]]))
    shifted = frame_stack.shifted(spot(50, 40), (3.4, -1.7), margin)
    wanted = spot(53.4, 38.3)[margin:-margin, margin:-margin]
    assert np.abs(shifted - wanted).max() < 1e-4


def test_frames_of_a_specimen_that_drifts_far(session):
    """What moves into the frames is what lies beside them."""
    made = session()
    camera.set_exposure(made, "R", 5.0)
    camera_modes.set_frame_time(made, "R", 0.5)
    made.scope.stage.drift.start(1.6, 1e4)
    made.take("R")
    exposure = made.exposures[-1]
    to_px = np.array(made.scope.optics.stage_to_image(exposure.mag_index, 1.0, exposure.tilt_deg))
    offsets = -np.array(exposure.frame_offsets_um) @ to_px.T
    assert np.abs(offsets[0]).max() > frame_stack.MARGIN_PX
    stack = read_stack(exposure.frames).astype(float)
    for number in (0, 9):
        measured = shift_between(stack[5], stack[number])
        assert measured == pytest.approx(offsets[number] - offsets[5], abs=1.0)
    # A stage that runs away spoils the picture, and nothing else.
    made.scope.stage.drift.start(40000.0, 1e4)
    made.take("R")


def test_what_moves_into_frames_is_what_lies_beside_them():
    places = np.random.default_rng(5).uniform(-120.0, 220.0, (60, 2))

    def spots(columns, rows):
        x, y = columns[None, :], rows[:, None]
        return sum(900.0 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 40.0) for a, b in places)

    shifts = np.array([[0.0, 0.0], [61.3, -44.6], [-70.0, 15.5]])
    margin = frame_stack.margin_px(shifts)
    drawn = spots(np.arange(-margin, 96 + margin), np.arange(-margin, 80 + margin))
    frames = frame_stack.counted(drawn, shifts, None, margin)
    for frame, (x, y) in zip(frames, shifts):
        assert frame.shape == (80, 96)
        wanted = spots(np.arange(96) - x, np.arange(80) - y)
        assert np.abs(frame - wanted)[2:-2, 2:-2].max() < 15.0


def test_without_noise_the_frames_add_up_exactly(make_session):
    made = make_session(fine_texture())
    camera_modes.set_centered_size(made, "R", 1, FRAME_PX, FRAME_PX)
    image = made.take("R")
    stack = read_stack(camera.report_last_frame_file(made)[0])
    assert not np.any(made.exposures[-1].frame_offsets_um)
    electrons = image.data / made.camera.model.counts_per_electron
    # Counts are rounded to an eighth of an electron; the edges are those of two Fourier transforms.
    assert np.abs(stack.sum(axis=0) - electrons)[64:-64, 64:-64].max() < 0.65


def test_frames_that_are_aligned_give_a_sharp_picture(session):
    sharpness = {}
    for align in (0, 1):
        made = session()
        made.camera.change("R", align_frames=bool(align))
        made.scope.stage.drift.start(8.0, 100.0)
        image = made.take("R")
        first, last = np.array(made.exposures[-1].frame_offsets_um)[[0, -1]]
        assert np.hypot(*(last - first)) > 0.005
        smooth = binned(image.data.astype(float), 4)
        sharpness[align] = smooth.std() / smooth.mean()
    assert sharpness[1] > 1.15 * sharpness[0]


# --- files ---------------------------------------------------------------------------------------


def set_user(session, name: str, value: float) -> None:
    all_commands()["SetUserSetting"](session, name, value)


@pytest.mark.parametrize(
    ("name", "settings", "suffix", "packed"),
    [
        ("krios_k3", {}, ".tif", "tiff_lzw"),
        ("krios_k3", {"SaveK2FramesAsTiff": 2}, ".tif", "tiff_adobe_deflate"),
        ("glacios_k2", {"SaveK2FramesAsTiff": 0}, ".mrc", ""),
        ("glacios_k2", {"SaveK2FramesAsTiff": 0, "NameFramesAsMRCS": 1}, ".mrcs", ""),
        ("krios_falcon4", {}, ".mrc", ""),
        ("krios_falcon4", {"SaveK2FramesAsTiff": 2}, ".mrc", ""),
    ],
)
def test_kinds_of_files(session, name, settings, suffix, packed):
    made = session(name)
    for key, value in settings.items():
        set_user(made, key, value)
    made.take("R")
    path, folder, file = camera.report_last_frame_file(made)
    assert path == folder + file and file == f"0001{suffix}"
    assert folder == str(made.directory / "frames") + os.sep
    assert [p.name for p in Path(folder).iterdir()] == [file], "nothing half is left"
    pixel_A = 1e4 * made.scope.pixel_um(made.scope.mag_index)
    if packed:
        with Picture.open(path) as stack:
            assert stack.info["compression"] == packed
            assert 1e8 / float(stack.tag_v2[282]) == pytest.approx(pixel_A, rel=1e-4)
            assert "10 frames of 256 x 256" in stack.tag_v2[270]
    else:
        assert mrcfile.validate(path)
        with mrcfile.open(path) as stack:
            assert float(stack.voxel_size.x) == pytest.approx(pixel_A, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "setting"),
    [("krios_falcon4", "SaveInEERformat"), ("krios_k3", "OneK2FramePerFile")],
)
def test_files_that_are_not_simulated_are_refused(session, name, setting):
    made = session(name)
    set_user(made, setting, 1)
    with pytest.raises(SEMerror, match=f"not simulated.*{setting}"):
        made.take("R")
    made.take("V")
    set_user(made, setting, 0)
    made.take("R")


def test_frames_that_are_not_normalised_have_a_gain_reference(session):
    made = session()
    set_user(made, "SaveUnnormedFrames", 1)
    for _ in range(6):
        image = made.take("R")
    folder = Path(camera.report_last_frame_file(made)[1])
    name = image.entries["GainReference"]
    with mrcfile.open(folder / name) as file:
        reference = np.array(file.data)[::-1]
    total = sum(read_stack(p).sum(axis=0, dtype=float) for p in folder.glob("*.tif"))
    pattern = (1.0 / reference).ravel()
    before = np.corrcoef(total.ravel(), pattern)[0, 1]
    after = np.corrcoef((total * reference).ravel(), pattern)[0, 1]
    assert before > 0.05 and abs(after) < 0.02
    gain = made.camera.model.counts_per_electron
    assert (total * reference).mean() / 6 == pytest.approx(image.data.mean() / gain, rel=0.02)


def test_a_file_that_is_there_is_not_replaced(session):
    made = session()
    camera.set_frame_name_format(made, 0, -1, 0x8)
    camera.set_frame_base_name(made, 0, 1, 0, "again")
    for _ in range(3):
        made.take("R")
    names = sorted(Path(e.frames).name for e in made.exposures)
    assert names == ["again.tif", "again_2.tif", "again_3.tif"]
    assert all(Path(e.frames).is_file() for e in made.exposures)


def test_the_number_of_frames_follows_their_time(session):
    made = session()
    for exposure_s, frame_s, count in ((1.0, 0.25, 4), (0.5, 0.1, 5), (0.2, 0.5, 1)):
        camera.set_exposure(made, "R", exposure_s)
        camera_modes.set_frame_time(made, "R", frame_s)
        image = made.take("R")
        assert frame_files.report_num_frames_saved(made) == count
        assert image.entries["NumSubFrames"] == str(count)
        dose, number = map(float, image.entries["FrameDosesAndNumber"].split())
        assert (dose * count, number) == (pytest.approx(image.dose_e_A2, rel=1e-3), count)
        assert len(read_stack(made.exposures[-1].frames)) == count


def test_frames_are_saved_only_where_they_are_asked_for(session):
    made = session()
    made.take("V")
    made.take("P")
    camera_modes.set_dose_frac_params(made, "R", 1, 0)
    made.take("R")
    assert made.exposures[-1].frame_offsets_um, "divided, but not saved"
    camera_modes.set_dose_frac_params(made, "R", 0, 1)
    made.take("R")
    camera_modes.set_dose_frac_params(made, "R", 1, 1)
    made.take("R", save_frames=False)
    assert not (made.directory / "frames").exists()
    assert not any(e.frames for e in made.exposures)
    with pytest.raises(SEMerror, match="No frames"):
        camera.report_last_frame_file(made)
    made.take("R")
    camera_modes.set_dose_frac_params(made, "V", 1, 1)
    made.take("V")
    assert len(list((made.directory / "frames").iterdir())) == 2


def test_a_camera_without_frames_saves_none(make_session):
    made = make_session(instrument="talos_ceta")
    camera_modes.set_dose_frac_params(made, "R", 1, 1)
    image = made.take("R", frame_px=(64, 64))
    assert "SubFramePath" not in image.entries and not made.exposures[-1].frames
    assert list(made.directory.iterdir()) == []


def test_whole_frames_where_the_instrument_says_so(make_session):
    usual = load_instrument("glacios_k2")
    whole = replace(usual, camera=replace(usual.camera, size_px=(300, 200), frame_size_px=0))
    made = make_session(instrument=whole, noise=True)
    made.camera.change("R", binning=2)
    made.take("R")
    assert read_stack(made.exposures[-1].frames).shape == (10, 200, 300)


def test_frames_are_dark_behind_closed_valves(session):
    made = session()
    made.scope.valve_open = False
    made.take("R")
    assert not read_stack(made.exposures[-1].frames).any()


def test_a_folder_that_cannot_be_written_stops_the_task(session):
    made = session()
    (made.directory / "frames").write_text("a file", encoding="utf-8")
    with pytest.raises(SEMerror, match="Frames could not be saved"):
        made.take("R")
    assert len(made.exposures) == 1, "the specimen was exposed all the same"


def test_frames_stay_where_the_session_began(session, tmp_path):
    made = session()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made.directory = elsewhere
    made.take("R")
    assert Path(made.exposures[-1].frames).parent == tmp_path / "frames"
    assert camera.report_frame_saving_path(made) == str(tmp_path / "frames")


def test_a_falcon_tells_no_path_but_its_latest_file(session):
    made = session("krios_falcon4")
    with pytest.raises(SEMerror, match="does not save frames"):
        camera.report_frame_saving_path(made)
    made.take("R")
    assert camera.report_last_frame_file(made)[2] == "0001.mrc"


# --- mdoc files ----------------------------------------------------------------------------------


def test_the_mdoc_beside_a_stack(session):
    made = session()
    camera_modes.set_k2_read_mode(made, "R", SUPER_RESOLUTION)
    frame_files.start_next_frame_stack_mdoc(made, "Old", "dropped")
    frame_files.start_next_frame_stack_mdoc(made, "Grid", "G1")
    frame_files.add_to_next_frame_stack_mdoc(made, "Target", "3")
    made.take("R")
    assert len(list((made.directory / "frames").iterdir())) == 1, "only where a setting asks"
    set_user(made, "SaveFrameStackMdoc", 1)
    files.open_new_file(made, "a.mrc")
    for _ in range(2):
        image = made.take("R")
        files.save_to_file(made)
    saved = read_mdoc(made.directory / "a.mrc.mdoc").images
    for exposure, picture, own in zip(
        made.exposures[1:], saved, ({"Grid": "G1", "Target": "3"}, {})
    ):
        beside = autodoc.read(Path(exposure.frames + ".mdoc"), strict=True)
        (section,) = beside.of_kind("FrameSet")
        assert section.name == "0" and float(beside.header["Voltage"]) == 300
        for key in ("SubFramePath", "NumSubFrames", "FrameDosesAndNumber", "ExposureDose",
                    "TiltAngle", "StagePosition", "Magnification", "DateTime", "TargetDefocus",
                    "CountsPerElectron", "ExposureTime", "OperatingMode"):  # fmt: skip
            assert section.values[key] == picture.values[key], key
        assert section.number("Binning") == 0.5 and picture.number("Binning") == 1
        assert section.number("PixelSpacing") == pytest.approx(
            0.5 * picture.number("PixelSpacing"), rel=1e-4
        )
        assert section.values["SubFramePath"] == exposure.frames
        assert {k: section.values[k] for k in ("Grid", "Target") if k in section.values} == own
        assert "Old" not in section.values
    assert image.entries["SubFramePath"] == made.exposures[-1].frames


def test_an_mdoc_for_all_frames(session, tmp_path):
    made = session()
    path = tmp_path / "all.mdoc"
    for command in (
        lambda: frame_files.add_to_frame_mdoc(made, "Key", "value"),
        lambda: frame_files.write_frame_mdoc(made),
        lambda: frame_files.defer_writing_frame_mdoc(made),
        lambda: frame_files.close_frame_mdoc(made),
    ):
        with pytest.raises(SEMerror, match="no frame mdoc"):
            command()
    frame_files.close_frame_mdoc(made, 1)
    assert frame_files.report_frame_mdoc_open(made) == 0.0

    frame_files.open_frame_mdoc(made, "all.mdoc")
    assert frame_files.report_frame_mdoc_open(made) == 1.0
    with pytest.raises(SEMerror, match="open already"):
        frame_files.open_frame_mdoc(made, "other.mdoc")
    made.take("R")
    frame_files.add_to_frame_mdoc(made, "Defocus measured", "-3.2")
    (first,) = autodoc.read(path).of_kind("FrameSet")
    assert "Defocus measured" not in first.values, "not written yet"
    frame_files.write_frame_mdoc(made)
    frame_files.defer_writing_frame_mdoc(made)
    made.take("R")
    made.take("V")
    assert len(autodoc.read(path).of_kind("FrameSet")) == 1
    frame_files.close_frame_mdoc(made)
    sections = autodoc.read(path, strict=True).of_kind("FrameSet")
    assert [s.name for s in sections] == ["0", "1"]
    assert [s.values["SubFramePath"] for s in sections] == [e.frames for e in made.exposures[:2]]
    assert sections[0].values["Defocus measured"] == "-3.2"
    # A file that is there is continued.
    frame_files.open_frame_mdoc(made, "all.mdoc")
    made.take("R")
    frame_files.close_frame_mdoc(made)
    assert len(autodoc.read(path).of_kind("FrameSet")) == 3
    for key in ("", "a=b", "a\nb"):
        with pytest.raises(SEMerror, match="key of an mdoc"):
            frame_files.add_to_next_frame_stack_mdoc(made, key, "x")


def test_names_are_reported(session):
    made = session()
    assert frame_files.report_frame_base_name(made) == 0.0
    assert frame_files.report_num_frames_saved(made) == 0.0
    assert frame_files.report_frame_name_format(made) == 0x48
    camera.set_frame_base_name(made, 0, 1, 0, "mine")
    assert frame_files.report_frame_base_name(made) == (1.0, "mine")
    camera.set_frame_base_name(made, 0, 0, 0, "mine")
    assert frame_files.report_frame_base_name(made) == 0.0
    assert frame_files.report_frame_name_format(made) == 0x40


# --- sessions that are kept ----------------------------------------------------------------------

HEAD = "#!Python\nimport serialem as sem\nsem.SetCenteredSize('R', 1, 64, 64)\n"


def test_a_session_with_frames_is_continued_in_another_place(tmp_path):
    grids = {1: SpotGrid()}
    setup = Setup(seed=3)
    begun, moved = tmp_path / "begun", tmp_path / "moved"
    with open_session(begun, setup, grids=grids) as simulation:
        result = simulation.run(
            HEAD + "sem.SetLowDoseMode(1)\nsem.SetFrameBaseName(1, 1, 0, 'night')\n"
            "sem.OpenFrameMdoc('frames.mdoc')\nsem.DeferWritingFrameMdoc()\nsem.R()\n"
        )
        assert result.ok, result.error
    shutil.move(begun, moved)
    (picture,) = pictures(moved)
    assert picture.frames == str(moved / "frames" / "night_0001.tif")
    assert len(picture.frame_offsets_um) == 10 and Path(picture.frames).is_file()
    with open_session(moved, grids=grids) as simulation:
        result = simulation.run(HEAD + "sem.R()\nsem.CloseFrameMdoc()\n")
        assert result.ok, result.error
    assert pictures(moved)[0] == picture
    assert Path(pictures(moved)[1].frames) == moved / "frames" / "night_0002.tif"
    sections = autodoc.read(moved / "frames.mdoc").of_kind("FrameSet")
    assert [s.integer("NumSubFrames") for s in sections] == [10, 10]
