"""Pictures of every room, in both themes and at two sizes, to be looked at.

    python -m tests.all_rooms FOLDER [VIEW | WIDTHxHEIGHT]…

writes FOLDER/NAME-THEME-WIDTHxHEIGHT.png of a demo project with finished runs, answers and figures that are made up. It
takes about four minutes; with names of views or sizes, only those are drawn. Needs the font DejaVu Sans Mono.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import answers, resident
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.looks.palette import DARK, LIGHT
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from tests.backends.evaluation.project import SCRIPTED_MODELS, trained
from tests.pictures import png_of

VIEWS: dict[str, tuple[str, ...]] = {
    "home": ("0",),
    "help": ("0", "question_mark"),
    "wizard": ("0", "n"),
    "wizard-model": ("0", "n", "s"),
    "device": ("1",),
    "pairs": ("2",),
    "pairs-list": ("2", "v"),
    "pairs-audit": ("2", "a"),
    "pairs-columns": ("2", "c"),
    "recipe": ("3",),
    "recipe-settings": ("3", "v"),
    "runs": ("4",),
    "runs-log": ("4", "v"),
    "runs-details": ("4", "v", "v"),
    "start": ("4", "t"),
    "evaluate": ("5", "a"),
    "evaluate-measured": ("5", "a", "m"),
    "evaluate-vote": ("5", "a", "b"),
    "evaluate-benchmarks": ("5", "B"),
    "submit": ("6",),
    "submit-card": ("6", "v"),
    "card": ("4", "enter"),
    "copy": ("4", "Y"),
}
"""Name → the keys that lead there."""
SIZES = ((80, 24), (120, 40))
THEMES = {"dark": DARK.name, "light": LIGHT.name}
SLOW = {"pairs-audit": 6.0}
"""Views that take longer."""
ENDED = time.time() - 3600
"""When the run ended, seconds since the epoch."""
LOG = (
    "── loading the model: model",
    "plan: 48 steps · 1 epoch · 768 pairs · 64 held out · training 984,192 of 984,192 weights in float32 on cpu",
    "── training",
)
"""How the log of the run begins."""
CURVES = [
    (
        step,
        {
            "loss": 0.69 - 0.35 * step / 48,
            "rewards/margins": 0.9 * step / 48,
            "rewards/accuracies": min(1.0, 0.5 + step / 48),
            "rewards/chosen": 0.4 * step / 48,
            "rewards/rejected": -0.5 * step / 48,
            "grad_norm": 3.0 - step / 48,
            "learning_rate": 1.5e-4 * (1 - step / 48),
        },
    )
    for step in range(1, 49)
]
"""Steps of the run with their metrics."""
KEY_SECONDS = 1.5
"""Time for what a key brings: workers, helpers of the demo's models."""


class Ended(LocalEngine):
    """This machine's engine with these runs, which are over: there is nothing to follow."""

    def __init__(self, runs: list[Run]) -> None:
        super().__init__()
        self._made = runs

    async def list_runs(self) -> list[Run]:
        return self._made

    async def get(self, run_id: str) -> Run:
        return next(run for run in self._made if run.id == run_id)

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        for line in LOG:
            yield events.LogLine(text=line)
        for step, values in CURVES:
            yield events.Metrics(step=step, values=values)
        yield events.StageChanged(stage=Stage.COMPLETED)

    async def started_with(self, run: Run) -> RunSpec:
        recipe = await asyncio.to_thread(Path(run.project or "", "recipe.yaml").read_text)
        return RunSpec(run.name, run.project or "", recipe, run.output_dir or "", "made-up")

    async def inspect(self, run_id: str) -> dict[str, Any]:
        run = await self.get(run_id)
        return {**run.summary(), "plan": None, "checkpoints": [], "command": ["python", "dpo.py", "--config", "recipe"]}


def made_project(folder: Path) -> tuple[Project, Engine]:
    """The demo with one finished run, whose curves are drawn by a formula."""
    project = create_project(folder, "demo")
    run = replace(trained(project), created_at=ENDED - 60, started_at=ENDED - 55, finished_at=ENDED)
    for step, values in CURVES:
        run = run.after(events.Metrics(step=step, values=values))
    return project, Ended([run])


async def draw(name: str, theme: str, size: tuple[int, int], folder: Path) -> None:
    """Writes one picture."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["SMOLTUI_HOME"] = str(Path(scratch, "home"))
        project, engine = made_project(Path(scratch, "smoltui-demo"))
        app = SmoltuiApp(project, Services({"local": engine}), theme=THEMES[theme])
        async with app.run_test(size=size, notifications=True) as pilot:
            for key in VIEWS[name]:
                await pilot.press(key)
                await pilot.pause(SLOW.get(name, KEY_SECONDS))
            svg = app.export_screenshot()
    path = folder / f"{name}-{theme}-{size[0]}x{size[1]}.png"
    await asyncio.to_thread(path.write_bytes, png_of(svg))
    print(path)


def main() -> None:
    folder, wanted = Path(sys.argv[1]), sys.argv[2:]
    names = [name for name in wanted if name in VIEWS] or list(VIEWS)
    sizes = [(int(width), int(height)) for width, _, height in (one.partition("x") for one in wanted) if height]
    folder.mkdir(parents=True, exist_ok=True)
    answers.GENERATE = resident.ANSWER_MODELS = SCRIPTED_MODELS
    with tempfile.TemporaryDirectory() as home:
        os.environ.update({"HOME": home, "HF_HOME": str(Path(home, "hf")), "HF_HUB_OFFLINE": "1", "HF_TOKEN": ""})
        os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor"})
        for name in names:
            for theme in THEMES:
                for size in sizes or SIZES:
                    asyncio.run(draw(name, theme, size, folder))


if __name__ == "__main__":
    main()
