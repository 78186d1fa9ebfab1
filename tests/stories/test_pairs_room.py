"""The Pairs room: I read what my model will learn from, pair by pair."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends import pair_source
from smoltui.backends.pair_source import PairSource
from smoltui.backends.project import Project
from smoltui.backends.services import Services
from tests.conftest import seen

WaitUntil = Callable[..., Awaitable[None]]


def told(app: SmoltuiApp) -> str:
    """The notices on the screen, on one line."""
    return " ".join(seen(app, "Toast").replace("▌", " ").split())


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


@pytest.fixture
def app(tmp_path: Path) -> SmoltuiApp:
    """The app on a project of five odd rows and a held-out one."""
    write(tmp_path / "train.jsonl", ROWS)
    write(tmp_path / "test.jsonl", ROWS[1:2])
    (tmp_path / "recipe.yaml").write_text("dataset_name: .\n")
    return SmoltuiApp(Project(tmp_path), Services(), opening="pairs")


async def test_i_read_pair_by_pair(app: SmoltuiApp, wait_until: WaitUntil, loop_guard: object) -> None:
    """Open the room, see prompt, chosen and rejected by role, go on, go back, to the end, to a number."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "user  Is the mill far?" in seen(app))
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
        await pilot.press("g", "2", "enter")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
        await pilot.press("g", "9", "enter")
        await wait_until(lambda: "Pairs here go from 1 to 5: 9" in told(app))
        assert "pair 2 of 5" in seen(app)


async def test_the_words_that_differ_stand_out(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """Only `at` and `near` are marked; what both say is dim."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "near the ground" in seen(app))
        from smoltui.widgets.pair_view import PairView

        view = app.screen.query_one(PairView)
        line = next(
            strip for strip in (view.render_line(y) for y in range(view.size.height)) if "near the ground" in strip.text
        )
        tone = {segment.text.strip(): segment.style.dim for segment in line if segment.style and segment.text.strip()}
        assert tone["at"] is None and tone["near"] is None
        assert tone["A cloud"] and tone["the ground."]


async def test_where_trl_would_cut_and_what_is_wrong(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """The room tells where the trainer's own split falls, and shows rows that are no pairs as what they are."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "TRL ends the prompt inside the answer, after: It is" in seen(app))
        await pilot.press("g", "4", "enter")
        await wait_until(lambda: "Not a pair: Column chosen is missing" in seen(app))
        assert '"score": 3' in seen(app)
        await pilot.press("right")
        await wait_until(lambda: "Not a usable pair: The roles of chosen do not alternate" in seen(app))
        assert "Two" in seen(app) and "Three" in seen(app)


async def test_hostile_text_is_only_text(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """Escape codes, markup and bidi overrides in a row are shown, not obeyed."""
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("g", "3", "enter")
        await wait_until(lambda: "␛[31m[red]Because[/b]⟨RLO⟩." in seen(app))
        assert "\x1b" not in seen(app) and "\u202e" not in seen(app)


async def test_i_search(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """/ finds, n and N go on and around, the hits are counted, escape ends it."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right", "slash", *"THE", "enter")
        await wait_until(lambda: "hit 2 of 2 pairs" in seen(app))
        assert "pair 2 of 5" in seen(app)
        await pilot.press("n")
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await wait_until(lambda: "Search went on from the first pair" in told(app))
        await pilot.press("N")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
        await pilot.press("slash", *"zebra", "enter")
        await wait_until(lambda: "No pair holds this text: zebra" in told(app))
        await pilot.press("escape")
        await wait_until(lambda: "/zebra" not in seen(app) and "Next hit" not in seen(app))


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
        await pilot.press("pagedown", "tab", "space")
        await wait_until(lambda: "▌ line 0 " not in seen(app) and "begin" not in seen(app))


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 6)])
async def test_small_terminals(app: SmoltuiApp, wait_until: WaitUntil, size: tuple[int, int]) -> None:
    """Under 100 columns rejected stands below chosen; a tiny window breaks nothing."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await wait_until(lambda: "of 5" in seen(app))
        await pilot.press("right", "down", "tab", "i", "i", "slash", "escape", "left")
        if size[0] == 80:
            await wait_until(lambda: "pair 1 of 5" in seen(app))
            lines = seen(app).splitlines()
            heads = [number for number, line in enumerate(lines) if "characters ·" in line and "▌" in line]
            assert len(heads) == 2
        await pilot.resize_terminal(120, 40)
        await wait_until(lambda: "take the path by the river" in seen(app))


async def test_the_other_split(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """s shows the held-out pairs, and again the training pairs."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("s")
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "test, one of 2 splits" in seen(app))
        await pilot.press("s")
        await wait_until(lambda: "pair 1 of 5" in seen(app))


async def test_i_open_another_file(app: SmoltuiApp, wait_until: WaitUntil, tmp_path: Path) -> None:
    """o opens it; a name that leads nowhere, or no pairs, is said, and what I was reading stays."""
    write(tmp_path / "more.jsonl", [{"prompt": "p", "chosen": "[b]c", "rejected": "r"}])
    (tmp_path / "kto.jsonl").write_text('{"prompt": "p", "completion": "c", "label": true}\n')
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("o", *"nope.jsonl", "enter")
        await wait_until(lambda: "There is no such file or folder: nope.jsonl" in told(app))
        assert "pair 1 of 5" in seen(app)
        await pilot.press("o", *"kto.jsonl", "enter")
        await wait_until(lambda: "Unpaired" in told(app))
        assert "pair 1 of 5" in seen(app)
        await pilot.press("o", *"more.jsonl", "enter")
        await wait_until(lambda: "pair 1 of 1" in seen(app) and "more.jsonl" in seen(app))
        assert "[b]c" in seen(app) and "not the recipe's pairs" in seen(app)
        await pilot.press("o")
        await wait_until(lambda: "empty: the recipe's pairs; esc leaves it" in seen(app))
        assert "/ Search" not in seen(app)  # it is a character now
        await pilot.press("enter")
        await wait_until(lambda: "pair 1 of 5" in seen(app) and "not the recipe's pairs" not in seen(app))


async def test_every_shown_key_fits(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """At 80 columns the bottom line is whole, also while I search; the keys of the search stand beside its hits."""
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("slash", *"fog", "enter")
        await wait_until(lambda: "hit 1 of 1 pairs  n next  N before  esc ends the search" in seen(app))
        assert "→ Next" in seen(app) and "t Train  q Quit" in seen(app)


async def test_the_survey(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """i counts what is wrong with the whole set, and goes away again."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("i")
        await wait_until(lambda: "5  rows" in seen(app))
        assert "3  clean: usable, and the answers differ" in seen(app)
        assert "roles do not alternate on some side" in seen(app) and "pairs 5" in seen(app)
        await pilot.press("escape")
        await wait_until(lambda: "Is the mill far?" in seen(app))


async def test_a_survey_that_takes_long_shows_its_progress(
    app: SmoltuiApp, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys stay live while it counts, and quitting does not wait for it."""
    gate = threading.Event()

    def survey(self: PairSource, *, progress: Callable[[int], object], stopped: Callable[[], bool]) -> None:
        progress(2)
        gate.wait(20)
        told.append(stopped())

    told: list[bool] = []
    monkeypatch.setattr(pair_source.PairSource, "survey", survey)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("i")
        await wait_until(lambda: "2 of 5 rows looked at" in seen(app))
        await pilot.press("right")
        await wait_until(lambda: "pair 2 of 5" in seen(app))
    gate.set()
    await wait_until(lambda: told == [True])


async def test_i_copy_a_pair(app: SmoltuiApp, wait_until: WaitUntil) -> None:
    """y puts the pair on the clipboard as TRL would write it."""
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "pair 1 of 5" in seen(app))
        await pilot.press("right", "y")
        await wait_until(lambda: "Pair 2 is copied as JSON" in told(app))
        copied = json.loads(app.clipboard)
        assert copied["chosen"] == [{"role": "assistant", "content": "A cloud at the ground."}]
        assert [turn["role"] for turn in copied["prompt"]] == ["user", "assistant", "user"]


async def test_a_project_without_pairs(tmp_path: Path, wait_until: WaitUntil) -> None:
    """No recipe, a recipe without pairs, pairs that are not there: each is one sentence, and o still opens."""
    for recipe, words in (
        (None, "has no pairs yet: it has no recipe.yaml"),
        ("learning_rate: 1\n", "has no pairs yet: its recipe.yaml names none"),
        ("dataset_name: gone.jsonl\n", "There is no such file or folder: gone.jsonl"),
        ("dataset_name: [1\n", "recipe.yaml"),
    ):
        if recipe is not None:
            (tmp_path / "recipe.yaml").write_text(recipe)
        app = SmoltuiApp(Project(tmp_path), Services(), opening="pairs")
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await wait_until(lambda app=app, words=words: words in seen(app))
            await pilot.press("right", "n", "g", "slash", "i", "y", "tab", "down", "s")
            write(tmp_path / "late.jsonl", ROWS[:1])
            await pilot.press("o", *"late.jsonl", "enter")
            await wait_until(lambda app=app: "pair 1 of 1" in seen(app))
            (tmp_path / "late.jsonl").unlink()


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


async def test_a_set_that_takes_long_to_open_does_not_hold_me(
    app: SmoltuiApp, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a set is fetched the keys work, and quitting is instant."""
    gate = threading.Event()
    real = pair_source.open_spec

    def slow(spec: Any, base: Path | None) -> PairSource:
        gate.wait(20)
        return real(spec, base)

    monkeypatch.setattr("smoltui.screens.pairs.open_spec", slow)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await wait_until(lambda: "Opening" in seen(app))
        await pilot.press("o")
        await wait_until(lambda: "open a file, folder or Hub id:" in seen(app))
        loop = asyncio.get_running_loop()
        before = loop.time()
        await pilot.press("escape", "q")
    assert loop.time() - before < 5
    gate.set()
