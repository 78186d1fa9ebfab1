"""A recipe in numbers: pairs per step, steps, epochs, checkpoints; and the command that does the same by hand."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smoltui.core.recipe.effective import get
from smoltui.core.recipe.keys import snapshot
from smoltui.core.recipe.values import MOST, typed
from smoltui.core.runs.place import Target
from smoltui.core.settings.settings import JobSettings

MOUNT = "/project"
"""Mount point of the project folder in a Job that needs more than the recipe."""

_SLICE = re.compile(r"\w+\[(?:(\d{1,15})?:(\d{1,15})?)\]")


@dataclass(frozen=True, slots=True)
class Summary:
    """A recipe in numbers; None if the recipe alone does not determine it."""

    pairs_per_step: int
    """Batch × accumulation × devices."""
    steps: int | None
    """Optimizer steps; None if determined by epochs and an unknown number of pairs."""
    epochs: float | None
    """Passes over the pairs; None if steps are set and the number of pairs is unknown."""
    rows: int | None
    """Pairs for training."""
    warmup: int | None
    """Steps of warm-up."""
    checkpoints: int | None
    """Checkpoints on disk at the end, in addition to the model."""

    def as_json(self) -> dict[str, Any]:
        return {
            "pairs_per_step": self.pairs_per_step,
            "steps": self.steps,
            "epochs": self.epochs,
            "rows": self.rows,
            "warmup_steps": self.warmup,
            "checkpoints": self.checkpoints,
        }

    @property
    def sentence(self) -> str:
        """For example `16 pairs per step · 1 000 steps · 1.6 epochs of 10 000 pairs`."""
        parts = [f"{self.pairs_per_step} pair{'s' if self.pairs_per_step != 1 else ''} per step"]
        steps = "step" if self.steps == 1 else "steps"
        parts.append(f"{self.steps:,} {steps}" if self.steps is not None else "steps unknown")
        if self.epochs is not None:
            of = f" of {self.rows:,} pairs" if self.rows is not None else ""
            parts.append(f"{self.epochs:.3g} epoch{'' if self.epochs == 1 else 's'}{of}")
        else:
            parts.append("epochs unknown")
        return " · ".join(parts)


def summarise(values: Mapping[str, Any], rows: int | None = None, devices: int = 1) -> Summary:
    """`rows` is the number of pairs if known; otherwise it comes from slices such as train[:1000]."""
    batch = _int(values, "per_device_train_batch_size")
    accumulation = _int(values, "gradient_accumulation_steps")
    rows = rows_of(values) if rows is None else rows
    planned = _int(values, "max_steps", -1)
    a_pass = math.ceil(math.ceil(rows / (batch * devices)) / accumulation) if rows else None
    if planned > 0:
        steps: int | None = planned
        epochs = planned / a_pass if a_pass else None
    else:
        epochs = _float(values, "num_train_epochs")
        steps = math.ceil(epochs * a_pass) if a_pass else None
    return Summary(
        pairs_per_step=batch * accumulation * devices,
        steps=steps,
        epochs=epochs,
        rows=rows,
        warmup=_share(_float(values, "warmup_steps"), steps),
        checkpoints=_checkpoints(values, steps, epochs),
    )


def epochs_of(values: Mapping[str, Any], rows: int | None = None, devices: int = 1) -> float | None:
    """Passes over the pairs; None if they would have to be counted first."""
    return summarise(values, rows, devices).epochs


def rows_of(values: Mapping[str, Any]) -> int | None:
    """Upper bound of the pairs, from the slices of `datasets` (`train[:1000]`); None if a split is not sliced."""
    sources = values.get("datasets")
    if not isinstance(sources, list) or not sources:
        return None
    total = 0
    for source in sources:
        found = _SLICE.fullmatch(str(source.get("split", "train"))) if isinstance(source, Mapping) else None
        if found is None or found[2] is None:
            return None
        total += max(0, int(found[2]) - int(found[1] or 0))
    return total


def command(
    target: Target,
    *,
    recipe: str = "recipe.yaml",
    script: str = "dpo.py",
    beside: Sequence[str] = (),
    output_dir: str = "",
    jobs: JobSettings | None = None,
    ships_project: bool = False,
) -> str:
    """The command that does the same by hand, to be run in the project folder, quoted for a shell.

    `script` is the path of smoltui's training script and `beside` those of files needed next to it; both are used for a
    Job (`target` JOB), where the options are those of smoltui.toml (`jobs`) and `output_dir` is a folder in the Job.
    `ships_project`: the recipe names local files, so the folder is mounted in the Job. The token is named, not written.
    """
    if target == Target.LOCAL:
        return shlex.join(["trl", "dpo", "--config", recipe])
    jobs = jobs or JobSettings()
    words = ["hf", "jobs", "uv", "run", "--flavor", jobs.flavor, "--timeout", jobs.timeout, "--secrets", "HF_TOKEN"]
    if jobs.namespace:
        words += ["--namespace", jobs.namespace]
    for name, value in jobs.labels.items():
        words += ["--label", f"{name}={value}"]
    if ships_project:
        words += ["-v", f".:{MOUNT}:ro"]
    # The recipe is a separate argument: joined as --config=…, the client would look for a file of that whole name.
    words += [script, "--config", recipe]
    for path in beside:
        words += ["--beside", path]
    if ships_project:
        words += ["--work-dir", MOUNT]
    if output_dir:
        words += ["--output-dir", output_dir]
    return shlex.join(words)


def _value(values: Mapping[str, Any], key: str) -> Any:
    return typed(snapshot().keys[key], get(values, key))


def _int(values: Mapping[str, Any], key: str, low: int = 1) -> int:
    """A whole number; TRL's default if the recipe has something else."""
    value = _value(values, key)
    good = isinstance(value, int) and not isinstance(value, bool) and low <= value < MOST
    return int(value) if good else int(snapshot().keys[key].default)


def _float(values: Mapping[str, Any], key: str) -> float:
    value = _value(values, key)
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST
    return float(value) if good else float(snapshot().keys[key].default or 0)


def _share(value: float, steps: int | None) -> int | None:
    """A number of steps that may be given as a share below 1."""
    if value >= 1 or value == 0:
        return int(value)
    return math.ceil(value * steps) if steps is not None else None


def _checkpoints(values: Mapping[str, Any], steps: int | None, epochs: float | None) -> int | None:
    strategy = get(values, "save_strategy")
    if strategy == "no":
        return 0
    if strategy == "epoch":
        count = math.ceil(epochs) if epochs is not None else None
    else:
        every = _share(_float(values, "save_steps"), steps)
        # The trainer also saves at the very last step.
        count = math.ceil(steps / every) if steps is not None and every else None
    limit = values.get("save_total_limit")
    if count is None:
        return limit if isinstance(limit, int) else None
    return min(count, limit) if isinstance(limit, int) and limit > 0 else count
