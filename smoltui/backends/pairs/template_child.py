"""Renders and tokenizes pairs, as a process: `leash.py PARENT_PID -m smoltui.backends.pairs.template_child`.

A chat template is a program of strangers, and this is the only process of smoltui that runs one: in the sandbox that
transformers uses, with limits for time and memory (`template_limits.py`) and without secrets in its environment.
`token_service.py` starts it, asks it and ends it.

Each line of stdin is a question {"do": load | measure | view | count, …}, and the first is `load`. The answer to each
consists of {"phase": "template"} before the template runs, {"row": number} now and then while several pairs are
rendered, {"phase": "tokens"} before their texts are tokenized, and finally {"ok": …} or {"error", "hint", "kind"}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from smoltui.backends.pairs.template_limits import Guard, Late, Limits, Patience, StuckError, too_large, too_late
from smoltui.backends.pairs.tokenizer import PairTokenizer
from smoltui.backends.pairs.tokenizer_files import ModelFiles, read_tokenizer
from smoltui.core.pairs.preference import Message, Pair
from smoltui.errors import InputError, PairsError, SmoltuiError
from smoltui.safe_text import redact, safe_line

ROW_SECONDS = 0.2
"""Minimum time between two {"row"} lines."""
KINDS: Mapping[str, type[SmoltuiError]] = {"stuck": StuckError, "pairs": PairsError, "input": InputError}
"""`kind` in an answer → error."""
Question = dict[str, Any]
"""A decoded line of stdin."""


def pair_as_json(pair: Pair) -> dict[str, Any]:
    """The parts of a pair that are needed for counting and showing it."""
    data: dict[str, Any] = {
        side: [turn.as_json() for turn in getattr(pair, side)] for side in ("prompt", "chosen", "rejected")
    }
    for name in ("problem", "schema", "trl_cut", "answer_at", "trl_at", "kwargs"):
        if (value := getattr(pair, name)) is not None:
            data[name] = value
    if pair.tools:
        data["tools"] = list(pair.tools)
    return data


def pair_from_json(data: Mapping[str, Any]) -> Pair:
    """The pair that `pair_as_json` wrote; its index is 0."""
    turns = {side: tuple(map(Message.of, data[side])) for side in ("prompt", "chosen", "rejected")}
    return Pair(0, **{**data, **turns, "tools": tuple(data.get("tools", ()))})


class Child:
    """Answers questions until stdin ends."""

    def __init__(self, questions: BinaryIO, answers: BinaryIO) -> None:
        self._questions, self._answers = questions, answers
        self._limits = Limits()
        self._guard = Guard(self._limits)
        self._tokenizer: PairTokenizer | None = None
        self._row_at = 0.0
        self._one_by_one = True
        """Whether each use of the template is announced; not when counting thousands of pairs."""

    def run(self) -> None:
        for line in self._questions:
            question = _loads(line)
            self._one_by_one = question["do"] != "count"
            try:
                answer: dict[str, object] = {"ok": getattr(self, f"_{question['do']}")(question)}
            except SmoltuiError as error:
                answer = _refusal(error)
            except (Late, MemoryError) as error:  # raised after the block that handles it
                did = too_late if isinstance(error, Late) else too_large
                answer = _refusal(StuckError.because(did(self._limits)))
            except Exception as error:  # the files are foreign: they can fail in any way
                said = safe_line(redact(str(error) or type(error).__name__), 200)
                answer = _refusal(InputError(f"The tokenizer of this model cannot be used: {said}"))
            finally:
                self._guard.open()
            self._say(answer)

    # -- questions

    def _load(self, question: Question) -> object:
        self._limits = Limits(**question["limits"])
        self._guard = Guard(self._limits)
        paths = {name: Path(path) for name, path in question["files"].items() if path is not None}
        files = ModelFiles(question["model"], **paths)
        self._tokenizer = read_tokenizer(files, limits=self._limits, guard=self._guarded)
        return {"key": self._tokenizer.key, "has_template": self._tokenizer.has_template}

    def _measure(self, question: Question) -> object:
        return self._cutting(question).measure(pair_from_json(question["pair"]))

    def _view(self, question: Question) -> object:
        return self._cutting(question).view(pair_from_json(question["pair"])).as_json()

    def _count(self, question: Question) -> object:
        patience = Patience(spent=question["spent"], last=question["last"])
        pairs = [None if pair is None else pair_from_json(pair) for pair in question["pairs"]]
        counter = self._cutting(question)
        self._phase("template")
        counts = counter.count_many(pairs, question["thinking"], patience=patience, rendered=self._row)
        return {"counts": counts, "spent": patience.spent, "last": patience.last}

    def _cutting(self, question: Question) -> PairTokenizer:
        """The tokenizer with the `max_length` of the question."""
        if self._tokenizer is None:
            raise InputError("The tokenizer is not loaded")
        return replace(self._tokenizer, max_length=question["max_length"], keeps_end=question["keeps_end"])

    # -- output

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Enforces the limits while the template runs, and announces its start and end."""
        if self._one_by_one:
            self._phase("template")
        try:
            with self._guard:
                yield
        finally:
            if self._one_by_one:
                self._phase("tokens")

    def _row(self, row: int | None) -> None:
        if row is None:
            self._phase("tokens")
        elif (now := time.monotonic()) - self._row_at > ROW_SECONDS:
            self._row_at = now
            self._say({"row": row})

    def _phase(self, phase: str) -> None:
        self._say({"phase": phase})

    def _say(self, answer: Mapping[str, object]) -> None:
        try:
            line = orjson.dumps(answer)
        except TypeError:  # a lone surrogate, which only json accepts
            line = json.dumps(answer).encode()
        self._answers.write(line + b"\n")
        self._answers.flush()


def _refusal(error: SmoltuiError) -> dict[str, object]:
    kind = next(name for name, sort in KINDS.items() if isinstance(error, sort))
    return {"error": error.message, "hint": error.hint, "kind": kind}


def _loads(line: bytes) -> Question:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:  # a lone surrogate, which only json accepts
        found = json.loads(line)
    return dict(found)


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not an answer
    Child(sys.stdin.buffer, answers).run()


if __name__ == "__main__":
    main()
