"""recipe.yaml as text: read as TRL reads it, edited one value at a time, every comment and blank line kept.

The file is never generated from its values. An edit replaces the characters of one value, adds one line or removes the
lines of one key. The new text is parsed, and if it contains anything but the requested change, the edit is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.project.journal import ChangedOutsideError, Journal, Written
from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.system.small_file import read_small
from smoltui.backends.system.yaml_limits import MOST_BYTES, YAMLLimitError, check_nodes, safe_yaml, yaml_errors
from smoltui.core.recipe.changes import changes_in_words
from smoltui.core.recipe.fields import BY_KEY
from smoltui.errors import NoRecipeError, RecipeError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import MappingNode, Node

STRATEGIES = ("save_strategy", "eval_strategy", "logging_strategy")
"""Keys whose word `no` must be quoted: to TRL (YAML 1.1) a bare no is false, which it then refuses."""

_NO_DOT = re.compile(r"[-+]?\d[\d_]*[eE][-+]?\d+")
_LONE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z_./~<][\w./@+~<>-]*")


@dataclass(frozen=True, slots=True)
class Content:
    """A parsed recipe."""

    values: dict[str, Any] = field(default_factory=dict)
    """Key → plain Python value (bool, int, float, str, list, dict or None), in the file's order."""
    spans: dict[str, tuple[Node, Node]] = field(default_factory=dict)
    """Key → where the key and its value are in the text."""
    flow: bool = False
    """All of it is written in braces."""


class RecipeFile:
    """A recipe: the text as it was read, with the edits since.

    Raises:
        RecipeError: the text cannot be used (`load_recipe`).
    """

    def __init__(self, path: Path, text: str, digest: str) -> None:
        """`digest`: SHA-256 of the file as it was read; empty for a text that is not saved."""
        self.path = path
        self.text = text
        self._content = parse(path.name, text)
        self._digest = digest
        self._saved = dict(self.values)
        """The values as read or last saved."""

    @property
    def values(self) -> dict[str, Any]:
        """Key → plain Python value (bool, int, float, str, list, dict or None), in the file's order."""
        return self._content.values

    @property
    def _spans(self) -> dict[str, tuple[Node, Node]]:
        return self._content.spans

    def line_of(self, key: str) -> int | None:
        """One-based line of a key; None if the file does not have it."""
        return self._spans[key][0].start_mark.line + 1 if key in self._spans else None

    def set(self, key: str, value: object) -> None:
        """Replaces the value of a key, or adds the key where the form has it.

        Raises:
            RecipeError: this file is written in a way that cannot be edited value by value (an alias, braces).
        """
        if key in self.values:
            start, stop, head = self._place(key)
            new = render(value, self._indent(key))
            if not new.startswith("\n"):
                head, new = (
                    ("", f" {new}{head}") if "\n" in self.text[start:stop] or start == stop else (head, f" {new}")
                )
            tail = "\n" if self.text[start:stop].endswith("\n") else ""
            text = f"{self.text[:start]}{head}{new}{tail}{self.text[stop:]}"
        else:
            self._refuse_braces(key)
            at, indent = self._room_for(key)
            end = "" if self.text[:at].endswith("\n") or not at else "\n"
            line = f"{end}{indent}{key}:{_spaced(render(value, indent))}\n"
            text = f"{self.text[:at]}{line}{self.text[at:]}"
        self._replace(text, {**self.values, key: value}, key)

    def remove(self, key: str) -> None:
        """Removes the lines of one key; comments around them stay. A missing key is not an error.

        Raises:
            RecipeError: as `set`.
        """
        if key not in self.values:
            return
        self._refuse_braces(key)
        name, node = self._spans[key]
        start = self.text.rfind("\n", 0, name.start_mark.index) + 1
        content = self.text[: max(_end(node), name.end_mark.index)].rstrip()
        end = self.text.find("\n", len(content))
        text = self.text[:start] + (self.text[end + 1 :] if end >= 0 else "")
        self._replace(text, {name: value for name, value in self.values.items() if name != key}, key)

    def save(self, *, overwrite: bool = False) -> Written:
        """Replaces the file in one step, and notes in the undo journal what changed since it was read or saved.

        Raises:
            RecipeError: another program changed the file since it was read (unless `overwrite`), or it cannot be
                written.
            InputError: another smoltui keeps the undo journal locked.
        """
        said = changes_in_words(self._saved, self.values) or "layout of the file"
        data = self.text.encode("utf-8")
        try:
            made = Journal(self.path.parent).write(self.path, data, said, expected=None if overwrite else self._digest)
        except ChangedOutsideError as error:
            raise RecipeError(error.message, "Reload the recipe, then repeat the change.") from error
        except OSError as error:
            raise RecipeError(f"{self.path.name} cannot be written: {error.strerror}", str(self.path)) from error
        self._digest, self._saved = _digest(data), dict(self.values)
        return made

    def changed_outside(self) -> bool:
        """Whether the file differs from what was read or last saved, or is gone."""
        try:
            return _digest(read_small(self.path, MOST_BYTES)) != self._digest
        except OSError:
            return True

    def _place(self, key: str) -> tuple[int, int, str]:
        """Start (after the colon) and end of the value of a key, and the comment between the colon and a list."""
        name, node = self._spans[key]
        colon = self.text.index(":", name.end_mark.index) + 1
        end = max(colon, _end(node))
        first_line, newline, _ = self.text[colon:end].partition("\n")
        comment = first_line.rstrip() if newline and first_line.lstrip().startswith("#") else ""
        return colon, end, comment

    def _room_for(self, key: str) -> tuple[int, str]:
        """Offset and indentation for a new key: after the nearest one before it in the form, or at the end."""
        order = list(BY_KEY)
        before = order[: order.index(key)] if key in BY_KEY else []
        for other in reversed(before):
            if other in self._spans:
                name, node = self._spans[other]
                content = self.text[: max(_end(node), name.end_mark.index)].rstrip()
                newline = self.text.find("\n", len(content))
                return (newline + 1 if newline >= 0 else len(self.text)), self._indent(other)
        return len(self.text), ""

    def _indent(self, key: str) -> str:
        return " " * int(self._spans[key][0].start_mark.column)

    def _refuse_braces(self, key: str) -> None:
        if self._content.flow:
            raise RecipeError(
                f"{self.path.name} is written in braces, so a line cannot be added or removed: {key}",
                "Write one key per line, without the outer { }.",
            )

    def _replace(self, text: str, expected: dict[str, Any], key: str) -> None:
        """Takes over an edited text if its values are the expected ones. Raises: RecipeError: they are not."""
        if text == self.text and _same(self.values, expected):
            return  # this text was parsed before
        try:
            content = parse(self.path.name, text)
        except RecipeError:
            content = None
        if content is None or not _same(content.values, expected):
            raise RecipeError(
                f"{self.path.name} cannot be changed without touching something else: {key}",
                "Open the file in your editor (e) and change the line there.",
            )
        self.text, self._content = text, content


def parse(name: str, text: str) -> Content:
    """The content of a recipe, with every value as TRL will read it; `name` is that of the file, for errors.

    Raises:
        RecipeError: as `load_recipe`, but for the file itself.
    """
    from ruamel.yaml.error import MantissaNoDotYAML1_1Warning

    warnings.simplefilter("ignore", MantissaNoDotYAML1_1Warning)
    yaml = safe_yaml()
    yaml.version = (1, 1)  # what PyYAML, and so TRL, reads
    root = _compose(yaml, name, text)
    if root is None:
        return Content()
    _no_duplicates(root, name)
    spans: dict[str, tuple[Node, Node]] = {}
    for key_node, node in root.value:
        key = _key(name, key_node)
        _refuse_bare_no(name, key, node)
        spans[key] = (key_node, node)
        for child in _nodes(node):
            _as_trl_reads(child, top=child is node)
    return Content(_values(yaml, name, text, spans), spans, bool(root.flow_style))


def _compose(yaml: YAML, name: str, text: str) -> MappingNode | None:
    """The recipe as a YAML mapping; None for an empty file."""
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import MappingNode

    try:
        with yaml_errors():
            root = yaml.compose(text)
            if root is not None:
                check_nodes(root)
    except YAMLLimitError as error:
        raise RecipeError(
            f"{name} line {error.line} cannot be used: {error}", "Write the values out, one key per line."
        ) from error
    except YAMLError as error:
        raise _bad_yaml(name, text, error) from error
    if root is None or isinstance(root, MappingNode):
        return root
    raise RecipeError(
        f"{name} has no keys, line {root.start_mark.line + 1}",
        "Write one `key: value` per line, for example learning_rate: 5.0e-7",
    )


def _key(name: str, node: Node) -> str:
    from ruamel.yaml.nodes import ScalarNode

    if not isinstance(node, ScalarNode) or node.tag != "tag:yaml.org,2002:str":
        raise RecipeError(
            f"{name} line {node.start_mark.line + 1}: a key must be a word: {safe_line(str(node.value), 80)}",
            "Write one of TRL's keys, such as learning_rate.",
        )
    return str(node.value)


def _refuse_bare_no(name: str, key: str, node: Node) -> None:
    if key in STRATEGIES and node.tag == "tag:yaml.org,2002:bool":
        raise RecipeError(
            f"{name} line {node.start_mark.line + 1}: {key} is read as true or false: {node.value}",
            f'Write {key}: "no" with the quotes.' if not _truth(node.value) else f"Write {key}: steps",
        )


def _values(yaml: YAML, name: str, text: str, spans: Mapping[str, tuple[Node, Node]]) -> dict[str, Any]:
    from ruamel.yaml.error import YAMLError

    values: dict[str, Any] = {}
    for key, (_, node) in spans.items():
        try:
            with yaml_errors():
                values[key] = yaml.constructor.construct_object(node, deep=True)
                problem = _odd(values[key])
        except YAMLError as error:
            raise _bad_yaml(name, text, error, node) from error
        if problem:
            raise RecipeError(
                f"{name} line {node.start_mark.line + 1}: {key} holds {problem}",
                "Write a number, text, true or false, or a list or mapping of these.",
            )
    return values


def _bad_yaml(name: str, text: str, error: Exception, node: Node | None = None) -> RecipeError:
    """The error for a text that is not YAML; `node` is the value it is about, if known."""
    mark = getattr(error, "problem_mark", None) or (node.start_mark if node is not None else None)
    begun = getattr(error, "context_mark", None)
    # An unclosed bracket or quote is noticed at the end of the file; the line to fix is the one that opened it.
    if begun is not None and (mark is None or not text[mark.index :].strip()):
        mark = begun
    where = f" line {mark.line + 1}" if mark is not None else ""
    problem = getattr(error, "problem", None) or (str(error).splitlines() or ["it cannot be read"])[0]
    problem = problem.replace("'<stream end>'", "the end of the file")
    lines = text.splitlines()
    shown = (
        f" The line is: {safe_line(lines[mark.line].strip(), 120)}"
        if mark is not None and mark.line < len(lines)
        else ""
    )
    return RecipeError(f"{name}{where} is not YAML: {safe_line(problem, 200)}", f"Fix it in your editor.{shown}")


def load_recipe(path: Path) -> RecipeFile:
    """The recipe in `path`, with every value as TRL will read it.

    A value such as `5e-7` is a number at the top level, where TRL converts it; inside a mapping it is text, as for TRL.

    Raises:
        RecipeError: no such file, not UTF-8, not YAML, not a mapping, a key twice, or `no` without quotes where a
            word is meant; the message names the line and the hint says what to write.
    """
    try:
        data = read_small(path, MOST_BYTES)
    except FileNotFoundError as error:
        raise RecipeError(f"No recipe here: {path}", f"Create a project: smoltui new {path.parent}") from error
    except OSError as error:
        raise RecipeError(f"{path.name} cannot be read: {error.strerror}", str(path)) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path.name} line {line} is not UTF-8 text", "Save the file as UTF-8.") from error
    return RecipeFile(path, text, _digest(data))


def load_project_recipe(project: Project) -> RecipeFile:
    """The recipe of a project.

    Raises:
        NoRecipeError: the folder has none.
        RecipeError: as `load_recipe`.
    """
    if not project.has_recipe:
        raise NoRecipeError(
            f"This folder has no {RECIPE_NAME}: {project.folder}",
            "Create a project: smoltui new FOLDER, or try the demo: smoltui demo FOLDER",
        )
    return load_recipe(project.recipe_path)


def render(value: object, indent: str = "") -> str:
    """A value as YAML that PyYAML, ruamel.yaml and people read the same way; a list of mappings starts on a new
    line."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case int():
            return str(value)
        case str():
            return _text(value)
        case list() | tuple() if any(isinstance(item, dict) for item in value):
            lines = []
            for item in value:
                pairs = [f"{key}: {render(part)}" for key, part in item.items()]
                lines.append(f"{indent}  - " + f"\n{indent}    ".join(pairs))
            return "\n" + "\n".join(lines)
        case list() | tuple():
            return "[" + ", ".join(render(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_text(str(key))}: {render(part)}" for key, part in value.items()) + "}"
    raise TypeError(f"a recipe holds no such value: {type(value).__name__}")


def _number(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    if "e" in text:
        mantissa, exponent = text.split("e")
        sign, digits = exponent[0], exponent.lstrip("+-").lstrip("0") or "0"
        # YAML 1.1 requires a dot and a sign; without them, PyYAML reads text inside a mapping.
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{'-' if sign == '-' else '+'}{digits}"
    return text


_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", ""}


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS and not value.startswith((".", "<")):
        return value
    return json.dumps(value, ensure_ascii=False)


def _spaced(text: str) -> str:
    return text if text.startswith("\n") else f" {text}"


def _truth(word: str) -> bool:
    return str(word).lower() in ("y", "yes", "true", "on")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _end(node: Node) -> int:
    """The offset after the last character of a value; the parser's own mark for a block list is at the next key."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:
        parts = [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
        return max((_end(part) for part in parts), default=0)
    empty = node.start_mark.index == node.end_mark.index
    return 0 if empty else int(node.end_mark.index)


def _nodes(node: Node) -> list[Node]:
    """`node` and all its descendants, each once (an alias may repeat one)."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    found: dict[int, Node] = {}
    stack = [node]
    while stack:
        one = stack.pop()
        if id(one) in found:
            continue
        found[id(one)] = one
        if isinstance(one, MappingNode):
            stack += [part for pair in one.value for part in pair]
        elif isinstance(one, SequenceNode):
            stack += one.value
    return list(found.values())


def _as_trl_reads(node: Node, *, top: bool) -> None:
    """Corrects tags where ruamel's YAML 1.1 differs from PyYAML; dates stay text, since no field of TRL is a date."""
    from ruamel.yaml.nodes import ScalarNode

    if not isinstance(node, ScalarNode):
        return
    kind = str(node.tag).rsplit(":", 1)[-1]
    if (
        kind == "timestamp"
        or (kind == "bool" and node.value in ("y", "Y", "n", "N"))
        or (kind == "float" and not top and _NO_DOT.fullmatch(node.value))
    ):
        # A node's tag is read-only; the constructor uses its ctag.
        node.ctag = type(node.ctag)(suffix="tag:yaml.org,2002:str")


def _odd(value: object) -> str:
    """What is wrong with a value that no key of TRL accepts; empty if nothing is."""
    if isinstance(value, dict):
        return next(filter(None, map(_odd, (*value, *value.values()))), "")
    if isinstance(value, list):
        return next(filter(None, map(_odd, value)), "")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "a whole number that does not fit in 64 bits"
    if isinstance(value, str) and _LONE.search(value):
        return "half a character, which cannot be saved"
    return "" if value is None or isinstance(value, bool | int | float | str) else "an unsupported value"


def _no_duplicates(root: Node, name: str) -> None:
    from ruamel.yaml.nodes import MappingNode

    for node in _nodes(root):
        if not isinstance(node, MappingNode):
            continue
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if str(key.value) in seen:
                raise RecipeError(
                    f"{name} line {line}: this key is already on line {seen[str(key.value)]}: {key.value}",
                    "TRL would silently use the last one. Delete one of the two lines.",
                )
            seen[str(key.value)] = line


def _same(left: object, right: object) -> bool:
    """Whether two values are equal in value and type: 1, 1.0 and True differ, NaN equals itself."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and bool(left == right)
