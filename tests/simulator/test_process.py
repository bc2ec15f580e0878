"""Scripts share one interpreter here: nothing of one run may be seen in the next."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

HEAD = "#!Python\nimport serialem as sem\n"


def run(simulation, body):
    result = simulation.run(HEAD + textwrap.dedent(body))
    assert result.ok, result.error
    return simulation


def own_module(tmp_path, name, text, folder="lib"):
    folder = tmp_path / folder
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return f"sys.path.insert(0, {str(folder)!r})\nimport {name}\n"


def test_imported_modules_get_the_serialem_of_their_run(make_simulation, tmp_path):
    own_module(tmp_path, "lower_sim_test", "import serialem as sem\n")
    body = own_module(
        tmp_path,
        "upper_sim_test",
        "import lower_sim_test\ndef say(t):\n    lower_sim_test.sem.Echo(t)\n",
    )
    body += "upper_sim_test.say('hello')"
    first, second = make_simulation(), make_simulation()
    run(first, body)
    run(second, body)
    assert first.log.count("hello") == 1 and second.log.count("hello") == 1
    assert "upper_sim_test" not in sys.modules


def test_modules_imported_before_keep_working(make_simulation, tmp_path, monkeypatch):
    own_module(tmp_path, "early_sim_test", "def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    import early_sim_test

    run(make_simulation(), "import early_sim_test\nassert early_sim_test.answer() == 42")
    assert sys.modules["early_sim_test"] is early_sim_test
    del sys.modules["early_sim_test"]


def test_state_of_a_script_s_own_modules_is_new_in_each_run(make_simulation, tmp_path):
    body = own_module(tmp_path, "counting_sim_test", "count = 0\n")
    body += "counting_sim_test.count += 1\nassert counting_sim_test.count == 1"
    simulation = make_simulation()
    run(simulation, body)
    run(simulation, body)


def test_installed_packages_stay_loaded_unless_they_hold_serialem(
    make_simulation, tmp_path, monkeypatch
):
    body = own_module(tmp_path, "installed_sim_test", "", "site-packages")
    body += own_module(tmp_path, "using_sim_test", "from serialem import Echo", "site-packages")
    for name in ("wave", "space.simulator.python.stand_in"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    run(make_simulation(), body + "import wave, space.simulator.python.stand_in")
    assert {"wave", "space.simulator.python.stand_in", "installed_sim_test"} <= set(sys.modules)
    assert "using_sim_test" not in sys.modules
    del sys.modules["installed_sim_test"]


ODD_PACKAGE = """
import sys, types

class Answering(types.ModuleType):
    __file__ = "_answering.py"

    def __getattr__(self, name):
        return name

places = {"of_a_class": None, "relative": "_relative.py", "nothing": None, "number": 7}
for name, place in places.items():
    made = types.ModuleType(f"{__name__}.{name}") if name != "of_a_class" else Answering(name)
    if name in ("relative", "number"):
        made.__file__ = place
    elif name == "nothing":
        made.__file__, made.__path__ = None, []
    sys.modules[f"{__name__}.{name}"] = made
    globals()[name] = made
"""


def test_modules_that_an_installed_package_makes_in_memory_stay_with_it(make_simulation, tmp_path):
    body = own_module(tmp_path, "odd_sim_test", ODD_PACKAGE, "site-packages")
    body += "from odd_sim_test import of_a_class, relative, nothing, number\n"
    body += "import odd_sim_test.of_a_class, odd_sim_test.relative\n"
    body += "import odd_sim_test.nothing, odd_sim_test.number\n"
    simulation = make_simulation()
    run(simulation, body)
    run(simulation, body)
    for name in [name for name in sys.modules if name.partition(".")[0] == "odd_sim_test"]:
        del sys.modules[name]


def test_modules_that_a_user_s_package_makes_in_memory_go_with_it(make_simulation, tmp_path):
    body = own_module(tmp_path, "odd_own_sim_test", ODD_PACKAGE)
    simulation = make_simulation()
    run(simulation, body + "import odd_own_sim_test.relative")
    assert not [name for name in sys.modules if name.partition(".")[0] == "odd_own_sim_test"]
    run(simulation, body + "import odd_own_sim_test.nothing")


def test_a_namespace_package_of_a_script_is_new_in_each_run(make_simulation, tmp_path):
    (tmp_path / "lib" / "spread_sim_test").mkdir(parents=True)
    part = tmp_path / "lib" / "spread_sim_test" / "part.py"
    part.write_text("count = 0\n", encoding="utf-8")
    body = f"sys.path.insert(0, {str(tmp_path / 'lib')!r})\nimport spread_sim_test.part\n"
    body += "spread_sim_test.part.count += 1\nassert spread_sim_test.part.count == 1"
    simulation = make_simulation()
    run(simulation, body)
    run(simulation, body)
    assert "spread_sim_test" not in sys.modules


CHANGES = """
import logging, os, random, warnings
import numpy as np
os.environ["SIM_TEST_NEW"] = "1"
os.environ["HOME"] = "elsewhere"
os.chdir("..")
sys.path.insert(0, "x")
sys.argv[:] = ["a", "b"]
warnings.simplefilter("error")
random.seed(1)
np.random.seed(1)
np.seterr(all="raise")
np.set_printoptions(precision=1)
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, force=True)
logging.getLogger("sim_test").addHandler(logging.StreamHandler(sys.stdout))
logging.disable(logging.ERROR)
sys.stdout = sys.stderr
"""


def _state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "arguments": list(sys.argv),
        "warnings": list(warnings.filters),
        "errors": np.geterr(),
        "printing": np.get_printoptions(),
        "handlers": list(logging.root.handlers),
        "level": logging.root.level,
        "disabled": logging.root.manager.disable,
        "own handlers": list(logging.getLogger("sim_test").handlers),
        "output": sys.stdout,
        "input": sys.stdin,
        "main": sys.modules["__main__"],
        "serialem": sys.modules.get("serialem"),
    }


@pytest.mark.parametrize("end", ["", "sem.Exit()"])
def test_what_a_script_changes_in_the_interpreter_is_put_back(make_simulation, end):
    simulation, before = make_simulation(), _state()
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    run(simulation, CHANGES + end)
    after = _state()
    assert {name: value for name, value in after.items() if value != before[name]} == {}
    drawn = random.random(), np.random.random()  # noqa: NPY002
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    assert drawn == (random.random(), np.random.random())  # noqa: NPY002


def test_handlers_do_not_pile_up(make_simulation):
    simulation = make_simulation()
    body = """
    import logging
    log = logging.getLogger("sim_test")
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.setLevel(logging.INFO)
    log.info("said")
    """
    run(simulation, body)
    run(simulation, body)
    assert simulation.log == ["said", "said"]


def test_files_that_a_script_logs_to_are_closed(make_simulation):
    body = """
    import logging
    sys.sim_test = logging.FileHandler("own.log")
    logging.getLogger().addHandler(sys.sim_test)
    """
    run(make_simulation(), body)
    assert sys.sim_test.stream is None
    del sys.sim_test


def test_threads_that_are_left_get_no_answers(make_simulation):
    body = """
    import threading
    def later():
        go.wait(5)
        try:
            sem.Echo("too late")
        except sem.SEMmoduleError:
            refused.append(True)
    import builtins
    go, refused = threading.Event(), []
    builtins.sim_test = (go, refused, threading.Thread(target=later))
    builtins.sim_test[2].start()
    """
    import builtins

    simulation = run(make_simulation(), body)
    go, refused, thread = builtins.sim_test
    del builtins.sim_test
    go.set()
    thread.join(5)
    assert refused == [True] and "too late" not in simulation.log


def test_plots_need_no_screen_and_leave_nothing(make_simulation, tmp_path):
    """In a process of its own, where nobody has chosen a backend yet."""
    code = """
        import sys
        from pathlib import Path
        from space.simulator import Simulation
        simulation = Simulation(Path(sys.argv[1]), grids={})
        script = '''#!Python
        import os
        assert os.environ["MPLBACKEND"] == "Agg"
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.rcParams["font.size"] = 33
        plt.savefig("plot.png")
        plt.show()
        '''
        for _ in range(2):
            result = simulation.run("\\n".join(line.strip() for line in script.splitlines()))
            assert result.ok, result.error
            import matplotlib
            from matplotlib import pyplot
            assert pyplot.get_fignums() == [], pyplot.get_fignums()
            assert matplotlib.rcParams["font.size"] != 33
            assert "MPLBACKEND" not in __import__("os").environ
        """
    environment = {name: v for name, v in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plot.png").exists()
