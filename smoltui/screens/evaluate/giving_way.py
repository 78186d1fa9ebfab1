"""Models that are loaded here give way to a training that starts on this machine and needs their memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from smoltui.backends.evaluation.giving_way import needs_memory
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs.run import Run, Stage
from smoltui.workspace import Workspace


class Trainings:
    """The trainings on this machine as last looked at."""

    def __init__(self, workspace: Workspace, runs: Mapping[str, Run]) -> None:
        """`runs`: those that are known already."""
        self._workspace = workspace
        self._training = self._now(runs)

    def _now(self, runs: Mapping[str, Run]) -> frozenset[str]:
        here = self._workspace.services.here
        return frozenset(run.id for run in runs.values() if run.engine in here and run.stage == Stage.RUNNING)

    def started(self, runs: Mapping[str, Run]) -> list[Run]:
        """Those that have started since the last call."""
        now = self._now(runs)
        new, self._training = now - self._training, now
        return [runs[run_id] for run_id in sorted(new)]


async def gives_way_to(workspace: Workspace, runs: list[Run]) -> Run | None:
    """The first of these trainings that needs more memory than is free beside the models; None without one."""
    for run in runs:
        if await in_thread(partial(needs_memory, workspace.project, run)):
            return run
    return None
