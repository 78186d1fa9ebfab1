"""Asks for the facts that decide whether a benchmark may start: the Hub, the account, the packages, the files."""

from __future__ import annotations

import importlib.util
import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from smoltui.backends.evaluation.benchmark_plan import YOU, BenchmarkPlan, Item
from smoltui.backends.hub import client as hub
from smoltui.backends.machine.train_extra import lm_eval_version
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.output_dir import broken_weights
from smoltui.backends.system.small_file import read_small
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.benchmark_checks import ModelFacts, check_lighteval
from smoltui.core.evaluation.benchmark_command import LightEvalCommand, LmEvalCommand
from smoltui.core.evaluation.benchmark_job_checks import JobFacts
from smoltui.core.evaluation.benchmark_local_checks import LocalFacts, check_lm_eval
from smoltui.core.evaluation.benchmark_parsing import YES
from smoltui.core.evaluation.benchmark_tasks import Harness, task_table
from smoltui.core.preflight.check import Check, Problem
from smoltui.core.recipe import Level
from smoltui.core.runs.cost import Flavor, worst_cost
from smoltui.core.runs.run import timeout_seconds
from smoltui.errors import (
    InputError,
    MissingExtraError,
    NotFoundOnHubError,
    NotLoggedInError,
    PermissionDeniedError,
    ServiceError,
    SmoltuiError,
)

PACKAGES = ("torch", "transformers", "peft")
"""Of the train extra, what lm_eval needs."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A plan with its checks, ready to be shown and started."""

    plan: BenchmarkPlan
    """With the owner of the results filled in."""
    checks: tuple[Check, ...]
    """Each once, in order; those of several models together."""
    flavor: Flavor | None = None
    """None on this machine, or if it is unknown."""

    @property
    def may_start(self) -> bool:
        """Whether no check stops it."""
        return all(check.level is not Level.STOP for check in self.checks)

    @property
    def most_usd(self) -> float | None:
        """The most that it can cost, all models together; None on this machine, or if the price is unknown."""
        if self.flavor is None:
            return None
        costs = []
        for item in self.plan.items:
            if isinstance(item.command, LightEvalCommand):
                with suppress(ValueError):  # the checks report it
                    costs.append(worst_cost(self.flavor, timeout_seconds(item.command.timeout or "")))
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(self.plan.items) else None

    @property
    def minutes(self) -> float | None:
        """Estimated minutes, one model after the other; None on this machine, or if unknown."""
        table, total = task_table(), 0.0
        for item in self.plan.items:
            command = item.command
            tasks = [task for text in command.tasks if (task := table.find(self.plan.harness, text)) is not None]
            flavor = command.flavor if isinstance(command, LightEvalCommand) else None
            each = table.total_minutes(tasks, flavor or "", command.max_samples)
            if each is None or len(tasks) < len(command.tasks):
                return None
            total += each
        return total

    def refuse(self) -> None:
        """Raises the first reason not to start.

        Raises:
            InputError: for what the person asked for; MissingExtraError: for packages.
            NotLoggedInError, PermissionDeniedError: for the account.
        """
        kinds: dict[str, type[SmoltuiError]] = {
            "account": NotLoggedInError,
            "token": PermissionDeniedError,
            "packages": MissingExtraError,
            "lm_eval": MissingExtraError,
        }
        for check in self.checks:
            if check.level is Level.STOP:
                raise kinds.get(check.name, InputError)(check.sentence, check.next_step)


async def check_benchmark(plan: BenchmarkPlan, engine: Engine) -> Checked:
    """Asks for the facts of a plan and checks it. Nothing is started, uploaded or paid for."""
    if plan.harness is Harness.LM_EVAL:
        facts = [await in_thread(partial(_look_here, item)) for item in plan.items]
        return Checked(plan, _merged(facts))
    job = await _ask_engine(engine)
    flavors: dict[str, Flavor] = {}
    with suppress(ServiceError):  # the checks say that the price is unknown
        flavors = {flavor.name: flavor for flavor in await engine.hardware()}
    items, found = [], []
    for item in plan.items:
        command = item.command
        if not isinstance(command, LightEvalCommand):  # of the other harness
            continue
        if command.results_org == YOU and job.account is not None:
            command = replace(command, results_org=job.account.name)
        facts_of_job = replace(job, flavor=flavors.get(command.flavor or ""), flavors=tuple(flavors))
        found.append(check_lighteval(command, await ask_model(command.model), facts_of_job))
        items.append(replace(item, command=command))
    names = {command.flavor for item in items if isinstance(command := item.command, LightEvalCommand)}
    flavor = flavors.get(next(iter(names)) or "") if len(names) == 1 else None
    return Checked(replace(plan, items=tuple(items)), _merged(found), flavor)


def _merged(lists: list[list[Check]]) -> tuple[Check, ...]:
    """The checks of several models, each sentence once; passed ones last."""
    seen = {(check.name, check.sentence): check for checks in lists for check in checks}
    order = (Level.STOP, Level.WARN, Level.PASS)
    return tuple(sorted(seen.values(), key=lambda check: order.index(check.level)))


async def _ask_engine(engine: Engine) -> JobFacts:
    try:
        return JobFacts(account=await engine.account())
    except ServiceError as error:
        return JobFacts(account_problem=Problem(error.message, error.hint))


async def ask_model(name: str) -> ModelFacts:
    """Whether a model on the Hub is public and full. `.private` is not asked for: its owner would see it as well."""
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        # A folder, which the command's own check reports.
        return ModelFacts(is_adapter=True if (Path(name) / "adapter_config.json").is_file() else None)

    def ask() -> ModelFacts:
        hub.setup()
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

        try:
            info = HfApi(token=False).model_info(name)
        except (RepositoryNotFoundError, GatedRepoError):
            return ModelFacts(is_public=False)
        except HFValidationError as error:
            return ModelFacts(problem=Problem(f"Not the id of a model: {name}", str(error).splitlines()[0][:200]))
        files = {entry.rfilename for entry in info.siblings or ()}
        return ModelFacts(is_public=True, is_adapter="adapter_config.json" in files and "config.json" not in files)

    try:
        return await hub.guarded(in_thread(ask), "look at the model")
    except NotFoundOnHubError:
        return ModelFacts(is_public=False)
    except SmoltuiError as error:
        return ModelFacts(problem=Problem(error.message, error.hint))


# -- this machine


def _look_here(item: Item) -> list[Check]:
    command = item.command
    if not isinstance(command, LmEvalCommand):  # of the other harness
        return []
    model = Path(command.model)
    facts = LocalFacts(
        missing=[name for name in PACKAGES if importlib.util.find_spec(name) is None],
        version=lm_eval_version(),
        has_template=has_template(model) if model.is_absolute() else None,
        is_broken=next(
            (
                problem
                for path in filter(None, (command.adapter, command.model))
                if Path(path).is_absolute() and (problem := broken_weights(Path(path)))
            ),
            "",
        ),
        offline=os.environ.get("HF_HUB_OFFLINE", "").lower() in YES,
    )
    return check_lm_eval(command, facts)


def has_template(folder: Path) -> bool:
    """Whether a model folder has a chat template, in a file of its own or in the tokenizer's settings."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    with suppress(OSError, ValueError):
        data = json.loads(read_small(folder / "tokenizer_config.json", 64 << 20))
        return bool(isinstance(data, dict) and data.get("chat_template"))
    return False
