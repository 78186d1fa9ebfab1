"""A set that is opened, as two apps open the same one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from smoltui.backends.data_files.source import PairsSpec
from smoltui.backends.pairs.opened_set import open_set, request_import


def test_two_apps_ask_for_the_same_set_at_once(tmp_path: Path, own_machine: Path) -> None:
    """Each writes its request and none fails, which would leave the set partially loaded in that app."""
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}) + "\n")
    opened = open_set(PairsSpec("pairs.jsonl"), tmp_path)
    with ThreadPoolExecutor(8) as apps:
        list(apps.map(lambda _: request_import(opened), range(400)))
    assert json.loads((opened.folder / "request.json").read_text())["spec"]["source"] == "pairs.jsonl"
    assert [path.name for path in opened.folder.iterdir()] == ["request.json"]
