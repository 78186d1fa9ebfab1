"""The Hub account of the token in use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """Owner and permissions of the token, from `GET /api/whoami-v2`. None: not reported by the Hub."""

    name: str
    """The user's own namespace."""
    fullname: str = ""
    is_pro: bool | None = None
    can_pay: bool | None = None
    """A payment method is on file. Jobs need a positive balance, which this response does not contain."""
    orgs: tuple[str, ...] = ()
    """Names of the organizations, which are also namespaces."""
    read_only_orgs: frozenset[str] = frozenset()
    """Those in which the user's role is `read`: their repositories cannot be written to."""
    token_name: str = ""
    token_role: str = ""
    """read, write, fineGrained, or another value from the server; empty if not reported."""

    token_variable: str = ""
    """The environment variable that the token comes from; empty if it is the one that `hf auth login` stored."""

    @property
    def plan(self) -> str:
        """For display: Pro, Free, or unknown."""
        return "unknown" if self.is_pro is None else "Pro" if self.is_pro else "Free"

    def writes_to(self, namespace: str) -> bool:
        """Whether the user may push to repositories in a namespace, as far as the Hub tells."""
        return namespace in (self.name, *self.orgs) and namespace not in self.read_only_orgs

    def why_no_jobs(self, namespace: str) -> str:
        """Why no Jobs can be started for a namespace, without a full stop; empty if nothing is known against it."""
        if namespace not in (self.name, *self.orgs):
            return f"{self.name} is not a member of this namespace, so no Job can be billed to it: {namespace}"
        if namespace in self.read_only_orgs:
            return f"{self.name} may only read in this namespace (role read), and cannot start Jobs there: {namespace}"
        return ""

    @property
    def can_write(self) -> bool | None:
        """Whether the token may submit Jobs and push; None for a fine-grained one, which can for some repositories."""
        return {"write": True, "read": False}.get(self.token_role)


def use_token(variable: str) -> str:
    """What to do with a new token, at the end of a hint: a login has no effect while a variable has one."""
    return f"then set {variable} to it; while it is set, a login has no effect." if variable else "then: hf auth login"
