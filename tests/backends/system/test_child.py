"""Children that behave and children that do not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from smoltui.backends.system.child import LINE_LIMIT, Child, child_env, exit_in_words, running
from smoltui.errors import RunFailedError


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-S", "-c", code]


async def everything(child: Child) -> list[str]:
    return [line async for line in child.lines()]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_lines_of_both_pipes_and_the_exit_code(tmp_path: Path) -> None:
    """I get what it prints and what it complains about, in order, also a last line without an end."""
    code = "import sys; print('one'); print('two', file=sys.stderr); print(); sys.stdout.write('rest'); sys.exit(3)"
    async with running(python(code), tmp_path) as child:
        assert await everything(child) == ["one", "two", "", "rest"]
        assert child.exit_code == 3 and exit_in_words(3) == "exit code 3"


async def test_a_full_error_pipe_does_not_freeze_it(tmp_path: Path) -> None:
    """A megabyte of warnings, more than any pipe holds, is read like everything else."""
    code = "import sys\nfor i in range(20000): sys.stderr.write(f'{i:060d}\\n')\nprint('end')"
    async with running(python(code), tmp_path) as child:
        lines = await asyncio.wait_for(everything(child), 60)
    assert len(lines) == 20001 and lines[-1] == "end" and lines[19999] == f"{19999:060d}"


async def test_a_line_longer_than_any_buffer(tmp_path: Path) -> None:
    """A line of 17 MB is cut at the limit, and the next line is whole."""
    code = f"import sys; sys.stdout.write('x' * {LINE_LIMIT + (1 << 20)}); print(); print('next')"
    async with running(python(code), tmp_path) as child:
        first, second = await asyncio.wait_for(everything(child), 60)
    assert len(first) == LINE_LIMIT and second == "next"


async def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """Broken UTF-8 is marked, not an error."""
    async with running(python(r"import os; os.write(1, b'a\xff\n')"), tmp_path) as child:
        assert await everything(child) == ["a\ufffd"]


async def test_leaving_the_block_ends_a_stubborn_child_and_its_children(
    tmp_path: Path, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """A child that ignores SIGTERM, and the child it started, are gone when I leave."""
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "print(p.pid)\ntime.sleep(60)"
    )
    async with running(python(code), tmp_path) as child:
        grandchild = int(await anext(child.lines()))
        assert alive(child.process.pid) and alive(grandchild)
    assert child.exit_code == -signal.SIGKILL
    await wait_until(lambda: not alive(child.process.pid) and not alive(grandchild))


async def test_cancelling_the_reader_ends_the_child(tmp_path: Path) -> None:
    """Stopping the work in the app, or leaving it, leaves nothing behind."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        async with running(python("print('up'); import time; time.sleep(60)"), tmp_path) as child:
            async for _ in child.lines():
                started.set_result(child.process.pid)

    task = asyncio.create_task(read())
    pid = await asyncio.wait_for(started, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)


async def test_killed_from_outside(tmp_path: Path) -> None:
    """kill -9 of the child ends the reading immediately, and the signal is named."""
    async with running(python("print('up'); import time; time.sleep(60)"), tmp_path) as child:
        lines = child.lines()
        assert await anext(lines) == "up"
        os.kill(child.process.pid, signal.SIGKILL)
        assert [line async for line in lines] == []
        assert child.exit_code == -9
    assert "memory runs out" in exit_in_words(-9)


async def test_a_grandchild_that_holds_the_pipe(tmp_path: Path) -> None:
    """The child has ended; somebody it left behind keeps its output open. I do not wait for that."""
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "print(p.pid)"
    )
    async with asyncio.timeout(60), running(python(code), tmp_path) as child:
        lines = await everything(child)
        assert child.exit_code == 0
    os.kill(int(lines[0]), signal.SIGKILL)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """It says what could not be started."""
    with pytest.raises(RunFailedError, match="could not be started"):
        async with running(["/nowhere/python"], tmp_path):
            pass


def test_the_environment_leaves_a_core_and_keeps_offline_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal stays alive beside it, nothing is sent home, and being offline is the person's choice."""
    for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    env = child_env({"EXTRA": "1"})
    assert int(env["OMP_NUM_THREADS"]) == max(1, (os.cpu_count() or 1) - 1)
    assert env["HF_HUB_DISABLE_TELEMETRY"] == "1" and env["EXTRA"] == "1" and "HF_HUB_OFFLINE" not in env
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert child_env()["HF_HUB_OFFLINE"] == "1"
