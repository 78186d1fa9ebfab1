"""Before a Job is paid for, the Hub is asked about everything that it needs: by the dialog and by the command."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.project.project import Project
from smoltui.backends.runs import hub_facts
from smoltui.backends.runs.hub_facts import ask_hub
from smoltui.backends.runs.plan import make_plan
from smoltui.backends.services import Services
from smoltui.cli.main import run
from smoltui.screens import start_dialog
from tests.conftest import seen
from tests.hub.repos import Repo
from tests.hub.server import Dataset, LocalHub, use_hub

Wait = Callable[..., Awaitable[None]]
PAIR = json.dumps({"prompt": "Who?", "chosen": "Me.", "rejected": "You."}) + "\n"
RECIPE = {
    "model_name_or_path": "labs/small",
    "dataset_name": "labs/pairs",
    "max_length": 1024,
    "bf16": True,
    "push_to_hub": True,
    "hub_model_id": "ada/aligned",
    "eval_strategy": "no",
}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalHub]:
    with LocalHub().run() as server:
        server.whoami = {**server.whoami, "orgs": [{"name": "lab"}, {"name": "club", "roleInOrg": "read"}]}
        small, closed = server.repos.add("model", "labs/small"), server.repos.add("model", "labs/closed")
        closed.gated = True
        small.commit("main", {"config.json": b"{}", "model.safetensors": b"x"}, "first", "labs")
        closed.commit("main", {"config.json": b"{}"}, "first", "labs")
        server.datasets["labs/pairs"] = Dataset({"train.jsonl": (PAIR * 3).encode()})
        server.datasets["labs/odd"] = Dataset({"train.jsonl": b'{"text": "no pair"}\n'})
        server.datasets["labs/empty"] = Dataset({"train.jsonl": PAIR.replace("You.", "").encode() * 2})
        same = json.dumps({"prompt": "Who?", "chosen": "I.", "rejected": "I."}) + "\n"
        server.datasets["labs/same"] = Dataset({"train.jsonl": same.encode() * 3})
        server.datasets["labs/same-so-far"] = Dataset({"train.jsonl": (same * 64 + PAIR).encode()})
        yield server


@pytest.fixture
def server(running: LocalHub, own_machine: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    monkeypatch.setattr(hub_submit, "ship", lambda *_: None)
    monkeypatch.setattr(hub_facts, "_kept", {})
    running.requests.clear()
    use_hub(running.url, monkeypatch)
    return running


def project(folder: Path, **changes: object) -> Project:
    values = {key: value for key, value in {**RECIPE, **changes}.items() if value is not None}
    (folder / "recipe.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()))
    (folder / "smoltui.toml").write_text('[run]\non = "hub"\n[jobs]\nflavor = "a100-large"\ntimeout = "3h"\n')
    return Project(folder)


WRONG = [
    ({"model_name_or_path": "labs/smal"}, "The Hub has no such model, or it is private: labs/smal"),
    ({"model_revision": "v9"}, "The model labs/small has no such revision: v9"),
    ({"model_name_or_path": "labs/closed"}, "The model is gated, and your account does not have access yet"),
    ({"dataset_name": "labs/nothing"}, "The Hub has no such dataset, or it is private: labs/nothing"),
    ({"dataset_config": "big"}, "labs/pairs has no such configuration: big"),
    ({"dataset_train_split": "trian"}, "trian"),
    ({"eval_strategy": "steps", "eval_steps": 5}, "labs/pairs has no such split: test"),
    ({"dataset_name": "labs/odd"}, "labs/odd"),
    ({"dataset_name": "labs/empty"}, "None of the 2 rows is a usable pair"),
    ({"dataset_name": "labs/same"}, "All 3 pairs have identical answers"),
    ({"dataset_name": "labs/same-so-far"}, "All of the first 64 pairs have identical answers"),
    ({"report_to": "wandb"}, "report_to: wandb needs WANDB_API_KEY, which the Job does not have"),
    ({"hub_model_id": "someone/aligned"}, "ada cannot push to the namespace of someone/aligned"),
    ({"hub_model_id": "club/aligned"}, "ada cannot push to club/aligned: its role in club is read"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_the_command_stops_before_it_asks_for_a_job(
    server: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], said: str
) -> None:
    """One part of my recipe is wrong: train says which, and the Hub's record has no POST."""
    project(tmp_path, **changes)
    assert run(["train", str(tmp_path), "--yes", "--detach"]) != 0
    assert said in capsys.readouterr().err
    assert not [one for one in server.requests if one["method"] == "POST"]


def test_a_job_is_not_paid_for_without_a_yes(
    server: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is wrong, but nobody has agreed to the price, and there is no terminal to ask in."""
    project(tmp_path)
    assert run(["train", str(tmp_path), "--detach", "--json"]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert "--yes" in json.loads(last)["hint"]
    assert not [one for one in server.requests if one["method"] == "POST"]


def test_nothing_is_known_while_the_hub_is_silent_about_it(
    server: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Hub does not answer about the model: that is "not known", and I may start all the same."""
    project(tmp_path)
    server.spoil("GET", "^/api/models/labs/small", status=503, times=20)
    assert run(["train", str(tmp_path), "--yes", "--detach"]) == 0
    server._faults.clear()
    assert "Not known whether the Hub lets a Job read these: labs/small" in capsys.readouterr().err
    assert len(server.asked("POST", "^/api/jobs/ada$")) == 1
    server.jobs.clear()


async def test_the_dialog_stops_as_well(server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
    """A typo in the model's name is the line that enter fixes; a repository with a model in it is a warning."""
    taken: Repo = server.repos.add("model", "ada/aligned")
    taken.commit("main", {"model.safetensors": b"x"}, "first", "ada")
    opened = project(tmp_path, model_name_or_path="labs/smal")
    app = SmoltuiApp(opened, Services({"hub": HubEngine()}), opening="runs")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "The Hub has no such model, or it is private" in seen(app, "#start-text"))
        await wait_until(lambda: "ada/aligned already contains a model (1 file)" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "model_name_or_path: labs/smal" in seen(app, "#start-text"))
        await pilot.press(*"labs/small", "enter")
        await wait_until(lambda: "The Hub has no such model" not in seen(app, "#start-text"))
        await wait_until(lambda: "enter Start Job" in seen(app, "#start-text"))
    assert not [one for one in server.requests if one["method"] == "POST"]


async def test_enter_does_nothing_before_all_is_known(
    server: LocalHub, tmp_path: Path, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks are made, and the flavors are still compared when the terminal changes its size: what enter would do
    is not shown yet, and it fixes no warning that I did not choose."""
    asked, may = threading.Event(), threading.Event()
    real = start_dialog.flavors_for

    def slow(*given: Any) -> Any:
        asked.set()
        may.wait(30)
        return real(*given)

    monkeypatch.setattr(start_dialog, "flavors_for", slow)
    opened = project(tmp_path, push_to_hub=False)
    before = opened.recipe_path.read_bytes()
    app = SmoltuiApp(opened, Services({"hub": HubEngine()}), opening="runs")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("t")
        await wait_until(asked.is_set)
        await pilot.resize_terminal(90, 40)
        await pilot.press("enter")
        assert "enter" not in seen(app, "#start-foot") and opened.recipe_path.read_bytes() == before
        may.set()
        await wait_until(lambda: "enter Start Job" in seen(app, "#start-text"))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"dataset_train_split": "trian"}, "dataset_train_split"),
        ({"dataset_config": "big"}, "dataset_config"),
        ({"dataset_name": None, "datasets": [{"path": "labs/pairs", "split": "trian"}]}, "datasets"),
        ({"dataset_name": None, "datasets": [{"path": "labs/nothing", "split": "train"}]}, "datasets"),
    ],
)
async def test_enter_edits_the_key_that_the_recipe_has(
    server: LocalHub, tmp_path: Path, changes: dict[str, object], key: str
) -> None:
    """A recipe with a list of sets has no dataset_name, and TRL would ignore one."""
    answers = await ask_hub(await make_plan(project(tmp_path, **changes), JOBS))
    assert answers.pairs is not None and answers.pairs.problem and answers.pairs.key == key


async def test_what_is_typed_is_in_view_below_a_long_check(server: LocalHub, tmp_path: Path, wait_until: Wait) -> None:
    """The sentences about my pairs fill a terminal of 24 lines: the time limit is asked below them."""
    app = SmoltuiApp(project(tmp_path, dataset_name="labs/odd"), Services({"hub": HubEngine()}), opening="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "enter Open Pairs" in seen(app, "#start-text"))
        await pilot.press("e")
        await wait_until(lambda: "time limit: 3h" in seen(app))
        await pilot.press("escape")
        await wait_until(lambda: "time limit:" not in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "which column?" in seen(app))


async def test_a_job_that_another_process_started_is_a_second_one(
    server: LocalHub, tmp_path: Path, wait_until: Wait
) -> None:
    """I started the Job in a shell; at Home, where nobody lists Jobs, t and enter ask before they start another."""
    opened = project(tmp_path)
    assert await asyncio.to_thread(run, ["train", str(tmp_path), "--yes", "--detach"]) == 0
    app = SmoltuiApp(opened, Services({"hub": HubEngine()}), opening="home")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "enter Start Job" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "Start a second one all the same?" in seen(app))
    assert len(server.asked("POST", "^/api/jobs/ada$")) == 1
    server.jobs.clear()
