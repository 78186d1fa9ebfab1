"""Checks of a run of lm_eval on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smoltui.core.evaluation.benchmark_checks import rehearsal
from smoltui.core.evaluation.benchmark_command import LM_EVAL, LmEvalCommand
from smoltui.core.evaluation.benchmark_task_checks import lm_eval_tasks
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level

PASS, WARN, STOP = Level.PASS, Level.WARN, Level.STOP


@dataclass(frozen=True, slots=True)
class LocalFacts:
    """What is known about this machine for lm_eval."""

    missing: Sequence[str] = ()
    """Packages of the train extra that are not installed."""
    version: str | None = None
    """Installed lm_eval; None if it is not installed."""
    has_template: bool | None = None
    """Whether the model has a chat template; None if only the Hub knows."""
    is_broken: str = ""
    """Why the model's files can't be used; empty if nothing is known to be wrong."""
    offline: bool = False
    """HF_HUB_OFFLINE is set."""


INSTALL = "Install it: pip install 'smoltui[train,bench]'"


def check_lm_eval(command: LmEvalCommand, facts: LocalFacts) -> list[Check]:
    """The checks of a run of lm_eval on this machine."""
    checks = [*lm_eval_tasks(command, offline=facts.offline), *_packages(facts), *_local_model(command, facts)]
    return [*checks, *rehearsal(command.max_samples)]


def _packages(facts: LocalFacts) -> Iterator[Check]:
    if facts.missing:
        yield Check("packages", STOP, f"Packages aren't installed: {', '.join(facts.missing)}", INSTALL)
    if facts.version is None:
        yield Check("lm_eval", STOP, "lm_eval isn't installed", INSTALL)
    elif facts.version != LM_EVAL:
        yield Check(
            "lm_eval",
            WARN,
            f"lm_eval {LM_EVAL} is the version that was tried out; {facts.version} is installed",
            f"Install it: pip install lm_eval=={LM_EVAL}",
        )
    else:
        yield Check("lm_eval", PASS, f"lm_eval {facts.version} is installed")


def _local_model(command: LmEvalCommand, facts: LocalFacts) -> Iterator[Check]:
    for path in filter(None, (command.model, command.adapter)):
        if "," in path:
            yield Check(
                "model",
                STOP,
                f"lm_eval separates its arguments by commas, and this path has a comma: {path}",
                "Rename the folder, or move the project.",
            )
    if facts.is_broken:
        yield Check("model", STOP, facts.is_broken, "Train again with t.")
    if facts.has_template is False:
        yield Check(
            "template",
            STOP,
            f"This model has no chat template, which the questions need: {command.model}",
            "Use a model with a chat template, such as HuggingFaceTB/SmolLM3-3B.",
        )
    if command.adapter is not None:
        yield Check("adapter", PASS, "The LoRA adapter is used as it is, without merging")
