"""The person's own editor, as the shell would start it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoltui.backends.system.editor import editor_command


def test_visual_comes_first_and_may_hold_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VISUAL, then EDITOR, then one that is installed; a lost quote breaks nothing."""
    monkeypatch.setenv("EDITOR", "vi 'x")
    monkeypatch.setenv("VISUAL", "code --wait")
    assert editor_command() == ["code", "--wait"]
    monkeypatch.delenv("VISUAL")
    assert editor_command() == ["vi 'x"]
    monkeypatch.delenv("EDITOR")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert editor_command() is None
    (tmp_path / "vi").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "vi").chmod(0o755)
    assert editor_command() == [str(tmp_path / "vi")]
