"""One preference pair: the prompt turn by turn, chosen beside rejected, with the differing words highlighted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from textual import events
from textual.content import Content
from textual.content import Span as StyledSpan
from textual.message import Message as Posted
from textual.reactive import reactive

from smoltui.core.pairs.preference import Message, Pair, Span, words_diff
from smoltui.safe_text import MAX_SHOWN, safe, safe_line
from smoltui.screens.pairs.framed import COLOURS, WHEEL_LINES, WIDE, FramedWidget, Line, Row
from smoltui.screens.pairs.neighbours import Neighbour
from smoltui.widgets.actions import in_own_keys

PROMPT_SHARE = 0.4
"""Maximum share of the height for the prompt, so that the answers keep their place from pair to pair."""
MAX_COUNTED = 200_000
"""Characters of a text whose words are counted; of a longer one, less is shown. So it costs a key no more time."""
MAX_NOTES = 4
"""Maximum number of lines for decisions and problems."""
FURTHER_SHARE, MAX_FURTHER = 8, 4
"""The further columns take at most one line in eight, and not more than this."""
LEAST_NEIGHBOURS = 4
"""Lines left below a pair from which its neighbours are listed there: headings and three pairs."""
FURTHER_CHARS, LEAST_FURTHER_CHARS = 160, 30
"""Characters of the values of all further columns that are shown, and of each at least."""

ROLES = {
    "system": "bold $text-warning on $warning-muted",
    "user": "bold $text-primary on $primary-muted",
    "assistant": "bold $text-success on $success-muted",
}
DIFFERING = "underline"
"""Words that only one answer has, so that they are recognizable without colors."""
HIT = "reverse"
HEAD = "on $panel"
CURRENT = "bold $block-cursor-blurred-foreground on $block-cursor-blurred-background"

CUT_SIGN = "✂"
CUT_HEAD = "bold reverse $text-warning"
CUT_OFF = "dim"
"""Text after a cut; the line with the sign marks it as well."""
ODD_SPACE = "bold $text-warning"
SPACES = {
    0x00A0: "NBSP",
    0x1680: "OGSP",
    0x2000: "NQSP",
    0x2001: "MQSP",
    0x2002: "ENSP",
    0x2003: "EMSP",
    0x2004: "3/MSP",
    0x2005: "4/MSP",
    0x2006: "6/MSP",
    0x2007: "FSP",
    0x2008: "PSP",
    0x2009: "THSP",
    0x200A: "HSP",
    0x202F: "NNBSP",
    0x205F: "MMSP",
    0x2800: "BRAILLE BLANK",
    0x3000: "IDSP",
}
"""Spaces that look like an ordinary one → their abbreviations in Unicode's NameAliases.txt."""
_SPACE = re.compile("[ \n" + "".join(map(chr, SPACES)) + "]")


class Cut(NamedTuple):
    """Where an answer ends in training."""

    at: int
    """Characters of the answer that are kept; 0 or less if the prompt alone fills the length."""
    tokens: int
    """max_length, the limit for prompt and answer together."""


class Mark(NamedTuple):
    """One decision about a pair."""

    kind: str
    """excluded, swapped, pinned, note, held out, or another word to show before the colon."""
    words: str = ""
    """The reason or the note: foreign text; may be empty."""


NeighbourLines = Callable[[int, int], Sequence[Neighbour]]
"""(width, count) → the headings and the pairs around the current one, in at most `count` lines."""
EMPTY = Content.styled("(empty)", "italic")
SWAPPED = "swapped"
"""Kind of the mark with which the sides are shown exchanged, as they are in training."""
_Value = TypeVar("_Value")
_DEFAULT_WORDS = {SWAPPED: "chosen and rejected exchanged"}


class PairView(FramedWidget):
    """Draws a pair line by line: text is wrapped once per pair, and a key redraws only the lines that changed.

    Prompt and answers scroll separately; both answers scroll together. A long prompt opens at its end.
    """

    class NeighbourChosen(Posted):
        """Another pair was clicked in the list below."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    show_whitespace: reactive[bool] = reactive(False, repaint=False)
    """Shows spaces as ·, tabs as →, line ends as ↵, and other spaces by name."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pair: Pair | None = None
        self._highlight: str | re.Pattern[str] = ""
        self._tokens: Mapping[str, int | None] = {}
        self._cuts: Mapping[str, Cut] = {}
        self._refused = ""
        self._marks: tuple[Mark, ...] = ()
        self._contents: dict[str, Content] = {}
        self._notes: list[Content] = []
        self._values: Mapping[str, str | None] = {}
        self._further: list[Content] = []
        self._prompt: list[Content] = []
        self._head_row: Row | None = None
        self._answers: list[Row] = []
        self._starts: dict[str, int] = {}
        self._prompt_top = self._answers_top = 0
        self._in_prompt = False
        self._neighbours: NeighbourLines | None = None
        self._below: Sequence[Neighbour] = ()

    # -- called by the parent

    def list_below(self, neighbours: NeighbourLines | None) -> None:
        """What is listed below pairs that leave room for it; None: nothing."""
        self._neighbours = neighbours

    def show(
        self,
        pair: Pair,
        highlight: str | re.Pattern[str] = "",
        *,
        tokens: Mapping[str, int | None] | None = None,
        cuts: Mapping[str, Cut] | None = None,
        refused: str = "",
        marks: Sequence[Mark] = (),
        further: Mapping[str, str | None] | None = None,
    ) -> None:
        """Draws `pair`, with all matches of `highlight` (a text or an expression) marked, and the first one in view.

        `tokens` (of prompt, chosen and rejected) and `cuts` (of chosen and rejected) refer to the pair as it is given:
        with a mark `swapped` they change sides along with the texts. None or a missing key means unknown. `refused` is
        why the trainer would fail on it. `further` are further columns of the row → value, shown below the pair.
        """
        self._marks, self._values = tuple(marks), further or {}
        if self._is_swapped():
            pair = replace(pair, chosen=pair.rejected, rejected=pair.chosen)
        self._take_measure(tokens or {}, cuts or {}, refused)
        self._pair, self._highlight = pair, highlight
        self._make()
        self._in_prompt = False
        self._wrap()
        self._answers_top, self._prompt_top = 0, 1_000_000_000  # the end, even before the first layout
        if highlight:
            self._bring_hit()
        self._draw()

    def show_measure(self, tokens: Mapping[str, int | None], cuts: Mapping[str, Cut], refused: str = "") -> None:
        """Adds what takes too long to count before `show`; nothing scrolls."""
        self._take_measure(tokens, cuts, refused)
        self._make()
        self._wrap()
        self._draw()

    def _take_measure(self, tokens: Mapping[str, int | None], cuts: Mapping[str, Cut], refused: str) -> None:
        self._refused = refused
        swapped = self._is_swapped()
        self._tokens, self._cuts = (_exchanged(tokens), _exchanged(cuts)) if swapped else (dict(tokens), dict(cuts))

    def _is_swapped(self) -> bool:
        return any(mark.kind == SWAPPED for mark in self._marks)

    def watch_show_whitespace(self) -> None:
        self._make()
        self._wrap()
        self._draw()

    def _make(self) -> None:
        if self._pair is not None:
            self._contents = _contents(self._pair, self._highlight, self._tokens, self._cuts, self.show_whitespace)
            self._contents["notes"] = _notes(self._pair, self._marks, self._refused)
            self._contents["further"] = _further(self._values)

    def scroll_by(self, lines: int = 0, pages: int = 0) -> None:
        """Scrolls the pane selected by `switch_pane` down, or up with negative numbers."""
        page = self._prompt_height() if self._in_prompt else self._answers_height()
        self._move(self._in_prompt, lines + pages * max(page - 1, 1))

    def switch_pane(self) -> None:
        """Makes `scroll_by` scroll the other pane; the prompt only if it does not fit."""
        self._in_prompt = not self._in_prompt and len(self._prompt) > self._prompt_height()
        self._draw()

    # -- events

    def on_resize(self) -> None:
        self._wrap()
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.is_attached and self.styles_changed():
            self._wrap()
            self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._move(self._is_prompt(event.y), WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._move(self._is_prompt(event.y), -WHEEL_LINES)

    def on_click(self, event: events.Click) -> None:
        place = event.y - (self.size.height - len(self._below))
        if self._below and 0 <= place < len(self._below) and (row := self._below[place].row) is not None:
            self.post_message(self.NeighbourChosen(row))

    def _is_prompt(self, y: int) -> bool:
        return y < len(self._notes) + 1 + self._prompt_height() and bool(self._prompt)

    def _move(self, prompt: bool, lines: int) -> None:
        if prompt:
            self._clamp()
            self._prompt_top += lines
        else:
            self._answers_top += lines
        self._draw()

    # -- lines

    def _wrap(self) -> None:
        """Wraps the texts at the current width. Lines are styled when they become visible."""
        width = self.size.width
        if self._pair is None or not width or not self.is_attached:
            return
        texts = self._contents
        self.take_styles()
        self._notes = texts["notes"].wrap(max(width - 2, 1))[:MAX_NOTES] if texts["notes"] else []
        rows = max(min(self.size.height // FURTHER_SHARE, MAX_FURTHER), 1)
        self._further = []
        if rows == 1 and texts["further"]:  # a long word would be wrapped out of sight
            self._further = [texts["further"].truncate(max(width - 2, 1), ellipsis=True)]
        elif texts["further"]:
            self._further = texts["further"].wrap(max(width - 2, 1))[:rows]
        self._prompt, self._head_row, self._answers, self._starts = [], None, [], {"raw": 0, "chosen": 0, "rejected": 0}
        if not self._pair.readable:
            self._answers = [(("raw", line),) for line in texts["raw"].wrap(max(width - 3, 1))]
            return
        self._prompt = texts["prompt"].wrap(max(width - 3, 1))
        if width < WIDE:
            for side in COLOURS:
                self._answers.append(((side, texts[f"{side}-head"]),))
                self._starts[side] = len(self._answers)
                self._answers += [((side, line),) for line in texts[side].wrap(max(width - 4, 1))]
            return
        self._head_row = (("chosen", texts["chosen-head"]), ("rejected", texts["rejected-head"]))
        chosen = texts["chosen"].wrap(self.column - 3)
        rejected = texts["rejected"].wrap(width - 1 - self.column - 3)
        for left, right in zip_longest(chosen, rejected, fillvalue=Content("")):
            self._answers.append((("chosen", left), ("rejected", right)))

    def _prompt_height(self) -> int:
        room = self.size.height - len(self._notes) - len(self._further)
        return min(len(self._prompt), max(int(room * PROMPT_SHARE), 1))

    def _answers_height(self) -> int:
        return self._free_height() - len(self._below)

    def _free_height(self) -> int:
        """Lines for the answers and the list below them."""
        taken = len(self._notes) + (self._head_row is not None) + (1 + self._prompt_height() if self._prompt else 0)
        return max(self.size.height - taken - len(self._further), 1)

    def _clamp(self) -> None:
        self._prompt_top = max(min(self._prompt_top, len(self._prompt) - self._prompt_height()), 0)
        self._answers_top = max(min(self._answers_top, len(self._answers) - self._answers_height()), 0)

    def _bring_hit(self) -> None:
        """Scrolls to the first match in an answer, or else in the prompt."""
        width = self.size.width
        column = self.column - 3 if width >= WIDE else width - 4
        for name in ("chosen", "rejected", "raw", "prompt"):
            content = self._contents.get(name)
            hit = min((span.start for span in content.spans if span.style == HIT), default=None) if content else None
            if content is None or hit is None:
                continue
            wide = column if name in ("chosen", "rejected") else width - 3
            line = content[: hit + 1].get_height({}, max(wide, 1)) - 1
            if name == "prompt":
                self._prompt_top = max(line - 1, 0)
            elif line + self._starts[name] >= self._answers_height():
                self._answers_top = line + self._starts[name] - self._answers_height() // 3
            return

    # -- drawing

    def _draw(self) -> None:
        """Draws the visible lines."""
        width = self.size.width
        if self._pair is None or not width:
            return
        self._below = self._listed_below()
        self._clamp()
        frame = [self.line(line, indent=True) for line in self._notes]
        if self._prompt:
            rows = self._prompt_height()
            overflows = len(self._prompt) > rows
            where = "  ↑↓ scroll here, tab: answers" if self._in_prompt else "  tab: scroll here" if overflows else ""
            where = in_own_keys(self.screen, where)
            title = f" {self._contents['head'].plain}"
            head = Content.assemble((title, f"bold {HEAD}"), (where, f"dim {HEAD}"), (" " * width, HEAD))
            frame.append(self.line(head))
            lines = self._prompt[self._prompt_top : self._prompt_top + rows]
            shown = [self.line(line, indent=True) for line in lines]
            frame += self.with_bar(shown, self._prompt_top, len(self._prompt), rows, _bar_style(self._in_prompt))
        if self._head_row is not None:
            frame.append(self.row(self._head_row))
        rows = self._answers_height()
        shown = [self.row(parts) for parts in self._answers[self._answers_top : self._answers_top + rows]]
        frame += self.with_bar(shown, self._answers_top, len(self._answers), rows, _bar_style(not self._in_prompt))
        frame += [self.line(line, indent=True) for line in self._further]
        frame += [self._neighbour(line) for line in self._below]
        self.put(frame)

    def _listed_below(self) -> Sequence[Neighbour]:
        """The list at the foot of the screen: half of it at most, so that it stays in place from pair to pair."""
        if self._neighbours is None:
            return ()
        free = self._free_height() - len(self._answers) - 1
        if free < LEAST_NEIGHBOURS:
            return ()
        return self._neighbours(self.size.width, min(free, self.size.height // 2))

    def _neighbour(self, line: Neighbour) -> Line:
        if line.row is None:
            return self.line(Content.styled(line.text, f"bold {HEAD}"))
        style = CURRENT if line.is_current else "dim" if line.faint else ""
        return self.line(Content.styled(line.text, style))


def _further(values: Mapping[str, str | None]) -> Content:
    """Names and values of further columns, one after the other."""
    parts: list[tuple[str, str]] = []
    limit = max(FURTHER_CHARS // max(len(values), 1), LEAST_FURTHER_CHARS)
    for name, value in values.items():
        shown = "–" if value is None else safe_line(value, limit)
        parts += [("   " if parts else "", ""), (f"{safe_line(name, 40)}: ", "dim"), (shown, "")]
    return Content.assemble(*parts)


def _bar_style(active: bool) -> str:
    return "$text-primary" if active else "dim"


def _exchanged(sides: Mapping[str, _Value]) -> dict[str, _Value]:
    other = {"chosen": "rejected", "rejected": "chosen"}
    return {other.get(side, side): value for side, value in sides.items()}


def _contents(
    pair: Pair,
    highlight: str | re.Pattern[str],
    tokens: Mapping[str, int | None],
    cuts: Mapping[str, Cut],
    whitespace: bool,
) -> dict[str, Content]:
    """The styled texts of a pair: `raw`, or `head`, `prompt`, `chosen(-head)` and `rejected(-head)`."""

    def text_of(text: Content) -> Content:
        text = _marked(text, highlight)
        return _with_whitespace(text) if whitespace else text

    if not pair.readable:
        return {"raw": text_of(Content(_shown(pair.raw, whitespace)))}
    turns = _count(len(pair.prompt), "turn")
    characters = _count(sum(len(turn.content) for turn in pair.prompt), "character")
    contents = {
        "head": Content(f"prompt · {turns} · {characters}{_tokens(tokens, 'prompt')}"),
        "prompt": _turns(pair.prompt, [text_of(Content(_shown(turn.content, whitespace))) for turn in pair.prompt]),
    }
    answers = (pair.chosen_text, pair.rejected_text)
    spans = words_diff(_shown(answers[0], whitespace), _shown(answers[1], whitespace))
    same = not any(span.differs for side in spans for span in side)
    for (side, style), text, parts in zip(COLOURS.items(), answers, spans, strict=True):
        words = f"{_length(text)}{_tokens(tokens, side)}"
        contents[f"{side}-head"] = Content.styled(f"{side} · {words}", f"bold {style}")
        contents[side] = EMPTY
        if text.strip():
            pieces = _cut_up(_answer(parts, style), text, cuts.get(side), whitespace)
            contents[side] = Content.assemble(*(text_of(piece) if is_text else piece for piece, is_text in pieces))
            if same:
                contents[side] = contents[side].append_text("\n(the words of both answers are the same)", "italic")
    return contents


def _length(text: str) -> str:
    """Characters and words of a text; of a very long one only characters, because a key does not wait for its words."""
    characters = _count(len(text), "character")
    return characters if len(text) > MAX_COUNTED else f"{characters} · {_count(len(text.split()), 'word')}"


def _most_shown(text: str) -> int:
    """Characters of a text that are shown: wrapping them and comparing their words takes most of the time of a key."""
    return MAX_SHOWN if len(text) <= MAX_COUNTED else MAX_SHOWN // 5


def _shown(text: str, whitespace: bool) -> str:
    """`text`, sanitized; with `whitespace`, tabs and carriage returns stay visible."""
    most = _most_shown(text)
    if not whitespace:
        return safe(text, most)
    more = len(text) - most
    shown = safe(text[:most].replace("\t", "→").replace("\r\n", "\r\r\n"), None)
    return f"{shown}… {more:,} more characters" if more > 0 else shown


def _with_whitespace(text: Content) -> Content:
    """`text` with visible spaces and line ends; styles keep their characters."""
    plain, places, grown, parts, spans = text.plain, [0], [0], [], []
    last = length = 0
    for match in _SPACE.finditer(plain):
        char = match[0]
        sign = "·" if char == " " else "↵\n" if char == "\n" else f"⟨{SPACES[ord(char)]}⟩"
        parts += [plain[last : match.start()], sign]
        length += match.start() - last
        if len(sign) > 1:  # the character becomes several, and the text after it moves
            spans.append(StyledSpan(length, length + len(sign.rstrip("\n")), ODD_SPACE))
            places.append(match.end())
            grown.append(grown[-1] + len(sign) - 1)
        length += len(sign)
        last = match.end()
    parts.append(plain[last:])

    def moved(offset: int) -> int:
        return offset + grown[bisect_right(places, offset) - 1]

    kept = [StyledSpan(moved(span.start), moved(span.end), span.style) for span in text.spans]
    return Content("".join(parts), [*spans, *kept])


def _cut_up(answer: Content, text: str, cut: Cut | None, whitespace: bool) -> list[tuple[Content, bool]]:
    """`answer`, the drawn form of `text`, as (part, whether it is text): what is kept, the cut, the rest."""
    if cut is None or cut.at >= len(text):
        return [(answer, True)]
    at = max(cut.at, 0)
    while at > 0 and "\u200d" in text[at - 1 : at + 1]:
        at -= 1  # an emoji made of several characters is not split
    sign = f"{CUT_SIGN} cut at max_length {cut.tokens:,} tokens"
    if at >= _most_shown(text):
        return [(answer, True), (Content.styled(f"\n{sign}, in what is not shown", CUT_HEAD), False)]
    place = len(_shown(text[:at], whitespace))
    kept, lost = answer[:place], answer[place:].stylize(CUT_OFF)
    ends_a_line = not place or kept.plain.endswith("\n")
    line = Content.assemble("" if ends_a_line else "\n", (f" {sign} ", CUT_HEAD), "\n")
    return [(kept, True), (line, False), (lost, True)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _tokens(tokens: Mapping[str, int | None], part: str) -> str:
    number = tokens.get(part)
    return "" if number is None else f" · {_count(number, 'token')}"


def _notes(pair: Pair, marks: Sequence[Mark], refused: str) -> Content:
    parts = []
    if marks:
        badges = []
        for mark in marks:
            words = mark.words or _DEFAULT_WORDS.get(mark.kind, "")
            badges.append(f"{safe_line(mark.kind, 30)}: {safe_line(words, 160)}" if words else safe_line(mark.kind, 30))
        parts.append(Content.styled(" · ".join(badges), "bold $text-accent"))
    if pair.problem:
        kind = "Not a usable pair: " if pair.readable else "Not a pair: "
        parts.append(Content.styled(f"{kind}{safe(pair.problem, 600)}", "bold $text-warning"))
    if refused:
        parts.append(Content.styled(safe(refused, 600), "bold $text-warning"))
    if pair.trl_cut:
        parts.append(Content.styled(safe(pair.trl_cut, 300), "italic"))
    return Content("\n").join(parts)


def _turns(turns: tuple[Message, ...], texts: Sequence[Content]) -> Content:
    parts: list[tuple[str, str] | str | Content] = []
    for number, (turn, text) in enumerate(zip(turns, texts, strict=True)):
        role = safe_line(turn.role, 30)
        parts += ["\n" if number else "", (f" {role} ", ROLES.get(turn.role, "bold")), " ", text]
    return Content.assemble(*parts)


def _answer(spans: list[Span], style: str) -> Content:
    return Content.assemble(*((span.text, f"{DIFFERING} {style}" if span.differs else "") for span in spans))


def _marked(text: Content, highlight: str | re.Pattern[str]) -> Content:
    if not highlight:
        return text
    return text.highlight_regex(_pattern(highlight) if isinstance(highlight, str) else highlight, style=HIT)


def _pattern(highlight: str) -> re.Pattern[str]:
    return re.compile(re.escape(safe(highlight)), re.IGNORECASE)
