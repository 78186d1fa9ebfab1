"""The figures of the code are counted, not guessed."""

from __future__ import annotations

from pathlib import Path

from tests.house_figures import figures

CODE = '''
from typing import Any  # noqa: F401


def plain(value: Any) -> Any:
    """Two lines
    that do not count."""
    return value  # fmt: skip


def branching(rows: list[int]) -> list[int]:
    def inside(row: int) -> bool:
        return row > 1 and row < 5 or row == 9

    for row in rows:
        if inside(row):
            continue
    return [row for row in rows if row]
'''


def test_what_is_counted(tmp_path: Path) -> None:
    (tmp_path / "smoltui").mkdir()
    (tmp_path / "smoltui" / "__init__.py").touch()
    (tmp_path / "smoltui" / "one.py").write_text(CODE)
    found = figures(tmp_path, "smoltui")
    assert (found["modules"], found["lines"]) == ("1", "18")
    assert found["longest function, lines"] == "8 smoltui/one.py branching"
    assert found["highest complexity"] == "5 smoltui/one.py branching"  # one, for, if, the comprehension and its if
    assert found["Any, per 1 000 lines"] == "111.1"
    assert (found["formatter exceptions"], found["other lint exceptions"], found["type ignores"]) == ("1", "1", "0")
