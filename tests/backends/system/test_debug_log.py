"""The debug log: what is in it, that no secret is, and where it goes when the data folder is broken.

In processes of their own: Python's audit hooks stay until the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts an interpreter
TOKEN = f"hf_{34 * 'a'}"


def logged(code: str, **env: str) -> tuple[str, Path]:
    """The log of a process that starts it and then runs `code`, and its path."""
    whole = (
        "from smoltui.backends.system.known_secrets import register_secrets_of_machine\n"
        "register_secrets_of_machine()\n"
        "from smoltui.backends.system import debug_log\n"
        f"print(debug_log.start(['train', '--set', 'hub_token={TOKEN}', 'a b']))\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", whole], env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[0])
    return path.read_text(), path


def test_it_holds_what_a_bug_is_found_with(own_machine: Path) -> None:
    text, path = logged(
        "import logging, subprocess, socket, sys\n"
        f"subprocess.run([sys.executable, '-c', '', '--token={TOKEN}', 'two words'])\n"
        "s = socket.socket()\n"
        "s.connect_ex(('127.0.0.1', 9))\n"
        f"logging.getLogger('httpx2').info('HTTP Request: GET https://u:pw12345678@hub/x?sig=abcdef&n={TOKEN}')\n"
        "try:\n    int('\\x1b[2Jnone')\n"
        "except ValueError as error:\n    debug_log.LOGGER.debug('shown: %s', error, exc_info=error)\n",
        HF_TOKEN=TOKEN,
        MY_PASSWORD="correct-horse-battery",
        LANG="correct-horse-battery",
    )
    assert path.parent == own_machine / "smoltui" / "debug" and path.stat().st_mode & 0o777 == 0o600
    assert "smoltui 0." in text and "textual 8." in text and "Python 3." in text and "LANG=" in text
    assert "$ smoltui train --set" in text and "'a b'" in text
    assert f"child: {sys.executable} -c" in text and "'two words'" in text
    assert "connecting to ('127.0.0.1', 9)" in text
    assert "GET https://" in text and "sig=…" in text
    assert "Traceback" in text and "ValueError: invalid literal" in text and text.rstrip().endswith("ended")
    for secret in (TOKEN, "pw12345678", "abcdef", "correct-horse-battery", "\x1b"):
        assert secret not in text


def test_only_the_newest_are_kept(own_machine: Path) -> None:
    folder = own_machine / "smoltui" / "debug"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"2020{number:02}.log").touch()
    _, path = logged("")
    kept = sorted(folder.iterdir())
    assert len(kept) == 20 and kept[-1] == path and kept[0].name == "202011.log"


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_a_broken_data_folder_is_why_one_wants_a_log(home: str, tmp_path: Path) -> None:
    text, path = logged("", SMOLTUI_HOME=home, TMPDIR=str(tmp_path))
    assert path.parent == tmp_path and path.stat().st_mode & 0o777 == 0o600 and f"SMOLTUI_HOME={home}" in text
