"""Every private name of Textual and huggingface_hub that the code uses is in the documentation, with the reason.

Such a name can change in any release: whoever raises the version in pyproject.toml looks at these places.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import textual
from textual.widget import Widget

import smoltui
from smoltui import docs

PACKAGE = Path(smoltui.__file__).parent
LIBRARIES = ("textual", "huggingface_hub")

Use = tuple[str, str]
"""The name, and the file of the package that uses it."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def places(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


# -- imported names


def imported(tree: ast.AST) -> set[str]:
    """Private names imported from the libraries; from a private module, everything is private."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name for name in names if name.split(".")[0] in LIBRARIES and any(map(is_private, name.split(".")))}
    return found


# -- attributes of Textual's classes


def defined(cls: ast.ClassDef) -> set[str]:
    """The private attributes that a class defines: methods, class attributes, `self._name = …` in its methods."""
    found: set[str] = set()
    for part in cls.body:
        match part:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(part.name)
            case ast.Assign() | ast.AnnAssign():
                targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    for node in ast.walk(cls):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
                found.add(node.attr)
    return set(filter(is_private, found))


@cache
def bodies(path: str) -> Mapping[str, ast.ClassDef]:
    """The classes of a file by their qualified names."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield f"{prefix}{child.name}", child
                yield from below(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from below(child, f"{prefix}{child.name}.<locals>.")
            else:
                yield from below(child, prefix)

    return dict(below(ast.parse(Path(path).read_text(encoding="utf-8")), ""))


def body_of(cls: type) -> ast.ClassDef:
    return bodies(inspect.getfile(cls))[cls.__qualname__]


@cache
def own(cls: type) -> frozenset[str]:
    """The private attributes that this class itself defines, those of the bases left out."""
    return frozenset(defined(body_of(cls)))


def is_of(cls: type, package: str) -> bool:
    return cls.__module__.split(".")[0] == package


@cache
def textuals() -> frozenset[str]:
    """The private attributes of all classes of Textual."""
    found: set[str] = set()
    for path in Path(textual.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found |= defined(node)
    return frozenset(found)


def modules() -> Iterator[ModuleType]:
    """The modules of the package that have something to do with Textual, imported."""
    for module in pkgutil.walk_packages(smoltui.__path__, "smoltui."):
        parts = ("app", "keyed_app", "looks", "screens", "widgets", "wire")
        if module.name.startswith(tuple(f"smoltui.{part}" for part in parts)):
            yield importlib.import_module(module.name)


def classes(module: ModuleType) -> list[type]:
    return [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]


def heirs(cls: type) -> Iterator[type]:
    yield cls
    subclasses: list[type] = cls.__subclasses__()
    for heir in subclasses:
        yield from heirs(heir)


def of_textual(cls: type) -> set[str]:
    """The private attributes that objects of `cls` may have from Textual: a mixin gets them from its heirs' bases."""
    bases = {base for heir in heirs(cls) for base in heir.__mro__ if is_of(base, "textual")}
    return {name for base in bases for name in own(base)}


OWN = ("self", "super()", "cls")


@cache
def used_by(cls: type) -> frozenset[str]:
    """Private names of Textual that a class reads, sets or overrides on itself."""
    theirs = of_textual(cls)
    found = theirs & own(cls)
    for node in ast.walk(body_of(cls)):
        if isinstance(node, ast.Attribute) and node.attr in theirs and ast.unparse(node.value) in OWN:
            found.add(node.attr)
    return frozenset(found)


def of_others(module: ModuleType, tree: ast.AST) -> Iterator[str]:
    """Private names that are read from or set on something other than `self`, such as `app._driver`, also by text."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name)) if isinstance(getattr(module, name, None), ModuleType):
                continue  # `os._exit`
            case ast.Attribute() if is_private(node.attr) and ast.unparse(node.value) not in OWN:
                name = node.attr
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"), args=[_, ast.Constant(), *_]
            ):
                name = str(ast.literal_eval(node.args[1]))
            case _:
                continue
        if is_private(name):
            yield name


def uses() -> set[Use]:
    found: set[Use] = set()
    for path in PACKAGE.rglob("*.py"):
        found |= {(name, places(path)) for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    ours = {name for module in modules() for cls in classes(module) for name in own(cls)} - {
        name for module in modules() for cls in classes(module) for name in used_by(cls)
    }
    for module in modules():
        path = Path(str(module.__file__))
        names = {name for cls in classes(module) for name in used_by(cls)}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= set(of_others(module, tree)) & (textuals() - ours)
        found |= {(name, places(path)) for name in names}
    return found


def listed() -> set[Use]:
    """The rows of the table in the documentation, one for each name and file."""
    page = (docs.FOLDER / "how-it-works.md").read_text(encoding="utf-8")
    section = page.partition("\n## Private names of libraries\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*`) \| (`.*`) \| \S.* \|$", section, re.MULTILINE)
    return {
        (name, file)
        for names, files in rows
        for name in re.findall(r"`(.+?)`", names)
        for file in re.findall(r"`(.+?)`", files)
    }


@pytest.mark.slow
def test_every_private_name_is_listed_with_its_reason() -> None:
    found = uses()
    assert ("_display", "wire/app.py") in found, "nothing was found: the test would prove nothing"
    assert found == listed()


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("from textual._compositor import Compositor", {"textual._compositor.Compositor"}),
        ("from textual.app import _Hidden", {"textual.app._Hidden"}),
        ("import huggingface_hub.utils._xet", {"huggingface_hub.utils._xet"}),
        ("from textual.app import App\nfrom os import _exit", set()),
    ],
)
def test_private_imports_are_found(code: str, wanted: set[str]) -> None:
    assert imported(ast.parse(code)) == wanted


if TYPE_CHECKING:
    Base = Widget
else:
    Base = object


class Mixin(Base):
    """Gets its private names from the class that it is mixed into."""

    def count(self) -> int:
        return len(self._nodes)


class Heir(Mixin, Widget):
    _own = 1

    def _check_disabled(self) -> bool:
        self._mine = self._own > 1
        return self._mine


def test_private_attributes_are_found() -> None:
    """Read by a mixin, overridden, and those that a class has for itself alone."""
    assert set(used_by(Mixin)) == {"_nodes"}
    assert set(used_by(Heir)) == {"_check_disabled"}


def test_private_attributes_of_others_are_found() -> None:
    code = ast.parse('ast._private(1)\napp._driver.write("")\nsetattr(app, "_loop", None)\nself._own = 1')
    assert set(of_others(sys.modules[__name__], code)) == {"_driver", "_loop"}
