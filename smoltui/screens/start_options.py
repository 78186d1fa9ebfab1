"""What can be changed in the start dialog for one Job alone: its flavor, its time limit, and who pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smoltui.backends.project.project import Project
from smoltui.backends.project.recipe_facts import recipe_shape
from smoltui.backends.runs.past_speeds import past_speeds
from smoltui.backends.runs.plan import Plan
from smoltui.backends.runs.spec import Options
from smoltui.core.machine.hardware import FlavorFit, accelerators, fits
from smoltui.core.preflight.preflight import Facts
from smoltui.core.runs.choice import Choice
from smoltui.core.runs.cost import Flavor, rate, usd, usd_span, worst_cost
from smoltui.core.runs.pace import as_span
from smoltui.core.runs.place import Place
from smoltui.core.runs.run import timeout_seconds
from smoltui.screens.explaining import Explains
from smoltui.screens.modal import Modal
from smoltui.screens.picker import Picker
from smoltui.widgets.ask_line import AskLine

Chosen = tuple[Plan, tuple[str, ...]] | None
"""What to run and the follow-up steps (`core.runs.chain.STEPS`); None: nothing."""


def flavors_for(project: Project, facts: Facts) -> list[FlavorFit]:
    """The listed flavors on which the recipe may fit, the cheapest first. Reads the disk."""
    shape = recipe_shape(project, facts.values)
    found = fits(facts.flavors, facts.values, shape, facts.summary.rows, sizes=facts.sizes, past=past_speeds)
    able = [fit for fit in found if fit.verdict not in ("no", "slow") and (fit.flavor.count or fit.verdict == "fits")]
    return sorted(able, key=lambda fit: fit.flavor.usd_per_minute or 0.0)


class StartOptions(Modal[Chosen], Explains[Chosen]):
    """The part of the dialog that holds them; `smoltui.toml` stays as it is."""

    ask_line: AskLine
    plan: Plan | None
    facts: Facts | None

    def __init__(self) -> None:
        super().__init__()
        self.options = Options()
        """Flavor, time limit and namespace chosen here, for this run alone."""
        self._fits: list[FlavorFit] = []
        """Those that can be chosen, the cheapest first; empty until the Hub has listed them."""

    @property
    def place(self) -> Place | None:
        """Where it would run; None until that is known."""
        raise NotImplementedError

    def look(self) -> object:
        """Makes the plan again and runs the checks."""
        raise NotImplementedError

    def offer(self, found: Sequence[FlavorFit]) -> None:
        """Takes the flavors that can be chosen."""
        self._fits = list(found)

    @property
    def _flavors(self) -> list[Flavor]:
        return [fit.flavor for fit in self._fits]

    def chosen_flavor(self) -> Flavor | None:
        """The flavor that would run it; None where runs are free, and until it is known."""
        if self.place is None or not self.place.pays:
            return None
        name = self.options.flavor or (self.plan.spec.flavor if self.plan is not None else None)
        known = next((flavor for flavor in self._flavors if flavor.name == name), None)
        return known or (self.facts.flavor if self.facts is not None else None)

    def flavor_beside(self, flavor: Flavor | None, by: int) -> Flavor | None:
        """The next cheaper or more expensive flavor; None at the ends."""
        if flavor not in self._flavors or flavor is None:
            return self._flavors[0] if self._flavors and by > 0 else None
        at = self._flavors.index(flavor) + by
        return self._flavors[at] if 0 <= at < len(self._flavors) else None

    def action_flavor(self, by: int) -> None:
        """Chooses other hardware for this Job; smoltui.toml stays as it is."""
        if self.place is None or not self.place.pays:
            return
        if found := self.flavor_beside(self.chosen_flavor(), by):
            self.options = replace(self.options, flavor=found.name)
            self.look()
        elif self._flavors:
            self.notify(f"No flavor that fits is {'cheaper' if by < 0 else 'more expensive'}; $ lists all of them")

    def action_limit(self) -> None:
        """Asks for the time limit of this Job; smoltui.toml stays as it is."""
        if self.place is not None and self.place.pays and self.plan is not None:
            now = self.options.timeout or self.plan.settings.jobs.timeout
            self._ask_limit("time limit:", now)

    def _ask_limit(self, question: str, value: str) -> None:
        self.ask_line.ask(question, "a number and one of s, m, h, d, such as 90m", self._limit_given, value)

    def _limit_given(self, text: str) -> None:
        try:
            timeout_seconds(text or "3h")
        except (ValueError, OverflowError) as error:
            self._ask_limit(f"{str(error).rstrip('.')}:", text)
            return
        self.options = replace(self.options, timeout=text or None)
        self.look()

    def action_flavors(self) -> None:
        """Chooses the flavor from a table of those that fit."""
        if self.place is None or not self.place.pays or self.plan is None:
            return
        flavor = self.chosen_flavor()

        async def load() -> Sequence[Choice]:
            return [Choice(fit.flavor.name, self._words(fit)) for fit in self._fits]

        self.app.push_screen(
            Picker("Flavors that this recipe fits, the cheapest first", load, flavor.name if flavor else ""),
            self._flavor_chosen,
        )

    def _words(self, fit: FlavorFit) -> str:
        """How well the recipe fits, expected time and cost, the most that it can cost, accelerators, and the price."""
        spec = self.plan.spec if self.plan is not None else None
        flavor, seconds = fit.flavor, (spec.timeout_seconds if spec is not None else 0) or 0
        most = worst_cost(flavor, seconds, spec.attempts if spec is not None else None)
        time = as_span(fit.took.low, fit.took.high) if fit.took is not None else "time unknown"
        cost = "" if fit.cost is None else f"{usd_span(*fit.cost).removesuffix(' USD')}, "
        late = " (the limit may come first)" if fit.took is not None and fit.took.high > seconds else ""
        worst = "" if most is None else f"{cost}at most {usd(most)}{late}"
        parts = [fit.in_words, time, worst, accelerators(flavor), rate(flavor)]
        return " · ".join(part for part in parts if part)

    def _flavor_chosen(self, name: str | None) -> None:
        if name is not None:
            self.options = replace(self.options, flavor=name)
            self.look()

    def action_payer(self) -> None:
        """Chooses which of the account's namespaces owns and pays for this Job."""
        account = self.facts.account if self.facts is not None else None
        if self.place is None or not self.place.pays or account is None or self.plan is None:
            return

        async def load() -> Sequence[Choice]:
            return [Choice(account.name, "this account"), *(Choice(name, "organization") for name in account.orgs)]

        now = self.plan.spec.namespace or account.name
        self.app.push_screen(Picker("Who owns and pays for the Job", load, now), self._payer_chosen)

    def _payer_chosen(self, name: str | None) -> None:
        if name is not None:
            self.options = replace(self.options, namespace=name)
            self.look()
