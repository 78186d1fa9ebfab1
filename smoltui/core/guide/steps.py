"""What is done in a project, what is next, and why: the checklist of Home, and the next step after every end.

Pure: facts in, words out. A fact that nobody has measured is None, and the words say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from smoltui.core.machine.install import INSTALL_HINT
from smoltui.core.runs.health import health_line, is_ruined
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.stage import Stage

if TYPE_CHECKING:
    from smoltui.core.runs.run import Run


class Act(StrEnum):
    """What a next step does; the app knows how (`SmoltuiApp.do`)."""

    NONE = "none"
    """Nothing can be done before more is known."""
    WIZARD = "wizard"
    """Start a project, with `Next.source` as its pairs if there is one."""
    DEMO = "demo"
    CHOOSE_PAIRS = "choose pairs"
    """Go to Pairs, where a set can be opened and made the recipe's."""
    PAIRS = "pairs"
    RECIPE = "recipe"
    TRAIN = "train"
    RUNS = "runs"
    """Go to Runs, at `Next.run_id`."""
    COMPARE = "compare"
    """Let the reference and the model of `Next.run_id` answer the prompts."""
    PUBLISH = "publish"
    DEVICE = "device"


NEW_PROJECT = "Press 0, then n to start a project step by step, or d for the demo."
"""What to do in a folder without a recipe, from another room than Home."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next step: one sentence, and the key of Home that does it (as does enter)."""

    act: Act
    sentence: str
    """An imperative with its key; not sanitized yet."""
    key: str = ""
    """Key of Home; empty if there is nothing to press."""
    source: str = ""
    """For `Act.WIZARD`: the pairs to start with, a path relative to the project folder; empty for none."""
    run_id: str = ""
    """For `Act.RUNS` and `Act.COMPARE`."""


class State(StrEnum):
    """State of a step. Each has a sign, so that nothing depends on color."""

    DONE = "done"
    NEXT = "next"
    """It can be done now, and is the next one."""
    PROBLEM = "problem"
    """It was tried, and something is wrong."""
    LATER = "later"
    """It needs an earlier step, or is optional."""
    UNKNOWN = "unknown"
    """Not read yet."""


SIGNS = {State.DONE: "✓", State.NEXT: "▸", State.PROBLEM: "✗", State.LATER: "·", State.UNKNOWN: "…"}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist; not sanitized yet."""

    name: str
    """pairs, recipe, train, compare or publish."""
    title: str
    state: State
    words: str
    """What is known, briefly."""
    note: str = ""
    """More, for a wide terminal; empty if there is nothing."""
    key: str = ""
    """Key of Home that leads there."""
    verb: str = ""
    """What the key does, in one word."""


@dataclass(frozen=True, slots=True)
class PairsKnown:
    """The pairs that the recipe names. None: not counted, or not known yet."""

    name: str
    """Path or Hub id, as the recipe has it."""
    train: int | None = None
    """Rows of the split that is trained on."""
    held_out: int | None = None
    """Rows of the split that is evaluated on."""
    held_out_share: float | None = None
    """Share of the prompts that a decision holds out; None without one."""
    decided: int = 0
    """Pairs that were excluded or swapped by hand."""
    remarks: int | None = None
    """Findings of the newest audit, other than information; None without an audit."""
    problem: str = ""
    """Why they cannot be read or trained on, one sentence; empty if nothing is known to be wrong."""

    @property
    def words(self) -> str:
        """`768 for training, 64 held out`."""
        if self.train is None:
            return f"{self.name}, not counted yet"
        if self.held_out_share:
            from smoltui.scripts.curve_remarks import percent  # not before the first frame

            return f"{self.train:,} pairs, {percent(self.held_out_share)} of the prompts held out"
        if self.held_out is not None:
            return f"{self.train:,} for training, {self.held_out:,} held out"
        return f"{self.train:,} for training"

    @property
    def note(self) -> str:
        """`audited: 1 remark`."""
        found = _count(self.remarks, "remark") if self.remarks else "nothing to fix"
        remarks = "not audited" if self.remarks is None else f"audited: {found}"
        return f"{self.decided:,} decided by hand · {remarks}" if self.decided else remarks


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """What is known of a project. None: not known (yet)."""

    looked: bool = False
    """Whether the folder was looked at; everything below is unknown before."""
    has_recipe: bool = False
    recipe_problem: str = ""
    """Why recipe or settings cannot be used, one sentence; empty if they can."""
    found: tuple[str, ...] = ()
    """Files in the folder that look like pairs, relative to it."""
    opened: str = ""
    """A set that is open in Pairs and isn't the recipe's, as it was named; empty without one."""
    model: str = ""
    """The recipe's model, a path or Hub id; empty if it names none."""
    recipe: str = ""
    """The recipe in a few words, without its model: `beta 0.5 · 48 steps`."""
    names_pairs: bool = False
    pairs: PairsKnown | None = None
    memory: str | None = None
    """Whether the recipe fits here: fits, tight, no or unknown (`Fit.verdict`); None if not checked yet."""
    memory_words: str = ""
    """`1.0 of 22 GiB`; empty if unknown."""
    lacking: tuple[str, ...] = ()
    """Training packages that are not installed here."""
    here: bool = True
    """`t` starts a run on this machine, according to smoltui.toml."""
    pays: bool = False
    """`t` starts a run that costs money."""
    where: str = "this machine"
    """Title of the place where `t` starts a run."""
    account: str | None = None
    """Name of the Hub account; empty if nobody is logged in; None if not asked yet."""
    runs: Sequence[Run] | None = None
    """Runs of this project, newest first; None until they are listed."""
    with_model: frozenset[str] = field(default_factory=frozenset)
    """Ids of the runs whose model exists, on this disk or on the Hub."""
    compared: frozenset[str] = field(default_factory=frozenset)
    """Ids of the runs whose model has answered prompts."""
    now: float = 0.0
    """Seconds since the epoch."""

    @property
    def active(self) -> Run | None:
        """The newest run that has not ended."""
        return next((run for run in self.runs or () if not run.is_final), None)

    @property
    def trained(self) -> Run | None:
        """The newest run with a model."""
        return next((run for run in self.runs or () if run.id in self.with_model), None)

    @property
    def newest(self) -> Run | None:
        return next(iter(self.runs or ()), None)

    @property
    def seconds_before(self) -> float | None:
        """How long the newest completed run took where `t` would start one; None without one."""
        done = (run for run in self.runs or () if run.stage == Stage.COMPLETED and bool(run.flavor) == self.pays)
        return next((seconds for run in done if (seconds := run.duration(self.now)) is not None), None)


# ------------------------------------------------------------------------------------------------------- the next step


def next_step(facts: ProjectFacts) -> Next:
    """The next step of a project, by the first thing that is missing."""
    if not facts.looked:
        return Next(Act.NONE, "Reading this folder…")
    if not facts.has_recipe:
        return _begin(facts)
    if facts.recipe_problem:
        return Next(Act.RECIPE, f"Press 3 to fix the recipe: {facts.recipe_problem}", "3")
    if not facts.names_pairs:
        return Next(Act.CHOOSE_PAIRS, "Press 2 to choose the pairs: the recipe names none yet.", "2")
    if facts.pairs is not None and facts.pairs.problem:
        return Next(Act.PAIRS, f"Press 2 to fix the pairs: {facts.pairs.problem}", "2")
    if not facts.model:
        return Next(Act.RECIPE, "Press 3 to choose a model: the recipe names none yet.", "3")
    if (run := facts.active) is not None:
        steps = f" (step {run.step:,} of {run.max_steps:,})" if run.max_steps else ""
        if run.health is not None:
            return Next(Act.RUNS, f"Press 4 to look at the run{steps}: {health_line(run.health)}.", "4", run_id=run.id)
        return Next(Act.RUNS, f"Press 4 to watch the run{steps}.", "4", run_id=run.id)
    return _after_runs(facts) or _train(facts)


def _begin(facts: ProjectFacts) -> Next:
    """The first step in a folder without a recipe."""
    if facts.opened:
        return Next(Act.WIZARD, f"Press n to start a project with {facts.opened}.", "n", source=facts.opened)
    if facts.found:
        return Next(Act.WIZARD, f"Press n to start a project with {facts.found[0]}.", "n", source=facts.found[0])
    return Next(Act.DEMO, "Press d to try the demo, n to start a project of your own, or o to open pairs.", "d")


def _after_runs(facts: ProjectFacts) -> Next | None:
    """What follows the runs of a project; None if it is to be trained first."""
    newest, trained = facts.newest, facts.trained
    if newest is not None and newest is not trained:
        if newest.stage == Stage.ERROR:
            said = f": {newest.message}" if newest.message else "."
            return Next(Act.RUNS, f"Press 4 to see why the newest run failed{said}", "4", run_id=newest.id)
        if newest.resumable:
            steps = f" at step {newest.step:,} of {newest.max_steps:,}" if newest.max_steps else ""
            return Next(Act.RUNS, f"Press 4, then x, to resume the run that stopped{steps}.", "4", run_id=newest.id)
    if trained is None:
        return None
    if trained.health is not None and is_ruined(trained.health):
        return Next(Act.RUNS, f"Press 4 to see why, then 3: {health_line(trained.health)}.", "4", run_id=trained.id)
    if trained.id not in facts.compared:
        return Next(Act.COMPARE, "Press a to compare the model before and after training.", "a", run_id=trained.id)
    if not trained.pushed_to:
        return Next(Act.PUBLISH, "Press 6 to publish the model, or 3 to change the recipe and train again.", "6")
    return Next(Act.RECIPE, "All done. Press 3 to change the recipe, or t to train again.", "3")


def _train(facts: ProjectFacts) -> Next:
    if not facts.here:
        if facts.pays and facts.account == "":
            return Next(Act.TRAIN, "Press t to log in to the Hub and train on Jobs; the cost is shown first.", "t")
        costs = "; the cost is shown first" if facts.pays else ""
        return Next(Act.TRAIN, f"Press t to train on {facts.where}{costs}.", "t")
    if facts.lacking:
        return Next(Act.DEVICE, f"Install the training packages. {INSTALL_HINT}", "D")
    if facts.memory == "no":
        return Next(
            Act.RECIPE,
            "Press 3 to choose a LoRA adapter or a smaller model, because this recipe does not fit here; "
            "or press t, then tab, to train on Jobs.",
            "3",
        )
    return Next(Act.TRAIN, "Press t to train here. When it's done, press a to compare the model before and after.", "t")


# -------------------------------------------------------------------------------------------------------- the checklist


def checklist(facts: ProjectFacts) -> list[Step]:
    """The five steps of a project, in the order of the work."""
    ahead = next_step(facts).act
    return [_pairs(facts), _recipe(facts), _trained(facts, ahead), _compared(facts, ahead), _published(facts, ahead)]


def _pairs(facts: ProjectFacts) -> Step:
    def step(state: State, words: str, note: str = "") -> Step:
        return Step("pairs", "Pairs", state, words, note, "2", "look" if facts.has_recipe else "")

    if not facts.looked:
        return step(State.UNKNOWN, "")
    if not facts.has_recipe:
        if facts.opened:
            return step(State.NEXT, f"{facts.opened}, open in Pairs")
        found = f"found here: {', '.join(facts.found[:3])}" if facts.found else "none in this folder yet"
        more = f" and {len(facts.found) - 3:,} more" if len(facts.found) > 3 else ""
        return step(State.NEXT if facts.found else State.LATER, f"{found}{more}")
    if facts.recipe_problem:
        return step(State.UNKNOWN, "unknown until the recipe can be read")
    if not facts.names_pairs:
        return step(State.NEXT, "the recipe names none yet")
    if facts.pairs is None:
        return step(State.UNKNOWN, "counting…")
    if facts.pairs.problem:
        return step(State.PROBLEM, facts.pairs.problem)
    return step(State.DONE, facts.pairs.words, facts.pairs.note)


def _recipe(facts: ProjectFacts) -> Step:
    def step(state: State, words: str, note: str = "") -> Step:
        return Step("recipe", "Recipe", state, words, note, "3", "change" if facts.has_recipe else "")

    if not facts.looked:
        return step(State.UNKNOWN, "")
    if not facts.has_recipe:
        return step(State.LATER, "none yet")
    if facts.recipe_problem:
        return step(State.PROBLEM, facts.recipe_problem)
    if not facts.model:
        return step(State.NEXT, "names no model yet")
    model = facts.model.rstrip("/").rpartition("/")[2]  # the owner is seen in Recipe
    return step(State.DONE, f"{model} · {facts.recipe}" if facts.recipe else model, _memory(facts))


def _memory(facts: ProjectFacts) -> str:
    if not facts.here:
        return ""
    match facts.memory:
        case None:
            return ""
        case "fits":
            return f"fits: {facts.memory_words}"
        case "tight":
            return f"may not fit: {facts.memory_words}"
        case "no":
            return f"does not fit here: {facts.memory_words}"
    return "memory: no estimate for this model"


def _trained(facts: ProjectFacts, ahead: Act) -> Step:
    def step(state: State, words: str, note: str = "", key: str = "t", verb: str = "train") -> Step:
        return Step("train", "Train", state, words, note, key, verb)

    if not facts.looked or (facts.has_recipe and facts.runs is None):
        return step(State.UNKNOWN, "loading runs…" if facts.looked else "")
    if not facts.has_recipe:
        return step(State.LATER, "needs pairs and a recipe", "", "", "")
    newest, trained = facts.newest, facts.trained
    if (run := facts.active) is not None:
        steps = f" · step {run.step:,} of {run.max_steps:,}" if run.max_steps else ""
        wrong = f" · {run.health.word}" if run.health else ""
        return step(State.PROBLEM if wrong else State.NEXT, f"{_word(run)}{steps}{wrong}", run.name, "4", "watch")
    if newest is not None and newest is not trained and (newest.stage == Stage.ERROR or newest.resumable):
        failed = newest.stage == Stage.ERROR
        said = newest.message if failed and newest.message else _word(newest)
        steps = f" at step {newest.step:,} of {newest.max_steps:,}" if newest.max_steps and not failed else ""
        return step(State.PROBLEM if failed else State.NEXT, f"{said}{steps}", newest.name, "4", "look")
    if trained is not None and trained.health is not None and is_ruined(trained.health):
        return step(State.PROBLEM, health_line(trained.health), trained.name, "4", "look")
    if trained is not None:
        seconds = trained.duration(facts.now)
        took = f" in {as_time(seconds)}" if seconds is not None else ""
        return step(State.DONE, f"{_count(trained.step, 'step')}{took}" if trained.step else "done", trained.name)
    state = State.NEXT if ahead in (Act.TRAIN, Act.DEVICE) else State.LATER
    return step(state, "not yet", _expected(facts))


def _expected(facts: ProjectFacts) -> str:
    """How long it took before, and whether it costs money."""
    took = f"took {as_time(facts.seconds_before)} before" if facts.seconds_before is not None else ""
    money = "the cost is shown first" if facts.pays else "here, free" if facts.here else facts.where
    return ", ".join(filter(None, (took, money)))


def _compared(facts: ProjectFacts, ahead: Act) -> Step:
    def step(state: State, words: str, verb: str = "") -> Step:
        return Step("compare", "Compare", state, words, key="a" if verb else "", verb=verb)

    if not facts.looked or (facts.has_recipe and facts.runs is None):
        return step(State.UNKNOWN, "")
    trained = facts.trained
    if trained is None:
        return step(State.LATER, "needs a trained model")
    if trained.id in facts.compared:
        return Step("compare", "Compare", State.DONE, "both models have answered", key="5", verb="read")
    return step(State.NEXT if ahead is Act.COMPARE else State.LATER, "not yet", "compare")


def _published(facts: ProjectFacts, ahead: Act) -> Step:
    def step(state: State, words: str, verb: str = "") -> Step:
        return Step("publish", "Publish", state, words, key="6" if verb else "", verb=verb)

    if not facts.looked or (facts.has_recipe and facts.runs is None):
        return step(State.UNKNOWN, "")
    trained = facts.trained
    if trained is not None and trained.pushed_to:
        return step(State.DONE, trained.pushed_to, "look")
    needs = "needs a trained model" if trained is None else "needs a Hub login" if facts.account == "" else "not yet"
    if trained is None and facts.account == "":
        needs = "needs a Hub login"
    return step(State.NEXT if ahead is Act.PUBLISH else State.LATER, f"optional; {needs}", "publish" if trained else "")


def _word(run: Run) -> str:
    """The stage of a run as a word: `running`."""
    return "stopped" if run.stage == Stage.CANCELED else run.stage.lower()


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
