"""All output of the commands: every line, table, JSON document and error is printed here.

Output may contain foreign text (names of files, splits and Jobs, keys and values of settings, answers of a server). In
text, characters that control a terminal or are invisible are replaced by symbols, and secrets are redacted. In JSON,
the same characters become \\uXXXX escapes, which do not change its value. A test ensures that nothing else in the
package prints.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import click

from smoltui.errors import InputError, SmoltuiError
from smoltui.redaction import redact_json
from smoltui.safe_text import escaped, redact, safe, safe_line

MAX_SENTENCE = 4_000
"""Maximum length in characters of an error's sentence, and of its next step."""
MAX_INT_BITS = 10_000
"""Larger whole numbers are refused by Python's conversion to decimal digits (`sys.set_int_max_str_digits`)."""


def prepare_streams() -> None:
    """Makes sure that stdin, stdout and stderr exist and accept any text.

    A closed one (`<&-`) becomes the null device. Otherwise the next file opened would get its number, and output, also
    that of child processes, would end up in that file. Characters that an encoding lacks become backslash escapes.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            _open_null(number)
            stream = open(  # noqa: SIM115 - open as long as the process
                number, "w" if number else "r", encoding="utf-8", errors="backslashreplace", closefd=False
            )
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        elif number and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _open_null(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        found = os.open(os.devnull, os.O_RDWR)
        if found != number:
            os.dup2(found, number)
            os.close(found)
        os.set_inheritable(number, True)


def say(text: str = "", *, err: bool = False) -> None:
    """Prints lines of text on stdout, or on stderr."""
    _write(safe(redact(text), None), err=err)


def note(text: str) -> None:
    """Prints lines on stderr: what the user should know besides the result."""
    say(text, err=True)


def say_data(text: str) -> None:
    """`say` for the text of a pair, which is data: nothing is redacted in it, as in the app."""
    _write(safe(text, None))


def say_script(text: str) -> None:
    """Prints a text of ours for another program (a shell, man): nothing in it is replaced."""
    _write(text)


def say_styled(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """`say_data` for a text in parts, each with keyword arguments of `click.style`; colored on a terminal."""
    _write("".join(click.style(safe(text, None), **style) for text, style in parts))


def cell(text: str, width: int) -> str:
    """`text` as a cell of a table: one line, padded or truncated to `width` characters, ending in a space."""
    return f"{safe_line(redact(text), width - 2):<{width}}"


def print_json(data: object, *, err: bool = False, as_is: Collection[str] = (), indent: int | None = None) -> None:
    """Prints one JSON document, or one line of a stream. Values that JSON lacks (NaN, dates) become strings.

    `as_is`: keys of a document under which nothing is redacted, only for the texts of pairs.
    """
    ascii_only = not takes_unicode(err)
    plain = _plain(data)
    shown = redact_json(plain)
    if isinstance(shown, dict) and isinstance(plain, dict):
        shown |= {key: plain[key] for key in as_is if key in plain}
    text = json.dumps(shown, ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    _write(text if ascii_only else escaped(text), err=err)


def _plain(value: object) -> object:
    """`value` converted to what JSON can hold: YAML and TOML also have dates, sets, bytes and keys of other types."""
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= MAX_INT_BITS else hex(value)
    if isinstance(value, float):
        from smoltui.core.runs.events import strict

        return strict(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def _key(key: object) -> str:
    if isinstance(key, str):
        return redact(key)
    plain = _plain(key)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, allow_nan=False)


def log_text(text: str) -> str:
    """A line of a log as `print_log` prints it: sanitized on a terminal; otherwise only secrets are redacted."""
    text = redact(text)
    # Text before a carriage return was overwritten: earlier states of a progress bar.
    return safe(text.rsplit("\r", 1)[-1], None) if sys.stdout.isatty() else text


def print_log(text: str) -> None:
    """Prints a line of a log; into a file or pipe as the run wrote it, so that it can be processed."""
    _write(log_text(text))


def print_error(message: str, hint: str, as_json: bool) -> None:
    """Prints a sentence and the next step on stderr, or `{"error", "hint"}`. Does nothing if stderr is gone."""
    with contextlib.suppress(OSError, InputError):
        if as_json:
            print_json({"error": message, "hint": hint}, err=True)
        else:
            _write(f"smoltui: {safe_line(redact(message), MAX_SENTENCE)}", err=True)
            if hint:
                _write(safe(redact(hint), MAX_SENTENCE), err=True)


def note_error(what: str, error: SmoltuiError, as_json: bool) -> None:
    """Prints on stderr that `what` is the consequence of an error that does not end the command; as JSON, the error."""
    if as_json:
        print_json(error.as_json(), err=True)
    else:
        note(f"{what}: {safe_line(error.message, MAX_SENTENCE)}")


def note_debug_log(path: str, as_json: bool) -> None:
    """Says on stderr where the debug log is, or `{"debug_log"}`."""
    if as_json:
        print_json({"debug_log": path}, err=True)
    else:
        note(f"Debug log: {safe_line(path, MAX_SENTENCE)}")


def print_warning(message: str, hint: str, as_json: bool) -> None:
    """Prints a warning and what to do about it on stderr, or `{"warning", "hint"}`."""
    if as_json:
        print_json({"warning": message, "hint": hint}, err=True)
    else:
        note("\n".join(filter(None, (f"Warning: {message}", hint))))


def progress(text: str, *, done: bool) -> None:
    """Replaces the line on stderr if that is a terminal; the last one (`done`) stays."""
    if sys.stderr.isatty():
        _write(f"\r{safe_line(redact(text))}", err=True, newline=done)


def bell() -> None:
    """Rings the bell if stderr is a terminal."""
    if sys.stderr.isatty():
        _write("\a", err=True, newline=False)


def confirm(question: str) -> None:
    """Asks on stderr. Raises click.Abort for no, and for ctrl+c."""
    try:
        with _ctrl_c_at_once():
            answer = click.confirm(safe_line(redact(question), 1000), err=True)
    except click.Abort:
        _write("", err=True)  # behind ^C
        answer = False
    if not answer:
        _write("Not done", err=True)
        raise click.Abort


@contextlib.contextmanager
def _ctrl_c_at_once() -> Iterator[None]:
    """ctrl+c interrupts what blocks here; asyncio would cancel its task instead, once the loop continues."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def flush() -> None:
    """Flushes stdout, so that a failure is reported here and not at exit. Raises as `_write`."""
    with _output_told():
        sys.stdout.flush()


def say_no_more() -> None:
    """Redirects stdout to the null device, so that nothing can fail at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def takes_unicode(err: bool = False) -> bool:
    """Whether stdout, or stderr, is written in UTF-8."""
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or ""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def _write(text: str, *, err: bool = False, newline: bool = True) -> None:
    """Writes sanitized text to the stream.

    Raises:
        BrokenPipeError: its reader has left.
        InputError: it cannot be written.
    """
    # Not click.echo: it considers ASCII output a mistake, and writes UTF-8 to it.
    stream = sys.stderr if err else sys.stdout
    with _output_told():
        shown = text if stream.isatty() else click.unstyle(text)
        stream.write(f"{shown}\n" if newline else shown)
        stream.flush()


@contextlib.contextmanager
def _output_told() -> Iterator[None]:
    """Turns an OSError of an output into an InputError; a BrokenPipeError is left as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        say_no_more()
        raise InputError(
            f"The output cannot be written: {error.strerror or error}",
            "Free some space there, or redirect the output elsewhere.",
        ) from error
