"""The events of a script of ours that runs in a child: evaluating, benchmarking, merging."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from smoltui.backends.system.child import exit_in_words, running
from smoltui.core.runs.events import Event, Failed, Finished, LogLine, Reader
from smoltui.errors import RunFailedError
from smoltui.safe_text import redact

LAST_CHARS = 300
"""Characters of a child's last line that are quoted."""


async def script_events(
    argv: Sequence[str],
    folder: Path,
    stopped: str,
    *,
    until: type[Event] = Finished,
    env: Mapping[str, str] | None = None,
) -> AsyncGenerator[Event, None]:
    """The events of a child in `folder`. Close it to stop the child.

    `stopped` begins the sentence about a child that ended without the event `until`. `env` as for `running`.

    Raises:
        RunFailedError: the script gave its reason to fail, or ended early; with its last line.
    """
    reader, last, done = Reader(), "", False
    async with running(argv, folder, env) as child:
        async with aclosing(child.lines()) as lines:
            async for line in lines:
                for event in reader.feed(line):
                    if isinstance(event, Failed):
                        raise RunFailedError(redact(event.cause), redact(event.hint))
                    if isinstance(event, LogLine):
                        last = redact(event.text.strip()) or last
                    done = done or isinstance(event, until)
                    yield event
        if not done:
            said = f"; its last line: {last[:LAST_CHARS]}" if last else ""
            raise RunFailedError(f"{stopped}, {exit_in_words(child.exit_code or 0)}{said}")
