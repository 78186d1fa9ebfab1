"""Acts on Jobs: again, labels, every namespace, and the ways into one; a sentence for each refusal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs import engine as hub_engine
from smoltui.backends.jobs import records as job_records
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.acts import merged_labels
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.job_json import access_of, spec_of_job
from smoltui.backends.runs import spec as launch
from smoltui.core.runs.run import Run, RunSpec
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
from tests.hub.server import TOKEN, LocalHub

FOREIGN = {
    "command": ["python", "-c", "print(1)"],
    "arguments": ["x"],
    "environment": {"A": "b"},
    "flavor": "a100-large",
    "dockerImage": "python:3.12",
    "timeoutSeconds": 600,
    "labels": {"team": "ml", "smoltui-run": "old"},
    "volumes": [{"type": "bucket", "source": "ada/b", "mountPath": "/data", "readOnly": True, "path": "p"}],
    "attempts": 3,
    "retry": 2,
    "expose": {"ports": [8000], "portsPublic": []},
}
"""A Job that somebody started with another program."""


class TestRerun:
    async def test_a_job_of_somebody_else(self, server: LocalHub) -> None:
        """The same image, command, files, flavor, timeout and labels; a label of its own; my token where it had one."""
        old = server.add(stage="COMPLETED", secrets={"HF_TOKEN": "x"}, **FOREIGN)
        old.status["sshUrl"] = f"ssh://{old.id}@ssh.hf.jobs"
        run = await HubEngine().rerun(old.id)
        (request,) = server.asked("POST", "^/api/jobs/ada$")
        body = request["body"]
        label = body["labels"].pop("smoltui-run")
        assert len(label) == 16 and label != "old"
        kept = {key: value for key, value in FOREIGN.items() if key not in ("retry", "labels")}
        assert body == kept | {"labels": {"team": "ml"}, "secrets": {"HF_TOKEN": TOKEN}, "ssh": {"enabled": True}}
        assert (run.stage, run.flavor, run.timeout_seconds, run.namespace) == ("SCHEDULING", "a100-large", 600, "ada")
        assert run.id != old.id and run.labels["smoltui-run"] == label
        assert TOKEN not in json.dumps(dict(run.raw), default=str)

    async def test_a_job_of_my_own_is_submitted_from_its_record(
        self, server: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The recipe as it was then is sent again, and the new Job has a record too."""
        sent: list[dict[str, Any]] = []
        monkeypatch.setattr(hub_submit, "ship", lambda shipment, *_: sent.append(dict(shipment.files)))
        spec = RunSpec(
            name="mine",
            project=str(tmp_path),
            recipe="beta: 0.1\n",
            output_dir="/tmp/smoltui/out",
            label="a" * 16,
            flavor="a100-large",
            timeout_seconds=600,
            labels={"team": "ml"},
        )
        engine = HubEngine()
        first = await engine.submit(spec)
        (tmp_path / "recipe.yaml").write_text("beta: 0.9\n")
        second = await HubEngine().rerun(first.id)
        assert [files["recipe.yaml"] for files in sent] == [b"beta: 0.1\n"] * 2
        assert second.id != first.id and second.project == str(tmp_path)
        assert second.labels["team"] == "ml" and second.labels["smoltui-run"] != first.labels["smoltui-run"]
        assert (job_records.read(second.id) or {})["spec"]["label"] == second.labels["smoltui-run"]

    async def test_my_project_folder_is_gone(self, server: LocalHub, tmp_path: Path) -> None:
        """Then the Job itself says what to start."""
        old = server.add(stage="ERROR", **FOREIGN)
        spec = RunSpec("n", str(tmp_path / "gone"), "beta: 0.1\n", "/o", "old", "a100-large", 600)
        job_records.write(Run(old.id, "hub", "n", "ERROR", namespace="ada"), spec)
        await HubEngine().rerun(old.id)
        assert server.asked("POST", "^/api/jobs/ada$")[0]["body"]["command"] == FOREIGN["command"]

    async def test_secrets_that_nobody_is_told(self, server: LocalHub) -> None:
        """Named, with the command that can copy them; nothing is started."""
        old = server.add(secrets={"HF_TOKEN": "x", "WANDB_API_KEY": "y"}, **FOREIGN)
        with pytest.raises(InputError, match="WANDB_API_KEY") as caught:
            await HubEngine().rerun(old.id)
        assert f"hf jobs rerun ada/{old.id}" in caught.value.hint and len(server.jobs) == 1

    async def test_a_job_of_which_too_little_is_known(self, server: LocalHub) -> None:
        old = server.add(command=None)
        with pytest.raises(InputError, match="does not say what this Job runs"):
            await HubEngine().rerun(old.id)
        assert len(server.jobs) == 1

    @pytest.mark.parametrize("spoilt", [{"how": "close"}, {"how": "html"}, {"status": 503}, {"status": 500}])
    async def test_an_answer_that_is_lost(self, server: LocalHub, spoilt: dict[str, Any]) -> None:
        """It was started: I get that Job and no second one."""
        old = server.add(stage="COMPLETED", **FOREIGN)
        server.spoil("POST", "^/api/jobs/ada$", after=True, **spoilt)
        run = await HubEngine().rerun(old.id)
        assert len(server.jobs) == 2 and run.id in server.jobs and run.id != old.id

    async def test_a_request_that_had_no_effect(self, server: LocalHub) -> None:
        old = server.add(stage="COMPLETED", **FOREIGN)
        server.spoil("POST", "^/api/jobs/ada$", status=502)
        with pytest.raises(UnreachableError, match="no Job was started"):
            await HubEngine().rerun(old.id)
        assert len(server.jobs) == 1

    async def test_nobody_knows_whether_it_was_started(self, server: LocalHub) -> None:
        """The Hub is gone after my request: I read that, with the label to search for."""
        old = server.add(stage="COMPLETED", **FOREIGN)
        server.spoil("POST", "^/api/jobs/ada$", after=True, how="close")
        server.spoil("GET", "^/api/jobs/ada$", times=9, status=503)
        with pytest.raises(UnreachableError, match="may or may not have started") as caught:
            await HubEngine().rerun(old.id)
        new = next(job for job in server.jobs.values() if job.id != old.id)
        assert f"label:smoltui-run={new.spec['labels']['smoltui-run']}" in caught.value.hint

    async def test_a_token_that_may_only_read(self, server: LocalHub) -> None:
        old = server.add(stage="COMPLETED", **FOREIGN)
        server.whoami["auth"]["accessToken"]["role"] = "read"
        with pytest.raises(PermissionDeniedError, match="read-only"):
            await HubEngine().rerun(old.id)
        assert not server.asked("POST", "")


class TestLabels:
    async def test_the_others_stay(self, server: LocalHub) -> None:
        """I set one and remove one; name, team and what finds the Job again are as they were."""
        job = server.add(labels={"name": "n.1", "team": "ml", "old": "x", "smoltui-run": "r"})
        run = await HubEngine().labels(job.id, {"best": "yes", "team": "nlp"}, ["old"])
        expected = {"name": "n.1", "team": "nlp", "best": "yes", "smoltui-run": "r"}
        assert run.labels == expected == job.spec["labels"]

    async def test_nothing_to_change_asks_nothing(self, server: LocalHub) -> None:
        job = server.add(labels={"team": "ml"})
        assert (await HubEngine().labels(job.id, {"team": "ml"})).labels == {"team": "ml"}
        assert not server.asked("PUT", "")

    @pytest.mark.parametrize(
        ("set_", "remove", "words"),
        [
            ({"model": "Qwen3-0.6B"}, [], "model=Qwen3-0.6B"),
            ({"": "x"}, [], "does not accept this label"),
            ({"a b": "x"}, [], "does not accept this label"),
            ({"a": "x" * 101}, [], "does not accept this label"),
            ({"smoltui-run": "x"}, [], "smoltui-run"),
            ({}, ["smoltui-run"], "smoltui-run"),
            ({"smoltui-continues": "job0001"}, [], "smoltui-continues"),
            ({}, ["nothing"], "No such label: nothing"),
        ],
    )
    def test_what_cannot_be_a_label(self, set_: dict[str, str], remove: list[str], words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            merged_labels({"team": "ml", "smoltui-run": "r"}, set_, remove)
        assert caught.value.hint

    def test_a_name_may_hold_a_dot(self) -> None:
        assert merged_labels({}, {"name": "v1.2"}, []) == {"name": "v1.2"}


class TestNamespaces:
    async def test_all_that_i_belong_to(self, server: LocalHub) -> None:
        """My own Jobs and those of my organization, newest first, though I submitted none of them from here."""
        first, second, third = (server.add(namespace=name) for name in ("ada", "lab", "ada"))
        engine = HubEngine()
        assert [run.id for run in await engine.list_runs()] == [third.id, second.id, first.id]
        assert engine.problems == {}
        assert (await engine.get(f"lab/{second.id}")).namespace == "lab"
        assert (await HubEngine().get(f"lab/{second.id}")).id == second.id

    async def test_one_fails_alone(self, server: LocalHub) -> None:
        """The organization's list is broken: mine is shown, and what is missing is known."""
        mine = server.add()
        server.spoil("GET", "^/api/jobs/lab$", status=503)
        engine = HubEngine()
        assert [run.id for run in await engine.list_runs()] == [mine.id]
        assert isinstance(engine.problems["lab"], UnreachableError)
        assert await engine.list_runs() and engine.problems == {}

    async def test_jobs_stay_listed_while_their_namespace_fails(self, server: LocalHub) -> None:
        """My Job runs on, and costs, though the Hub failed to list it once; then it has ended, and that is shown."""
        mine = server.add(stage="RUNNING")
        engine = HubEngine()
        await engine.list_runs()
        server.spoil("GET", "^/api/jobs/ada$", status=503)
        (run,) = await engine.list_runs()
        assert (run.id, run.stage) == (mine.id, "RUNNING") and isinstance(engine.problems["ada"], UnreachableError)
        mine.stage = "COMPLETED"
        (run,) = await engine.list_runs()
        assert run.stage == "COMPLETED" and not engine.problems

    async def test_my_own_fails_alone(self, server: LocalHub) -> None:
        """A token only for the organization: its Jobs are shown."""
        theirs = server.add(namespace="lab")
        server.closed = {"ada"}
        engine = HubEngine()
        assert [run.id for run in await engine.list_runs()] == [theirs.id]
        assert isinstance(engine.problems["ada"], PermissionDeniedError)

    async def test_an_organization_that_keeps_its_jobs_to_others(self, server: LocalHub) -> None:
        """Not a problem, and not asked again each time."""
        mine = server.add()
        server.closed = {"lab"}
        engine = HubEngine()
        for _ in range(3):
            assert [run.id for run in await engine.list_runs()] == [mine.id]
        assert engine.problems == {} and len(server.asked("GET", "^/api/jobs/lab$")) == 1
        assert (await HubEngine().get(mine.id)).id == mine.id
        with pytest.raises(PermissionDeniedError):
            await HubEngine().get(f"lab/{mine.id}")

    async def test_none_can_be_asked(self, server: LocalHub) -> None:
        server.spoil("GET", "^/api/jobs/", status=503, times=2)
        with pytest.raises(UnreachableError):
            await HubEngine().list_runs()

    async def test_asked_too_often(self, server: LocalHub) -> None:
        """The wait that the server named comes to who asks, whichever namespace it was."""
        server.add()
        server.spoil("GET", "^/api/jobs/lab$", status=429, headers={"Retry-After": "37"})
        with pytest.raises(RateLimitedError) as caught:
            await HubEngine().list_runs()
        assert caught.value.retry_after == 37

    async def test_a_token_without_jobs_is_told_so(self, server: LocalHub) -> None:
        """Looking for an id, I read that I may not, instead of that it does not exist."""
        server.closed = {"ada"}
        with pytest.raises(PermissionDeniedError):
            await HubEngine().get("nothing")


class TestChangedLabels:
    @pytest.mark.parametrize("spoilt", [{"how": "garbage"}, {"status": 200, "body": {"x": 1}}, {"status": 202}])
    async def test_a_hub_that_accepts_and_does_nothing(self, server: LocalHub, spoilt: dict[str, Any]) -> None:
        job = server.add()
        server.spoil("PUT", "/labels$", **spoilt)
        with pytest.raises(UnreachableError, match="accepted this, but the labels of job0001 are unchanged") as caught:
            await HubEngine().labels(job.id, {"a": "b"})
        assert "smoltui labels job0001" in caught.value.hint

    async def test_a_lost_answer(self, server: LocalHub) -> None:
        job = server.add(labels={"old": "x"})
        server.spoil("PUT", "/labels$", after=True, how="close")
        assert (await HubEngine().labels(job.id, {"a": "b"}, ["old"])).labels == {"a": "b"}


class TestAccess:
    def test_ssh_and_ports(self) -> None:
        status = {
            "stage": "RUNNING",
            "sshUrl": "ssh://j1@ssh.hf.jobs",
            "exposeUrls": ["https://j1--8000.hf.jobs", 5, "javascript:x"],
        }
        assert access_of({"status": status}) == ["ssh j1@ssh.hf.jobs", "https://j1--8000.hf.jobs"]
        assert access_of({"status": {**status, "stage": "COMPLETED"}}) == []
        assert access_of({"status": {"stage": "RUNNING", "sshUrl": "ssh://j1@h:2222"}}) == ["ssh -p 2222 j1@h"]

    @pytest.mark.parametrize(
        "url",
        [
            "ssh://-oProxyCommand=x@h",
            "ssh://a@h;rm",
            "ssh://a@-x",
            "https://a@h",
            "ssh://h",
            "ssh://a@h:port",
            "",
            5,
            None,
        ],
    )
    def test_an_address_that_a_shell_would_misread_is_not_offered(self, url: Any) -> None:
        assert access_of({"status": {"stage": "RUNNING", "sshUrl": url}}) == []
        assert access_of({}) == access_of({"status": 5}) == []

    def test_the_request_for_the_same_again(self) -> None:
        """Attempts from the retries if only those are stated; nothing unknown."""
        assert spec_of_job({"command": ["x"], "spaceId": "a/b", "retry": 2, "timeoutSeconds": None}) == {
            "command": ["x"],
            "spaceId": "a/b",
            "attempts": 3,
        }


CALLS: dict[str, tuple[str, str, Callable[[HubEngine, str], Awaitable[Any]]]] = {
    "rerun": ("POST", "^/api/jobs/ada$", lambda engine, job_id: engine.rerun(job_id)),
    "labels": ("PUT", "/labels$", lambda engine, job_id: engine.labels(job_id, {"a": "b"})),
    "hardware": ("GET", "/hardware$", lambda engine, _: engine.hardware()),
    "find": ("GET", "/job0001$", lambda engine, job_id: engine.rerun(f"ada/{job_id}")),
}
REFUSALS = [
    (400, InputError),
    (401, NotLoggedInError),
    (402, NoCreditError),
    (403, PermissionDeniedError),
    (404, NotFoundOnHubError),
    (409, ServiceError),
    (429, RateLimitedError),
    (500, UnreachableError),
    (503, UnreachableError),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "error"), REFUSALS)
async def test_each_refusal_is_a_sentence_and_a_next_step(
    server: LocalHub, call: str, status: int, error: type[SmoltuiError]
) -> None:
    method, path, act = CALLS[call]
    job = server.add(stage="COMPLETED", **FOREIGN)
    server.spoil(method, path, status=status, headers={"Retry-After": "9"}, body={"error": f"no\x1b[2J {TOKEN}"})
    with pytest.raises(error) as caught:
        await act(HubEngine(), job.id)
    assert type(caught.value) is error and caught.value.message and caught.value.hint
    assert "\x1b" not in str(caught.value) and TOKEN not in str(caught.value)
    assert len(server.jobs) == 1


@pytest.mark.parametrize("call", CALLS)
async def test_an_answer_that_is_not_the_hubs(server: LocalHub, call: str) -> None:
    method, path, act = CALLS[call]
    job = server.add(stage="COMPLETED", **FOREIGN)
    server.spoil(method, path, how="html")
    with pytest.raises(UnreachableError) as caught:
        await act(HubEngine(), job.id)
    assert caught.value.hint


@pytest.mark.parametrize("call", CALLS)
async def test_a_hub_that_says_nothing(
    server: LocalHub, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Awaitable[None]], call: str
) -> None:
    """A black hole costs the set time, and I can leave before."""
    method, path, act = CALLS[call]
    job = server.add(stage="COMPLETED", **FOREIGN)
    monkeypatch.setattr(hub, "TOTAL_SECONDS", 0.4)
    server.spoil(method, path, how="silent", times=2)
    with pytest.raises(UnreachableError) as caught:
        await act(HubEngine(), job.id)
    assert caught.value.hint
    monkeypatch.setattr(hub, "TOTAL_SECONDS", 60)
    before = len(server.asked(method, path))
    task = asyncio.ensure_future(act(HubEngine(), job.id))
    await wait_until(lambda: len(server.asked(method, path)) > before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)


def test_labels_of_runs_are_never_the_same() -> None:
    assert len({launch.new_label() for _ in range(100)}) == 100
    assert hub_engine.CLOSED_SECONDS >= 300
