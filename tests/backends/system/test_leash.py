"""Our children end with who started them, and import nothing from a project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from smoltui.backends.system import leash
from smoltui.backends.system.child import child_env, leashed, running
from smoltui.scripts import SCRIPTS
from tests.shadows import left_behind, put_shadows

Wait = Callable[..., Awaitable[None]]

PARENT = """
import asyncio, sys
from pathlib import Path
from smoltui.backends.system.child import leashed, running

async def main():
    async with running(leashed(*sys.argv[1:]), Path("/")) as child:
        async for line in child.lines():
            print(line, flush=True)

asyncio.run(main())
"""
CHILD = "import os, time\nprint(os.getpid(), flush=True)\nwhile True:\n    time.sleep(0.01)\n"


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_end(pid: int, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_gone(pid):
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.02)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """kill -9 of the app leaves nobody who could end its children, and none is left."""
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(60)
    await_end(child)


def test_a_child_ends_where_the_kernel_does_not_see_to_it(tmp_path: Path) -> None:
    """The thread that looks at the parent, in a process that is busy."""
    folder = str(Path(leash.__file__).parent)
    code = (
        f"import sys, os, threading; sys.path.append({folder!r}); import leash; leash.LOOK_SECONDS = 0.05\n"
        "threading.Thread(target=leash.watch, args=(os.getppid(),), daemon=True).start()\n"
        "print(os.getpid(), flush=True)\nwhile True: pass"
    )
    run = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {code!r}], start_new_session=True)"
    parent = subprocess.Popen([sys.executable, "-S", "-c", run], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not is_gone(child)
    parent.kill()
    parent.wait(60)
    await_end(child)


def test_a_child_whose_parent_was_gone_before_it_began_does_nothing(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    command = leashed(str(script))
    command[command.index(str(os.getpid()))] = "1"
    if os.getppid() != 1:
        assert subprocess.run(command, check=False, timeout=30).returncode in (1, -signal.SIGKILL)
        assert not (tmp_path / "ran").exists()


async def test_a_script_and_a_module_run_as_by_themselves(tmp_path: Path) -> None:
    """With their arguments, as __main__, and with their exit code."""
    script = tmp_path / "child.py"
    script.write_text("import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])\n    sys.exit(3)\n")
    async with running(leashed(str(script), "-m", "a b"), tmp_path) as child:
        assert [line async for line in child.lines()] == ["['-m', 'a b']"]
        assert child.exit_code == 3
    async with running(leashed("-m", "smoltui", "--version"), tmp_path) as child:
        assert "smoltui" in "".join([line async for line in child.lines()])


async def test_nothing_is_imported_from_the_folder_a_child_works_in(tmp_path: Path) -> None:
    """A project with files named like what we import: none is executed, even where a child is started in it."""
    put_shadows(tmp_path)
    (tmp_path / "set").mkdir()
    for target in (
        ["-m", "smoltui.backends.pairs.import_set", str(tmp_path / "set")],
        ["-m", "smoltui.backends.pairs.count_tokens", str(tmp_path / "set"), str(tmp_path)],
        ["-m", "smoltui", "recipe", "show", str(tmp_path), "--json"],
    ):
        async with running(leashed(*target), tmp_path) as child:
            assert "shadow" not in "".join([line async for line in child.lines()])
    assert not left_behind(tmp_path)


def test_a_command_started_in_a_project_imports_nothing_from_it(tmp_path: Path) -> None:
    """`python -m smoltui` in the folder itself; all but a module called smoltui, which Python finds before we run."""
    put_shadows(tmp_path, leave_out=("smoltui",))
    done = subprocess.run(
        [sys.executable, "-m", "smoltui", "pairs", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not left_behind(tmp_path)


@pytest.mark.parametrize("name", ["dpo.py", "generate.py"])
def test_scripts_find_their_neighbours_wherever_they_are_started(tmp_path: Path, name: str) -> None:
    """Python with -P does not look beside a script; and modules of those names in the folder it works in stay out."""
    put_shadows(tmp_path)
    script = SCRIPTS / name
    for flags in ([], ["-P"]):
        done = subprocess.run(
            [sys.executable, *flags, str(script), "--work-dir", str(tmp_path / "none")],
            cwd=tmp_path,
            env=child_env() | {"HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "ModuleNotFoundError" not in done.stderr and "shadow" not in done.stderr, done.stderr
        assert done.returncode == 2, "it says that there is no such folder or flag"
    assert not left_behind(tmp_path)
