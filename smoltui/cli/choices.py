"""What votes and labels have in common on the command line: files of choices, and pairs made of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.pairs.export import Exported
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.system.paths import expanded
from smoltui.backends.system.small_file import read_small
from smoltui.cli.output import say
from smoltui.core.pairs.curation import DEFAULT_SEED, HoldOut
from smoltui.errors import InputError
from smoltui.safe_text import safe, safe_line

if TYPE_CHECKING:
    from smoltui.backends.project.project import Project

MOST_CHOICE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Pairs:
    """Where pairs are exported to; nowhere without `out`."""

    out: str | None
    hold_out: float | None
    overwrite: bool

    @property
    def folder(self) -> Path:
        return (Path.cwd() / expanded((self.out or "").removesuffix(".parquet"))).absolute()

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the exports.

        Raises:
            InputError: the share is not one.
        """
        if self.hold_out is not None and not 0 <= self.hold_out < 1:
            raise InputError(f"--hold-out takes a share from 0 to 1: {self.hold_out}")
        kind: Kind = "parquet" if (self.out or "").endswith(".parquet") else "jsonl"
        hold_out = HoldOut(self.hold_out, DEFAULT_SEED) if self.hold_out else None
        return {"kind": kind, "hold_out": hold_out, "overwrite": self.overwrite}


def lines_in(path: Path) -> bytes:
    """A file of choices. Raises InputError."""
    try:
        return read_small(path, MOST_CHOICE_BYTES)
    except OSError as error:
        raise InputError(f"The choices cannot be read ({error.strerror or error}): {path}") from error


def export_json(made: Exported) -> dict[str, Any]:
    """What was exported, as JSON."""
    return {
        "folder": str(made.folder),
        "hash": made.hash,
        "rows": made.rows,
        "train": made.train,
        "held_out": made.test,
        "left_out": dict(made.left_out),
    }


def print_export(report: Mapping[str, Any], project: Project) -> None:
    """Prints what was exported, if anything, and how to train on it."""
    if not (made := report.get("export")):
        return
    left = ", ".join(f"{safe(reason)}: {count}" for reason, count in made["left_out"].items())
    gone = f" (left out: {left})" if left else ""
    say(f"\n{made['train']} pairs{gone}, {made['held_out']} held out, in {safe_line(made['folder'], 300)}")
    off = "" if made["held_out"] else " --set eval_strategy=no"
    out, home = Path(made["folder"]), project.folder
    named = f"dataset_name={out.relative_to(home) if out.is_relative_to(home) else out}"
    train = f"smoltui train {shlex.quote(str(home))} --set {shlex.quote(named)}{off}"
    say(f"Train on them: {safe_line(train, 600)}")
