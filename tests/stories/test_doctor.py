"""`smoltui doctor`: I run it when something does not work, do what it says, and paste its report into a bug report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.machine import devices
from smoltui.cli.main import run
from smoltui.core.machine.device import TorchReport
from tests.hub.server import TOKEN, LocalHub, local_hub, use_hub

WHICH = shutil.which
TESTED = TorchReport(0.0, kind="cpu", bf16=True, threads=1, versions={"torch": "2.13.0"}, trl_seconds=1.0)


@pytest.fixture(autouse=True)
def _tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch was tested before, which takes 5 s, and Slurm is not installed."""
    monkeypatch.setattr(devices, "remembered_torch_report", lambda _: TESTED)
    monkeypatch.setattr(shutil, "which", lambda name, **how: None if name == "sbatch" else WHICH(name, **how))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    with local_hub(monkeypatch) as server:
        yield server


def report(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and the findings by name."""
    code = run(["doctor", *args, "--json"])
    data = json.loads(capsys.readouterr().out)
    found = {finding["name"]: finding for finding in data["findings"]}
    broken = [name for name, finding in found.items() if finding["state"] == "broken"]
    assert all(found[name]["step"] for name in broken), "what is broken has a next step"
    assert data["broken"] == len(broken) and code == (2 if broken else 0)
    return code, found


def test_a_healthy_machine(
    hub: LocalHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, found = report(capsys, str(tmp_path))
    assert code == 0, found
    assert found["account"]["text"].startswith("ada, ") and "ms" in found["connection"]["text"]
    assert found["token"]["text"] == "from the environment variable HF_TOKEN"
    assert run(["doctor", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Nothing is broken." in said and "textual 8.2.8" in said
    assert max(map(len, said.splitlines())) <= 100


def test_nothing_secret_is_in_the_report(
    hub: LocalHub, own_machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens in variables, names and addresses, and my home folder: I can paste all of it."""
    project = own_machine / f"my-{TOKEN}"
    project.mkdir()
    (project / "recipe.yaml").write_text(f"model_name_or_path: [{TOKEN}\n")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    use_hub(hub.url.replace("//", "//ada:pass-word-1@") + "/x?token=abc-def-123", monkeypatch)
    monkeypatch.setenv("TERM_PROGRAM", "\x1b]0;PWN\x07 password=hunter2hunter2")
    for as_json in ([], ["--json"]):
        assert run(["doctor", str(project), *as_json]) == 2
        said = capsys.readouterr()
        for secret in (TOKEN, "pass-word-1", "abc-def-123", "hunter2", "0123456789abcdef", str(own_machine), "\x1b"):
            assert secret not in said.out + said.err, (secret, said)
        assert "~/" in said.out


def test_a_broken_terminal(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    code, found = report(capsys, str(tmp_path))
    assert code == 2 and found["TERM"]["state"] == "broken" and "export TERM=xterm-256color" in found["TERM"]["step"]


@pytest.mark.slow
def test_a_terminal_that_cannot_show_unicode(hub: LocalHub, tmp_path: Path) -> None:
    """My locale is Latin-1: the report itself is readable, and says so."""
    env = {**os.environ, "PYTHONIOENCODING": "latin-1", "HF_ENDPOINT": hub.url}
    code = (
        "from smoltui.backends.machine import devices\n"
        "from smoltui.core.machine.device import TorchReport\n"
        "devices.remembered_torch_report = lambda _: TorchReport(0.0, kind='cpu')\n"
        "from smoltui.cli.main import run\n"
        f"run(['doctor', {str(tmp_path)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, timeout=60)
    text = done.stdout.decode("latin-1")
    assert "X encoding" in text and "> Choose a locale with UTF-8: export LC_ALL=C.UTF-8" in text and "\\u" not in text


def test_a_data_folder_that_is_read_only(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readonly = tmp_path / "data"
    readonly.mkdir()
    readonly.chmod(0o500)
    # Root may write there all the same; nobody may below /proc.
    monkeypatch.setenv("SMOLTUI_HOME", "/proc/sys/smoltui" if os.geteuid() == 0 else str(readonly))
    code, found = report(capsys, str(tmp_path))
    assert code == 2 and "cannot be written" in found["data"]["text"] and "SMOLTUI_HOME" in found["data"]["step"]


def test_missing_and_old_packages(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "duckdb":
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name == "plotille" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    code, found = report(capsys, str(tmp_path))
    assert code == 2 and found["duckdb"]["text"] == "missing, required >=1.5,<3"
    assert found["plotille"]["text"] == "1.0 is installed, required >=6,<7"
    assert "pip install --upgrade smoltui" in found["duckdb"]["step"]


@pytest.mark.slow
def test_a_package_that_the_report_itself_needs(tmp_path: Path) -> None:
    """psutil cannot be imported: the other parts are examined all the same, and nothing is a traceback."""
    code = (
        "import sys; sys.modules['psutil'] = None\n"
        "from smoltui.cli.main import run\n"
        f"sys.exit(run(['doctor', {str(tmp_path)!r}]))"
    )
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert "psutil" in done.stdout and "pip install --upgrade smoltui" in done.stdout
    assert re.search(r"^ +✓ data +", done.stdout, re.MULTILINE)


def test_the_hub_is_out_of_reach_or_refuses_the_token(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.spoil("GET", "/api/whoami-v2", status=401)
    code, found = report(capsys, str(tmp_path))
    assert code == 2 and found["connection"]["state"] == "ok" and found["account"]["state"] == "broken"
    assert "Set HF_TOKEN to a valid token" in found["account"]["step"]
    use_hub("http://127.0.0.1:9", monkeypatch)
    code, found = report(capsys, str(tmp_path))
    assert code == 2 and found["connection"]["state"] == "broken" and "account" not in found
    monkeypatch.delenv("HF_TOKEN")
    code, found = report(capsys, str(tmp_path))
    assert found["account"]["state"] == "note"


def test_a_cluster_and_a_configuration(
    hub: LocalHub,
    tmp_path: Path,
    own_machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a login node I read whether Slurm answers; a config.toml of mine is read too."""
    _, found = report(capsys, str(tmp_path))
    assert "cluster" not in found and "config.toml" not in found
    for name, script in (("sbatch", "exit 0"), ("sinfo", 'test "$1" = --version && echo slurm 23.11 || echo gpu')):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setattr(shutil, "which", WHICH)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    config = own_machine / "config" / "smoltui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[keys]\n")
    code, found = report(capsys, str(tmp_path))
    assert code == 0 and found["cluster"]["text"] == "slurm 23.11, 1 partition"
    assert found["config.toml"]["state"] == "ok"
    config.write_text("not toml")
    (tmp_path / "bin" / "sinfo").write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    code, found = report(capsys, str(tmp_path))
    assert code == 2 and found["config.toml"]["state"] == "broken" and found["cluster"]["state"] == "note"
    config.unlink()
    (tmp_path / "smoltui.toml").write_text('[run]\non = "slurm"\n')
    _, found = report(capsys, str(tmp_path))
    assert found["cluster"]["state"] == "broken" and "Unable to contact" in found["cluster"]["text"]


# -- the debug log


@pytest.mark.slow
def test_the_debug_log_is_where_it_says(hub: LocalHub, tmp_path: Path) -> None:
    """I add --debug behind the command that fails, and find versions, the request and the error in the file."""
    hub.spoil("GET", "/api/whoami-v2", status=403, times=2)
    env = {**os.environ, "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url}
    for args in (["ps", "--on", "hub", "--debug"], ["--debug", "ps", "--on", "hub", "--json"]):
        command = [sys.executable, "-m", "smoltui", *args]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        first = done.stderr.splitlines()[0]
        path = json.loads(first)["debug_log"] if "--json" in args else first.removeprefix("Debug log: ")
        text = Path(path).read_text()
        assert "/api/whoami-v2" in text and "huggingface_hub 2." in text and TOKEN not in text
    assert "403" in Path(sorted(Path(path).parent.iterdir())[0]).read_text()
