"""What each letter means, everywhere; and the few exceptions, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping

from smoltui.core.actions.action import Action

LETTERS: Mapping[str, tuple[str, str]] = {
    "1": ("room", "Go to the room with this number"),
    "question_mark": ("help", "Show every key"),
    "colon": ("palette", "Search all commands; `:120` goes to pair 120"),
    "q": ("leave", "Close the view; at the top, quit"),
    "j": ("down", "Down"),
    "k": ("up", "Up"),
    "gg": ("top", "Top"),
    "G": ("end", "End"),
    "h": ("previous", "Previous pair, run, prompt or topic"),
    "l": ("next", "Next pair, run, prompt or topic"),
    "left_square_bracket": ("last-big", "Previous flagged pair, run or page of charts"),
    "right_square_bracket": ("next-big", "Next flagged pair, run or page of charts"),
    "less_than_sign": ("far-left", "Further to the left"),
    "greater_than_sign": ("far-right", "Further to the right"),
    "comma": ("point-previous", "Previous value on a curve"),
    "full_stop": ("point-next", "Next value on a curve"),
    "gr": ("random", "A random pair"),
    "gs": ("split", "Another split"),
    "slash": ("find", "Find"),
    "n": ("next-match", "Next match"),
    "N": ("previous-match", "Previous match"),
    "f": ("only", "Show only matches"),
    "v": ("view", "Next view of this room"),
    "V": ("views", "Choose a view"),
    "s": ("sort", "Sort by the next column"),
    "S": ("reverse", "Reverse the order"),
    "u": ("undo", "Undo"),
    "y": ("copy", "Copy"),
    "Y": ("copy-what", "Choose what to copy"),
    "e": ("editor", "Open in your editor"),
    "E": ("export", "Export or save"),
    "o": ("open", "Open something else"),
    "r": ("reload", "Reload"),
    "x": ("exclude", "Exclude or stop"),
    "X": ("cancel", "End or delete permanently, after a question"),
    "R": ("rerun", "Run again, after a question with its price"),
    "t": ("train", "Train"),
    "a": ("act", "The main act of the room: audit, compare, check"),
    "i": ("write", "Write: a prompt, a note, labels"),
    "b": ("vote", "Blind vote"),
    "c": ("columns", "Choose columns: of the set, of models"),
    "d": ("default", "TRL's default"),
    "p": ("recent", "Recent projects"),
    "m": ("measure", "Measure: models on held-out pairs, the tokens of all pairs"),
    "w": ("wrap", "Wrap lines"),
    "z": ("detail", "More or less detail"),
    "A": ("all", "Apply to all matches"),
    "B": ("benchmarks", "Benchmarks"),
    "D": ("device", "This machine in full"),
    "U": ("use", "Use this set in the recipe"),
    "C": ("reopen", "Close and open again"),
    "F": ("follow", "Follow the log"),
    "I": ("ignore", "Ignore an estimate"),
    "H": ("hold-out", "Split off a test set"),
    "J": ("judge", "Judge"),
    "K": ("explain", "Explain"),
    "L": ("label", "Label answers"),
    "M": ("smooth", "Smooth curves"),
    "O": ("rules", "Warning rules"),
    "P": ("push", "Publish, after a question"),
    "Q": ("quick", "A quick rehearsal"),
    "T": ("thinking", "Let models think, or not"),
    "W": ("white-space", "Show white space"),
    "asterisk": ("sweep", "A sweep: train with several values"),
    "percent_sign": ("swap", "Swap chosen and rejected"),
    "exclamation_mark": ("notify", "Notify when finished"),
    "dollar_sign": ("prices", "Job hardware and prices"),
    "number_sign": ("ports", "Ports of a Job"),
    "at": ("scheduled", "Scheduled Jobs"),
    "vertical_line": ("pager", "Open in the pager"),
    "equals_sign": ("tie", "A tie"),
    "plus": ("fewer", "Fewer steps"),
    "minus": ("more", "More steps"),
}
"""Key → its meaning, and that in words."""
SAME: Mapping[str, str] = {str(digit): "1" for digit in range(7)}
"""Keys that mean the same as another one."""

ANSWERS_HAVE_LETTERS = "the answers on the screen have these letters"
ANSWERS_A_QUESTION = "it answers a question on the screen, as in every program"
SHOWS_ITS_KEYS = "the dialog shows its keys beside what they change"
EXCEPTIONS: Mapping[str, str] = {
    "recipe.reset": "In Recipe, D is the menu of d, as V is that of v.",
    **dict.fromkeys(("start.payer", "again.payer"), "In the dialogs that start a Job, @ is the sign of an account."),
    "vote.a": ANSWERS_HAVE_LETTERS,
    "vote.b": ANSWERS_HAVE_LETTERS,
    **{f"label.answer-{letter}": ANSWERS_HAVE_LETTERS for letter in "abcdefgh"},
    "confirm.yes": ANSWERS_A_QUESTION,
    "confirm.no": ANSWERS_A_QUESTION,
    "leaving.yes": ANSWERS_A_QUESTION,
    "leaving.no": ANSWERS_A_QUESTION,
    "again.yes": ANSWERS_A_QUESTION,
    "again.no": ANSWERS_A_QUESTION,
    **dict.fromkeys(("again.limit", "again.more", "again.fewer"), SHOWS_ITS_KEYS),
    "publish.yes": ANSWERS_A_QUESTION,
    "publish.no": ANSWERS_A_QUESTION,
    "submit.submit": "nothing is sorted in Submit, and it asks before it sends",
    "start.limit": SHOWS_ITS_KEYS,
    "start.parallel": SHOWS_ITS_KEYS,
    "start.afterwards": SHOWS_ITS_KEYS,
    "models.add": "+ adds a row",
    "home.new": "nothing is searched at Home",
    "home.demo": "Home has no values with a default",
    "wizard.skip": "the wizard shows its keys, and sorts nothing",
    "wizard.folder": "the wizard shows its keys, and searches nothing",
}
"""Id of an action whose letters mean something else there → why."""


def is_letter(key: str) -> bool:
    """Whether a key is a character or two that are typed, not a named key such as `enter` or one with ctrl."""
    return key in LETTERS or (len(key) <= 2 and key != "up" and not re.fullmatch(r"f\d", key))


def wrong_letters(action: Action) -> list[str]:
    """The letters of an action that mean something else everywhere else, or that have no meaning yet."""
    if action.id in EXCEPTIONS:
        return []
    meant = {key: LETTERS.get(SAME.get(key, key), ("", ""))[0] for key in action.key_names if is_letter(key)}
    return [key for key, meaning in meant.items() if meaning != action.meaning and action.meaning != "back"]
