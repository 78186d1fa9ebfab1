"""Scheduled Jobs: made and triggered once, listed with their next time, suspended, resumed, deleted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.scheduled import SCHEDULE_LABEL, ScheduledJobs
from smoltui.core.runs.run import RunSpec
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
from tests.hub.server import TOKEN, LocalHub, Scheduled


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The content store is left out: what would be uploaded is kept here."""
    sent: list[Any] = []
    monkeypatch.setattr(hub_submit, "ship", lambda shipment, *_: sent.append(dict(shipment.files)))

    async def take_back(*args: Any) -> None:
        sent.append("cannot be undone")

    monkeypatch.setattr(hub_submit, "take_back", take_back)
    return sent


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return RunSpec(
        name="nightly",
        project=str(tmp_path),
        recipe="beta: 0.1\n",
        output_dir="/tmp/smoltui/aligned",
        label="a" * 16,
        flavor="a100-large",
        timeout_seconds=3600,
        labels={"team": "ml", "smoltui-run": "a" * 16},
    )


def made(server: LocalHub, namespace: str = "ada", **spec: Any) -> Scheduled:
    """A scheduled Job that is there already."""
    body = {"jobSpec": {"command": ["x"], "flavor": "cpu-basic", "timeoutSeconds": 600, **spec}, "schedule": "@daily"}
    number = len(server.scheduled) + 1
    item = Scheduled(f"sched{number:04}", namespace, body, 1.7e9 + number)
    server.scheduled[item.id] = item
    return item


class TestMaking:
    async def test_what_is_asked_for(self, server: LocalHub, shipped: list[Any], spec: RunSpec) -> None:
        """Each night at three: the Job that `train` would submit, under a label of the schedule's own."""
        item = await HubEngine().scheduled.create(spec, "0  3 * * *", suspended=True)
        (request,) = server.asked("POST", "^/api/scheduled-jobs/ada$")
        body, job = request["body"], request["body"]["jobSpec"]
        assert (body["schedule"], body["suspend"], body["concurrency"]) == ("0 3 * * *", True, False)
        assert job["labels"] == {"name": "nightly", "team": "ml", SCHEDULE_LABEL: spec.label}
        assert (job["flavor"], job["timeoutSeconds"]) == ("a100-large", 3600)
        assert job["secrets"] == {"HF_TOKEN": TOKEN}
        assert TOKEN not in json.dumps({key: value for key, value in job.items() if key != "secrets"})
        assert job["volumes"][0]["path"] == spec.label and job["volumes"][0]["readOnly"] is True
        assert job["command"][:3] == ["uv", "run", "/data/dpo.py"]
        assert shipped[0]["recipe.yaml"] == b"beta: 0.1\n"
        assert (item.name, item.suspended, item.next_at, item.timeout_seconds) == ("nightly", True, None, 3600)
        assert TOKEN not in json.dumps(dict(item.raw))

    async def test_what_the_client_sends_too(self, server: LocalHub, shipped: list[Any], spec: RunSpec) -> None:
        """The body has the keys that huggingface_hub's own call sends, so the Hub knows them."""
        from huggingface_hub import HfApi, Volume

        await HubEngine().scheduled.create(spec, "@daily")
        volume = Volume(type="bucket", source="ada/b", mount_path="/data", path="p", read_only=True)
        HfApi(endpoint=server.url).create_scheduled_job(
            image="i",
            command=["x"],
            schedule="@daily",
            suspend=False,
            concurrency=False,
            env={"A": "b"},
            secrets={"HF_TOKEN": "x"},
            flavor="cpu-basic",
            timeout=60,
            labels={"name": "n"},
            volumes=[volume],
            namespace="ada",
            token=TOKEN,
        )
        ours, theirs = (request["body"] for request in server.asked("POST", "^/api/scheduled-jobs/ada$"))
        assert set(ours) == set(theirs) and set(ours["jobSpec"]) == set(theirs["jobSpec"])
        assert set(ours["jobSpec"]["volumes"][0]) == set(theirs["jobSpec"]["volumes"][0])

    async def test_out_of_a_job_that_exists(self, server: LocalHub) -> None:
        """What it did, with my token where it had one; what a scheduled Job cannot have stays behind."""
        job = server.add(
            dockerImage="python:3.12",
            secrets={"HF_TOKEN": "x"},
            network={"group": "g"},
            labels={"team": "ml", "smoltui-run": "old"},
        )
        job.status["sshUrl"] = "ssh://x@ssh.hf.jobs"
        await HubEngine().scheduled.create_from(job.as_json(), "ada", "@weekly")
        body = server.asked("POST", "^/api/scheduled-jobs/ada$")[0]["body"]
        assert not {"ssh", "network"} & set(body["jobSpec"]) and body["schedule"] == "@weekly"
        assert set(body["jobSpec"]["labels"]) == {"team", SCHEDULE_LABEL}
        assert body["jobSpec"]["secrets"] == {"HF_TOKEN": TOKEN}
        job.spec["secrets"] = {"OTHER": "x"}
        with pytest.raises(InputError, match="OTHER"):
            await HubEngine().scheduled.create_from(job.as_json(), "ada", "@weekly")
        assert len(server.scheduled) == 1

    @pytest.mark.parametrize("spoilt", [{"how": "close"}, {"how": "html"}, {"status": 503}])
    async def test_an_answer_that_is_lost(
        self, server: LocalHub, shipped: list[Any], spec: RunSpec, spoilt: dict[str, Any]
    ) -> None:
        """It was created: I get it, and get the same one when I try again."""
        server.spoil("POST", "^/api/scheduled-jobs/ada$", after=True, **spoilt)
        item = await HubEngine().scheduled.create(spec, "@daily")
        assert (await HubEngine().scheduled.create(spec, "@daily")).id == item.id
        assert list(server.scheduled) == [item.id] and len(shipped) == 1

    async def test_what_nobody_knows(self, server: LocalHub, shipped: list[Any], spec: RunSpec) -> None:
        server.spoil("POST", "^/api/scheduled-jobs/ada$", after=True, how="close")
        original = server.fault

        def dead(method: str, path: str) -> dict[str, Any] | None:
            gone = method == "GET" and "scheduled" in path and server.asked("POST", "^/api/scheduled-jobs/ada$")
            return {"status": 503} if gone else original(method, path)

        server.fault = dead  # type: ignore[method-assign]
        with pytest.raises(UnreachableError, match="it may or may not exist") as caught:
            await HubEngine().scheduled.create(spec, "@daily")
        assert spec.label in caught.value.hint

    async def test_a_refusal_leaves_nothing(self, server: LocalHub, shipped: list[Any], spec: RunSpec) -> None:
        """A date that never comes, which only the Hub can tell: its words, and my files do not stay behind."""
        with pytest.raises(InputError, match="Invalid schedule"):
            await HubEngine().scheduled.create(spec, "0 0 30 2 *")
        assert shipped[-1] == "cannot be undone" and not server.scheduled

    @pytest.mark.parametrize(
        ("change", "schedule", "words"),
        [
            ({}, "daily", "Not a valid schedule"),
            ({"flavor": None}, "@daily", "needs a flavor and a timeout"),
            ({"timeout_seconds": 0}, "@daily", "needs a flavor and a timeout"),
            ({"labels": {"a": "b.c"}}, "@daily", "does not accept this label"),
        ],
    )
    async def test_what_cannot_be_made(
        self, server: LocalHub, shipped: list[Any], spec: RunSpec, change: dict[str, Any], schedule: str, words: str
    ) -> None:
        with pytest.raises(InputError, match=words):
            await HubEngine().scheduled.create(replace(spec, **change), schedule)
        assert not shipped and not server.requests


class TestLiving:
    async def test_all_of_them(self, server: LocalHub) -> None:
        """Those of my organization too, newest first, with the next time the Hub names; one namespace fails alone."""
        first, second = made(server, labels={"name": "mine"}), made(server, "lab", dockerImage="r/uv:3")
        scheduled = ScheduledJobs()
        found = await scheduled.list_all()
        assert [(item.id, item.name, item.namespace) for item in found] == [
            (second.id, "uv:3", "lab"),
            (first.id, "mine", "ada"),
        ]
        assert found[1].next_at == first.created + 3600 and found[1].last_run is None
        assert json.dumps(found[0].summary())
        server.spoil("GET", "^/api/scheduled-jobs/lab$", status=503)
        assert [item.id for item in await scheduled.list_all()] == [first.id]
        assert isinstance(scheduled.problems["lab"], UnreachableError)

    async def test_a_list_with_things_unheard_of(self, server: LocalHub) -> None:
        """Half a scheduled Job, and something that is none: the rest is listed."""
        item = made(server)
        item.as_json = lambda: {"id": "half", "suspend": "maybe", "status": 5, "jobSpec": None}  # type: ignore[method-assign]
        other = made(server)
        other.as_json = lambda: 5  # type: ignore[method-assign,assignment,return-value]
        found, bad = sorted(await ScheduledJobs().list_all(), key=lambda item: item.id)
        assert (bad.id, bad.name) == ("unreadable-ada-2", "This Job's record can't be read")
        assert (found.id, found.schedule, found.suspended, found.next_at) == ("half", "UNKNOWN", None, None)

    async def test_suspend_resume_delete(self, server: LocalHub) -> None:
        """By its id alone, also in my organization."""
        item = made(server, "lab")
        scheduled = ScheduledJobs()
        suspended = await scheduled.suspend(item.id)
        assert (suspended.suspended, suspended.next_at) == (True, None)
        resumed = await scheduled.resume(f"lab/{item.id}")
        assert resumed.suspended is False and resumed.next_at is not None
        assert (await scheduled.delete(item.id)).id == item.id
        with pytest.raises(NotFoundOnHubError, match="no such scheduled Job"):
            await scheduled.get(item.id)

    async def test_trigger(self, server: LocalHub) -> None:
        """One Job starts now; while it runs a second is refused, in words."""
        item = made(server)
        run = await ScheduledJobs().trigger(item.id)
        assert (run.stage, list(server.jobs)) == ("SCHEDULING", [run.id])
        assert (await ScheduledJobs().get(item.id)).last_run == run.id
        with pytest.raises(ServiceError, match=r"refuses to trigger .*: Another instance .* already running") as caught:
            await ScheduledJobs().trigger(item.id)
        assert caught.value.hint.startswith("Look at what is running") and len(server.jobs) == 1

    @pytest.mark.parametrize("spoilt", [{"how": "close"}, {"how": "html"}, {"status": 500}])
    async def test_a_trigger_whose_answer_is_lost(self, server: LocalHub, spoilt: dict[str, Any]) -> None:
        """The Job that it started is given, not one that was there before, and none is started twice."""
        item = made(server)
        before = server.add(stage="COMPLETED")
        before.initiator = {"type": "scheduled-job", "id": item.id}
        server.spoil("POST", "/run$", after=True, **spoilt)
        run = await ScheduledJobs().trigger(item.id)
        assert set(server.jobs) == {before.id, run.id} and run.id != before.id

    async def test_a_trigger_that_had_no_effect(self, server: LocalHub) -> None:
        item = made(server)
        server.spoil("POST", "/run$", how="close")
        with pytest.raises(UnreachableError, match="no Job was started"):
            await ScheduledJobs().trigger(item.id)
        assert not server.jobs

    async def test_nobody_knows_whether_it_was_triggered(self, server: LocalHub) -> None:
        item = made(server)
        original = server.fault

        def dead(method: str, path: str) -> dict[str, Any] | None:
            if method == "GET" and path == "/api/jobs/ada" and server.asked("POST", "/run$"):
                return {"status": 503}
            return original(method, path)

        server.fault = dead  # type: ignore[method-assign]
        server.spoil("POST", "/run$", after=True, how="close")
        with pytest.raises(UnreachableError, match="a Job may or may not have started") as caught:
            await ScheduledJobs().trigger(item.id)
        assert "smoltui ps" in caught.value.hint

    async def test_what_was_started_cannot_be_seen_before(self, server: LocalHub) -> None:
        """If the Jobs cannot be listed, nothing is triggered: a lost answer could not be told from a Job."""
        item = made(server)
        server.spoil("GET", "^/api/jobs/ada$", status=503)
        with pytest.raises(UnreachableError):
            await ScheduledJobs().trigger(item.id)
        assert not server.asked("POST", "")


CHANGES: dict[str, tuple[str, str, Callable[[ScheduledJobs, str], Awaitable[Any]], str, str]] = {
    "suspend": ("POST", "/suspend$", lambda jobs, item: jobs.suspend(item), "is not suspended", "suspended"),
    "resume": ("POST", "/resume$", lambda jobs, item: jobs.resume(item), "is still suspended", "resumed"),
    "reschedule": (
        "POST",
        "/schedule$",
        lambda jobs, item: jobs.reschedule(item, "@hourly"),
        "still has the schedule '@daily'",
        "rescheduled",
    ),
    "labels": ("PUT", "/labels$", lambda jobs, item: jobs.labels(item, {"z": "1"}), "has its old labels", "relabeled"),
    "delete": ("DELETE", "/sched0001$", lambda jobs, item: jobs.delete(item), "still exists", "deleted"),
}


@pytest.mark.parametrize("change", CHANGES)
class TestWhatTheHubDid:
    @pytest.fixture
    def item(self, server: LocalHub, change: str) -> Scheduled:
        item = made(server)
        item.body["suspend"] = change == "resume"
        return item

    @pytest.mark.parametrize("spoilt", [{"how": "garbage"}, {"status": 200, "body": {"x": 1}}, {"status": 202}])
    async def test_nothing_although_it_accepted(
        self, server: LocalHub, item: Scheduled, change: str, spoilt: dict[str, Any]
    ) -> None:
        """Its response says that all is well; I am told that nothing was done, and where to look."""
        method, path, act, undone, _ = CHANGES[change]
        server.spoil(method, path, **spoilt)
        with pytest.raises(
            UnreachableError, match=f"The Hub accepted this, but the scheduled Job sched0001.* {undone}"
        ):
            await act(ScheduledJobs(), item.id)

    @pytest.mark.parametrize("spoilt", [{"how": "close"}, {"how": "garbage"}, {"status": 503}])
    async def test_it_although_the_answer_was_lost(
        self, server: LocalHub, item: Scheduled, change: str, spoilt: dict[str, Any]
    ) -> None:
        method, path, act, _, _ = CHANGES[change]
        server.spoil(method, path, after=True, **spoilt)
        assert (await act(ScheduledJobs(), item.id)).id == item.id

    async def test_a_change_that_was_lost(self, server: LocalHub, item: Scheduled, change: str) -> None:
        """It never arrived, which the Hub can tell me."""
        method, path, act, _, _ = CHANGES[change]
        server.spoil(method, path, how="close")
        with pytest.raises(UnreachableError, match=r"could not .* the scheduled Job sched0001"):
            await act(ScheduledJobs(), item.id)

    async def test_what_nobody_knows(self, server: LocalHub, item: Scheduled, change: str) -> None:
        """The connection is lost for good: it is not said that it failed, but how to look."""
        method, path, act, _, done = CHANGES[change]
        scheduled = ScheduledJobs()
        await scheduled.get(item.id)
        original = server.fault

        def dead(asked: str, where: str) -> dict[str, Any] | None:
            return {"status": 503} if asked == "GET" and server.asked(method, path) else original(asked, where)

        server.fault = dead  # type: ignore[method-assign]
        server.spoil(method, path, after=True, how="close")
        with pytest.raises(UnreachableError, match=f"sched0001 may or may not have been {done}") as caught:
            await act(scheduled, item.id)
        assert "smoltui scheduled list" in caught.value.hint


async def test_a_schedule_in_the_hubs_own_form(server: LocalHub) -> None:
    """It lists @daily as its five fields: setting @daily is no failure."""
    item = made(server)
    item.body["schedule"] = "0 0 * * *"
    server.spoil("POST", "/schedule$", status=200, body={})
    assert (await ScheduledJobs().reschedule(item.id, "@daily")).schedule == "0 0 * * *"


CALLS: dict[str, tuple[str, str, Callable[[ScheduledJobs, str, dict[str, Any]], Awaitable[Any]]]] = {
    "list": ("GET", "^/api/scheduled-jobs/", lambda scheduled, _, __: scheduled.list_all()),
    "get": ("GET", "/sched0001$", lambda scheduled, item, _: scheduled.get(f"ada/{item}")),
    "suspend": ("POST", "/suspend$", lambda scheduled, item, _: scheduled.suspend(item)),
    "resume": ("POST", "/resume$", lambda scheduled, item, _: scheduled.resume(item)),
    "trigger": ("POST", "/run$", lambda scheduled, item, _: scheduled.trigger(item)),
    "delete": ("DELETE", "/sched0001$", lambda scheduled, item, _: scheduled.delete(item)),
    "create": (
        "POST",
        "^/api/scheduled-jobs/ada$",
        lambda scheduled, _, job: scheduled.create_from(job, "ada", "@daily"),
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InputError),
        (401, NotLoggedInError),
        (402, NoCreditError),
        (403, PermissionDeniedError),
        (404, NotFoundOnHubError),
        (409, ServiceError),
        (429, RateLimitedError),
        (503, UnreachableError),
    ],
)
async def test_each_refusal_is_a_sentence_and_a_next_step(
    server: LocalHub, call: str, status: int, error: type[SmoltuiError]
) -> None:
    method, path, act = CALLS[call]
    item, job = made(server), server.add(dockerImage="i")
    item.body["suspend"] = call == "resume"
    server.spoil(method, path, times=2, status=status, headers={"Retry-After": "9"}, body={"error": f"\x1b[2J {TOKEN}"})
    with pytest.raises(error) as caught:
        await act(ScheduledJobs(), item.id, job.as_json())
    assert type(caught.value) is error and caught.value.message and caught.value.hint
    assert "\x1b" not in str(caught.value) and TOKEN not in str(caught.value)


@pytest.mark.parametrize("call", CALLS)
async def test_a_hub_that_says_nothing_or_is_none(server: LocalHub, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A silent server costs the time limit; a login page is reported as such, or as a lost response."""
    method, path, act = CALLS[call]
    item, job = made(server), server.add(dockerImage="i")
    item.body["suspend"] = call == "resume"
    monkeypatch.setattr(hub, "TOTAL_SECONDS", 0.4)
    server.spoil(method, path, how="silent", times=2)
    with pytest.raises(UnreachableError) as caught:
        await act(ScheduledJobs(), item.id, job.as_json())
    assert caught.value.hint
    server.spoil(method, path, how="html", times=2)
    with pytest.raises(UnreachableError):
        await act(ScheduledJobs(), item.id, job.as_json())
