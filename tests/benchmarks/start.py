"""First frame against a hello-world Textual app, and what keys and idling cost in every room.

    python -m tests.benchmarks.start [RUNS]

Prints medians of alternating starts in one run, so that a slow or busy machine slows both.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.terminal import Terminal

HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("Hello World")
Hello().run()
"""
WIDE = (120, 40)
ROOMS = {
    "Home": ("0", "jjjkkkjjkk", (80, 12)),
    "Device": ("1", "jjjkkkjjkk", (80, 16)),
    "Pairs": ("2", "\x1b[C\x1b[C\x1b[D", WIDE),
    "Recipe": ("3", "jjjjjkkkkk", WIDE),
    "Runs": ("4", "jkjkjjkkjk", WIDE),
    "Evaluate": ("5", "jjjkkkjjkk", (80, 12)),
    "Submit": ("6", "vvvvvvvv", WIDE),
}
"""Room → its key, keys that move about in it, and a terminal in which there is something to move."""


def keys_of(text: str) -> list[str]:
    """Single keys, arrow keys kept whole."""
    return [f"\x1b[{part[0]}" for part in text.split("\x1b[")[1:]] if "\x1b" in text else list(text)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        home, project = Path(folder, "home"), Path(folder, "demo")
        env = {"HOME": str(home), "SMOLTUI_HOME": str(home / "smoltui"), "HF_HOME": str(home / "hf"), "HF_TOKEN": ""}
        from smoltui.backends.project.new_project import create_project

        create_project(project, "demo")
        for number in range(5):  # a list to move in, without training five times
            folder = home / "smoltui" / "runs" / f"0000000{number}"
            folder.mkdir(parents=True)
            (folder / "spec.json").write_text(json.dumps({"name": f"run {number}", "created_at": 1.0 + number}))
            (folder / "status.json").write_text(json.dumps({"started_at": 1.0, "finished_at": 9.0, "exit_code": 1}))
            (folder / "log").write_text("".join(f"line {line}\n" for line in range(500)))
        hello, ours = [sys.executable, "-c", HELLO], [sys.executable, "-m", "smoltui", str(project)]
        first: dict[str, list[float]] = {"hello": [], "smoltui": [], "all facts": []}
        for number in range(runs + 1):  # the first start of each only warms the disk
            with Terminal(hello, env=env) as terminal:
                hello_at = terminal.wait_for("Hello World")
            with Terminal(ours, env=env) as terminal:
                frame_at = terminal.wait_for(r"0 Home(?s:.)*q Quit")
                facts_at = terminal.wait_for(r"memory +\d")
            if number:
                first["hello"].append(hello_at)
                first["smoltui"].append(frame_at)
                first["all facts"].append(facts_at)
        medians = {name: statistics.median(values) for name, values in first.items()}
        print(f"first frame, 120x40, median of {runs} alternating starts")
        for name, value in medians.items():
            print(f"  {name:<10} {value * 1000:6.0f} ms   {value / medians['hello']:.2f} × hello")
        print(f"\n{'room':<10}{'key to last byte ms: median':>28}{'p95':>7}{'bytes a key':>13}{'idle B/s':>10}")
        for room, (key, moves, size) in ROOMS.items():
            with Terminal(ours, size=size, env=env) as terminal:
                terminal.settle()
                terminal.press(key)
                # What torch says comes once an environment, some seconds behind the start; that is no idling.
                terminal.settle(8.0, 30.0)
                answers = [terminal.press(move) for _ in range(8) for move in keys_of(moves)]
                times = sorted(took for took, _ in answers if took is not None)
                terminal.settle(0.5, 3.0)  # the help of a recipe's field comes a moment behind the key
                idle = terminal.idle(5)
                if not times:
                    print(f"{room:<10}{'no key was answered':>28}")
                    continue
                p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
                size = statistics.median(count for took, count in answers if took is not None)
                print(f"{room:<10}{statistics.median(times) * 1000:28.1f}{p95 * 1000:7.1f}{size:13.0f}{idle:10.1f}")


if __name__ == "__main__":
    main()
