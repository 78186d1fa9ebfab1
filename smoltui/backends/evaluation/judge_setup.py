"""From the settings of a judge to the judge: its model, its prompt, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from smoltui.backends.evaluation.answers import today
from smoltui.backends.evaluation.judge import Asker, template_of
from smoltui.backends.evaluation.judge_endpoint import Endpoint
from smoltui.backends.evaluation.judge_local import LocalJudge, local_column, weights_of
from smoltui.backends.evaluation.resident import ResidentModels
from smoltui.backends.project.project import Project
from smoltui.core.evaluation.column import Column
from smoltui.core.evaluation.judge_plan import Judge
from smoltui.core.settings.judge_settings import LOCAL, JudgeSettings, checked_judge
from smoltui.errors import InputError


class NoJudgeError(InputError):
    """No endpoint or no model is chosen."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A judge that can be asked."""

    settings: JudgeSettings
    judge: Judge
    prompt: str
    """Where the template is from."""
    column: Column | None = None
    """The model of a local judge."""

    @property
    def warnings(self) -> list[str]:
        """What to know before the key is used."""
        parts = urlsplit(self.settings.endpoint)
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if parts.scheme == "http" and self.settings.key_env and not here:
            return [f"The key in {self.settings.key_env} is sent unencrypted, because the address begins with http:."]
        return []

    def asker(
        self,
        models: ResidentModels,
        *,
        most: int | None = None,
        tell: Callable[[str], object] = lambda words: None,
    ) -> Asker:
        """What asks this judge for one round of calls. `models`: for a local one; it is closed by its owner."""
        if self.column is not None:
            return LocalJudge(models, self.column, self.judge, today(), tell)
        return Endpoint(self.judge, self.settings, most=most, tell=tell)


def other_judge(
    settings: JudgeSettings, endpoint: str | None = None, model: str | None = None, key_env: str | None = None
) -> JudgeSettings:
    """`settings` with another endpoint, model or key; None keeps a value.

    The key and the prices belong to the endpoint they were written for: another one gets neither.

    Raises:
        RecipeError: they cannot be used.
    """
    if endpoint is not None and endpoint != settings.endpoint:
        settings = replace(
            settings, endpoint=endpoint, key_env="", usd_per_million_input=None, usd_per_million_output=None
        )
    if model is not None and model != settings.model:
        settings = replace(settings, model=model, usd_per_million_input=None, usd_per_million_output=None)
    return checked_judge(settings if key_env is None else replace(settings, key_env=key_env))


def judge_setup(project: Project, settings: JudgeSettings, columns: Sequence[Column]) -> Setup:
    """The judge that these settings name. `columns`: the models that are compared. Blocks.

    Raises:
        NoJudgeError: endpoint or model is missing.
        InputError: there is no such local model, or the prompt cannot be used.
    """
    if not settings.endpoint or not settings.model:
        raise NoJudgeError(
            f"No judge is chosen: {'endpoint' if not settings.endpoint else 'model'} is missing",
            "Write endpoint and model under [judge] in smoltui.toml (smoltui docs judge), or name them for this time.",
        )
    template, prompt = template_of(project, settings)
    column = local_column(project, settings.model, columns) if settings.endpoint == LOCAL else None
    judge = Judge(
        settings.endpoint.rstrip("/"),
        column.shown if column is not None else settings.model,
        template,
        settings.temperature,
        settings.max_tokens,
        settings.seed,
        weights_of(column) if column is not None else "",
    )
    return Setup(settings, judge, prompt, column)
