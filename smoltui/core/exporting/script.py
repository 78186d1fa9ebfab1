"""One Python file that trains a recipe: the training script with its modules, the recipe, and exact versions."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template

from smoltui.errors import InputError
from smoltui.safe_text import safe_line

_HEADER = re.compile(r"(?ms)^# /// script\n(.*?)^# ///\n")


@dataclass(frozen=True, slots=True)
class ScriptParts:
    """What an exported script is made of."""

    name: str
    """Name of the recipe, for the docstring."""
    recipe: str
    """Text of recipe.yaml."""
    modules: Mapping[str, str]
    """File name → source. `dpo.py` is the script; the others are imported by it."""
    requirements: Sequence[str]
    """As pip takes them, each with an exact version."""
    locked: Sequence[str] = ()
    """`name==version` of everything that they require in turn."""
    left_out: Sequence[str] = field(default=())
    """Content hashes of pairs that are not trained on."""
    launch: str = ""
    """Config of `accelerate launch` for several GPUs, as YAML; empty for one process."""


def requirements_of(script: str) -> list[str]:
    """The dependencies in a script's header (PEP 723).

    Raises:
        InputError: it has no such header.
    """
    import tomllib

    found = _HEADER.search(script)
    if found is None:
        raise InputError("The training script has no header", "Reinstall smoltui.")
    text = "".join(line[2:] if line.startswith("# ") else line[1:] for line in found[1].splitlines(keepends=True))
    return [str(line) for line in tomllib.loads(text)["dependencies"]]


def exported_script(parts: ScriptParts) -> str:
    """The file. `uv run FILE` makes its environment and trains; `python FILE` trains in the present one."""
    # A file has one header: that of the script goes.
    modules = "".join(f"    {name!r}: {_literal(_HEADER.sub('', source))},\n" for name, source in parts.modules.items())
    left_out = "".join(f"    {value!r},\n" for value in parts.left_out)
    return _TEMPLATE.substitute(
        name=safe_line(parts.name, 60).replace("\\", "/").replace('"', "'"),
        requirements="".join(f"#   {json.dumps(line)},\n" for line in parts.requirements),
        locked="".join(f"#   {json.dumps(line)},\n" for line in parts.locked),
        recipe=_literal(parts.recipe),
        left_out=left_out,
        launch=_literal(parts.launch),
        modules=modules,
    )


def _literal(text: str) -> str:
    """The text as a Python literal, readable if possible."""
    raw = f"r'''{text}'''"
    try:
        if "\r" not in text and ast.literal_eval(raw) == text:
            return raw
    except (SyntaxError, ValueError):
        pass  # it has such quotes itself, or ends with a backslash
    return repr(text)


_TEMPLATE = Template('''\
# /// script
# requires-python = ">=3.11"
# dependencies = [
$requirements# ]
#
# [tool.uv]
# constraint-dependencies = [
$locked# ]
# ///
"""Trains "$name" with TRL's DPOTrainer: the recipe, the program and the versions of all packages are in this file.

    uv run FILE             makes the environment described above, once, and trains in it
    python FILE             trains in the present environment
    uv run FILE --beta 0.2  changes a value of the recipe, as an option of trl dpo would

Relative paths in the recipe start from the folder of this file, or from --work-dir DIR. Exported from smoltui.
"""

import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPE = $recipe

LEFT_OUT = (
$left_out)
"""Content hashes of pairs that are not trained on."""

LAUNCH = $launch
"""Config of `accelerate launch`, which starts one process per GPU; empty: one process."""

MODULES = {
$modules}
"""File name -> source of the training script, and of the modules that it imports."""


def main() -> None:
    """Runs the training script, as if it lay in a folder with its modules and the recipe."""
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory(prefix="dpo-") as folder:
        for name, text in {**MODULES, "recipe.yaml": RECIPE, "left_out.txt": "\\n".join(LEFT_OUT)}.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        config, left_out, script = (str(Path(folder, name)) for name in ("recipe.yaml", "left_out.txt", "dpo.py"))
        own = ["--config", config, "--work-dir", str(here), "--exclude", left_out]
        sys.argv = [script, *own, *sys.argv[1:]]
        if LAUNCH:
            processes = Path(folder, "accelerate.yaml")
            processes.write_text(LAUNCH, encoding="utf-8")
            launcher = [sys.executable, "-P", "-m", "accelerate.commands.launch", "--config_file", str(processes)]
            sys.exit(subprocess.call([*launcher, *sys.argv]))
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
''')
