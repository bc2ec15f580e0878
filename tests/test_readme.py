"""Every command of README, read from the page: run, or named below with the reason why not."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from space.cli import command_line, main
from space.cli.models import trusting

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", PAGE, re.MULTILINE | re.DOTALL)

NOT_RUN = {
    "conda env create -f SPACEenvironment.yaml": "needs conda; test_project.py reads the file",
    "pip install -e .": "fetches packages; make.py installs so before any test",
    'pip install -e ".[predict]"': "the same",
    'pip install -e ".[predict-lite]"': "the same",
    "source .venv/bin/activate": "the tests run in such an environment",
}

# What takes the place of SPACEtomo.py, so that nothing needs the models: scripts are run as
# always, with the settings that the page's commands change.
MY_SCRIPT = """#!Python
import serialem as sem
target_list = ["mitos"]
sparse_targets = True
IM_mag_index = 10
beam_diameter = 0
automation_level = 4
sem.Echo(f"at level {automation_level}")
sem.V()
"""
SMALL = ["--script", "my_script.py", "--lamellae", "1", "--within", "120"]


def commands() -> list[str]:
    """Return the command lines of the page, without their comments."""
    lines = [line for _, kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    return [re.sub(r"\s+#\s.*", "", line).strip() for line in lines if line.strip()]


COMMANDS = commands()


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with the files that commands of the page name."""
    for name in ("my_script.py", "my_tilt_series.py"):
        (tmp_path / name).write_text(MY_SCRIPT, encoding="utf-8")
    (tmp_path / "answers.toml").write_text("yes = true\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulate(line: str) -> None:
    """Run it with a small grid and a script that takes one picture; going on needs neither."""
    words = shlex.split(line)[1:]
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        return
    if "--resume" in words:
        simulate(COMMANDS[COMMANDS.index(line) - 1])
        assert main(words) == 0
        return
    small = SMALL[2:] if {"--script", "--session"} & set(words) else SMALL
    assert main([*words, *small]) == 0


def judge(line: str) -> None:
    """Run it on a session with a short tilt series."""
    script = "import serialem as sem\nsem.OpenNewFile('a_ts_1.mrc')\nsem.R()\nsem.S()\n"
    Path("my_script.py").write_text(f"#!Python\n{script}", encoding="utf-8")
    assert main(["simulate", "--session", "DIR", "--run", "my_script.py", *SMALL[2:]]) == 0
    assert main(shlex.split(line)[1:]) == 0


def models(line: str, folder: Path) -> None:
    """Run it on shipped weights, with a list of trusted weights in a folder of the test's own."""
    weights = ROOT / "models" / "lamella_detector" / "weights.pt"
    args = command_line().parse_args(
        [word.replace("FILE", str(weights)) for word in shlex.split(line)[1:]]
    )
    if args.action == "trust":
        assert trusting.run(args, print, folder) == 0
    else:
        assert args.do(args) == 0


def make(line: str) -> None:
    """Show what it would do, which takes minutes to hours; test_make.py runs the rest."""
    words = shlex.split(line)
    if words[0] == "make":
        shown = f"{sys.executable} make.py {words[1]}"
        if shutil.which("make"):
            command = ["make", "-n", "--no-print-directory", f"PYTHON={sys.executable}", *words[1:]]
            told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            assert told.stdout.splitlines()[-1].strip() == shown
        words = shown.split()
    else:
        assert words[0] == "python3"
    told = subprocess.run([sys.executable, *words[1:], "--dry-run"], cwd=ROOT, timeout=60,
                          capture_output=True, text=True)  # fmt: skip
    assert told.returncode == 0 or "needs Python 3.11" in told.stderr, told.stderr
    shown = ("pytest", "spacetomo", "ruff")
    assert sys.version_info < (3, 11) or any(name in told.stdout for name in shown)


def monitor(line: str, folder: Path) -> None:
    """Run it on an empty folder, until it has nothing left to do."""
    words = shlex.split(line.replace("/shared/folder", str(folder)))[1:]
    words += [] if "--status" in words else ["--once"]
    done = subprocess.run([sys.executable, str(ROOT / words[0]), *words[1:]],
                          cwd=folder, capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_block_says_what_it_is():
    assert {kind for _, kind, _ in BLOCKS} == {"sh", "text"}
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_what_is_not_run_is_on_the_page():
    assert set(NOT_RUN) <= set(COMMANDS)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line not in NOT_RUN])
def test_the_commands_work_as_printed(line, here, request):
    if line.startswith("spacetomo simulate"):
        simulate(line)
    elif line.startswith("spacetomo judge"):
        judge(line)
    elif line.startswith("spacetomo models"):
        pytest.importorskip("torch")
        models(line, here)
    elif line.startswith(("make ", "python3 make.py ")):
        make(line)
    elif line.startswith("python SPACEtomo_monitor.py"):
        pytest.importorskip("torch")
        monitor(line, here)
    else:
        pytest.fail(f"README has a command that no test runs: {line}. Add it here.")


def lines_for_modules() -> list[str]:
    """Return the lines `python -m training...` of the page about models."""
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    return re.findall(r"^python -m training\..*?(?=\s+#|$)", page, re.MULTILINE)


@pytest.mark.models
@pytest.mark.parametrize("module", sorted({line.split()[2] for line in lines_for_modules()}))
def test_the_training_commands_have_the_options_that_the_docs_give_them(module):
    told = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, timeout=60,
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    for line in lines_for_modules():
        if line.split()[2] == module:
            for option in re.findall(r"--[a-z-]+", line):
                assert option in told, line
