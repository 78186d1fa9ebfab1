"""The command line: opens the app, and does everything that the rooms do without it.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or input, 3 refused by the service, 130 interrupted. With `--json`,
stdout holds JSON and nothing else, and an error is `{"error", "hint"}` on stderr.

`main.py` runs a command, `commands/` declares them, and the modules here do their work, one for each subject.
"""

from __future__ import annotations

from collections.abc import Sequence


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command, as `smoltui ARGUMENTS` does; returns its exit code. None: the arguments of this process."""
    from smoltui.cli import main  # the commands are imported when one is run

    return main.run(arguments)
