"""The file that `--debug` writes: what happened in this process, for finding a bug. No secret is in it.

What is logged: versions and arguments at the start, every child's command, every host that is connected to, every
request without the values of its query, every error that is shown, with its traceback, and crashes of C code. Keys and
texts of pairs are not.

Everything goes through Python's logging: `logging.getLogger("smoltui").debug(…)` costs nothing without `--debug`.
Children and connections are heard of by Python's audit events, so that none can be forgotten.
"""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import platform
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from smoltui.backends.system import locks
from smoltui.backends.system.crash import PACKAGES, installed
from smoltui.backends.system.data_folder import home, private_folder
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe

FOLDER = "debug"
"""In the data folder."""
LOGS_KEPT = 20
LOGGER = logging.getLogger("smoltui")
LONGEST = 20_000
"""Characters of one entry."""
_QUERY = re.compile(r"([?&][\w.-]{1,80})=[^&\s\"']+")


class _Handler(logging.FileHandler):
    """Writes each entry redacted, sanitized and at once."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self.setFormatter(logging.Formatter("{asctime}.{msecs:03.0f} {threadName} {name}: {message}", "%H:%M:%S", "{"))

    def _open(self) -> TextIOWrapper:  # the descriptor is already open, private, and no link
        return os.fdopen(self._descriptor, "w", encoding=self.encoding, errors=self.errors)

    def format(self, record: logging.LogRecord) -> str:
        return tidied(super().format(record))


def tidied(text: str) -> str:
    """`text` as it is written: without secrets, without the values of queries, and without control characters."""
    return safe(redact(_QUERY.sub(r"\1=…", text)), LONGEST)


def start(arguments: Sequence[str]) -> Path:
    """Begins the log and returns its path: in the data folder, or in the folder for temporary files if that is broken.

    `arguments` are those of the command line.

    Raises:
        InputError: neither can be written.
    """
    descriptor, path = _new_file()
    handler = _Handler(descriptor, path)
    for logger, level in ((LOGGER, logging.DEBUG), (logging.getLogger("httpx2"), logging.INFO)):
        logger.setLevel(level)
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("asyncio").addHandler(handler)
    faulthandler.enable(descriptor)
    LOGGER.debug("%s", time.strftime("%Y-%m-%d %H:%M:%S %z"))
    LOGGER.debug("Python %s on %s, %s", platform.python_version(), platform.platform(), sys.executable)
    LOGGER.debug("%s", ", ".join(f"{name} {found}" for name in PACKAGES if (found := installed(name))))
    shown = ("TERM", "COLORTERM", "TERM_PROGRAM", "LANG", "LC_ALL", "TMUX", "SSH_TTY", "SMOLTUI_HOME", "HF_HOME")
    LOGGER.debug("%s", " ".join(f"{name}={os.environ[name]}" for name in shown if name in os.environ))
    LOGGER.debug("in %s", _here())
    LOGGER.debug("$ smoltui %s", shlex.join(arguments))
    sys.addaudithook(_heard)
    atexit.register(LOGGER.debug, "ended")
    return path


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "a folder that no longer exists"


def _new_file() -> tuple[int, Path]:
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        folder = home() / FOLDER
        private_folder(folder)
        for old in sorted(folder.glob("*.log"))[: -(LOGS_KEPT - 1)]:
            old.unlink(missing_ok=True)
        return locks.open_private(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL), folder / name
    except OSError:
        try:
            descriptor, path = tempfile.mkstemp(suffix=f"-{name}", prefix="smoltui-")
        except OSError as error:
            raise InputError(
                f"The debug log cannot be written ({error.strerror or error})",
                "Free some space in the data folder or in /tmp, or set SMOLTUI_HOME.",
            ) from error
        return descriptor, Path(path)


def _heard(event: str, args: tuple[object, ...]) -> None:
    """Called by Python for everything that it audits, so it has to be quick, and must not raise."""
    if event == "subprocess.Popen":
        command, folder = args[1], args[2]
        words = command if isinstance(command, str) else shlex.join(map(_word, command))  # type: ignore[call-overload]
        LOGGER.debug("child: %s%s", words, f" (in {_word(folder)})" if folder else "")
    elif event == "socket.connect":
        LOGGER.debug("connecting to %s", args[1])
    elif event == "socket.getaddrinfo":
        LOGGER.debug("looking up %s", args[0])


def _word(part: object) -> str:
    return os.fsdecode(part) if isinstance(part, str | bytes | os.PathLike) else str(part)
