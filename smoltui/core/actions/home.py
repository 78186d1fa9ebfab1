"""Home, and the wizard for a new project."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, PROJECT = Group.MOVE, Group.SEE, Group.DO, Group.PROJECT

HOME = Place(
    "home",
    "Home",
    (
        Action("next-step", "enter", "next_step", "Do the next step", DO, bar="Next step"),
        Action("open", "o", "open", "Open pairs, a folder, a name on the Hub, or a run", PROJECT, bar="Open"),
        Action("new", "n", "new", "Start a new project, step by step", PROJECT, bar="New"),
        Action("recent", "p", "recent", "Open a recent project", PROJECT, bar="Recent"),
        Action("device", "D", "details", "Show this machine and the account in full", SEE, bar="Device"),
        Action("demo", "d", "demo", "Create the demo, and open it", PROJECT),
        Action("compare", "a", "compare", "Compare the model before and after training", DO, means="act"),
        Action("reload", "r", "refresh", "Reload project, machine and account", DO),
        Action("back", "escape", "back", "Cancel the input", MOVE),
    ),
)
RECENT = Place(
    "recent",
    "Recent projects",
    (
        Action("choose", "enter", "choose", "Open the project", DO),
        *moves("move({})", end="move({})"),
        Action("back", "escape,q", "leave", "Cancel", MOVE),
    ),
    inside="dialog",
)
WIZARD = Place(
    "wizard",
    "New project",
    (
        Action("accept", "enter", "accept", "Accept this step, and show the next one", DO, bar="Next"),
        Action("back", "escape", "back", "Return to the previous step", MOVE, bar="Back"),
        Action("skip", "s", "skip", "Skip this step: take what is proposed, or decide later", DO, bar="Skip"),
        Action("open", "o", "other", "Type other pairs or another model", DO, bar="Other"),
        Action("columns", "c", "columns", "Say which column is which", DO, bar="Columns"),
        Action("folder", "f", "folder", "Choose another project folder", DO, bar="Folder"),
        *moves("move({})", "page({})", "move({})"),
        Action("leave", "q", "leave", "Leave without writing anything", MOVE),
    ),
    inside="dialog",
)
PLACES = (HOME, RECENT, WIZARD)
