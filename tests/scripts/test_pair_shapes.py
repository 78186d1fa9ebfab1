"""Pairs written in every supported shape are read back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.scripts.pair_choices import unfold
from smoltui.scripts.pair_format import NotAPairError, content_hash, examine, to_conversation
from smoltui.scripts.pair_how import PICKS, How

TEXT = (
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<[{\x85\u2028\u2029"),
        min_size=1,
        max_size=40,
    )
    .map(str.strip)
    .filter(lambda text: text and "Human:" not in text and "Assistant:" not in text)
)


def says(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


@st.composite
def pairs(draw: st.DrawFn) -> dict[str, list[dict[str, str]]]:
    """A pair in TRL's form: perhaps a system turn, perhaps earlier exchanges, a question, two different answers."""
    prompt = [says("system", draw(TEXT))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        prompt += [says("user", draw(TEXT)), says("assistant", draw(TEXT))]
    chosen = draw(TEXT)
    rejected = draw(TEXT.filter(lambda text: text != chosen))
    return {
        "prompt": [*prompt, says("user", draw(TEXT))],
        "chosen": [says("assistant", chosen)],
        "rejected": [says("assistant", rejected)],
    }


Pair = Mapping[str, list[dict[str, str]]]


def whole(pair: Pair, side: str) -> list[dict[str, str]]:
    return [*pair["prompt"], *pair[side]]


def sides(pair: Pair, name: str, write: Callable[[list[dict[str, str]]], Any]) -> dict[str, Any]:
    """Both whole conversations, in columns called as `name` says."""
    return {name.format(side): write(whole(pair, side)) for side in ("chosen", "rejected")}


def text(pair: Pair, side: str) -> str:
    return pair[side][0]["content"]


def texts(pair: Pair) -> dict[str, str]:
    return {side: text(pair, side) for side in ("chosen", "rejected")}


def around(pair: Pair) -> dict[str, Any]:
    """System text and history in columns of their own."""
    before = [turn["content"] for turn in pair["prompt"][:-1]]
    columns: dict[str, Any] = {"system": before.pop(0)} if pair["prompt"][0]["role"] == "system" else {}
    return columns | {"history": [list(exchange) for exchange in zip(before[::2], before[1::2], strict=True)]}


def asked(pair: Pair) -> str:
    return pair["prompt"][-1]["content"]


def transcript(turns: list[dict[str, str]]) -> str:
    names = {"user": "Human", "assistant": "Assistant"}
    return "".join(f"\n\n{names[turn['role']]}: {turn['content']}" for turn in turns if turn["role"] != "system")


def chatml(turns: list[dict[str, str]]) -> str:
    return (
        "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)
        + "<|im_start|>assistant\n"
    )


def sharegpt(turn: Mapping[str, str]) -> dict[str, str]:
    return {"from": {"user": "human", "assistant": "gpt"}.get(turn["role"], turn["role"]), "value": turn["content"]}


def typed(turns: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"role": turn["role"], "content": [{"type": "text", "value": turn["content"]}]} for turn in turns]


WRITERS: dict[str, Callable[[Pair], dict[str, Any]]] = {
    "TRL": dict,
    "TRL, implicit": lambda pair: sides(pair, "{}", list),
    "a text beside whole conversations": lambda pair: {"prompt": asked(pair), **sides(pair, "{}", list)},
    "question, system, history": lambda pair: {"question": asked(pair), **around(pair), **texts(pair)},
    "Query in other letters": lambda pair: {" QUERY": asked(pair), "System Prompt": "", **around(pair), **texts(pair)},
    "messages and texts": lambda pair: {"messages": pair["prompt"], **texts(pair)},
    "ShareGPT": lambda pair: {
        "conversations": [sharegpt(turn) for turn in pair["prompt"]],
        **{side: sharegpt(pair[side][0]) for side in ("chosen", "rejected")},
    },
    "OpenAI": lambda pair: {
        "input": {"messages": pair["prompt"], "tools": [], "parallel_tool_calls": True},
        "preferred_output": pair["chosen"],
        "non_preferred_output": pair["rejected"],
    },
    "torchtune": lambda pair: sides(pair, "{}_conversations", list),
    "LLaMA-Factory": lambda pair: sides(pair, "{}_messages", typed),
    "ms-swift": lambda pair: {"messages": whole(pair, "chosen"), "rejected_response": text(pair, "rejected")},
    "MedicalGPT": lambda pair: {
        **around(pair),
        "question": asked(pair),
        "response_chosen": text(pair, "chosen"),
        "response_rejected": text(pair, "rejected"),
    },
    "JSON in cells": lambda pair: sides(pair, "{}", lambda turns: json.dumps({"messages": turns})),
    "Python in cells": lambda pair: sides(pair, "{}", str),
    "roles in capitals": lambda pair: sides(
        pair, "{}", lambda turns: [{**turn, "role": turn["role"].upper()} for turn in turns]
    ),
    "ChatML": lambda pair: {
        "prompt": chatml(pair["prompt"]),
        **{side: f"{said}<|im_end|>" for side, said in texts(pair).items()},
    },
    "an arena": lambda pair: {
        "winner": "model_b",
        "conversation_a": whole(pair, "rejected"),
        "conversation_b": whole(pair, "chosen"),
    },
    "a list with ranks": lambda pair: {
        "prompt": pair["prompt"],
        "answers": [{"answer": text(pair, "rejected"), "rank": 2}, {"answer": text(pair, "chosen"), "rank": 1}],
    },
    "two answers with scores": lambda pair: {
        "messages": pair["prompt"],
        "response_a": text(pair, "chosen"),
        "response_b": text(pair, "rejected"),
        "score_a": 0.25,
        "score_b": -1,
    },
}


@pytest.mark.parametrize("name", WRITERS)
@given(pair=pairs())
def test_what_was_written_is_read_back(name: str, pair: Pair) -> None:
    """System turn, history, question and answers, whatever the shape; and decisions find the pair again."""
    row = WRITERS[name](pair)
    assert to_conversation(row) == pair
    assert content_hash(row) == content_hash(pair)


@given(pair=pairs())
def test_transcripts_are_read_back(pair: Pair) -> None:
    """They have no system turn."""
    spoken = {**pair, "prompt": [turn for turn in pair["prompt"] if turn["role"] != "system"]}
    assert to_conversation(sides(spoken, "{}", transcript)) == spoken


@given(
    pair=pairs(), kwargs=st.dictionaries(st.sampled_from(["enable_thinking", "xml_tools"]), st.booleans(), min_size=1)
)
def test_a_rows_own_template_arguments_stay(pair: Pair, kwargs: dict[str, bool]) -> None:
    """In every shape; a column of nulls says nothing."""
    for write in WRITERS.values():
        assert examine({**write(pair), "chat_template_kwargs": kwargs}).kwargs == kwargs
        assert examine({**write(pair), "chat_template_kwargs": dict.fromkeys(kwargs)}).kwargs is None


SCORES = st.lists(st.integers(0, 4), min_size=2, max_size=5)


@given(scores=SCORES, pick=st.sampled_from(sorted(PICKS)), margin=st.integers(0, 3))
def test_pairs_of_scored_answers(scores: list[int], pick: str, margin: int) -> None:
    """The chosen answer is always the better one, by the margin at least; ties and closer ones give no pair."""
    row = {
        "prompt": "Is it far?",
        "completions": [{"response": f"answer {at}", "score": score} for at, score in enumerate(scores)],
    }
    value = {f"answer {at}": score for at, score in enumerate(scores)}
    try:
        made = unfold(row, How(pick=pick, min_margin=margin))
    except NotAPairError as error:
        assert error.reason == ("too_close" if margin > 1 and len(set(scores)) > 1 else "tie")
        made = []
    gaps = [value[pair["chosen"]] - value[pair["rejected"]] for pair in made]
    assert all(gap > 0 and gap >= margin for gap in gaps)
    assert gaps == [pair["margin"] for pair in made]
    best, worst = max(scores), min(scores)
    if pick == "best-worst":
        assert gaps == ([best - worst] if best > worst and best - worst >= margin else [])
    elif pick == "best-each":
        assert sorted(gaps) == sorted(best - score for score in scores if best > score and best - score >= margin)
    elif pick == "all":
        every = [a - b for at, a in enumerate(scores) for b in scores[at + 1 :]]
        assert sorted(gaps) == sorted(abs(gap) for gap in every if gap and abs(gap) >= margin)
    else:
        assert len(gaps) <= 1 and unfold_again(row, pick) == unfold_again(row, pick)


def unfold_again(row: Any, pick: str) -> Any:
    """What is picked by chance is always the same."""
    try:
        return unfold(row, How(pick=pick))
    except NotAPairError as error:
        return error.reason
