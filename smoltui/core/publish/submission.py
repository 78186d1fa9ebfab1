"""The entry of a leaderboard: its fields, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.safe_text import safe_line

REPO_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?/[A-Za-z0-9._-]{1,96}")
"""owner/name of the Hub (huggingface_hub 2.4 `validate_repo_id`)."""
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,96}")
_CHAPTER = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2})?")
PRIVATE_ENDING = "_private"
"""How LightEval names a data set that was pushed without `--public-run`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission, in the fields of the smol-course (units/en/unit2/4.md); all are texts."""

    username: str
    model_name: str
    """Without its owner."""
    chapter: str
    method: str
    submission_date: str
    """Such as 2026-11-30."""
    results_dataset: str
    """owner/name of the data set that LightEval pushed."""
    base_model: str
    preference_dataset: str

    def as_json(self) -> dict[str, str]:
        """The object in the file, in the course's order."""
        return {
            "username": self.username,
            "model_name": self.model_name,
            "chapter": self.chapter,
            "method": self.method,
            "submission_date": self.submission_date,
            "results-dataset": self.results_dataset,
            "base_model": self.base_model,
            "preference_dataset": self.preference_dataset,
        }

    @property
    def model_id(self) -> str:
        """owner/name of the model."""
        return f"{self.username}/{self.model_name}"

    @property
    def title(self) -> str:
        """Subject of the commit and of the pull request."""
        return f"Add {self.model_id} ({self.method})"

    def is_same(self, other: Mapping[str, object]) -> bool:
        """Whether an entry of the file is about the same model and chapter. The Hub ignores case in names."""

        def folded(value: object) -> str:
            return value.strip().casefold() if isinstance(value, str) else str(value)

        mine = self.as_json()
        return all(folded(other.get(key)) == folded(mine[key]) for key in ("username", "model_name", "chapter"))


def stop(name: str, sentence: str, next_step: str = "") -> Check:
    """A check that keeps the entry from being submitted."""
    return Check(name, Level.STOP, sentence, next_step)


def warn(name: str, sentence: str, next_step: str = "") -> Check:
    """A check that does not, but should be read."""
    return Check(name, Level.WARN, sentence, next_step)


def passed(name: str, sentence: str) -> Check:
    """A check without a problem."""
    return Check(name, Level.PASS, sentence)


SETTING = "Set submit.{} in smoltui.toml (e opens it)."


def field_checks(entry: Entry, today: str) -> list[Check]:
    """Problems of the fields alone; one passed check if there is none. `today`: such as 2026-11-30."""
    problems = [check for judge in _JUDGES for check in judge(entry)] + _date(entry, today)
    return problems or [passed("fields", "All eight fields of the entry are complete")]


def _owner(entry: Entry) -> list[Check]:
    if _OWNER.fullmatch(entry.username):
        return []
    said = f"The user name is not one of the Hub: {shown(entry.username)}"
    return [stop("username", said, "Log in with: hf auth login")]


def _model(entry: Entry) -> list[Check]:
    if "/" in entry.model_name:
        said = f"The model's name must not include its owner: {shown(entry.model_name)}"
        return [stop("model_name", said, SETTING.format("model"))]
    if _NAME.fullmatch(entry.model_name):
        return []
    said = f"The model's name is not one of the Hub: {shown(entry.model_name)}"
    return [stop("model_name", said, SETTING.format("model"))]


def _words(entry: Entry) -> list[Check]:
    found = []
    if not _CHAPTER.fullmatch(entry.chapter):
        said = f"The chapter must be a number, as text: {shown(entry.chapter)}"
        found.append(stop("chapter", said, SETTING.format("chapter")))
    if not entry.method.strip() or not entry.method.isprintable() or len(entry.method) > 60:
        found.append(stop("method", f"The method is not a name: {shown(entry.method)}", SETTING.format("method")))
    return found


def _ids(entry: Entry) -> list[Check]:
    found = []
    for name, value, setting, what in (
        ("results-dataset", entry.results_dataset, "results_dataset", "The results dataset"),
        ("base_model", entry.base_model, "base_model", "The base model"),
        ("preference_dataset", entry.preference_dataset, "preference_dataset", "The preference dataset"),
    ):
        if not value:
            found.append(stop(name, f"{what} is not known", _source(name)))
        elif not REPO_ID.fullmatch(value):
            said = f"{what} is not a name of the Hub, owner/name: {shown(value)}"
            found.append(stop(name, said, SETTING.format(setting)))
    if entry.results_dataset.endswith(PRIVATE_ENDING):
        said = f"The results were pushed as private: {shown(entry.results_dataset)}"
        found.append(stop("results-dataset", said, "Run LightEval with --public-run, or make a public copy."))
    return found


def _source(name: str) -> str:
    if name == "results-dataset":
        return "Run the benchmarks with --push-to-hub --public-run first, then set submit.results_dataset."
    if name == "base_model":
        return (
            "The recipe's model is a folder of this machine: train from a model of the Hub, or set submit.base_model."
        )
    return "The pairs are files of this machine: publish them as a data set, then set submit.preference_dataset."


_JUDGES: tuple[Callable[[Entry], list[Check]], ...] = (_owner, _model, _words, _ids)


def _date(entry: Entry, today: str) -> list[Check]:
    try:
        at = date.fromisoformat(entry.submission_date)
    except ValueError:
        said = f"The submission date is not like 2026-11-30: {shown(entry.submission_date)}"
        return [stop("submission_date", said, "Check the clock of this machine.")]
    if at.isoformat() > today:
        said = f"The submission date is in the future: {entry.submission_date}"
        return [stop("submission_date", said, "Check the clock of this machine.")]
    return []


def shown(value: object) -> str:
    """A value of an entry, for a sentence."""
    return safe_line(str(value), 120) or "empty"
