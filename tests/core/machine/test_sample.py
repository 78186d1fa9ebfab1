"""What a run takes of its machine, out of whatever the Hub sends."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smoltui.core.machine.sample import GpuSample, Sample, in_words, sample_from, share

EVENT = {
    "cpu_usage_pct": 35,
    "cpu_millicores": 12000,
    "memory_used_bytes": 2 << 30,
    "memory_total_bytes": 142 << 30,
    "rx_bps": 1_500_000,
    "tx_bps": 900,
    "replica": "57vr7",
    "gpus": {
        "b": {"utilization": 87, "memory_used_bytes": 50 << 30, "memory_total_bytes": 80 << 30},
        "a": {"utilization": 3, "memory_used_bytes": None},
    },
}


def test_an_event_of_the_hub() -> None:
    sample = sample_from(EVENT, 5.0)
    assert (sample.at, sample.cpu, sample.cores, sample.replica) == (5.0, 35.0, 12.0, "57vr7")
    assert sample.memory_share == share(2, 142)
    assert sample.gpus == (GpuSample("a", 3.0), GpuSample("b", 87.0, 50 << 30, 80 << 30))
    assert in_words(sample) == (
        "CPU 35 % of 12 cores · memory 2.0 GiB of 142.0 GiB · GPU 0 3 % · GPU 1 87 %, 50.0 GiB of 80.0 GiB"
        " · net 1.5 MB/s in, 900 B/s out"
    )


def test_what_is_not_said_is_not_zero() -> None:
    """An event of next year, half of one, or nonsense in it: unknown, and nothing invented."""
    assert sample_from({}, 1.0) == Sample(at=1.0)
    odd = {"cpu_usage_pct": "35", "memory_used_bytes": -1, "rx_bps": True, "gpus": {"x": 5, "y": {}}, "new": [1]}
    assert sample_from(odd, 1.0) == Sample(at=1.0, gpus=(GpuSample("y"),))
    assert sample_from({"gpus": None}, 1.0).gpus == () and sample_from({"gpus": []}, 1.0).gpus == ()
    assert in_words(Sample(at=1.0)) == "no data"
    assert in_words(Sample(at=1.0, received=2000.0)) == "net 2.0 kB/s in, unknown out"
    assert in_words(sample_from({"gpus": {"y": {}}}, 1.0)) == "GPU no data"
    assert share(5, 0) is None and share(None, 5) is None and share(6, 5) == 1.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*EVENT, "other"]), JSON), st.dictionaries(st.text(), JSON, max_size=3))
def test_any_event_gives_a_sample(data: dict[str, Any], gpus: dict[str, Any]) -> None:
    """Never an error, never a number that is none, and always JSON."""
    sample = sample_from({**data, "gpus": gpus}, 1.0)
    numbers = [sample.cpu, sample.cores, sample.received, sample.sent, *(gpu.used for gpu in sample.gpus)]
    assert all(number is None or (math.isfinite(number) and number >= 0) for number in numbers)
    assert json.loads(json.dumps(sample.as_json(), allow_nan=False))["at"] == 1.0
    assert in_words(sample)
