"""What is next after something has ended: a run, an audit, answers, figures, a vote, a publication, an error.

One table. A row says what ended and how, and names acts that exist where one is looking; what a project as a whole
needs next is elsewhere (`steps.py`). The words are completed by the keys bound there (`widgets/next_step.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Act(StrEnum):
    """What has ended."""

    TRAIN = "train"
    AUDIT = "audit"
    ASK = "ask"
    MEASURE = "measure"
    VOTE = "vote"
    LABEL = "label"
    JUDGE = "judge"
    BENCHMARK = "benchmark"
    PUSH = "push"
    SUBMIT = "submit"


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Cause(StrEnum):
    """Why something failed, as far as its message says."""

    MEMORY = "memory"
    MAIN_MEMORY = "main_memory"
    """Of a machine that a flavor stands for."""
    DISK = "disk"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TAKEN = "taken"
    """The platform took the machine away."""
    ACCESS = "access"
    PAIRS = "pairs"
    PACKAGES = "packages"
    NUMBERS = "numbers"
    MODEL = "model"
    RECIPE = "recipe"
    OTHER = "other"


_CAUSES: tuple[tuple[Cause, str], ...] = (
    (Cause.MAIN_MEMORY, r"main memory ran out"),
    (Cause.MEMORY, r"of memory|\bOOM\b|does not fit"),
    (
        Cause.DISK,
        r"disk (is full|quota)|no room for|no space left|cannot be (saved|stored|written)|could not be saved",
    ),
    (Cause.PACKAGES, r"package is missing|packages could not be|not installed|aren't installed"),
    (Cause.TIMEOUT, r"time limit|timed? ?out"),
    (Cause.TAKEN, r"took the (machine|nodes)"),
    (Cause.ACCESS, r"denied access|refused the push|gated|not logged in|read-only|no access|may not see"),
    (Cause.NETWORK, r"could not be reached|did(n't| not) answer|no answer|offline|connection|too many requests"),
    (Cause.NUMBERS, r"\bNaN\b|not finite|infinit|diverged"),
    (Cause.PAIRS, r"\bpairs\b.*(not found|cannot be|no )|chat template rejects"),
    (
        Cause.MODEL,
        r"(model|adapter|weights|repository)\b.*(not found|no longer|damaged|incomplete|missing|cannot be|no )"
        r"|no such model",
    ),
    (Cause.RECIPE, r"recipe"),
)
"""The first that is found in a message; the messages are those of `scripts/script_events.py` and of the backends."""


def cause_of(message: str | None) -> Cause:
    """The cause that a message of a failure names."""
    said = message or ""
    return next((cause for cause, words in _CAUSES if re.search(words, said, re.IGNORECASE)), Cause.OTHER)


@dataclass(frozen=True, slots=True)
class End:
    """Something that has ended."""

    act: Act
    outcome: Outcome = Outcome.DONE
    cause: Cause = Cause.OTHER
    """Of a failure."""
    facts: frozenset[str] = field(default_factory=frozenset)
    """What else is known, from `FACTS`."""


FACTS = {
    "model": "it left a model that can be loaded here",
    "lost": "its model is gone with the disk of its machine",
    "other": "it belongs to another project",
    "resumable": "it can be resumed",
    "limit": "it had a time limit, which can be another one when it is run again",
    "aligned": "an aligned model was among those that were asked",
    "one": "only one model was asked",
    "measured": "the aligned model has been measured",
    "worse": "it was measured to answer worse than the reference (`core.evaluation.figures.answers_worse`)",
    "missing": "some of it is left to do",
    "remarks": "it found something",
}
"""Facts that rows distinguish, and their meaning."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that can be done next."""

    action: str
    """Of the room or view that is in front, or of the app, as Textual names it: `ask_models`, `room('submit')`."""
    words: str
    """Completes "press KEY to …"."""
    about: str = ""
    """The key of the recipe that it changes; empty for none."""


@dataclass(frozen=True, slots=True)
class Row:
    """What follows one kind of end."""

    act: Act
    outcome: Outcome
    offers: tuple[Offer, ...]
    cause: Cause | None = None
    """None: whatever it was."""
    facts: frozenset[str] = frozenset()
    """Those that must hold."""


def _rows(act: Act, outcome: Outcome, *rows: tuple[Iterable[str], Cause | None, tuple[Offer, ...]]) -> list[Row]:
    return [Row(act, outcome, offers, cause, frozenset(facts)) for facts, cause, offers in rows]


AGAIN = Offer("rerun", "run it again")
RESUME = Offer("pause", "resume it")
LOG = Offer("next_view", "read the end of the log")
PUBLISH = Offer("room('submit')", "publish it")
GENTLER = Offer("room('recipe')", "edit the recipe, as its answers got worse")
COMPARE = Offer("ask_models", "compare before and after")
TRAIN = Offer("train", "train")
MEASURE = Offer("measure", "measure both on held-out pairs")
VOTE = Offer("vote", "vote blind")
ASK = Offer("ask", "ask again")
CONTINUE = Offer("ask", "continue")
MODELS = Offer("columns", "choose other models")
EXPORT = Offer("export", "export the choices as preference pairs")
BACK = Offer("leave", "go back")


def _edit(key: str, words: str) -> Offer:
    return Offer("fix", words, key)


_FAILED_HERE = (
    ((), Cause.MEMORY, (MODELS, ASK)),
    ((), Cause.MODEL, (MODELS, ASK)),
    ((), Cause.ACCESS, (MODELS, ASK)),
    ((), None, (ASK, MODELS)),
)
"""What follows models that could not be loaded or asked."""

TABLE: tuple[Row, ...] = (
    *_rows(
        Act.TRAIN,
        Outcome.DONE,
        (["other"], None, (LOG,)),
        (["model"], None, (COMPARE, PUBLISH)),
        (["lost"], None, (_edit("push_to_hub", "set push_to_hub, so that the next Job's model is kept"), AGAIN)),
        ([], None, (LOG,)),
    ),
    *_rows(
        Act.TRAIN,
        Outcome.STOPPED,
        (["other", "resumable"], None, (RESUME,)),
        (["resumable"], None, (RESUME, TRAIN)),
        ([], None, (AGAIN, LOG)),
    ),
    *_rows(
        Act.TRAIN,
        Outcome.FAILED,
        (["other"], None, (LOG,)),
        ([], Cause.MEMORY, (_edit("per_device_train_batch_size", "edit the batch size"), AGAIN)),
        ([], Cause.NUMBERS, (_edit("learning_rate", "lower the learning rate"), LOG)),
        (["resumable"], None, (RESUME, LOG)),
        ([], Cause.DISK, (_edit("output_dir", "edit the output folder"), AGAIN)),
        ([], Cause.ACCESS, (_edit("hub_model_id", "edit the repository"), LOG)),
        (["limit"], Cause.TIMEOUT, (Offer("rerun", "run it again with a longer time limit"), LOG)),
        ([], Cause.TIMEOUT, (Offer("train", "start again with a longer time limit"), LOG)),
        ([], Cause.NETWORK, (AGAIN, LOG)),
        ([], Cause.TAKEN, (AGAIN, LOG)),
        ([], Cause.MAIN_MEMORY, (AGAIN, LOG)),
        ([], Cause.PAIRS, (Offer("room('pairs')", "look at the pairs"), LOG)),
        ([], Cause.MODEL, (_edit("model_name_or_path", "edit the model"), LOG)),
        ([], Cause.RECIPE, (_edit("", "edit the recipe"), LOG)),
        ([], None, (LOG, AGAIN)),
    ),
    *_rows(
        Act.AUDIT,
        Outcome.DONE,
        (["remarks"], None, (Offer("pairs", "list the pairs of the selected finding"), TRAIN)),
        ([], None, (TRAIN,)),
    ),
    *_rows(Act.AUDIT, Outcome.STOPPED, ([], None, (Offer("view('audit')", "audit again"),))),
    *_rows(Act.AUDIT, Outcome.FAILED, ([], None, (Offer("view('audit')", "audit again"),))),
    *_rows(
        Act.ASK,
        Outcome.DONE,
        (["missing"], None, (CONTINUE,)),
        (["one"], None, (MODELS,)),
        (["aligned", "measured", "worse"], None, (GENTLER, VOTE)),
        (["aligned", "measured"], None, (VOTE, PUBLISH)),
        (["aligned"], None, (MEASURE, VOTE)),
        ([], None, (TRAIN, MODELS)),
    ),
    *_rows(Act.ASK, Outcome.STOPPED, ([], None, (CONTINUE,))),
    *_rows(Act.ASK, Outcome.FAILED, *_FAILED_HERE),
    *_rows(Act.MEASURE, Outcome.DONE, (["worse"], None, (GENTLER, VOTE)), ([], None, (VOTE, PUBLISH))),
    *_rows(Act.MEASURE, Outcome.STOPPED, ([], None, (Offer("measure", "start over"),))),
    *_rows(
        Act.MEASURE,
        Outcome.FAILED,
        ([], Cause.PAIRS, (Offer("room('pairs')", "look at the pairs"), Offer("measure", "measure again"))),
        ([], Cause.MEMORY, (MODELS, Offer("measure", "measure again"))),
        ([], Cause.MODEL, (MODELS, Offer("measure", "measure again"))),
        ([], None, (Offer("measure", "measure again"), MODELS)),
    ),
    *_rows(
        Act.VOTE,
        Outcome.DONE,
        ([], None, (EXPORT, BACK)),
    ),
    *_rows(Act.VOTE, Outcome.STOPPED, ([], None, (Offer("vote", "continue voting"),))),
    *_rows(Act.VOTE, Outcome.FAILED, ([], None, (BACK,))),
    *_rows(Act.LABEL, Outcome.DONE, ([], None, (EXPORT, BACK))),
    *_rows(Act.LABEL, Outcome.STOPPED, ([], None, (Offer("sample", "sample the rest"),))),
    *_rows(Act.LABEL, Outcome.FAILED, ([], None, (Offer("sample", "try again"),))),
    *_rows(
        Act.JUDGE,
        Outcome.DONE,
        (["missing"], None, (CONTINUE,)),
        ([], None, (BACK,)),
    ),
    *_rows(Act.JUDGE, Outcome.STOPPED, ([], None, (CONTINUE,))),
    *_rows(
        Act.JUDGE,
        Outcome.FAILED,
        ([], Cause.NETWORK, (CONTINUE, Offer("other", "name another judge"))),
        ([], None, (Offer("other", "name another judge"), CONTINUE)),
    ),
    *_rows(Act.BENCHMARK, Outcome.DONE, ([], None, (BACK,))),
    *_rows(Act.BENCHMARK, Outcome.STOPPED, ([], None, (Offer("start", "run it again"),))),
    *_rows(Act.BENCHMARK, Outcome.FAILED, ([], None, (Offer("start", "run it again"),))),
    *_rows(Act.PUSH, Outcome.DONE, ([], None, (Offer("submit", "submit the model to the leaderboard"),))),
    *_rows(Act.PUSH, Outcome.STOPPED, ([], None, (Offer("check", "see what the Hub has"),))),
    *_rows(Act.PUSH, Outcome.FAILED, ([], None, (Offer("push", "try again"),))),
    *_rows(Act.SUBMIT, Outcome.DONE, ([], None, (Offer("check", "see the state of the pull request"),))),
    *_rows(Act.SUBMIT, Outcome.STOPPED, ([], None, (Offer("check", "see what the Hub has"),))),
    *_rows(Act.SUBMIT, Outcome.FAILED, ([], None, (Offer("submit", "try again"),))),
)
"""The first row that fits counts."""


def after(end: End) -> tuple[Offer, ...]:
    """What can be done next, the likeliest first; never empty."""
    for row in TABLE:
        fits = (row.act, row.outcome) == (end.act, end.outcome) and row.facts <= end.facts
        if fits and row.cause in (None, end.cause):
            return row.offers
    return (BACK,)


def next_words(offers: Sequence[Offer], key_of: Callable[[Offer], str | None]) -> str:
    """ "Next: press a to …, or b to …." with at most two offers whose key is known; empty without any."""
    said = [f"{key} to {offer.words}" for offer in offers if (key := key_of(offer)) is not None][:2]
    return f"Next: press {', or '.join(said)}." if said else ""
