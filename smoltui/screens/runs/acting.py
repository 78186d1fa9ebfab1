"""What is done to runs: each act says first what will happen where it costs, destroys or cannot be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from textual import work

from smoltui.core.runs.cost import usd
from smoltui.core.runs.pace import as_time
from smoltui.core.runs.place import Target
from smoltui.core.runs.run import LABEL, Run, Stage
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.screens.dialogs import Confirm
from smoltui.screens.runs.base import RunsBase
from smoltui.widgets.run_list import RunList

Act = Callable[[Run], Awaitable[Run]]


class Acting(RunsBase):
    """Acts on the run under the cursor, or on all that are marked."""

    def _confirmed(self, question: str, consequence: str, yes: str, no: str, then: Callable[[], object]) -> None:
        def answered(answer: bool | None) -> None:
            if answer:
                then()

        self.app.push_screen(Confirm(question, consequence, yes, no), answered)

    @work(group="act")
    async def _each(self, runs: Sequence[Run], act: Act, said: str, *, show: bool = False) -> None:
        """Does one thing to several runs; one that fails keeps nobody from the others.

        With `show` the cursor goes to the first run that came of it.
        """
        done: list[Run] = []
        for run in runs:
            try:
                done.append(await act(run))
                self.smoltui.take_run(done[-1])
            except SmoltuiError as error:
                self.say(error)
        if done and said:
            self.say(f"{said}: {_named(done)}")
        if done and show:
            self.show_run(done[0].id)
        self.query_one(RunList).unmark()

    # -- ending

    def action_cancel(self) -> None:
        runs = [run for run in self.chosen() if not run.is_final]
        if not runs:
            return
        lost = "What they saved so far stays." if len(runs) > 1 else "What it saved so far stays."
        if any(self.engine_of(run).place.target is Target.JOB for run in runs):
            lost = "A Job's disk is deleted at its end: what was not pushed or saved to a volume is lost."
        name = f"the run {runs[0].name} ({runs[0].id})" if len(runs) == 1 else f"{len(runs)} runs: {_named(runs)}"
        self._confirmed(
            f"Cancel {name}?", lost, "cancel it" if len(runs) == 1 else "cancel them", "let it run",
            lambda: self._each(runs, lambda run: self.engine_of(run).cancel(run.id), ""),
        )  # fmt: skip

    def action_pause(self) -> None:
        """Pauses what runs, goes on with what stopped."""
        runs = self.chosen()
        going = [run for run in runs if not run.is_final]
        if going:
            self._confirmed(
                f"Pause {_named(going)}?",
                "The step at hand is finished and a checkpoint written; x goes on from there with the same curve.",
                "pause", "let it run",
                lambda: self._each(going, lambda run: self.engine_of(run).pause(run.id), "Pausing"),
            )  # fmt: skip
            return
        stopped = [run for run in runs if run.stage != Stage.COMPLETED]
        if stopped:
            self._each(stopped, lambda run: self.engine_of(run).resume(run.id), "Going on with")

    # -- again

    def action_rerun(self) -> None:
        runs = self.chosen()
        if not runs:
            return
        paid = [run for run in runs if self.engine_of(run).place.pays]
        words = ""
        if paid:
            worst = [self.worst(run) for run in paid]
            most = sum(value for value in worst if value is not None)
            words = f"It can cost at most {usd(most)}." if None not in worst else "What it can cost is not known."
            if len(paid) == 1:
                words += f" {safe_line(paid[0].flavor or '', 40)}, killed after {as_time(paid[0].timeout_seconds)}."
        self._confirmed(
            f"Run again: {_named(runs)}?", f"{words} Recipe as it was, the files it names as they are now.".strip(),
            "run it again", "leave it",
            lambda: self._each(runs, lambda run: self.engine_of(run).rerun(run.id), "Started", show=True),
        )  # fmt: skip

    # -- waiting

    def action_wait(self) -> None:
        """A bell at the end, or none any more."""
        keeper = self.smoltui.keeper
        runs = [run for run in self.chosen() if not run.is_final]
        if not runs:
            self.say("It has ended already")
            return
        ids = {run.id for run in runs}
        if ids <= keeper.waited:
            keeper.waited -= ids
            self.say(f"No bell at the end of {_named(runs)}")
        else:
            keeper.waited |= ids
            self.say(f"A bell rings when this ends: {_named(runs)}. So does: smoltui wait ID")
        self.query_one(RunList).tick()

    # -- labels

    def action_labels(self) -> None:
        runs = self.chosen()
        if not runs:
            return
        labels = {key: value for key, value in runs[0].labels.items() if key != LABEL} if len(runs) == 1 else {}
        shown = " ".join(f"{key}={value}" for key, value in labels.items())
        self.ask(
            "labels:", "key=value …; -key takes one away; those that are not named stay",
            lambda text: self._relabel(runs, text), shown,
        )  # fmt: skip

    def _relabel(self, runs: Sequence[Run], text: str) -> None:
        new: dict[str, str] = {}
        gone: list[str] = []
        for word in text.split():
            if word.startswith("-"):
                gone.append(word[1:])
            else:
                key, _, value = word.partition("=")
                new[key] = value
        if new or gone:
            self._each(runs, lambda run: self.engine_of(run).labels(run.id, new, gone), "Labels changed")

    # -- what is there besides runs

    def action_rules(self) -> None:
        from smoltui.screens.runs.rules_dialog import RulesDialog

        self.app.push_screen(RulesDialog(self.smoltui.project))

    def action_hardware(self) -> None:
        from smoltui.screens.runs.hardware_dialog import HardwareDialog

        self.app.push_screen(HardwareDialog(self.smoltui.project, self.smoltui.services))

    def action_scheduled(self) -> None:
        from smoltui.screens.runs.scheduled_dialog import ScheduledDialog

        chosen = self.chosen()
        job = next((run for run in chosen if "scheduled" in self.engine_of(run).place.can), None)
        self.app.push_screen(ScheduledDialog(self.smoltui, job))

    def action_ask_models(self) -> None:
        if self._run is not None:
            self.smoltui.ask_models(self._run.id)


def _named(runs: Sequence[Run]) -> str:
    shown = ", ".join(safe_line(run.name, 30) for run in runs[:3])
    return shown + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")
