"""Where the model of a COMPLETED Job is: said once, near the end of its log, which nobody may have followed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.models import model_repo
from smoltui.backends.jobs import records
from smoltui.backends.jobs.job_json import UNKNOWN
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.project.recipe_file import RecipeFile
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs import events
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, NotFoundOnHubError, PermissionDeniedError, RecipeError
from smoltui.safe_text import safe_line

LAST_LINES = 1000
"""Lines of a log's end in which the script says where the model is; it prints a few after that."""


def recorded_runs(project: str) -> list[Run]:
    """The trainings that were submitted from this folder, newest first, as far as their records know. Blocks."""
    found = []
    for run_id, record in records.read_all().items():
        spec = spec_of(record.get("spec"))
        if spec is None or spec.project != project:
            continue
        ended = any(records.has_event(record, kind) for kind in (events.ModelPushed, events.Finished))
        at = record.get("submitted_at")
        run = Run(
            id=run_id,
            engine=JOBS.name,
            name=spec.name,
            stage=Stage.COMPLETED if ended else UNKNOWN,
            created_at=float(at) if isinstance(at, int | float) else None,
            flavor=spec.flavor,
            namespace=spec.namespace,
        )
        found.append(records.applied(run, record))
    return sorted(found, key=lambda run: run.created_at or 0.0, reverse=True)


async def settled(run: Run, read_log: Callable[[str], AsyncGenerator[events.Event, None]]) -> Run:
    """A run with the repository that its model was pushed to; unchanged if that is known, or cannot be known.

    `read_log` yields the last events of a run, and records those that are worth it.

    Raises:
        ServiceError: the Hub refused or did not answer.
    """
    record = await in_thread(lambda: records.read(run.id))
    if record is None or not _is_open(record, run):
        return run
    try:
        async with aclosing(read_log(run.id)) as stream:
            async for _ in stream:
                pass
    except NotFoundOnHubError:
        return run  # the Job was deleted
    record = await in_thread(lambda: records.read(run.id)) or record
    read = record
    if _is_open(read, run) and (repo := await in_thread(lambda: _planned_repo(read))) and await _exists(repo):
        read = records.with_event(read, events.ModelPushed(repo=repo))
    await in_thread(lambda: _close(read))
    return records.applied(run, read)


def _is_open(record: Mapping[str, Any], run: Run) -> bool:
    """Whether it is not known yet where the model of a COMPLETED training is."""
    trained = run.stage == Stage.COMPLETED and spec_of(record.get("spec")) is not None
    return trained and not record.get("log_read") and not records.has_event(record, events.ModelPushed)


def _close(record: Mapping[str, object]) -> None:
    with suppress(InputError):  # the disk is full: the log is read again next time
        records.save({**record, "log_read": True})


def _planned_repo(record: Mapping[str, Any]) -> str | None:
    """The repository that a Job's recipe pushes to; None if it pushes nothing, or does not name it in full."""
    spec = spec_of(record.get("spec"))
    if spec is None:
        return None
    try:
        values = RecipeFile(Path("recipe.yaml"), spec.recipe, "").values
    except RecipeError:
        return None
    name = values.get("hub_model_id")
    return name if values.get("push_to_hub") and isinstance(name, str) and name.count("/") == 1 else None


async def _exists(repo: str) -> bool:
    """Whether this account sees a model repository. Raises ServiceError: the Hub did not answer."""
    doing = f"look at {safe_line(repo, 80)}"
    async with hub.session(doing) as session:
        try:
            await model_repo(session, repo, doing=doing)
        except (NotFoundOnHubError, PermissionDeniedError):
            return False
    return True
