"""What a command says of an exception that is none of ours."""

from __future__ import annotations

import errno

from smoltui.errors import InputError, SmoltuiError

_NO_THREAD = "can't start new thread"
"""The words of Python's RuntimeError, which has no class of its own."""
_CANNOT_MAP = ("failed to map segment", "cannot allocate memory", "unable to mmap")
"""The words of the dynamic loader in an ImportError, where a library does not fit into the memory that is allowed."""

_STEPS = {
    errno.ENOSPC: "Free some space there and try again.",
    errno.EDQUOT: "Free some space there and try again.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n) and try again.",
    errno.ENFILE: "Close other programs and try again.",
    errno.EAGAIN: "Close other programs, or raise the limit of processes (ulimit -u), and try again.",
    errno.EACCES: "Allow it there, or name another place.",
    errno.EPERM: "Allow it there, or name another place.",
    errno.EROFS: "Name another place.",
}
"""By the number of the system's error: the next step."""


def as_smoltui_error(error: Exception) -> SmoltuiError:
    """`error` if it is ours; else a sentence of the same meaning, with `error` as its cause.

    What a person can do something about (memory, limits, the disk, text that is not UTF-8) is an InputError. All else
    is an InternalError, and its report is written.
    """
    from smoltui.backends.crash import crashed, written_report

    if isinstance(error, SmoltuiError):
        return error
    told = _in_words(error)
    if told is None:
        return crashed(error)
    if isinstance(error, RecursionError | UnicodeError) and (report := written_report(error)):
        # These can also be a mistake of ours.
        told.hint += f" If nothing is wrong with them, the report for a bug is in: {report}"
    told.__cause__ = error
    return told


def _in_words(error: Exception) -> InputError | None:
    words = str(error).lower()
    not_loaded = isinstance(error, ImportError) and any(part in words for part in _CANNOT_MAP)
    if isinstance(error, MemoryError) or not_loaded:
        return _no_memory()
    if isinstance(error, OSError):
        return _refused(error)
    if isinstance(error, RuntimeError) and _NO_THREAD in words:
        return InputError("The system allows no further thread", _STEPS[errno.EAGAIN])
    if isinstance(error, RecursionError):
        return InputError(
            "Something in the files of this project is nested too deeply to be read",
            "Look for hundreds of brackets, or aliases that name each other, in recipe.yaml and smoltui.toml.",
        )
    if isinstance(error, UnicodeError):
        return _not_text(error)
    return None


def _no_memory() -> InputError:
    return InputError(
        "There is not enough memory for this",
        "Close other programs, or raise the limit that is set for this one (ulimit -v), and try again.",
    )


def _refused(error: OSError) -> InputError:
    if error.errno == errno.ENOMEM:
        return _no_memory()
    where = f": {error.filename}" if error.filename else ""
    step = _STEPS.get(error.errno or 0, "See that the path is right, and try again." if where else "Try again.")
    return InputError(f"The system refused, {error.strerror or str(error) or type(error).__name__}{where}", step)


def _not_text(error: UnicodeError) -> InputError:
    if isinstance(error, UnicodeEncodeError):
        shown = error.object[max(0, error.start - 40) : error.end + 40]
        if error.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            return InputError(f"This is not UTF-8 text: {shown}", "Convert it to UTF-8 and try again.")
        return InputError(
            f"This machine's locale ({error.encoding}) has no word for this text: {shown}",
            "Choose a locale with UTF-8 and try again: LC_ALL=C.UTF-8",
        )
    return InputError("A file that was read is not UTF-8 text", "Convert it to UTF-8 and try again.")
