"""What is checked before a start: one line each, a sentence, and the next step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from smoltui.backends.jobs.place import JOBS
from smoltui.backends.local.place import HERE
from smoltui.core.foreign.token_stop import Leak
from smoltui.core.machine.account import Account
from smoltui.core.machine.duration import Hardware, duration
from smoltui.core.machine.fit import estimate
from smoltui.core.machine.model_shape import KNOWN
from smoltui.core.pairs.sizes import PairSizes
from smoltui.core.preflight.check import Check, Problem, may_start
from smoltui.core.preflight.hub_checks import HubAnswers, PairsAnswer
from smoltui.core.preflight.preflight import Facts, Output, preflight
from smoltui.core.recipe import Act, Fix, Level, check, summarise
from smoltui.core.recipe.packages import packages_for
from smoltui.core.runs.cost import Flavor
from smoltui.core.runs.place import Place
from smoltui.core.settings.settings import JobSettings

GB = 10**9
A100 = Flavor("a100-large", "Nvidia A100 - large", "12 vCPU", 142 * GB, "A100", 1, 80 * GB, 2.5 / 60, 0.0)
ME = Account("me", can_pay=True, orgs=("team",), token_role="write")
VALUES: dict[str, Any] = {
    "model_name_or_path": "HuggingFaceTB/SmolLM3-3B",
    "datasets": [{"path": "a/b", "split": "train[:10000]"}],
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 8,
    "max_steps": 1000,
    "bf16": True,
    "learning_rate": 5e-7,
    "logging_nan_inf_filter": False,
    "save_steps": 250,
    "save_total_limit": 2,
    "push_to_hub": True,
    "hub_model_id": "me/aligned",
}


def facts(place: Place, **values: Any) -> Facts:
    recipe = VALUES | values
    shape, summary = KNOWN["HuggingFaceTB/SmolLM3-3B"], summarise(recipe)
    return Facts(
        place=place,
        values=recipe,
        findings=check(recipe, target=place.target),
        summary=summary,
        fit=estimate(recipe, shape),
        duration=duration(recipe, shape, summary, Hardware("A100", "A100")),
        account=ME,
        flavor=A100,
        flavors_known=True,
        trl="1.16.3",
        output=Output("/runs/x"),
        disk_free=500 * GB,
        memory_free=80 * GB,
        memory_name="A100",
        keep="bucket:me/0123/kept",
    )


def named(checks: list[Check], name: str) -> Check:
    return next(item for item in checks if item.name == name)


def test_the_course_job_may_start_and_says_what_it_costs() -> None:
    """Everything is known: at most 7.50 USD, one to two hours, fits the card."""
    checks = preflight(facts(JOBS))
    assert may_start(checks) and {item.level for item in checks} == {Level.PASS}
    assert "At most 7.50 USD: 3 h 00 min of a100-large; expected" in named(checks, "cost").sentence
    assert "69.5 GiB" in named(checks, "memory").sentence
    assert "knows every key" in named(checks, "recipe").sentence


def test_the_same_here_checks_the_disk_and_the_folder() -> None:
    checks = preflight(facts(HERE))
    assert may_start(checks)
    assert named(checks, "disk").sentence.startswith("2 checkpoints and the model take 80.")
    assert named(checks, "output").sentence == "Output: /runs/x"


@pytest.mark.parametrize(
    ("place", "changes", "name", "level", "sentence", "next_step"),
    [
        (
            JOBS,
            {"account": None, "account_problem": Problem("You are not logged in", "hf auth login")},
            "account",
            "stop",
            "You are not logged in",
            "hf auth login",
        ),
        (JOBS, {"account": replace(ME, token_role="read")}, "token", "stop", "read-only", "hf auth login"),
        (
            JOBS,
            {"account": replace(ME, token_role="read", token_variable="HF_TOKEN")},
            "token",
            "stop",
            "read-only",
            "set HF_TOKEN to it",
        ),
        (JOBS, {"account": replace(ME, token_role="fineGrained")}, "token", "warn", "known only when", ""),
        (JOBS, {"account": replace(ME, can_pay=False)}, "account", "warn", "no payment method", "settings/billing"),
        (JOBS, {"jobs": JobSettings(namespace="other")}, "account", "stop", "not a member", "jobs.namespace"),
        (
            JOBS,
            {"jobs": JobSettings(namespace="other"), "namespace_chosen": True},
            "account",
            "stop",
            "not a member",
            "Choose another namespace (--namespace): me, team",
        ),
        (
            JOBS,
            {"jobs": JobSettings(namespace="team"), "account": replace(ME, read_only_orgs=frozenset({"team"}))},
            "account",
            "stop",
            "may only read in this namespace",
            "jobs.namespace in smoltui.toml to one of: me",
        ),
        (JOBS, {"flavor": None}, "flavor", "stop", "no such flavor: a100-large", "smoltui hardware"),
        (JOBS, {"flavor": None, "flavors_known": False}, "flavor", "warn", "could not be read", ""),
        (JOBS, {"flavor": replace(A100, count=0)}, "flavor", "warn", "no accelerator", "jobs.flavor"),
        (JOBS, {"flavor": replace(A100, accelerator="T4")}, "flavor", "stop", "cannot compute in bf16", "bf16: false"),
        (JOBS, {"flavor": replace(A100, vram_bytes=24 * GB)}, "memory", "stop", "Does not fit", "use_peft"),
        (JOBS, {"flavor": replace(A100, vram_bytes=160 * GB, count=2)}, "memory", "pass", "74.5 GiB on one A100", ""),
        (JOBS, {"fit": None}, "memory", "warn", "no estimate", ""),
        (JOBS, {"jobs": JobSettings(timeout="30m")}, "time", "stop", "timeout of 30 min", "jobs.timeout"),
        (JOBS, {"jobs": JobSettings(timeout="2h")}, "time", "warn", "timeout 2 h", "jobs.timeout"),
        (JOBS, {"duration": None}, "time", "warn", "Time: no estimate", ""),
        (JOBS, {"flavor": replace(A100, usd_per_minute=None)}, "cost", "warn", "Cost unknown", ""),
        (JOBS, {"account": None}, "account", "warn", "not been checked yet", ""),
        (HERE, {"model_problem": Problem("no such model", "name another")}, "model", "stop", "no such", "another"),
        (HERE, {"model_doubt": Problem("a slip?", "owner/name")}, "model", "warn", "a slip?", "owner/name"),
        (HERE, {"pairs_problem": Problem("line 3 is torn", "fix it")}, "pairs", "stop", "line 3", "fix it"),
        (HERE, {"missing": ["trl", "torch"]}, "packages", "stop", "trl, torch", 'pip install "smoltui[train]"'),
        (
            HERE,
            {"needed": packages_for({"load_in_4bit": True})},
            "packages",
            "stop",
            "bitsandbytes (load_in_4bit)",
            "pip install bitsandbytes==",
        ),
        (HERE, {"trl": "1.20.0"}, "packages", "warn", "1.20.0 is installed", "trl==1.16.0"),
        (HERE, {"memory_free": 16 * GB, "memory_name": "T4"}, "memory", "stop", "14.9 GiB free on T4", "use_peft"),
        (HERE, {"memory_free": None}, "memory", "warn", "memory free on A100 is unknown", ""),
        (HERE, {"output": Output("/x", has_model=True)}, "output", "stop", "contains a model: /x", "--overwrite"),
        (HERE, {"output": Output("/x", has_model=True), "overwrite": True}, "output", "warn", "replaced", ""),
        (HERE, {"output": Output("/x", writable=False)}, "output", "stop", "cannot be written to /x", "output_dir"),
        (HERE, {"output": Output("/x", checkpoints=3)}, "output", "warn", "3 checkpoints of another run", ""),
        (HERE, {"disk_free": 10 * GB}, "disk", "stop", "9.3 GiB free", "save_total_limit"),
        (HERE, {"disk_free": None}, "disk", "warn", "free disk space is unknown", ""),
        (HERE, {"values": VALUES | {"hub_model_id": "stranger/x"}}, "repository", "stop", "cannot push", "me/x"),
    ],
)
def test_each_fact_that_matters_has_its_check(
    place: Place, changes: dict[str, Any], name: str, level: str, sentence: str, next_step: str
) -> None:
    """pass, warn or stop, with the key or command that fixes it; what is not known is said to be unknown."""
    checks = preflight(replace(facts(place), **changes))
    found = named(checks, name)
    assert found.level == level and sentence in found.sentence and next_step in found.next_step
    assert may_start(checks) == (level != "stop")
    assert found.fix is not None and found.fix.words if level == "stop" else True


@pytest.mark.parametrize(
    ("place", "changes", "name", "words"),
    [
        (JOBS, {"account_problem": Problem("x", "y"), "account": None}, "account", "check again"),
        (
            JOBS,
            {"account_problem": Problem("x", "y", Fix(act=Act.LOGIN)), "account": None},
            "account",
            "log in: hf auth login",
        ),
        (JOBS, {"account": replace(ME, token_role="read")}, "token", "log in: hf auth login"),
        (
            JOBS,
            {"account": replace(ME, token_role="read", token_variable="HF_TOKEN")},
            "token",
            "copy https://huggingface.co/settings/tokens",
        ),
        (JOBS, {"account": replace(ME, can_pay=False)}, "account", "copy https://huggingface.co/settings/billing"),
        (JOBS, {"jobs": JobSettings(namespace="other")}, "account", "delete jobs.namespace"),
        (JOBS, {"jobs": JobSettings(timeout="30m")}, "time", "write jobs.timeout = 4h"),
        (JOBS, {"flavor": replace(A100, accelerator="T4")}, "flavor", "write bf16: false, fp16: true"),
        (
            JOBS,
            {"flavor": None, "flavors": (A100,), "jobs": JobSettings(flavor="a100-big")},
            "flavor",
            "write jobs.flavor = a100-large",
        ),
        (JOBS, {"flavor": None, "jobs": JobSettings(flavor="x")}, "flavor", "edit jobs.flavor"),
        (
            HERE,
            {"memory_free": 16 * GB},
            "memory",
            "write use_peft: true, lora_target_modules: all-linear, dtype: bfloat16",
        ),
        (
            HERE,
            {"memory_free": 16 * GB, "values": VALUES | {"use_peft": True}},
            "memory",
            "write per_device_train_batch_size: 1, gradient_accumulation_steps: 16",
        ),
        (
            HERE,
            {"memory_free": 1, "values": VALUES | {"use_peft": True, "per_device_train_batch_size": 1}},
            "memory",
            "edit max_length",
        ),
        (HERE, {"disk_free": 10 * GB}, "disk", "write save_total_limit: 1"),
        (
            HERE,
            {"disk_free": 10 * GB, "values": VALUES | {"save_total_limit": 1}},
            "disk",
            "write save_only_model: true",
        ),
        (
            HERE,
            {"output": Output("/runs/x", has_model=True, free="x-2"), "values": VALUES | {"output_dir": "runs/x"}},
            "output",
            "write output_dir: runs/x-2",
        ),
        (HERE, {"pairs_problem": Problem("line 3 is torn", "fix it")}, "pairs", "look at the pairs"),
        (HERE, {"missing": ["trl"]}, "packages", 'copy pip install "smoltui[train]"'),
        (HERE, {"values": VALUES | {"hub_model_id": "stranger/x"}}, "repository", "write hub_model_id: me/x"),
        (
            HERE,
            {"leaks": [Leak("recipe.yaml, line 3 contains a token", "Remove it.")]},
            "secret",
            "open recipe.yaml in your editor",
        ),
    ],
)
def test_enter_fixes_it(place: Place, changes: dict[str, Any], name: str, words: str) -> None:
    found = named(preflight(replace(facts(place), **changes)), name)
    assert found.fix is not None and found.fix.words == words


def test_what_is_known_of_all_pairs_is_not_said_again_of_the_first() -> None:
    sizes, answer = PairSizes(900, 900), PairsAnswer("a/b", "read", warning="2 of 64", sizes=PairSizes(64, 64))
    known = replace(facts(JOBS), sizes=sizes, pairs_warning="2 of 902 rows", hub=HubAnswers(pairs=answer))
    said = [check.sentence for check in preflight(known) if check.name in ("identical", "unusable rows")]
    assert len(said) == 2 and said[0] == "2 of 902 rows" and said[1].startswith("All 900 pairs")
    fresh = replace(facts(JOBS), hub=HubAnswers(pairs=answer))
    said = [check.sentence for check in preflight(fresh) if check.name in ("identical", "unusable rows")]
    assert len(said) == 2 and said[0] == "2 of 64" and said[1].startswith("All of the first 64 pairs")


def test_a_placeholder_is_one_problem_and_not_two() -> None:
    checks = preflight(facts(JOBS, hub_model_id="<you>/x"))
    assert [item.name for item in checks if item.level is Level.STOP] == ["hub_model_id"]


def test_a_finding_of_the_recipe_is_a_check_too() -> None:
    checks = preflight(facts(HERE, beta=-1))
    assert not may_start(checks) and checks[0].name == "beta" and checks[0].level is Level.STOP
    assert checks[0].as_json()["level"] == "stop"


@pytest.mark.parametrize(
    ("keep", "values", "said"),
    [
        ("bucket:me/0123/kept", {}, "its newest checkpoint survives in the private bucket jobs-artifacts"),
        ("/mnt/runs/0123", {}, "its newest checkpoint survives in /mnt/runs/0123"),
        ("", {}, "nothing survives"),
        ("", {"save_strategy": "no"}, "nothing survives: save_strategy is no"),
        ("", {"save_only_model": True}, "nothing survives: save_only_model keeps no state to resume from"),
    ],
)
def test_what_survives_is_said_before_the_start(keep: str, values: dict[str, Any], said: str) -> None:
    """Where it is nothing, that is a warning, and enter changes it."""
    check = named(preflight(replace(facts(JOBS, **values), keep=keep)), "survives")
    assert said in check.sentence and (check.level is Level.PASS) == bool(keep)
    assert keep or check.fix is not None
