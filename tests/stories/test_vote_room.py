"""Blind votes in the Evaluate room: by keyboard, resumed, undone, and turned into pairs."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from smoltui.app import SmoltuiApp
from smoltui.backends.evaluation import resident
from smoltui.backends.evaluation.subject import of_run
from smoltui.backends.evaluation.votes import Voting, kept, path_of
from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_file import load_project_recipe
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.services import Services
from smoltui.core.evaluation.vote_ballot import Answer, Question
from smoltui.core.evaluation.vote_log import Choice
from smoltui.core.evaluation.vote_sheet import Answers
from smoltui.screens.evaluate import label_setup as label_setup  # the guard measures keys, not the import
from smoltui.screens.evaluate import vote_view as vote_view
from smoltui.screens.evaluate.vote_view import VoteView
from smoltui.screens.pairs import room as room
from tests.backends.evaluation.project import SCRIPTED_MODELS, make_project, trained
from tests.conftest import seen
from tests.stories.test_evaluate_room import COURTEOUS, CURT, FakeEngine
from tests.stories.test_every_key import handled, send

Wait = Callable[..., Awaitable[None]]
RUN = "0a1b2c3d"
HOSTILE = "\x1b]0;owned\x07[@click=app.quit]here[/] [/foo] \u202eevil."


@pytest.fixture(autouse=True)
def guarded(loop_guard: list[str]) -> list[str]:
    return loop_guard


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def texts(number: int) -> tuple[str, str]:
    return f"Rude words, {number}.", f"Kind words, {number}."


def store_answers(project: Project, rows: Sequence[tuple[str, str]]) -> None:
    """Answers of both models to as many prompts, kept with the run; the prompts become the project's."""
    prompts = [f"Question {number}?" for number in range(len(rows))]
    (project.folder / "prompts.txt").write_text("".join(f"{prompt}\n" for prompt in prompts))
    folder = run_store.run_dir(RUN)
    folder.mkdir(parents=True)
    made: list[dict[str, Any]] = []
    for prompt, (reference, aligned) in zip(prompts, rows, strict=True):
        answers = {"reference": reference, "aligned": aligned}
        made.append(
            {
                "prompt": prompt,
                **{name: {"text": text, "ended": True, "tokens": 4711} for name, text in answers.items()},
            }
        )
    data = {"at": 1.0, "v": 1, "models": {}, "sampling": {"seed": 0, "temperature": 0.7}, "answers": made}
    (folder / "answers-20261130T000000000000Z.json").write_text(json.dumps(data))


def open_on(project: Project) -> SmoltuiApp:
    engine = cast("Engine", FakeEngine([trained(project)]))
    return SmoltuiApp(project, Services({"local": engine}), opening="evaluate")


async def open_votes(app: SmoltuiApp, pilot: Pilot[int], wait: Wait) -> None:
    await wait(lambda: "answers, saved with the run" in " ".join(seen(app, "#eval-status").split()))
    await pilot.press("b")
    await wait(lambda: isinstance(app.screen, VoteView) and "Loading votes" not in seen(app))


def kinder(app: SmoltuiApp) -> str:
    """The key of the answer with kind words, as a person reads it."""
    return "a" if "Kind words" in seen(app, "#vote-a") else "b"


async def vote(app: SmoltuiApp, pilot: Pilot[int], wait: Wait, key: str, then: str) -> None:
    """Presses a key, and waits for the next matchup to be drawn as a whole."""
    before = seen(app, "#vote-prompt, #vote-a, #vote-b").split()
    await pilot.press(key)
    await wait(
        lambda: then in seen(app, "#vote-title") and seen(app, "#vote-prompt, #vote-a, #vote-b").split() != before
    )
    await pilot.pause()


@pytest.mark.slow
async def test_twenty_votes_with_an_undo_and_a_restart(project: Project, wait_until: Wait) -> None:
    """In a small terminal: I vote on seven prompts, take one back, close the app, vote on the rest, and read what the
    votes show; then they become pairs, and the recipe trains on them."""
    store_answers(project, [texts(number) for number in range(20)])
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        await wait_until(lambda: "1 of 20" in seen(app, "#vote-title"))
        assert "Question 0?" in seen(app) and "Kind words, 0." in seen(app) and "Rude words, 0." in seen(app)
        assert "a A better  b B better  = Tie  x Both bad  l Skip" in seen(app, "KeyBar")
        assert not [word for word in ("reference", "aligned", "4711", "token") if word in seen(app)]
        for number in range(2, 9):
            await vote(app, pilot, wait_until, kinder(app), f"{number} of 20")
        await pilot.press("equals_sign")
        await wait_until(lambda: "9 of 20" in seen(app, "#vote-title"))
        await pilot.press("u")
        await wait_until(lambda: "8 of 20" in seen(app, "#vote-title") and "Undone: a tie" in seen(app))
        await pilot.press("ctrl+r")
        await wait_until(lambda: "9 of 20" in seen(app, "#vote-title") and "Redone: a tie" in seen(app))
        await pilot.press("u")
        await wait_until(lambda: "8 of 20" in seen(app, "#vote-title") and "Undone: a tie" in seen(app))
        assert "Question 7?" in seen(app)
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        await wait_until(lambda: "8 of 20" in seen(app, "#vote-title") and "Question 7?" in seen(app))
        for number in range(9, 16):
            await vote(app, pilot, wait_until, kinder(app), f"{number} of 20")
        other = "b" if kinder(app) == "a" else "a"
        await vote(app, pilot, wait_until, other, "16 of 20")
        await vote(app, pilot, wait_until, "equals_sign", "17 of 20")
        await vote(app, pilot, wait_until, "x", "18 of 20")
        await vote(app, pilot, wait_until, "l", "19 of 20 · 1 skipped")
        await vote(app, pilot, wait_until, kinder(app), "20 of 20")
        await pilot.press(kinder(app))
        await wait_until(lambda: "These votes prefer aligned to reference" in seen(app))
        words = " ".join(seen(app).split())
        assert "(sign test: p < 0.001)" in words and "aligned won 16 of 17 votes that preferred an answer" in words
        assert "1 tied, 1 both bad" in words and "cannot be told apart from length: fewer than 30 votes" in words
        assert "aligned 4711 over reference 4711" in words, "what was hidden is told at the end"
        await pilot.press("l")
        await wait_until(lambda: "18 of 20" in seen(app, "#vote-title"))
        await pilot.press(kinder(app))
        await wait_until(lambda: "aligned won 17 of 18 votes" in " ".join(seen(app).split()))

        await pilot.press("E", "enter", "enter")
        await wait_until(lambda: "18 pairs are in votes-pairs; 2 left out" in " ".join(seen(app).split()))
        await pilot.press("t")
        await wait_until(lambda: "votes-pairs" in seen(app) and "Dataset" in seen(app))
    (figures,) = kept(run_store.run_dir(RUN))
    assert (figures.votes, figures.duels[0].wins, figures.duels[0].losses) == (20, 17, 1)
    recipe = load_project_recipe(project).values
    assert (recipe["dataset_name"], recipe.get("eval_strategy", "no")) == ("votes-pairs", "no")
    rows = [json.loads(line) for line in (project.folder / "votes-pairs" / "train.jsonl").read_text().splitlines()]
    assert sum("Kind" in row["chosen"][0]["content"] for row in rows) == 17


async def test_the_pairs_open_in_pairs(project: Project, wait_until: Wait) -> None:
    """From the result, I look at the pairs without changing the recipe."""
    store_answers(project, [texts(number) for number in range(2)])
    app = open_on(project)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_votes(app, pilot, wait_until)
        await vote(app, pilot, wait_until, kinder(app), "2 of 2")
        await pilot.press(kinder(app))
        await wait_until(lambda: "No difference shown with 2 votes" in seen(app))
        await pilot.press("E", "enter", "enter")
        await wait_until(lambda: "2 pairs are in votes-pairs" in seen(app))
        await pilot.press("escape", "E", "enter", "enter")
        await wait_until(lambda: "votes-pairs already holds an export. Replace it?" in seen(app))
        await pilot.press("y")
        await wait_until(lambda: "open them in Pairs" in seen(app))
        await pilot.press("o")
        await wait_until(lambda: "pair 1 of 2" in seen(app) and "not the recipe's pairs" in seen(app))
        await wait_until(lambda: "Kind words, 0." in seen(app))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12)])
async def test_hostile_answers(project: Project, wait_until: Wait, size: tuple[int, int]) -> None:
    """Escapes, markup, an empty and a huge answer are text like any other; both answers are in view."""
    store_answers(project, [(HOSTILE, ""), ("word " * 20_000, "x" * 100_000), ("[red]A[/]", "\u2066B")])
    app = open_on(project)
    async with app.run_test(size=size) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        await pilot.press("b")
        await wait_until(lambda: "1 of 3" in seen(app) and "(empty answer)" in seen(app))
        assert "␛]0;owned␇[@click" in seen(app) and "\x1b" not in seen(app) and "\u202e" not in seen(app)
        assert "reference" not in seen(app) and "aligned" not in seen(app)
        a, b = (app.screen.query_one(f"#vote-{side}").region for side in "ab")
        assert (a.y == b.y and a.right <= b.x) if size[0] >= 100 else a.bottom <= b.y
        await vote(app, pilot, wait_until, "a", "2 of 3")
        assert "word word" in seen(app) and "xxxxxx" in seen(app) and "100" not in seen(app)
        await pilot.press("G")
        await wait_until(lambda: "(the rest is not shown)" in seen(app) or size[1] < 16)
        await pilot.press("tab", "G", "tab", "tab", "j", "k")
        await vote(app, pilot, wait_until, "b", "3 of 3")
        assert "[red]A[/]" in seen(app) and "⟨LRI⟩B" in seen(app)


async def test_a_broken_last_line_and_an_edited_prompt(project: Project, wait_until: Wait) -> None:
    """The votes file ends in the middle of a vote, and I have edited a prompt since: both are said, no vote is lost."""
    store_answers(project, [texts(number) for number in range(4)])
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        for number in (2, 3, 4):
            await vote(app, pilot, wait_until, kinder(app), f"{number} of 4")
    path = path_of(run_store.run_dir(RUN), ("reference", "aligned"))
    path.write_bytes(path.read_bytes()[:-30])
    stored = next(run_store.run_dir(RUN).glob("answers-*.json"))
    stored.write_text(stored.read_text().replace("Question 0?", "Question zero?"))
    prompts = project.folder / "prompts.txt"
    prompts.write_text(prompts.read_text().replace("Question 0?", "Question zero?"))
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        said = f"The last line of {path.name} cannot be read and does not count; every other vote does."
        await wait_until(lambda: said in " ".join(seen(app).split()))
        assert "1 of 4" in seen(app, "#vote-title") and "Question zero?" in seen(app)
        await pilot.press("v")
        await wait_until(lambda: "On other prompts or answers, kept apart: 1 vote." in " ".join(seen(app).split()))


async def test_nothing_to_vote_on(project: Project, wait_until: Wait) -> None:
    """Both models said the same, or nothing yet."""
    store_answers(project, [("Same.", "Same."), ("Same too.", "Same too.")])
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        await wait_until(
            lambda: "There is nothing to vote on: all answers are the same." in " ".join(seen(app).split())
        )
        await pilot.press("a", "b", "equals_sign", "x", "l", "u", "v", "E")
        assert "There is nothing to vote on" in " ".join(seen(app).split())
        await pilot.press("escape")
        await wait_until(lambda: not isinstance(app.screen, VoteView))
    assert kept(run_store.run_dir(RUN)) == []


async def test_answers_are_generated_unseen(
    project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no answers yet: enter generates them behind the vote, and I judge them without having seen names."""
    monkeypatch.setattr(resident, "ANSWER_MODELS", SCRIPTED_MODELS)
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app) and "Press a to compare" in seen(app))
        await pilot.press("b")
        await wait_until(lambda: "no prompt has two answers yet" in seen(app) and "enter to generate" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: "1 of 2" in seen(app, "#vote-title"))
        await wait_until(lambda: COURTEOUS in seen(app) and CURT in seen(app))
        assert "reference" not in seen(app) and "aligned" not in seen(app)
        await vote(app, pilot, wait_until, "a", "2 of 2")
        await pilot.press("q")
        await wait_until(lambda: seen(app).count(COURTEOUS) == 2)


async def test_votes_that_cannot_be_saved(project: Project, wait_until: Wait) -> None:
    """The folder of the run cannot be written: I stay where I am, and read why."""
    store_answers(project, [texts(number) for number in range(2)])
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        path_of(run_store.run_dir(RUN), ("reference", "aligned")).mkdir()
        await pilot.press("a")
        await wait_until(lambda: "The votes could not be saved" in " ".join(seen(app).split()))
        assert "1 of 2" in seen(app, "#vote-title") and "Question 0?" in seen(app)


async def test_keys_while_a_vote_is_saved(project: Project, wait_until: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow disk, a second key is for answers that I have not seen: it is ignored."""
    saved, save = threading.Event(), Voting.vote

    def slowly(self: Voting, choice: Choice, on: str | None = None) -> None:
        assert saved.wait(60)
        save(self, choice, on)

    monkeypatch.setattr(Voting, "vote", slowly)
    store_answers(project, [texts(number) for number in range(3)])
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        await wait_until(lambda: "1 of 3" in seen(app, "#vote-title"))
        key = kinder(app)
        for letter in (key, "x", "u", "x"):
            send(app, letter, letter)
        await handled(pilot)
        saved.set()
        await wait_until(lambda: "2 of 3" in seen(app, "#vote-title") and "Question 1?" in seen(app))
        await pilot.pause()
        assert "2 of 3" in seen(app, "#vote-title")
    (figures,) = kept(run_store.run_dir(RUN))
    assert (figures.votes, figures.duels[0].wins) == (1, 1)


async def test_three_models(project: Project, wait_until: Wait) -> None:
    """Every two models meet on every prompt; a round ends with the result so far, the last one with the strengths."""
    models = ("reference", "run-a", "run-b")
    made = tuple(
        Question((("user", f"Question {number}?"),), {model: Answer(f"{model[-1]} {number}") for model in models})
        for number in range(2)
    )
    app = open_on(project)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until(lambda: "0a1b2c3d" in seen(app))
        found = Answers(made, {model: model for model in models}, {})
        app.push_screen(VoteView(of_run(trained(project)), lambda: found))
        await wait_until(lambda: "1 of 6 · round 1 of 3" in seen(app))
        await vote(app, pilot, wait_until, "a", "2 of 6")
        await pilot.press("b")
        await wait_until(lambda: "Round 1 of 3 is done" in seen(app))
        await vote(app, pilot, wait_until, "v", "3 of 6 · round 2 of 3")
        await vote(app, pilot, wait_until, "a", "4 of 6")
        await pilot.press("b")
        await vote(app, pilot, wait_until, "v", "5 of 6 · round 3 of 3")
        await vote(app, pilot, wait_until, "equals_sign", "6 of 6")
        await pilot.press("x")
        await wait_until(lambda: "Bradley–Terry strength" in seen(app) and "run-b : reference" in seen(app))
        assert "adjusted for several duels" in " ".join(seen(app).split())


async def test_the_keys_of_a_vote_are_listed(project: Project, wait_until: Wait) -> None:
    store_answers(project, [texts(0)])
    app = open_on(project)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_votes(app, pilot, wait_until)
        await pilot.press("question_mark")
        await wait_until(lambda: "Keys in Blind vote" in seen(app))
        await pilot.press("slash", *"bad", "enter")
        await wait_until(lambda: "Both are bad" in seen(app))
        await pilot.press("escape", "escape", "q")
        await wait_until(lambda: not isinstance(app.screen, VoteView))
