"""How a set is read as a person set it, and what is proposed: each right value of a row that people publish."""

from __future__ import annotations

from typing import Any

import pytest

from smoltui.core.pairs.column_guess import answer_choices, answer_columns, guess, guess_columns, score_choices
from smoltui.core.pairs.how_read import how_lines, how_read
from smoltui.core.pairs.mapping import how_in_words, mapped, preview
from smoltui.core.pairs.reading_fields import Read, ReadingFields
from smoltui.scripts.pair_choices import LeftOut, unfold
from smoltui.scripts.pair_columns import at_path
from smoltui.scripts.pair_format import NotAPairError, examine
from smoltui.scripts.pair_how import AS_IT_IS, How

HISTORY = {
    "query": "And in Spain?",
    "history": [["Name a river in France.", "The Loire."]],
    "answer_good": "The Ebro.",
    "answer_bad": "Madrid.",
    "system": "Be brief.",
}
SHP = {
    "history": "Why?",
    "human_ref_A": "So it is.",
    "human_ref_B": "No idea.",
    "labels": 1,
    "score_A": 9,
    "score_B": 2,
}


def turns(row: Any, how: How = AS_IT_IS) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in examine(row, how).prompt]


def test_columns_named_by_a_person() -> None:
    row = {"q": "Why?", "out": [{"text": "a"}, {"text": "b"}], "conversations": ["x"], "kept": 1}
    columns = {"prompt": "q", "chosen": "out.0.text", "rejected": "out.1.text"}
    assert mapped(row, columns) == {"kept": 1, "prompt": "Why?", "chosen": "a", "rejected": "b"}
    assert at_path(row, "out.7.text") is None and at_path({"a.b": 1}, "a.b") == 1
    pair = preview([row], columns).shown[0]
    assert (pair.prompt[0].content, pair.chosen[0].content) == ("Why?", "a")
    assert not preview([row], {"prompt": "q"}).readable


def test_what_is_not_named_stays_what_it_is() -> None:
    """History and system text; but an empty name says that the row has none, whatever its columns are called."""
    columns = {"prompt": "query", "chosen": "answer_good", "rejected": "answer_bad"}
    before = [("user", "Name a river in France."), ("assistant", "The Loire.")]
    assert turns(mapped(HISTORY, columns)) == [("system", "Be brief."), *before, ("user", "And in Spain?")]
    assert turns(mapped(HISTORY, {**columns, "history": "", "system": ""})) == [("user", "And in Spain?")]
    both = {"prompt": "Who?", "question": "Why?", "chosen": "a", "rejected": "b", "preferred_output": "c"}
    assert turns(mapped(both, {"prompt": "question"})) == [("user", "Why?")]


def test_other_answers_do_not_count_beside_those_that_were_named() -> None:
    row = {"prompt": "Why?", "chosen": "a", "rejected": "b", "better": "So it is.", "worse": "No idea."}
    with pytest.raises(NotAPairError, match="may be in chosen and rejected or in better and worse") as refused:
        examine(row)
    assert refused.value.option == "--columns chosen=better,rejected=worse"
    reading = examine(mapped(row, {"chosen": "better", "rejected": "worse"}))
    assert reading.chosen_turns[0]["content"] == "So it is."


@pytest.mark.parametrize(
    ("row", "said", "option"),
    [
        (
            {"prompt": "p", "response_a": "x", "response_b": "y", "text_a": "v", "text_b": "w", "winner": "a"},
            "response_a and response_b or in text_a and text_b",
            "--answers response_a,response_b",
        ),
        (
            {"prompt": "p", "response_a": "x", "response_b": "y", "score_a": 1, "score_b": 2, "winner": "a"},
            "score_a and score_b and winner name different winners",
            "--score score_a or --winner winner",
        ),
        (
            {"prompt": "p", "response_a": "x", "response_b": "y", "winner": "a", "preference": "b"},
            "winner and preference name different winners",
            "--winner winner or --winner preference",
        ),
        ({"question": "p", "context": "c", "chosen": "x", "rejected": "y"}, "question or context", "prompt=question"),
    ],
)
def test_two_possible_readings_are_asked_for(row: dict[str, Any], said: str, option: str) -> None:
    with pytest.raises(NotAPairError, match=said) as refused:
        examine(row)
    assert refused.value.reason == "ambiguous" and option in refused.value.option


def test_an_explicit_choice_settles_it() -> None:
    row = {"prompt": "p", "response_a": "x", "response_b": "y", "score_a": 1, "score_b": 2, "winner": "a"}
    assert unfold(row, How(winner="winner"))[0]["chosen"] == "x"
    assert unfold(row, How(score="score"))[0]["chosen"] == "y"
    assert unfold(row, How(rank="score_a,score_b"))[0]["chosen"] == "x"
    with pytest.raises(NotAPairError, match="There is no column votes"):
        unfold(row, How(winner="votes"))


def test_a_pair_that_only_names_answers_is_none() -> None:
    """What is trained on is never the name of a column."""
    row = {
        "prompt": "p",
        "response_a": "It is so.",
        "response_b": "No.",
        "chosen": "response_b",
        "rejected": "response_a",
    }
    reading = examine(row)
    assert (reading.schema, reading.chosen_turns[0]["content"]) == ("ranked", "No.")


def test_a_row_that_was_left_out_stays_left_out() -> None:
    """Whatever its own columns show by themselves."""
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    with pytest.raises(NotAPairError, match="equally good"):
        examine(LeftOut(row, NotAPairError("tie", "Both are equally good.")))


@pytest.mark.parametrize(
    ("row", "how", "chosen"),
    [
        ({"q": "p", "best": 1, "out": ["a b", "c d"]}, How(("out",), winner="best"), "c d"),
        ({"q": "p", "best": "B", "out": ["a b", "c d"]}, How(("out",), winner="best"), "c d"),
        ({"q": "p", "out": {"x": "a b", "y": "c d"}, "best": "y"}, How(("out.x", "out.y"), winner="best"), "c d"),
        ({"q": "p", "out": ["a", "b"], "marks": "[1, 5]"}, How(("out",), score="marks"), "b"),
        (SHP, How(("human_ref_A", "human_ref_B"), score="score"), "So it is."),
        ({"q": "p", "one": "a", "two": "b", "won_1": 0, "won_2": 1}, How(("one", "two"), winner="won_1,won_2"), "b"),
    ],
)
def test_ways_of_saying_which_answer_is_better(row: dict[str, Any], how: How, chosen: str) -> None:
    assert unfold(row, how)[0]["chosen"] == chosen


def test_a_drawn_answer_is_the_same_again_with_the_same_seed() -> None:
    rows = [
        {"q": "p", "answers": [{"text": f"{number} {at}", "score": -at} for at in range(9)]} for number in range(30)
    ]

    def drawn(seed: int) -> list[str]:
        return [unfold(row, How(pick="best-random", seed=seed))[0]["rejected"] for row in rows]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({text.split()[1] for text in drawn(1)}) > 4
    several = {"prompt": "p", "chosen": "a", "rejected": ["b", "c", "d"]}
    assert len(unfold(several)) == 3 and len(unfold(several, How(pick="best-random"))) == 1


# -- what is proposed


def test_guessed_columns() -> None:
    rows = [{"question": "Why?", "preferred": "So it is.", "non_preferred": "No idea.", "id": 1}]
    assert guess_columns(rows) == {"prompt": "question", "chosen": "preferred", "rejected": "non_preferred"}


@pytest.mark.parametrize("value", [1, 0.5, True, "1", " 3.5 ", "gpt-4", "m1", "org/model:v2", None, [1, 2]])
def test_a_column_of_numbers_or_names_is_no_answer(value: object) -> None:
    """In every row; a number among texts is an answer."""
    assert answer_columns([{"good": value, "bad": "No idea."}] * 3) == ["bad"]
    assert guess_columns([{"good": value, "bad": "No idea."}] * 3) == {"rejected": "bad"}


def test_what_may_be_an_answer() -> None:
    rows: list[dict[str, Any]] = [
        {"a": "56", "model": "Big Model", "chosen_model": "b c", "turns": [{"role": "user", "content": "x"}]},
        {"a": "No.", "model": "Old Model", "chosen_model": "d e", "turns": [{"role": "user", "content": "y"}]},
    ]
    assert answer_columns(rows) == ["a", "turns"]
    assert answer_choices([SHP]) == ["human_ref_A,human_ref_B"]
    assert score_choices([SHP], ["human_ref_A", "human_ref_B"]) == ["score_A,score_B"]
    rated = [{"models": ["a-1", "b-2"], "out": [{"text": "x y", "stars": 2, "by": "m"}] * 2, "sums": [3, 4]}]
    assert answer_choices(rated) == ["out"]
    assert score_choices(rated, ["out"]) == ["stars", "sums"]


def test_a_guess_says_whether_the_set_is_read_like_this() -> None:
    row = {"prompt": "p", "response_a": "x y", "response_b": "y z", "winner": "model_a"}
    found = guess([row])
    assert found.detected and found.how == How(("response_a", "response_b"), winner="winner")
    unknown = guess([{**row, "winner": None, "votes": "model_a"}])
    assert not unknown.detected or unknown.how.winner == "winner"
    shp = guess([SHP])  # labels has no name of an answer, the scores tell
    assert not shp.detected and shp.how == How(("human_ref_A", "human_ref_B"), score="score_A,score_B")
    assert shp.columns == {"prompt": "history"} and preview([SHP], shp.columns, shp.how).made == 1


# -- in words


def test_how_pairs_were_made_in_words() -> None:
    assert how_in_words({}, AS_IT_IS) == ""
    how = How(("out",), score="stars", pick="best-each", min_margin=0.5)
    assert how_in_words({"prompt": "q", "system": ""}, how) == (
        "prompt from q; no system; answers in out; score in stars; the best answer against each of the others; "
        "a margin of 0.5 at least"
    )
    assert how_in_words({}, AS_IT_IS, "several-rejected") == "one pair for each rejected answer"


def test_what_is_shown_of_a_set() -> None:
    rows = [{"prompt": "p", "response_a": "x", "response_b": "y", "winner": word, "id": 1} for word in ("a", "tie")]
    found = how_read("ranked", rows, None, AS_IT_IS, {None: 7, "tie": 3})
    lines = dict(how_lines(found.as_json()))
    assert lines["answers"] == "response_a, response_b" and lines["winner"] == "winner" and lines["further"] == "id"
    assert (lines["usable"], lines["left out"]) == ("7 pairs", "tie (3)")
    assert [pair.reason for pair in found.first.shown] == [None, "tie"]
    assert dict(how_lines(how_read("ranked", rows, None).as_json()))["usable"] == "1 pair in the first 2 rows"


def test_a_form_that_was_not_changed_sets_nothing() -> None:
    """And one that is set back to what the rows show says so, too."""
    row = {"prompt": "p", "response_a": "x y", "response_b": "y z", "winner": "a", "votes": "b"}
    fields = ReadingFields([row], Read({}, AS_IT_IS))
    assert fields.is_unchanged and fields.read == ({}, AS_IT_IS)
    fields.fill("winner", "votes")
    assert fields.read == ({"prompt": "prompt"}, How(("response_a", "response_b"), winner="votes"))
    fields.fill("winner", "winner")
    assert fields.read == ({}, AS_IT_IS)
    again = ReadingFields([row], Read({"prompt": "prompt"}, How(("response_a", "response_b"), winner="votes")))
    assert again.values["winner"] == "votes" and again.is_unchanged
    again.fill("winner", "winner")
    assert again.read == ({}, AS_IT_IS)
    again.fill("system", "votes")
    again.fill("system", "")
    assert again.read == ({}, AS_IT_IS)
