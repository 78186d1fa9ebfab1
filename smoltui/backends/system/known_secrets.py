"""The secrets this machine gives its programs, told to `redact`, so that none is shown or kept whatever its shape."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from smoltui.redaction import register_secrets

_ENDS = ("TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "SECRET", "SECRET_KEY", "PASSWORD", "PASSWD", "PASSPHRASE")
_OURS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY")
_TOKEN_LIMIT = 4096
_MIN_OTHER = 8
"""Characters of a value in any other variable: a password of fewer may be a word that stands in every text."""


def register_secrets_of_machine(environment: Mapping[str, str] | None = None) -> None:
    """Registers the values of variables that are called like a secret, and the token `hf auth login` has stored.

    Cheap enough for every start; huggingface_hub is not loaded. `environment`: None for that of this process.
    """
    known = os.environ if environment is None else environment
    register_secrets(*map(known.get, _OURS), is_token=True)
    register_secrets(*(value for name, value in known.items() if _is_secret(name.upper(), value.strip())))
    try:
        with _token_path(known).open(encoding="utf-8", errors="replace") as file:
            register_secrets(file.read(_TOKEN_LIMIT), is_token=True)
    except OSError:
        return  # nobody has logged in here


def _is_secret(name: str, value: str) -> bool:
    # A path, a switch or a number is no secret, whatever the variable is called.
    is_plain = value[:1] in ("/", "~", ".") or value.lower() in ("disabled", "required") or value.isdigit()
    return name.endswith(_ENDS) and len(value) >= _MIN_OTHER and not is_plain


def _token_path(environment: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps the token (its `constants.HF_TOKEN_PATH`)."""
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.path.expandvars(environment.get("HF_TOKEN_PATH") or f"{home}/token")).expanduser()
