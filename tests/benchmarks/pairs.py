"""A large set of pairs in the Pairs room, as a person meets it: opening, keys, searching, memory, bytes on the wire.

    python -m tests.benchmarks.pairs hh_harmless_test.jsonl.gz [ROWS] [--peers]

Makes ROWS pairs (default 160 800) of the real file's rows, repeated with varied text (about 230 MB), in a temporary
folder, and drives the app in a pseudo-terminal of 120x40. `--peers` also asks what a person would use instead: less,
visidata (`pip install visidata`) and DuckDB on the file itself.
"""

from __future__ import annotations

import compileall
import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.benchmarks.terminal import Terminal
from tests.paths import PACKAGE

RIGHT = "\x1b[C"


def make(source: Path, rows: int, target: Path) -> None:
    """`rows` pairs: the real ones again and again, each time with another mark in the first turn of both sides."""
    with gzip.open(source, "rt", encoding="utf-8") as file:
        real = [json.loads(line) for line in file]
    with target.open("w", encoding="utf-8") as out:
        for number in range(rows):
            row = real[number % len(real)]
            if number >= len(real):
                mark = f" ({number:x})\n\nAssistant:"
                row = {side: text.replace("\n\nAssistant:", mark, 1) for side, text in row.items()}
            out.write(json.dumps(row) + "\n")


class App(Terminal):
    """The app on a project whose recipe names the set."""

    def typed(self, text: str, pattern: str, seconds: float = 60.0) -> float:
        """Types a line, and gives the seconds from its last key until the screen matches."""
        for key in text:
            self.press(key, limit=0.5)
        sent = time.perf_counter()
        os.write(self.fd, b"\r")
        while time.perf_counter() - sent < seconds:
            if self.pump(0.01) and re.search(pattern, self.text()):
                return self.arrived - sent
        raise TimeoutError(f"never seen: {pattern}\n{self.text()}")

    def memory(self) -> tuple[int, int]:
        """Peak resident MB of the app, and those that the child which imports takes now."""
        process = psutil.Process(self.pid)
        peak = next(
            int(line.split()[1])
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if "VmHWM" in line
        )
        largest = 0
        for child in process.children():
            with suppress(psutil.Error):
                if "smoltui.backends.pairs.import_set" in child.cmdline():
                    largest = max(largest, child.memory_info().rss)
        return peak >> 10, largest >> 20


def project_in(folder: Path, name: str) -> Path:
    """A project whose set is a file beside it; the model is the demo's, for its tokenizer."""
    from smoltui.backends.project.new_project import create_project

    project = create_project(folder / f"project-{name}", "demo").folder
    text = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(text.replace("dataset_name: pairs ", f"dataset_name: {folder / name} "))
    return project


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def app(project: Path, home: Path) -> App:
    env = {"HOME": str(home), "SMOLTUI_HOME": str(home / "smoltui"), "HF_HOME": str(home / "hf"), "HF_TOKEN": ""}
    return App([sys.executable, "-m", "smoltui", str(project)], env=env)


def ours(folder: Path, rows: int) -> None:
    name = "pairs.jsonl"
    make_of = f"{rows:,}"
    project, home = project_in(folder, name), folder / "home"
    with app(project, home) as first:
        first.settle(1.0, 5.0)
        sent = first.now()
        first.press("2", limit=0.0)
        shown = first.wait_for(r"pair 1 of") - sent
        times = []
        worst_child = 0
        began = time.perf_counter()
        number = 1
        while "loading" in first.text() and time.perf_counter() - began < 1200:
            took = first.press_until(RIGHT, f"pair {number + 1:,} of")
            if took is not None:
                number += 1
                times.append(took)
            worst_child = max(worst_child, first.memory()[1])
        imported = time.perf_counter() - began
        first.wait_for(rf"of {make_of}", 60)
        peak, _ = first.memory()
        print(f"first pair on screen                 {shown:8.3f} s after the key")
        print(
            f"whole set imported                   {imported:8.1f} s, {rows / max(imported, 0.1):,.0f} pairs a second"
        )
        if times:
            print(
                f"key to screen during the import      {statistics.median(times) * 1e3:8.1f} ms median, "
                f"{percentile(times, 0.95) * 1e3:.1f} ms p95, {len(times)} keys"
            )
        print(f"peak memory during the import        {peak:8d} MB the app, {worst_child} MB its child")
    with app(project, home) as second:
        second.settle(1.0, 5.0)
        sent = second.now()
        second.press("2", limit=0.0)
        print(f"opened again from the cache          {second.wait_for(rf'pair 1 of {make_of}') - sent:8.3f} s")
        second.settle()
        for words, line in {
            "plain search (the first)": "river",
            "plain search": "zebra stripe",
            "regular expression": "/kn[io]fe/",
            "SQL condition on lengths": "where gap > 200 and similarity < 0.2",
        }.items():
            second.press("/", limit=0.3)
            took = second.typed(line, rf"{re.escape(line[:20])}.*\d pairs +n/N next")
            print(f"{words:<37}{took:8.3f} s")
            second.settle(0.3, 2.0)
        second.press("\x1b", limit=0.5)
        second.settle(0.3, 2.0)
        jumps = []
        for number in range(1, 41):
            row = 1 + (number * 7919 * 13) % rows
            second.press(":", limit=0.3)
            jumps.append(second.typed(str(row), rf"pair {row:,} of"))
            second.settle(0.1, 1.0)
        print(
            f"jump to any row                      {statistics.median(jumps) * 1e3:8.1f} ms median, "
            f"{percentile(jumps, 0.95) * 1e3:.1f} ms p95, {max(jumps) * 1e3:.1f} ms at most"
        )
        sizes = [second.press(RIGHT) for _ in range(30)]
        print(
            f"next pair                            {statistics.median(size for _, size in sizes):8.0f} bytes median, "
            f"{statistics.median(took for took, _ in sizes if took) * 1e3:.1f} ms"
        )
        second.press("/", limit=0.3)
        second.typed("river", r"river.*\d pairs +n/N next")
        second.settle()
        second.press("v")
        second.settle(0.5, 5.0)
        sizes = [second.press("j") for _ in range(20)]
        print(
            f"cursor in the list of hits           {statistics.median(size for _, size in sizes):8.0f} bytes median, "
            f"{statistics.median(took for took, _ in sizes if took) * 1e3:.1f} ms"
        )
        print(f"peak memory after all that           {second.memory()[0]:8d} MB")
    command_line(["pairs", str(folder / name), "--json"], home)  # imports it
    took, peak, said = command_line(["pairs", str(folder / name), "--json", "--audit"], home)
    found = json.loads(said)["audit"]
    print(f"audit, without tokens                {took:8.1f} s, {found['rows']:,} rows, {peak} MB at its peak")


def real(source: Path, folder: Path) -> None:
    """The audit of the real file with tokens: reading it, counting its tokens and looking through it."""
    with gzip.open(source) as packed, (folder / "real.jsonl").open("wb") as file:
        shutil.copyfileobj(packed, file)
    project, home = project_in(folder, "real.jsonl"), folder / "home"
    took, peak, said = command_line(["pairs", str(project), "--json", "--audit"], home)
    found = json.loads(said)["audit"]
    assert found["tokens_known"], said[:2000]
    print(f"audit of the real {found['rows']:,} rows with tokens {took:7.1f} s, import and all, {peak} MB at its peak")


def command_line(arguments: list[str], home: Path) -> tuple[float, int, str]:
    """Seconds, peak resident MB and output of a command of ours."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "SMOLTUI_HOME": str(home / "smoltui"),
        "HF_HOME": str(home / "hf"),
    }
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([sys.executable, "-m", "smoltui", *arguments], stdout=out, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        took = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{arguments} ended with {child.returncode}")
        out.seek(0)
        return took, used.ru_maxrss >> 10, out.read()


def peers(folder: Path, rows: int) -> None:
    """What a person would use instead, on the same file."""
    file = folder / "pairs.jsonl"
    if shutil.which("less"):
        with Terminal(["less", str(file)], env={"LESS": "-I"}) as less:
            print(f"less: first screen                   {less.wait_for('chosen'):8.3f} s")
            less.settle()
            sent = less.now()
            for key in "/zebra stripe\r":
                less.press(key, limit=0.02)
            print(f"less: plain search                   {less.wait_for('Pattern not found', 60) - sent:8.3f} s")
    if shutil.which("vd"):
        with Terminal(["vd", str(file)]) as visidata:
            print(f"visidata: all rows                   {visidata.wait_for(str(rows), 300):8.3f} s")
            peak = psutil.Process(visidata.pid).memory_info().rss >> 20
            print(f"visidata: memory                     {peak:8d} MB")
    code = (
        "import duckdb, time\n"
        f"f={str(file)!r}\n"
        "def q(words, condition):\n"
        "    t=time.perf_counter()\n"
        "    duckdb.sql(f\"select count(*) from read_json('{f}') where {condition}\").fetchall()\n"
        "    print(f'DuckDB: {words:<28} {time.perf_counter()-t:8.3f} s')\n"
        "q('plain search', \"chosen ilike '%zebra stripe%' or rejected ilike '%zebra stripe%'\")\n"
        "q('regular expression', \"regexp_matches(chosen, 'kn[io]fe') or regexp_matches(rejected, 'kn[io]fe')\")\n"
        "q('SQL condition on lengths', 'length(chosen) - length(rejected) > 200')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def main() -> None:
    compileall.compile_dir(PACKAGE, quiet=1)  # as an installation is
    numbers = [int(word) for word in sys.argv[2:] if word.isdecimal()]
    rows = numbers[0] if numbers else 160_800
    with tempfile.TemporaryDirectory(prefix="smoltui-pairs-") as name:
        folder = Path(name)
        make(Path(sys.argv[1]), rows, folder / "pairs.jsonl")
        size = (folder / "pairs.jsonl").stat().st_size
        print(f"{rows:,} pairs, {size / 1e6:.0f} MB of JSONL, terminal 120x40")
        ours(folder, rows)
        real(Path(sys.argv[1]), folder)
        if "--peers" in sys.argv:
            peers(folder, rows)


if __name__ == "__main__":
    main()
