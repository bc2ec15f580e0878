"""The simulator as a distribution of its own: it works alone, and beside the whole project."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from space.simulator.command_line import command_line
from tests.test_project import imports, project_file

pytest.importorskip("setuptools", minversion="77", reason="builds wheels")

ROOT = Path(__file__).resolve().parent.parent
ALONE = Path("packages", "simulator")
FOLDER = "spacetomo-simulator"
LARGEST = 1_000_000  # bytes of the wheel
MODULES = {"scikit-image": "skimage", "pillow": "PIL"}  # of other names than their distributions
FOR_TYPES = {"typing_extensions"}  # imported by checkers of types only
WHERE = "test_where_it_comes_from"
SCRIPT = "#!Python\nimport serialem as sem\nsem.V()\nsem.Echo('took one')\n"

TEST = '''
import sys

import pytest
from space.simulator import Policy

SCRIPT = """#!Python
import serialem as sem
sem.SetLowDoseMode(1)
sem.SetTargetDefocus(-3)
sem.G()
sem.R()
sem.OpenNewFile("series.mrc")
sem.S()
if not sem.YesNoBox("Good?"):
    sem.EchoBreakLines(f"focus is {sem.ReportDefocus():.2f}")
"""


@pytest.mark.sem(lamellae=1, answers=Policy(yes=False))
def test_script(run_script, simulation, tmp_path):
    lamella = simulation.grids[1].lamellae[0]
    simulation.session.scope.stage.move_to(*lamella.center_um, -lamella.height_um)
    result = run_script(SCRIPT)
    assert result.ok, result.error
    assert simulation.exposures[-1].defocus_um == pytest.approx(-3.0, abs=0.2)
    assert (tmp_path / "series.mrc").stat().st_size > 1e6
    assert run_script("angle = 3 + 4\\nTiltTo $angle\\n").ok


def test_where_it_comes_from(request):
    import space.simulator

    plugins = request.config.pluginmanager.list_name_plugin()
    assert [name for name, _ in plugins].count("space.simulator.pytest_plugin") == 1
    print("from", space.simulator.__file__)
'''


def run(*command: object, **options) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of the project without models, since building leaves files behind."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    text = re.sub(r"^\[tool\.setuptools\.data-files\].*?(?=^\[)", "", text, flags=re.M | re.S)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    unwanted = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for name in ("space", "packages"):
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    return folder


def built(source: Path, folder: Path) -> Path:
    """A wheel, made without fetching anything."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
        "--no-build-isolation", "--wheel-dir", folder, source)  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def simulator(source, tmp_path_factory) -> Path:
    return built(source / ALONE, tmp_path_factory.mktemp("simulator"))


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> Path:
    return built(source, tmp_path_factory.mktemp("whole"))


class Environment:
    """An environment with pytest and what a wheel requires, and with nothing else."""

    def __init__(self, folder: Path, requirements: list[str]) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        self.programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        library = folder / "venv" / ("Lib" if os.name == "nt" else "lib")
        self.packages = next(library.glob("**/site-packages"))
        for name in _needed([*requirements, "pytest"]):
            _link(importlib.metadata.distribution(name), self.packages)

    def pip(self, *words: object) -> None:
        run(sys.executable, "-m", "pip", "--python", self.programs / "python", *words)

    def install(self, *what: object) -> None:
        self.pip("install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", *what)

    def uninstall(self, name: str) -> None:
        self.pip("uninstall", "--quiet", "--yes", name)

    def run(self, program: str, *words: object) -> str:
        """Run a program of the environment; give what it prints."""
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return run(self.programs / program, *words, cwd=self.folder, env=alone).stdout

    def can_import(self, module: str) -> bool:
        code = f"import importlib.util as u; print(u.find_spec({module!r}) is not None)"
        return self.run("python", "-c", code).strip() == "True"

    def test(self, which: str = "test_") -> Path:
        """Run tests with the plugin; give where the simulator was found."""
        (self.folder / "test_script.py").write_text(TEST, encoding="utf-8")
        words = ("-q", "-s", "-p", "no:cacheprovider", "-k", which, ".")
        told = self.run("python", "-m", "pytest", *words)
        found = next(line for line in told.splitlines() if "from " in line)
        return Path(found.partition("from ")[2])


def _needed(requirements: list[str]) -> set[str]:
    """Names of the distributions that are required, directly and indirectly."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in found:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.add(requirement.name)
            waiting += importlib.metadata.requires(requirement.name) or []
    return found


def _link(distribution: importlib.metadata.Distribution, packages: Path) -> None:
    """Make an installed distribution available in another environment."""
    tops = {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        target = Path(str(distribution.locate_file(top)))
        if target.exists() and not (packages / top).exists():
            try:
                (packages / top).symlink_to(target, target_is_directory=target.is_dir())
            except OSError as error:
                pytest.skip(f"links cannot be made here: {error}")


def required(wheel: Path) -> list[str]:
    """What a wheel asks for, without extras."""
    archive = zipfile.ZipFile(wheel)
    metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode("utf-8").splitlines()
    found = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist: ")]
    return [requirement for requirement in found if "extra ==" not in requirement]


def test_it_is_small_and_holds_nothing_but_the_simulator(simulator):
    assert simulator.stat().st_size < LARGEST
    names = zipfile.ZipFile(simulator).namelist()
    inside = {name for name in names if not name.startswith(f"{FOLDER}/space/simulator/")}
    assert {name for name in inside if ".dist-info/" not in name} == {
        f"{FOLDER}.pth",
        f"{FOLDER}/LICENSE",
    }
    packed = {name[len(f"{FOLDER}/") :] for name in set(names) - inside}
    tree = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "space" / "simulator").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert packed == tree


@pytest.mark.skipif(sys.version_info < (3, 10), reason="needs the names of the standard library")
def test_what_it_imports_is_what_it_requires(simulator):
    found: set[str] = set()
    for path in (ROOT / "space" / "simulator").rglob("*.py"):
        found |= {name.split(".")[0] for name in imports(path)}
    # serialem is what it stands for; pytest is there where its plugin is loaded.
    others = found - sys.stdlib_module_names - {"space", "serialem", "pytest", *FOR_TYPES}
    names = {Requirement(text).name.lower() for text in required(simulator)}
    assert others | {"tomli"} == {MODULES.get(name, name) for name in names}


def test_both_distributions_agree(source):
    whole, alone = (project_file(source / part) for part in ("", ALONE))
    extra = whole["project"]["optional-dependencies"]["simulator"]
    assert set(extra) <= set(alone["project"]["dependencies"])
    assert set(alone["project"]["dependencies"]) <= {*whole["project"]["dependencies"], *extra}
    for key in ("requires-python", "license"):
        assert alone["project"][key] == whole["project"][key]
    assert alone["project"]["entry-points"] == whole["project"]["entry-points"]


def test_it_works_where_nothing_else_is(simulator, tmp_path):
    here = Environment(tmp_path, required(simulator))
    here.install(simulator)
    assert FOLDER in here.test().parts
    for absent in ("torch", "matplotlib", "mrcfile"):
        assert not here.can_import(absent)
    assert here.can_import("space.simulator") and not here.can_import("space.workflow")
    (tmp_path / "mine.py").write_text(SCRIPT, encoding="utf-8")
    told = here.run("spacetomo-simulator", "--session", "demo", "--run", "mine.py",
                    "--lamellae", "0", "--within", "120")  # fmt: skip
    assert "took one" in told.splitlines()


def test_beside_the_whole_project_each_can_go(simulator, whole, tmp_path):
    here = Environment(tmp_path, required(simulator))
    here.install(whole, simulator)
    assert FOLDER not in here.test(WHERE).parts, "the whole project uses what came with it"
    assert here.can_import("space.workflow")
    here.uninstall("spacetomo-suite")
    assert FOLDER in here.test(WHERE).parts
    here.install(whole)
    here.uninstall("spacetomo-simulator")
    assert FOLDER not in here.test(WHERE).parts
    assert here.can_import("space.workflow")


def test_a_checkout_that_is_installed_comes_first(simulator, source, tmp_path):
    here = Environment(tmp_path, required(simulator))
    code = f"from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})"
    run(sys.executable, "-c", code, cwd=source)
    here.install(simulator, next(tmp_path.glob("*.whl")))
    assert source in here.test(WHERE).parents
    assert here.can_import("space.workflow")


def test_the_examples_of_its_page_work(tmp_path):
    page = (ROOT / ALONE / "README.md").read_text(encoding="utf-8")
    test = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    (tmp_path / "test_my_script.py").write_text(test, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = run(sys.executable, "-m", "pytest", "-q", "-p", "space.simulator.pytest_plugin",
               "-p", "no:cacheprovider", ".", cwd=tmp_path, env=environment)  # fmt: skip
    assert "1 passed" in told.stdout
    words = shlex.split(re.search(r"^spacetomo-simulator (.*)$", page, re.MULTILINE)[1])
    assert command_line().parse_args(words).session == Path("demo")
