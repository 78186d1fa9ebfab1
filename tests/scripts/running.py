"""Runs scripts in child processes, and reads what they say."""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoltui.core.runs import events
from tests.paths import PACKAGE
from tests.scripts import prepared

SCRIPTS = PACKAGE / "scripts"
LIMIT_SECONDS = 600.0
"""After this long, a script is killed and its test fails. On an idle machine, the longest takes half a minute."""


@dataclass
class Ran:
    """What a script said and how it ended."""

    code: int
    output: str
    errors: str

    @property
    def events(self) -> list[events.Event]:
        reader = events.Reader()
        found = [event for line in self.output.splitlines() for event in reader.feed(line)]
        return [event for event in found if not isinstance(event, events.LogLine)]

    def of(self, kind: type[events.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def failure(self) -> events.Failed:
        """The one failure, which is the last event."""
        assert len(self.of(events.Failed)) == 1, self.output
        last = self.events[-1]
        assert isinstance(last, events.Failed)
        return last


def run(script: str, *arguments: object) -> Ran:
    """Runs a script of `scripts/` in a fork of a Python that has already imported the training packages."""
    return _prepared().run(SCRIPTS, [str(SCRIPTS / script), *map(str, arguments)])


def run_path(folder: Path, argv: list[str]) -> Ran:
    """As `run`, for a script elsewhere: its path and arguments are `argv`; `folder` is first on its path of modules."""
    return _prepared().run(folder, argv)


def run_alone(script: str, *arguments: object, env: Mapping[str, str] | None = None) -> Ran:
    """Runs a script as the app does, in a Python of its own. `env` is added to the environment."""
    return _alone([str(SCRIPTS / script), *map(str, arguments)], _environment(**(env or {})))


def in_scripts(code: str) -> Any:
    """The JSON that `code` prints last, in a Python of its own with the scripts' folder first on the path."""
    return _last(_alone(["-c", textwrap.dedent(code)], _environment(PYTHONPATH=str(SCRIPTS))))


def in_prepared(code: str) -> Any:
    """As `in_scripts`, in a fork of a Python that has already imported the training packages."""
    return _last(_prepared().run(SCRIPTS, ["-c"], textwrap.dedent(code)))


def _last(ran: Ran) -> Any:
    assert ran.code == 0, ran.errors
    return json.loads(ran.output.strip().splitlines()[-1])


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **more}


def _alone(arguments: list[str], env: dict[str, str]) -> Ran:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT_SECONDS,
        stdin=subprocess.DEVNULL,
        env=env,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


class _Prepared:
    """The process of `prepared.py`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name, "errors")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, prepared.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(HOME=self._folder.name, HF_HOME=self._folder.name),
            )
        atexit.register(self.close)

    def run(self, path: Path, argv: list[str], code: str = "") -> Ran:
        """Runs the script `argv[0]`, or `code`, with `path` first on the path of modules."""
        assert self._process.stdin is not None and self._process.stdout is not None
        out, err = Path(self._folder.name, "out"), Path(self._folder.name, "err")
        out.write_text("")
        err.write_text("")
        request = {
            "argv": argv,
            "code": code,
            "path": str(path),
            "env": _environment(),
            "cwd": str(Path.cwd()),
            "out": str(out),
            "err": str(err),
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        child = self._process.stdout.readline()
        assert child, self._errors.read_text()
        late = threading.Timer(LIMIT_SECONDS, self._kill, [int(child)])
        late.start()
        ended = self._process.stdout.readline()
        late.cancel()
        assert ended, self._errors.read_text()
        return Ran(json.loads(ended), out.read_text("utf-8"), err.read_text("utf-8"))

    @staticmethod
    def _kill(child: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    def close(self) -> None:
        self._process.communicate()
        self._folder.cleanup()


@functools.cache
def _prepared() -> _Prepared:
    """One for all tests of this worker."""
    return _Prepared()
