"""Checks of a benchmark run before anything is paid for: facts in, a list of checks out.

LightEval 0.13.0 with the newest packages and the course's command fails in eight ways, most of them late (each was
tried out; `smoltui docs harnesses` lists them). Each has a check here, with its reason and the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from smoltui.core.evaluation.benchmark_command import (
    LIGHTEVAL,
    PINS,
    TRANSFORMERS,
    LightEvalCommand,
)
from smoltui.core.evaluation.benchmark_job_checks import JobFacts, check_job, check_limits
from smoltui.core.evaluation.benchmark_task_checks import lighteval_tasks
from smoltui.core.preflight.check import Check, Problem
from smoltui.core.recipe import Level

PASS, WARN, STOP = Level.PASS, Level.WARN, Level.STOP


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known about the model on the Hub; None: not asked, or nobody answered."""

    is_public: bool | None = None
    """Whether it can be read without a token."""
    is_adapter: bool | None = None
    problem: Problem | None = None
    """Why it could not be asked for."""


def check_lighteval(
    command: LightEvalCommand, model: ModelFacts | None = None, job: JobFacts | None = None
) -> list[Check]:
    """The checks of a LightEval run. Without `model` or `job`, only what the command itself says is checked."""
    checks = [*lighteval_tasks(command), *_pins(command), *_backend(command), *_model_args(command)]
    checks += _adapter(command, model)
    if model is not None:
        checks += _public_model(command, model)
    checks += [*_results(command), *_network(command)]
    if command.on_jobs:
        checks += [*check_limits(command)]
    if job is not None:
        checks += [*check_job(command, job)]
    return [*checks, *rehearsal(command.max_samples)]


def _pins(command: LightEvalCommand) -> Iterator[Check]:
    wanted: dict[str, str] = {canonicalize_name(Requirement(pin).name): pin for pin in PINS}
    given: dict[str, Requirement] = {}
    for text in command.pins:
        try:
            found = Requirement(text)
        except InvalidRequirement:
            yield Check("pins", STOP, f"pip can't read this requirement: {text}", f"Use: {' '.join(PINS)}")
            continue
        given[canonicalize_name(found.name)] = found

    def allows(name: str, version: str) -> bool:
        requirement = given.get(canonicalize_name(name))
        return requirement is None or requirement.specifier.contains(version)

    problems = []
    if allows("huggingface_hub", "2.0.0") or allows("huggingface_hub", "2.4.0"):
        problems.append(
            Check(
                "pin huggingface_hub",
                STOP,
                "huggingface_hub 2 would be installed: LightEval calls list_models(model_name=…), which it dropped",
                "Add: --with 'huggingface_hub<2'",
            )
        )
    if allows("xxhash", "4.0.0") or allows("xxhash", "4.1.0"):
        problems.append(
            Check(
                "pin xxhash",
                STOP,
                "xxhash 4 would be installed: LightEval then fails after the whole run, before results are written "
                "(Strings must be encoded before hashing)",
                "Add: --with 'xxhash<4'",
            )
        )
    yield from problems
    for name, version in (("lighteval", LIGHTEVAL), ("transformers", TRANSFORMERS)):
        requirement = given.get(name)
        if requirement is None or not (requirement.specifier.contains(version) and _is_exact(requirement)):
            said = f"{requirement}" if requirement is not None else "not pinned"
            yield Check(
                f"pin {name}",
                WARN,
                f"{name} {version} is the version that was tried out; here: {said}",
                f"Use: --with {wanted[name]}",
            )
    if not problems:
        yield Check("pins", PASS, f"Pinned to versions that run: {', '.join(map(str, given.values()))}")


def _is_exact(requirement: Requirement) -> bool:
    return any(part.operator == "==" for part in requirement.specifier)


def _backend(command: LightEvalCommand) -> Iterator[Check]:
    if command.backend == "accelerate":
        yield Check("backend", PASS, "lighteval accelerate loads models saved by transformers 5")
    elif command.backend == "vllm":
        yield Check(
            "backend",
            STOP,
            "LightEval's vllm command requires vLLM below 0.10.2, which can't load a model saved by transformers 5",
            "Use lighteval accelerate instead of lighteval vllm.",
        )
    else:
        yield Check(
            "backend", WARN, f"Not tried out with smoltui: lighteval {command.backend}", "Use lighteval accelerate."
        )


def _model_args(command: LightEvalCommand) -> Iterator[Check]:
    if "pretrained=" in command.more_model_args:
        yield Check("model", STOP, "LightEval refuses the key pretrained", f"Write model_name={command.model}.")
    if not command.model or any(sign in command.model for sign in ",="):
        yield Check(
            "model",
            STOP,
            f"The model's name is missing or has a comma or an equals sign: {command.model or 'none'}",
            "LightEval separates its arguments by commas: use a repository as owner/name.",
        )
    elif command.on_jobs and (command.model.count("/") != 1 or command.model.startswith((".", "/", "~", "<"))):
        yield Check(
            "model",
            STOP,
            f"A Job can only load a model from the Hub: {command.model}",
            "Push it first (push_to_hub in the recipe, or hf upload USER/MODEL FOLDER), then name it as USER/MODEL "
            "(--hub-model).",
        )
    elif command.model.startswith(("/", "~")):
        yield Check(
            "model",
            STOP,
            "With an absolute path, LightEval writes its cache into the model's folder, and answers with old figures "
            "when the weights at this path change",
            "Give a relative path and a new cache_dir.",
        )
    prompt = command.system_prompt
    if prompt is not None and any(sign in prompt for sign in "\"'"):
        yield Check(
            "thinking", STOP, f"Quotes become part of the system prompt: {prompt}", "Write system_prompt=/no_think."
        )
    elif prompt is None:
        yield Check(
            "thinking",
            WARN,
            "Without a system prompt, SmolLM3 thinks: tasks that generate one token then score 0",
            "Add system_prompt=/no_think to the model's arguments.",
        )


def _adapter(command: LightEvalCommand, model: ModelFacts | None) -> Iterator[Check]:
    told = any(part.lower() == "adapter_weights=true" for part in command.more_model_args)
    if told or (model is not None and model.is_adapter):
        yield Check(
            "adapter",
            STOP,
            "LightEval can't load a LoRA adapter: it demands exactly peft 0.3.0 and refuses newer ones",
            "Merge the adapter and push the merged model, or use lm_eval, which takes adapters as they are.",
        )
    elif model is not None and model.is_adapter is False:
        yield Check("adapter", PASS, "A full model, not an adapter")


def _public_model(command: LightEvalCommand, model: ModelFacts) -> Iterator[Check]:
    if model.problem is not None:
        yield Check("model", WARN, model.problem.sentence, model.problem.fix)
    if model.is_public is False and command.results_org is not None:
        yield Check(
            "public model",
            STOP,
            f"This model is private or doesn't exist, but its results would be public: {command.model}",
            "Make it public on its settings page; the leaderboard only takes public models.",
        )
    elif model.is_public:
        yield Check("public model", PASS, f"{command.model} is public")


def _results(command: LightEvalCommand) -> Iterator[Check]:
    if command.results_org is None:
        if command.on_jobs:
            yield Check(
                "results",
                STOP,
                "The results are lost: a Job's disk is deleted at its end, and nothing is pushed",
                "Add: --push-to-hub --results-org USER --public-run",
            )
        elif command.output_dir is None:
            yield Check(
                "results", WARN, "The results go to ./results, and nothing is pushed", "Set --output-dir FOLDER."
            )
    elif not command.public:
        yield Check(
            "public results",
            STOP,
            "The results dataset would be private: the leaderboard can't read it",
            "Add: --public-run",
        )
    else:
        yield Check("public results", PASS, f"Results go to {command.results_dataset}, which is public")


def _network(command: LightEvalCommand) -> Iterator[Check]:
    if command.offline:
        yield Check(
            "network",
            STOP,
            "Without network LightEval doesn't start: its list of tasks downloads tinyBenchmarks.pkl from "
            "raw.githubusercontent.com, and tasks download their data sets",
            "Run it where there is network. For tasks of your own, create an empty file "
            "lighteval/tasks/tasks/tinyBenchmarks.pkl in its environment.",
        )


def rehearsal(max_samples: int | None) -> Iterator[Check]:
    """That only some questions are asked."""
    if max_samples is not None:
        yield Check(
            "rehearsal",
            WARN,
            f"A rehearsal: only the first {max_samples} questions of each task. Its figures can't be submitted",
            "Leave out --max-samples for figures that count.",
        )
