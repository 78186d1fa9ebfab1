"""Finds out what the preflight checks need to know, and stops a start that would fail."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from smoltui.backends.machine.devices import device_report
from smoltui.backends.project.project import Project
from smoltui.backends.runs.output_dir import free_output_dir, holds_model
from smoltui.backends.runs.plan import Plan
from smoltui.backends.system.paths import exists, shown_path
from smoltui.core.machine.fit import duration, estimate
from smoltui.core.preflight.preflight import Check, Facts, Output, Problem, preflight
from smoltui.core.recipe import Level, check, summarise
from smoltui.errors import (
    MissingExtraError,
    NotLoggedInError,
    PermissionDeniedError,
    RecipeError,
    ServiceError,
)


async def gather(plan: Plan) -> Facts:
    """What the preflight checks need to know of a plan, found out now; what could not be found out is None."""
    project, spec, values, settings = plan.project, plan.spec, plan.values, plan.settings
    place = plan.place
    if plan.leaks:
        return Facts(
            place=place,
            values=values,
            findings=(),
            summary=summarise(values, None),
            leaks=plan.leaks,
        )
    shape = plan.shape
    model_problem, model_doubt = _look_at_model(project, values.get("model_name_or_path"))
    facts = Facts(
        place=place,
        values=values,
        findings=(),
        summary=summarise(values, plan.pairs.rows),
        overwrite=spec.overwrite,
        model_problem=model_problem,
        model_doubt=model_doubt,
        pairs=plan.pairs.sentence,
        pairs_problem=plan.pairs.problem,
        jobs=replace(
            settings.jobs,
            flavor=spec.flavor or settings.jobs.flavor,
            namespace=spec.namespace or "",
            timeout=str(spec.timeout_seconds) if spec.timeout_seconds else settings.jobs.timeout,
        ),
    )
    accelerator: str | None = None
    cuda, has_bf16 = True, None
    if place.here:
        report = await asyncio.to_thread(device_report, Path(spec.output_dir))
        device = report.accelerators[0] if report.accelerators else None
        cuda = device is not None and device.kind == "cuda"
        has_bf16 = None if cuda else False
        accelerator = device.name if device else None
        trl = report.package("trl")
        facts = replace(
            facts,
            output=_output(Path(spec.output_dir)),
            disk_free=report.disk_free,
            memory_free=device.free if device else report.ram_available,
            memory_name=device.name if device else "this machine",
            missing=[package.name for package in report.lacking if package.installed is None],
            trl=trl.installed if trl else None,
        )
    elif place.pays:
        has_bf16 = True
        facts = await _ask_hub(facts)
        accelerator = facts.flavor.accelerator if facts.flavor else None
    if values.get("push_to_hub") and facts.account is None and not place.pays:
        facts = await _ask_account(facts)
    return replace(
        facts,
        findings=check(values, target=place.target, has_bf16=has_bf16, model_type=shape.kind if shape else None),
        fit=estimate(values, shape, cuda=cuda),
        duration=duration(values, shape, facts.summary, accelerator),
    )


async def check_plan(plan: Plan) -> list[Check]:
    """The warnings about a plan; raises the first reason not to start it.

    Raises:
        RecipeError: for the recipe, the pairs or the output.
        MissingExtraError, ServiceError: for the packages and the account.
    """
    checks = preflight(await gather(plan))
    for item in checks:
        if item.level is Level.STOP:
            kind = {"account": NotLoggedInError, "token": PermissionDeniedError, "packages": MissingExtraError}
            raise kind.get(item.name, RecipeError)(item.sentence, item.next_step)
    return [item for item in checks if item.level is Level.WARN]


def _look_at_model(project: Project, name: object) -> tuple[Problem | None, Problem | None]:
    """What is wrong with a model that is named like a folder, and what speaks against another name.

    The Hub is not asked. It has a few old models of names without an owner; a slip is likelier.
    """
    if not isinstance(name, str) or not name:
        return None, None
    folder = project.resolve(name)
    if (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file():
        return None, None
    if folder.is_dir():
        return Problem(
            f"This folder contains no model (no config.json): {name}", "Set another model_name_or_path."
        ), None
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return Problem(
            f"No such model folder: {name}", "Set another model_name_or_path, or a Hub id as owner/name."
        ), None
    if "/" not in name:
        return None, Problem(
            f"No such model folder, so this is treated as a Hub id: {name}", "Hub ids look like owner/name."
        )
    return None, None


async def _ask_account(facts: Facts) -> Facts:
    from smoltui.backends.hub import client as hub

    try:
        return replace(facts, account=await hub.account())
    except ServiceError as error:
        return replace(facts, account_problem=Problem(error.message, error.hint))


async def _ask_hub(facts: Facts) -> Facts:
    """The account and the flavor's price; a Hub that cannot be asked is a fact too."""
    from smoltui.backends.hub import client as hub

    facts = await _ask_account(facts)
    if facts.account is None:
        return facts
    try:
        known = {flavor.name: flavor for flavor in await hub.flavors()}
    except ServiceError:
        return facts
    return replace(facts, flavor=known.get(facts.jobs.flavor), flavors_known=True)


def _output(folder: Path) -> Output:
    # trainer_state.json is written last: a checkpoint without it is not complete.
    checkpoints = len(list(folder.glob("checkpoint-*/trainer_state.json")))
    above = next((parent for parent in (folder, *folder.parents) if exists(parent)), folder)
    writable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    return Output(
        path=shown_path(folder),
        has_model=holds_model(folder),
        checkpoints=checkpoints,
        writable=writable,
        free=free_output_dir(folder).name,
    )
