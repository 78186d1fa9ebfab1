"""The contract of an engine, which is where runs run. A new one needs one package beside this one and one line in
`services.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from smoltui.core.runs.events import Event
from smoltui.core.runs.place import Place
from smoltui.core.runs.rerun import NO_CHANGES, Changes
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.core.machine.account import Account
    from smoltui.core.machine.sample import Sample
    from smoltui.core.preflight.check import Check
    from smoltui.core.preflight.preflight import Facts
    from smoltui.core.runs.choice import Choice
    from smoltui.core.runs.command import CommandSpec
    from smoltui.core.runs.cost import Flavor
    from smoltui.core.runs.scheduled import ScheduledJob

HERE_SECONDS = 0.5
"""Seconds between two checks of a run on this machine."""
ELSEWHERE_SECONDS = 15.0
"""…and of a run of any other engine, unless that engine sets its own."""


class Engine(ABC):
    """Starts runs, lists them and follows their events. Methods may take long, but never block the event loop.

    An engine must define `place` and the six abstract methods. Of the others, it implements those that `Place.can`
    declares; the rest raise InputError with a sentence that names the place.
    """

    place: Place
    """The engine's declaration."""

    @property
    def name(self) -> str:
        """The value of `Run.engine`."""
        return self.place.name

    # -- required of every engine

    @abstractmethod
    async def submit(self, spec: RunSpec) -> Run:
        """Starts a run and returns it as soon as it has an id.

        `spec` is trained unchanged: decisions about its pairs are already applied (`backends/runs/plan.py`).

        Never starts two: if a run with the same `spec.label` exists, it is returned.

        Raises:
            InputError: the spec cannot be run.
            MissingExtraError: the training packages are not installed.
            ServiceError: the service refused or could not be reached.
        """

    @abstractmethod
    async def list_runs(self) -> list[Run]:
        """All runs this engine knows, newest first. `history` may be empty if reading it takes one request per run.

        Raises:
            ServiceError: the service refused or could not be reached.
        """

    @abstractmethod
    async def get(self, run_id: str) -> Run:
        """The current state of a run.

        Raises:
            InputError: no run has this id here (NotFoundOnHubError for the Hub).
            ServiceError: the service refused or could not be reached.
        """

    @abstractmethod
    def follow(self, run_id: str, *, follow: bool = True, tail: int | None = None) -> AsyncGenerator[Event, None]:
        """The events of a run from its first line, log lines included, in order, each once.

        With `follow`, until the run has ended and everything was read; without, up to the current end of the log. With
        `tail`, only that many last lines of the log. The last event is a `StageChanged`. Closing the iterator (or
        cancelling the task that reads it) releases everything immediately.

        Raises:
            as `get`; a lost connection is restored, not raised.
        """

    @abstractmethod
    async def cancel(self, run_id: str) -> Run:
        """Stops a run and returns it; a run that has already ended is returned unchanged. Raises as `get`."""

    @abstractmethod
    async def inspect(self, run_id: str) -> dict[str, Any]:
        """All that the engine knows about a run, in its own format, without the values of secrets. Raises as `get`."""

    # -- required by `Place.can`

    async def pause(self, run_id: str) -> Run:
        """Stops a run so that `resume` can continue it later, and returns it.

        Raises:
            InputError: it cannot be paused (now), or no run has this id. Else as `get`.
        """
        raise self.cannot("cannot pause a run", "Cancel it: smoltui cancel ID; anything already pushed is kept.")

    async def resume(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        """Continues a run where it stopped: the same run, log and curve; on other hardware where `changes` say so.

        Raises:
            InputError: the place cannot do what `changes` say, there is nothing to continue from, or no run has this
                id. Else as `submit`.
        """
        raise self.cannot("cannot resume a run", "Start over from the first step: smoltui rerun ID")

    async def rerun(self, run_id: str, changes: Changes = NO_CHANGES) -> Run:
        """Starts the same run again with `changes`, once, and returns the new run. The caller confirms the cost first.

        This implementation works for engines whose `Run.raw` has the specification as `spec`. The new run writes to the
        first free folder of `aligned-2`, `aligned-3`, …, with the original recipe and the current files.

        Raises:
            InputError: its specification is unknown. Else as `submit` and `get`.
        """
        if "rerun" not in self.place.can:
            raise self.cannot("cannot rerun a run", "Start a new run: smoltui train FOLDER")
        self.refuse_changes(changes)
        return await _again(self, run_id)

    async def labels(self, run_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> Run:
        """Sets some labels of a run, removes others, keeps the rest, and returns the run.

        Raises:
            InputError: a label that is refused, or one to remove that is not there. Else as `get`.
        """
        raise self.cannot("has no labels", "Labels are for Jobs.")

    async def expose(self, run_id: str, ports: Sequence[int], public: Sequence[int]) -> Run:
        """Makes these ports of a running run reachable, and no others; `public` ones need no token.

        Raises:
            InputError: it has ended. Else as `get`.
        """
        raise self.cannot("cannot expose ports", "Ports can be exposed for Jobs.")

    async def command(self, spec: CommandSpec) -> Run:
        """Starts a command that is not a training, and returns its run as soon as it has an id.

        Never starts two, as `submit`. Raises as `submit`.
        """
        raise self.cannot("runs only trainings", "Start it yourself.")

    def stats(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
        """The resource usage of a run, one sample per second until its end; waits for its start.

        Without `follow`, one sample, or none if the run is not running. Close the iterator to stop immediately. Raises
        as `get`.
        """
        raise self.cannot("does not report processor and memory", "See the log: smoltui logs ID")

    async def hardware(self) -> list[Flavor]:
        """The hardware a run can be started on, with prices.

        Raises:
            ServiceError: the list could not be read.
        """
        raise self.cannot("has no hardware to choose from", "See what it has: smoltui check")

    async def account(self) -> Account:
        """Who owns the runs that are started here, and pays for them; every engine with `Place.pays` has one.

        Raises:
            ServiceError: nobody is logged in, or the service could not be asked.
        """
        raise self.cannot("has no accounts", "Nothing has to be paid for there.")

    @property
    def scheduled(self) -> Schedules | None:
        """Its scheduled runs; None if it has no schedules."""
        return None

    # -- optional for every engine

    @property
    def problems(self) -> Mapping[str, SmoltuiError]:
        """Owner (a namespace) → why its runs are missing from the last list."""
        return {}

    async def recorded(self, project: str) -> list[Run]:
        """Runs started from this folder as this machine remembers them, newest first, without asking the service.

        This implementation is for engines on this machine, whose list is what it remembers.
        """
        return [run for run in await self.list_runs() if run.project == project] if self.place.here else []

    async def settled(self, run: Run) -> Run:
        """A run that has ended, with what only the end of its log says: where its model is, or why it failed.

        Returned unchanged if that is known, or nobody knows. Raises as `get`.
        """
        return run

    def submitting(self, label: str) -> str:
        """How far the submission of the specification with this label is: `sending files, 3 of 12 MB`; empty if there
        is nothing to say."""
        return ""

    def connection(self, run_id: str) -> str | None:
        """Why no lines of a followed log arrive; None if it is connected, or not followed."""
        return None

    async def started_with(self, run: Run) -> RunSpec | None:
        """The specification that a run of this engine was started with; None if unknown."""
        from smoltui.core.runs.rerun import spec_of

        return spec_of(run.raw.get("spec"))

    async def takes_changes(self, run: Run) -> bool:
        """Whether `rerun` of this run takes `Changes`; if not, it does exactly what the run did.

        An engine whose runs cost money can change what it has a specification of. Runs that are free have nothing to
        change.
        """
        from smoltui.backends.runs.spec import has_project
        from smoltui.backends.system.threads import in_thread

        spec = await self.started_with(run) if self.place.pays else None
        return spec is not None and await in_thread(partial(has_project, spec))

    def access(self, inspected: Mapping[str, object]) -> list[str]:
        """How to connect to a run, one line each, from the result of `inspect`; empty if that is not possible."""
        return []

    async def checks(self, spec: RunSpec, facts: Facts) -> list[Check]:
        """Its own checks before `spec` is started, in addition to those of every run (`facts`); empty: none.

        Raises:
            SmoltuiError: the spec cannot be run.
        """
        return []

    async def choices(self, key: str, values: Mapping[str, object]) -> Sequence[Choice]:
        """What can be chosen for a key of `Place.lists`. `values`: what its table sets now.

        Raises:
            InputError: it can't be listed here. UnreachableError: the place did not answer in time.
        """
        raise self.cannot(f"has no list of choices for {safe_line(key, 60)}", "Type the value.")

    async def preview(self, spec: RunSpec) -> dict[str, Any]:
        """What `submit` would start, as JSON without the values of secrets; starts and sends nothing.

        Raises:
            InputError: the spec cannot be run.
        """
        from dataclasses import asdict

        return {"engine": self.name, **asdict(spec)}

    def steps_after(self, run: Run) -> Sequence[str]:
        """Follow-up steps that a run of this engine needs because it can't do them itself (`core.runs.chain.STEPS`)."""
        return ()

    def around(self, run: Run, step: str) -> Sequence[str]:
        """The command that starts a follow-up step of a run elsewhere, up to and including the Python there.

        Empty: the step is done on this machine.
        """
        return ()

    def poll_seconds(self, stage: str, polls: int) -> float:
        """Seconds until the next request for the stage of a run, after `polls` without a change."""
        return HERE_SECONDS if self.place.here else ELSEWHERE_SECONDS

    def refuse_changes(self, changes: Changes) -> None:
        """Raises InputError for an engine that runs again only what it ran before."""
        if changes.any:
            raise self.cannot(
                "runs a run again only as it was", "Start a new run with other settings: smoltui train FOLDER"
            )

    def cannot(self, what: str, hint: str) -> InputError:
        """The error for something that this engine cannot do."""
        return InputError(f"{safe_line(self.place.subject, 60)} {what}", hint)


async def _again(engine: Engine, run_id: str) -> Run:
    from smoltui.backends.pairs.curated import curated_spec
    from smoltui.backends.runs.output_dir import free_output_dir
    from smoltui.backends.runs.spec import new_label
    from smoltui.backends.runs.token_check import refuse_tokens
    from smoltui.backends.system.threads import in_thread
    from smoltui.core.runs.rerun import again

    spec = await engine.started_with(await engine.get(run_id))
    if spec is None:
        raise InputError(
            f"The specification of this run is unknown, so it cannot be rerun: {safe_line(run_id, 60)}",
            "Start a new run: smoltui train FOLDER",
        )
    refuse_tokens(spec)  # before the pairs in it are copied
    spec = await in_thread(partial(curated_spec, spec))
    taken = {other.output_dir for other in await engine.list_runs() if not other.is_final}
    free = await in_thread(partial(free_output_dir, Path(spec.output_dir), taken=taken, overwrite=spec.overwrite))
    return await engine.submit(again(spec, new_label(), output_dir=str(free)))


class Schedules(Protocol):
    """Runs that a service starts on a schedule. Each method raises ServiceError if the service cannot be reached."""

    @property
    def problems(self) -> Mapping[str, SmoltuiError]:
        """Owner → why its scheduled runs are missing from the last list."""
        ...

    async def list_all(self) -> list[ScheduledJob]:
        """All of them, newest first."""
        ...

    async def get(self, scheduled_id: str) -> ScheduledJob:
        """The current state of one."""
        ...

    async def create(
        self, spec: RunSpec, schedule: str, *, suspended: bool = False, concurrency: bool = False
    ) -> ScheduledJob:
        """Creates one that trains `spec` each time."""
        ...

    async def create_from(
        self,
        job: Mapping[str, object],
        namespace: str,
        schedule: str,
        *,
        suspended: bool = False,
        concurrency: bool = False,
    ) -> ScheduledJob:
        """Creates one that repeats a run (`Run.raw`)."""
        ...

    async def reschedule(self, scheduled_id: str, schedule: str) -> ScheduledJob:
        """Changes when it starts runs; `schedule` was checked."""
        ...

    async def labels(self, scheduled_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> ScheduledJob:
        """Sets some labels of its runs, removes others and keeps the rest. Raises as `Engine.labels`."""
        ...

    async def suspend(self, scheduled_id: str) -> ScheduledJob:
        """Suspends it: it starts nothing until it is resumed."""
        ...

    async def resume(self, scheduled_id: str) -> ScheduledJob:
        """Resumes it: it starts runs again from its next time."""
        ...

    async def trigger(self, scheduled_id: str) -> Run:
        """Starts one run of it now, and never two; the schedule does not change."""
        ...

    async def delete(self, scheduled_id: str) -> ScheduledJob:
        """Deletes it permanently and returns its last state."""
        ...
