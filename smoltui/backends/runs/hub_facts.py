"""Asks the Hub about the model, the pairs and the target of a plan, before it is started where it costs money.

Answers that everything is as it should be are kept for a minute: the start dialog checks again after each change.
"""

from __future__ import annotations

import asyncio
import netrc
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from smoltui.backends.data_files.head import raw_head
from smoltui.backends.data_files.source import PairsSpec, UnknownShapeError, is_local, pairs_of
from smoltui.backends.hub import client as hub
from smoltui.backends.hub.models import ModelRepo, model_repo
from smoltui.backends.pairs.counted import judged
from smoltui.backends.pairs.curated import reading_of
from smoltui.backends.runs.plan import UNUSABLE_FIX, Plan
from smoltui.backends.system.threads import in_thread
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.preflight.check import Check
from smoltui.core.preflight.hub_checks import (
    Found,
    HubAnswers,
    ModelAnswer,
    PairsAnswer,
    TargetAnswer,
    tracker_checks,
)
from smoltui.core.recipe import get, is_placeholder
from smoltui.core.recipe.pair_keys import naming_key
from smoltui.errors import InputError, NotFoundOnHubError, PermissionDeniedError, SmoltuiError
from smoltui.safe_text import safe_line

T = TypeVar("T")

KEPT_SECONDS = 60.0
"""How long a good answer holds."""
ROWS = 64
"""First rows of a set that are judged."""
PATIENCE_SECONDS = 25.0
"""After this, what is not answered is not known."""
WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth")
SILENT = "the Hub did not answer in time"

_kept: dict[tuple[object, ...], tuple[float, object]] = {}
"""Question → when it was answered, seconds of the monotonic clock, and the answer."""


async def ask_hub(plan: Plan) -> HubAnswers:
    """The answers about a plan. Never raises for what the Hub says, or does not say."""
    model, pairs, target = await asyncio.gather(_model(plan), _pairs(plan), ask_target(plan.values))
    return HubAnswers(model, pairs, target)


async def _within(
    question: tuple[object, ...], ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], late: T
) -> T:
    """The answer, kept if it is good; `late` if it takes too long."""
    question = (hub.endpoint(), *question)
    at, known = _kept.get(question, (0.0, None))
    if known is not None and time.monotonic() - at < KEPT_SECONDS:
        return known  # type: ignore[return-value]  # stored below, under the same question
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await ask()
    except TimeoutError:
        return late
    if good(found):
        _kept[question] = (time.monotonic(), found)
    return found


# -- the model


async def _model(plan: Plan) -> ModelAnswer | None:
    """None if the model is a folder on this machine, or there is no name to ask for."""
    name = plan.values.get("model_name_or_path")
    if not isinstance(name, str) or not name or is_placeholder(name):
        return None
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or plan.project.resolve(name).exists():
        return None
    revision = str(get(plan.values, "model_revision") or "main")
    late = ModelAnswer(name, revision, Found.UNKNOWN, why=SILENT)
    ask = partial(_ask_model, name, revision)
    return await _within(("model", name, revision), ask, lambda found: found.found is Found.OPEN, late)


async def _ask_model(name: str, revision: str) -> ModelAnswer:
    doing = f"look at the model {safe_line(name, 80)}"
    answer = partial(ModelAnswer, name, revision, page=f"{hub.endpoint()}/{name}")
    try:
        async with hub.session(doing) as session:
            try:
                repo = await model_repo(session, name, doing=doing, revision=None if revision == "main" else revision)
            except NotFoundOnHubError:
                return answer(Found.ABSENT if revision == "main" else await _without_revision(session, name, doing))
            if repo.gated:
                file = next((one.name for one in repo.files if one.name.endswith("config.json")), "config.json")
                path = f"/{quote(name, safe='/')}/resolve/{quote(revision, safe='')}/{quote(file)}"
                try:
                    await session.send("HEAD", path, doing=doing)
                except PermissionDeniedError:
                    return answer(Found.GATED)
    except PermissionDeniedError:
        return answer(Found.GATED)
    except SmoltuiError as error:
        return answer(Found.UNKNOWN, why=error.message)
    named = {one.name for one in repo.files}
    return answer(Found.OPEN, has_weights=bool(named & {"config.json", "adapter_config.json"}))


async def _without_revision(session: hub.Session, name: str, doing: str) -> Found:
    try:
        await model_repo(session, name, doing=doing)
    except NotFoundOnHubError:
        return Found.ABSENT
    return Found.NO_REVISION


# -- the pairs


async def _pairs(plan: Plan) -> PairsAnswer | None:
    """None if the pairs are on this machine, where the plan has read them."""
    try:
        wanted = pairs_of(plan.values)
        if wanted is None or is_local(wanted, plan.project.folder):
            return None
    except InputError:
        return None  # the plan says why
    held_out = _held_out_split(plan.values)
    late = PairsAnswer(wanted.shown, unknown=SILENT)
    ask = partial(in_thread, partial(_read_pairs, plan, wanted, held_out))
    question = ("pairs", plan.project.folder, str(wanted), held_out, str(plan.settings.pair_columns))
    return await _within(question, ask, lambda found: not (found.problem or found.unknown), late)


def _held_out_split(values: Mapping[str, Any]) -> str:
    """The split that the recipe evaluates on, where it names one; empty for none."""
    if get(values, "eval_strategy") in ("no", False, None) or values.get("datasets"):
        return ""
    return str(get(values, "dataset_test_split") or "")


def _read_pairs(plan: Plan, wanted: PairsSpec, held_out: str) -> PairsAnswer:
    """Reads the first rows and judges them as training does. Blocks."""
    from smoltui.backends.data_files.head import open_head

    name, folder = wanted.shown, plan.project.folder
    try:
        columns, how = reading_of(plan.project, wanted, plan.settings)
        spec = replace(wanted, columns=columns, how=how)
        splits = tuple(raw_head(spec, folder, 1).found.splits)
        if held_out and held_out.partition("[")[0] not in splits:
            told = f"{safe_line(name, 120)} has no such split: {safe_line(held_out, 60)}"
            known = f"Splits: {', '.join(safe_line(split, 40) for split in splits)}. Or write eval_strategy: no"
            return PairsAnswer(name, problem=told, fix=known, key="dataset_test_split")
        head = open_head(spec, folder, ROWS)
    except UnknownShapeError as error:
        return PairsAnswer(name, problem=error.message, fix=error.hint, key="")
    except (InputError, NotFoundOnHubError, PermissionDeniedError) as error:
        return PairsAnswer(name, problem=error.message, fix=error.hint, key=_key_of(error.message, plan.values))
    except SmoltuiError as error:
        return PairsAnswer(name, unknown=error.message)
    first = judged(head.rows, len(head.rows) + (0 if head.whole else 1), head.split)
    if first.problem:
        return PairsAnswer(name, problem=first.problem, fix=UNUSABLE_FIX, key="")
    more = f"; the first of {wanted.others + 1} sets, the others were not read" if wanted.others else ""
    told = f"The first {first.judged} rows of {safe_line(name, 120)}, {safe_line(head.split, 40)}, read as pairs{more}"
    looked = first.looked
    sizes = PairSizes(looked.pairs, looked.identical) if looked is not None and looked.pairs else None
    return PairsAnswer(name, told, warning=first.warning, sizes=sizes, is_whole=head.whole)


def _key_of(problem: str, values: Mapping[str, Any]) -> str:
    """The key of the recipe in which a set that cannot be opened is named."""
    named = naming_key(values)
    if named == "datasets":
        return named  # it holds split and configuration, too
    return "dataset_train_split" if "split" in problem else "dataset_config" if "configuration" in problem else named


# -- where the model goes


async def ask_target(values: Mapping[str, Any]) -> TargetAnswer | None:
    """What is in the repository that the recipe pushes to; None if it pushes nothing, or does not name it in full."""
    name = values.get("hub_model_id")
    if not get(values, "push_to_hub") or not isinstance(name, str) or name.count("/") != 1 or is_placeholder(name):
        return None
    late = TargetAnswer(name, Found.UNKNOWN, why=SILENT)
    return await _within(("target", name), partial(_ask_target, name), lambda found: found.found is Found.OPEN, late)


async def _ask_target(name: str) -> TargetAnswer:
    doing = f"look at {safe_line(name, 80)}"
    try:
        async with hub.session(doing) as session:
            repo: ModelRepo = await model_repo(session, name, doing=doing)
    except NotFoundOnHubError:
        return TargetAnswer(name, Found.ABSENT)
    except SmoltuiError as error:
        return TargetAnswer(name, Found.UNKNOWN, why=error.message)
    files = [one.name for one in repo.files if one.name != ".gitattributes"]
    return TargetAnswer(name, Found.OPEN, len(files), any(one.endswith(WEIGHTS) for one in files))


# -- trackers


def tracker_facts(plan: Plan) -> list[Check]:
    """The checks of `report_to`. Reads the disk."""
    if plan.place.pays:
        jobs = plan.settings.jobs
        return tracker_checks(plan.values, plan.place, names=[*jobs.secrets, *jobs.env], env=jobs.env)
    env = dict(os.environ)
    logged_in = ["wandb"] if _has_netrc("api.wandb.ai") else []
    if Path("~/.comet.config").expanduser().is_file():
        logged_in.append("comet_ml")
    return tracker_checks(plan.values, plan.place, names=list(env), env=env, logged_in=logged_in)


def _has_netrc(host: str) -> bool:
    """Whether a password for this host is stored where `wandb login` puts it."""
    for name in (os.environ.get("NETRC") or "~/.netrc", "~/_netrc"):
        try:
            if netrc.netrc(str(Path(name).expanduser())).authenticators(host) is not None:
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
