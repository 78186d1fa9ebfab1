"""Limits of a chat template for time, memory and text: it is a program of strangers, which may never end."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import Self

from smoltui.errors import InputError

SPARE_CPU_SECONDS = 5
"""Processor time beyond the limit after which the kernel kills a template that blocks the interpreter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for rendering one pair."""

    seconds: float = 2.0
    """A pair of ten thousand turns takes a tenth of a second."""
    memory: int = 128 << 20
    """Bytes in addition to what the process uses already (150 MB with 128 000 words), so less than 300 MB in total."""
    characters: int = 1 << 18
    """Characters of output in addition to `times`; SmolLM3's system prompt with its tools has 4,000."""
    times: int = 8
    """Characters of output per character of the conversation; JSON escapes one as up to six."""
    kernel: bool = True
    """Whether the kernel enforces the memory limit, if it can (Linux); otherwise, `token_service.py` watches it."""


class StuckError(InputError):
    """The template exceeds a limit. Each further pair would cost the same time again."""

    @classmethod
    def because(cls, did: str) -> Self:
        return cls(f"The model's chat template {did}", "Fix the chat template of the model, or choose another model.")


class Late(BaseException):
    """The time of a template is over. Not an Exception: nothing inside the template may catch it."""


def too_late(limits: Limits) -> str:
    """What a template did, for `StuckError.because`."""
    return f"did not finish within {limits.seconds:g} s"


def too_large(limits: Limits) -> str:
    """What a template did, for `StuckError.because`."""
    return f"needs more memory than {limits.memory >> 20} MiB"


@dataclass(slots=True)
class Patience:
    """How many pairs may exceed the limits of a template while a whole set is counted."""

    in_row: int = 3
    """Limit of consecutive pairs."""
    pairs: int = 10
    """Limit for the whole set."""
    spent: int = 0
    """Pairs of the set that exceeded the limits so far."""
    last: int = 0
    """The same among the latest pairs, without a rendered one between them."""

    def spend(self, error: InputError) -> None:
        """Notes that a pair was not rendered. Raises `error` if it is a StuckError beyond one of the limits."""
        if not isinstance(error, StuckError):
            self.last = 0
            return
        self.spent, self.last = self.spent + 1, self.last + 1
        if self.last >= self.in_row or self.spent >= self.pairs:
            raise error

    def regain(self) -> None:
        """Notes that a pair was rendered."""
        self.last = 0


class Guard:
    """Enforces the limits for time and memory while its block runs. For the main thread of a child process.

    Within the block, Late is raised when the time is over, and MemoryError beyond the memory limit. A long operation
    in C (`9 ** 9 ** 9`) is not interrupted by the signal: then `token_service.py` kills this process.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._armed = False
        self._kernel = limits.kernel and sys.platform == "linux"
        self._statm = os.open("/proc/self/statm", os.O_RDONLY) if self._kernel else -1
        signal.signal(signal.SIGALRM, self._late)

    def _late(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            raise Late

    def __enter__(self) -> None:
        _soften(resource.RLIMIT_CPU, math.ceil(time.process_time() + self._limits.seconds) + SPARE_CPU_SECONDS)
        if self._kernel:
            _soften(resource.RLIMIT_DATA, self._held() + self._limits.memory)
        self._armed = True
        # Repeated, because an exception raised inside a finalizer is lost.
        signal.setitimer(signal.ITIMER_REAL, self._limits.seconds, 0.1)

    def __exit__(self, *_: object) -> None:
        self._armed = False
        self.open()

    def open(self) -> None:
        """Lifts the limits; harmless outside a block."""
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        _soften(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
        if self._kernel:
            _soften(resource.RLIMIT_DATA, resource.RLIM_INFINITY)

    def _held(self) -> int:
        """Bytes of private writable memory, as RLIMIT_DATA counts them (proc_pid_statm(5))."""
        return int(os.pread(self._statm, 256, 0).split()[5]) * resource.getpagesize()


def _soften(what: int, value: int) -> None:
    """Sets a soft limit, at most as high as the hard one."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY and (value == resource.RLIM_INFINITY or value > hard):
        value = hard
    with contextlib.suppress(ValueError, OSError):  # not supported by the system: the other limits remain
        resource.setrlimit(what, (value, hard))
