"""A training script that says what the real one says, and needs nothing but Python. Run as `scripts/dpo.py` would be.

How it behaves is told by keys in the recipe: `steps`, `pause` (seconds a step), `end` (ok, fail, oom, early, hang),
`warn` (any value: a library warns as Python's own warnings do), `until` (a file that the last step waits for),
`prints` (a JSON list of lines that foreign code prints before the first step and after the last word of the script).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

RECIPE_KEYS = {"steps", "pause", "end", "warn", "until", "prints"}


def emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "v": 1, "at": time.time(), **fields}), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--work-dir")
    parser.add_argument("--output-dir", type=Path)
    parser.add_argument("--exclude")
    parser.add_argument("--overwrite", action="store_true")
    args = parser.parse_args()
    recipe = dict(line.split(": ", 1) for line in args.config.read_text().splitlines() if ": " in line)
    steps, pause, end = int(recipe.get("steps", 5)), float(recipe.get("pause", 0)), recipe.get("end", "ok").strip()
    emit("phase", phase="load_model")
    print("a warning of a library\x1b[31m", flush=True)
    emit(
        "plan",
        max_steps=steps,
        epochs=1.0,
        train_pairs=8,
        held_out_pairs=4,
        device="cpu",
        dtype="float32",
        parameters=1000,
        trainable=1000,
        beta=0.1,
        output_dir=str(args.output_dir),
    )
    emit("phase", phase="train")
    foreign = "".join(f"{line}\n" for line in json.loads(recipe.get("prints", "[]")))
    print(end=foreign, flush=True)
    for step in range(1, steps + 1):
        time.sleep(pause)
        while step == steps and "until" in recipe and not Path(recipe["until"]).exists():
            time.sleep(0.02)
        loss = "NaN" if end == "nan" and step > 2 else 0.7 - step / 100
        emit("metrics", step=step, values={"loss": loss, "rewards/margins": step / 10, "rewards/accuracies": 0.5})
        emit("progress", step=step)
        if end == "early" and step == 2:
            return 0
    if "warn" in recipe:
        print("/lib/models.py:3: FutureWarning: `x` is deprecated.\n  warnings.warn(", flush=True)
    if end == "fail":
        emit(
            "failed", cause="Not enough memory on this machine: 2 GiB more were asked for", hint="Halve the batch size"
        )
        return 1
    if end == "crash":
        raise RuntimeError("no event says why")
    if end == "kill":
        os.kill(os.getpid(), 9)
    if end == "hang":
        time.sleep(600)
    args.output_dir.mkdir(parents=True, exist_ok=True)
    (args.output_dir / "config.json").write_text("{}")
    emit("moved", share=1.0)
    emit("saved", path=str(args.output_dir))
    emit("finished", step=steps, max_steps=steps, seconds=1.0)
    print(end=foreign, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
