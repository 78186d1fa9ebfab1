"""The Hub: its client set up for a screen, the account, and the prices of Jobs.

huggingface_hub is imported on first use, in a thread. Reads go through its asynchronous session, so cancelling one is
instant; what only exists as a synchronous call runs through `threads.in_thread`. The token comes from huggingface_hub
at the moment of use; it is not stored and appears in no message.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from smoltui import __version__
from smoltui.backends.hub.errors import endpoint as endpoint  # imported from here
from smoltui.backends.hub.errors import explain, is_web_page, not_logged_in, not_the_hub, refusal
from smoltui.backends.system.known_secrets import token_variable
from smoltui.backends.system.threads import in_thread
from smoltui.core.foreign.server_values import name_in, number_in
from smoltui.core.machine.account import Account as Account
from smoltui.core.machine.account import use_token
from smoltui.core.runs.cost import Flavor as Flavor
from smoltui.errors import PermissionDeniedError
from smoltui.redaction import register_secrets
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    import httpx2

    from smoltui.backends.hub.bodies import Allowance

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
"""Longest silence inside one response; huggingface_hub's own clients wait forever."""
TOTAL_SECONDS = 12.0
"""Time for one read, from the token to the last byte: a person waits no longer."""
STREAM_SILENCE_SECONDS = 75.0
"""A log stream sends a keep-alive every 30 s, so this is two missed ones."""

MOST_ITEMS = 5000
"""Items of a list; an account with more Jobs sees the newest."""
MOST_WORDS = 200
"""Characters of a name or a description in the Hub's answers."""

T = TypeVar("T")


class _Process:
    """What this process knows about the Hub."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ready = False
        """Whether huggingface_hub was set up for a screen."""
        self.accounts: dict[tuple[str, str], Account] = {}
        """By endpoint and hash of the token."""


_process = _Process()


def setup() -> None:
    """Imports huggingface_hub and sets it up for a screen. Takes 0.3 s the first time: not on the event loop.

    Every client gets timeouts; its log handler (bound to the real stderr), progress bars and warnings are removed.
    """
    with _process.lock:
        if _process.ready:
            return
        _import_quietly()
        import httpx2
        from huggingface_hub import set_async_client_factory, set_client_factory
        from huggingface_hub.utils._http import async_hf_request_event_hook, default_client_factory
        from huggingface_hub.utils.tqdm import disable_progress_bars

        from smoltui.backends.hub import bodies as hub_bodies

        timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        tls = httpx2.create_ssl_context()  # loading the certificates takes 30 ms, so do it once for all clients

        def client() -> httpx2.Client:
            made = default_client_factory()
            made.timeout = timeout
            return hub_bodies.install(made)

        def async_client() -> httpx2.AsyncClient:
            made = httpx2.AsyncClient(
                event_hooks={"request": [async_hf_request_event_hook]},
                follow_redirects=True,
                timeout=timeout,
                verify=tls,
            )
            return hub_bodies.install_async(made)

        set_client_factory(client)
        set_async_client_factory(async_client)
        logger = logging.getLogger("huggingface_hub")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False  # HF_DEBUG=1 logs whole requests, secrets included
        warnings.filterwarnings("ignore", module=r"huggingface_hub(\.|$)")
        disable_progress_bars()  # in case it was imported before
        _process.ready = True


def _import_quietly() -> None:
    """huggingface_hub reads these at import and never again; a training child must not inherit them."""
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_EXPERIMENTAL_WARNING": "1"}
    before = {name: os.environ.get(name) for name in quiet}
    os.environ.update(quiet)
    try:
        importlib.import_module("huggingface_hub.constants")
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass
class Session:
    """One connection to the Hub: the client and the headers that name the account. Made by `session`."""

    client: httpx2.AsyncClient
    headers: Mapping[str, str] = field(repr=False)
    base: str
    allowed: Allowance
    """Remaining allowance of all its responses together."""

    async def send(
        self, method: str, path: str, *, doing: str, params: Sequence[tuple[str, str]] = (), body: object = None
    ) -> httpx2.Response:
        """One request and its whole response. `path` starts with a slash, or is a URL given by the Hub.

        `body` is sent as JSON; None: no body.

        Raises:
            SmoltuiError: refused, or no response within `TOTAL_SECONDS`; `doing` is part of the message.
        """
        from smoltui.backends.hub.bodies import ALLOWED

        url = path if path.startswith(("http://", "https://")) else f"{self.base}{path}"
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                response = await self.client.request(
                    method,
                    url,
                    params=list(params) or None,
                    headers=self.headers,
                    json=body,
                    extensions={ALLOWED: self.allowed},
                )
        except Exception as error:
            raise_ours(error, doing)
        if response.status_code >= 400:
            raise refusal(response, doing)
        if is_web_page(response):  # also in response to an action, of which nothing else would be read
            raise not_the_hub(doing, response)
        return response

    async def get(self, path: str, *, doing: str, params: Sequence[tuple[str, str]] = ()) -> Any:
        """The decoded JSON behind a path. Raises as `send`."""
        return decoded(await self.send("GET", path, doing=doing, params=params), doing)

    async def pages(
        self,
        path: str,
        *,
        doing: str,
        params: Sequence[tuple[str, str]] = (),
        most: int,
        enough: Callable[[list[Any], list[Any]], bool] = lambda items, page: False,
    ) -> list[Any]:
        """The items of a list that comes in pages, at most `most` pages and `MOST_ITEMS`. Raises as `send`.

        After each page, `enough` decides whether to stop, given all items so far and those of the page.
        """
        items: list[Any] = []
        address = path
        for _ in range(most):
            response = await self.send("GET", address, doing=doing, params=params)
            page = decoded(response, doing)
            if not isinstance(page, list):
                raise not_the_hub(doing, response)
            items += page[: MOST_ITEMS - len(items)]
            if len(items) >= MOST_ITEMS:
                break
            if enough(items, page):
                break
            address, params = response.links.get("next", {}).get("url") or "", ()
            # The token is sent along, so only to where it was sent before.
            if not address.startswith(f"{self.base}/"):
                break
        return items


def decoded(response: httpx2.Response, doing: str) -> Any:
    """The JSON of a response.

    Raises:
        UnreachableError: it is not JSON.
    """
    from smoltui.backends.hub.bodies import loads

    try:
        return loads(response.content)
    except ValueError as error:
        raise not_the_hub(doing, response) from error


@asynccontextmanager
async def session(doing: str, *, anonymous: bool = False, public: bool = False) -> AsyncIterator[Session]:
    """A connection to the Hub, closed with the block. `anonymous`: continue without a token if there is none.

    `public`: never send a token, to see what everybody can see.

    Raises:
        NotLoggedInError: there is no token.
        SmoltuiError: the token could not be obtained (renewing it may need the network).
    """

    def prepare() -> tuple[dict[str, str], str]:
        setup()
        from huggingface_hub import get_token
        from huggingface_hub.utils._headers import build_hf_headers

        found = None if public else get_token()
        if found is None and not anonymous and not public:
            raise not_logged_in()
        register_secrets(found, is_token=True)
        # The first call in a process may request a list of programs from the Hub, so it runs in this thread too.
        headers = build_hf_headers(token=found or False, library_name="smoltui", library_version=__version__)
        return headers, endpoint()

    headers, base = await guarded(in_thread(prepare), doing)
    from huggingface_hub import get_async_session

    from smoltui.backends.hub.bodies import answers

    async with get_async_session() as client:
        yield Session(client, headers, base, answers())


async def token() -> str:
    """This machine's token, for immediate use.

    Raises:
        NotLoggedInError: there is none, or it could not be renewed.
        UnreachableError: renewing it got no response.
    """

    def read() -> str:
        setup()
        from huggingface_hub import get_token

        found = get_token()
        if found is None:
            raise not_logged_in()
        register_secrets(found, is_token=True)
        return found

    return await guarded(in_thread(read), "read the token")


async def guarded(work: Awaitable[T], doing: str, *, bounded: bool = True) -> T:
    """The result of `work`; its foreign errors become ours, and if `bounded` it has `TOTAL_SECONDS`."""
    try:
        async with asyncio.timeout(TOTAL_SECONDS if bounded else None):
            return await work
    except Exception as error:
        raise_ours(error, doing)


def raise_ours(error: Exception, doing: str) -> NoReturn:
    """Raises our error for a foreign one, with it as the cause; one that is not the Hub's is raised unchanged."""
    ours = explain(error, doing)
    if ours is None or ours is error:
        raise error
    raise ours from error


def jobs_path(namespace: str, *rest: str) -> str:
    """Path of a namespace's Jobs, or of one Job and what belongs to it."""
    return _path("/api/jobs", namespace, *rest)


def scheduled_path(namespace: str, *rest: str) -> str:
    """Path of a namespace's scheduled Jobs, or of one of them and what belongs to it."""
    return _path("/api/scheduled-jobs", namespace, *rest)


def _path(*parts: str) -> str:
    return "/".join((parts[0], *(quote(part, safe="") for part in parts[1:])))


async def account(*, refresh: bool = False) -> Account:
    """Owner and permissions of the token; requested once per token, because this route has the strictest rate limit.

    Raises:
        NotLoggedInError: there is no token, or the Hub does not accept it.
        ServiceError: the Hub refused or did not respond.
    """
    doing = "check your account"
    async with session(doing) as hub:
        key = (hub.base, hashlib.sha256(hub.headers.get("authorization", "").encode()).hexdigest())
        if refresh or key not in _process.accounts:
            _process.accounts[key] = _account(await hub.get("/api/whoami-v2", doing=doing))
        return _process.accounts[key]


def forget() -> None:
    """Forgets the account, so that the next call asks the Hub."""
    _process.accounts.clear()


async def namespace() -> str:
    """The user's own namespace, resolved once. Raises as `account`."""
    return (await account()).name


async def writing_account(doing: str, namespace: str | None = None) -> Account:
    """The account, if its token has write access, and its role in a namespace too (None: its own).

    Raises:
        PermissionDeniedError: one is read-only, so it cannot `doing`. Else as `account`.
    """
    found = await account()
    if found.can_write is False:
        raise PermissionDeniedError(
            f"The token is read-only and cannot {doing}: {found.token_name or found.name}",
            f"Create a token with write access at {endpoint()}/settings/tokens, {use_token(found.token_variable)}",
        )
    if namespace in found.read_only_orgs:
        raise PermissionDeniedError(
            f"The role of {found.name} in {namespace} is read, so it cannot {doing}",
            f"Choose another namespace, or ask an administrator of {namespace} for a role that can write.",
        )
    return found


MOST_ORGS = 200
"""Maximum number of organizations of an account that are queried."""


def _account(data: object) -> Account:
    if not isinstance(data, Mapping) or (name := name_in(data.get("name"))) is None:
        raise not_the_hub("check your account")
    auth = data.get("auth")
    access = auth.get("accessToken") if isinstance(auth, Mapping) else None
    access = access if isinstance(access, Mapping) else {}
    orgs = data.get("orgs")
    listed = [org for org in orgs if isinstance(org, Mapping)] if isinstance(orgs, list) else []
    roles = {owner: org.get("roleInOrg") for org in listed if (owner := name_in(org.get("name"))) is not None}

    def word(value: object) -> str:
        return safe_line(value, MOST_WORDS) if isinstance(value, str) else ""

    def truth(value: object) -> bool | None:
        return value if isinstance(value, bool) else None

    return Account(
        name=name,
        fullname=word(data.get("fullname")),
        is_pro=truth(data.get("isPro")),
        can_pay=truth(data.get("canPay")),
        orgs=tuple(roles)[:MOST_ORGS],
        read_only_orgs=frozenset(owner for owner, role in roles.items() if role == "read"),
        token_name=word(access.get("displayName")),
        token_role=word(access.get("role")),
        token_variable=token_variable(),
    )


async def flavors() -> list[Flavor]:
    """The hardware currently available for Jobs, with prices, cheapest first; no token is needed.

    Raises:
        ServiceError: the Hub refused or did not respond.
    """
    doing = "read the list of Jobs hardware"
    async with session(doing, anonymous=True) as hub:
        data = await hub.get("/api/jobs/hardware", doing=doing)
    if not isinstance(data, list):
        raise not_the_hub(doing)
    now = time.time()
    found = [
        flavor for item in data[:MOST_ITEMS] if isinstance(item, Mapping) and (flavor := _flavor(item, now)) is not None
    ]
    return sorted(found, key=lambda flavor: (flavor.usd_per_minute is None, flavor.usd_per_minute or 0.0, flavor.name))


_MINUTES = {"second": 1 / 60, "minute": 1.0, "hour": 60.0}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([KMGT]?)i?B")
_POWERS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_QUANTITY = re.compile(r"[0-9]{1,4}")


def _flavor(item: Mapping[str, object], now: float) -> Flavor | None:
    """One entry of the list; None without a name. Sizes and quantities are texts ("80 GB", "1")."""
    name = name_in(item.get("name"))
    if name is None:
        return None
    accelerator = item.get("accelerator")
    accelerator = accelerator if isinstance(accelerator, Mapping) else None
    micro, unit = number_in(item.get("unitCostMicroUSD")), item.get("unitLabel")
    minutes = _MINUTES.get(unit) if isinstance(unit, str) else None
    quantity = accelerator.get("quantity") if accelerator else None
    counted = _QUANTITY.fullmatch(str(quantity)) if isinstance(quantity, str | int) else None

    def word(value: object) -> str:
        return safe_line(value, MOST_WORDS) if isinstance(value, str) else ""

    return Flavor(
        name=name,
        pretty=word(item.get("prettyName")) or name,
        cpu=word(item.get("cpu")),
        ram_bytes=_bytes(item.get("ram")),
        accelerator=word(accelerator.get("model")) or "unknown" if accelerator else None,
        count=(int(counted[0]) if counted else 1) if accelerator else 0,
        vram_bytes=_bytes(accelerator.get("vram")) if accelerator else None,
        usd_per_minute=micro / 1e6 / minutes if micro is not None and minutes else None,
        listed_at=now,
    )


def _bytes(text: object) -> int | None:
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) and len(text) < 40 else None
    return round(float(found[1]) * _POWERS[found[2]]) if found else None
