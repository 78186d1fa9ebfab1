"""A pair as the trainer sees it: the rendered text in pieces, the start of the answer, what `max_length` cuts off.

Pure: the tokenizer (`backends/pairs/tokenizer.py`) provides texts and tokens, this module TRL's treatment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from smoltui.core.pairs.preference import Pair
from smoltui.scripts.pair_format import trl_prompt_cut

Kind = Literal["special", "prompt", "completion", "cut"]
SIDES = ("chosen", "rejected")


class Token(NamedTuple):
    """One token of a rendered text."""

    start: int
    """Characters of the text before it."""
    end: int
    special: bool
    """Whether it is an added token of the vocabulary, such as <|im_end|>: one token wherever its text appears."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the rendered text."""

    text: str
    """The text that is tokenized: foreign, so each piece goes through `safe` before it is drawn."""
    kind: Kind
    """special: a special token; cut: beyond max_length and never trained, including special tokens."""


@dataclass(frozen=True, slots=True)
class SideView:
    """Prompt and one answer as the trainer receives them."""

    pieces: tuple[Piece, ...]
    """They join to the whole rendered text; no piece crosses `boundary` or the cut."""
    boundary: int
    """Characters before the completion, the only part that is trained on."""
    prompt_tokens: int
    completion_tokens: int
    """Including the end token, before cutting."""
    cut_tokens: int
    """Tokens of prompt and completion beyond max_length."""
    answer_at: int | None
    """Start of the answer's own text (characters; negative if the template omits its first ones); None if the template
    changes it."""
    answer_chars: int
    """Characters of the answer's own text."""
    trl_boundary: int | None = None
    """Start of the completion by TRL's own cut of the raw row; None if it is the same, missing, or in the turns
    before."""

    @property
    def tokens(self) -> int:
        """Prompt and completion, before cutting."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class TrainerView:
    """A pair as DPOTrainer (TRL 1.16) receives it."""

    chosen: SideView
    rejected: SideView
    max_length: int | None
    """The recipe's max_length in tokens; None: nothing is cut."""
    dropped: bool = False
    """The prompt alone fills max_length, so TRL skips the pair."""
    keeps_end: bool = False
    """`truncation_mode: keep_end`: the start is cut off."""
    left_out: str = ""
    """End of the prompt, as rendered alone, that no training sequence contains, because the template (or a token across
    the boundary) writes it differently when an answer follows."""
    plain: bool = False
    """Trained as plain text with an end token: such rows get no chat template."""
    problem: str | None = None
    """Why the row is not a usable pair, one sentence."""
    trl_cut: str | None = None
    """Where TRL would cut the raw row, one sentence."""

    def side(self, name: str) -> SideView:
        """`chosen` or `rejected`."""
        return self.chosen if name == "chosen" else self.rejected

    def as_json(self) -> dict[str, object]:
        """Only JSON values, for `view_from_json`: the tokenizer runs in a separate process."""
        return asdict(self)


def view_from_json(data: Mapping[str, Any]) -> TrainerView:
    """The view that `TrainerView.as_json` wrote."""
    sides = {
        name: SideView(**{**data[name], "pieces": tuple(Piece(**piece) for piece in data[name]["pieces"])})
        for name in SIDES
    }
    return TrainerView(**{**data, **sides})


# ---------------------------------------------------------------------------------------------------------- making one


def prompt_length(prompt: Sequence[int], *sides: Sequence[int]) -> int:
    """Tokens that belong to the prompt: the length of the common prefix of `prompt` and all sides.

    The rule of `DPOTrainer._prepare_dataset` (TRL 1.16): usually all of them.
    """
    return min(_shared(prompt, side) for side in sides)


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    if right[: len(left)] == left:
        return len(left)
    return next(place for place, item in enumerate(left) if place >= len(right) or item != right[place])


def side_view(
    text: str,
    tokens: Sequence[Token],
    prompt_tokens: int,
    *,
    answer: str,
    answer_at: int | None,
    max_length: int | None = None,
    keeps_end: bool = False,
    trl_in_answer: int | None = None,
) -> SideView:
    """A rendered side in pieces. `prompt_tokens` of `tokens` are the prompt; `trl_in_answer` counts from the answer."""
    beyond = max(len(tokens) - max_length, 0) if max_length is not None else 0
    boundary = _char_of(tokens, prompt_tokens, len(text))
    if not beyond:
        gone = (len(text), len(text))
    elif keeps_end:
        gone = (0, _char_of(tokens, beyond, len(text)))
    else:
        gone = (_char_of(tokens, len(tokens) - beyond, len(text)), len(text))
    trl = None
    if trl_in_answer is not None and answer_at is not None:
        trl = min(max(answer_at + trl_in_answer, 0), len(text))
    return SideView(
        _pieces(text, [token for token in tokens if token.special], boundary, gone),
        boundary,
        prompt_tokens,
        len(tokens) - prompt_tokens,
        beyond,
        answer_at,
        len(answer),
        trl if trl != boundary else None,
    )


def _char_of(tokens: Sequence[Token], number: int, end: int) -> int:
    """Start of the token with this number; a character of several tokens starts with its first."""
    return next((token.start for token in tokens[number:] if token.end > token.start), end)


def _pieces(text: str, specials: Sequence[Token], boundary: int, gone: tuple[int, int]) -> tuple[Piece, ...]:
    ends = {boundary, *gone, len(text)}
    for token in specials:
        ends |= {token.start, token.end}
    starts = [token.start for token in specials]
    pieces: list[Piece] = []
    begin = 0
    for end in sorted(place for place in ends if 0 < place <= len(text)):
        near = bisect_right(starts, begin) - 1
        kind: Kind = "prompt" if begin < boundary else "completion"
        if gone[0] <= begin < gone[1]:
            kind = "cut"
        elif near >= 0 and begin < specials[near].end:
            kind = "special"
        if kind == "cut" and pieces and pieces[-1].kind == "cut" and begin != boundary:
            pieces[-1] = Piece(pieces[-1].text + text[begin:end], "cut")
        else:
            pieces.append(Piece(text[begin:end], kind))
        begin = end
    return tuple(pieces)


def find_answer(text: str, answer: str, begin: int) -> int | None:
    """Start of `answer` in the rendered text, at or after `begin`; None if the template changes it.

    A template may strip white space at both ends of an answer: the result is the position that the answer's first
    character would have.
    """
    core = answer.strip()
    if not core:
        return begin
    lead = len(answer) - len(answer.lstrip())
    if (place := text.find(answer, begin)) >= 0:
        return place
    place = text.find(core, begin)
    return place - lead if place >= 0 else None


def trl_in_answers(pair: Pair) -> dict[str, int | None]:
    """Side → characters of its answer that TRL's own cut of the raw row moves into the prompt.

    None if TRL's cut is the same as ours, in the turns before the answer, or missing. Both answers are equal up to that
    cut, so it can be found in them without the row's text.
    """
    own, cut = getattr(pair, "answer_at", None), getattr(pair, "trl_at", None)
    nothing: dict[str, int | None] = dict.fromkeys(SIDES)
    if own is None or cut is None or own == cut or pair.schema not in ("hh-rlhf", "standard-implicit"):
        return nothing
    answers = {"chosen": pair.chosen[0].content, "rejected": pair.rejected[0].content}
    if cut < 0:  # a slice up to -1: everything but the last character
        return {side: max(len(text) - 1, 0) for side, text in answers.items()}
    if cut < own:
        return nothing
    # The blanks that we strip are between "Assistant:" and the answer's first letter.
    found = trl_prompt_cut(*answers.values())
    lead = cut - own - found if found is not None and found >= 0 else 1
    inside = cut - own - (lead if 0 <= lead <= 2 else int(pair.schema == "hh-rlhf"))
    return {side: min(max(inside, 0), len(text)) for side, text in answers.items()}


# --------------------------------------------------------------------------------------------------------- reading one


def cut_at(side: SideView) -> int | None:
    """Characters of the answer's text that are trained on before the `max_length` cut; None if nothing is cut.

    Equal to the answer's length: only its end token is cut. Also None if the template changes the answer, or the start
    is cut (`keep_end`).
    """
    if not side.cut_tokens or side.answer_at is None or not side.pieces or side.pieces[-1].kind != "cut":
        return None
    kept = sum(len(piece.text) for piece in side.pieces if piece.kind != "cut")
    return min(max(kept - side.answer_at, 0), side.answer_chars)


def legend(view: TrainerView) -> list[str]:
    """The view in words, one or two sentences per line; it contains foreign text (`safe`)."""
    lines = []
    if view.problem:
        lines.append(f"Not a usable pair: {view.problem}")
    limit = "no max_length" if view.max_length is None else f"max_length {view.max_length:,}"
    sizes = " · ".join(
        f"{name} {side.completion_tokens:,} ({side.tokens:,} with the prompt)"
        for name, side in (("chosen", view.chosen), ("rejected", view.rejected))
    )
    lines.append(f"Tokens: prompt {view.chosen.prompt_tokens:,} · {sizes} · {limit}")
    if view.plain:
        lines.append("Plain text: TRL trains on these rows without the chat template, and adds the end token.")
    if view.dropped:
        lines.append(f"The prompt alone fills max_length {view.max_length:,}: TRL skips this pair. Raise max_length.")
    lines.append(f"{OURS} the answer begins here, {_characters(view)}; only the text after it is trained on.")
    if any(view.side(name).trl_boundary is not None for name in SIDES):
        lines.append(f"{TRL} {_trl_words(view)}")
    elif view.trl_cut:
        lines.append(f"{TRL} outside these answers: {view.trl_cut}")
    else:
        lines.append(f"{TRL} none: TRL alone would start the answer at the same place.")
    lines.append(_cut_words(view))
    if view.left_out:
        lines.append(
            f"The template writes this end of the prompt differently when an answer follows, so it is left out: "
            f"{view.left_out!r}"
        )
    return lines


OURS, TRL, CUT = "▏", "┊", "╫"
"""Markers in the text: start of the answer by our cut and by TRL's, and the max_length cut."""


def _characters(view: TrainerView) -> str:
    chosen, rejected = view.chosen.boundary, view.rejected.boundary
    both = f"after {chosen:,} characters"
    return both if chosen == rejected else f"{both} of chosen and {rejected:,} of rejected"


def _trl_words(view: TrainerView) -> str:
    later = {
        name: side.trl_boundary - side.boundary
        for name in SIDES
        if (side := view.side(name)).trl_boundary is not None and side.trl_boundary is not None
    }
    first = next(iter(later.values()))
    if len(set(later.values())) == 1 and len(later) == 2:
        size = f"{abs(first):,} characters {'later' if first > 0 else 'earlier'}"
    else:
        size = " and ".join(f"{by:+,} characters in {name}" for name, by in later.items())
    return f"TRL alone, given the raw row, would start the answer here, {size}."


def _cut_words(view: TrainerView) -> str:
    cut = {name: view.side(name).cut_tokens for name in SIDES if view.side(name).cut_tokens}
    if not cut:
        return f"{CUT} none: nothing is cut" + (
            "." if view.max_length is None else f" at max_length {view.max_length:,}."
        )
    sides = " and ".join(f"{count:,} token{'' if count == 1 else 's'} of {name}" for name, count in cut.items())
    end = "before here" if view.keeps_end else "from here on"
    return f"{CUT} max_length {view.max_length:,} cuts {sides} {end}: never trained."
