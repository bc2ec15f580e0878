"""Pages that are made from scripts in cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.notebook import cells, executed

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "docs" / "notebooks").glob("*.py"))


@pytest.mark.parametrize("script", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_shows_the_cells_of_its_script_and_pictures_that_are_there(script):
    page = script.with_suffix(".md").read_text(encoding="utf-8")
    for _, body in cells("\n" + script.read_text(encoding="utf-8")):
        assert body in page, "python -m tools.notebook makes it again"
    pictures = sorted(path.name for path in script.parent.glob(f"{script.stem}_*.png"))
    assert pictures and all(f"({name})" in page for name in pictures)


def test_what_a_cell_prints_and_draws_stands_below_it(tmp_path):
    script = tmp_path / "one.py"
    script.write_text(
        "# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 3\nprint(x + 1)\n\n# %%\n"
        "from matplotlib import pyplot\npyplot.plot([x, 1])\n",
        encoding="utf-8",
    )
    page = executed(script)
    assert "# Title\n\nText.\n" in page and "print(x + 1)\n```\n\n```text\n4\n```" in page
    assert page.rstrip().endswith("(one_1.png)") and (tmp_path / "one_1.png").is_file()
