"""Sets of prompts: the ones with a name, and any file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from smoltui.backends.evaluation.prompt_sets import COURSE, NAMED, PROJECT, SMOLTUI, read_set
from smoltui.backends.project.project import Project
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError
from tests.backends.evaluation.project import make_project

SETTINGS = EvaluationSettings()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_ours_says_what_each_prompt_is_for(project: Project) -> None:
    """Six kinds with at least ten prompts each, nothing left out, no prompt twice."""
    found = read_set(project, SETTINGS, SMOLTUI)
    assert len(found.prompts) >= 60 and not found.left_out and str(len(found.prompts)) in NAMED[SMOLTUI]
    topics = Counter(prompt.topic for prompt in found.prompts)
    assert len(topics) == 6 and min(topics.values()) >= 10
    assert all(prompt.purpose and prompt.text == prompt.text.strip() for prompt in found.prompts)
    assert all(prompt.before for prompt in found.prompts if prompt.topic == "several turns")


def test_the_named_ones(project: Project) -> None:
    assert len(read_set(project, SETTINGS, COURSE).prompts) == 4
    own = read_set(project, SETTINGS, PROJECT)
    assert (own.name, len(own.prompts)) == (PROJECT, 2)
    assert read_set(project, SETTINGS, "prompts.txt").name == PROJECT
    (project.folder / "prompts.txt").unlink()
    assert read_set(project, SETTINGS, PROJECT).name == COURSE


def test_any_file(project: Project, tmp_path: Path) -> None:
    """Text or JSONL, inside the project or elsewhere; what is left out is said."""
    path = tmp_path / "set.jsonl"
    path.write_text("".join(f"{json.dumps({'prompt': f'{n}?'})}\n" for n in range(10_000)) + "{}\n")
    found = read_set(project, SETTINGS, str(path))
    assert len(found.prompts) == 10_000 and found.left_out == "1 left out (1 without a prompt)"
    assert found.name == str(path)
    (project.folder / "mine.txt").write_text("[a list?] no\n")
    assert read_set(project, SETTINGS, "mine.txt").prompts[0].text == "[a list?] no"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such set of prompts: set.jsonl"),
        (b"", "has no prompts: "),
        (b'{"text": 1}\n{"prompt": ', r"has no prompts \(2 left out \(1 without a prompt, 1 not JSON\)\)"),
        (b"\xff\xfe", "cannot be read as text"),
        ("folder", "a folder, not a file"),
    ],
)
def test_what_is_no_set_gets_one_sentence(project: Project, content: bytes | str | None, said: str) -> None:
    path = project.folder / "set.jsonl"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    with pytest.raises(InputError, match=said):
        read_set(project, SETTINGS, "set.jsonl")
