"""Actions on runs. Whatever costs money, destroys something or cannot be undone asks first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from textual import work

from smoltui.backends.runs.acts import Act
from smoltui.core.guide.ends import after
from smoltui.core.runs.acts import CANCEL, PAUSE, RELABEL, RERUN, RESUME, Verb, named
from smoltui.core.runs.cost import usd, worst_cost
from smoltui.core.runs.label_text import HINT as LABELS_HINT
from smoltui.core.runs.label_text import label_changes, labels_in_text
from smoltui.core.runs.pausing import cannot_pause
from smoltui.core.runs.place import Target
from smoltui.core.runs.rerun import as_before
from smoltui.core.runs.rivals import rival_again, rivals_among
from smoltui.core.runs.run import Run, RunSpec, Stage
from smoltui.screens.dialogs import SECOND, Confirm
from smoltui.screens.runs.base import RunsBase
from smoltui.screens.runs.run_list import RunList


class Acting(RunsBase):
    """Actions on the run under the cursor, or on all marked runs."""

    def _confirmed(self, question: str, consequence: str, yes: str, no: str, then: Callable[[], object]) -> None:
        def answered(answer: bool | None) -> None:
            if answer:
                then()

        self.app.push_screen(Confirm(question, consequence, yes, no), answered)

    def _each(self, verb: Verb, runs: Sequence[Run], act: Act, *, show: bool = False) -> None:
        """Begins an act on several runs, which continues if it fails for one of them, and outlives this room.

        With `show` the cursor moves to the first resulting run.
        """
        self.query_one(RunList).unmark()
        here = any(self.engine_of(run).place.on_disk for run in runs)
        # Each new run on this machine gets the first free folder: two at once would get the same.
        shows = self._show_result if show else None
        self.workspace.acts.begin(verb, runs, act, one_by_one=here and verb is RERUN, shows=shows)

    def _show_result(self, run: Run) -> None:
        if self.is_mounted:
            self.show_run(run.id)

    # -- ending

    def action_cancel(self) -> None:
        highlighted = self.query_one(RunList).highlighted
        if (
            highlighted is not None
            and not self.query_one(RunList).marked
            and self.workspace.acts.forget(highlighted.id)
        ):
            return  # the row of a start that failed
        runs = [run for run in self.chosen() if not run.is_final]
        if not runs:
            return
        lost = "Checkpoints saved so far are kept."
        if any(self.engine_of(run).place.target is Target.JOB for run in runs):
            lost = "A Job's disk is deleted when it ends: anything not pushed or saved to a volume is lost."
            kept = [run.kept_step for run in runs if run.kept_step]
            if kept and len(runs) == 1:
                lost += f" The checkpoint of step {kept[0]} is kept: x resumes from it."
            elif kept:
                lost += f" {len(kept)} of them have kept a checkpoint, from which x resumes."
        name = f"the run {runs[0].name} ({runs[0].id})" if len(runs) == 1 else f"{len(runs)} runs: {_named(runs)}"
        self._confirmed(
            f"Cancel {name}?",
            lost,
            "cancel it" if len(runs) == 1 else "cancel them",
            "keep running",
            lambda: self._each(CANCEL, runs, lambda run: self.engine_of(run).cancel(run.id)),
        )

    def has_not_begun(self, run: Run) -> bool:
        """Whether a run waits for its first start; the log may know better than the list, which is older."""
        followed = self._run is not None and self._run.id == run.id and self._run.phase
        return run.stage == Stage.SCHEDULING and not run.phase and not followed

    def going(self, runs: Sequence[Run]) -> list[Run]:
        """Those of these runs that have begun and not ended."""
        return [run for run in runs if not run.is_final and not self.has_not_begun(run)]

    def action_pause(self) -> None:
        """Pauses active runs, or resumes stopped ones. `why_not` refuses if none of the active ones can be paused."""
        runs = self.chosen()
        going = self.going(runs)
        if going:
            can = [run for run in going if "pause" in self.engine_of(run).place.can]
            others = [run for run in going if "pause" not in self.engine_of(run).place.can]
            consequence = "The current step finishes and a checkpoint is saved. Press x to resume from it."
            if others:
                why = " and ".join(dict.fromkeys(cannot_pause(self.engine_of(run).place) for run in others))
                consequence += f" {_named(others)} continue{'s' if len(others) == 1 else ''}: {why}."
            self._confirmed(
                f"Pause {_named(can)}?",
                consequence,
                "pause",
                "keep running",
                lambda: self._each(PAUSE, can, lambda run: self.engine_of(run).pause(run.id)),
            )
            return
        stopped = [run for run in runs if run.is_final and run.stage != Stage.COMPLETED]
        paid = [run for run in stopped if self.engine_of(run).place.pays]
        if len(paid) == 1 == len(stopped):
            self._ask_again(paid[0], resume=True)
        elif paid:
            self.say("Resuming a Job costs money: resume one at a time", severity="warning")
        elif stopped:
            self._each(RESUME, stopped, lambda run: self.engine_of(run).resume(run.id))

    @work
    async def _ask_again(self, run: Run, *, resume: bool) -> None:
        """Asks how a run that costs money is started again."""
        from smoltui.screens.runs.again_dialog import Again, AgainDialog

        engine = self.engine_of(run)

        def answered(chosen: Again | None) -> None:
            if chosen is None:
                return
            if chosen.resume:
                self._each(RESUME, [run], lambda one: engine.resume(one.id, chosen.changes))
            else:
                self._each(RERUN, [run], lambda one: engine.rerun(one.id, chosen.changes), show=True)

        with self.workspace.hold_keys():
            spec, takes_changes = await engine.started_with(run), await engine.takes_changes(run)
            if not self.is_current:
                return
            dialog = AgainDialog(
                run,
                spec,
                engine,
                self.workspace.monitor.flavors(run.engine),
                resume=resume,
                takes_changes=takes_changes,
                rival=partial(self._rival, run, spec),
            )
            self.app.push_screen(dialog, answered)

    def _rival(self, run: Run, spec: RunSpec | None, resume: bool) -> str:
        """A run under way beside which this one would be started again or resumed, one sentence; empty: there is none.

        `spec`: what it was started with; None if unknown.
        """
        going, starting = self.workspace.under_way(), self.workspace.acts.starting
        on_disk = self.engine_of(run).place.on_disk
        return rival_again(run, spec, going, starting, on_disk=on_disk, resume=resume)

    # -- what is next

    def action_fix(self) -> None:
        """Opens the recipe at the field that the failure of the run is about."""
        run = self.known
        if run is not None:
            offers = after(self.end_of(run)) if run.is_final else ()
            self.workspace.open_recipe(next((offer.about for offer in offers if offer.action == "fix"), ""))

    # -- running again

    def action_rerun(self) -> None:
        runs = self.chosen()
        if len(runs) == 1 and self.engine_of(runs[0]).place.pays:
            self._ask_again(runs[0], resume=False)
        elif runs:
            self._ask_all_again(runs)

    @work
    async def _ask_all_again(self, runs: Sequence[Run]) -> None:
        """Asks before several runs, or one that is free, are started again as they were."""
        with self.workspace.hold_keys():
            specs = [await self.engine_of(run).started_with(run) for run in runs]
            if not self.is_current:
                return
            found = list(zip(runs, specs, strict=True))
            others = [self._rival(run, spec, resume=False) for run, spec in found]
            others.append(rivals_among([spec for spec in specs if spec is not None]))
            words = [f"{other}. {SECOND}?" for other in others if other][:1]
            if worst := [self._worst_again(run, spec) for run, spec in found if self.engine_of(run).place.pays]:
                most = sum(value for value in worst if value is not None)
                words.append(f"Costs at most {usd(most)}." if None not in worst else "The maximum cost is unknown.")
            if None not in specs:
                words.append("Uses the original recipe and the current data files.")
            self._confirmed(
                f"Run again: {_named(runs)}?",
                " ".join(words),
                "run again",
                "cancel",
                lambda: self._each(RERUN, runs, lambda run: self.engine_of(run).rerun(run.id), show=True),
            )

    def _worst_again(self, run: Run, spec: RunSpec | None) -> float | None:
        """The most that a run costs in USD if it is started again as it was; None if unknown."""
        before = as_before(run, spec)
        flavor = self.workspace.monitor.flavor(run.engine, before.flavor)
        return None if flavor is None else worst_cost(flavor, before.timeout_seconds, before.attempts)

    # -- notifications

    def action_wait(self) -> None:
        """Turns the notification at the end of runs on or off."""
        monitor = self.workspace.monitor
        runs = [run for run in self.chosen() if not run.is_final]
        ids = {run.id for run in runs}
        if ids <= monitor.waited:
            monitor.waited -= ids
            self.say(f"No notification when {_named(runs)} finishes")
        else:
            monitor.waited |= ids
            self.say(f"You will be notified when {_named(runs)} finishes. In a shell: smoltui wait ID")
        self.query_one(RunList).tick()

    # -- labels

    def action_labels(self) -> None:
        runs = self.chosen()
        if not runs:
            return
        shown = labels_in_text(runs[0].labels) if len(runs) == 1 else ""
        self.ask(f"labels of {_named(runs)}:", LABELS_HINT, lambda text: self._relabel(runs, text), shown)

    def _relabel(self, runs: Sequence[Run], text: str) -> None:
        new, gone = label_changes(text)
        if new or gone:
            self._each(RELABEL, runs, lambda run: self.engine_of(run).labels(run.id, new, gone))

    # -- dialogs

    def action_rules(self) -> None:
        from smoltui.screens.runs.rules_dialog import RulesDialog

        self.app.push_screen(RulesDialog(self.workspace.project))

    def action_hardware(self) -> None:
        from smoltui.screens.runs.hardware_dialog import HardwareDialog

        self.app.push_screen(HardwareDialog(self.workspace.project, self.workspace.services))

    def action_scheduled(self) -> None:
        from smoltui.screens.runs.scheduled_dialog import ScheduledDialog

        chosen = self.chosen()
        job = next((run for run in chosen if "scheduled" in self.engine_of(run).place.can), None)
        self.app.push_screen(ScheduledDialog(self.workspace, job))

    def action_ask_models(self) -> None:
        if self._run is not None:
            self.workspace.ask_models(self._run.id)


def _named(runs: Sequence[Run]) -> str:
    """The names of the first three runs, and how many more there are."""
    return named([run.name for run in runs])
