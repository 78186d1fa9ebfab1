"""Filtering runs: the text after `/` in the Runs room and after `ps --filter`.

Terms are separated by spaces, and a run must match all of them. Case is ignored:

    word            its letters appear in the run's name in this order, possibly with others in between; or the word
                    is part of its id, stage, message, flavor, namespace, engine, project folder or one of its labels
    stage:ERROR     the stage starts with this: `stage:run` finds RUNNING
    label:team      a label with this key or this value
    label:team=ml   a label with this key whose value starts with this
    flavor:a100     the flavor contains this
    namespace:acme  the user or organization that owns the Job starts with this
    engine:local    the engine's name, or the name of its runs, starts with this: `engine:jobs` is `engine:hub`
    stage:run,sched either of them; works for each key
    "two words"     quotes keep spaces; an unmatched quote is an ordinary character

Any other key is part of a word (`uv:python3.12` is a name), and a key without a value filters nothing, because it is
still being typed. No input is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from smoltui.core.runs.place import Place, places_called

KEYS = ("stage", "label", "flavor", "namespace", "engine")
"""Keys before a colon."""

_TERM = re.compile(r'((?:[^\s"]|"[^"]*"|")+)')


class Filtered(Protocol):
    """The attributes that a filter uses; `core.runs.run.Run` has them."""

    @property
    def id(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def message(self) -> str | None: ...
    @property
    def flavor(self) -> str | None: ...
    @property
    def namespace(self) -> str | None: ...
    @property
    def project(self) -> str | None: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. All texts are in lower case."""

    key: str
    """One of `KEYS`; empty for a word."""
    values: tuple[str, ...]
    """Any of them may match; empty: everything matches."""

    def matches(self, run: Filtered) -> bool:
        if not self.values:
            return True
        match self.key:
            case "stage":
                return any(run.stage.casefold().startswith(_spelt(value)) for value in self.values)
            case "label":
                return any(_has_label(run.labels, value) for value in self.values)
            case "flavor":
                return run.flavor is not None and any(value in run.flavor.casefold() for value in self.values)
            case "namespace":
                owner = (run.namespace or "").casefold()
                return any(owner.startswith(value) for value in self.values)
            case "engine":
                return any(run.engine.casefold().startswith(value) for value in self.values)
        return any(_in_order(value, run.name.casefold()) or _holds(run, value) for value in self.values)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """All terms of one text."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        """Whether it can exclude any run."""
        return any(term.values for term in self.terms)

    def matches(self, run: Filtered) -> bool:
        """Whether the run matches every term."""
        return all(term.matches(run) for term in self.terms)


def parse_filter(text: str, places: Sequence[Place] = ()) -> RunFilter:
    """The filter for a text as described at the top of this module; an empty text matches every run.

    `places` are those that `engine:` can name by their runs, such as `engine:jobs`.
    """
    return RunFilter(tuple(_term(found, places) for found in _TERM.findall(text)))


def _term(text: str, places: Sequence[Place]) -> Term:
    key, colon, rest = text.partition(":")
    if colon and key.casefold() in KEYS:
        values = tuple(value for part in _split(rest) if (value := _unquoted(part).casefold()))
        if key.casefold() == "engine":
            values += tuple(name.casefold() for value in values for name in places_called(value, places))
        return Term(key.casefold(), values)
    word = _unquoted(text).casefold()
    return Term("", (word,) if word else ())


def _split(text: str) -> list[str]:
    """Parts between commas outside quotes."""
    return re.findall(r'(?:[^,"]|"[^"]*"|")+', text)


def _unquoted(text: str) -> str:
    """`text` without pairs of quotes; an unmatched quote is kept."""
    return re.sub(r'"([^"]*)"', r"\1", text)


def _spelt(stage: str) -> str:
    """The Hub's spelling (`JobStage`): CANCELED has one L."""
    return stage.replace("cancell", "cancel")


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    if equals:
        return any(name.casefold() == key and said.casefold().startswith(value) for name, said in labels.items())
    return any(wanted in (name.casefold(), said.casefold()) for name, said in labels.items())


def _in_order(letters: str, text: str) -> bool:
    """Whether the letters appear in the text in this order."""
    rest = iter(text)
    return all(letter in rest for letter in letters)


def _holds(run: Filtered, word: str) -> bool:
    folder = PurePath(run.project).name if run.project else ""
    texts = (run.id, run.stage, run.message, run.flavor, run.namespace, run.engine, folder)
    if any(text and word in text.casefold() for text in texts):
        return True
    return any(word in f"{key}={value}".casefold() for key, value in run.labels.items())
