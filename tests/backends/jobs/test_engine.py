"""Jobs as runs: submitted once, listed, followed to the last line, cancelled, and shown as the server has them."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs import ends, watching
from smoltui.backends.jobs import listing as hub_listing
from smoltui.backends.jobs import records as job_records
from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.pairs.curated import curated_spec
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.core.pairs.curation import Decision
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.core.runs.wording import gap_words
from smoltui.errors import (
    InputError,
    NoCreditError,
    NotFoundOnHubError,
    PermissionDeniedError,
    ServiceError,
    SmoltuiError,
    UnreachableError,
)
from smoltui.scripts.pair_format import content_hash
from tests.hub.server import TOKEN, Connection, LocalHub


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The content store is left out: what would be uploaded is kept here."""
    sent: list[dict[str, Any]] = []

    def ship(shipment: Any, bucket: str, label: str, token: str, *_: object) -> None:
        sent.append({"bucket": bucket, "label": label, "files": dict(shipment.files)})

    async def take_back(*args: Any) -> None:
        sent.append({"taken_back": True})

    monkeypatch.setattr(hub_submit, "ship", ship)
    monkeypatch.setattr(hub_submit, "take_back", take_back)
    return sent


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return RunSpec(
        name="my first run",
        project=str(tmp_path),
        recipe="beta: 0.1\n",
        output_dir="/tmp/smoltui/aligned",
        label="0123456789abcdef",
        flavor="a100-large",
        timeout_seconds=10800,
        labels={"team": "ml"},
    )


async def follow(engine: HubEngine, run_id: str, **how: Any) -> list[events.Event]:
    return [event async for event in engine.follow(run_id, **how)]


def texts(found: list[events.Event]) -> list[str]:
    return [event.text for event in found if isinstance(event, events.LogLine)]


def stages(found: list[events.Event]) -> list[str]:
    return [event.stage for event in found if isinstance(event, events.StageChanged)]


class TestSubmitting:
    async def test_what_is_asked_for(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec, tmp_path: Path
    ) -> None:
        """Three hours on an A100: that is what the Hub is asked for; my token is a secret of the Job, nowhere else."""
        run = await HubEngine().submit(spec)
        (request,) = server.asked("POST", "^/api/jobs/ada$")
        body = request["body"]
        assert (body["flavor"], body["timeoutSeconds"]) == ("a100-large", 10800)
        assert body["labels"] == {"name": "my-first-run", "smoltui-run": spec.label, "team": "ml"}
        assert body["command"] == [
            "uv",
            "run",
            "/data/dpo.py",
            "--config",
            "/data/recipe.yaml",
            "--output-dir",
            "/tmp/smoltui/aligned",
        ]
        assert body["volumes"] == [
            {
                "type": "bucket",
                "source": "ada/jobs-artifacts",
                "mountPath": "/data",
                "readOnly": True,
                "path": spec.label,
            }
        ]
        assert body["environment"] == {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
        assert body["secrets"] == {"HF_TOKEN": TOKEN}
        assert TOKEN not in json.dumps({key: value for key, value in body.items() if key != "secrets"})
        assert shipped[0]["files"]["recipe.yaml"] == b"beta: 0.1\n"
        assert (run.engine, run.stage, run.name, run.namespace) == ("hub", Stage.SCHEDULING, "my-first-run", "ada")
        assert (run.project, run.timeout_seconds, run.output_dir) == (str(tmp_path), 10800, "/tmp/smoltui/aligned")
        assert run.url == f"{server.url}/jobs/ada/{run.id}"
        assert TOKEN not in "".join(path.read_text() for path in job_records.folder().iterdir())

    async def test_all_gpus_of_a_flavor_are_used(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec
    ) -> None:
        """Four GPUs: four processes through accelerate launch, whose file is sent along; smoltui.toml can say fewer."""
        four = {
            **server.hardware[0],
            "name": "a100x4",
            "accelerator": {"model": "A100", "quantity": "4", "vram": "320 GB"},
        }
        server.hardware.append(four)
        await HubEngine().submit(replace(spec, flavor="a100x4", strategy="fsdp"))
        body = server.asked("POST", "^/api/jobs/ada$")[0]["body"]
        assert body["command"][:6] == ["uv", "run", "--no-project", "--with-requirements", "/data/dpo.py", "python"]
        launcher = ["-P", "-m", "accelerate.commands.launch", "--config_file", "/data/accelerate.yaml", "/data/dpo.py"]
        assert body["command"][6:12] == launcher
        assert body["environment"]["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] == "600"
        sent = shipped[0]["files"]["accelerate.yaml"].decode()
        assert "num_processes: 4\n" in sent and 'distributed_type: "FSDP"' in sent
        await HubEngine().submit(replace(spec, flavor="a100x4", processes=1, label="0123456789abcdee"))
        assert server.asked("POST", "^/api/jobs/ada$")[1]["body"]["command"][:3] == ["uv", "run", "/data/dpo.py"]
        assert "accelerate.yaml" not in shipped[1]["files"]

    async def test_a_curated_set_is_what_is_sent(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec, tmp_path: Path
    ) -> None:
        """The pair I left out stays on this machine; the Job's recipe names the set without it."""
        rows = [{"prompt": f"Question {number}", "chosen": "Yes.", "rejected": "No."} for number in range(3)]
        (tmp_path / "pairs").mkdir()
        (tmp_path / "pairs" / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        CurationFile(tmp_path).append([Decision("exclude", content_hash(rows[1]))])
        asked = RunSpec(**{**spec_values(spec), "recipe": "dataset_name: pairs\nbeta: 0.1\n"})
        await HubEngine().submit(curated_spec(asked))
        files = shipped[0]["files"]
        (name,) = (name for name in files if name.endswith("/train.jsonl"))
        assert f"dataset_name: {name.removesuffix('/train.jsonl')}\n".encode() in files["recipe.yaml"]
        assert [json.loads(line) for line in files[name].read_text().splitlines()] == [rows[0], rows[2]]
        assert not any("pairs/" in name for name in files) and shipped[0]["bucket"] == "ada/jobs-artifacts"

    async def test_pairs_i_left_out_stay_out(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec
    ) -> None:
        """What I excluded in the Pairs room is not trained on in the Job either."""
        left_out = RunSpec(**{**spec_values(spec), "left_out": ("ab", "cd")})
        await HubEngine().submit(left_out)
        assert shipped[0]["files"]["left_out.txt"] == b"ab\ncd\n"
        assert server.asked("POST", "^/api/jobs/ada$")[0]["body"]["command"][-2:] == ["--exclude", "/data/left_out.txt"]

    @pytest.mark.parametrize("spoilt", [{"how": "close"}, {"how": "html"}, {"status": 503}, {"status": 500}])
    async def test_an_answer_that_is_lost(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec, spoilt: dict[str, Any]
    ) -> None:
        """The Job was started but the answer never came: I get that Job, and the same one when I try again."""
        server.spoil("POST", "^/api/jobs/ada$", after=True, **spoilt)
        engine = HubEngine()
        run = await engine.submit(spec)
        assert (await engine.submit(spec)).id == run.id
        assert len(server.jobs) == 1 and len(shipped) == 1

    @pytest.mark.parametrize("spoilt", [{"how": "close"}, {"status": 502}])
    async def test_a_request_that_had_no_effect(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec, spoilt: dict[str, Any]
    ) -> None:
        """Nothing was started: I am told so, and trying again starts exactly one."""
        server.spoil("POST", "^/api/jobs/ada$", **spoilt)
        engine = HubEngine()
        with pytest.raises(UnreachableError, match="no Job was started"):
            await engine.submit(spec)
        await engine.submit(spec)
        assert len(server.jobs) == 1

    async def test_nobody_knows_whether_it_was_started(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec
    ) -> None:
        """The Hub is gone after my request: I am told that it is not known, and later the same start finds the Job."""
        server.spoil("POST", "^/api/jobs/ada$", after=True, how="close")
        engine = HubEngine()
        original = server.fault

        def dead(method: str, path: str) -> dict[str, Any] | None:
            gone = method == "GET" and path == "/api/jobs/ada" and server.asked("POST", "^/api/jobs/ada$")
            return {"status": 503} if gone else original(method, path)

        server.fault = dead  # type: ignore[method-assign]
        with pytest.raises(UnreachableError, match="may or may not have started") as caught:
            await engine.submit(spec)
        assert spec.label in caught.value.hint
        server.fault = original  # type: ignore[method-assign]
        assert (await engine.submit(spec)).id in server.jobs and len(server.jobs) == 1

    @pytest.mark.parametrize(
        ("status", "error"),
        [(400, InputError), (402, NoCreditError), (403, PermissionDeniedError), (409, ServiceError)],
    )
    async def test_a_refusal_starts_nothing_and_leaves_nothing(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec, status: int, error: type[SmoltuiError]
    ) -> None:
        """No credit, no permission: one sentence, and my files do not stay behind."""
        server.spoil("POST", "^/api/jobs/ada$", status=status)
        with pytest.raises(error, match="start the Job"):
            await HubEngine().submit(spec)
        assert not server.jobs and shipped[-1] == {"taken_back": True}

    async def test_a_token_that_may_only_read(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec
    ) -> None:
        """That is known before anything is sent."""
        server.whoami["auth"]["accessToken"]["role"] = "read"
        with pytest.raises(PermissionDeniedError, match="read-only"):
            await HubEngine().submit(spec)
        assert not shipped and not server.asked("POST", "")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"flavor": None}, "needs a flavor"),
            ({"timeout_seconds": None}, "needs a timeout"),
            ({"labels": {"model": "Qwen3-0.6B"}}, "model=Qwen3-0.6B"),
            ({"labels": {"": "x"}}, "does not accept this label"),
            ({"output_dir": "/data/out"}, "read-only: /data/out"),
        ],
    )
    async def test_what_cannot_be_a_job(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec, change: dict[str, Any], words: str
    ) -> None:
        """Named before anything is sent or started."""
        with pytest.raises(InputError) as caught:
            await HubEngine().submit(RunSpec(**{**spec_values(spec), **change}))
        assert words in caught.value.message
        assert not shipped and not server.asked("POST", "^/api/jobs")

    async def test_files_are_not_sent_into_a_public_bucket(self, server: LocalHub, spec: RunSpec) -> None:
        """My pairs would be readable by everybody: refused, with the page where it is made private."""
        server.bucket_private = False
        with pytest.raises(ServiceError, match="is public, so nothing was uploaded") as caught:
            await HubEngine().submit(spec)
        assert "/buckets/ada/jobs-artifacts" in caught.value.hint
        assert not server.asked("POST", "batch") and not server.jobs

    async def test_leaving_during_a_long_upload(
        self, server: LocalHub, monkeypatch: pytest.MonkeyPatch, spec: RunSpec
    ) -> None:
        """I change my mind while a large model is sent: it stops at once, and nothing is started."""
        aborted: list[bool] = []
        monkeypatch.setattr("huggingface_hub.utils._xet.abort_xet_session", lambda: aborted.append(True))
        sending, over = threading.Event(), threading.Event()
        monkeypatch.setattr(hub_submit, "ship", lambda *_: (sending.set(), over.wait(60)))
        task = asyncio.create_task(HubEngine().submit(spec))
        assert await asyncio.to_thread(sending.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)
        assert aborted == [True] and not server.jobs
        over.set()


def spec_values(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


class TestListing:
    async def test_all_my_jobs_newest_first(self, server: LocalHub) -> None:
        """More than a page of them, also those not started from here, with the server's reason for waiting."""
        server.page_size = 3
        for number in range(8):
            server.add(labels={"name": f"run-{number}"}, timeoutSeconds=600)
        waiting = server.add(stage="SCHEDULING", dockerImage="ghcr.io/astral-sh/uv:python3.12-bookworm")
        waiting.message = "Waiting for hardware"
        runs = await HubEngine().list_runs()
        assert [run.name for run in runs] == ["uv:python3.12-bookworm", *(f"run-{n}" for n in range(7, -1, -1))]
        assert (runs[0].stage, runs[0].message, runs[0].started_at) == ("SCHEDULING", "Waiting for hardware", None)
        assert (runs[1].timeout_seconds, runs[1].flavor, runs[1].project) == (600, "cpu-basic", None)
        assert runs[1].started_at == pytest.approx((runs[1].created_at or 0) + 1)

    async def test_what_cannot_have_changed_is_not_read_again(
        self, server: LocalHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Fifty Jobs that ended cost one request the next time; an old one that still runs is read until it ends."""
        server.page_size = 10
        jobs = [server.add(stage="COMPLETED") for _ in range(50)]
        engine = HubEngine()

        async def listed() -> tuple[int, dict[str, str]]:
            before = len(server.asked("GET", "^/api/jobs/ada$"))
            runs = await engine.list_runs()
            assert len(runs) == len(server.jobs)
            return len(server.asked("GET", "^/api/jobs/ada$")) - before, {run.id: run.stage for run in runs}

        assert (await listed())[0] == 5
        assert (await listed())[0] == 1
        new = server.add()
        requests, stages_now = await listed()
        assert requests == 2 and stages_now[new.id] == "RUNNING"  # the first page had the new one, the second is known
        new.stage = "COMPLETED"
        assert (await listed())[1][new.id] == "COMPLETED" and (await listed())[0] == 1
        jobs[0].stage = "RUNNING"  # the oldest: nobody would look for it …
        assert (await listed())[1][jobs[0].id] == "COMPLETED"
        with monkeypatch.context() as patched:
            patched.setattr(hub_listing, "WHOLE_SECONDS", 0.0)  # … until the whole list is read
            requests, stages_now = await listed()
        assert requests == 6 and stages_now[jobs[0].id] == "RUNNING"
        assert (await listed())[0] == 6

    async def test_a_list_with_things_unheard_of(self, server: LocalHub) -> None:
        """A stage and fields of next year, half a Job, and something that is no Job: each is a row."""
        server.extra_items = [
            {"id": "future", "status": {"stage": "HIBERNATING"}, "createdAt": "2026-05-12T14:00:00+00:00"},
            {"id": "bare"},
            {"status": {}},
            None,
            {"id": "\x1b[2J\nhf_secretsecretsecretsecretsecret1234"},
            {"id": "half", "status": 5},
        ]
        server.whoami["orgs"] = []
        server.add(labels={"name": "plain"})
        runs = {run.id: run for run in await HubEngine().list_runs()}
        bad = [f"unreadable-ada-{number}" for number in (3, 4, 5)]
        assert set(runs) == {"future", "bare", "half", "job0001", *bad}
        assert [runs[name].message for name in bad] == [
            "This Job's record can't be read",
            "This Job's record can't be read",
            "This Job's record can't be read: ␛[2J↵hf_***",
        ]
        assert runs["half"].message == "This Job's record can't be read: half" and not runs["half"].is_final
        assert (runs["future"].stage, runs["future"].is_final, runs["bare"].stage) == ("HIBERNATING", False, "UNKNOWN")
        assert runs["future"].created_at is not None

    async def test_a_next_page_elsewhere_does_not_get_my_token(self, server: LocalHub) -> None:
        """A list that points to another server is not followed there."""
        server.page_size = 1
        server.add()
        server.add()
        with LocalHub().run() as other:
            server.url, real = other.url, server.url
            await HubEngine().list_runs()
            server.url = real
            assert other.requests == []

    async def test_jobs_of_an_organization_i_submitted_to(
        self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec
    ) -> None:
        """They are listed beside my own, and found by their id alone."""
        run = await HubEngine().submit(RunSpec(**{**spec_values(spec), "namespace": "lab"}))
        fresh = HubEngine()
        assert [found.id for found in await fresh.list_runs()] == [run.id]
        assert (await HubEngine().get(run.id)).namespace == "lab"
        job_records._path(run.id).unlink()  # type: ignore[union-attr]
        assert (await HubEngine().get(run.id)).namespace == "lab", "asked of each organization of the account"

    async def test_an_id_that_does_not_exist(self, server: LocalHub) -> None:
        """One sentence with the id, whatever was typed."""
        for wrong in ("nothing", "ada/nothing", "../../whoami-v2", "a b\x1b[2J"):
            with pytest.raises(NotFoundOnHubError) as caught:
                await HubEngine().get(wrong)
            assert "no such Job" in caught.value.message and "\x1b" not in caught.value.message

    async def test_inspect_shows_everything_but_secrets(self, server: LocalHub) -> None:
        """All that the server says, the timeout too; a server that would tell secrets or echo my token does not."""
        job = server.add(timeoutSeconds=600, environment={"A": f"x{TOKEN}y"}, newField={"deep": [1, TOKEN]})
        job.as_json = lambda: {**type(job).as_json(job), "secrets": {"HF_TOKEN": TOKEN}}  # type: ignore[method-assign]
        found = await HubEngine().inspect(job.id)
        assert (found["timeoutSeconds"], found["secrets"]) == (600, ["HF_TOKEN"])
        assert found["newField"]["deep"][0] == 1
        assert TOKEN not in json.dumps(found)
        assert TOKEN not in json.dumps((await HubEngine().get(job.id)).raw["secrets"])


class TestFollowing:
    async def test_a_run_to_its_end(self, server: LocalHub, shipped: list[dict[str, Any]], spec: RunSpec) -> None:
        """I submit, watch it wait, run and learn, and the list knows afterwards what its log said."""
        engine = HubEngine()
        run = await engine.submit(spec)
        job = server.jobs[run.id]
        plan = events.Planned(max_steps=20, train_pairs=640, device="cuda", at=5.0)
        metrics = events.Metrics(step=1, values={"loss": 0.69, "rewards/margins": 0.1}, at=6.0)
        found: list[events.Event] = []
        async for event in engine.follow(run.id):
            found.append(event)
            if stages(found) == ["SCHEDULING"] and job.stage == "SCHEDULING":
                job.stage = "RUNNING"
                job.say("===== Job started at noon =====", events.dump(plan), events.dump(metrics), "bye")
            if "bye" in texts(found):
                job.stage = "COMPLETED"
        assert found[-1] == events.StageChanged(stage="COMPLETED", at=job.created + 61)
        assert stages(found) == ["SCHEDULING", "RUNNING", "COMPLETED"]
        assert texts(found) == ["===== Job started at noon =====", "bye"]
        for event in found:
            run = run.after(event)
        assert (run.stage, run.max_steps, run.step, run.started_at) == ("COMPLETED", 20, 1, job.created + 1)
        assert run.history.series["loss"] == [(1, 0.69)]
        listed = (await HubEngine().list_runs())[0]
        assert listed.max_steps == 20 and listed.project == spec.project

    @pytest.mark.parametrize("how", ["reset", "close", "clean", "midline", "midline_clean"])
    async def test_cuts_lose_nothing_and_double_nothing(self, server: LocalHub, how: str) -> None:
        """The connection breaks three times, once while the Job ends: I read exactly its log."""
        lines = [f"line {n}" for n in range(300)]
        job = server.add(lines, stage="COMPLETED")
        job.connections = [Connection(40, how), Connection(90, how), Connection(170, how), Connection()]
        assert texts(await follow(HubEngine(), job.id)) == lines

    async def test_a_beginning_that_is_not_sent_again_is_missing(self, server: LocalHub) -> None:
        """My app followed the Job in the background; when I open its log, the Hub has forgotten the first lines."""
        job = server.add([f"line {n}" for n in range(6)], stage="COMPLETED")
        job.connections = [Connection(), Connection(), Connection(skip=2), Connection(skip=2)]
        engine = HubEngine()
        assert not [event for event in await follow(engine, job.id) if isinstance(event, events.Gap)]
        found = [event for event in await follow(engine, job.id) if isinstance(event, events.Gap | events.LogLine)]
        gap, first, *rest = found
        assert isinstance(gap, events.Gap) and gap.since is None and gap.until == first.at
        assert texts([first, *rest]) == [f"line {n}" for n in range(2, 6)]
        assert (gap_words(gap) or "").endswith(": the Hub did not send them again")
        assert not [event for event in await follow(HubEngine(), job.id) if isinstance(event, events.Gap)]

    async def test_a_hub_in_trouble_after_a_cut(self, server: LocalHub) -> None:
        """503, then 429 on the log, and 500 on the stage, and a shorter replay: I read exactly the log."""
        lines = [f"line {n}" for n in range(60)]
        job = server.add(lines[:30])
        job.connections = [
            Connection(20),
            Connection(status=503),
            Connection(status=429, headers={"Retry-After": "0"}),
            Connection(45, skip=15),
        ]
        server.spoil("GET", f"{job.id}$", status=500, times=2)

        async def grow() -> None:
            while job.opened < 4:
                await asyncio.sleep(0.01)
            job.say(*lines[30:])
            await asyncio.sleep(0.1)
            job.stage = "COMPLETED"

        growing = asyncio.create_task(grow())
        engine = HubEngine()
        server.spoil("GET", "never", status=500)
        found = await asyncio.wait_for(read_after_first(engine, job.id, server), 60)
        await growing
        assert texts(found) == lines
        assert stages(found)[-1] == "COMPLETED"
        assert engine.connection(job.id) is None

    async def test_strange_text_and_echoed_tokens(self, server: LocalHub) -> None:
        """Line separators inside a line, broken JSON, a huge line; and the token the Job prints never reaches me."""
        job = server.add(stage="COMPLETED")
        job.say("nel \u0085 ls \u2028", f"HF_TOKEN={TOKEN} and bare {TOKEN}.", "x" * 200_000, "\x1b]52;c;aGk=\x07[b]")
        job.lines.insert(1, b'data: {"data": "cut\n\n')
        found = texts(await follow(HubEngine(), job.id))
        assert found[:2] == ["nel \u0085 ls \u2028", '{"data": "cut']
        assert TOKEN not in "".join(found) and "***" in found[2]
        assert found[3:] == ["x" * 200_000, "\x1b]52;c;aGk=\x07[b]"], "made safe where it is drawn, not here"

    async def test_a_failed_job_is_a_result(self, server: LocalHub) -> None:
        """The server's reason is on the last event, and the follow just ends."""
        job = server.add(["boom"], stage="ERROR")
        job.message = f"Job failed with exit code: 1 {TOKEN}"
        last = (await follow(HubEngine(), job.id))[-1]
        assert isinstance(last, events.StageChanged) and last.stage == "ERROR"
        assert last.message == "Exited with code 1; last line: boom"

    @pytest.mark.parametrize(
        ("message", "hint"),
        [
            ("Job failed with exit code: 137. Reason: OOMKilled", "more memory"),
            ("Job timeout", "--timeout"),
            ("Job failed with exit code: 1. Reason: Error", "smoltui logs"),
        ],
    )
    async def test_a_failed_job_has_a_next_step(self, server: LocalHub, message: str, hint: str) -> None:
        """A Job failed and its script could not say why: I read what to do about the server's reason."""
        job = server.add(["boom"], stage="ERROR")
        job.message = message
        assert hint in ((await HubEngine().get(job.id)).hint or "")

    async def test_what_is_there_now(self, server: LocalHub) -> None:
        """Without following I get the lines so far of a running Job, or its last two, and its stage."""
        job = server.add([f"line {n}" for n in range(9)])
        found = await follow(HubEngine(), job.id, follow=False)
        assert (texts(found), stages(found)) == ([f"line {n}" for n in range(9)], ["RUNNING"])
        assert texts(await follow(HubEngine(), job.id, follow=False, tail=2)) == ["line 7", "line 8"]

    async def test_quitting_while_nothing_comes(self, server: LocalHub) -> None:
        """The Job is silent and I leave: gone at once, the connection too, and nothing is left behind."""
        job = server.add()
        task = asyncio.create_task(follow(HubEngine(), job.id))
        while not server.streams:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)
        async with asyncio.timeout(60):
            while server.streams:
                await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_a_reader_that_stops_in_the_middle(self, server: LocalHub) -> None:
        """Closing the events after the first line closes the stream."""
        job = server.add(["one", "two"])
        lines = HubEngine().follow(job.id)
        async for event in lines:
            if isinstance(event, events.LogLine):
                break
        await lines.aclose()
        gc.collect()
        while server.streams:
            await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_asking_for_the_stage_is_modest(self) -> None:
        """Ten running, silent Jobs that I follow cost less than a hundred questions in five minutes."""
        asked, waited = 0, 0.0
        while waited < 300:
            waited += watching.poll_seconds("RUNNING", asked)
            asked += 1
        assert asked * 10 <= 100
        assert watching.poll_seconds("SCHEDULING", 0) == 5

    async def test_a_burst_of_lines_does_not_block_the_screen(self, server: LocalHub) -> None:
        """Twenty thousand lines at once: all there, while the screen keeps getting its turn."""
        job = server.add([f"line {n}" for n in range(20_000)], stage="COMPLETED")
        got: list[events.Event] = []
        seen_at_turns: list[int] = []

        async def screen() -> None:
            while True:
                seen_at_turns.append(len(got))
                await asyncio.sleep(0)

        drawing = asyncio.create_task(screen())
        async for event in HubEngine().follow(job.id):
            got.append(event)
        drawing.cancel()
        assert len(texts(got)) == 20_000
        between = [later - sooner for sooner, later in pairwise([*seen_at_turns, len(got)])]
        assert max(between) < 5_000, f"{max(between)} lines that came between two turns"


class TestCancelling:
    async def test_cancel_a_running_job(self, server: LocalHub) -> None:
        """It says CANCELED, and so does one that I cancel twice, or that ended by itself meanwhile."""
        job, engine = server.add(), HubEngine()
        assert (await engine.cancel(job.id)).stage == Stage.CANCELED
        assert (await HubEngine().cancel(job.id)).stage == Stage.CANCELED
        assert len(server.asked("POST", "cancel")) == 1
        assert (await engine.cancel(job.id)).stage == Stage.CANCELED  # a conflict, for one whose stage was not asked
        ended = server.add()
        server.spoil("POST", "cancel", status=409, after=True)
        assert (await engine.cancel(ended.id)).is_final

    async def test_a_cancel_that_is_refused(self, server: LocalHub) -> None:
        """It still runs, so I am told."""
        job = server.add()
        server.spoil("POST", "cancel", status=403)
        with pytest.raises(PermissionDeniedError, match=re.escape(f"cancel the Job {job.id}")):
            await HubEngine().cancel(job.id)
        assert server.jobs[job.id].stage == "RUNNING"


async def read_after_first(engine: HubEngine, run_id: str, server: LocalHub) -> list[events.Event]:
    """Follows a Job; the faults on its stage are kept from the first question, which would end the follow."""
    held = server._faults
    server._faults = []
    found: list[events.Event] = []
    async for event in engine.follow(run_id):
        if not found:
            server._faults = held
        found.append(event)
    return found


def test_a_record_that_cannot_be_written_stops_before_the_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data folder is a file: I read that before a Job is started."""
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("SMOLTUI_HOME", str(tmp_path / "home"))
    with pytest.raises(InputError, match="cannot be stored"):
        job_records.ready()


def test_the_scripts_own_cause_explains_a_failed_job() -> None:
    """The list says why, in the script's words, not only the exit code."""
    record = {"id": "j", "events": {}, "spec": {"project": "/p"}}
    record = job_records.keep(
        record, events.Failed(cause="The accelerator ran out of memory", hint="Lower max_length.")
    )
    failed = job_records.applied(Run("j", "hub", "n", "ERROR", message="exit code: 1"), record)
    assert (failed.stage, failed.message, failed.hint) == (
        "ERROR",
        "The accelerator ran out of memory",
        "Lower max_length.",
    )
    running = job_records.applied(Run("j", "hub", "n", "RUNNING"), record)
    assert running.stage == "RUNNING" and running.message is None


async def test_a_hub_that_fails_at_first_is_asked_again(server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """I open a Job in the second in which the Hub has an error: its log is read all the same. Without following it, I
    am told."""
    monkeypatch.setattr(watching, "BACKOFF_SECONDS", (0.01,))
    job, engine = server.add(["one", "two"], stage="COMPLETED"), HubEngine()
    await engine.list_runs()
    server.spoil("GET", f"/{job.id}$", status=500, times=3)
    server.spoil("GET", f"/{job.id}$", status=429, times=1, headers={"retry-after": "0"})
    assert [event.text async for event in engine.follow(job.id) if isinstance(event, events.LogLine)] == ["one", "two"]
    server.spoil("GET", f"/{job.id}$", status=500, times=3)
    with pytest.raises(UnreachableError, match="internal error"):
        async for _ in engine.follow(job.id, follow=False):
            pass


def test_the_step_of_an_ended_job_is_that_of_its_end() -> None:
    """The step in its record can be an earlier one, which would contradict the message."""
    end = {"stage": "CANCELED", "message": "Canceled by you at step 49 of 100", "step": 49, "steps": 100}
    run = ends.applied(Run("j", "hub", "n", "CANCELED", step=30), end)
    assert (run.step, run.max_steps, run.message) == (49, 100, "Canceled by you at step 49 of 100")
    assert hub.TOTAL_SECONDS < 15
