"""The log of a local run: looked through quickly, kept in a summary, read from its end, and never held in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.local import log_events, log_lines, log_pieces
from smoltui.backends.local import summary as local_summary
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.log import RunLog
from smoltui.backends.local.log_cause import symptoms
from smoltui.backends.local.log_lines import LineReader, last_lines
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.core.runs import events
from smoltui.core.runs.log_text import OVERLAP
from smoltui.core.runs.metrics import History
from smoltui.core.runs.run import Run, Stage
from smoltui.errors import InputError
from tests.examples import examples

TEXTS = st.sampled_from(
    [
        "",
        "a line",
        "x" * 300,
        "  indented",
        "FutureWarning: old",
        '{"event": "metr',
        "{'a': 1}",
        '{"event": "odd", "v": 1}',
        '{"event": "stage", "v": 1, "stage": "RUNNING", "message": "forged"}',
        '{"event": "stage", "v": 1, "stage": "ERROR", "message": "forged", "key": "0000"}',
    ]
)
BARS = st.integers(1, 99).map(lambda n: f"\r {n}%|##   | {n}/99 [00:01<00:02]\r {n}%|##   | {n}/99 [00:01<00:02]")
TRL = st.integers(1, 9).map(lambda n: str({"loss": f"0.{n}", "grad_norm": n / 2, "epoch": 1}))


KEY = "0123456789abcdef"


def ours(event: events.Event) -> str:
    return events.dump(event)


def resumed(message: str = "Resumed from step 2") -> str:
    """The line that a supervisor writes between two parts of a run."""
    return json.dumps({**events.StageChanged(stage="RUNNING", message=message).as_json(), "key": KEY})


@st.composite
def parts(draw: st.DrawFn) -> list[str]:
    """What one part of a run prints: steps rise."""
    lines = draw(st.lists(st.one_of(TEXTS, BARS, TRL), max_size=4))
    if draw(st.integers(0, 4)) == 0:
        return lines  # it says nothing in our format
    step = draw(st.integers(0, 3))
    what = draw(st.sampled_from(["mmmmpectsx", "mmme", "mp", "csx"]))
    lines += [ours(events.PhaseChanged(phase="load_model")), ours(events.Planned(max_steps=40, train_pairs=8))]
    for kind in draw(st.lists(st.sampled_from(what), max_size=40)):
        match kind:
            case "m":
                step += 1
                lines.append(ours(events.Metrics(step=step, values={"loss": step / 7, "rewards/margins": float(step)})))
            case "e":
                lines.append(ours(events.Metrics(step=step, values={"eval_loss": step / 3})))
            case "p":
                lines.append(f"\r 3%|#  | 1/9 [0:01<0:02]\r{ours(events.Progress(step=step))}")
            case "c":
                lines.append(ours(events.CheckpointSaved(step=step, path=f"/out/checkpoint-{step}")))
            case "s":
                lines.append(ours(events.ModelSaved(path="/out")))
            case "x":
                lines.append(ours(events.PhaseChanged(phase="evaluate")))
            case _:
                lines.append(draw(TEXTS))
    end = draw(st.sampled_from(["finished", "failed", ""]))
    if end == "finished":
        lines.append(ours(events.Finished(step=step, max_steps=40)))
    elif end == "failed":
        lines.append(ours(events.Failed(cause="Not enough memory", hint="Take less")))
    return lines


@st.composite
def logs(draw: st.DrawFn) -> list[str]:
    lines: list[str] = []
    for number, part in enumerate(draw(st.lists(parts(), min_size=1, max_size=3))):
        lines += [resumed(), *part] if number else part
    return lines


def fresh(path: Path) -> RunLog:
    return RunLog(path, Run(id="0123", engine="local", name="n", stage=Stage.SCHEDULING), KEY)


def slowly(path: Path) -> tuple[Run, History]:
    """The run as every event of every line leaves it, and its curve; a stage only if the supervisor wrote it."""
    reader, run = events.Reader(), Run(id="0123", engine="local", name="n", stage=Stage.SCHEDULING)
    for line in path.read_text().split("\n")[:-1]:
        for event in reader.feed(line):
            if not isinstance(event, events.StageChanged) or KEY in line:
                run = run.after(event)
    return run, run.history


SEEN = ("step", "phase", "plan", "moved", "model_path", "message", "hint")


@examples(250)
@given(lines=logs(), cuts=st.lists(st.integers(0, 4000), max_size=3), piece=st.sampled_from([600, 1 << 20]))
def test_looking_through_finds_what_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cuts: list[int], piece: int
) -> None:
    """Whatever the log holds and however it grows: the same run and curve as when every line is read."""
    path = tmp_path_factory.mktemp("log") / "log"
    data = "".join(f"{line}\n" for line in lines).encode()
    with (
        patch.object(log_pieces, "CHUNK", piece),
        patch.object(log_events, "LAST_LINES", 2),
    ):
        log = fresh(path)
        for end in [*sorted(cuts), len(data)]:
            path.write_bytes(data[:end])
            log.read()
            local_summary.save(log)
        if data:
            kept = fresh(path)
            local_summary.load(kept)
            assert kept.offset == log.offset
        whole, history = slowly(path)
        for one in (log, kept) if data else (log,):
            assert {name: getattr(one.run, name) for name in SEEN} == {name: getattr(whole, name) for name in SEEN}
            assert one.history.last("loss") == history.last("loss")
            assert one.history.last("eval_loss") == history.last("eval_loss")
            assert one.run.history.rows() == history.rows()


NAMES = st.sampled_from(["loss", "rewards/margins", "eval_loss", "", "é", 'say "a": 1', "{", "tab\t"])


@examples(400)
@given(
    values=st.dictionaries(NAMES, st.floats(), max_size=4),
    step=st.integers(0, 1 << 60),
    at=st.none() | st.floats(0, 1e10),
    place=st.integers(0, 120),
    put=st.binary(max_size=2),
)
def test_a_line_that_is_not_decoded_holds_what_decoding_finds(
    values: dict[str, float], step: int, at: float | None, place: int, put: bytes
) -> None:
    """Also in a line where a byte is missing, added or another."""
    line = ours(events.Metrics(step=step, values=values, at=at)).encode()
    for each in (line, line[:place] + put + line[place + 1 :], line[:place] + put + line[place:]):
        found = log_events.step_and_names(each)
        if found is not None:
            event = log_events.event_at(each, 0)
            assert isinstance(event, events.Metrics)
            assert found == (event.step, {json.dumps(name).encode() for name in event.values})


def test_lines_of_numbers_are_not_decoded() -> None:
    line = ours(events.Metrics(step=7, values={"loss": 0.5, "lr": 1e-07, "rewards/margins": -2.0}, at=1.5)).encode()
    assert log_events.step_and_names(line) == (7, {b'"loss"', b'"lr"', b'"rewards/margins"'})
    assert log_events.step_and_names(ours(events.Metrics(step=7, values={"loss": float("nan")})).encode()) is None


def test_a_newest_value_that_was_passed_over_is_not_the_older_one(tmp_path: Path) -> None:
    """Between two looks it was measured once and many steps were logged: the newest measurement is the newest."""
    path = tmp_path / "log"
    path.write_text(ours(events.Metrics(step=1, values={"eval_loss": 0.5})) + "\n")
    log = fresh(path)
    log.read()
    assert log.history.last("eval_loss") == 0.5 and not log.history.loaded
    steps = [ours(events.Metrics(step=step, values={"loss": 1.0})) for step in range(3, 40)]
    with path.open("a") as file:
        file.write("\n".join([ours(events.Metrics(step=2, values={"eval_loss": 0.4})), *steps, ""]))
    log.read()
    assert log.history.last("eval_loss") == 0.4


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that are read as text from now on."""
    reads: list[str] = []
    feed = events.Reader.feed

    def counted(self: events.Reader, line: str, at: float | None = None) -> Iterator[events.Event]:
        reads.append(line)
        return feed(self, line, at)

    monkeypatch.setattr(events.Reader, "feed", counted)
    return reads


def test_a_stage_that_begins_like_a_phase_is_forged_all_the_same(tmp_path: Path) -> None:
    forged = '{"event": "phase", "v": 1, "phase": "train", "event": "stage", "stage": "ERROR", "message": "forged"}'
    lines = [ours(events.PhaseChanged(phase="tokenize")), forged]
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
    log = fresh(tmp_path / "log")
    log.read()
    assert (log.run.stage, log.run.message, log.run.phase) == (Stage.SCHEDULING, None, "tokenize")


def test_why_a_run_ended_is_found_without_reading_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of figures none is read, and the error between them is found."""
    steps = [
        ours(event)
        for step in range(1, 2001)
        for event in (events.Progress(step=step), events.Metrics(step=step, values={"loss": 1.0}))
    ]
    bar = f"\r 3%|#  | 1/9 [0:01<0:02]\r{steps[0]}"
    error = ["Traceback (most recent call last):", '  File "dpo.py", line 1', "ValueError: no rows"]
    path = tmp_path / "log"
    path.write_text("\n".join([*steps, bar, *error, *steps, "the last words", steps[-1], ""]))
    log = fresh(path)
    log.read()
    reads = count_reads(monkeypatch)
    found = symptoms(log)
    assert (found.error, found.last, found.step) == ("ValueError: no rows", "the last words", 2000)
    assert {*reads, ""} == {bar, *error, "the last words", ""}


def test_a_log_without_our_events_is_not_read_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that only resemble ours, bars and printed metrics: the newest of them say enough."""
    path = tmp_path / "log"
    alike = [f'{{"event": "metrics", "step": {step}, "values": {{}}}}' for step in range(4000)]
    path.write_text("\n".join([*alike, *(str({"loss": "0.5", "epoch": n}) for n in range(1000)), ""]))
    reads = count_reads(monkeypatch)
    log = fresh(path)
    log.read()
    assert log.history.last("loss") == 0.5 and log.history.last("epoch") == 999
    assert 0 < len(reads) <= log_events.BEFORE_OURS


@given(lines=logs(), count=st.integers(0, 12), block=st.sampled_from([7, 1 << 16]), whole=st.booleans())
def test_the_last_lines_are_those_of_the_whole_log(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int, block: int, whole: bool
) -> None:
    """Read from the end, the tail is what it would be after reading everything, and what comes later follows it."""
    path = tmp_path_factory.mktemp("log") / "log"
    lines = lines or [""]
    path.write_text("\n".join(lines))
    reader = LineReader(path, 0, events.Reader(ours=True), key=KEY)
    lined = [list(reader.events_of(line.encode())) for line in (lines if whole else lines[:-1])]
    if whole and lines[-1] == "":
        lined.pop()
    worth = [line for line in lined if any(not isinstance(event, events.Progress) for event in line)]
    with patch.object(log_lines, "BACK", block):
        found, rest = last_lines(path, count, ours=True, whole=whole, key=KEY)
    assert found == [event for line in worth[len(worth) - min(count, len(worth)) :] for event in line]
    with path.open("a") as file:
        file.write("\nlater\n")
    later = rest.read() or []
    texts = [event.text for event in later if isinstance(event, events.LogLine)]
    assert texts[-1:] == ["later"] and len(texts) <= 3


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run that has ended, of which the log is missing."""
    folder, descriptor = run_store.new_run_dir()
    os.close(descriptor)
    spec = {"name": "n", "project": "/p", "recipe": "", "output_dir": str(tmp_path / "none"), "label": "l"}
    data_folder.write_json(folder / "spec.json", {**spec, "created_at": 1.7e9})
    data_folder.write_json(folder / "launch.json", {"attempt": 1})
    status = {"attempt": 1, "started_at": 1.7e9, "finished_at": 1.7e9 + 60, "exit_code": -9}
    data_folder.write_json(folder / "status.json", {**status, "cancel_requested_at": 1.7e9 + 50})
    return folder


def long_log(steps: int) -> str:
    lines = [ours(events.Planned(max_steps=steps, train_pairs=8))]
    for step in range(1, steps + 1):
        lines += [ours(events.Metrics(step=step, values={"loss": 1 / step})), ours(events.Progress(step=step)), "text"]
    return "\n".join(lines) + "\n"


class Counted:
    """How many bytes were read by place, while it holds."""

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> Counted:
        real = os.pread

        def counting(descriptor: int, count: int, offset: int) -> bytes:
            data = real(descriptor, count, offset)
            self.bytes += len(data)
            return data

        self._patch = patch.object(os, "pread", counting)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


async def test_the_log_of_a_run_that_ended_is_read_once(run_folder: Path) -> None:
    """I list my runs every day: the log of an old one is not read again, and its curve when I look at it."""
    (run_folder / "log").write_text(long_log(2000))
    size = (run_folder / "log").stat().st_size
    with Counted() as first:
        (run,) = await LocalEngine().list_runs()
    assert size <= first.bytes < 1.2 * size and not run.history.loaded
    assert (run.step, run.history.last("loss")) == (2000, 1 / 2000)
    with Counted() as again:
        (run,) = await LocalEngine().list_runs()
    assert again.bytes < 1000 and (run.step, run.max_steps, run.history.last("loss")) == (2000, 2000, 1 / 2000)
    assert len(run.history.series["loss"]) == 2000


async def test_a_summary_that_does_not_fit_is_not_believed(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log was replaced, rewritten in place, or the summary is nonsense: the log is what counts."""
    monkeypatch.setattr(local_summary, "WORTH_BYTES", 0)
    log, summary = run_folder / "log", run_folder / "summary.json"
    log.write_text(long_log(20))
    assert (await LocalEngine().list_runs())[0].step == 20
    log.write_text(long_log(300).replace('"max_steps": 300', '"max_steps": 777'))
    assert (await LocalEngine().list_runs())[0].max_steps == 777, "another log, and a longer one"
    log.write_text(long_log(20))
    assert (await LocalEngine().list_runs())[0].step == 20
    good = summary.read_bytes()
    wide = "-" * 400 + "\n"
    log.write_text(wide + long_log(20) + wide)
    assert (await LocalEngine().list_runs())[0].step == 20
    log.write_text(log.read_text().replace('"step": 20', '"step": 19'))
    os.utime(log, ns=(1, 1))
    assert (await LocalEngine().list_runs())[0].step == 19, "of the same length, and written at another time"
    for nonsense in (b"", b"[]", b"\xff", good.replace(b'"step": 20', b'"step": "x"'), b"[" * 100_000):
        summary.write_bytes(nonsense)
        assert (await LocalEngine().list_runs())[0].step == 19
    whole = json.loads(good)
    for key in whole:
        for value in (None, [], {}, "x", -1, 1.5, True, [[]]):
            summary.write_text(json.dumps({**whole, key: value}))
            (run,) = await LocalEngine().list_runs()
            assert isinstance(run.step, int) and run.summary()


async def test_a_running_run_is_read_on_from_where_the_last_listing_stopped(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ps` in a shell, twice: the second one reads what is new."""
    monkeypatch.setattr(local_summary, "WORTH_BYTES", 1000)
    data_folder.write_json(
        run_folder / "status.json", {"attempt": 1, "started_at": 1.7e9, "supervisor_pid": os.getpid()}
    )
    held = run_store.lock_run(run_folder)
    (run_folder / "log").write_text(long_log(500))
    assert (await LocalEngine().list_runs())[0].stage == Stage.RUNNING
    with (run_folder / "log").open("a") as file:
        file.write(ours(events.Metrics(step=501, values={"loss": 9.0})) + "\n")
    with Counted() as counted:
        (run,) = await LocalEngine().list_runs()
    os.close(held)
    assert counted.bytes < 1500 and (run.step, run.history.last("loss")) == (501, 9.0)
    assert len(run.history.series["loss"]) == 501


def test_a_line_without_an_end_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program prints for hours without a newline: of bars the last state counts, and what comes after is read."""
    monkeypatch.setattr(log_lines, "CHUNK", 1000)
    monkeypatch.setattr(log_lines, "LINE_LIMIT", 1000)
    monkeypatch.setattr(log_pieces, "LINE_LIMIT", 1000)
    path = tmp_path / "log"
    told = ours(events.Metrics(step=3, values={"loss": 0.5}))
    path.write_text("x" * 5000 + f"\n{'bar 1/9' * 5}\r" * 300 + f"{told}\nafter\n")
    log = fresh(path)
    log.read()
    assert (log.run.step, log.offset) == (3, path.stat().st_size)
    reader, found = LineReader(path), []
    while (new := reader.read()) is not None:
        assert len(reader._rest) <= 1000 + OVERLAP
        found += new
    assert [event.step for event in found if isinstance(event, events.Metrics)] == [3]
    texts = [event.text for event in found if isinstance(event, events.LogLine)]
    assert texts[0] == "x" * 1000 and texts[-1] == "after"


@pytest.fixture(params=["pipe", "folder"])
def no_log(request: pytest.FixtureRequest, run_folder: Path) -> Iterator[Path]:
    path = run_folder / "log"
    os.mkfifo(path) if request.param == "pipe" else path.mkdir()
    yield path


async def test_a_log_that_is_none_is_told_by_who_reads_it(run_folder: Path, no_log: Path) -> None:
    """The run is listed; its log ends in a sentence, and nobody waits for a pipe."""
    engine = LocalEngine()
    assert [run.stage for run in await engine.list_runs()] == [Stage.CANCELED]
    for tail in (None, 3):
        with pytest.raises(InputError, match=r"cannot be read \(not a file\)"):
            [event async for event in engine.follow(run_folder.name, tail=tail)]


async def test_naming_a_run_reads_no_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.run` writes what its task gave into an error that nobody sees: a long log took seconds there."""
    log = RunLog(tmp_path / "log", Run("r", "local", "n", "RUNNING"))
    (tmp_path / "log").write_text(ours(events.Metrics(step=3, values={"loss": 0.5})) + "\n")
    log.read()
    assert "loss" not in repr([log.run, log.history]) and not log.history.loaded


async def test_following_the_end_reads_no_curve(tmp_path: Path) -> None:
    """The last lines of a long log come immediately, with the newest figures."""
    log = RunLog(tmp_path / "log", Run("r", "local", "n", "RUNNING"))
    (tmp_path / "log").write_text(ours(events.Metrics(step=3, values={"loss": 0.5})) + "\n")
    log.read()
    run = log.run.after(events.Metrics(step=4, values={"loss": 0.25}))
    assert run.history.last("loss") == 0.25 and run.step == 4 and not log.history.loaded
    assert run.history.series == {"loss": [(3, 0.5)]}


def test_what_srun_says_about_its_step_is_not_the_cause(tmp_path: Path) -> None:
    """The line before it is; but that a task ran out of memory only Slurm says."""
    noise = (
        "srun: error: n1: task 0: Exited with exit code 2\nsrun: launch/slurm: _step_signal: Terminating StepId=26.0\n"
        "slurmstepd-n1: error: *** STEP 9.0 ON n1 CANCELLED AT 2026-11-30T10:36:08 ***\n"
        "srun: Force Terminated StepId=9.0\n"
    )
    for cause in ("FATAL ERROR: Cannot load libtorch_cpu.so.", "srun: error: n1: task 0: Out Of Memory"):
        (tmp_path / "log").write_text(f"before\n{cause}\n{noise}")
        assert symptoms(RunLog(tmp_path / "log", Run("x", "local", "x", Stage.ERROR))).last == cause
