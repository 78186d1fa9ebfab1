"""Records of runs that cannot be read: one row names the folder, each act ends in a sentence, everything else works."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.local import starting as local_starting
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import store as run_store
from smoltui.cli import runs as commands
from smoltui.core.runs.rerun import spec_of
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError, SmoltuiError
from tests.examples import examples

SPEC: dict[str, Any] = {
    "name": "good",
    "project": "/p",
    "recipe": "steps: 1",
    "output_dir": "/nowhere/out",
    "label": "l",
    "flavor": None,
    "timeout_seconds": None,
    "namespace": None,
    "labels": {"a": "b"},
    "overwrite": False,
    "left_out": [],
    "pairs_hash": None,
    "pairs_from": None,
    "checks": [],
    "side_by_side": False,
    "processes": 1,
    "strategy": "ddp",
    "created_at": 1.7e9,
    "log_key": "0123456789abcdef",
}
LAUNCH: dict[str, Any] = {
    "argv": ["x"],
    "cwd": "/p",
    "at": 1.7e9,
    "attempt": 1,
    "ticket": "/nowhere/000000000001-x",
    "side_by_side": False,
    "output_lock": "/nowhere/out/_smoltui.lock",
    "output_made": False,
    "resumed": "Resumed from step 1",
    "resumed_from": "/nowhere/out/checkpoint-1",
    "log_key": "0123456789abcdef",
    "earlier": [{"started_at": 1.0, "finished_at": 2.0}],
}
STATUS: dict[str, Any] = {
    "supervisor_pid": 999_999_99,
    "supervisor_started_at": 1.7e9,
    "attempt": 1,
    "queued_at": 1.7e9,
    "started_at": 1.7e9,
    "boot": "b",
    "started_up": 1.0,
    "child_pid": 999_999_98,
    "child_ticks": 5,
    "cancel_requested_at": 1.7e9,
    "pause_requested_at": 1.7e9,
    "finished_at": 1.7e9 + 60,
    "exit_code": -9,
    "error": "e",
    "disk_full": False,
}
FILES = {"spec.json": SPEC, "launch.json": LAUNCH, "status.json": STATUS}


def make(name: str = "00000001", **changed: object) -> Path:
    """A run that has ended, with other records where they are given (`spec_json=…`)."""
    folder = run_store.runs_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in FILES.items():
        (folder / file).write_text(json.dumps(changed.get(file.replace(".", "_"), data)))
    (folder / "log").write_text("the log is whole\n")
    return folder


async def every_act(engine: LocalEngine, run_id: str) -> list[SmoltuiError]:
    """All messages when everything possible is done with a run."""

    async def logs() -> None:
        async with aclosing(engine.follow(run_id, follow=False, tail=3)) as stream:
            async for _ in stream:
                pass

    said = []
    for act in (
        lambda: engine.cancel(run_id),
        lambda: engine.pause(run_id),
        lambda: engine.resume(run_id),
        logs,
        lambda: engine.inspect(run_id),
        lambda: engine.rerun(run_id),
    ):
        try:
            await act()
        except SmoltuiError as error:
            said.append(error)
    return said


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InputError("Nothing is started here")

    monkeypatch.setattr(local_starting, "lock_output", refuse)


def as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WRONG: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "deep": lambda path: path.write_bytes(b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "a little too deep": lambda path: path.write_bytes(b'{"x": ' + b"[" * 60 + b"]" * 60 + b"}"),
    "a list": lambda path: path.write_bytes(b"[]"),
    "a long number": lambda path: path.write_bytes(b'{"created_at": 1' + b"0" * 5000 + b', "exit_code": 1}'),
    "a directory": as_directory,
    "a pipe": as_pipe,
    "unreadable": lambda path: path.chmod(0),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("file", FILES)
async def test_one_row_names_the_folder_and_the_others_are_there(
    file: str, wrong: str, nothing_starts: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run's record is broken: I see which, the other runs are listed, and each act says it in a sentence."""
    if wrong == "unreadable" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    folder, engine = make(), LocalEngine()
    make("00000002")
    WRONG[wrong](folder / file)
    found = {run.id: run for run in await engine.list_runs()}
    bad, good = found["00000001"], found["00000002"]
    assert (good.name, good.stage, bad.stage) == ("good", Stage.CANCELED, Stage.ERROR)
    assert str(folder) in (bad.message or "") and file in (bad.hint or "")
    said = await every_act(engine, bad.id)
    assert len(said) == 6 if file == "spec.json" else len(said) >= 5
    assert all("\n" not in error.message and error.hint for error in said if "Nothing" not in error.message)
    await asyncio.to_thread(commands.ps, every=True, engine="local", filter_text="", quiet=False, as_json=False)
    assert str(folder)[:20] in capsys.readouterr().out
    (text,) = [e.text async for e in log_of(engine, bad.id) if hasattr(e, "text")]
    assert text == "the log is whole", "its log can be read all the same"


async def log_of(engine: LocalEngine, run_id: str) -> Any:
    async with aclosing(engine.follow(run_id, follow=False)) as stream:
        try:
            async for event in stream:
                yield event
        except InputError as error:
            assert "cannot be read" in error.message


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("status.json", "exit_code", "zero"),
        ("status.json", "supervisor_pid", -1),
        ("spec.json", "labels", [1]),
        ("spec.json", "recipe", 7),
        ("spec.json", "output_dir", "a\0b"),
        ("spec.json", "name", "\ud800"),
        ("spec.json", "created_at", 1e300),
        ("launch.json", "attempt", 0),
        ("launch.json", "earlier", [3]),
    ],
)
async def test_a_field_of_the_wrong_type_is_named(file: str, key: str, value: object) -> None:
    """Each kind of wrong value is one row; `kill` never gets a number that means many processes."""
    make(**{file.replace(".", "_"): {**FILES[file], key: value}})
    (run,) = await LocalEngine().list_runs()
    assert run.stage == Stage.ERROR and f"{file} is invalid: {key} has an unexpected value" in (run.hint or "")


async def test_a_record_of_another_version_is_read(nothing_starts: None) -> None:
    """It lacks fields and has others: that is no fault."""
    make(spec_json={"name": "old", "added": {"a": [1]}}, launch_json={}, status_json={"exit_code": 0, "more": None})
    (run,) = await LocalEngine().list_runs()
    assert run.name == "old" and "cannot be read" not in (run.message or "")


async def test_a_broken_run_that_is_alive_says_whom_to_end() -> None:
    """Its record is broken and it still trains: I read which process that is."""
    folder = make(status_json={**STATUS, "exit_code": "zero"})
    held = run_store.lock_run(folder)
    run = await LocalEngine().get(folder.name)
    os.close(held)
    assert f"kill -INT {os.getpid()}" in (run.hint or "")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just("\ud800")
    | st.just("a\0b")
    | st.sampled_from([1e300, -1, 0, 1, 2**70, "/", ".", "/nowhere"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CHANGES = st.lists(
    st.sampled_from([(file, key) for file, data in FILES.items() for key in data]), min_size=1, max_size=3
)


@examples(150)
@given(data=st.data(), where=CHANGES)
def test_whatever_stands_in_a_field_only_our_errors_are_raised(
    data: st.DataObject, where: list[tuple[str, str]]
) -> None:
    """Any JSON in any field: the list, each act and its row on the command line work or end in a sentence of ours."""
    changed = {file: dict(known) for file, known in FILES.items()}
    for file, key in where:
        changed[file][key] = data.draw(JSON)
    make(**{file.replace(".", "_"): known for file, known in changed.items()})
    engine = LocalEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_starting, "lock_output", _refuse)

        async def everything() -> Run:
            (run,) = await engine.list_runs()
            for error in await every_act(engine, run.id):
                assert error.message
            return run

        run = asyncio.run(everything())
    assert isinstance(run.id, str) and json.dumps(run.summary())
    assert run.duration(1.8e9) is None or (run.duration(1.8e9) or 0) >= 0
    commands.print_run(run, False)
    spec_of(changed["spec.json"])


def _refuse(*_: object, **__: object) -> None:
    raise InputError("Nothing is started here")


@given(value=JSON, key=st.sampled_from(sorted(SPEC)))
def test_a_specification_is_whole_or_none(value: object, key: str) -> None:
    """`spec_of` returns a specification with the right types, or None."""
    spec = spec_of({**SPEC, key: value})
    assert spec is None or (
        isinstance(spec.name, str) and isinstance(spec.left_out, tuple) and dict(spec.labels) is not None
    )
