"""Tokens of pairs, from a child process that runs the recipe's tokenizer and chat template (`template_child.py`).

Whatever the template does, the result is one sentence: the child is killed if it takes too long, and restarted for the
next request.
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
from typing import IO, Any, TypedDict, TypeVar

import orjson

from smoltui.backends.pairs.chat_template import no_template
from smoltui.backends.pairs.model_files import find_model_files
from smoltui.backends.pairs.template_child import KINDS, pair_as_json
from smoltui.backends.pairs.template_limits import Limits, Patience, StuckError, too_large, too_late
from smoltui.backends.pairs.tokenizer import Counts, cut_of
from smoltui.backends.pairs.tokenizer_files import ModelFiles
from smoltui.backends.project.project import Project
from smoltui.backends.system.child import child_env, exit_in_words, leashed
from smoltui.core.pairs.preference import Pair
from smoltui.core.pairs.rendering import TrainerView, view_from_json
from smoltui.errors import InputError, RunFailedError

GRACE_SECONDS = 1.0
"""A template is killed this long after its own time limit."""
OTHER_SECONDS = 60.0
"""Time limit for everything but the template: starting, reading a vocabulary, tokenizing."""
CHARACTERS_A_SECOND = 50_000
"""Extends the limit for long texts; a tokenizer processes twenty times as many."""
IDLE_SECONDS = 600.0
"""A child without requests for this long is ended; the next request starts another one."""
LOOK_SECONDS = 0.1
"""Interval for checking the memory of a child that has not answered yet."""
ANSWER_BYTES = 64 << 20
"""Limit of one answer."""
SLACK = 64 << 20
"""Bytes added to the template's memory limit when it is checked from outside: tokenizers keep a cache."""
_CHUNK = 1 << 16
SECRET = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "CREDENTIAL")
"""Environment variables whose names contain one of these are not passed to the child."""

T = TypeVar("T")
_Process = subprocess.Popen[bytes]


Answer = dict[str, Any]
"""A decoded line of the child: {"ok"}, or {"error", "hint", "kind"}."""


class _Loaded(TypedDict):
    """What the child says about the tokenizer."""

    key: str
    has_template: bool


def open_tokenizer(
    project: Project, values: Mapping[str, object], *, template_needed: bool = True, limits: Limits | None = None
) -> TokenService:
    """The tokenizer of the recipe `values`, loaded in a child process. Blocking; call `close` when done.

    `template_needed` False: the pairs are plain text with a prompt column, which is trained on without a template.

    Raises:
        RecipeError, InputError, ServiceError: as `find_model_files`.
        InputError: the tokenizer or the template cannot be used, or there is no template.
        RunFailedError: the child could not be started, or did not answer.
    """
    child = _TemplateChild(find_model_files(project, values), limits or Limits())
    try:
        _, loaded = child.work(child.load).result()
        if template_needed and not loaded["has_template"]:
            raise no_template(child.model)
    except BaseException:
        child.close()
        raise
    return TokenService(loaded["key"], child.model, child).limited(values)


@dataclass(frozen=True, slots=True)
class TokenService:
    """Counts the tokens of pairs, and shows what the trainer sees. Made by `open_tokenizer`; thread-safe.

    The future of an `ask_…` method may raise InputError or PairsError as `PairTokenizer`, StuckError if the template
    takes too much time, memory or text, and RunFailedError if the child fails.
    """

    key: str
    """As `PairTokenizer.key`."""
    model: str
    """As in the recipe, safe to show."""
    _child: _TemplateChild
    max_length: int | None = None
    """As `PairTokenizer.max_length`."""
    keeps_end: bool = False
    """`truncation_mode: keep_end` of the recipe."""

    def limited(self, values: Mapping[str, object]) -> TokenService:
        """The same tokenizer and child with the `max_length` and `truncation_mode` of another recipe."""
        max_length, keeps_end = cut_of(values)
        return replace(self, max_length=max_length, keeps_end=keeps_end)

    def ask_measure(self, pair: Pair) -> Future[tuple[Counts, dict[str, int]]]:
        """As `PairTokenizer.measure`."""
        return self._child.ask(lambda: self._about("measure", pair), lambda said: (tuple(said[0]), said[1]))

    def ask_view(self, pair: Pair) -> Future[TrainerView]:
        """What the trainer sees of one readable pair."""
        return self._child.ask(lambda: self._about("view", pair), view_from_json)

    def ask_counts(
        self, pairs: Sequence[Pair], thinking: bool | None, patience: Patience
    ) -> Future[list[Counts | None]]:
        """Tokens of each pair; None if it cannot be read, or the template rejects it or exceeds its limits.

        `thinking` as in `PairTokenizer.count`; `patience` is shared by the whole set. StuckError: it is exhausted.
        """
        return self._child.work(lambda: self._counted(pairs, thinking, patience))

    def measure(self, pair: Pair) -> tuple[Counts, dict[str, int]]:
        return self.ask_measure(pair).result()

    def view(self, pair: Pair) -> TrainerView:
        return self.ask_view(pair).result()

    def close(self) -> None:
        """Ends the child, without waiting. Unanswered requests are cancelled or fail."""
        self._child.close()

    def _about(self, do: str, pair: Pair) -> dict[str, object]:
        return {"do": do, "pair": pair_as_json(pair), **self._cut()}

    def _cut(self) -> dict[str, object]:
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
            # Asked one by one, it shows which pair was the cause.
            return [count for pair in pairs for count in self._counted([pair], thinking, patience)]
        patience.spent, patience.last = said["spent"], said["last"]
        return [None if found is None else tuple(found) for found in said["counts"]]


class _KilledError(StuckError):
    """The child was killed, or ended, while the template ran."""


class _TemplateChild:
    """One child and the thread that talks to it.

    The thread must live as long as the child: on Linux, a child is killed with the thread that started it (`leash.py`).
    """

    def __init__(self, files: ModelFiles, limits: Limits) -> None:
        self.model = files.model
        self._files, self._limits = files, limits
        self._key = ""
        self._process: _Process | None = None
        self._held = 0
        """Memory of the child in bytes, once it had loaded the tokenizer."""
        self._closed = False
        self._lock = threading.Lock()
        """For adding jobs and closing, so that no job is added after the end."""
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="smoltui-templates", daemon=True).start()

    def work(self, job: Callable[[], T]) -> Future[T]:
        """The result of `job`, run in the child's thread after earlier jobs; cancelled if the child is closed."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
            else:
                self._jobs.put((future, job))
        return future

    def ask(self, question: Callable[[], Mapping[str, object]], read: Callable[[Any], T]) -> Future[T]:
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

    def load(self) -> tuple[_Process, _Loaded]:
        """Starts the child, which loads the tokenizer. Returns its `key` and `has_template`."""
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
            self._end()  # without a tokenizer it can answer nothing
            raise
        self._key, self._held = said["key"], _memory(process.pid)
        return process, _Loaded(key=said["key"], has_template=said["has_template"])

    def exchange(self, question: Mapping[str, object]) -> Any:
        """The child's answer; starts a child if none is running.

        Raises:
            InputError, PairsError, StuckError: as reported by the child.
            StuckError: while the template ran, it did not answer, took too much memory, or ended.
            RunFailedError: the same, while the template did not run.
        """
        return self._talk(self._process or self.load()[0], question)

    def _start(self) -> _Process:
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
        for pipe in _pipes(self._process):
            os.set_blocking(pipe.fileno(), False)
        return self._process

    def _end(self) -> int:
        """Kills the child, if there is one. Returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        for pipe in _pipes(process):
            pipe.close()
        return process.wait()

    def _talk(self, process: _Process, question: Mapping[str, object]) -> Any:
        """One question and its answer. After RunFailedError or `_KilledError`, the child no longer exists."""
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
    """No answer will come: the child has ended (`did` is empty), or must be killed for what it `did`."""

    def __init__(self, did: str = "") -> None:
        super().__init__(did)
        self.did = did


class _Talk:
    """One question to the child, and the answer."""

    def __init__(self, process: _Process, question: bytes, limits: Limits) -> None:
        self._pid = process.pid
        self._into, self._out = (pipe.fileno() for pipe in _pipes(process))
        self._left, self._length = memoryview(question), len(question)
        self._limits = limits
        self._buffer = bytearray()
        self.phase = "start"
        """start, tokens, or template: the template is running."""
        self.patience = 0.0
        """Time limit for the next line from the child, in seconds."""

    def answer(self, held: int) -> Answer:
        """`held`: memory of the child before its first question, in bytes; 0: it has not loaded the tokenizer yet.

        Raises:
            _SilenceError: it ended, was silent for too long, or the template takes too much memory.
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
        """Writes a part of the question. Returns whether there is more."""
        try:
            self._left = self._left[os.write(self._into, self._left[:_CHUNK]) :]
        except BrokenPipeError:
            raise _SilenceError from None
        return bool(self._left)

    def _read(self) -> Answer | None:
        """Reads what the child has written. Returns the answer once it is complete."""
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


def _pipes(process: _Process) -> tuple[IO[bytes], IO[bytes]]:
    """stdin and stdout of the child."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the child was started without pipes")
    return process.stdin, process.stdout


def _line(question: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(question) + b"\n"
    except TypeError:  # a lone surrogate, which only json accepts
        return json.dumps(question).encode() + b"\n"


def _memory(pid: int) -> int:
    """Resident memory of a process in bytes; 0 if it no longer exists."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
