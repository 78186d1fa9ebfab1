"""The start dialog: what, where, the checks and the maximum cost; one key starts, one cancels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.app import SmoltuiApp
from smoltui.backends.data_files import source
from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.hub import client as hub
from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.engine import LocalEngine
from smoltui.backends.local.place import HERE
from smoltui.backends.machine import train_extra as training
from smoltui.backends.pairs.opened_set import imported
from smoltui.backends.project.new_project import create_project
from smoltui.backends.project.project import Project
from smoltui.backends.runs import preflight as preflight_module
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.plan import Plan
from smoltui.backends.services import Services
from smoltui.backends.slurm.place import SLURM
from smoltui.core.machine.account import Account
from smoltui.core.machine.device import DeviceReport
from smoltui.core.preflight.check import Check
from smoltui.core.preflight.preflight import Facts
from smoltui.core.recipe import Act, Fix, Level
from smoltui.core.recipe.fix import ACCOUNT, writes
from smoltui.core.runs import events
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import Run, RunSpec
from smoltui.errors import InputError, NotLoggedInError
from smoltui.screens import start_dialog
from smoltui.screens.start_dialog_text import Shown, head, items_of
from tests.conftest import seen
from tests.paths import FAKE_TRAINING

Wait = Callable[..., Awaitable[None]]
SCRIPT = FAKE_TRAINING
A100 = Flavor("a100-large", "Nvidia A100 - large", "12 vCPU", 142 << 30, "A100", 1, 80 << 30, 2.5 / 60, 0.0)


class Jobs(LocalEngine):
    """An engine that records the specifications it was asked to run."""

    place = JOBS

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.asked: list[RunSpec] = []

    async def account(self) -> Account:
        return await hub.account()

    async def hardware(self) -> list[Flavor]:
        return await hub.flavors()

    async def submit(self, spec: RunSpec) -> Run:
        self.asked.append(spec)
        return (await self.list_runs())[0]

    async def list_runs(self) -> list[Run]:
        return [Run(id="j1", engine="hub", name=spec.name, stage="SCHEDULING", created_at=1.0) for spec in self.asked]

    async def follow(
        self, run_id: str, *, follow: bool = True, tail: int | None = None
    ) -> AsyncGenerator[events.Event, None]:
        yield events.StageChanged(stage="SCHEDULING", message="Waiting for hardware")


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def app(own_machine: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> SmoltuiApp:
    project = create_project(own_machine / "demo", "demo")
    return SmoltuiApp(project, Services({"local": LocalEngine(SCRIPT), "hub": jobs}), opening="runs")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    async def who(**_: object) -> Account:
        return Account("alice", is_pro=True, can_pay=True, token_name="t", token_role="write")

    async def flavors() -> list[Flavor]:
        return [A100]

    monkeypatch.setattr(hub, "account", who)
    monkeypatch.setattr(hub, "flavors", flavors)


@pytest.mark.slow
async def test_what_is_trained_on_is_not_what_i_look_at(own_machine: Path, wait_until: Wait) -> None:
    """Another set is open in Pairs: the dialog says that the recipe's pairs are trained on all the same."""
    project = create_project(own_machine / "demo", "demo")
    (project.folder / "other.jsonl").write_text('{"prompt": "p", "chosen": "c", "rejected": "r"}\n')
    app = SmoltuiApp(project, Services({"local": LocalEngine(SCRIPT)}), opening="pairs")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(lambda: "pair 1 of" in seen(app))
        await pilot.press("t")
        await wait_until(lambda: "✓" in seen(app, "#start-text"))
        assert "which is open in Pairs" not in seen(app, "#start-text")
        await pilot.press("escape", "o", *"other.jsonl", "enter")
        await wait_until(lambda: "pair 1 of 1" in seen(app))
        await pilot.press("t")
        await wait_until(lambda: "! Not on other.jsonl, which is open in Pairs" in seen(app, "#start-text"))


async def test_a_job_starts_with_its_worst_cost_known(
    app: SmoltuiApp, jobs: Jobs, account: None, wait_until: Wait
) -> None:
    """I press t, tab for Jobs, read the maximum cost, and press enter: exactly one labeled Job is requested."""
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        await pilot.press("tab")
        await wait_until(lambda: "COSTS AT MOST  7.50 USD" in seen(app, "#start-text"))
        assert "2.50 USD/h" in seen(app) and "MODEL WILL BE LOST  push_to_hub is off" in seen(app)
        await pilot.press("enter")
        await wait_until(lambda: len(jobs.asked) == 1)
        spec = jobs.asked[0]
        assert (spec.flavor, spec.timeout_seconds) == ("a100-large", 10800) and spec.labels["smoltui-run"] == spec.label
        await wait_until(lambda: "SCHEDULING" in seen(app))


async def test_where_it_would_run_can_be_read_in_a_small_terminal(
    app: SmoltuiApp, account: None, wait_until: Wait
) -> None:
    """At 40x12 the chosen place is whole, alone where the others don't fit, with the key that changes it."""
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "(•) this machine 1/2 tab" in " ".join(seen(app, "#start-text").split()))
        await pilot.press("tab")
        await wait_until(lambda: "( ) this… (•) HF Jobs tab" in " ".join(seen(app, "#start-text").split()))


@pytest.mark.parametrize("width", [30, 34, 40, 50, 60, 76])
@pytest.mark.parametrize("place", [HERE, SLURM, JOBS])
def test_the_chosen_place_is_whole_at_every_width(place: Place, width: int) -> None:
    line = head(Shown((HERE, SLURM, JOBS), place, "", beside=False), width).plain.splitlines()[0]
    assert f"(•) {place.title}" in line and line.endswith(" tab") and len(line) == width
    assert "( )" not in line or line.count("( )") == 2, "all of the others, or none"


async def test_an_engine_that_nobody_has_is_not_replaced_silently(app: SmoltuiApp, wait_until: Wait) -> None:
    """smoltui.toml has a typo in run.on: I read the key and what it may be, and nothing starts before I choose."""
    (app.workspace.project.folder / "smoltui.toml").write_text('[run]\non = "huh"\n')
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "run.on in smoltui.toml must be one of local, hub: huh" in seen(app, "#start-text"))
        assert "enter: edit run.on" in seen(app, "#start-text")
        await pilot.press("enter")
        await wait_until(lambda: "run.on: huh" in seen(app, "#start-text"))
        await pilot.press(*"local", "enter")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        assert "run.on" not in seen(app, "#start-text") and app.workspace.runs == {}
        assert app.workspace.project.settings().on == "local"
        await pilot.press("u")
        settings = app.workspace.project.folder / "smoltui.toml"
        await wait_until(lambda: settings.read_text() == '[run]\non = "huh"\n')


async def test_without_a_token_a_job_does_not_start(
    app: SmoltuiApp, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    async def nobody(**_: object) -> Account:
        raise NotLoggedInError("You are not logged in to the Hub", "Run: hf auth login")

    monkeypatch.setattr(hub, "account", nobody)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t", "tab")
        await wait_until(lambda: "1 to fix" in seen(app))
        assert "✗ You are not logged in to the Hub" in seen(app) and "hf auth login" in seen(app)
        await pilot.press("enter")
        assert "Train demo" in seen(app) and jobs.asked == []
        await pilot.press("escape")
        await wait_until(lambda: "Train demo" not in seen(app))


async def test_pairs_that_are_none_stop_it_with_the_line(app: SmoltuiApp, wait_until: Wait) -> None:
    """The training file is broken: I read which line, before anything is loaded."""
    train = app.workspace.project.folder / "pairs" / "train.jsonl"
    train.write_text('{"prompt": "a", "completion": "b", "label": true}\n')
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "does not contain preference pairs" in seen(app))
        assert "1 to fix" in seen(app)


async def test_a_set_that_was_imported_is_not_read_at_t(
    app: SmoltuiApp, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I looked through my pairs in room 2: t knows how many there are, however large the file."""
    imported(PairsSpec("pairs", split="train"), app.workspace.project.folder)
    opened: list[Path] = []
    monkeypatch.setattr(source, "open_file", opened.append)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "768 pairs" in seen(app, "#start-text"))
        assert "48 steps" in seen(app, "#start-text") and opened == []


async def test_a_model_folder_that_is_none_stops_it(app: SmoltuiApp, wait_until: Wait) -> None:
    (app.workspace.project.folder / "model" / "config.json").unlink()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "✗ This folder contains no model (no config.json): model" in seen(app, "#start-text"))


async def test_names_that_may_be_slips(app: SmoltuiApp, wait_until: Wait) -> None:
    """Neither folders nor owner/name: I am warned before the Hub, or a cache under such a name, is asked for them."""
    recipe = app.workspace.project.recipe_path
    text = recipe.read_text().replace("model_name_or_path: model", "model_name_or_path: modell")
    recipe.write_text(text.replace("dataset_name: pairs", "dataset_name: pears"))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "! No such model folder, so this is treated as a Hub id" in seen(app, "#start-text"))
        assert "so these pairs are treated as a Hub id: pears" in " ".join(seen(app, "#start-text").split())


async def test_a_removed_key_stops_it_with_its_successor(app: SmoltuiApp, wait_until: Wait) -> None:
    recipe = app.workspace.project.recipe_path
    recipe.write_text(recipe.read_text() + "max_prompt_length: 512\n")
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "max_prompt_length" in seen(app, "#start-text"))
        assert "max_length" in seen(app, "#start-text")
        await pilot.press("enter")
        assert "Train demo" in seen(app)


def test_logging_in_comes_before_names_that_need_an_account() -> None:
    """Enter on the first line would otherwise fail, because nobody is logged in yet."""
    name = writes(hub_model_id=f"{ACCOUNT}/aligned")
    checks = [
        Check("hub_model_id", Level.STOP, "A placeholder", "", name),
        Check("account", Level.STOP, "You are not logged in to the Hub", "", Fix(act=Act.LOGIN)),
    ]
    first, second = items_of(checks, "")
    assert (first.name, second.enter) == ("account", f"write hub_model_id: {ACCOUNT}/aligned")
    assert items_of(checks, "", "ada")[1].enter == "write hub_model_id: ada/aligned"


async def test_a_folder_without_a_recipe_says_how_to_start(tmp_path: Path, jobs: Jobs, wait_until: Wait) -> None:
    app = SmoltuiApp(Project(tmp_path), Services({"local": LocalEngine(SCRIPT), "hub": jobs}), opening="runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "has no recipe.yaml" in seen(app))
        assert "enter: start a project step by step" in seen(app) and "checking…" not in seen(app)
        await pilot.press("enter")
        await wait_until(lambda: "Which pairs should the model learn from?" in seen(app))


async def test_without_the_train_extra_the_command_that_installs_it_is_told(
    own_machine: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """The training packages are missing: nothing starts, and I read what to type."""
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    app = SmoltuiApp(create_project(own_machine / "demo", "demo"), Services({"local": LocalEngine()}), opening="runs")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        await pilot.press("enter")
        await wait_until(lambda: "pip install 'smoltui[train]'" in seen(app))
        assert await app.workspace.services.engines["local"].list_runs() == []


async def test_a_token_in_the_recipe_is_a_stop(app: SmoltuiApp, wait_until: Wait) -> None:
    """I pasted my token into a comment: ✗ with the file and the line; enter starts nothing, and nothing is saved."""
    recipe = app.workspace.project.recipe_path
    line = recipe.read_text().count("\n") + 1
    recipe.write_text(f"{recipe.read_text()}# hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567\n")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "✗" in seen(app, "#start-text"))
        shown = seen(app, "#start-text")
        assert f"✗ recipe.yaml, line {line} contains what looks like a Hugging Face token" in shown
        assert "use `hf auth login` or HF_TOKEN instead" in shown and "AbCdEf" not in shown
        await pilot.press("enter")
        await pilot.pause()
        assert not list(run_store.run_ids())
        await pilot.press("tab")
        await wait_until(lambda: "Reading" not in seen(app, "#start-text") and "✗" in seen(app, "#start-text"))
        assert f"✗ recipe.yaml, line {line}" in seen(app, "#start-text")


async def test_a_token_in_the_settings_is_a_stop(app: SmoltuiApp, wait_until: Wait) -> None:
    """As in the recipe; once it is removed, the run can start."""
    path = app.workspace.project.folder / "smoltui.toml"
    before = path.read_text() if path.exists() else ""
    path.write_text(f"# ghp_16C7e42F292c6912E7710c838347Ae178B4a\n{before}")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "✗ smoltui.toml, line 1 contains what looks like a GitHub" in seen(app, "#start-text"))
        path.write_text(before)
        await pilot.press("escape", "t")
        await wait_until(lambda: "48 steps" in seen(app, "#start-text"))
        assert "✗" not in seen(app, "#start-text")


@pytest.mark.slow
async def test_checks_that_end_while_the_dialog_closes(
    app: SmoltuiApp, monkeypatch: pytest.MonkeyPatch, wait_until: Wait
) -> None:
    """I press t and esc: the checks end just when the dialog has lost its text, and the app keeps running."""
    answered: list[Plan] = []

    async def gather(plan: Plan, engine: Engine) -> Facts:
        dialog = app.screen
        while dialog.query("#start-text"):
            await asyncio.sleep(0)
        answered.append(plan)
        raise InputError("too late", "")

    monkeypatch.setattr(start_dialog, "gather", gather)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "checking" in seen(app, "#start-text"))
        await pilot.press("escape")
        await wait_until(lambda: bool(answered))
        await pilot.pause()
        assert app.return_code is None


FRESH = (A100, replace(A100, name="l40sx1", accelerator="L40S", vram_bytes=48 << 30, usd_per_minute=1.8 / 60))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_stop_of_a_course_job_is_fixed_with_enter(
    own_machine: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, wait_until: Wait, size: tuple[int, int]
) -> None:
    """The course's Job with a fresh account, and with what people write into it: enter fixes one ✗ after the other,
    then starts; u brings the files back, byte for byte."""

    async def who(**_: object) -> Account:
        return Account("alice", can_pay=True, token_name="t", token_role="write")

    async def flavors() -> list[Flavor]:
        return list(FRESH)

    monkeypatch.setattr(hub, "account", who)
    monkeypatch.setattr(hub, "flavors", flavors)
    project = create_project(own_machine / "mine", "course-jobs")
    recipe, settings = project.recipe_path, project.folder / "smoltui.toml"
    recipe.write_text(recipe.read_text().replace("beta: 0.1", "beta: 0.1\nmax_prompt_length: 512"))
    settings.write_text(settings.read_text().replace('"a100-large"', '"a100-big"').replace('"3h"', '"30m"'))
    before = (recipe.read_bytes(), settings.read_bytes())
    app = SmoltuiApp(project, Services({"local": LocalEngine(SCRIPT), "hub": jobs}), opening="runs")
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "3 to fix" in seen(app, "#start-text"))
        assert "MODEL GOES TO  <you>/smollm3-dpo-aligned" in seen(app) and "enter Fix next" in seen(app)
        pressed = 0
        while "to fix" in (now := seen(app, "#start-text")):
            await pilot.press("enter")
            await wait_until(lambda now=now: "[ enter" in (then := seen(app, "#start-text")) and then != now)
            pressed += 1
            assert pressed < 8, now
        await wait_until(lambda: "enter Start Job · at most 10.00 USD" in seen(app))
        assert "MODEL GOES TO  alice/smollm3-dpo-aligned" in seen(app)
        assert 'flavor = "a100-large"' in settings.read_text() and jobs.asked == []
        await pilot.press(*"u" * pressed)
        await wait_until(lambda: (recipe.read_bytes(), settings.read_bytes()) == before)
        await pilot.press(*["ctrl+r"] * pressed)
        await wait_until(lambda: "enter Start Job · at most" in seen(app))
        await pilot.press("left")  # nothing cheaper fits
        await pilot.press("dollar_sign")
        await wait_until(lambda: "fits · " in seen(app, "#picker"))
        assert "l40sx1" not in seen(app, "#picker"), "it does not fit"
        await pilot.press("enter")
        await wait_until(lambda: "enter Start Job · at most" in seen(app))
        await pilot.press("at")
        await wait_until(lambda: "alice" in seen(app, "#picker"))
        await pilot.press("enter")
        await wait_until(lambda: "enter Start Job · at most" in seen(app))
        await pilot.press("e", "ctrl+u", *"5h", "enter")
        await wait_until(lambda: "COSTS AT MOST  12.50 USD" in seen(app))
        await pilot.press("enter")
        await wait_until(lambda: len(jobs.asked) == 1)
        assert (jobs.asked[0].flavor, jobs.asked[0].timeout_seconds) == ("a100-large", 5 * 3600)
        assert jobs.asked[0].namespace == "alice"


async def test_an_estimate_that_stops_a_run_can_be_ignored(
    app: SmoltuiApp, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I know that it fits, whatever the estimate says: I, and enter starts it."""
    report = preflight_module.device_report

    def full(folder: Path) -> DeviceReport:
        return replace(report(folder), accelerators=(), ram_available=1)

    monkeypatch.setattr(preflight_module, "device_report", full)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("t")
        await wait_until(lambda: "An estimate: I ignores it" in seen(app, "#start-text"))
        assert "enter Start" not in seen(app, "#start-text")
        await pilot.press("I")
        await wait_until(lambda: "enter Start" in seen(app, "#start-text"))
        assert "! Does not fit" in seen(app, "#start-text")
