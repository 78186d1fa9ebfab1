"""Collects the facts for the preflight checks, and stops a start that would fail."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from smoltui.backends.machine.devices import device_report
from smoltui.backends.machine.interpreter import UV, look_at, python_in
from smoltui.backends.machine.recipe_packages import is_here, missing_packages
from smoltui.backends.pairs.vocabulary import knows_pad_token
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.hub_facts import ask_hub, ask_target, tracker_facts
from smoltui.backends.runs.model_probe import learn_shape
from smoltui.backends.runs.output_dir import free_output_dir, holds_model
from smoltui.backends.runs.past_speeds import past_speeds
from smoltui.backends.runs.plan import Plan
from smoltui.backends.system.paths import exists, shown_path
from smoltui.backends.system.threads import in_thread
from smoltui.core.machine.account import Account
from smoltui.core.machine.duration import Hardware, duration
from smoltui.core.machine.fit import estimate
from smoltui.core.machine.model_shape import ModelShape
from smoltui.core.machine.smaller import smaller
from smoltui.core.preflight.check import Check, Problem, overridden
from smoltui.core.preflight.hub_checks import HubAnswers
from smoltui.core.preflight.preflight import Facts, Output, preflight
from smoltui.core.recipe import Act, Finding, Fix, Level, check, summarise
from smoltui.core.recipe.effective import resumes, resumes_from_newest
from smoltui.core.recipe.packages import Package
from smoltui.core.runs.accelerate import DEEPSPEED
from smoltui.errors import (
    InputError,
    MissingExtraError,
    NotLoggedInError,
    PermissionDeniedError,
    RecipeError,
    ServiceError,
)

_ZERO3 = Package(DEEPSPEED, "deepspeed", "strategy: zero3")
"""What several processes need with this strategy, whatever the recipe."""


@dataclass(frozen=True, slots=True)
class _Device:
    """What a run would train on, as far as its speed and its memory depend on it."""

    name: str | None = None
    """The accelerator; None if there is none, or it is unknown."""
    cuda: bool = True
    has_bf16: bool | None = None
    """None: unknown."""
    cores: int = 0
    """Of the processor, if it is this machine's."""

    def hardware(self, devices: int, *, use_cpu: bool) -> Hardware | None:
        """What the speed of a run depends on; None if unknown."""
        if self.name is not None and not use_cpu:
            return Hardware.gpus(self.name, devices)
        return Hardware.processor(self.cores) if self.cores else None


async def gather(plan: Plan, engine: Engine, *, alone: bool = False) -> Facts:
    """What the preflight checks need to know of a plan, from `engine`, which would run it. Unknown facts are None.

    With `alone`, only this machine is looked at: no account, no prices and no queue.
    """
    if plan.leaks:
        return Facts(
            place=plan.place, values=plan.values, findings=(), summary=summarise(plan.values, None), leaks=plan.leaks
        )
    facts, device = await _ask_place(_from_plan(plan), plan, engine, alone=alone)
    if not alone and plan.values.get("push_to_hub") and facts.account is None and not plan.place.pays:
        facts = await _ask_account(facts, _hub_account)
        if facts.account is not None:
            facts = replace(facts, hub=HubAnswers(target=await ask_target(plan.values)))
    if (processes := _processes(plan, facts)) > 1:
        facts = replace(facts, summary=summarise(plan.values, plan.pairs.rows, processes))
    facts = replace(facts, trackers=await in_thread(partial(tracker_facts, plan)))
    shape = plan.shape or await learn_shape(
        plan.project, plan.values, python=_python(plan), ask_hub=plan.place.pays and not alone
    )
    findings = await _judge_recipe(plan, facts, device, shape)
    facts = replace(facts, findings=findings, resume_problem=_look_at_checkpoint(plan, facts))
    facts = await _estimate(facts, plan, device, shape, processes)
    return facts if alone else replace(facts, of_engine=await engine.checks(plan.spec, facts))


async def _ask_place(facts: Facts, plan: Plan, engine: Engine, *, alone: bool) -> tuple[Facts, _Device]:
    """Adds what is known of the place of the run: this machine, hardware that is paid for, or a disk that it shares."""
    if plan.place.here:
        facts, device = await _ask_machine(facts, Path(plan.spec.output_dir))
        return await _ask_python(facts, plan), device
    if plan.place.pays:
        if alone:
            return facts, _Device(has_bf16=True)
        (facts, device), answers = await asyncio.gather(_ask_engine(facts, engine), ask_hub(plan))
        return replace(facts, hub=answers), device
    if plan.place.on_disk:
        facts = await in_thread(partial(_look_at_disk, facts, Path(plan.spec.output_dir)))
        return facts, _Device(plan.settings.slurm.gpu_type or None)
    return facts, _Device()


async def _ask_python(facts: Facts, plan: Plan) -> Facts:
    """Adds the packages of the Python that trains on this machine."""
    spec = plan.spec
    sharding = (_ZERO3,) if (spec.processes or 1) > 1 and spec.strategy == "zero3" else ()
    if spec.python:
        other = await in_thread(partial(look_at, spec.python, plan.project.folder, plan.values, sharding))
        return replace(facts, missing=(), needed=other.missing, trl=other.trl, python_problem=other.problem)
    if sharding and not is_here(_ZERO3):
        return replace(facts, needed=[*facts.needed, *sharding])
    return facts


async def _judge_recipe(plan: Plan, facts: Facts, device: _Device, shape: ModelShape | None) -> list[Finding]:
    """The findings about the recipe, without warnings that the facts have settled."""
    findings = check(
        plan.values,
        target=plan.place.target,
        has_bf16=device.has_bf16,
        model_type=shape.kind if shape else None,
        pad_token_known=await in_thread(partial(knows_pad_token, plan.project, plan.values)),
    )
    settled = {"resume_from_checkpoint"}  # looked at
    if plan.spec.pairs_hash is not None or plan.pairs.decided is not None:
        settled.add("test_split_size")  # the held-out split is written out, now or at the start, so TRL draws none
    if _longest(facts) is not None:
        settled.add("max_length")  # the pairs say what the absence of a limit means
    return [one for one in findings if one.key not in settled or one.level is Level.STOP]


def _longest(facts: Facts) -> int | None:
    """Tokens of the longest sequence, if the pairs were measured."""
    return facts.sizes.padded_to if facts.sizes is not None else None


async def _estimate(facts: Facts, plan: Plan, device: _Device, shape: ModelShape | None, processes: int) -> Facts:
    """Adds memory and time of the run, and what would make it fit."""
    hardware = device.hardware(processes, use_cpu=bool(plan.values.get("use_cpu")))
    past = await in_thread(partial(past_speeds, hardware.name)) if hardware is not None else []
    took = duration(plan.values, shape, facts.summary, hardware, sizes=facts.sizes, past=past)
    if hardware is not None and took is not None:
        plan.estimates.append((hardware, took))
    estimating = partial(
        estimate,
        shape=shape,
        cuda=device.cuda,
        devices=processes,
        strategy=plan.spec.strategy or "ddp",
        longest=_longest(facts),
    )
    fit, available = estimating(plan.values), _available(facts)
    less = []
    if fit is not None and available is not None and fit.needed > available:
        less = smaller(plan.values, estimating, available, cuda=device.cuda)
    return replace(facts, fit=fit, smaller=less, duration=took)


def _available(facts: Facts) -> int | None:
    """Bytes of memory on one device; None if unknown."""
    if facts.place.here:
        return facts.memory_free
    flavor = facts.flavor
    return flavor.vram_bytes // flavor.count if flavor is not None and flavor.count and flavor.vram_bytes else None


def _python(plan: Plan) -> str:
    """The Python that knows the architectures of models, if it is not ours: the one that trains."""
    named = plan.spec.python
    if not plan.place.here or not named or named == UV:
        return ""
    try:
        return str(python_in(named, plan.project.folder))
    except InputError:  # the check of the packages says so
        return ""


def _processes(plan: Plan, facts: Facts) -> int:
    """Training processes: one for each accelerator, unless their number was chosen."""
    if plan.spec.processes:
        return plan.spec.processes
    if plan.place.pays:
        return max(1, facts.flavor.count) if facts.flavor is not None else 1
    if plan.place.on_disk and not plan.place.here:
        return plan.settings.slurm.nodes * max(1, plan.settings.slurm.gpus)
    return 1


def _look_at_disk(facts: Facts, folder: Path) -> Facts:
    """Adds where the run would write to, on a disk that this machine shares with those that train."""
    above = next((parent for parent in (folder, *folder.parents) if exists(parent)), folder)
    try:
        free: int | None = shutil.disk_usage(above).free
    except OSError:
        free = None
    return replace(facts, output=_output(folder), disk_free=free)


def _from_plan(plan: Plan) -> Facts:
    """The facts that nobody has to be asked for."""
    spec, settings = plan.spec, plan.settings
    model_problem, model_doubt = _look_at_model(plan.project, plan.values.get("model_name_or_path"))
    return Facts(
        place=plan.place,
        values=plan.values,
        findings=(),
        summary=summarise(plan.values, plan.pairs.rows, spec.processes or 1),
        overwrite=spec.overwrite,
        model_problem=model_problem,
        model_doubt=model_doubt,
        pairs=plan.pairs.sentence,
        pairs_problem=plan.pairs.problem,
        pairs_doubt=plan.pairs.doubt,
        pairs_warning=plan.pairs.warning,
        sizes=plan.pairs.sizes,
        tools_warning=plan.pairs.tools_warning,
        keep=spec.keep,
        jobs=replace(
            settings.jobs,
            flavor=spec.flavor or settings.jobs.flavor,
            namespace=spec.namespace or "",
            timeout=str(spec.timeout_seconds) if spec.timeout_seconds else settings.jobs.timeout,
        ),
        namespace_chosen=(spec.namespace or "") != settings.jobs.namespace,
    )


async def _ask_machine(facts: Facts, folder: Path) -> tuple[Facts, _Device]:
    """Adds memory, disk and packages of this machine, which would write to `folder`."""
    report = await asyncio.to_thread(device_report, folder)
    device = report.accelerators[0] if report.accelerators else None
    cuda = device is not None and device.kind == "cuda"
    trl = report.package("trl")
    facts = replace(
        facts,
        output=_output(folder),
        disk_free=report.disk_free,
        memory_free=device.free if device else report.ram_available,
        memory_name=device.name if device else "this machine",
        missing=[package.name for package in report.lacking if package.installed is None],
        needed=missing_packages(facts.values),
        trl=trl.installed if trl else None,
    )
    name = device.name if device else None
    return facts, _Device(name, cuda=cuda, has_bf16=None if cuda else False, cores=report.cores)


async def _ask_engine(facts: Facts, engine: Engine) -> tuple[Facts, _Device]:
    """Adds the account that pays and the price of the flavor; an engine that cannot be asked is a fact too."""
    facts = await _ask_account(facts, engine.account)
    if facts.account is not None and "hardware" in engine.place.can:
        with suppress(ServiceError):  # the checks say that the flavors are unknown
            known = {flavor.name: flavor for flavor in await engine.hardware()}
            facts = replace(
                facts, flavor=known.get(facts.jobs.flavor), flavors_known=True, flavors=tuple(known.values())
            )
    return facts, _Device(facts.flavor.accelerator if facts.flavor else None, has_bf16=True)


async def _ask_account(facts: Facts, ask: Callable[[], Awaitable[Account]]) -> Facts:
    try:
        return replace(facts, account=await ask())
    except ServiceError as error:
        does = Fix(act=Act.LOGIN) if isinstance(error, NotLoggedInError) else Fix(act=Act.AGAIN)
        return replace(facts, account_problem=Problem(error.message, error.hint, does))


async def _hub_account() -> Account:
    """The account that a model is pushed with, wherever it was trained."""
    from smoltui.backends.hub import client as hub

    return await hub.account()


async def check_plan(plan: Plan, engine: Engine, *, force: bool = False) -> list[Check]:
    """The warnings about a plan that `engine` would run; raises the first reason not to start it.

    `force`: estimates don't stop it.

    Raises:
        RecipeError: for the recipe, the pairs or the output.
        MissingExtraError, ServiceError: for the packages and the account.
    """
    checks = preflight(await gather(plan, engine))
    if force:
        checks = overridden(checks)
    for item in checks:
        if item.level is Level.STOP:
            if item.estimated:
                raise RecipeError(item.sentence, f"{item.next_step} This is an estimate: --force starts anyway.")
            kind = {"account": NotLoggedInError, "token": PermissionDeniedError, "packages": MissingExtraError}
            raise kind.get(item.name, RecipeError)(item.sentence, item.next_step)
    return [item for item in checks if item.level is Level.WARN]


def _look_at_model(project: Project, name: object) -> tuple[Problem | None, Problem | None]:
    """Why a model that is named like a folder cannot be used, and why another name may be wrong.

    The Hub is not asked. It has a few old models whose names have no owner, but a typo is more likely.
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


def _look_at_checkpoint(plan: Plan, facts: Facts) -> Problem | None:
    """Why the run can't resume as its recipe says; the trainer would say so after loading the model."""
    if not resumes(plan.values):
        return None
    step = "Delete resume_from_checkpoint to start from the first step."
    if resumes_from_newest(plan.values):
        if facts.output is None:
            return Problem("A Job starts with an empty disk: there is no checkpoint to resume from", step)
        if not facts.output.checkpoints:
            return Problem(f"The output folder has no complete checkpoint to resume from: {facts.output.path}", step)
        return None
    named = str(plan.values["resume_from_checkpoint"])
    if facts.output is not None and not plan.project.resolve(named).is_dir():
        return Problem(f"No such checkpoint: {named}", step)
    return None


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
