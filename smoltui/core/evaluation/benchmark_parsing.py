"""Reads a LightEval command that a person wrote, such as the one of the course, so that it can be checked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from smoltui.core.evaluation.benchmark_command import LightEvalCommand
from smoltui.errors import InputError

HINT = "Such as: hf jobs uv run --with lighteval==0.13.0 … lighteval accelerate model_name=USER/MODEL 'gsm8k|0'"
JOB_OPTIONS = frozenset(
    {
        "--flavor",
        "--timeout",
        "--namespace",
        "--secrets",
        "-s",
        "--secrets-file",
        "--env",
        "-e",
        "--env-file",
        "--with",
        "--python",
        "-p",
        "--image",
        "--label",
        "-l",
        "--volume",
        "-v",
        "--name",
        "--token",
        "--from",
    }
)
"""Options with a value before the command, of `hf jobs run`, `hf jobs uv run`, `uv run` and `uvx`."""
OWN_OPTIONS = frozenset(
    {
        "--custom-tasks",
        "--output-dir",
        "--max-samples",
        "--results-org",
        "--results-path-template",
        "--dataset-loading-processes",
        "--num-fewshot-seeds",
        "--load-responses-from-details-date-id",
        "--remove-reasoning-tags",
        "--reasoning-tags",
        "--job-id",
        "--wandb",
    }
)
"""LightEval's options with a value."""
MODEL_ARGS = frozenset({"model_name", "pretrained", "dtype", "batch_size", "system_prompt", "cache_dir"})
"""Parts of LightEval's model argument that have a field."""
YES = ("1", "true", "yes", "on")


@dataclass
class _Read:
    """Options by name, in order, and the words between them."""

    options: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def all(self, *names: str) -> list[str]:
        return [value for name, value in self.options if name in names]

    def last(self, *names: str) -> str | None:
        return next(reversed(self.all(*names)), None)


def read_command(text: str) -> LightEvalCommand:
    """The LightEval run in a line of shell: `lighteval …` alone, or behind `uv run`, `uvx` or `hf jobs … run`.

    What the line leaves out is what it would do without: no pins, no timeout, private results.

    Raises:
        InputError: it is not such a command.
    """
    before, inside = _around_lighteval(text)
    outer, inner = _read(before, JOB_OPTIONS), _read(inside, OWN_OPTIONS)
    if len(inner.words) < 3:
        raise InputError("This LightEval command lacks its model or its tasks", HINT)
    backend, model_args, tasks = inner.words[:3]
    own = dict(part.partition("=")[::2] for part in model_args.split(",") if part)
    return LightEvalCommand(
        model=own.get("model_name", own.get("pretrained", "")),
        tasks=tuple(task.strip() for task in tasks.split(",") if task.strip()),
        pins=tuple(pin for value in outer.all("--with") for pin in _requirements(value)),
        python=outer.last("--python", "-p"),
        backend=backend,
        dtype=own.get("dtype"),
        batch_size=_whole(own.get("batch_size")),
        system_prompt=own.get("system_prompt"),
        more_model_args=_more_model_args(own),
        results_org=inner.last("--results-org") if "--push-to-hub" in inner.words else None,
        public="--public-run" in inner.words,
        max_samples=_whole(inner.last("--max-samples")),
        custom_tasks=inner.last("--custom-tasks"),
        output_dir=inner.last("--output-dir"),
        cache_dir=own.get("cache_dir"),
        on_jobs="jobs" in outer.words,
        flavor=outer.last("--flavor"),
        timeout=outer.last("--timeout"),
        namespace=outer.last("--namespace"),
        secrets=tuple(value.partition("=")[0] for value in outer.all("--secrets", "-s")),
        offline=_is_offline(outer),
    )


def _around_lighteval(text: str) -> tuple[list[str], list[str]]:
    """The words before and after `lighteval`. Raises InputError without it, or for unbalanced quotes."""
    try:
        argv = shlex.split(text.replace("\\\n", " "))
    except ValueError as error:
        raise InputError(f"This command cannot be read: {error}", HINT) from error
    places = [place for place, word in enumerate(argv) if word == "lighteval"]
    if not places:
        raise InputError("This is not a LightEval command", HINT)
    return argv[: places[-1]], argv[places[-1] + 1 :]


def _more_model_args(own: Mapping[str, str]) -> tuple[str, ...]:
    """What has no field of its own, and that the model was given under its old name."""
    more = [f"{key}={value}" for key, value in own.items() if key not in MODEL_ARGS]
    return (*more, "pretrained=") if "pretrained" in own else tuple(more)


def _is_offline(outer: _Read) -> bool:
    """Whether a variable, before the command or in an option, keeps the run from asking the Hub."""
    words = [*outer.words, *outer.all("--env", "-e")]
    variables = dict(word.partition("=")[::2] for word in words if "=" in word)
    return variables.get("HF_HUB_OFFLINE", "").lower() in YES


def _read(words: Sequence[str], with_value: frozenset[str]) -> _Read:
    """Options with their values; other options count as words."""
    found, rest = _Read(), list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in with_value and (equals or rest):
            found.options.append((name, value if equals else rest.pop(0)))
        else:
            found.words.append(word)
    # Words of LightEval's own come before its switches, which the caller looks for by name.
    found.words.sort(key=lambda word: word.startswith("--"))
    return found


def _requirements(value: str) -> list[str]:
    """The requirements in a value of `--with`, which may hold several: `a,b<2`, but `a>=1,<2` is one."""
    found: list[str] = []
    for part in value.split(","):
        if found and part.strip()[:1] in "<>=!~":
            found[-1] += f",{part.strip()}"
        elif part.strip():
            found.append(part.strip())
    return found


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
