"""Runs lm_eval on this machine, in a child that ends with this process, and keeps its results with the run."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from smoltui.backends.evaluation import benchmark_results
from smoltui.backends.evaluation.benchmark_files import read_path
from smoltui.backends.evaluation.benchmark_plan import BenchmarkPlan, Item
from smoltui.backends.runs.elsewhere import child_command
from smoltui.backends.runs.script_child import script_events
from smoltui.backends.system import data_folder
from smoltui.backends.system.child import child_env
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.benchmark_command import LmEvalCommand
from smoltui.core.evaluation.benchmark_result import BenchmarkResult
from smoltui.core.runs.events import Event
from smoltui.errors import InputError
from smoltui.scripts import SCRIPTS

RUN_LM_EVAL = SCRIPTS / "run_lm_eval.py"
ENVIRONMENT = {"TQDM_MININTERVAL": "0.5", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""A progress bar is drawn at most twice per second (tqdm 4.66)."""


async def run_here(
    plan: BenchmarkPlan, item: Item, *, date: str, around: Sequence[str] = ()
) -> AsyncGenerator[Event | BenchmarkResult, None]:
    """The events of one model's benchmark, then its result, which is already kept with the run.

    `around`: the command that starts it elsewhere (`Engine.around`).

    `date` (2026-11-29) is what the chat template takes for today. Closing the generator ends the child.

    Raises:
        RunFailedError: lm_eval failed; the message says why.
        InputError: its results can't be read; or can't be kept, after they were given.
    """
    command = item.command
    if not isinstance(command, LmEvalCommand):
        raise InputError("LightEval doesn't run on this machine", "Use lm_eval, or start LightEval as a Job.")
    # Of its own for each run: only its own results are read, and removed if it fails.
    out = plan.project.folder / command.output_path / f"{time.time_ns() // 1000}"
    command = replace(command, output_path=str(out))
    await in_thread(partial(_private, out))
    try:
        async with aclosing(_child(command, plan.project.folder, date, around)) as events:
            async for event in events:
                yield event
        result = await in_thread(lambda: replace(read_path(out, item.role), date=date))
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # without results
        raise
    if (folder := plan.folder) is not None:
        try:
            await in_thread(lambda: benchmark_results.keep(folder, result))
        except InputError:
            yield result  # it can be shown, at least
            raise
    yield result


def _private(folder: Path) -> None:
    try:
        data_folder.private_folder(folder)
    except OSError as error:
        raise InputError(
            f"The results can't be written ({error.strerror}): {folder}",
            "Free some space there, or set SMOLTUI_HOME to another data folder.",
        ) from error


def _child(command: LmEvalCommand, folder: Path, date: str, around: Sequence[str]) -> AsyncGenerator[Event, None]:
    argv = child_command((str(RUN_LM_EVAL), "--date", date, *command.lm_eval()[1:]), around)
    return script_events(argv, folder, "lm_eval stopped early", env=child_env(ENVIRONMENT))
