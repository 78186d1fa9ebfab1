"""A judge's replies in the folder of their run: planned, asked for, appended one by one, and counted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from smoltui.backends.evaluation import votes
from smoltui.backends.project.project import Project
from smoltui.backends.system.appended_file import AppendedFile
from smoltui.backends.system.paths import exists
from smoltui.backends.system.small_file import read_small_text
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.judge_figures import JudgeFigures, asked_last, judge_figures
from smoltui.core.evaluation.judge_log import Answered, Asked, Entry, Judged, JudgeLog, line_of
from smoltui.core.evaluation.judge_plan import Call, Judge, Plan, calls_on, planned
from smoltui.core.evaluation.judge_prompt import MOST_TEMPLATE_BYTES, check_template
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.evaluation.vote_ballot import Ballot, draw
from smoltui.core.evaluation.vote_log import Vote, kept_ballot
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.settings.judge_settings import JudgeSettings
from smoltui.errors import InputError, SmoltuiError
from smoltui.redaction import without_tokens

WHAT = "replies of the judge"
DEFAULT_TEMPLATE = Path(__file__).parents[2] / "prompts" / "judge.txt"
Record = Callable[[Call, Reply], Awaitable[None]]
"""Keeps a reply; it is on the disk when this returns."""


class Asker(Protocol):
    """What asks a model for replies."""

    async def ask(self, calls: Sequence[Call], record: Record) -> None:
        """Makes the calls until all are made, or until `stop`. Cancelled, it finishes the calls under way first.

        Raises:
            SmoltuiError: the model cannot be asked; no further call is made.
        """
        ...

    def stop(self) -> None:
        """Makes no further call."""
        ...


# -- the prompt


def template_of(project: Project, settings: JudgeSettings) -> tuple[str, str]:
    """The prompt template, and where it is from: the project's file, or ours if there is none. Blocks.

    Raises:
        InputError: the project's cannot be read, or lacks a placeholder.
    """
    path = project.resolve(settings.prompt)
    try:
        return check_template(read_small_text(path, MOST_TEMPLATE_BYTES), str(path)), str(path)
    except FileNotFoundError:
        return DEFAULT_TEMPLATE.read_text(encoding="utf-8"), "the prompt that comes with smoltui"
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror or "unreadable" if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(
            f"The judge's prompt cannot be read ({said}): {path}", "Save it as UTF-8, or delete it for ours."
        ) from error


def write_template_once(path: Path) -> None:
    """Creates the project's prompt template from ours if it is missing, so that an editor does not open an empty file.

    Raises:
        InputError: it cannot be written.
    """
    if exists(path):
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(DEFAULT_TEMPLATE.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"The judge's prompt cannot be written ({error.strerror}): {path}", "Make the folder writable."
        ) from error


# -- the replies


def path_of(folder: Path, judge: Judge) -> Path:
    """The file with the replies of this judge, in a run's folder."""
    return folder / f"judge-{judge.digest[:8]}.jsonl"


def open_judging(folder: Path, answers: Answers, judge: Judge) -> Judging:
    """What a judge was asked about these answers, and what is left to ask. Blocking; writes nothing.

    Raises:
        InputError: existing replies or votes cannot be read.
    """
    file = AppendedFile(path_of(folder, judge), WHAT, private=True)
    log = JudgeLog()
    log.take_lines(file.read())
    ballot = draw(answers.questions, list(answers.places), answers.seed)
    return Judging(file, log, judge, ballot, answers)


class Judging:
    """One judge and one ballot."""

    def __init__(self, file: AppendedFile, log: JudgeLog, judge: Judge, ballot: Ballot, answers: Answers) -> None:
        self._file, self._log = file, log
        self.judge, self.ballot = judge, ballot
        self._kept = kept_ballot(ballot, answers, time.time())
        self._unsaved = self._new_entries()
        for entry in self._unsaved:
            log.take(entry)
        self._votes = own_votes(file.path.parent)

    def _new_entries(self) -> list[Entry]:
        """The lines for what is not in the file yet."""
        log, found = self._log, list[Entry]()
        if not any(asked.ballot.ids == self._kept.ids for asked in log.asked[-1:]):
            found.append(Asked(self.judge, self._kept))
        for matchup in self.ballot.matchups:
            first, second = calls_on(matchup, self.judge)
            judged, known = Judged(matchup, (first.key, second.key)), log.judged.get(matchup.id)
            if known is None or known.keys != judged.keys:
                found.append(judged)
        return found

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def unreadable(self) -> str:
        """What cannot be read in the file, one sentence; empty if nothing."""
        lines = self._log.unreadable
        if not lines:
            return ""
        which = f"Line {lines[0]}" if len(lines) == 1 else f"{len(lines)} lines"
        return f"{which} of {self.path.name} cannot be read; missing replies are asked for again."

    @property
    def replies(self) -> int:
        """Replies in the file, on any ballot."""
        return len(self._log.answered)

    def plan(self, settings: JudgeSettings, most: int | None = None) -> Plan:
        """What is left to ask, at most `most` calls. Blocking with thousands of matchups."""
        return planned(self.ballot.matchups, self.judge, self._log.answered, settings, most)

    async def ask(self, asker: Asker, plan: Plan, told: Callable[[int], object]) -> None:
        """Makes the planned calls; `told` gets the number of replies so far. What has come is kept, however it ends.

        Raises:
            SmoltuiError: the judge cannot be asked, or a reply cannot be saved; the hint says how to continue.
        """
        done = 0

        async def record(call: Call, reply: Reply) -> None:
            nonlocal done
            clean = replace(reply, text=without_tokens(reply.text))
            await self._save([Answered(call.key, clean, time.time())])
            done += 1
            told(done)

        try:
            await self._save(self._unsaved)
            self._unsaved = []
            await asker.ask(plan.calls, record)
        except SmoltuiError as error:
            if self.replies:
                error.hint = f"{error.hint} Replies so far are kept ({self.replies}); asking again continues.".strip()
            raise

    async def _save(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        folder, lines = self.path.parent, b"".join(map(line_of, entries))

        def save() -> None:
            if not folder.is_dir():
                raise InputError(
                    f"The run was deleted, and its folder with it: {folder.name}", "Judge the answers of another run."
                )
            self._file.append(lines)

        await in_thread(save)
        for entry in entries:
            self._log.take(entry)

    def figures(self) -> JudgeFigures:
        """Those of this ballot, with the votes as they were when this was opened. Blocking."""
        return judge_figures(self._log, self.judge, self._kept, self._votes)


def own_votes(folder: Path) -> dict[str, Vote]:
    """The votes of a person in a run's folder, by matchup.

    Raises:
        InputError: they cannot be read.
    """
    logs = list(votes.read_logs(folder).values())
    return {one: vote for log in reversed(logs) for one, vote in log.votes.items()}


def kept(folder: Path) -> list[JudgeFigures]:
    """The figures of every judge in a run's folder, newest first; empty without replies. Blocking.

    Raises:
        InputError: a file cannot be read.
    """
    try:
        paths = sorted(folder.glob("judge-*.jsonl"))
    except OSError as error:
        raise InputError(f"The {WHAT} cannot be read ({error.strerror or error}): {folder}") from error
    found, mine = [], own_votes(folder) if paths else {}
    for path in paths:
        log = JudgeLog()
        log.take_lines(AppendedFile(path, WHAT).read())
        figures = [judge_figures(log, asked.judge, asked.ballot, mine) for asked in asked_last(log)]
        found += [one for one in figures if one.replies]
    return sorted(found, key=lambda one: -one.outcome.at)
