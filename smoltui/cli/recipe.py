"""The Recipe room on the command line: recipe show, check and command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import command_by_hand, recipe_shape
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.services import default_services, place_named
from smoltui.cli.output import say
from smoltui.core.machine.fit import estimate
from smoltui.core.preflight.check import JSON_STEP, Check, may_start
from smoltui.core.preflight.preflight import memory_in_words, recipe_checks
from smoltui.core.recipe import BY_KEY, FIELDS, Field, Level, show, snapshot, summarise
from smoltui.core.settings.settings import Settings
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


async def checks_of(project: Project, on: str, settings: Settings) -> list[Check]:
    """What `train` on the place `on` would find, as far as this machine knows: no account or price is asked for.

    Raises as `make_plan`.
    """
    from smoltui.backends.runs.plan import make_plan
    from smoltui.backends.runs.preflight import gather

    services = default_services()
    place, engine = place_named(on), services.named(on) if on else services.default(settings.on)
    facts = await gather(await make_plan(project, place, settings=settings), engine, alone=True)
    checks = [check for check in recipe_checks(facts) if check.level is not Level.PASS]
    return sorted(checks, key=lambda check: check.level is not Level.STOP)


def recipe_check(project: Project, on: str | None) -> dict[str, Any]:
    """An object with `ok` (nothing stops the run), `target`, `trl` and `findings`, most severe first.

    `on` is the name of a place; None for the one in smoltui.toml.

    Raises:
        as `recipe_show`; RecipeError also if smoltui.toml cannot be read.
        InputError: there is no such place.
    """
    settings = project.settings()
    wanted = on or settings.on
    found = asyncio.run(checks_of(project, wanted, settings))
    return {
        "ok": may_start(found),
        "target": place_named(wanted).target,
        "trl": snapshot().versions["trl"],
        "findings": [_as_json(check) for check in found],
    }


def _as_json(check: Check) -> dict[str, Any]:
    """A check as `recipe check --json` prints it; `estimated` only where a stop can be overridden."""
    found = check.as_json()
    said = {"key": found.pop("name"), **found}
    return {**said, "estimated": True} if check.estimated else said


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
        if step := finding[JSON_STEP]:
            say(safe_line(redact(f"      {step}")))
    if report["ok"]:
        say(
            f"The recipe can run: TRL {report['trl']} knows every key."
            if not report["findings"]
            else "The recipe can run."
        )


def print_command(report: dict[str, Any]) -> None:
    """Prints only the command, so that it can be piped."""
    say(report["command"])
