"""Every shape a preference pair is written in becomes the same conversation, or is refused with its reason."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.pairs.preference import pair_of
from smoltui.scripts import pair_format
from smoltui.scripts.pair_format import (
    content_hash,
    examine,
    hash_of,
    schema_of,
    to_conversation,
    trl_prompt_cut,
)
from smoltui.scripts.pair_shapes import SCHEMAS
from smoltui.scripts.pair_turns import NotAPairError

USER = {"role": "user", "content": "Is it far?"}
GOOD = {"role": "assistant", "content": "A mile along the river."}
BAD = {"role": "assistant", "content": "No idea."}
PAIR = {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}
SYSTEM = {"role": "system", "content": "Be kind."}

TEXTS = {"chosen": GOOD["content"], "rejected": BAD["content"]}
WHOLE = {"chosen": [USER, GOOD], "rejected": [USER, BAD]}

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "TRL standard": ("standard", {"prompt": "Is it far?", **TEXTS}),
    "TRL conversational": ("conversational", PAIR),
    "messages with whole conversations": ("conversational-implicit", WHOLE),
    "prompt beside whole conversations": ("text-prompt", {"prompt": "Is it far?", **WHOLE}),
    "UltraFeedback": ("text-prompt", {"prompt": "Is it far?", "chosen": [GOOD], "rejected": [BAD], "score": 1.0}),
    "prompt messages, answers as text": ("messages", {"prompt": [USER], **TEXTS}),
    "hh-rlhf": (
        "hh-rlhf",
        {
            "chosen": "\n\nHuman: Is it far?\n\nAssistant: A mile along the river.",
            "rejected": "\n\nHuman: Is it far?\n\nAssistant: No idea.",
        },
    ),
    "hh-rlhf with a prompt column": (
        "hh-rlhf",
        {"prompt": "\n\nHuman: Is it far?\n\nAssistant:", **{side: f" {text}" for side, text in TEXTS.items()}},
    ),
    "ShareGPT ranking": (
        "sharegpt",
        {
            "conversations": [{"from": "human", "value": "Is it far?"}],
            "chosen": {"from": "gpt", "value": "A mile along the river."},
            "rejected": {"from": "gpt", "value": "No idea."},
        },
    ),
    "instruction": ("instruction", {"instruction": "Is it far?", "input": "", **TEXTS}),
    "question": ("instruction", {"question": "Is it far?", **TEXTS}),
    "OpenAI": (
        "openai",
        {"input": {"messages": [USER]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
    ),
    "typed content parts": (
        "conversational",
        {**PAIR, "prompt": [{"role": "user", "content": [{"type": "text", "text": "Is it far?", "image": None}]}]},
    ),
    "typed content parts in whole conversations": (
        "conversational-implicit",
        {
            side: [{"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
            for side, turns in WHOLE.items()
        },
    ),
    "columns that another shape left empty": (
        "conversational",
        {
            side: [{**turn, "from": None, "value": None, "tool_calls": None} for turn in turns]
            for side, turns in PAIR.items()
        }
        | {"tools": None, "images": [], "conversations": None},
    ),
    "a role under another name": (
        "text-prompt",
        {
            "prompt": "Is it far?",
            "chosen": [{"role": None, "from": "gpt", "content": None, "value": GOOD["content"]}],
            "rejected": [{"from": "bot", "value": BAD["content"]}],
        },
    ),
    "ShareGPT with answers as text": (
        "sharegpt",
        {"conversations": [{"from": "user", "value": "Is it far?"}], **TEXTS},
    ),
    "OpenAI with plain messages": (
        "openai",
        {"input": [USER], "preferred_output": [GOOD], "non_preferred_output": [BAD]},
    ),
    "Prompt": ("instruction", {"Prompt": "Is it far?", **TEXTS}),
    "query": ("instruction", {"query": "Is it far?", **TEXTS}),
    "input": ("instruction", {"input": "Is it far?", **TEXTS}),
    "blanks around the names": (
        "instruction",
        {"prompt": "Is it far?", " chosen": GOOD["content"], "rejected ": "No idea."},
    ),
    "messages as the prompt, answers as text": ("messages", {"messages": [USER], **TEXTS}),
    "axolotl": ("messages", {"messages": [USER], "chosen": GOOD, "rejected": BAD}),
    "axolotl, one conversation": ("messages", {"conversation": [USER], "chosen": GOOD, "rejected": BAD}),
    "axolotl, names of one's own": (
        "instruction",
        {"question": "Is it far?", "correct": GOOD["content"], "wrong": BAD["content"]},
    ),
    "an answer as text and one as messages": (
        "messages",
        {"prompt": [USER], "chosen": GOOD["content"], "rejected": [BAD]},
    ),
    "conversations as JSON in text": (
        "conversational-implicit",
        {
            side: json.dumps({"messages": [USER, turn], "tools": []})
            for side, turn in (("chosen", GOOD), ("rejected", BAD))
        },
    ),
    "messages as JSON in text": (
        "messages",
        {name: json.dumps([turn]) for name, turn in (("prompt", USER), ("chosen", GOOD), ("rejected", BAD))},
    ),
    "conversations as Python writes them": (
        "text-prompt",
        {"prompt": "Is it far?", "chosen": str([USER, GOOD]), "rejected": str([USER, BAD])},
    ),
    "LLaMA-Factory, typed": (
        "conversational-implicit",
        {
            f"{side}_messages": [
                {"role": turn["role"], "content": [{"type": "text", "value": turn["content"]}], "loss_weight": 1.0}
                for turn in (USER, last)
            ]
            for side, last in (("chosen", GOOD), ("rejected", BAD))
        },
    ),
    "torchtune": (
        "conversational-implicit",
        {"chosen_conversations": [USER, GOOD], "rejected_conversations": [USER, BAD]},
    ),
    "ms-swift": (
        "instruction",
        {"query": "Is it far?", "response": GOOD["content"], "rejected_response": BAD["content"]},
    ),
    "ms-swift, messages": ("messages-rejected", {"messages": [USER, GOOD], "rejected_response": BAD["content"]}),
    "MedicalGPT": (
        "instruction",
        {
            "system": "",
            "history": [],
            "question": "Is it far?",
            "response_chosen": GOOD["content"],
            "response_rejected": BAD["content"],
        },
    ),
    "OpenPO": ("instruction", {"prompt": "Is it far?", "preferred": GOOD["content"], "rejected": BAD["content"]}),
    "roles in any case": (
        "conversational-implicit",
        {
            side: [{"role": "Human", "content": USER["content"]}, {"role": "ASSISTANT", "content": last["content"]}]
            for side, last in (("chosen", GOOD), ("rejected", BAD))
        },
    ),
    "ChatML": (
        "templated",
        {
            "prompt": "<|im_start|>user\nIs it far?<|im_end|>\n<|im_start|>assistant\n",
            **{side: f"{text}<|im_end|>" for side, text in TEXTS.items()},
        },
    ),
    "Llama 2": (
        "templated",
        {"prompt": "<s>[INST] Is it far? [/INST]", **{side: f"{text} </s>" for side, text in TEXTS.items()}},
    ),
    "Llama 3": (
        "templated",
        {
            "prompt": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nIs it far?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
            **{side: f"{text}<|eot_id|>" for side, text in TEXTS.items()},
        },
    ),
    "NeMo-Aligner": (
        "templated",
        {
            "prompt": "<extra_id_0>System\n\n<extra_id_1>User\nIs it far?\n<extra_id_1>Assistant\n",
            "chosen_response": GOOD["content"],
            "rejected_response": BAD["content"],
        },
    ),
    "a better_response_id": (
        "ranked",
        {"prompt": "Is it far?", "response_0": BAD["content"], "response_1": GOOD["content"], "better_response_id": 1},
    ),
    "an arena": (
        "ranked",
        {
            "model_a": "m1",
            "model_b": "m2",
            "winner": "model_b",
            "conversation_a": [USER, BAD],
            "conversation_b": [USER, GOOD],
        },
    ),
    "an arena in a CSV file": (
        "ranked",
        {
            "prompt": '["Is it far?"]',
            "response_a": json.dumps([GOOD["content"]]),
            "response_b": json.dumps([BAD["content"]]),
            "winner_model_a": "1",
            "winner_model_b": "0",
            "winner_tie": "0",
        },
    ),
    "scores beside the answers": (
        "ranked",
        {
            "question": {"full_text": "Is it far?"},
            "answer_0": BAD["content"],
            "score_0": -0.5,
            "answer_1": GOOD["content"],
            "score_1": 0.5,
        },
    ),
    "ranks in a list": (
        "ranked",
        {
            "prompt": "\n\nHuman: Is it far?\n\nAssistant: ",
            "answers": [
                {"answer": BAD["content"], "rank": 3.0},
                {"answer": GOOD["content"], "rank": 1.0},
                {"answer": "Ask.", "rank": 2.0},
            ],
        },
    ),
    "scores in a list": (
        "ranked",
        {
            "instruction": "Is it far?",
            "completions": [
                {"response": "Ask.", "overall_score": 5.0},
                {"response": GOOD["content"], "overall_score": 9.0},
                {"response": BAD["content"], "overall_score": 3.0},
            ],
        },
    ),
    "a choice from a list": (
        "ranked",
        {
            "info": {"post": "Is it far?"},
            "summaries": [{"text": BAD["content"]}, {"text": GOOD["content"]}],
            "choice": 1,
        },
    ),
    "a preference scale": (
        "ranked",
        {
            "prompt": "Is it far?",
            "response_1": GOOD["content"],
            "response_2": BAD["content"],
            "preference_strength": -2,
        },
    ),
    "hh-rlhf without the empty line": (
        "hh-rlhf",
        {side: f"Human: Is it far?\n\nAssistant: {text}" for side, text in TEXTS.items()},
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_becomes_the_same_conversation(name: str) -> None:
    """However my set is written, the trainer sees the same pair, and a decision about it finds it again."""
    schema, row = SHAPES[name]
    assert schema_of(row) == schema
    assert schema in SCHEMAS
    assert to_conversation(row) == PAIR
    assert content_hash(row) == content_hash(PAIR)


def test_texts_with_a_shared_beginning_are_cut_where_a_word_begins() -> None:
    """Two bare texts: TRL would leave half a word in the prompt."""
    row = {"chosen": "The sky is blue.", "rejected": "The sky is black."}
    pair = to_conversation(row)
    assert pair["prompt"] == [{"role": "user", "content": "The sky is"}]
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("blue.", "black.")
    assert row["chosen"][: trl_prompt_cut(row["chosen"], row["rejected"])] == "The sky is bl"
    assert examine(row).cut_inside_answer


def test_a_transcript_is_split_at_its_last_assistant_turn() -> None:
    """Earlier turns are prompt, and what both answers share stays in the answers."""
    start = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Is it far?\n\nAssistant: "
    row = {"chosen": start + "It is a mile.", "rejected": start + "It is."}
    pair = to_conversation(row)
    assert [turn["role"] for turn in pair["prompt"]] == ["user", "assistant", "user"]
    assert pair["chosen"][0]["content"] == "It is a mile."
    reading = examine(row)
    assert reading.answer_at is not None and row["chosen"][reading.answer_at :] == " It is a mile."
    assert reading.cut_inside_answer and row["chosen"][: reading.trl_cut].endswith("Assistant: It is")


def test_system_text_and_input_and_history_are_kept() -> None:
    """What is in columns of its own is not lost."""
    row = {
        "system": "Be kind.",
        "instruction": "Sum it up.",
        "input": "A long text.",
        "history": [["Hi", "Hello"]],
        "chosen": "Short.",
        "rejected": "No.",
    }
    assert to_conversation(row)["prompt"] == [
        SYSTEM,
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Sum it up.\n\nA long text."},
    ]
    shared = SHAPES["ShareGPT ranking"][1]
    told = [{"from": "system", "value": "Be kind."}, *shared["conversations"]]
    assert to_conversation({**shared, "conversations": told})["prompt"] == [SYSTEM, USER]
    assert to_conversation({**shared, "system": "Be kind."})["prompt"] == [SYSTEM, USER]
    assert to_conversation({**shared, "system": "Be cruel.", "conversations": told})["prompt"] == [SYSTEM, USER]
    ultra = {"system": "Be kind.", **SHAPES["UltraFeedback"][1]}
    assert to_conversation(ultra)["prompt"] == [SYSTEM, USER]


REFUSED: dict[str, tuple[Any, str]] = {
    "a number": (3, "not_a_row"),
    "nothing": ({}, "missing_column"),
    "KTO": ({"prompt": "a", "completion": "b", "label": True}, "unpaired"),
    "no rejected": ({"prompt": "a", "chosen": "b"}, "missing_column"),
    "null rejected": ({"prompt": "a", "chosen": "b", "rejected": None}, "missing_column"),
    "numbers": ({"prompt": "a", "chosen": 1, "rejected": 2}, "wrong_type"),
    "text and messages": ({"chosen": "b", "rejected": [USER, BAD]}, "wrong_type"),
    "an image": ({**PAIR, "prompt": [{"role": "user", "content": [{"type": "image"}]}]}, "images"),
    "an image beside text": (
        {**PAIR, "prompt": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"image_url": {"url": "x"}}]}]},
        "images",
    ),
    "images": ({**PAIR, "images": [b"x"]}, "images"),
    "one image": ({"prompt": "a", "chosen": "b", "rejected": "c", "image": {"bytes": b"x"}}, "images"),
    "a sound": ({**PAIR, "prompt": [{"role": "user", "content": [{"type": "audio"}]}]}, "wrong_type"),
    "a tool's answer that nobody asked for": ({**PAIR, "prompt": [USER, {"role": "tool", "content": "5"}]}, "roles"),
    "null content": ({**PAIR, "prompt": [{"role": "user", "content": None}]}, "wrong_type"),
    "an unknown role": ({**PAIR, "prompt": [{"role": "narrator", "content": "a"}]}, "unknown_role"),
    "a tool call without a name": ({**PAIR, "chosen": [{**GOOD, "tool_calls": [{}]}]}, "wrong_type"),
    "a prompt under a name of one's own": ({"ask": "Why?", "good": "So.", "bad": "No."}, "ambiguous"),
    "two prompts": ({"question": "a", "context": "b", "chosen": "c", "rejected": "d"}, "ambiguous"),
    "a template within": ({"prompt": "<|im_start|>user\na<|im_end|> b", "chosen": "c", "rejected": "d"}, "templated"),
    "a tie": ({"prompt": "a", "response_a": "b", "response_b": "c", "winner": "tie"}, "tie"),
    "an unknown winner": ({"prompt": "a", "response_a": "b", "response_b": "c", "winner": "model_x"}, "ambiguous"),
    "an empty answer": ({"prompt": "a", "chosen": " \n", "rejected": "b"}, "empty_answer"),
    "an empty prompt": ({"prompt": "", "chosen": "a", "rejected": "b"}, "no_prompt"),
    "no prompt": ({"chosen": "a", "rejected": "b"}, "no_prompt"),
    "the same text twice": ({"chosen": "a b", "rejected": "a b"}, "identical"),
    "two user turns": ({**PAIR, "prompt": [USER, USER]}, "roles"),
    "a user turn at the end": ({"chosen": [USER, GOOD, USER], "rejected": [USER, BAD, USER]}, "no_answer"),
    "different prompts": ({"chosen": [USER, GOOD], "rejected": [{**USER, "content": "Far?"}, BAD]}, "prompt_differs"),
    "another prompt column": ({"prompt": "Hm?", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, "prompt_differs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_pair_is_refused_with_its_reason(name: str) -> None:
    """One sentence says what was expected and what was found."""
    row, reason = REFUSED[name]
    with pytest.raises(NotAPairError) as refused:
        to_conversation(row)
    assert refused.value.reason == reason
    assert str(refused.value).endswith((".", "b", "label.", "narrator"))
    assert content_hash(row) == content_hash(row)


def test_identical_answers_are_a_pair() -> None:
    """They teach nothing, which the survey says; they are not an error of form."""
    assert to_conversation({"prompt": "a", "chosen": "b", "rejected": "b"})["chosen"][0]["content"] == "b"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
ROLE = st.sampled_from(["user", "assistant", "system", "tool", "x"]) | JSON
TURN = st.fixed_dictionaries({}, optional={"role": ROLE, "content": JSON, "from": JSON, "value": JSON})
TRANSCRIPT = st.lists(st.sampled_from(["\n\nHuman: ", "\n\nAssistant: ", "a", " ", "\n", "Human:"]), max_size=8).map(
    "".join
)
CELL = JSON | TRANSCRIPT | TURN | st.lists(TURN, max_size=4)
COLUMNS = (
    "prompt",
    "chosen",
    "rejected",
    "conversations",
    "instruction",
    "input",
    "system",
    "history",
    "tools",
    "label",
    "preferred_output",
    "non_preferred_output",
    "question",
    "messages",
    "response_a",
    "response_b",
    "winner",
    "answers",
    "score_a",
    "score_b",
    "chat_template_kwargs",
)
ROW = st.dictionaries(st.sampled_from(COLUMNS), CELL, max_size=6) | st.fixed_dictionaries(
    {"chosen": CELL, "rejected": CELL}, optional={"prompt": CELL, "conversations": CELL}
)


@given(JSON | ROW)
def test_any_row_is_a_pair_or_refused(row: Any) -> None:
    """Whatever a line of a file holds: a conversation in TRL's form, which stays what it is, or a reason; no crash."""
    try:
        reading = examine(row)
    except NotAPairError:
        reading = None
    assert hash_of(reading, row) == content_hash(row)
    shown = pair_of(0, row)
    assert shown.readable or shown.raw
    try:
        pair = to_conversation(row)
    except NotAPairError as error:
        assert error.reason and str(error)
        return
    assert pair["prompt"] and pair["prompt"][-1]["role"] == "user"
    for side in ("chosen", "rejected"):
        assert pair[side][0]["role"] == pair[side][-1]["role"] == "assistant"
    assert to_conversation(pair) == pair
    if not reading.tools:
        assert content_hash(pair) == content_hash(row)


@given(st.text(alphabet="ab ", max_size=12), st.text(alphabet="ab ", max_size=12))
def test_the_cut_is_that_of_trl(chosen: str, rejected: str) -> None:
    """The loop of TRL 1.16's extract_prompt, written out."""
    expected = None
    for place in range(min(len(chosen), len(rejected))):
        expected = place
        if chosen[place] != rejected[place]:
            if chosen[place - 1] == " ":
                expected -= 1
            break
    assert trl_prompt_cut(chosen, rejected) == expected


def test_real_transcripts_have_the_known_answers(shared_data: Path) -> None:
    """2 312 rows of hh-rlhf: 2 299 clean, and TRL would cut 445 inside an answer."""
    with gzip.open(shared_data / "hh_harmless_test.jsonl.gz", "rt", encoding="utf-8") as lines:
        readings = [examine(json.loads(line)) for line in lines]
    assert len(readings) == 2312
    assert sum(not reading.problems for reading in readings) == 2299
    cut = [row for row, reading in enumerate(readings) if reading.cut_inside_answer]
    assert len(cut) == 445
    assert cut[:6] == [6, 8, 9, 12, 14, 16]


def test_the_script_runs_alone() -> None:
    """A Job has this one file and the standard library."""
    folder = Path(pair_format.__file__).parent
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import pair_format; print(pair_format.schema_of({PAIR!r}))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "conversational"


MARKS = st.lists(
    st.sampled_from(["\n\nHuman:", "\n\nAssistant:", "\n", "Human:", "Assistant:", " a", "b", "\n\n"]), max_size=7
).map("".join)


@given(MARKS, MARKS, MARKS)
def test_a_transcript_is_taken_apart_at_its_marks(shared: str, chosen: str, rejected: str) -> None:
    """The rule of hh-rlhf written out, whatever both sides share."""
    row = {
        "chosen": f"\n\nHuman:{shared}\n\nAssistant:{chosen}",
        "rejected": f"\n\nHuman:{shared}\n\nAssistant:{rejected}",
    }
    reading, turns = examine(row), {}
    for side, text in row.items():
        parts = re.split(r"(?:\A|\n\n)(Human|Assistant):", text)
        names = ["user" if speaker == "Human" else "assistant" for speaker in parts[1::2]]
        turns[side] = list(zip(names, (said.strip() for said in parts[2::2]), strict=True))
    assert [(turn["role"], turn["content"]) for turn in reading.prompt] == turns["chosen"][:-1]
    said = [turns_of[0]["content"] for turns_of in (reading.chosen_turns, reading.rejected_turns)]
    assert said == [turns[side][-1][1] for side in row]
    same_start = turns["chosen"][:-1] == turns["rejected"][:-1]
    ends = {turns[side][-1][0] for side in row}
    differs = any(problem.reason == "prompt_differs" for problem in reading.problems)
    assert differs == (not same_start and ends == {"assistant"})
    assert any(problem.reason == "no_answer" for problem in reading.problems) == (ends != {"assistant"})
    marks = [match.end() for match in re.finditer(r"(?:\A|\n\n)Assistant:", row["chosen"])]
    assert reading.answer_at == marks[-1]
