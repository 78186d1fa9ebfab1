"""Reading, searching, auditing and deciding on pairs."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, PROJECT = Group.MOVE, Group.SEE, Group.DO, Group.PROJECT

ITEMS = (
    Action("next", "right,l", "move(1)", "Next", MOVE),
    Action("previous", "left,h", "move(-1)", "Previous", MOVE),
)
"""In a list, the next item is the next line."""
BACK = Action("back", "escape", "leave", "Back", MOVE)

ROOM = Place(
    "pairs-room",
    "Pairs",
    (
        Action("open", "o", "ask_source", "Open another set", PROJECT, bar="Open"),
        Action("reload", "r", "reload", "Reload pairs", DO),
        Action("use", "U", "use", "Make this set the recipe's pairs", PROJECT),
    ),
)
DECIDE = Place(
    "decide",
    "Decisions",
    (
        Action("exclude", "x", "decide('exclude')", "Exclude the pair, or include it again", DO, bar="Exclude"),
        Action("swap", "percent_sign", "decide('swap')", "Swap chosen and rejected", DO),
        Action("mark", "space", "decide('pin')", "Pin the pair, or unpin it", DO),
        Action("write", "i", "ask_note", "Add or edit a note", DO),
        Action("all", "A", "bulk", "Apply to all matches", DO),
        Action("undo", "u", "undo", "Undo the last decision", DO),
        Action("redo", "ctrl+r", "redo", "Redo the decision that was undone", DO),
        Action("hold-out", "H", "ask_hold_out", "Split off a test set", PROJECT),
        Action("export", "E", "ask_export", "Export the curated set", PROJECT),
    ),
    inside="pairs-room",
)
SET = Place(
    "pairs",
    "An open set",
    (
        Action("next", "right,l", "step(1)", "Next pair", MOVE, bar="Next"),
        Action("find", "slash", "ask_search", "Find", SEE, bar="Find"),
        Action("view", "v", "next_view", "Next view: list, columns, audit, tokens, how it is read", SEE, bar="View"),
        Action("audit", "a", "view('audit')", "Audit the set, or show the report", DO, bar="Audit", means="act"),
        Action("views", "V", "views", "Choose a view", SEE),
        Action("previous", "left,h", "step(-1)", "Previous pair", MOVE),
        Action("top", "gg", "first", "First pair", MOVE),
        Action("end", "G", "last", "Last pair", MOVE),
        Action("next-match", "n", "hit(1)", "Next match", MOVE),
        Action("previous-match", "N", "hit(-1)", "Previous match", MOVE),
        Action("only", "f", "matches", "List only the matches", SEE),
        Action("next-flagged", "right_square_bracket", "flagged(1)", "Next flagged pair", MOVE, means="next-big"),
        Action(
            "previous-flagged", "left_square_bracket", "flagged(-1)", "Previous flagged pair", MOVE, means="last-big"
        ),
        Action("random", "gr", "random", "Random pair", MOVE),
        Action("split", "gs", "split", "Go to another split", MOVE),
        Action("sort", "s", "sort", "Sort by the next column", SEE),
        Action("reverse", "S", "reverse", "Reverse the order", SEE),
        Action("list", "", "view('list')", "Show all pairs as a list", SEE),
        Action("columns", "c", "view('columns')", "List the columns: choose which are shown, see their values", SEE),
        Action("tokens", "", "tokens", "Show the tokens that the trainer sees", SEE),
        Action("how", "", "view('how')", "Show how this set is read, and change it", SEE),
        Action("measure", "m", "count_tokens", "Count the tokens of all pairs", DO),
        Action("audit-again", "", "audit_again", "Audit again", DO),
        Action("copy-what", "Y", "copy_what", "Choose what to copy: prompt, answers, JSON", DO),
        Action("copy", "y", "copy", "Copy the pair as JSON", DO),
        Action("pager", "vertical_line", "page", "Open the pair in the pager", SEE),
    ),
    inside="decide",
)
PAIR = Place(
    "pair",
    "One pair",
    (
        *moves("scroll_text({}, 0)", "scroll_text(0, {})"),
        Action("start", "home", "scroll_text(-100000, 0)", "Top of the text", MOVE),
        Action("finish", "end", "scroll_text(100000, 0)", "End of the text", MOVE),
        Action("pane", "tab", "switch_side", "Switch between prompt and answers for scrolling", MOVE),
        Action("white-space", "W", "whitespace", "Show white space", SEE),
        Action("back", "escape", "leave", "Clear the search", MOVE),
    ),
    inside="pairs",
)
LIST = Place(
    "pair-list",
    "List of pairs",
    (
        Action("open", "enter", "choose", "Read the pair", SEE, bar="Read", means="enter"),
        *ITEMS,
        *moves("move({})", "page({})", "move({})"),
        BACK,
    ),
    inside="pairs",
)
COLUMNS = Place(
    "columns",
    "Columns",
    (
        Action("values", "enter", "choose", "Count the values of the column", SEE, bar="Values"),
        Action(
            "mark", "space", "show_column", "Show the column with each pair, or hide it", SEE, bar="Show with each pair"
        ),
        *ITEMS,
        *moves("move({})", "page({})", "move({})"),
        BACK,
    ),
    inside="pairs",
)
VALUES = Place(
    "values",
    "Values of a column",
    (
        Action("pairs", "enter", "choose", "List the pairs with this value", SEE, bar="Its pairs"),
        Action("sort", "s", "sort_values", "Sort by the next column", SEE),
        Action("reverse", "S", "reverse_values", "Reverse the order", SEE),
        *ITEMS,
        *moves("move({})", "page({})", "move({})"),
        BACK,
    ),
    inside="pairs",
)
AUDIT = Place(
    "audit",
    "Audit",
    (
        Action("pairs", "enter", "pairs", "Show the pairs of the finding", SEE, bar="Show its pairs"),
        Action("reload", "r", "again", "Audit again", DO),
        Action("detail", "z", "unfold", "List checks that found nothing", SEE),
        Action("export", "E", "save", "Save the audit report in the project", PROJECT),
        *ITEMS,
        *moves("move({})", "move({})", "move({})", size=10),
        BACK,
    ),
    inside="pairs",
)
TOKENS = Place(
    "tokens",
    "Tokens",
    (*moves("scroll_text({}, 0)", "scroll_text(0, {})"), *PAIR.actions[4:6], BACK),
    inside="pairs",
)
HOW = Place(
    "how-read",
    "How it is read",
    (
        Action("change", "enter", "change", "Change how it is read", PROJECT, bar="Change how it is read"),
        *moves("scroll_text({})", "scroll_text({})", "scroll_text({})", size=10),
        BACK,
    ),
    inside="pairs",
)
MAPPING = Place(
    "mapping",
    "Which column is which",
    (
        Action("previous-field", "up,shift+tab", "field(-1)", "Previous field", MOVE),
        Action("next-field", "down,tab", "field(1)", "Next field", MOVE),
        Action("previous-value", "left", "value(-1)", "Previous value", MOVE),
        Action("next-value", "right", "value(1)", "Next value", MOVE),
        Action("shorten", "backspace", "shorten", "Delete a character", DO),
        Action("accept", "enter", "accept", "Read it like this", DO, bar="Read it like this"),
    ),
    inside="mapping-pane",
)
MAPPING_PANE = Place(
    "mapping-pane",
    "Column form",
    (Action("back", "escape", "leave", "Cancel", MOVE, bar="Cancel"),),
    inside="pairs-room",
)
PLACES = (ROOM, DECIDE, SET, PAIR, LIST, COLUMNS, VALUES, AUDIT, TOKENS, HOW, MAPPING, MAPPING_PANE)
