"""README and documentation: nothing of the code is missing, no link is broken, and the English stays plain."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from smoltui import docs
from smoltui.core.actions.table import ACTIONS, PLACES
from smoltui.errors import InputError
from tests.docs_tables import BLOCK, MOVES, TABLES, WORDS, generated, used, with_tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README": README} | {name: (docs.FOLDER / f"{name}.md").read_text(encoding="utf-8") for name in docs.TOPICS}

ROOMS = ("app", "home", "device", "pairs", "recipe", "runs", "evaluate", "submit")


# -- what comes from the code


@pytest.mark.parametrize("name", docs.TOPICS)
def test_the_tables_are_up_to_date(name: str) -> None:
    assert with_tables(PAGES[name]) == PAGES[name], "run: python -m tests.docs_tables"


def test_every_table_is_on_a_page() -> None:
    placed = {match["name"] for page in PAGES.values() for match in BLOCK.finditer(page)}
    assert {name for name in placed if not name.startswith("keys ")} == TABLES.keys()
    assert {name.removeprefix("keys ") for name in placed if name.startswith("keys ")} <= PLACES.keys()


def test_no_wording_is_for_a_text_that_is_gone() -> None:
    for page in PAGES.values():
        with_tables(page)
    assert not WORDS.keys() - used, "run: python -m tests.docs_tables"


def test_every_action_is_in_the_documentation() -> None:
    page = PAGES["keys"]
    moves = {action.id for action in ACTIONS.values() if action.words in MOVES}
    assert len(ACTIONS) > 300 and len(moves) < 200
    assert not [name for name in ACTIONS.keys() - moves if f"`{name}`" not in page]


def test_every_command_and_option_is_named() -> None:
    import click

    from smoltui.cli.main import smoltui

    def listed(name: str, command: click.Command) -> list[tuple[str, str]]:
        if isinstance(command, click.Group):
            return [pair for sub, each in command.commands.items() for pair in listed(f"{name} {sub}", each)]
        options = [option.opts[-1] for option in command.params if isinstance(option, click.Option)]
        return [(name, option) for option in ["", *options] if option != "--json"]

    sections = re.split(r"^#{3,4} ", PAGES["commands"], flags=re.MULTILINE)
    missing = [
        (name, option)
        for each, command in smoltui.commands.items()
        if not command.hidden
        for name, option in listed(f"smoltui {each}", command)
        if not any(section.startswith(f"{name}\n") and option in section for section in sections)
    ]
    assert not missing


def test_every_event_and_column_is_named() -> None:
    from smoltui.core.pairs.columns import COLUMNS
    from smoltui.core.runs.events import EVENTS, OF_MODELS

    named = set(re.findall(r"^\| `(\w+)` ", generated("events"), re.MULTILINE))
    assert named == set(EVENTS) - OF_MODELS
    assert not [name for name in COLUMNS if f"| `{name}` |" not in PAGES["pairs"]]


def test_every_exit_code_is_named() -> None:
    from smoltui import errors
    from smoltui.cli.main import INTERRUPTED

    def codes(cls: type[errors.SmoltuiError]) -> set[int]:
        return {cls.exit_code} | {code for sub in cls.__subclasses__() for code in codes(sub)}

    listed = set(re.findall(r"^\| (\d+) \|", PAGES["commands"], re.MULTILINE))
    assert listed == {str(code) for code in {0, INTERRUPTED} | codes(errors.SmoltuiError)}


# -- README


def test_the_readme_is_short_and_begins_with_two_commands() -> None:
    assert len(README.splitlines()) <= 125
    commands = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert commands[0] == "python -m pip install '.[train]' && smoltui demo\n"
    assert commands[1] == "python -m pip install -e '.[train,dev]' && python -m pytest -n 4\n"
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    install, _, test = commands[1].strip().partition(" && ")
    assert install.replace("install", "install --quiet") in script and test in script.splitlines()


def test_the_readme_links_to_every_topic() -> None:
    assert not [name for name in docs.TOPICS if f"](smoltui/docs/{name}.md)" not in README]


def test_the_readme_shows_every_screenshot_as_png() -> None:
    shown = set(re.findall(r"\]\(screenshots/([\w.]+\.png)\)", README))
    assert shown == {path.name for path in (ROOT / "screenshots").glob("*.png")}


# -- links and English


def anchors(page: str) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / "README.md" if name == "README" else docs.FOLDER / f"{name}.md"
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if "://" in target:
            continue
        file, _, fragment = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.is_file(), target
        assert not fragment or fragment in anchors(linked.read_text(encoding="utf-8")), target
    for topic in re.findall(r"`smoltui docs ([a-z-]+)`", PAGES[name]):
        assert topic in docs.TOPICS


RETIRED = [
    phrase.strip()
    for line in """
anew · go on · goes on · went on · tells of · tell of · what trains · lies in · lie in · mend · mends · at hand
turned round · those found · the one before · leave it · leaves it · shall · reckoned · so long · elsewhere
nothing after it · then ask both models · after other runs · beside other runs · goes to nowhere · killed after
which the Hub does not tell · at the peak · what is there gets · empty: no note · nearly one that stood earlier
stood earlier · look again · read again · ask torch · torch says · what it comes to · pairs, one source
reference first · has left a model · what the cursor is on · the numbers stand in · where the terminal allows it
each time of · nothing was found · flagged pair before · hold out a share · no pair holds this · read in part
not read in yet · is on both sides · there is no report yet · sees nothing of it · what follows a run
a bell at its end · the hit before · curves before · hit before · nothing is searched for · follows its end
stays where it is · secrets taken out · no run is like this · takes one away · was not kept · it tells nothing more
its last words · marked ✗ first · not installed here · asks both models · this is a mistake of · whoever mends it
each must do · a line a second · again and again
""".strip().splitlines()
    for phrase in line.split("·")
]
"""Phrases that read like a translation, in lower case; each has a plain one in its place."""


def plain(page: str) -> str:
    """A page without names in backticks, in lower case, on one line."""
    page = re.sub(r"`[^`\n]+`|<!--.*?-->", " ", page, flags=re.DOTALL)
    return " ".join(page.lower().split())


def retired_in(text: str, phrases: list[str]) -> list[str]:
    return [phrase for phrase in phrases if re.search(rf"(?<!\w){re.escape(phrase.lower())}(?!\w)", plain(text))]


@pytest.mark.parametrize("name", PAGES)
def test_no_retired_phrase_comes_back(name: str) -> None:
    assert not retired_in(PAGES[name], RETIRED)


def test_the_help_of_every_command_and_option_is_plain() -> None:
    import click

    from smoltui.cli.main import smoltui

    def helps(command: click.Command) -> list[str]:
        own = [command.help or "", *(param.help or "" for param in command.params if isinstance(param, click.Option))]
        below = command.commands.values() if isinstance(command, click.Group) else []
        return own + [text for each in below for text in helps(each)]

    texts = helps(smoltui)
    assert len(texts) > 100
    assert not [(text, found) for text in texts if (found := retired_in(text, RETIRED))]


UNMISTAKABLE = [
    phrase.strip()
    for phrase in """
anew · go on with · mend · at hand · turned round · those found · the one before · leave it · shall · reckoned
so long as it · lies in · tells of · what trains
""".replace("\n", "·").split("·")
    if phrase.strip()
]
"""Phrases that no shown text has; others of `RETIRED` can be right in some place."""
NOT_YET: tuple[str, ...] = ()
"""Folders of the package whose texts are still to be rewritten."""
DATA = ("demo/corpus.py",)
"""Files whose texts are training data."""


def shown_texts(path: Path) -> list[str]:
    """The string literals of a module that a person may read: no docstrings, no single words such as keys of JSON."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in said]
    return [node.value for node in constants if isinstance(node.value, str) and " " in node.value.strip()]


def test_no_retired_phrase_is_shown() -> None:
    package = docs.FOLDER.parent
    paths = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    checked = {name: path for name, path in paths.items() if not name.startswith(NOT_YET) and name not in DATA}
    assert len(checked) > 100
    assert not [
        (name, text, found)
        for name, path in checked.items()
        for text in shown_texts(path)
        if (found := retired_in(text, UNMISTAKABLE))
    ]


# -- the command


def run(*args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `smoltui docs` with these arguments."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "smoltui", "docs", *args], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_every_file_is_a_topic_with_title_and_summary() -> None:
    assert {path.stem for path in docs.FOLDER.glob("*.md")} == set(docs.TOPICS)
    for topic in docs.topics():
        head, blank, summary, after, *_ = PAGES[topic.name].split("\n")
        assert (head, blank, after) == (f"# {topic.title}", "", "")
        assert topic.summary == summary and 20 <= len(summary) <= 58 and summary.endswith(".")


def test_docs_lists_the_topics_and_prints_one() -> None:
    from smoltui.cli.main import smoltui

    listed = CliRunner().invoke(smoltui, ["docs"]).output
    assert all(f"{topic.name} " in listed and topic.summary in listed for topic in docs.topics())
    printed = CliRunner().invoke(smoltui, ["docs", "keys"]).output
    assert printed == docs.text_of("keys") and "<!--" not in printed and "| `ctrl+l` |" in printed
    as_json = json.loads(CliRunner().invoke(smoltui, ["docs", "--json"]).output)
    assert [set(topic) for topic in as_json["topics"]] == [{"name", "title", "summary"}] * len(docs.TOPICS)
    one = json.loads(CliRunner().invoke(smoltui, ["docs", "keys", "--json"]).output)
    assert one == {"name": "keys", "title": "Keys", "text": printed}


@pytest.mark.parametrize("name", ["nothing", "", "../errors", "keys.md", "KEYS"])
def test_an_unknown_topic_is_one_sentence_with_all_topics(name: str) -> None:
    with pytest.raises(InputError) as raised:
        docs.text_of(name)
    assert all(topic in raised.value.hint for topic in docs.TOPICS)


def test_an_unknown_topic_exits_with_2() -> None:
    code, out, err = run("nothing")
    assert code == 2 and not out and "Traceback" not in err and "benchmarks" in err
