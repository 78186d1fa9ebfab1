"""Whether the chat template of a recipe's model uses the tools that the rows of a set offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from smoltui.backends.data_files.hub_repo import MODEL, HubRepo
from smoltui.backends.data_files.source import PairsSpec, is_local
from smoltui.backends.pairs.chat_template import variables_of
from smoltui.backends.pairs.tokenizer_files import CONFIG, TEMPLATE, template_text
from smoltui.backends.project.project import Project
from smoltui.backends.system.paths import exists
from smoltui.errors import SmoltuiError
from smoltui.safe_text import safe_line
from smoltui.scripts.pair_columns import layout_of, tools_of

OTHER_NAMES = ("xml_tools", "python_tools")
"""Under these names, SmolLM3's template takes tools, from the row's `chat_template_kwargs`."""


def ignored_tools(project: Project, values: Mapping[str, object], spec: PairsSpec) -> str:
    """A sentence, if the first rows of a set on this machine offer tools that the model's template ignores; else empty.

    The model's files are looked up on this machine only. Blocking.
    """
    from smoltui.backends.data_files.head import first_rows

    try:
        if not is_local(spec, project.folder) or not offer_tools(first_rows(spec, project.folder)):
            return ""
        return ignores_tools(project, values)
    except SmoltuiError:  # whoever opens the set or the model says so
        return ""


def offer_tools(rows: Sequence[object]) -> bool:
    """Whether one of these rows offers the model a tool."""
    found = [row for row in rows if isinstance(row, Mapping)]
    return any(tools_of(row, layout_of(tuple(row)).tools) for row in found)


def ignores_tools(project: Project, values: Mapping[str, object]) -> str:
    """A sentence, if the template of the recipe's model is known here and does not use `tools`; else empty.

    Raises:
        InputError: a file of the model cannot be read.
    """
    name = values.get("model_name_or_path")
    if not isinstance(name, str) or not name:
        return ""
    template, config = (model_file(project, values, name, file) for file in (TEMPLATE, CONFIG))
    source = template_text(template, config, name)
    used = frozenset[str]() if source is None else variables_of(source)
    if source is None or "tools" in used:
        return ""
    others = [other for other in OTHER_NAMES if other in used]
    hint = f"; it takes {' or '.join(others)} in chat_template_kwargs" if others else ""
    return f"The rows offer tools, but the chat template of {safe_line(name, 80)} ignores them{hint}"


def model_file(project: Project, values: Mapping[str, object], model: str, name: str) -> Path | None:
    """A file of the model in its folder, or in the Hub's cache; None if it is in neither."""
    folder = project.resolve(model)
    if exists(folder):
        return path if (path := folder / name).is_file() else None
    revision = values.get("model_revision")
    repo = HubRepo(MODEL, model, revision if isinstance(revision, str) and revision else None)
    with repo.reading():
        return repo.cached(name)
