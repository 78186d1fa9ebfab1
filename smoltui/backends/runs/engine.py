"""The contract of an engine: where runs run. A new one is one package beside this and one line in `services.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from smoltui.core.runs.events import Event
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError, SmoltuiError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.core.machine.account import Account
    from smoltui.core.machine.sample import Sample
    from smoltui.core.runs.cost import Flavor
    from smoltui.core.runs.scheduled import ScheduledJob

HERE_SECONDS = 0.5
"""Between two looks at a run of this machine."""
ELSEWHERE_SECONDS = 15.0
"""…and at one elsewhere, where its engine says nothing else."""


class Engine(ABC):
    """Starts runs, lists them and tells what happens in them. A method may take long; none blocks the event loop.

    An engine has to have a `place` and the six abstract methods. The others it has as far as its place says that it can
    do what they are for; where it cannot, they raise InputError with a sentence that names the place.
    """

    place: Place
    """What the engine says of itself."""

    @property
    def name(self) -> str:
        """What stands in `Run.engine`."""
        return self.place.name

    # -- what each engine does

    @abstractmethod
    async def submit(self, spec: RunSpec) -> Run:
        """Starts a run and gives it as soon as it has an id.

        `spec` is trained as it is: decisions on its pairs are in it already (`backends/runs/plan.py`).

        Never starts two: when an earlier submission with the same `spec.label` exists, that run is given.

        Raises:
            InputError: the spec cannot be run.
            MissingExtraError: the training packages are not installed.
            ServiceError: the service refused or could not be reached.
        """

    @abstractmethod
    async def list_runs(self) -> list[Run]:
        """All runs this engine knows, newest first. May leave `history` empty where reading it costs a request a run.

        Raises:
            ServiceError: the service refused or could not be reached.
        """

    @abstractmethod
    async def get(self, run_id: str) -> Run:
        """The run as it stands now.

        Raises:
            InputError: no run has this id here (NotFoundOnHubError for the Hub).
            ServiceError: the service refused or could not be reached.
        """

    @abstractmethod
    def follow(self, run_id: str, *, follow: bool = True, tail: int | None = None) -> AsyncGenerator[Event, None]:
        """The events of a run from its first line, log lines included, in order, each once.

        With `follow` it continues until the run has ended and everything was read; without, it ends with what is there
        now. `tail` gives only the last so many lines of the log. The last event is a `StageChanged`. Closing the
        iterator (or cancelling the task that reads it) lets go of everything at once.

        Raises:
            as `get`; a break in the connection is repaired, not raised.
        """

    @abstractmethod
    async def cancel(self, run_id: str) -> Run:
        """Stops a run and gives it; a run that has already ended is given as it is. Raises as `get`."""

    @abstractmethod
    async def inspect(self, run_id: str) -> dict[str, Any]:
        """Everything the engine has about a run, as it was given, secrets' values never included. Raises as `get`."""

    # -- what some can do (`Place.can`)

    async def pause(self, run_id: str) -> Run:
        """Stops a run so that `resume` can continue it later, and gives it.

        Raises:
            InputError: it cannot be paused (now), or no run has this id. Else as `get`.
        """
        raise self.cannot("cannot pause a run", "Cancel it: smoltui cancel ID; anything already pushed is kept.")

    async def resume(self, run_id: str) -> Run:
        """Continues a run where it stopped: the same run, log and curve.

        Raises:
            InputError: there is nothing to continue from, or no run has this id. Else as `submit`.
        """
        raise self.cannot("cannot resume a run", "Start over from the first step: smoltui rerun ID")

    async def rerun(self, run_id: str) -> Run:
        """The same run again, once, and the new run. What it costs is asked before, by the caller.

        As it is here it serves an engine whose `Run.raw` holds the specification as `spec`: the run trains into the
        first of `aligned-2`, `aligned-3`, … that is free, with the recipe as it was and the files as they are now.

        Raises:
            InputError: what it was started with is not known. Else as `submit` and `get`.
        """
        if "rerun" not in self.place.can:
            raise self.cannot("cannot rerun a run", "Start a new run: smoltui train FOLDER")
        return await _again(self, run_id)

    async def labels(self, run_id: str, set_: Mapping[str, str], remove: Sequence[str] = ()) -> Run:
        """Sets some labels of a run and removes others; all the rest stay. Gives the run as it is then.

        Raises:
            InputError: a label that is refused, or one to remove that is not there. Else as `get`.
        """
        raise self.cannot("has no labels", "Labels are for Jobs.")

    def stats(self, run_id: str, *, follow: bool = True) -> AsyncGenerator[Sample, None]:
        """What a run takes of its machine, a sample a second until its end; waits for its start.

        Without `follow` one sample, or none when it does not run now. Close the iterator to let go at once. Raises as
        `get`.
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
        """What it starts again and again; None where it cannot."""
        return None

    # -- what is asked besides, of any engine

    @property
    def problems(self) -> Mapping[str, SmoltuiError]:
        """What is missing from the last list, by the name of its owner (a namespace), and why."""
        return {}

    def connection(self, run_id: str) -> str | None:
        """Why the log of a followed run stands still: the connection broke. None while it is fine or not followed."""
        return None

    async def started_with(self, run: Run) -> RunSpec | None:
        """What a run of this engine was started with; None where that is not known."""
        from smoltui.core.runs.rerun import spec_of

        return spec_of(run.raw.get("spec"))

    def access(self, inspected: Mapping[str, Any]) -> list[str]:
        """How one gets into a run, a line each, out of what `inspect` gave; empty where one cannot."""
        return []

    def poll_seconds(self, stage: str, polls: int) -> float:
        """Seconds to the next question for the stage of a run, after `polls` that told nothing new."""
        return HERE_SECONDS if self.place.here else ELSEWHERE_SECONDS

    def cannot(self, what: str, hint: str) -> InputError:
        """The sentence for something that this engine does not do."""
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
    """Runs that a service starts again and again. Each method raises ServiceError where it cannot be asked."""

    @property
    def problems(self) -> Mapping[str, SmoltuiError]:
        """Owners that could not be asked when they were last listed, and why."""
        ...

    async def list_all(self) -> list[ScheduledJob]:
        """All of them, newest first."""
        ...

    async def get(self, scheduled_id: str) -> ScheduledJob:
        """One as it is now."""
        ...

    async def create(
        self, spec: RunSpec, schedule: str, *, suspended: bool = False, concurrency: bool = False
    ) -> ScheduledJob:
        """One that trains `spec` each time."""
        ...

    async def create_from(
        self,
        job: Mapping[str, Any],
        namespace: str,
        schedule: str,
        *,
        suspended: bool = False,
        concurrency: bool = False,
    ) -> ScheduledJob:
        """One that does what a run (`Run.raw`) does."""
        ...

    async def suspend(self, scheduled_id: str) -> ScheduledJob:
        """It starts nothing until it is resumed."""
        ...

    async def resume(self, scheduled_id: str) -> ScheduledJob:
        """It starts runs again, from its next time on."""
        ...

    async def trigger(self, scheduled_id: str) -> Run:
        """Starts one run of it now; the schedule stays as it is. Never starts two."""
        ...

    async def delete(self, scheduled_id: str) -> ScheduledJob:
        """Deletes it for good and gives what it was."""
        ...
