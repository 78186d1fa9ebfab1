"""What the Hub says about the parts of a plan, as checks: answers in, checks out. Asked before anything is paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.preflight.check import Check
from smoltui.core.preflight.pair_checks import identical_checks
from smoltui.core.recipe import Act, Fix, Level
from smoltui.core.recipe.effective import trackers
from smoltui.core.recipe.fix import edits, writes
from smoltui.core.runs.place import Place
from smoltui.safe_text import safe_line


class Found(StrEnum):
    """What the Hub says about a repository."""

    OPEN = "open"
    """This account can read it."""
    ABSENT = "absent"
    """There is none, or it is private to others."""
    NO_REVISION = "no revision"
    GATED = "gated"
    """It exists, and this account may not read its files."""
    UNKNOWN = "unknown"
    """The Hub did not answer."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the Hub says about the model of a recipe."""

    name: str
    revision: str
    """`main` unless the recipe says otherwise."""
    found: Found
    has_weights: bool = True
    """It has a config.json, or that of an adapter."""
    why: str = ""
    """Why it is not known, one sentence."""
    page: str = ""
    """Address of its page, where access is requested."""


@dataclass(frozen=True, slots=True)
class PairsAnswer:
    """What the Hub and the first rows say about the pairs of a recipe."""

    name: str
    sentence: str = ""
    """What was read, with how it reads; empty if nothing was."""
    problem: str = ""
    """Why they cannot be trained on; empty if they can, or that is not known."""
    fix: str = ""
    warning: str = ""
    """Some of the first rows are not used."""
    unknown: str = ""
    """Why nothing is known; empty if something is."""
    key: str = "dataset_name"
    """The key of the recipe that is wrong; empty if the pairs are."""
    sizes: PairSizes | None = None
    """Of the first rows that are pairs, without their tokens; None if nothing was read."""
    is_whole: bool = False
    """The set has no more rows than these."""


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """What is in the repository that the model is pushed to."""

    name: str
    found: Found
    files: int = 0
    has_model: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class HubAnswers:
    """All that was asked; None where there was nothing to ask."""

    model: ModelAnswer | None = None
    pairs: PairsAnswer | None = None
    target: TargetAnswer | None = None


def hub_checks(answers: HubAnswers) -> list[Check]:
    """The checks that the answers come to."""
    checks: list[Check] = []
    unknown: dict[str, str] = {}
    model, pairs = answers.model, answers.pairs
    if model is not None and model.found is Found.UNKNOWN:
        unknown[model.name] = model.why
    elif model is not None:
        checks.append(_model(model))
    if pairs is not None and pairs.unknown:
        unknown[pairs.name] = pairs.unknown
    elif pairs is not None:
        checks += _pairs(pairs)
    if unknown:
        names, why = ", ".join(safe_line(name, 80) for name in unknown), next(iter(unknown.values()))
        said = f"Not known whether the Hub lets a Job read these: {names}. {safe_line(why, 200)}"
        checks.append(Check("hub", Level.WARN, said, "", Fix(act=Act.AGAIN)))
    return checks


def _model(answer: ModelAnswer) -> Check:
    name, fix = safe_line(answer.name, 120), edits("model_name_or_path")
    match answer.found:
        case Found.ABSENT:
            said = f"The Hub has no such model, or it is private: {name}"
            return Check("model", Level.STOP, said, "Check model_name_or_path.", fix)
        case Found.NO_REVISION:
            said = f"The model {name} has no such revision: {safe_line(answer.revision, 80)}"
            return Check("model", Level.STOP, said, "Fix model_revision.", edits("model_revision"))
        case Found.GATED:
            said = f"The model is gated, and your account does not have access yet: {name}"
            return Check("model", Level.STOP, said, f"Request access at {answer.page}", Fix(copy=answer.page))
    if not answer.has_weights:
        said = f"This repository contains no model (no config.json): {name}"
        return Check("model", Level.STOP, said, "Set another model_name_or_path.", fix)
    return Check("model", Level.PASS, f"The Hub has {name}, and your account can read it")


def _pairs(answer: PairsAnswer) -> list[Check]:
    if answer.problem:
        fix = edits(answer.key) if answer.key else Fix(act=Act.PAIRS)
        return [Check("pairs", Level.STOP, answer.problem, answer.fix, fix)]
    checks = [Check("pairs", Level.PASS, answer.sentence)] if answer.sentence else []
    if answer.warning:
        listed = Fix(act=Act.PAIRS)
        checks.append(Check("unusable rows", Level.WARN, answer.warning, "List them: smoltui pairs", listed))
    if answer.sizes is not None:
        checks += identical_checks(answer.sizes, of_first=not answer.is_whole)
    return checks


def target_check(answer: TargetAnswer) -> Check:
    """The check of a repository that this account may push to."""
    name = safe_line(answer.name, 120)
    match answer.found:
        case Found.ABSENT:
            return Check("repository", Level.PASS, f"Output: {name}, a new repository")
        case Found.UNKNOWN:
            said = f"Output: {name}; not known what is in it: {answer.why}"
            return Check("repository", Level.WARN, said, "", Fix(act=Act.AGAIN))
        case Found.GATED | Found.NO_REVISION:
            return Check("repository", Level.PASS, f"Output: {name}, which is empty")
    count = f"{answer.files} file{'' if answer.files == 1 else 's'}"
    if answer.has_model:
        said = f"{name} already contains a model ({count}); the push adds a commit on top"
        return Check("repository", Level.WARN, said, "For another one, change hub_model_id.", edits("hub_model_id"))
    return Check("repository", Level.PASS, f"Output: {name}, which has {count} and no model")


# -- trackers

KEYS: Mapping[str, tuple[str, ...]] = {
    "wandb": ("WANDB_API_KEY",),
    "comet_ml": ("COMET_API_KEY",),
    "swanlab": ("SWANLAB_API_KEY",),
    "neptune": ("NEPTUNE_API_TOKEN",),
}
"""Value of `report_to` → the variables of which a process without a terminal needs one."""
OFFLINE: Mapping[str, tuple[str, frozenset[str]]] = {
    "wandb": ("WANDB_MODE", frozenset({"offline", "disabled", "dryrun"})),
    "swanlab": ("SWANLAB_MODE", frozenset({"local", "offline", "disabled"})),
}
"""Value of `report_to` → the variable, and its values with which no key is needed."""
INSTALLED = frozenset({"none", "None", "all", "trackio", "tensorboard", "mlflow", "", "wandb", "comet_ml", "swanlab"})
"""Values of `report_to` whose package the training has, or that `core.recipe.packages` adds."""


def tracker_checks(
    values: Mapping[str, Any],
    place: Place,
    *,
    names: Sequence[str],
    env: Mapping[str, str],
    logged_in: Sequence[str] = (),
) -> list[Check]:
    """What `report_to` needs: its package, and its key, which a Job only has as a secret.

    `names`: variables that the training will have. `env`: those of them whose value is known. `logged_in`: trackers
    that have stored a key on this machine.
    """
    checks = []
    for tracker in trackers(values):
        if place.pays and tracker not in INSTALLED:
            said = f"A {place.run} has no package for report_to: {safe_line(tracker, 40)}"
            checks.append(Check("report_to", Level.STOP, said, "Write report_to: none", writes(report_to="none")))
            continue
        variable, modes = OFFLINE.get(tracker, ("", frozenset()))
        if tracker not in KEYS or (variable and env.get(variable) in modes):
            continue
        if tracker in logged_in or any(name in names for name in KEYS[tracker]):
            checks.append(Check("report_to", Level.PASS, f"{tracker} has its key"))
            continue
        key = KEYS[tracker][0]
        if place.pays:
            said = f"report_to: {tracker} needs {key}, which the {place.run} does not have"
            how = f'Add it to smoltui.toml: jobs.secrets = ["{key}"], or write report_to: none'
        else:
            said = f"report_to: {tracker} needs {key}, which is not set"
            how = f"Set {key}, or write report_to: none"
        checks.append(Check("report_to", Level.STOP, said, how, writes(report_to="none")))
    return checks
