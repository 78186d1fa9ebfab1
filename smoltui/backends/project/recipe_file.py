"""recipe.yaml as text: read as TRL reads it, edited one value at a time, every comment and blank line kept.

The file is never dumped anew. An edit replaces the characters of one value, adds one line or takes out the lines of
one key; the result is parsed again and must hold what was asked for and nothing else, or nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoltui.backends.project.project import RECIPE_NAME, Project
from smoltui.backends.system.small_file import read_small
from smoltui.backends.system.yaml_limits import MOST_BYTES, YAMLLimitError, check_nodes, safe_yaml, yaml_errors
from smoltui.core.recipe.fields import BY_KEY
from smoltui.errors import RecipeError
from smoltui.safe_text import safe_line

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

STRATEGIES = ("save_strategy", "eval_strategy", "logging_strategy")
"""Keys whose word `no` must be quoted: to TRL (YAML 1.1) a bare no is false, which it then refuses."""

_NO_DOT = re.compile(r"[-+]?\d[\d_]*[eE][-+]?\d+")
_LONE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z_./~<][\w./@+~<>-]*")


class RecipeFile:
    """One recipe, as it was read and as it was edited since."""

    def __init__(self, path: Path, text: str, digest: str) -> None:
        self.path = path
        self.text = text
        """The file's text with the edits since."""
        self.values: dict[str, Any] = {}
        """Key → plain Python value (bool, int, float, str, list, dict or None), in the file's order."""
        self._digest = digest
        self._spans: dict[str, tuple[Node, Node]] = {}
        self._flow = False
        self._parse()

    def line_of(self, key: str) -> int | None:
        """One-based line of a key, None when the file does not hold it."""
        return self._spans[key][0].start_mark.line + 1 if key in self._spans else None

    def set(self, key: str, value: Any) -> None:
        """Puts a value in the place of the old one, or adds the key as the last line.

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
        """Takes out the lines of one key; comments around them stay. A key that is not there is no error.

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

    def save(self, *, overwrite: bool = False) -> None:
        """Writes the text beside the file and puts it in its place; the file is the old or the new one, never half.

        Raises:
            RecipeError: somebody else changed the file since it was read (unless `overwrite`), or it cannot be written.
        """
        if not overwrite and self.changed_outside():
            raise RecipeError(
                f"{self.path.name} was changed by another program, so nothing was written",
                "Reload the recipe, then repeat the change.",
            )
        try:
            _replace_file(self.path, self.text)
        except OSError as error:
            raise RecipeError(f"{self.path.name} cannot be written: {error.strerror}", str(self.path)) from error
        self._digest = _digest(self.text.encode("utf-8"))

    def changed_outside(self) -> bool:
        """Whether the file's content differs from what was read or last saved; a file that is gone differs too."""
        try:
            return _digest(read_small(self.path, MOST_BYTES)) != self._digest
        except OSError:
            return True

    def _place(self, key: str) -> tuple[int, int, str]:
        """Where the value of a key stands: from behind the colon to its last character, and a comment before a list."""
        name, node = self._spans[key]
        colon = self.text.index(":", name.end_mark.index) + 1
        end = max(colon, _end(node))
        first_line, newline, _ = self.text[colon:end].partition("\n")
        comment = first_line.rstrip() if newline and first_line.lstrip().startswith("#") else ""
        return colon, end, comment

    def _room_for(self, key: str) -> tuple[int, str]:
        """Where a new key goes, and how far in: behind the nearest one before it in the form, else at the end."""
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
        if self._flow:
            raise RecipeError(
                f"{self.path.name} is written in braces, so a line cannot be added or removed: {key}",
                "Write one key per line, without the outer { }.",
            )

    def _replace(self, text: str, expected: dict[str, Any], key: str) -> None:
        changed = RecipeFile.__new__(RecipeFile)
        try:
            changed.__init__(self.path, text, self._digest)  # type: ignore[misc]  # parsed before it is believed
            same = _same(changed.values, expected)
        except RecipeError:
            same = False
        if not same:
            raise RecipeError(
                f"{self.path.name} cannot be changed without touching something else: {key}",
                "Open the file in your editor (e) and change the line there.",
            )
        self.text, self.values, self._spans, self._flow = text, changed.values, changed._spans, changed._flow

    def _parse(self) -> None:
        from ruamel.yaml.error import MantissaNoDotYAML1_1Warning, YAMLError
        from ruamel.yaml.nodes import MappingNode, ScalarNode

        warnings.simplefilter("ignore", MantissaNoDotYAML1_1Warning)
        yaml = safe_yaml()
        yaml.version = (1, 1)  # what PyYAML, and so TRL, reads
        try:
            with yaml_errors():
                root = yaml.compose(self.text)
                if root is not None:
                    check_nodes(root)
        except YAMLLimitError as error:
            raise RecipeError(
                f"{self.path.name} line {error.line} cannot be used: {error}", "Write the values out, one key per line."
            ) from error
        except YAMLError as error:
            raise self._bad_yaml(error) from error
        if root is None:
            return
        if not isinstance(root, MappingNode):
            raise RecipeError(
                f"{self.path.name} has no keys, line {root.start_mark.line + 1}",
                "Write one `key: value` per line, for example learning_rate: 5.0e-7",
            )
        self._flow = bool(root.flow_style)
        _no_duplicates(root, self.path.name)
        for name, node in root.value:
            if not isinstance(name, ScalarNode) or name.tag != "tag:yaml.org,2002:str":
                found = safe_line(str(name.value), 80)
                raise RecipeError(
                    f"{self.path.name} line {name.start_mark.line + 1}: a key must be a word: {found}",
                    "Write one of TRL's keys, such as learning_rate.",
                )
            key = str(name.value)
            if key in STRATEGIES and node.tag == "tag:yaml.org,2002:bool":
                raise RecipeError(
                    f"{self.path.name} line {node.start_mark.line + 1}: {key} is read as true or false: {node.value}",
                    f'Write {key}: "no" with the quotes.' if not _truth(node.value) else f"Write {key}: steps",
                )
            self._spans[key] = (name, node)
            for child in _nodes(node):
                _as_trl_reads(child, top=child is node)
        try:
            for key, (_, node) in self._spans.items():
                with yaml_errors():
                    self.values[key] = yaml.constructor.construct_object(node, deep=True)
                    if problem := _odd(self.values[key]):
                        raise RecipeError(
                            f"{self.path.name} line {node.start_mark.line + 1}: {key} holds {problem}",
                            "Write a number, text, true or false, or a list or mapping of these.",
                        )
        except YAMLError as error:
            raise self._bad_yaml(error, node) from error

    def _bad_yaml(self, error: Exception, node: Node | None = None) -> RecipeError:
        """`node` is the value it is about, where that is known."""
        mark = getattr(error, "problem_mark", None) or (node.start_mark if node is not None else None)
        begun = getattr(error, "context_mark", None)
        # What is never closed is noticed at the end of the file; the line to look at is the one that opened it.
        if begun is not None and (mark is None or not self.text[mark.index :].strip()):
            mark = begun
        where = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or (str(error).splitlines() or ["it cannot be read"])[0]
        text = self.text.splitlines()
        problem = problem.replace("'<stream end>'", "the end of the file")
        shown = (
            f" The line is: {safe_line(text[mark.line].strip(), 120)}"
            if mark is not None and mark.line < len(text)
            else ""
        )
        return RecipeError(
            f"{self.path.name}{where} is not YAML: {safe_line(problem, 200)}", f"Fix it in your editor.{shown}"
        )


def load_recipe(path: Path) -> RecipeFile:
    """The recipe in `path`, with every value as TRL will read it.

    A number such as `5e-7` is a number at the top level, where TRL makes it one; deeper down (in a mapping) TRL gets it
    as text, and so do we.

    Raises:
        RecipeError: no such file, not UTF-8, not YAML, not a mapping, a key twice, or `no` without quotes where a
            word is meant; the message names the line and the hint says what to write.
    """
    try:
        data = read_small(path, MOST_BYTES)
    except FileNotFoundError as error:
        raise RecipeError(
            f"No recipe here: {path}", f"Create a project: smoltui new {path.parent} --preset course-local"
        ) from error
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
        RecipeError: as `load_recipe`; a folder without a recipe gets the command that makes one.
    """
    if not project.has_recipe:
        raise RecipeError(
            f"This folder has no {RECIPE_NAME}: {project.folder}",
            "Create a project: smoltui demo FOLDER, or smoltui new FOLDER --preset course-local",
        )
    return load_recipe(project.recipe_path)


def render(value: Any, indent: str = "") -> str:
    """A value as YAML that PyYAML, ruamel.yaml and a person read alike; a list of mappings takes lines of its own."""
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
        # YAML 1.1 wants a dot and a sign, else the number is text to PyYAML inside a mapping.
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


def _replace_file(path: Path, text: str) -> None:
    """Beside, then replace; a link stays a link and the file keeps its permissions."""
    real = path.resolve()
    descriptor, beside = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(real.stat().st_mode & 0o777 if real.exists() else 0o644)
        Path(beside).replace(real)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _end(node: Node) -> int:
    """Behind the last character of a value; the parser's own mark for a block list lies at the next key."""
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if isinstance(node, MappingNode | SequenceNode) and not node.flow_style:
        parts = [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
        return max((_end(part) for part in parts), default=0)
    empty = node.start_mark.index == node.end_mark.index
    return 0 if empty else int(node.end_mark.index)


def _nodes(node: Node) -> list[Node]:
    """`node` and all below it, each once (an alias may repeat one)."""
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
    """Mends the tags where ruamel's YAML 1.1 and PyYAML differ; dates stay text, since no field of TRL is a date."""
    from ruamel.yaml.nodes import ScalarNode

    if not isinstance(node, ScalarNode):
        return
    kind = str(node.tag).rsplit(":", 1)[-1]
    if (
        kind == "timestamp"
        or (kind == "bool" and node.value in ("y", "Y", "n", "N"))
        or (kind == "float" and not top and _NO_DOT.fullmatch(node.value))
    ):
        # A node's tag can be read only; its ctag is what the constructor looks at.
        node.ctag = type(node.ctag)(suffix="tag:yaml.org,2002:str")


def _odd(value: Any) -> str:
    """What a value is that no key of TRL takes; empty for one that may do."""
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


def _same(left: Any, right: Any) -> bool:
    """Equal in value and kind: 1, 1.0 and True are three things, NaN equals itself."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and bool(left == right)
