"""My own configuration on this machine."""

from __future__ import annotations

import pytest

from smoltui.backends.project.project import Project
from smoltui.backends.system.user_config import config_path, user_config, user_table
from smoltui.errors import RecipeError


def write(text: str) -> None:
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text)


def test_what_is_in_it() -> None:
    """Nothing without the file; a broken one is named with its path."""
    assert user_config() == {} and user_table("slurm") == {}
    write('keys = 1\n[slurm]\naccount = "me"\n')
    assert user_table("slurm") == {"account": "me"}
    with pytest.raises(RecipeError, match="must be a table"):
        user_table("keys")
    write("[slurm")
    with pytest.raises(RecipeError) as caught:
        user_config()
    assert str(config_path()) in caught.value.hint


def test_the_account_of_a_cluster(tmp_path: object) -> None:
    """It is the same for all projects, so it is written once; a project may say otherwise."""
    from pathlib import Path

    project = Project(Path(str(tmp_path)))
    write('[slurm]\naccount = "me"\npartition = "gpu"\nenv = {A = "1"}\n')
    assert project.settings().slurm.account == "me"
    (project.folder / "smoltui.toml").write_text('[slurm]\npartition = "low"\n')
    found = project.settings().slurm
    assert (found.account, found.partition, found.env) == ("me", "low", {"A": "1"})
    write('[slurm]\nacount = "me"\n')
    with pytest.raises(RecipeError, match=r"config\.toml.*unknown key: slurm\.acount"):
        project.settings()
