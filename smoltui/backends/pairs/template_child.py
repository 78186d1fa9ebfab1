"""Renders and tokenizes pairs, as a process: `leash.py PARENT_PID -m smoltui.backends.pairs.template_child`.

A chat template is a program of strangers, and this is the only process of smoltui that runs one: in the sandbox that
transformers uses, with limits of time and memory (`template_limits.py`) and without the person's secrets.
`token_service.py` starts it, asks it and ends it.

Each line of stdin is one question, {"do": load | measure | view | count, …}; the first is `load`. To each it says
{"phase": "template"} before the template runs, {"row": number} now and then while it goes through several pairs,
{"phase": "tokens"} before their texts are tokenized, and then {"ok": …} or {"error", "hint", "kind"}.
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

from smoltui.backends.pairs.template_limits import Guard, Late, Limits, StuckError, too_large, too_late
from smoltui.backends.pairs.tokenizer import ModelFiles, PairTokenizer, Patience, read_tokenizer
from smoltui.core.pairs.preference import Message, Pair
from smoltui.errors import InputError, PairsError, SmoltuiError
from smoltui.safe_text import redact, safe_line

ROW_SECONDS = 0.2
"""A row is told at most so often."""
KINDS: Mapping[str, type[SmoltuiError]] = {"stuck": StuckError, "pairs": PairsError, "input": InputError}
"""What an error is called in an answer."""


def pair_as_json(pair: Pair) -> dict[str, Any]:
    """What counting and showing need of a pair."""
    data: dict[str, Any] = {
        side: [(turn.role, turn.content) for turn in getattr(pair, side)] for side in ("prompt", "chosen", "rejected")
    }
    for name in ("problem", "schema", "trl_cut", "answer_at", "trl_at"):
        if (value := getattr(pair, name)) is not None:
            data[name] = value
    return data


def pair_from_json(data: Mapping[str, Any]) -> Pair:
    """What `pair_as_json` made."""
    turns = {
        side: tuple(Message(role, content) for role, content in data[side]) for side in ("prompt", "chosen", "rejected")
    }
    return Pair(0, **{**data, **turns})


class Child:
    """Answers questions until there are no more."""

    def __init__(self, questions: BinaryIO, answers: BinaryIO) -> None:
        self._questions, self._answers = questions, answers
        self._limits = Limits()
        self._guard = Guard(self._limits)
        self._tokenizer: PairTokenizer | None = None
        self._row_at = 0.0
        self._one_by_one = True
        """Each template is announced; not where a set is counted, which has thousands."""

    def run(self) -> None:
        for line in self._questions:
            question = _loads(line)
            self._one_by_one = question["do"] != "count"
            try:
                answer = {"ok": getattr(self, f"_{question['do']}")(question)}
            except SmoltuiError as error:
                answer = _refusal(error)
            except (Late, MemoryError) as error:  # raised behind the block that would have seen it
                did = too_late if isinstance(error, Late) else too_large
                answer = _refusal(StuckError.because(did(self._limits)))
            except Exception as error:  # files of strangers are what is worked with
                said = safe_line(redact(str(error) or type(error).__name__), 200)
                answer = _refusal(InputError(f"The tokenizer of this model cannot be used: {said}"))
            finally:
                self._guard.open()
            self._say(answer)

    # -- what is asked

    def _load(self, question: Mapping[str, Any]) -> dict[str, Any]:
        self._limits = Limits(**question["limits"])
        self._guard = Guard(self._limits)
        files = {name: None if path is None else Path(path) for name, path in question["files"].items()}
        found = ModelFiles(question["model"], **files)  # type: ignore[arg-type]  # its tokenizer is never None
        self._tokenizer = read_tokenizer(found, limits=self._limits, guard=self._guarded)
        return {"key": self._tokenizer.key, "has_template": self._tokenizer.has_template}

    def _measure(self, question: Mapping[str, Any]) -> Any:
        return self._cutting(question).measure(pair_from_json(question["pair"]))

    def _view(self, question: Mapping[str, Any]) -> Any:
        return self._cutting(question).view(pair_from_json(question["pair"])).as_json()

    def _count(self, question: Mapping[str, Any]) -> Any:
        patience = Patience(spent=question["spent"], last=question["last"])
        pairs = [None if pair is None else pair_from_json(pair) for pair in question["pairs"]]
        counter = self._cutting(question)
        self._phase("template")
        counts = counter.count_many(pairs, question["thinking"], patience=patience, rendered=self._row)
        return {"counts": counts, "spent": patience.spent, "last": patience.last}

    def _cutting(self, question: Mapping[str, Any]) -> PairTokenizer:
        """The tokenizer under the lengths of the question."""
        assert self._tokenizer is not None  # the first question is `load`
        return replace(self._tokenizer, max_length=question["max_length"], keeps_end=question["keeps_end"])

    # -- what is said

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Limits around a template; whoever waits hears when it begins and ends."""
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

    def _say(self, answer: Mapping[str, Any]) -> None:
        try:
            line = orjson.dumps(answer)
        except TypeError:  # a lone surrogate, which json can write
            line = json.dumps(answer).encode()
        self._answers.write(line + b"\n")
        self._answers.flush()


def _refusal(error: SmoltuiError) -> dict[str, Any]:
    kind = next(name for name, sort in KINDS.items() if isinstance(error, sort))
    return {"error": error.message, "hint": error.hint, "kind": kind}


def _loads(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:  # lone surrogates, which json takes
        found = json.loads(line)
    return dict(found)


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody else prints is no answer
    Child(sys.stdin.buffer, answers).run()


if __name__ == "__main__":
    main()
