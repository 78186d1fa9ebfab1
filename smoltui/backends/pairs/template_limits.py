"""What a chat template may take of time, memory and text. It is a program of strangers: most never end by mistake."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any, Self

from smoltui.errors import InputError

SPARE_CPU_SECONDS = 5
"""Processor time beyond the limit after which the kernel ends a template that holds the interpreter's lock."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For the texts of one pair."""

    seconds: float = 2.0
    """A pair of ten thousand turns takes a tenth of a second."""
    memory: int = 128 << 20
    """Bytes beyond what the process holds already, 150 MB with 128 000 words: it stays below 300 MB."""
    characters: int = 1 << 18
    """Written by the template itself; SmolLM3's system prompt with its tools is 4,000 characters."""
    times: int = 8
    """And so many times the characters of the conversation: JSON spells one as up to six."""
    kernel: bool = True
    """The kernel holds the memory limit, where it can (Linux); else the process that asks looks at it."""


class StuckError(InputError):
    """The template cannot be used at all: no end, too much memory or text. Each pair would cost the same again."""

    @classmethod
    def because(cls, did: str) -> Self:
        return cls(f"The model's chat template {did}", "Fix the chat template of the model, or choose another model.")


class Late(BaseException):
    """The time of a template is over. No Exception: nothing on the way out of a template may catch it."""


def too_late(limits: Limits) -> str:
    """What a template did, for `StuckError.because`."""
    return f"did not finish within {limits.seconds:g} s"


def too_large(limits: Limits) -> str:
    """What a template did, for `StuckError.because`."""
    return f"needs more memory than {limits.memory >> 20} MiB"


class Guard:
    """Holds the limits of time and memory while its block runs. For the main thread of a process of its own.

    Raises Late within the block when the time is over, and has Python raise MemoryError. One long operation of C
    (`9 ** 9 ** 9`) hears of no signal: the process that asks ends this one.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._armed = False
        self._kernel = limits.kernel and sys.platform == "linux"
        self._statm = os.open("/proc/self/statm", os.O_RDONLY) if self._kernel else -1
        signal.signal(signal.SIGALRM, self._late)

    def _late(self, number: int, frame: Any) -> None:
        if self._armed:
            raise Late

    def __enter__(self) -> None:
        _soften(resource.RLIMIT_CPU, math.ceil(time.process_time() + self._limits.seconds) + SPARE_CPU_SECONDS)
        if self._kernel:
            _soften(resource.RLIMIT_DATA, self._held() + self._limits.memory)
        self._armed = True
        # Again and again: what is raised inside a finalizer is lost.
        signal.setitimer(signal.ITIMER_REAL, self._limits.seconds, 0.1)

    def __exit__(self, *_: object) -> None:
        self._armed = False
        self.open()

    def open(self) -> None:
        """Lifts what holds within a block; harmless outside of one."""
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        _soften(resource.RLIMIT_CPU, resource.RLIM_INFINITY)
        if self._kernel:
            _soften(resource.RLIMIT_DATA, resource.RLIM_INFINITY)

    def _held(self) -> int:
        """Bytes of private writable memory, as RLIMIT_DATA counts them (proc_pid_statm(5))."""
        return int(os.pread(self._statm, 256, 0).split()[5]) * resource.getpagesize()


def _soften(what: int, value: int) -> None:
    """Sets a soft limit, as high as the hard one allows."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY and (value == resource.RLIM_INFINITY or value > hard):
        value = hard
    with contextlib.suppress(ValueError, OSError):  # a system that does not know it: the other walls hold
        resource.setrlimit(what, (value, hard))
