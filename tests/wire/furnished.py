"""A project and runs in which every room has lists that scroll, with wide, joined and combining characters in them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from smoltui.backends.project.new_project import create_project

EMOJI = ("🦊", "🎉")
DISPUTED = ("👩\u200d👩\u200d👧\u200d👦", "👍🏽", "🇫🇷", "✂️")
"""Emoji of several characters, on whose width terminals disagree."""
WORDS = (
    "the",
    "margin",
    "rises",
    "日本語",
    "한국어",
    "é\u0301",
    "naïve",
    *DISPUTED,
    *EMOJI,
    "ok",
    "─────",
    "loss",
    "ﾊﾝｶｸ",
    "ｗｉｄｅ",
    "नमस्ते",
    "(3.5)",
    "a_b",
    "……",
)
PLAIN_WORDS = ("the", "reward", "margin", "rises", "while", "both", "answers", "are", "read", "naïve", "(3.5)", "ok")
RUNS = 60
LOG_LINES = 500


def sentence(rng: random.Random, words: int, lively: Sequence[str] = WORDS) -> str:
    return " ".join(rng.choice(lively if rng.random() < 0.2 else PLAIN_WORDS) for _ in range(words))


def furnish(project: Path, home: Path, *, runs: int = RUNS, words: Sequence[str] = WORDS) -> None:
    """Creates the demo project with its own pairs, and finished runs with logs in `home` (`SMOLTUI_HOME`).

    `words` are mixed with plain ones.
    """
    rng = random.Random(20)
    create_project(project, "demo")
    for split, rows in (("train", 200), ("test", 20)):
        lines = [
            {
                "prompt": sentence(rng, 6, words),
                "chosen": sentence(rng, 200, words),
                "rejected": sentence(rng, 160, words),
            }
            for _ in range(rows)
        ]
        (project / "pairs" / f"{split}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (project / "prompts.txt").write_text("".join(f"{sentence(rng, 12, words)}?\n" for _ in range(40)))
    for number in range(runs):
        folder = home / "runs" / f"{number:08}"
        folder.mkdir(parents=True)
        spec = {"name": f"run {number} {rng.choice(words)}", "created_at": 1.0 + number, "project": str(project)}
        (folder / "spec.json").write_text(json.dumps(spec))
        (folder / "status.json").write_text(json.dumps({"started_at": 1.0, "finished_at": 9.0, "exit_code": 1}))
        if number >= runs - 5:
            log = "".join(f"line {line} {sentence(rng, 3 + line % 20, words)}\n" for line in range(LOG_LINES))
            (folder / "log").write_text(log)


SIZES = ((120, 40), (80, 24), (100, 30), (40, 12), (57, 33), (10, 3), (1, 1), (200, 60))
MOVES = (
    "j",
    "j",
    "j",
    "k",
    "down",
    "down",
    "up",
    "right",
    "left",
    "pagedown",
    "pageup",
    "g",
    "G",
    "escape",
    "tab",
    "home",
    "end",
    "n",
    "escape",
)
ROOMS = {
    "1": (),
    "2": ("v", "right", "right", "l", "h", "f", "s", "S", "W", "x", "u", "enter", "N", "v", "a"),
    "3": ("d", "o", "v", "K", "space", "r"),
    "4": (
        "v",
        "v",
        "v",
        "enter",
        "s",
        "w",
        "z",
        "f",
        "o",
        "space",
        "right_square_bracket",
        "plus",
        "minus",
        "full_stop",
    ),
    "5": ("left_square_bracket", "right_square_bracket"),
}
MACROS = (
    ("ctrl+p", "r", "u", "escape"),
    ("question_mark", "down", "pagedown", "escape"),
    ("slash", "3", "o", "escape"),
    ("ctrl+l",),
)
"""Keys that belong together, so that no letter triggers an action of the room."""


def walk(seed: int, length: int) -> list[str]:
    """About that many keys across all rooms, with some `resize:WxH`; none trains, asks a model or quits."""
    rng = random.Random(seed)
    steps: list[str] = []
    room = "1"
    while len(steps) < length:
        draw = rng.random()
        if draw < 0.06 or not steps:
            room = rng.choice(list(ROOMS))
            steps += ["escape", "escape", room]
        elif draw < 0.09:
            steps.append("resize:{}x{}".format(*rng.choice(SIZES)))
        elif draw < 0.13:
            steps += ["escape", *rng.choice(MACROS), "escape"]
        elif draw < 0.7 or not ROOMS[room]:
            steps.append(rng.choice(MOVES))
        else:
            steps.append(rng.choice(ROOMS[room]))
    return steps
