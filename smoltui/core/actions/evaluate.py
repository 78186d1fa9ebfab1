"""Evaluate: answers, held-out pairs, votes, labels, a judge, benchmarks."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place
from smoltui.core.actions.moves import moves

MOVE, SEE, DO, PROJECT = Group.MOVE, Group.SEE, Group.DO, Group.PROJECT

ROOM = Place(
    "evaluate",
    "Evaluate",
    (
        Action(
            "ask",
            "a",
            "ask",
            "Answer the unanswered prompts, or all of them again",
            DO,
            bar="Compare",
            means="act",
        ),
        Action("measure", "m", "measure", "Measure both models on held-out pairs", DO, bar="Measure"),
        Action("write", "i", "own", "Ask a prompt of your own", DO, bar="Own prompt"),
        Action("open", "o", "set", "Choose the prompts", PROJECT, bar="Prompt set"),
        Action("columns", "c", "columns", "Choose the models that are compared", PROJECT, bar="Models"),
        Action("stop", "x", "stop", "Stop the models; if they are idle, unload them", DO, bar="Stop", means="exclude"),
        Action("view", "v", "view", "Show held-out figures, or answers", SEE, bar="View"),
        Action("views", "V", "views", "Choose a view", SEE),
        Action("vote", "b", "vote", "Vote on answers without seeing which model wrote them", DO, bar="Blind vote"),
        Action("benchmarks", "B", "benchmarks", "Open the benchmarks: choose tasks, run them, read results", SEE),
        Action("judge", "J", "judge", "Let a judge compare the answers", DO),
        Action("label", "L", "label", "Label answers: choose the best and the worst", DO),
        Action("editor", "e", "edit", "Edit the project's prompts", PROJECT),
        Action("thinking", "T", "thinking", "Let the models think, or not", DO),
        Action("detail", "z", "unfold", "Unfold or fold thoughts", SEE),
        Action("copy", "y", "copy", "Copy the prompt with its answers", DO),
        Action("copy-what", "Y", "copy_what", "Choose what to copy: prompt, one answer, the run's id", DO),
        Action("columns-left", "less_than_sign", "shift(-1)", "Columns to the left", MOVE, means="far-left"),
        Action("columns-right", "greater_than_sign", "shift(1)", "Columns to the right", MOVE, means="far-right"),
        Action("older", "left_square_bracket", "other(1)", "Older run", MOVE, means="last-big"),
        Action("newer", "right_square_bracket", "other(-1)", "Newer run", MOVE, means="next-big"),
        Action("reload", "r", "reload", "Reload models and answers", DO),
        Action("back", "escape", "back", "Back", MOVE),
    ),
)
ANSWERS = Place(
    "answers",
    "Answers",
    (
        *moves("scroll_by({})", "page({})", half="page({})", space=True),
        Action("next", "right,l", "prompt(1)", "Next prompt", MOVE),
        Action("previous", "left,h", "prompt(-1)", "Previous prompt", MOVE),
        Action("top", "gg,home", "top", "First prompt", MOVE),
        Action("end", "G,end", "end", "Figures of the set, below the last prompt", MOVE),
    ),
    inside="evaluate",
)
GROUPS = Place(
    "held-out-groups",
    "Groups of held-out pairs",
    (
        Action("pairs", "enter", "choose", "List the pairs of the group", SEE, bar="List pairs"),
        *moves("move({})", None, "move({})"),
    ),
    inside="page",
)
HELD_OUT = Place(
    "held-out-pairs",
    "Held-out pairs",
    (
        Action("open", "enter", "read", "Read the pair", SEE, bar="Read the pair", means="enter"),
        Action("back", "escape,q", "back", "Back", MOVE, bar="Back"),
        *moves("move({})", "page({})", "move({})", space=True),
        Action("next", "right,l", "next(1)", "Next pair", MOVE),
        Action("previous", "left,h", "next(-1)", "Previous pair", MOVE),
        Action("pane", "tab", "switch_side", "Switch between prompt and answers for scrolling", MOVE),
        Action("white-space", "W", "whitespace", "Show white space", SEE),
    ),
    inside="dialog",
)
MODELS = Place(
    "models",
    "Models to compare",
    (
        Action("accept", "enter", "accept", "Compare the chosen models", DO),
        Action("mark", "space", "mark", "Add the model, or remove it", DO),
        Action("add", "a,plus", "add", "Add a folder or Hub id", DO, means="act"),
        *moves("move({})", "move({})", "move({})", size=10),
        Action("back", "escape,q", "leave", "Close", MOVE),
    ),
    inside="dialog",
)


def _common(title: str, decide: str) -> tuple[Action, ...]:
    """Keys of votes and labels, which list them after their own."""
    return (
        Action("undo", "u", "undo", f"Undo the last {decide}", DO, bar="Undo"),
        Action("redo", "ctrl+r", "redo", "Redo what was undone", DO),
        Action("view", "v", "result", f"Show the result so far, or {title}", SEE, bar="Result"),
        Action("export", "E", "export", "Export preference pairs", PROJECT, bar="Export pairs"),
        Action("back", "escape", "back", "Back", MOVE),
        Action("close", "q", "leave", "Close", MOVE, bar="Close", means="leave"),
    )


VOTE = Place(
    "vote",
    "Blind vote",
    (
        Action("a", "a", "vote('a')", "A is better", DO, bar="A better"),
        Action("b", "b", "vote('b')", "B is better", DO, bar="B better"),
        Action("tie", "equals_sign", "vote('tie')", "Both are equally good", DO, bar="Tie"),
        Action("bad", "x", "vote('bad')", "Both are bad", DO, bar="Both bad", means="exclude"),
        Action("next", "l,right", "vote('skip')", "Skip", DO, bar="Skip"),
        Action("generate", "enter", "generate", "Generate answers", DO, bar="Generate answers"),
        Action("pane", "tab", "next_pane", "Scroll prompt, A or B", MOVE),
        *_common("the answers", "vote"),
    ),
    inside="dialog",
)
LABEL_SETUP = Place(
    "label-setup",
    "Sets to label",
    (
        Action("open", "enter", "open", "Open the set, or edit the value", DO, bar="Open or edit", means="enter"),
        Action("sample", "a", "sample", "Sample answers", DO, bar="Sample answers", means="act"),
        Action("stop", "x", "stop", "Stop", DO, bar="Stop", means="exclude"),
        *moves("move({})", end="move({})"),
        Action("back", "escape", "back", "Back", MOVE),
        Action("close", "q", "leave", "Close", MOVE, bar="Close", means="leave"),
    ),
    inside="dialog",
)
LETTERS_OF_ANSWERS = "abcdefgh"
"""Those that answers have on the screen of labels, and so the keys that choose them."""
LABEL = Place(
    "label",
    "Label answers",
    (
        *(
            Action(
                f"answer-{letter}",
                letter,
                f"pick({at})",
                f"Choose answer {letter.upper()}: the best, then the worst",
                DO,
                bar="" if at else "Best, then worst",
                shown="" if at else "A B …",
            )
            for at, letter in enumerate(LETTERS_OF_ANSWERS)
        ),
        Action("tie", "equals_sign", "label('tie')", "All are alike", DO, bar="All alike"),
        Action("bad", "x", "label('bad')", "None is good", DO, bar="None good", means="exclude"),
        Action("next", "l,right", "label('skip')", "Skip", DO, bar="Skip"),
        *moves("scroll({})", "scroll({})", size=10),
        *_common("the answers", "choice"),
    ),
    inside="dialog",
)
JUDGE = Place(
    "judge",
    "Judge",
    (
        Action("ask", "a", "ask", "Ask the judge", DO, bar="Ask the judge", means="act"),
        Action("stop", "x", "stop", "Stop", DO, bar="Stop", means="exclude"),
        Action("open", "o", "other", "Choose another judge", DO, bar="Other judge"),
        Action("view", "v", "prompt", "Show the prompt, or the result", SEE, bar="Prompt"),
        Action("editor", "e", "edit", "Edit the prompt", PROJECT, bar="Edit the prompt"),
        Action("back", "escape", "back", "Back", MOVE),
        Action("close", "q", "leave", "Close", MOVE, bar="Close", means="leave"),
    ),
    inside="dialog",
)
BENCHMARKS = Place(
    "benchmarks",
    "Benchmarks",
    (
        Action("start", "a", "start", "Run the marked tasks", DO, bar="Run", means="act"),
        Action("stop", "x", "stop", "Stop", DO, bar="Stop", means="exclude"),
        Action("mark", "space", "mark", "Mark the task", DO, bar="Mark task"),
        Action("where", "tab", "place", "Switch between this machine and Jobs", DO, bar="Where"),
        Action("columns", "c", "models", "Choose which models run", DO, bar="Which models"),
        Action("quick", "Q", "rehearse", "Rehearse with the first questions, or run all of them", DO, bar="Rehearsal"),
        Action("copy", "y", "copy", "Copy the command", DO, bar="Copy command"),
        Action("copy-what", "Y", "copy_what", "Choose what to copy: task, commands", DO),
        Action("unfold", "enter", "unfold", "Show all checks, or only open ones", SEE),
        Action("reload", "r", "reload", "Reload, and read the results of finished Jobs", DO),
        Action("older", "left_square_bracket", "other(1)", "Older run", MOVE, means="last-big"),
        Action("newer", "right_square_bracket", "other(-1)", "Newer run", MOVE, means="next-big"),
        *moves("move({})", "scroll({})", "end({})", what="task"),
        Action("back", "escape,q", "leave", "Back", MOVE, bar="Back"),
    ),
    inside="app",
)
PLACES = (ROOM, ANSWERS, GROUPS, HELD_OUT, MODELS, VOTE, LABEL_SETUP, LABEL, JUDGE, BENCHMARKS)
