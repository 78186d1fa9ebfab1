"""What keeps a prompt and two answers from being a usable pair.

Standard library only: it travels into a Job beside dpo.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from smoltui.scripts.pair_turns import Message, NotAPairError, common_prefix
else:  # in a Job, beside dpo.py
    from pair_turns import Message, NotAPairError, common_prefix


def problems_of(prompt: list[Message] | None, chosen: list[Message], rejected: list[Message]) -> list[NotAPairError]:
    """What keeps the sides, as a reader gives them, from being a pair; most telling first."""
    problems = []
    if not (chosen and rejected and chosen[-1]["role"] == rejected[-1]["role"] == "assistant"):
        return [problem for problem in (_no_answer("chosen", chosen), _no_answer("rejected", rejected)) if problem]
    before = (chosen[:-1], rejected[:-1]) if prompt is None else (prompt, prompt)
    alike = before[0] == before[1]
    if not alike:
        problems.append(_prompts_differ(*before))
    if missing := _no_prompt(before[0]):
        problems.append(missing)
    elif prompt is None:
        problems += _wrong_orders(chosen, None if alike else rejected)
    else:
        several = len(chosen) + len(rejected) > 2
        problems += _wrong_orders([*prompt, *chosen], [*prompt, *rejected] if several else None)
    for side, turns in (("chosen", chosen), ("rejected", rejected)):
        if not turns[-1]["content"].strip() and not turns[-1].get("tool_calls"):
            problems.append(NotAPairError("empty_answer", f"The {side} answer is empty."))
    return problems


def _wrong_orders(chosen: list[Message], rejected: list[Message] | None) -> list[NotAPairError]:
    """Whose turn it isn't, on the chosen or else the rejected side; None for a side that has the same roles."""
    wrong = _wrong_order("chosen", chosen)
    if wrong is None and rejected is not None:
        wrong = _wrong_order("rejected", rejected)
    return [] if wrong is None else [wrong]


def _no_answer(side: str, turns: list[Message]) -> NotAPairError | None:
    if turns and turns[-1]["role"] == "assistant":
        return None
    found = f"its last turn is by {turns[-1]['role']}" if turns else "it has no turns"
    return NotAPairError("no_answer", f"{side} must end with an assistant turn; {found}.")


def _prompts_differ(chosen: list[Message], rejected: list[Message]) -> NotAPairError:
    turn = common_prefix(chosen, rejected) + 1
    return NotAPairError(
        "prompt_differs",
        f"The text before the last assistant turn differs between chosen and rejected, from turn {turn}.",
    )


def _no_prompt(before: list[Message]) -> NotAPairError | None:
    said = "no user turn comes before the answers"
    for turn in before:
        if turn["role"] == "user":
            said = "every turn before the answers is empty"
            break
    else:
        return NotAPairError("no_prompt", f"The pair has no prompt: {said}.")
    for turn in before:
        if turn["content"].strip():
            return None
    return NotAPairError("no_prompt", f"The pair has no prompt: {said}.")


def _wrong_order(side: str, turns: list[Message]) -> NotAPairError | None:
    """Whose turn it isn't: user and assistant alternate; results of tools follow the turn that calls them."""
    roles = [turn["role"] for turn in turns]
    talk = roles[1:] if roles[0] == "system" else roles
    if talk[::2] == ["user"] * ((len(talk) + 1) // 2) and talk[1::2] == ["assistant"] * (len(talk) // 2):
        return None
    skipped = len(roles) - len(talk)
    expected = {"user"}
    for number, (turn, role) in enumerate(zip(turns[skipped:], talk, strict=True), skipped + 1):
        if role not in expected:
            return NotAPairError(
                "roles",
                f"The roles of {side} do not alternate between user and assistant: turn {number} is by {role}, not by "
                f"{' or '.join(sorted(expected))}.",
            )
        if role == "assistant":
            expected = {"tool"} if turn.get("tool_calls") else {"user"}
        else:
            expected = {"assistant", "tool"} if role == "tool" else {"assistant"}
    return None
