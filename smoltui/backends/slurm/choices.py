"""Asks the cluster what can be chosen for a setting."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from smoltui.backends.slurm import commands
from smoltui.core.runs.choice import Choice
from smoltui.core.slurm.answers import SINFO_FORMAT, partitions_of
from smoltui.core.slurm.choices import ASSOCIATIONS, FROM_SINFO, associated, offered
from smoltui.errors import InputError, UnreachableError

PATIENCE_SECONDS = 5.0
"""How long a person waits for a list: the name can be typed as well."""
TYPE_IT = "Type the name: press esc, then enter."


def choices(key: str, values: Mapping[str, object]) -> list[Choice]:
    """What the cluster offers for a key of [slurm]; `values`: those of the table.

    Blocks for at most `PATIENCE_SECONDS`.

    Raises:
        InputError: Slurm can't be used here, or has no such list.
        UnreachableError: it did not answer.
    """
    partition = str(values.get("partition") or "")
    if key in FROM_SINFO:
        text = _asked("sinfo", "--noheader", "--exact", f"--format={SINFO_FORMAT}")
        return offered(key, partitions_of(text), partition)
    wanted = f"format={','.join(ASSOCIATIONS)}"
    user = f"user={getpass.getuser()}"
    said = commands.call(
        "sacctmgr", "--noheader", "--parsable2", "show", "associations", user, wanted, seconds=PATIENCE_SECONDS
    )
    if said.code:
        off = "accounting_storage" in said.err or not said.last
        why = "its accounting is off" if off else said.last
        raise InputError(f"The cluster lists no accounts and QOS: {why}", TYPE_IT)
    return associated(key, said.out, partition)


def _asked(*command: str) -> str:
    said = commands.call(*command, seconds=PATIENCE_SECONDS)
    if said.code:
        raise UnreachableError(f"Slurm does not answer ({said.last or f'exit code {said.code}'})", TYPE_IT)
    return said.out
