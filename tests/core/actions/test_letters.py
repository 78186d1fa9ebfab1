"""A letter means one thing everywhere; the exceptions are listed with their reason."""

from __future__ import annotations

from collections import defaultdict

import pytest

from smoltui.core.actions.action import Action, Group
from smoltui.core.actions.letters import EXCEPTIONS, LETTERS, SAME, is_letter, wrong_letters
from smoltui.core.actions.table import ACTIONS


def test_no_letter_has_two_meanings_outside_the_list() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for action in ACTIONS.values():
        for key in action.key_names:
            if is_letter(key) and action.id not in EXCEPTIONS and action.meaning != "back":
                meanings[SAME.get(key, key)].add(action.meaning)
    assert len(meanings) > 50
    assert {key: found for key, found in meanings.items() if len(found) > 1} == {}
    assert not [(action.id, wrong) for action in ACTIONS.values() if (wrong := wrong_letters(action))]


def test_each_exception_is_needed_and_says_why() -> None:
    for name, reason in EXCEPTIONS.items():
        assert len(reason.split()) > 3, name
        action = ACTIONS[name]
        meant = {LETTERS.get(SAME.get(key, key), ("",))[0] for key in action.key_names if is_letter(key)}
        assert meant - {action.meaning}, f"{name} is no exception"


@pytest.mark.parametrize(
    ("keys", "wrong"), [("t", ["t"]), ("x,q", ["x", "q"]), ("enter,ctrl+t,f1,up", []), ("gg", ["gg"]), ("ü", ["ü"])]
)
def test_a_letter_with_another_meaning_is_found(keys: str, wrong: list[str]) -> None:
    assert wrong_letters(Action("tickle", keys, "tickle", "Tickle", Group.DO, place="home")) == wrong
