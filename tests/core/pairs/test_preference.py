"""A pair as it is read: what is shown of an odd row, which words differ, what a whole set holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.pairs.preference import pair_json, pair_of, words_diff


def marked(text: str, other: str) -> list[str]:
    """The stretches of `text` that `other` does not have."""
    return [span.text.strip() for span in words_diff(text, other)[0] if span.differs]


def test_the_words_that_differ_are_marked() -> None:
    """I see at once what the better answer says differently."""
    assert marked("Take the path by the river.", "Take the path by the wood.") == ["river"]
    assert marked("Hello, it is far", "it is far") == ["Hello,"]
    assert marked("don't go", "do go") == ["don't"]
    assert marked("今天天气好", "今天天气不好") == []
    assert marked("same  words\n", "same words") == []


def test_a_comma_alone_is_no_common_ground() -> None:
    """Two different sentences do not look alike because both have a comma."""
    chosen, rejected = words_diff("Red, green", "Blue, yellow")
    assert [span.differs for span in chosen] == [True]
    assert [span.differs for span in rejected] == [True]


WORDS = st.lists(
    st.sampled_from(["a", "b", " ", "\n", "it's", ".", "…", "今", "\U0001f600", "\ud800", "\x00"]), max_size=30
)


@given(WORDS.map("".join) | st.text(max_size=60), WORDS.map("".join) | st.text(max_size=60))
def test_marking_never_changes_a_text(chosen: str, rejected: str) -> None:
    """The stretches join to what they were made from, and what is common is common to both."""
    left, right = words_diff(chosen, rejected)
    assert "".join(span.text for span in left) == chosen
    assert "".join(span.text for span in right) == rejected
    same = ["".join("".join(s.text for s in side if not s.differs).split()) for side in (left, right)]
    assert same[0] == same[1]


def test_a_very_long_difference_is_marked_whole() -> None:
    """Two answers of 20 000 different words do not take minutes and gigabytes."""
    chosen, rejected = (" ".join(f"{letter}{n}" for n in range(20_000)) for letter in "ab")
    left, _ = words_diff(f"same {chosen} end", f"same {rejected} end")
    assert [span.differs for span in left] == [False, True, False]


def test_an_odd_row_is_shown_as_what_it_is() -> None:
    """A row without an answer keeps its text and says why it is no pair."""
    pair = pair_of(7, {"chosen": "only one", "score": 3})
    assert not pair.readable
    assert pair.problem is not None and "rejected is missing" in pair.problem
    assert '"score": 3' in pair.raw
    assert pair_json(pair)["raw"] == pair.raw


def test_a_pair_that_cannot_be_trained_on_is_still_read() -> None:
    """Two assistant turns in a row: shown turn by turn, with the reason."""
    text = "\n\nHuman: Hi\n\nAssistant: One\n\nAssistant: "
    pair = pair_of(0, {"chosen": text + "Two", "rejected": text + "Three"})
    assert pair.readable and pair.reason == "roles"
    assert [turn.role for turn in pair.prompt] == ["user", "assistant"]
    assert "turn 3 is by assistant, not by user" in (pair.problem or "")


def test_both_cuts_are_named_where_they_differ() -> None:
    """TRL's prompt would end with the first words of the answer."""
    start = "\n\nHuman: Far?\n\nAssistant: "
    assert pair_of(0, {"chosen": start + "It is far", "rejected": start + "It is."}).trl_cut == (
        "TRL ends the prompt inside the answer, after: It is"
    )
    assert pair_of(0, {"chosen": start + "Yes", "rejected": start + "No"}).trl_cut is None
    assert pair_of(0, {"prompt": "Far?", "chosen": "It is far", "rejected": "It is."}).trl_cut is None
