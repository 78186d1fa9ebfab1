"""Publishes a model: its card, its weights and its results, in one commit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smoltui.backends.hub import client as hub
from smoltui.backends.publish import commits
from smoltui.backends.publish.facts import Gathered
from smoltui.backends.publish.hub_reading import RepoInfo, api_path, file_at, page, public_info, repo_info
from smoltui.backends.runs.output_dir import broken_weights
from smoltui.backends.system import data_folder
from smoltui.backends.system.threads import in_thread
from smoltui.core.foreign.server_values import mapping_in, text_in
from smoltui.core.foreign.token_stop import leak_in_file
from smoltui.core.preflight.check import Check, may_start
from smoltui.core.publish import card, curves
from smoltui.core.publish.eval_results import Result, results_of
from smoltui.core.publish.record import WEIGHTS_IN_WORDS, Weights
from smoltui.core.publish.submission import REPO_ID, passed, shown, stop, warn
from smoltui.errors import InputError, NotFoundOnHubError, SmoltuiError, UnreachableError

DOING = "push the model"
NOBODY = "you"
"""In place of the account's name in a card, while it is not known."""
ADAPTER_CONFIG, BASE_KEY = "adapter_config.json", "base_model_name_or_path"
"""peft's file of an adapter, and its key for the base model."""
_UPLOADED = re.compile(
    r"(?:.+\.safetensors(?:\.index\.json)?|(?:adapter_|generation_)?config\.json|tokenizer(?:_config)?\.json|"
    r"tokenizer\.model|special_tokens_map\.json|added_tokens\.json|vocab\.(?:json|txt)|merges\.txt|chat_template\.jinja)"
)
"""Files of a model's folder that belong to the model: no checkpoints, optimizer, logs or caches."""


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What a push would publish, and where."""

    repo: str
    private: bool
    """Whether the repository will be private; of an existing one, whether it is."""
    exists: bool
    weights: Weights
    files: Mapping[str, commits.Content]
    """Path in the repository → its bytes, or where it is on this machine."""
    checks: tuple[Check, ...]
    title: str
    head: str | None = None
    """Newest commit of the repository; None if it does not exist."""

    @property
    def may_push(self) -> bool:
        return may_start(list(self.checks))

    @property
    def sizes(self) -> list[tuple[str, int]]:
        """(path in the repository, bytes), in the order of the names."""
        return [
            (name, len(content) if isinstance(content, bytes) else content.stat().st_size)
            for name, content in sorted(self.files.items())
        ]


def repo_known(gathered: Gathered, pushed: str | None) -> str | None:
    """Where the model belongs: from smoltui.toml, the last push, the run or the recipe; None if none says it."""
    named = gathered.values.get("hub_model_id")
    in_recipe = named if isinstance(named, str) and REPO_ID.fullmatch(named) else None
    return gathered.settings.submit.model or pushed or gathered.run.pushed_to or in_recipe


def slug(name: str) -> str:
    """A name as one of the Hub: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[.-]{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "-", name)).strip("-.")[:96] or "model"


async def plan_push(gathered: Gathered, repo: str, weights: Weights, text: str, folder: Path | None) -> PushPlan:
    """What pushing the card `text` with `weights` from `folder` would do; publishes nothing.

    Raises:
        ServiceError: nobody is logged in, or the Hub could not be asked.
        InputError: the folder cannot be read.
    """
    account = await hub.account()
    checks = _local_checks(gathered, repo, weights, text)
    if account.can_write is False:
        said = f"The token is read-only and cannot {DOING}: {account.token_name or account.name}"
        checks.append(stop("token", said, f"Create one with write access at {hub.endpoint()}/settings/tokens"))
    if not account.writes_to(owner := repo.partition("/")[0]):
        why = (
            f"your role in {owner} is read" if owner in account.read_only_orgs else "the repository is somebody else's"
        )
        said = f"You are logged in as {account.name}, and {why}: {shown(repo)}"
        checks.append(warn("repository", said, "Set submit.model in smoltui.toml (e opens it)."))
    files: dict[str, commits.Content] = {card.NAME: text.encode("utf-8", "replace")}
    if (picture := await in_thread(lambda: curves.curves_png(gathered.record.curves))) is not None:
        files[curves.NAME] = picture
    if weights is not Weights.NONE and folder is not None:
        found = await in_thread(lambda: model_files(folder))
        problem = await in_thread(lambda: broken_weights(folder))
        if problem:
            checks.append(stop("weights", problem, "Train again, or choose another run."))
        files |= {name: path for name, path in found.items() if name not in files}
        files |= await in_thread(lambda: _with_base(folder, gathered.record.base.repo))
    files |= {result.path: result.as_yaml().encode() for result in await _registered(gathered)}
    info = await _info(repo) if REPO_ID.fullmatch(repo) else None
    checks += await _card_checks(text) + _other_weights(info, weights)
    private = gathered.settings.submit.private if info is None else info.private
    title = f"{'Update' if info else 'Add'} {WEIGHTS_IN_WORDS[weights]} of run {gathered.run.id}"
    return PushPlan(
        repo, private, info is not None, weights, files, tuple(checks), title, info.commit if info else None
    )


def _local_checks(gathered: Gathered, repo: str, weights: Weights, text: str) -> list[Check]:
    found: list[Check] = []
    if not REPO_ID.fullmatch(repo):
        said = f"Not a name of the Hub, owner/name: {shown(repo)}"
        found.append(stop("repository", said, "Set submit.model in smoltui.toml (e opens it)."))
    for name, content in (("The recipe", gathered.record.recipe), ("The card", text)):
        if leak := leak_in_file(name, content, is_recipe=name == "The recipe"):
            found.append(stop("token", leak.sentence, leak.next_step))
    if f'"{NOBODY}/' in text:
        said = f"The edited card still names the repository {NOBODY}/{shown(gathered.record.name)}"
        found.append(stop("card", said, f"Write {shown(repo)} (e), or discard your edits (u)."))
    if weights is not Weights.NONE and gathered.folder is None:
        said = "The weights are not on this machine"
        found.append(stop("weights", said, "Push the card only (space), or choose another run."))
    if weights is Weights.ADAPTER and gathered.record.base.repo is None:
        said = f"The adapter's base model is a folder of this machine: {shown(gathered.record.base.name)}"
        found.append(stop("weights", said, "Push the merged model (space): others cannot load the adapter alone."))
    if gathered.record.base.repo is None:
        said = "The base model is not on the Hub, so the card cannot link to it"
        found.append(warn("base model", said, "If it is there under a name, set submit.base_model in smoltui.toml."))
    if gathered.record.base.license is None:
        found.append(warn("license", "The license of the base model is unknown", "Set submit.license in smoltui.toml."))
    if gathered.record.measurement is None:
        found.append(warn("figures", "The held-out figures were not measured", "Measure them: press 5, then m."))
    return found or [passed("record", "The record is complete")]


async def _card_checks(text: str) -> list[Check]:
    """What the Hub says about the card's metadata."""
    doing = "check the card"
    if not text.startswith("---\n"):
        said = "The card has no metadata: it must begin with a line of three dashes"
        return [stop("card", said, "Undo that, or delete the edited card.")]
    try:
        async with hub.session(doing, anonymous=True) as session:
            body = {"repoType": "model", "content": text}
            response = await session.send("POST", "/api/validate-yaml", doing=doing, body=body)
            data = mapping_in(hub.decoded(response, doing))
    except InputError as error:
        return [stop("card", error.message, "Edit the block between the dashes (e).")]
    rows = data.get("warnings")
    told = [text_in(mapping_in(row).get("message")) for row in rows] if isinstance(rows, list) else []
    warned = [warn("card", f"The Hub warns about the card: {shown(words)}") for words in told if words]
    return warned or [passed("card", "The Hub accepts the card's metadata")]


async def _info(repo: str) -> RepoInfo | None:
    doing = "look at the repository"
    async with hub.session(doing) as session:
        try:
            return await repo_info(session, "model", repo, doing=doing)
        except NotFoundOnHubError:
            return None


async def _registered(gathered: Gathered) -> list[Result]:
    """Results of benchmarks that the Hub lists as such: the data set's `eval.yaml` names the task."""
    found = []
    doing = "look at the benchmark"
    for result in results_of(gathered.record.benchmarks):
        info = await public_info("dataset", result.registered.dataset, doing=doing)
        if info is None or "eval.yaml" not in info.files:
            continue
        async with hub.session(doing, public=True) as session:
            data = await file_at(session, "dataset", info.id, info.commit, "eval.yaml", doing=doing)
        if re.search(rf"^\s*-?\s*id:\s*['\"]?{re.escape(result.registered.task_id)}['\"]?\s*$", data.decode(), re.M):
            found.append(result)
    return found


def model_files(folder: Path) -> dict[str, Path]:
    """The files of a model's folder that are uploaded. Raises InputError if it cannot be read."""
    try:
        return {
            path.name: path for path in sorted(folder.iterdir()) if path.is_file() and _UPLOADED.fullmatch(path.name)
        }
    except OSError as error:
        raise InputError(f"The model's folder cannot be read ({error.strerror}): {folder}", "Train again.") from error


def _with_base(folder: Path, base: str | None) -> dict[str, commits.Content]:
    """The adapter's configuration with the Hub id of its base model, if it names another one, such as a folder."""
    path = folder / ADAPTER_CONFIG
    config = data_folder.read_json(path)
    if config is None or base is None or config.get(BASE_KEY) == base:
        return {}
    return {ADAPTER_CONFIG: (json.dumps({**config, BASE_KEY: base}, indent=2) + "\n").encode()}


def _other_weights(info: RepoInfo | None, weights: Weights) -> list[Check]:
    """What the repository has that is not replaced, and would be loaded instead of what is uploaded, or with it."""
    if info is None or weights is Weights.NONE:
        return []
    adapter = weights is Weights.ADAPTER
    other = [name for name in info.files if name.endswith(".safetensors") and name.startswith("adapter_") != adapter]
    if not other:
        return []
    kind = "a model" if adapter else "an adapter"
    said = f"The repository also has {kind}: {', '.join(map(shown, other[:3]))}"
    return [warn("weights", said, "Delete it on the Hub, or set another submit.model: loaders may take either.")]


async def base_license(gathered: Gathered) -> str | None:
    """License of the base model as its card on the Hub says; None if unknown. Raises ServiceError."""
    repo = gathered.record.base.repo
    if repo is None:
        return None
    info = await public_info("model", repo, doing="read the license of the base model")
    return info.license if info else None


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push that was made."""

    repo: str
    commit: str
    url: str
    """Of the repository."""
    changed: bool = True
    """False: the repository had all of it already, so there was nothing to commit."""


async def push(plan: PushPlan) -> Pushed:
    """Creates the repository if necessary, and makes one commit.

    Raises:
        InputError: a check stops it.
        ServiceError: the Hub refused or did not answer; the message says whether the commit was made.
    """
    if not plan.may_push:
        problem = next(check for check in plan.checks if check.level == "stop")
        raise InputError(problem.sentence, problem.next_step)
    client = await commits.api()
    if not plan.exists:

        def create() -> None:
            client.create_repo(plan.repo, private=plan.private, exist_ok=True)

        await hub.guarded(in_thread(create), "create the repository")
    try:
        made = await commits.create_commit("model", plan.repo, plan.files, title=plan.title, doing=DOING)
    except commits.LostAnswerError as error:
        made = await _found(plan, error)
    return Pushed(plan.repo, made.oid, page("model", plan.repo), made.oid != plan.head)


async def _found(plan: PushPlan, error: SmoltuiError) -> commits.Commit:
    """The commit whose answer was lost, if the newest one of the repository is ours. Raises UnreachableError."""
    try:
        async with hub.session(DOING) as session:
            rows = await session.get(api_path("model", plan.repo, "commits", "main"), doing=DOING)
    except SmoltuiError:
        said = "The connection was lost while pushing; the commit may or may not have been made"
        raise UnreachableError(said, f"Check before you try again: {page('model', plan.repo)}/commits/main") from error
    newest = mapping_in(rows[0]) if isinstance(rows, list) and rows else {}
    oid = text_in(newest.get("id"))
    if oid is None or oid == plan.head or newest.get("title") != plan.title:
        raise UnreachableError("The Hub's answer was lost while pushing; no commit was made", "Try again.") from error
    return commits.Commit(oid, f"{page('model', plan.repo)}/commit/{oid}")
