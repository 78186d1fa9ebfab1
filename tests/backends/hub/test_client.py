"""The account, the prices, and a sentence for everything that can go wrong with the Hub."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import explain
from smoltui.backends.system.threads import in_thread
from smoltui.errors import (
    InputError,
    NoCreditError,
    NotFoundOnHubError,
    NotLoggedInError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceError,
    SmoltuiError,
    UnreachableError,
)
from tests.hub.server import TOKEN, LocalHub


async def test_who_am_i(server: LocalHub) -> None:
    """The Device room says who I am, my plan, what my token may do, whether I can pay; the Hub is asked once."""
    account = await hub.account()
    assert (account.name, account.plan, account.can_pay, account.can_write) == ("ada", "Pro", True, True)
    assert (account.orgs, account.token_name, account.token_role) == (("lab",), "laptop", "write")
    assert await hub.namespace() == "ada"
    assert len(server.asked("GET", "whoami")) == 1
    await hub.account(refresh=True)
    assert len(server.asked("GET", "whoami")) == 2


async def test_what_the_hub_does_not_say_is_unknown(server: LocalHub) -> None:
    """A fine-grained token, and an answer with half of the fields: unknown, not no."""
    server.whoami = {"name": "ada", "auth": {"accessToken": {"role": "fineGrained"}}, "orgs": None}
    account = await hub.account()
    assert (account.plan, account.can_pay, account.can_write, account.orgs) == ("unknown", None, None, ())
    server.whoami = {"name": "ada", "isPro": False, "auth": {"accessToken": {"role": "read"}}}
    account = await hub.account(refresh=True)
    assert (account.plan, account.can_write) == ("Free", False)


async def test_an_organization_where_i_may_only_read(server: LocalHub) -> None:
    """Its name is a namespace of mine, but not one that I can push to."""
    orgs = [{"name": "lab", "roleInOrg": "read"}, {"name": "team", "roleInOrg": "contributor"}, {"name": "club"}]
    server.whoami = {"name": "ada", "orgs": orgs}
    account = await hub.account()
    assert account.orgs == ("lab", "team", "club")
    assert [name for name in ("ada", *account.orgs, "eve") if account.writes_to(name)] == ["ada", "team", "club"]


async def test_no_token(server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """I am not logged in: I am told so at once, with the command, and the prices still come."""
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotLoggedInError) as caught:
        await hub.account()
    assert "hf auth login" in caught.value.hint
    assert server.requests == []
    assert [flavor.name for flavor in await hub.flavors()] == ["cpu-basic", "a100-large"]


async def test_prices_and_memory_are_the_servers(server: LocalHub) -> None:
    """The list of hardware is the Hub's own; what it does not say, or says in an unknown unit, is unknown."""
    server.hardware += [
        {"name": "odd", "unitCostMicroUSD": 5, "unitLabel": "fortnight", "accelerator": {"model": "Z", "vram": "much"}},
        {"name": "hourly", "unitCostMicroUSD": 600_000, "unitLabel": "hour"},
        {"prettyName": "nameless"},
        7,
    ]
    began = time.time()
    flavors = {flavor.name: flavor for flavor in await hub.flavors()}
    a100 = flavors["a100-large"]
    assert (a100.accelerator, a100.count, a100.vram_bytes, a100.ram_bytes) == ("A100", 1, 80 * 10**9, 142 * 10**9)
    assert a100.usd_per_hour == pytest.approx(2.5, abs=0.001)
    assert began <= a100.listed_at <= time.time()
    assert (flavors["cpu-basic"].accelerator, flavors["cpu-basic"].count) == (None, 0)
    assert (flavors["odd"].usd_per_minute, flavors["odd"].vram_bytes) == (None, None)
    assert flavors["hourly"].usd_per_minute == pytest.approx(0.01)
    assert set(flavors) == {"a100-large", "cpu-basic", "odd", "hourly"}


@pytest.mark.parametrize(
    ("status", "error", "words", "hint"),
    [
        (400, InputError, "rejected the request", "Change"),
        (401, NotLoggedInError, "does not accept HF_TOKEN", "/settings/tokens"),
        (402, NoCreditError, "no credit", "/settings/billing"),
        (403, PermissionDeniedError, "not allowed to", "/settings/tokens"),
        (404, NotFoundOnHubError, "Not found", "Check"),
        (409, ServiceError, "refuses to check your account in the current state", "running"),
        (418, ServiceError, "status 418", "try again"),
        (429, RateLimitedError, "rate limit", "12 s"),
        (500, UnreachableError, "had an internal error (status 500)", "on the Hub's side"),
        (503, UnreachableError, "had an internal error (status 503)", "on the Hub's side"),
    ],
)
async def test_each_refusal_is_a_sentence_and_a_next_step(
    server: LocalHub, status: int, error: type[SmoltuiError], words: str, hint: str
) -> None:
    """Whatever the Hub refuses, I read what happened, its own words made safe, and what to do."""
    body = {"error": f"because \x1b]0;title\x07 of {TOKEN}"}
    server.spoil("GET", "whoami", status=status, body=body, headers={"RateLimit": '"api";r=0;t=12'})
    with pytest.raises(error) as caught:
        await hub.account()
    assert type(caught.value) is error
    assert words in caught.value.message and hint in caught.value.hint
    assert "\x1b" not in str(caught.value) and TOKEN not in str(caught.value)
    assert "\n" not in caught.value.message
    if isinstance(caught.value, RateLimitedError):
        assert caught.value.retry_after == 12
    elif status != 500:
        assert "because ␛" in caught.value.message


async def test_an_answer_that_is_not_the_hubs(server: LocalHub) -> None:
    """A log-in page of the hotel's network, or JSON that is no account: I am told what may stand between."""
    server.spoil("GET", "whoami", how="html")
    with pytest.raises(UnreachableError, match="Something other than the Hub"):
        await hub.account()
    server.whoami = ["ada"]
    with pytest.raises(UnreachableError, match="Something other than the Hub"):
        await hub.account()


async def test_a_connection_that_breaks(server: LocalHub) -> None:
    """The Hub hangs up in the middle."""
    server.spoil("GET", "whoami", how="close")
    with pytest.raises(UnreachableError, match="was lost") as caught:
        await hub.account()
    assert caught.value.__cause__ is not None, "the cause is kept"
    assert server.url in caught.value.hint, "HF_ENDPOINT is set, which may be the reason"


async def test_nobody_answers_at_that_address(server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network: one sentence, at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await hub.account()


async def test_a_hub_that_takes_the_call_and_says_nothing(
    server: LocalHub, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Awaitable[None]]
) -> None:
    """A black hole costs me no more than the set time, and I can leave before."""
    assert hub.TOTAL_SECONDS < 15 and hub.CONNECT_SECONDS < 15
    monkeypatch.setattr(hub, "TOTAL_SECONDS", 0.3)
    server.spoil("GET", "hardware", how="silent", times=2)
    with pytest.raises(UnreachableError, match="did not answer in time"):
        await hub.flavors()
    monkeypatch.setattr(hub, "TOTAL_SECONDS", 60)
    before = len(server.asked("GET", "hardware"))
    task = asyncio.create_task(hub.flavors())
    await wait_until(lambda: len(server.asked("GET", "hardware")) > before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)


async def test_offline_mode(server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is set: the sentence names it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnreachableError) as caught:
        await hub.flavors()
    assert "HF_HUB_OFFLINE" in caught.value.hint


def test_errors_of_the_upload_are_ours_too() -> None:
    """hf_xet raises Python's own ConnectionError and RuntimeError with the status in the text."""
    hub.setup()
    denied = ConnectionError("HTTP status client error (403 Forbidden), domain: …/xet-write-token")
    assert isinstance(explain(denied, "upload the files"), PermissionDeniedError)
    assert isinstance(explain(RuntimeError("Operation cancelled"), "upload the files"), ServiceError)
    assert isinstance(explain(ConnectionError("stream ended"), "upload the files"), UnreachableError)
    assert explain(KeyError("a mistake of ours"), "x") is None, "a mistake of ours is a crash, not a sentence"
    assert explain(NotImplementedError(), "x") is None


def test_the_client_is_fit_for_a_screen() -> None:
    """Nothing that huggingface_hub logs or draws can be painted over the screen, and no call waits forever."""
    # In a process of its own: tests before this one may have put another client or logger in place.
    code = """
import logging
from smoltui.backends.hub import client as hub
hub.setup()
from huggingface_hub import get_session
from huggingface_hub.utils import are_progress_bars_disabled
timeout = get_session().timeout
assert (timeout.connect, timeout.read) == (10, 30)
assert are_progress_bars_disabled()
logger = logging.getLogger("huggingface_hub")
assert logger.handlers and not logger.propagate
assert not [handler for handler in logger.handlers if type(handler) is logging.StreamHandler]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_start_of_the_app_does_not_pay_for_the_hub() -> None:
    """Importing the backends loads neither huggingface_hub nor its HTTP client; that comes with the first question."""
    heavy = "{'huggingface_hub', 'httpx2', 'hf_xet', 'ruamel'} & set(sys.modules)"
    code = f"import sys, smoltui.backends.jobs.engine; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_child_does_not_inherit_what_keeps_the_client_quiet() -> None:
    """A download in a training child still shows its progress in the log."""
    code = (
        "import os; from smoltui.backends.hub import client as hub; hub.setup(); import huggingface_hub.utils as u;"
        "print(os.environ.get('HF_HUB_DISABLE_PROGRESS_BARS'), u.are_progress_bars_disabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("None True", "")


async def test_work_in_a_thread_can_be_left() -> None:
    """A blocked call does not hold the app: it is asked to stop, and the program can end while it is still blocked."""
    told: list[str] = []
    begun = threading.Event()
    task = asyncio.create_task(
        in_thread(lambda: begun.set() or time.sleep(30), abandon=lambda: told.append("stop"))  # type: ignore[func-returns-value]
    )
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    assert told == ["stop"]
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
    assert await in_thread(lambda: 7, abandon=lambda: told.append("never")) == 7
    assert told == ["stop"]
    code = (
        "import asyncio, time; from smoltui.backends.system.threads import in_thread\n"
        "async def main():\n"
        "    asyncio.ensure_future(in_thread(lambda: time.sleep(60))); await asyncio.sleep(0.05)\n"
        "asyncio.run(main())"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await asyncio.wait_for(child.wait(), 50) == 0
