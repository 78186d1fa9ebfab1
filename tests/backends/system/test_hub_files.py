"""The Hub's cache without huggingface_hub: its layout, and files that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoltui.backends.system import hub_files

HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "found"), [(HASH, True), (f"{HASH}\n", True), ("", False), ("../../etc", False), ("\udc80", False)]
)
def test_a_branch_is_a_commit(tmp_path: Path, text: str, found: bool) -> None:
    """The file of a branch names a commit, and nothing outside the cache."""
    (refs := tmp_path / "models--a--b" / "refs").mkdir(parents=True)
    (refs / "main").write_bytes(text.encode("utf-8", "surrogateescape"))
    (files := tmp_path / "models--a--b" / "snapshots" / HASH).mkdir(parents=True)
    assert hub_files.commit("a/b", "main", tmp_path) == (HASH if found else None)
    assert hub_files.snapshot("a/b", "main", tmp_path) == (files if found else None)


def test_what_was_not_downloaded_is_none(tmp_path: Path) -> None:
    assert hub_files.snapshot("a/b", HASH, tmp_path) is None and hub_files.commit("a/b", HASH, tmp_path) == HASH
    assert hub_files.commit("a/b", "v1", tmp_path) is None
