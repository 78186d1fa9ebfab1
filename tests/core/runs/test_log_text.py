"""What the lines of a log say: bars that live, colours that stay, secrets that go, errors that are some."""

from __future__ import annotations

import base64
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from tqdm import tqdm

from smoltui.core.runs.log_text import (
    LINE_LIMIT,
    LogLine,
    as_plain,
    bar_of,
    collapsed,
    continues,
    first_error,
    is_error,
    last_state,
    may_hold_secret,
    styled,
    taken,
    without_secrets,
)
from smoltui.safe_text import redact
from tests.stories.hostile import assert_safe

HOSTILE_TEXT = st.text(
    st.characters() | st.sampled_from("\x1b\x9b\x9d\x07\x00\r\u202e\u2066\u200d\u0085\u2028[];:m0123456789")
)
SEQUENCES = st.lists(
    st.one_of(
        st.sampled_from(
            (
                "\x1b[31m",
                "\x1b[0m",
                "\x1b[m",
                "\x1b[1;4;38;5;208m",
                "\x1b[38;2;1;2;3;48;2;300;0;0m",
                "\x1b[38;5m",
                "\x1b[48:2::9:8:7m",
                "\x1b[2J",
                "\x1b[?25l",
                "\x1b[31",
                "\x1b[",
                "\x1b]52;c;aGk=\x07",
                "\x1b]0;owned\x1b\\",
                "\x1b]8;;http://x\x1b\\",
                "\x1bP1$r\x1b\\",
                "\x1b_apc\x1b\\",
                "\x9b31m",
                "\x1b\x1b[m[31m",
                "\x1b[8;5m",
                "\x1b[30;40m",
                "\x1b[" + "1;" * 200 + "m",
                "👩\x1b[1m\u200d👩",
            )
        ),
        HOSTILE_TEXT,
    )
).map("".join)


def looks(line: str) -> list[tuple[str, str]]:
    return [(span.text, span.style) for span in styled(line)]


# -- carriage returns and bars


def test_what_a_line_says_in_the_end() -> None:
    assert last_state("  1%|a\r 50%|b\r100%|c") == "100%|c"
    assert last_state("done\r") == "done" and last_state("a\rb\r\r") == "b" and last_state("") == ""


def states(count: int, **options: object) -> list[str]:
    """What tqdm really writes, each state apart."""
    out = io.StringIO()
    for _ in tqdm(range(count), file=out, mininterval=0, ncols=options.pop("ncols", 70), **options):  # type: ignore[call-overload]
        pass
    return [state for state in re.split("[\r\n]", out.getvalue()) if state.strip()]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"desc": "Tokenizing train"},
        {"ascii": True},
        {"ncols": 0},
        {"ncols": 40, "desc": "x"},
        {"total": 1000},
        {"unit": "B", "unit_scale": True, "desc": "model.safetensors"},
        {"postfix": {"loss": 0.5}},
        {"colour": "green"},
        {"desc": "50%|done, 3/4 [a]"},
    ],
)
def test_all_states_of_a_bar_are_one_line(options: dict[str, object]) -> None:
    """As tqdm writes them, with a description, in bytes, without room for the bar, in colour."""
    told = states(12, **options)
    assert len(told) > 3
    assert collapsed([LogLine(state) for state in told]) == [LogLine(told[-1])]


def test_a_bar_without_a_total() -> None:
    out = io.StringIO()
    for _ in tqdm(iter(range(9)), file=out, mininterval=0, desc="rows"):
        pass
    told = [state for state in out.getvalue().split("\r") if state.strip()]
    assert len(told) > 3 and collapsed([LogLine(state) for state in told]) == [LogLine(told[-1])]


def test_another_bar_is_another_line() -> None:
    """Other words, another total, or one that begins anew."""
    bar = "Map:  50%|█████     | 24/48 [00:01<00:01, 24.0 examples/s]"
    assert continues(bar, "Map:  51%|█████     | 25/48 [00:01<00:01, 24.0 examples/s]")
    assert not continues(bar, "Filter:  51%|█████     | 25/48 [00:01<00:01, 24.0 examples/s]")
    assert not continues(bar, "Map:  51%|█████     | 25/49 [00:01<00:01, 24.0 examples/s]")
    assert not continues(bar, "Map:   0%|          | 0/48 [00:00<?, ? examples/s]")
    assert not continues(bar, "a line") and not continues("a line", bar) and not continues("a [line", "a [line")
    assert bar_of("accuracy 50% [held out]") is None and bar_of("{'loss': '0.5'} [1/2]") is None


def test_times_go_with_their_states() -> None:
    lines = [LogLine("a", 1.0), *(LogLine(text, 2.0 + at) for at, text in enumerate(states(4))), LogLine("b", None)]
    kept = collapsed(lines)
    assert [line.at for line in kept] == [1.0, lines[-2].at, None]


@given(HOSTILE_TEXT, HOSTILE_TEXT)
def test_any_two_lines_can_be_compared(one: str, other: str) -> None:
    if continues(one, other):
        assert bar_of(one) is not None and bar_of(other) is not None


# -- lines as they are kept


def test_lines_are_kept_whole_and_apart() -> None:
    assert taken(["a\nb", "c\rd\r"], [1.0, 2.0]) == [LogLine("a", 1.0), LogLine("b", 1.0), LogLine("d", 2.0)]
    assert taken(["half \ud83d"]) == [LogLine("half \ufffd")]
    assert taken(["next\x85line\u2028x\x0by"]) == [LogLine("next\x85line\u2028x\x0by")]
    with pytest.raises(ValueError, match="1 times for 2 lines"):
        taken(["a", "b"], [1.0])
    long = taken(["x" * (LINE_LIMIT + 5), "y"])
    assert long[0].text.endswith("x… 5 more characters") and long[1] == LogLine("y")


BODY = "AbCdEfGhIjKlMnOp0123"
SECRETS = (
    "hf_AbCdEfGhIjKlMnOp",
    "WANDB_API_KEY=0123456789ab",
    "Bearer abcdef0123",
    "https://me:mysecret@host/x",
    f"hf_jobs_{BODY}",
    f"api_org_{BODY}",
    "'hugging_face_hub_token': 'abcdefgh1'",
    "password: tellnobody",
    f"sk-{BODY}",
    "AKIAABCDEFGHIJ012345",
    f"github_pat_{BODY}",
    f"wandb_v1_{BODY}",
    f"gho_{BODY}",
    f"ghp_{BODY}",
    f"glpat-{BODY}",
    "huggingface_hub_token=abcdefgh",
    "OPENAI_APIKEY=abcdefgh",
    "my_secret = 'abcdefgh'",
    f"hf_oauth_{BODY}",
    f"hf_job_{BODY}",
    "postgres://u:abc@h",
    f"AIza{BODY}{BODY}",
    f"xoxb-12345678-{BODY}",
    "--token abcdefgh12",
    "Cookie: id=abcdefgh",
    "authorization: basic abcdefgh",
    "https://h/x?sig=abcdefgh",
    "eyJhbGciOiJI.eyJzdWIiOiIx.x",
    f"npm_{BODY}{BODY}",
    f"gsk_{BODY}",
    f"nvapi-{BODY}",
    f"pypi-{BODY}{BODY}",
    f"sk_live_{BODY}",
    "passphrase=abc",
    f"hf%5F{BODY}",
    f"hf\\u005f{BODY}",
    f"hf\u200b_{BODY}",
    f"\uff48f_{BODY}",
    "token=abcdefgh123",
    base64.b64encode(f"user:hf_{BODY}".encode()).decode(),
    "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg",
    "access key 0123456789abcdef0123456789abcdef",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_among_many_lines(secret: str) -> None:
    lines = [f"'num_tokens': '{number}'" for number in range(100)]
    lines[63] = f"env {secret} end"
    kept = without_secrets(lines)
    assert kept[63] == redact(lines[63]) != lines[63]
    assert [*kept[:63], *kept[64:]] == [*lines[:63], *lines[64:]]


@given(
    st.lists(
        st.one_of(st.text(), st.sampled_from(SECRETS), st.tuples(st.text(), st.sampled_from(SECRETS)).map("".join))
    )
)
def test_nothing_that_redact_would_take_is_overlooked(lines: list[str]) -> None:
    """The cheap look never says no where `redact` finds something."""
    lines = [line.replace("\n", " ").replace("\x1b", " ") for line in lines]
    assert list(without_secrets(lines)) == [redact(line) for line in lines]
    assert all(may_hold_secret(line) for line in lines if redact(line) != line)


def test_colours_do_not_hide_a_secret() -> None:
    """A token that is broken by a colour is one on the screen."""
    for line in ("\x1b[1mhf_\x1b[0mAbCdEfGhIj", "h\x1b[31mf_AbCdEfGhIj", "tok hf_Ab\x1b[0mCdEfGhIj x"):
        kept = without_secrets(["a", line, "b"])
        assert "CdEfG" not in as_plain(kept[1]) and "***" in kept[1]


# -- colours


def test_colours_are_colours() -> None:
    assert looks("a \x1b[1;31mred\x1b[0m b") == [("a ", ""), ("red", "bold color(1)"), (" b", "")]
    assert looks("\x1b[38;5;208mx\x1b[39my") == [("x", "color(208)"), ("y", "")]
    assert looks("\x1b[48;2;1;2;3;97mx") == [("x", "color(15) on rgb(1,2,3)")]
    assert looks("\x1b[38:2::9:8:7mx\x1b[38:5:4my") == [("x", "rgb(9,8,7)"), ("y", "color(4)")]
    assert looks("\x1b[4:3mx\x1b[4:0my") == [("x", "underline"), ("y", "")]
    assert looks("\x1b[2;1mx\x1b[22my\x1b[7mz") == [("x", "bold dim"), ("y", ""), ("z", "reverse")]


def test_nothing_is_hidden_by_a_colour() -> None:
    """Concealed, blinking, or in the colour of its ground."""
    assert looks("\x1b[8;5;6mx") == [("x", "")]
    assert looks("\x1b[30;40mx") == [("x", "")]


def test_what_is_no_colour_is_left_out_or_shown() -> None:
    assert looks("a\x1b[2J\x1b[10;1H\x1b[?1049lb\x1b[K") == [("a", ""), ("b", "")]
    assert as_plain("a\x1b]52;c;aGk=\x07\x1b]0;owned\x1b\\b") == "a␛]52;c;aGk=␇␛]0;owned␛\\b"
    assert "".join(text for text, _ in looks("\x1b\x1b[m[31mx")) == "␛[31mx"
    assert looks("\x1b[38;5mx") == [("x", "")] and looks("\x1b[38;2;300;0;0mx") == [("x", "")]
    assert looks("[red]x[/red]") == [("[red]x[/red]", "")]


def test_a_long_line_says_how_much_more_there_is() -> None:
    spans = styled("\x1b[31m" + "x" * 200_000, 100)
    assert spans[0] == ("x" * 100, "color(1)") and spans[-1].text == "… 199,900 more characters"
    assert styled("x" * 100, 100) == [("x" * 100, "")]


@given(SEQUENCES, st.integers(1, 60))
def test_nothing_that_acts_on_a_terminal_is_drawn(line: str, limit: int) -> None:
    """Whatever a line contains, whole sequences and broken ones; and each style is one that rich knows."""
    for text, style in styled(line, limit):
        assert_safe(text)
        Style.parse(style)
    for text in as_plain(line).split("\n"):
        assert_safe(text)


# -- errors


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "ValueError: bad",
        "torch.OutOfMemoryError: CUDA out of memory. Tried",
        "RuntimeError: CUDA error: device-side assert",
        "[rank0]: KeyError: 'x'",
        "KeyboardInterrupt",
        "Killed",
        "bash: line 1: 12 Killed   python dpo.py".replace("Killed  ", "Killed:"),
        "Segmentation fault (core dumped)",
        "2026-01-01 10:00:00 - ERROR - trainer - no",
        "[ERROR] the run ended",
        "error: no such file",
        "fatal: not a git",
        "OSError: [Errno 28] No space left on device",
        "\x1b[31mTypeError\x1b[0m: x",
        "failed: no pairs",
        "huggingface_hub.errors.HfHubHTTPError: 401",
        "ERROR: pip's resolver",
    ],
)
def test_an_error_is_one(line: str) -> None:
    assert is_error(line) and first_error([LogLine("fine"), LogLine(line)]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "0 errors",
        "error_rate: 0.1",
        "no error",
        "errors='ignore'",
        "{'eval_error': 0.2}",
        "raise_on_error=True",
        "on_error: continue",
        "import ErrorHandler",
        "default: an exception is made",
        "nothing failed: 0",
        "Killed 0 bugs",
        "see https://x.org/ValueErrors",
        "FutureWarning: errors will be raised",
        "max_errors=3",
        "",
    ],
)
def test_a_word_is_no_error(line: str) -> None:
    assert not is_error(line)
