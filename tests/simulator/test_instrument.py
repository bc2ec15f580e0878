"""Instrument files: what is shipped, what they are made of, and errors that a user can mend."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from pathlib import Path

import pytest

from space.simulator import Simulation
from space.simulator.column import INSTRUMENT_FOLDER, InstrumentError, load_instrument, shipped
from space.simulator.keeping import Setup
from tests.simulator.fakes import SpotGrid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KRIOS_TEXT = (INSTRUMENT_FOLDER / "krios_k3.toml").read_text(encoding="utf-8")


@pytest.fixture
def load(tmp_path):
    """Read the standard microscope's file with a part of its text replaced."""

    def changed(old, new):
        assert KRIOS_TEXT.count(old) >= 1
        path = tmp_path / "mine.toml"
        path.write_text(KRIOS_TEXT.replace(old, new, 1), encoding="utf-8")
        return load_instrument(path)

    return changed


def test_five_microscopes_are_shipped():
    assert shipped() == ["glacios_k2", "jeol_cryoarm_k3", "krios_falcon4", "krios_k3", "talos_ceta"]


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("krios_300kv", "krios_k3"),
        ("talos_200kv", "talos_ceta"),
        ("jeol_200kv", "jeol_cryoarm_k3"),
    ],
)
def test_former_names_stand_for_the_present_ones(former, present):
    assert load_instrument(former) == load_instrument(present)
    assert Setup(instrument=former) == Setup.from_dict({**Setup().to_dict(), "instrument": former})
    assert Setup(instrument=former).instrument == present


@pytest.mark.parametrize(
    ("name", "k2_type", "counted", "size_px", "chip_um"),
    [
        ("krios_k3", 3, 2, (5760, 4092), 5.0),
        ("jeol_cryoarm_k3", 3, 2, (5760, 4092), 5.0),
        ("glacios_k2", 1, 2, (3838, 3710), 5.0),
        ("krios_falcon4", 0, 1, (4096, 4096), 14.0),
        ("talos_ceta", 0, 1, (4096, 4096), 14.0),
    ],
)
def test_cameras_of_the_shipped_microscopes(name, k2_type, counted, size_px, chip_um):
    camera = load_instrument(name).camera
    assert (camera.kind.k2_type, camera.kind.counted_per_px) == (k2_type, counted)
    assert (camera.size_px, camera.chip_pixel_um) == (size_px, chip_um)


@pytest.mark.parametrize("name", shipped())
def test_every_microscope_takes_pictures_in_all_areas(name, make_simulation):
    simulation = make_simulation(SpotGrid(), instrument=name)
    result = simulation.run("""#!Python
import serialem as sem
sem.GoToImagingState("WG")
sem.V()
sem.SetLowDoseMode(1)
for take in (sem.V, sem.F, sem.T, sem.R, sem.L, sem.Search):
    take()
    columns, rows, binning, exposure, pixel_nm, camera_set = sem.ImageProperties("A")
    assert pixel_nm > 0 and sem.ReportMeanCounts("A") > 5, (take, sem.ReportMeanCounts("A"))
""")
    assert result.ok, result.error
    session = simulation.session
    for letter in ("V", "R", "P"):
        camera, taken = session.camera, session.acquire_image(letter)
        assert taken.data.shape == camera.frame_px(letter)[::-1]
        assert taken.pixel_um == pytest.approx(
            camera.binning(letter) * session.scope.pixel_um(taken.mag_index)
        )
    # A beam of the right width on the specimen covers the Record field.
    diagonal_um = math.hypot(*session.camera.size_px) * session.scope.pixel_um(
        session.instrument.areas[3].mag_index
    )
    assert session.instrument.areas[3].beam_um > diagonal_um


def test_the_standard_microscope():
    krios = load_instrument()
    assert (krios.voltage_kV, krios.cs_mm, krios.camera.size_px) == (300.0, 2.7, (5760, 4092))
    assert [mag.index for mag in krios.magnifications] == list(range(1, 38))
    assert [krios.mag_index(nominal) for nominal in (82, 580, 4800, 53000)] == [4, 10, 17, 26]
    view = krios.magnifications[16]
    assert (view.pixel_um, view.rotation_deg, view.low_mag) == (0.0019, -94.2, False)
    optics = krios.optics(1)
    assert optics.specimen_to_stage_rows == ((-0.997, 0.0), (0.0, -1.004))
    assert optics.low_mag_offset_um == pytest.approx((-8.0296, 8.2167), abs=1e-4)
    assert {area.letter: area.beam_um for area in krios.areas} == {
        "V": 20.0, "F": 1.6, "T": 1.6, "R": 1.6, "S": 40.0
    }  # fmt: skip


def test_the_second_microscope_differs_where_it_matters():
    krios, talos = load_instrument("krios_k3"), load_instrument("talos_ceta")
    assert (talos.voltage_kV, talos.beam.condensers, talos.camera.size_px) == (200, 2, (4096,) * 2)
    assert talos.optics().specimen_to_stage()[0, 0] > 0 > talos.optics().specimen_to_stage()[1, 1]
    assert talos.stage.max_tilt_deg == 79.9
    turned = {round(mag.rotation_deg) for mag in talos.magnifications}
    assert turned.isdisjoint({round(mag.rotation_deg) for mag in krios.magnifications})
    assert abs(talos.optics().is_to_specimen(20) - krios.optics().is_to_specimen(20)).max() > 0.3


@pytest.mark.parametrize("name", shipped())
def test_simulations_are_made_of_the_instrument(name, tmp_path):
    session = Simulation(tmp_path, grids={1: SpotGrid()}, instrument=name).session
    model = load_instrument(name)
    assert session.instrument == model == session.scope.instrument
    assert session.camera.size_px == model.camera.size_px
    assert session.scope.properties["MaximumTiltAngle"] == model.stage.max_tilt_deg
    assert session.scope.properties["InvertStageXAxis"] == float(model.stage.invert_x)
    assert session.scope.stage.error_um == model.stage.error_um
    assert session.scope.stage.limits_um == model.stage.limits_um


def test_a_simulation_can_do_without_errors_and_go_less_far(tmp_path):
    session = Simulation(
        tmp_path,
        grids={1: SpotGrid()},
        instrument="talos_ceta",
        stage_error_um=0.0,
        stage_limit_um=400.0,
    ).session
    assert session.scope.stage.limits_um == (-400.0, 400.0, -400.0, 400.0)
    session.scope.stage.move_to(50.0, -20.0)
    session.scope.tilt_to(30.0)
    assert session.scope.stage.true_um == (50.0, -20.0)


def test_a_file_of_ones_own(load):
    mine = load("voltage_kV = 300.0", "voltage_kV = 120")
    assert mine.voltage_kV == 120.0 and mine.source.endswith("mine.toml")
    assert load_instrument(mine) is mine
    assert load_instrument(mine.source) == mine


def test_instruments_can_be_kept():
    talos = load_instrument("talos_ceta")
    assert pickle.loads(pickle.dumps(talos)) == talos == copy.deepcopy(talos)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cs_mm = 2.7", "Cs_mm = 2.7", r"mine\.toml: cs_mm: is missing\. Add it: a number"),
        ("cs_mm = 2.7", "cs_mm = 2.7\ncolour = 3", r"mine\.toml: colour: is not a known key\. Del"),
        ("invert_x = false", "invert_x = 0", r"mine\.toml: \[stage\] invert_x: 0 is not true or f"),
        ("scale = [0.997, 1.004]", "scale = [0.997]", r"\[stage\] scale: .* list of 2 numbers"),
        ("scale = [0.997, 1.004]", "scale = [-1, 1]", r"\[stage\] scale: .*invert_x instead"),
        ("cs_mm = 2.7", "cs_mm = true", r"cs_mm: True is not a number above 0\. Give a number"),
        ("cs_mm = 2.7", "cs_mm = -1.0", r"cs_mm: -1\.0 is not a number above 0"),
        ('name = "Krios 300 kV"', "name = 5", r"name: 5 is not a string in quotes"),
        ("condensers = 3", "condensers = 4", r"\[beam\] condensers: 4 .* from 1 to 3"),
        ("[42, 184.5, 2.9],", "[42, 184.5],", r"\[magnifications\] low: the row .* 3 numbers"),
        ("[42, 184.5, 2.9],", "[52, 184.5, 2.9],", r"\[magnifications\] low: 52x is there twice"),
        ("[42, 184.5, 2.9],", "[42, 0, 2.9],", r"low: .* must be above 0"),
        ("magnification = 4800", "magnification = 4801", r"\[low_dose\.V\] magnification: 4801 is"),
        ("[low_dose.S]", "[low_dose.X]", r"\[low_dose\] S: is missing"),
        ("binnings = [1, 2, 4, 8]", "binnings = [1, 2]", r"\[camera\.sets\.V\] binning: 4 is not"),
        ("size_px = [5760, 4092]", "size_px = [5760.5, 4092]", r"\[camera\] size_px: must be"),
        ("[[0.93, 0.11], [-0.13, 0.96]]", "[[1, 2], [2, 4]]", r"\[image_shift\] matrix: .* inver"),
        ("number = 2\n", 'number = "2"\n', r"\[apertures\.holders 2\] number: '2' is not a whole"),
        ("limits_um = [-990.0, 990.0", "limits_um = [990.0, -990.0", r"limits_um: is empty\."),
        ("tilt_direction_deg = 20.0", "tilt_direction_deg = nan", r"tilt_direction_deg: nan is"),
        ("intensity = 0.51", "intensity = 0.43", r"\[low_dose\.V\] intensity: 0\.43 .*crossover"),
        ("intensity = 0.6", "intensity = 60", r"\[states 1\] intensity: 60 is not an intensity"),
        ("number = 2\n", "number = 5\n", r"\[apertures\] holders: there is no number 2\. Add the"),
        ("valves = true", "valves = 1", r"\[controls\] valves: 1 is not true or false"),
        ('["rough", "fine", "focus"]', '["tilt"]', r"\[controls\] eucentricity: .* of 'rough'"),
        ('["rough", "fine", "focus"]', '"rough"', r"eucentricity: 'rough' is not a list"),
        ("range_deg = [-90.0", "range_deg = [10.0", r"\[tilt\] range_deg: does not hold 0"),
        ('low_dose_area = "V"', 'low_dose_area = "X"', r"\[states 2\] low_dose_area: 'X' is not"),
        ("cs_mm = 2.7", "cs_mm = ", r"mine\.toml: is not a TOML file: .*Correct that line"),
    ],
)  # fmt: skip
def test_errors_name_the_file_the_key_and_what_to_do(load, old, new, message):
    with pytest.raises(InstrumentError, match=message):
        load(old, new)


def test_every_key_is_needed(load):
    def keys(table, prefix=()):
        for key, value in table.items():
            yield (*prefix, key)
            if isinstance(value, dict):
                yield from keys(value, (*prefix, key))

    values = tomllib.loads(KRIOS_TEXT)
    from space.simulator.column.instrument_file import instrument_of

    for path in keys(values):
        if path == ("loading",):  # files from before grids lay anew at each load
            continue
        less = copy.deepcopy(values)
        inner = less
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        with pytest.raises(InstrumentError, match=rf"{path[-1]}: .*(missing|Add it)"):
            instrument_of(less, Path("less.toml"))


def test_files_of_any_editor_are_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + KRIOS_TEXT.replace("\n", "\r\n").encode("utf-8"))
    assert load_instrument(path).magnifications == load_instrument().magnifications


def test_unknown_names_and_files(tmp_path):
    with pytest.raises(InstrumentError, match="no instrument 'titan'.*jeol_cryoarm_k3, krios_f"):
        load_instrument("titan")
    with pytest.raises(InstrumentError, match="nothing.toml: cannot be read .*Give the path"):
        load_instrument(tmp_path / "nothing.toml")


@pytest.mark.parametrize("name", ["talos_ceta", "glacios_k2", "jeol_cryoarm_k3"])
def test_the_beam_of_few_condensers_follows_one_law(name):
    talos = load_instrument(name)
    currents, crossover = talos.beam.currents_nA, talos.beam.crossover
    for area in talos.areas:
        spread = (area.intensity - crossover[area.spot_size - 1]) / area.beam_um
        current = currents[area.spot_size - 1] / (area.beam_um**2 * area.dose_rate_e_A2_s)
        record = talos.areas[3]
        assert spread == pytest.approx(
            (record.intensity - crossover[record.spot_size - 1]) / record.beam_um, rel=0.01
        )
        reference = currents[record.spot_size - 1]
        reference /= record.beam_um**2 * record.dose_rate_e_A2_s
        assert current == pytest.approx(reference, rel=0.01)
        assert not math.isclose(spread, 0.0)


@pytest.mark.parametrize("name", shipped())
def test_scripts_that_ask_for_the_camera_are_told_which_it_is(name, tmp_path):
    simulation = Simulation(tmp_path, grids=0, instrument=name)
    result = simulation.run("#!Python\nimport serialem as sem\nprint(sem.ReportCameraName(1))\n")
    assert result.ok, result.error
    assert simulation.log[-1].split()[0].lower() in name.replace("falcon4", "falcon")
