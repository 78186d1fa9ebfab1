"""Converts errors of the Hub, its client and the network to ours: one sentence and the next step."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from smoltui.backends.system.known_secrets import token_variable
from smoltui.core.machine.account import use_token
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
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    import httpx2

SHOWN_WORDS = 300
"""Characters of a server's message quoted in a sentence."""

LONGEST_WAIT = 900.0
"""Seconds; the Hub's own rate limits reset after 300."""

_RATE_LIMIT = re.compile(r";\s*t\s*=\s*([0-9]{1,9})")
_REMAINING = re.compile(r";\s*r\s*=\s*([0-9]{1,9})")
_SECONDS = re.compile(r"[0-9]{1,9}")
_ENDED = re.compile(r"disconnected|closed|incomplete", re.IGNORECASE)
"""Messages of h11 and httpx2 for a connection that ended early; other protocol errors are about the content."""
_TLS = re.compile(r"\b(?:SSL|TLS)\b|_SSL|WRONG_VERSION|ALERT_")
_UPLOAD_STATUS = re.compile(r"\b([45]\d\d)\b")


def endpoint() -> str:
    """Base URL of the Hub in use, without a trailing slash; `HF_ENDPOINT` if set."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def explain(error: Exception, doing: str) -> SmoltuiError | None:
    """Our error for a foreign one raised while `doing` ("list the Jobs"); None if it is not the Hub's.

    Our own errors are returned unchanged. The caller raises with `from error`, so the cause is kept. Any failure
    inside the Hub's client (KeyError, AttributeError, RecursionError …) means a response that is not the Hub's; the
    same error in our own code is a bug, and gives None.
    """
    if isinstance(error, SmoltuiError):
        return error
    if found := _of_login(error, doing) or _of_response(error, doing):
        return found
    if isinstance(error, ConnectionError | RuntimeError) and _from_upload(error):
        return _upload_failed(error, doing)
    if _ours_or_the_disks(error):
        return None
    return not_the_hub(doing) if _from_client(error) else None


def _of_login(error: Exception, doing: str) -> SmoltuiError | None:
    """The error for a token that is missing or cannot be sent; None if it is about something else."""
    import httpx2
    from huggingface_hub.errors import DeviceCodeError, LocalTokenNotFoundError, OIDCError

    if isinstance(error, LocalTokenNotFoundError):
        return not_logged_in()
    if isinstance(error, OIDCError | DeviceCodeError):
        return NotLoggedInError(f"No token available: {_words(error)}", "Log in again with: hf auth login")
    if isinstance(error, UnicodeEncodeError | httpx2.LocalProtocolError) and _from_client(error):
        return NotLoggedInError(
            f"The token contains an invalid character, so smoltui could not {doing}",
            f"Set {variable} to just the token, without quotes or line breaks"
            if (variable := token_variable())
            else "Log in again with: hf auth login",
        )
    return None


def _of_response(error: Exception, doing: str) -> SmoltuiError | None:
    """The error for a response that is missing, a refusal or not the Hub's; None if it is about something else."""
    import socket
    import ssl

    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    from smoltui.backends.hub.bodies import BrokenOffError, TooMuchError, TooSlowError

    match error:
        case OfflineModeIsEnabled():
            said = f"Offline mode is on, so smoltui cannot {doing}"
            return UnreachableError(said, "Unset HF_HUB_OFFLINE and try again.")
        case HfHubHTTPError():
            return refusal(error.response, doing, error.server_message or "")
        case httpx2.TooManyRedirects():
            return UnreachableError(f"{host()} redirects in a loop, so smoltui could not {doing}", _IN_THE_WAY)
        case BrokenOffError() | httpx2.TransportError() | httpx2.InvalidURL() | ssl.SSLError() | socket.gaierror():
            return no_answer(error, doing)
        case TimeoutError() | TooSlowError():
            return UnreachableError(f"The Hub did not answer in time, so smoltui could not {doing}", _try_again())
        case TooMuchError() | MemoryError():
            said = f"The response from {host()} is larger than any that the Hub sends, so smoltui could not {doing}"
            return UnreachableError(said, _IN_THE_WAY)
        case json.JSONDecodeError() | httpx2.DecodingError() | UnicodeDecodeError():
            return not_the_hub(doing)
    return None


def _ours_or_the_disks(error: Exception) -> bool:
    """Whether a failure inside the client is about this machine's disk, or about how we use the client."""
    import httpx2

    # The caller that writes to the disk knows what to say about it.
    return isinstance(error, httpx2.StreamError | ImportError) or (
        isinstance(error, OSError) and error.errno is not None
    )


def not_logged_in() -> NotLoggedInError:
    """There is no token on this machine."""
    return NotLoggedInError(
        "You are not logged in to the Hub",
        f"Run: hf auth login, with a write token from {endpoint()}/settings/tokens",
    )


_IN_THE_WAY = "A proxy or a network login page may be in the way; also check HF_ENDPOINT."


def not_the_hub(doing: str, response: httpx2.Response | None = None) -> UnreachableError:
    """Something responded, but not like the Hub. `response` is the response, if known."""
    if response is not None and is_web_page(response):
        where = safe_line(response.url.netloc.decode("ascii", "replace"), 100)
        return UnreachableError(
            f"Something other than the Hub answered at {where}, with a web page, so smoltui could not {doing}",
            f"It may be a network login page: open http://{where} in a browser. Also check HF_ENDPOINT.",
        )
    return UnreachableError(
        f"Something other than the Hub answered at {host()}, so smoltui could not {doing}", _IN_THE_WAY
    )


def is_web_page(response: httpx2.Response) -> bool:
    """Whether it is HTML, which smoltui never requests, without the Hub's own headers."""
    html = "html" in response.headers.get("content-type", "").lower()
    return html and not any(name in response.headers for name in ("x-error-code", "x-error-message"))


def no_answer(error: Exception, doing: str) -> UnreachableError:
    """The error for a request without a response: no connection, a lost one, silence, or not HTTP."""
    import socket
    import ssl

    import httpx2

    if isinstance(error, httpx2.RemoteProtocolError) and not _ENDED.search(str(error)):
        return not_the_hub(doing)
    if isinstance(error, httpx2.TimeoutException):
        return UnreachableError(f"The Hub did not answer in time, so smoltui could not {doing}", _try_again())
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return UnreachableError(
            f"The certificate of {host()} is not trusted on this machine, so smoltui could not {doing}",
            "Behind a company proxy, set SSL_CERT_FILE to its certificate.",
        )
    if isinstance(error, ssl.SSLError) or _TLS.search(str(error)):
        return UnreachableError(
            f"A secure connection to {host()} could not be established, so smoltui could not {doing}", _IN_THE_WAY
        )
    if isinstance(
        error,
        socket.gaierror | httpx2.ConnectError | httpx2.ProxyError | httpx2.UnsupportedProtocol | httpx2.InvalidURL,
    ):
        return UnreachableError(f"The Hub cannot be reached at {host()}, so smoltui could not {doing}", _try_again())
    return UnreachableError(f"The connection to the Hub was lost, so smoltui could not {doing}", _try_again())


def never_sent(error: BaseException | None) -> bool:
    """Whether this foreign error means that a request never reached a server, so that it had no effect."""
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled

    return isinstance(
        error,
        httpx2.ConnectError
        | httpx2.ConnectTimeout
        | httpx2.PoolTimeout
        | httpx2.UnsupportedProtocol
        | OfflineModeIsEnabled,
    )


def refusal(response: httpx2.Response, doing: str, words: str | None = None) -> SmoltuiError:
    """The error for a response with a status of 400 or more. `words` None: the message in the response."""
    status = response.status_code
    if 400 <= status < 500 and status != 429 and is_web_page(response):
        return not_the_hub(doing, response)
    return refused(status, doing, server_words(response) if words is None else words, response.headers)


def refused(status: int, doing: str, words: str = "", headers: Mapping[str, str] | None = None) -> SmoltuiError:
    """As `refusal`, from the parts of a response. Statuses: huggingface_hub 2.4 `hf_raise_for_status`."""
    said = _shown(words)
    tail = f": {said}" if said else ""
    if status == 401:
        return _bad_token(doing, tail)
    if status == 429:
        return _too_many(doing, headers or {})
    if status in _REFUSALS:
        kind, sentence, hint = _REFUSALS[status]
        return kind(f"{sentence.format(doing)}{tail}", hint.format(endpoint(), use_token(token_variable())))
    if status >= 500:
        return UnreachableError(
            f"The Hub had an internal error (status {status}), so smoltui could not {doing}{tail}",
            "The error is on the Hub's side. Try again in a minute.",
        )
    return ServiceError(f"The Hub answered with status {status}, so smoltui could not {doing}{tail}", _try_again())


_REJECTED = (InputError, "The Hub rejected the request, so smoltui could not {}", "Change that and try again.")
_REFUSALS: dict[int, tuple[type[SmoltuiError], str, str]] = {
    400: _REJECTED,
    402: (NoCreditError, "The account has no credit to {}", "Add credit at {}/settings/billing"),
    403: (
        PermissionDeniedError,
        "The token or the account is not allowed to {}",
        "Create a token that can write and start Jobs at {}/settings/tokens, {}",
    ),
    404: (
        NotFoundOnHubError,
        "Not found, or no access with this account, so smoltui could not {}",
        "Check the name and the namespace.",
    ),
    409: (
        ServiceError,
        "The Hub refuses to {} in the current state",
        "Look at what is running or already done, then try again if needed.",
    ),
    422: _REJECTED,
}
"""Status → our error, its sentence (with what was being done) and its hint (with the endpoint and what to do with a new
token)."""


def _bad_token(doing: str, tail: str) -> NotLoggedInError:
    if variable := token_variable():
        source, next_step = variable, f"Set {variable} to a valid token"
    else:
        source, next_step = "the token stored here", "Log in again with: hf auth login"
    return NotLoggedInError(
        f"The Hub does not accept {source}, so smoltui could not {doing}{tail}",
        f"{next_step}; create tokens at {endpoint()}/settings/tokens",
    )


def _too_many(doing: str, headers: Mapping[str, str]) -> RateLimitedError:
    wait = retry_after(headers)
    return RateLimitedError(
        f"The Hub's rate limit was reached, so smoltui could not {doing}",
        "Wait a few minutes and try again." if wait is None else f"Try again in {wait:.0f} s.",
        wait,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before the next request; None if the response does not say.

    From `RateLimit: "api";r=0;t=55` if nothing remains, else from `Retry-After: 55` (huggingface_hub 2.4).
    """
    limit = headers.get("ratelimit") or headers.get("RateLimit") or ""
    found, remaining = _RATE_LIMIT.search(limit), _REMAINING.search(limit)
    if found and remaining and remaining[1] == "0":
        return min(float(found[1]), LONGEST_WAIT)
    after = (headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    return min(float(after), LONGEST_WAIT) if _SECONDS.fullmatch(after) else None


def server_words(response: httpx2.Response) -> str:
    """The message in a response, from where the Hub puts it; an HTML page has none. The body must have been read."""
    parts: list[object] = [response.headers.get("x-error-message")]
    from smoltui.backends.hub.bodies import loads

    try:
        body = loads(response.content)
    except ValueError:
        if (
            "html" not in response.headers.get("content-type", "").lower()
            and "<html" not in response.text[:500].lower()
        ):
            parts.append(response.text)
        body = None
    if isinstance(body, dict):
        error = body.get("error")
        parts += error if isinstance(error, list) else [error]
        parts.append(body.get("error_description"))
        errors = body.get("errors")
        parts += [item.get("message") for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    words = [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    return ". ".join(dict.fromkeys(words))


def host() -> str:
    """The Hub's host name: huggingface.co."""
    return safe_line(endpoint().split("://", 1)[-1].split("/", 1)[0], 100)


def _try_again() -> str:
    set_by_hand = f" HF_ENDPOINT is {safe_line(endpoint(), 100)}." if os.environ.get("HF_ENDPOINT") else ""
    return f"Check the network and try again.{set_by_hand}"


_CLIENT = frozenset(
    {"huggingface_hub", "hf_xet", "httpx2", "httpcore2", "httpcore", "h11", "anyio", "fsspec", "dateutil"}
)
"""Packages that talk to the Hub for us."""


def _from_client(error: Exception) -> bool:
    """Whether it was raised inside the Hub's client: one of its frames follows our last one."""
    inside = False
    trace = error.__traceback__
    while trace is not None:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        inside = package != "smoltui" and (inside or package in _CLIENT)
        trace = trace.tb_next
    return inside


def _from_upload(error: Exception) -> bool:
    """hf_xet (Rust) raises builtin errors with its own message and nothing of Python's."""
    if not isinstance(error, RuntimeError):
        return True
    return type(error) is RuntimeError and (error.__traceback__ is None or _from_client(error))


def _upload_failed(error: Exception, doing: str) -> SmoltuiError:
    """hf_xet 1.8 puts the status into its text: `HTTP status client error (403 Forbidden), domain: …`."""
    found = _UPLOAD_STATUS.search(str(error))
    if found:
        return refused(int(found[1]), doing)
    if "cancelled" in str(error).lower():
        return ServiceError("The upload was canceled")
    return UnreachableError(f"The upload was interrupted, so smoltui could not {doing}: {_words(error)}", _try_again())


def _words(error: Exception) -> str:
    return _shown(str(error))


def _shown(words: str) -> str:
    """A server's message, ready for a sentence. Cut first: it may be long, and searching for secrets is not
    free."""
    return safe_line(redact(words[: 4 * SHOWN_WORDS]).strip().replace("\n", " "), SHOWN_WORDS)
