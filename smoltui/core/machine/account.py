"""The Hub account whose token is used here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """Who the token belongs to and what it may do, as `GET /api/whoami-v2` says. None: the Hub did not say."""

    name: str
    """The user's own namespace."""
    fullname: str = ""
    is_pro: bool | None = None
    can_pay: bool | None = None
    """A payment method is on file. Jobs need a positive balance, which this answer does not hold."""
    orgs: tuple[str, ...] = ()
    """Names of the organizations, also namespaces one may work in."""
    token_name: str = ""
    token_role: str = ""
    """read, write, fineGrained, or another word of the server; empty when it did not say."""

    @property
    def plan(self) -> str:
        """For people: Pro, Free, or unknown."""
        return "unknown" if self.is_pro is None else "Pro" if self.is_pro else "Free"

    @property
    def can_write(self) -> bool | None:
        """Whether the token may submit Jobs and push; None for a fine-grained one, which may for some repositories."""
        return {"write": True, "read": False}.get(self.token_role)
