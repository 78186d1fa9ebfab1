"""One run on its way out: its card, its entry, and what goes where. The room and the commands share it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from smoltui.backends.hub import client as hub
from smoltui.backends.project.project import Project
from smoltui.backends.publish import leaderboard, push, saved, submitting, weights
from smoltui.backends.publish.facts import Gathered, gather, read_run
from smoltui.backends.runs import published
from smoltui.backends.runs import store as run_store
from smoltui.backends.runs.engine import Engine
from smoltui.backends.runs.output_dir import broken_weights
from smoltui.backends.system import data_folder
from smoltui.backends.system.small_file import read_small_text, replace_small
from smoltui.backends.system.threads import in_thread
from smoltui.core.publish import pull_request
from smoltui.core.publish.card import card
from smoltui.core.publish.leaderboard import PullRequest
from smoltui.core.publish.record import Weights
from smoltui.core.publish.submission import Entry
from smoltui.core.runs.run import Run
from smoltui.errors import InputError, NotLoggedInError, PermissionDeniedError, ServiceError, SmoltuiError

EDITED = "card.md"
"""A card that was edited, in the run's folder."""
DISCARDED = f"{EDITED}.discarded"
"""The same after its edits were discarded."""
MERGED = "merged"
"""Folder of the merged model, in the run's folder."""
Tell = Callable[[str], None]
"""Receives what is being done, in words."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is known before anything is sent."""

    project: Project
    gathered: Gathered
    repo: str
    """Where the model goes, owner/name; an owner of `you` if nobody is logged in."""
    text: str
    """The card: edited, or as generated from the record."""
    is_edited: bool

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return run_store.run_dir(self.gathered.run.id)

    @property
    def choices(self) -> tuple[Weights, ...]:
        """What can be uploaded, the best first."""
        if self.gathered.folder is None:
            return (Weights.NONE,)
        if self.gathered.record.weights is not Weights.ADAPTER:
            return (Weights.FULL, Weights.NONE)
        order = (Weights.ADAPTER, Weights.MERGED, Weights.NONE)
        return order if self.gathered.record.base.repo else (Weights.MERGED, Weights.ADAPTER, Weights.NONE)

    def card_for(self, what: Weights) -> str:
        """The card that goes with this upload: the edited one as it is, or generated for these weights."""
        if self.is_edited or what in (Weights.NONE, self.gathered.record.weights):
            return self.text
        return card(replace(self.gathered.record, weights=what), self.repo)


async def open_publication(
    project: Project, engine: Engine, run: Run, *, ask_hub: bool = True, before: Publication | None = None
) -> Publication:
    """Gathers the facts of a run.

    With `ask_hub`, also the account and the base model's license; it does without them if the Hub is out of reach.
    Without, they are those of `before`, if that is about the same run.

    Raises:
        InputError: the run is not over, or has no recipe.
        RecipeError: settings or recipe cannot be read.
        ServiceError: the run is a Job and its log could not be read.
    """
    run, spec = await read_run(engine, run)
    gathered = await in_thread(lambda: gather(project, run, spec))
    folder = run_store.run_dir(run.id)
    pushed = await in_thread(lambda: published.pushed_repos(folder))
    repo, record = push.repo_known(gathered, next(iter(pushed), None)), gathered.record
    if ask_hub:
        with suppress(ServiceError):
            repo = repo or f"{(await hub.account()).name}/{push.slug(record.name)}"
            if record.base.license is None:
                record = replace(record, base=replace(record.base, license=await push.base_license(gathered)))
    if not ask_hub and before is not None and before.gathered.run.id == run.id:
        repo = repo or before.repo
        base, known = record.base, before.gathered.record.base
        if base.license is None and base.repo == known.repo:
            record = replace(record, base=replace(base, license=known.license))
    repo = repo or f"{push.NOBODY}/{push.slug(record.name)}"
    record = replace(record, name=repo.partition("/")[2])
    gathered = replace(gathered, record=record)
    edited = await in_thread(lambda: _edited(folder))
    return Publication(project, gathered, repo, edited or card(record, repo), edited is not None)


def _edited(folder: Path) -> str | None:
    try:
        return read_small_text(folder / EDITED)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"The edited card cannot be read as text: {folder / EDITED}", "Fix or delete it.") from error


def write_card_to_edit(publication: Publication) -> Path:
    """The card as a file for an editor, in the run's folder.

    Raises:
        InputError: it cannot be written.
    """
    path = publication.folder / EDITED
    try:
        data_folder.private_folder(publication.folder)
        replace_small(path, publication.text.encode())
    except OSError as error:
        raise InputError(f"The card cannot be written ({error.strerror}): {path}", "Free some space there.") from error
    return path


def drop_edited(publication: Publication, *, only_if_same: bool = False) -> bool:
    """Puts the edited card aside, so that it is generated again; with `only_if_same`, only if nothing was changed.

    Returns whether there was one. `restore_edited` brings it back.
    """
    path = publication.folder / EDITED
    with suppress(OSError, ValueError):
        text = read_small_text(path)
        if only_if_same and text.strip() and text != card(publication.gathered.record, publication.repo):
            return False
        path.replace(publication.folder / DISCARDED)
        return True
    return False


def restore_edited(publication: Publication) -> bool:
    """Brings back the edits that were discarded last; False if there are none, or the card was edited again since."""
    discarded, path = publication.folder / DISCARDED, publication.folder / EDITED
    with suppress(OSError):
        if not path.exists():
            discarded.replace(path)
            return True
    return False


def entry_of(publication: Publication) -> Entry:
    """The leaderboard entry: from smoltui.toml, or else from the record."""
    settings, record = publication.gathered.settings.submit, publication.gathered.record
    owner, _, name = publication.repo.partition("/")
    pushed = [each.dataset for each in record.benchmarks if each.dataset and not each.rehearsal]
    named = f"{owner}/details_{owner}__{name}"  # as LightEval 0.13 names it
    return Entry(
        username=owner,
        model_name=name,
        chapter=settings.chapter,
        method=settings.method,
        submission_date=today(),
        results_dataset=settings.results_dataset or (pushed[-1] if pushed else named),
        base_model=settings.base_model or record.base.repo or "",
        preference_dataset=settings.preference_dataset or record.pairs.repo or "",
    )


def today() -> str:
    """The date of an entry, UTC, such as 2026-11-30."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def description_of(publication: Publication, entry: Entry) -> str:
    """The pull request's text, with both commands."""
    record, run = publication.gathered.record, publication.gathered.run
    return pull_request.description(
        entry,
        training=pull_request.training_command(run.flavor, run.timeout_seconds, record.versions.get("trl", "")),
        recipe=record.recipe,
        evaluation=pull_request.evaluation_command(entry),
    )


async def prepare_submission(publication: Publication, *, replaces: int | None = None) -> leaderboard.Prepared:
    """The entry with all checks; publishes nothing. `replaces` and errors as for `leaderboard.prepare`."""
    space = publication.gathered.settings.submit.space
    return await leaderboard.prepare(space, entry_of(publication), today(), replaces=replaces)


async def submit(
    publication: Publication, prepared: leaderboard.Prepared, *, reopen: bool = False
) -> submitting.Submitted:
    """Opens the pull request, or closes a conflicting one and opens it again; keeps what was opened with the run.

    Raises:
        SmoltuiError: as `submitting.submit` and `reopen`. Where it can only be sent by hand, entry, diff and text are
            saved, and the hint says where they go.
    """
    text = description_of(publication, prepared.entry)
    try:
        if reopen:
            made = await submitting.reopen(prepared, text, today())
        else:
            made = await submitting.submit(prepared, text)
    except (PermissionDeniedError, NotLoggedInError) as error:
        raise await _for_hand(publication, prepared, text, error) from error
    facts = {"space": prepared.space, "number": made.number, "url": made.url, "commit": made.commit}
    entry = prepared.entry.as_json()
    await in_thread(lambda: published.keep(publication.folder, published.PULL_REQUEST, {**facts, "entry": entry}))
    return made


async def _for_hand(
    publication: Publication, prepared: leaderboard.Prepared, text: str, error: SmoltuiError
) -> SmoltuiError:
    """The error, with where the files for sending by hand are."""
    where = await in_thread(lambda: saved.save_for_later(publication.project.folder, prepared, text))
    return type(error)(error.message, f"{error.hint} {where}".strip())


def needs_hand(prepared: leaderboard.Prepared) -> bool:
    """Whether only a person can bring the entry to the leaderboard: discussions are off, or the file is not JSON."""
    return prepared.board is None or any(check.name == leaderboard.NO_DISCUSSIONS for check in prepared.checks)


async def save_for_hand(publication: Publication, prepared: leaderboard.Prepared) -> str:
    """Saves entry, diff and text in the project; returns where each goes. Raises InputError."""
    text = description_of(publication, prepared.entry)
    return await in_thread(lambda: saved.save_for_later(publication.project.folder, prepared, text))


async def plan_push(publication: Publication, what: Weights, tell: Tell = lambda words: None) -> push.PushPlan:
    """What a push would publish. A merged model is made first, in a child.

    Raises:
        SmoltuiError: as `push.plan_push`, and `weights.merge` for a merged model.
    """
    folder = publication.gathered.folder
    if what is Weights.MERGED and folder is not None:
        folder = await merged(publication, tell)
    return await push.plan_push(publication.gathered, publication.repo, what, publication.card_for(what), folder)


async def merged(publication: Publication, tell: Tell = lambda words: None) -> Path:
    """The folder of the merged model, which is made unless it is newer than the adapter. Raises as `weights.merge`."""
    adapter, output = publication.gathered.folder, publication.folder / MERGED
    if adapter is None:
        raise InputError("The adapter is not on this machine", "Push the card only, or choose another run.")
    made, changed = data_folder.mtime(output / "model.safetensors"), data_folder.mtime(adapter / "adapter_config.json")
    if made is not None and changed is not None and made >= changed and broken_weights(output) is None:
        return output
    name = str(publication.gathered.values.get("model_name_or_path") or "")
    local = publication.project.resolve(name)
    base = str(local) if local.is_dir() else name
    revision = publication.gathered.values.get("model_revision")
    tell("merging the adapter into its base model")
    steps = weights.merge(adapter, base, str(revision) if revision and not local.is_dir() else None, output)
    async with aclosing(steps) as events:
        async for _ in events:
            pass
    return output


async def send(publication: Publication, plan: push.PushPlan) -> push.Pushed:
    """Pushes, and keeps what was pushed with the run. Raises as `push.push`."""
    made = await push.push(plan)
    facts = {"repo": made.repo, "commit": made.commit, "weights": plan.weights.value}
    await in_thread(lambda: published.keep(publication.folder, published.PUSH, facts))
    return made


async def board_and_pulls(space: str) -> tuple[leaderboard.Board, list[PullRequest], str | None]:
    """The leaderboard, the account's pull requests to it, and the account's name (None: nobody is logged in).

    Raises:
        InputError: the file is not JSON. ServiceError: the Hub could not be asked.
    """
    from smoltui.backends.publish import pulls

    board = await leaderboard.read(space)
    try:
        account = (await hub.account()).name
    except NotLoggedInError:
        return board, [], None
    try:
        return board, await pulls.own_pulls(space, account), account
    except PermissionDeniedError:  # the Space takes none
        return board, [], account
