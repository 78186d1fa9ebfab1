"""What goes wrong at a judge's endpoint, in one sentence with the next step. No sentence holds the key."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smoltui.backends.hub.errors import SHOWN_WORDS, retry_after
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

_TOO_LONG = ("context length", "context_length", "maximum context", "context window", "prompt is too long")
_TLS = re.compile(r"\b(?:SSL|TLS)\b|_SSL|WRONG_VERSION|CERTIFICATE_VERIFY_FAILED")
_NO_CREDIT = ("insufficient_quota", "insufficient_credit", "billing_hard_limit", "exceeded your current quota")


def host(url: str) -> str:
    """Host and port of an address."""
    return safe_line(urlsplit(url).netloc.rpartition("@")[2], 100)


def too_long(status: int, words: str) -> bool:
    """Whether a refusal says that the prompt does not fit into the model's context."""
    return status in (400, 413, 422) and any(part in words.casefold() for part in _TOO_LONG)


def filtered(status: int, words: str) -> bool:
    """Whether a refusal comes from a filter of contents: the judge does not judge these answers."""
    return status in (400, 403) and ("content_filter" in words or "content management policy" in words)


def out_of_credit(words: str) -> bool:
    """Whether a status 429 means that no waiting helps."""
    return any(part in words.casefold() for part in _NO_CREDIT)


def server_words(body: object) -> str:
    """The message and code in an error response, from where OpenAI-compatible servers put them; empty without one."""
    if not isinstance(body, Mapping):
        return ""
    error = body.get("error", body.get("detail", body.get("message")))
    parts = [error.get("message"), error.get("code")] if isinstance(error, Mapping) else [error]
    return ". ".join(dict.fromkeys(part.strip() for part in parts if isinstance(part, str) and part.strip()))


def refused(
    status: int, url: str, words: str, headers: Mapping[str, str], *, key_name: str, model: str
) -> SmoltuiError:
    """The error for a response with a status of 300 or more. `key_name`: where the key is from; empty without one."""
    where = host(url)
    tail = f": {said}" if (said := shown(words)) else ""
    if status in (402, 429) and (status == 402 or out_of_credit(words)):
        return NoCreditError(f"The account has no credit at {where}{tail}", "Add credit there, or name another judge.")
    match status:
        case 401 if key_name:
            return NotLoggedInError(f"{where} does not accept {key_name}{tail}", f"Set {key_name} to a valid key.")
        case 401:
            return NotLoggedInError(
                f"{where} wants a key{tail}", "Name the environment variable with it: judge.key_env in smoltui.toml."
            )
        case 403:
            return PermissionDeniedError(
                f"{where} does not allow this{tail}", f"Check that the key may use the model {safe_line(model, 100)}."
            )
        case 404:
            return NotFoundOnHubError(
                f"{where} has no such model or address{tail}",
                f"Check judge.model ({safe_line(model, 100)}), and that judge.endpoint ends as in its documentation, "
                "usually in /v1.",
            )
        case 429:
            return _too_many(where, retry_after(headers))
    if status >= 500:
        return UnreachableError(
            f"{where} had an internal error (status {status}){tail}", "The error is on its side. Try again in a minute."
        )
    if status < 400:
        return ServiceError(
            f"{where} redirects to another address (status {status})", "Write the final address into judge.endpoint."
        )
    return InputError(
        f"{where} rejected the call (status {status}){tail}",
        "Check judge.model, judge.temperature and judge.max_tokens in smoltui.toml.",
    )


def _too_many(where: str, wait: float | None) -> RateLimitedError:
    when = f"Try again in {wait:.0f} s." if wait is not None else "Wait a few minutes and try again."
    return RateLimitedError(f"The rate limit of {where} was reached", f"{when} Or lower judge.parallel.", wait)


def no_reply(error: Exception, url: str, seconds: float) -> SmoltuiError | None:
    """The error for a call without a usable response; None if it is not about that."""
    import httpx2

    from smoltui.backends.hub.bodies import TooMuchError, TooSlowError

    where = host(url)
    match error:
        case TimeoutError() | TooSlowError() | httpx2.ReadTimeout() | httpx2.WriteTimeout():
            return UnreachableError(
                f"{where} did not answer within {seconds:.0f} s", "Raise judge.timeout in smoltui.toml, or try again."
            )
        case TooMuchError() | MemoryError():
            return UnreachableError(f"The response of {where} is larger than any verdict", "Check judge.endpoint.")
        case ssl.SSLError() | httpx2.ConnectError() if isinstance(error, ssl.SSLError) or _TLS.search(str(error)):
            return UnreachableError(
                f"A secure connection to {where} could not be established",
                "Check judge.endpoint: http or https? Behind a company proxy, set SSL_CERT_FILE to its certificate.",
            )
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.ProxyError():
            return UnreachableError(f"{where} cannot be reached", "Check judge.endpoint, and that the server runs.")
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL() | httpx2.LocalProtocolError() | UnicodeEncodeError():
            return InputError(
                f"The call to {where} cannot be sent: the address or the key has an invalid character",
                "Check judge.endpoint and the variable with the key.",
            )
        case httpx2.DecodingError():
            return not_a_completion(url)
        case httpx2.TransportError():
            return UnreachableError(f"The connection to {where} was cut in the middle of a reply", "Try again.")
    return None


def not_a_completion(url: str) -> UnreachableError:
    """Something responded, but not as a chat endpoint does."""
    return UnreachableError(
        f"The response of {host(url)} is not a chat completion",
        "Check judge.endpoint: it is the base URL of an OpenAI-compatible API, and usually ends in /v1.",
    )


def is_transient(response: httpx2.Response) -> bool:
    """Whether the same call may succeed in a moment."""
    return response.status_code in (500, 502, 503, 504, 529)


def shown(words: str) -> str:
    """A server's message, ready for a sentence. Cut first: it may be long, and searching for secrets is not free."""
    return safe_line(redact(words[: 4 * SHOWN_WORDS]).strip().replace("\n", " "), SHOWN_WORDS)
