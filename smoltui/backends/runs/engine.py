"""The contract of an engine: where runs run. A new one is one file beside this and one line in `services.py`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from smoltui.core.runs.events import Event
from smoltui.core.runs.run import Run, RunSpec


class Engine(Protocol):
    """Starts runs, lists them and tells what happens in them. A method may take long; none blocks the event loop."""

    name: str
    """`local`, `hub`, …: what stands in `Run.engine`."""

    async def submit(self, spec: RunSpec) -> Run:
        """Starts a run and gives it as soon as it has an id.

        `spec` is trained as it is: decisions on its pairs are in it already (`backends/runs/plan.py`).

        Never starts two: when an earlier submission with the same `spec.label` exists, that run is given.

        Raises:
            InputError: the spec cannot be run.
            MissingExtraError: what trains is not installed here.
            ServiceError: the service refused or could not be reached.
        """
        ...

    async def list_runs(self) -> list[Run]:
        """All runs this engine knows, newest first. May leave `history` empty where reading it costs a request a run.

        Raises:
            ServiceError: the service refused or could not be reached.
        """
        ...

    async def get(self, run_id: str) -> Run:
        """The run as it stands now.

        Raises:
            InputError: no run has this id here (NotFoundOnHubError for the Hub).
            ServiceError: the service refused or could not be reached.
        """
        ...

    def follow(self, run_id: str, *, follow: bool = True, tail: int | None = None) -> AsyncGenerator[Event, None]:
        """The events of a run from its first line, log lines included, in order, each once.

        With `follow` it goes on until the run has ended and everything was read; without, it ends with what is there
        now. `tail` gives only the last so many lines of the log. The last event is a `StageChanged`. Closing the
        iterator (or cancelling the task that reads it) lets go of everything at once.

        Raises:
            as `get`; a break in the connection is mended, not raised.
        """
        ...

    async def cancel(self, run_id: str) -> Run:
        """Stops a run and gives it; a run that has already ended is given as it is. Raises as `get`."""
        ...

    async def inspect(self, run_id: str) -> dict[str, Any]:
        """Everything the engine has about a run, as it was given, secrets' values never included. Raises as `get`."""
        ...
