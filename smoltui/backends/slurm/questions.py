"""Questions to Slurm in threads of their own.

A controller that does not answer costs nine seconds, and a busy one may cost more. Nobody has to wait that long: the
answer is stored when it arrives, for the next reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class Question:
    """A question that was asked and may not be answered yet."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.begun = time.monotonic()
        """When it was asked, on this process's clock."""
        self._future: Future[None] = Future()
        # A daemon: the program ends without waiting for Slurm.
        threading.Thread(target=self._run, args=(work,), name="smoltui-slurm", daemon=True).start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(None)

    @property
    def answered(self) -> bool:
        return self._future.done()

    def wait(self, seconds: float | None = None) -> None:
        """Returns when the answer is there, or after so many seconds. Raises what asking raised."""
        try:
            self._future.result(seconds)
        except TimeoutError:
            if self.answered:
                raise  # this was the answer

    def wait_since_begun(self, seconds: float) -> None:
        """As `wait`, until so many seconds after the question was asked: of several readers, only the first waits."""
        self.wait(max(0.0, self.begun + seconds - time.monotonic()))


class Questions:
    """One question of a kind at a time, whoever asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Hashable, Question] = {}

    def ask(self, kind: Hashable, work: Callable[[], None], *, after: float = 0.0) -> Question:
        """The open question of this kind, or a new one; one that was begun before `after` (on this process's clock) is
        not taken, because its answer may be too old."""
        with self._lock:
            found = self._open.get(kind)
            if found is None or found.answered or found.begun < after:
                found = self._open[kind] = Question(work)
            return found
