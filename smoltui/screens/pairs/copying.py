"""What can be copied of a pair."""

from __future__ import annotations

import json
from collections.abc import Sequence

from smoltui.core.pairs.preference import Message, Pair, pair_json
from smoltui.screens.copying import Copied
from smoltui.screens.pairs.pair_pane import readable_text


def pair_as_json(pair: Pair) -> str:
    """A pair in TRL's conversational format."""
    return json.dumps(pair_json(pair), ensure_ascii=False, indent=2)


def parts_of(pair: Pair) -> list[Copied]:
    """The texts of a pair; a side that was not read has none."""
    return [
        Copied("p", "the prompt", _text(pair.prompt)),
        Copied("c", "the chosen answer", _text(pair.chosen)),
        Copied("r", "the rejected answer", _text(pair.rejected)),
        Copied("t", "the whole pair as text", readable_text(pair)),
        Copied("j", "the pair as JSON", pair_as_json(pair)),
        Copied("n", "the number of its row", str(pair.index + 1)),
    ]


def _text(turns: Sequence[Message]) -> str:
    """The only turn, or all of them with their roles."""
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in turns)
