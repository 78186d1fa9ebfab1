"""What `smoltui ps` costs with many finished runs: at first, and once each has its saved end.

    python -m tests.benchmarks.listing [RUNS]

Half of the runs completed and half failed, each with the log of 1,000 steps. Prints processor time, and how many times
that of a list with one run: a slow machine slows both.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from smoltui.backends.runs.saved_ends import NAME
from smoltui.core.runs import events

STEPS = 1_000
ROUNDS = 5
NAMES = ("loss", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected", "rewards/margins", "epoch")


def log(failed: bool) -> str:
    said: list[events.Event] = [events.Planned(max_steps=STEPS, train_pairs=16 * STEPS, device="cpu", beta=0.1)]
    for step in range(1, STEPS + 1):
        said += [
            events.Progress(step=step),
            events.Metrics(step=step, values={name: step / 7 + place for place, name in enumerate(NAMES)}),
        ]
    lines = [events.dump(event) for event in said]
    if failed:
        lines += ["Traceback (most recent call last):", '  File "dpo.py", line 1, in <module>', "ValueError: no rows"]
    else:
        lines += [events.dump(events.Finished(step=STEPS, max_steps=STEPS, seconds=60.0))]
    return "\n".join([*lines, ""])


def make_runs(home: Path, count: int) -> None:
    logs = {failed: log(failed) for failed in (False, True)}
    for number in range(count):
        folder, failed = home / "runs" / f"{number:08x}", number % 2 == 1
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps({"name": f"run {number}", "created_at": 1e9 + number}))
        (folder / "launch.json").write_text(json.dumps({"attempt": 1}))
        status = {"attempt": 1, "started_at": 1e9, "finished_at": 1e9 + 60, "exit_code": int(failed)}
        (folder / "status.json").write_text(json.dumps(status))
        (folder / "log").write_text(logs[failed])


def ps(home: Path) -> float:
    """Seconds of processor time of `smoltui ps -a` for the local runs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "smoltui", "ps", "-a", "--on", "local"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SMOLTUI_HOME": str(home), "HF_TOKEN": ""},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder, "one"), Path(folder, "many")
        make_runs(one, 1)
        make_runs(many, count)
        ps(one)  # warms the disk
        took: dict[str, list[float]] = {"one run": [], "at first": [], "with saved ends": []}
        for _ in range(ROUNDS):
            (many / NAME).unlink(missing_ok=True)
            took["one run"].append(ps(one))
            took["at first"].append(ps(many))
            took["with saved ends"].append(ps(many))
        base = statistics.median(took["one run"])
        for words, times in took.items():
            seconds = statistics.median(times)
            print(f"{words:<18}{seconds:.2f} s, {seconds / base:.1f} ×")


if __name__ == "__main__":
    main()
