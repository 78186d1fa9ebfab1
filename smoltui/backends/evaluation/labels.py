"""Sets of sampled answers in a project's `labels` folder: sampled in a child, labelled, and exported as pairs.

PROJECT/labels/NAME/samples.jsonl   the answers (`core/evaluation/label_set.py`)
                    choices.jsonl   best and worst, one line per choice (`core/evaluation/vote_log.py`)
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from smoltui.backends.evaluation import answers
from smoltui.backends.evaluation.prompt_sets import PROJECT, read_set
from smoltui.backends.evaluation.resident import ResidentModels, check_text
from smoltui.backends.evaluation.votes import Deciding
from smoltui.backends.pairs.export import Exported, export_pairs
from smoltui.backends.pairs.export_files import Kind
from smoltui.backends.project.project import Project
from smoltui.backends.system.appended_file import AppendedFile
from smoltui.backends.system.threads import in_thread
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.label_set import (
    MOST_ANSWERS,
    MOST_MODELS,
    MOST_PROMPTS,
    LabelPlan,
    LabelSet,
    Sample,
    Task,
    Tasks,
    label_of,
    line_of,
    tasks_of,
)
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.evaluation.sheet import sampling_as_json
from smoltui.core.evaluation.vote_ballot import Answer
from smoltui.core.evaluation.vote_log import Choice, Vote, VoteLog
from smoltui.core.evaluation.vote_log import line_of as choice_line
from smoltui.core.evaluation.vote_pairs import SCHEMA, pairs_of_votes
from smoltui.core.evaluation.vote_progress import Progress
from smoltui.core.pairs.curation import Curation, HoldOut
from smoltui.core.runs.events import Answered, Event
from smoltui.core.settings.settings import EvaluationSettings
from smoltui.errors import InputError

FOLDER, SAMPLES, CHOICES = "labels", "samples.jsonl", "choices.jsonl"
_NAME = re.compile(r"[\w][\w.-]{0,63}")


def set_folder(project: Project, name: str) -> Path:
    """The folder of a set, whether it exists or not.

    Raises:
        InputError: the name cannot be a folder's.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"Not a name for a set of labels: {name}", "Use letters, digits, -, _ and dots.")
    return project.folder / FOLDER / name


def set_names(project: Project) -> list[str]:
    """The sets of a project, the one with the newest answers or choices first. Blocking."""
    found = []
    for path in (project.folder / FOLDER).glob(f"*/{SAMPLES}"):
        times = [each.stat().st_mtime for each in (path, path.with_name(CHOICES)) if each.is_file()]
        if times and _NAME.fullmatch(path.parent.name):
            found.append((max(times), path.parent.name))
    return [name for _, name in sorted(found, reverse=True)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sampled; None for what the project's settings say."""

    prompts: str | None = None
    """Name of a set, or path of a file (`prompt_sets.read_set`)."""
    n: int = 4
    temperature: float | None = None
    seed: int | None = None
    name: str | None = None
    """Of the set; None: that of the prompts file, without its extension."""

    def settings(self, own: EvaluationSettings) -> EvaluationSettings:
        """The project's settings with these."""
        return replace(
            own,
            temperature=own.temperature if self.temperature is None else self.temperature,
            seed=own.seed if self.seed is None else self.seed,
        )


def plan_of(project: Project, asked: Asked, models: Sequence[Column]) -> LabelPlan:
    """What will be sampled. Blocking.

    Raises:
        InputError: the prompts cannot be read or are too many; n, the models or the temperature make no choice.
        RecipeError: smoltui.toml cannot be used.
    """
    own = project.settings().evaluation
    settings = asked.settings(own)
    _check_sampling(asked.n, settings.temperature, len(models))
    found = read_set(project, own, asked.prompts or PROJECT)
    if len(found.prompts) > MOST_PROMPTS:
        raise InputError(
            f"{len(found.prompts):,} prompts are more than one set of labels can have ({MOST_PROMPTS:,}): {found.name}",
            "Split the file: each part becomes a set of its own.",
        )
    check_text(found.prompts)
    stem = Path(own.prompts if found.name == PROJECT else found.name).stem
    name = asked.name or re.sub(r"[^\w.-]", "-", stem).lstrip(".-") or "prompts"
    set_folder(project, name)
    # With the run: another training may have written another model to the same folder.
    places = {one.name: f"{one.shown} of run {one.run}" if one.run else one.shown for one in models}
    prompts = tuple((*prompt.before, ("user", prompt.text)) for prompt in found.prompts)
    return LabelPlan(name, places, asked.n, sampling_as_json(settings), answers.today(), prompts, time.time())


def _check_sampling(n: int, temperature: float, models: int) -> None:
    """Raises InputError if `n` answers of so many models at this temperature make no choice."""
    total = n * models
    if not 0 < models <= MOST_MODELS:
        raise InputError(f"Answers are sampled from one or two models, not {models}")
    if n < 1 or not 2 <= total <= MOST_ANSWERS:
        raise InputError(
            f"A choice is between 2 and {MOST_ANSWERS} answers, not {total}",
            f"Sample from {2 if models == 1 else 1} to {MOST_ANSWERS // models} of each model: --n.",
        )
    if not 0 <= temperature <= 5:
        raise InputError(f"The temperature is from 0 to 5: {temperature}")
    if temperature == 0 and n > 1:
        raise InputError(
            "At temperature 0, a model always gives the same answer", "Sample with --temperature 0.9, or --n 1."
        )


# -- sampling


def read_labels(folder: Path) -> LabelSet:
    """The answers in a set's folder; empty without any. Blocking.

    Raises:
        InputError: they cannot be read.
    """
    found = LabelSet()
    found.take_lines(AppendedFile(folder / SAMPLES, "answers").read())
    return found


async def sample(project: Project, plan: LabelPlan, models: Sequence[Column]) -> AsyncGenerator[Event, None]:
    """Samples what a set still misses, and yields the events of the child; each answer is stored as it arrives.

    Stopped and started again, it samples the rest: the same answers, since each sample has a seed of its own.

    Raises:
        InputError: the set has answers that were sampled in another way; they cannot be stored.
        as `ResidentModels.ask`.
    """
    folder = set_folder(project, plan.name)
    found = await in_thread(partial(read_labels, folder))
    if found.plan is not None and found.plan.settings != plan.settings:
        raise InputError(
            f"This set has answers that were sampled with other settings or models: {folder}",
            "Give the new ones a name of their own: --name NAME; or delete that folder.",
        )
    file = AppendedFile(folder / SAMPLES, "answers")
    if found.plan is None or found.plan.prompts != plan.prompts:
        plan = replace(plan, date=found.plan.date) if found.plan is not None else plan
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file.unsaved(error) from error
        await in_thread(partial(file.append, line_of(plan)))
        found.take(plan)
    async with ResidentModels(project.folder) as resident:
        for number in range(plan.n):
            async with aclosing(_sampled(resident, found, number, models)) as events:
                async for event in events:
                    if isinstance(event, Sample):
                        await in_thread(partial(file.append, line_of(event)))
                        found.take(event)
                    else:
                        yield event


async def _sampled(
    resident: ResidentModels, found: LabelSet, number: int, models: Sequence[Column]
) -> AsyncGenerator[Event | Sample, None]:
    """The missing answers with this number, each before its event, and all other events."""
    plan = found.plan
    if plan is None:
        return
    sampling = {**plan.sampling, "seed": int(plan.sampling.get("seed", 0)) + number}
    missing = {column.name: found.missing(column.name, number) for column in models}
    asked = [column for column in models if missing[column.name]]
    if len({tuple(missing[column.name]) for column in asked}) > 1:  # one of them was stopped
        groups = [[column] for column in asked]
    else:
        groups = [asked] if asked else []
    for columns in groups:
        turns = missing[columns[0].name]
        prompts = [Prompt(prompt[-1][1], prompt[:-1]) for prompt in turns]
        async with aclosing(resident.ask(columns, prompts, sampling, date=plan.date)) as events:
            async for event in events:
                if isinstance(event, Answered) and event.index < len(turns):
                    answer = Answer(event.text, event.tokens, event.ended)
                    yield Sample(turns[event.index], event.model, number, answer)
                yield event


# -- choosing


class Labelling(Deciding[Progress[Task]]):
    """Choices of best and worst in one set."""

    def __init__(self, file: AppendedFile, progress: Progress[Task], found: LabelSet, tasks: Tasks) -> None:
        super().__init__(file, progress)
        self.found = found
        self.tasks = tasks

    def choose(self, choice: Choice, best: int = 0, worst: int = 1, on: str | None = None) -> None:
        """Labels the task with the id `on`; None: the current one. As `label_of`.

        Raises:
            InputError: the choice cannot be saved, and does not count.
        """
        task = self.progress.current if on is None else self.progress.item(on)
        if task is None:
            return
        vote = label_of(task, choice, time.time(), best, worst)
        self._file.append(self._line(vote))
        self.progress.take(vote)
        self._undone.clear()

    def _line(self, vote: Vote) -> bytes:
        return choice_line(vote)


def open_labelling(project: Project, name: str) -> Labelling:
    """Resumes the choices in a set. Blocking.

    Raises:
        InputError: there is no such set, or it cannot be read.
    """
    folder = set_folder(project, name)
    found = read_labels(folder)
    if found.plan is None and found.unreadable:
        raise InputError(
            f"This set of labels cannot be read: {folder / SAMPLES}", "Sample into it again, or delete it."
        )
    if found.plan is None:
        raise InputError(f"There is no set of labels with this name: {name}", "Sample one first: smoltui label FOLDER")
    tasks = tasks_of(found)
    file = AppendedFile(folder / CHOICES, "choices")
    log = VoteLog()
    log.take_lines(file.read())
    return Labelling(file, Progress(tasks.tasks, log), found, tasks)


def export_labels(
    labelling: Labelling,
    out: Path,
    *,
    kind: Kind = "jsonl",
    hold_out: HoldOut | None = None,
    overwrite: bool = False,
) -> Exported:
    """Writes best against worst of each labelled prompt as a pair into the folder `out`. Blocking.

    Choices on answers that have been sampled again since count too.

    Raises:
        InputError: nothing is labelled; as `export_pairs`.
        PairsError: no choice is a pair.
    """
    plan = labelling.found.plan
    votes = [vote for vote in labelling.progress.log.votes.values() if vote.choice != "skip"]
    if plan is None or not votes:
        raise InputError("There are no choices to export", "Choose best and worst in the Evaluate room: L.")
    thinking = bool(plan.sampling.get("thinking"))
    made = export_pairs(
        pairs_of_votes((vote, thinking) for vote in sorted(votes, key=lambda vote: vote.at)),
        Curation(),
        out=out,
        kind=kind,
        name=f"labels of {plan.name}",
        schema=SCHEMA,
        thinking_off=not thinking,
        hold_out=hold_out,
        pairs_made=f"the best against the worst of {plan.n * len(plan.models)} answers to each prompt, sampled from "
        f"{' and '.join(plan.models)} at temperature {plan.sampling.get('temperature')}",
        overwrite=overwrite,
    )
    if made is None:
        raise RuntimeError("an export that nobody stops has stopped")
    return made
