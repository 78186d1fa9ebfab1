"""What usual rows say, read in a fraction of the time of `pair_format.examine`, which stays the only judge.

`quick_reading` knows rows in four common shapes that are usable pairs, and gives exactly what `examine` gives of them.
Of any other row it says nothing, and `examine` is asked. A property test holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from smoltui.scripts.pair_answers import answer_groups
from smoltui.scripts.pair_columns import layout_of

Turn = dict[str, Any]
ROLES = {"s": "system", "u": "user", "a": "assistant"}
_LETTERS = {role: letter for letter, role in ROLES.items()}
_MOST_EXCHANGES = 200
_USUAL = frozenset(f"{start}{'ua' * count}u" for start in ("", "s") for count in range(_MOST_EXCHANGES))
"""Roles of turns that alternate up to the answer of the assistant."""
_HUMAN, _ASSISTANT = "\n\nHuman:", "\n\nAssistant:"


class Quick(NamedTuple):
    """A usable pair whose turns are one text each."""

    schema: str
    """A key of `pair_shapes.SCHEMAS`."""
    roles: str
    """Of the turns before the answers: `s`, `u` or `a` each."""
    contents: list[str]
    """Their texts."""
    chosen: str
    rejected: str
    answer_at: int | None = None
    trl_cut: int | None = None
    """These two, and the next, as in `pair_format.Reading`."""
    cut_inside_answer: bool = False

    @property
    def prompt(self) -> list[Turn]:
        """The turns before the answers, as `pair_format.Reading` has them; keys in alphabetical order."""
        return [
            {"content": content, "role": ROLES[role]} for role, content in zip(self.roles, self.contents, strict=True)
        ]


Reader = Callable[[dict[str, Any]], Quick | None]


def quick_reading(row: object) -> Quick | None:
    """What a row says; None if only `examine` can tell."""
    if type(row) is not dict:
        return None
    reader = _reader_of(tuple(row))
    return None if reader is None else reader(row)


@lru_cache(maxsize=1024)
def _reader_of(names: tuple[str, ...]) -> Reader | None:
    """The reader for rows with these columns, decided once; None if there is none."""
    layout = layout_of(names)
    more = (layout.system, layout.history, layout.tools, layout.kwargs, layout.pictures)
    if layout.answers != ("chosen", "rejected") or any(name is not None for name in more):
        return None
    if layout.others or answer_groups(names):
        return None  # there may be a better answer than chosen
    if not layout.prompts:
        return _without_prompt
    return _with_prompt if layout.prompts == ("prompt",) else None


def _without_prompt(row: dict[str, Any]) -> Quick | None:
    chosen, rejected = row["chosen"], row["rejected"]
    if type(chosen) is str and type(rejected) is str:
        return _transcripts(chosen, rejected)
    if type(chosen) is not list or type(rejected) is not list or len(chosen) != len(rejected):
        return None
    found = _conversations("conversational-implicit", chosen, rejected)
    # Lists that are the same are cut before their last turn; others where they differ, which is there too.
    return found and found._replace(answer_at=len(found.roles), trl_cut=len(found.roles))


def _with_prompt(row: dict[str, Any]) -> Quick | None:
    prompt, chosen, rejected = row["prompt"], row["chosen"], row["rejected"]
    if type(prompt) is str:
        if _is_odd(prompt) or not prompt.strip():
            return None
        if type(chosen) is str and type(rejected) is str:
            return _texts(prompt, chosen, rejected)
        return _repeated(prompt, chosen, rejected)
    if type(prompt) is not list or type(chosen) is not list or type(rejected) is not list:
        return None
    if len(chosen) != 1 or len(rejected) != 1 or not (_are_answers(chosen, rejected) and _are_turns(prompt)):
        return None
    return _usable("conversational", prompt, chosen[0]["content"], rejected[0]["content"])


def _texts(prompt: str, chosen: str, rejected: str) -> Quick | None:
    if _may_be_messages(chosen) or _may_be_messages(rejected) or not _is_answer(chosen, rejected):
        return None
    return Quick("standard", "u", [prompt], chosen, rejected)


def _repeated(prompt: str, chosen: Any, rejected: Any) -> Quick | None:
    """A prompt that both conversations begin or end with, before their answers (UltraFeedback)."""
    if type(chosen) is not list or type(rejected) is not list or len(chosen) != len(rejected):
        return None
    found = _conversations("text-prompt", chosen, rejected)
    if found is None or not (
        (found.roles[-1] == "u" and found.contents[-1] == prompt)
        or (found.roles[0] == "u" and found.contents[0] == prompt)
    ):
        return None
    return found


def _conversations(schema: str, chosen: list[Any], rejected: list[Any]) -> Quick | None:
    """Two conversations of the same length that only differ in their last turn, the answer."""
    if not (_are_turns(chosen) and _are_turns(rejected) and _are_answers(chosen[-1:], rejected[-1:])):
        return None
    before = chosen[:-1]
    if before != rejected[:-1]:
        return None
    return _usable(schema, before, chosen[-1]["content"], rejected[-1]["content"])


def _usable(schema: str, prompt: list[Turn], chosen: str, rejected: str) -> Quick | None:
    roles = "".join([_LETTERS.get(turn["role"], "?") for turn in prompt])
    contents = [turn["content"] for turn in prompt]
    if roles not in _USUAL or not _is_answer(chosen, rejected) or not any(map(str.strip, contents)):
        return None
    return Quick(schema, roles, contents, chosen, rejected)


def _is_answer(chosen: str, rejected: str) -> bool:
    """Whether both answers say something."""
    return bool(chosen and rejected) and not (chosen.isspace() or rejected.isspace())


def _are_turns(values: list[Any]) -> bool:
    """Whether these are messages of role and content alone, both text."""
    for turn in values:
        if type(turn) is not dict or len(turn) != 2:
            return False
        if type(turn.get("content")) is not str or type(turn.get("role")) is not str:
            return False
    return bool(values)


def _are_answers(chosen: list[Any], rejected: list[Any]) -> bool:
    """Whether both lists are one turn of the assistant."""
    return _are_turns(chosen) and _are_turns(rejected) and chosen[0]["role"] == rejected[0]["role"] == "assistant"


def _may_be_messages(text: str) -> bool:
    """Whether a text may be a conversation that is kept as text."""
    return text.lstrip()[:1] in ("[", "{")


def _is_odd(prompt: str) -> bool:
    """Whether a prompt may be messages as text, a transcript, or rendered by a template."""
    start = prompt[:40]
    if "<" in start or "[INST]" in start or _may_be_messages(prompt):
        return True
    return prompt.startswith((_HUMAN, _ASSISTANT, "Human:", "Assistant:"))


def _transcripts(chosen: str, rejected: str) -> Quick | None:
    """Two transcripts that are the same up to their last answer (hh-rlhf)."""
    head, mark, left = chosen.rpartition(_ASSISTANT)
    shared = head + mark
    if not mark or not head.startswith(_HUMAN) or not rejected.startswith(shared):
        return None
    end = len(shared)
    right = rejected[end:]
    if _HUMAN in left or _HUMAN in right or _ASSISTANT in right:
        return None
    contents, chosen, rejected = _asked(head), left.strip(), right.strip()
    if contents is None or not chosen or not rejected or not any(contents):
        return None
    roles = "ua" * (len(contents) // 2) + "u"
    cut = _trl_cut(left, right, end)
    return Quick("hh-rlhf", roles, contents, chosen, rejected, end, cut, cut > end)


def _asked(text: str) -> list[str] | None:
    """What is said before the last answer, from the user's first turn to the last; None if they do not alternate."""
    *exchanges, last = text.split(_HUMAN)[1:]
    if _ASSISTANT in last:
        return None
    said: list[str] = []
    for exchange in exchanges:
        turns = exchange.split(_ASSISTANT)
        if len(turns) != 2:
            return None
        said += turns
    said.append(last)
    return list(map(str.strip, said))


def _trl_cut(left: str, right: str, end: int) -> int:
    """`pair_format.trl_prompt_cut` of two texts that are the same up to `end`, and go on as `left` and `right`."""
    same = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            before = left[same - 1] if same else ":"
            return end + same - 1 if before == " " else end + same
        same += 1
    return end + same - 1  # one is the beginning of the other
