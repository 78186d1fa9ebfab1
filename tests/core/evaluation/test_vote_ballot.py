"""Drawing blind matchups: evenly, the same every time, and without a side that gives a model away."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.vote_ballot import (
    Answer,
    Matchup,
    Question,
    draw,
    matchup_id,
    turns_from_json,
    turns_json,
)


def question(number: int, models: tuple[str, ...] = ("reference", "aligned")) -> Question:
    return Question((("user", f"Question {number}?"),), {model: Answer(f"{model} says {number}.") for model in models})


def questions(count: int, models: tuple[str, ...] = ("reference", "aligned")) -> list[Question]:
    return [question(number, models) for number in range(count)]


def test_each_prompt_comes_once_with_two_models() -> None:
    ballot = draw(questions(20), ["reference", "aligned"], seed=0)
    assert [matchup.prompt[0][1] for matchup in ballot.matchups] == [f"Question {number}?" for number in range(20)]
    assert ballot.rounds == 1 and len(ballot.ids) == 20
    first = Counter(matchup.models[0] for matchup in ballot.matchups)
    assert min(first["reference"], first["aligned"]) >= 4, "one model is nearly always A"


def test_the_draw_depends_on_the_seed_alone() -> None:
    def sides(seed: int) -> list[tuple[str, str]]:
        return [matchup.models for matchup in draw(questions(40), ["reference", "aligned"], seed).matchups]

    assert sides(0) == sides(0) != sides(1)


def test_a_matchup_keeps_its_sides_when_a_prompt_is_added() -> None:
    before = draw(questions(10), ["reference", "aligned"], seed=0)
    after = draw([question(99), *questions(10)], ["reference", "aligned"], seed=0)
    assert {matchup.id: matchup.models for matchup in before.matchups}.items() <= {
        matchup.id: matchup.models for matchup in after.matchups
    }.items()


def test_both_sides_are_equally_likely() -> None:
    ballot = draw(questions(2000), ["reference", "aligned"], seed=3)
    first = sum(matchup.models[0] == "reference" for matchup in ballot.matchups)
    assert 900 < first < 1100


@given(st.integers(2, 4), st.integers(1, 30), st.integers(0, 5))
def test_pairs_of_models_come_evenly(models: int, prompts: int, seed: int) -> None:
    """In each round, no two models meet more than once more often than two others; in the end each meets each."""
    names = tuple("abcd"[:models])
    ballot = draw(questions(prompts, names), names, seed)
    pairs = len(list(combinations(names, 2)))
    assert ballot.rounds == pairs and len(ballot.matchups) == pairs * prompts
    for turn in range(pairs):
        part = ballot.matchups[turn * prompts : (turn + 1) * prompts]
        met = Counter(frozenset(matchup.models) for matchup in part)
        assert len({matchup.prompt for matchup in part}) == prompts
        assert max(met.values()) - (min(met.values()) if len(met) == pairs else 0) <= 1
    met = Counter(frozenset(matchup.models) for matchup in ballot.matchups)
    assert set(met.values()) == {prompts}


def test_what_cannot_be_voted_on_is_counted() -> None:
    """The same answer twice, and an answer that is missing."""
    same = Question((("user", "Same?"),), {"reference": Answer("Yes."), "aligned": Answer("Yes.\n")})
    missing = Question((("user", "Missing?"),), {"reference": Answer("Yes.")})
    ballot = draw([same, missing, question(1)], ["reference", "aligned"], seed=0)
    assert (len(ballot.matchups), ballot.identical, ballot.incomplete) == (1, 1, 1)
    assert not draw([], ["reference"], seed=0).matchups


def test_the_id_follows_prompt_and_answers() -> None:
    prompt = (("user", "Why?"),)
    known = matchup_id(prompt, ("a", "1"), ("b", "2"))
    assert known == matchup_id(prompt, ("b", "2"), ("a", "1")) and len(known) == 32
    others = {
        matchup_id((("user", "Why"),), ("a", "1"), ("b", "2")),
        matchup_id(prompt, ("a", "2"), ("b", "1")),
        matchup_id(prompt, ("a", "1"), ("b", "2 ")),
        matchup_id(prompt, ("a", "1"), ("c", "2")),
        matchup_id((("system", "Why?"),), ("a", "1"), ("b", "2")),
    }
    assert known not in others and len(others) == 5


def test_repeated_prompts_with_the_same_answers_are_one_matchup() -> None:
    ballot = draw([question(1), question(1)], ["reference", "aligned"], seed=0)
    assert len(ballot.matchups) == 1 and isinstance(ballot.matchups[0], Matchup)


def test_turns() -> None:
    turns = (("system", "Be brief."), ("user", "Why?"))
    assert turns_from_json(turns_json(turns)) == turns
