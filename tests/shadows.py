"""A project with files named like the modules that we and the training stack import. Importing one leaves a mark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smoltui.scripts import BESIDE_DPO

PACKAGES = ("accelerate", "smoltui", "torch", "trl")
MODULES = (
    "yaml",
    "click",
    "orjson",
    "pyarrow",
    "jinja2",
    "tokenizers",
    "transformers",
    "datasets",
    "platformdirs",
    "psutil",
    "sitecustomize",
    *(Path(name).stem for name in BESIDE_DPO),
)
MARK = "IMPORTED-"


def put_shadows(folder: Path, *, leave_out: Sequence[str] = ()) -> None:
    """Puts them into `folder`."""
    for name in (*PACKAGES, *MODULES):
        if name in leave_out:
            continue
        path = folder / name / "__init__.py" if name in PACKAGES else folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        mark = folder / f"{MARK}{name}"
        path.write_text(f"open({str(mark)!r}, 'w').close()\nraise SystemExit('a shadow was imported: {name}')\n")


def left_behind(folder: Path) -> list[str]:
    """Those that were imported."""
    return sorted(path.name.removeprefix(MARK) for path in folder.glob(f"{MARK}*"))
