"""Writes a new project from what was chosen: recipe, settings, prompts, the held-out share, and the demo's model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from smoltui.backends.guide.pairs_seen import PairsSeen, first_prompts, hold_out_name
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.new_project import PRESETS, place_files
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.project.recipe_file import parse, render
from smoltui.backends.project.settings_file import set_pair_reading
from smoltui.backends.system.paths import exists
from smoltui.core.guide.first_recipe import MODEL_FOLDER, Choices, Line, first_recipe
from smoltui.core.guide.models import DEMO_MODEL
from smoltui.core.pairs.curation import DEFAULT_SEED, Decision
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.scripts.pair_how import AS_IT_IS

PROMPTS_NAME = "prompts.txt"
HEAD = """\
# Every key is one of TRL's, so either of these commands runs this file, from this folder:
#   smoltui train .
#   trl dpo --config recipe.yaml
"""
REASON_CELLS = 44
"""Column at which a reason starts, if the value is short enough."""


@dataclass(frozen=True, slots=True)
class NewProject:
    """Everything that a new project is made of."""

    folder: Path
    """Absolute; may exist, without a project in it."""
    choices: Choices
    on: str
    """Name of the engine that its runs start on."""
    flavor: str = ""
    """Hardware there; empty for the default, or where nothing is paid for."""
    seen: PairsSeen | None = None
    """The pairs; None if they are chosen later."""


def recipe_text(lines: Sequence[Line]) -> str:
    """The recipe with the reason for each value."""
    parts = [HEAD]
    for line in lines:
        text = render(line.value)
        if text.startswith("\n"):
            parts.append(f"{line.key}:  # {line.reason}{text}")
            continue
        value = f"{line.key}: {text}"
        parts.append(f"{value:<{REASON_CELLS}} # {line.reason}" if len(value) < 90 else f"# {line.reason}\n{value}")
    return "\n".join(parts) + "\n"


def settings_text(new: NewProject, *, prompts: bool) -> str:
    """smoltui.toml: where runs start, and what is asked."""
    lines = [
        "# Settings that TRL has no key for. The training itself is in recipe.yaml.",
        "",
        "[run]",
        f"on = {json.dumps(new.on)}",
    ]
    if new.flavor:
        lines += [
            "",
            "[jobs]",
            f"flavor = {json.dumps(new.flavor)}",
            'timeout = "3h"            # a Job is stopped after this, and what was not pushed is lost',
        ]
    lines += ["", "[evaluation]"]
    if prompts:
        lines.append(f'prompts = "{PROMPTS_NAME}"   # prompts of held-out pairs; one per line')
    lines += [f"max_new_tokens = {96 if new.choices.model == DEMO_MODEL else 256}", "held_out = 64"]
    return "\n".join(lines) + "\n"


def make_project(new: NewProject) -> Project:
    """Writes the project. Blocking; other files of the folder are kept.

    Raises:
        InputError: the folder has a project already, or cannot be written.
        PairsError, ServiceError: the held-out prompts cannot be read from the Hub.
    """
    lines = first_recipe(new.choices)
    text = recipe_text(lines)
    parse(RECIPE_NAME, text)  # a name that YAML cannot hold is refused before anything is written
    prompts = first_prompts(new.seen) if new.seen is not None else []
    writes_prompts = bool(prompts) and not exists(new.folder / PROMPTS_NAME)
    files: dict[Path, Callable[[], bytes]] = {}
    if new.choices.model == DEMO_MODEL:
        model = PRESETS["demo"] / MODEL_FOLDER
        files |= {Path(MODEL_FOLDER, path.name): path.read_bytes for path in sorted(model.iterdir()) if path.is_file()}
    if writes_prompts:
        asked = "# Prompts of held-out pairs, asked before and after training. One per line.\n" + "\n".join(prompts)
        files[Path(PROMPTS_NAME)] = partial(_encoded, f"{asked}\n")
    files[Path(FILE_NAME)] = partial(_encoded, settings_text(new, prompts=writes_prompts))
    files[Path(RECIPE_NAME)] = partial(_encoded, text)
    project = place_files(new.folder, files)
    facts = new.choices.pairs
    if facts is not None and (facts.columns or facts.how != AS_IT_IS):
        set_pair_reading(project, facts.columns, facts.how)
    if facts is not None and facts.held_out_share and new.seen is not None:
        of = hold_out_name(facts, new.seen, new.folder)
        decision = Decision("hold_out", of=of, share=facts.held_out_share, seed=DEFAULT_SEED)
        CurationFile(new.folder).append([decision])
    return project


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
