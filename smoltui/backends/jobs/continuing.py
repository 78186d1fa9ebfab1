"""Continuing a run in another Job: from its newest kept checkpoint, as the same run with one log, curve and cost.

The run has the id of its first Job. A later Job has the label `smoltui-continues` with that id, so that any machine
can join them; on this machine, the record of the first Job lists them as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial

from smoltui.backends.jobs import records as job_records
from smoltui.backends.runs.spec import new_label
from smoltui.backends.runs.token_check import refuse_tokens
from smoltui.backends.system.threads import in_thread
from smoltui.core.runs import events
from smoltui.core.runs.parts import folded, joined
from smoltui.core.runs.rerun import NO_CHANGES, Changes, again, changed, refuse_resume, spec_of
from smoltui.core.runs.run import CONTINUES, Run, RunSpec, Stage, is_final
from smoltui.errors import InputError, NotFoundOnHubError, PermissionDeniedError, ServiceError

LATER = "later"
"""Key of a record: ids of the Jobs that continue this one."""


class Continuing(ABC):
    """The part of the engine that joins Jobs to runs."""

    def __init__(self) -> None:
        self._later: dict[str, tuple[str, ...]] = {}
        self._looked: set[str] = set()
        """Runs for which the Hub was asked what continues them, or a list told."""

    @abstractmethod
    async def one_job(self, job_id: str) -> Run:
        """One Job as a run of its own, with what its record says."""

    @abstractmethod
    async def continuing(self, first: Run) -> list[str]:
        """Ids of the Jobs whose label says that they continue this one, the oldest first. Raises as `Engine.get`."""

    @abstractmethod
    def follow_job(self, job_id: str, *, follow: bool, tail: int | None) -> AsyncGenerator[events.Event, None]:
        """The events of one Job."""

    @abstractmethod
    async def submit(self, spec: RunSpec) -> Run:
        """Starts a Job."""

    # -- joining

    def fold(self, runs: Sequence[Run]) -> list[Run]:
        """Listed Jobs as runs."""
        found, later = folded(runs)
        self._later.update(later)
        self._looked.update(run.id for run in found)
        return found

    async def jobs_of(self, run_id: str) -> tuple[str, ...]:
        """Ids of the Jobs of a run, the first one first, given the id of any of them (`namespace/id` as well)."""
        bare = run_id.rpartition("/")[2]
        for first, later in self._later.items():
            if bare in later:
                return (first, *later)
        if bare in self._later:
            return (run_id, *self._later[bare])
        record = await in_thread(partial(job_records.read, bare)) or {}
        if isinstance(known := record.get(LATER), list) and known:
            self._later[bare] = tuple(str(one) for one in known)
            return (run_id, *self._later[bare])
        return (run_id,)

    async def current(self, run_id: str) -> str:
        """Id of the newest Job of a run: it is what can be canceled or measured."""
        return (await self.jobs_of(run_id))[-1]

    async def whole(self, run_id: str) -> Run:
        """The run that a Job belongs to. Raises as `Engine.get`."""
        ids = await self.jobs_of(run_id)
        found = [await self.one_job(job_id) for job_id in ids]
        first = found[0].labels.get(CONTINUES, "")
        if len(found) == 1 and first and first != found[0].id:  # of another machine, and not listed yet
            with suppress(InputError, NotFoundOnHubError):
                found = [await self.one_job(first), *found]
                self._later[found[0].id] = (found[1].id,)
        run = joined(found)
        # Another machine, or a process that was killed, may have continued it.
        if run.is_final and run.stage != Stage.COMPLETED and run.id not in self._looked:
            with suppress(PermissionDeniedError, NotFoundOnHubError):  # who may see a Job may not see the list
                if await self._look_for_later(found[0]):
                    return await self.whole(run.id)
        return run

    async def look_once(self, run_id: str) -> None:
        """Asks the Hub what continues a run, unless it was asked before, or a list said so. Raises as `Engine.get`."""
        first, *_ = await self.jobs_of(run_id)
        if first.rpartition("/")[2] not in self._looked:
            await self._look_for_later(await self.one_job(first))

    async def _look_for_later(self, first: Run) -> bool:
        """Asks the Hub which Jobs continue this one; whether there are others than were known. Raises as `get`."""
        later = tuple(await self.continuing(first))
        self._looked.add(first.id)
        known = self._later.get(first.id, ())
        # The Hub's order is that of their starts; it may not list yet what was started just now.
        if ids := (*later, *(job_id for job_id in known if job_id not in later)):
            self._later[first.id] = ids
        return not set(later) <= set(known)

    async def follow_all(self, run_id: str, *, follow: bool, tail: int | None) -> AsyncGenerator[events.Event, None]:
        """The events of all Jobs of a run, one after the other; with `tail`, those of the newest."""
        *earlier, last = await self.jobs_of(run_id)
        for job_id in earlier if tail is None else ():
            async with aclosing(self.follow_job(job_id, follow=False, tail=None)) as stream:
                async for event in stream:
                    if not isinstance(event, events.StageChanged | events.Failed):  # it did not end there
                        yield event
        async with aclosing(self.follow_job(last, follow=follow, tail=tail)) as stream:
            async for event in stream:
                if earlier and isinstance(event, events.StageChanged) and is_final(event.stage):
                    with suppress(ServiceError):  # that it has ended is known all the same
                        event = replace(event, hint=(await self.whole(run_id)).hint)
                yield event

    # -- resuming

    async def continue_run(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        """As `Engine.resume`: a new Job that resumes from the newest kept checkpoint.

        Raises:
            InputError: it has not ended, is complete, was not submitted from here, or kept no checkpoint.
            Else as `submit`.
        """
        from smoltui.backends.pairs.curated import curated_spec  # reads sets of pairs: not for a list of runs

        run = await self.whole(run_id)
        if run.is_final and await self._look_for_later(await self.one_job(run.id)):
            run = await self.whole(run_id)
        spec = await self._resumable_spec(run)
        label = new_label()
        spec = changed(again(spec, label), changes)
        spec = replace(spec, labels={**spec.labels, CONTINUES: run.id}, resumes=True)
        refuse_tokens(spec)
        made = await self.submit(await in_thread(partial(curated_spec, spec)))
        self._later[run.id] = (*self._later.get(run.id, ()), made.id)
        await in_thread(partial(_note_later, run.id, self._later[run.id]))
        try:
            return await self.whole(run.id)
        except ServiceError:  # it was started all the same, and must not be said to have failed
            return joined([run, made])

    async def _resumable_spec(self, run: Run) -> RunSpec:
        over = f"Start over from the first step: smoltui rerun {run.id}"
        refuse_resume(run)
        record = await in_thread(partial(job_records.read, run.id))
        spec = spec_of((record or {}).get("spec"))
        if spec is None and (broken := await in_thread(partial(job_records.broken, run.id))) is not None:
            raise InputError(f"The record of this Job cannot be read, so it cannot be resumed: {broken}", over)
        if spec is None:
            raise InputError(f"This Job was not started from this machine, so it cannot be resumed: {run.id}", over)
        if not spec.keep:
            raise InputError(f"This Job kept no checkpoints (jobs.checkpoints, save_strategy): {run.id}", over)
        if run.kept_step is None and not await self._has_kept(run.id):
            raise InputError(f"No checkpoint of this Job was complete when it ended: {run.id}", over)
        return spec

    async def _has_kept(self, run_id: str) -> bool:
        """Whether the log says that a checkpoint was kept; it may not have been read before."""
        found = False
        async with aclosing(self.follow_all(run_id, follow=False, tail=None)) as stream:
            async for event in stream:
                found = found or isinstance(event, events.CheckpointKept)
        return found


def _note_later(first: str, later: Sequence[str]) -> None:
    """Records which Jobs continue a run; without it, the list of Jobs says so."""
    record = job_records.read(first)
    if record is not None:
        with suppress(InputError):
            job_records.save({**record, LATER: list(later)})
