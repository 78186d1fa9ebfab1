"""Environment, secrets, volumes and image of a Job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smoltui.backends.jobs.asked import asked_of, missing_secrets, register_secrets_of
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError
from smoltui.redaction import forget_secrets, redact

ASKED = {
    "env": {"A": "b"},
    "secrets": ["WANDB_API_KEY", "OTHER"],
    "secrets_file": ".env",
    "volumes": ["hf://buckets/me/cache:/cache"],
    "image": "me/image",
    "ssh": True,
    "resource_group": "g1",
}


def spec_in(project: Path, **asked: object) -> RunSpec:
    options = {key: json.dumps(value) for key, value in asked.items()}
    return RunSpec("n", str(project), "", "out", "label", options=options)


def test_secrets_come_from_the_file_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the request, and in nothing that is stored or shown."""
    (tmp_path / ".env").write_text("WANDB_API_KEY=from-file\n")
    monkeypatch.setenv("WANDB_API_KEY", "from-environment")
    monkeypatch.setenv("OTHER", "other-value")
    spec = spec_in(tmp_path, **ASKED)
    asked = asked_of(spec)
    found = asked.as_arguments("token", {"PYTHONUNBUFFERED": "1"}, [])
    assert found["secrets"] == {"WANDB_API_KEY": "from-file", "OTHER": "other-value", "HF_TOKEN": "token"}
    assert found["env"] == {"A": "b", "PYTHONUNBUFFERED": "1"} and found["ssh"] and found["image"] == "me/image"
    (volume,) = found["volumes"]
    assert (volume.type, volume.source, volume.mount_path) == ("bucket", "me/cache", "/cache")
    assert found["resource_group_id"] == "g1"
    assert "from-file" not in repr(asked) and "other-value" not in repr(spec)
    request = asked.as_json("token", {}, [])
    assert request["resourceGroupId"] == "g1" and request["volumes"][0]["mountPath"] == "/cache"


def test_a_token_of_my_own_for_the_job(tmp_path: Path) -> None:
    """A Job that I give a restricted token doesn't get that of my account."""
    (tmp_path / ".env").write_text("HF_TOKEN=restricted-token\n")
    asked = asked_of(spec_in(tmp_path, secrets=["HF_TOKEN"], secrets_file=".env"))
    assert asked.as_arguments("token", {}, [])["secrets"] == {"HF_TOKEN": "restricted-token"}
    assert asked.as_json("token", {}, [])["secrets"] == {"HF_TOKEN": "restricted-token"}


def test_values_of_secrets_are_removed_from_now_on(tmp_path: Path) -> None:
    """From what is shown of the Job that is started with them, and of one that was started before."""
    (tmp_path / ".env").write_text("MINE=opaque-kangaroo\nSHORT=ab\n")
    spec = spec_in(tmp_path, secrets=["MINE", "SHORT"], secrets_file=".env")
    asked_of(spec)
    assert "kangaroo" not in redact("it is opaque-kangaroo")
    forget_secrets()
    register_secrets_of(spec)
    assert "kangaroo" not in redact("it is opaque-kangaroo")
    register_secrets_of(None)
    register_secrets_of(spec_in(tmp_path, secrets=["MINE"], secrets_file="none"))


def test_a_secret_without_a_value_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    spec = spec_in(tmp_path, secrets=["NOWHERE"])
    assert missing_secrets(spec) == ["NOWHERE"]
    with pytest.raises(InputError, match="NOWHERE"):
        asked_of(spec)
    with pytest.raises(InputError, match="cannot be read"):
        asked_of(spec_in(tmp_path, secrets=["A"], secrets_file="none"))
    assert asked_of(None).secrets == {}
