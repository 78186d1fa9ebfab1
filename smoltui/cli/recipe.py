"""The Recipe room on the command line: recipe show, check and command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smoltui.backends.machine.interpreter import look_at
from smoltui.backends.machine.recipe_packages import missing_packages
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import command_by_hand, model_config, recipe_shape
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.runs.token_check import leaks
from smoltui.backends.services import place_named
from smoltui.cli.output import say
from smoltui.core.machine.fit import estimate
from smoltui.core.preflight.preflight import TOOLS_FIX, memory_in_words
from smoltui.core.recipe import BY_KEY, FIELDS, Field, Finding, Level, check, is_ok, show, snapshot, summarise
from smoltui.core.recipe.packages import Package
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import Settings
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line


def recipe_show(project: Project) -> dict[str, Any]:
    """An object with `values`, `fields` (the form with TRL's defaults), `summary` and `memory`; secrets are masked.

    Raises:
        RecipeError: there is no recipe, or it cannot be read.
    """
    values = masked(load_project_recipe(project).values)
    fit = estimate(values, recipe_shape(project, values), cuda=not values.get("use_cpu"))
    return {
        "recipe": str(project.recipe_path),
        "values": values,
        "fields": [
            {
                "key": field.key,
                "label": field.label,
                "value": values.get(field.key, field.default),
                "default": field.default,
                "set": field.key in values,
                "unit": field.unit,
                "range": field.range_text,
                "help": field.help,
                "source": field.source,
            }
            for field in FIELDS
        ],
        "summary": summarise(values).as_json(),
        "memory": None if fit is None else fit.as_json(),
        "memory_in_words": memory_in_words(fit),
    }


def masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with everything that looks like a token masked."""
    return {key: "***" if key == "hub_token" and value else _masked(value) for key, value in values.items()}


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return masked(value)
    if isinstance(value, list):
        return [_masked(part) for part in value]
    return redact(value) if isinstance(value, str) else value


def findings_of(project: Project, target: Target, settings: Settings) -> list[Finding]:
    """The problems of the project's recipe and of the rows it trains on. Raises as `recipe_show`."""
    values = load_project_recipe(project).values
    name = values.get("model_name_or_path")
    config = model_config(project.resolve(name)) if isinstance(name, str) and name else None
    kind = config.get("model_type") if config else None
    found = check(values, target=target, model_type=kind if isinstance(kind, str) else None)
    return [
        *(Finding("", Level.STOP, leak.sentence, leak.next_step) for leak in leaks(project, None, settings)),
        *(_of_python(project, values, settings.local.python) if target == Target.LOCAL else ()),
        *sorted([*found, *_of_pairs(project, values, settings)], key=lambda finding: finding.level is not Level.STOP),
    ]


def _of_python(project: Project, values: Mapping[str, Any], python: str) -> list[Finding]:
    """What the Python that trains here lacks."""
    if not python:
        return [_of_package(package) for package in missing_packages(values)]
    found = look_at(python, project.folder, values)
    if found.problem is not None:
        return [Finding("local.python", Level.STOP, found.problem.sentence, found.problem.fix)]
    return [_of_package(package) for package in found.missing]


def _of_package(package: Package) -> Finding:
    name = package.requirement.partition("==")[0]
    return Finding(
        package.needed_by.partition(":")[0],
        Level.STOP,
        f"{package.needed_by} needs {name}, which isn't installed",
        f"Install it: pip install {package.requirement}",
    )


def _of_pairs(project: Project, values: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """What is wrong with the rows of the recipe's set, if it is on this machine."""
    from smoltui.backends.data_files.source import is_local, pairs_of
    from smoltui.backends.pairs.counted import PairCounts
    from smoltui.backends.pairs.curated import reading_of
    from smoltui.backends.pairs.template_tools import ignored_tools
    from smoltui.backends.runs.plan import UNUSABLE_FIX

    key = "datasets" if values.get("datasets") else "dataset_name"
    try:
        wanted = pairs_of(values)
        if wanted is None or not is_local(wanted, project.folder):
            return []
        columns, how = reading_of(project, wanted, settings)
        wanted = replace(wanted, columns=columns, how=how)
        counted = PairCounts().count(wanted, project.folder, settings, judge=True)
    except InputError as error:
        return [Finding(key, Level.STOP, error.message, error.hint)]
    if counted.broken is not None:
        return [Finding(key, Level.STOP, counted.broken, "One such line stops the training. Fix or delete it.")]
    if counted.problem:
        return [Finding(key, Level.STOP, counted.problem, UNUSABLE_FIX)]
    found = [Finding(key, Level.WARN, counted.warning, "List them: smoltui pairs")] if counted.warning else []
    if tools := ignored_tools(project, values, wanted):
        found.append(Finding(key, Level.WARN, tools, TOOLS_FIX))
    return found


def recipe_check(project: Project, on: str | None) -> dict[str, Any]:
    """An object with `ok` (nothing stops the run), `target`, `trl` and `findings`, most severe first.

    `on` is the name of a place; None for the one in smoltui.toml.

    Raises:
        as `recipe_show`; RecipeError also if smoltui.toml cannot be read.
        InputError: there is no such place.
    """
    settings = project.settings()
    target = place_named(on or settings.on).target
    found = findings_of(project, target, settings)
    return {
        "ok": is_ok(found),
        "target": target,
        "trl": snapshot().versions["trl"],
        "findings": [finding.as_json() for finding in found],
    }


def recipe_command(project: Project, on: str | None) -> dict[str, Any]:
    """An object with `target`, `command` and `cwd`, the folder to run it in. `on` and errors as for `recipe_check`."""
    values, settings = load_project_recipe(project).values, project.settings()
    target = place_named(on or settings.on).target
    return {
        "target": target,
        "command": command_by_hand(project, values, settings, target),
        "cwd": str(project.folder),
    }


_ANY = Field("", "", "", "", "text")


def print_show(report: dict[str, Any]) -> None:
    """Prints the values as text, then the result of the recipe."""
    for key, value in report["values"].items():
        field = BY_KEY.get(key)
        text = show(field or _ANY, value)
        say(safe_line(redact(f"{key:<30} {text} {field.unit if field else ''}".rstrip())))
    summary = summarise(report["values"])
    say(f"\n{summary.sentence}")
    say(report["memory_in_words"])


def print_check(report: dict[str, Any]) -> None:
    """Prints one line per finding, followed by its fix."""
    for finding in report["findings"]:
        say(safe_line(redact(f"{finding['level']:<5} {finding['sentence']}")))
        if finding["mend"]:
            say(safe_line(redact(f"      {finding['mend']}")))
    if report["ok"]:
        say(
            f"The recipe can run: TRL {report['trl']} knows every key."
            if not report["findings"]
            else "The recipe can run."
        )


def print_command(report: dict[str, Any]) -> None:
    """Prints only the command, so that it can be piped."""
    say(report["command"])
