"""Registers this machine's secrets with `redact`, so that none is shown or stored, whatever its format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from smoltui.redaction import register_secrets

_ENDS = ("TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "SECRET", "SECRET_KEY", "PASSWORD", "PASSWD", "PASSPHRASE")
_OURS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY")
_TOKEN_LIMIT = 4096
_MIN_OTHER = 8
"""Minimum length of a value in any other variable: a shorter password may be an ordinary word."""


def register_secrets_of_machine(environment: Mapping[str, str] | None = None) -> None:
    """Registers the values of variables with a secret's name, and the token that `hf auth login` stored.

    Cheap enough for every start; huggingface_hub is not loaded. `environment`: None for that of this process.
    """
    known = os.environ if environment is None else environment
    register_secrets(*map(known.get, _OURS), is_token=True)
    register_secrets(*(value for name, value in known.items() if _is_secret(name.upper(), value.strip())))
    try:
        with _token_path(known).open(encoding="utf-8", errors="replace") as file:
            register_secrets(file.read(_TOKEN_LIMIT), is_token=True)
    except OSError:
        return  # not logged in


def token_source(environment: Mapping[str, str] | None = None) -> str | None:
    """Where the Hub's token comes from, in words, without reading more than whether there is one; None without one.

    In the order of huggingface_hub: a variable before the file of `hf auth login`.
    """
    known = os.environ if environment is None else environment
    if name := token_variable(known):
        return f"the environment variable {name}"
    path = _token_path(known)
    try:
        return f"the file {path}" if path.stat().st_size else None
    except OSError:
        return None


def token_variable(environment: Mapping[str, str] | None = None) -> str:
    """The variable that the Hub's token comes from, so that a login has no effect; empty if none has one."""
    known = os.environ if environment is None else environment
    return next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if known.get(name, "").strip()), "")


def _is_secret(name: str, value: str) -> bool:
    # A path, a flag or a number is not a secret, whatever the name of its variable.
    is_plain = value[:1] in ("/", "~", ".") or value.lower() in ("disabled", "required") or value.isdigit()
    return name.endswith(_ENDS) and len(value) >= _MIN_OTHER and not is_plain


def _token_path(environment: Mapping[str, str]) -> Path:
    """The file where huggingface_hub stores the token (`constants.HF_TOKEN_PATH`)."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.path.expandvars(environment.get("HF_TOKEN_PATH") or f"{home}/token")).expanduser()
