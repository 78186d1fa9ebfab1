"""Stops a token before it is copied: into the record of a run, the files of a Job, or the Job itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.core.foreign.token_stop import Leak, leak_in_file, leak_in_value
from smoltui.core.runs.run import RunSpec
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.core.settings.settings import Settings
from smoltui.errors import InputError, RecipeError, SmoltuiError


def leaks(project: Project, spec: RunSpec | None = None, settings: Settings | None = None) -> list[Leak]:
    """Tokens in the files of a project, comments included, and in `spec`: at most one per file and field. Blocking.

    `settings` are the project's, if already read.
    """
    found = [leak_in_file(name, text, is_recipe=name == RECIPE_NAME) for name, text in _files(project, settings)]
    known = [leak for leak in found if leak is not None]
    if spec is not None and not any(leak.sentence.startswith(RECIPE_NAME) for leak in known):
        known += _in_spec(spec, f"{RECIPE_NAME} as changed by --set")
    return known


def refuse_tokens(spec: RunSpec) -> None:
    """Checks everything of a run that is stored or sent, including runs from a record of an earlier one.

    Raises:
        RecipeError: it contains a token.
    """
    for leak in _in_spec(spec, "The recipe of this run"):
        raise RecipeError(leak.sentence, leak.next_step)


def refuse_tokens_in_job(job: Mapping[str, object]) -> None:
    """The same for a Job that is started from another Job's JSON. A token is allowed only in `secrets`.

    Raises:
        InputError: another field contains a token.
    """
    for key, value in job.items():
        if key == "secrets":
            continue
        if leak := leak_in_value(f"The Job's {key}", json.dumps(value, ensure_ascii=False, default=str)):
            raise InputError(leak.sentence, "Start the run from the project instead: smoltui train FOLDER --on hub")


def _files(project: Project, settings: Settings | None) -> Iterator[tuple[str, str]]:
    """(name, text) of the files that a person writes. Unreadable ones are skipped: they are not copied either."""
    try:
        prompts = (project.settings() if settings is None else settings).evaluation.prompts
    except SmoltuiError:
        prompts = None
    for name in (RECIPE_NAME, FILE_NAME, prompts):
        try:
            if name and (path := project.resolve(name)).is_file():
                yield name, path.read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            continue


def _in_spec(spec: RunSpec, recipe: str) -> Iterator[Leak]:
    if leak := leak_in_file(recipe, spec.recipe, is_recipe=True):
        yield leak
    values = {
        "The name of the run": spec.name,
        "output_dir": spec.output_dir,
        "The label of the run": spec.label,
        "The flavor": spec.flavor,
        "The namespace": spec.namespace,
        "The strategy": spec.strategy,
        "The source of the pairs": spec.pairs_from,
    }
    for where, value in values.items():
        if value and (leak := leak_in_value(where, value)):
            yield leak
    for key, value in spec.labels.items():
        if leak := leak_in_value("A label of the Job", f"{key}={value}"):
            yield leak
