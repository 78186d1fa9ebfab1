"""Checks before anything costs money or time: facts in, a list of checks out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.foreign.token_stop import Leak
from smoltui.core.machine.account import Account, use_token
from smoltui.core.machine.device import Need, gib
from smoltui.core.machine.duration import Duration
from smoltui.core.machine.fit import Fit
from smoltui.core.machine.smaller import Change
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.preflight.check import Check, Problem
from smoltui.core.preflight.fixes import (
    BILLING,
    TOKENS,
    less_disk,
    less_memory,
    longer_timeout,
    other_flavor,
    other_folder,
    without_token,
)
from smoltui.core.preflight.hub_checks import HubAnswers, hub_checks, target_check
from smoltui.core.preflight.pair_checks import size_checks
from smoltui.core.recipe import Act, Finding, Fix, Level, Summary, get, is_ok, is_placeholder, mixed_precision, snapshot
from smoltui.core.recipe.changes import ABSENT
from smoltui.core.recipe.effective import resumes
from smoltui.core.recipe.fix import deletes, edits, writes
from smoltui.core.recipe.packages import Package
from smoltui.core.recipe.pair_keys import naming_key
from smoltui.core.runs.cost import Flavor, limit_words, usd, worst_cost
from smoltui.core.runs.pace import as_span, as_time
from smoltui.core.runs.place import Place
from smoltui.core.settings.settings import JobSettings


@dataclass(frozen=True, slots=True)
class Output:
    """The current content of the output folder."""

    path: str
    has_model: bool = False
    checkpoints: int = 0
    free: str = ""
    """Name of the next sibling folder without a model."""
    writable: bool = True
    """Files can be created there, or the folder itself if it does not exist yet."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All known facts; unknown ones are None, and their check says so."""

    place: Place
    """Where it will run."""
    values: Mapping[str, Any]
    """The recipe."""
    findings: Sequence[Finding]
    """Findings of `core.recipe.check` for this place."""
    summary: Summary
    leaks: Sequence[Leak] = ()
    """Tokens in files or options; as long as there are any, nothing else is checked and nothing is copied."""
    model_problem: Problem | None = None
    """Why the model does not exist; None if it does, or only the Hub knows."""
    model_doubt: Problem | None = None
    """A doubt about the model; None without one."""
    resume_problem: Problem | None = None
    """Why the run can't resume from the checkpoint that the recipe names; None if it can, or names none."""
    pairs: str = ""
    """The training pairs in words, with their number; empty if not opened (a set on the Hub)."""
    pairs_problem: Problem | None = None
    """Why the pairs cannot be trained on."""
    pairs_doubt: Problem | None = None
    """A doubt about which pairs are meant; None without one."""
    pairs_warning: str = ""
    """How many rows are not trained on; empty if there are none, or nobody knows."""
    sizes: PairSizes | None = None
    """What was measured of the pairs; None if they are on the Hub."""
    tools_warning: str = ""
    """The rows offer tools that the model's chat template ignores, one sentence; empty if not."""
    fit: Fit | None = None
    smaller: Sequence[Change] = ()
    """Changes that make it fit, each by itself, if it doesn't."""
    duration: Duration | None = None
    output: Output | None = None
    """None for a Job, whose disk is empty."""
    overwrite: bool = False
    """The person allowed replacing the model in the output folder."""
    disk_free: int | None = None
    """Free bytes where checkpoints go, on this machine."""
    memory_free: int | None = None
    """Free bytes on the training device: the accelerator's memory, or main memory."""
    memory_name: str = ""
    """Name of that device."""
    missing: Sequence[str] = ()
    """Training packages missing on this machine."""
    python_problem: Problem | None = None
    """Why the Python in `local.python` of smoltui.toml cannot train; None if it can, or none is named."""
    needed: Sequence[Package] = ()
    """Packages that this recipe needs and that are missing on this machine."""
    trl: str | None = None
    """Installed TRL; None when it is not installed or the run is a Job (which pins its own)."""
    account: Account | None = None
    account_problem: Problem | None = None
    """Why there is no account; None if there is one, or it was not checked."""
    jobs: JobSettings = field(default_factory=JobSettings)
    """The settings with what was chosen for this run alone."""
    namespace_chosen: bool = False
    """The namespace was chosen for this run alone, and is not that of the settings."""
    flavor: Flavor | None = None
    """None if the Hub's list lacks the flavor or was not read."""
    flavors_known: bool = False
    """Whether the list of flavors was read."""
    flavors: Sequence[Flavor] = ()
    """That list."""
    keep: str = ""
    """Where a Job keeps checkpoints that outlive it (`RunSpec.keep`); empty: nowhere."""
    hub: HubAnswers = field(default_factory=HubAnswers)
    """What the Hub says about the model, the pairs and the target, as far as it was asked."""
    trackers: Sequence[Check] = ()
    """Checks of `report_to`."""
    of_engine: Sequence[Check] = ()
    """Further checks, by the engine that would run it."""


def preflight(facts: Facts) -> list[Check]:
    """The checks in display order: the recipe, where it runs, memory, time and money, what is kept."""
    if facts.leaks:
        return recipe_checks(facts)
    checks = recipe_checks(facts)
    # Of a set that was also read here as a whole, its first rows on the Hub say the same again.
    of_pairs = {check.name for check in checks} & {"identical", "unusable rows"}
    checks += [check for check in hub_checks(facts.hub) if check.name not in of_pairs] + [*facts.of_engine]
    if facts.place.on_disk:
        checks += _output(facts)
    if facts.place.pays:
        checks += [*_account(facts, pays=True), *_flavor(facts), *_time(facts), *_cost(facts), _survival(facts)]
    elif get(facts.values, "push_to_hub"):
        checks += _account(facts, pays=False)
    if get(facts.values, "push_to_hub"):
        checks += _repository(facts)
    return checks


def recipe_checks(facts: Facts) -> list[Check]:
    """The checks that need nobody but this machine: the recipe, its model and pairs, and whether it can train here."""
    if facts.leaks:
        return [Check("secret", Level.STOP, leak.sentence, leak.next_step, without_token(leak)) for leak in facts.leaks]
    checks = [*_recipe(facts), *_model(facts), *_resuming(facts), *_pairs(facts), *facts.trackers]
    if facts.place.here:
        checks += [*_packages(facts), *_memory_here(facts), *_time_here(facts)]
    return checks


def _recipe(facts: Facts) -> list[Check]:
    found = [
        Check(item.key or "recipe", item.level, item.sentence, item.next_step, item.fix)
        for item in facts.findings
        if item.level is not Level.PASS
    ]
    if is_ok(list(facts.findings)):
        found.insert(
            0,
            Check("recipe", Level.PASS, f"TRL {snapshot().versions['trl']} knows every key"),
        )
    return found


def _model(facts: Facts) -> list[Check]:
    fix = edits("model_name_or_path")
    if problem := facts.model_problem:
        return [Check("model", Level.STOP, problem.sentence, problem.fix, fix)]
    doubt = facts.model_doubt if facts.hub.model is None else None  # the Hub was asked
    return [Check("model", Level.WARN, doubt.sentence, doubt.fix, fix)] if doubt else []


def _resuming(facts: Facts) -> list[Check]:
    if problem := facts.resume_problem:
        fix = deletes("resume_from_checkpoint")
        return [Check("resume_from_checkpoint", Level.STOP, problem.sentence, problem.fix, fix)]
    return []


TOOLS_FIX = "Choose a model whose chat template uses tools."


def _pairs(facts: Facts) -> list[Check]:
    if problem := facts.pairs_problem:
        return [Check("pairs", Level.STOP, problem.sentence, problem.fix, Fix(act=Act.PAIRS))]
    checks = [Check("pairs", Level.PASS, facts.pairs)] if facts.pairs else []
    if (doubt := facts.pairs_doubt) is not None and facts.hub.pairs is None:  # the Hub was not asked
        checks.append(Check("pairs", Level.WARN, doubt.sentence, doubt.fix, edits(naming_key(facts.values))))
    if facts.pairs_warning:
        listed = Fix(act=Act.PAIRS)
        checks.append(Check("unusable rows", Level.WARN, facts.pairs_warning, "List them: smoltui pairs", listed))
    checks += size_checks(facts.sizes)
    if facts.tools_warning:
        checks.append(Check("tools", Level.WARN, facts.tools_warning, TOOLS_FIX, edits("model_name_or_path")))
    return checks


def _packages(facts: Facts) -> list[Check]:
    wanted = snapshot().versions["trl"]
    if facts.python_problem is not None:
        problem = facts.python_problem
        return [Check("packages", Level.STOP, problem.sentence, problem.fix, Fix(edit="local.python"))]
    if facts.missing:
        return [
            Check(
                "packages",
                Level.STOP,
                f"Training packages aren't installed: {', '.join(facts.missing)}",
                'Install them: pip install "smoltui[train]"',
                Fix(copy='pip install "smoltui[train]"'),
            )
        ]
    if facts.needed:
        command = f"pip install {shlex.join(package.requirement for package in facts.needed)}"
        why = ", ".join(f"{package.name} ({package.needed_by})" for package in facts.needed)
        said = f"The recipe needs packages that aren't installed: {why}"
        return [Check("packages", Level.STOP, said, f"Install them: {command}", Fix(copy=command))]
    if facts.trl is None:
        return [Check("packages", Level.WARN, "TRL: the installed version is unknown")]
    if facts.trl.split(".")[:2] != wanted.split(".")[:2]:
        return [
            Check(
                "packages",
                Level.WARN,
                f"The recipe was checked against TRL {wanted}, but {facts.trl} is installed",
                f'Install the tested version: pip install "trl=={wanted}"',
                Fix(copy=f'pip install "trl=={wanted}"'),
            )
        ]
    return [Check("packages", Level.PASS, f"TRL {facts.trl} is installed")]


LESS = "Use an adapter (use_peft: true, lora_target_modules: all-linear, dtype: bfloat16), or a smaller batch."


def _memory(facts: Facts, available: int | None, where: str) -> list[Check]:
    """Whether it fits, and what would make it fit: one line for each change."""
    fit = facts.fit
    if fit is None:
        return [UNKNOWN_FIT]
    need = f"about {gib(fit.needed)}"
    first = facts.smaller[0] if facts.smaller else None
    less = less_memory(facts.values) if first is None else Fix(recipe=first.values)
    step = LESS if first is None else _makes_it_fit(first)
    more = [
        Check("memory", Level.WARN, f"This would make it fit, too ({gib(one.needed)}): {one.costs}", *_change(one))
        for one in facts.smaller[1:]
    ]
    match fit.verdict(available):
        case "fits":
            measured = facts.sizes is not None and facts.sizes.padded_to is not None
            most = "" if measured else "at most "  # pairs may be shorter than max_length
            return [Check("memory", Level.PASS, f"Peak memory {most}{need} of {gib(available)} {where}")]
        case "tight":
            said = f"May run out of memory: peak {need} of {gib(available)} {where}"
            return [Check("memory", Level.WARN, said, step, less), *more]
        case "no":
            said = f"Does not fit: peak memory {need}, {gib(available)} {where}"
            return [Check("memory", Level.STOP, said, step, less, estimated=True), *more]
    return [Check("memory", Level.WARN, f"Peak memory {need}; memory {where} is unknown")]


def _change(change: Change) -> tuple[str, Fix]:
    fix = Fix(recipe=change.values)
    return f"{fix.words[:1].upper()}{fix.words[1:]}", fix


def _makes_it_fit(change: Change) -> str:
    return f"{_change(change)[0]} ({change.costs}): {gib(change.needed)}."


UNKNOWN_FIT = Check("memory", Level.WARN, "Memory: no estimate for this model and these settings")


def memory_in_words(fit: Fit | None) -> str:
    """The memory for training and its parts, or that there is no estimate."""
    return f"memory about {Need('', fit).in_words}" if fit else "memory: no estimate for this model and these settings"


def _memory_here(facts: Facts) -> list[Check]:
    return _memory(facts, facts.memory_free, f"free on {facts.memory_name or 'this machine'}")


LONG_SECONDS = 2 * 86_400
"""A run on this machine that takes longer gets a warning."""


def _time_here(facts: Facts) -> list[Check]:
    took = facts.duration
    if took is None or took.low < LONG_SECONDS:
        return []
    said = f"Training takes {as_span(took.low, took.high)} here ({took.assumed})"
    return [Check("time", Level.WARN, said, "Train fewer steps or a smaller model, or rent a GPU with Jobs.")]


def _output(facts: Facts) -> list[Check]:
    folder = (
        []
        if facts.output is None
        else [_folder(facts.output, facts.values, overwrite=facts.overwrite or resumes(facts.values))]
    )
    return [*folder, _disk(facts)]


def _folder(output: Output, values: Mapping[str, Any], *, overwrite: bool) -> Check:
    name, other = output.path, other_folder(values, output.free)
    if not output.writable:
        return Check(
            "output",
            Level.STOP,
            f"The model cannot be written to {name}",
            "Set output_dir to a folder that you can write to.",
            edits("output_dir"),
        )
    if output.has_model and not overwrite:
        return Check(
            "output",
            Level.STOP,
            f"The output folder already contains a model: {name}",
            f"Use another folder: --output-dir {output.free}; or replace the model: --overwrite",
            other,
        )
    if output.has_model:
        return Check("output", Level.WARN, f"The model in the output folder will be replaced: {name}", fix=other)
    if output.checkpoints:
        return Check(
            "output",
            Level.WARN,
            f"The output folder contains {output.checkpoints} checkpoints of another run: {name}",
            "Set another output_dir to keep them apart.",
            other,
        )
    return Check("output", Level.PASS, f"Output: {name}")


def _disk(facts: Facts) -> Check:
    count = facts.summary.checkpoints
    if facts.fit is None or count is None:
        return Check("disk", Level.WARN, "Disk: no estimate for the checkpoints")
    # The model is saved in addition to the checkpoints; with Adam's states, a checkpoint is three times as large.
    wanted = facts.fit.checkpoint * count + facts.fit.checkpoint // 3
    needs = f"{count} checkpoints and the model take {gib(wanted)}" if count else f"The model takes {gib(wanted)}"
    if facts.disk_free is None:
        return Check("disk", Level.WARN, f"{needs}; free disk space is unknown")
    if wanted > facts.disk_free:
        return Check(
            "disk",
            Level.STOP,
            f"{needs} of disk, {gib(facts.disk_free)} free",
            "Set save_total_limit or save_only_model: true, or another output_dir.",
            less_disk(facts.values),
            estimated=True,
        )
    return Check("disk", Level.PASS, f"{needs} of {gib(facts.disk_free)} free")


def _account(facts: Facts, *, pays: bool) -> list[Check]:
    account = facts.account
    if account is None:
        if problem := facts.account_problem:
            return [Check("account", Level.STOP, problem.sentence, problem.fix, problem.does or Fix(act=Act.AGAIN))]
        return [Check("account", Level.WARN, "The account has not been checked yet", fix=Fix(act=Act.AGAIN))]
    checks = []
    if account.can_write is False:
        checks.append(
            Check(
                "token",
                Level.STOP,
                f"The token of {account.name} is read-only",
                f"Create one with write access, {use_token(account.token_variable)}",
                Fix(copy=TOKENS) if account.token_variable else Fix(act=Act.LOGIN),
            )
        )
    elif account.can_write is None:
        checks.append(
            Check("token", Level.WARN, f"The permissions of {account.name}'s token are known only when it is used")
        )
    else:
        checks.append(Check("token", Level.PASS, f"The token of {account.name} has write access"))
    if pays:
        checks += _payer(account, facts)
    return checks


def _payer(account: Account, facts: Facts) -> list[Check]:
    payer = facts.jobs.namespace or account.name
    if said := account.why_no_jobs(payer):
        others = ", ".join(name for name in (account.name, *account.orgs) if account.writes_to(name))
        if facts.namespace_chosen:
            told = f"Choose another namespace (--namespace): {others}"
            return [Check("account", Level.STOP, said, told, Fix(act=Act.AGAIN))]
        fix = Fix(settings={"jobs.namespace": ABSENT})
        return [Check("account", Level.STOP, said, f"Set jobs.namespace in smoltui.toml to one of: {others}", fix)]
    if account.can_pay is False and payer == account.name:
        said = f"{payer} has no payment method; Jobs need credit"
        return [Check("account", Level.WARN, said, f"Add one: {BILLING}", Fix(copy=BILLING))]
    return [Check("account", Level.PASS, f"Billed to {payer}. (Credit balance can't be read from the Hub.)")]


def _flavor(facts: Facts) -> list[Check]:
    wanted, flavor = facts.jobs.flavor, facts.flavor
    if flavor is None:
        if facts.flavors_known:
            said, fix = f"The Hub has no such flavor: {wanted}", other_flavor(wanted, facts.flavors)
            return [Check("flavor", Level.STOP, said, "List flavors: smoltui hardware", fix)]
        said = f"The Hub's list of flavors could not be read, so {wanted} is unchecked"
        return [Check("flavor", Level.WARN, said, fix=Fix(act=Act.AGAIN))]
    if not flavor.count:
        return [
            Check(
                "flavor",
                Level.WARN,
                f"{wanted} has no accelerator",
                'Set one that has in smoltui.toml: jobs.flavor = "a100-large"',
                other_flavor(wanted, facts.flavors),
            )
        ]
    checks = []
    if not flavor.has_bf16 and mixed_precision(facts.values) == "bf16":
        checks.append(
            Check(
                "flavor",
                Level.STOP,
                f"{wanted} cannot compute in bf16",
                "Write bf16: false and fp16: true",
                writes(bf16=False, fp16=True),
            )
        )
    each = flavor.vram_bytes // flavor.count if flavor.vram_bytes is not None else None
    checks += _memory(facts, each, f"on one {flavor.accelerator or wanted}")
    return checks


def _time(facts: Facts) -> list[Check]:
    limit, took = facts.jobs.timeout_seconds, facts.duration
    if took is None:
        return [Check("time", Level.WARN, f"Time: no estimate; timeout {as_time(limit)}")]
    longer, fix = "Raise jobs.timeout in smoltui.toml.", longer_timeout(took.high)
    span = f"{as_span(took.low, took.high)} of training ({took.assumed})"
    if took.low > limit:
        return [
            Check(
                "time",
                Level.STOP,
                f"{span}, longer than the timeout of {as_time(limit)}",
                longer,
                fix,
                estimated=True,
            )
        ]
    if took.high > limit:
        return [
            Check(
                "time",
                Level.WARN,
                f"{span}; timeout {as_time(limit)}",
                longer,
                fix,
            )
        ]
    return [Check("time", Level.PASS, f"{span}; timeout {as_time(limit)}")]


def _cost(facts: Facts) -> list[Check]:
    if (
        facts.flavor is None
        or (worst := worst_cost(facts.flavor, facts.jobs.timeout_seconds, facts.jobs.attempts)) is None
    ):
        said = "Cost unknown: the price of the flavor could not be read"
        return [Check("cost", Level.WARN, said, fix=Fix(act=Act.AGAIN))]
    limit = limit_words(facts.jobs.timeout_seconds, facts.jobs.attempts)
    text = f"At most {usd(worst)}: {limit} of {facts.flavor.name}"
    if facts.duration is not None:
        low, high = (worst_cost(facts.flavor, seconds) for seconds in (facts.duration.low, facts.duration.high))
        text += f"; expected {usd(low)} to {usd(high)}"
    return [Check("cost", Level.PASS, text)]


def _survival(facts: Facts) -> Check:
    """What is left if the Job ends early: its disk is deleted."""

    if facts.keep and facts.summary.checkpoints != 0:
        where = "the private bucket jobs-artifacts" if facts.keep.startswith("bucket:") else facts.keep
        return Check("survives", Level.PASS, f"If it ends early, its newest checkpoint survives in {where}")
    why, fix = "jobs.checkpoints is empty", Fix(settings={"jobs.checkpoints": "bucket"})
    if get(facts.values, "save_strategy") in ("no", False):
        why, fix = "save_strategy is no", writes(save_strategy="steps")
    elif get(facts.values, "save_only_model"):
        why, fix = "save_only_model keeps no state to resume from", writes(save_only_model=False)
    elif facts.jobs.checkpoints:
        why, fix = "the first checkpoint comes after the last step", edits("save_steps")
    return Check("survives", Level.WARN, f"If it ends early, nothing survives: {why}", fix=fix)


def _repository(facts: Facts) -> list[Check]:
    name, account = facts.values.get("hub_model_id"), facts.account
    if not isinstance(name, str) or "/" not in name or is_placeholder(name) or account is None:
        return []  # a placeholder is a finding of the recipe
    owner = name.split("/")[0]
    if not account.writes_to(owner):
        reads = owner in account.read_only_orgs
        where = f"{name}: its role in {owner} is read" if reads else f"the namespace of {name}"
        return [
            Check(
                "repository",
                Level.STOP,
                f"{account.name} cannot push to {where}",
                f"Write hub_model_id: {account.name}/{name.split('/', 1)[1]}",
                writes(hub_model_id=f"{account.name}/{name.split('/', 1)[1]}"),
            )
        ]
    if facts.hub.target is not None:
        return [target_check(facts.hub.target)]
    return [Check("repository", Level.PASS, f"Output: {name}; existing files get a new commit")]
