"""Dialogs and inputs that several rooms have."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, APP = Group.MOVE, Group.SEE, Group.DO, Group.APP

DIALOG = Place(
    "dialog",
    "Any dialog",
    (
        Action("help", "question_mark", "app.help", "Show every key of this dialog", APP),
        Action("palette", "colon", "app.command_palette", "Search all commands", APP),
    ),
    inside="",
)
CONFIRM = Place(
    "confirm",
    "A question",
    (
        Action("yes", "y", "answer(True)", "Yes", DO),
        Action("no", "n,escape,q", "answer(False)", "No", DO),
    ),
    inside="dialog",
)
LEAVING = Place(
    "leaving",
    "Leaving while runs are being changed",
    (
        Action("yes", "y", "wait", "Wait, then quit", DO),
        Action("no", "n", "leave_now", "Leave now", DO),
        Action("stay", "escape,q", "stay", "Stay", MOVE, means="leave"),
    ),
    inside="dialog",
)
CHOOSE = Place("choose", "A choice", (Action("back", "escape,q", "leave", "Cancel", MOVE),), inside="dialog")
LINE = Place(
    "line",
    "An input line",
    (
        Action("submit", "enter", "submit", "Done", DO, bar="Done"),
        Action("complete", "tab", "complete", "Complete the word", DO, bar="Complete"),
        Action("next-proposal", "down", "propose(1)", "Next proposal", MOVE),
        Action("previous-proposal", "up", "propose(-1)", "Previous proposal", MOVE),
        Action("back", "escape", "screen.back", "Cancel", MOVE, bar="Cancel"),
    ),
    inside="",
)
HELP = Place(
    "help",
    "Help",
    (
        Action("back", "escape", "back", "Clear the search, or close", MOVE),
        Action("close", "q,enter", "leave", "Close", MOVE, means="leave"),
        Action("toggle", "question_mark,f1", "leave", "Close", MOVE, means="help"),
        Action("find", "slash", "find", "Find in this list", SEE),
        Action("open", "o", "docs", "Read the documentation", SEE),
        *moves("scroll({})", "scroll({})", "scroll({})", size=10, space=True),
    ),
    inside="dialog",
)
DOCS = Place(
    "docs",
    "Documentation",
    (
        *moves("move({})", "page({})", "end({})", space=True),
        Action("next", "right,l", "topic(1)", "Next topic", MOVE),
        Action("previous", "left,h", "topic(-1)", "Previous topic", MOVE),
        Action("pane", "tab", "list", "List of topics, or text", SEE),
        Action("open", "enter", "read", "Read the selected topic", SEE, means="enter"),
        Action("find", "slash", "find", "Find in this topic", SEE),
        Action("next-match", "n", "hit(1)", "Next match", MOVE),
        Action("previous-match", "N", "hit(-1)", "Previous match", MOVE),
        Action("back", "escape", "back", "Clear the search, go back to the list, close", MOVE),
        Action("close", "q", "leave", "Close", MOVE, means="leave"),
    ),
    inside="dialog",
)
CARDS = Place(
    "cards",
    "Cards",
    (
        Action("back", "escape,q,enter", "leave", "Close", MOVE),
        Action("toggle", "K", "leave", "Close", MOVE, means="explain"),
        Action("next", "right,l", "card(1)", "Next figure", MOVE, bar="Next figure"),
        Action("previous", "left,h", "card(-1)", "Previous figure", MOVE, bar="Previous figure"),
        *moves("scroll({})", "scroll({})", "scroll({})", size=10, space=True),
    ),
    inside="dialog",
)
PLACES = (CARDS, DIALOG, CONFIRM, LEAVING, CHOOSE, LINE, HELP, DOCS)
