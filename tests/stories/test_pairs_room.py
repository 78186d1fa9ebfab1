"""The Pairs room: I read what my model will learn from, pair by pair."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.data_files.head import open_head
from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs import curation_file, token_service
from smoltui.backends.pairs.curation_file import CurationFile
from smoltui.backends.pairs.opened_set import PairSet, open_set
from smoltui.backends.pairs.template_limits import Limits
from smoltui.backends.pairs.token_service import _TemplateChild
from smoltui.backends.project.project import Project
from smoltui.backends.services import Services
from smoltui.core.pairs.curation import Curation, Decision, line_of
from smoltui.screens.pairs import set_view
from smoltui.screens.pairs.set_view import SetView
from smoltui.scripts.pair_format import content_hash
from tests.conftest import seen, told
from tests.paths import DEMO

WaitUntil = Callable[..., Awaitable[None]]


def transcript(*turns: str) -> str:
    """An hh-rlhf transcript: the turns of a person and of the assistant, one after the other."""
    return "".join(f"\n\n{('Human', 'Assistant')[number % 2]}: {text}" for number, text in enumerate(turns))


RIVER = transcript("Is the mill far?", "")
ROWS: list[Any] = [
    {"chosen": RIVER + "It is a mile; take the path by the river.", "rejected": RIVER + "It is."},
    {
        "chosen": transcript("Hi", "Hello", "What is fog?", "A cloud at the ground."),
        "rejected": transcript("Hi", "Hello", "What is fog?", "A cloud near the ground."),
    },
    {"chosen": transcript("Why?", "\x1b[31m[red]Because[/b]\u202e."), "rejected": transcript("Why?", "No.")},
    {"score": 3},
    {
        "chosen": transcript("Who?", "One") + "\n\nAssistant: Two",
        "rejected": transcript("Who?", "One") + "\n\nAssistant: Three",
    },
]


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_many(path: Path, count: int) -> None:
    write(path, [{"prompt": f"p{number}", "chosen": "a", "rejected": "b"} for number in range(count)])


@pytest.fixture
def app(tmp_path: Path) -> SmoltuiApp:
    """The app on a project of five odd rows and a held-out one."""
    write(tmp_path / "train.jsonl", ROWS)
    write(tmp_path / "test.jsonl", ROWS[1:2])
    (tmp_path / "recipe.yaml").write_text("dataset_name: .\n")
    return SmoltuiApp(Project(tmp_path), Services(), opening="pairs")


@pytest.mark.slow
async def test_i_read_pair_by_pair(app: SmoltuiApp, wait_until: WaitUntil, loop_guard: object) -> None:
    """Open the room, see prompt, chosen and rejected by role, go on, go back, to the end, to a number."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "chosen ·" in seen(app) and "loading" not in seen(app))
        screen = seen(app)
        assert "chosen · 41 characters · 10 words" in screen and "rejected · 6 characters · 2 words" in screen
        chosen_line = next(line for line in screen.splitlines() if "take the path by the river" in line)
        assert "It is." in chosen_line  # beside each other
        assert "transcripts with Human: and Assistant: turns" in screen and "train, one of 2 splits" in screen
        await pilot.press("right")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
        assert "prompt · 3 turns" in seen(app) and "assistant  Hello" in seen(app)
        await pilot.press("l", "l", "l", "l", "l")
        await wait_until(lambda: "pair 5 of 5" in seen(app))
        await pilot.press("h")
        await wait_until(lambda: "pair 4 of 5" in seen(app))
        await pilot.press("G")
        await wait_until(lambda: "pair 5 of 5" in seen(app))
        await pilot.press("colon", "2", "enter")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
        await pilot.press("colon", "9", "enter")
        await wait_until(lambda: "Pairs here go from 1 to 5: 9" in told(app))
        assert "pair 2 of 5" in seen(app)


async def test_the_words_that_differ_stand_out(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """Only `at` and `near` are underlined, whatever colors there are."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "near the ground" in seen(app))
        from smoltui.screens.pairs.pair_view import PairView

        view = app.screen.query_one(PairView)
        line = next(
            strip for strip in (view.render_line(y) for y in range(view.size.height)) if "near the ground" in strip.text
        )
        parts = [segment for segment in line if segment.style and segment.text.strip()]
        lined = {segment.text.strip(): segment.style.underline for segment in parts if segment.style}
        assert lined["at"] and lined["near"]
        assert lined["A cloud"] is None and lined["the ground."] is None


@pytest.mark.slow
async def test_the_other_pairs_are_listed(tmp_path: Path, wait_until: WaitUntil) -> None:
    """Below a short pair, beside it on a wide screen; a click goes to another. A long pair has all the room."""
    rows = [{"prompt": f"question {number}", "chosen": "a", "rejected": "b"} for number in range(40)]
    rows[3]["chosen"] = "\n".join(f"line {number}" for number in range(60))
    write(tmp_path / "train.jsonl", rows)
    (tmp_path / "recipe.yaml").write_text("dataset_name: train.jsonl\n")
    app = SmoltuiApp(Project(tmp_path), Services(), opening="pairs")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "question 7" in seen(app) and "loading" not in seen(app))
        lines = seen(app).splitlines()
        assert any(line.startswith("›") and "question 0" in line for line in lines)
        await pilot.click(offset=(60, next(y for y, line in enumerate(lines) if "question 2" in line)))
        await wait_until(lambda: "pair 3 of 40" in seen(app))
        await pilot.press("l")
        await wait_until(lambda: "line 9" in seen(app))
        assert "question 7" not in seen(app)
        await pilot.resize_terminal(170, 24)
        await wait_until(lambda: "question 7" in seen(app) and "line 9" in seen(app))
        await pilot.press("l")
        await wait_until(lambda: any(line.startswith("›") and "question 4" in line for line in seen(app).splitlines()))
        await pilot.click(offset=(50, next(y for y, line in enumerate(seen(app).splitlines()) if "question 9" in line)))
        await wait_until(lambda: "pair 10 of 40" in seen(app))


async def test_where_trl_would_cut_and_what_is_wrong(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """The room tells where the trainer's own split falls, and shows rows that are no pairs as what they are."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "TRL ends the prompt inside the answer, after: It is" in seen(app))
        await pilot.press("colon", "4", "enter")
        await wait_until(lambda: "Not a pair: Column chosen is missing" in seen(app))
        assert '"score": 3' in seen(app)
        await pilot.press("right")
        await wait_until(lambda: "Not a usable pair: The roles of chosen do not alternate" in seen(app))
        assert "Two" in seen(app) and "Three" in seen(app)


async def test_hostile_text_is_only_text(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """Escape codes, markup and bidi overrides in a row are shown, not obeyed."""
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("colon", "3", "enter")
        await wait_until(lambda: "␛[31m[red]Because[/b]⟨RLO⟩." in seen(app))
        assert "\x1b" not in seen(app) and "\u202e" not in seen(app)


@pytest.mark.slow
async def test_i_search(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """/ finds, n and N go on and around, the hits are counted, escape ends it."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right", "slash", *"THE", "enter")
        await wait_until(lambda: "2 of 2 pairs" in seen(app))
        assert "pair 2 of 5" in seen(app)
        await pilot.press("n")
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await wait_until(lambda: "Wrapped to the first match" in told(app))
        await pilot.press("N")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
        await pilot.press("slash", *"zebra", "enter")
        await wait_until(lambda: "No matches for “zebra”" in told(app))
        await pilot.press("escape")
        await wait_until(lambda: "zebra" not in seen(app, "#pairs-status"))


@pytest.mark.slow
async def test_the_keys_follow_the_view(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """Bar and help list the keys of what I look at; while I am asked, and after a click beside the question."""
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "→ Next" in seen(app, "KeyBar"))
        await pilot.press("v")
        await wait_until(lambda: "enter Read" in seen(app, "KeyBar") and "Next" not in seen(app, "KeyBar"))
        await pilot.press("question_mark")
        await wait_until(lambda: "Read the pair" in seen(app) and "Show white space" not in seen(app))
        await pilot.press("escape", "a")
        await wait_until(lambda: "enter Show its pairs" in seen(app, "KeyBar"))
        await pilot.press("escape", "slash", "x")
        await wait_until(lambda: "Exclude" not in seen(app, "KeyBar"))
        await pilot.click("PairView")
        await wait_until(lambda: "x Exclude" in seen(app, "KeyBar") and "find:" not in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "pair 2 of 5" in seen(app))


async def test_a_hit_far_down_comes_into_view(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """The word I searched for is on the screen, not somewhere below it; so is one in a long prompt."""
    lines = "\n".join(f"line {number}" for number in range(200))
    rows = [{"prompt": f"{lines}\nneedle\n{lines}", "chosen": f"{lines}\nthread\n{lines}", "rejected": "short"}]
    write(tmp_path / "train.jsonl", rows)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 1" in seen(app))
        assert "thread" not in seen(app)
        for word in ("thread", "needle"):
            await pilot.press("slash", *word, "enter")
            await wait_until(lambda word=word: any(word in line for line in seen(app).splitlines()[3:-2]))


async def test_long_texts_scroll(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """Arrows move the answers, tab gives them the prompt, which is shown from its end."""
    lines = "\n".join(f"line {number}" for number in range(200))
    write(tmp_path / "train.jsonl", [{"prompt": f"begin\n{lines}\nquestion", "chosen": lines, "rejected": "short"}])
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "question" in seen(app))
        assert "begin" not in seen(app) and "tab: scroll here" in seen(app)
        assert "▌ line 0 " in seen(app)
        await pilot.press("down", "j")
        await wait_until(lambda: "▌ line 2 " in seen(app) and "▌ line 1 " not in seen(app))
        await pilot.press("end")
        await wait_until(lambda: "▌ line 199 " in seen(app))
        await pilot.press("home", "tab", "home")
        await wait_until(lambda: "begin" in seen(app) and "question" not in seen(app))
        await pilot.press("pagedown", "tab", "pagedown")
        await wait_until(lambda: "▌ line 0 " not in seen(app) and "begin" not in seen(app))


@pytest.mark.slow
async def test_a_long_pair_is_read_before_it_is_counted(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text is there at once; tokens and cut come when I stay, and move nothing that I have scrolled to."""
    short, lines = "Why? " * 3, "\n".join(f"line {number}" for number in range(1000))
    rows = [
        {"prompt": short, "chosen": "Yes.", "rejected": lines},
        {"prompt": short, "chosen": "Yes.", "rejected": "No."},
    ]
    write(tmp_path / "train.jsonl", rows)
    model = DEMO / "model"
    (tmp_path / "recipe.yaml").write_text(f"model_name_or_path: {model}\ndataset_name: .\nmax_length: 100\n")
    counted = threading.Event()
    exchange = _TemplateChild.exchange

    def held(self: _TemplateChild, question: Any) -> Any:
        if "line 9" in str(question):
            assert counted.wait(60)
        return exchange(self, question)

    monkeypatch.setattr(_TemplateChild, "exchange", held)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 2" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "pair 2 of 2" in seen(app) and "tokens" in seen(app))
        await pilot.press("left", "down", "down")
        await wait_until(lambda: "▌ line 2 " in seen(app))
        assert "tokens" not in seen(app) and "line 1 " not in seen(app)
        counted.set()
        await wait_until(lambda: "tokens" in seen(app))
        assert "▌ line 2 " in seen(app) and "line 1 " not in seen(app)
        assert "cut at max_length 100 tokens" in seen(app)
        await pilot.press("space")  # what is known of the pair stays
        await wait_until(lambda: "pinned" in seen(app) and "tokens" in seen(app))
        await pilot.press("percent_sign")
        await wait_until(lambda: "swapped" in seen(app))
        head = next(line for line in seen(app).splitlines() if "chosen ·" in line)
        assert f"{len(lines):,} characters" in head[:60] and "cut at max_length" in seen(app)


@pytest.mark.slow
async def test_a_chat_template_that_never_ends(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs are read as ever, each says what the template did, and leaving leaves no process behind."""
    monkeypatch.setattr(token_service, "Limits", partial(Limits, seconds=0.4))
    said = [[{"role": "assistant", "content": text}] for text in ("A cloud.", "Smoke.", "No idea.")]
    prompt = [{"role": "user", "content": "What is fog?"}]
    rows = [{"prompt": prompt, "chosen": said[0], "rejected": other} for other in said[1:]]
    write(tmp_path / "train.jsonl", rows)
    model = tmp_path / "model"
    shutil.copytree(DEMO / "model", model)
    (model / "chat_template.jinja").write_text(
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    )
    (tmp_path / "recipe.yaml").write_text(f"model_name_or_path: {model}\ndataset_name: .\n")
    sentence = "The model's chat template did not finish within 0.4 s."
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 2" in seen(app) and "Smoke." in seen(app))
        await wait_until(lambda: sentence in seen(app))
        await pilot.press("right")
        assert "pair 2 of 2" in seen(app) and "No idea." in seen(app) and sentence not in seen(app)
        await wait_until(lambda: sentence in seen(app))
        await pilot.press("V", "t")
        await wait_until(lambda: sentence in seen(app) and "No idea." not in seen(app))
        await pilot.press("left")
        tokenizer = app.screen.query_one(SetView)._tokenizer
        assert tokenizer is not None
        child = tokenizer._child._process
        assert child is not None
    await wait_until(lambda: child.poll() is not None)


@pytest.mark.slow
async def test_pairs_that_the_chat_template_refuses(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """Some templates take no system turn: those pairs say so, short or long, and the others keep their tokens."""
    system, question = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "What is fog?"}
    good, bad = ([{"role": "assistant", "content": text}] for text in ("A cloud.", "Smoke."))
    long = [{"role": "assistant", "content": "fog " * 1000}]
    write(
        tmp_path / "train.jsonl",
        [
            {"prompt": [system, question], "chosen": good, "rejected": bad},
            {"prompt": [system, question], "chosen": long, "rejected": bad},
            {"prompt": [question], "chosen": long, "rejected": bad},
            {"prompt": [question], "chosen": good, "rejected": bad},
        ],
    )
    model = tmp_path / "model"
    shutil.copytree(DEMO / "model", model)
    (model / "chat_template.jinja").write_text(
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    )
    (tmp_path / "recipe.yaml").write_text(f"model_name_or_path: {model}\ndataset_name: .\nmax_length: 100\n")
    refused = "System role not supported"
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 4" in seen(app) and refused in seen(app))
        await pilot.press("V", "t")
        await wait_until(lambda: refused in seen(app) and "Be kind." not in seen(app))
        assert "exclude the pair" in " ".join(seen(app).split())
        await pilot.press("right")
        await wait_until(lambda: "pair 2 of 4" in seen(app) and refused in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "pair 3 of 4" in seen(app) and "is trained on" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "pair 4 of 4" in seen(app) and "is trained on" in seen(app))
        assert refused not in seen(app)
        await pilot.press("left", "left", "q")
        await wait_until(lambda: "pair 2 of 4" in seen(app) and refused in seen(app) and "Be kind." in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "tokens" in seen(app) and refused not in seen(app))
        await pilot.press("a", "m")
        await wait_until(
            lambda: "2 50.0% ✗ stop pairs that the model's chat template refuses" in " ".join(seen(app).split())
        )


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 6)])
async def test_small_terminals(app: SmoltuiApp, wait_until: WaitUntil, size: tuple[int, int]) -> None:
    """Below 100 columns, rejected is shown below chosen; a tiny window breaks nothing."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await wait_until(lambda: "of 5" in seen(app))
        await pilot.press("right", "down", "tab", "a", "a", "v", "q", "slash", "escape", "left")
        if size[0] == 80:
            await wait_until(lambda: "pair 1 of 5" in seen(app))
            lines = seen(app).splitlines()
            heads = [number for number, line in enumerate(lines) if "characters ·" in line and "▌" in line]
            assert len(heads) == 2
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "take the path by the river" in seen(app))


async def test_the_other_split(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """d shows the held-out pairs, and again the training pairs."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("g", "s")
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "test, one of 2 splits" in seen(app))
        await pilot.press("g", "s")
        await wait_until(lambda: "pair 1 of 5" in seen(app))


@pytest.mark.slow
async def test_i_open_another_file(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """o opens it; a name that leads nowhere, or no pairs, is said, and what I was reading stays."""
    write(tmp_path / "more.jsonl", [{"prompt": "p", "chosen": "[b]c", "rejected": "r"}])
    (tmp_path / "kto.jsonl").write_text('{"prompt": "p", "completion": "c", "label": true}\n')
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("o", *"nope.jsonl", "enter")
        await wait_until(lambda: "No such file or folder: nope.jsonl" in told(app))
        assert "pair 1 of 5" in seen(app)
        await pilot.press("o", *"kto.jsonl", "enter")
        await wait_until(lambda: "Unpaired" in told(app))
        assert "pair 1 of 5" in seen(app)
        await pilot.press("o", *"more.jsonl", "enter")
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "more.jsonl" in seen(app))
        assert "[b]c" in seen(app) and "not the recipe's pairs" in seen(app)
        await pilot.press("o")
        await wait_until(lambda: "empty: the recipe's; esc" in seen(app))
        assert "/ Find" not in seen(app)  # it is a character now
        await pilot.press("enter")
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "not the recipe's pairs" not in seen(app))


async def test_every_shown_key_fits(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """At 80 columns the bottom line is whole, also while I search; the keys of the search stand beside its hits."""
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("slash", *"fog", "enter")
        await wait_until(lambda: "1 of 1 pairs  n/N next/previous · f list · A all · esc clear" in seen(app))
        assert "→ Next" in seen(app) and "t Train  q Quit" in seen(app)


@pytest.mark.slow
async def test_the_audit(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """a looks at the whole set; enter leads from a finding to its pairs, E saves the report, esc goes back."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "5 rows · 3 usable pairs, with answers that differ" in seen(app))
        assert "Length bias: chosen is longer in" in seen(app)
        assert "rows without a prompt, a chosen and a rejected answer" in seen(app)
        while "TRL fails on these rows after loading the model" not in seen(app):
            await pilot.press("j")
        assert "Pairs 4" in seen(app) and "then: A x excludes them; or map the columns" in seen(app)
        await pilot.press("E")
        await wait_until(lambda: "Saved: audit.json, audit.md" in told(app))
        assert "Audit of" in (tmp_path / "audit.md").read_text()
        await pilot.press("enter")
        await wait_until(lambda: "pair 4 of 5" in seen(app) and "1 of 1 pairs" in seen(app))
        await pilot.press("a", "escape")
        await wait_until(lambda: "Not a pair: Column chosen is missing" in seen(app))


async def test_what_takes_long_shows_its_progress(
    app: SmoltuiApp, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys stay live while the set is looked through, and quitting does not wait for it."""
    left: list[bool] = []

    async def slow(module: str, arguments: list[str]) -> Any:
        if not module.endswith("pairs.audit"):
            return  # tokens are counted behind
        yield {"progress": 2, "of": 5}
        try:
            await asyncio.sleep(20)
        finally:
            left.append(True)

    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        monkeypatch.setattr("smoltui.backends.pairs.session.ask_child", slow)
        await pilot.press("a")
        await wait_until(lambda: "auditing the pairs: 2 of 5" in seen(app))
        await pilot.press("escape", "right")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
    assert left == [True]


@pytest.mark.slow
async def test_i_decide_about_pairs(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """x, X, p and e are lines in curation.jsonl, seen again when I come back; u takes back the last one."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("x")
        await wait_until(lambda: "excluded" in seen(app, "PairView"))
        await pilot.press("right", "percent_sign", "space", "i", *"look again", "enter")
        await wait_until(lambda: "note: look again" in seen(app))
        assert "swapped: chosen and rejected exchanged · pinned" in seen(app)
        lines = (tmp_path / "curation.jsonl").read_text().splitlines()
        assert [json.loads(line)["act"] for line in lines] == ["exclude", "swap", "pin", "note"]
        assert json.loads(lines[0])["shows"] == "Is the mill far?"
        await pilot.press("u", "u")
        await wait_until(lambda: "note:" not in seen(app, "PairView") and "pinned" not in seen(app, "PairView"))
        await pilot.press("h", "x")
        await wait_until(lambda: "excluded" not in seen(app, "PairView"))
    again = SmoltuiApp(Project(tmp_path), Services(), opening="pairs")
    async with again.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(again))
        await pilot.press("right")
        await wait_until(lambda: "swapped: chosen and rejected exchanged" in seen(again))


@pytest.mark.slow
async def test_i_decide_about_all_that_were_found(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """b asks what to do with all hits, says the count, and u undoes all of it."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        await pilot.press("slash", *"where turns = 1", "enter")
        await wait_until(lambda: "1 of 2 pairs" in seen(app))
        await pilot.press("A")
        await wait_until(lambda: "2 pairs: matches where turns = 1" in seen(app))
        await pilot.press("x")
        await wait_until(lambda: "Exclude 2 pairs?" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "exclude: 2 pairs. u undoes it" in told(app))
        assert "excluded: matches where turns = 1" in seen(app)
        assert len((tmp_path / "curation.jsonl").read_text().splitlines()) == 2
        await pilot.press("slash", *"where excluded", "enter")
        await wait_until(lambda: "1 of 2 pairs" in seen(app) and "where excluded" in seen(app))
        await pilot.press("u")
        await wait_until(lambda: "Undone: exclude of 2 pairs" in told(app))
        await wait_until(lambda: "excluded" not in seen(app, "PairView"))
        await pilot.press("ctrl+r")
        await wait_until(lambda: "Redone: exclude of 2 pairs · u undoes" in told(app))
        await wait_until(lambda: "excluded: matches where turns = 1" in seen(app, "PairView"))
        await pilot.press("ctrl+r")
        await wait_until(lambda: "There is nothing to redo" in told(app))


async def test_another_app_on_the_same_project(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """What is decided elsewhere is seen here, and neither loses the other's lines."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        room: Any = app.screen
        opened = room.session.opened
        CurationFile(tmp_path).append([Decision("pin", opened.hash(row)) for row in (0, 1)])
        await wait_until(lambda: "pinned" in seen(app, "PairView"))
        await pilot.press("x")
        await wait_until(lambda: "excluded · pinned" in seen(app, "PairView"))
    assert len((tmp_path / "curation.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
async def test_the_list(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """v lists the pairs under their lengths; s sorts, enter opens, and the cursor is where I was."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        await pilot.press("right", "v")
        await wait_until(lambda: "chosen length" in seen(app) and "What is fog?" in seen(app))
        assert "› " in next(line for line in seen(app).splitlines() if "What is fog?" in line)
        await pilot.press("j", "j", "enter")
        await wait_until(lambda: "Not a pair: Column chosen is missing" in seen(app))
        await pilot.press("v", "s", "s", "s")
        await wait_until(lambda: "Sorted by characters in the chosen answer, descending" in told(app))
        await pilot.press("home", "enter")
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "take the path by the river" in seen(app))
        await pilot.press("n")
        await wait_until(lambda: "pair 3 of 5" in seen(app))


async def test_i_go_to_flagged_pairs(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """f stops at the pairs something is wrong with, F goes back."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        for expected in ("pair 3 of 5", "pair 4 of 5", "pair 5 of 5", "pair 3 of 5"):
            await pilot.press("right_square_bracket")
            await wait_until(lambda expected=expected: expected in seen(app))
        await pilot.press("left_square_bracket")
        await wait_until(lambda: "pair 5 of 5" in seen(app))


@pytest.mark.slow
async def test_i_hold_out_and_export(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """H carves by prompt, E writes what training uses; a second export asks before it replaces the first."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        await pilot.press("H", *"0.4 seed 9", "enter")
        await wait_until(lambda: "are held out (seed 9); no prompt appears in both splits" in told(app))
        await pilot.press("E", "enter")
        await wait_until(lambda: "are in curated, hash" in told(app))
        assert (tmp_path / "curated" / "README.md").is_file()
        await pilot.press("E", "enter")
        await wait_until(lambda: "curated already holds an export. Replace it?" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "are in curated, hash" in told(app))


async def test_a_set_of_no_known_shape(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """I say which column is what, see the first pair as it would be read, and smoltui.toml keeps it."""
    write(tmp_path / "odd.jsonl", [{"ask": "Why?", "good_one": "Because.", "bad_one": "No."}])
    (tmp_path / "recipe.yaml").write_text("dataset_name: odd.jsonl\n")
    (tmp_path / "smoltui.toml").write_text("# mine\n[run]\non = 'local'\n")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "Columns: ask, good_one, bad_one" in seen(app))
        assert "good_one" in seen(app) and "which column?" in seen(app)
        await pilot.press("right")
        await wait_until(lambda: "✓ Because." in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "pair 1 of 1" in seen(app))
        text = (tmp_path / "smoltui.toml").read_text()
        assert text.startswith("# mine") and 'prompt = "ask"' in text


@pytest.mark.slow
async def test_columns_of_another_set_are_not_the_projects(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path
) -> None:
    """I look into a set of no known shape: what I say of its columns leaves the project's own pairs as they are."""
    write(tmp_path / "odd.jsonl", [{"ask": "Why?", "good_one": "Because.", "bad_one": "No."}])
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        await pilot.press("o", *"odd.jsonl", "enter")
        await wait_until(lambda: "Columns: ask, good_one, bad_one" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "✓ Because." in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "not the recipe's pairs" in seen(app))
        assert not (tmp_path / "smoltui.toml").exists()
        await pilot.press("r")
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "Because." in seen(app))
        await pilot.press("o", "enter")
        await wait_until(lambda: "pair 1 of 5" in seen(app))


async def test_a_file_that_changes_while_it_is_open(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """I am told once, what I read stays, and r reads the new one."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        write(tmp_path / "train.jsonl", ROWS[:3])
        await wait_until(lambda: "has changed; the version read before is shown. Press r to reload" in told(app))
        await pilot.press("G")
        await wait_until(lambda: "pair 5 of 5" in seen(app))
        await pilot.press("r")
        await wait_until(lambda: "pair 3 of 3" in seen(app))


async def test_a_full_disk_while_deciding(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence; what was decided before stays, and the next try works."""
    import errno

    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("x")
        await wait_until(lambda: "excluded" in seen(app, "PairView"))
        before = (tmp_path / "curation.jsonl").read_bytes()

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("smoltui.backends.pairs.curation_file.os.write", full)
        await pilot.press("space")
        await wait_until(lambda: "The disk is full, so the decision was not saved" in told(app))
        monkeypatch.undo()
        assert (tmp_path / "curation.jsonl").read_bytes() == before
        assert "pinned" not in seen(app, "PairView")
        await pilot.press("space")
        await wait_until(lambda: "excluded · pinned" in seen(app, "PairView"))


@pytest.mark.slow
async def test_another_program_keeps_the_decisions_locked(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path, loop_guard: object
) -> None:
    """I decide and read on: no key waits, I am told for whom my decisions wait, and they are taken in their order."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        await pilot.press("space")
        await wait_until(lambda: "pinned" in seen(app, "PairView"))
        with (tmp_path / "curation.jsonl").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            loop = asyncio.get_running_loop()
            began = loop.time()
            await pilot.press("x", "x", "x", "right", "percent_sign")
            await wait_until(lambda: "Waiting for curation.jsonl: " in told(app) and "has it locked" in told(app))
            await pilot.press("v", "j", "q", "H", *"0.5", "enter", "a", "escape", "left")
            await wait_until(lambda: "5 decisions waiting · pair 2 of 5" in seen(app))
            assert loop.time() - began < curation_file.LOCK_SECONDS / 2
            assert len((tmp_path / "curation.jsonl").read_text().splitlines()) == 1
        await wait_until(lambda: "waiting" not in seen(app, "#pairs-where"))
        lines = (tmp_path / "curation.jsonl").read_text().splitlines()
        acts = [json.loads(line)["act"] for line in lines]
        assert acts == ["pin", "exclude", "include", "exclude", "swap", "hold_out"]
        assert "swapped" in seen(app, "PairView")


async def test_quitting_waits_for_no_other_program(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    (tmp_path / "curation.jsonl").touch()
    with (tmp_path / "curation.jsonl").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        async with app.run_test(size=(120, 40)) as pilot:
            await wait_until(lambda: "pair 1 of 5" in seen(app))
            loop = asyncio.get_running_loop()
            before = loop.time()
            await pilot.press("x", "q")
        assert loop.time() - before < curation_file.LOCK_SECONDS / 2


async def test_decisions_that_another_program_never_lets_me_write(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence for all that waited, with what to do; nothing shows as decided, and the next try works."""
    monkeypatch.setattr(curation_file, "LOCK_SECONDS", 0.3)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        (tmp_path / "curation.jsonl").touch()
        with (tmp_path / "curation.jsonl").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            await pilot.press("x", "space", "percent_sign")
            await wait_until(lambda: "locked, so none of 3 decisions was written" in told(app))
            assert "then decide again" in told(app) and told(app).count("locked, so") == 1
        assert "excluded" not in seen(app, "PairView") and "pinned" not in seen(app, "PairView")
        await pilot.press("x")
        await wait_until(lambda: "excluded" in seen(app, "PairView"))
        assert len((tmp_path / "curation.jsonl").read_text().splitlines()) == 1


@pytest.fixture
def many_decisions(tmp_path: Path) -> None:
    """160 000 decisions about pairs of other sets, and two about ours."""
    others = (line_of(Decision("exclude", f"{number:032x}")) for number in range(160_000))
    ours = (line_of(Decision("pin", content_hash(row))) for row in ROWS[:2])
    (tmp_path / "curation.jsonl").write_bytes(b"".join([*others, *ours]))


@pytest.mark.slow
async def test_very_many_decisions(
    app: SmoltuiApp, wait_until: WaitUntil, many_decisions: None, monkeypatch: pytest.MonkeyPatch, loop_guard: object
) -> None:
    """They are read behind the pairs: I read on meanwhile, and then see what was decided, and decide more."""
    gate, load = threading.Event(), CurationFile.load

    def held(self: CurationFile) -> Curation:
        assert gate.wait(60)
        return load(self)

    monkeypatch.setattr(CurationFile, "load", held)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
        assert "pinned" not in seen(app, "PairView")
        await pilot.press("x", "left")
        gate.set()
        await pilot.press("right")
        await wait_until(lambda: "excluded · pinned" in seen(app, "PairView"))
        await pilot.press("left")
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "pinned" in seen(app, "PairView"))
        await pilot.press("slash", *"where excluded", "enter")
        await wait_until(lambda: "1 of 1 pairs" in seen(app) and "pair 2 of 5" in seen(app))


async def test_i_copy_a_pair(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """y puts the pair on the clipboard as TRL would write it; with Y, I choose the chosen answer alone."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right", "y")
        await wait_until(lambda: "Copied pair 2 as JSON" in told(app))
        copied = json.loads(app.clipboard)
        assert copied["chosen"] == [{"role": "assistant", "content": "A cloud at the ground."}]
        assert [turn["role"] for turn in copied["prompt"]] == ["user", "assistant", "user"]
        await pilot.press("Y", "c")
        assert app.clipboard == "A cloud at the ground."


@pytest.mark.slow
async def test_a_project_without_pairs(tmp_path: Path, wait_until: WaitUntil) -> None:
    """No recipe, a recipe without pairs, pairs that are not there: each is one sentence, and o still opens."""
    for recipe, words in (
        (None, "has no pairs yet: it has no recipe.yaml"),
        ("learning_rate: 1\n", "has no pairs yet: its recipe.yaml names none"),
        ("dataset_name: gone.jsonl\n", "No such file or folder: gone.jsonl"),
        ("dataset_name: [1\n", "recipe.yaml"),
    ):
        if recipe is not None:
            (tmp_path / "recipe.yaml").write_text(recipe)
        app = SmoltuiApp(Project(tmp_path), Services(), opening="pairs")
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await wait_until(lambda app=app, words=words: words in seen(app))
            await pilot.press(
                "right", "n", "g", "slash", "a", "y", "tab", "down", "s", "x", "b", "H", "E", "m", "f", "r"
            )
            write(tmp_path / "late.jsonl", ROWS[:1])
            await pilot.press("o", *"late.jsonl", "enter")
            await wait_until(lambda app=app: "pair 1 of 1" in seen(app))
            (tmp_path / "late.jsonl").unlink()


@pytest.mark.slow
async def test_the_room_follows_the_recipe(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """I change the pairs or the recipe, come back, and see the present; when nothing changed I am where I was."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right", "right")
        await pilot.press("4")
        await pilot.press("2")
        await wait_until(lambda: "pair 3 of 5" in seen(app))
        await pilot.press("4")
        write(tmp_path / "train.jsonl", ROWS[:4])
        await pilot.press("2")
        await wait_until(lambda: "pair 3 of 4" in seen(app))
        await pilot.press("4")
        (tmp_path / "recipe.yaml").write_text("dataset_name: test.jsonl\ndataset_train_split: test\n")
        await pilot.press("2")
        await wait_until(lambda: "pair 1 of 1" in seen(app))


@pytest.mark.slow
async def test_tokens_follow_the_recipe(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """I read that an answer is cut, change max_length or the model, come back, and read the new figures."""
    models = [tmp_path / name for name in ("model", "other")]
    for model in models:
        shutil.copytree(DEMO / "model", model)
    (models[1] / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")

    def recipe(model: Path, length: int) -> None:
        (tmp_path / "recipe.yaml").write_text(f"model_name_or_path: {model}\ndataset_name: .\nmax_length: {length}\n")

    def line(words: str) -> str:
        return next((" ".join(found.split()) for found in seen(app).splitlines() if words in found), "")

    recipe(models[0], 22)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "cut at max_length 22 tokens" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: line("chosen answers cut").startswith("1 "))
        assert "found nothing" in seen(app) and not line("identical")
        await pilot.press("z")
        await wait_until(lambda: "found nothing" not in seen(app))
        await pilot.press("a", "4")
        recipe(models[0], 200)
        await pilot.press("2")
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "cut at max_length" not in seen(app))
        await pilot.press("a")
        await wait_until(lambda: line("chosen answers cut").startswith("0 "))
        await pilot.press("4")
        recipe(models[0], 22)
        await pilot.press("2")
        await wait_until(lambda: line("chosen answers cut").startswith("1 "))
        await pilot.press("V", "t")
        await wait_until(lambda: "Tokens: prompt" in seen(app))
        before = line("Tokens: prompt")
        await pilot.press("4")
        recipe(models[1], 22)
        await pilot.press("2")
        await wait_until(lambda: line("Tokens: prompt") not in (before, ""))


@pytest.mark.slow
async def test_tokens_that_come_while_the_audit_is_read(
    app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large set is not counted by itself: T counts, and the report on the screen has what it lacked."""
    model = DEMO / "model"
    (tmp_path / "recipe.yaml").write_text(f"model_name_or_path: {model}\ndataset_name: .\nmax_length: 22\n")
    monkeypatch.setattr(set_view, "COUNTED_BY_ITSELF", 0)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "m counts them" in seen(app))
        await pilot.press("m")
        await wait_until(lambda: "m counts them" not in seen(app) and "chosen answers cut" in seen(app))
        assert any(found.split()[0] == "1" for found in seen(app).splitlines() if "chosen answers cut" in found)


async def test_a_set_that_takes_long_to_open_does_not_hold_me(
    app: SmoltuiApp, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a set is fetched the keys work, and quitting is instant."""
    gate = threading.Event()

    def slow(spec: PairsSpec, base: Path) -> PairSet:
        gate.wait(60)
        return open_set(spec, base)

    monkeypatch.setattr("smoltui.screens.pairs.room.open_set", slow)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "Opening" in seen(app))
        await pilot.press("o")
        await wait_until(lambda: "open pairs:" in seen(app))
        loop = asyncio.get_running_loop()
        before = loop.time()
        await pilot.press("escape", "q")
    assert loop.time() - before < 5
    gate.set()


@pytest.mark.slow
async def test_i_read_a_set_anew_from_far_down(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """r drops what was imported: keys pressed meanwhile work on what can be read, and the whole set comes back."""
    write_many(tmp_path / "train.jsonl", 300)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 300" in seen(app) and "loading" not in seen(app))
        await pilot.press("G")
        await wait_until(lambda: "pair 300 of 300" in seen(app))
        room: Any = app.screen
        await pilot.press("r")
        await wait_until(lambda: "loading" not in seen(app) and room.session.opened.complete)
        room.session.opened.store = None  # as it is for a moment on a large set: only the first rows can be read
        room.session.opened.head = open_head(room.session.opened.spec, room.session.opened.base)
        room.session.index = 299
        await pilot.press("x")
        await wait_until(lambda: "Pair 300 is still loading" in told(app))
        await pilot.press("space", "i", "y", "V", "t", "v", "q")
        await wait_until(lambda: room.session.opened.refresh())
        await pilot.press("escape", "G")
        await wait_until(lambda: "pair 300 of 300" in seen(app))


@pytest.mark.slow
async def test_r_keeps_my_place(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """Far down, r: I am back there when it is read in, at the end where the set is shorter by now; held out is told."""
    write_many(tmp_path / "train.jsonl", 300)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 300" in seen(app) and "loading" not in seen(app))
        await pilot.press("H", *["backspace"] * 9, *"0.99", "enter", "colon", *"200", "enter")
        await wait_until(lambda: "pair 200 of 300" in seen(app) and "held out" in seen(app, "PairView"))
        await pilot.press("r")
        await wait_until(lambda: "pair 200 of 300" in seen(app) and "loading" not in seen(app))
        await wait_until(lambda: "held out" in seen(app, "PairView"))
        write_many(tmp_path / "train.jsonl", 100)
        await pilot.press("r")
        await wait_until(lambda: "pair 100 of 100" in seen(app))


async def test_the_pairs_come_back(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """The file is not there; I bring it back, and r looks again."""
    (tmp_path / "train.jsonl").rename(tmp_path / "away")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "r  retries" in seen(app))
        (tmp_path / "away").rename(tmp_path / "train.jsonl")
        await pilot.press("r")
        await wait_until(lambda: "pair 1 of 5" in seen(app))


@pytest.mark.slow
async def test_what_was_found_belongs_to_its_set(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """Another file has its own audit, and only a pair that was found is excluded for what was found."""
    write_many(tmp_path / "other.jsonl", 7)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "5 rows" in seen(app))
        await pilot.press("escape", "slash", *"river", "enter")
        await wait_until(lambda: "1 of 1" in seen(app))
        await pilot.press("right", "x", "left", "x")
        await wait_until(lambda: "excluded" in seen(app, "PairView"))
        why = [json.loads(line).get("why") for line in (tmp_path / "curation.jsonl").read_text().splitlines()]
        assert why[0] is None and "river" in why[1]
        await pilot.press("u")
        await wait_until(lambda: "Undone: exclude: Is the mill far?" in told(app))
        await pilot.press("escape", "o", *"other.jsonl", "enter")
        await wait_until(lambda: "pair 1 of 7" in seen(app) and "loading" not in seen(app))
        await pilot.press("a")
        await wait_until(lambda: "7 pairs, all usable" in seen(app))
        await pilot.press("escape", "E", "enter")
        await wait_until(lambda: "To train on them, set in the recipe dataset_name: curated" in told(app))


@pytest.mark.slow
async def test_the_cache_is_deleted_while_i_decide(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """One sentence with the next step for each key, and r brings the set back."""
    import shutil

    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "loading" not in seen(app))
        room: Any = app.screen
        shutil.rmtree(room.session.opened.folder)
        room.session.opened.store.forget("facts")
        room.session.opened.store.forget("text")
        await pilot.press("x")
        await wait_until(lambda: "The cached copy of this set was deleted. Press r to reload" in told(app))
        await pilot.press("space", "i", "escape", "H", *"0.5", "enter", "v", "s", "q", "right_square_bracket", "right")
        gone = room.session.opened
        await pilot.press("r")
        await wait_until(
            lambda: room.session.opened is not gone and room.session.opened.complete and "loading" not in seen(app)
        )
        await pilot.press("g", "g")
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "Is the mill far?" in seen(app))
        await pilot.press("x")
        await wait_until(lambda: "excluded" in seen(app, "PairView"))
