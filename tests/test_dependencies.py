"""pyproject.toml declares what the code imports, and nothing else."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

PACKAGES: Mapping[str, str] = {
    "PIL": "pillow",
    "markdown_it": "markdown-it-py",
    "pynvml": "nvidia-ml-py",
    "resvg_py": "resvg-py",
    "ruamel": "ruamel.yaml",
    "yaml": "pyyaml",
}
"""Imported name → package, where the two differ."""

NEVER_IMPORTED: Mapping[str, str] = {
    "trackio": "transformers imports it when the recipe reports to it",
    "pytest-asyncio": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "mypy": "a command",
    "ruff": "a command",
    "uv": "a command",
}
"""Package → who needs it, where no import says so."""

IN_TRAINING_PYTHON = ("smoltui/scripts/", "smoltui/demo/make_demo.py")
"""These run in a Python with the train extra; the rest of the package runs without it."""


def package(requirement: str) -> str:
    """The name in a requirement such as `textual==8.2.8`."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return found[0].lower()


APP = {package(line) for line in PROJECT["dependencies"]}
TRAIN = {package(line) for line in PROJECT["optional-dependencies"]["train"]}
BENCH = {package(line) for line in PROJECT["optional-dependencies"]["bench"]}
DEV = {package(line) for line in PROJECT["optional-dependencies"]["dev"]}


def called(function: ast.expr) -> str:
    """The last name of what is called."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@cache
def imports_of(path: Path) -> frozenset[str]:
    return imports(path.read_text(encoding="utf-8"))


def imports(code: str) -> frozenset[str]:
    """The packages that this code imports anywhere: at the top, in functions, for type checking."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.Call) and called(node.func) in ("import_module", "importorskip"):
            names |= {str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    tops = {name.partition(".")[0] for name in names}
    return frozenset(PACKAGES.get(name, name) for name in tops - sys.stdlib_module_names - OURS - STUBS)


STUBS = {"_typeshed"}
"""Only for type checkers, which bring it."""
OURS = {"smoltui", "tests"} | {path.stem for path in (ROOT / "smoltui" / "scripts").glob("*.py")}


def imported(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Package → the files that import it."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for name in imports_of(path):
            found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return found


def of_package(*, in_training: bool) -> dict[str, list[str]]:
    return imported(
        path
        for path in (ROOT / "smoltui").rglob("*.py")
        if path.relative_to(ROOT).as_posix().startswith(IN_TRAINING_PYTHON) is in_training
    )


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import httpx2.limits as limits", {"httpx2"}),
        ("def f():\n    from ruamel.yaml import YAML", {"ruamel.yaml"}),
        ("import os.path, json, _typeshed\nfrom smoltui import errors\nfrom script_events import say", set()),
        ('yaml = pytest.importorskip("yaml", reason="…")', {"pyyaml"}),
    ],
)
def test_imports_are_found(code: str, wanted: set[str]) -> None:
    assert imports(code) == wanted


@pytest.mark.slow
def test_what_is_imported_is_declared() -> None:
    app, training = of_package(in_training=False), of_package(in_training=True)
    tests = imported((ROOT / "tests").rglob("*.py"))
    assert len(app) > 10 and "trl" in training and "pytest" in tests, "few imports were found: the test proves nothing"
    assert not {name: files for name, files in app.items() if name not in APP}
    assert not {name: files for name, files in training.items() if name not in APP | TRAIN | BENCH}
    assert not {name: files for name, files in tests.items() if name not in APP | TRAIN | DEV}


@pytest.mark.slow
def test_what_is_declared_is_imported() -> None:
    app, training = of_package(in_training=False).keys(), of_package(in_training=True).keys()
    tests = imported((ROOT / "tests").rglob("*.py")).keys()
    assert not APP - app
    assert TRAIN - training == {"trackio"}
    assert not BENCH - training
    assert DEV - tests == NEVER_IMPORTED.keys() - {"trackio"}


def test_nothing_is_declared_twice() -> None:
    assert not (APP & TRAIN) | (APP & DEV) | (TRAIN & DEV) | (BENCH & (APP | TRAIN | DEV))
    assert NEVER_IMPORTED.keys() <= TRAIN | DEV
