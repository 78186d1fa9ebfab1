"""An endpoint that is stopped, limited or strange: what was sent is finished and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from smoltui.backends.evaluation import judge_endpoint
from smoltui.backends.evaluation.judge_endpoint import Endpoint
from smoltui.core.evaluation.judge_plan import Call, Judge
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.settings.judge_settings import JudgeSettings
from smoltui.errors import NotLoggedInError, SmoltuiError, UnreachableError
from tests.hub.judge import JudgeServer, judge_server

CALLS = [Call(str(number), f"{number}?") for number in range(12)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    monkeypatch.setattr(judge_endpoint, "RETRY_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(judge_endpoint, "LIMIT_SECONDS", (0.01, 0.01, 0.01))
    with judge_server() as found:
        found.rule = "first"
        yield found


class Asked:
    """One round of calls, and the replies that were kept."""

    def __init__(self, url: str, most: int | None = None, parallel: int = 3) -> None:
        judge = Judge(url, "m", "")
        settings = JudgeSettings(url, "m", parallel=parallel, timeout=20.0)
        self.told: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.endpoint = Endpoint(judge, settings, most=most, tell=self.told.append)

    async def record(self, call: Call, reply: Reply) -> None:
        await asyncio.sleep(0)
        self.replies[call.key] = reply

    async def ask(self) -> None:
        await self.endpoint.ask(CALLS, self.record)


async def begun(server: JudgeServer, calls: int) -> None:
    """Waits until so many calls hang."""
    for _ in range(calls):
        await asyncio.to_thread(server.held.acquire, timeout=20)


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_stop_finishes_the_calls_under_way(server: JudgeServer, how: str) -> None:
    """Each call that was sent gets its reply kept; none is sent after it."""
    server.sequence = ["first"] * 2 + ["hang"] * 3
    asked = Asked(server.url)
    task = asyncio.create_task(asked.ask())
    await begun(server, 3)
    asked.endpoint.stop() if how == "stop" else task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    server.go_on.set()
    (end,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(end, asyncio.CancelledError) == (how == "cancel")
    assert len(server.calls) == len(asked.replies) == 5
    assert asked.told == ["Finishing the calls in progress…"] * (how == "cancel")


async def test_a_second_cancel_abandons_them(server: JudgeServer) -> None:
    server.sequence = ["first"] * 2 + ["hang"] * 3
    asked = Asked(server.url)
    task = asyncio.create_task(asked.ask())
    await begun(server, 3)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled() and len(asked.replies) == 2


async def test_an_error_in_one_call_finishes_the_others(server: JudgeServer) -> None:
    server.sequence = ["first", "hang", "hang", "403"]
    asked = Asked(server.url)
    task = asyncio.create_task(asked.ask())
    await begun(server, 2)
    while not asked.told:
        await asyncio.sleep(0.01)
    server.go_on.set()
    with pytest.raises(SmoltuiError, match="does not allow this"):
        await task
    assert len(asked.replies) == 3 and len(server.calls) == 4


async def test_a_stop_ends_the_wait_for_a_rate_limit(server: JudgeServer) -> None:
    server.rule, server.retry_after = "429", "900"
    asked = Asked(server.url)
    task = asyncio.create_task(asked.ask())
    while not asked.told:
        await asyncio.sleep(0.01)
    asked.endpoint.stop()
    await task
    assert asked.told == ["Rate limit: waiting 900 s"] and not asked.replies and len(server.calls) == 1


async def test_a_lost_connection_and_an_error_of_the_server_are_tried_again(server: JudgeServer) -> None:
    server.sequence = ["cut", "503", "first", "500", "first"]
    asked = Asked(server.url)
    await asked.ask()
    assert len(asked.replies) == 12 and len(server.calls) == 15


async def test_repeated_calls_count_against_the_limit(server: JudgeServer) -> None:
    server.sequence = ["first", "500", "500"]
    asked = Asked(server.url, most=4)
    await asked.ask()
    assert len(server.calls) == 4 and len(asked.replies) == 2


async def test_a_prompt_beyond_the_context_is_one_reply(server: JudgeServer) -> None:
    server.sequence, server.words = ["first", "400"], "This model's maximum context length is 8 tokens."
    asked = Asked(server.url)
    await asked.ask()
    assert len(asked.replies) == 12 and [reply.finish for reply in asked.replies.values()].count("beyond") == 1


async def test_a_filter_refuses_to_judge(server: JudgeServer) -> None:
    server.sequence, server.words = ["400"], "content_filter"
    asked = Asked(server.url)
    await asked.ask()
    assert asked.replies["0"].finish == "content_filter" and len(asked.replies) == 12


async def test_the_other_name_of_the_limit(server: JudgeServer) -> None:
    """OpenAI's newer models reject max_tokens, and say what they want."""
    server.sequence, server.words = ["400"], "Unsupported parameter: use 'max_completion_tokens' instead."
    asked = Asked(server.url)
    await asked.ask()
    assert len(asked.replies) == 12 and "max_completion_tokens" in server.calls[-1]


async def test_no_credit_is_not_waited_for(server: JudgeServer) -> None:
    server.sequence, server.words = ["429"], "You exceeded your current quota"
    with pytest.raises(SmoltuiError, match="no credit"):
        await Asked(server.url).ask()
    assert len(server.calls) == 1


async def test_https_where_http_is_spoken(server: JudgeServer) -> None:
    with pytest.raises(UnreachableError, match="secure connection"):
        await Asked(server.url.replace("http:", "https:")).ask()
    assert not server.calls


async def test_nobody_answers() -> None:
    with judge_server() as gone:
        url = gone.url
    with pytest.raises(UnreachableError, match="cannot be reached"):
        await Asked(url).ask()


async def test_inference_providers_get_the_token_of_the_hub(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_endpoint, "ROUTER", server.url)
    asked = Asked("hf")
    with pytest.raises(NotLoggedInError):
        await asked.ask()
    assert not server.calls
    monkeypatch.setenv("HF_TOKEN", "hf_a_token_of_the_hub_0123")
    server.key = "hf_a_token_of_the_hub_0123"
    await asked.ask()
    assert len(asked.replies) == 12
    server.key = "another"
    with pytest.raises(NotLoggedInError, match="does not accept the Hub's token") as error:
        await Asked("hf").ask()
    assert "0123" not in str(error.value)
