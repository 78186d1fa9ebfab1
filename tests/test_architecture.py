"""The layers: who may import whom, what the screen process never loads, and our names against the libraries'."""

from __future__ import annotations

import ast
import graphlib
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "smoltui"
STACK = {"torch", "transformers", "trl", "datasets", "trackio", "accelerate", "peft", "pandas", "numpy"}
SCREEN = {"textual", "rich"}
OUTSIDE = {"huggingface_hub", "psutil", "pynvml", "pyarrow", "requests", "httpx", "httpx2", "asyncio", "subprocess"}

FORBIDDEN = {
    "core": SCREEN | STACK | OUTSIDE | {"smoltui.backends", "smoltui.screens", "smoltui.widgets", "smoltui.app"},
    "backends": SCREEN | STACK | {"smoltui.screens", "smoltui.widgets", "smoltui.app", "smoltui.cli"},
    "scripts": SCREEN | {"smoltui"},
    "widgets": STACK | {"smoltui.screens", "smoltui.app", "smoltui.backends", "smoltui.cli"},
    "screens": STACK | {"smoltui.cli"},
    "cli": SCREEN | STACK | {"smoltui.screens", "smoltui.widgets"},
}


@cache
def imported(path: Path) -> set[str]:
    """Modules a file imports anywhere, those for type checking left out."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_or_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("layer", sorted(FORBIDDEN))
def test_layers(layer: str) -> None:
    """Below the screens nothing knows Textual; the core knows nobody; scripts stand alone."""
    files = sorted((PACKAGE / layer).rglob("*.py"))
    assert files, f"no file in {layer}/: the test would prove nothing"
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in files
        for name in imported(path)
        for package in FORBIDDEN[layer]
        if is_or_in(name, package)
    ]
    # A start asks for the terminal's app from the command line: the one door between the two.
    assert not [line for line in wrong if line != "cli/commands/app.py imports smoltui.app"]


def test_widgets_beside_their_room_only_draw() -> None:
    """A widget in the package of a room imports as little as those in widgets/: no backend, nothing of another room."""
    widget = re.compile(r"^class \w+\((Widget|ScrollView|Static|Tree|FramedWidget|CursorList)\b", re.MULTILINE)
    files = [path for path in sorted((PACKAGE / "screens").glob("*/*.py")) if widget.search(path.read_text())]
    assert len(files) > 10, "the test would prove nothing"
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in files
        for name in imported(path)
        for package in FORBIDDEN["widgets"]
        if is_or_in(name, package) and not is_or_in(name, f"smoltui.screens.{path.parent.name}")
    ]
    assert not wrong


FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
"""Every module of the package by its name."""


def of_ours(path: Path) -> Iterator[str]:
    """Our modules that a file imports anywhere: at the top, in functions, for type checking."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from {full if full in FILES else node.module or ""} & FILES.keys()


def package_of(module: str) -> str:
    """`smoltui.backends.runs` for a module of it; outside core/, backends/ and screens/ the first two names."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1:2] in (["core"], ["backends"], ["screens"]) else 2])


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The names on a circle in this graph, the first of them again at the end; empty where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]
    return []


def test_every_dialog_is_drawn_as_one() -> None:
    """A style for dialogs reaches a class through its first base alone."""
    from smoltui.screens.modal import Modal

    for path in (PACKAGE / "screens").rglob("*.py"):
        importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    dialogs, found = [Modal], []
    while dialogs:
        dialog = dialogs.pop()
        dialogs += dialog.__subclasses__()
        found.append(dialog)
    assert len(found) > 20
    assert [one.__name__ for one in found[1:] if not issubclass(one.__bases__[0], Modal)] == []


def test_no_circle_of_imports() -> None:
    """No file and no package imports itself by way of others; imports for type checking and in functions count."""
    files = {module: set(of_ours(path)) - {module} for module, path in FILES.items()}
    assert len(files["smoltui.app"]) > 10, "the graph is empty: the test would prove nothing"
    assert not circle(files)
    packages: dict[str, set[str]] = {}
    for module, others in files.items():
        tail = package_of(module)
        heads = {package_of(other) for other in others} - {tail}
        packages.setdefault(tail, set()).update(heads)
    assert not circle(packages)


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) in (list("abca"), list("bcab"), list("cabc"))
    assert not circle({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a"}})


def test_layers_hold_packages_by_subject() -> None:
    """A module of core/ or backends/ is in the package of its subject; `services.py` says which engines there are."""
    loose = {
        str(path.relative_to(PACKAGE)) for layer in ("core", "backends") for path in (PACKAGE / layer).glob("*.py")
    }
    assert loose == {"core/__init__.py", "backends/__init__.py", "backends/services.py"}


OWN_TESTS: Mapping[str, str] = {
    "backends/runs/test_known_failures.py": "recipes that fail or are ruined, known to two commands alike",
    "backends/slurm/test_real_training.py": "the real trainer on two nodes, which takes a minute and a half",
    "backends/data_files/test_limits.py": "what every reader refuses, the same cases for each format",
}
"""Tests below tests/core and tests/backends that are not named for one module → why."""


def test_the_tests_stand_where_the_modules_do() -> None:
    """`tests/backends/runs/test_store.py` tests `smoltui/backends/runs/store.py`; every package has its tests."""
    tests = Path(__file__).parent
    for layer in ("core", "backends"):
        packages = {path.parent.name for path in (PACKAGE / layer).glob("*/*.py") if path.name != "__init__.py"}
        tested = {path.parent.name for path in (tests / layer).glob("*/test_*.py")}
        assert packages == tested, layer
    found = {path.relative_to(tests) for layer in ("core", "backends") for path in (tests / layer).rglob("test_*.py")}
    without = {str(path) for path in found if not (PACKAGE / path.with_name(path.name.removeprefix("test_"))).is_file()}
    assert without == set(OWN_TESTS)


@pytest.mark.parametrize(
    "module", ["smoltui.app", "smoltui.cli.main", "smoltui.screens.device.room", "smoltui.screens.runs.room"]
)
def test_the_screen_process_is_light(module: str) -> None:
    """In a fresh interpreter, the app loads nothing of the training stack, nor pyarrow or the Hub's client."""
    code = f"import sys, json, {module}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))
    assert "smoltui" in loaded
    assert not loaded & (STACK | {"pyarrow", "huggingface_hub", "pynvml"})


def test_chat_templates_run_in_their_child_alone() -> None:
    """Whoever wants tokens asks `token_service.py`; nobody else renders, or reads the files of a tokenizer."""
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "demo"  # it makes a tokenizer
        for name in imported(path)
        if (
            name.split(".")[0] in ("jinja2", "tokenizers")
            and path.name not in ("chat_template.py", "tokenizer_files.py")
        )
        or (name.endswith("tokenizer_files.read_tokenizer") and path.name != "template_child.py")
    ]
    assert not wrong


def names_in(tree: ast.AST) -> set[str]:
    """Texts that are compared with something, are keys of a table, or stand in a list of choices."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                parts = [node.left, *node.comparators]
                parts += [
                    item for part in parts if isinstance(part, ast.Tuple | ast.List | ast.Set) for item in part.elts
                ]
            case ast.Dict():
                parts = [key for key in node.keys if key is not None]
            case ast.MatchValue():
                parts = [node.value]
            case ast.Call(func=func) if ast.unparse(func).rpartition(".")[2] in ("Choice", "get", "make_spec"):
                parts = [item for part in node.args for item in ast.walk(part) if isinstance(item, ast.expr)]
            case ast.Subscript():
                parts = [node.slice]
            case _:
                continue
        found |= {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return found


def test_nobody_asks_which_engine_it_is() -> None:
    """What differs from one engine to the next is declared by it (`core/runs/place.py`), not known by name."""
    from smoltui.backends.services import places

    names = {place.name for place in places()}
    own = {path.parent for path in (PACKAGE / "backends").glob("*/place.py")}
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if not own & set(path.parents)]
    texts = {path: path.read_text() for path in files}
    naming = {path: text for path, text in texts.items() if any(f'"{name}"' in text for name in names)}
    wrong = {str(path.relative_to(PACKAGE)) for path, text in naming.items() if names_in(ast.parse(text)) & names}
    assert naming and not wrong
    assert names_in(ast.parse("run.engine == 'local' or {'hub': 1} or Choice(['toy'])")) == {"local", "hub", "toy"}


def test_runs_know_no_engine() -> None:
    """The packages of engines build upon `backends/runs`, never the other way round."""
    files = sorted((PACKAGE / "backends" / "runs").glob("*.py"))
    engines = list((PACKAGE / "backends").glob("*/place.py"))
    assert files and len(engines) > 2
    wrong = [
        f"{path.name} imports {name}"
        for path in files
        for name in imported(path)
        if any(is_or_in(name, f"smoltui.backends.{other.parent.name}") for other in engines)
    ]
    assert not wrong


def test_the_list_of_engines_is_light() -> None:
    """The command line has it at each start: it imports no engine."""
    code = "import sys, smoltui.backends.services; print([name for name in sys.modules if name.endswith('.engine')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_list_of_runs_is_light() -> None:
    """What a start of a run needs comes with the first start; a list of 200 runs has half a second."""
    late = ("smoltui.backends.local.starting", "smoltui.core.settings.settings", "smoltui.backends.project")
    modules = "smoltui.cli.main, smoltui.cli.runs, smoltui.backends.local.engine"
    code = f"import sys, {modules}; print([name for name in sys.modules if name.startswith({late})])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_start_reads_no_rows() -> None:
    """What reads pairs, with its patterns to compile, comes with the first pairs; the settings come after a frame."""
    late = ("smoltui.scripts.", "smoltui.core.settings.settings", "smoltui.core.actions.table", "textual.document")
    code = f"import sys, smoltui.app; print([name for name in sys.modules if name.startswith({late})])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_children_are_started_on_a_leash() -> None:
    """Every Python that does not outlive the app comes from `child.leashed`; training is supervised."""
    own = {"backends/system/child.py", "backends/local/launch.py", "backends/local/engine.py", "scripts/slurm_job.py"}
    own |= {"backends/machine/interpreter.py", "scripts/uv_environment.py"}  # the Python that is supervised
    own |= {"core/exporting/script.py"}  # in the text of a script that runs without smoltui
    starts = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"sys\.executable,|= sys\.executable", path.read_text())
    }
    assert starts - {"backends/machine/devices.py"} == own, "devices.py names a file after it"


def test_the_terminal_driver_stands_alone() -> None:
    """`wire/` could be published by itself: it knows nothing of the app."""
    files = sorted((PACKAGE / "wire").rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in files
        for name in imported(path)
        if is_or_in(name, "smoltui") and not is_or_in(name, "smoltui.wire")
    ]
    assert not wrong


def test_the_command_line_does_not_load_textual() -> None:
    code = "import sys, smoltui.cli.runs; print('textual' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_scripts_shadow_no_standard_module() -> None:
    """A script runs with its own folder first on the path."""
    names = {path.stem for path in (PACKAGE / "scripts").glob("*.py")} - {"__init__"}
    assert not names & set(sys.stdlib_module_names)
    code = f"import importlib.util as u; print([name for name in {sorted(names)} if u.find_spec(name)])"
    found = subprocess.check_output([sys.executable, "-c", code], text=True, cwd="/").strip()
    assert found == "[]", "a script is named like an installed package"


def test_metric_names_are_trl_s() -> None:
    """Every metric we show is one that the installed DPOTrainer writes."""
    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        pytest.skip("trl is not installed (extra: train)")
    from smoltui.core.runs.metrics import METRICS

    source = (Path(spec.origin).parent / "trainer" / "dpo_trainer.py").read_text()
    of_the_trainer = {"loss", "learning_rate", "grad_norm"}  # transformers' Trainer writes these
    missing = [metric.key for metric in METRICS if metric.key not in of_the_trainer and metric.key not in source]
    assert not missing


def test_stages_are_the_hub_s() -> None:
    """Our stages and which of them are final are the client's."""
    from huggingface_hub import JobStage

    from smoltui.core.runs.run import FINAL, Stage

    assert {stage.value for stage in Stage} == {stage.value for stage in JobStage}
    assert {stage.value for stage in FINAL} == {"COMPLETED", "CANCELED", "ERROR", "DELETED"}


def test_flavors_are_the_hub_s() -> None:
    """What a shell completes for --flavor is what the client knows."""
    from huggingface_hub import JobHardware

    from smoltui.core.machine.hardware import FLAVORS

    assert list(FLAVORS) == [hardware.value for hardware in JobHardware]


def test_the_words_of_a_phase_cover_the_script() -> None:
    """Each phase that a script says has its words on screen."""
    from smoltui.core.runs.wording import PHASES

    said = {
        str(node.args[0].value)
        for path in (PACKAGE / "scripts").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "phase"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert {"train", "save"} <= said
    assert said <= set(PHASES), f"phases without words: {said - set(PHASES)}"


def test_pyarrow_is_imported_before_its_parts() -> None:
    """`import pyarrow.ipc` takes the lock of the part, then waits for the package, which a thread may be importing.

    Python resolves that deadlock by handing out a package that is only half imported: once in a few hundred starts a
    search ended the app so. `from pyarrow import ipc` waits for the package first.
    """
    found = []
    for path in PACKAGE.rglob("*.py"):
        if "pyarrow." not in (text := path.read_text("utf-8")):
            continue
        tree = ast.parse(text)
        checked = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if node not in checked and any(name.startswith("pyarrow.") for name in names):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not found, f"write from pyarrow import …: {found}"


def test_no_package_imports_its_own_modules() -> None:
    """Threads that import two of its modules could wait for each other (`late_names.py`): names come on first use.

    Apart from packages that are there before the first thread.
    """
    early = {"smoltui.redaction", "smoltui.wire"}
    for name, path in FILES.items():
        if path.name != "__init__.py" or name in early:
            continue
        tree = ast.parse(path.read_text())
        late = {node for branch in tree.body if isinstance(branch, ast.If) for node in ast.walk(branch)}
        own = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node not in late]
        assert not [module for module in own if (module or "").startswith(f"{name}.")], name
    code = f"import sys, smoltui.app; print({early!r} <= sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "True"


@pytest.mark.parametrize("name", ["smoltui.core.recipe", "smoltui.core.meanings"])
def test_names_that_come_on_first_use_are_those_that_are_checked_for_types(name: str) -> None:
    package = importlib.import_module(name)
    told = {
        alias.name: node.module
        for node in ast.walk(ast.parse(FILES[name].read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{name}.")
        for alias in node.names
    }
    assert sorted(told) == sorted(package.__all__)
    for each, module in told.items():
        assert getattr(package, each) is getattr(importlib.import_module(module or ""), each)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018
