"""The commands that run benchmarks: LightEval as a Job, and lm_eval on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

LIGHTEVAL = "0.13.0"
LM_EVAL = "0.4.13"
TRANSFORMERS = "5.23.0"
"""As in the train extra: the model was saved by it."""
PINS = (f"lighteval=={LIGHTEVAL}", "huggingface_hub<2", "xxhash<4", f"transformers=={TRANSFORMERS}")
"""What LightEval runs with. With the newest huggingface_hub it finds no tasks, with the newest xxhash it fails after
the whole run, before results are written (lighteval issue 1330)."""
PYTHON = "3.11"
NO_THINKING = "/no_think"
"""System prompt that makes SmolLM3's chat template turn thinking off. Unquoted: quotes would become part of it."""
BATCH_SIZE = 8
TOKEN_SECRET = "HF_TOKEN"


@dataclass(frozen=True, slots=True)
class LightEvalCommand:
    """A LightEval run. The defaults are those that work; other values come from commands that a person wrote."""

    model: str
    """Hub id as owner/name; a folder must be relative, or LightEval writes its cache into it."""
    tasks: tuple[str, ...]
    pins: tuple[str, ...] = PINS
    """Requirements of its environment, as pip reads them."""
    python: str | None = PYTHON
    backend: str = "accelerate"
    """LightEval's own command: accelerate, vllm, …"""
    dtype: str | None = "bfloat16"
    batch_size: int | None = BATCH_SIZE
    system_prompt: str | None = NO_THINKING
    """None: thinking stays on."""
    more_model_args: tuple[str, ...] = ()
    """Further KEY=VALUE of the model."""
    results_org: str | None = None
    """User or organization that gets the results dataset; None: nothing is pushed."""
    public: bool = True
    """The results dataset is public, as the leaderboard needs it."""
    max_samples: int | None = None
    """Only the first questions of each task: a rehearsal. None: all."""
    custom_tasks: str | None = None
    """Python file with tasks of your own."""
    output_dir: str | None = None
    cache_dir: str | None = None
    """Where answers are cached, by configuration and not by weights; None: LightEval's own folder."""
    on_jobs: bool = False
    """Whether `flavor`, `timeout`, `namespace` and `secrets` apply."""
    flavor: str | None = None
    timeout: str | None = None
    """In the format of Jobs, such as 3h; None: 30 minutes, the Hub's default."""
    namespace: str | None = None
    """Who pays; None: the token's account."""
    secrets: tuple[str, ...] = (TOKEN_SECRET,)
    offline: bool = False
    """It runs without network."""

    @property
    def is_rehearsal(self) -> bool:
        return self.max_samples is not None

    @property
    def results_dataset(self) -> str | None:
        """Id of the dataset that gets the results; None if nothing is pushed (LightEval 0.13, `EvaluationTracker`)."""
        if self.results_org is None:
            return None
        return f"{self.results_org}/details_{self.model.replace('/', '__')}{'' if self.public else '_private'}"

    def model_args(self) -> str:
        """The first argument of LightEval."""
        values = {
            "model_name": self.model,
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "system_prompt": self.system_prompt,
            "cache_dir": self.cache_dir,
        }
        return ",".join(
            [*(f"{key}={value}" for key, value in values.items() if value is not None), *self.more_model_args]
        )

    def lighteval(self) -> list[str]:
        """The command inside its environment."""
        argv = ["lighteval", self.backend, self.model_args(), ",".join(self.tasks)]
        if self.custom_tasks is not None:
            argv += ["--custom-tasks", self.custom_tasks]
        if self.output_dir is not None:
            argv += ["--output-dir", self.output_dir]
        if self.max_samples is not None:
            argv += ["--max-samples", str(self.max_samples)]
        if self.results_org is not None:
            argv += ["--push-to-hub", "--results-org", self.results_org, *(["--public-run"] if self.public else [])]
        return [*argv, "--save-details"]

    def environment(self) -> list[str]:
        """Options of `uv run` for its environment."""
        python = [] if self.python is None else ["--python", self.python]
        return [*python, *(word for pin in self.pins for word in ("--with", pin))]

    def in_container(self) -> list[str]:
        """The command of the Job's container: what `hf jobs uv run` makes of it."""
        return ["uv", "run", *self.environment(), *self.lighteval()]

    def hf_jobs(self) -> list[str]:
        """The command that a person would type to start the Job."""
        argv = ["hf", "jobs", "uv", "run"]
        for option, value in (("flavor", self.flavor), ("timeout", self.timeout), ("namespace", self.namespace)):
            argv += [] if value is None else [f"--{option}", value]
        argv += [word for name in self.secrets for word in ("--secrets", name)]
        return [*argv, *self.environment(), *self.lighteval()]


@dataclass(frozen=True, slots=True)
class LmEvalCommand:
    """A run of lm_eval on this machine."""

    model: str
    """Folder or Hub id; for an adapter, of its base model."""
    tasks: tuple[str, ...]
    output_path: str
    """Folder for the results."""
    revision: str | None = None
    """Commit, branch or tag of a model on the Hub."""
    adapter: str | None = None
    """Folder or Hub id of a LoRA adapter, used without merging."""
    dtype: str | None = None
    """None: as saved."""
    device: str | None = None
    """cuda, mps or cpu; None: lm_eval chooses."""
    batch_size: int = BATCH_SIZE
    thinking: bool = False
    task_folder: str | None = None
    """Folder with task files (YAML) of your own."""
    max_samples: int | None = None
    """Only the first questions of each task: a rehearsal. None: all."""

    @property
    def is_rehearsal(self) -> bool:
        return self.max_samples is not None

    def model_args(self) -> str:
        """The value of `--model_args`."""
        values = {
            "pretrained": self.model,
            "revision": self.revision,
            "peft": self.adapter,
            "dtype": self.dtype,
            "enable_thinking": self.thinking,
        }
        return ",".join(f"{key}={value}" for key, value in values.items() if value is not None)

    def lm_eval(self) -> list[str]:
        """The command that a person would type."""
        argv = ["lm_eval", "run", "--model", "hf", "--model_args", self.model_args(), "--tasks", ",".join(self.tasks)]
        if self.task_folder is not None:
            argv += ["--include_path", self.task_folder]
        if self.device is not None:
            argv += ["--device", self.device]
        argv += ["--batch_size", str(self.batch_size), "--apply_chat_template"]
        if self.max_samples is not None:
            argv += ["--limit", str(self.max_samples)]
        return [*argv, "--output_path", self.output_path]


def in_shell(argv: Sequence[str]) -> str:
    """A command in one line, quoted for a shell."""
    return shlex.join(argv)
