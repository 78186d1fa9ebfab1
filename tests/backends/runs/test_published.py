"""What was published of a run is kept in its folder, newest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from smoltui.backends.runs.published import PULL_REQUEST, PUSH, keep, kept, pushed_repos
from smoltui.backends.system import data_folder
from smoltui.errors import InputError


def test_the_newest_comes_first(own_machine: Path) -> None:
    """A file that cannot be read, or names no repository, is skipped."""
    folder = data_folder.home() / "runs" / "a1"
    for repo in ("ada/first", "ada/second"):
        keep(folder, PUSH, {"repo": repo})
    keep(folder, PULL_REQUEST, {"number": 1})
    keep(folder, PUSH, {"repo": None})
    (folder / "submissions-99999999T000000Z.json").write_text("{")
    assert pushed_repos(folder) == ["ada/second", "ada/first"]
    assert [record["number"] for record in kept(folder, PULL_REQUEST)] == [1] and not kept(folder.parent, PUSH)


def test_a_folder_that_cannot_be_written(own_machine: Path) -> None:
    """It was published all the same, and the sentence says so."""
    (data_folder.home()).mkdir(parents=True)
    (data_folder.home() / "runs").write_text("in the way")
    with pytest.raises(InputError, match="It was published, but that could not be saved"):
        keep(data_folder.home() / "runs" / "a1", PUSH, {"repo": "ada/m"})
