"""All errors that a person may have to act on.

SmoltuiError                    message: one sentence; hint: the next step, a key or a command
├── InputError                  a file, key or value is wrong                       exit code 2
│   ├── PairsError              a source that does not contain preference pairs
│   ├── RecipeError             recipe.yaml or smoltui.toml cannot be used as it is
│   │   └── NoRecipeError       the folder has no recipe yet
│   └── MissingExtraError       a package of an extra is not installed
├── RunFailedError              a child process or a run ended without its result   exit code 1
├── InternalError               a bug in smoltui (`backends/system/crash.py`)   exit code 70
└── ServiceError                the Hub did not do what was asked                   exit code 3
    ├── NotLoggedInError        no token, or one that is no longer valid
    ├── PermissionDeniedError   the token or the account may not do this
    ├── NoCreditError           the account cannot pay
    ├── NotFoundOnHubError      no such job, model, dataset or namespace for this account
    ├── RateLimitedError        asked too often; `retry_after` says how long to wait
    └── UnreachableError        no response: network, timeout, or a response that is not the Hub's

Foreign exceptions become one of these at the edge, in `backends/`, with the cause kept (`raise … from`).
A run that fails is not an exception but a `Run` in stage ERROR.
"""

from __future__ import annotations


class SmoltuiError(Exception):
    """Base class: a sentence for the person, and the next step."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """One sentence; a value comes last, after a colon."""
        self.hint = hint
        """The next step; empty without one."""

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def as_json(self) -> dict[str, str]:
        """What the command line prints on stderr with `--json`."""
        return {"error": self.message, "hint": self.hint}


class InputError(SmoltuiError):
    """A file, a key or a value given by the person is wrong."""

    exit_code = 2


class PairsError(InputError):
    """A source that does not contain preference pairs; the message names the line or row if known."""


class RecipeError(InputError):
    """recipe.yaml or smoltui.toml cannot be used as it is."""


class NoRecipeError(RecipeError):
    """The folder has no recipe yet; the hint is the command that creates one."""


class MissingExtraError(InputError):
    """A package of an extra is not installed; the hint is the command that installs it."""


class RunFailedError(SmoltuiError):
    """A child process or a run ended without its result."""


class InternalError(SmoltuiError):
    """An unexpected exception in words; the exception is the `__cause__`."""

    exit_code = 70
    """EX_SOFTWARE of sysexits.h."""


class ServiceError(SmoltuiError):
    """The Hub did not do what was asked."""

    exit_code = 3


class NotLoggedInError(ServiceError):
    """No token on this machine, or one that is no longer valid."""


class PermissionDeniedError(ServiceError):
    """The token or the account may not do this."""


class NoCreditError(ServiceError):
    """The account cannot pay for it."""


class NotFoundOnHubError(ServiceError):
    """No such job, model, dataset or namespace for this account."""


class RateLimitedError(ServiceError):
    """Too many requests to the Hub."""

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after
        """Seconds to wait according to the server; None if not stated."""


class UnreachableError(ServiceError):
    """No response, or a response that is not the Hub's."""
