"""How orderly the code is, in numbers: size, types, complexity, and how much the tests assert.

python -m benchmarks.house [BEFORE] [--json FILE]

BEFORE is another checkout, or an older commit of this one, for a second column. No code of either
is imported: the source is parsed, and mypy runs on it with the strict settings written here, so
that two checkouts are measured alike. mypy comes with the `dev` extra.

Measured are the Python files that git knows in `space/`, and for the assertions those in `tests/`.
The lines of a function include its docstring. Complexity is counted as the program radon counts
it: branches, loops, handlers, comprehensions, and each `and` and `or`; above 20 is its grade D.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

from .common import PROJECT

MOST_COMPLEX = 20
"""Complexity up to which a function is of grade C or better."""

MYPY = """[mypy]
strict = true
warn_return_any = false
untyped_calls_exclude = skimage
[mypy-matplotlib.*,mrcfile.*,nnunetv2.*,serialem.*,skimage.*,ultralytics.*]
ignore_missing_imports = true
"""

_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class House:
    """What is measured of a checkout."""

    modules: int
    lines: int
    median_module_lines: int
    longest_module_lines: int
    longest_module: str
    functions: int
    median_function_lines: int
    longest_function_lines: int
    longest_function: str
    arguments: int
    untyped_arguments: int
    untyped_arguments_percent: float
    strict_mypy_findings: int
    functions_above_complexity_20: int
    test_functions: int
    assertions_in_tests: int


@dataclass(frozen=True)
class Function:
    """A function of a module."""

    name: str
    lines: int
    arguments: int
    untyped: int
    complexity: int


def sources(checkout: Path, folder: str) -> list[Path]:
    """Return the Python files that git knows in a folder of a checkout."""
    command = ["git", "ls-files", "--", f"{folder}/*.py"]
    listed = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return [path for name in listed.stdout.splitlines() if (path := checkout / name).exists()]


def functions(path: Path) -> list[Function]:
    """Return every function and method of a module, those inside others too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = {id(method) for node in classes for method in _methods(node)}
    return [
        _function(node, path, id(node) in methods)
        for node in ast.walk(tree)
        if isinstance(node, _DEFINED)
    ]


def _methods(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the functions of a class, also those below a condition."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, _DEFINED):
            yield part
        elif not isinstance(part, ast.ClassDef):
            yield from _methods(part)


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, path: Path, is_method: bool
) -> Function:
    named = [*node.args.posonlyargs, *node.args.args]
    decorators = {name.id for name in node.decorator_list if isinstance(name, ast.Name)}
    if is_method and "staticmethod" not in decorators:
        named = named[1:]  # self, cls
    starred = [argument for argument in (node.args.vararg, node.args.kwarg) if argument]
    arguments = [*named, *node.args.kwonlyargs, *starred]
    return Function(
        f"{path.name}:{node.name}",
        node.end_lineno - node.lineno + 1,
        len(arguments),
        sum(argument.annotation is None for argument in arguments),
        1 + sum(map(_branches, ast.walk(node))),
    )


def _branches(node: ast.AST) -> int:
    """Ways that a piece of syntax adds to a function."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.Try):
        return len(node.handlers) + bool(node.orelse)
    if isinstance(node, (ast.For, ast.While, ast.AsyncFor)):
        return 1 + bool(node.orelse)
    return isinstance(node, (ast.If, ast.IfExp, ast.Assert, ast.Lambda))


def assertions(path: Path) -> int:
    """Count what can fail in a module of tests.

    These are assert statements, the calls of pytest (raises, warns, fail) and functions called
    `assert_...`, such as those of NumPy.
    """
    return sum(_asserts(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _asserts(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name))):
        return isinstance(node, ast.Assert)
    if isinstance(node.func, ast.Name):
        return node.func.id.startswith("assert_")
    owner, name = node.func.value, node.func.attr
    is_pytest = isinstance(owner, ast.Name) and owner.id == "pytest"
    return name.startswith("assert_") or (is_pytest and name in ("raises", "warns", "fail"))


def mypy_findings(checkout: Path) -> int:
    """Count what mypy finds in `space`, strict."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mypy.ini"
        config.write_text(MYPY, encoding="utf-8")
        options = ["--config-file", str(config), "--cache-dir", folder, "--no-error-summary"]
        command = [sys.executable, "-m", "mypy", *options, "space"]
        done = subprocess.run(
            command, cwd=checkout, capture_output=True, text=True, encoding="utf-8"
        )
    if done.returncode not in (0, 1):  # 1: it found something
        raise SystemExit(f"mypy failed in {checkout}:\n{done.stdout[-2000:]}{done.stderr}")
    return sum(": error: " in line for line in done.stdout.splitlines())


def measure(checkout: Path) -> House:
    """Measure a checkout."""
    lengths = {
        str(path.relative_to(checkout)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(checkout, "space")
    }
    found = [each for path in sources(checkout, "space") for each in functions(path)]
    tests = sources(checkout, "tests")
    longest = max(found, key=lambda each: each.lines)
    arguments, untyped = sum(each.arguments for each in found), sum(each.untyped for each in found)
    return House(
        modules=len(lengths),
        lines=sum(lengths.values()),
        median_module_lines=round(median(lengths.values())),
        longest_module_lines=max(lengths.values()),
        longest_module=max(lengths, key=lengths.__getitem__),
        functions=len(found),
        median_function_lines=round(median(each.lines for each in found)),
        longest_function_lines=longest.lines,
        longest_function=longest.name,
        arguments=arguments,
        untyped_arguments=untyped,
        untyped_arguments_percent=round(100 * untyped / arguments, 1),
        strict_mypy_findings=mypy_findings(checkout),
        functions_above_complexity_20=sum(each.complexity > MOST_COMPLEX for each in found),
        test_functions=sum(
            each.name.partition(":")[2].startswith("test_")
            for path in tests
            for each in functions(path)
        ),
        assertions_in_tests=sum(map(assertions, tests)),
    )


@contextmanager
def checked_out(name: str) -> Iterator[Path]:
    """Give the folder of a checkout; of a commit, one that is removed afterwards."""
    if Path(name).is_dir():
        yield Path(name).resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "before"
        git = ["git", "-C", str(PROJECT), "worktree"]
        added = subprocess.run(
            [*git, "add", "--detach", str(place), name],
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if added.returncode:
            raise SystemExit(f"{name} is neither a folder nor a commit of this checkout.")
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)


def table(houses: dict[str, House]) -> str:
    """Lay the numbers of checkouts beside each other."""
    rows = [["", *houses]]
    for field in fields(House):
        name = field.name.replace("_", " ")
        rows.append([name, *(str(getattr(house, field.name)) for house in houses.values())])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main() -> None:
    """Command line."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("before", nargs="?", help="another checkout, or a commit of this one")
    options.add_argument("--json", type=Path, help="write the numbers to this file")
    args = options.parse_args()
    houses = {}
    if args.before:
        with checked_out(args.before) as checkout:
            houses["before"] = measure(checkout)
    houses["now"] = measure(PROJECT)
    print(table(houses))
    if args.json:
        values = {name: asdict(house) for name, house in houses.items()}
        args.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
