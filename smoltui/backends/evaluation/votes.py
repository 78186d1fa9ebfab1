"""Votes in the folder of their run: read, appended one by one, counted, and exported as preference pairs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from smoltui.backends.pairs.export import Exported, export_pairs
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.system import data_folder
from smoltui.backends.system.appended_file import AppendedFile
from smoltui.core.evaluation.vote_ballot import draw
from smoltui.core.evaluation.vote_figures import VoteFigures, figures_of
from smoltui.core.evaluation.vote_log import (
    BallotVotes,
    Choice,
    Undo,
    Vote,
    VoteLog,
    by_ballot,
    kept_ballot,
    line_of,
    vote_on,
)
from smoltui.core.evaluation.vote_pairs import SCHEMA, Row, pairs_of_votes
from smoltui.core.evaluation.vote_progress import BallotProgress, Progress
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.pairs.curation import Curation, HoldOut
from smoltui.errors import InputError

WHAT = "votes"
Progressing = TypeVar("Progressing", bound=Progress[Any])


def path_of(folder: Path, models: Sequence[str]) -> Path:
    """The file with the votes on these models, in a run's folder."""
    digest = hashlib.sha256(json.dumps(sorted(models)).encode("ascii")).hexdigest()
    return folder / f"votes-{digest[:8]}.jsonl"


def open_voting(folder: Path, answers: Answers) -> Voting:
    """Resumes the votes on these answers, in a run's folder. Blocking.

    The order in which answers are shown is drawn from the seed of the first ballot, and before it from the answers'.

    Raises:
        InputError: existing votes cannot be read.
    """
    models = list(answers.places)
    file = AppendedFile(path_of(folder, models), WHAT, private=True)
    log = VoteLog()
    log.take_lines(file.read())
    ballot = draw(answers.questions, models, log.ballots[0].seed if log.ballots else answers.seed)
    kept = kept_ballot(ballot, answers, time.time())
    return Voting(file, BallotProgress(ballot.matchups, log, ballot, kept))


class Deciding(Generic[Progressing]):
    """Decisions, each of which is on the disk before the next. All methods block."""

    def __init__(self, file: AppendedFile, progress: Progressing) -> None:
        self._file = file
        self.progress = progress
        self._undone: list[Vote] = []
        """What a redo would make again, the latest last."""

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def unreadable(self) -> str:
        """What cannot be read in the file, one sentence; empty if nothing."""
        return unreadable_words(self.path, self.progress.log)

    def undo(self) -> Vote | None:
        """Takes back the latest decision and returns it; None without one.

        Raises:
            InputError: that cannot be saved, and the decision still counts.
        """
        if (vote := self.progress.last()) is None:
            return None
        undone = Undo(vote.id, time.time())
        self._file.append(line_of(undone))
        self.progress.undo(undone)
        self._undone.append(vote)
        return vote

    @property
    def can_redo(self) -> bool:
        """Whether a decision was undone since the last new one."""
        return bool(self._undone)

    def redo(self) -> Vote | None:
        """Makes the decision again that was undone last, and returns it; None without one.

        Raises:
            InputError: that cannot be saved.
        """
        if not self._undone:
            return None
        vote = replace(self._undone[-1], at=time.time())
        self._file.append(self._line(vote))
        self.progress.take(vote)
        self._undone.pop()
        return vote

    def _line(self, vote: Vote) -> bytes:
        """The line for a decision."""
        return line_of(vote)


class Voting(Deciding[BallotProgress]):
    """Votes on one ballot."""

    def __init__(self, file: AppendedFile, progress: BallotProgress) -> None:
        super().__init__(file, progress)
        self._had_folder = self.path.parent.is_dir()

    def vote(self, choice: Choice, on: str | None = None) -> None:
        """Votes on the matchup with the id `on`; None: on the current one.

        Raises:
            InputError: the vote cannot be saved, for example because the run was deleted, and does not count.
        """
        progress, folder = self.progress, self.path.parent
        matchup = progress.current if on is None else progress.item(on)
        if matchup is None:
            return
        vote = vote_on(matchup, choice, time.time())
        if self._had_folder and not folder.is_dir():
            raise InputError(
                f"The run was deleted, and its votes with it: {folder.name}", "Vote on the answers of another run."
            )
        try:
            data_folder.private_folder(folder)
        except OSError as error:
            raise self._file.unsaved(error) from error
        self._file.append((line_of(progress.kept) if progress.is_new else b"") + line_of(vote))
        if progress.is_new:
            progress.log.take(progress.kept)
        progress.take(vote)
        self._undone.clear()

    def figures(self) -> VoteFigures:
        """Those of the votes on this ballot."""
        return figures_of(self.progress.group())


def unreadable_words(path: Path, log: VoteLog) -> str:
    """What cannot be read in a file of votes, one sentence; empty if nothing."""
    lines = log.unreadable
    if not lines:
        return ""
    of = "the last line" if lines == [log.lines] else f"line {lines[0]}"
    rest = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{of[0].upper()}{of[1:]}{rest} of {path.name} cannot be read and does not count; every other vote does."


def read_logs(folder: Path) -> dict[Path, VoteLog]:
    """Every file of votes in a run's folder, the one with the newest vote first; files without votes are left out.

    Raises:
        InputError: a file cannot be read.
    """
    try:
        paths = sorted(folder.glob("votes-*.jsonl"))
    except OSError as error:
        raise InputError(f"The votes cannot be read ({error.strerror or error}): {folder}") from error
    logs = {}
    for path in paths:
        log = VoteLog()
        log.take_lines(AppendedFile(path, WHAT).read())
        if log.history or log.unreadable:
            logs[path] = log
    newest = {path: log.history[-1].at if log.history else 0.0 for path, log in logs.items()}
    return {path: logs[path] for path in sorted(logs, key=lambda path: -newest[path])}


def kept(folder: Path) -> list[VoteFigures]:
    """The figures of the votes in a run's folder, one per ballot, newest first; empty without votes.

    Raises:
        InputError: a file cannot be read.
    """
    return [figures_of(group) for log in read_logs(folder).values() for group in by_ballot(log)]


# -- pairs


def export_votes(
    folder: Path,
    out: Path,
    *,
    name: str,
    kind: Kind = "jsonl",
    hold_out: HoldOut | None = None,
    overwrite: bool = False,
) -> Exported:
    """Writes all votes in a run's folder as preference pairs into the folder `out`. Blocking.

    Votes on prompts and answers that have changed since count too: they are pairs as good as any. Ties and both bad
    are left out, and counted in the card. `name` says whose votes they are.

    Raises:
        InputError: there are no votes; they cannot be read; as `export_pairs`.
        PairsError: no vote preferred an answer.
    """
    groups = [group for log in read_logs(folder).values() for group in by_ballot(log)]
    if not any(vote.choice != "skip" for group in groups for vote in group.votes):
        raise InputError(f"There are no votes to export: {folder}", "Vote in the Evaluate room: b.")
    made = export_pairs(
        _rows(groups),
        Curation(),
        out=out,
        kind=kind,
        name=name,
        schema=SCHEMA,
        thinking_off=not any(group.ballot.sampling.get("thinking") for group in groups),
        hold_out=hold_out,
        pairs_made="one from each blind vote, the preferred answer against the other one",
        overwrite=overwrite,
    )
    if made is None:
        raise RuntimeError("an export that nobody stops has stopped")
    return made


def _rows(groups: Sequence[BallotVotes]) -> Iterator[Row]:
    """One row per vote, oldest vote first."""
    votes = [(vote, bool(group.ballot.sampling.get("thinking"))) for group in groups for vote in group.votes]
    return pairs_of_votes(sorted(votes, key=lambda each: each[0].at))
