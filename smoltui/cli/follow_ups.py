"""The steps after a run (`core.runs.chain`), for commands that see a run to its end: `train` and `wait`."""

from __future__ import annotations

import asyncio
import shlex

from smoltui.backends.runs import chains as store
from smoltui.backends.runs.callbacks import Severity
from smoltui.backends.runs.chains import Chains
from smoltui.backends.system.threads import in_thread
from smoltui.cli.output import note, print_warning
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.run import Run, Stage, is_final
from smoltui.errors import RunFailedError
from smoltui.safe_text import safe_line

FOLLOW_UP_SECONDS = 3.0
"""Delay before the steps after a run: an app that is open on its project does them first, and shows them."""
LOOK_SECONDS = 1.0
"""Delay before the steps that another process does are looked at again."""


async def follow_up(chains: Chains, run: Run) -> None:
    """Does the steps after a run that COMPLETED, and waits for those that another process does.

    Raises:
        RunFailedError: one of them failed.
    """
    told = False
    while (step := _unfinished(chain := await chains.carry_out(run))) is not None:
        if not told:
            note(f"Another process is doing this step: {step.name}")
            told = True
        await asyncio.sleep(LOOK_SECONDS)
    for step in chain.steps if chain is not None else ():
        if step.stage == Stage.ERROR:
            raise RunFailedError(
                f"The run completed, but {step.name} failed: {step.message}",
                f"Try again: smoltui {step.command} {shlex.quote(run.project or '.')} --run {run.id}",
            )


async def carried_out(run: Run, as_json: bool) -> RunFailedError | None:
    """Does the steps after a run; returns the failure of one of them, which it reports."""
    if run.stage != Stage.COMPLETED or await in_thread(lambda: store.read(run.id)) is None:
        return None
    await asyncio.sleep(FOLLOW_UP_SECONDS)

    def say_aside(sentence: str, severity: Severity) -> None:
        if severity == "information" and not as_json:
            note(safe_line(sentence))

    try:
        await follow_up(Chains(run.project or "", say=say_aside, spawn=lambda work: asyncio.create_task(work())), run)
    except RunFailedError as error:
        print_warning(error.message, error.hint, as_json)
        return error
    return None


def _unfinished(chain: Chain | None) -> Step | None:
    """The step that is due or running; None if there is none."""
    steps = chain.steps if chain is not None else ()
    return next((step for step in steps if not is_final(step.stage)), None)
