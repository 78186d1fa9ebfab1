"""Submit: the model card, the push, the entry on the leaderboard."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, PROJECT = Group.MOVE, Group.SEE, Group.DO, Group.PROJECT

ROOM = Place(
    "submit",
    "Submit",
    (
        Action("explain-here", "enter", "explain", "Explain the figures", SEE),
        Action("check", "a", "check", "Check everything; publish nothing", DO, bar="Check", means="act"),
        Action("view", "v", "view", "Next view: checks, card, change, board", SEE, bar="View"),
        Action("views", "V", "views", "Choose a view", SEE),
        Action("editor", "e", "edit", "Edit the card; in the other views, smoltui.toml", PROJECT, bar="Edit"),
        Action("mark", "space", "upload", "Choose what is uploaded with the card", DO, bar="Upload"),
        Action("push", "P", "push", "Push card and weights: show what goes where first", PROJECT, bar="Push"),
        Action(
            "submit",
            "S",
            "submit",
            "Submit to the leaderboard: show the entry and its pull request first",
            PROJECT,
            bar="Submit entry",
        ),
        Action("reopen", "C", "reopen", "Close your conflicting pull request and open it again", PROJECT),
        Action("undo", "u", "undo", "Undo edits to the card", DO),
        Action("redo", "ctrl+r", "redo", "Bring back the edits that were discarded", DO),
        Action("reload", "r", "reload", "Reload the record and the board", DO),
        Action("stop", "x", "stop", "Stop", DO, means="exclude"),
        Action("older", "left_square_bracket", "other(1)", "Older run", MOVE, means="last-big"),
        Action("newer", "right_square_bracket", "other(-1)", "Newer run", MOVE, means="next-big"),
    ),
)
CARD = Place(
    "card",
    "Model card",
    (
        Action("down", "j", "scroll_down", "Down", MOVE),
        Action("up", "k", "scroll_up", "Up", MOVE),
        Action("page-down", "ctrl+d", "page_down", "Page down", MOVE),
        Action("page-up", "ctrl+u", "page_up", "Page up", MOVE),
        Action("top", "gg", "scroll_home", "Top", MOVE),
        Action("end", "G", "scroll_end", "End", MOVE),
    ),
    inside="submit",
)
PUBLISH = Place(
    "publish",
    "The last question before something is published",
    (
        Action("yes", "y", "publish", "Publish", DO),
        Action("no", "n,escape,q", "leave", "Cancel without publishing", MOVE),
        *moves("scroll({})", "scroll({})", "scroll({})", size=10, space=True),
    ),
    inside="dialog",
)
PLACES = (ROOM, CARD, PUBLISH)
