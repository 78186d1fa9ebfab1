"""Anything in any field of the Hub's answers: what is not as it should be is unknown, and all else is as it was."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smoltui.backends.hub import bodies as hub_bodies
from smoltui.backends.hub import client as hub
from smoltui.backends.hub.errors import retry_after
from smoltui.backends.jobs import job_json
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.scheduled import ScheduledJobs
from smoltui.core.foreign.server_values import moment_in
from smoltui.core.machine.sample import in_words, sample_from
from smoltui.core.runs.cost import worst_cost
from smoltui.errors import InputError, ServiceError
from smoltui.safe_text import safe_line
from tests.hub.server import LocalHub

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "x" * 1_000_000,
            "\x1b]0;P\x07",
            "\x9b2J",
            "²",
            "../..",
            "9" * 400,
            "1.2.3 GB",
            "1e400",
            "\ud800",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "2026-13-45",
            10**400,
            -1,
            float("inf"),
            float("nan"),
        ]
    ),
    st.sampled_from([[], {}, [[]], {"a": {}}, [None], [{"name": 5}], {"name": []}, ["x", 7], {"stage": {}}]),
)
"""Values of unexpected types."""

JOB: dict[str, Any] = {
    "id": "x1",
    "createdAt": "2026-05-12T14:57:00.000Z",
    "startedAt": "2026-05-12T14:58:00.000Z",
    "finishedAt": "2026-05-12T14:59:00.000Z",
    "status": {"stage": "ERROR", "message": "OOM", "exposeUrls": ["https://a"], "sshUrl": "ssh://x1@ssh.hf.jobs"},
    "owner": {"id": "1", "name": "ada", "type": "user"},
    "dockerImage": "ubuntu",
    "spaceId": "ada/space",
    "command": ["a"],
    "arguments": [],
    "environment": {"A": "b"},
    "secrets": ["HF_TOKEN"],
    "flavor": "a100-large",
    "timeoutSeconds": 3600,
    "labels": {"name": "n", "smoltui-run": "r"},
    "attempts": 2,
    "retry": 1,
    "initiator": {"type": "user", "id": "1"},
    "volumes": [],
    "expose": {},
    "network": {},
}
SCHEDULED: dict[str, Any] = {
    "id": "s1",
    "createdAt": "2026-05-12T14:57:00.000Z",
    "jobSpec": {**JOB, "timeout": 5},
    "schedule": "@daily",
    "suspend": False,
    "concurrency": True,
    "owner": {"name": "ada"},
    "status": {"lastJob": {"id": "x1", "at": "2026-05-12T14:57:00.000Z"}, "nextJobRunAt": "2026-05-13T14:57:00.000Z"},
}
FLAVOR: dict[str, Any] = {
    "name": "a100-large",
    "prettyName": "A100",
    "cpu": "12 vCPU",
    "ram": "142 GB",
    "unitCostMicroUSD": 41667,
    "accelerator": {"type": "gpu", "model": "A100", "quantity": "1", "vram": "80 GB"},
    "unitCostUSD": 0.041667,
    "unitLabel": "minute",
}
WHOAMI: dict[str, Any] = {
    "type": "user",
    "name": "ada",
    "fullname": "Ada",
    "isPro": True,
    "canPay": True,
    "orgs": [{"name": "lab"}],
    "auth": {"type": "access_token", "accessToken": {"displayName": "laptop", "role": "write"}},
}
SAMPLE: dict[str, Any] = {
    "cpu_usage_pct": 5,
    "cpu_millicores": 3500,
    "memory_used_bytes": 7,
    "memory_total_bytes": 9,
    "rx_bps": 0,
    "tx_bps": 1,
    "gpus": {"0": {"utilization": 0, "memory_used_bytes": 1, "memory_total_bytes": 2}},
    "replica": "57vr7",
}


def places(data: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in it."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path for key, value in inside for path in ((*before, key), *places(value, (*before, key)))]


@st.composite
def spoilt(draw: st.DrawFn, data: dict[str, Any]) -> dict[str, Any]:
    """`data` with up to three fields missing or of another type."""
    found = json.loads(json.dumps(data))
    for path in draw(st.lists(st.sampled_from(places(data)), min_size=1, max_size=3)):
        holder = found
        try:
            for key in path[:-1]:
                holder = holder[key]
            if draw(st.booleans()) and isinstance(holder, dict):
                holder.pop(path[-1], None)
            else:
                holder[path[-1]] = copy.deepcopy(draw(ODD))  # the next path may lead into it
        except (KeyError, IndexError, TypeError):
            continue  # what holds it was spoilt before
    return found


@given(spoilt(JOB))
@example({**JOB, "createdAt": "0001-01-01T00:00:00+14:00", "labels": {"name": {}}, "secrets": {"a": 1}})
def test_a_job(job: dict[str, Any]) -> None:
    """It is a row, it can be sorted, summed up, inspected and written."""
    run = job_json.run_of(job, namespace="ada") if job_json.id_of(job) else job_json.unreadable(job, "ada", 1)
    assert run.id.isprintable() and run.id.isascii() and run.stage
    assert (run.created_at or 0.0) >= 0 and (run.duration(time.time()) or 0.0) >= 0
    json.dumps(run.summary(), allow_nan=False)
    json.dumps(job_json.clean(job))
    assert all(isinstance(way, str) for way in job_json.access_of(job))
    assert not any("secretvalue" in name for name in job_json.secret_names(job))
    try:
        json.dumps(job_json.spec_of_job(job))
    except InputError as error:
        assert "can" in error.message


@given(spoilt(SCHEDULED))
def test_a_scheduled_job(item: dict[str, Any]) -> None:
    """As a Job."""
    known = job_json.id_of(item) is not None
    found = job_json.scheduled_of(item, namespace="ada") if known else job_json.unreadable_scheduled(item, "ada", 1)
    assert found.id.isprintable() and safe_line(found.schedule) == found.schedule and (found.created_at or 0.0) >= 0
    json.dumps(found.summary(), allow_nan=False)
    time.gmtime(found.next_at or 0.0)


@given(spoilt(FLAVOR))
@example({**FLAVOR, "ram": "1.2.3 GB", "accelerator": {"quantity": "²", "vram": "9" * 400 + " GB"}})
@example({**FLAVOR, "unitCostMicroUSD": -5})
@example({**FLAVOR, "unitCostMicroUSD": float("inf")})
def test_hardware(item: dict[str, Any]) -> None:
    """A price is finite and not negative, or unknown."""
    flavor = hub._flavor(item, 0.0)
    if flavor is not None:
        words = flavor.name + flavor.pretty + flavor.cpu + (flavor.accelerator or "")
        assert safe_line(words, 5000) == words
        assert len(flavor.pretty) < 1000 and 0 <= flavor.count < 10_000
        cost = worst_cost(flavor, 3600)
        assert cost is None or 0 <= cost < float("inf")


@given(spoilt(WHOAMI))
def test_an_account(data: dict[str, Any]) -> None:
    """It has a name that can stand in an address, or it is no account."""
    try:
        account = hub._account(data)
    except ServiceError:
        return
    assert all(name.isascii() and name.isprintable() and "/" not in name for name in (account.name, *account.orgs))
    words = account.fullname + account.token_name + account.token_role
    assert safe_line(words, 5000) == words and account.can_write in (True, False, None)


@given(spoilt(SAMPLE))
def test_a_sample(data: dict[str, Any]) -> None:
    """The figures of a Job's machine."""
    sample = sample_from(data, 0.0)
    json.dumps(sample.as_json(), allow_nan=False)
    assert in_words(sample)


@given(ODD)
def test_moments(value: Any) -> None:
    """A time that every clock can show, or none."""
    moment = moment_in(value)
    assert moment is None or time.gmtime(moment).tm_year >= 1970


@given(st.text(max_size=20))
@example("²")
@example("9" * 5000)
def test_waits(text: str) -> None:
    """However long I am told to wait, it is at most a quarter of an hour."""
    for headers in ({"retry-after": text}, {"ratelimit": f'"api";r=0;t={text}'}):
        assert 0 <= (retry_after(headers) or 0.0) <= 900


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: json.dumps({text: [text]}).encode()))
@example(b"[" * 100_000)
@example(b'{"a":' * 500 + b"1" + b"}" * 500)
@example(rb'["\ud800", {"\udfff": "\ud83d\ude00"}]')
@example(b"[NaN, Infinity, 1e999]")
@example(b"9" * 5000)
def test_decoding(body: bytes) -> None:
    """JSON that can be walked and written, or ValueError."""
    try:
        data = hub_bodies.loads(body)
    except ValueError:
        return
    json.dumps(data, ensure_ascii=False).encode()


def test_depth() -> None:
    """What is nested deeper than the Hub ever does is refused before anything walks through it."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        for body in (b"%s1%s", rb'%s"\ud800"%s'):  # the second way leads through another parser
            hub_bodies.loads(body % (opening * 60, closing * 60))
            with pytest.raises(ValueError, match="nested too deep"):
                hub_bodies.loads(body % (opening * 70, closing * 70))


async def test_one_bad_job_hides_no_other(server: LocalHub) -> None:
    """Every field of some Jobs is spoilt: each is a row, and mine is among them."""
    odd: list[Any] = [5, None, [], {"stage": 7}, "\x1b[2J", -1, 1e300, {"a": 1}, True]
    server.extra_items = [{**JOB, "id": f"bad{n}-{key}", key: value} for n, value in enumerate(odd) for key in JOB]
    server.page_size = 500
    server.whoami["orgs"] = []
    mine = server.add(labels={"name": "mine"})
    runs = {run.id: run for run in await HubEngine().list_runs()}
    assert runs[mine.id].name == "mine" and len(runs) == len(server.extra_items) + 1 - repeated(server.extra_items)
    assert json.dumps([run.summary() for run in runs.values()])
    assert await ScheduledJobs().list_all() == []


def repeated(items: list[Any]) -> int:
    """Items whose id is one that another has too."""
    ids = [name for item in items if (name := job_json.id_of(item))]
    return len(ids) - len(set(ids))


@pytest.mark.parametrize(
    ("said", "attempts"),
    [({"attempts": 3}, 3), ({"retry": 2}, 3), ({}, None), ({"attempts": -1}, None), ({"attempts": 10**400}, None)],
)
def test_attempts_of_a_job(said: dict[str, object], attempts: int | None) -> None:
    """The Hub says how often it starts a Job, or how often again; what cannot be is not believed."""
    assert job_json.attempts_of(said) == attempts
