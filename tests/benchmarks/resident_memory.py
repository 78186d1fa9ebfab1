"""The memory that a recipe is announced to need on a processor, beside the most that its training took.

    python -m tests.benchmarks.resident_memory            all cases; five minutes
    python -m tests.benchmarks.resident_memory NAME …     these

Each case trains a random model for two steps with smoltui's own script, in a process of its own, on texts that are
longer than `max_length`, with an allocator that returns freed memory, as the script's does when memory is short; with
`--plenty`, as it is otherwise. Measured is the peak of its resident memory, as the kernel counts it. Printed as JSON
lines.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from smoltui.backends.system.child import training_env
from smoltui.core.machine.fit import Fit, estimate
from smoltui.core.machine.model_shape import shape_of
from smoltui.scripts import SCRIPTS
from tests.core.machine.step_shapes import LARGE_VOCABULARY, LLAMA, MODELS
from tests.paths import DEMO, PACKAGE

STEPS = 2
MAPPED_BYTES = 1 << 20
"""As `scripts/dpo.py` sets it."""
PAIRS = 8
WORDS = 1400
"""Of an answer: more than any `max_length` here has tokens."""
LORA: Mapping[str, Any] = {"use_peft": True, "lora_r": 16, "lora_alpha": 32, "lora_target_modules": "all-linear"}


@dataclass(frozen=True)
class Case:
    """A model and what its recipe sets."""

    name: str
    config: Mapping[str, Any]
    length: int
    batch: int = 1
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """The recipe."""
        return {
            "model_name_or_path": "model",
            "dataset_name": "pairs",
            "per_device_train_batch_size": self.batch,
            "max_length": self.length,
            "max_steps": STEPS,
            "bf16": False,
            "use_cpu": True,
            "eval_strategy": "no",
            "save_strategy": "no",
            "logging_steps": 1,
            "report_to": "none",
            "run_name": "benchmark",
            **self.recipe,
        }


_5M, _30M, _100M = MODELS
CASES = (
    Case("5M, batch 2 × 1024", _5M, 1024, 4),
    Case("5M, batch 2 × 1024, no checkpointing", _5M, 1024, 2, {"activation_checkpointing": False}),
    Case(
        "5M, evaluation in batches of 4 × 1024",
        _5M,
        1024,
        1,
        {"eval_strategy": "steps", "eval_steps": 2, "dataset_test_split": "test", "per_device_eval_batch_size": 4},
    ),
    Case("8M, large vocabulary, batch 4 × 256", LARGE_VOCABULARY, 256, 4),
    Case("30M, batch 1 × 256", _30M, 256),
    Case("30M, LoRA, batch 4 × 256, no checkpointing", _30M, 256, 4, {**LORA, "activation_checkpointing": False}),
    Case("30M, bf16 weights, batch 2 × 512", _30M, 512, 2, {"dtype": "bfloat16"}),
    Case("30M, mixed precision, batch 2 × 512", _30M, 512, 2, {"bf16": True}),
    Case("100M, batch 1 × 256", _100M, 256),
    Case(
        "100M, precomputed, accumulation 4",
        _100M,
        256,
        1,
        {"precompute_ref_log_probs": True, "gradient_accumulation_steps": 4},
    ),
    Case("100M, LoRA, batch 2 × 256", _100M, 256, 2, LORA),
    Case("83M, Llama, untied head, batch 1 × 512", LLAMA, 512),
)


def make(folder: Path, case: Case) -> None:
    """The model of a case with the demo's tokenizer, and pairs."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    shutil.copytree(DEMO / "model", folder / "model")
    (folder / "model" / "model.safetensors").unlink()
    words_known = json.loads((DEMO / "model" / "config.json").read_text("utf-8"))["vocab_size"]
    config = AutoConfig.for_model(**{**case.config, "vocab_size": max(words_known, case.config["vocab_size"])})
    saved = "bfloat16" if case.recipe.get("dtype") == "bfloat16" else "float32"
    AutoModelForCausalLM.from_config(config).to(getattr(torch, saved)).save_pretrained(folder / "model")
    words = (PACKAGE / "demo" / "things.txt").read_text("utf-8").split()
    drawn = random.Random(0)

    def text(count: int) -> str:
        return " ".join(drawn.choice(words) for _ in range(count))

    (folder / "pairs").mkdir()
    for split in ("train", "test"):
        with (folder / "pairs" / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(PAIRS):
                sides = {"prompt": ("user", 10), "chosen": ("assistant", WORDS), "rejected": ("assistant", WORDS)}
                row = {name: [{"role": role, "content": text(count)}] for name, (role, count) in sides.items()}
                file.write(json.dumps(row) + "\n")


def announced(folder: Path, case: Case) -> Fit:
    """What the checks say before a start."""
    shape = shape_of(json.loads((folder / "model" / "config.json").read_text("utf-8")))
    fit = estimate(case.values(), shape, cuda=False)
    assert fit is not None, case.name
    return fit


def measure(folder: Path, case: Case, *, plenty: bool = False) -> int:
    """Trains; the peak of the resident memory of the process, bytes."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(case.values()), "utf-8")
    command = [sys.executable, str(SCRIPTS / "dpo.py"), "--config", str(path), "--output_dir", str(folder / "out")]
    with (folder / "log").open("w+", encoding="utf-8") as log:
        short = {} if plenty else {"MALLOC_MMAP_THRESHOLD_": str(MAPPED_BYTES)}
        env = {**training_env(), "HF_HUB_OFFLINE": "1", **short}
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        log.seek(0)
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"{case.name} failed:\n{log.read()[-3000:]}")
    return int(used.ru_maxrss) * 1024


def main() -> None:
    wanted, plenty = set(sys.argv[1:]) - {"--plenty"}, "--plenty" in sys.argv
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if os.fork() == 0:  # torch stays out of this process, so that nothing of it is counted
                make(folder, case)
                os._exit(0)
            if os.waitstatus_to_exitcode(os.wait()[1]):
                raise SystemExit(f"{case.name} could not be prepared")
            fit, taken = announced(folder, case), measure(folder, case, plenty=plenty)
        told = {"announced_mib": fit.needed >> 20, "measured_mib": taken >> 20, "phase": fit.phase}
        told["terms"] = {term.name: term.bytes >> 20 for term in fit.terms}
        print(json.dumps({"case": case.name, **told, "ratio": round(fit.needed / taken, 3)}), flush=True)


if __name__ == "__main__":
    main()
