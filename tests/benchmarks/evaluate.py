"""Answers side by side: against a pipeline loop, a second prompt, keys while answers stream, and memory.

    python -m tests.benchmarks.evaluate [PROJECT]

PROJECT is a trained demo; without it, one is made and trained first (a minute). Figures are ratios within one run, or
latencies of the app in a pseudo-terminal.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smoltui.backends.system.child import child_env
from tests.benchmarks.pairs import percentile
from tests.benchmarks.terminal import Terminal
from tests.paths import PACKAGE

SCRIPT = PACKAGE / "scripts" / "answer_models.py"
ROUNDS = 3
PROMPTS, MAX_NEW_TOKENS = 64, 96
STREAMED = 1_500
"""Prompts of the set during which keys are pressed."""
KEYS = 60
STREAMING = r"[1-9][\d,]* of [\d,]+ answers"
LOOP = """
import json, sys, time
import torch
from transformers import AutoTokenizer, logging, pipeline
logging.set_verbosity_error()
folder, rows = sys.argv[1], [json.loads(line) for line in open(sys.argv[2])]
tokenizer = AutoTokenizer.from_pretrained(folder)
pipe = pipeline("text-generation", model=folder, tokenizer=tokenizer, dtype=torch.float32)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    for row in rows:
        text = tokenizer.apply_chat_template(
            row["prompt"], tokenize=False, add_generation_prompt=True, enable_thinking=False)
        pipe(text, max_new_tokens=int(sys.argv[3]), do_sample=True, temperature=0.7, top_p=0.95, return_full_text=False,
             eos_token_id=tokenizer.eos_token_id)
    print(time.perf_counter() - began, flush=True)
"""
"""The loop of the smol-course (units/en/unit2/3.md): one prompt after the other."""


@dataclass
class Models:
    """A process of `answer_models.py`."""

    models: dict[str, str]
    number: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        argv = [sys.executable, "-P", str(SCRIPT)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=child_env())

    def ask(self, prompts: list[Any]) -> float:
        """Seconds until all answers have come."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.number += 1
        request = {
            "number": self.number,
            "models": [{"name": name, "path": path} for name, path in self.models.items()],
            "prompts": prompts,
            "max_new_tokens": MAX_NEW_TOKENS,
            "temperature": 0.7,
            "top_p": 0.95,
        }
        began = time.perf_counter()
        print(json.dumps(request), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "model_memory" and not self.memory:
                self.memory = event
            if event.get("event") == "finished":
                return time.perf_counter() - began
            if event.get("event") == "failed":
                raise RuntimeError(event["cause"])
        raise RuntimeError("the models ended")

    def peak(self) -> float:
        """Bytes of memory that it has taken at most."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
        raise RuntimeError("this system does not say how much memory a process took")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def against_the_loop(project: Path) -> None:
    pairs = project / "pairs" / "test.jsonl"
    prompts = [json.loads(line)["prompt"] for line in pairs.read_text("utf-8").splitlines()][:PROMPTS]
    argv = [sys.executable, "-P", "-c", LOOP, str(project / "aligned"), str(pairs), str(MAX_NEW_TOKENS)]
    loop = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_env())
    assert loop.stdin is not None and loop.stdout is not None
    models = Models({"aligned": str(project / "aligned")})
    models.ask(prompts[:1])  # loads
    while loop.stdout.readline().strip() != "ready":
        pass
    ratios = []
    for _ in range(ROUNDS):
        print(file=loop.stdin, flush=True)
        theirs = float(loop.stdout.readline())
        ours = models.ask(prompts)
        ratios.append(theirs / ours)
        print(f"  loop {theirs:.2f} s, batched and streaming {ours:.2f} s")
    loop.stdin.close()
    loop.wait()
    models.close()
    print(
        f"{len(prompts)} prompts against the pipeline loop: {statistics.median(ratios):.1f} times as fast (wanted: 3)"
    )


def memory(project: Path) -> None:
    models = Models({"reference": str(project / "model"), "aligned": str(project / "aligned")})
    models.ask([f"How do I boil rice, part {n}?" for n in range(PROMPTS)])
    peak, told = models.peak(), models.memory["needed"]
    models.close()
    print(f"both models: announced {told / 2**20:.0f} MiB, at most {peak / 2**20:.0f} MiB, {peak / told:.2f} of it")


def in_the_app(project: Path, folder: Path) -> None:
    """A second typed prompt, and keys while both columns stream."""
    many = folder / "many.txt"
    many.write_text("".join(f"Prompt {n}: how do I look after tomatoes?\n" for n in range(STREAMED)), "utf-8")
    env = {"HF_HUB_OFFLINE": "1", "HF_TOKEN": ""}
    with Terminal([sys.executable, "-P", "-m", "smoltui", str(project)], env=env) as app:
        app.wait_for("Next: press t|Next:")
        app.send(b"5")
        app.wait_for("Press a to compare")
        own(app, f"What is rice, and why {time.time():.0f}?", "first")
        own(app, f"How do I boil rice at {time.time():.0f}?", "second")
        app.send(b"o")
        app.settle(0.3)
        app.send(f"{many}\r".encode())
        app.wait_for(f"{STREAMED:,}")
        app.settle(0.5)
        app.send(b"a")
        app.wait_for(STREAMING)
        keys(app)


def answered(app: Terminal) -> int:
    """Answers that are shown."""
    found = re.search(r"([\d,]+) answers, saved", app.text())
    return int(found[1].replace(",", "")) if found else 0


def own(app: Terminal, text: str, which: str) -> None:
    before = answered(app)
    app.send(b"i")
    app.settle(0.3)
    app.send(text.encode())
    app.settle(0.3)
    began = time.perf_counter()
    app.send(b"\r")
    while answered(app) <= before:
        app.pump(0.005)
    print(f"{which} typed prompt, both models: answered after {app.arrived - began:.2f} s")
    app.settle(0.3)


def keys(app: Terminal) -> None:
    """From l to the prompt that it brings to the top."""
    row = next(at for at, line in enumerate(app.text().splitlines()) if line.strip().startswith("1  Prompt 0:"))
    took, streamed = [], app.bytes
    began = time.perf_counter()
    for number in range(2, 2 + KEYS):
        while app.pump(0):
            pass
        sent = time.perf_counter()
        app.send(b"l")
        while not app.text().splitlines()[row].strip().startswith(f"{number}  Prompt"):
            if time.perf_counter() - sent > 5:
                raise RuntimeError(f"l had no effect\n{app.text()}")
            app.pump(0.002)
        took.append(app.arrived - sent)
        until = time.perf_counter() + 0.05 + 0.02 * (number % 5)
        while time.perf_counter() < until:
            app.pump(0.01)
    if not re.search(STREAMING, app.text()):
        raise RuntimeError("the models had ended before the last key")
    spent = time.perf_counter() - began
    print(
        f"key to screen while both columns stream: median {statistics.median(took) * 1e3:.0f} ms, "
        f"p95 {percentile(took, 0.95) * 1e3:.0f} ms (wanted: 50); {(app.bytes - streamed) / spent / 1000:.0f} kB/s"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if len(sys.argv) > 1:
            project = Path(sys.argv[1]).absolute()
        else:
            project = folder / "demo"
            os.environ["SMOLTUI_HOME"] = str(folder / "home")
            for command in (["demo", "--no-open", str(project)], ["train", str(project)]):
                subprocess.run([sys.executable, "-P", "-m", "smoltui", *command], check=True, stdout=subprocess.DEVNULL)
        against_the_loop(project)
        memory(project)
        in_the_app(project, folder)


if __name__ == "__main__":
    main()
