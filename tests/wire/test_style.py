"""The change between two renditions, checked with a minimal SGR interpreter."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

from smoltui.wire.style import PLAIN, Rendition, change, of_blank, rendition

ATTRIBUTES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 21, 51, 52, 53)
ENDS = {22: (1, 2), 23: (3,), 24: (4, 21), 25: (5, 6), 27: (7,), 28: (8,), 29: (9,), 54: (51, 52), 55: (53,)}
BYTE = st.integers(0, 255)


def colours(first: int) -> st.SearchStrategy[str]:
    """Codes of a color; `first` is 30 for the foreground and 40 for the background."""
    return st.one_of(
        st.just(""),
        st.integers(first, first + 7).map(str),
        st.integers(first + 60, first + 67).map(str),
        BYTE.map(lambda number: f"{first + 8};5;{number}"),
        st.tuples(BYTE, BYTE, BYTE).map(lambda rgb: f"{first + 8};2;{rgb[0]};{rgb[1]};{rgb[2]}"),
    )


RENDITIONS = st.builds(
    lambda attributes, foreground, background: Rendition(tuple(sorted(attributes)), foreground, background),
    st.sets(st.sampled_from(ATTRIBUTES), max_size=4),
    colours(30),
    colours(40),
)


def after(state: Rendition, sequence: str) -> Rendition:
    """The attributes of a terminal after an SGR sequence."""
    if not sequence:
        return state
    assert sequence.startswith("\x1b[") and sequence.endswith("m")
    codes = [int(code or 0) for code in sequence[2:-1].split(";")]
    attributes, ground = set(state.attributes), {30: state.foreground, 40: state.background}
    while codes:
        code = codes.pop(0)
        if code == 0:
            attributes, ground = set(), {30: "", 40: ""}
        elif code in (38, 48):
            length = 4 if codes[0] == 2 else 2
            ground[code - 8] = ";".join(str(part) for part in (code, *codes[:length]))
            del codes[:length]
        elif code in (39, 49):
            ground[code - 9] = ""
        elif code in ENDS:
            attributes -= set(ENDS[code])
        elif code in ATTRIBUTES:
            attributes.add(code)
        else:
            ground[30 if code < 40 or 90 <= code < 98 else 40] = str(code)
    return Rendition(tuple(sorted(attributes)), ground[30], ground[40])


@given(RENDITIONS, RENDITIONS)
@example(Rendition((1, 2)), Rendition((1,)))  # one code ends both
@example(Rendition((4, 21), "31"), Rendition((21,), "31"))
def test_a_change_leads_where_it_should(old: Rendition, new: Rendition) -> None:
    """From any rendition to any other, and never longer than with a reset."""
    assert after(old, change(old, new)) == new
    assert len(change(old, new)) <= len("\x1b[0m") + len(change(PLAIN, new))


@given(RENDITIONS)
def test_a_blank_shows_its_background_and_its_lines(style: Rendition) -> None:
    blank = of_blank(style)
    assert of_blank(blank) == blank and blank.background == style.background
    if {4, 7, 9, 21, 51, 52, 53} & set(style.attributes):
        assert blank == style


@given(RENDITIONS)
def test_codes_are_read_as_they_are_written(style: Rendition) -> None:
    assert rendition(change(PLAIN, style)[2:-1]) == style


def test_styles_of_rich_are_read() -> None:
    """As rendered by Textual, at each color depth."""
    style = Style(color="#0178d4", bgcolor="red", bold=True, dim=True, underline=True)
    deep = rendition(Strip.render_ansi(style, ColorSystem.TRUECOLOR))
    assert deep == Rendition((1, 2, 4), "38;2;1;120;212", "41")
    assert rendition(Strip.render_ansi(style, ColorSystem.EIGHT_BIT)).foreground.startswith("38;5;")
    assert rendition(Strip.render_ansi(style, ColorSystem.STANDARD)).foreground in {"34", "36", "94", "96"}


def test_what_is_no_code_is_left_out() -> None:
    assert rendition("1;x;77;999;31;48;5") == Rendition((1,), "31", "")
