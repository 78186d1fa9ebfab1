"""Something other than the Hub answers, or the Hub has gone mad: one sentence in time, whatever was asked."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from smoltui.backends.data_files import hub as pair_hub
from smoltui.backends.data_files import hub_repo, range_file
from smoltui.backends.hub import bodies as hub_bodies
from smoltui.backends.hub import client as hub
from smoltui.backends.hub import errors as hub_errors
from smoltui.backends.jobs import engine as hub_engine
from smoltui.backends.jobs import log_merge as log_stream
from smoltui.backends.jobs import stats as hub_stats
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs import watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.scheduled import ScheduledJobs
from smoltui.backends.pairs.model_files import find_model_files
from smoltui.backends.project.project import Project
from smoltui.backends.publish import leaderboard
from smoltui.backends.publish.commits import create_commit
from smoltui.backends.publish.hub_reading import public_info
from smoltui.backends.publish.pulls import close, own_pulls
from smoltui.backends.system.threads import in_thread
from smoltui.errors import InputError, PairsError, ServiceError, SmoltuiError, UnreachableError
from tests.hub.lying import LIES, SECRET, LyingHub, lying_hub

SHORT = 0.12
"""Seconds in place of the many that a person would wait."""

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingHub]:
    """A lying Hub; all waits and bounds are small."""
    monkeypatch.setattr(hub, "TOTAL_SECONDS", SHORT)
    for name, value in (
        ("ANSWER_SECONDS", SHORT),
        ("SLOWEST_SECONDS", SHORT),
        ("ANSWER_BYTES", 1 << 20),
        ("ANSWER_MEMORY", 8 << 20),
    ):
        monkeypatch.setattr(hub_bodies, name, value)
    monkeypatch.setattr(hub_bodies, "SLACK_BYTES", 1 << 10)
    monkeypatch.setattr(hub_repo, "ANSWER_SECONDS", SHORT)
    monkeypatch.setattr(range_file, "HEAD_SECONDS", SHORT)
    monkeypatch.setattr(hub_repo, "METADATA_SECONDS", SHORT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", SHORT)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr(hub_stats, "NOW_SECONDS", SHORT)
    monkeypatch.setattr(log_stream, "BACKOFF_SECONDS", (0.001,))
    monkeypatch.setattr(log_stream, "READ_ATTEMPTS", 2)
    monkeypatch.setattr(watching, "SHORTEST_POLL_SECONDS", 0.01)
    monkeypatch.setattr(hub_engine, "CANCEL_WAITS", ())
    monkeypatch.setattr(hub, "STREAM_SILENCE_SECONDS", SHORT)
    monkeypatch.setattr(hub_submit, "LOOKS", (0.0,))
    with lying_hub(monkeypatch) as running:
        yield running


ACCOUNT = {"name": "ada", "orgs": [{"name": "lab"}]}
JOB = {"id": "x1", "status": {"stage": "RUNNING"}, "owner": {"name": "ada"}, "dockerImage": "i", "command": ["c"]}


async def account(liar: LyingHub, folder: Path) -> object:
    return await hub.account()


async def hardware(liar: LyingHub, folder: Path) -> object:
    return await hub.flavors()


def _logged_in(liar: LyingHub, *, job: bool = False) -> None:
    liar.tell("/api/whoami-v2$", ACCOUNT)
    if job:
        liar.tell("GET /api/jobs/ada/x1$", JOB)


async def jobs(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar)
    return await HubEngine().list_runs()


async def one_job(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar)
    return await HubEngine().inspect("x1")


async def log(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar, job=True)
    return [event async for event in HubEngine().follow("x1", follow=False)]


async def figures(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar, job=True)
    return [sample async for sample in HubEngine().stats("x1", follow=False)]


async def relabel(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar, job=True)
    return await HubEngine().labels("x1", {"a": "b"})


async def cancel(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar, job=True)
    return await HubEngine().cancel("x1")


async def rerun(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar, job=True)
    return await HubEngine().rerun("x1")


async def scheduled(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar)
    return await ScheduledJobs().list_all()


async def unschedule(liar: LyingHub, folder: Path) -> object:
    _logged_in(liar)
    liar.tell("GET /api/scheduled-jobs/ada/s1$", {"id": "s1"})
    return await ScheduledJobs().delete("ada/s1")


async def bucket(liar: LyingHub, folder: Path) -> object:
    return await hub_submit.upload(hub_submit.Shipment({}, ""), "ada", "label", "hf_token")


async def splits(liar: LyingHub, folder: Path) -> object:
    return await in_thread(lambda: pair_hub.hub_set("owner/set", None, None))


async def first_rows(liar: LyingHub, folder: Path) -> object:
    return await in_thread(lambda: pair_hub.hub_head("owner/set", "train.parquet", None, 8))


async def files(liar: LyingHub, folder: Path) -> object:
    return await in_thread(lambda: pair_hub.hub_files("owner/set", ["train.parquet"], None))


async def board(liar: LyingHub, folder: Path) -> object:
    return await leaderboard.read("owner/space")


async def board_file(liar: LyingHub, folder: Path) -> object:
    """Only the file itself is a lie: what is no list of entries is the file's fault, in a sentence, too."""
    liar.tell("GET /api/spaces/owner/space$", {"id": "owner/space", "sha": "0" * 40})
    try:
        return await leaderboard.read("owner/space")
    except InputError as error:
        raise ServiceError(error.message, error.hint) from error


async def public(liar: LyingHub, folder: Path) -> object:
    return await public_info("dataset", "owner/set", doing="see whether it is public")


async def pull_requests(liar: LyingHub, folder: Path) -> object:
    return await own_pulls("owner/space", "ada")


async def pull_request(liar: LyingHub, folder: Path) -> object:
    """The list is the Hub's, its one pull request is not."""
    _logged_in(liar)
    row = {"num": 1, "isPullRequest": True, "status": "open", "author": {"name": "ada"}}
    liar.tell(r"GET /api/spaces/owner/space/discussions\?", {"discussions": [row], "count": 1, "start": 0})
    return await own_pulls("owner/space", "ada")


async def close_pull_request(liar: LyingHub, folder: Path) -> object:
    return await close("owner/space", 1, "words")


FOUND = 'x-repo-commit: 0000000000000000000000000000000000000000\r\netag: "abc"\r\ncontent-length: 100000\r\n'


async def content(liar: LyingHub, folder: Path) -> object:
    """Only the file itself is a lie, not the information about it."""
    liar.tell("^HEAD ", b"", more=FOUND)
    return await files(liar, folder)


async def tokenizer(liar: LyingHub, folder: Path) -> object:
    liar.tell("^HEAD ", b"", more=FOUND)
    values = {"model_name_or_path": "owner/model"}
    return await in_thread(lambda: find_model_files(Project(folder), values))


ASKED: tuple[Callable[[LyingHub, Path], Awaitable[object]], ...] = (
    account,
    hardware,
    jobs,
    one_job,
    log,
    figures,
    relabel,
    cancel,
    rerun,
    scheduled,
    unschedule,
    bucket,
    splits,
    first_rows,
    files,
    content,
    tokenizer,
    board,
    board_file,
    public,
    pull_requests,
    pull_request,
    close_pull_request,
)


ACTS = (cancel, unschedule, close_pull_request)
"""What the Hub answers to these in words is nobody's business: the status says that it was done."""
DONE = {"garbage", "empty", "nested", "nested less", "a number", "null", "a huge number", "lone surrogates"}


@pytest.mark.slow
@pytest.mark.parametrize("mode", LIES)
async def test_one_sentence_in_time(mode: str, liar: LyingHub, tmp_path: Path) -> None:
    """Whatever I ask and whatever answers: what happened in a sentence, what to do in another, and no foreign byte."""
    liar.mode = mode
    wrong = []
    for ask in ASKED:
        liar.honest.clear()
        hub.forget()
        try:
            given = await asyncio.wait_for(ask(liar, tmp_path), 60)
        except ServiceError as error:
            if problem := what_is_wrong_with(error):
                wrong.append(f"{ask.__name__}: {problem}: {error!r}")
        except Exception as error:
            wrong.append(f"{ask.__name__}: {type(error).__name__}: {error}")
        else:
            if not (ask in ACTS and mode in DONE):
                wrong.append(f"{ask.__name__}: {given!r:.200}")
    assert not wrong, "\n".join(wrong)


def what_is_wrong_with(error: SmoltuiError) -> str:
    """Nothing, or what the sentence lacks."""
    text = f"{error.message}{error.hint}"
    if not error.message or not error.hint:
        return "says nothing"
    if not text.isprintable() or SECRET in text:
        return "foreign bytes"
    return "" if len(error.message) < 700 else "long"


PATIENT = {"silent", "stalls"} | {mode for mode in LIES if mode.startswith("trickles")}
"""Modes in which the client itself asks again for minutes."""


@pytest.mark.parametrize("mode", sorted(LIES.keys() - PATIENT))
async def test_a_commit_is_one_sentence_too(mode: str, liar: LyingHub) -> None:
    """The client's own requests before a commit get nonsense."""
    liar.mode = mode
    with pytest.raises(ServiceError) as told:
        await create_commit("space", "owner/space", {"a.json": b"[]"}, title="t", pull_request=True, doing="open it")
    assert not what_is_wrong_with(told.value)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("portal", "with a web page"),
        ("web page", "with a web page"),
        ("refuses with a web page", "with a web page"),
        ("redirects in a loop", "redirects in a loop"),
        ("redirects without end", "redirects in a loop"),
        ("endless", "larger than any that the Hub sends"),
        ("gzip bomb", "larger than any that the Hub sends"),
        ("is not HTTP", "Something other than the Hub answered"),
        ("hangs up", "was lost"),
        ("trickles its head", "did not answer in time"),
    ],
)
async def test_what_happened_is_told_apart(
    mode: str, words: str, liar: LyingHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login page, a loop, a flood, silence: each has its own sentence."""
    liar.mode = mode
    if mode != "trickles its head":  # what comes at once must not be too late on a busy machine
        monkeypatch.setattr(hub, "TOTAL_SECONDS", 60)
        monkeypatch.setattr(hub_bodies, "ANSWER_SECONDS", 60)
        monkeypatch.setattr(hub_bodies, "SLOWEST_SECONDS", 60)
    with pytest.raises(UnreachableError, match=words) as told:
        await hub.account()
    if "web page" in words:
        assert liar.url in told.value.hint, "the page can be opened"


@pytest.mark.parametrize("mode", ["silent", "stalls", "breaks off", "trickles its head"])
async def test_a_file_that_does_not_come_is_asked_for_once(mode: str, liar: LyingHub, tmp_path: Path) -> None:
    """The client alone would try six times, ten seconds each."""
    liar.mode = mode
    with pytest.raises(UnreachableError):
        await content(liar, tmp_path)
    assert len([path for path in liar.asked if path.startswith("GET ") and "/resolve/" in path]) == 1


async def test_a_trickle_has_an_end(liar: LyingHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It flows well enough, but a list of files is no download."""
    monkeypatch.setattr(hub_bodies, "SLOWEST_BYTES", 0)
    liar.mode = "trickles its body"
    with pytest.raises(UnreachableError, match="did not answer in time"):
        await asyncio.wait_for(splits(liar, tmp_path), 60)


@pytest.mark.parametrize("window", [31, 15])
async def test_an_answer_that_is_packed(window: int, liar: LyingHub) -> None:
    """Packed as gzip or deflate, and larger than one piece: it is read as ever."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    body = json.dumps({**ACCOUNT, "more": "x" * (hub_bodies.PIECE_BYTES * 3)}).encode()
    packed = packer.compress(body) + packer.flush()
    liar.tell("/api/whoami-v2$", packed, more=f"content-encoding: {'gzip' if window == 31 else 'deflate'}\r\n")
    assert (await hub.account()).orgs == ("lab",)


@pytest.mark.parametrize("body", [b'{"a":{"a":{}}},', b"[],", b"1,", b'"",', b"[[[[]]]],"])
def test_memory_is_estimated_high_enough(body: bytes) -> None:
    """What is allowed takes no more memory once it is decoded, whatever it is made of."""
    whole = b"[" + body * 20_000 + b"1]"
    allowed = hub_bodies.answers()
    before = allowed.memory_left or 0
    allowed.took(whole)
    tracemalloc.start()
    try:
        kept = hub_bodies.loads(whole)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(kept) == 20_001 and taken <= before - (allowed.memory_left or 0)


async def test_tls_where_there_is_none(liar: LyingHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_ENDPOINT says https, and what listens there does not speak it."""
    liar.mode = "is not HTTP"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", liar.url.replace("http:", "https:"))
    with pytest.raises(UnreachableError, match="A secure connection"):
        await hub.account()


async def test_a_token_that_cannot_be_sent(liar: LyingHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line end or an umlaut came along when it was copied."""
    for token in ("hf_abc\ndef", "hf_äbc"):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(ServiceError) as told:
            await hub.account()
        assert not what_is_wrong_with(told.value) and token not in str(told.value)


STREAM = b'data: {"data":"trained","timestamp":"2026-05-12T14:58:23.645Z"}\n\n'
MAD_STREAMS: dict[str, bytes] = {
    "no stream": b"data: x",
    "nested": b"data: " + b"[" * 100_000 + b"\n",
    "bytes": bytes(range(256)) * 40 + b"\n",
    "dates that are none": b"".join(
        b'data: {"data":"x","timestamp":%s}\n' % stamp
        for stamp in (b"5", b"null", b'"never"', b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"', b"[1]")
    ),
    "wrong types": b'data: 5\ndata: null\ndata: []\ndata: {"data": 5}\ndata: {"data": null, "timestamp": {}}\ndata:\n',
    "surrogates": rb'data: {"data":"\ud800","timestamp":"\udfff"}' + b"\n",
    "one long line": b"data: " + b"x" * 300_000,
}


@pytest.mark.parametrize("mode", [*LIES, *MAD_STREAMS])
async def test_the_follower_of_a_log_outlives_it(
    mode: str, liar: LyingHub, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """I follow a Job's log; the Hub goes mad and recovers: I read the line in the end."""
    monkeypatch.setattr(log_stream, "LINE_LIMIT", 100_000)
    liar.mode = mode if mode in LIES else "hangs up"
    _logged_in(liar, job=True)
    if mode in MAD_STREAMS:
        liar.tell("/logs", MAD_STREAMS[mode], kind="text/event-stream")
    read: list[str] = []

    async def follow() -> str:
        stage = ""
        async for event in HubEngine().follow("x1"):
            read.append(str(getattr(event, "text", "")))
            stage = getattr(event, "stage", stage)
        return stage

    following = asyncio.create_task(follow())
    try:
        await wait_until(lambda: len([path for path in liar.asked if "/logs" in path]) > 2 or following.done(), 20)
        assert not following.done(), following
        liar.tell("/logs", STREAM, kind="text/event-stream")
        liar.tell("GET /api/jobs/ada/x1$", {**JOB, "status": {"stage": "COMPLETED"}})
        assert await asyncio.wait_for(following, 60) == "COMPLETED"
    finally:
        following.cancel()
    assert "trained" in read


def test_a_mistake_of_ours_is_still_a_crash() -> None:
    """The client stumbling over an answer is the Hub's fault; the same error out of our own lines is not."""
    from huggingface_hub import JobInfo

    def by(act: Callable[[], object]) -> Exception:
        try:
            act()
        except Exception as error:
            return error
        raise AssertionError("it raises")

    theirs = by(lambda: JobInfo(status=5))
    assert isinstance(hub_errors.explain(theirs, "read"), UnreachableError)
    for mistake in (
        lambda: {}["id"],
        lambda: None.read(),
        lambda: JobInfo(1, 2, 3),
        lambda: int("x"),  # type: ignore[attr-defined]
    ):
        assert hub_errors.explain(by(mistake), "read") is None
    for unreadable in (MemoryError(), httpx2.TooManyRedirects("x")):
        assert isinstance(hub_errors.explain(unreadable, "read"), UnreachableError)


class TestRanges:
    """Parts of a file of a data set."""

    def told(self, liar: LyingHub, body: bytes, more: str, name: str = "train.jsonl") -> SmoltuiError:
        liar.tell("GET .*/resolve/", body, kind="text/plain", more=more)
        with pytest.raises(SmoltuiError) as caught:
            pair_hub.hub_head("owner/set", name, None, 8)
        assert not what_is_wrong_with(caught.value)
        return caught.value

    @pytest.mark.parametrize(
        "said",
        [
            "content-range: bytes 5-14/10",
            "content-range: bytes */900",
            f"content-range: bytes 0-9/{'9' * 5000}",
            "content-range: bytes 0-9/-1",
            "content-range: furlongs 0-9/10",
            "content-range: bytes 0-9/²",
            "x-y: z",
        ],
    )
    def test_another_part_than_was_asked_for(self, said: str, liar: LyingHub) -> None:
        """The place, or the size, is nonsense."""
        liar.honest["GET .*/resolve/"] = (
            f"HTTP/1.1 206 P\r\ncontent-length: 10\r\n{said}\r\nconnection: close\r\n\r\n".encode() + b"x" * 10
        )
        with pytest.raises(UnreachableError, match="Something other than the Hub"):
            pair_hub.hub_head("owner/set", "train.jsonl", None, 8)

    def test_the_whole_file_in_place_of_a_part(self, liar: LyingHub) -> None:
        """A server without ranges: what is small is read all the same."""
        rows = b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n' * 9
        liar.tell("GET .*/resolve/", rows, kind="text/plain")
        assert len(pair_hub.hub_head("owner/set", "train.jsonl", None, 8).rows) == 8

    def test_a_file_that_claims_to_be_endless(self, liar: LyingHub) -> None:
        """A Parquet file of a terabyte, on a server without ranges: its end cannot be read, and is not tried."""
        liar.honest["GET .*/resolve/"] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\nPAR1"
        with pytest.raises(PairsError, match=r"train\.parquet cannot be read without downloading") as told:
            pair_hub.hub_head("owner/set", "train.parquet", None, 8)
        assert "hf download owner/set" in told.value.hint

    def test_html_for_parquet(self, liar: LyingHub) -> None:
        """A page of the network in place of the file."""
        liar.tell("GET .*/resolve/", b"<html>log in</html>", kind="text/html")
        with pytest.raises(UnreachableError, match="web page"):
            pair_hub.hub_head("owner/set", "train.parquet", None, 8)

    def test_a_listing_of_other_places(self, liar: LyingHub) -> None:
        """Names that lead out of the repository, and what is no name, are no files."""
        names = [
            "../../etc/train.jsonl",
            "/train.jsonl",
            "a/../train.jsonl",
            5,
            None,
            "x" * 5000 + ".jsonl",
            "ok.jsonl",
        ]
        listing = {"id": "owner/set", "siblings": [{"rfilename": name} for name in names]}
        liar.tell("GET /api/datasets/owner/set", {**listing, "cardData": {"configs": [{"data_files": 5}, 7]}})
        assert pair_hub.hub_set("owner/set", None, None).splits == {"train": ["ok.jsonl"]}
