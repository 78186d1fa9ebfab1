"""A sheet of answers: what it takes in, and its stored forms of both versions."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.evaluation.column import MOST_COLUMNS, PAIR, Column
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.sheet import Sheet, sheet_from_json
from smoltui.core.runs.events import Answered, AnswerLeftOut, AnswerPart
from smoltui.core.settings.settings import EvaluationSettings

THREE = (Column("reference", "/m"), Column("aligned", "/a", run="0a1b"), Column("me/m", "me/m", revision="v1"))


def answer(model: str, index: int, text: str = "Yes.") -> Answered:
    return Answered(model=model, index=index, text=text, ended=True, tokens=2)


def test_each_text_goes_to_its_own_place() -> None:
    """Parts of several prompts and models arrive mixed; what comes after the whole answer changes nothing."""
    sheet = Sheet(["a", "b", "c"], THREE)
    for name, index, text in [("aligned", 0, "O"), ("me/m", 1, "x"), ("aligned", 0, "ne"), ("aligned", 1, "Two")]:
        assert sheet.take(AnswerPart(model=name, index=index, text=text), [2, 0]) == [2, 0][index]
    assert sheet.cells["aligned", 2].text == "One" and sheet.cells["aligned", 0].text == "Two"
    sheet.take(answer("aligned", 0, "One."), [2, 0])
    sheet.take(AnswerPart(model="aligned", index=0, text="late"), [2, 0])
    assert sheet.cells["aligned", 2].text == "One." and sheet.complete == 1
    assert sheet.take(answer("aligned", 2), [2, 0]) is None
    sheet.drop_parts()
    assert set(sheet.cells) == {("aligned", 2)}


def test_that_no_answer_differs_is_only_known_once_all_have_answered() -> None:
    sheet = Sheet(["a", "b"])
    for name, index in [("reference", 0), ("aligned", 0), ("reference", 1)]:
        sheet.take(answer(name, index), [0, 1])
    assert not sheet.all_alike
    sheet.take(answer("aligned", 1), [0, 1])
    assert sheet.all_alike
    sheet.take(answer("aligned", 1, "No."), [0, 1])
    assert not sheet.all_alike and not Sheet(["a"], PAIR[:1]).all_alike


def test_what_is_missing_is_what_some_model_has_not_done() -> None:
    """A prompt that was left out is done: asking for it a second time would change nothing."""
    sheet = Sheet(["a", "b", "c"])
    sheet.take(answer("reference", 0), [0, 1, 2])
    sheet.take(AnswerLeftOut(model="aligned", index=0, reason="too long"), [0, 1, 2])
    sheet.take(answer("reference", 1), [0, 1, 2])
    assert sheet.missing() == [1, 2]


def test_it_comes_back_as_it_was() -> None:
    """Columns, prompts of several turns, reasons and thoughts."""
    asked = Prompt("And now?", (("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello.")), "turns", "several")
    sheet = Sheet(["a", asked], THREE, prompt_set="smoltui")
    sheet.add_own("Mine?")
    sheet.date = "2026-11-30"
    sheet.take(answer("me/m", 1), [0, 1, 2])
    sheet.take(AnswerLeftOut(model="aligned", index=1, reason="too long"), [0, 1, 2])
    thoughtful = Answered(
        model="reference", index=2, text="<think>x</think>Yes.", ended=True, tokens=9, thought_tokens=7
    )
    sheet.take(thoughtful, [0, 1, 2])
    sheet.take(AnswerPart(model="aligned", index=0, text="half"), [0, 1, 2])
    stored = json.loads(json.dumps(sheet.as_json({"aligned": "/a"}, EvaluationSettings(seed=5))))
    back = sheet_from_json(stored)
    assert (back.prompts, back.columns, back.own) == (sheet.prompts, THREE, {"Mine?"})
    assert (back.prompt_set, back.date) == ("smoltui", "2026-11-30")
    assert back.sampling is not None and back.sampling["seed"] == 5
    sheet.drop_parts()
    assert back.cells == sheet.cells


OLD = {
    "v": 1,
    "models": {"reference": "/m", "aligned": "/a"},
    "sampling": {"seed": 1},
    "answers": [
        {"prompt": "a", "reference": {"text": "No.", "ended": True, "tokens": 2}, "aligned": {"text": "Yes."}},
        {"prompt": "b", "own": True},
    ],
}


def test_answers_of_version_1_are_read() -> None:
    """Their columns are reference and aligned, with the weights that were noted."""
    sheet = sheet_from_json(OLD)
    assert [(column.name, column.shown) for column in sheet.columns] == [("reference", "/m"), ("aligned", "/a")]
    assert sheet.cells["reference", 0].text == "No." and sheet.own == {"b"}


def test_version_1_finds_its_columns_in_version_2() -> None:
    """It looked for the names reference and aligned in a row, and for nothing else."""
    sheet = Sheet(["a"], THREE)
    sheet.take(answer("aligned", 0), [0])
    stored = sheet.as_json({}, EvaluationSettings())
    assert stored["answers"][0]["prompt"] == "a" and stored["answers"][0]["aligned"]["text"] == "Yes."
    assert {"models", "sampling", "answers"} <= stored.keys()


def test_only_answers_of_the_same_model_are_taken_over() -> None:
    """`aligned` may be another run now: its name alone is not enough."""
    before = Sheet(["b", "a"], [Column("reference", "/m"), Column("aligned", "/a")])
    for name in before.names:
        before.take(answer(name, 1), [0, 1])
    after = Sheet(["a"], [Column("reference", "/m"), Column("aligned", "/other")])
    after.take_over(before)
    assert set(after.cells) == {("reference", 0)}
    unknown = Sheet(["a"])
    unknown.take_over(before)
    assert set(unknown.cells) == {("reference", 0), ("aligned", 0)}


def test_prompts_with_the_same_last_message_are_not_the_same() -> None:
    before = Sheet([Prompt("Why?", (("user", "Hi"), ("assistant", "Hm.")))])
    before.take(answer("reference", 0), [0])
    after = Sheet(["Why?"])
    after.take_over(before)
    assert not after.cells
    assert after.add_own("Why?") == 0 and before.add_own("Why?") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["prompt", "messages", "role", "content", "name", "path", "text", "aligned", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("set", "columns", "models", "sampling", "answers"), JSON)))
def test_a_foreign_file_is_never_an_error(data: dict[str, Any]) -> None:
    """Whatever stands in it: at most four columns, each with a name of its own."""
    sheet = sheet_from_json(data)
    assert 1 <= len(sheet.columns) <= MOST_COLUMNS and len(set(sheet.names)) == len(sheet.columns)
    assert sheet_from_json(sheet.as_json({})).prompts == sheet.prompts


def test_the_default_columns_are_those_before_and_after_training() -> None:
    assert Sheet().columns == PAIR and Sheet().names == ("reference", "aligned")
