"""Chat templates of strangers: whatever one does, it does it in a child, within limits, and a sentence says what."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from smoltui.backends.pairs import token_service
from smoltui.backends.pairs.model_files import find_model_files
from smoltui.backends.pairs.template_limits import Limits, Patience, StuckError
from smoltui.backends.pairs.token_service import TokenService, open_tokenizer
from smoltui.backends.pairs.tokenizer_files import read_tokenizer
from smoltui.backends.project.project import Project
from smoltui.core.pairs.preference import Pair, pair_of
from smoltui.errors import InputError, PairsError, RunFailedError
from tests.paths import DEMO

VALUES = {"model_name_or_path": "model", "max_length": 256}
QUICK = Limits(seconds=0.4, memory=64 << 20)
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of this system does not hold these limits")

DOUBLES = "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(34) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
FOREVER = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
HOLDS_THE_LOCK = "{% set a = messages[0].role[:1] %}{{ (a * 10000000).rfind(a * 1000000 ~ 'b' ~ a * 1000000) }}"
"""One operation of C that takes hours and hears of no signal."""
SAYS_ALL = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"

Open = Callable[..., TokenService]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`opened(template, limits)`: the demo's tokenizer with another template, in a child that is ended afterwards."""
    monkeypatch.setattr(token_service, "GRACE_SECONDS", 0.2)
    made: list[TokenService] = []

    def opened(template: str | None, limits: Limits = QUICK) -> TokenService:
        copy_model(tmp_path, template)
        made.append(open_tokenizer(Project(tmp_path), VALUES, limits=limits))
        return made[-1]

    yield opened
    for one in made:
        one.close()


def copy_model(folder: Path, template: str | None) -> None:
    model = folder / "model"
    model.mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(DEMO / "model" / name, model / name)
    if template is not None:
        (model / "chat_template.jinja").write_text(template, encoding="utf-8")


def asked(chosen: str = "A cloud.", rejected: str = "Look it up.") -> Pair:
    answers = {
        side: [{"role": "assistant", "content": text}]
        for side, text in zip(("chosen", "rejected"), (chosen, rejected), strict=True)
    }
    return pair_of(0, {"prompt": [{"role": "user", "content": "What is fog?"}], **answers})


def pid_of(service: TokenService) -> int:
    assert service._child._process is not None
    return service._child._process.pid


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while not is_gone(pid):
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_child_gives_what_this_process_would(opened: Open) -> None:
    """Counts, cuts and views of the demo's pairs, lone surrogates and rows that are none included."""
    here = read_tokenizer(find_model_files(Project(DEMO), VALUES)).limited(VALUES)
    there = opened(None)
    assert there.key == here.key
    lines = (DEMO / "pairs" / "train.jsonl").read_text().splitlines()[:30]
    pairs = [pair_of(0, json.loads(line)) for line in lines]
    pairs += [asked("\ud800 a"), asked("cloud " * 400), pair_of(0, {"prompt": "a", "chosen": "b", "rejected": "c"})]
    for recipe in (VALUES, {**VALUES, "max_length": 40, "truncation_mode": "keep_end"}):
        ours, theirs = here.limited(recipe), there.limited(recipe)
        assert [theirs.measure(pair) for pair in pairs] == [ours.measure(pair) for pair in pairs]
        assert [theirs.view(pair) for pair in pairs] == [ours.view(pair) for pair in pairs]
    pairs.append(pair_of(0, {"score": 3}))
    assert there.ask_counts(pairs, None, Patience()).result() == here.count_many(pairs)
    with pytest.raises(PairsError, match="Column chosen is missing"):
        there.view(pairs[-1])


@pytest.mark.parametrize(
    ("template", "words"),
    [
        pytest.param(FOREVER, "did not finish within 0.4 s", id="loop"),
        pytest.param(HOLDS_THE_LOCK, "did not finish within 0.4 s", id="one long operation"),
        pytest.param("{{ 9 ** (9 ** 9) }}", "did not finish within 0.4 s", id="power"),
        pytest.param("{{ 'a' * 3000000000 }}", "needs more memory than 64 MiB", id="product", marks=linux),
        pytest.param(DOUBLES, "needs more memory than 64 MiB", id="doubling", marks=linux),
        pytest.param("{% macro f(n) %}{{ f(n+1) }}{% endmacro %}{{ f(0) }}", "calls itself endlessly", id="recursion"),
        pytest.param("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "calls itself endlessly", id="nesting"),
        pytest.param("{% for i in range(900) %}{{ 'a' * 1000 }}{% endfor %}", "writes more than 262,", id="long text"),
        pytest.param("{{ '\\ud800' }}", "rejects this conversation: it writes half a character", id="half"),
        pytest.param(
            "{{ raise_exception('\x1b]0;PWN\x07[@click=app.quit]x[/] hf_SECRETsecret123456') }}",
            "conversation: ␛]0;PWN␇[@click=app.quit]x[/] hf_***",
            id="raise",
        ),
        pytest.param("{% if %}", "template of this model cannot be used: model", id="syntax"),
    ],
)
def test_what_a_template_did_is_said(opened: Open, template: str, words: str) -> None:
    """In one sentence, within a moment; and the next question is answered by whoever answers then."""
    begun = time.monotonic()
    with pytest.raises(InputError) as caught:
        opened(template).view(asked())
    assert words in caught.value.message and caught.value.message.isprintable()
    assert time.monotonic() - begun < 60, "it ended by itself"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__.os.popen('touch PWNED') }}",
        "{{ raise_exception.__globals__ }}{{ self.__init__.__globals__ }}{{ strftime_now.__globals__ }}",
        "{{ lipsum.__globals__['os'].popen('touch PWNED').read() }}",
        "{{ messages|attr('__class__') }}{{ messages|map(attribute='__class__')|list }}"
        "{{ '{0.__class__}'.format(messages) }}"
        "{{ messages[0]|string|attr('format')|string }}",
    ],
)
def test_no_template_leaves_the_sandbox(opened: Open, tmp_path: Path, template: str) -> None:
    """It is refused, or what it reaches for is not there; nothing is executed."""
    try:
        text = opened(template.replace("PWNED", str(tmp_path / "PWNED"))).view(asked()).chosen.text
    except InputError as error:
        text = error.message
    assert "<class" not in text and not (tmp_path / "PWNED").exists()


def test_escapes_that_a_template_writes_are_text(opened: Open) -> None:
    """They come as they are, and the pane makes them safe when it draws them."""
    view = opened("\x1b]0;PWN\x07{% for m in messages %}{{ m.content }}\x9b31m\u202e{% endfor %}").view(asked())
    assert view.chosen.text == "\x1b]0;PWN\x07What is fog?\x9b31m\u202eA cloud.\x9b31m\u202e"


@linux
def test_the_memory_of_the_child_stays_small(opened: Open) -> None:
    """The limits that hold in the app: at most 300 MB, whatever is asked for."""
    service = opened(DOUBLES, Limits())
    with pytest.raises(StuckError, match="128 MiB"):
        service.view(asked())
    status = Path(f"/proc/{pid_of(service)}/status").read_text()
    peak = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    assert 60e6 < peak < 200e6


def test_memory_is_looked_at_where_the_kernel_does_not_hold_it(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_service, "SLACK", 8 << 20)
    limits = Limits(seconds=30, memory=1 << 20, kernel=False)
    with pytest.raises(StuckError, match="needs more memory than 1 MiB"):
        opened("{% set s = messages[0].role * 20000000 %}" + FOREVER, limits).view(asked())


def test_one_pair_that_hangs_does_not_spoil_the_next(opened: Open) -> None:
    """The child is killed and another one started; what waited is answered."""
    service = opened("{% if 'hang' in messages[-1].content %}" + HOLDS_THE_LOCK + "{% endif %}" + SAYS_ALL)
    first = pid_of(service)
    hangs, waits = service.ask_measure(asked("hang")), service.ask_measure(asked())
    with pytest.raises(StuckError):
        hangs.result()
    assert waits.result()[0][1] > 0 and pid_of(service) != first and is_gone(first)


@pytest.mark.slow
def test_a_few_pairs_that_hang_are_counted_as_refused(opened: Open) -> None:
    """In a loop, or in one operation after which the child has to be started again."""
    service = opened(
        "{% if 'loop' in messages[-1].content %}" + FOREVER + "{% endif %}"
        "{% if 'hang' in messages[-1].content %}" + HOLDS_THE_LOCK + "{% endif %}" + SAYS_ALL
    )
    counts = service.ask_counts([asked(), asked("loop"), asked(), asked("hang"), asked()], None, Patience()).result()
    assert counts[0] == counts[2] == counts[4] is not None and counts[1] is counts[3] is None


@pytest.mark.slow
@pytest.mark.parametrize("template", [FOREVER, HOLDS_THE_LOCK])
def test_a_template_that_always_hangs_ends_the_count(opened: Open, template: str) -> None:
    """After three pairs and one sentence, not after two seconds a pair."""
    service = opened(template)
    patience = Patience()
    with pytest.raises(StuckError, match="did not finish"):
        service.ask_counts([asked()] * 1000, None, patience).result(60)
    assert patience.spent <= 3


def test_patience_ends_after_some_pairs_of_a_set() -> None:
    """Three one after the other, or ten of all; a pair that is refused for its own sake does not count."""
    stuck, refused = StuckError("stuck"), InputError("no system turn")
    patience = Patience()
    for _ in range(9):
        patience.spend(stuck)
        patience.regain()
        patience.spend(refused)
    with pytest.raises(StuckError):
        patience.spend(stuck)
    patience = Patience()
    patience.spend(stuck)
    patience.spend(stuck)
    with pytest.raises(StuckError):
        patience.spend(stuck)


def test_files_that_change_meanwhile_are_not_mixed(opened: Open, tmp_path: Path) -> None:
    """A child that was started again read another template: counts of both would stand under one name."""
    service = opened(SAYS_ALL)
    os.kill(pid_of(service), signal.SIGKILL)
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(RunFailedError, match="SIGKILL"):
        service.measure(asked())
    for _ in range(2):
        with pytest.raises(InputError, match="has changed"):
            service.measure(asked())
    (tmp_path / "model" / "chat_template.jinja").write_text(SAYS_ALL)
    assert service.measure(asked())[0][0] > 0


def test_a_closed_service_answers_nothing_more(opened: Open) -> None:
    """What waits and what is asked later is cancelled, not waited for for ever; the child is gone."""
    service = opened(FOREVER)
    child = pid_of(service)
    running, waiting = service.ask_view(asked()), service.ask_view(asked())
    while not running.running():
        time.sleep(0.01)
    service.close()
    assert isinstance(running.exception(30), RunFailedError | StuckError)
    for future in (waiting, service.ask_measure(asked())):
        with pytest.raises(CancelledError):
            future.result(30)
    await_end(child)


@linux
def test_the_child_knows_no_secrets(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of-the-person")
    monkeypatch.setenv("WANDB_API_KEY", "of-the-person")
    environment = Path(f"/proc/{pid_of(opened(None))}/environ").read_bytes()
    assert b"of-the-person" not in environment and b"PYTHONSAFEPATH=1" in environment


PARENT = """
import sys
from pathlib import Path
from smoltui.backends.project.project import Project
from smoltui.backends.pairs.template_limits import Limits
from smoltui.backends.pairs.token_service import open_tokenizer
from smoltui.core.pairs.preference import pair_of
service = open_tokenizer(Project(Path(sys.argv[1])), {"model_name_or_path": "model"}, limits=Limits(seconds=600))
said = [{"role": "assistant", "content": "a"}]
answer = service.ask_view(pair_of(0, {"prompt": [{"role": "user", "content": "a"}], "chosen": said, "rejected": said}))
print(service._child._process.pid, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("way", ["killed", "ended"])
def test_no_child_outlives_who_asked_it(tmp_path: Path, way: str) -> None:
    """The app is killed, or ends, while a template holds the interpreter's lock: its process is gone at once."""
    copy_model(tmp_path, HOLDS_THE_LOCK)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None and parent.stdin is not None
    child = int(parent.stdout.readline())
    busy = psutil.Process(child)
    while busy.cpu_times().user < 0.3 and not is_gone(child):
        time.sleep(0.02)
    if way == "killed":
        parent.kill()
    else:
        parent.stdin.close()
    parent.wait(60)
    await_end(child)
