"""Submitting to the leaderboard through the real client: one pull request, whatever happens on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smoltui.backends.hub import client as hub
from smoltui.backends.publish import leaderboard
from smoltui.backends.publish.publication import (
    Publication,
    needs_hand,
    open_publication,
    prepare_submission,
    save_for_hand,
    submit,
)
from smoltui.backends.runs.published import kept
from smoltui.core.publish.leaderboard import State
from smoltui.errors import InputError, PermissionDeniedError, RateLimitedError, ServiceError, SmoltuiError
from tests.backends.publish.published import (
    DETAILS,
    MODEL,
    OLD,
    RESULTS,
    SPACE,
    board_bytes,
    make_published,
    seed,
)
from tests.core.publish.test_board_file import SHAPES
from tests.core.publish.test_results import results
from tests.hub.repos import Repo
from tests.hub.server import LocalHub, local_hub


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with local_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def space(server: LocalHub) -> Repo:
    return seed(server)


async def opened(folder: Path, **how: Any) -> Publication:
    return await open_publication(*make_published(folder / "project", **how))


def sent(server: LocalHub) -> list[dict[str, Any]]:
    """Everything that would change something on the Hub."""
    return [r for r in server.requests if r["method"] != "GET" and "validate-yaml" not in r["path"]]


def stops(prepared: leaderboard.Prepared) -> str:
    return " | ".join(check.sentence for check in prepared.checks if check.level == "stop")


async def test_one_pull_request_with_both_commands(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """Everything is checked, I see the change, and it is sent: one commit in one pull request, main untouched."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    assert prepared.may_submit and not sent(server) and any("smollm3-dpo" in line for line in prepared.diff)
    made = await submit(found, prepared)
    (pull,) = space.pulls
    assert made.number == pull.number == 1 and pull.author == "ada" and pull.title == "Add ada/smollm3-dpo (DPO)"
    assert "trl dpo --config recipe.yaml" in pull.description and "--public-run" in pull.description
    assert "# mine" in pull.description, "the recipe"
    new = json.loads(space.commits[space.refs[pull.ref]].tree["submissions.json"])
    assert new["submissions"][:-1] == OLD and space.files["submissions.json"] == board_bytes()
    assert new["submissions"][-1] == {
        "username": "ada",
        "model_name": "smollm3-dpo",
        "chapter": "3",
        "method": "DPO",
        "submission_date": new["submissions"][-1]["submission_date"],
        "results-dataset": DETAILS,
        "base_model": "HuggingFaceTB/SmolLM3-3B",
        "preference_dataset": "Anthropic/hh-rlhf",
    }
    (record,) = kept(found.folder, "pull_request")
    assert record["number"] == 1 and record["entry"]["username"] == "ada"


@pytest.mark.parametrize("shape", [name for name in SHAPES if "bare" not in name])
async def test_existing_entries_are_byte_identical(shape: str, server: LocalHub, tmp_path: Path) -> None:
    """CRLF, tabs, no final newline, a byte order mark, names beyond ASCII, one line: all of it stays."""
    space = seed(server, board=SHAPES[shape])
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    await submit(found, prepared)
    edit = prepared.edit
    assert edit is not None
    new = space.commits[space.refs["refs/pr/1"]].tree["submissions.json"]
    assert new == edit.data and new[: edit.at] + new[edit.at + len(edit.added) :] == SHAPES[shape]


async def test_a_second_submit_opens_none(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """While mine is open, and after it was merged."""
    found = await opened(tmp_path)
    await submit(found, await prepare_submission(found))
    again = await prepare_submission(found)
    assert "Your pull request #1 with this entry is open" in stops(again)
    with pytest.raises(InputError, match="is open"):
        await submit(found, again)
    space.merge(space.pulls[0])
    merged = await prepare_submission(found)
    assert "already has this model, as entry 2" in stops(merged) and merged.edit is None
    assert len(space.pulls) == 1 and merged.pulls[0].state is State.MERGED


@pytest.mark.parametrize("fault", ["lost", "lost-502"])
async def test_a_lost_answer_opens_no_second(fault: str, space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """The pull request is found again by its entry."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    server.repos.faults = [fault]
    made = await submit(found, prepared)
    assert (made.number, made.commit) == (1, None) and len(space.pulls) == 1
    assert "Your pull request #1" in stops(await prepare_submission(found))


async def test_a_request_that_never_arrived(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """The connection breaks before the Hub has read it: I am told that none was opened, and can try again."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    server.spoil("POST", "/commit/", how="close")
    with pytest.raises(ServiceError, match="none was opened"):
        await submit(found, prepared)
    assert not space.pulls
    assert (await submit(found, prepared)).number == 1


async def test_a_hub_that_is_gone_afterwards(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """Neither the answer nor the list of pull requests: it says that this is not known, and where to look."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    server.repos.faults = ["lost"]
    server.spoil("GET", "/discussions", times=9, status=503)
    with pytest.raises(ServiceError, match="may or may not be open") as told:
        await submit(found, prepared)
    assert "/spaces/smol-course/leaderboard/discussions" in told.value.hint


async def test_main_moved_in_between(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """Two others are merged while I submit: mine is built on their file, and holds all of us."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    first = [*OLD, {"username": "dave", "model_name": "d", "chapter": "3"}]
    second = [*first, {"username": "eve", "model_name": "e", "chapter": "3"}]
    server.repos.moves["space", SPACE] = [{"submissions.json": board_bytes(each)} for each in (first, second)]
    server.repos.faults = ["moved", "moved"]
    made = await submit(found, prepared)
    new = json.loads(space.commits[space.refs["refs/pr/1"]].tree["submissions.json"])["submissions"]
    assert new[:-1] == second and new[-1]["username"] == "ada" and made.parent == space.refs["main"]
    assert not space.conflicts(space.pulls[0])


async def test_main_keeps_moving(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """Three times at most; then nothing was opened, and it says so."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    server.repos.faults = ["412"] * 9
    with pytest.raises(ServiceError, match="changed 3 times while the pull request was opened, so none was opened"):
        await submit(found, prepared)
    assert not space.pulls and len(server.asked("POST", "/commit/")) == 3


async def test_somebody_added_it_meanwhile(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """The owners typed my entry in themselves: it is not added twice."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    mine = [*OLD, prepared.entry.as_json()]
    server.repos.moves["space", SPACE] = [{"submissions.json": board_bytes(mine)}]
    server.repos.faults = ["moved"]
    with pytest.raises(InputError, match="already has this model"):
        await submit(found, prepared)
    assert not space.pulls


def _private(server: LocalHub) -> None:
    server.repos.all["dataset", DETAILS].private = True


def _results(**changed: Any) -> Callable[[LocalHub], None]:
    def change(server: LocalHub) -> None:
        data = changed["data"] if "data" in changed else json.dumps(results(**changed)).encode()
        repo = server.repos.all["dataset", DETAILS]
        newer = "results_2026-11-30T00-00-00.json"
        repo.commit("main", {**repo.files, newer: data}, "newer", "ada")

    return change


def _no_task(server: LocalHub) -> None:
    data = results()
    del data["results"]["hellaswag|0"]
    _results(data=json.dumps(data).encode())(server)


def _no_results(server: LocalHub) -> None:
    server.repos.all["dataset", DETAILS].commit("main", {"README.md": b""}, "x", "ada")


def _of_repo(kind: str, name: str, **changed: Any) -> Callable[[LocalHub], None]:
    def change(server: LocalHub) -> None:
        for key, value in changed.items():
            setattr(server.repos.all[kind, name], key, value)

    return change


def _gone(server: LocalHub) -> None:
    del server.repos.all["model", MODEL]


def _board(data: bytes) -> Callable[[LocalHub], None]:
    return lambda server: server.repos.all["space", SPACE].change({"submissions.json": data}) and None


def _other_pull(server: LocalHub) -> None:
    repo = server.repos.all["space", SPACE]
    entry = {"username": "ada", "model_name": "SMOLLM3-dpo", "chapter": "3"}
    repo.open_pull("Mine", "ada", files={"submissions.json": board_bytes([*OLD, entry])})


OBSTACLES: dict[str, tuple[Callable[[LocalHub], None], str]] = {
    "private results": (_private, f"The results dataset is not public, or does not exist: {DETAILS}"),
    "private model": (_of_repo("model", MODEL, private=True), "The model is not public"),
    "no model": (_gone, "The model is not public, or does not exist"),
    "gated model": (_of_repo("model", MODEL, gated=True), "The model is gated"),
    "another model": (_results(model="HuggingFaceTB/SmolLM3-3B"), "are about another model (HuggingFaceTB/SmolLM3-3B)"),
    "a rehearsal": (_results(limit=10), "are a rehearsal, with 10 items per task"),
    "NaN": (_results(gsm8k={"extractive_match": math.nan}), "are not finite (gsm8k|0)"),
    "a missing task": (_no_task, "lack hellaswag"),
    "no results": (_no_results, "has no results_….json"),
    "half a file": (_results(data=json.dumps(results()).encode()[:99]), "are not a results file of LightEval"),
    "a comment": (_board(b'{"submissions": [\n// mine\n]}'), "is not JSON: it has a comment (line 2"),
    "an ellipsis": (_board(b'{"submissions": [{}, ...]}'), "it has an ellipsis"),
    "a trailing comma": (_board(b'{"submissions": [{},]}'), "it has a trailing comma"),
    "a key twice": (_board(b'{"submissions": [{"a": 1, "a": 2}]}'), "has a key twice in one object: a"),
    "5 MB": (_board(b'{"submissions": ["' + b"x" * 5_000_000 + b'"]}'), "is larger than 4 MB (5.0 MB)"),
    "on the board": (
        _board(board_bytes([{"username": "Ada", "model_name": "SmolLM3-DPO", "chapter": "3"}])),
        "already has this model, as entry 1",
    ),
    "in my own pull request": (_other_pull, "Your pull request #1 with this entry is open"),
    "no discussions": (_of_repo("space", SPACE, discussions="disabled"), "The Space takes no pull requests"),
    "a token that only reads": (
        lambda server: server.whoami["auth"]["accessToken"].update(role="read"),
        "The token is read-only",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
async def test_each_obstacle_is_reported_before_anything_is_sent(
    obstacle: str, space: Repo, server: LocalHub, tmp_path: Path
) -> None:
    """One sentence with a next step; submitting anyway is refused; the Hub got nothing but questions."""
    spoil, words = OBSTACLES[obstacle]
    spoil(server)
    before, pulls = space.refs["main"], len(space.pulls)
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    (check,) = [check for check in prepared.checks if words in check.sentence]
    assert check.level == "stop" and check.next_step and check.sentence.isprintable() and len(check.sentence) < 250
    assert not prepared.may_submit
    with pytest.raises(InputError):
        await submit(found, prepared)
    assert not sent(server) and space.refs["main"] == before and len(space.pulls) == pulls


async def test_public_is_asked_without_a_token(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """With my token I would see what is private, too."""
    await prepare_submission(await opened(tmp_path))
    asked = [r for r in server.requests if DETAILS in r["path"] or MODEL in r["path"]]
    assert len(asked) >= 3 and not [r for r in asked if "authorization" in r["headers"]]
    read = [r["path"] for r in server.requests if r["path"].endswith("submissions.json")]
    assert read == [f"/spaces/{SPACE}/resolve/{space.refs['main']}/submissions.json"], "at a commit, not at main"


async def test_a_rehearsal_that_is_not_the_newest_does_not_matter(
    space: Repo, server: LocalHub, tmp_path: Path
) -> None:
    _results(limit=10)(server)
    repo = server.repos.all["dataset", DETAILS]
    newest = {**repo.files, "results_2026-11-30T01-00-00.json": repo.files[RESULTS]}
    repo.commit("main", newest, "whole", "ada")
    assert (await prepare_submission(await opened(tmp_path))).may_submit


@pytest.mark.parametrize(("fault", "kind"), [("403", PermissionDeniedError), ("429", RateLimitedError)])
async def test_refused_at_the_last_moment(
    fault: str, kind: type[SmoltuiError], space: Repo, server: LocalHub, tmp_path: Path
) -> None:
    """No permission: entry, change and text are saved, and I read where each goes. Too often: I can try again."""
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    server.repos.faults = [fault]
    with pytest.raises(kind) as told:
        await submit(found, prepared)
    folder = found.project.folder / "submission"
    assert not space.pulls and folder.exists() == (fault == "403")
    if fault == "403":
        assert f"Saved in {folder}" in told.value.hint and "entry.json goes to the end of the list" in told.value.hint
        assert json.loads((folder / "entry.json").read_text()) == prepared.entry.as_json()
        assert "+" in (folder / "change.diff").read_text() and "trl dpo" in (folder / "pull-request.md").read_text()


@pytest.mark.parametrize("obstacle", ["no discussions", "a comment"])
async def test_what_only_a_person_can_bring(obstacle: str, space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """Discussions are off, or the file is not JSON: what I would have sent is saved."""
    OBSTACLES[obstacle][0](server)
    found = await opened(tmp_path)
    prepared = await prepare_submission(found)
    assert needs_hand(prepared) and "submissions.json" in await save_for_hand(found, prepared)
    assert (found.project.folder / "submission" / "entry.json").is_file()


async def test_a_conflicting_one_is_closed_and_opened_again(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """Somebody was merged before me: mine cannot be repaired, so it is replaced by one on the file as it is now."""
    found = await opened(tmp_path)
    await submit(found, await prepare_submission(found))
    dave = [*OLD, {"username": "dave", "model_name": "d", "chapter": "3"}]
    space.change({"submissions.json": board_bytes(dave)})
    prepared = await prepare_submission(found)
    assert "#1 with this entry conflicts" in stops(prepared) and prepared.conflicting is not None
    made = await submit(found, prepared, reopen=True)
    assert made.number == 2 and space.pulls[0].status == "closed" and "replaces" in space.pulls[0].comments[0]
    new = json.loads(space.commits[space.refs["refs/pr/2"]].tree["submissions.json"])["submissions"]
    assert new[:-1] == dave and new[-1]["username"] == "ada" and not space.conflicts(space.pulls[1])
    with pytest.raises(InputError, match="in conflict"):
        await submit(found, await prepare_submission(found), reopen=True)
    assert len(space.pulls) == 2


async def test_nothing_is_closed_if_the_new_one_could_not_be_opened(
    space: Repo, server: LocalHub, tmp_path: Path
) -> None:
    """My results became private meanwhile: the old pull request stays open."""
    found = await opened(tmp_path)
    await submit(found, await prepare_submission(found))
    space.change({"submissions.json": board_bytes([*OLD, {"username": "d"}])})
    _private(server)
    with pytest.raises(InputError, match="is not public"):
        await submit(found, await prepare_submission(found), reopen=True)
    assert [pull.status for pull in space.pulls] == ["open"]


async def test_a_lost_answer_while_reopening(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """The answers to closing and to opening are both lost: still one closed, one open."""
    found = await opened(tmp_path)
    await submit(found, await prepare_submission(found))
    space.change({"submissions.json": board_bytes([*OLD, {"username": "d"}])})
    prepared = await prepare_submission(found)
    server.spoil("POST", "/status$", how="close", after=True)
    server.repos.faults = ["lost"]
    made = await submit(found, prepared, reopen=True)
    assert made.number == 2 and [pull.status for pull in space.pulls] == ["closed", "open"]


async def test_the_list_of_pull_requests_comes_in_pages(space: Repo, server: LocalHub, tmp_path: Path) -> None:
    """My entry is in the oldest of many; those of others are not mine."""
    _other_pull(server)
    for number in range(7):
        space.open_pull(f"Other {number}", "ada" if number % 2 else "carol")
    server.repos.page_size = 2
    prepared = await prepare_submission(await opened(tmp_path))
    assert [pull.number for pull in prepared.pulls] == [7, 5, 3, 1] and "#1 with this entry" in stops(prepared)


async def test_local_pairs_and_a_local_model_have_no_name_on_the_hub(
    space: Repo, server: LocalHub, tmp_path: Path
) -> None:
    """The demo cannot be submitted as it is, and each missing name has its next step."""
    recipe = "model_name_or_path: model\ndataset_name: pairs\noutput_dir: out\nhub_model_id: ada/smollm3-dpo\n"
    project, engine, run = make_published(tmp_path / "project", recipe=recipe)
    for name in ("model", "pairs"):
        (project.folder / name).mkdir()
    said = stops(await prepare_submission(await open_publication(project, engine, run)))
    assert "The base model is not known" in said and "The preference dataset is not known" in said
    (project.folder / "smoltui.toml").write_text(
        '[submit]\nbase_model = "ada/tiny"\npreference_dataset = "ada/pairs"\nresults_dataset = "ada/other"\n'
    )
    prepared = await prepare_submission(await open_publication(project, engine, run))
    assert prepared.entry.base_model == "ada/tiny" and "does not exist: ada/other" in stops(prepared)


async def test_nobody_is_logged_in(
    space: Repo, server: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    hub.forget()
    found = await opened(tmp_path)
    with pytest.raises(ServiceError, match="not logged in"):
        await prepare_submission(found)
