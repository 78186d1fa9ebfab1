"""Sets of prompts: the course's, ours, the project's, and any text or JSONL file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small_text
from smoltui.core.evaluation.figures import COURSE_PROMPTS
from smoltui.core.evaluation.prompt import Prompt, prompts_of
from smoltui.core.evaluation.prompt_text import parse_prompts
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError

PROJECT, COURSE, SMOLTUI = "project", "course", "smoltui"
NAMED = {
    PROJECT: "the project's prompts file",
    COURSE: "the four prompts of the smol-course",
    SMOLTUI: "68 prompts of six kinds: help, honesty, harm, false alarms, instructions, several turns",
}
"""Sets that have a name."""
OURS = Path(__file__).parents[2] / "prompts" / "smoltui.jsonl"
AS_JSON = {".jsonl": True, ".ndjson": True, ".json": True, ".txt": False, ".md": False}
"""Suffix → whether a file is JSON; for others, its first character decides."""
MOST_BYTES = 64 << 20
"""Of a file of prompts."""


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts, and what is said about them."""

    name: str
    """One of `NAMED`, or the path of a file, relative to the project if it is inside."""
    prompts: tuple[Prompt, ...]
    left_out: str = ""
    """What is not asked, such as `2 left out (2 empty)`; empty if everything is."""


def read_set(project: Project, settings: EvaluationSettings, name: str = PROJECT) -> PromptSet:
    """The prompts of a set; blocks. A project without a prompts file has the course's.

    Raises:
        InputError: the file cannot be read, or has no prompts.
    """
    if name == COURSE:
        return PromptSet(COURSE, tuple(prompts_of(COURSE_PROMPTS)))
    if name == SMOLTUI:
        return _read(SMOLTUI, OURS)
    path = project.resolve(settings.prompts)
    if name in ("", PROJECT):
        try:
            return _read(PROJECT, path)
        except FileNotFoundError:
            return PromptSet(COURSE, tuple(prompts_of(COURSE_PROMPTS)))
    chosen = project.resolve(str(expanded(name)))
    if chosen == path:
        name = PROJECT
    elif chosen.is_relative_to(project.folder):
        name = str(chosen.relative_to(project.folder))
    else:
        name = str(chosen)
    try:
        return _read(name, chosen)
    except FileNotFoundError as error:
        raise InputError(
            f"There is no such set of prompts: {name}",
            f"Sets: {', '.join(NAMED)}, or the path of a text or JSONL file.",
        ) from error


def _read(name: str, path: Path) -> PromptSet:
    """Raises: FileNotFoundError; InputError: as `read_set`."""
    try:
        text = read_small_text(path, MOST_BYTES)
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise InputError(f"This is a folder, not a file of prompts: {path}", "Name a text or JSONL file.") from error
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in its name
        said = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise InputError(
            f"The prompts cannot be read as text{said}: {path}", "Write one prompt per line, in UTF-8, or JSONL."
        ) from error
    read = parse_prompts(text, as_json=AS_JSON.get(path.suffix.lower()))
    if not read.prompts:
        said = f" ({read.in_words()})" if read.left_out else ""
        raise InputError(
            f"This file has no prompts{said}: {path}",
            'Write one prompt per line, or JSONL with {"prompt": …} or {"messages": […]}.',
        )
    return PromptSet(name, tuple(read.prompts), read.in_words())
