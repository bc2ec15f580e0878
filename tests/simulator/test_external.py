"""Control from a Python process outside of the program."""

from __future__ import annotations

import sys
import types

import pytest

from space.simulator import Policy, Script
from space.simulator.column.errors import (
    ScriptStopped,
    SEMerror,
    SEMexited,
    SEMmoduleError,
    TaskError,
)
from space.simulator.commands import all_commands
from space.simulator.external import NativeModuleError, external_python
from space.simulator.python.stand_in import StandIn

HEAD = "#!Python\nimport serialem as sem\n"


@pytest.fixture(autouse=True)
def no_module_left(monkeypatch):
    monkeypatch.setitem(sys.modules, "serialem", StandIn())
    monkeypatch.delitem(sys.modules, "serialem")


def control(session):
    return external_python(session, all_commands())


def test_the_first_command_takes_control_until_exit(make_session):
    session = make_session(low_dose=False)
    with control(session) as (sem, connection):
        import serialem

        assert serialem is sem and not connection.controlling
        sem.ConnectToSEM(48888, "192.168.1.2")
        assert not connection.controlling
        sem.SetUserSetting("DriftProtection", 1)
        assert connection.controlling and session.log == ["EXTERNAL CONTROL"]
        with pytest.raises(SEMexited, match="Normal exit"):
            sem.Exit()
        assert not connection.controlling
        assert sem.ReportUserSetting("DriftProtection") == 0.0
        assert session.log == [*["EXTERNAL CONTROL"] * 2, "UserSetting: 0"]
        assert sem.Exit(1, "text") is None and not connection.controlling
        sem.SetUserSetting("DriftProtection", 1)
    assert session.options.user_settings["DriftProtection"] == 0.0


def test_errors_look_as_in_scripts(make_session):
    session = make_session()
    with control(session) as (sem, _):
        with pytest.raises(SEMerror) as caught:
            sem.SetBinning("V", 3)
        assert str(caught.value) == "" and session.last_error
        sem.NoMessageBoxOnError(1)
        with pytest.raises(SEMerror, match="binning"):
            sem.SetBinning("V", 3)
        with pytest.raises(TypeError):
            sem.SetBinning("V")


@pytest.mark.parametrize("kind", [TaskError, ScriptStopped])
def test_stop_is_seen_as_an_exit_by_the_user(make_session, monkeypatch, kind):
    session = make_session()

    def fail(*args, **options):
        raise kind("time-out")

    monkeypatch.setattr(session, "take", fail)
    with control(session) as (sem, connection):
        with pytest.raises(SEMexited, match="User STOP"):
            sem.V()
        assert not connection.controlling
        assert sem.ReportDefocus() is not None


def test_without_the_property_nobody_listens(make_session):
    session = make_session()
    with control(session) as (sem, _):
        sem.SetProperty("EnableExternalPython", 0)
        with pytest.raises(SEMexited):
            sem.Exit()
        with pytest.raises(SEMmoduleError, match="EnableExternalPython"):
            sem.ReportDefocus()


def test_code_that_was_imported_once_works_with_one_session_after_the_other(make_session):
    first, second = make_session(), make_session(policy=Policy(yes=False))
    with control(first) as (sem, _):
        from serialem import YesNoBox

        assert YesNoBox("?") == 1.0
    with pytest.raises(SEMmoduleError, match="no simulated microscope"):
        YesNoBox("?")
    with control(second) as (again, _):
        assert again is sem and YesNoBox("?") == 0.0


def test_a_script_that_is_run_is_seen_by_modules_imported_before(
    make_simulation, tmp_path, monkeypatch
):
    (tmp_path / "outer_sim_test.py").write_text(
        "import serialem as sem\ndef say(t):\n    sem.Echo(t)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    first, second = make_simulation(), make_simulation()
    with control(first.session) as (_, connection):
        import outer_sim_test

        outer_sim_test.say("outside")
        connection.release()
        assert second.run(HEAD + "import outer_sim_test\nouter_sim_test.say('inside')").ok
        outer_sim_test.say("outside again")
    del sys.modules["outer_sim_test"]
    assert "inside" in second.log and "inside" not in first.log
    assert [line for line in first.log if "outside" in line] == ["outside", "outside again"]


def test_what_was_to_start_at_the_end_starts_at_exit(make_simulation):
    simulation = make_simulation()
    simulation.scripts[2] = Script("Primary", HEAD + "sem.Echo('acquiring')")
    simulation.acquire_params(primary=2)
    with control(simulation.session) as (sem, _):
        sem.OpenNavigator()
        sem.SetItemAcquire(int(sem.AddStagePosAsNavPoint(1, 2, 0)))
        sem.StartNavAcquireAtEnd()
        with pytest.raises(SEMexited):
            sem.Exit()
        assert "acquiring" in simulation.log
        assert sem.ReportItemAcquire(1) == 0.0


def test_the_module_of_a_real_microscope_is_not_replaced(make_session, monkeypatch):
    real = types.ModuleType("serialem")
    real.__file__ = r"C:\Program Files\SerialEM\PythonModules\3.11\serialem.pyd"
    monkeypatch.setitem(sys.modules, "serialem", real)
    with pytest.raises(NativeModuleError, match="real microscope"):
        with control(make_session()):
            pass
    assert sys.modules["serialem"] is real


def test_a_module_in_its_place_comes_back(make_session, monkeypatch):
    fake = types.ModuleType("serialem")
    monkeypatch.setitem(sys.modules, "serialem", fake)
    with control(make_session()) as (sem, _):
        assert sys.modules["serialem"] is sem
    assert sys.modules["serialem"] is fake


def test_the_stand_in_has_all_that_the_module_has(make_session):
    from space.simulator.python.module import build_module

    module, _ = build_module(make_session(), {})
    public = {name for name in vars(module) if not name.startswith("_")}
    assert public <= {name for name in vars(StandIn()) if not name.startswith("_")}
