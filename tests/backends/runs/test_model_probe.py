"""The memory of a model whose architecture has to be asked for, and where its config.json is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.project import model_configs
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.runs import model_probe
from tests.core.machine.test_step_memory import FOUND

GEMMA = {"model_type": "gemma2", "hidden_size": 256}
ANSWERING = """import json, pathlib, sys
count = pathlib.Path(__file__).with_name("count")
count.write_text(count.read_text() + "x" if count.exists() else "x")
print("a warning")
print(json.dumps({{"shape": {answer!r}}}))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """With an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


def answering(tmp_path: Path, answer: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A probe that gives this answer; the file that counts how often it was asked."""
    script = tmp_path / "probe.py"
    script.write_text(ANSWERING.format(answer=answer))
    monkeypatch.setattr(model_probe, "PROBE", script)
    return tmp_path / "count"


async def test_asked_once_and_remembered(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with an unknown architecture: transformers says its shape, which is known from then on."""
    asked = answering(tmp_path, FOUND["gemma2 504"], monkeypatch)
    (project.folder / "model").mkdir()
    (project.folder / "model" / "config.json").write_text(json.dumps(GEMMA))
    values = {"model_name_or_path": "model"}
    assert recipe_shape(project, values) is None
    for _ in range(2):
        shape = await model_probe.learn_shape(project, values)
        assert shape is not None and shape.parameters == FOUND["gemma2 504"]["parameters"] and shape.eager
    assert recipe_shape(project, values) == shape and asked.read_text() == "x"


@pytest.mark.parametrize(
    ("answer", "again"), [({"problem": "a mixture of experts"}, False), ({"problem": "ImportError: no torch"}, True)]
)
async def test_a_problem_is_remembered_if_it_is_the_models(
    answer: object, again: bool, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the training packages nothing is known of the model, so it is asked again."""
    asked = answering(tmp_path, answer, monkeypatch)
    (project.folder / "config.json").write_text(json.dumps(GEMMA))
    for _ in range(2):
        assert await model_probe.learn_shape(project, {"model_name_or_path": "."}) is None
    assert asked.read_text() == ("xx" if again else "x")


def test_a_config_is_found_in_the_hubs_cache(project: Project, tmp_path: Path) -> None:
    """Of the revision that the recipe names; and what the Hub said is kept."""
    place, commit = tmp_path / "hub" / "models--org--model", "a" * 40
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    (place / "snapshots" / commit).mkdir(parents=True)
    (place / "snapshots" / commit / "config.json").write_text(json.dumps(GEMMA))
    values = {"model_name_or_path": "org/model"}
    assert model_configs.known_config(project, values) == GEMMA
    assert model_configs.known_config(project, {**values, "model_revision": "other"}) is None
    model_configs.keep_config("org/model", "other", {"model_type": "phi3"})
    assert model_configs.known_config(project, {**values, "model_revision": "other"}) == {"model_type": "phi3"}
    for odd in ({}, {"model_name_or_path": 3}, {"model_name_or_path": "../../x"}, {**values, "model_revision": ["a"]}):
        assert model_configs.known_config(project, odd) is None
