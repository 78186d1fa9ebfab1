"""Whether a run's model is whole, told from headers and sizes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from smoltui.backends.runs.output_dir import broken_weights


def weights(path: Path, *, missing: int = 0) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * (16 - missing))


def test_weights_that_cannot_be_loaded(tmp_path: Path) -> None:
    assert "no longer exists" in (broken_weights(tmp_path / "gone") or "")
    assert "has no weights" in (broken_weights(tmp_path) or "")
    weights(tmp_path / "model.safetensors")
    assert broken_weights(tmp_path) is None
    for broken in (b"", b"\xff" * 9, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 8) + b'{"w": 1}'):
        (tmp_path / "model.safetensors").write_bytes(broken)
        assert "model.safetensors is" in (broken_weights(tmp_path) or ""), broken
    weights(tmp_path / "model.safetensors", missing=1)
    assert "only partly written" in (broken_weights(tmp_path) or "")
