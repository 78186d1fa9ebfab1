"""pandas stays out of a process that does not need it."""

from __future__ import annotations

import subprocess
import sys


def test_pyarrow_and_duckdb_do_without_pandas() -> None:
    code = (
        "import sys; from smoltui.backends.system.pandas_block import block_pandas; block_pandas();"
        "import pyarrow as pa, duckdb; numbers = pa.table({'a': pa.array([1, None, 3])});"
        "found = duckdb.sql('select sum(a) from numbers').fetchall();"
        "print(found, 'pandas' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[(4,)] False", said.stderr
