"""What is undone when a script ends, and scripts that use other scripts."""

from __future__ import annotations

import textwrap

import pytest

from space.simulator import Script

HEAD = "#!Python\nimport serialem as sem\n"


def run(simulation, body, **options):
    return simulation.run(HEAD + textwrap.dedent(body), **options)


# --- what is undone at the end -------------------------------------------------------------------

# What a script does, what it must see itself, and what the next script must see.
UNDONE = {
    "user settings": (
        "sem.SetUserSetting('DriftProtection', 1)",
        "sem.ReportUserSetting('DriftProtection') == {1}",
        (1, 0),
    ),
    "the setting of the tilt axis": (
        "sem.SetUserSetting('ShiftToTiltAxis', 1)",
        "sem.ReportTiltAxisOffset()[5] == {}",
        (1, 0),
    ),
    "exposure": ("sem.SetExposure('V', 7)", "sem.ReportExposure('V')[0] == {}", (7, 1)),
    "binning": ("sem.SetBinning('R', 8)", "sem.ReportBinning('R') == {}", (8, 4)),
    "regular variables": (
        "sem.SetVariable('v', 'a')", "sem.IsVariableDefined('V') == {}", (1, 0),
    ),
    "variables of reports": (
        "sem.CameraProperties()", "sem.IsVariableDefined('numberOfCameras') == {}", (1, 0),
    ),
}  # fmt: skip
KEPT = {
    "user settings that are kept": (
        "sem.SetUserSetting('DriftProtection', 1, 1)",
        "sem.ReportUserSetting('DriftProtection') == 1",
    ),
    "properties": (
        "sem.SetProperty('ImageShiftLimit', 20)",
        "sem.ReportProperty('ImageShiftLimit') == 20",
    ),
    "persistent variables": (
        "sem.SetPersistentVar('long', 'b')",
        "sem.GetVariable('Long') == 'b'",
    ),
    "image shift": ("sem.SetImageShift(1, 2)", "sem.ReportImageShift()[:2] == (1.0, 2.0)"),
    "defocus": ("sem.SetDefocus(-3)", "sem.ReportDefocus() == -3"),
    "open files": ("sem.OpenNewFile('a.mrc')", "sem.ReportFileNumber() == 1"),
}


@pytest.mark.parametrize("what", UNDONE)
@pytest.mark.parametrize("end", ["", "sem.Exit()", "1 / 0", "sem.Exit(-1)", "sem.SetMag(1)"])
def test_what_is_undone_however_a_script_ends(make_simulation, what, end):
    simulation = make_simulation()
    do, check, (inside, afterwards) = UNDONE[what]
    before = simulation.session.camera.exposure_s("V"), simulation.session.camera.binning("R")
    result = run(simulation, f"{do}\nassert {check.format(inside, 1)}, 'inside'\n{end}")
    assert "inside" not in result.error
    afterwards = {"exposure": before[0], "binning": before[1]}.get(what, afterwards)
    assert run(simulation, f"assert {check.format(afterwards, 0)}").ok


@pytest.mark.parametrize("what", KEPT)
def test_what_is_not_undone(make_simulation, what):
    simulation = make_simulation()
    do, check = KEPT[what]
    assert run(simulation, f"{do}\nassert {check}").ok
    assert run(simulation, f"assert {check}").ok


def test_modes_of_one_script(make_simulation):
    simulation = make_simulation()
    (simulation.session.directory / "old.mrc").write_bytes(b"")
    body = """
    sem.NoMessageBoxOnError(1)
    sem.SuppressReports(1)
    sem.AllowFileOverwrite(1)
    sem.StartTry()
    sem.LimitNextAutoAlign(0.5)
    sem.ReturnAllValuesAsTuples(1)
    """
    assert run(simulation, body).ok
    options = simulation.session.options
    assert not (options.no_message_box or options.suppress_reports or options.try_level)
    assert not options.align_limit_um and not simulation.session.files.overwrite
    assert run(simulation, "assert type(sem.ReportDefocus()) is float").ok
    assert not run(simulation, "sem.OpenNewFile('old.mrc')").ok


def test_frame_names_are_undone_unless_kept(make_simulation):
    simulation = make_simulation()
    assert run(simulation, "sem.SetFrameBaseName(0, 1, 0, 'short')").ok
    assert simulation.session.options.frames.base_name == ""
    assert run(simulation, "sem.SetFrameBaseName(1, 1, 0, 'kept')").ok
    assert simulation.session.options.frames.base_name == "kept"


def test_adjusted_beam_tilt_and_following_areas_are_undone(make_simulation):
    simulation = make_simulation()
    scope = simulation.session.scope
    scope.set_low_dose(True)
    tilt, mag = scope.beam_tilt, scope.area_mag_index("R")
    body = f"""
    sem.ImageShiftByMicrons(3, 0)
    sem.AdjustBeamTiltforIS()
    tilt = sem.ReportBeamTilt()
    sem.GoToLowDoseArea('R')
    sem.UpdateLowDoseParams('R')
    sem.SetMagIndex({mag + 1})
    sem.GoToLowDoseArea('V')
    sem.GoToLowDoseArea('R')
    sem.Echo(f"inside {{tilt != {tilt}}} {{sem.ReportMag()[0]:g}}")
    1 / 0
    """
    assert "ZeroDivisionError" in run(simulation, body).error
    assert f"inside True {scope.magnification(mag + 1):g}" in simulation.log
    assert scope.beam_tilt == tilt and scope.area_mag_index("R") == mag


def test_the_clock_starts_with_the_script(make_simulation):
    simulation = make_simulation()
    assert run(simulation, "sem.Delay(30, 's')\nassert sem.ReportClock() >= 30").ok
    assert run(simulation, "assert sem.ReportClock() < 1").ok


# --- scripts that use other scripts ---------------------------------------------------------------


def test_include_of_scripts_and_files(make_simulation):
    simulation = make_simulation()
    simulation.scripts[4] = Script(
        "slot four", "#!Python\n#ScriptName Helper\ndef twice(x):\n    return 2 * x\n"
    )
    folder = simulation.session.directory / "lib"
    folder.mkdir()
    (folder / "more.py").write_text("def thrice(x):\n    return 3 * x\n", encoding="utf-8")
    simulation.session.options.python_include_path = f"nowhere; {folder}"
    body = "#include HELPER\n#includeFile more.py\nassert (twice(2), thrice(2)) == (4, 6)\n1 / 0\n"
    result = simulation.run(HEAD + body)
    assert "line 6, in <module>\n    1 / 0\n" in result.error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("#include Nothing", "there is no script of this name"),
        ("#includeFile none.py", "not found in PythonIncludePath"),
        ("#include Circle", "too deeply"),
    ],
)
def test_what_cannot_be_included_is_told(make_simulation, line, message):
    simulation = make_simulation()
    simulation.scripts[1] = Script("Circle", "#!Python\n#include Circle\n")
    result = simulation.run(HEAD + line + "\n")
    assert not result.ok and message in result.error


def test_scripts_call_scripts_by_name_and_number(make_simulation):
    simulation = make_simulation()
    called = "#ScriptName Callee\nsem.Echo('callee ' + sem.GetVariable('shared'))\n"
    simulation.scripts[7] = Script("seven", HEAD + called + "own = 1\n")
    body = """
    sem.SetVariable('shared', 'sees it')
    sem.NoMessageBoxOnError(1)
    sem.Call('CALLEE')
    sem.CallScript(7)
    sem.CallMacro(7)
    assert 'own' not in globals()
    lines = ['#!Python', 'import serialem as sem', 'sem.Echo("x")']
    sem.SetVariable('lines', listToSEMarray(lines))
    sem.CallStringArray('lines')
    sem.StringArrayToScript('lines', 9)
    sem.CallScript(9)
    """
    result = run(simulation, body)
    assert result.ok, result.error
    assert simulation.log == ["callee sees it"] * 3 + ["x", "x"]


@pytest.mark.parametrize(
    ("callee", "ok", "error", "went_on"),
    [
        ("sem.Exit()", True, "", False),
        ("sem.Exit(-1, 'bad')", False, "bad", False),
        ("sem.Return()", True, "", True),
        ("1 / 0", False, "ZeroDivisionError", False),
        ("sem.SetBinning('V', 3)", False, "binning", False),
        ("sem.Call('Callee')", False, "too deeply", False),
    ],
)
def test_the_end_of_a_called_script(make_simulation, callee, ok, error, went_on):
    simulation = make_simulation()
    simulation.scripts[7] = Script("Callee", HEAD + callee)
    result = run(simulation, "sem.Call('Callee')\nsem.Echo('went on')")
    assert result.ok is ok and error in result.error
    assert ("went on" in simulation.log) is went_on
    assert simulation.session.call_depth == 0


def test_the_exit_of_a_called_script_ends_its_caller_even_if_caught(make_simulation):
    simulation = make_simulation()
    simulation.scripts[7] = Script("Callee", HEAD + "sem.Exit()")
    body = "try:\n    sem.Call('Callee')\nexcept Exception:\n    pass\nsem.Echo('went on')"
    assert run(simulation, body).ok and "went on" not in simulation.log


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("sem.Call('None')", "no script named None"),
        ("sem.CallScript(3)", "no script number 3"),
        ("sem.CallScript(1)", "old: line 2: Frobnicate: unknown command"),
        ("sem.CallFunction('f', '', 1)", "f: there is no such function"),
        ("sem.Return('value')", "not simulated"),
        ("sem.EndTry()", "without a StartTry"),
    ],
)
def test_calls_that_cannot_be_made(make_simulation, call, error):
    simulation = make_simulation()
    simulation.scripts[1] = Script("old", "ScriptName old\nFrobnicate\n")
    result = run(simulation, call)
    assert not result.ok and error in result.error
