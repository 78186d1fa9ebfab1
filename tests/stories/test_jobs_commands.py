"""The Runs room for scripts: listing with a filter, looking, waiting, starting again, labels, hardware, schedules."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.jobs import submit as hub_submit
from smoltui.backends.jobs import watching
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.runs import preflight as preflight_facts
from smoltui.backends.runs.known import KnownRun
from smoltui.backends.services import Services
from smoltui.backends.slurm.engine import SlurmEngine
from smoltui.cli import jobs as jobs_module
from smoltui.cli import runs as runs_module
from smoltui.cli import train as train_module
from smoltui.cli.main import run
from smoltui.core.preflight.hub_checks import HubAnswers
from tests.hub.server import TOKEN, Connection, Job, LocalHub, local_hub
from tests.paths import FAKE_TRAINING

SCRIPT = FAKE_TRAINING
JOB = {"command": ["x"], "dockerImage": "python:3.12", "flavor": "a100-large", "timeoutSeconds": 3600}

CHECK_PLAN = preflight_facts.check_plan


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub on this machine beside a local engine, and waits short enough for a test."""
    monkeypatch.setattr(watching, "poll_seconds", lambda stage, polls: 0.05)
    monkeypatch.setattr(jobs_module, "UNREACHED_SECONDS", 0.05)
    services = Services({"local": LocalEngine(SCRIPT), "hub": HubEngine()})
    for module in (runs_module, train_module):
        monkeypatch.setattr(module, "default_services", lambda *_: services)
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], list[str]]:
    """`answer(yes)`: somebody sits at the terminal and answers so; gives the questions that were asked."""

    def answering(yes: bool) -> list[str]:
        asked: list[str] = []

        def confirm(question: str, **_: Any) -> bool:
            asked.append(question)
            return yes

        monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
        monkeypatch.setattr("click.confirm", confirm)
        return asked

    return answering


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that needs no file but its recipe."""
    (tmp_path / "recipe.yaml").write_text(
        "model_name_or_path: HuggingFaceTB/SmolLM3-3B\ndataset_name: a/b\nmax_length: 1024\nbf16: true\n"
    )
    (tmp_path / "smoltui.toml").write_text('[jobs]\nflavor = "a100-large"\ntimeout = "3h"\n')

    async def no_checks(*_: object, force: bool = False) -> list[object]:
        return []

    monkeypatch.setattr(preflight_facts, "check_plan", no_checks)
    monkeypatch.setattr(hub_submit, "ship", lambda *_: None)
    return tmp_path


@contextmanager
def signal_of_a_terminal() -> Iterator[None]:
    """ctrl+c arrives, which tests that run in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def output(capsys: pytest.CaptureFixture[str]) -> tuple[list[Any], str]:
    """The JSON documents on stdout, one a line, and the text on stderr."""
    captured = capsys.readouterr()
    return [json.loads(line) for line in captured.out.splitlines()], captured.err


def later(change: Callable[[], object], seconds: float = 0.3) -> threading.Timer:
    """Does something a moment later, as the Hub would."""
    timer = threading.Timer(seconds, change)
    timer.start()
    return timer


FAILING = {
    "uv": (
        ["  × No solution found when resolving script dependencies:", "  ╰─▶ Because there is no trl==9.9.9"],
        "Job failed with exit code: 1. Reason: Error",
        "The packages could not be resolved: Because there is no trl==9.9.9",
    ),
    "host": (
        ["Loading weights: 40%"],
        "Job failed with exit code: 137. Reason: OOMKilled",
        "Killed because main memory ran out (OOMKilled; not the memory of the GPU)",
    ),
    "time": (["{'loss': '0.5', 'epoch': '0.5'}"], "Job timeout", "Timed out after 1 min 00 s at epoch 0.5"),
    "image": (None, "ImagePullBackOff: no/such:tag", "The image of the container could not be pulled (ImagePull"),
}
"""Name → what its log says, what the Hub says, and how the sentence about it begins."""


@pytest.mark.parametrize("command", ["wait", "logs", "stats", "inspect", "cancel"])
def test_a_hub_that_fails_is_no_wrong_id(
    server: LocalHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The Hub fails once: I read what failed and what to do, not that the id that I copied is wrong."""
    job_id = server.add(["working"]).id
    monkeypatch.setattr(runs_module, "known_runs", lambda: [KnownRun(job_id, "demo"), KnownRun("job0002", "other")])
    server.spoil("GET", job_id, status=500)
    assert run([command, job_id]) == 3
    error = " ".join(capsys.readouterr().err.split())
    assert "HF Jobs could not be asked for this run (The Hub had an internal error (status 500)" in error
    assert f"it is not on this machine: {job_id}" in error and "Try again in a minute" in error
    assert "No run has this id" not in error and "Did you mean" not in error and "ps -a" not in error


def test_a_known_id_is_not_what_was_meant_instead_of_itself(
    server: LocalHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub has no longer a Job that this machine has a record of."""
    monkeypatch.setattr(runs_module, "known_runs", lambda: [KnownRun("job0001", "demo"), KnownRun("job0002", "other")])
    assert run(["inspect", "job0001"]) == 2
    error = capsys.readouterr().err
    assert "No run has this id on this machine or on HF Jobs: job0001" in error and "Did you mean" not in error
    server.spoil("GET", "job0003", status=500)
    assert run(["inspect", "job0003"]) == 3
    error = capsys.readouterr().err
    assert "Try again in a minute" in error and "Did you mean job0002 or job0001?" in error


def test_a_cancel_without_effect_is_said(server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    """The Hub accepts the request, and the Job runs on: I am told, and how to wait for its end; a script notices."""
    job, ended, other = server.add(["a"]), server.add(stage="COMPLETED"), server.add(["b"])
    server.spoil("POST", f"{job.id}/cancel$", times=2, status=200, body={})
    assert run(["cancel", job.id]) == 3
    told = capsys.readouterr()
    assert f"Asked to cancel {job.id}, but it is still running" in told.err and f"{job.id}: RUNNING" in told.out
    assert f"Wait for its end: smoltui wait {job.id}" in told.err
    assert run(["cancel", job.id, other.id, "--json"]) == 3
    lines, error = output(capsys)
    assert [line["stage"] for line in lines] == ["RUNNING", "CANCELED"]
    assert "still running" in json.loads(error)["error"]
    assert run(["cancel", ended.id, other.id]) == 0


def test_why_jobs_failed_is_the_same_everywhere(server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs that others submitted: the list, the log and `wait` say the same; what is next and the price are named."""
    for lines, message, sentence in FAILING.values():
        job = server.add(lines, stage="ERROR", flavor="a100-large")
        job.message = message
        said = []
        assert run(["logs", job.id, "--follow"]) == 1
        said.append(capsys.readouterr().err)
        assert run(["wait", job.id]) == 1
        waited = capsys.readouterr()
        said.append(waited.err.replace("smoltui: ", ""))
        assert said[0] == said[1] and said[0].startswith(sentence), said
        assert re.search(r"^Next: [^:]+$", said[0], re.MULTILINE), "one colon is enough in a line"
        assert "Cost: " in said[0] and sentence[:60] in waited.out
        assert run(["ps", "-a", "--json", "--filter", job.id]) == 0
        ((listed,), _) = output(capsys)
        assert said[0].startswith(listed[0]["message"]) and listed[0]["hint"] in said[0]
        opened = job.opened
        assert run(["inspect", job.id]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"]["cause"] == listed[0]["message"]
        assert job.opened == opened, "the end of its log was read once, and is kept"


def test_who_canceled_a_job_and_a_gap(server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    """A cancellation from here is mine; and lines that the Hub did not send again are reported apart from the log."""
    mine, other = server.add(["x"]), server.add(["y"], stage="CANCELED")
    assert run(["cancel", mine.id]) == 0 and "Canceled by you" not in capsys.readouterr().err
    assert run(["wait", mine.id, other.id]) == 130
    said = capsys.readouterr().err
    assert "Canceled by you" in said and "Canceled, not from this machine" in said
    lossy = server.add([f"line {number}" for number in range(9)], stage="COMPLETED")
    lossy.connections = [Connection(after=3), Connection(skip=6)]
    assert run(["logs", lossy.id, "--follow"]) == 0
    out, err = capsys.readouterr()
    assert err.count("lines are missing between") == 1 and "missing" not in out
    lossy.opened = 0
    assert run(["logs", lossy.id, "--follow", "--json"]) == 0
    events, err = output(capsys)
    assert [event["event"] for event in events].count("gap") == 1 and not err


def test_ids_alone_a_time_limit_and_everything_that_runs(server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = server.add(flavor="a100-large"), server.add(namespace="lab")
    assert run(["ps", "-q", "--filter", "namespace:la"]) == 0
    assert capsys.readouterr().out == f"{two.id}\n"
    assert run(["wait", one.id, "--timeout", "1s"]) == 124
    assert "they continue" in capsys.readouterr().err and one.stage == "RUNNING"
    assert run(["wait", one.id, "--timeout", "soon"]) == 2
    capsys.readouterr()
    for job in (one, two):
        job.samples = [{"cpu_usage_pct": 50, "cpu_millicores": 2000, "memory_used_bytes": 1, "memory_total_bytes": 2}]
    assert run(["stats", "--json"]) == 0
    samples, _ = output(capsys)
    assert {sample["run"] for sample in samples} == {one.id, two.id}


def test_what_a_dry_run_would_start(server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything but values of secrets; and nothing is started."""
    (project / "smoltui.toml").write_text(
        '[jobs]\nflavor = "a100-large"\ntimeout = "3h"\nsecrets = ["MINE"]\nsecrets_file = ".env"\nattempts = 2\n'
        '[jobs.env]\nA = "b"\n'
    )
    (project / ".env").write_text("MINE=hidden\n")
    assert run(["train", str(project), "--on", "hub", "--dry-run", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["attempts"], found["secrets"], found["environment"]["A"]) == (2, ["HF_TOKEN", "MINE"], "b")
    assert "hidden" not in captured.out and TOKEN not in captured.out and found["usd_at_most"] > 0
    assert not server.asked("POST", "/api/jobs") and not server.jobs


def test_a_dry_run_beside_a_run(server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started, so nothing has to be confirmed; I am warned."""
    assert run(["train", str(project), "--on", "hub", "--yes", "--detach"]) == 0
    capsys.readouterr()
    assert run(["train", str(project), "--on", "hub", "--dry-run", "--json"]) == 0
    assert "trains the same recipe" in capsys.readouterr().err and len(server.jobs) == 1


def test_the_token_expires_while_i_follow(server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I am told that the Job may still run, and cost."""
    later(lambda: server.spoil("GET", "^/api/jobs/ada/job0001", status=401, times=99))
    assert run(["train", str(project), "--on", "hub", "--yes"]) == 3
    assert "Stopped following; the Job may still run. Follow it again: smoltui logs job0001" in capsys.readouterr().err


def ended_at_once(server: LocalHub, *texts: str) -> threading.Timer:
    """The next Job says this and completes, a moment after it is submitted."""
    before = len(server.jobs)

    def end() -> None:
        while len(server.jobs) == before:
            time.sleep(0.02)
        job = list(server.jobs.values())[-1]
        job.stage = "RUNNING"
        job.say(*texts)
        job.stage = "COMPLETED"

    return later(end, 0.0)


def test_where_the_model_of_a_job_is(server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its disk is deleted at its end: I read that nothing is left, as in inspect, and no path that does not exist."""
    saved, pushed = (
        '{"event": "saved", "v": 1, "path": "/tmp/smoltui/out"}',
        '{"event": "pushed", "v": 1, "repo": "me/x"}',
    )
    start = ["train", str(project), "--on", "hub", "--yes"]
    for texts, said, path in [
        ([saved], "Completed. Nothing survives: the disk of a Job is deleted at its end.\n", None),
        ([saved, pushed], "Completed: me/x\n", "me/x"),
    ]:
        ending = ended_at_once(server, *texts)
        assert run(start) == 0
        ending.join()
        assert capsys.readouterr().err.endswith(said)
        ending = ended_at_once(server, *texts)
        assert run([*start, "--json"]) == 0
        ending.join()
        end = output(capsys)[0][-1]
        assert (end["event"], end["stage"], end["output_dir"]) == ("end", "COMPLETED", path)
        assert run(["ps", "-a", "--json", "--filter", end["run"]]) == 0
        ((listed,), _) = output(capsys)
        assert (listed[0]["output_dir"], listed[0]["model_path"]) == (None, None)
        assert run(["inspect", end["run"], "--json"]) == 0
        assert output(capsys)[0][0]["verdict"]["survived"].startswith("The model is" if path else "Nothing survives")


class TestListing:
    def test_only_those_i_ask_for(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """I filter by stage, label, flavor and words; what is left is JSON, or a sentence."""
        one = server.add(labels={"name": "beta-0-1", "team": "ml"}, flavor="a100-large")
        two = server.add(labels={"name": "beta-0-3"}, stage="ERROR", namespace="lab")
        for text, found in [
            ("", {one.id, two.id}),
            ("stage:error", {two.id}),
            ("label:team=ml flavor:a100", {one.id}),
            ("engine:local", set()),
            ("b01", {one.id}),
            ("lab", {two.id}),
        ]:
            assert run(["ps", "-a", "--json", "--filter", text]) == 0
            ((listed,), _) = output(capsys)
            assert {item["id"] for item in listed} == found, text
        assert run(["ps", "-a", "--filter", "stage:canceled"]) == 0
        assert capsys.readouterr() == ("", "No run matches\n")

    def test_a_namespace_that_cannot_be_asked(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """The others are listed, and I am told which one is missing, on stderr."""
        one = server.add()
        server.spoil("GET", "^/api/jobs/lab$", status=503, times=2)
        assert run(["ps", "-a"]) == 3
        told = capsys.readouterr()
        assert one.id in told.out and "Jobs of lab are not listed" in told.err
        assert run(["ps", "-a", "--json"]) == 3
        ((listed,), error) = output(capsys)
        assert [item["id"] for item in listed] == [one.id] and "503" in json.loads(error)["error"]


class TestLogs:
    def test_only_lines_that_match(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """Lines of the library and our own words alike; with --json the events themselves."""
        metrics = '{"event": "metrics", "v": 1, "step": 7, "values": {"loss": 0.5}}'
        job = server.add(["loading", "loss is fine", metrics, "bye"], stage="COMPLETED")
        assert run(["logs", job.id, "--grep", r"^loss|step \d"]) == 0
        assert capsys.readouterr().out.splitlines() == ["loss is fine", "step 7  loss 0.500"]
        assert run(["logs", job.id, "--grep", "loss", "--json"]) == 0
        assert [line["event"] for line in output(capsys)[0]] == ["log", "metrics", "stage"]
        assert run(["logs", job.id, "--grep", "("]) == 2
        assert "not a regular expression" in capsys.readouterr().err

    @pytest.mark.parametrize("count", [0, 1, 2, 9])
    def test_as_many_lines_as_i_ask_for(self, server: LocalHub, capsys: pytest.CaptureFixture[str], count: int) -> None:
        """The Hub sends its line about the start of the container in addition; it is part of the whole log only."""
        marker, texts = "===== Job started at noon =====", ["one", "two", "three"]
        job = server.add([marker, *texts], stage="COMPLETED")
        last = texts[len(texts) - count :] if count < len(texts) else texts
        for follow in ([], ["--follow"]):
            assert run(["logs", job.id, "--tail", str(count), *follow]) == 0
            assert capsys.readouterr() == ("".join(f"{line}\n" for line in last), "")
            assert run(["logs", job.id, "--tail", str(count), "--json", *follow]) == 0
            assert [line["text"] for line in output(capsys)[0] if line["event"] == "log"] == last
        assert run(["logs", job.id, "--tail", str(count), "--grep", "o|=="]) == 0
        assert capsys.readouterr().out.splitlines() == [line for line in last if "o" in line]
        assert run(["logs", job.id]) == 0
        assert capsys.readouterr().out.splitlines() == [marker, *texts]

    @pytest.mark.parametrize(("stage", "code"), [("COMPLETED", 0), ("CANCELED", 130), ("ERROR", 1)])
    def test_followed_it_exits_as_the_run_did(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], stage: str, code: int
    ) -> None:
        """Also when nothing of its log matches."""
        job = server.add(["one"], stage=stage)
        assert run(["logs", job.id, "--follow", "--grep", "never"]) == code
        assert capsys.readouterr().out == ""


class TestLooking:
    def test_stats(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """One line now; a line a second until it ends when I follow; a sentence when it does not run."""
        job = server.add()
        sample = {"cpu_usage_pct": 35, "memory_used_bytes": 1 << 30, "gpus": {"x\x1b[2J": {"utilization": 87}}}
        job.samples = [sample]
        assert run(["stats", job.id]) == 0
        assert capsys.readouterr().out == "CPU 35 % · memory 1.0 GiB · GPU 87 %\n"
        job = server.add()  # another one, because the first stream may still take samples
        job.samples = [sample, sample]
        asked = len(server.asked("GET", "/metrics$"))

        def end_it() -> None:
            while len(server.asked("GET", "/metrics$")) == asked:
                time.sleep(0.02)
            while job.samples:
                time.sleep(0.02)
            job.stage = "COMPLETED"

        ending = later(end_it)
        assert run(["stats", job.id, "--follow", "--json"]) == 0
        ending.join()
        lines, _ = output(capsys)
        assert [(line["cpu"], line["gpus"][0]["used"]) for line in lines] == [(35.0, 87.0)] * 2
        assert run(["stats", job.id, "--json"]) == 2
        assert "COMPLETED" in json.loads(capsys.readouterr().err)["error"]

    def test_ways_into_a_job(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """I inspect a Job with ssh and a port: the command and the address stand below, and not in the JSON."""
        job = server.add()
        job.status = {"sshUrl": "ssh://j@ssh.hf.jobs", "exposeUrls": ["https://j--8000.hf.jobs"]}
        assert run(["inspect", job.id]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out)["id"] == job.id
        assert told.err == "Connect: ssh j@ssh.hf.jobs\nConnect: https://j--8000.hf.jobs\n"
        assert run(["inspect", job.id, "--json"]) == 0
        assert capsys.readouterr().err == ""

    def test_hardware(self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Prices and memory, the cheapest first; with a project also what its recipe fits in."""
        assert run(["hardware"]) == 0
        rows = capsys.readouterr().out.splitlines()
        assert [row.split()[0] for row in rows] == ["FLAVOR", "cpu-basic", "a100-large"]
        assert re.search(r"12 vCPU\s+142 GB\s+A100\s+80 GB\s+2.50 USD per hour", rows[2])
        assert run(["hardware", "--for", str(project)]) == 0
        rows = capsys.readouterr().out.splitlines()
        assert "does not fit, needs" in rows[1] and re.search("(fits|may run out of memory), needs", rows[2])
        assert run(["hardware", "--for", str(project), "--json"]) == 0
        ((listed,), _) = output(capsys)
        assert listed[0]["fits"] == "no" and listed[1]["needed_bytes"] > 50e9
        assert run(["hardware", "--for", str(project / "nothing")]) == 2

    def test_hardware_if_a_cluster_does_not_answer(
        self, server: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Slurm is installed, but its controller is down: the Jobs' hardware is listed, and the cluster's if asked."""
        for name in ("sbatch", "sinfo"):
            (tmp_path / name).write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        services = Services({"slurm": SlurmEngine(), "hub": HubEngine()})
        monkeypatch.setattr(runs_module, "default_services", lambda *_: services)
        assert run(["hardware", "--json"]) == 0
        told = capsys.readouterr()
        assert [flavor["name"] for flavor in json.loads(told.out)] == ["cpu-basic", "a100-large"]
        assert "Unable to contact" in told.err and told.err.endswith("Instead, the hardware of Jobs:\n")
        assert run(["hardware", "--on", "slurm"]) == 3


class TestWaiting:
    def test_until_all_have_ended(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """Each is told as it ends; a Hub that fails in between is asked again."""
        one, two = server.add(), server.add()

        def asked_again(job: Job, times: int) -> None:
            enough = len(server.asked("GET", f"{job.id}$")) + times
            while len(server.asked("GET", f"{job.id}$")) < enough:
                time.sleep(0.01)

        def go_on() -> None:
            asked_again(two, 2)  # it is found, and waited for
            server.spoil("GET", f"{two.id}$", status=503)
            asked_again(two, 2)
            two.stage = "COMPLETED"
            asked_again(one, 5)
            one.stage = "COMPLETED"

        going_on = later(go_on, 0.0)
        assert run(["wait", one.id, two.id, "--json"]) == 0
        going_on.join()
        lines, error = output(capsys)
        assert [line["id"] for line in lines] == [two.id, one.id]
        assert "still waiting" in error

    @pytest.mark.parametrize(
        ("stages", "code"),
        [
            (["COMPLETED"], 0),
            (["CANCELED"], 130),
            (["ERROR"], 1),
            (["DELETED"], 1),
            (["COMPLETED", "CANCELED"], 130),
            (["CANCELED", "ERROR"], 1),
        ],
    )
    def test_it_exits_by_the_result(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], stages: list[str], code: int
    ) -> None:
        assert run(["wait", *(server.add(stage=stage).id for stage in stages)]) == code
        told = capsys.readouterr().out
        assert all(stage in told for stage in stages)

    def test_a_wrong_id_is_told_at_once(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """Not after the three hours that the other one takes."""
        assert run(["wait", server.add().id, "nothing"]) == 2
        assert "No run has this id on this machine or on HF Jobs: nothing" in capsys.readouterr().err

    def test_a_terminal_hears_the_end(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = server.add(stage="COMPLETED")
        assert run(["wait", job.id]) == 0
        assert "\a" not in capsys.readouterr().err
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        assert run(["wait", job.id]) == 0
        assert capsys.readouterr().err == "\a"


class TestActing:
    def test_cancel_several(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """One that does not exist keeps nobody from being stopped; the exit code tells of it."""
        one, two = server.add(), server.add(namespace="lab")
        assert run(["cancel", one.id, "nothing", two.id, "--json"]) == 2
        lines, error = output(capsys)
        assert [(line["id"], line["stage"]) for line in lines] == [(one.id, "CANCELED"), (two.id, "CANCELED")]
        assert "nothing" in json.loads(error)["error"]
        assert run(["cancel", "no-one", "nobody"]) == 2
        error = capsys.readouterr().err
        assert "no-one" in error and "nobody" in error

    def test_cancel_into_a_pipe_that_nobody_reads(self, server: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
        """With `| head -1`, all of them are canceled."""

        def unread(*_: object) -> None:
            raise BrokenPipeError

        jobs = [server.add() for _ in range(3)]
        monkeypatch.setattr(runs_module, "print_run", unread)
        assert run(["cancel", *(job.id for job in jobs)]) == 0
        assert [job.stage for job in jobs] == ["CANCELED"] * 3

    def test_ctrl_c_at_the_question(
        self, server: LocalHub, answer: Callable[[bool], list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It ends the command at once, instead of once I have answered."""
        job = server.add(stage="COMPLETED", **JOB)
        answer(True)

        def interrupted(question: str, **_: Any) -> bool:
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("it waits for my answer")

        monkeypatch.setattr("click.confirm", interrupted)
        with signal_of_a_terminal():
            assert run(["rerun", job.id]) == 130
        assert len(server.jobs) == 1

    @pytest.mark.parametrize("command", ["train", "rerun", "resume"])
    def test_ctrl_c_while_it_starts(
        self,
        command: str,
        server: LocalHub,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """I am told that the Job may have been started, and how to look."""

        async def interrupted(*_: object) -> None:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)

        job = server.add(stage="ERROR", **JOB)
        for name in ("submit", "rerun", "resume"):
            monkeypatch.setattr(HubEngine, name, interrupted)
        words = {"train": [str(project), "--on", "hub"]}.get(command, [job.id])
        with signal_of_a_terminal():
            assert run([command, *words, "--yes"]) == 130
        told = capsys.readouterr().err
        assert "Interrupted, but the Job may have been started" in told and "smoltui ps -a" in told
        assert ("label:smoltui-run=" in told) == (command == "train")

    def test_rerun_is_asked_for_with_its_cost(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], answer: Callable[[bool], list[str]]
    ) -> None:
        """An hour on an A100: I read what it can cost, and no is no."""
        job = server.add(stage="COMPLETED", labels={"name": "mine"}, **JOB)
        asked = answer(False)
        assert run(["rerun", job.id]) == 130
        assert asked == [f"a100-large for at most 1 h 00 min: at most 2.50 USD. Start mine ({job.id}) again?"]
        assert len(server.jobs) == 1
        answer(True)
        assert run(["rerun", job.id]) == 0
        told = capsys.readouterr()
        assert len(server.jobs) == 2 and "job0002: SCHEDULING" in told.out and "logs job0002 --follow" in told.err

    @pytest.mark.parametrize("attempts", ["0", "21", "1000"])
    @pytest.mark.parametrize("command", ["rerun", "resume"])
    def test_attempts_have_the_limit_of_the_settings(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], command: str, attempts: str
    ) -> None:
        """A digit too many would be paid a thousand times."""
        job = server.add(stage="COMPLETED", **JOB)
        assert run([command, job.id, "--yes", "--attempts", attempts]) == 2
        assert f"--attempts must be from 1 to 20: {attempts}" in capsys.readouterr().err and len(server.jobs) == 1

    def test_rerun_of_what_runs_is_questioned(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], answer: Callable[[bool], list[str]]
    ) -> None:
        """Of a Job that runs I am asked whether I want a second one; with --yes I am warned."""
        job = server.add(labels={"name": "mine"}, **JOB)
        asked = answer(False)
        assert run(["rerun", job.id]) == 130 and len(server.jobs) == 1
        assert asked == [f"mine ({job.id}) is RUNNING, and does the same. Start a second one?"]
        capsys.readouterr()
        assert run(["rerun", job.id, "--yes"]) == 0 and len(server.jobs) == 2
        assert f"Warning: mine ({job.id}) is RUNNING, and does the same" in capsys.readouterr().err

    def test_nobody_is_there_to_ask(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """In a script nothing is paid for without --yes."""
        job = server.add(stage="COMPLETED", **JOB)
        assert run(["rerun", job.id, "--json"]) == 2
        assert "--yes" in json.loads(capsys.readouterr().err)["hint"] and len(server.jobs) == 1
        assert run(["rerun", f"ada/{job.id}", "--yes", "--json"]) == 0
        assert output(capsys)[0][0]["id"] == "job0002"

    def test_a_local_run_again_costs_nothing(
        self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "recipe.yaml").write_text("model_name_or_path: m\ndataset_name: p\noutput_dir: out\nsteps: 1\n")
        assert run(["train", str(project), "--json"]) == 0
        first = output(capsys)[0][-1]["run"]
        assert run(["rerun", first, "--json"]) == 0
        second = output(capsys)[0][0]
        assert second["id"] != first and second["output_dir"] == str(project / "out-2")
        assert run(["wait", second["id"], "--json"]) == 0
        assert output(capsys)[0][0]["stage"] == "COMPLETED"

    def test_labels(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """Shown, set and removed; the others stay."""
        job = server.add(labels={"team": "ml", "old": "x"})
        assert run(["labels", job.id]) == 0
        assert capsys.readouterr().out == "team=ml\nold=x\n"
        assert run(["labels", job.id, "best=yes", "--remove", "old", "--json"]) == 0
        assert output(capsys)[0] == [{"id": job.id, "labels": {"team": "ml", "best": "yes"}}]
        assert job.spec["labels"] == {"team": "ml", "best": "yes"}
        assert run(["labels", job.id, "novalue"]) == 2
        assert "KEY=VALUE" in capsys.readouterr().err

    @pytest.mark.parametrize(("command", "said"), [("pause", "HF Jobs cannot"), ("resume", "has not ended")])
    def test_jobs_do_not_pause(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], command: str, said: str
    ) -> None:
        """A sentence, and what to do instead."""
        assert run([command, server.add().id, "--json"]) == 2
        error = json.loads(capsys.readouterr().err)
        assert said in error["error"] and "smoltui" in error["hint"]

    def test_pause_and_resume_are_the_engines(
        self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (project / "recipe.yaml").write_text("model_name_or_path: m\ndataset_name: p\noutput_dir: out\nsteps: 1\n")
        assert run(["train", str(project), "--json"]) == 0
        run_id = output(capsys)[0][-1]["run"]
        done: list[str] = []

        async def act(self: LocalEngine, run_id: str, *_: object) -> Any:
            done.append(run_id)
            return await self.get(run_id)

        for command in ("pause", "resume"):
            monkeypatch.setattr(LocalEngine, command, act, raising=False)
            assert run([command, run_id, "--json"]) == 0
            assert output(capsys)[0][0]["id"] == run_id
        assert done == [run_id, run_id]


class TestScheduled:
    def test_from_making_to_deleting(
        self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str], answer: Callable[[bool], list[str]]
    ) -> None:
        """I schedule my project each night, look when it comes, suspend and resume it, start one now, and delete it."""
        asked = answer(True)
        assert run(["scheduled", "create", str(project), "--schedule", "0 3 * * *"]) == 0
        assert (
            "at most 7.50 USD each time (once a day). Start" in asked[0] and "on schedule '0 3 * * *' (UTC)" in asked[0]
        )
        (item,) = server.scheduled.values()
        assert item.body["jobSpec"]["flavor"] == "a100-large" and item.id in capsys.readouterr().out
        assert run(["scheduled", "list"]) == 0
        table = capsys.readouterr().out
        assert item.id in table and "2023-11-14 23:13" in table and "never" in table
        assert run(["scheduled", "suspend", item.id]) == 0
        assert "suspended" in capsys.readouterr().out
        assert run(["scheduled", "resume", item.id, "--json"]) == 0
        assert output(capsys)[0][0]["suspended"] is False
        assert run(["scheduled", "trigger", item.id]) == 0
        assert "at most 7.50 USD. Start" in asked[1] and "job0001: SCHEDULING" in capsys.readouterr().out
        assert run(["scheduled", "list", "--json"]) == 0
        ((listed,), _) = output(capsys)
        assert listed[0]["last_run"] == "job0001" and TOKEN not in json.dumps(listed)
        assert run(["scheduled", "delete", item.id]) == 0
        assert "Delete the scheduled Job" in asked[2] and not server.scheduled
        capsys.readouterr()
        assert run(["scheduled", "list"]) == 0
        assert "scheduled create" in capsys.readouterr().err

    def test_no_is_no_and_a_script_says_yes(
        self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str], answer: Callable[[bool], list[str]]
    ) -> None:
        create = ["scheduled", "create", str(project), "--schedule", "@daily"]
        assert run([*create, "--json"]) == 2
        assert "--yes" in json.loads(capsys.readouterr().err)["hint"]
        assert run([*create, "--yes", "--suspended", "--concurrency", "--timeout", "1h", "--json"]) == 0
        ((made,), _) = output(capsys)
        assert (made["suspended"], made["concurrency"], made["timeout_seconds"]) == (True, True, 3600)
        answer(False)
        for command in ("trigger", "delete"):
            assert run(["scheduled", command, made["id"]]) == 130
        assert not server.jobs and len(server.scheduled) == 1
        assert run([*create]) == 130 and len(server.scheduled) == 1

    def test_a_hub_that_does_nothing(self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It accepts that a schedule is deleted, which is still there: no success, and exit code 3."""
        assert run(["scheduled", "create", str(project), "--schedule", "@daily", "--yes"]) == 0
        (item,) = server.scheduled
        capsys.readouterr()
        server.spoil("DELETE", f"/{item}$", how="garbage")
        assert run(["scheduled", "delete", item, "--yes", "--json"]) == 3
        lines, error = output(capsys)
        assert lines == [] and f"the scheduled Job {item} still exists" in json.loads(error)["error"]

    def test_a_second_one_is_questioned(
        self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str], answer: Callable[[bool], list[str]]
    ) -> None:
        """The arrow key and enter once more: I am asked whether I want a second one; with --yes I am warned."""
        create = ["scheduled", "create", str(project), "--schedule", "@daily"]
        assert run([*create, "--yes"]) == 0 and "Warning" not in capsys.readouterr().err
        (item,) = server.scheduled.values()
        name = item.body["jobSpec"]["labels"]["name"]
        assert run([*create, "--json"]) == 2
        error = json.loads(capsys.readouterr().err)
        said = f"{name} is already scheduled ({item.id}, @daily)"
        assert error == {"error": f"{said}. A second one needs confirmation", "hint": "Confirm with --yes"}
        job = server.add(stage="COMPLETED", labels={"name": name}, **JOB)
        asked = answer(False)
        for command in (create, ["scheduled", "create", "--from", job.id, "--schedule", "@weekly"]):
            assert run(command) == 130 and asked.pop() == f"{said}. Create a second schedule?"
        assert len(server.scheduled) == 1
        capsys.readouterr()
        assert run([*create, "--yes"]) == 0 and len(server.scheduled) == 2
        told = capsys.readouterr().err
        assert f"Warning: {said}" in told and "Delete one of them: smoltui scheduled delete ID" in told

    @pytest.mark.parametrize("command", ["create", "trigger"])
    def test_ctrl_c_while_it_is_requested(
        self, server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        """The Hub has it, but its answer does not come, and I give up: I am told that it may be there."""
        if command == "create":
            arguments, path = ["scheduled", "create", str(project), "--schedule", "@daily"], "^/api/scheduled-jobs/ada$"
        else:
            assert run(["scheduled", "create", str(project), "--schedule", "@daily", "--yes"]) == 0
            arguments, path = ["scheduled", "trigger", *server.scheduled], "/run$"
        before = len(server.asked("POST", path))
        server.spoil("POST", path, after=True, how="silent")

        def give_up() -> None:
            while len(server.asked("POST", path)) == before:
                time.sleep(0.01)
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

        capsys.readouterr()
        usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background ignores it
        giving_up = later(give_up, 0.0)
        try:
            assert run([*arguments, "--yes", "--json"]) == 130
        finally:
            giving_up.join()
            signal.signal(signal.SIGINT, usual)
        error = json.loads(capsys.readouterr().err)
        what, look = (
            ("the schedule may have been created", "smoltui scheduled list")
            if command == "create"
            else ("a Job may have been started", "smoltui ps -a")
        )
        assert error == {"error": f"Interrupted, but {what}", "hint": f"Check before retrying: {look}"}

    def test_out_of_a_job(self, server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
        """What one Job did, each week from now on, in the organization that it ran for."""
        job = server.add(stage="COMPLETED", namespace="lab", **JOB)
        create = ["scheduled", "create", "--from", job.id, "--schedule", "@weekly", "--yes", "--json"]
        assert run(create) == 0
        ((made,), _) = output(capsys)
        assert (made["namespace"], made["schedule"], made["flavor"]) == ("lab", "@weekly", "a100-large")
        assert run([*create, "--flavor", "t4-small"]) == 2
        assert "from the Job" in json.loads(capsys.readouterr().err)["error"]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["create", ".", "--schedule", "tomorrow"], "Not a valid schedule: tomorrow"),
            (["create", "/nowhere", "--schedule", "@daily"], "No such project folder"),
            (["suspend", "nothing"], "no such scheduled Job"),
            (["trigger", "nothing", "--yes"], "no such scheduled Job"),
            (["delete", "nothing", "--yes"], "no such scheduled Job"),
            (["nonsense"], "No such command"),
        ],
    )
    def test_wrong_use_is_one_sentence(
        self, server: LocalHub, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
    ) -> None:
        assert run(["scheduled", *arguments, "--json"]) in (2, 3)
        lines, error = output(capsys)
        assert lines == [] and words in json.loads(error)["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats", "ID"],
        ["wait", "ID"],
        ["cancel", "ID"],
        ["rerun", "ID", "--yes"],
        ["labels", "ID", "a=b"],
        ["pause", "ID"],
        ["resume", "ID"],
        ["logs", "ID"],
        ["inspect", "ID"],
        ["scheduled", "list"],
        ["scheduled", "suspend", "ID"],
        ["ps", "--on", "hub"],
    ],
)
def test_no_token_is_one_sentence(
    server: LocalHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """I am not logged in: each command says so with the next step, and exits with 3."""
    monkeypatch.delenv("HF_TOKEN")
    assert run([*arguments, "--json"]) == 3
    lines, error = output(capsys)
    assert lines == [] and "not logged in" in json.loads(error)["error"]
    assert "hf auth login" in json.loads(error)["hint"]


READ_ONLY = {"type": "access_token", "accessToken": {"displayName": "laptop", "role": "read"}}


@pytest.mark.parametrize(
    "arguments",
    [["rerun", "ID", "--yes"], ["train", "FOLDER", "--on", "hub", "--yes"], ["cancel", "ID"], ["labels", "ID", "a=b"]],
)
@pytest.mark.parametrize("stored", [True, False])
def test_a_token_that_may_not_is_replaced_where_it_comes_from(
    server: LocalHub,
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    stored: bool,
) -> None:
    """Logging in changes nothing while HF_TOKEN is set: then I read to set that, and to log in only without it."""
    server.whoami["auth"] = READ_ONLY
    job = server.add(stage="RUNNING" if arguments[0] == "cancel" else "COMPLETED", **JOB)
    server.spoil("POST", "/cancel$", status=403)
    server.spoil("PUT", "/labels$", status=403)
    if stored:
        (tmp_path / "token").write_text(TOKEN)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.delenv("HF_TOKEN")
    told = {"ID": job.id, "FOLDER": str(project)}
    assert run([*(told.get(word, word) for word in arguments), "--json"]) == 3
    hint = json.loads(capsys.readouterr().err.splitlines()[-1])["hint"]
    assert ("hf auth login" in hint, "set HF_TOKEN to it" in hint) == (stored, not stored), hint


@pytest.mark.parametrize(("namespace", "said"), [("nobody", "not a member"), ("club", "may only read")])
def test_a_namespace_that_cannot_start_jobs(
    server: LocalHub,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    namespace: str,
    said: str,
) -> None:
    """Also a dry run says so, and that it is the option that is to be changed, if it is."""

    async def nothing_known(*_: object) -> HubAnswers:
        return HubAnswers()

    monkeypatch.setattr(preflight_facts, "check_plan", CHECK_PLAN)
    monkeypatch.setattr(preflight_facts, "ask_hub", nothing_known)
    server.whoami["orgs"].append({"name": "club", "roleInOrg": "read"})
    start = ["train", str(project), "--on", "hub", "--dry-run", "--json"]
    assert run([*start, "--namespace", namespace]) == 3
    error = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert said in error["error"] and error["error"].endswith(f": {namespace}")
    assert error["hint"] == "Choose another namespace (--namespace): ada, lab"
    (project / "smoltui.toml").write_text(f'[jobs]\nnamespace = "{namespace}"\n')
    assert run(start) == 3
    error = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert error["hint"] == "Set jobs.namespace in smoltui.toml to one of: ada, lab"


def test_a_job_again_where_i_may_only_read(server: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    """Another token would not help: my role is named."""
    server.whoami["orgs"].append({"name": "club", "roleInOrg": "read"})
    job = server.add(stage="COMPLETED", namespace="club", **JOB)
    assert run(["rerun", job.id, "--yes", "--json"]) == 3
    error = json.loads(capsys.readouterr().err)
    assert "The role of ada in club is read" in error["error"] and "token" not in error["hint"]
    assert len(server.jobs) == 1


@pytest.mark.parametrize("option", ["--flavor", "--timeout", "--namespace"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "FOLDER", "--on", "hub", "--yes"],
        ["rerun", "ID", "--yes"],
        ["resume", "ID", "--yes"],
        ["scheduled", "create", "FOLDER", "--schedule", "@daily", "--yes"],
        ["benchmark", "FOLDER"],
    ],
)
def test_an_option_without_a_value_is_no_default(
    server: LocalHub, project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], option: str
) -> None:
    """A variable of my shell is not set: no other account pays, and nothing is started."""
    told = {"ID": server.add(stage="COMPLETED", **JOB).id, "FOLDER": str(project)}
    for value in ("", " "):
        assert run([*(told.get(word, word) for word in arguments), option, value, "--json"]) == 2
        error = json.loads(capsys.readouterr().err)
        assert error["error"] == f"{option} has no value" and "leave the option out" in error["hint"]
    assert len(server.jobs) == 1 and not server.scheduled
