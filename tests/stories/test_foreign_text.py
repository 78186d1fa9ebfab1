"""Foreign text in files, names, settings, Jobs and servers never controls my terminal, whichever command shows it."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.jobs.job_json import access_of
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.jobs.scheduled import ScheduledJobs
from smoltui.backends.machine import devices
from smoltui.backends.runs import preflight as preflight_facts
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.cli import output
from smoltui.cli import runs as runs_module
from smoltui.cli import train as train_module
from smoltui.cli.main import run
from smoltui.core.machine.account import Account
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level
from smoltui.core.runs import events
from smoltui.core.runs.run import Run, Stage
from smoltui.core.runs.scheduled import ScheduledJob
from smoltui.errors import ServiceError
from tests.paths import PACKAGE
from tests.terminal_text import HOSTILE, SECRET, run_in_terminal, unsafe

NAME = HOSTILE.replace("/", "_")
"""Used as a file name."""
RUN = Run(
    "abc" + NAME,
    "hub",
    "name" + HOSTILE,
    Stage.COMPLETED,
    message="said" + HOSTILE,
    hint="do" + HOSTILE,
    created_at=time.time(),
    finished_at=time.time(),
    project="/p/" + HOSTILE,
    output_dir="/o/" + HOSTILE,
    flavor="fl" + HOSTILE,
    namespace="ns" + HOSTILE,
    labels={"k" + HOSTILE: "v" + HOSTILE},
    pushed_to="re" + HOSTILE,
    timeout_seconds=60,
    raw={"k" + HOSTILE: ["v" + HOSTILE, {HOSTILE: HOSTILE}], "dockerImage": HOSTILE},
)


PROBE = f"""
import json
print(json.dumps({{"probe": {{"kind": "cuda", "build": {HOSTILE!r}, "bf16": True, "threads": 4,
    "versions": {{"torch": {HOSTILE!r}}},
    "devices": [{{"name": {HOSTILE!r}, "total": 1, "capability": {HOSTILE!r}}}]}}}}))
"""
"""Replaces `scripts/probe.py`."""


class Schedules(ScheduledJobs):
    item = ScheduledJob(
        "id" + HOSTILE,
        "name" + HOSTILE,
        "* *" + HOSTILE,
        flavor="f" + HOSTILE,
        last_run="run" + HOSTILE,
        labels={HOSTILE: HOSTILE},
    )

    async def list_all(self) -> list[ScheduledJob]:
        self.problems = {"lab" + HOSTILE: ServiceError("no" + HOSTILE, "do" + HOSTILE)}
        return [self.item]

    async def suspend(self, scheduled_id: str) -> ScheduledJob:
        return self.item

    async def delete(self, scheduled_id: str) -> ScheduledJob:
        return self.item

    async def get(self, scheduled_id: str) -> ScheduledJob:
        return self.item

    async def trigger(self, scheduled_id: str) -> Run:
        return RUN


class Jobs(Engine):
    """An engine whose texts all contain attacks."""

    place = JOBS
    scheduled = Schedules()
    problems = {"lab" + HOSTILE: ServiceError("no" + HOSTILE, "do" + HOSTILE)}

    async def submit(self, spec: object) -> Run:
        return RUN

    async def list_runs(self) -> list[Run]:
        return [RUN, replace(RUN, stage="NEW" + HOSTILE)]

    async def get(self, run_id: str) -> Run:
        return RUN

    async def follow(self, run_id: str, **_: object) -> AsyncGenerator[events.Event, None]:
        yield events.LogLine(text="log" + HOSTILE)
        yield events.PhaseChanged(phase="ph" + HOSTILE, message="me" + HOSTILE)
        yield events.ModelSaved(path="/m/" + HOSTILE)
        yield events.Failed(cause="why" + HOSTILE, hint="do" + HOSTILE)
        yield events.StageChanged(stage="ERROR", message="end" + HOSTILE)

    async def cancel(self, run_id: str) -> Run:
        raise ServiceError("no" + HOSTILE, "do" + HOSTILE)

    async def inspect(self, run_id: str) -> dict[str, Any]:
        return dict(RUN.raw)

    def access(self, inspected: Mapping[str, Any]) -> list[str]:
        return access_of(inspected)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with malicious folders, sets of pairs and Jobs; the commands run in it."""
    services = Services({"hub": Jobs()})
    for module in (runs_module, train_module):
        monkeypatch.setattr(module, "default_services", lambda *_: services)

    async def somebody() -> Account:
        return Account("ada" + HOSTILE)

    async def warns(*_: object, force: bool) -> list[Check]:
        return [Check("key", Level.WARN, "may" + HOSTILE, "do" + HOSTILE)]

    monkeypatch.setattr(hub, "account", somebody)
    monkeypatch.setattr(preflight_facts, "check_plan", warns)
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setattr(devices, "PROBE", tmp_path / "probe.py")
    monkeypatch.chdir(tmp_path)
    word = json.dumps(HOSTILE)
    project = tmp_path / ("p" + NAME)
    project.mkdir()
    (project / "recipe.yaml").write_text(
        f"model_name_or_path: {word}\ndataset_name: {word}\n{word}: {word}\nhub_model_id: {word}\noutput_dir: {word}\n"
    )
    for name, settings in {
        "toml": f"[jobs]\nflavor = {word}\n{word} = 1\n",
        "timeout": f"[jobs]\ntimeout = {word}\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text("model_name_or_path: x\ndataset_name: y\n")
        (tmp_path / name / "smoltui.toml").write_text(settings)
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "recipe.yaml").write_text(f"a: [{word}\n{word}: *{NAME!r}\n")
    (tmp_path / "c.csv").write_bytes(f'prompt,chosen,rejected,"ex{HOSTILE}"\n1,2,3,4\n'.encode())
    (tmp_path / "p.jsonl").write_text(
        json.dumps({"prompt": HOSTILE, "chosen": HOSTILE, "rejected": HOSTILE + "!", "k" + HOSTILE: 1}) + "\n"
    )
    (tmp_path / "broken.jsonl").write_text(f'{{"prompt": "{NAME}\n')
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "recipe.yaml").write_text(
        f"datasets:\n  - path: csv\n    data_files: {{train: ../c.csv, {word}: ../c.csv}}\n"
    )
    saved = tmp_path / "saved"
    for split in ("train", "s" + NAME):
        (saved / split).mkdir(parents=True)
        table = pa.table({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]})
        with (
            pa.OSFile(str(saved / split / "data.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as stream,
        ):
            stream.write_table(table)
        (saved / split / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
        (saved / split / "dataset_info.json").write_text("{}")
    (saved / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "s" + NAME]}))
    return tmp_path


P = "p" + NAME
COMMANDS = [
    [NAME],
    ["--" + NAME],
    ["ps", "--" + NAME],
    ["ps", "--on", NAME],
    ["recipe", NAME],
    ["pairs", "--row", NAME, "c.csv"],
    ["new", "x", "--preset", NAME],
    ["new", P, "--preset", "demo"],
    ["demo", P, "--no-open"],
    ["check", P],
    ["check", "toml"],
    ["recipe", "show", P],
    ["recipe", "check", P],
    ["recipe", "command", P],
    ["recipe", "command", "toml"],
    ["recipe", "check", "timeout"],
    ["recipe", "show", "yaml"],
    ["train", P],
    ["train", P, "--yes", "--on", "hub"],
    ["train", "toml", "--set", NAME],
    ["train", P, "--set", "a=[" + NAME],
    ["train", "toml"],
    ["train", P, "--on", "hub", "--timeout", NAME],
    ["train", P, "--namespace", NAME, "--on", "hub"],
    ["evaluate", P],
    ["evaluate", P, "--run", NAME],
    ["ask", P, NAME],
    ["pairs", P],
    ["pairs", "c.csv"],
    ["pairs", "c.csv", "--split", NAME],
    ["pairs", "p.jsonl", "--row", "0"],
    ["pairs", "p.jsonl", "--search", NAME],
    ["pairs", "p.jsonl", "--search", f"/({NAME}/"],
    ["pairs", "p.jsonl", "--where", NAME],
    ["pairs", "p.jsonl", "--audit"],
    ["pairs", "p.jsonl", "--export", NAME, "--overwrite"],
    ["pairs", "broken.jsonl"],
    ["pairs", "splits"],
    ["pairs", "saved"],
    ["pairs", "saved", "--split", "s" + NAME],
    ["ps"],
    ["ps", "--filter", NAME],
    ["ps", "--filter", "stage:" + NAME],
    ["logs", "id"],
    ["logs", "id", "--follow"],
    ["logs", "id", "--grep", "q"],
    ["logs", "id", "--grep", "(" + NAME],
    ["inspect", "id"],
    ["labels", "id"],
    ["labels", "id", NAME],
    ["labels", "id", "--remove", NAME],
    ["wait", "id", NAME],
    ["cancel", "id", NAME],
    ["pause", "id", NAME],
    ["resume", "id"],
    ["rerun", "id", "--yes"],
    ["stats", "id"],
    ["hardware", "--for", P],
    ["scheduled", "list"],
    ["scheduled", "suspend", NAME],
    ["scheduled", "trigger", NAME, "--yes"],
    ["docs", NAME],
    ["docs"],
    ["scheduled", "delete", NAME, "--yes"],
    ["scheduled", "create", P, "--schedule", NAME],
]


def raw_data(args: list[str]) -> bool:
    """Whether a command intentionally prints its input: a log to a file, the text of a pair."""
    return args[0] in ("logs", "train") or "--row" in args


def called(args: list[str]) -> str:
    return " ".join(args).replace(NAME, "…")


@pytest.mark.parametrize("args", COMMANDS, ids=called)
def test_no_command_lets_foreign_text_act(
    world: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], args: list[str]
) -> None:
    """In a terminal and in a pipe, as text and as JSON, on stdout and stderr; and no secret is printed."""
    for more in ([], ["--json"]):
        code, written = run_in_terminal(monkeypatch, [*args, *more])
        assert code in (0, 1, 2, 3), written.decode()
        written = written.replace(b"\n\x07", b"\n")  # the bell at the end of `wait` is our own
        assert not unsafe(written)
        assert SECRET not in written or "--row" in args
        assert written.strip()
        capfdbinary.readouterr()
        assert run([*args, *more]) == code
        out, err = capfdbinary.readouterr()
        assert not unsafe(err) and SECRET not in err
        if more or not raw_data(args):
            assert not unsafe(out) and (SECRET not in out or "--row" in args)
        if more:
            for line in [*out.splitlines(), *err.splitlines()]:
                json.loads(line)


def test_a_log_in_a_pipe_is_as_the_run_wrote_it(world: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`smoltui logs ID > file` writes its lines, without colors and secrets."""
    assert run(["logs", "id"]) == 0
    out = capfdbinary.readouterr().out
    assert out.startswith(b"log\x1b]0;PWN\x07") and b"\x7f\r[" in out and SECRET not in out


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A name with a newline does not start another line of ours."""
    assert run(["a\nsmoltui: all is well"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_json_has_the_same_value(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads a pair exactly as it is in the file."""
    assert run(["pairs", "p.jsonl", "--row", "0", "--json"]) == 0
    told = capsys.readouterr().out
    assert json.loads(told)["pair"]["prompt"][0]["content"] == HOSTILE and told.isascii()


def test_json_of_a_pair_has_secrets_in_the_pair_alone(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names around it, such as those of the columns, are no texts of the pair."""
    secret = "hf_SECRETsecret1234567"
    (world / "named.csv").write_text(f"prompt,chosen,rejected,x {secret}\n{secret},b,c,d\n")
    assert run(["pairs", "named.csv", "--row", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("pair")["prompt"][0]["content"] == secret
    assert secret not in json.dumps(told) and told["columns"][3].startswith("x hf_")


def test_what_json_has_no_word_for_is_a_string(capsys: pytest.CaptureFixture[str]) -> None:
    """Dates, sets, bytes, huge numbers and keys of any type do not crash a command."""
    import datetime

    day = datetime.date(2020, 1, 2)
    output.print_json({day: day, 1: {2}, None: b"x", (1, 2): float("nan"), False: 1 << 20_000, 1.5: float("-inf")})
    told = json.loads(capsys.readouterr().out)
    assert told["2020-01-02"] == "2020-01-02" and told["1"] == [2] and told["false"].startswith("0x1")
    assert told["null"] == "b'x'"
    assert told["[1, 2]"] == "NaN" and told["1.5"] == "-Infinity"


PRINTING = {"print", "pprint", "print_exc", "print_exception", "print_stack", "echo", "secho", "echo_via_pager"}
ASKING = {"confirm", "prompt", "input", "progressbar", "getpass"}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
MAY_PRINT = {
    "cli/output.py": "the one way out",
    "scripts/": "run as programs in another Python; their output is read and made safe by the process above",
    "backends/pairs/child_output.py": "prints JSON lines in a child, with ensure_ascii",
    "demo/make_demo.py": "a program for developers that prints numbers of its own",
}


def prints(tree: ast.AST) -> list[int]:
    """Lines of a module that write to stdout or stderr, or prompt there."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in PRINTING | {"input"}:
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if (
                owner in ("click", "pprint", "rich", "traceback", "getpass", "builtins") and name in PRINTING | ASKING
            ):
                found.append(node.lineno)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr=stream), attr=what) if (
                stream in STREAMS and what in ("write", "writelines", "buffer")
            ):
                found.append(node.lineno)
            case ast.keyword(arg="file", value=ast.Attribute(value=ast.Name(id="sys"), attr=stream)) if (
                stream in STREAMS
            ):
                found.append(node.value.lineno)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="os"), attr="write"), args=[ast.Constant(value=1 | 2), *_]
            ):
                found.append(node.lineno)
            case ast.ImportFrom(module="click" | "pprint" | "traceback" | "rich" | "getpass", names=names) if any(
                alias.name in PRINTING | ASKING for alias in names
            ):
                found.append(node.lineno)
    return found


def test_nothing_else_prints() -> None:
    """All output of commands goes through one module, so its guarantees hold everywhere."""
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    words = re.compile("print|echo|std(out|err)|input|confirm|getpass|os.write")
    texts = {name: text for name, path in files.items() if words.search(text := path.read_text())}
    printing = {name: lines for name, text in texts.items() if (lines := prints(ast.parse(text)))}
    assert {name: lines for name, lines in printing.items() if not name.startswith(tuple(MAY_PRINT))} == {}
    assert all(any(found.startswith(name) for found in printing) for name in MAY_PRINT), "an exception without a need"


@pytest.mark.parametrize(
    "code",
    [
        "print(1)",
        "click.echo(x)",
        "click.secho('x', fg='red')",
        "sys.stdout.write(x)",
        "sys.stderr.buffer.write(x)",
        "json.dump(x, file=sys.stdout)",
        "from click import echo",
        "os.write(1, b'')",
        "traceback.print_exc()",
        "input()",
        "click.confirm(x)",
        "sys.__stderr__.write(x)",
    ],
)
def test_every_way_to_print_is_seen(code: str) -> None:
    assert prints(ast.parse(code)) == [1]
