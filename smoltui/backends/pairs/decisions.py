"""Decisions about the pairs of one project, written in the order in which they were made.

The file is read and written in threads, so that a key press never waits for the disk or for another program's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from smoltui.backends.pairs.curation_file import CurationFile, LockedError
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.curation import FILE_NAME, Curation, Decision, inverse
from smoltui.errors import InputError

NOTHING_TO_UNDO = f"Earlier decisions are lines of {FILE_NAME}; you can remove those by hand or with git."
Make = Callable[[Curation], Sequence[Decision]]
"""Returns decisions, given the state before they are written."""


class Taken(NamedTuple):
    """Decisions that were written, and the state before and after them."""

    decisions: list[Decision]
    before: Curation
    after: Curation


class Decisions:
    """The state of curation.jsonl, the decisions waiting to be written, and those that can be undone.

    For one event loop. `curation` can be read at any time; it is replaced, never modified.
    """

    NAME: ClassVar[str] = FILE_NAME
    """Name of the file."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is that of the project; None: there is no project, and decisions raise InputError."""
        self.curation = Curation()
        """As last read or written; empty before the first `current` or `take`."""
        self.waiting = 0
        """Number of `take`, `undo` and `redo` calls in progress."""
        self._file = CurationFile(folder) if folder is not None else None
        self._turn = asyncio.Lock()
        self._refusals = 0
        self._undoable: list[Taken] = []
        self._redoable: list[Taken] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is something to undo, or may be once waiting decisions are written."""
        return bool(self._undoable or self.waiting)

    @property
    def last(self) -> object:
        """What undo would take back, to be compared; None without anything."""
        return self._undoable[-1] if self._undoable else None

    @property
    def can_redo(self) -> bool:
        """Whether there is something to redo, or may be once waiting decisions are written."""
        return bool(self._redoable or self.waiting)

    async def current(self) -> Curation:
        """The current state of the file, once all waiting decisions are written.

        Raises:
            InputError: the file cannot be read.
        """
        if self._file is not None:
            async with self._turn:
                self.curation = await in_thread(self._file.current)
        return self.curation

    async def take(self, make: Make) -> list[Decision]:
        """Writes the decisions that `make` returns, and returns them; none if an earlier call raised LockedError.

        `make` is called in a thread, after all earlier decisions are written.

        Raises:
            InputError: nothing was written; also whatever `make` raises.
            LockedError: the file was locked for too long; neither these decisions nor those waiting were written.
        """
        taken = await self._in_turn(partial(self._append, self._needed(), make))
        if taken is None:
            return []
        if taken.decisions:
            self._undoable.append(taken)
            self._redoable.clear()
        return taken.decisions

    async def undo(self) -> list[Decision]:
        """Undoes the latest decisions of this object, and returns them; none if an earlier call raised LockedError.

        Raises:
            InputError: there is nothing to undo; otherwise as `take`.
        """
        undone: list[Taken] = []

        def make(_: Curation) -> Sequence[Decision]:
            if not self._undoable:
                raise InputError("There is nothing to undo", NOTHING_TO_UNDO)
            undone.append(self._undoable[-1])
            return inverse(undone[0].decisions, undone[0].before)

        if await self._in_turn(partial(self._append, self._needed(), make)) is None:
            return []
        self._undoable.remove(undone[0])
        self._redoable.append(undone[0])
        return undone[0].decisions

    async def redo(self) -> list[Decision]:
        """Makes the decisions again that were undone last, and returns them; none if an earlier call raised
        LockedError.

        Raises:
            InputError: there is nothing to redo; otherwise as `take`.
        """
        again: list[Taken] = []

        def make(_: Curation) -> Sequence[Decision]:
            if not self._redoable:
                raise InputError("There is nothing to redo", "Redo brings back what u has undone.")
            again.append(self._redoable[-1])
            return [decision._replace(at=None) for decision in again[0].decisions]

        taken = await self._in_turn(partial(self._append, self._needed(), make))
        if taken is None:
            return []
        self._redoable.remove(again[0])
        self._undoable.append(taken)
        return taken.decisions

    async def holder(self) -> str | None:
        """The program that keeps the file locked; None if unknown."""
        return await in_thread(self._file.holder) if self._file is not None else None

    def _needed(self) -> CurationFile:
        if self._file is None:
            raise InputError("Decisions are kept in a project folder", "Name a project folder instead of a file.")
        return self._file

    async def _in_turn(self, write: Callable[[], Taken]) -> Taken | None:
        """The result of `write`, once earlier calls are done; None if one of them raised LockedError meanwhile."""
        refusals = self._refusals
        self.waiting += 1
        try:
            async with self._turn:  # asyncio's lock is first come, first served
                if self._refusals != refusals:
                    return None
                try:
                    taken = await in_thread(write)
                except LockedError as error:
                    self._refusals += 1
                    raise self._all_refused(error) from error
                self.curation = taken.after
                return taken
        finally:
            self.waiting -= 1

    def _all_refused(self, error: LockedError) -> LockedError:
        """The error with the number of all decisions that were not written."""
        if self.waiting < 2:
            return error
        words = error.message.replace("nothing was written", f"none of {self.waiting} decisions was written")
        return LockedError(words, error.hint)

    @staticmethod
    def _append(file: CurationFile, make: Make) -> Taken:
        before = file.current()
        decisions = list(make(before))
        return Taken(decisions, before, file.append(decisions))
