"""Colors are decided in one place: screens, widgets and style sheets only name roles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from rich.color import ANSI_COLOR_NAMES

PACKAGE = Path(__file__).parents[2] / "smoltui"
ROLES = {"red", "green", "yellow", "blue", "magenta", "cyan"}
"""Names of terminal colors that `core/looks/palette.py` gives a look."""
LOOKS = {"bold", "dim", "italic", "underline", "reverse", "strike", "not", "on", "none"}
DRAWN = [path for folder in ("screens", "widgets") for path in sorted((PACKAGE / folder).rglob("*.py"))]
SHEETS = sorted(PACKAGE.rglob("*.tcss"))
HEX = re.compile(r"#[0-9a-fA-F]{6}\b|\brgba?\(|\bhsla?\(")
ALPHA = re.compile(r"\$[\w-]+\s+\d+%")


def literals(path: Path) -> Iterator[str]:
    """Texts in the code, without docstrings."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def wrong_colors(style: str) -> set[str]:
    """Colors in a style that are no roles; nothing for a text that is no style."""
    words = set(style.split())
    if not words or words - LOOKS - ANSI_COLOR_NAMES.keys():
        return set()
    return (words & ANSI_COLOR_NAMES.keys()) - ROLES


def test_the_check_finds_colors() -> None:
    assert wrong_colors("bold bright_red") == {"bright_red"} and wrong_colors("white on blue") == {"white"}
    assert not wrong_colors("bold red") and not wrong_colors("the white house") and not wrong_colors("")
    assert HEX.search("color: #ff00aa") and ALPHA.search("background: $primary 40%;")


def test_screens_name_roles() -> None:
    assert len(DRAWN) > 50, "the test would prove nothing"
    found = {
        f"{path.relative_to(PACKAGE)}: {text[:80]!r}"
        for path in DRAWN
        for text in literals(path)
        if wrong_colors(text) or HEX.search(text) or ALPHA.search(text)
    }
    assert not found


def test_style_sheets_name_roles() -> None:
    assert len(SHEETS) > 5
    dims = "background: $background 60%;"  # what lies behind a dialog
    found = {
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in SHEETS
        for line in path.read_text().splitlines()
        if (HEX.search(line) or ALPHA.search(line)) and line.strip() != dims
    }
    assert not found
