"""A preference pair as read and judged: its messages, and the words in which its answers differ."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smoltui.scripts.pair_format import Reading, examine
from smoltui.scripts.pair_turns import NotAPairError

MAX_DIFF_CELLS = 100_000_000
"""Limit of words × words for comparing answers: 10 000 × 10 000 words take 12 MB and about a tenth of a second. Beyond
it, everything between the common start and the common end counts as different."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: str
    """system, user, assistant or tool."""
    content: str
    calls: tuple[Any, ...] = ()
    """Tools that an assistant turn calls: {"type": "function", "function": {"name", "arguments"}}, perhaps an id."""
    name: str = ""
    """On a tool turn, the tool; empty if the row doesn't say."""
    call_id: str = ""
    """On a tool turn, the id of the call that it answers; empty if the row doesn't say."""

    @classmethod
    def of(cls, turn: Mapping[str, Any]) -> Message:
        """The turn of a message as `pair_format` gives it."""
        if len(turn) == 2:
            return cls(turn["role"], turn["content"])
        return cls(
            turn["role"],
            turn["content"],
            tuple(turn.get("tool_calls") or ()),
            turn.get("name") or "",
            turn.get("tool_call_id") or "",
        )

    def as_json(self) -> dict[str, Any]:
        """The message as TRL and chat templates take it."""
        message: dict[str, Any] = {"role": self.role, "content": self.content}
        for key, value in (("tool_calls", list(self.calls)), ("name", self.name), ("tool_call_id", self.call_id)):
            if value:
                message[key] = value
        return message

    @property
    def shown(self) -> str:
        """Content and calls as text."""
        if not self.calls:
            return self.content
        return "\n".join([*([self.content] if self.content else []), *(f"→ {_call(call)}" for call in self.calls)])


def _call(call: Any) -> str:
    """A tool call as one line: name(arguments)."""
    function = call.get("function", call) if isinstance(call, Mapping) else {}
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping):
        said = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in arguments.items())
    else:
        said = "" if arguments is None else str(arguments)
    return f"{function.get('name', '?')}({said})"


def answer_text(turns: Sequence[Message]) -> str:
    """An answer as text: that of its only turn, or of all its turns, the further ones with their role before them."""
    if not turns:
        return ""
    if len(turns) == 1:
        return turns[0].shown
    more = [f"[{turn.role}{' ' + turn.name if turn.name else ''}] {turn.shown}" for turn in turns[1:]]
    return "\n\n".join([turns[0].shown, *more])


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of a set, as a pair or with the reason why it is none."""

    index: int
    """Number of the row in its set, from 0."""
    prompt: tuple[Message, ...] = ()
    """Turns before the answers; for problem prompt_differs, those of the chosen side."""
    chosen: tuple[Message, ...] = ()
    """The preferred answer: one assistant turn, or several that begin and end with one; empty if the row cannot be
    read."""
    rejected: tuple[Message, ...] = ()
    tools: tuple[Any, ...] = ()
    """Tools that the row offers the model."""
    kwargs: Mapping[str, Any] | None = None
    """The row's own arguments for the chat template, such as `enable_thinking`; None if it is silent."""
    problem: str | None = None
    """Why the row cannot be trained on, one sentence; None for a usable pair."""
    reason: str | None = None
    """Short code of the problem, see `NotAPairError`; `broken` for a row that cannot be decoded."""
    schema: str | None = None
    """Key of `pair_shapes.SCHEMAS`; None if no shape was recognised."""
    raw: str = ""
    """The row as text, only if it cannot be separated into prompt and answers."""
    trl_cut: str | None = None
    """Where TRL would end the prompt, one sentence; None without a cut, or if it is the same as ours."""
    answer_at: int | None = None
    """Start of the chosen answer in the row's text (characters) or conversation (turns), see `Reading`."""
    trl_at: int | None = None
    """TRL's cut, in the same unit."""

    @property
    def readable(self) -> bool:
        """Whether prompt and answers are known, usable or not."""
        return bool(self.chosen)

    @property
    def chosen_text(self) -> str:
        return answer_text(self.chosen)

    @property
    def rejected_text(self) -> str:
        return answer_text(self.rejected)

    @property
    def is_plain(self) -> bool:
        """Whether it is just texts: each answer one turn, no calls, no tools."""
        return (
            len(self.chosen) == len(self.rejected) == 1
            and not self.tools
            and not any(
                turn.calls or turn.name or turn.call_id for turn in (*self.prompt, *self.chosen, *self.rejected)
            )
        )


_NO_ANSWER = (Message("assistant", ""),)


def pair_of(index: int, row: object) -> Pair:
    """`row` as a pair; an unreadable one has its problem and the row as text."""
    try:
        reading = examine(row)
    except NotAPairError as error:
        return Pair(index, problem=str(error), reason=error.reason, raw=row_text(row))
    return pair_from_reading(index, reading, row)


def pair_from_reading(index: int, reading: Reading, row: object) -> Pair:
    """The pair of a row that was already examined; an answer that is missing is shown as an empty one."""
    chosen = row.get("chosen") if isinstance(row, Mapping) else None
    first = reading.problems[0] if reading.problems else None
    return Pair(
        index,
        prompt=tuple(Message.of(turn) for turn in reading.prompt),
        chosen=tuple(Message.of(turn) for turn in reading.chosen_turns) or _NO_ANSWER,
        rejected=tuple(Message.of(turn) for turn in reading.rejected_turns) or _NO_ANSWER,
        tools=tuple(reading.tools or ()),
        kwargs=reading.kwargs,
        problem=str(first) if first else None,
        reason=first.reason if first else None,
        schema=reading.schema,
        trl_cut=cut_sentence(chosen, reading.answer_at, reading.trl_cut),
        answer_at=reading.answer_at,
        trl_at=reading.trl_cut,
    )


def cut_sentence(chosen: object, own: int | None, cut: int | None) -> str | None:
    """Where TRL would end the prompt, if not where we do; `chosen`, `own` and `cut` as in the row and its `Reading`."""
    if own is None or cut is None or own == cut:
        return None
    if not isinstance(chosen, str):
        return f"TRL ends the prompt after turn {cut}, smoltui after turn {own}."
    if cut < 0:
        return "TRL finds no prompt: it moves the whole chosen text into it."
    if cut > own:
        moved = " ".join(chosen[own:cut].split())
        shown = moved if len(moved) <= 60 else f"…{moved[-60:]}"
        return f"TRL ends the prompt inside the answer, after: {shown}"
    return f"TRL ends the prompt {own - cut:,} characters earlier, where the two texts first differ."


def row_text(row: object) -> str:
    """A row as indented JSON; text unchanged."""
    return json.dumps(row, ensure_ascii=False, indent=2, default=str)


def pair_json(pair: Pair) -> dict[str, object]:
    """TRL's conversational format of a readable pair, with its row and its problem, if any."""
    shown: dict[str, object] = {"row": pair.index}
    if pair.readable:
        for side in ("prompt", "chosen", "rejected"):
            shown[side] = [turn.as_json() for turn in getattr(pair, side)]
        shown |= {"tools": list(pair.tools)} if pair.tools else {}
        shown |= {"chat_template_kwargs": dict(pair.kwargs)} if pair.kwargs else {}
    else:
        shown["raw"] = pair.raw
    return shown | ({"problem": pair.problem} if pair.problem else {})


# ----------------------------------------------------------------------------------------------------------- word diff


class Span(NamedTuple):
    """A stretch of one answer."""

    text: str
    differs: bool
    """The other answer lacks these words here."""


# A word with its apostrophes, or one sign; each ideograph, kana or Hangul syllable is a separate word.
_WORD = re.compile(
    "[\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+(?:['’][^\W_]+)*|\S"
)
_LETTER = re.compile(r"[^\W_]")


def words_diff(chosen: str, rejected: str) -> tuple[list[Span], list[Span]]:
    """Both answers in common and different stretches, compared word by word (longest common subsequence).

    The texts of each list join to the original answer. White space belongs to the preceding word and is not
    compared; common signs count as different without a common word next to them.
    """
    left, right = _tokens(chosen), _tokens(rejected)
    left_words, right_words = [token.rstrip() for token in left], [token.rstrip() for token in right]
    marks = ([True] * len(left), [True] * len(right))
    start, end = 0, 0
    short = min(len(left), len(right))
    while start < short and left_words[start] == right_words[start]:
        start += 1
    while end < short - start and left_words[-1 - end] == right_words[-1 - end]:
        end += 1
    for side, words in zip(marks, (left_words, right_words), strict=True):
        side[:start] = [False] * start
        side[len(words) - end :] = [False] * end
    middle = (left_words[start : len(left) - end], right_words[start : len(right) - end])
    if middle[0] and middle[1] and len(middle[0]) * len(middle[1]) <= MAX_DIFF_CELLS:
        from rapidfuzz.distance import Indel

        for code in Indel.opcodes(*middle):
            # A lone comma or full stop between different words is not a common stretch.
            if code.tag == "equal" and any(_LETTER.search(word) for word in middle[0][code.src_start : code.src_end]):
                marks[0][start + code.src_start : start + code.src_end] = [False] * (code.src_end - code.src_start)
                marks[1][start + code.dest_start : start + code.dest_end] = [False] * (code.dest_end - code.dest_start)
    return _spans(left, marks[0]), _spans(right, marks[1])


def _tokens(text: str) -> list[str]:
    """`text` split before each word, so that the pieces join to it; leading white space stays in the first."""
    starts = [match.start() for match in _WORD.finditer(text)]
    if not starts:
        return [text] if text else []
    starts[0] = 0
    return [text[begin:end] for begin, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def _spans(tokens: list[str], differs: list[bool]) -> list[Span]:
    spans: list[Span] = []
    begin = 0
    for place in range(1, len(tokens) + 1):
        if place == len(tokens) or differs[place] != differs[begin]:
            spans.append(Span("".join(tokens[begin:place]), differs[begin]))
            begin = place
    return spans


# ------------------------------------------------------------------------------------------------------------- summary

FINDINGS: Mapping[str, str] = {
    "broken": "rows that cannot be decoded",
    "not_pairs": "rows without a prompt, a chosen and a rejected answer in a known form",
    "ties": "rows whose answers are equally good, or closer than the margin",
    "no_prompt": "pairs without a prompt",
    "no_answer": "conversations that do not end with an assistant turn",
    "empty_chosen": "empty chosen answers",
    "empty_rejected": "empty rejected answers",
    "prompt_differs": "pairs whose text before the last assistant turn differs between the sides",
    "roles_do_not_alternate": "pairs whose roles do not alternate on at least one side",
    "identical": "pairs with identical answers",
    "duplicates": "duplicate pairs",
    "repeated_prompts": "repeated prompts",
    "trl_cut_inside_answer": "pairs without a prompt column where TRL would end the prompt inside the answer",
}
"""Counts in the summary of a set, in display order. The last three do not make a pair unclean."""
