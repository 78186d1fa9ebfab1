"""Damaged Parquet files are refused before Arrow reads them: it crashes on some, and reads others forever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

CHANGES = (1, 2)
"""Added to a byte: 1 makes a number of the footer negative, 2 larger by one."""
READ_ALL = """
import sys
from pathlib import Path
from smoltui.backends.data_files.source import PairsSpec, open_spec
from smoltui.errors import SmoltuiError

path, good = Path(sys.argv[1]), Path(sys.argv[1]).read_bytes()
read = refused = 0
for at in range(4, len(good)):  # after the mark at its start
    for change in map(int, sys.argv[2].split(",")):
        path.write_bytes(good[:at] + bytes([(good[at] + change) % 256]) + good[at + 1 :])
        try:
            for _ in open_spec(PairsSpec(str(path)), Path()).rows(0):
                read += 1
        except SmoltuiError:
            refused += 1
print(read, refused)
"""


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True], ids=["texts", "conversations"])
def test_any_byte_may_be_wrong(tmp_path: Path, nested: bool) -> None:
    """In its own process, because a crash or an endless loop inside Arrow would take the tests with it."""
    texts = [[{"role": "user", "content": text}] if nested else text for text in ("a", "b", "c")]
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table(dict(zip(("prompt", "chosen", "rejected"), ([text] for text in texts), strict=True))), path)
    command = [sys.executable, "-c", READ_ALL, str(path), ",".join(map(str, CHANGES))]
    child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert child.returncode == 0, child.stderr
    read, refused = map(int, child.stdout.split())
    assert read > 0 and refused > len(CHANGES) * 100
