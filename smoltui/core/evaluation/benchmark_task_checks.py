"""Checks of task strings against the table of tasks."""

from __future__ import annotations

from collections.abc import Iterator

from smoltui.core.evaluation.benchmark_command import LightEvalCommand, LmEvalCommand
from smoltui.core.evaluation.benchmark_tasks import SUITES, Harness, Task, bare_name, task_table
from smoltui.core.preflight.check import Check
from smoltui.core.recipe import Level

NO_SUCH = {
    "truthfulqa:mc2": "truthfulqa:mc, which reports truthfulqa_mc1 and truthfulqa_mc2",
    "truthfulqa:mc1": "truthfulqa:mc, which reports truthfulqa_mc1 and truthfulqa_mc2",
}
"""Names that tutorials use and LightEval 0.13.0 does not have → what it has."""


def lighteval_tasks(command: LightEvalCommand) -> list[Check]:
    """The checks of a LightEval command's tasks."""
    if not command.tasks:
        return [Check("tasks", Level.STOP, "No task is chosen", "Such as: gsm8k|0")]
    checks = [check for text in command.tasks for check in _lighteval_task(command, text)]
    if not checks:
        checks.append(Check("tasks", Level.PASS, f"LightEval knows these tasks: {', '.join(command.tasks)}"))
    return [*checks, *_judged(Harness.LIGHTEVAL, command.tasks)]


def _lighteval_task(command: LightEvalCommand, text: str) -> Iterator[Check]:
    """What is wrong with one task string."""
    parts, name = text.split("|"), bare_name(Harness.LIGHTEVAL, text)
    written = f"A task is written name|shots: {_right(text)}"
    if len(parts) > 3:
        yield Check("task string", Level.STOP, f"LightEval can't find a task of this name: {text}", written)
    elif len(parts) == 3 and parts[0] not in SUITES:
        yield Check(
            "task string",
            Level.STOP,
            f"LightEval reads this as suite|task|shots and looks for a task named {parts[1]}: {text}",
            written,
        )
    elif len(parts) > 1 and not (parts[-1].isascii() and parts[-1].isdecimal()):
        yield Check("task string", Level.STOP, f"The number of shots isn't a number: {text}", written)
    if name in NO_SUCH:
        yield Check("task", Level.STOP, f"LightEval has no task {name}", f"Use {NO_SUCH[name]}.")
    elif command.custom_tasks is None and not (known := task_table().lighteval_has(name)):
        yield _unknown(Harness.LIGHTEVAL, text, is_certain=known is False)


def _right(text: str) -> str:
    """How a task string should be written, as far as it can be told."""
    parts = [part for part in text.split("|") if part]
    if len(parts) > 1 and parts[0] in SUITES:
        parts = parts[1:]
    name = parts[0] if parts else ""
    name = NO_SUCH.get(name, name).split(",")[0]
    shots = next((part for part in parts[1:] if part.isascii() and part.isdecimal()), "0")
    return f"{name}|{shots}"


def _unknown(harness: Harness, text: str, *, is_certain: bool = False) -> Check:
    near = task_table().near(harness, text)
    instead = f"Similar: {', '.join(near)}. " if near else ""
    if is_certain:
        return Check("task", Level.STOP, f"{harness.value} has no such task: {text}", instead.strip())
    return Check(
        "task",
        Level.WARN,
        f"Not in smoltui's table of tasks: {text}",
        f"{instead}If {harness.value} doesn't have it, the run fails at its start.",
    )


def lm_eval_tasks(command: LmEvalCommand, *, offline: bool) -> list[Check]:
    """The checks of an lm_eval command's tasks."""
    if not command.tasks:
        return [Check("tasks", Level.STOP, "No task is chosen", "Such as: gsm8k")]
    checks = []
    for text in command.tasks:
        if "|" in text or ":" in text:
            near = task_table().near(Harness.LM_EVAL, text.replace(":", "_").split("|")[0])
            checks.append(
                Check(
                    "task string",
                    Level.STOP,
                    f"This is a task string of LightEval; lm_eval has plain names: {text}",
                    f"Similar: {', '.join(near)}" if near else "List them: lm_eval ls tasks",
                )
            )
        elif command.task_folder is None and task_table().find(Harness.LM_EVAL, text) is None:
            checks.append(_unknown(Harness.LM_EVAL, text))
    if not checks:
        checks.append(Check("tasks", Level.PASS, f"Tasks: {', '.join(command.tasks)}"))
    known = [task for text in command.tasks if (task := task_table().find(Harness.LM_EVAL, text)) is not None]
    if offline and known:
        checks.append(
            Check(
                "network",
                Level.WARN,
                f"HF_HUB_OFFLINE is set: data sets that aren't in the local cache can't be read ({_names(known)})",
                "Unset HF_HUB_OFFLINE, or use tasks of your own: evaluation.task_folder in smoltui.toml.",
            )
        )
    return [*checks, *_judged(Harness.LM_EVAL, command.tasks)]


def _names(tasks: list[Task]) -> str:
    return ", ".join(task.name for task in tasks)


def _judged(harness: Harness, texts: tuple[str, ...]) -> Iterator[Check]:
    judged = [task for text in texts if (task := task_table().find(harness, text)) is not None and task.needs_judge]
    if judged:
        yield Check(
            "judge",
            Level.WARN,
            f"Another model judges the answers, which needs access to it and costs extra: {_names(judged)}",
            "Leave these tasks out unless you have set that up.",
        )
