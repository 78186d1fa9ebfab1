"""The runs of one project, wherever they ran, for commands: only services that had one are asked."""

from __future__ import annotations

from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import ServiceError


async def runs_of_project(services: Services, project: Project) -> dict[str, Run]:
    """Every run of a project by id, newest first; those of a service that does not answer as this machine knows them.

    Raises:
        InputError: the runs on this machine cannot be read.
    """
    folder = str(project.folder)
    found: list[Run] = []
    for engine in services.engines.values():
        known = await engine.recorded(folder)
        if known and not engine.place.here:
            try:
                listed = [run for run in await engine.list_runs() if run.project == folder]
                known = [await engine.settled(run) for run in listed if run.stage == Stage.COMPLETED]
            except ServiceError:
                pass  # what is known here may be enough; if not, the command says that there is no model
        found += known
    return {run.id: run for run in sorted(found, key=lambda run: run.created_at or 0.0, reverse=True)}
