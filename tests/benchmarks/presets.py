"""What the presets `fast` and `lean` gain over the course's settings, and smoltui's script beside plain TRL.

    python -m tests.benchmarks.presets                      three rounds; five minutes on two idle cores
    python -m tests.benchmarks.presets --rounds 1 --steps 4

Trains a random SmolLM3 of some million weights on random texts, whose lengths are log-normal as those of chat data are.
The recipes are those of the presets, except for what needs a GPU or the Hub: model, pairs, bf16, the number of steps.
The rounds alternate, because the speed of a machine drifts. Printed are pairs per second of the training loop, which a
precomputed reference is no part of, and of the whole process with it, and the peak of its resident memory, as JSON
lines; then the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from smoltui.scripts import SCRIPTS
from tests.paths import DEMO, PACKAGE

MEDIAN, SIGMA = 50, 0.6
"""Words of an answer: median, and standard deviation of the logarithm."""
PAIRS = 64
SHAPE = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 5, "num_attention_heads": 4}
CHANGED: dict[str, Any] = {
    "model_name_or_path": "model",
    "dataset_name": "pairs",
    "bf16": False,
    "use_cpu": True,
    "max_length": 256,
    "eval_strategy": "no",
    "save_strategy": "no",
    "logging_steps": 1,
    "report_to": "none",
    "run_name": "benchmark",
}
"""For every recipe: what this machine needs instead."""


def make(folder: Path) -> None:
    """A model with the demo's tokenizer, and pairs."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    shutil.copytree(DEMO / "model", folder / "model")
    config = AutoConfig.from_pretrained(folder / "model")
    for key, value in {**SHAPE, "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 2048}.items():
        setattr(config, key, value)
    config.no_rope_layers, config.layer_types = [1] * SHAPE["num_hidden_layers"], None
    config = type(config)(**{key: value for key, value in config.to_dict().items() if key != "layer_types"})
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder / "model")
    words = (PACKAGE / "demo" / "things.txt").read_text("utf-8").split()
    drawn = random.Random(0)

    def text() -> str:
        return " ".join(drawn.choice(words) for _ in range(max(4, round(drawn.lognormvariate(0, SIGMA) * MEDIAN))))

    (folder / "pairs").mkdir()
    with (folder / "pairs" / "train.jsonl").open("w", encoding="utf-8") as file:
        for _ in range(PAIRS):
            turns = {name: [{"role": role, "content": text()}] for name, role in SIDES.items()}
            file.write(json.dumps(turns) + "\n")


SIDES = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}


def recipes(steps: int) -> dict[str, dict[str, Any]]:
    """Name → recipe."""
    found = {}
    for name in ("course-jobs", "fast", "lean"):
        values = yaml.safe_load((PACKAGE / "presets" / name / "recipe.yaml").read_text("utf-8"))
        for key in ("datasets", "push_to_hub", "hub_model_id", "save_steps", "eval_steps", "project"):
            values.pop(key, None)
        found[name] = {**values, **CHANGED, "max_steps": steps}
        if name != "lean":
            found[name]["dtype"] = "float32"
    return found


def run(folder: Path, values: dict[str, Any], *, plain: bool = False) -> dict[str, float]:
    """Trains once; `plain` with TRL's own script. Returns pairs per second of the loop and of the whole, and memory."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    script = [sys.executable, "-m", "trl.scripts.dpo"] if plain else [sys.executable, str(SCRIPTS / "dpo.py")]
    more = [] if plain else ["--overwrite"]
    out = folder / "out"
    begun = time.monotonic()
    process = subprocess.Popen(
        [*script, "--config", str(path), "--output_dir", str(out), *more],
        cwd=folder,
        env={**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"The run failed:\n{said[-3000:]}")
    seconds = next(float(word) for word in _after(said, "train_runtime"))
    pairs = values["max_steps"] * values["per_device_train_batch_size"] * values["gradient_accumulation_steps"]
    return {"loop": pairs / seconds, "whole": pairs / (time.monotonic() - begun), "peak_mib": used.ru_maxrss / 1024}


def _after(said: str, key: str) -> list[str]:
    """The numbers behind a key in the last line that has it."""
    import re

    return re.findall(rf"{key}['\"]?: ['\"]?([0-9.]+)", said)[-1:]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        kinds = recipes(asked.steps)
        for round_ in range(asked.rounds):
            for kind, values in [*kinds.items(), ("course-jobs with plain TRL", kinds["course-jobs"])]:
                told = run(folder, values, plain="plain" in kind)
                found.setdefault(kind, []).append(told)
                print(json.dumps({"round": round_, "recipe": kind, **told}), flush=True)
    course = statistics.median(one["loop"] for one in found["course-jobs"])
    for kind, runs in found.items():
        loop, whole = (statistics.median(one[key] for one in runs) for key in ("loop", "whole"))
        print(
            f"{kind:<28} {loop:6.2f} pairs/s in the loop, {whole:6.2f} with loading; {loop / course:5.2f} of the course"
        )


if __name__ == "__main__":
    main()
