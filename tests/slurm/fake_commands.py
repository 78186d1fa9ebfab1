"""Slurm's commands as scripts that say what a test tells them, for tests that need no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest


class FakeCommands:
    """Scripts in a folder at the front of the PATH; each call is counted."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.delenv("SLURM_CONF", raising=False)
        self.says("sbatch", "4711")
        self.says("scontrol", "SlurmctldPort = 1\nClusterName             = here\n")

    def says(self, name: str, out: str = "", *, err: str = "", code: int = 0, seconds: float = 0) -> None:
        (self.folder / f"{name}.out").write_text(out)
        (self.folder / f"{name}.err").write_text(err)
        script = self.folder / name
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {self.folder}/{name}.calls\nenv > {self.folder}/{name}.env\nsleep {seconds}\n'
            f"cat {self.folder}/{name}.out\ncat {self.folder}/{name}.err >&2\nexit {code}\n"
        )
        script.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """The arguments of each call so far."""
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def env(self, name: str) -> dict[str, str]:
        """The environment of the last call."""
        lines = (self.folder / f"{name}.env").read_text().splitlines()
        return dict(line.partition("=")[::2] for line in lines)
