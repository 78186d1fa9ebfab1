"""A short-lived Python child process: started, read line by line, and never left behind.

For work that ends with its screen (answers, scores, the probe). Training is different: it is supervised, and outlives
the app (`backends/local`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from smoltui.errors import RunFailedError

LEASH = Path(__file__).with_name("leash.py")
LINE_LIMIT = 16 << 20
"""Maximum bytes of a line that are kept; the rest of a longer line is dropped."""
GRACE_SECONDS = 2.0
"""Seconds between SIGTERM and SIGKILL."""
DRAIN_SECONDS = 0.5
"""Seconds after the end of the child when a pipe that another process keeps open is abandoned."""
_CHUNK = 1 << 16
SIGNALS = {
    9: "SIGKILL; the kernel sends it when memory runs out",
    15: "SIGTERM",
    11: "SIGSEGV",
    2: "SIGINT",
    6: "SIGABRT",
}


def training_env() -> dict[str, str]:
    """The environment of a local training: the current one, one core reserved for the terminal, no telemetry, and no
    imports from the current folder (`PYTHONSAFEPATH`, which child processes inherit)."""
    cores = os.cpu_count() or 1
    defaults = {
        "OMP_NUM_THREADS": str(max(1, cores - 1)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **os.environ, "PYTHONSAFEPATH": "1"}


def child_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: that of a local training, with only errors from transformers."""
    return {"TRANSFORMERS_VERBOSITY": "error", **training_env(), **(extra or {})}


def leashed(*target: str) -> list[str]:
    """The command of one of our children: `target` is `-m`, a module and arguments, or a script and arguments.

    It ends with this process, however that ends, and imports nothing from its working directory (`leash.py`).
    """
    return [sys.executable, "-P", "-u", str(LEASH), str(os.getpid()), *target]


def exit_in_words(code: int) -> str:
    """How a child ended, in words: `exit code 3`, or the signal that killed it."""
    return f"signal {-code} ({SIGNALS.get(-code, 'see man 7 signal')})" if code < 0 else f"exit code {code}"


@dataclass
class Child:
    """A running child; made by `running`."""

    process: asyncio.subprocess.Process

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.process.returncode

    async def lines(self) -> AsyncGenerator[str, None]:
        """The lines of its merged output, without newlines, until it has ended and everything was read.

        Then `exit_code` is known.
        """
        if self.process.stdout is None:  # `running` always asks for a pipe
            raise RunFailedError("A child process was started without a pipe for its output")
        buffer = bytearray()
        async for chunk in self._chunks(self.process.stdout):
            first, *others = chunk.split(b"\n")
            buffer += first[: max(0, LINE_LIMIT - len(buffer))]
            for part in others:
                yield buffer.decode("utf-8", "replace")
                buffer = bytearray(part[:LINE_LIMIT])
        if buffer:
            yield buffer.decode("utf-8", "replace")
        await self._ended(None)

    async def _chunks(self, stdout: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Output as it arrives, to its end, or until the child has ended and only a grandchild keeps the pipe open."""
        while True:
            reading = asyncio.ensure_future(stdout.read(_CHUNK))
            try:
                while not (await asyncio.wait({reading}, timeout=DRAIN_SECONDS))[0]:
                    if self.exit_code is not None:
                        return
            finally:
                if not reading.done():
                    reading.cancel()
            if not (chunk := reading.result()):
                return
            yield chunk

    def send(self, line: str) -> None:
        """Writes a line to its input, without waiting until it is read. Lost if it has ended."""
        if self.process.stdin is None:
            raise RunFailedError("A child process was started without a pipe for its input")
        self.process.stdin.write(f"{line}\n".encode("utf-8", "backslashreplace"))

    async def stop(self) -> None:
        """Ends it and its descendants: SIGTERM to its process group, a wait, SIGKILL. Does nothing if they have
        ended."""
        try:
            if self.exit_code is None:
                self._signal(signal.SIGTERM)
                await self._ended(GRACE_SECONDS)
        finally:  # even if cancelled again while waiting; also ends workers of a child that has ended
            self._signal(signal.SIGKILL)
        await self._ended(None)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the group is empty
            os.killpg(self.process.pid, number)

    async def _ended(self, seconds: float | None) -> None:
        """Waits for the exit code, at most `seconds`.

        Not `Process.wait()`: up to Python 3.12.3, that also waits for the pipes, which a grandchild can keep open.
        """
        waited = 0.0
        while self.exit_code is None and (seconds is None or waited < seconds):
            await asyncio.sleep(0.01)
            waited += 0.01


@asynccontextmanager
async def running(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None, *, takes_input: bool = False
) -> AsyncIterator[Child]:
    """A child in its own session, with stderr merged into stdout. It has ended when the block ends.

    `env` None means `child_env()`. Its input is empty unless it `takes_input` (`Child.send`).

    Raises:
        RunFailedError: it could not be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(env) if env is not None else child_env(),
            stdin=asyncio.subprocess.PIPE if takes_input else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_CHUNK,
        )
    except OSError as error:
        raise RunFailedError(f"A child process could not be started ({error.strerror}): {argv[0]}") from error
    child = Child(process)
    try:
        yield child
    finally:
        await child.stop()
        # A grandchild in its own session may keep the pipe open: close our end, or the loop cannot close.
        process._transport.close()  # type: ignore[attr-defined]
