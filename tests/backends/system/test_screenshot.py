"""A screenshot becomes a new file, and never replaces one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smoltui.backends.system import screenshot
from smoltui.backends.system.screenshot import save_screenshot, screenshot_name
from smoltui.errors import InputError


def test_each_is_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshot, "MOST_TRIES", 3)
    saved = [save_screenshot(f"<svg>{number}</svg>", tmp_path / "a.svg") for number in range(3)]
    assert [path.name for path in saved] == ["a.svg", "a-2.svg", "a-3.svg"]
    assert saved[0].read_text() == "<svg>0</svg>"
    with pytest.raises(InputError, match="3 screenshots of this second"):
        save_screenshot("<svg/>", tmp_path / "a.svg")


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        save_screenshot("<svg/>", tmp_path / "gone" / "a.svg")


def test_names_can_be_sorted() -> None:
    assert re.fullmatch(r"smoltui-\d{4}-\d\d-\d\d-\d{6}\.svg", screenshot_name())
    assert re.fullmatch(r"smoltui-\d{4}\.svg", screenshot_name("%Y"))
