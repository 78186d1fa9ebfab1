"""JSON that can be shown on a terminal holds the value that it held before."""

from __future__ import annotations

import json
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from smoltui.safe_text import escaped, safe

LONE = re.compile("[\ud800-\udfff]")
TEXT = st.text(
    st.characters() | st.sampled_from("\x00\x07\x1b\x7f\x80\x9b\u061c\u200b\u200d\u2028\u202e\ufeff\U000e0041\ud83d")
)
JSON = st.recursive(TEXT | st.integers() | st.booleans() | st.none(), lambda inner: st.dictionaries(TEXT, inner))


@given(JSON)
def test_the_value_stays_and_nothing_acts(value: object) -> None:
    before = json.dumps(value, ensure_ascii=False)
    after = escaped(before)
    if not LONE.search(before):  # two halves that stand apart are one character when they are read again
        assert json.loads(after) == value
    assert json.loads(after) == json.loads(json.dumps(value))
    for char in after:
        assert unicodedata.category(char) not in ("Cc", "Cs") and char != "\u200d"
    assert safe(after, None) == after
    after.encode("utf-8")


def test_what_a_script_reads() -> None:
    assert escaped('"a\x9b\u202e\U000e0041é日👩"') == '"a\\u009b\\u202e\\udb40\\udc41é日👩"'
    assert escaped('"plain"') == '"plain"'
