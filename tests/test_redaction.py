"""No secret outlives `redact`, however it is written; what only resembles one stays as it is."""

from __future__ import annotations

import base64
import re
import string
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smoltui.core.recipe import snapshot
from smoltui.redaction import (
    MIN_TOKEN,
    Secret,
    forget_secrets,
    may_hold_secret,
    redact,
    register_secrets,
    secret_in,
)
from smoltui.safe_text import safe, safe_line
from tests.examples import examples

BODY = "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
TOKEN = f"hf_{BODY}"


@pytest.fixture(autouse=True)
def _nothing_registered() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


def inserted(text: str, place: int, what: str) -> str:
    return text[: place % len(text)] + what + text[place % len(text) :]


WRITTEN: dict[str, Callable[[str, int], str]] = {
    "as it is": lambda token, _: token,
    "in capitals": lambda token, _: token.upper(),
    "percent": lambda token, _: "".join(f"%{ord(char):02X}" for char in token),
    "percent twice": lambda token, _: token.replace("_", "%255f"),
    "json": lambda token, at: token[:at] + "".join(f"\\u{ord(char):04x}" for char in token[at:]),
    "json in json": lambda token, _: token.replace("_", "\\\\u005f"),
    "repr": lambda token, _: token.replace("_", "\\x5f"),
    "html": lambda token, _: token.replace("_", "&#95;"),
    "colour": lambda token, at: inserted(token, at, "\x1b[1;31m"),
    "colour that was made safe": lambda token, at: inserted(token, at, "␛[0m"),
    "zero width": lambda token, at: inserted(token, at, "\u200b"),
    "zero width that was made safe": lambda token, at: inserted(token, at, "⟨ZWSP⟩"),
    "carriage return": lambda token, at: inserted(token, at, "\r"),
    "wide": lambda token, at: token[:at] + chr(ord(token[at % len(token)]) + 0xFEE0) + token[at + 1 :],
    "line end": lambda token, at: inserted(token, 6 + at % 20, "\n"),
    "base64": lambda token, at: base64.b64encode(b"x" * (at % 4) + token.encode()).decode(),
}


def readable(text: str) -> str:
    """What somebody who wants the token makes of a text."""
    text = re.sub(r"\x1b\[[0-9;]*m|␛\[0m|⟨ZWSP⟩|[\u200b\r\n]", "", text)
    text = re.sub(r"(?:\\+u00|\\+x|%(?:25)?)([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    text = "".join(chr(ord(char) - 0xFEE0) if 0xFF01 <= ord(char) <= 0xFF5E else char for char in text)
    for run in re.findall(r"[A-Za-z0-9+/]{16,}", text):
        text += base64.b64decode(run[: len(run) // 4 * 4]).decode("latin-1")
    return text.replace("&#95;", "_")


AROUND = st.text(
    st.sampled_from(" \t,;:=\"'()[]{}<>|é√…") | st.characters(codec="utf-8", categories=("Po", "Sm", "Zs"))
)


@given(AROUND, AROUND, st.sampled_from(sorted(WRITTEN)), st.integers(1, 30))
def test_a_token_is_taken_out_however_it_is_written(before: str, behind: str, how: str, at: int) -> None:
    text = before + WRITTEN[how](TOKEN, at) + behind
    assert may_hold_secret(text)
    for kept in (redact(text), safe(redact(text), None), redact(safe(text, None)), redact(safe_line(text, 10_000))):
        left = readable(kept).upper()
        assert all(part.upper() not in left for part in (BODY[2:12], BODY[12:22], BODY[22:])), kept


@example("", "_", "line end", 1)
@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(sorted(WRITTEN)), st.integers(1, 30))
def test_text_around_hides_no_token(before: str, behind: str, how: str, at: int) -> None:
    if how != "base64":  # what is no base64 may make base64 with its neighbours
        assert BODY[22:30].upper() not in readable(redact(before + WRITTEN[how](TOKEN, at) + behind)).upper()


@given(st.text(string.printable.strip(), min_size=6, max_size=40), AROUND, st.integers(0, 40), st.integers(0, 2))
def test_a_registered_secret_is_taken_out_whatever_it_looks_like(secret: str, around: str, at: int, by: int) -> None:
    forget_secrets()
    register_secrets(secret)
    forms = [secret, quote(secret, safe=""), base64.b64encode(b"x" * by + secret.encode() + b"yy").decode()]
    for form in (*forms, secret[: at % len(secret)] + "\n" + secret[at % len(secret) :]):
        kept = redact(f"{around}<{form}>{around}")
        if len(secret) >= 16 or form == secret:  # base64 of a few characters is hardly longer than what it may share
            assert form not in kept
    register_secrets(secret, is_token=True)
    assert len(secret) < MIN_TOKEN or secret_in(f"a {secret} b") is not None
    assert redact(f"a {secret} b", ()) == redact(redact(f"a {secret} b"))


def test_nothing_short_and_nothing_empty_is_registered() -> None:
    register_secrets(None, "", "abc", "   ab   ")
    assert redact("abc and ab and more") == "abc and ab and more"
    register_secrets(" swordfish9\n")
    assert redact("it is swordfish9.") == "it is ***."


NAMED = {
    "HF_TOKEN=abcdef": "abcdef",
    "'HF_TOKEN': 'customtoken123456'": "customtoken",
    "token=abcdefghijk123456789": "abcd",
    "--token abcdefghijk123456789": "abcdefg",
    "hub_token: abcdefghijkl123456": "abcdefg",
    "password=abc": "abc",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "wJalr",
    "passwd=abcdefghi": "abcd",
    "wandb: API key 0123456789abcdef0123456789abcdef01234567": "0123",
    'secret = "two words here"': "words",
    "Cookie: token=abcdefghijklm; id=nopqrstuvw": "nopqr",
    "https://x/c?sig=abcdefghijklmnop%3D": "abcd",
    "https://s3/x?X-Amz-Signature=abcdef0123456789&b=1": "abcdef",
    "https://:pass1234@host/": "pass1234",
    "https://user:pa@ss1234@host/": "ss1234",
    "https://abcdef0123456789@host/x": "abcdef",
    "PGPASSWORD=hunter2x": "hunt",
    "env: [HF_TOKEN, customtoken123456]": "customtoken",
    "COMET_API_KEY abcdefghijklmnop": "abcdefg",
    "MLFLOW_TRACKING_TOKEN=abcdefghijklmnop": "abcdefg",
    "{'token': 'abcdefghijklmnop'}": "abcdefg",
    '{\\"password\\": \\"tell nobody\\"}': "nobody",
    "x-api-key: abcdefgh": "abcdefgh",
    "AccountKey=abc+/==;": "abc+",
    "Authorization: Basic dXNlcjpwYXNzd29yZA==": "dXNl",
    "client_secret='a\\'b c'": "b c",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc+\n-----END RSA PRIVATE KEY-----": "abc+",
    "hf_AbCdEfGh…": "AbCd",
    "?token=abcdefghij1&b=1": "abcdef",
}


@pytest.mark.parametrize("text", NAMED)
def test_what_is_called_a_secret_is_taken_out(text: str) -> None:
    kept = redact(text)
    assert NAMED[text] not in kept and "***" in kept
    assert redact(kept) == kept
    assert redact(f"\x1b[31m{text}\x1b[0m").count("***") >= 1


HARMLESS = (
    "hf_hub_download hf_transfer_enabled hf_xet_high_performance HF_HUB_ENABLE_HF_TRANSFER=1 hf_transformers",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "hf jobs uv run --flavor a100-large --secrets HF_TOKEN smoltui/scripts/dpo.py -- --config recipe.yaml",
    "models--HuggingFaceTB--SmolLM3-3B/snapshots/a07cc9a04f165",
    "max_tokens=512 tokens: 1024 token_ids=[1, 2] num_tokens': 18231.0, 'mean_token_accuracy': 0.61",
    "token: 1024",
    "password reset",
    "secret santa",
    "The secret is out",
    "pad_token: <|im_end|>",
    "eos_token: <|im_end|>",
    "eos_token='<|endoftext|>'",
    "bos_token: abcdefghijklmnopqrstuvwx",
    "--token-budget 5",
    "pad_token=PadToken123",
    "[@click=app.quit]x[/]",
    "user@host and me.too@example.org",
    "ssh://git@github.com/a/b",
    "https://medium.com/@user/a",
    "https://huggingface.co/datasets/a/b?token_type=x",
    "PWD=/home/me/project",
    "OLDPWD=/root",
    "Use HF_TOKEN instead.",
    "Set HF_TOKEN, or log in: hf auth login",
    "HF_TOKEN: not set",
    "password: None",
    "token=None",
    "hub_token: null",
    "api_key=os.environ['KEY']",
    "the bearer of bad news",
    "Authorization: required",
    "cookie: chocolate",
    "the tokenizer's next token is: international",
    "hf_internationalization hf_llama3",
    "hf_transformers 0123456789abcdef0123456789abcdef01234567",
    "ask-me-anything-about-this-task",
    "risk-adjusted-something-else-1",
    "key: value",
    "gradient_checkpointing_kwargs: {'use_reentrant': False}",
    "keyword=abcdefghijklmnopqrst",
    "100%|██████████| 300/300 [00:10<00:00, 29.5it/s]",
    "\x1b[32mINFO\x1b[0m all is well",
    "passed: 12, bypass=abcdef",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg",
    "/data/a_very_long_file_name_that_says_what_is_in_it_and_more/checkpoint-1200/model-00001-of-00002.safetensors",
    "the token count of: abcdefghijkl",
    "authorized: yes",
    "C:\\users\\x41\\file",
    "50%20off %E2%9C%93",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_resembles_a_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert secret_in(text) is None


WORDS = st.sampled_from(
    [*snapshot().keys, *" ".join(HARMLESS[:7]).split(), "hf", "sk", "key", "token", "secret", "password"]
)


@given(st.lists(WORDS | st.uuids().map(str) | st.binary(min_size=20, max_size=20).map(bytes.hex), max_size=12))
def test_words_without_a_secret_come_out_as_they_went_in(words: list[str]) -> None:
    text = " ".join(word for word in words if not re.search("(?i)(key|token|secret|password).*[=:]", word))
    if not re.search(r"(?i)(key|token|secret|password)\W+\w*[0-9a-f]{16}", text):
        assert redact(text) == text


@pytest.mark.parametrize("key", sorted(key for key in snapshot().keys if "token" in key and key != "hub_token"))
def test_keys_of_trl_keep_their_values(key: str) -> None:
    for value in ("1024", "null", "true", "<|im_end|>", "chat"):
        assert redact(f"{key}: {value}") == f"{key}: {value}"


PIECES = st.sampled_from(
    [
        *NAMED,
        *HARMLESS,
        TOKEN,
        "***",
        "hf_***",
        "hf_",
        "token",
        "=",
        ": ",
        "https://",
        "@",
        "\n",
        "\x1b[0m",
        '"',
        "\\",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "%5F",
        "Bearer ",
        "Cookie: a=",
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join))
@examples(300)
def test_redaction_is_idempotent_and_the_cheap_look_overlooks_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert once == text or may_hold_secret(text)


def test_only_unmistakable_secrets_are_a_reason_to_stop() -> None:
    assert secret_in(f"# {TOKEN}") == Secret(5, 39, "a Hugging Face token")
    assert secret_in("x ghp_16C7e42F292c6912E7710c838347Ae178B4a") == Secret(6, 42, "a GitHub token")
    assert secret_in("a: hf\\u005f" + BODY) is not None
    assert secret_in("hub_password: letmein99") is None and secret_in("hf_internationalization") is None
    register_secrets("swordfish9")
    assert secret_in("say swordfish9!") is None
    register_secrets("swordfish9", is_token=True)
    assert secret_in("say swordfish9!") == Secret(4, 14, "the token of this machine")


@pytest.mark.parametrize(
    "piece",
    [
        "token=",
        "password=<",
        "-----BEGIN PRIVATE KEY-----\n",
        "https://a",
        "bearer a",
        "hf_a\n",
        "aGZf",
        "\\u00",
        "eyJaaaaaaaa.",
        "cookie: a",
        "secret\\",
        "A1b2-",
        "password='",
        "sk-proj-",
        "HF_TOKEN ",
        "\x1b[",
        "hf_ab ",
    ],
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    """Eight times the text takes sixty-four times as long where a pattern looks at the rest from each place."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        redact(text)
        return time.process_time() - began

    seconds(100)
    short, long = (min(seconds(length) for _ in range(3)) for length in (12_000, 96_000))
    assert long < 30 * max(short, 0.001)


def test_a_secret_without_an_end_is_taken_out_whole() -> None:
    assert redact(f"password={'x' * 10_000} y") == "password=*** y"
