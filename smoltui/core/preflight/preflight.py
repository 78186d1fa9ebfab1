"""What is checked before anything is paid for or waited for: facts in, a list of checks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoltui.core.foreign.token_stop import Leak
from smoltui.core.machine.account import Account
from smoltui.core.machine.device import Need, gib
from smoltui.core.machine.fit import Duration, Fit
from smoltui.core.recipe import Finding, Level, Summary, get, is_ok, mixed_precision, snapshot
from smoltui.core.runs.cost import Flavor, usd, worst_cost
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.place import Place
from smoltui.core.settings.settings import JobSettings


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list that is shown before a start."""

    name: str
    level: Level
    sentence: str
    mend: str = ""
    """The key, option or command that mends it; empty when there is nothing to do."""

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "level": self.level.value, "sentence": self.sentence, "mend": self.mend}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, or what speaks against something, before it has a name among the checks."""

    sentence: str
    fix: str = ""
    """The next step; empty when nobody knows one."""


@dataclass(frozen=True, slots=True)
class Output:
    """What lies in the output folder now."""

    path: str
    has_model: bool = False
    checkpoints: int = 0
    free: str = ""
    """Name of the next folder beside it that holds no model."""
    writable: bool = True
    """A file can be made there, or the folder itself where it does not exist yet."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found out; what was not is None, and its check says so."""

    place: Place
    """Where it will run."""
    values: Mapping[str, Any]
    """The recipe."""
    findings: Sequence[Finding]
    """Of `core.recipe.check` for this place."""
    summary: Summary
    leaks: Sequence[Leak] = ()
    """Tokens in the files or options; while there are any, nothing else is looked at and nothing is copied."""
    model_problem: Problem | None = None
    """Why there is no such model; None when there is, or only the Hub knows."""
    model_doubt: Problem | None = None
    """What speaks against it; None when nothing does."""
    pairs: str = ""
    """What the recipe trains on, in words with the count; empty when it was not opened (a set on the Hub)."""
    pairs_problem: Problem | None = None
    """Why the pairs cannot be trained on."""
    fit: Fit | None = None
    duration: Duration | None = None
    output: Output | None = None
    """None for a Job, whose disk is empty."""
    overwrite: bool = False
    """The person allowed that the model in the output folder is replaced."""
    disk_free: int | None = None
    """Bytes where checkpoints go, here."""
    memory_free: int | None = None
    """Bytes free on the device that trains here: the accelerator's, or main memory."""
    memory_name: str = ""
    """What that device is called."""
    missing: Sequence[str] = ()
    """Packages that training needs and this machine lacks."""
    trl: str | None = None
    """Installed TRL; None when it is not installed or the run is a Job (which pins its own)."""
    account: Account | None = None
    account_problem: Problem | None = None
    """Why there is no account; None when there is one or it was not asked."""
    jobs: JobSettings = field(default_factory=JobSettings)
    flavor: Flavor | None = None
    """None when the Hub's list does not hold the wanted flavor or was not read."""
    flavors_known: bool = False
    """Whether the list of flavors was read."""


def preflight(facts: Facts) -> list[Check]:
    """The checks in the order they are shown: the recipe, where it runs, memory, time and money, what is kept."""
    if facts.leaks:
        return [Check("secret", Level.STOP, leak.sentence, leak.mend) for leak in facts.leaks]
    checks = [*_recipe(facts), *_model(facts), *_pairs(facts)]
    if facts.place.here:
        checks += [*_packages(facts), *_memory_here(facts), *_output(facts)]
    if facts.place.pays:
        checks += [*_account(facts, pays=True), *_flavor(facts), *_time(facts), *_cost(facts)]
    elif get(facts.values, "push_to_hub"):
        checks += _account(facts, pays=False)
    if get(facts.values, "push_to_hub"):
        checks += _repository(facts)
    return checks


def may_start(checks: Sequence[Check]) -> bool:
    """Whether no check stops the run."""
    return all(check.level is not Level.STOP for check in checks)


def _recipe(facts: Facts) -> list[Check]:
    found = [
        Check(item.key or "recipe", item.level, item.sentence, item.mend)
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
    if problem := facts.model_problem:
        return [Check("model", Level.STOP, problem.sentence, problem.fix)]
    doubt = facts.model_doubt
    return [Check("model", Level.WARN, doubt.sentence, doubt.fix)] if doubt else []


def _pairs(facts: Facts) -> list[Check]:
    if problem := facts.pairs_problem:
        return [Check("pairs", Level.STOP, problem.sentence, problem.fix)]
    return [Check("pairs", Level.PASS, facts.pairs)] if facts.pairs else []


def _packages(facts: Facts) -> list[Check]:
    wanted = snapshot().versions["trl"]
    if facts.missing:
        return [
            Check(
                "packages",
                Level.STOP,
                f"What trains is not installed here: {', '.join(facts.missing)}",
                'Install it: pip install "smoltui[train]"',
            )
        ]
    if facts.trl is None:
        return [Check("packages", Level.WARN, "Which TRL is installed is not known")]
    if facts.trl.split(".")[:2] != wanted.split(".")[:2]:
        return [
            Check(
                "packages",
                Level.WARN,
                f"The recipe was checked for TRL {wanted}, installed is {facts.trl}",
                f'Install the tested one: pip install "trl=={wanted}"',
            )
        ]
    return [Check("packages", Level.PASS, f"TRL {facts.trl} is installed")]


LESS = "Take an adapter (use_peft: true, lora_target_modules: all-linear, dtype: bfloat16), or a smaller batch."


def _memory(fit: Fit, available: int | None, where: str) -> Check:
    need = f"about {gib(fit.needed)} at the peak"
    match fit.verdict(available):
        case "fits":
            return Check("memory", Level.PASS, f"It needs {need}, {where} has {gib(available)}")
        case "tight":
            return Check(
                "memory", Level.WARN, f"It may run out of memory: it needs {need}, {where} has {gib(available)}", LESS
            )
        case "no":
            return Check("memory", Level.STOP, f"It does not fit: it needs {need}, {where} has {gib(available)}", LESS)
    return Check("memory", Level.WARN, f"It needs {need}; how much {where} has is not known")


UNKNOWN_FIT = Check(
    "memory", Level.WARN, "How much memory it needs is not known: not reckoned for this model and settings"
)


def memory_in_words(fit: Fit | None) -> str:
    """What training takes and the sum it comes from, or that it is not known."""
    return (
        f"memory about {Need('', fit).in_words}" if fit else "memory unknown: not reckoned for this model and settings"
    )


def _memory_here(facts: Facts) -> list[Check]:
    return [
        UNKNOWN_FIT if facts.fit is None else _memory(facts.fit, facts.memory_free, facts.memory_name or "this machine")
    ]


def _output(facts: Facts) -> list[Check]:
    checks = []
    if facts.output is not None:
        name = facts.output.path
        if not facts.output.writable:
            checks.append(
                Check(
                    "output",
                    Level.STOP,
                    f"The model cannot be written to {name}",
                    "Name an output_dir in which you may write.",
                )
            )
        elif facts.output.has_model and not facts.overwrite:
            checks.append(
                Check(
                    "output",
                    Level.STOP,
                    f"The output folder already holds a model: {name}",
                    f"Train into another one: --output-dir {facts.output.free}; or replace it: --overwrite",
                )
            )
        elif facts.output.has_model:
            checks.append(Check("output", Level.WARN, f"The model in the output folder will be replaced: {name}"))
        elif facts.output.checkpoints:
            checks.append(
                Check(
                    "output",
                    Level.WARN,
                    f"{facts.output.checkpoints} checkpoints of another run lie in the output folder: {name}",
                    "Name another output_dir to keep them apart.",
                )
            )
        else:
            checks.append(Check("output", Level.PASS, f"The model goes to {name}"))
    if facts.fit is None or facts.summary.checkpoints is None:
        checks.append(Check("disk", Level.WARN, "How much disk the checkpoints take is not known"))
        return checks
    # The model is saved beside the checkpoints; a checkpoint is three times as large with Adam's states.
    wanted = facts.fit.checkpoint * facts.summary.checkpoints + facts.fit.checkpoint // 3
    of = f"{facts.summary.checkpoints} checkpoints and the model" if facts.summary.checkpoints else "The model"
    take = "take" if facts.summary.checkpoints else "takes"
    if facts.disk_free is None:
        checks.append(Check("disk", Level.WARN, f"{of} {take} {gib(wanted)}; how much disk is free is not known"))
    elif wanted > facts.disk_free:
        checks.append(
            Check(
                "disk",
                Level.STOP,
                f"{of} {take} {gib(wanted)}, free are {gib(facts.disk_free)}",
                "Set save_total_limit or save_only_model: true, or name another output_dir.",
            )
        )
    else:
        checks.append(Check("disk", Level.PASS, f"{of} {take} {gib(wanted)} of {gib(facts.disk_free)} that are free"))
    return checks


def _account(facts: Facts, *, pays: bool) -> list[Check]:
    account = facts.account
    if account is None:
        if problem := facts.account_problem:
            return [Check("account", Level.STOP, problem.sentence, problem.fix)]
        return [Check("account", Level.WARN, "Who pays is not known yet")]
    checks = []
    if account.can_write is False:
        checks.append(
            Check(
                "token",
                Level.STOP,
                f"The token of {account.name} may only read",
                "Make one that may write, then: hf auth login",
            )
        )
    elif account.can_write is None:
        checks.append(
            Check("token", Level.WARN, f"What the token of {account.name} may do is known only when it is used")
        )
    else:
        checks.append(Check("token", Level.PASS, f"The token of {account.name} may write"))
    if pays:
        checks += _payer(account, facts.jobs.namespace)
    return checks


def _payer(account: Account, namespace: str) -> list[Check]:
    payer = namespace or account.name
    if payer not in (account.name, *account.orgs):
        return [
            Check(
                "account",
                Level.STOP,
                f"{account.name} is not a member of the namespace that shall pay: {payer}",
                "Change jobs.namespace in smoltui.toml.",
            )
        ]
    if account.can_pay is False and payer == account.name:
        return [Check("account", Level.WARN, f"{payer} has no payment method; Jobs need a positive balance")]
    return [Check("account", Level.PASS, f"{payer} pays; Jobs need a positive balance, which the Hub does not tell")]


def _flavor(facts: Facts) -> list[Check]:
    wanted, flavor = facts.jobs.flavor, facts.flavor
    if flavor is None:
        if facts.flavors_known:
            return [
                Check(
                    "flavor", Level.STOP, f"The Hub has no flavor of this name: {wanted}", "See them: hf jobs hardware"
                )
            ]
        return [Check("flavor", Level.WARN, f"The Hub's list of flavors was not read, so {wanted} is not checked")]
    if not flavor.count:
        return [
            Check(
                "flavor",
                Level.WARN,
                f"{wanted} has no accelerator",
                'Name one in smoltui.toml: jobs.flavor = "a100-large"',
            )
        ]
    checks = []
    if "T4" in (flavor.accelerator or "").upper().split() and mixed_precision(facts.values) == "bf16":
        # Turing cards (compute capability 7.5) have no bfloat16 units.
        checks.append(
            Check("flavor", Level.STOP, f"{wanted} cannot compute in bf16", "Write bf16: false and fp16: true")
        )
    each = flavor.vram_bytes // flavor.count if flavor.vram_bytes is not None else None
    checks.append(UNKNOWN_FIT if facts.fit is None else _memory(facts.fit, each, f"one {flavor.accelerator or wanted}"))
    return checks


def _time(facts: Facts) -> list[Check]:
    limit, took = facts.jobs.timeout_seconds, facts.duration
    if took is None:
        return [Check("time", Level.WARN, f"How long it takes is not known; the Job is killed after {as_time(limit)}")]
    longer = "Raise jobs.timeout in smoltui.toml."
    span = f"{as_time(took.low)} to {as_time(took.high)} of training ({took.assumed})"
    if took.low > limit:
        return [
            Check(
                "time",
                Level.STOP,
                f"{span}, but the Job is killed after {as_time(limit)}",
                longer,
            )
        ]
    if took.high * 1.2 > limit:
        return [
            Check(
                "time",
                Level.WARN,
                f"{span}; the Job is killed after {as_time(limit)}",
                longer,
            )
        ]
    return [Check("time", Level.PASS, f"{span}; the Job is killed after {as_time(limit)}")]


def _cost(facts: Facts) -> list[Check]:
    if facts.flavor is None or (worst := worst_cost(facts.flavor, facts.jobs.timeout_seconds)) is None:
        return [Check("cost", Level.WARN, "What it costs is not known: the price of the flavor was not read")]
    text = f"At most {usd(worst)}: {as_time(facts.jobs.timeout_seconds)} of {facts.flavor.name}"
    if facts.duration is not None:
        low, high = (worst_cost(facts.flavor, seconds) for seconds in (facts.duration.low, facts.duration.high))
        text += f"; expected {usd(low)} to {usd(high)}"
    return [Check("cost", Level.PASS, text)]


def _repository(facts: Facts) -> list[Check]:
    name, account = facts.values.get("hub_model_id"), facts.account
    if not isinstance(name, str) or "/" not in name or account is None:
        return []
    owner = name.split("/")[0]
    if owner not in (account.name, *account.orgs):
        return [
            Check(
                "repository",
                Level.STOP,
                f"{account.name} cannot push to the namespace of {name}",
                f"Write hub_model_id: {account.name}/{name.split('/', 1)[1]}",
            )
        ]
    return [Check("repository", Level.PASS, f"The model goes to {name}; what is there gets a new commit on top")]
