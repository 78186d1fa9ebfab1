"""The three next steps that every end has: run it again, continue it, look at the log; as a key and as a command."""

from __future__ import annotations

import re

_FROM_START, _FROM_CHECKPOINT = "Run it again", "Continue it"
_KEY = re.compile(
    r"(?:Run it again|Continue it|See the log|Resume from step \d+)(?: with a longer timeout)? \((\w) in the Runs room"
)
_KEY_OR_COMMAND = re.compile(r"\((\w) in the Runs room, or smoltui [^()]*\)")


def run_again(run_id: str) -> str:
    """How to run a run again."""
    return f"{_FROM_START} (R in the Runs room, or smoltui rerun {run_id})"


def continue_it(run_id: str) -> str:
    """How to continue a run from its checkpoint."""
    return f"{_FROM_CHECKPOINT} (x in the Runs room, or smoltui resume {run_id})"


def see_log(run_id: str) -> str:
    """Where the log of a run is shown."""
    return f"See the log (v in the Runs room, or smoltui logs {run_id})"


def resume_from(run_id: str, step: int) -> str:
    """How to resume a run from the checkpoint of this step."""
    return f"Resume from step {step} (x in the Runs room, or smoltui resume {run_id})"


def in_the_room(words: str) -> str:
    """A next step as the Runs room says it, where the command is of no use: `Resume from step 20 (x)`."""
    return _KEY_OR_COMMAND.sub(r"(\1)", words)


def run_longer(run_id: str, hours: int) -> str:
    """How to run a run again with a timeout of so many hours."""
    return f"{_FROM_START} with a longer timeout (R in the Runs room, or smoltui rerun {run_id} --timeout {hours}h)"


def longer_in(words: str) -> int | None:
    """The timeout in such a next step, in seconds; None in any other."""
    found = re.search(r" --timeout (\d{1,4})h\b", words)
    return int(found[1]) * 3600 if found else None


def repeated_only(words: str) -> str:
    """The same next step for a Job that is run again only as it was; others are left as they are."""
    seconds, run = longer_in(words), re.search(r" smoltui rerun (\S+)", words)
    if seconds is None or run is None:
        return words
    return (
        f"Start a new run with a timeout of {seconds // 3600}h; {run[1]} was not started from this machine, so it can "
        "only be run again with the one that it had."
    )


def from_checkpoint(words: str) -> str:
    """The same next step for a run that has kept a checkpoint; others are left as they are."""
    if not words.startswith(_FROM_START):
        return words
    kept = words.replace(_FROM_START, _FROM_CHECKPOINT, 1).replace("(R in", "(x in", 1)
    return kept.replace("smoltui rerun", "smoltui resume", 1)


def key_in(words: str) -> str | None:
    """The key of the Runs room in a next step, if it is one of these; None for any other."""
    found = _KEY.match(words)
    return found[1] if found else None
