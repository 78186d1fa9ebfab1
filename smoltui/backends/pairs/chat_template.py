"""A model's chat template, compiled and rendered in a sandbox as transformers 5.23 does.

A chat template is a program of strangers: only `template_child.py`, a process of its own, renders one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smoltui.backends.pairs.template_limits import Late, Limits, StuckError, too_large, too_late
from smoltui.errors import InputError
from smoltui.safe_text import redact, safe_line

if TYPE_CHECKING:
    from jinja2.ext import Extension
    from jinja2.nodes import Node
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Namespace

Guarding = Callable[[], AbstractContextManager[None]]
"""Makes a block in which the limits of a template are enforced."""


def no_template(model: str) -> InputError:
    """The error for conversations of a model without a chat template."""
    return InputError(
        f"The model has no chat template, so conversations cannot be rendered for it: {model}",
        "Start from a chat model, such as HuggingFaceTB/SmolLM3-3B.",
    )


def error_words(error: Exception) -> str:
    """What a foreign error says, redacted and on one line; the name of its class if it says nothing."""
    return safe_line(redact(str(error) or type(error).__name__), 200)


def variables_of(source: str) -> frozenset[str]:
    """Names of the variables that a template expects. It is parsed, not compiled; empty if that fails."""
    from jinja2.exceptions import TemplateError
    from jinja2.meta import find_undeclared_variables

    try:
        return frozenset(find_undeclared_variables(_environment().parse(source)))
    except (TemplateError, RecursionError, ValueError):
        return frozenset()


class ChatTemplate:
    """A compiled chat template."""

    def __init__(self, source: str, model: str, limits: Limits, guard: Guarding) -> None:
        """Compiling runs parts of the template too.

        Raises:
            InputError: it cannot be compiled.
            StuckError: it takes too much time or memory.
        """
        environment = _environment()
        self._limits, self._guard = limits, guard
        try:
            with guard():
                self._template = environment.from_string(source)
        except (Late, MemoryError, RecursionError) as error:
            raise _stuck(error, limits) from None
        except Exception as error:  # not only syntax: constants are computed here, and names become Python's
            raise InputError(f"The chat template of this model cannot be used: {model}", error_words(error)) from error

    def render(self, *conversations: tuple[list[dict[str, Any]], Mapping[str, object]]) -> list[str]:
        """The texts of the conversations (messages, variables) of one pair, which share the limits.

        Raises:
            InputError: the template rejects one, or fails on it; TRL would stop there.
            StuckError: it takes too much time or memory, or writes too much text.
        """
        try:
            with self._guard():
                return [self._rendered(messages, variables) for messages, variables in conversations]
        except StuckError:
            raise
        except (Late, MemoryError, RecursionError) as error:
            raise _stuck(error, self._limits) from None
        except Exception as error:  # a template is a program of strangers: it can fail in any way
            raise InputError(
                f"The model's chat template rejects this conversation: {error_words(error)}",
                "Training would stop here: exclude the pair.",
            ) from error

    def _rendered(self, messages: list[dict[str, Any]], variables: Mapping[str, object]) -> str:
        most = self._limits.characters + self._limits.times * sum(len(message["content"]) for message in messages)
        parts, size = [], 0
        for part in self._template.generate(**{"tools": None, "documents": None, **variables, "messages": messages}):
            if (size := size + len(part)) > most:
                raise StuckError.because(f"writes more than {most:,} characters")
            parts.append(part)
        text = "".join(parts)
        try:
            text.encode()
        except UnicodeEncodeError as error:  # no tokenizer takes a lone surrogate
            raise ValueError(f"it writes half a character, {text[error.start]!a}") from error
        return text


def _stuck(error: BaseException, limits: Limits) -> StuckError:
    if isinstance(error, Late):
        return StuckError.because(too_late(limits))
    return StuckError.because(too_large(limits) if isinstance(error, MemoryError) else "calls itself endlessly")


# --------------------------------------------------------------------------------------------------------- the sandbox


def _environment() -> ImmutableSandboxedEnvironment:
    """As in `transformers.utils.chat_template_utils`."""
    import jinja2
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_generation(), loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    # Templates come from strangers: no attributes of the real `dict`, no underscored names in a namespace.
    environment.globals["dict"] = _Dictionaries()
    environment.globals["namespace"] = _namespace()
    return environment


def _generation() -> type[Extension]:
    """{% generation %} … {% endgeneration %}, which marks what the assistant says, and is rendered unchanged."""
    from jinja2 import nodes
    from jinja2.ext import Extension

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser: Parser) -> Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            # A scope of its own, like the macro that transformers turns it into.
            return nodes.CallBlock(self.call_method("_unchanged"), [], [], body).set_lineno(line)

        def _unchanged(self, caller: Callable[[], str]) -> str:
            return caller()

    return Generation


def _tojson(
    x: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Dictionaries:
    """What a template sees as `dict`: it makes dictionaries, and has no other attributes of the class."""

    def __call__(self, *parts: Any, **items: object) -> dict[object, object]:
        return dict(*parts, **items)

    def fromkeys(self, keys: Iterable[object], value: object = None) -> dict[object, object]:
        return dict.fromkeys(keys, value)


def _namespace() -> type[Namespace]:
    """What a template sees as `namespace`: without names that begin with an underscore (transformers 5.23)."""
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    def checked(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"a namespace cannot contain a name that starts with an underscore: {name}")

    class Guarded(Namespace):
        def __init__(*parts: Any, **items: Any) -> None:  # no parameter `self`: a template may use that name
            held = dict(*parts[1:], **items)
            for name in held:
                checked(name)
            Namespace.__init__(parts[0], held)

        def __setitem__(self, name: str, value: object) -> None:
            checked(name)
            super().__setitem__(name, value)

    return Guarded
