"""The numbers about the code, counted on code of which they are known."""

from __future__ import annotations

import subprocess
from dataclasses import fields

from benchmarks.house import House, assertions, checked_out, functions, sources, table

CODE = '''
class Stage:
    def move(self, x_um, y_um: float, *rest, **more: int) -> None:
        """Move."""
        def inner(z): ...

    @staticmethod
    def limits(axis): ...

    if True:
        def here(self): ...

def one(a):
    if a and a > 1 or a < 0:
        return [b for b in a if b]
    try:
        for part in a:
            assert part
    except (ValueError, TypeError):
        pass
    return a if a else lambda: a
'''

TESTS = """
def test_one():
    assert 1 == 1, "text"
    with pytest.raises(ValueError, match="x"):
        np.testing.assert_allclose(1, 1)
    assert_equal(2, 2)
    helper.raises(3)
    pytest.skip("no")
"""


def test_functions_are_counted_with_their_arguments_and_branches(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(CODE, encoding="utf-8")
    found = {each.name: each for each in functions(path)}
    assert found.keys() == {
        f"code.py:{name}" for name in ("move", "inner", "limits", "here", "one")
    }
    move, one = found["code.py:move"], found["code.py:one"]
    assert (move.lines, move.arguments, move.untyped) == (3, 4, 2)
    assert (found["code.py:limits"].arguments, found["code.py:inner"].untyped) == (1, 1)
    assert found["code.py:here"].arguments == 0
    # if, and, or; for in a list, its if; except; for; assert; if ... else; lambda
    assert one.complexity == 11


def test_what_can_fail_in_a_test_is_counted(tmp_path):
    path = tmp_path / "test_code.py"
    path.write_text(TESTS, encoding="utf-8")
    assert assertions(path) == 4


def test_an_older_commit_is_measured_in_a_folder_that_is_removed(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "new.py").write_text("", encoding="utf-8")
    git("init")
    git("add", "space/new.py")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-m", "first")
    (tmp_path / "space" / "unknown.py").write_text("", encoding="utf-8")
    monkeypatch.setattr("benchmarks.house.PROJECT", tmp_path)
    with checked_out("HEAD") as place:
        assert [path.name for path in sources(place, "space")] == ["new.py"]
        assert place != tmp_path
    assert not place.exists()
    with checked_out(str(tmp_path)) as place:
        assert place == tmp_path.resolve()


def test_the_table_has_a_column_for_each_checkout():
    house = House(*range(len(fields(House))))
    rows = table({"before": house, "now": house}).splitlines()
    assert rows[0].split() == ["before", "now"]
    assert rows[1].split() == ["modules", "0", "0"]
