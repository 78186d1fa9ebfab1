"""The steps after a run (`core.runs.chain`), for commands that see a run to its end: `train` and `wait`."""

from __future__ import annotations

import asyncio
import shlex

from smoltui.backends.runs.chains import Chains
from smoltui.cli.output import note
from smoltui.core.runs.chain import Chain, Step
from smoltui.core.runs.run import Run, Stage, is_final
from smoltui.errors import RunFailedError

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


def _unfinished(chain: Chain | None) -> Step | None:
    """The step that is due or running; None if there is none."""
    steps = chain.steps if chain is not None else ()
    return next((step for step in steps if not is_final(step.stage)), None)
