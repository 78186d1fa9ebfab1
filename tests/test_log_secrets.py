"""Whatever breaks a token on its way into a log, no part of it is kept: chunks, line ends, returns, cuts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.evaluation.answers import save_answers
from smoltui.backends.jobs.engine import HubEngine
from smoltui.backends.jobs.submit import environment, job_command
from smoltui.backends.local.log import RunLog
from smoltui.backends.local.log_cause import symptoms
from smoltui.backends.local.log_lines import LineReader
from smoltui.backends.local.log_pieces import LINE_LIMIT as READ_LIMIT
from smoltui.backends.runs.log_spool import LogSpool
from smoltui.backends.system import crash, data_folder
from smoltui.cli.output import print_json
from smoltui.core.evaluation.sheet import Sheet
from smoltui.core.runs import events
from smoltui.core.runs.log_text import LINE_LIMIT, taken
from smoltui.core.runs.run import Run, RunSpec
from smoltui.core.runs.symptoms import last_words
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.redaction import forget_secrets, redact_json, register_secrets
from tests.hub.server import LocalHub, local_hub

BODY = "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
TOKEN = f"hf_{BODY}"
PARTS = (BODY[10:20], BODY[20:])


@pytest.fixture(autouse=True)
def _nothing_registered() -> Iterator[None]:
    yield
    forget_secrets()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


def leaks(text: str) -> bool:
    return any(part in text for part in PARTS)


BROKEN = [
    ["a", f"tok {TOKEN[:14]}", f"{TOKEN[14:]} b"],
    [f"{TOKEN[:5]}\r{TOKEN[5:]}\r done"],
    [f"10%\r{TOKEN[:20]}\r{TOKEN[20:]}"],
    [f"\x1b[3{TOKEN[0]}", TOKEN],
    [TOKEN[:9] + "\x1b[0m\u200b" + TOKEN[9:]],
    [f"{TOKEN[:30]}", "  " + TOKEN[30:]],
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "Proc-Type: 4,ENCRYPTED",
        "",
        f"a{BODY}",
        f"{BODY}=",
        "-----END RSA PRIVATE KEY-----",
    ],
    ["x " + base64.b64encode(TOKEN.encode()).decode()],
]


@pytest.mark.parametrize("lines", BROKEN)
def test_the_spool_keeps_no_part(lines: list[str], tmp_path: Path) -> None:
    """In one batch, line by line, searched for and saved."""
    for batches in ([lines], [[line] for line in lines]):
        spool = LogSpool()
        for batch in batches:
            spool.extend(batch)
        assert not leaks("\n".join(line.text for line in spool.read(0, 99)))
        spool.save(tmp_path / "log")
        assert not leaks((tmp_path / "log").read_text())
        spool.close()


@pytest.mark.parametrize("lines", BROKEN)
def test_the_log_of_a_local_run_gives_no_part(lines: list[str], tmp_path: Path) -> None:
    """Read after each byte that was written, as it may be."""
    path = tmp_path / "log"
    log, reader = RunLog(path, Run("r", "local", "n", "RUNNING")), LineReader(path)
    data = ("\n".join(lines) + "\nend\n").encode()
    said = []
    for at in range(len(data)):
        with path.open("ab") as file:
            file.write(data[at : at + 1])
        said += [event.text for event in reader.read() or () if isinstance(event, events.LogLine)]
        log.read()
        assert not leaks(last_words(symptoms(log)))
    assert said[-1] == "end" and not leaks("\n".join(said))


@pytest.mark.parametrize("shift", [-30, -6])
def test_a_line_that_is_too_long_is_not_cut_inside_one(shift: int) -> None:
    register_secrets("correct horse battery staple")
    for secret in (TOKEN, "correct horse battery staple"):
        kept = taken([f"{'x ' * ((LINE_LIMIT + shift) // 2)}{secret} behind"])[0].text[-200:]
        assert "AbCd" not in kept and "correct" not in kept


def test_a_long_line_of_a_local_run_is_not_cut_inside_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"{'x ' * (READ_LIMIT // 2 - 10)}{TOKEN}{'y' * 100_000}\n")
    reader = LineReader(path)
    (event,) = [event for _ in range(4) for event in reader.read() or ()]
    assert isinstance(event, events.LogLine) and not leaks(event.text) and len(event.text) <= READ_LIMIT


@pytest.mark.parametrize("lines", BROKEN)
async def test_the_log_of_a_job_gives_no_part(lines: list[str], server: LocalHub) -> None:
    job = server.add(lines, stage="COMPLETED")
    found = [event async for event in HubEngine().follow(job.id)]
    said = "\n".join(event.text for event in found if isinstance(event, events.LogLine))
    assert said and not leaks(said)


def test_no_event_carries_one() -> None:
    """Messages, paths and addresses too."""
    for data in (
        {"event": "stage", "stage": "ERROR", "message": TOKEN},
        {"event": "checkpoint", "step": 1, "path": f"/x/{TOKEN}"},
        {"event": "failed", "cause": TOKEN, "hint": f"https://u:{BODY}@h"},
    ):
        event = events.from_json({"v": events.VERSION, **data})
        assert event is not None and not leaks(json.dumps(events.redacted(event).as_json()))


# -- everywhere else


def test_json_on_stdout_holds_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"recipe": f"a: 1\n# {TOKEN}\n", "environment": [{"MY_PASSWORD": "letmein", "HF_TOKEN": "abc"}], "n": 1})
    told = json.loads(capsys.readouterr().out)
    assert told["environment"] == [{"MY_PASSWORD": "***", "HF_TOKEN": "***"}] and told["n"] == 1
    assert told["recipe"] == "a: 1\n# hf_***\n"


def test_harmless_json_stays() -> None:
    data: dict[str, Any] = {
        "pad_token": "<|im_end|>",
        "key": "beta",
        "token_role": "write",
        "num_tokens": 12,
        "label_key": "smoltui-run",
        "max_tokens": "512",
        "a": [None, True, 0.5, "hf_hub_download"],
    }
    assert redact_json(data) == data


def test_a_crash_report_holds_none() -> None:
    """Neither in the message nor in what was typed."""
    register_secrets("correct-horse")
    try:
        raise RuntimeError(f"{TOKEN[:12]}\u200b{TOKEN[12:]} password=letmein correct-horse")
    except RuntimeError as error:
        told = crash.crashed(error)
    written = "".join(path.read_text() for path in (data_folder.home() / "crashes").iterdir())
    for text in (written, str(told)):
        assert not leaks(text) and "letmein" not in text and "correct-horse" not in text


def test_kept_answers_hold_none(tmp_path: Path) -> None:
    """A prompt that was typed in is kept with the run; what is no token stays as it was typed."""
    sheet = Sheet([f"What is {TOKEN}?", "Is password: letmein a good one?"], own={f"What is {TOKEN}?"})
    kept = json.loads(save_answers(tmp_path, sheet, {}, EvaluationSettings()).read_text())
    assert [row["prompt"] for row in kept["answers"]] == ["What is hf_***?", "Is password: letmein a good one?"]


def test_a_job_gets_none_in_its_command_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.setenv(name, TOKEN)
    spec = RunSpec("n", "/p", "a: 1\n", "/o", "a" * 16, flavor="x", timeout_seconds=60, processes=2)
    assert not leaks(json.dumps([environment(spec), job_command(spec)]))
