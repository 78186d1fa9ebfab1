# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "transformers==5.23.0",
#   "torch==2.13.0",
#   "accelerate==1.15.0",
#   "peft==0.21.2",
#   "huggingface_hub==2.4.0",
# ]
# ///
"""Answers prompts with up to four models, and keeps them loaded between requests.

    python answer_models.py [--idle SECONDS]

It reads one JSON object per line from stdin, and prints events (`core/runs/events.py`): request, phase, model_memory,
model_notice, answer_part, answer, answer_left_out, failed, finished. A request has

    number          of the request, repeated in the event `request`
    models          [{"name", "path": folder or Hub id, "revision"?, "adapter"?: folder}, …]
                    `adapter` is a LoRA adapter's folder, put on the model at `path`; both share its weights
    prompts         [text or list of messages, …]
    max_new_tokens, temperature (0 is greedy), top_p, seed, thinking, batch_size
    date            what chat templates take for today, such as 2026-11-29; null: the date of this machine

{"stop": number} stops the request of that number, or any earlier one; whole answers were emitted, loaded models stay.
All models stay loaded if they fit in memory together; otherwise they are loaded one after the other. A request that
fails ends with `failed`, and the next one is read. The program ends when stdin ends, or after `--idle` seconds without
a request.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# For the modules beside this one; last, because in a Job the folder also has foreign files.
sys.path.append(str(Path(__file__).resolve().parent))

from answering import Answers, Asking, StoppedError, notices
from model_loading import Shelf, freeze_date, release_memory
from model_memory import Needs, needs_of
from script_events import Lines, WrongInputError, explain, run_script

IDLE_SECONDS = 300.0
"""Loaded models are given back after five minutes without a request."""
ENOUGH_HINT = "Remove a column, close other programs, or compare on a machine with more memory."


@dataclass
class Inbox:
    """Requests as they arrive, read in a thread: a stop is noticed while the models answer."""

    requests: queue.SimpleQueue[dict[str, Any] | None] = field(default_factory=queue.SimpleQueue)
    """None: no more will come."""
    stopped: float = -1
    """Requests up to this number are to be stopped."""

    def read(self) -> None:
        """Reads stdin to its end."""
        for line in sys.stdin:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if not isinstance(message, dict):
                print(f"not a request: {line[:200]!r}", file=sys.stderr)
            elif "stop" in message:
                self.stopped = max(self.stopped, float(message["stop"]))
            else:
                self.requests.put(message)
        self.stopped = float("inf")
        self.requests.put(None)


def asking_of(request: Mapping[str, Any]) -> tuple[list[dict[str, Any]], Asking]:
    """The models of a request, and what they are asked.

    Raises:
        WrongInputError: a value is missing or invalid.
    """
    models, prompts = request.get("models"), request.get("prompts")
    if not isinstance(models, list) or not models or not all(isinstance(one.get("path"), str) for one in models):
        raise WrongInputError("The request has no model")
    if not isinstance(prompts, list):
        raise WrongInputError("The request has no prompts")
    names = ("max_new_tokens", "temperature", "top_p", "seed", "thinking", "batch_size")
    given = {name: request[name] for name in names if name in request}
    for name, low in (("max_new_tokens", 1), ("batch_size", 1), ("temperature", 0), ("top_p", 0)):
        value = given.get(name, low)
        if not isinstance(value, int | float) or value < low:
            raise WrongInputError(f"The request's {name} must be at least {low}: {value}")
    return models, Asking(prompts, **given)


class Answerer:
    """Answers requests, one after the other, with models that stay loaded."""

    def __init__(self, lines: Lines, inbox: Inbox) -> None:
        self._lines, self._inbox, self._shelf = lines, inbox, Shelf()

    def serve(self, idle: float) -> None:
        """Answers until no more requests come."""
        while True:
            try:
                request = self._inbox.requests.get(timeout=idle)
            except queue.Empty:
                return
            if request is None:
                return
            self._serve(request)

    def _serve(self, request: Mapping[str, Any]) -> None:
        number, lines = int(request.get("number", 0)), self._lines
        lines.phase_name, lines.subject = "", ""
        lines.emit("request", number=number)
        began = time.monotonic()
        try:
            models, asking = asking_of(request)
            if request.get("date") is not None:
                freeze_date(str(request["date"]))
            self._answer(models, asking, number)
        except StoppedError:
            pass
        except Exception as error:
            self._failed(error)
            return
        lines.emit("finished", step=0, max_steps=0, seconds=round(time.monotonic() - began, 3))

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, WrongInputError):
            traceback.print_exc()
        cause, hint, _ = explain(error, self._lines.phase_name, self._lines.subject)
        if cause.endswith("ran out of memory"):
            hint = ENOUGH_HINT
        elif cause.startswith("The recipe cannot be used: "):  # what a training would have to change
            cause = f"This model cannot be loaded: {self._lines.subject}: {cause.partition(': ')[2]}"
            hint = "Remove it from the columns, or use another model."
        error.__traceback__ = None  # its frames hold tensors
        self._shelf = Shelf() if cause.endswith("ran out of memory") else self._shelf
        release_memory()
        self._lines.failed(cause, hint)

    def _answer(self, models: Sequence[Mapping[str, Any]], asking: Asking, number: int) -> None:
        """Raises: StoppedError: stopped from outside."""

        def stopped() -> bool:
            return self._inbox.stopped >= number

        self._shelf.keep_only(models)
        needs = self._measured(models, asking)
        asking = needs.limited(asking)
        if needs.together:
            answering = [self._loaded(spec, asking, stopped) for spec in models]
            self._lines.phase("generate")
            _in_turns(answering)
            return
        for spec in sorted(models, key=lambda spec: not self._shelf.holds_base(spec)):  # first what is loaded
            self._shelf.keep_only([spec])
            answers = self._loaded(spec, asking, stopped)
            self._lines.phase("generate", str(spec.get("name", "")))
            _in_turns([answers])
            del answers

    def _measured(self, models: Sequence[Mapping[str, Any]], asking: Asking) -> Needs:
        """Reports what the models need.

        Raises:
            WrongInputError: not even one of them fits.
        """

        def looking_at(path: str) -> None:
            self._lines.subject = path

        self._lines.phase_name = "load_model"  # what a failure is about; reported for each model that is loaded
        needs = needs_of(models, self._shelf, asking, looking_at)
        self._lines.emit(
            "model_memory", weights=needs.weights, needed=needs.needed, free=needs.free, together=needs.together
        )
        if needs.least > needs.free:
            least, free = needs.least / 2**30, needs.free / 2**30
            raise WrongInputError(
                f"The largest model needs {least:.1f} GiB of memory, {free:.1f} GiB are free", ENOUGH_HINT
            )
        return needs

    def _loaded(self, spec: Mapping[str, Any], asking: Asking, stopped: Any) -> Answers:
        name = str(spec.get("name", ""))
        if stopped():
            raise StoppedError
        self._lines.subject = str(spec.get("adapter") or spec["path"])
        if not self._shelf.holds(spec):
            self._lines.phase_name = ""  # each model is a phase of its own
            self._lines.phase("load_model", name)
        loaded = self._shelf.take(spec)
        for kind, text in notices(loaded.model, loaded.tokenizer, asking.thinking):
            self._lines.emit("model_notice", model=name, kind=kind, text=text)
        return Answers(self._lines, loaded, asking, name, stopped)


def _in_turns(answering: Sequence[Answers]) -> None:
    """Answers all batches, one of each model in turn, so that all columns grow.

    Raises:
        StoppedError: stopped from outside.
    """
    ongoing: list[tuple[Answers, Iterator[Any]]] = [(answers, answers.batches()) for answers in answering]
    while ongoing:
        for entry in list(ongoing):
            answers, batches = entry
            if (batch := next(batches, None)) is None:
                ongoing.remove(entry)
            else:
                answers.answer(batch)


def main(lines: Lines, arguments: Sequence[str]) -> None:
    """Answers requests until no more come; a failure outside of a request is raised."""
    parser = argparse.ArgumentParser(description="Answer prompts with models that stay loaded.")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS)
    idle = parser.parse_args(list(arguments)).idle
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    inbox = Inbox()
    threading.Thread(target=inbox.read, name="requests", daemon=True).start()
    Answerer(lines, inbox).serve(idle)


if __name__ == "__main__":
    sys.exit(run_script(main))
