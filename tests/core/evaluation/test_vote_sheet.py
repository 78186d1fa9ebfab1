"""What of a sheet can be voted on."""

from __future__ import annotations

from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.sheet import Sheet
from smoltui.core.evaluation.vote_ballot import draw
from smoltui.core.evaluation.vote_log import vote_on
from smoltui.core.evaluation.vote_sheet import answers_of
from smoltui.core.runs.events import Answered, AnswerLeftOut, AnswerPart


def sheet(*texts: tuple[str, str]) -> Sheet:
    prompts = [Prompt(f"Question {number}?", (("system", "Be brief."),)) for number in range(len(texts))]
    made = Sheet(
        prompts, [Column("reference", "/base"), Column("aligned", "/base", adapter="/lora")], prompt_set="mine"
    )
    made.sampling = {"seed": 3, "thinking": True}
    for index, pair in enumerate(texts):
        for name, text in zip(made.names, pair, strict=True):
            made.take(Answered(model=name, index=index, text=text, ended=True, tokens=5), range(len(texts)))
    return made


def test_only_complete_answers() -> None:
    """One that still grows and one that was left out are no answers."""
    made = sheet(("A", "B"), ("C", "D"), ("E", "F"))
    made.forget([1, 2])
    for event in (
        AnswerPart(model="reference", index=1, text="C"),
        Answered(model="aligned", index=1, text="D"),
        AnswerLeftOut(model="reference", index=2, reason="too long"),
    ):
        made.take(event, range(3))
    found = answers_of(made)
    assert [set(question.answers) for question in found.questions] == [{"reference", "aligned"}, {"aligned"}, set()]
    assert found.places == {"reference": "/base", "aligned": "/lora"} and found.prompt_set == "mine" and found.seed == 3
    assert found.questions[0].prompt == (("system", "Be brief."), ("user", "Question 0?"))
    ballot = draw(found.questions, list(found.places), 0)
    assert (len(ballot.matchups), ballot.incomplete) == (1, 2)


def test_thoughts_are_neither_compared_nor_counted() -> None:
    """Two answers that differ in their thoughts alone are the same to a voter; length is that of the answer."""
    made = sheet(
        ("<think>Hm.</think>\nYes.", "<think>Of course!</think>\nYes."), ("<think>Hm.</think>No.", "No, never.")
    )
    found = answers_of(made)
    ballot = draw(found.questions, list(found.places), 0)
    assert len(ballot.matchups) == ballot.identical == 1
    vote = vote_on(ballot.matchups[0], "a", 1.0)
    assert (vote.chars("reference"), vote.chars("aligned")) == (3, 10)
    assert {vote.a.text, vote.b.text} == {"<think>Hm.</think>No.", "No, never."}
