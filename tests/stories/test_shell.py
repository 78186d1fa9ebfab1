"""In the shell: help in whole sentences, suggestions, completions in real shells, the manual page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from smoltui.cli.completions import INSTALL
from smoltui.cli.main import run, smoltui
from tests.benchmarks.terminal import Terminal

RUN = "5ea1f00d"


def known_run(home: Path, name: str = "my first run") -> None:
    folder = home / "smoltui" / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"name": name}))


# -- help


def commands(group: click.Group, path: Sequence[str] = ()) -> list[list[str]]:
    """The words of every command, groups included."""
    found = [[*path]]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, [*path, name])
        elif not command.hidden:
            found.append([*path, name])
    return found


def test_no_help_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """I read each command's help at 80 columns: no line is wider, and no sentence ends in three dots."""
    paths = commands(smoltui)
    assert len(paths) > 30
    for path in paths:
        assert run([*path, "--help"]) == 0
        said = capsys.readouterr().out
        lines = [line for line in said.splitlines() if not line.startswith("Usage:")]
        assert not [line for line in lines if len(line) > 80 or re.search(r"[a-z,]\.\.\.$", line)], path
    assert run(["-h"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Create a project that trains within a minute on any CPU, and open the app on it. new" in said
    assert all(heading in said for heading in ("Projects:", "Training:", "Evaluation:", "Publishing:", "Help:"))


def test_every_command_is_in_one_section() -> None:
    placed = [command.name for section in smoltui.sections.values() for command in section]
    assert placed == list(smoltui.commands)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trian", "Did you mean train?"),
        ("trian --help", "Did you mean 'train'?"),
        ("recipe shw", "Did you mean 'show'?"),
        ("train --sede 3", "'--seed'"),
        ("train --on hbu", "Did you mean hub?"),
        ("new x --preset course-locl", "Did you mean course-local"),
        ("docs recpie", "Did you mean recipe?"),
        ("logs 5ea1f0d0", f"Did you mean {RUN}?"),
        (f"logs {RUN[:4]}", f"Did you mean {RUN}?"),
        ("inspect my-run", f"Did you mean {RUN} (my-run)?"),
        ("completions bahs", "Did you mean bash?"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    typed: str,
    meant: str,
    own_machine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known_run(own_machine, "my-run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is there
    assert run(typed.split()) in (2, 3)
    assert meant in capsys.readouterr().err


# -- completions


def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str) -> list[str]:
    """What bash is offered for the last word, which may be empty."""
    words = typed.split(" ")
    monkeypatch.setenv("_SMOLTUI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    assert run([]) == 0
    said = capsys.readouterr()
    assert not said.err
    return said.out.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("smoltui trai", ["dir,trai", "plain,train"]),
        ("smoltui recipe c", ["plain,check", "plain,command"]),
        ("smoltui train --ove", ["plain,--overwrite"]),
        ("smoltui train --on ", ["plain,local", "plain,hub"]),
        ("smoltui train --flavor h200x", ["plain,h200x2", "plain,h200x4", "plain,h200x8"]),
        ("smoltui new there --preset course-", ["plain,course-local", "plain,course-jobs"]),
        ("smoltui docs held", ["plain,held-out"]),
        ("smoltui logs 5e", [f"plain,{RUN}"]),
        ("smoltui card --run ", [f"plain,{RUN}"]),
        ("smoltui cancel other ", [f"plain,{RUN}"]),
        ("smoltui pairs my", ["file,my"]),
        ("smoltui train my", ["dir,my"]),
    ],
)
def test_the_last_word_is_completed(
    typed: str,
    offered: list[str],
    own_machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known_run(own_machine)
    found = completed(monkeypatch, capsys, typed)
    assert [each for each in found if each in offered] == offered
    assert len(found) == len(offered) or typed.endswith("--on ")  # there may be more engines


def test_completing_loads_nothing_heavy_and_asks_nobody() -> None:
    env = {**os.environ, "_SMOLTUI_COMPLETE": "zsh_complete", "COMP_WORDS": "smoltui logs ", "COMP_CWORD": "2"}
    code = (
        "import sys\n"
        "sys.addaudithook(lambda event, _: sys.exit('asked') if event.startswith(('socket.', 'subprocess.')) else 0)\n"
        "from smoltui.cli.main import run\n"
        "run([])\n"
        "print({'textual', 'huggingface_hub', 'httpx2', 'pyarrow', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_a_broken_completion_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_machine: Path
) -> None:
    """A file stands where the folder of runs is: pressing tab shows no traceback; an unknown shell neither."""
    (own_machine / "smoltui").mkdir()
    (own_machine / "smoltui" / "runs").write_text("a file")
    assert completed(monkeypatch, capsys, "smoltui logs ") == []
    monkeypatch.setenv("_SMOLTUI_COMPLETE", "tcsh_complete")
    assert run([]) == 2
    monkeypatch.setenv("_SMOLTUI_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_CWORD", "nonsense")
    assert run([]) == 1
    assert capsys.readouterr() == ("", "")


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SETUP = {
    "bash": "source {script}",
    "zsh": "autoload -U compinit && compinit -u -D && source {script}",
    "fish": "source {script}",
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes(
    shell: str, own_machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """I install the completions, type half a command and press tab; then an option's value, then a run's id."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    known_run(own_machine)
    assert run(["completions", shell]) == 0
    script = tmp_path / f"smoltui.{shell}"
    script.write_text(capsys.readouterr().out)
    program = tmp_path / "bin" / "smoltui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m smoltui "$@"\n')
    program.chmod(0o755)
    # "$ " in a title or an answer of the shell is not its prompt.
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PS1": "ready> ", "PROMPT": "ready> "}
    with Terminal(SHELLS[shell], (100, 30), env) as terminal:
        terminal.settle(0.3, 5)
        terminal.send(SETUP[shell].format(script=script).encode() + b" && echo set''up\r")
        terminal.wait_for("setup$|setup\\s*\n", 20)
        for typed, shown in (
            ("smoltui insp\t", "smoltui inspect"),
            (f"{RUN[:3]}\t", f"smoltui inspect {RUN}"),
            ("\x15smoltui train --fla\t", "smoltui train --flavor"),
            ("h200x8\t", "smoltui train --flavor h200x8"),
        ):
            terminal.settle(0.2, 5)
            terminal.send(typed.encode())
            assert terminal.shown_after(shown, 20) is not None, terminal.text()


def test_the_script_is_printed_and_on_a_terminal_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.terminal_text import run_in_terminal

    for shell in INSTALL:
        assert run(["completions", shell]) == 0
        said = capsys.readouterr()
        assert f"{shell}_complete" in said.out and not said.err
        code, shown = run_in_terminal(monkeypatch, ["completions", shell])
        assert code == 0 and f"open a new shell: {INSTALL[shell]}" in shown.decode()


# -- the manual page


def test_the_manual_page_has_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["man"]) == 0
    page = capsys.readouterr().out.replace(r"\-", "-")
    for path in commands(smoltui):
        assert f'.SS "{" ".join(["smoltui", *path])}' in page or not path
    assert "--hold-out" in page and ".SH NAME" in page and "SMOLTUI_HOME" in page
    requests = {line.split()[0] for line in page.splitlines() if line.startswith(".")}
    assert requests == {".TH", ".nh", ".ad", ".SH", ".B", ".br", ".PP", ".SS", ".TP"}


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_the_manual_page_renders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`smoltui man | man -l -`: no warning, sections and options as people know them."""
    assert run(["man"]) == 0
    source = tmp_path / "smoltui.1"
    source.write_text(capsys.readouterr().out)
    env = {**os.environ, "MANWIDTH": "80", "LANG": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(["man", "--warnings", "-l", source], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(".\b", "", done.stdout)
    assert re.search(r"^ {3}smoltui train \[OPTIONS\] \[FOLDER\]\n {7}Train the recipe and follow", text, re.MULTILINE)
    assert re.search(r"^ {7}--flavor FLAVOR\n {14}Hardware of the Job\.", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80
