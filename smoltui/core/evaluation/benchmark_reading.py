"""The results files of LightEval 0.13 and lm_eval 0.4, decoded: foreign text, so every type is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from smoltui.core.evaluation.benchmark_command import NO_THINKING
from smoltui.core.evaluation.benchmark_result import BenchmarkResult, Metric, TaskResult
from smoltui.core.evaluation.benchmark_tasks import Harness
from smoltui.core.foreign.server_values import finite

MOST_TASKS = 2000
"""Tasks of one file; a few hundred are the most that a harness has in one group."""
LONGEST = 400
"""Characters of a name."""
MORE_PINS = ("transformers",)
"""What lm_eval records besides its own version."""

_STAMP = re.compile(r"results_(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)(?:\.\d+)?(?:\.json)?$")


class NotResultsError(ValueError):
    """Not the results of a harness; the message completes "This file can't be read as results: …"."""


def read_results(
    data: object, *, name: str, source: str, role: str, pins: tuple[str, ...] = (), job: str | None = None
) -> BenchmarkResult:
    """The results in a decoded file.

    `name` is the file's name, which has the time of a LightEval run. `pins`: what it ran with, for LightEval, which
    does not record it.

    Raises:
        NotResultsError: neither LightEval's nor lm_eval's, or without any figure.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("results"), Mapping):
        raise NotResultsError("it has no results")
    if isinstance(data.get("config_general"), Mapping):
        found = _lighteval(data, name, source, role, pins, job)
    elif isinstance(data.get("config"), Mapping) and ("lm_eval_version" in data or "n-shot" in data):
        found = _lm_eval(data, source, role, job)
    else:
        raise NotResultsError("it is neither LightEval's nor lm_eval's")
    if not any(task.metrics for task in found.tasks):
        raise NotResultsError("it has no figure of any task")
    return found


def stamp_of(name: str) -> float | None:
    """When the run of a results file ended, by its name; seconds since the epoch, its clock taken for UTC."""
    found = _STAMP.search(name)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}:{found[3]}:{found[4]}").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


# -- LightEval


def _lighteval(
    data: Mapping[str, Any], name: str, source: str, role: str, pins: tuple[str, ...], job: str | None
) -> BenchmarkResult:
    general = data["config_general"]
    model = _mapping(general.get("model_config"))
    prompt = model.get("system_prompt")
    seconds = general.get("total_evaluation_time_secondes")  # as LightEval spells it
    at = stamp_of(name)
    return BenchmarkResult(
        harness=Harness.LIGHTEVAL,
        pins=pins,
        role=role,
        model=_word(general.get("model_name")) or _word(model.get("model_name")) or "unknown",
        revision=_word(model.get("revision")),
        adapter=None,
        thinking=None if prompt is None else prompt != NO_THINKING,
        date=None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d"),
        max_samples=_count(general.get("max_samples")),
        at=at,
        seconds=_number(seconds),
        source=source,
        job=job,
        tasks=tuple(_lighteval_tasks(data)),
    )


def _lighteval_tasks(data: Mapping[str, Any]) -> Iterator[TaskResult]:
    """The tasks with their own metrics: with several tasks, LightEval lists each metric as 0.0 for all of them."""
    configs, results = _mapping(data.get("config_tasks")), data["results"]
    for key in list(configs)[:MOST_TASKS]:
        values = results.get(key)
        if not isinstance(key, str) or not isinstance(values, Mapping):
            continue
        config = _mapping(configs[key])
        metrics = []
        for entry in _list(config.get("metrics")):
            one = _mapping(entry)
            names = one.get("metric_name")
            for metric in names if isinstance(names, list) else [names]:
                if isinstance(metric, str) and metric in values:
                    better = one.get("higher_is_better")
                    if isinstance(better, Mapping):  # of a group of metrics
                        better = better.get(metric)
                    metrics.append(_metric(metric, values[metric], values.get(f"{metric}_stderr"), better))
        shots = key.rpartition("|")[2]
        yield TaskResult(
            key[:LONGEST],
            int(shots) if shots.isascii() and shots.isdecimal() and len(shots) < 10 else None,
            _count(config.get("effective_num_docs")),
            tuple(metrics),
        )


# -- lm_eval


def _lm_eval(data: Mapping[str, Any], source: str, role: str, job: str | None) -> BenchmarkResult:
    config = data["config"]
    given = config.get("model_args")
    arguments = given if isinstance(given, Mapping) else _split(given)
    thinking = arguments.get("enable_thinking")
    if isinstance(thinking, str):
        thinking = {"true": True, "false": False}.get(thinking.lower())
    at = finite(data.get("date"))
    return BenchmarkResult(
        harness=Harness.LM_EVAL,
        pins=tuple(_lm_eval_pins(data)),
        role=role,
        model=_word(arguments.get("pretrained")) or _word(data.get("model_name")) or "unknown",
        revision=_word(config.get("model_sha")) or _word(arguments.get("revision")),
        adapter=_word(arguments.get("peft")),
        thinking=thinking if isinstance(thinking, bool) else None,
        date=None,
        max_samples=_count(config.get("limit")),
        at=at,
        seconds=_number(data.get("total_evaluation_time_seconds")),
        source=source,
        job=job,
        tasks=tuple(_lm_eval_tasks(data)),
    )


def _lm_eval_pins(data: Mapping[str, Any]) -> Iterator[str]:
    if version := _word(data.get("lm_eval_version")):
        yield f"lm_eval=={version}"
    for package in MORE_PINS:
        if version := _word(data.get(f"{package}_version")):
            yield f"{package}=={version}"


def _lm_eval_tasks(data: Mapping[str, Any]) -> Iterator[TaskResult]:
    """The tasks and groups, without the parts of a group: mmlu has 57 of them."""
    groups = _mapping(data.get("group_subtasks"))
    inside = {part for parts in groups.values() for part in _list(parts) if isinstance(part, str)}
    shots, samples = _mapping(data.get("n-shot")), _mapping(data.get("n-samples"))
    better = _mapping(data.get("higher_is_better"))
    for key in list(data["results"])[:MOST_TASKS]:
        values = data["results"][key]
        if key in inside or not isinstance(key, str) or not isinstance(values, Mapping):
            continue
        metrics = []
        for name, value in values.items():
            metric, comma, filters = str(name).partition(",")
            if not comma or metric.endswith("_stderr") or isinstance(value, str | bool):
                continue
            shown = metric if filters == "none" else f"{metric},{filters}"
            error = values.get(f"{metric}_stderr,{filters}")
            metrics.append(_metric(shown, value, error, _mapping(better.get(key)).get(metric)))
        items = _mapping(samples.get(key)).get("effective")
        if items is None:
            items = values.get("sample_len")
        yield TaskResult(key[:LONGEST], _count(shots.get(key), least=0), _count(items), tuple(metrics))


def _split(text: object) -> dict[str, str]:
    """`pretrained=…,peft=…` as a mapping."""
    parts = text.split(",") if isinstance(text, str) else []
    return {key: value for key, _, value in (part.partition("=") for part in parts)}


# -- values


def _metric(name: str, value: object, stderr: object, better: object) -> Metric:
    return Metric(name[:LONGEST], finite(value), finite(stderr), better is not False)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: object) -> str | None:
    return value[:LONGEST] if isinstance(value, str) and value else None


def _count(value: object, *, least: int = 1) -> int | None:
    """A whole number; None for what says that it is unknown (null, -1) or is no number."""
    number = finite(value)
    return int(number) if number is not None and number >= least else None


def _number(value: object) -> float | None:
    """A number that may be written as text."""
    if isinstance(value, str):
        try:
            return finite(float(value))
        except ValueError:
            return None
    return finite(value)
