"""Turns exceptions that are not ours into sentences with a next step."""

from __future__ import annotations

import errno
import os
import sys

from smoltui.errors import InputError, SmoltuiError

PAIRS_BYTES = 1 << 30
"""Address space needed to load the libraries that read pairs (pyarrow, duckdb, numpy). With less, some of them end the
process without an exception."""

_MEMORY_WORDS = (
    "failed to map segment",
    "cannot allocate memory",
    "unable to mmap",
    "malloc failure",
    "out of memory",
    "bad_alloc",
)
"""Parts of the messages with which the dynamic loader, OpenSSL, DuckDB and C++ report a lack of memory."""
_THREAD_WORDS = ("can't start new thread", "failed to launch worker thread")
"""Parts of the messages with which Python and Arrow report that no thread can be started."""
_LIMITS = "Close other programs, or raise the limits of memory and processes (ulimit -v, ulimit -u), and try again."

_STEPS = {
    errno.ENOSPC: "Free some space there and try again.",
    errno.EDQUOT: "Free some space there and try again.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n) and try again.",
    errno.ENFILE: "Close other programs and try again.",
    errno.EAGAIN: _LIMITS,
    errno.EACCES: "Change the permissions there, or choose another location.",
    errno.EPERM: "Change the permissions there, or choose another location.",
    errno.EROFS: "Choose another location.",
}
"""Error number of the system → the next step."""


def require_address_space(needed: int = PAIRS_BYTES) -> None:
    """Refuses to continue with less memory than loading libraries takes.

    Raises:
        InputError: `ulimit -v` is below `needed` bytes.
    """
    allowed = _allowed_bytes()
    if allowed is not None and allowed < needed:
        raise InputError(
            f"Not enough memory: the limit is {allowed >> 20} MiB, {needed >> 20} MiB are needed",
            "Raise the limit: ulimit -v unlimited",
        )


def _allowed_bytes() -> int | None:
    """Address space that this process may use (`ulimit -v`); None without a limit."""
    if sys.platform == "win32":
        return None
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if allowed == resource.RLIM_INFINITY else allowed


def as_smoltui_error(error: Exception) -> SmoltuiError:
    """`error` itself if it is ours; otherwise one of ours with the same meaning, and `error` as its cause.

    What the user can fix (memory, limits, the disk, text that is not UTF-8) becomes an InputError. Everything else
    becomes an InternalError, and a crash report is written.
    """
    if isinstance(error, SmoltuiError):
        return error
    told = _in_words(error)
    if told is not None and not isinstance(error, RecursionError | UnicodeError):
        told.__cause__ = error
        return told
    try:
        from smoltui.backends.system.crash import crashed, written_report
    except (MemoryError, OSError, ImportError):
        return told or _no_memory()
    if told is None:
        return crashed(error)
    if report := written_report(error):
        # This can also be a bug of ours.
        told.hint += f" If everything is fine there, please attach this report to a bug report: {report}"
    told.__cause__ = error
    return told


def _in_words(error: Exception) -> InputError | None:
    words = str(error).lower()
    if isinstance(error, MemoryError) or any(part in words for part in _MEMORY_WORDS):
        return _no_memory()
    # C code that runs out of memory may raise this without saying why.
    if isinstance(error, SystemError) and _allowed_bytes() is not None:
        return _no_memory()
    if any(part in words for part in _THREAD_WORDS):
        return InputError("The system's thread limit is reached", _LIMITS)
    if isinstance(error, OSError):
        return _refused(error)
    if isinstance(error, RecursionError):
        return InputError(
            "A file of this project is nested too deeply to be read",
            "Look for hundreds of brackets, or aliases that refer to each other, in recipe.yaml and smoltui.toml.",
        )
    if isinstance(error, UnicodeError):
        return _not_text(error)
    return None


def _no_memory() -> InputError:
    return InputError("Not enough memory", _LIMITS)


def _refused(error: OSError) -> InputError:
    if error.errno == errno.ENOMEM:
        return _no_memory()
    if error.errno == errno.ENOENT and not error.filename and not _here():
        return InputError("The current folder no longer exists", "Change to another folder: cd")
    if "no usable temporary directory" in str(error).lower():
        return InputError(
            "Temporary files cannot be written: the disk is full, or the folder does not exist",
            "Free some space in /tmp, or set TMPDIR to another folder.",
        )
    where = f": {error.filename}" if error.filename else ""
    step = _STEPS.get(error.errno or 0, "Check the path and try again." if where else "Try again.")
    return InputError(f"The system refused: {error.strerror or str(error) or type(error).__name__}{where}", step)


def _here() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() does the same
    except OSError:
        return False
    return True


def _not_text(error: UnicodeError) -> InputError:
    if isinstance(error, UnicodeEncodeError):
        shown = error.object[max(0, error.start - 40) : error.end + 40]
        if error.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            return InputError(f"This is not UTF-8 text: {shown}", "Convert it to UTF-8 and try again.")
        return InputError(
            f"The locale of this terminal ({error.encoding}) cannot encode this text: {shown}",
            "Choose a locale with UTF-8 and try again: export LC_ALL=C.UTF-8",
        )
    return InputError("A file is not UTF-8 text", "Convert it to UTF-8 and try again.")
