"""Closed streams, old encodings, no memory, terminals that cannot draw, folders that cannot be written: a sentence."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.services import Services
from smoltui.cli import runs as runs_module
from smoltui.cli.main import run
from smoltui.cli.train import parse_assignment

SMOLTUI = f"{sys.executable} -m smoltui"
RECIPE = "model_name_or_path: naïve/日本\ndataset_name: pairs\noutput_dir: aligned\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def shell(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
    )


class TestStreams:
    @pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)])
    def test_a_closed_stream_is_the_null_device(self, project: Path, closed: str, code: int) -> None:
        """A service starts the command without stdin, stdout or stderr: it does its work."""
        done = shell(f"{SMOLTUI} recipe show {project} {closed}")
        assert (done.returncode, done.stderr) == (code, "")
        assert ("model_name_or_path" in done.stdout) is (">&-" not in closed.replace("2>&-", ""))

    def test_what_is_printed_ends_up_in_no_file(self, project: Path) -> None:
        """With stdout closed, no file that is opened later gets its number."""
        code = (
            "from smoltui.cli import output; import os; output.prepare_streams()\n"
            f"print(open({str(project / 'recipe.yaml')!r}).fileno() > 2, os.get_inheritable(1), file=sys.stderr)"
        )
        done = shell(f"{sys.executable} -c 'import sys; exec(sys.argv[1])' \"$CODE\" <&- >&-", CODE=code)
        assert done.stderr == "True True\n"

    def test_the_app_without_stdin_points_to_the_commands(self, project: Path) -> None:
        done = shell(f"{SMOLTUI} {project} <&-")
        assert done.returncode == 2 and "needs an interactive terminal" in done.stderr

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
    def test_an_error_that_cannot_be_told_keeps_its_code(self, project: Path) -> None:
        assert shell(f"{SMOLTUI} nonsense 2>/dev/full").returncode == 2
        done = shell(f"{SMOLTUI} --help >/dev/full")
        assert done.returncode == 2 and "No space left" in done.stderr and "Traceback" not in done.stderr


class TestEncodings:
    @pytest.mark.parametrize(
        "environ",
        [
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            {"PYTHONIOENCODING": "latin-1"},
            {"PYTHONIOENCODING": "ascii"},
        ],
        ids=["C", "latin-1", "ascii"],
    )
    def test_characters_that_an_encoding_lacks_become_escapes(self, project: Path, environ: dict[str, str]) -> None:
        """On an old terminal I read the text with escapes in it, and JSON is the same JSON."""
        done = shell(f"{SMOLTUI} recipe show {project}", **environ)
        assert done.returncode == 0 and "\\u65e5\\u672c" in done.stdout and "\ufffd" not in done.stderr
        done = shell(f"{SMOLTUI} recipe show {project} --json", **environ)
        assert done.returncode == 0 and done.stdout.isascii()
        assert json.loads(done.stdout)["values"]["model_name_or_path"] == "naïve/日本"
        done = shell(f"{SMOLTUI} logs 日本", **environ)
        assert done.returncode == 2 or done.returncode == 3
        assert "Traceback" not in done.stderr

    def test_a_prompt_is_read_as_utf8_whatever_the_locale(self) -> None:
        from smoltui.cli.commands.ask import _as_utf8

        typed = "Héé 日"
        assert _as_utf8(typed.encode().decode("ascii", "surrogateescape")) == typed == _as_utf8(typed)
        assert _as_utf8("\udcff") == "\udcff"


Raise = Callable[[BaseException], None]


@pytest.fixture
def meets(monkeypatch: pytest.MonkeyPatch) -> Raise:
    """`meets(error)`: `ps` comes upon it."""

    def come_upon(error: BaseException) -> None:
        async def list_runs(self: object) -> list[object]:
            raise error

        monkeypatch.setattr(LocalEngine, "list_runs", list_runs)
        monkeypatch.setattr(runs_module, "default_services", lambda *_: Services({"local": LocalEngine()}))

    return come_upon


def encode_error() -> UnicodeEncodeError:
    return UnicodeEncodeError("utf-8", "bad \ud83d\x1b", 4, 5, "surrogates not allowed")


class TestErrorsOfOthers:
    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (MemoryError(), "Not enough memory"),
            (OSError(12, "Cannot allocate memory"), "Not enough memory"),
            (ImportError("x.so: failed to map segment from shared object"), "Not enough memory"),
            (RuntimeError("can't start new thread"), "thread limit is reached"),
            (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
            (encode_error(), "not UTF-8 text: bad �␛"),
            (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal"), "LC_ALL=C.UTF-8"),
            (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "not UTF-8"),
            (OSError(28, "No space left on device", "/x\x1b"), "No space left on device: /x␛"),
            (OSError(24, "Too many open files"), "ulimit -n"),
            (OSError(13, "Permission denied", "/x"), "Change the permissions there"),
            (FileNotFoundError(2, "No usable temporary directory found in []"), "TMPDIR"),
        ],
    )
    def test_each_is_a_sentence(
        self, capsys: pytest.CaptureFixture[str], meets: Raise, error: Exception, words: str
    ) -> None:
        """What I can do something about is no mistake of the program: exit code 2 and what to do."""
        meets(error)
        assert run(["ps"]) == 2
        told = capsys.readouterr().err
        assert words in told and "\x1b" not in told and len(told.splitlines()) == 2
        assert run(["ps", "--json"]) == 2
        assert set(json.loads(capsys.readouterr().err)) == {"error", "hint"}

    def test_what_may_be_a_mistake_of_ours_has_a_report(
        self, capsys: pytest.CaptureFixture[str], meets: Raise, own_machine: Path
    ) -> None:
        meets(RecursionError("maximum recursion depth exceeded"))
        assert run(["ps", "--json"]) == 2
        (report,) = (own_machine / "smoltui" / "crashes").glob("*.txt")
        assert str(report) in json.loads(capsys.readouterr().err)["hint"] and "RecursionError" in report.read_text()

    def test_a_limit_of_memory_is_told_before_a_library_dies_of_it(self, project: Path) -> None:
        """`ulimit -v` is below what loading the libraries takes: some of them would end the process without a word."""
        (project / "p.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
        done = shell(f"ulimit -v 300000; {SMOLTUI} pairs {project / 'p.jsonl'}")
        assert done.returncode == 2 and "the limit is 292 MiB, 1024 MiB are needed" in done.stderr
        assert shell(f"ulimit -v 300000; {SMOLTUI} recipe show {project}").returncode == 0


def in_terminal(command: Sequence[str], environ: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a command that has a terminal, and nobody who types."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], list(command), environ)
    written = b""
    try:
        while data := os.read(terminal, 65_536):
            written += data
    except OSError:  # Linux's end of a terminal
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), written.decode()


class TestTerminals:
    @pytest.mark.parametrize("term", ["dumb", "", None])
    def test_one_that_cannot_draw(self, project: Path, term: str | None) -> None:
        """In the output window of an editor I am told that the app cannot draw there, and what can be done instead."""
        environ = {name: value for name, value in os.environ.items() if name != "TERM"}
        if term is not None:
            environ["TERM"] = term
        code, told = in_terminal([sys.executable, "-m", "smoltui", str(project)], environ)
        assert code == 2 and "cannot draw on this terminal" in told and "smoltui check" in told
        assert "\x1b" not in told and len(told.splitlines()) == 2
        code, told = in_terminal([sys.executable, "-m", "smoltui", "recipe", "command", str(project)], environ)
        assert code == 0 and "trl dpo" in told


class TestFolders:
    @pytest.mark.parametrize("name", ["SMOLTUI_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"])
    def test_one_that_cannot_be_written(
        self, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """What needs no place to write works; what does says in one sentence where it could not, and what to do."""
        (project / "pairs").mkdir()
        (project / "pairs" / "train.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
        monkeypatch.delenv("SMOLTUI_HOME")
        monkeypatch.setenv(name, str(project / "recipe.yaml" / "nope"))
        assert run(["recipe", "show", str(project)]) == 0
        capsys.readouterr()
        for command in (["ps", "-a"], ["logs", "x"], ["pairs", str(project)], ["train", str(project)]):
            assert run([*command, "--json"]) in (0, 2, 3)
            told = capsys.readouterr().err
            assert all({"error", "hint"} <= set(json.loads(line)) for line in told.splitlines())

    def test_a_home_of_nobody(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("SMOLTUI_HOME", "~nobody-at-all/x")
        assert run(["ps"]) == 0

    def test_a_folder_that_is_gone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert run(["check"]) == 2
        assert "no longer exists" in capsys.readouterr().err


class TestValues:
    @pytest.mark.parametrize(
        "assignment",
        [
            "max_steps=2020-01-01",
            "max_steps=0x" + "f" * 9_000,
            "max_steps=" + "9" * 9_000,
            "a=&x [*x]",
            "a=!!set {b}",
            "a=" + "[" * 2_000,
            "a=!!binary aGk=",
            "a=2020-99-99",
            "output_dir='a\\0b'",
            'output_dir="a\\0b"',
        ],
        ids=lambda text: text[:20],
    )
    def test_a_recipe_cannot_hold_it(self, project: Path, capsys: pytest.CaptureFixture[str], assignment: str) -> None:
        """What I pass with --set is refused in a sentence before anything starts."""
        (project / "model").mkdir()
        (project / "pairs").mkdir()
        assert run(["train", str(project), "--set", assignment, "--json"]) == 2
        told = json.loads(capsys.readouterr().err)
        assert len(told["error"]) < 20_000 and not list(project.glob("runs/*"))

    def test_what_a_recipe_can_hold(self) -> None:
        for text, value in {
            "a=1": 1,
            "a=[1, x, {b: null}]": [1, "x", {"b": None}],
            "a=5e-7": 5e-7,
            "a=yes": "yes",
            "a=.nan": None,
        }.items():
            key, found = parse_assignment(text)
            assert key == "a" and (found == value or (text == "a=.nan" and found != found))

    def test_a_timeout_without_end(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["train", str(project), "--on", "hub", "--timeout", "9" * 400 + "h", "--json"]) == 2
        assert "shorter than a year" in json.loads(capsys.readouterr().err)["hint"]
        assert run(["train", str(project), "--on", "hub", "--timeout", "9" * 400 + "h1m", "--json"]) == 2

    def test_settings_and_recipes_with_values_of_another_kind(
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "recipe.yaml").write_text("model_name_or_path: m\ndatasets: 5\n")
        assert run(["recipe", "command", str(project), "--on", "hub"]) == 0
        (project / "smoltui.toml").write_text('[evaluation]\nprompts = "a\\u0000b"\n')
        assert run(["ask", str(project)]) == 2
