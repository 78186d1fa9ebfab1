"""An adapter that is only on the Hub, for lm_eval on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smoltui.backends.evaluation.benchmark_plan import make_plan
from smoltui.backends.evaluation.hub_adapter import base_on_hub
from smoltui.backends.local.place import HERE
from smoltui.core.evaluation.benchmark_command import LmEvalCommand
from smoltui.errors import NotFoundOnHubError
from tests.backends.evaluation.project import make_project, trained
from tests.hub.server import local_hub

ADAPTER = {"adapter_config.json": b'{"base_model_name_or_path": "ada/base"}'}


def test_an_adapter_on_the_hub(monkeypatch: pytest.MonkeyPatch, own_machine: Path, tmp_path: Path) -> None:
    """lm_eval gets the base and the adapter; a full model stays as it is."""
    project = make_project(tmp_path / "p")
    run = replace(trained(project), engine="hub", model_path=None, pushed_to="ada/adapter")
    with local_hub(monkeypatch) as hub:
        hub.repos.add("model", "ada/adapter", ADAPTER)
        hub.repos.add("model", "ada/full", {"config.json": b"{}", **ADAPTER})
        plan = make_plan(project, run, HERE)
        commands = {item.role: item.command for item in plan.items}
        aligned = commands["aligned"]
        assert isinstance(aligned, LmEvalCommand)
        assert (aligned.model, aligned.revision, aligned.adapter) == ("ada/base", None, "ada/adapter")
        assert base_on_hub("ada/full", None) is None
        with pytest.raises(NotFoundOnHubError):
            base_on_hub("ada/none", None)
