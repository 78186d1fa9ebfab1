"""Reports on disk: written for a run in any stage, and never over a file that is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from smoltui.backends.project.project import Project
from smoltui.backends.publish.report import folder_for, make_report, write_report
from smoltui.backends.runs.engine import Engine
from smoltui.core.publish.report import PAGE, PICTURE, TEXT
from smoltui.core.runs.run import Stage
from smoltui.errors import InputError
from tests.backends.publish.published import make_published


async def test_a_run_that_is_over_and_one_that_is_not(tmp_path: Path) -> None:
    project, engine, run = make_published(tmp_path / "project")
    made = await make_report(engine, run, project)
    folder = folder_for(run, tmp_path)
    assert [path.name for path in write_report(made, folder)] == [PAGE, TEXT, PICTURE]
    text = (folder / TEXT).read_text()
    assert "| stage | COMPLETED |" in text and "**Reading:** " in text and "<svg" in (folder / PAGE).read_text()
    running = replace(run, stage=Stage.RUNNING, finished_at=None)
    write_report(await make_report(engine, running, project), folder)  # replaces the older one
    assert "| stage | RUNNING |" in (folder / TEXT).read_text()


async def test_the_project_of_the_run_is_gone(tmp_path: Path) -> None:
    _, engine, run = make_published(tmp_path / "project")
    (tmp_path / "other").mkdir()
    made = await make_report(engine, replace(run, project=str(tmp_path / "gone")), Project(tmp_path / "other"))
    assert "Anthropic/hh-rlhf" in "".join(path.read_text() for path in write_report(made, tmp_path / "out"))


async def test_a_run_without_a_recipe_has_no_report(tmp_path: Path) -> None:
    project, engine, run = make_published(tmp_path / "project")
    without = replace(cast("object", engine), spec=None)  # type: ignore[type-var]
    with pytest.raises(InputError, match="recipe"):
        await make_report(cast(Engine, without), run, project)


async def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    project, engine, run = make_published(tmp_path / "project")
    made = await make_report(engine, run, project)
    for name, content in ((PAGE, "<html>my own"), (TEXT, "# mine"), (TEXT, "\udce9")):
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(InputError, match="not a report"):
            write_report(made, tmp_path)
        assert path.read_bytes() == content.encode("utf-8", "surrogateescape")
        path.unlink()
    (tmp_path / PAGE).mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_report(made, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(made, tmp_path / "file" / "below")
