"""What loading models takes, before they are loaded."""

from __future__ import annotations

from smoltui.core.evaluation.loading import SMALL, Load, LoadPlan, merged

GIB = 1 << 30


def hub(download: int | None = 6 * GIB, stored: int | None = 6 * GIB, memory: int | None = 12 * GIB) -> Load:
    return Load("me/m", None, ("aligned",), stored, download, ("model.safetensors",) if download != 0 else (), memory)


def test_small_models_on_this_disk_are_loaded_without_a_question() -> None:
    small, large = Load("/m", memory=SMALL // 4, stored=5), Load("/n", memory=SMALL, stored=5)
    assert not LoadPlan((small, small)).asks()
    assert LoadPlan((small, large)).asks()
    assert not LoadPlan((small, large)).asks({small.key, large.key})
    assert LoadPlan((Load("/x", stored=None),)).asks()  # nobody knows how large


def test_every_download_is_asked_about() -> None:
    """However small, of unknown size, and also if its model was agreed to before."""
    tiny = hub(download=1, memory=1)
    assert LoadPlan((tiny,)).asks() and LoadPlan((tiny,)).asks({tiny.key})
    assert LoadPlan((hub(download=None),)).asks()


def test_sizes_memory_and_time_are_stated() -> None:
    plan = LoadPlan((hub(),), free=22 * GIB, disk_free=75 * GIB, speed=10 * (1 << 20))
    said = "\n".join(plan.words)
    assert "aligned: me/m, 6.0 GiB to download · 12.0 GiB in memory" in said
    assert "Download: 6.0 GiB, about 10 min 14 s as fast as last time. 75.0 GiB free on the disk." in said
    assert "Memory: about 12.8 GiB; 22.0 GiB is free." in said
    unknown = "\n".join(LoadPlan((hub(None, None, None),)).words)
    assert "size unknown" in unknown and "Memory: unknown; free memory unknown." in unknown
    assert "time unknown" in "\n".join(LoadPlan((hub(),)).words)
    part = LoadPlan((hub(download=GIB),), loading_speed=GIB)
    assert "1.0 GiB of 6.0 GiB to download" in "\n".join(part.words) and "Loading: about 6 s" in "\n".join(part.words)


def test_what_cannot_work_is_said_before() -> None:
    plan = LoadPlan((hub(),), free=20 * GIB, disk_free=5 * GIB, disk_folder="/cache")
    assert plan.problem is not None and "6.0 GiB to download: 5.0 GiB free in /cache" in plan.problem[0]
    plan = LoadPlan((hub(0),), free=10 * GIB)
    assert plan.problem is not None and plan.problem[0] == "me/m needs 12.0 GiB of memory, 10.0 GiB is free"
    two = LoadPlan((hub(0), Load("/n", memory=3 * GIB, stored=1)), free=13 * GIB)
    assert two.problem is None and "one model is loaded after the other" in "\n".join(two.words)


def test_shared_weights_count_once() -> None:
    """An adapter and the reference share their base."""
    base = Load("me/base", None, ("reference",), 4, 0, (), 8)
    again = Load("me/base", None, ("aligned",), 4, 0, (), 8)
    adapter = Load("/out", None, ("aligned",), 1, 0, (), 2)
    plan = LoadPlan(merged([base, again, adapter]))
    assert [load.columns for load in plan.loads] == [("reference", "aligned"), ("aligned",)]
    assert plan.as_json()["models"][0] == {
        "place": "me/base",
        "revision": None,
        "columns": ["reference", "aligned"],
        "bytes": 4,
        "download_bytes": 0,
        "memory_bytes": 8,
    }
