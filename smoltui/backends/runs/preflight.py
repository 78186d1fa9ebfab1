"""Finds out what the preflight checks need to know, and stops a start that would fail."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from smoltui.backends.data_files.source import PairsSpec, is_local, open_spec, pairs_of
from smoltui.backends.data_files.tables import Broken
from smoltui.backends.machine.devices import device_report
from smoltui.backends.machine.train_extra import free_output_dir, holds_model
from smoltui.backends.pairs.curated import curate, set_name
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.project.project import Project, exists, shown_path
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.runs.token_check import leaks
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.fit import duration, estimate
from smoltui.core.preflight.preflight import Check, Facts, Output, preflight
from smoltui.core.recipe import Level, check, summarise
from smoltui.core.runs.run import RunSpec
from smoltui.errors import (
    InputError,
    MissingExtraError,
    NotLoggedInError,
    PermissionDeniedError,
    RecipeError,
    ServiceError,
)

LOOKED_AT = 20_000
"""Rows that are decoded to find a broken line before a start; a broken one behind them stops the run itself."""


async def gather(project: Project, engine: str, spec: RunSpec) -> Facts:
    """What the preflight checks need to know, found out now; what could not be found out is None.

    Raises:
        RecipeError: recipe.yaml or smoltui.toml cannot be used.
    """
    recipe = RecipeFile(project.recipe_path, spec.recipe, "")
    if found := await in_thread(lambda: leaks(project, spec)):  # before the curated set is written, or the Hub asked
        return Facts(
            target="local" if engine == "local" else "hub",
            values=recipe.values,
            findings=(),
            summary=summarise(recipe.values, None),
            leaks=found,
        )
    settings = project.settings()
    shape = recipe_shape(project, recipe.values)
    local = engine == "local"
    stop = threading.Event()  # a large set that is curated takes longer than a person who leaves the dialog waits
    look = partial(_look_at_pairs, project, recipe.values, stop.is_set)
    rows, pairs, problem = await in_thread(look, abandon=stop.set)
    model_problem, model_doubt = _look_at_model(project, recipe.values.get("model_name_or_path"))
    facts = Facts(
        target="local" if local else "hub", values=recipe.values, findings=(), summary=summarise(recipe.values, rows),
        overwrite=spec.overwrite,
        model_problem=model_problem, model_doubt=model_doubt, pairs=pairs, pairs_problem=problem,
        jobs=replace(
            settings.jobs, flavor=spec.flavor or settings.jobs.flavor, namespace=spec.namespace or "",
            timeout=str(spec.timeout_seconds) if spec.timeout_seconds else settings.jobs.timeout,
        ),
    )  # fmt: skip
    accelerator: str | None = None
    cuda, has_bf16 = True, None
    if local:
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
    else:
        has_bf16 = True
        facts = await _ask_hub(facts)
        accelerator = facts.flavor.accelerator if facts.flavor else None
    if recipe.values.get("push_to_hub") and facts.account is None and local:
        facts = await _ask_account(facts)
    return replace(
        facts,
        findings=check(
            recipe.values, target=facts.target, has_bf16=has_bf16, model_type=shape.kind if shape else None
        ),
        fit=estimate(recipe.values, shape, cuda=cuda),
        duration=duration(recipe.values, shape, facts.summary, accelerator),
    )  # fmt: skip


async def check_spec(project: Project, engine: str, spec: RunSpec) -> list[Check]:
    """The warnings about a run; raises the first reason not to start it.

    Raises:
        RecipeError: for the recipe, the pairs or the output.
        MissingExtraError, ServiceError: for the packages and the account.
    """
    checks = preflight(await gather(project, engine, spec))
    for item in checks:
        if item.level is Level.STOP:
            kind = {"account": NotLoggedInError, "token": PermissionDeniedError, "packages": MissingExtraError}
            raise kind.get(item.name, RecipeError)(item.sentence, item.mend)
    return [item for item in checks if item.level is Level.WARN]


def _look_at_model(project: Project, name: object) -> tuple[str, str]:
    """What is wrong with a model that is named like a folder, and what speaks against another name.

    The Hub is not asked. It has a few old models of names without an owner; a slip is likelier.
    """
    if not isinstance(name, str) or not name:
        return "", ""
    folder = project.resolve(name)
    if (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file():
        return "", ""
    if folder.is_dir():
        return f"This folder contains no model (no config.json): {name}\nSet another model_name_or_path.", ""
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return f"No such model folder: {name}\nSet another model_name_or_path, or a Hub id as owner/name.", ""
    if "/" not in name:
        return "", f"No such model folder, so this is treated as a Hub id: {name}\nHub ids look like owner/name."
    return "", ""


def _look_at_pairs(
    project: Project, values: Mapping[str, Any], stopped: Callable[[], bool] = lambda: False
) -> tuple[int | None, str, str]:
    """Rows (None: not counted), the pairs in words, and what is wrong with them; a set on the Hub is not opened.

    A curated set is made here, so that it is there when the run starts.
    """
    try:
        wanted = pairs_of(values)
        if wanted is None:
            return None, "", ""
        if not is_local(wanted, project.folder):
            return None, _decided(project, wanted), ""
        if curated := curate(project, values, stopped=stopped):
            return curated.exported.train, curated.sentence, ""
        source = open_spec(wanted, project.folder)
        broken = next((row for row in source.rows(0, LOOKED_AT) if isinstance(row, Broken)), None)
    except InputError as error:
        return None, "", f"{error.message}\n{error.hint}"
    if broken is not None:
        return (
            None,
            "",
            f"{broken.problem}\nOne such line stops the training. Fix or delete it; list all: smoltui pairs",
        )
    count = f"{len(source):,}".replace(",", " ")
    told = f"{count} pairs in {wanted.shown}, {source.split}"
    if wanted.others:
        return None, f"{told}; the first of {wanted.others + 1} sets, the others were not opened", ""
    return len(source), told, ""


def _decided(project: Project, wanted: PairsSpec) -> str:
    """What is decided about the pairs of a set on the Hub, which is not opened before the run starts.

    Raises:
        InputError: the decisions or smoltui.toml cannot be read.
    """
    known = CurationFile(project.folder).load()
    held = known.hold_out(set_name(wanted, project.folder))
    parts = [
        f"{len(found)} {word}" for found, word in ((known.excluded, "excluded"), (known.swapped, "swapped")) if found
    ]
    parts += [f"{held.share:.4g} of the prompts held out"] if held else []
    parts += ["columns set in smoltui.toml"] if project.settings().pair_columns else []
    return f"{wanted.shown}, curated when the run starts: {', '.join(parts)}" if parts else ""


async def _ask_account(facts: Facts) -> Facts:
    from smoltui.backends.hub import client as hub

    try:
        return replace(facts, account=await hub.account())
    except ServiceError as error:
        return replace(facts, account_problem=f"{error.message}\n{error.hint}")


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
        path=shown_path(folder), has_model=holds_model(folder), checkpoints=checkpoints, writable=writable,
        free=free_output_dir(folder).name,
    )  # fmt: skip
