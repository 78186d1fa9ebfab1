"""Splitting text into cells: as wide as in Rich, and without control characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len, get_character_cell_size
from wcwidth import wcwidth

from smoltui.wire.clusters import clusters, is_plain, is_sure

PICTURES = "👩\u200d👩\u200d👧", "👍🏽", "🇫🇷", "✂️", "1\ufe0f\u20e3", "🏳️\u200d🌈"
LIVELY = st.text(st.characters() | st.sampled_from("\u200d\ufe0f\u0301🇫🇷👩🏽日\u202e\x1b\x9b\ud800ᄒ\u1161"))


@given(LIVELY)
def test_the_widths_are_those_textual_lays_out_with(text: str) -> None:
    """Otherwise the text beside it would shift."""
    drawn = list(clusters(text))
    assert all(cluster.width >= 1 for cluster in drawn)
    without = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    if without == text:
        assert sum(cluster.width for cluster in drawn) == cell_len(text)


@given(LIVELY)
def test_nothing_that_acts_comes_out(text: str) -> None:
    drawn = "".join(cluster.text for cluster in clusters(text))
    assert not [char for char in drawn if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert {char for char in drawn if unicodedata.category(char) == "Cf"} <= {"\u200d"}


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_one_cluster_that_terminals_may_draw_in_their_own_width(picture: str) -> None:
    (cluster,) = clusters(picture)
    assert cluster == (picture, cell_len(picture)) and not is_sure(picture)


@pytest.mark.parametrize("text", ["e\u0301", "日", "é", "─", "한", "ｗ", "\ufffd"])
def test_letters_are_sure(text: str) -> None:
    assert [cluster.text for cluster in clusters(text)] == [text] and is_sure(text)


def test_plain_characters_are_one_cell_wide_for_everybody() -> None:
    """Rich, which Textual measures with, agrees with wcwidth, which terminals use."""
    plain = [chr(code) for code in range(0x110000) if is_plain(chr(code))]
    assert len(plain) > 1000
    assert not [char for char in plain if get_character_cell_size(char) != 1 or wcwidth(char) != 1]
    assert not {unicodedata.category(char) for char in plain} & {"Cc", "Cf", "Cs", "Zl", "Zp", "Mn", "Mc", "Me"}
