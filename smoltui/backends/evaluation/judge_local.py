"""A judge on this machine, in the child that keeps models loaded (`resident.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from smoltui.backends.evaluation.columns import column_of_place
from smoltui.backends.evaluation.judge import Record
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.judge_plan import Call, Judge
from smoltui.core.evaluation.judge_verdict import Reply
from smoltui.core.evaluation.prompt import Prompt
from smoltui.core.runs.events import Answered, AnswerLeftOut, PhaseChanged
from smoltui.core.runs.wording import PHASES


def local_column(project: Project, model: str, columns: Sequence[Column]) -> Column:
    """The model of a local judge: one of the columns that are compared, a folder or a Hub id. Blocks.

    Raises:
        InputError: it is none of these.
    """
    named = next((column for column in columns if column.name == model and column.path), None)
    return named or column_of_place(project, model)


def weights_of(column: Column) -> str:
    """What changes when other weights are written to the same folder: size and time of the newest file. Blocks."""
    folder = Path(column.adapter or column.path)
    found = [] if not folder.is_absolute() else [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    stats = [(stat.st_mtime_ns, stat.st_size) for stat in (path.stat() for path in found)]
    return "{}-{}".format(*max(stats)) if stats else ""


class LocalJudge:
    """Asks a local model, in batches. For one round of calls."""

    def __init__(
        self,
        models: ResidentModels,
        column: Column,
        judge: Judge,
        date: str,
        tell: Callable[[str], object] = lambda words: None,
    ) -> None:
        """`date`: what chat templates take for the day's date. `tell` gets what the model is doing."""
        self._tell = tell
        self._models, self._column, self._judge, self._date = models, column, judge, date
        self._stopping = False

    def stop(self) -> None:
        """Makes no further call. The answers being generated are lost; they cost time only."""
        self._stopping = True

    async def ask(self, calls: Sequence[Call], record: Record) -> None:
        """As `judge.Asker.ask`."""
        judge = self._judge
        sampling = {
            "max_new_tokens": judge.max_tokens,
            "temperature": judge.temperature,
            "top_p": 1.0,
            "seed": judge.seed,
            "thinking": False,
        }
        prompts = [Prompt(call.text) for call in calls]
        async with aclosing(self._models.ask([self._column], prompts, sampling, date=self._date)) as events:
            async for event in events:
                if self._stopping:
                    return
                if isinstance(event, Answered):
                    ended = "stop" if event.ended else "length"
                    await record(calls[event.index], Reply(event.text, ended, None, event.tokens))
                elif isinstance(event, AnswerLeftOut):
                    await record(calls[event.index], Reply("", "beyond"))
                elif isinstance(event, PhaseChanged):
                    self._tell(f"The judge: {PHASES.get(event.phase, event.phase)}")
