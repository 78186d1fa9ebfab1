"""Runs: the list, the views of one run, and the dialogs of the room."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, PROJECT = Group.MOVE, Group.SEE, Group.DO, Group.PROJECT

ROOM = Place(
    "runs",
    "Runs",
    (
        Action("view", "v", "next_view", "Next view: curves, log, details, usage, plan", SEE, bar="View"),
        Action("views", "V", "views", "Choose a view", SEE),
        Action("find", "slash", "find", "Find in the log; in the other views, filter the list", SEE, bar="Find"),
        Action("ask", "a", "ask_models", "Compare the models before and after this run", DO, bar="Ask", means="act"),
        Action("pause", "x", "pause", "Pause the run, or resume it", DO, bar="Pause", means="exclude"),
        Action("cancel", "X", "cancel", "Cancel the run, or all marked runs", DO, bar="Cancel"),
        Action("rerun", "R", "rerun", "Run again", DO),
        Action("editor", "e", "fix", "Edit the recipe where it made the run fail", PROJECT),
        Action("curves", "", "view('curves')", "Show curves", SEE),
        Action("log", "", "view('log')", "Show the log", SEE),
        Action("inspect", "", "view('inspect')", "Show all details of the run", SEE),
        Action("usage", "", "view('stats')", "Show usage: processor, memory, GPUs, network", SEE),
        Action("plan", "", "view('plan')", "Show the plan of the run", SEE),
        Action("explain-here", "enter", "explain", "Explain the figures", SEE),
        Action("back", "escape", "back", "Back", MOVE),
        Action("pane", "tab", "other_half", "Switch between list and view", MOVE),
        Action("next", "right,l", "item(1)", "Next curve; in the other views, next run", MOVE),
        Action("previous", "left,h", "item(-1)", "Previous curve; in the other views, previous run", MOVE),
        Action("point-next", "full_stop", "cursor(1)", "Next value on the curve", MOVE),
        Action("point-previous", "comma", "cursor(-1)", "Previous value on the curve", MOVE),
        Action("far-next", "greater_than_sign", "cursor(10)", "Ten values forward", MOVE, means="far-right"),
        Action("far-previous", "less_than_sign", "cursor(-10)", "Ten values back", MOVE, means="far-left"),
        Action("steps", "o", "unfold", "Show follow-up steps", SEE, means="open"),
        Action("sort", "s", "sort", "Sort by the next column", SEE),
        Action("reverse", "S", "reverse", "Reverse the order", SEE),
        Action("only", "f", "only", "Show only this project's runs; in the log, only matching lines", SEE),
        Action("notify", "exclamation_mark", "wait", "Notify when finished", DO),
        Action("write", "i", "labels", "Edit labels", DO),
        Action("ports", "number_sign", "ports", "Open ports of a Job, or close them", DO),
        Action("rules", "O", "rules", "Show warning rules", SEE),
        Action("prices", "dollar_sign", "hardware", "Show Job hardware and prices", SEE),
        Action("scheduled", "at", "scheduled", "Show scheduled Jobs", SEE),
        Action("follow", "F", "follow", "Follow the log", SEE),
        Action("next-match", "n", "hit(1)", "Next match in the log", MOVE),
        Action("previous-match", "N", "hit(-1)", "Previous match", MOVE),
        Action("export", "E", "export", "Save a report or the log", PROJECT),
        Action("pager", "vertical_line", "pager", "Open the log or the details in the pager", SEE),
        Action("copy", "y", "copy", "Copy what is shown: the run's id, the log, the details", DO),
        Action("copy-what", "Y", "copy_what", "Choose what to copy: id, name, address, model, log", DO),
        Action("detail", "z", "detail", "Hide the list, one chart, only the list; in the details, raw JSON", SEE),
        Action("next-charts", "right_square_bracket", "page(1)", "Next charts", MOVE, means="next-big"),
        Action("previous-charts", "left_square_bracket", "page(-1)", "Previous charts", MOVE, means="last-big"),
        Action("smooth", "M", "smooth", "Smooth curves", SEE),
        Action("fewer", "plus", "range(0.5)", "Fewer steps", SEE),
        Action("more", "minus", "range(2)", "More steps", SEE),
        Action("reload", "r", "refresh", "List runs again", DO),
    ),
)
LIST = Place(
    "run-list",
    "List of runs",
    (
        *moves("move({})", "page({})", "move({})", what="run"),
        Action("mark", "space", "mark", "Mark the run: for charts, canceling, labels", DO),
    ),
    inside="runs",
)
LOG = Place(
    "log",
    "Log",
    (
        *moves("move({})", "page({})", space=True),
        Action("left", "left", "side(-1)", "Scroll to the left", MOVE),
        Action("right", "right", "side(1)", "Scroll to the right", MOVE),
        Action("top", "gg,home", "top", "First line", MOVE),
        Action("end", "G,end", "bottom", "Last line, and follow the log", MOVE),
        Action("next-error", "right_square_bracket", "first_error", "First error", MOVE, means="next-big"),
        Action("wrap", "w", "wrap", "Wrap long lines", SEE),
        Action("detail", "z", "times", "Show the time of each line", SEE),
    ),
    inside="runs",
)
SCHEDULED = Place(
    "scheduled",
    "Scheduled Jobs",
    (
        Action("back", "escape,q", "leave", "Close", MOVE),
        *moves("move({})", end="move({})"),
        Action("mark", "space", "suspend", "Suspend the schedule, or resume it", DO),
        Action("rerun", "R", "trigger", "Start a Job now", DO),
        Action("cancel", "X", "delete", "Delete the schedule", DO),
        Action("edit", "enter", "reschedule", "Change when it starts", DO, means="enter"),
        Action("write", "i", "labels", "Edit its labels", DO),
        Action("create", "a", "create", "Schedule this project", DO, means="act"),
        Action("reload", "r", "reload", "Refresh", DO),
    ),
    inside="dialog",
)
HARDWARE = Place(
    "hardware",
    "Job hardware and prices",
    (
        Action("back", "escape,q,enter", "leave", "Close", MOVE),
        *moves("scroll({})", "scroll({})", "scroll({})", size=10),
    ),
    inside="dialog",
)
AGAIN = Place(
    "again",
    "Run again, or resume",
    (
        Action("yes", "y", "answer(True)", "Start it", DO),
        Action("no", "n,q", "answer(False)", "Cancel", DO),
        Action("back", "escape", "back", "Back", MOVE),
        Action("from", "space", "start_point", "Resume from the checkpoint, or start from the first step", DO),
        Action("cheaper", "left", "flavor(-1)", "Cheaper hardware", DO),
        Action("dearer", "right", "flavor(1)", "More expensive hardware", DO),
        Action("limit", "e", "limit", "Time limit", DO),
        Action("payer", "at", "payer", "Next account that pays", DO),
        Action("more", "plus", "attempts(1)", "More attempts", DO),
        Action("fewer", "minus", "attempts(-1)", "Fewer attempts", DO),
        *moves("scroll({})", end="scroll({})"),
    ),
    inside="dialog",
)
RULES = Place("rules", "Warning rules", (Action("back", "escape,q,enter", "leave", "Close", MOVE),), inside="dialog")
PLACES = (ROOM, LIST, LOG, SCHEDULED, HARDWARE, AGAIN, RULES)
