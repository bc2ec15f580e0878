"""The project as a whole: what it asks for. Which way imports point is held by import-linter."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("space", "tests", "examples", "benchmarks", "training")
HEAVY = {"torch", "torchvision", "ultralytics", "nnunetv2"}


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def project_file(folder: Path = ROOT) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        tomllib = pytest.importorskip("tomli")
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> dict[str, list[str]]:
    project = project_file()["project"]
    return {"base": project["dependencies"], **project["optional-dependencies"]}


@pytest.mark.parametrize(("name", "extra"), [
    ("SPACEenvironment.yaml", "predict"), ("SPACEenvironment_lite.yaml", "predict-lite"),
])  # fmt: skip
def test_conda_environments_and_pyproject_agree(name, extra):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    packages = [found[1] for line in lines if (found := re.match(r"\s{6}- (\S+)", line))]
    needs = requirements()
    # The environment has Python 3.11: what stands in for its library on older ones is not needed.
    wanted = [name for name in needs["base"] + needs[extra] if "python_version <" not in name]
    assert packages == wanted


def test_constraints_pin_what_is_required():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    for group in requirements().values():
        for requirement in group:
            name = re.match(r"[\w-]+", requirement)[0].lower()
            assert re.search(rf"^{re.escape(name)}==", text, re.MULTILINE), name


def test_the_lowest_versions_that_are_allowed_are_those_that_are_tested():
    text = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").lower()
    tested = dict(re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE))
    needs = requirements()
    for requirement in needs["base"] + needs["simulator"]:
        name, lowest = re.match(r"([\w-]+)>=([\d.]+)", requirement.lower()).groups()
        parts = [int(part) for part in lowest.split(".")]
        assert [int(part) for part in tested[name].split(".")] == [*parts, 0, 0][:3], requirement


def test_heavy_packages_are_never_imported_at_module_level():
    for path in python_files("space") + sorted(ROOT.glob("SPACEtomo*.py")):
        roots = {name.split(".")[0] for name in imports(path, top_level_only=True)}
        assert not roots & HEAVY, path


def test_text_files_are_opened_with_an_encoding():
    for path in python_files("space"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", ""), getattr(node.func, "attr", "")
            if called[0] != "open" and called[1] not in {"read_text", "write_text"}:
                continue
            given = {keyword.arg for keyword in node.keywords}
            inside = [part for a in node.args for part in ast.walk(a)]
            modes = [part.value for part in inside if isinstance(part, ast.Constant)]
            modes += [k.value.value for k in node.keywords if k.arg == "mode"]
            binary = any(isinstance(mode, str) and "b" in mode for mode in modes)
            assert binary or "encoding" in given, f"{path}:{node.lineno}"


def test_nothing_asks_for_more_than_python_3_9_has():
    """What a checker of syntax does not see, since it does not know types."""
    for path in [path for folder in CODE for path in python_files(folder)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", ""), getattr(node.func, "attr", "")
                given = {keyword.arg for keyword in node.keywords}
                where = f"{path}:{node.lineno}"
                assert called[0] != "zip" or "strict" not in given, f"{where}: check the lengths"
                assert called[1] != "write_text" or "newline" not in given, f"{where}: newline"
                assert not given & {"slots", "kw_only"}, where
            elif isinstance(node, getattr(ast, "Match", ())):
                raise AssertionError(f"{path}:{node.lineno}: match")


def test_shipped_models_stay_small():
    models = [path for path in (ROOT / "models").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in models) < 40e6


def test_types_are_shipped():
    assert (ROOT / "space" / "py.typed").is_file()
    assert "py.typed" in project_file()["tool"]["setuptools"]["package-data"]["space"]


def test_no_advice_installs_the_project_of_somebody_else():
    """The package index has a `spacetomo` that is not this one."""
    texts = [
        *python_files("space"),
        *ROOT.glob("*.py"),
        *ROOT.glob("*.md"),
        *ROOT.rglob("docs/*.md"),
        *ROOT.glob("packages/*/README.md"),
    ]
    advice = re.compile(r"install[^\n]{0,20}(?<![\w/-])spacetomo(?!-suite)\b")
    assert not [path for path in texts if advice.search(path.read_text(encoding="utf-8"))]
