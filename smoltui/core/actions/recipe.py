"""The recipe: its fields, and starting a run with it."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, PROJECT = Group.MOVE, Group.SEE, Group.DO, Group.PROJECT

ROOM = Place(
    "recipe",
    "Recipe",
    (
        Action("edit", "enter", "edit", "Edit the field, or fix the check", DO, bar="Edit"),
        Action("view", "v", "view", "Switch between recipe.yaml and smoltui.toml", SEE, bar="Settings"),
        Action("pane", "tab", "pane", "Move between the fields and the checks", MOVE, bar="Checks"),
        Action("default", "d", "default", "Delete the line, so that the default applies", DO),
        Action("reset", "D", "reset", "Reset: the field or all, to the preset or the defaults", DO),
        Action(
            "where", "o", "target", "Switch between this machine, Slurm and Jobs", DO, bar="Here/Jobs", means="open"
        ),
        Action("compare", "V", "compare", "Compare with TRL's defaults, a preset, a run or a file", SEE, means="views"),
        Action("sweep", "asterisk", "sweep", "Sweep: train with several values, and compare the runs", DO),
        Action("export", "E", "export", "Export a script or a command", PROJECT),
        Action("text", "i", "text", "Edit the file as text, with the same checks", DO, bar="Text", means="write"),
        Action("editor", "e", "editor", "Open the file in your editor", PROJECT),
        Action("find", "slash", "find", "Find a field", SEE, bar="Find"),
        Action("mark", "space", "cycle", "Next value, or list of choices", DO),
        Action("undo", "u", "undo", "Undo the last change", DO, bar="Undo"),
        Action("redo", "ctrl+r", "redo", "Redo what was undone", DO),
        Action("reload", "r", "reread", "Reload the recipe", DO),
        Action("copy", "y", "copy", "Copy the command", DO),
        Action("copy-what", "Y", "copy_what", "Choose what to copy: commands, field, path", DO),
        Action("next-match", "n", "again(1)", "Next match", MOVE),
        Action("previous-match", "N", "again(-1)", "Previous match", MOVE),
        Action("back", "escape", "leave", "Back", MOVE),
    ),
)
FIELDS = Place(
    "fields",
    "Fields",
    (
        *moves("move({})", None, "move({})", what="field"),
        Action("page-down", "pagedown", "move(10)", "Page down", MOVE),
        Action("page-up", "pageup", "move(-10)", "Page up", MOVE),
    ),
    inside="recipe",
)
CHECKS = Place(
    "checks",
    "Checks",
    (*moves("move({})", "move({})", "move({})", size=5, what="check"),),
    inside="recipe",
)
TEXT_EDITOR = Place(
    "text-editor",
    "A file as text",
    (
        Action("save", "ctrl+s", "save", "Save the file", DO, bar="Save"),
        Action("problem", "f8", "problem", "Go to the next line with a problem", MOVE, bar="Next problem"),
        Action("back", "escape", "back", "Close; asks if something is not saved", MOVE, bar="Close"),
    ),
    inside="dialog",
)
TEXT = Place(
    "text",
    "Text of a file",
    (
        Action("undo", "ctrl+z", "undo", "Undo what was typed", DO, bar="Undo"),
        Action("redo", "ctrl+y,ctrl+r", "redo", "Redo what was undone", DO),
    ),
    inside="text-editor",
)
DIFFERENCES = Place(
    "differences",
    "Differences between recipes",
    (
        Action("take", "enter", "take", "Take over the other value", DO),
        Action("all", "A", "take_all", "Take over all values, except names and folders", DO),
        *moves("move({})", "page({})", "move({})", size=8),
        Action("back", "escape,q", "leave", "Back", MOVE),
    ),
    inside="dialog",
)
PICKER = Place(
    "picker",
    "A list of choices",
    (
        Action("choose", "enter", "choose", "Choose the value", DO),
        *moves("move({})", "move({})", "move({})", size=10),
        Action("back", "escape,q", "leave", "Cancel", MOVE),
    ),
    inside="dialog",
)
SWEEP = Place(
    "sweep",
    "A sweep",
    (
        Action("open", "enter", "open", "Open the run in Runs", DO),
        Action("train", "t", "continue", "Start what is missing or failed", DO, means="train"),
        Action("reload", "r", "again", "Reload", DO),
        *moves("move({})", "page({})", "move({})", size=8),
        Action("back", "escape,q", "leave", "Back", MOVE),
    ),
    inside="dialog",
)
START = Place(
    "start",
    "Start dialog",
    (
        Action("enter", "enter", "enter", "Fix the selected check, or start", DO),
        Action("where", "tab", "switch_engine", "Switch between this machine, Slurm and Jobs", DO),
        Action("previous", "left,h", "flavor(-1)", "Cheaper flavor", DO),
        Action("next", "right,l", "flavor(1)", "More expensive flavor", DO),
        Action("prices", "dollar_sign", "flavors", "Choose the flavor from a table of those that fit", DO),
        Action("payer", "at", "payer", "Choose who owns and pays for the Job", DO),
        Action("limit", "e", "limit", "Change the time limit", DO),
        Action("parallel", "b", "parallel", "Run in parallel, or wait for other runs", DO),
        Action("afterwards", "n", "next_steps", "Choose what to do afterwards: compare, measure, benchmark", DO),
        *moves("move({})", "page({})", "move({})", size=8),
        Action("unfold", "space", "unfold", "Show or hide the checks that passed", SEE),
        Action("ignore", "I", "ignore", "Ignore an estimate that speaks against the start", DO),
        Action("reload", "r", "again", "Check again", DO),
        Action("undo", "u", "undo", "Undo the last fix", DO),
        Action("redo", "ctrl+r", "redo", "Redo what was undone", DO),
        Action("back", "escape", "back", "Cancel without starting", MOVE),
        Action("close", "q", "leave", "Cancel without starting", MOVE, means="leave"),
    ),
    inside="dialog",
)
PLACES = (ROOM, FIELDS, CHECKS, TEXT_EDITOR, TEXT, DIFFERENCES, SWEEP, PICKER, START)
