"""The undo journal: every change that smoltui makes to recipe.yaml and smoltui.toml goes through `Journal.write`.

    Journal(project.folder).write(path, data, "beta 0.5 → 0.1", expected=digest_of_what_was_read)
    Journal(project.folder).undo("recipe.yaml")

The journal is in the data folder, so it survives a restart. Every app and command of this account that has the project
open shares it, under one lock. A file is restored byte for byte. If another program changed it since, `AskFirstError`
says so; once a person agreed, that change becomes a step of its own, so that redo brings it back.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.backends.system import data_folder, locks
from smoltui.backends.system.processes import is_ours
from smoltui.backends.system.small_file import read_small, replace_small
from smoltui.core.foreign.token_stop import leak_in_file
from smoltui.core.undo.history import NO_FILE, History, Step, steps_as_json, steps_from_json
from smoltui.errors import InputError

MOST_STORED = 4 << 20
"""Bytes of all contents in a journal, compressed and encoded; beyond them the oldest steps are forgotten."""
MOST_FILE_BYTES = 8 << 20
"""Maximum bytes of a file that is restored."""
NOTHING_TO_UNDO = "Changes made by other programs, and those made long ago, are not kept. git may have them."
VERSION = 1
_with_secrets: dict[str, bytes] = {}
"""Digest → a content with a token, which is kept only in this process, never in the data folder."""


class AskFirstError(InputError):
    """Undo or redo would replace what somebody else wrote. Repeat it with `agreed=True` after asking."""


class ChangedOutsideError(InputError):
    """The file is no longer what the caller read, so nothing was written."""


@dataclass(frozen=True, slots=True)
class Written:
    """A change that is on the disk."""

    said: str
    """What changed; empty if nothing did."""
    not_undoable: str = ""
    """Why it cannot be undone, for the end of a sentence; empty if it can."""


class Journal:
    """Writes the files of one project, and undoes and redoes that. Every method blocks; nothing is cached."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the project."""
        self._project = folder.absolute()
        key = hashlib.sha256(os.fsencode(self._project.resolve())).hexdigest()[:16]
        self._folder = data_folder.home() / "undo" / key

    def write(self, path: Path, data: bytes, said: str, *, expected: str | None = None) -> Written:
        """Replaces a file in one step and notes the change. `said` says what changes.

        `expected`: digest of the file as the caller read it (`digest`, `NO_FILE` if missing); None replaces anything.

        Raises:
            ChangedOutsideError: the file differs from what is expected.
            OSError: the file cannot be written, and is unchanged.
            LockHeldError: another smoltui has kept the journal locked.
        """
        with self._locked() as why_not:
            before = _read(path)
            if expected is not None and digest(before) != expected:
                raise ChangedOutsideError(
                    f"{path.name} was changed by another program, so nothing was written",
                    "Reload it, then repeat the change.",
                )
            if before == data:
                return Written("")
            replace_small(path, data)
            return Written(said, why_not or self._noted(path, before, data, said))

    def note(self, path: Path, before: bytes | None, said: str) -> bool:
        """Notes a change that a program started by smoltui made, such as an editor; False if the file is the same.

        `before` is the file before that (`contents`).

        Raises:
            LockHeldError: as `write`.
        """
        with self._locked() as why_not:
            after = contents(path)
            if after is None or after == before:
                return False
            if not why_not:
                self._noted(path, before, after, said)
            return True

    def undo(self, file: str | None = None, *, agreed: bool = False) -> Step:
        """Restores the file before its latest change; of any file of the project if `file` is None. Returns the change.

        Raises:
            AskFirstError: another program, or another running smoltui, has changed it since (unless `agreed`).
            InputError: there is nothing to undo, or the file cannot be written.
        """
        with self._moving() as (history, known):
            step = history.to_undo(file)
            if step is None:
                raise InputError("There is nothing to undo", NOTHING_TO_UNDO)
            path = self._project / step.file
            now = _read(path)
            if digest(now) != step.after:
                if not agreed:
                    raise AskFirstError(
                        f"{step.file} was changed by another program since",
                        "Undo that change first? ctrl+r brings it back.",
                    )
                self._keep(known, now)
                self._restore(path, step.after, known)
                return history.undo_outside(step, digest(now), time.time())
            if not agreed and (other := _another_app(step)):
                raise AskFirstError(
                    f"{step.said}: this was changed in another smoltui that is still open (process {other})",
                    f"Undo it here all the same? {step.file} is restored for both.",
                )
            self._restore(path, step.before, known)
            history.undo(step)
            return step

    def redo(self, file: str | None = None, *, agreed: bool = False) -> Step:
        """Makes the change again that was undone last. Returns it.

        Raises:
            AskFirstError: as `undo`.
            InputError: there is nothing to redo, or the file cannot be written.
        """
        with self._moving() as (history, known):
            step = history.to_redo(file)
            if step is None:
                raise InputError("There is nothing to redo", "Redo brings back what u has undone.")
            path = self._project / step.file
            now = _read(path)
            if digest(now) != step.before and not agreed:
                raise AskFirstError(
                    f"{step.file} was changed by another program since",
                    f"Replace that by the change that was undone ({step.said})? u brings it back.",
                )
            self._keep(known, now)
            self._restore(path, step.after, known)
            history.redo(step, digest(now))
            return step

    def next_steps(self, file: str | None = None) -> tuple[Step | None, Step | None]:
        """What undo and what redo would take; None each without one."""
        history, _ = self._load()
        return history.to_undo(file), history.to_redo(file)

    # -- the file of the journal

    @contextmanager
    def _locked(self) -> Iterator[str]:
        """The journal, locked; yields why it cannot be used, which does not keep a file from being written."""
        try:
            data_folder.private_folder(self._folder)
            descriptor = locks.take(
                self._folder / "lock",
                "{pid} keeps the undo journal of this project locked, so nothing was written",
                "Quit the other smoltui that has this folder open, then repeat the change.",
            )
        except OSError as error:
            yield f"the data folder cannot be written ({error.strerror or error})"
            return
        try:
            yield ""
        finally:
            os.close(descriptor)

    @contextmanager
    def _moving(self) -> Iterator[tuple[History, dict[str, bytes]]]:
        """The steps and contents for undo or redo, saved afterwards. Raises InputError for what the disk refuses."""
        with self._locked() as why_not:
            if why_not:
                raise InputError(f"There is nothing to undo: {why_not}", str(self._folder))
            history, known = self._load()
            try:
                yield history, known
                self._save(history, known)
            except OSError as error:
                raise InputError(
                    f"{error.filename or 'The file'} cannot be written: {error.strerror or error}",
                    "Make the project folder writable, or free some space.",
                ) from error

    def _noted(self, path: Path, before: bytes | None, after: bytes, said: str) -> str:
        """Adds a step; returns why that is not possible, empty if it is."""
        history, known = self._load()
        self._keep(known, before)
        self._keep(known, after)
        history.add(Step(path.name, said, digest(before), digest(after), time.time(), os.getpid()))
        try:
            self._save(history, known)
        except OSError as error:
            return f"the undo journal cannot be written ({error.strerror or error})"
        return ""

    @staticmethod
    def _keep(known: dict[str, bytes], data: bytes | None) -> None:
        """Adds a content; one with a token only for this process."""
        if data is None:
            return
        if leak_in_file("", data.decode("utf-8", "replace"), is_recipe=True):
            _with_secrets[digest(data)] = data
        else:
            known[digest(data)] = data

    @staticmethod
    def _restore(path: Path, wanted: str, known: Mapping[str, bytes]) -> None:
        """Gives a file the content with this digest. Raises: OSError; InputError: the content was not kept."""
        if wanted == NO_FILE:
            path.unlink(missing_ok=True)
            return
        data = known.get(wanted) or _with_secrets.get(wanted)
        if data is None and wanted != digest(b""):
            raise InputError(
                f"This version of {path.name} was not kept: it contained a token",
                "smoltui never stores a file with a token. Make the change by hand.",
            )
        replace_small(path, data or b"")

    def _load(self) -> tuple[History, dict[str, bytes]]:
        """The steps and the contents; empty if there is no journal that can be read."""
        data = data_folder.read_json(self._folder / "journal.json") or {}
        known = {}
        stored: Any = data.get("contents")
        for name, text in stored.items() if isinstance(stored, dict) else ():
            with suppress(ValueError, TypeError, zlib.error):
                decoder = zlib.decompressobj()
                content = decoder.decompress(base64.b85decode(text), MOST_FILE_BYTES)
                if digest(content) == name:
                    known[name] = content
        return History(steps_from_json(data.get("steps"))), known

    def _save(self, history: History, known: Mapping[str, bytes]) -> None:
        """Replaces the journal. Contents that no step needs are left out. Raises OSError."""
        stored = {
            name: base64.b85encode(zlib.compress(known[name])).decode("ascii")
            for name in known.keys() & history.digests
        }
        while len(history.steps) > 1 and sum(len(stored.get(name, "")) for name in history.digests) > MOST_STORED:
            history.drop_oldest()
        data_folder.write_json(
            self._folder / "journal.json",
            {
                "v": VERSION,
                "folder": str(self._project),
                "steps": steps_as_json(history.steps),
                "contents": {name: stored[name] for name in sorted(history.digests & stored.keys())},
            },
            indent=None,
        )


def digest(data: bytes | None) -> str:
    """SHA-256 of a content, hexadecimal; `NO_FILE` for None."""
    return NO_FILE if data is None else hashlib.sha256(data).hexdigest()


def contents(path: Path) -> bytes | None:
    """The bytes of a file; None if it cannot be read."""
    try:
        return _read(path)
    except OSError:
        return None


def _read(path: Path) -> bytes | None:
    """The bytes of a file; None if it does not exist. Raises OSError: it cannot be read."""
    try:
        return read_small(path, MOST_FILE_BYTES)
    except FileNotFoundError:
        return None


def _another_app(step: Step) -> int:
    """The process that made a step, if it is another one that still runs; otherwise 0."""
    return step.by if step.by != os.getpid() and is_ours(step.by) else 0
