"""A person's own keys: what is wrong is a sentence, and everything else counts."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.actions.key_map import key_map, unbound
from smoltui.core.actions.table import ACTIONS


def read(text: str) -> object:
    return tomllib.loads(text).get("keys", {})


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('[keys]\n"pairs.random" = "ctrl+n"', {"pairs.random": "ctrl+n"}),
        ('[keys]\npairs.random = "ctrl+n"', {"pairs.random": "ctrl+n"}),
        ("[keys]\npairs.random = ['?', '+']", {"pairs.random": "question_mark,plus"}),
        ('[keys]\npairs.random = ","', {"pairs.random": "comma"}),
        ('[keys]\npairs.random = "esc, pgdn"', {"pairs.random": "escape,pagedown"}),
        ('[keys]\npairs.random = ""', {"pairs.random": ""}),
        ("", {}),
    ],
)
def test_an_entry(text: str, keys: dict[str, str]) -> None:
    assert key_map(read(text)).keys == keys


def test_a_star_stands_for_every_place() -> None:
    found = key_map({"*": {"next": "l,right,ctrl+f"}})
    assert {"pairs.next", "runs.next", "docs.next"} <= found.keys.keys() and not found.problems


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"pairs.nxt": "x"}, "There is no action pairs.nxt for [keys] in config.toml. Did you mean pairs.next"),
        ({"*.nxet": "x"}, "Did you mean *.next"),
        ({"pairs.next": "hello"}, "pairs.next in config.toml has no keys that exist: hello. Write them as in help (?)"),
        ({"pairs.next": 7}, "has no keys that exist: 7"),
        ({"pairs.next": ["x", 7]}, "has no keys that exist"),
        ([], "[keys] in config.toml is not a table"),
        (
            {"pairs.next": "x"},
            "x is on pairs.next and on decide.exclude in config.toml: in An open set, it is for “Next pair”",
        ),
        ({"app.train": "x"}, "x is on decide.exclude and on app.train in config.toml: in Decisions"),
        ({"pairs.random": "n"}, "n is on pairs.random and on pairs.next-match"),
        (
            {"pairs.random": "g"},
            "g is on pairs.random and on pairs.top in config.toml: in An open set, it is for “First pair”",
        ),
    ],
)
def test_what_does_not_work_is_one_sentence(table: object, said: str) -> None:
    problems = key_map(table).problems
    assert any(said in problem for problem in problems), problems
    assert not any("\n" in problem for problem in problems)


def test_a_free_key_has_no_conflict() -> None:
    assert key_map({"pairs.random": "ctrl+n", "app.docs": "f2"}).problems == ()


def test_the_key_at_is_not_the_two_keys_a_and_t() -> None:
    """Textual calls @ `at`: a and @ are both free to be used in one place."""
    problems = key_map({"app.redraw": "a", "app.docs": "@"}).problems
    assert problems and not any("app.docs and on app.redraw" in problem for problem in problems), problems


def test_the_wrong_entry_is_left_out_and_the_others_count() -> None:
    found = key_map({"pairs.random": "ctrl+n", "pairs.sort": "nothing", "nowhere": "x"})
    assert found.keys == {"pairs.random": "ctrl+n"} and len(found.problems) == 2


def test_an_action_without_a_key_has_one_that_is_never_pressed() -> None:
    assert unbound({"pairs.random": "", "pairs.next": "l"}) == {
        "pairs.random": "unbound pairs.random",
        "pairs.next": "l",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(sorted(ACTIONS)) | st.text(max_size=8), JSON | st.sampled_from(["x", "g", "gg"]))
)
def test_whatever_is_written_there(table: dict[str, object]) -> None:
    found = key_map(table)
    assert found.keys.keys() <= ACTIONS.keys()
