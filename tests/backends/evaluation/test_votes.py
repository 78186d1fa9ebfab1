"""Votes in a run's folder: resumed, undone, kept apart, and exported."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from smoltui.backends.evaluation.votes import Voting, export_votes, kept, open_voting, path_of, read_logs
from smoltui.backends.pairs.export import read_export
from smoltui.core.evaluation.vote_ballot import Question
from smoltui.core.evaluation.vote_log import Choice
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.core.pairs.curation import HoldOut
from smoltui.errors import InputError, PairsError
from tests.core.evaluation.test_vote_ballot import question, questions

MODELS = ("reference", "aligned")


def answers(made: list[Question], models: tuple[str, ...] = MODELS, **sampling: object) -> Answers:
    return Answers(tuple(made), {model: f"/models/{model}" for model in models}, {"seed": 5, **sampling}, "mine")


def voting_on(folder: Path, made: list[Question], models: tuple[str, ...] = MODELS) -> Voting:
    return open_voting(folder, answers(made, models))


def vote(voting: Voting, *choices: Choice) -> None:
    for choice in choices:
        voting.vote(choice)


def vote_for(voting: Voting, model: str, times: int) -> None:
    for _ in range(times):
        now = voting.progress.current
        assert now is not None
        voting.vote("a" if now.models[0] == model else "b")


def test_votes_are_resumed_where_they_stopped(tmp_path: Path) -> None:
    """Each vote is one line; the same matchup comes next after a restart, with the same sides."""
    first = voting_on(tmp_path / "run", questions(5))
    vote(first, "a", "skip", "tie")
    expected = first.progress.current
    assert len(first.path.read_text().splitlines()) == 4  # the ballot, and three votes
    assert first.path.stat().st_mode & 0o077 == 0
    again = voting_on(tmp_path / "run", questions(5))
    assert again.progress.current == expected and again.progress.number == 4 and again.progress.skipped == 1
    vote(again, "bad", "b")
    assert again.progress.current is None and not again.unreadable
    again.progress.again()
    assert again.progress.number == 2
    vote(again, "a")
    assert again.progress.skipped == 0 and [each.choice for each in again.progress.cast] == [
        "a",
        "a",
        "tie",
        "bad",
        "b",
    ]
    (figures,) = kept(tmp_path / "run")
    assert (figures.votes, figures.skipped, figures.prompts, figures.prompt_set, figures.seed) == (5, 0, 5, "mine", 5)
    assert figures.models == {"reference": "/models/reference", "aligned": "/models/aligned"}


def test_undo_goes_back_over_a_restart(tmp_path: Path) -> None:
    vote(voting_on(tmp_path, questions(3)), "a", "b")
    again = voting_on(tmp_path, questions(3))
    undone = again.undo()
    assert undone is not None and undone.choice == "b" and again.progress.number == 2
    assert again.undo() is not None and again.undo() is None
    assert again.progress.number == 1 and not again.progress.cast
    assert voting_on(tmp_path, questions(3)).progress.number == 1


def test_an_undone_vote_comes_again_first(tmp_path: Path) -> None:
    """Also one that was skipped before and voted on at the end."""
    voting = voting_on(tmp_path, questions(2))
    vote(voting, "skip", "a")
    voting.progress.again()
    vote(voting, "b")
    assert voting.progress.current is None
    voting.undo()
    assert voting.progress.number == 1 and [each.choice for each in voting.progress.cast] == ["skip", "a"]


@pytest.mark.parametrize("cut", [1, 40, 150])
def test_a_broken_last_line_is_said_and_costs_one_vote(tmp_path: Path, cut: int) -> None:
    voting = voting_on(tmp_path, questions(4))
    vote(voting, "a", "a", "a")
    data = voting.path.read_bytes()
    voting.path.write_bytes(data[:-cut])
    again = voting_on(tmp_path, questions(4))
    assert again.unreadable == (
        f"The last line of {voting.path.name} cannot be read and does not count; every other vote does."
        if cut > 1
        else ""
    )
    assert again.progress.number == (3 if cut > 1 else 4)
    vote(again, "b")
    later = voting_on(tmp_path, questions(4))
    assert len(later.progress.cast) == (3 if cut > 1 else 4)
    if cut > 1:
        assert later.unreadable.startswith(f"Line 4 of {voting.path.name} cannot be read")


def test_an_edited_prompt_and_other_answers_are_kept_apart(tmp_path: Path) -> None:
    """Of four voted prompts one is edited: three votes count on, the fourth is kept, and exported too."""
    vote_for(voting_on(tmp_path, questions(4)), "aligned", 4)
    edited = voting_on(tmp_path, [*questions(3), question(9)])
    assert len(edited.progress.cast) == 3 and edited.progress.apart == 1 and edited.progress.number == 4
    assert kept(tmp_path)[0].votes == 4, "nothing was voted on the new ballot yet"
    vote_for(edited, "reference", 1)
    now, before = kept(tmp_path)
    assert (now.votes, now.duels[0].wins, now.current, now.moved) == (4, 3, True, 0)
    assert (before.votes, before.duels[0].wins, before.current, before.moved) == (1, 1, False, 3)
    made = export_votes(tmp_path, tmp_path / "out", name="votes")
    assert made.train == 5


def test_models_have_files_of_their_own(tmp_path: Path) -> None:
    vote(voting_on(tmp_path, questions(2)), "a")
    models = ("reference", "run-a", "run-b")
    vote(voting_on(tmp_path, questions(2, models), models), "a", "tie")
    assert path_of(tmp_path, ("aligned", "reference")) == path_of(tmp_path, MODELS) != path_of(tmp_path, models)
    assert [len(figures.models) for figures in kept(tmp_path)] == [3, 2]


def test_three_models_rank_after_all_rounds(tmp_path: Path) -> None:
    models = ("reference", "run-a", "run-b")
    voting = voting_on(tmp_path, questions(6, models), models)
    strength = {"reference": 0, "run-a": 1, "run-b": 2}
    while (now := voting.progress.current) is not None:
        voting.vote("a" if strength[now.models[0]] > strength[now.models[1]] else "b")
    assert voting.progress.round == voting.progress.ballot.rounds == 3
    figures = voting.figures()
    assert figures.ranking is not None and list(figures.ranking.strengths) == ["run-b", "run-a", "reference"]
    assert all(duel.wins == 6 and duel.p == pytest.approx(3 * 0.03125) for duel in figures.duels)


def test_a_vote_that_cannot_be_saved_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voting = voting_on(tmp_path, questions(2))
    vote(voting, "a")
    before = voting.path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(InputError, match="the disk is full"):
        patched.setattr(os, "fsync", full)
        voting.vote("b")
    assert voting.progress.number == 2 and voting.path.read_bytes() == before
    with monkeypatch.context() as patched, pytest.raises(InputError, match="the disk is full"):
        patched.setattr(os, "fsync", full)
        voting.undo()
    assert len(voting.progress.cast) == 1


def test_a_run_that_is_deleted_meanwhile(tmp_path: Path) -> None:
    """Its folder does not come back with a vote in it."""
    vote(voting_on(tmp_path / "run", questions(2)), "a")
    resumed = voting_on(tmp_path / "run", questions(2))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(InputError, match="The run was deleted, and its votes with it: run"):
        resumed.vote("b")
    assert not (tmp_path / "run").exists() and resumed.progress.number == 2


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    path_of(tmp_path, MODELS).mkdir()
    with pytest.raises(InputError, match="The votes cannot be read"):
        voting_on(tmp_path, questions(1))
    with pytest.raises(InputError, match="The votes cannot be read"):
        kept(tmp_path)


def test_without_votes(tmp_path: Path) -> None:
    assert kept(tmp_path) == [] and kept(tmp_path / "nowhere") == [] and read_logs(tmp_path) == {}
    with pytest.raises(InputError, match="There are no votes to export"):
        export_votes(tmp_path, tmp_path / "out", name="votes")


# -- pairs


def rows(folder: Path, split: str = "train") -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_votes_become_pairs_with_a_card(tmp_path: Path) -> None:
    """Chosen and rejected follow the vote, not the seat; ties, both bad and an empty answer are counted."""
    made = questions(7)
    empty = Question(
        (("user", "Empty?"),),
        {"reference": made[0].answers["reference"], "aligned": type(made[0].answers["aligned"])("")},
    )
    voting = voting_on(tmp_path, [*made, empty])
    vote_for(voting, "aligned", 2)
    vote_for(voting, "reference", 1)
    vote(voting, "tie", "bad", "skip", "tie")
    vote_for(voting, "reference", 1)
    found = export_votes(tmp_path, tmp_path / "out", name="blind votes on demo 0a1b")
    assert (found.train, found.rows, dict(found.left_out)) == (3, 7, {"tie": 2, "both bad": 1, "empty answer": 1})
    assert [(row["chosen"], row["rejected"]) for row in rows(found.folder)] == [
        (
            [{"role": "assistant", "content": f"{better} says {number}."}],
            [{"role": "assistant", "content": f"{worse} says {number}."}],
        )
        for number, (better, worse) in enumerate(
            [("aligned", "reference"), ("aligned", "reference"), ("reference", "aligned")]
        )
    ]
    assert rows(found.folder)[0]["prompt"] == [{"role": "user", "content": "Question 0?"}]
    assert rows(found.folder)[0]["chat_template_kwargs"] == {"enable_thinking": False}
    card = (found.folder / "README.md").read_text()
    assert (
        "blind votes on demo 0a1b" in card
        and "one from each blind vote" in card
        and "both bad: 1" in card
        and "tie: 2" in card
    )
    assert read_export(found.folder) == found


def test_pairs_can_be_held_out_and_replaced(tmp_path: Path) -> None:
    voting = voting_on(tmp_path, questions(20))
    vote_for(voting, "aligned", 20)
    found = export_votes(tmp_path, tmp_path / "out", name="votes", hold_out=HoldOut(0.3, 42))
    assert found.train + found.test == 20 and found.test > 0
    with pytest.raises(InputError, match="already exists"):
        export_votes(tmp_path, tmp_path / "out", name="votes")
    assert export_votes(tmp_path, tmp_path / "out", name="votes", overwrite=True).train == 20


def test_only_ties_are_no_pairs(tmp_path: Path) -> None:
    vote(voting_on(tmp_path, questions(2)), "tie", "bad")
    with pytest.raises(PairsError, match=r"both bad \(1\)|tie \(1\)"):
        export_votes(tmp_path, tmp_path / "out", name="votes")
    assert not (tmp_path / "out").exists()
