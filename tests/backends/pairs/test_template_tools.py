"""Rows that offer tools, and a chat template that does not know them: it is said before anything is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.template_tools import ignored_tools
from smoltui.backends.project.project import Project
from smoltui.cli.main import run
from tests.paths import DEMO

TOOL = {"type": "function", "function": {"name": "now"}}
ROW = {
    "prompt": [{"role": "user", "content": "Late?"}],
    "chosen": [{"role": "assistant", "content": "No."}],
    "rejected": [{"role": "assistant", "content": "Yes."}],
}
SMOLLM3 = "{% if xml_tools or python_tools %}<tools>{{ xml_tools }}</tools>{% endif %}{{ messages[0].content }}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    shutil.copytree(DEMO, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "pairs")
    (tmp_path / "pairs").mkdir()
    write(tmp_path, TOOL)
    return Project(tmp_path)


def write(folder: Path, *tools: object) -> None:
    for split in ("train", "test"):
        (folder / "pairs" / f"{split}.jsonl").write_text(json.dumps({**ROW, "tools": tools}) + "\n")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (SMOLLM3, "ignores them; it takes xml_tools or python_tools in chat_template_kwargs"),
        ("{# tools #}{{ messages[0].content }} tools", "the chat template of model ignores them"),
        ("{% for tool in tools or [] %}{{ tool }}{% endfor %}", ""),
        ("{% if broken", "ignores them"),
    ],
)
def test_a_template_that_ignores_tools_is_named(project: Project, template: str, said: str) -> None:
    (project.folder / "model" / "chat_template.jinja").write_text(template)
    found = ignored_tools(project, {"model_name_or_path": "model"}, PairsSpec("pairs"))
    assert said in found and bool(found) == bool(said)


def test_what_is_unknown_is_not_claimed(project: Project) -> None:
    """A model that is not on this machine, one without a template, no model, and rows without tools."""
    values = {"model_name_or_path": "model"}
    assert ignored_tools(project, values, PairsSpec("pairs"))
    for unknown in ("owner/name", "", None):
        assert ignored_tools(project, {"model_name_or_path": unknown}, PairsSpec("pairs")) == ""
    write(project.folder)
    assert ignored_tools(project, values, PairsSpec("pairs")) == ""
    write(project.folder, TOOL)
    (project.folder / "model" / "chat_template.jinja").unlink()
    assert ignored_tools(project, values, PairsSpec("pairs")) == ""
    assert ignored_tools(project, values, PairsSpec("nowhere")) == ""


def test_recipe_check_and_how_say_it(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    run(["recipe", "check", str(project.folder)])
    assert "The rows offer tools, but the chat template of model ignores them" in capsys.readouterr().out
    assert run(["pairs", str(project.folder), "--how"]) == 0
    assert "note      The rows offer tools" in capsys.readouterr().out
