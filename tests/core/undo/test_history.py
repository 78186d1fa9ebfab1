"""The order of undo and redo, for one file and for several."""

from __future__ import annotations

from smoltui.core.undo.history import MOST_STEPS, History, Step, steps_as_json, steps_from_json


def step(said: str, file: str = "recipe.yaml") -> Step:
    return Step(file, said, f"before {said}", f"after {said}", 1.0, 2)


def said(found: Step | None) -> str | None:
    return None if found is None else found.said


def test_the_latest_is_undone_first_and_redone_last() -> None:
    history = History()
    for word in "abc":
        history.add(step(word))
    for word in "cba":
        found = history.to_undo()
        assert found is not None and found.said == word
        history.undo(found)
    assert history.to_undo() is None
    for word in "abc":
        found = history.to_redo()
        assert found is not None and found.said == word
        history.redo(found, found.before)
    assert history.to_redo() is None


def test_each_file_has_a_history_of_its_own() -> None:
    """A new change of one file leaves what was undone in the other."""
    history = History()
    history.add(step("recipe"))
    history.add(step("settings", "smoltui.toml"))
    found = history.to_undo("recipe.yaml")
    assert found is not None and found.said == "recipe"
    history.undo(found)
    history.add(step("settings again", "smoltui.toml"))
    assert said(history.to_redo("recipe.yaml")) == "recipe" and history.to_redo("smoltui.toml") is None
    history.add(step("another"))
    assert history.to_redo() is None and said(history.to_undo()) == "another"


def test_the_oldest_steps_are_forgotten() -> None:
    history = History()
    for number in range(MOST_STEPS + 5):
        history.add(step(str(number)))
    assert len(history.steps) == MOST_STEPS and history.steps[0].said == "5"


def test_what_is_read_back_is_what_was_written_and_nothing_else() -> None:
    steps = [step("a"), step("b", "smoltui.toml")]
    data = steps_as_json(steps)
    assert steps_from_json(data) == steps
    hostile = [{**data[0], "file": "../../.bashrc"}, {**data[0], "at": "now"}, {**data[0], "undone": True}, "x", None]
    assert steps_from_json([*hostile, *data]) == steps and steps_from_json({"a": 1}) == []
