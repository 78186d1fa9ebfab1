"""One preference pair: the prompt turn by turn, chosen beside rejected, the words that differ marked."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.content import Content
from textual.content import Span as StyledSpan
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions
from textual.widget import Widget

from smoltui.core.preference import Message, Pair, Span, words_diff
from smoltui.safe_text import MAX_SHOWN, safe, safe_line

WIDE = 100
"""Columns from which chosen stands beside rejected."""
PROMPT_SHARE = 0.4
"""The prompt takes at most this part of the height, so that the answers stand still from pair to pair."""
MAX_NOTES = 4
"""Lines of what is wrong with a pair."""
WHEEL_LINES = 3

ROLES = {
    "system": "bold $text-warning on $warning-muted",
    "user": "bold $text-primary on $primary-muted",
    "assistant": "bold $text-success on $success-muted",
}
COLOURS = {"chosen": "$text-success", "rejected": "$text-error"}
COMMON = "dim"
"""Also without colours the words that differ stand out."""
HIT = "reverse"
HEAD = "on $panel"
_NO_WRAP = 100_000
"""Cells: lines are cut before they are styled."""

CUT_SIGN = "✂"
CUT_HEAD = "bold reverse $text-warning"
CUT_OFF = "strike $text-disabled"
"""What is behind a cut; the line with the sign says so without colours."""
ODD_SPACE = "bold $text-warning"
SPACES = {
    0x00A0: "NBSP", 0x1680: "OGSP", 0x2000: "NQSP", 0x2001: "MQSP", 0x2002: "ENSP", 0x2003: "EMSP", 0x2004: "3/MSP",
    0x2005: "4/MSP", 0x2006: "6/MSP", 0x2007: "FSP", 0x2008: "PSP", 0x2009: "THSP", 0x200A: "HSP", 0x202F: "NNBSP",
    0x205F: "MMSP", 0x2800: "BRAILLE BLANK", 0x3000: "IDSP",
}  # fmt: skip
"""Spaces that look like an ordinary one, by the abbreviations of NameAliases.txt in Unicode."""
_SPACE = re.compile("[ \n" + "".join(map(chr, SPACES)) + "]")

_Row = tuple[tuple[str, Content], ...]
"""One line of the answers: (side, text) once, or for both sides."""


class Cut(NamedTuple):
    """Where an answer ends in training."""

    at: int
    """Characters of the answer that are kept; 0 or less: none, the prompt alone fills the length."""
    tokens: int
    """max_length: tokens of prompt and answer together."""


class Mark(NamedTuple):
    """One decision on a pair."""

    kind: str
    """excluded, swapped, pinned, note, held out, or another word that stands before the colon."""
    words: str = ""
    """The reason or the note: foreign text; may be empty."""


EMPTY = Content.styled("(empty)", "italic")
SWAPPED = "swapped"
"""Kind of the mark with which the sides are drawn exchanged, as they will be trained."""
_Value = TypeVar("_Value")
_DEFAULT_WORDS = {SWAPPED: "chosen and rejected exchanged"}


class PairView(Widget):
    """Draws a pair line by line: text is wrapped once a pair, and a key only sends the lines that changed.

    Prompt and answers scroll apart; both answers scroll together. A prompt longer than its part is shown from its end.
    """

    show_whitespace: reactive[bool] = reactive(False, repaint=False)
    """Spaces as ·, tabs as →, line ends as ↵, and other spaces by their names."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pair: Pair | None = None
        self._highlight: str | re.Pattern[str] = ""
        self._tokens: Mapping[str, int | None] = {}
        self._cuts: Mapping[str, Cut] = {}
        self._marks: tuple[Mark, ...] = ()
        self._contents: dict[str, Content] = {}
        self._notes: list[Content] = []
        self._prompt: list[Content] = []
        self._head_row: _Row | None = None
        self._answers: list[_Row] = []
        self._starts: dict[str, int] = {}
        self._bars: dict[str, Strip] = {}
        self._space = Strip([Segment(" ")], 1)
        self._base, self._blank = Style(), RichStyle.null()
        self._prompt_top = self._answers_top = 0
        self._in_prompt = False
        self._frame: list[Strip] = []

    # -- what the room says

    def show(
        self,
        pair: Pair,
        highlight: str | re.Pattern[str] = "",
        *,
        tokens: Mapping[str, int | None] | None = None,
        cuts: Mapping[str, Cut] | None = None,
        marks: Sequence[Mark] = (),
    ) -> None:
        """Draws `pair`; with `highlight` every place that holds this text or matches is marked, the first is in view.

        `tokens` of prompt, chosen and rejected, and `cuts` of chosen and rejected, are those of the pair as it is
        given: with a mark `swapped` they move to the other side with their texts. None, or missing: not known.
        """
        self._marks = tuple(marks)
        self._tokens, self._cuts = dict(tokens or {}), dict(cuts or {})
        if any(mark.kind == SWAPPED for mark in self._marks):
            pair = replace(pair, chosen=pair.rejected, rejected=pair.chosen)
            self._tokens, self._cuts = _exchanged(self._tokens), _exchanged(self._cuts)
        self._pair, self._highlight = pair, highlight
        self._make()
        self._in_prompt = False
        self._wrap()
        self._answers_top, self._prompt_top = 0, 1_000_000_000  # the end, also where there is no size yet
        if highlight:
            self._bring_hit()
        self._draw()

    def watch_show_whitespace(self) -> None:
        self._make()
        self._wrap()
        self._draw()

    def _make(self) -> None:
        if self._pair is not None:
            self._contents = _contents(self._pair, self._highlight, self._tokens, self._cuts, self.show_whitespace)
            self._contents["notes"] = _notes(self._pair, self._marks)

    def scroll_by(self, lines: int = 0, pages: int = 0) -> None:
        """Moves the pane that `switch_pane` chose down, or up with negative numbers."""
        page = self._prompt_height() if self._in_prompt else self._answers_height()
        self._move(self._in_prompt, lines + pages * max(page - 1, 1))

    def switch_pane(self) -> None:
        """Lets `scroll_by` move the other pane: the prompt only while it is longer than its part."""
        self._in_prompt = not self._in_prompt and len(self._prompt) > self._prompt_height()
        self._draw()

    # -- events

    def on_resize(self) -> None:
        self._wrap()
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.is_attached and (self.visual_style, self.rich_style) != (self._base, self._blank):
            self._wrap()
            self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._move(self._is_prompt(event.y), WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._move(self._is_prompt(event.y), -WHEEL_LINES)

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

    def _strip(self, line: Content) -> Strip:
        """One line as the terminal gets it."""
        return line.render_strips(_NO_WRAP, 1, self._base, RenderOptions(self._get_style, {}, None, None))[0]

    def _row(self, parts: _Row) -> Strip:
        """Text of one or both sides, each with its bar on the left."""
        strips = []
        for side, line in parts:
            strips.append(Strip.join([self._bars.get(side, self._space), self._strip(line)]))
        if len(strips) == 1:
            return strips[0]
        return Strip.join([strips[0].adjust_cell_length(self._column, self._blank), strips[1]])

    @property
    def _column(self) -> int:
        """Cells of the chosen side when the sides stand beside each other."""
        return (self.size.width - 1) // 2

    def _wrap(self) -> None:
        """Cuts the texts into lines of the present width; they are styled when they come into view."""
        width = self.size.width
        if self._pair is None or not width or not self.is_attached:
            return
        texts, self._base, self._blank = self._contents, self.visual_style, self.rich_style
        self._space = Strip([Segment(" ", self._blank)], 1)
        self._bars = {side: self._strip(Content.styled("▌ ", colour)) for side, colour in COLOURS.items()}
        self._notes = texts["notes"].wrap(max(width - 2, 1))[:MAX_NOTES] if texts["notes"] else []
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
        chosen = texts["chosen"].wrap(self._column - 3)
        rejected = texts["rejected"].wrap(width - 1 - self._column - 3)
        for left, right in zip_longest(chosen, rejected, fillvalue=Content("")):
            self._answers.append((("chosen", left), ("rejected", right)))

    def _prompt_height(self) -> int:
        room = self.size.height - len(self._notes)
        return min(len(self._prompt), max(int(room * PROMPT_SHARE), 1))

    def _answers_height(self) -> int:
        taken = len(self._notes) + (self._head_row is not None) + (1 + self._prompt_height() if self._prompt else 0)
        return max(self.size.height - taken, 1)

    def _clamp(self) -> None:
        self._prompt_top = max(min(self._prompt_top, len(self._prompt) - self._prompt_height()), 0)
        self._answers_top = max(min(self._answers_top, len(self._answers) - self._answers_height()), 0)

    def _bring_hit(self) -> None:
        """Scrolls to the first marked place: in an answer, or else in the prompt."""
        width = self.size.width
        column = self._column - 3 if width >= WIDE else width - 4
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
        """Makes the frame anew and asks for the lines that are different."""
        width, height = self.size
        if self._pair is None or not width:
            return
        self._clamp()
        frame = [Strip.join([self._space, self._strip(line)]) for line in self._notes]
        if self._prompt:
            rows = self._prompt_height()
            overflows = len(self._prompt) > rows
            where = "  ↑↓ scroll here, tab: answers" if self._in_prompt else "  tab: scroll here" if overflows else ""
            title = f" {self._contents['head'].plain}"
            head = Content.assemble((title, f"bold {HEAD}"), (where, f"dim {HEAD}"), (" " * width, HEAD))
            frame.append(self._strip(head))
            lines = self._prompt[self._prompt_top : self._prompt_top + rows]
            shown = [Strip.join([self._space, self._strip(line)]) for line in lines]
            frame += self._with_bar(shown, self._prompt_top, len(self._prompt), rows, self._in_prompt)
        if self._head_row is not None:
            frame.append(self._row(self._head_row))
        rows = self._answers_height()
        shown = [self._row(parts) for parts in self._answers[self._answers_top : self._answers_top + rows]]
        frame += self._with_bar(shown, self._answers_top, len(self._answers), rows, not self._in_prompt)
        style = self._blank
        frame = [strip.adjust_cell_length(width, style) for strip in frame[:height]]
        before, self._frame = self._frame, frame
        if len(before) != len(frame):
            self.refresh()
        elif changed := [
            Region(0, y, width, 1) for y, (old, new) in enumerate(zip(before, frame, strict=True)) if old != new
        ]:
            self.refresh(*changed)

    def _with_bar(self, lines: list[Strip], top: int, total: int, rows: int, active: bool) -> list[Strip]:
        """The lines filled up to `rows`, with a scroll bar in the last column when there are more of them."""
        width, style = self.size.width, self._blank
        lines = [line.adjust_cell_length(width - 1, style) for line in lines]
        lines += [Strip.blank(width - 1, style)] * (rows - len(lines))
        if total <= rows:
            return lines
        thumb = max(rows * rows // total, 1)
        first = round(top * (rows - thumb) / max(total - rows, 1))
        mark = self._strip(Content.styled("┃", "$text-primary" if active else "dim"))
        return [Strip.join([line, mark]) if first <= row < first + thumb else line for row, line in enumerate(lines)]

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < len(self._frame) and self._frame[y].cell_length == width:
            return self._frame[y]
        return Strip.blank(width, self._blank)


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
    """Every text of a pair, styled: `raw`, or `head`, `prompt`, `chosen(-head)`, `rejected(-head)`."""

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
    answers = (pair.chosen[0].content, pair.rejected[0].content)
    spans = words_diff(_shown(answers[0], whitespace), _shown(answers[1], whitespace))
    same = not any(span.differs for side in spans for span in side)
    for (side, style), text, parts in zip(COLOURS.items(), answers, spans, strict=True):
        words = f"{_count(len(text), 'character')} · {_count(len(text.split()), 'word')}{_tokens(tokens, side)}"
        contents[f"{side}-head"] = Content.styled(f"{side} · {words}", f"bold {style}")
        contents[side] = EMPTY
        if text.strip():
            pieces = _cut_up(_answer(parts, style), text, cuts.get(side), whitespace)
            contents[side] = Content.assemble(*(text_of(piece) if is_text else piece for piece, is_text in pieces))
            if same:
                contents[side] = contents[side].append_text("\n(the words of both answers are the same)", "italic")
    return contents


def _shown(text: str, whitespace: bool) -> str:
    """`text` made safe; with `whitespace` tabs and carriage returns stay to be seen."""
    if not whitespace:
        return safe(text)
    more = len(text) - MAX_SHOWN
    shown = safe(text[:MAX_SHOWN].replace("\t", "→").replace("\r\n", "\r\r\n"), None)
    return f"{shown}… {more:,} more characters" if more > 0 else shown


def _with_whitespace(text: Content) -> Content:
    """`text` with every space and line end seen; the styles stay on their characters."""
    plain, places, grown, parts, spans = text.plain, [0], [0], [], []
    last = length = 0
    for match in _SPACE.finditer(plain):
        char = match[0]
        sign = "·" if char == " " else "↵\n" if char == "\n" else f"⟨{SPACES[ord(char)]}⟩"
        parts += [plain[last : match.start()], sign]
        length += match.start() - last
        if len(sign) > 1:  # a character that grows: what stands behind it moves
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
    """`answer`, the drawn form of `text`: what is trained on, the line of the cut, what is lost; False: not text."""
    if cut is None or cut.at >= len(text):
        return [(answer, True)]
    at = max(cut.at, 0)
    while at > 0 and "\u200d" in text[at - 1 : at + 1]:
        at -= 1  # a picture made of several characters is drawn whole or not at all
    sign = f"{CUT_SIGN} cut at max_length {cut.tokens:,} tokens"
    if at >= MAX_SHOWN:
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


def _notes(pair: Pair, marks: Sequence[Mark]) -> Content:
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
    return Content.assemble(*((span.text, style if span.differs else COMMON) for span in spans))


def _marked(text: Content, highlight: str | re.Pattern[str]) -> Content:
    if not highlight:
        return text
    return text.highlight_regex(_pattern(highlight) if isinstance(highlight, str) else highlight, style=HIT)


def _pattern(highlight: str) -> re.Pattern[str]:
    return re.compile(re.escape(safe(highlight)), re.IGNORECASE)
