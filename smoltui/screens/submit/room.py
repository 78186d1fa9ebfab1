"""Submit: the card of a run, checks, what is published where, and the leaderboard. Nothing is sent without a dialog."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from textual import work
from textual.binding import BindingType

from smoltui.backends.publish import publication as publishing
from smoltui.backends.publish.publication import Publication
from smoltui.core.guide.ends import Act, End, Outcome, cause_of
from smoltui.core.preflight.check import Check
from smoltui.core.publish.leaderboard import State
from smoltui.core.publish.record import Weights
from smoltui.core.settings.file_name import FILE_NAME
from smoltui.errors import SmoltuiError
from smoltui.screens.dialogs import Confirm
from smoltui.screens.room import View
from smoltui.screens.submit import drawing
from smoltui.screens.submit.card_reader import CardReader
from smoltui.screens.submit.publish_dialog import PublishDialog
from smoltui.screens.submit.texts import push_text, push_yes, sentence, submit_text
from smoltui.screens.submit.views import VIEWS, SubmitViews
from smoltui.widgets.actions import bindings
from smoltui.widgets.next_step import next_step

NOTHING_SENT = "Nothing was published."
NEEDS_RUN = frozenset({"check", "edit", "upload", "push", "submit", "undo"})
"""Actions on the run that is shown."""
NEEDS_HUB = NEEDS_RUN | {"reopen", "reload", "other"}
"""Actions that wait until the Hub has answered."""


class SubmitRoom(SubmitViews):
    """Shows what would be published, and publishes it after a question."""

    MODE = "submit"
    VIEWS = (
        View("c", "Checks", "show('checks')"),
        View("m", "Model card", "show('card')"),
        View("d", "What changes on the Hub", "show('change')"),
        View("b", "Leaderboard", "show('board')"),
    )
    CSS_PATH = "submit.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("submit")

    # -- keys

    def why_not(self, action: str, parameters: tuple[object, ...]) -> str | None:
        if action == "stop":
            return "" if self._working else "Nothing is running"
        if action in NEEDS_HUB and self._working:
            return f"{self._working}… Press x to stop it first"
        found = self._found
        if action in NEEDS_RUN and found is None:
            return self._missing.removesuffix(".")
        if action == "upload" and found is not None and len(found.choices) < 2:
            return "There is only one thing to upload: the card and what belongs to it"
        if action == "reopen" and (self._prepared is None or self._prepared.conflicting is None):
            return "No pull request of yours is in conflict. Press a to check"
        if action == "undo" and found is not None and not found.is_edited:
            return "The card is as it was generated: there is no edit to undo"
        if action == "other" and len(self._candidates) < 2:
            return "There is no other finished run in this project"
        return super().why_not(action, parameters)

    @property
    def has_view_in_front(self) -> bool:
        return self._view != VIEWS[0][0]

    def close_view(self) -> None:
        self._show(VIEWS[0][0])

    def action_show(self, view: str) -> None:
        self._show(view)

    def action_view(self) -> None:
        names = [name for name, _ in VIEWS]
        self._show(names[(names.index(self._view) + 1) % len(names)])

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "hub")

    def action_reload(self) -> None:
        self._board = None
        self._load()
        if self._view == "board":
            self._read_board()

    def action_other(self, step: int) -> None:
        ids = [run.id for run in self._candidates]
        now = self._found.gathered.run.id if self._found else ""
        at = ids.index(now) if now in ids else 0
        self._wish = ids[(at + step) % len(ids)]
        self._what = None
        self._load()

    def action_upload(self) -> None:
        """Switches to the next thing that can be uploaded."""
        if self._found is not None:
            choices = self._found.choices
            self._what = choices[(choices.index(self._uploads()) + 1) % len(choices)]
            self._plan = None
            self.query_one(CardReader).show(drawing.card_preview(self._card()))
            self._draw()

    def action_edit(self) -> None:
        """Opens the card in the user's editor; in the other views smoltui.toml, which has the fields of the entry."""
        from smoltui.screens.editing import edit_file

        if self._found is None:  # the key is disabled
            return
        try:
            if self._view == "card":
                edit_file(self, publishing.write_card_to_edit(self._found))
                publishing.drop_edited(self._found, only_if_same=True)
            else:
                edit_file(self, self.workspace.project.folder / FILE_NAME)
        except SmoltuiError as error:
            self.say(error)
        self._load()

    def action_undo(self) -> None:
        """Replaces the edited card with the generated one."""
        found = self._found

        def answered(yes: bool | None) -> None:
            if yes and found is not None:
                publishing.drop_edited(found)
                self.say("Discarded your edits to the card · ctrl+r brings them back")
                self._load()

        question = "Discard your edits to the card?"
        self.app.push_screen(
            Confirm(
                question,
                "The card is generated from the record again; ctrl+r brings your edits back.",
                "discard",
                "keep",
            ),
            answered,
        )

    def action_redo(self) -> None:
        """Brings back the edits that were discarded."""
        if self._found is not None and publishing.restore_edited(self._found):
            self.say("Your edits to the card are back · u discards them")
            self._load()
        else:
            self.say("No edits to the card were discarded")

    def action_check(self) -> None:
        self._busy("Checking", self._check, None)

    def action_push(self) -> None:
        self._busy("Preparing the push", self._ask_push, Act.PUSH)

    def action_submit(self) -> None:
        self._busy("Checking the entry", self._ask_submit)

    def action_reopen(self) -> None:
        self._busy("Checking the entry", self._ask_reopen)

    # -- work that asks the Hub

    @work(group="hub", exclusive=True)
    async def _busy(
        self, doing: str, act: Callable[[], Coroutine[Any, Any, str]], acts: Act | None = Act.SUBMIT
    ) -> None:
        """Runs work that returns what the status says; an error or a stop is said there too.

        `acts`: what fails with it; None for the check, which sends nothing.
        """
        self._working = doing
        self._status(f"{doing}… (x stops it)")
        self._draw()
        said, self._end = "", None
        try:
            said = await act()
        except SmoltuiError as error:
            said = sentence(error)
            if acts is None:
                said += " Press a to try again."
            else:
                self._end = End(acts, Outcome.FAILED, cause_of(error.message))
        except asyncio.CancelledError:
            said = "Stopped. See the Hub before you try again, if something was being sent."
            if acts is None:
                said = "Stopped. Press a to check again."
            else:
                self._end = End(acts, Outcome.STOPPED)
            raise
        finally:
            self._working = ""
            if self.is_attached:
                following = next_step(self, self._end) if self._end is not None else ""
                self._status(f"{said} {following}".strip())
                self._draw()

    async def _refreshed(self) -> Publication:
        """The publication with what the Hub knows."""
        if self._found is not None:
            await self._open(self._found.gathered.run, ask_hub=True)
        if self._found is None:
            raise SmoltuiError("There is no run to publish", "Press t to train one.")
        return self._found

    async def _check(self) -> str:
        found = await self._refreshed()
        self._prepared = await publishing.prepare_submission(found)
        if self._uploads() is not Weights.MERGED:  # merging takes long: P does it
            self._plan = await publishing.plan_push(found, self._uploads())
        self._show("checks")
        if sent := [pull for pull in self._prepared.pulls if pull.has_entry and pull.state is State.OPEN]:
            return f"Submitted: pull request #{sent[0].number} is open. P pushes again. {NOTHING_SENT}"
        stops = [check for check in self._checks() if check.level == "stop"]
        if stops:
            return f"{len(stops)} to fix. {NOTHING_SENT}"
        return f"Everything is ready: P pushes, S submits. {NOTHING_SENT}"

    def _checks(self) -> list[Check]:
        plan = list(self._plan.checks) if self._plan else []
        return plan + (list(self._prepared.checks) if self._prepared else [])

    async def _ask_push(self) -> str:
        found = await self._refreshed()
        self._plan = plan = await publishing.plan_push(found, self._uploads(), lambda words: self._status(f"{words}…"))
        if not await self._agreed(PublishDialog("Push to the Hub", push_text(plan), push_yes(plan), may=plan.may_push)):
            return NOTHING_SENT
        self._status("Pushing… (x stops it)")
        made = await publishing.send(found, plan)
        await self._open(found.gathered.run, ask_hub=True)
        said = f"Published: {made.url} at {made.commit[:7]}" if made.changed else f"Nothing has changed: {made.url}"
        self._end = End(Act.PUSH)
        return f"{said}."

    async def _ask_submit(self) -> str:
        found = await self._refreshed()
        self._prepared = prepared = await publishing.prepare_submission(found)
        saved = await publishing.save_for_hand(found, prepared) if publishing.needs_hand(prepared) else ""
        body = submit_text(prepared, publishing.description_of(found, prepared.entry), saved)
        if not await self._agreed(PublishDialog("Submit to the leaderboard", body, "open", may=prepared.may_submit)):
            return saved or NOTHING_SENT
        self._status("Opening the pull request… (x stops it)")
        return await self._submit()

    async def _ask_reopen(self) -> str:
        found = await self._refreshed()
        self._prepared = await publishing.prepare_submission(found)
        old = self._prepared.conflicting
        if old is None:
            return f"None of your pull requests with this entry is in conflict. {NOTHING_SENT}"
        fresh = await publishing.prepare_submission(found, replaces=old.number)
        body = submit_text(fresh, publishing.description_of(found, fresh.entry), "")
        title = f"Close pull request #{old.number} and open a new one"
        if not await self._agreed(PublishDialog(title, body, "close and open", may=fresh.may_submit)):
            return NOTHING_SENT
        self._status("Opening the new pull request… (x stops it)")
        return await self._submit(reopen=True)

    async def _submit(self, *, reopen: bool = False) -> str:
        if self._found is None or self._prepared is None:
            return NOTHING_SENT
        made = await publishing.submit(self._found, self._prepared, reopen=reopen)
        self._prepared = await publishing.prepare_submission(self._found)
        self._board, self._end = None, End(Act.SUBMIT)
        return f"Pull request #{made.number} is open: {made.url}"

    def _agreed(self, dialog: PublishDialog) -> Awaitable[bool | None]:
        return self.app.push_screen_wait(dialog)
