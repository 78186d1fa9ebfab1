"""Models that stay loaded in a child while prompts are asked, and the conversation with `scripts/answer_models.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from smoltui.backends.evaluation.loading import as_spec
from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.runs.elsewhere import child_command
from smoltui.backends.system.child import Child, exit_in_words, running
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.pairs.facts import sound
from smoltui.core.runs.events import Event, Failed, Finished, LogLine, MemoryMeasured, Reader, RequestBegun
from smoltui.errors import InputError, RunFailedError
from smoltui.safe_text import redact
from smoltui.scripts import SCRIPTS

ANSWER_MODELS = SCRIPTS / "answer_models.py"
IDLE_SECONDS = 300.0
"""The child ends after five minutes without a request."""
END_SECONDS = 2.0
"""How long a child that was started elsewhere may take to end by itself."""
BATCH = 16
"""Prompts answered at once. On a CPU core, twice as many of the demo's were 10 % faster, and took twice the memory; the
script halves it where memory is short."""


@dataclass
class _Child:
    """One child and what it said."""

    queue: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue)
    """None: it has ended."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    process: Child | None = None
    failed: Exception | None = None
    """Why it could not be started."""
    last_words: str = ""


class _LeftIdleError(Exception):
    """The child ended by itself, without a request."""


class ResidentModels:
    """Up to four models that answer prompts, loaded by the first question and kept until `close`, or until idle.

    The child ends with this process, however that ends.
    """

    def __init__(self, folder: Path, *, ended: Callable[[], None] = lambda: None, around: Sequence[str] = ()) -> None:
        """`folder`: the project's, from which relative paths start. `ended` is called when the child has ended.
        `around`: the command that starts it elsewhere (`Engine.around`)."""
        self._folder, self._ended = folder, ended
        self.around = tuple(around)
        self._child: _Child | None = None
        self._serving: asyncio.Task[None] | None = None
        self._number = 0
        self.memory: MemoryMeasured | None = None
        """What the models of the newest request need; None before they were measured."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def alive(self) -> bool:
        """Whether models may be loaded."""
        return self._serving is not None and not self._serving.done()

    async def close(self) -> None:
        """Ends the child and gives back its memory. Does nothing if it has ended."""
        serving, self._serving, self.memory = self._serving, None, None
        if serving is not None and not serving.done() and self.around and self._child is not None:
            # Its job then ends by itself, and not as one that failed. While it answers, it does not listen.
            await self._let_end(self._child, serving)
        if serving is not None and not serving.done():
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    async def ask(
        self,
        columns: Sequence[Column],
        prompts: Sequence[Prompt],
        sampling: Mapping[str, Any],
        *,
        date: str,
        batch_size: int = BATCH,
    ) -> AsyncGenerator[Event, None]:
        """The events of the models' answers, ending with `Finished`. Close it to stop the models, which stay loaded.

        Answers count from 0 in the order of `prompts`. `sampling` as `core.evaluation.sheet.sampling_as_json`.

        Raises:
            InputError: a prompt contains half a character, or the folder of a model is gone.
            MissingExtraError: torch or transformers is not installed.
            RunFailedError: a model could not be loaded, or the child ended early; the message says why.
        """
        require_train_extra()
        check_text(prompts)
        specs = await in_thread(lambda: specs_of(columns))
        request = {
            "models": specs,
            "prompts": [prompt.asked for prompt in prompts],
            **sampling,
            "batch_size": batch_size,
            "date": date,
        }
        try:
            async with aclosing(self._asked(request)) as events:
                async for event in events:
                    yield event
        except _LeftIdleError:  # just when it was asked
            async with aclosing(self._asked(request)) as events:
                async for event in events:
                    yield event

    async def _asked(self, request: Mapping[str, Any]) -> AsyncGenerator[Event, None]:
        """Raises: RunFailedError: as `ask`. _LeftIdleError: the child ended before it read the request."""
        child = await self._ready()
        self._number = number = self._number + 1
        self._send(child, {"number": number, **request})
        finished = False
        try:
            async with aclosing(self._events_of(child, number)) as events:
                async for event in events:
                    if isinstance(event, MemoryMeasured):
                        self.memory = event
                    finished = isinstance(event, Failed | Finished)
                    if isinstance(event, Failed):
                        raise RunFailedError(redact(event.cause), redact(event.hint))
                    yield event
        finally:
            if not finished:
                self._send(child, {"stop": number})

    async def _events_of(self, child: _Child, number: int) -> AsyncGenerator[Event, None]:
        """The events of one request, to `Finished` or `Failed`; those of earlier ones, which were stopped, are skipped.

        Raises:
            RunFailedError: the child has ended.
        """
        current = 0
        while True:
            event = await child.queue.get()
            if event is None:
                child.queue.put_nowait(None)
                if current != number and child.process is not None and child.process.exit_code == 0:
                    raise _LeftIdleError
                raise self._end_in_words(child)
            if isinstance(event, RequestBegun):
                current = event.number
            elif current == number:
                yield event
                if isinstance(event, Failed | Finished):
                    return
            elif isinstance(event, Failed) and not current:  # it failed before it read anything
                raise RunFailedError(redact(event.cause), redact(event.hint))

    def _end_in_words(self, child: _Child) -> RunFailedError:
        code = (child.process.exit_code if child.process else None) or 0
        said = f"; the last line: {child.last_words[:300]}" if child.last_words else ""
        return RunFailedError(
            f"The models stopped answering, {exit_in_words(code)}{said}",
            "Complete answers are kept. Ask again to load the models and continue.",
        )

    # -- the child

    async def _ready(self) -> _Child:
        """The child, started if there is none.

        Raises:
            RunFailedError: it could not be started.
        """
        if self._child is None or not self.alive:
            self._child = child = _Child()
            self._serving = asyncio.create_task(self._serve(child))
        child = self._child
        await child.started.wait()
        if child.failed is not None:
            raise child.failed
        return child

    async def _serve(self, child: _Child) -> None:
        """Runs the child to its end and queues its events."""
        reader = Reader(ours=True)
        argv = child_command((str(ANSWER_MODELS), "--idle", str(IDLE_SECONDS)), self.around)
        try:
            async with running(argv, self._folder, takes_input=True) as child.process:
                child.started.set()
                async with aclosing(child.process.lines()) as lines:
                    async for line in lines:
                        for event in reader.feed(line):
                            if isinstance(event, LogLine):
                                child.last_words = redact(event.text.strip()) or child.last_words
                            child.queue.put_nowait(event)
        except RunFailedError as error:
            child.failed = error
        finally:
            child.started.set()
            child.queue.put_nowait(None)
            self.memory = None
            self._ended()

    @staticmethod
    async def _let_end(child: _Child, serving: asyncio.Task[None]) -> None:
        """Closes the input of a child, and waits a moment for its end."""
        if child.process is not None and (pipe := child.process.process.stdin) is not None:
            pipe.close()
            await asyncio.wait({serving}, timeout=END_SECONDS)

    @staticmethod
    def _send(child: _Child, message: Mapping[str, Any]) -> None:
        if child.process is not None and child.process.exit_code is None:
            with suppress(OSError):  # it has just ended, which the queue will say
                child.process.send(sound(json.dumps(message, ensure_ascii=False)))


def check_text(prompts: Sequence[Prompt]) -> None:
    """Raises: InputError: a prompt contains half a character, which is no text in UTF-8."""
    for prompt in prompts:
        for _, content in (*prompt.before, ("user", prompt.text)):
            try:
                content.encode()
            except UnicodeEncodeError as error:
                raise InputError(f"This prompt is not UTF-8 text: {content}", "Save it as UTF-8.") from error


def specs_of(columns: Sequence[Column]) -> list[dict[str, str]]:
    """The columns as the scripts take them. Blocks.

    Raises:
        InputError: the folder of a model is gone, or an adapter names no base model.
    """
    for column in columns:
        for place in (column.path, column.adapter or ""):
            if Path(place).is_absolute() and not Path(place).is_dir():
                raise InputError(
                    f"The model of the column {column.name} no longer exists: {place}",
                    "Choose other columns, or train again.",
                )
    return [as_spec(column) for column in columns]
