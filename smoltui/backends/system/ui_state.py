"""What the app looked like when it was last used: theme, room, cursors, orders. Losing it costs nothing.

One small file for the app and one per project, below `ui/` in the data folder. They are read in a thread that nobody
waits for, and written when something has changed. With several apps, the last one wins, name by name. A file that
cannot be read counts as empty, and a value of another kind than expected as unknown.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from smoltui.backends.system import data_folder

MOST_NAMES = 64
"""Names in one file; the oldest are dropped."""
MOST_TEXT = 400
"""Characters of a text; longer ones are not kept."""
MOST_BYTES = 64 << 10
"""A larger file is not ours."""
MOST_PROJECTS = 200
"""Projects that are remembered; the ones used least recently are forgotten."""

Value = str | int | bool
_Kind = TypeVar("_Kind", str, int, bool)


class Section:
    """Names and values in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Value] = {}
        self._changed: dict[str, Value] = {}

    def get(self, name: str, default: _Kind) -> _Kind:
        """What was remembered; `default` if it is unknown, not read yet, or of another type than `default`."""
        value = self._changed.get(name, self._values.get(name))
        return value if type(value) is type(default) else default

    def put(self, name: str, value: Value) -> bool:
        """Remembers a value; returns whether it was another one before."""
        before = self._changed.get(name, self._values.get(name))
        if (isinstance(value, str) and len(value) > MOST_TEXT) or (type(before) is type(value) and before == value):
            return False
        self._changed[name] = value
        return True

    def knows(self, name: str) -> bool:
        """Whether there is any value."""
        return name in self._changed or name in self._values

    @property
    def is_changed(self) -> bool:
        """Whether there is something to write."""
        return bool(self._changed)

    def read(self) -> None:
        """Reads the file. Blocking; never fails."""
        self._values = _read(self._path)

    def write(self) -> None:
        """Adds what changed to the file. Blocking. Raises OSError."""
        changed = dict(self._changed)
        if not changed:
            return
        before = {name: value for name, value in _read(self._path).items() if name not in changed}
        values = {**before, **changed}
        self._values = {name: values[name] for name in list(values)[-MOST_NAMES:]}
        data_folder.private_folder(self._path.parent)
        data_folder.write_json(self._path, self._values)
        for name, value in changed.items():
            if self._changed.get(name) == value:  # it may have changed again meanwhile
                del self._changed[name]


class Remembered:
    """The two sections for an app on one project."""

    def __init__(self, folder: Path) -> None:
        self.app = Section(data_folder.home() / "ui" / "app.json")
        self.project = Section(_path_of(folder))
        self.is_read = threading.Event()

    @classmethod
    def reading(cls, folder: Path) -> Remembered:
        """Starts to read in a thread; until that is done, nothing is known."""
        remembered = cls(folder)
        threading.Thread(target=remembered.read, name="smoltui-ui-state", daemon=True).start()
        return remembered

    def read(self) -> None:
        """Reads both files. Blocking; never fails."""
        try:
            self.app.read()
            self.project.read()
        finally:
            self.is_read.set()

    @property
    def is_changed(self) -> bool:
        """Whether there is something to write."""
        return self.app.is_changed or self.project.is_changed

    def write(self) -> None:
        """Writes what changed. Blocking. A full or read-only disk is ignored: nothing depends on these files."""
        with suppress(OSError):
            self.app.write()
            self.project.write()
            _forget_oldest(data_folder.home() / "ui")


def _path_of(folder: Path) -> Path:
    with suppress(OSError):
        folder = folder.resolve()
    name = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return data_folder.home() / "ui" / f"project-{name}.json"


def _read(path: Path) -> dict[str, Value]:
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
    except OSError:
        return {}
    found = data_folder.read_json(path) or {}
    return {
        name: value
        for name, value in list(found.items())[-MOST_NAMES:]
        if isinstance(value, str | int | bool) and not (isinstance(value, str) and len(value) > MOST_TEXT)
    }


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("project-*.json"), key=lambda path: data_folder.mtime(path) or 0.0)
    for path in files[:-MOST_PROJECTS]:
        path.unlink(missing_ok=True)
