"""The engines, as the rooms and commands use them: one object, so that a test can replace it.

`ENGINES` is the one list of engines. Importing this module imports none of them: the command line does so at each
start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.place import HERE
from smoltui.backends.pairs.counted import PairCounts
from smoltui.backends.slurm.place import SLURM
from smoltui.core.runs.place import Place
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import InputError, RecipeError, ServiceError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from smoltui.backends.runs.engine import Engine
    from smoltui.core.runs.cost import Flavor


@dataclass
class Services:
    """Engines by name, in display order, and counts that are worth caching."""

    engines: dict[str, Engine] = field(default_factory=dict)
    counts: PairCounts = field(default_factory=PairCounts)
    """Cached counts of the pairs that recipes name."""

    @property
    def here(self) -> frozenset[str]:
        """Names of the engines whose runs leave their files on this machine's disks."""
        return frozenset(name for name, engine in self.engines.items() if engine.place.on_disk)

    @property
    def places(self) -> list[Place]:
        return [engine.place for engine in self.engines.values()]

    def named(self, name: str) -> Engine:
        """The engine of this name; the first one for an empty name.

        Raises:
            InputError: there is no such engine.
        """
        found = self.engines.get(name or next(iter(self.engines), ""))
        if found is None:
            found = self._asked_for(name)
        if found is None:
            raise _unknown(name, list(self.engines))
        return found

    def _asked_for(self, name: str) -> Engine | None:
        """The engine of a place that is not offered because its program is missing; it says so when it is used."""
        for place, make in ENGINES:
            if place.name == name and place.needs:
                self.engines[name] = make()
                return self.engines[name]
        return None

    def default(self, on: str) -> Engine:
        """The engine of `run.on` in smoltui.toml; the first one if that is empty, or an engine that is not in use.

        Raises:
            RecipeError: there is no such engine.
        """
        if on and on not in {*self.engines, *(place.name for place in places())}:
            raise _unknown_setting(on, list(self.engines))
        if on not in self.engines and (asked := self._asked_for(on)) is not None:
            return asked
        return self.named(on if on in self.engines else "")

    def able(self, act: str, on: str = "") -> Engine | None:
        """The engine `on` if it can do this (`core.runs.place.ACTS`), else the first that can; None where none can."""
        return next(iter(self.all_able(act, on)), None)

    def all_able(self, act: str, on: str = "") -> list[Engine]:
        """The engines that can do this, with the engine `on` first."""
        able = [engine for engine in self.engines.values() if act in engine.place.can]
        return sorted(able, key=lambda engine: engine.name != on)

    async def hardware(self, preferred: str = "") -> tuple[Engine, list[Flavor], str] | None:
        """The hardware of the first engine that answers, `preferred` before the others, and why one of those did not
        (empty: none failed); None if no engine has hardware to choose from.

        Raises:
            ServiceError: no engine answers; what the first one says.
        """
        first: ServiceError | None = None
        for engine in self.all_able("hardware", preferred):
            try:
                return engine, await engine.hardware(), first.message if first else ""
            except ServiceError as error:
                first = first or error
        if first is not None:
            raise first
        return None


def _local() -> Engine:
    from smoltui.backends.local.engine import LocalEngine

    return LocalEngine()


def _jobs() -> Engine:
    from smoltui.backends.jobs.engine import HubEngine

    return HubEngine()


def _slurm() -> Engine:
    from smoltui.backends.slurm.engine import SlurmEngine

    return SlurmEngine()


ENGINES: list[tuple[Place, Callable[[], Engine]]] = [(HERE, _local), (SLURM, _slurm), (JOBS, _jobs)]
"""Each engine's declaration and factory, in display order; the first is the default."""


def is_installed(place: Place) -> bool:
    """Whether a place is offered on this machine."""
    if not place.needs:
        return True
    import shutil

    return shutil.which(place.needs) is not None


def default_services(only: str = "") -> Services:
    """An engine of each kind that can be used here, or `only` the one of this name: importing the others takes time."""
    offered = [(place, make) for place, make in ENGINES if is_installed(place) and only in ("", place.name)]
    return Services(engines={place.name: make() for place, make in offered})


def places() -> list[Place]:
    """All places where runs can run."""
    return [place for place, _ in ENGINES]


def place_listing(key: str) -> Place | None:
    """The place that lists the values of a key of smoltui.toml, such as `slurm.partition`; None: any text."""
    table, _, name = key.rpartition(".")
    return next((place for place, _ in ENGINES if place.table == table and name in place.lists), None)


def place_or_first(name: str) -> Place:
    """The place of this name; the first one if the name is empty or unknown."""
    return next((place for place in places() if place.name == name), places()[0])


def place_of_setting(on: str) -> Place:
    """The place of `run.on` in smoltui.toml; the first one if that is empty.

    Raises:
        RecipeError: there is no such engine.
    """
    try:
        return place_named(on)
    except InputError as error:
        raise _unknown_setting(on, [place.name for place in places()]) from error


def place_named(name: str) -> Place:
    """The place of this name; the first one for an empty name.

    Raises:
        InputError: there is no such engine.
    """
    found = place_or_first(name)
    if name not in ("", found.name):
        raise _unknown(name, [place.name for place in places()])
    return found


def _unknown_setting(on: str, known: Sequence[str]) -> RecipeError:
    return RecipeError(f"run.on in {FILE_NAME} must be one of {', '.join(known)}: {safe_line(on, 60)}")


def _unknown(name: str, known: Sequence[str]) -> InputError:
    return InputError(f"Unknown engine: {name}", f"Known: {', '.join(known)}")
