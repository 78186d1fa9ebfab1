"""A training script that saves checkpoints, pauses at SIGTERM and resumes, as `scripts/dpo.py` does; only Python.

Its loss at a step follows from the state in the checkpoint alone, so a resumed run has the curve of an unbroken one.
Keys of the recipe: `steps`, `pause` (seconds a step), `save_steps` (0: none), `die_at` (step at which it is killed,
once), `full_at` (step at which the disk is full while saving, once), `hold_at` (steps at which it waits to be told to
pause, once each).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import sys
import time
import zipfile
from pathlib import Path


def emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "v": 1, "at": time.time(), **fields}), flush=True)


def safetensors(value: float) -> bytes:
    """A file with one number in it."""
    header = json.dumps({"x": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<d", value)


def save(folder: Path, step: int, *, until: str = "trainer_state.json") -> None:
    """A checkpoint as transformers writes it, file by file; `until` is the first file that is not written."""
    files = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "")
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if not name or name == until:
            return
        if name.endswith(".safetensors"):
            (folder / name).write_bytes(safetensors(step))
        elif name.endswith(".json"):
            (folder / name).write_text(json.dumps({"global_step": step, "log_history": [{"loss": float("nan")}]}))
        else:
            with zipfile.ZipFile(folder / name, "w") as archive:
                archive.writestr("data.pkl", "x" * 100)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("--config", "--work-dir", "--output-dir", "--exclude", "--resume_from_checkpoint"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--overwrite", action="store_true")
    args = parser.parse_args()
    recipe = dict(line.split(": ", 1) for line in args.config.read_text().splitlines() if ": " in line)
    steps, pause, every = (int(recipe.get("steps", 5)), float(recipe.get("pause", 0)), int(recipe.get("save_steps", 0)))
    asked = False

    def told(*_: object) -> None:
        nonlocal asked
        asked = True

    emit("phase", phase="load_model")
    signal.signal(signal.SIGTERM, told)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    first = 0
    if args.resume_from_checkpoint:
        first = json.loads((args.resume_from_checkpoint / "trainer_state.json").read_text())["global_step"]
    emit("plan", max_steps=steps, epochs=1.0, train_pairs=8, device="cpu", output_dir=str(args.output_dir))
    if first:
        emit("progress", step=first)
    emit("phase", phase="train")
    for step in range(first + 1, steps + 1):
        time.sleep(pause)
        emit("metrics", step=step, values={"loss": 0.7 - step / 100})
        folder = args.output_dir / f"checkpoint-{step}"
        once = args.config.parent / f"once-{step}"
        if str(step) in recipe.get("hold_at", "").split() and not once.exists():
            once.touch()
            while not asked:
                time.sleep(0.02)
        if str(step) == recipe.get("full_at") and not once.exists():
            once.touch()
            save(folder, step, until="optimizer.pt")
            emit("failed", cause="The disk is full", hint="Free some space.")
            return 1
        if (every and step % every == 0) or (asked and step < steps):
            save(folder, step, until="")
            emit("checkpoint", step=step, path=str(folder))
        if str(step) == recipe.get("die_at") and not once.exists():
            once.touch()
            sys.stdout.write('{"event": "metr')  # a line is cut in half
            sys.stdout.flush()
            os.kill(os.getpid(), 9)
        if asked and step < steps:
            emit("finished", step=step, max_steps=steps, seconds=1.0)
            return 0
    (args.output_dir / "config.json").parent.mkdir(parents=True, exist_ok=True)
    (args.output_dir / "config.json").write_text("{}")
    emit("saved", path=str(args.output_dir))
    emit("finished", step=steps, max_steps=steps, seconds=1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
