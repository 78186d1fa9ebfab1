"""Asks for the tokens of pairs: the recipe's tokenizer and chat template live in a child (`template_child.py`).

Whatever the template does, the person gets a sentence: the child is killed when it takes too long, and started again
for the next question.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import orjson

from smoltui.backends.pairs.model_files import find_model_files
from smoltui.backends.pairs.template_child import KINDS, pair_as_json
from smoltui.backends.pairs.template_limits import Limits, StuckError, too_large, too_late
from smoltui.backends.pairs.tokenizer import Counts, ModelFiles, Patience, cut_of, no_template
from smoltui.backends.project.project import Project
from smoltui.backends.system.child import child_env, exit_in_words, leashed
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.rendering import TrainerView, view_from_json
from smoltui.errors import InputError, RunFailedError

GRACE_SECONDS = 1.0
"""A template is killed so long after it should have ended by itself."""
OTHER_SECONDS = 60.0
"""For what is not the template's: starting, reading a vocabulary, tokenizing."""
CHARACTERS_A_SECOND = 50_000
"""More time for long texts; a tokenizer takes twenty times as many."""
IDLE_SECONDS = 600.0
"""A child that was asked nothing for so long is ended; the next question starts another one."""
LOOK_SECONDS = 0.1
"""Between two looks at the memory of a child that does not answer."""
ANSWER_BYTES = 64 << 20
"""A longer answer is none."""
SLACK = 64 << 20
"""Bytes over the template's limit, where it is looked at from outside: tokenizers keep a cache."""
_CHUNK = 1 << 16
SECRET = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "CREDENTIAL")
"""Names of variables with one of these are not handed to the child."""

T = TypeVar("T")


def open_tokenizer(
    project: Project, values: Mapping[str, Any], *, template_needed: bool = True, limits: Limits | None = None
) -> TokenService:
    """The tokenizer of the recipe `values`, loaded in a child of its own. Blocks; `close` it.

    `template_needed` False: the pairs are plain text with a prompt of their own, which is trained without a template.

    Raises:
        RecipeError, InputError, ServiceError: as `find_model_files`.
        InputError: the tokenizer or the template cannot be used, or there is no template.
        RunFailedError: the child could not be started or did not answer.
    """
    child = _TemplateChild(find_model_files(project, values), limits or Limits())
    try:
        loaded = child.work(child.load).result()
        if template_needed and not loaded["has_template"]:
            raise no_template(child.model)
    except BaseException:
        child.close()
        raise
    return TokenService(loaded["key"], child.model, child).limited(values)


@dataclass(frozen=True, slots=True)
class TokenService:
    """Counts and shows pairs. Made by `open_tokenizer`; may be used from any thread.

    What `ask_…` gives is a future of what the method of that name gives or raises: InputError or PairsError as
    `PairTokenizer`, StuckError when the template takes too much of something, RunFailedError when the child fails.
    """

    key: str
    """16 hexadecimal digits over everything the counts depend on but the pairs: for names of files that hold them."""
    model: str
    """As the recipe names it, safe to show."""
    _child: _TemplateChild
    max_length: int | None = None
    """Of the recipe; `view` and `measure` cut there, counts do not."""
    keeps_end: bool = False
    """`truncation_mode: keep_end` of the recipe."""

    def limited(self, values: Mapping[str, Any]) -> TokenService:
        """The same tokenizer and child under the `max_length` and `truncation_mode` of another recipe."""
        max_length, keeps_end = cut_of(values)
        return replace(self, max_length=max_length, keeps_end=keeps_end)

    def ask_measure(self, pair: Pair) -> Future[tuple[Counts, dict[str, int]]]:
        """Tokens of one readable pair, and the answers that `max_length` cuts: side → characters kept of its text."""
        return self._child.ask(lambda: self._about("measure", pair), lambda said: (tuple(said[0]), said[1]))

    def ask_view(self, pair: Pair) -> Future[TrainerView]:
        """What the trainer sees of one readable pair."""
        return self._child.ask(lambda: self._about("view", pair), view_from_json)

    def ask_counts(
        self, pairs: Sequence[Pair], thinking: bool | None, patience: Patience
    ) -> Future[list[Counts | None]]:
        """Tokens of each pair; None for one that cannot be read, or that the template refuses or is stuck on.

        `thinking` as `PairTokenizer.count`; `patience` is one for the whole set. StuckError: there is none left.
        """
        return self._child.work(lambda: self._counted(pairs, thinking, patience))

    def measure(self, pair: Pair) -> tuple[Counts, dict[str, int]]:
        return self.ask_measure(pair).result()

    def view(self, pair: Pair) -> TrainerView:
        return self.ask_view(pair).result()

    def close(self) -> None:
        """Ends the child, without waiting. What was asked and not answered is cancelled or fails."""
        self._child.close()

    def _about(self, do: str, pair: Pair) -> dict[str, Any]:
        return {"do": do, "pair": pair_as_json(pair), **self._cut()}

    def _cut(self) -> dict[str, Any]:
        return {"max_length": self.max_length, "keeps_end": self.keeps_end}

    def _counted(self, pairs: Sequence[Pair], thinking: bool | None, patience: Patience) -> list[Counts | None]:
        try:
            said = self._child.exchange(
                {
                    "do": "count",
                    "thinking": thinking,
                    "spent": patience.spent,
                    "last": patience.last,
                    **self._cut(),
                    "pairs": [pair_as_json(pair) if pair.readable else None for pair in pairs],
                }
            )
        except _KilledError as error:
            if len(pairs) == 1:
                patience.spend(error)
                return [None]
            # Which pair was to blame is not known: it is when each is asked alone.
            return [count for pair in pairs for count in self._counted([pair], thinking, patience)]
        patience.spent, patience.last = said["spent"], said["last"]
        return [None if found is None else tuple(found) for found in said["counts"]]


class _KilledError(StuckError):
    """The child had to be killed, or ended by itself, while the template ran."""


class _TemplateChild:
    """One child and the thread that talks to it.

    The thread lives as long as the child may: on Linux a child is killed with the thread that started it.
    """

    def __init__(self, files: ModelFiles, limits: Limits) -> None:
        self.model = files.model
        self._files, self._limits = files, limits
        self._key = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._held = 0
        """Bytes of memory that it held when it had loaded the tokenizer."""
        self._closed = False
        self._lock = threading.Lock()
        """Held by who asks or closes, so that nothing is asked behind the end."""
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="smoltui-templates", daemon=True).start()

    def work(self, job: Callable[[], T]) -> Future[T]:
        """What `job` gives, done in the child's thread after what was asked before. A future may be cancelled; it is
        where the child was closed."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
            else:
                self._jobs.put((future, job))
        return future

    def ask(self, question: Callable[[], Mapping[str, Any]], read: Callable[[Any], T]) -> Future[T]:
        return self.work(lambda: read(self.exchange(question())))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._jobs.put(None)
        if (process := self._process) is not None:
            process.kill()  # its thread may be waiting for it

    def _run(self) -> None:
        while True:
            try:
                waiting = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._end()
                continue
            if waiting is None:
                self._end()
                return
            future, job = waiting
            if self._closed:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    # -- in the thread

    def load(self) -> dict[str, Any]:
        """Has the child load the tokenizer, where it has not yet; what it says of it."""
        files = asdict(self._files)
        question = {
            "do": "load",
            "model": files.pop("model"),
            "limits": asdict(self._limits),
            "files": {name: None if path is None else str(path) for name, path in files.items()},
        }
        process = self._start()
        try:
            said = self._talk(process, question)
            if self._key and self._key != said["key"]:
                raise InputError(f"The tokenizer or the chat template has changed: {self.model}", "Reopen the pairs.")
        except BaseException:
            self._end()  # one that has loaded nothing answers nothing
            raise
        self._key, self._held = said["key"], _memory(process.pid)
        return dict(said)

    def exchange(self, question: Mapping[str, Any]) -> Any:
        """The child's answer, started for it where there is none.

        Raises:
            InputError, PairsError, StuckError: with the child's words.
            StuckError: it did not answer while the template ran, held too much memory, or ended.
            RunFailedError: the same, not while the template ran.
        """
        if self._process is None:
            self.load()
        assert self._process is not None  # or `load` had raised
        return self._talk(self._process, question)

    def _start(self) -> subprocess.Popen[bytes]:
        env = {name: value for name, value in child_env().items() if not any(word in name.upper() for word in SECRET)}
        try:
            self._process = subprocess.Popen(
                leashed("-m", "smoltui.backends.pairs.template_child"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=env,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise RunFailedError(
                f"The process that renders chat templates could not be started ({error.strerror})"
            ) from error
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        return self._process

    def _end(self) -> int:
        """Kills the child, where there is one; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        return process.wait()

    def _talk(self, process: subprocess.Popen[bytes], question: Mapping[str, Any]) -> Any:
        """One question and its answer. The child is gone when this raises RunFailedError or `_KilledError`."""
        talk = _Talk(process, _line(question), self._limits)
        try:
            said = talk.answer(self._held)
        except _SilenceError as silence:
            code = self._end()
            if talk.phase == "template":
                raise _KilledError.because(silence.did or f"ended its process, {exit_in_words(code)}") from None
            did = f"did not answer within {talk.patience:.0f} s" if silence.did else f"ended, {exit_in_words(code)}"
            raise RunFailedError(f"The tokenizer of this model {did}: {self.model}", "Try again.") from None
        except BaseException:
            self._end()
            raise
        if "error" in said:
            raise KINDS[said["kind"]](said["error"], said["hint"])
        return said["ok"]


class _SilenceError(Exception):
    """No answer comes: the child has ended, or it has to be, for what it `did`."""

    def __init__(self, did: str = "") -> None:
        super().__init__(did)
        self.did = did


class _Talk:
    """A question on its way to the child, and its answer back."""

    def __init__(self, process: subprocess.Popen[bytes], question: bytes, limits: Limits) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._pid, self._into, self._out = process.pid, process.stdin.fileno(), process.stdout.fileno()
        self._left, self._length = memoryview(question), len(question)
        self._limits = limits
        self._buffer = bytearray()
        self.phase = "start"
        """template: the template is what one waits for."""
        self.patience = 0.0
        """Seconds that are waited for the next word of this phase."""

    def answer(self, held: int) -> dict[str, Any]:
        """`held`: memory of the child before it was asked anything; 0: it has not loaded the tokenizer yet.

        Raises:
            _SilenceError: it ended; it did not say anything for too long; a template takes too much memory.
        """
        self._enter("start")
        with selectors.DefaultSelector() as ready:
            ready.register(self._out, selectors.EVENT_READ)
            ready.register(self._into, selectors.EVENT_WRITE)
            while True:
                events = ready.select(LOOK_SECONDS)
                for key, _ in events:
                    if key.fd == self._into:
                        if not self._write():
                            ready.unregister(self._into)
                    elif (said := self._read()) is not None:
                        return said
                if events:
                    continue
                if time.monotonic() > self._until:
                    raise _SilenceError(too_late(self._limits))
                if self.phase == "template":
                    held = held or _memory(self._pid)
                    if _memory(self._pid) > held + self._limits.memory + SLACK + 8 * self._length:
                        raise _SilenceError(too_large(self._limits))

    def _enter(self, phase: str) -> None:
        self.phase = phase
        if phase == "template":
            self.patience = self._limits.seconds + GRACE_SECONDS
        else:
            self.patience = OTHER_SECONDS + self._length / CHARACTERS_A_SECOND
        self._until = time.monotonic() + self.patience

    def _write(self) -> bool:
        """Whether there is more to write."""
        try:
            self._left = self._left[os.write(self._into, self._left[:_CHUNK]) :]
        except BrokenPipeError:
            raise _SilenceError from None
        return bool(self._left)

    def _read(self) -> dict[str, Any] | None:
        """The answer, once it is there."""
        chunk = os.read(self._out, _CHUNK)
        if not chunk or len(self._buffer) > ANSWER_BYTES:
            raise _SilenceError
        self._buffer += chunk
        if b"\n" not in chunk:
            return None
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            said = json.loads(line)
            if "phase" in said:
                self._enter(said["phase"])
            elif "row" in said:
                self._enter("template")
            else:
                return dict(said)
        return None


def _line(question: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(question) + b"\n"
    except TypeError:  # a lone surrogate, which json can write
        return json.dumps(question).encode() + b"\n"


def _memory(pid: int) -> int:
    """Bytes of main memory that a process holds; 0 when it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
