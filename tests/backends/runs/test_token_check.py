"""A token in the files or options of a run is a stop: nothing is written or sent, and file and line are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.scheduled import ScheduledJobs
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.project.new_project import create_project
from smoltui.backends.runs import store as run_store
from smoltui.backends.system import data_folder
from smoltui.backends.system.known_secrets import _token_path, register_secrets_of_machine
from smoltui.cli.main import run
from smoltui.core.foreign.token_stop import leak_in_file
from smoltui.core.runs.run import RunSpec
from smoltui.errors import InputError, RecipeError
from smoltui.redaction import forget_secrets, redact, secret_in
from tests.hub.server import LocalHub
from tests.paths import FAKE_TRAINING

BODY = "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
TOKEN = f"hf_{BODY}"
SCRIPT = FAKE_TRAINING


@pytest.fixture(autouse=True)
def _nothing_registered() -> Iterator[None]:
    yield
    forget_secrets()


@pytest.fixture
def folder(own_machine: Path) -> Path:
    return create_project(own_machine / "demo", "demo").folder


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return RunSpec(
        name="n",
        project=str(tmp_path),
        recipe="steps: 1\n",
        output_dir=str(tmp_path / "out"),
        label="a" * 16,
        flavor="a100-large",
        timeout_seconds=3600,
    )


def kept() -> list[str]:
    """Files in the data folder."""
    return sorted(str(path) for path in data_folder.home().rglob("*") if path.is_file())


def append(path: Path, text: str) -> int:
    """Appends a line to a file and returns its number."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}{text}\n", encoding="utf-8")
    return before.count("\n") + 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("recipe.yaml", f"# mine: {TOKEN}"),
        ("recipe.yaml", f"hub_model_id: {TOKEN}"),
        ("recipe.yaml", f"{TOKEN}: 1"),
        ("recipe.yaml", "hub_token: of-another-shape"),
        ("smoltui.toml", f"# {TOKEN}"),
        ("prompts.txt", f"Is {TOKEN} one?"),
        ("recipe.yaml", f'hub_model_id: "hf\\u005f{BODY}"'),
        ("smoltui.toml", "# ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ],
)
@pytest.mark.parametrize(
    "command", [["train", "--on", "local"], ["scheduled", "create", "--schedule", "@daily", "--yes"]]
)
def test_a_token_in_a_file(
    folder: Path, name: str, text: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    line = append(folder / name, text)
    before = kept()
    assert run([*command, str(folder)]) == 2
    captured = capsys.readouterr()
    assert f"{name}, line {line} contains" in captured.err
    assert BODY not in captured.err + captured.out and "of-another-shape" not in captured.err
    assert kept() == before
    assert run(["recipe", "check", str(folder), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert any(f"{name}, line {line} contains" in finding["sentence"] for finding in told["findings"])


@pytest.mark.parametrize(
    "options",
    [
        ["--set", f"run_name={TOKEN}"],
        ["--set", "hub_token=abc"],
        ["--output-dir", f"out/{TOKEN}"],
        ["--on", "hub", "--namespace", TOKEN],
        ["--on", "hub", "--flavor", TOKEN],
    ],
)
def test_a_token_in_an_option(folder: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = kept()
    assert run(["train", str(folder), "--yes", *options]) == 2
    captured = capsys.readouterr()
    assert "contains" in captured.err and "HF_TOKEN instead" in captured.err and BODY not in captured.err + captured.out
    assert kept() == before


def test_what_is_no_token_stops_nothing(folder: Path) -> None:
    append(folder / "recipe.yaml", "# hf_hub_download, token: 12, hub_token: null; a commit: " + "0123456789" * 4)
    append(folder / "recipe.yaml", "hub_token: null  # from HF_TOKEN")
    assert run(["recipe", "check", str(folder)]) == 0


@pytest.mark.parametrize("value", ["", "null", "~", '""', "# nothing", "''  # x"])
def test_no_token_under_its_key(value: str) -> None:
    assert leak_in_file("recipe.yaml", f"a: 1\nhub_token: {value}\nb: 2\n", is_recipe=True) is None
    assert leak_in_file("recipe.yaml", f'a: 1\n"hub_token": x{value}\n', is_recipe=True) is not None


async def test_a_run_of_before_is_not_started_again_with_a_token(tmp_path: Path, spec: RunSpec) -> None:
    """Its record was made when nobody looked."""
    engine = LocalEngine(SCRIPT)
    first = await engine.submit(spec)
    async for _ in engine.follow(first.id):
        pass
    path = run_store.run_dir(first.id) / "spec.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "recipe": f"steps: 1\n# {TOKEN}\n"}))
    before = run_store.run_ids()
    with pytest.raises(
        RecipeError, match=r"The recipe of this run, line 2 contains what looks like a Hugging Face token"
    ):
        await LocalEngine(SCRIPT).rerun(first.id)
    assert list(run_store.run_ids()) == list(before)


@pytest.mark.parametrize(
    "changed", [{"recipe": f"# {TOKEN}\n"}, {"labels": {"team": TOKEN}}, {"name": TOKEN}, {"namespace": TOKEN}]
)
async def test_no_engine_takes_one(server: LocalHub, spec: RunSpec, changed: dict[str, Any]) -> None:
    """Not even the Hub is asked."""
    bad = replace(spec, **changed)
    for submit in (LocalEngine(SCRIPT).submit(bad), hub_submit.submit(bad), ScheduledJobs().create(bad, "@daily")):
        with pytest.raises(InputError, match="contains what looks like a Hugging Face token"):
            await submit
    assert server.requests == [] and not list(run_store.run_ids())


async def test_no_job_is_started_again_with_a_token_in_its_environment(server: LocalHub) -> None:
    """The Hub shows a variable to everyone in the namespace, unlike a secret."""
    old = server.add(stage="COMPLETED", environment={"MY": TOKEN}, command=["true"], dockerImage="python:3.12")
    with pytest.raises(InputError, match="The Job's environment contains what looks like a Hugging Face token"):
        await HubEngine().rerun(old.id)
    assert len(server.jobs) == 1


def test_the_secrets_of_the_machine_are_known(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-file-77\n")
    register_secrets_of_machine(
        {
            "HF_TOKEN": "odd99one",
            "WANDB_API_KEY": "tracker-1",
            "MY_PASSWORD": "letmein-please",
            "HF_HOME": str(tmp_path),
            "GOOGLE_API_KEY": "/etc/keys/google.json",
            "TOKENIZERS_PARALLELISM": "parallel",
            "DB_PASSWORD": "short",
        }
    )
    said = "odd99one tracker-1 letmein-please of-the-file-77 /etc/keys/google.json parallel short"
    assert redact(said) == "*** *** *** *** /etc/keys/google.json parallel short"
    assert secret_in("my odd99one") is not None and secret_in("letmein-please") is None


def test_the_client_keeps_its_token_there(tmp_path: Path) -> None:
    """The same places as in huggingface_hub, which takes too long to load at each start."""
    for extra in ({"HF_HOME": "~/h"}, {"XDG_CACHE_HOME": str(tmp_path)}, {"HF_TOKEN_PATH": "$HOME/t"}, {}):
        known = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG_"))} | extra
        code = "from huggingface_hub import constants; print(constants.HF_TOKEN_PATH)"
        said = subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, check=True)
        assert str(_token_path(known)) == said.stdout.strip()
