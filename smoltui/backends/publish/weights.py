"""Weights on this machine: whether they are whole, and merging an adapter into its base model in a child process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from smoltui.backends.machine.train_extra import require_train_extra
from smoltui.backends.system import data_folder
from smoltui.backends.system.child import exit_in_words, leashed, running
from smoltui.core.foreign import foreign_json
from smoltui.core.runs.events import Event, Failed, LogLine, ModelSaved, Reader
from smoltui.errors import InputError, RunFailedError
from smoltui.safe_text import redact
from smoltui.scripts import SCRIPTS

MERGE = SCRIPTS / "merge_adapter.py"
_HEADER_BYTES = 100 << 20
"""Largest header of a safetensors file (its format's own limit)."""


def broken_weights(folder: Path) -> str | None:
    """What is wrong with the weights in a folder, one sentence; None if they are whole. Reads headers only."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return f"The folder has no weights (*.safetensors): {folder}"
    for index in folder.glob("*.safetensors.index.json"):
        data = data_folder.read_json(index)
        wanted = data.get("weight_map") if data else None
        if not isinstance(wanted, dict):
            return f"The list of weights cannot be read: {index}"
        missing = sorted({str(name) for name in wanted.values()} - {path.name for path in files})
        if missing:
            return f"Weights are missing: {', '.join(missing[:3])}"
    for path in files:
        try:
            if not _is_whole(path):
                return f"The weights are incomplete: {path}"
        except (OSError, ValueError):
            return f"The weights cannot be read: {path}"
    return None


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says. Raises OSError or ValueError."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _HEADER_BYTES:
            return False
        header = file.read(length)
    if len(header) < length:
        return False
    data = foreign_json.decode(header, most_bytes=_HEADER_BYTES)
    if not isinstance(data, dict):
        return False
    ends = [row["data_offsets"][1] for name, row in data.items() if name != "__metadata__"]
    return bool(path.stat().st_size == 8 + length + max(ends, default=0))


async def merge(adapter: Path, base: str, revision: str | None, output: Path) -> AsyncGenerator[Event, None]:
    """The events of merging an adapter into its base model, which is saved in `output`. Close it to stop the child.

    `base`: folder or Hub id; `revision` of a Hub id, None for its main branch.

    Raises:
        MissingExtraError: torch or peft is not installed.
        InputError: the folder for the merged model cannot be made.
        RunFailedError: it could not be merged; the message says why.
    """
    require_train_extra()
    try:
        data_folder.private_folder(output)
    except OSError as error:
        raise InputError(
            f"The merged model cannot be saved ({error.strerror}): {output}", "Free some space."
        ) from error
    arguments = ["--adapter", str(adapter), "--base", base, "--output", str(output)]
    if revision:
        arguments += ["--revision", revision]
    reader, last, saved = Reader(), "", False
    async with running(leashed(str(MERGE), *arguments), output) as child:
        async with aclosing(child.lines()) as lines:
            async for line in lines:
                for event in reader.feed(line):
                    if isinstance(event, Failed):
                        raise RunFailedError(redact(event.cause), redact(event.hint))
                    if isinstance(event, LogLine):
                        last = redact(event.text.strip()) or last
                    saved = saved or isinstance(event, ModelSaved)
                    yield event
        if not saved:
            said = f"; its last line: {last[:300]}" if last else ""
            raise RunFailedError(f"The adapter could not be merged, {exit_in_words(child.exit_code or 0)}{said}")
