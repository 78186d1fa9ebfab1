"""Following a log: nothing lost, nothing duplicated, closed immediately. The server here is a script of connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoltui.backends.jobs import line_merge
from smoltui.backends.jobs import log_merge as log_stream
from smoltui.backends.jobs.line_merge import Missing
from smoltui.backends.jobs.log_merge import Line, Note, follow_lines
from smoltui.core.foreign.server_values import moment_in
from smoltui.errors import NotFoundOnHubError, PermissionDeniedError, RateLimitedError, SmoltuiError, UnreachableError

Log = Sequence[tuple[str, str]]


def at(second: float) -> str:
    return f"2026-05-12T14:{int(second) // 60:02}:{second % 60:06.3f}Z"


def wire(log: Log) -> bytes:
    return b"".join(
        b"data: " + json.dumps({"data": text, "timestamp": when}, ensure_ascii=False).encode() + b"\n\n"
        for when, text in log
    )


@dataclass
class Script:
    """A log, and each connection to it: bytes, then an error, an end (None) or silence forever."""

    connections: list[tuple[bytes, SmoltuiError | str | None]]
    ends_after: int = 0
    """The run has ended once so many connections were opened."""
    chunk: int = 7
    now: float = 4e9
    opened: int = 0
    closed: int = 0
    checks: int = 0
    tails: list[int | None] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    check_problems: list[SmoltuiError] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, tail: int | None) -> AsyncIterator[Script]:
        self.tails.append(tail)
        data, end = self.connections[min(self.opened, len(self.connections) - 1)]
        self.opened += 1
        if not data and isinstance(end, SmoltuiError):
            raise end
        self.chunks = self._chunks(data, end)
        try:
            yield self
        finally:
            self.closed += 1

    async def _chunks(self, data: bytes, end: SmoltuiError | str | None) -> AsyncIterator[bytes]:
        for start in range(0, len(data), self.chunk):
            yield data[start : start + self.chunk]
        if isinstance(end, SmoltuiError):
            raise end
        if end is not None:
            while True:
                await asyncio.sleep(0.01)
                yield b": keep-alive\n\n"

    async def check(self) -> None:
        self.checks += 1
        if self.check_problems:
            raise self.check_problems.pop(0)
        if self.opened >= self.ends_after:
            self.over.set()


BROKEN = UnreachableError("broken")


async def soon(seconds: float) -> None:
    await asyncio.sleep(0)


async def followed(script: Script, *, tail: int | None = None, follow: bool = True) -> list[str]:
    """The texts, in order."""
    lines = follow_lines(script, follow=follow, tail=tail, sleep=soon)
    return [item.text async for item in lines if isinstance(item, Line)]


LOG = [(at(n / 2), f"line {n}") for n in range(40)]
TEXTS = [text for _, text in LOG]


async def test_a_stream_that_is_cut_twice_and_while_the_job_ends() -> None:
    """The network breaks twice, the Job ends while it is broken, and I still read every line, each once."""
    cut = [(wire(LOG[:10]), BROKEN), (wire(LOG[:25]), BROKEN), (wire(LOG), None)]
    script = Script(cut, ends_after=2)
    assert await followed(script) == TEXTS
    assert script.opened == script.closed == 4, "and the last reading brought nothing new"


async def test_what_looks_like_the_end_may_be_a_cut() -> None:
    """A proxy closes the stream politely in the middle; the log is read once more before I am told that it is all."""
    script = Script([(wire(LOG[:12]), None), (wire(LOG), None)], ends_after=1)
    assert await followed(script) == TEXTS


@pytest.mark.parametrize("end", [BROKEN, None])
async def test_a_cut_in_the_middle_of_a_line(end: SmoltuiError | None) -> None:
    """Half a line is not shown; it comes whole with the next connection, whichever way the first one ended."""
    half = wire(LOG[:7]) + b'data: {"data":"line 7 is cut in the mi'
    assert await followed(Script([(half, end), (wire(LOG), None)], ends_after=1)) == TEXTS


async def test_a_server_that_forgot_the_beginning_and_lines_of_the_same_moment() -> None:
    """The replay is shorter than before, and in another order within one moment: new lines are still told from old."""
    log = [(at(0), "first")] + [(at(1), f"same moment {n}") for n in range(6)] + [(at(2), "a"), (at(3), "b")]
    shuffled = [log[3], log[1], log[2], *log[4:]]
    script = Script([(wire(log[:4]), BROKEN), (wire(shuffled), None), (wire(log), None)], ends_after=2)
    assert sorted(await followed(script)) == sorted(text for _, text in log)


async def test_equal_lines_of_the_same_moment_are_counted() -> None:
    """Forty times the same words in the same millisecond are forty lines, also over a cut."""
    log = [(at(0), "same")] * 40
    script = Script([(wire(log[:15]), BROKEN), (wire(log), None)], ends_after=2)
    assert await followed(script) == ["same"] * 40


async def test_a_service_that_is_down_or_refuses_for_a_while() -> None:
    """503, then too many requests, then a stage that cannot be asked: I see that it waits, and then all the lines."""
    busy = RateLimitedError("rate limit", retry_after=7)
    script = Script([(wire(LOG[:5]), BROKEN), (b"", BROKEN), (b"", busy), (wire(LOG), None)], ends_after=4)
    script.check_problems = [BROKEN, busy]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    items = [item async for item in follow_lines(script, sleep=sleep)]
    assert [item.text for item in items if isinstance(item, Line)] == TEXTS
    notes = [item for item in items if isinstance(item, Note)]
    assert [note.retry_in for note in notes[:-1]] == waits
    assert notes[-1].retry_in is None, "the last word is that it is connected again"
    assert waits[2] >= 8, "the server's own wait is kept to"
    assert 0.1 < waits[0] < 0.3 and 0.8 < waits[1] < 1.2


async def test_the_waits_grow_to_half_a_minute() -> None:
    """A Hub that is down for long is not hammered."""
    script = Script([(b"", BROKEN)] * 12 + [(wire(LOG), None)], ends_after=13)
    script.check_problems = [BROKEN] * 11  # nothing is asked after the first cut
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    assert len([item async for item in follow_lines(script, sleep=sleep) if isinstance(item, Line)]) == len(LOG)
    assert all(25 < wait < 35 for wait in waits[7:])


async def test_strange_line_ends_and_broken_json_are_text_like_any_other() -> None:
    """U+0085 and U+2028 stand inside a line, and what is not JSON is shown as it came, once."""
    strange = [(at(0), "nel \u0085 in"), (at(1), "ls \u2028 ps \u2029 out"), (at(2), "lone \ud83d half")]
    body = wire(strange[:2]) + b'data: {"data":"lone \\ud83d half","timestamp":"' + at(2).encode() + b'"}\r\n\r\n'
    body += b'data: {"data": "cut\n\n' + b"data:{}\n\n" + b": keep-alive\n\nevent: x\nid: 3\n" + wire([(at(3), "end")])
    script = Script([(body, BROKEN), (body, None)], ends_after=1)
    assert await followed(script) == [
        "nel \u0085 in",
        "ls \u2028 ps \u2029 out",
        "lone \ufffd half",
        '{"data": "cut',
        "{}",
        "end",
    ]


@pytest.mark.parametrize(
    ("again", "missing"),
    [
        (LOG, []),  # the whole log
        (LOG[5:], []),  # its end, which repeats lines
        (LOG[15:], [(moment_in(at(4.5)), moment_in(at(7.5)))]),  # only lines behind those that were missed
    ],
)
async def test_missing_lines_are_reported_once(again: Log, missing: list[tuple[float, float]]) -> None:
    """The server forgot lines 10 to 14: I am told between which times, at that place; otherwise I am told nothing."""
    marker = (at(0), f"{line_merge.MARKER} at noon =====")
    again = [marker, *again]
    script = Script([(wire([marker, *LOG[:10]]), BROKEN), (wire(again), BROKEN), (wire(again), None)], ends_after=3)
    items = [item async for item in follow_lines(script, sleep=soon) if not isinstance(item, Note)]
    gaps = [(place, item) for place, item in enumerate(items) if isinstance(item, Missing)]
    assert [(item.since, item.until) for _, item in gaps] == missing
    assert not gaps or gaps[0][0] == 11
    lost = 5 if missing else 0
    assert len(items) == 1 + len(LOG) - lost + len(gaps)


@pytest.mark.parametrize(
    ("shown", "again", "doubtful"),
    [
        (LOG[:10], [], True),  # nothing is sent again, and the Job has ended meanwhile
        (LOG[:10], LOG[:10], False),
        ([(at(0), "same")] * 10, [(at(0), "same")] * 4, True),  # four of ten, or four of many?
        ([(at(0), "same")] * 10, [(at(0), "same")] * 10, False),
    ],
)
async def test_an_end_that_cannot_be_checked(shown: Log, again: Log, doubtful: bool) -> None:
    """The connection broke, and what came then does not show whether that was all: I am told so, once."""
    script = Script([(wire(shown), BROKEN), (wire(again), None)], ends_after=2)
    items = [item async for item in follow_lines(script, sleep=soon)]
    newest = moment_in(shown[-1][0])
    assert [item for item in items if isinstance(item, Missing)] == [Missing(newest, None)] * doubtful


async def test_only_the_tail_stays_the_tail_over_a_cut() -> None:
    """I asked for the last five lines; the replay after a cut does not bring the thousands before them."""
    marker = (at(0), f"{line_merge.MARKER} at noon =====")
    script = Script(
        [(wire([marker, *LOG[20:25]]), BROKEN), (wire([marker, *LOG[:30]]), BROKEN), (wire([marker, *LOG]), None)],
        ends_after=3,
    )
    assert await followed(script, tail=5) == [marker[1], *TEXTS[20:]]
    assert script.tails == [5, None, None, None]


async def test_a_reading_that_does_not_follow_stops_at_now() -> None:
    """`logs ID` of a running Job ends with the current content, whether the Job then is silent or continues."""
    script = Script([(wire(LOG), "silence")])
    script.now = moment_in(at(9.6)) or 0
    assert await followed(script, follow=False) == TEXTS[:22]
    assert script.closed == 1


async def test_a_reading_that_does_not_follow_tells_of_a_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three lost connections in a row are reported, not hidden; and a Job that has no log yet has no lines."""
    with pytest.raises(UnreachableError):
        await followed(Script([(wire(LOG[:3]), BROKEN)]), follow=False)
    assert await followed(Script([(b"", NotFoundOnHubError("no log"))]), follow=False) == []
    monkeypatch.setattr(log_stream, "QUIET_SECONDS", 0.05)
    assert await followed(Script([(wire(LOG), "silence")]), follow=False) == TEXTS


async def test_a_log_that_comes_only_after_a_while() -> None:
    """While it is scheduled the log answers 404; that is no reason to give up, nor a broken connection."""
    early = NotFoundOnHubError("not yet")
    script = Script([(b"", early), (b"", early), (wire(LOG), None)], ends_after=3)
    items = [item async for item in follow_lines(script, sleep=soon)]
    assert [item.text for item in items if isinstance(item, Line)] == TEXTS
    assert not [item for item in items if isinstance(item, Note)]


async def test_what_waiting_cannot_mend_is_raised() -> None:
    """No permission, or a Job that is gone: a sentence, not an endless wait."""
    with pytest.raises(PermissionDeniedError):
        await followed(Script([(b"", PermissionDeniedError("no"))]))
    gone = Script([(b"", NotFoundOnHubError("no log"))])
    gone.check_problems = [NotFoundOnHubError("no such Job")]
    with pytest.raises(NotFoundOnHubError, match="no such Job"):
        await followed(gone)


async def test_a_stream_that_stays_open_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed build the stream stays silent forever; once the stage is final, I do not wait."""
    monkeypatch.setattr(log_stream, "OVER_QUIET_SECONDS", 0.05)
    script = Script([(wire(LOG), "silence")], ends_after=99)
    seen: list[str] = []
    async for item in follow_lines(script, sleep=soon):
        assert isinstance(item, Line)
        seen.append(item.text)
        if len(seen) == len(LOG):
            script.over.set()
    assert seen == TEXTS


async def test_a_silent_stream_is_let_go_at_once() -> None:
    """I quit while nothing comes: the connection is closed before the task is gone, and nothing is left running."""
    script = Script([(b"", "silence")])
    task = asyncio.create_task(followed(script))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    assert script.closed == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


@given(
    log=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=30),
    cuts=st.lists(st.integers(0, 2000), max_size=4),
    clean=st.booleans(),
    chunk=st.integers(1, 200),
)
def test_any_log_cut_anywhere(log: list[tuple[int, str]], cuts: list[int], clean: bool, chunk: int) -> None:
    """Whatever the lines and wherever the bytes break off, I read exactly the log."""
    lines = [(at(when), text) for when, text in sorted(log, key=lambda line: line[0])]
    whole = wire(lines)
    end: SmoltuiError | None = None if clean else BROKEN
    connections: list[tuple[bytes, SmoltuiError | str | None]] = [(whole[:cut] or b"\n", end) for cut in cuts]

    async def body() -> list[str]:
        script = Script([*connections, (whole, None)], ends_after=len(cuts) + 1, chunk=chunk)
        return await followed(script)

    assert asyncio.run(body()) == [text for _, text in lines]


async def test_a_million_lines_take_eight_bytes_each() -> None:
    """What tells old lines from new does not keep the lines themselves."""
    merge = line_merge.Merge()
    for n in range(20_000):
        merge.is_new(at(n / 1000), n / 1000, f"{n} " + "x" * 200)
    assert len(merge._shown) * merge._shown.itemsize == 160_000
    merge.restart(from_first=False)
    assert not any(merge.is_new(at(n / 1000), n / 1000, f"{n} " + "x" * 200) for n in range(20_000))
    assert merge._bag is None, "a replay in the same order needs no bag"
